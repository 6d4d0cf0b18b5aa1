/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Operations in which something that they depend on fails, for the suites tce_failure
 * and tce_failure_clear.
 */
#ifndef TCE_KUNIT_FAILURE_H
#define TCE_KUNIT_FAILURE_H

#include "tce_client.h"

struct failure;

/**
 * struct failure_op - an operation
 * @name: of the parameter
 * @v2: which interface
 * @levels: of the table
 * @setup: makes the state in which it begins
 * @run: the operation
 * @kind: of the memory
 * @size: bytes of memory
 * @meets: the failures that can meet it: a bit for each that it certainly asks
 *	for, and MAY() of those that it asks for if the memory lies so
 * @never: it never fails, whatever happens
 * @hcalls: see &tce_mock.hcalls
 * @kvm: the process has KVM, and so has each table
 * @elsewhere: one of the table's on the other platform, or with two of a kind: which failures meet
 *	it is found out
 * @two: the container has two groups, and the memory is two regions
 */
struct failure_op {
	const char *name;
	bool v2;
	u32 levels;
	void (*setup)(struct failure *f);
	long (*run)(struct failure *f);
	enum tce_mem_kind kind;
	unsigned long size;
	u32 meets;
	bool never;
	bool hcalls;
	bool kvm;
	bool elsewhere;
	bool two;
};

/**
 * struct failure - an operation, and what it is done with
 * @test: the case
 * @fx: the process
 * @op: the operation
 * @client: the container
 * @grp: its group
 * @other: another group
 * @a: memory
 * @b: other memory of the same size
 * @window: its size
 * @start: of the window that is created or removed
 * @registered: both pieces of memory are
 * @before: what there was before the operation
 */
struct failure {
	struct kunit *test;
	struct tce_fixture *fx;
	const struct failure_op *op;
	struct tce_client *client;
	struct tce_mock_group *grp;
	struct tce_mock_group *other;
	unsigned long a;
	unsigned long b;
	u64 window;
	u64 start;
	bool registered;
	struct tce_state before;
};

/**
 * struct failure_way - how an operation is made to fail
 * @fault: what fails
 * @rc: with this result
 * @want: what the operation says then
 * @may_succeed: or it does it in another way
 * @sticky: from then on it always fails
 * @keeps: from then on no bridge releases a window
 * @all: so many failures are tried one by one, and then fewer and fewer of them
 * @failed: what holds then
 */
struct failure_way {
	enum tce_fault fault;
	int rc;
	long want;
	bool may_succeed;
	bool sticky;
	bool keeps;
	unsigned int all;
	void (*failed)(struct failure *f, const struct failure_way *way, unsigned int nth, long rc);
};

/* Failures that an operation asks for if the memory lies so */
#define MAY(faults)	((faults) << TCE_FAULTS)

const void *failure_next_op(const struct failure_op *prev, char *desc,
			    bool (*applies)(const struct failure_op *op));

/* The operations for which @condition is true, as the table has them, or elsewhere. */
#define OPS_THAT(name, condition)	OPS_OF(name, !op->elsewhere && (condition))
#define OPS_ELSEWHERE(name, condition)	OPS_OF(name, op->elsewhere && (condition))
#define OPS_OF(name, condition)						\
static bool name##_op(const struct failure_op *op)			\
{									\
	return condition;						\
}									\
									\
static const void *name##_next(const void *prev, char *desc)		\
{									\
	return failure_next_op(prev, desc, name##_op);			\
}									\
									\
TCE_GENERATOR(name, name##_next)

/* Operations that are something special */
long failure_map(struct failure *f);
long failure_unmap(struct failure *f);
long failure_unmap_one(struct failure *f);
long failure_create(struct failure *f);
long failure_remove(struct failure *f);
void failure_expect_done(struct failure *f);
unsigned long failure_maps(const struct failure *f);
void failure_expect_unmapped(struct failure *f);

bool failure_meets(const struct failure_op *op, enum tce_fault fault);
bool failure_may_meet(const struct failure_op *op, enum tce_fault fault);
void failure_init(struct kunit *test, struct failure *f);
void failure_clean_up(struct failure *f);
bool failure_asks(struct kunit *test, unsigned int asked[TCE_FAULTS]);
void failure_never_met(struct failure *f, enum tce_fault fault);
void failure_each(struct kunit *test, const struct failure_way *way);

#endif /* TCE_KUNIT_FAILURE_H */
