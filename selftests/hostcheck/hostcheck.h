/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A PCI device as a DMA engine, which reads memory at one place and writes what it has found there
 * at another one.
 *
 * Devices differ in how much they can carry. A token is what all of them can: a small number that
 * is not 0, of which the device's memory, and what it writes, tell that it is this one.
 */
#ifndef HOSTCHECK_H
#define HOSTCHECK_H

#include <unistd.h>

#include "test.h"

#define SMALL		CHUNK

/* Memory that the engine keeps for itself: queues and rings, and where tokens come from and go. */
#define ENGINE_OWN	MiB
#define TARGET		(64 * KiB)
#define SOURCE		(192 * KiB)
/* Longer than any of these devices takes for anything but a reset. */
#define ENGINE_MS	2000

struct engine;

/* These return 0 or -errno, where they return an int. */
struct engine_ops {
	const char *name;
	/* The device, whatever its state is, uses no memory any more. */
	int (*reset)(struct engine *e);
	/* After a reset, with memory of its own that is 0: makes it ready. */
	int (*start)(struct engine *e);
	/* Lays out memory at @va so that a device which reads it has found @token. */
	void (*put)(struct engine *e, void *va, uint32_t token);
	/* The device reads at @from and writes at @to, maybe somewhat later. */
	int (*copy)(struct engine *e, uint64_t from, uint64_t to);
	/* Which token it has written at @va; 0 if any of that is not there. */
	uint32_t (*token)(struct engine *e, const void *va);
};

extern const struct engine_ops nvme_engine, xhci_engine;

struct engine {
	const struct engine_ops *ops;
	struct tce *t;
	int fd;				/* of the device */
	uint64_t config, bar;		/* where they are in it */
	uint8_t *own;			/* ENGINE_OWN bytes, at @own_iova */
	uint64_t own_iova;
	/* For the test, mapped for reading and writing. 16 MiB, and more, are free from @iova on. */
	uint64_t iova;
	uint8_t *mem;
	size_t size;
	/* The engine's start() sets these. */
	char what[80];			/* what the device says it is */
	uint32_t tokens;		/* a mask */
	size_t span;			/* bytes that a write may change */
	bool reads;			/* what it writes tells what it has read */
};

/*
 * The engine runs in the default window, with @size bytes of memory for the test. Skips the test if
 * there is no engine for the device.
 */
void begin(struct engine *e, struct tce *t, size_t size);
/* The device does not use memory any more, which is let go. */
void end(struct engine *e);
/* After an error, or a reset, which also forgets that the device may use memory. */
int restart(struct engine *e);

/* Registers of BAR 0, which are little endian. */
uint32_t get32(struct engine *e, uint32_t reg);
void set32(struct engine *e, uint32_t reg, uint32_t value);
void set64(struct engine *e, uint32_t reg, uint64_t value);

/* The device reads at @iova: which token that was. */
int read_token(struct engine *e, uint64_t iova, uint32_t *token);
/* The device writes @token at @iova, which is @va. */
int write_token(struct engine *e, uint64_t iova, void *va, uint32_t token);

/* Waits for @cond; says whether it came true. Most commands take less than a millisecond. */
#define until(ms, cond) ({						\
	double end_ = seconds() + (ms) / 1e3;				\
									\
	while (!(cond) && seconds() < end_)				\
		usleep(100);						\
	(cond);								\
})

#endif
