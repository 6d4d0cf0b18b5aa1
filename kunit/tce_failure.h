/* SPDX-License-Identifier: GPL-2.0-only */
/* Operations in which something that they depend on fails, for the suite tce_failure. */
#ifndef TCE_KUNIT_FAILURE_H
#define TCE_KUNIT_FAILURE_H

#include "tce_client.h"

struct failure;

/**
 * struct failure_call - what an operation does
 * @run: the call
 * @done: expects what holds when it has succeeded; may be NULL
 * @at: first IOBA of a MAP
 * @size: bytes of a MAP or UNMAP; if 0, a MAP is of the operation's memory, and an UNMAP of the
 *	whole window
 * @write_only: a MAP lets the device write, and not read
 * @releases: it releases something, so that it fails for no lack of memory
 * @by_core: the VFIO core asks for it, and nobody can interrupt that
 */
struct failure_call {
	long (*run)(struct failure *f);
	void (*done)(struct failure *f);
	u64 at;
	u64 size;
	bool write_only;
	bool releases;
	bool by_core;
};

extern const struct failure_call failure_map;
extern const struct failure_call failure_map_one;
extern const struct failure_call failure_unmap;
extern const struct failure_call failure_register;
extern const struct failure_call failure_create;
extern const struct failure_call failure_remove;
extern const struct failure_call failure_close;

/**
 * struct failure_form - for whom, and where, an operation is done
 * @name: of the parameter
 * @v2: which interface
 * @levels: of the table
 * @hcalls: see &tce_mock.hcalls
 * @kvm: the process has KVM
 * @two: the container has two groups, and the memory is two regions
 */
struct failure_form {
	const char *name;
	bool v2;
	u32 levels;
	bool hcalls;
	bool kvm;
	bool two;
};

/**
 * struct failure_op - an operation
 * @name: of the parameter
 * @setup: makes the state in which it begins
 * @call: what it does then
 * @kind: of the memory
 * @size: bytes of memory
 */
struct failure_op {
	const char *name;
	void (*setup)(struct failure *f);
	const struct failure_call *call;
	enum tce_mem_kind kind;
	unsigned long size;
};

/**
 * struct failure - an operation in one of its forms, and what it is done with
 * @test: the case
 * @fx: the process
 * @op: the operation
 * @form: its form
 * @client: the container
 * @grp: its group
 * @other: another group
 * @a: memory
 * @b: other memory of the same size
 * @window: its size
 * @start: of the window that is created or removed
 * @registered: both pieces of memory are
 * @pins: how often it pins memory if nothing fails
 * @before: what there was before the operation
 */
struct failure {
	struct kunit *test;
	struct tce_fixture *fx;
	const struct failure_op *op;
	const struct failure_form *form;
	struct tce_client *client;
	struct tce_mock_group *grp;
	struct tce_mock_group *other;
	unsigned long a;
	unsigned long b;
	u64 window;
	u64 start;
	bool registered;
	unsigned int pins;
	struct tce_state before;
};

const void *failure_next(const void *prev, char *desc);
void failure_init(struct kunit *test, struct failure *f);
void failure_expect_done(struct failure *f);
void failure_expect_unmapped(struct failure *f);
unsigned long failure_maps(const struct failure *f);
unsigned long failure_region(const struct failure *f);
bool failure_unmaps(const struct failure *f);
void failure_end(struct failure *f);

#endif /* TCE_KUNIT_FAILURE_H */
