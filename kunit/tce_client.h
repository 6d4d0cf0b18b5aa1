/* SPDX-License-Identifier: GPL-2.0-only */
/* What a container is asked, and what to expect of it, see tce_client.c. */
#ifndef TCE_KUNIT_CLIENT_H
#define TCE_KUNIT_CLIENT_H

#include "tce_fixture.h"

#define TCE_R	VFIO_DMA_MAP_FLAG_READ
#define TCE_W	VFIO_DMA_MAP_FLAG_WRITE
#define TCE_RW	(TCE_R | TCE_W)

/* A generator of parameters from @next(prev, desc). Linux 6.18 gives it its case as well. */
#ifdef kunit_register_params_array
#define TCE_GENERATOR(name, next)					\
static const void *name##_gen_params(struct kunit *test,		\
				     const void *prev, char *desc)	\
{									\
	return next(prev, desc);					\
}
#else
#define TCE_GENERATOR(name, next)					\
static const void *name##_gen_params(const void *prev, char *desc)	\
{									\
	return next(prev, desc);					\
}
#endif

struct tce_client *tce_ready(struct tce_fixture *fx, bool v2,
			     struct tce_mock_group **pgrp);
struct tce_client *tce_ready_window(struct tce_fixture *fx, u32 shift,
				    u64 size, u32 levels,
				    struct tce_mock_group **pgrp);
struct tce_client *tce_ready_for(struct tce_fixture *fx, bool v2, unsigned long ua,
				 unsigned long size, struct tce_mock_group **pgrp);
int tce_listed(const struct tce_client *client);

long tce_ioctl_raw(struct tce_client *client, unsigned int cmd,
		   unsigned long arg);
long tce_ioctl(struct tce_client *client, unsigned int cmd, void *arg,
	       size_t size);
long tce_enable(struct tce_client *client);
long tce_disable(struct tce_client *client);
long tce_eeh(struct tce_client *client, struct vfio_eeh_pe_op *op);
long tce_register(struct tce_client *client, u64 ua, u64 size);
long tce_unregister(struct tce_client *client, u64 ua, u64 size);
long tce_create(struct tce_client *client, u32 shift, u64 size, u32 levels,
		u64 *start);
long tce_remove(struct tce_client *client, u64 start);
long tce_map(struct tce_client *client, u64 ioba, u64 ua, u64 size, u32 flags);
long tce_unmap(struct tce_client *client, u64 ioba, u64 size);

void tce_expect_mapped(struct tce_fixture *fx, struct tce_mock_group *grp,
		       int num, u64 ioba, unsigned long ua, u64 size,
		       u32 flags);
void tce_expect_empty(struct tce_fixture *fx, struct tce_mock_group *grp,
		      int num, u64 ioba, u64 size);

void tce_expect_why(struct tce_fixture *fx, const char *by);

/* Expect that a call is refused, for a reason or else by a function, and changes nothing. */
#define TCE_REFUSED(fx, why, errno, call) do {				\
	struct tce_fixture *_fx = fx;					\
	struct tce_state _before;					\
									\
	tce_get_state(_fx, &_before);					\
	_fx->mock->refused_by = NULL;					\
	KUNIT_EXPECT_EQ(_fx->test, call, -(errno));			\
	tce_expect_why(_fx, #why);					\
	tce_expect_state(_fx, &_before, #why);				\
} while (0)

#endif /* TCE_KUNIT_CLIENT_H */
