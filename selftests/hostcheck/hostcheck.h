/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A PCI device as a DMA engine: it reads memory, it writes memory, and it lets the
 * program know which content it has read or written.
 *
 * Devices differ in how much they can tell. A token is what all of them can: a small
 * number that memory, or what the device writes, can carry.
 */
#ifndef HOSTCHECK_H
#define HOSTCHECK_H

#include "test.h"

#define SMALL		CHUNK

/* Memory that the engine keeps for itself: queues, rings, what it compares with. */
#define ENGINE_OWN	MiB
/* Longer than any of these devices takes for anything but a reset. */
#define ENGINE_MS	2000

struct engine;

/* These return 0 or -errno, where they return a number. */
struct engine_ops {
	const char *name;
	/* Makes the device ready, whatever its state is. */
	int (*start)(struct engine *e);
	int (*stop)(struct engine *e);
	/* Lays out memory at @va so that the device which reads it tells @token. */
	void (*put)(struct engine *e, void *va, uint32_t token);
	/* The device reads at @iova: which token that was. */
	int (*read)(struct engine *e, uint64_t iova, uint32_t *token);
	/* The device writes @token at @iova. */
	int (*write)(struct engine *e, uint64_t iova, uint32_t token);
	/* Is that what memory at @va has now? */
	bool (*got)(struct engine *e, const void *va, uint32_t token);
};

extern const struct engine_ops nvme_engine, xhci_engine, e1000e_engine;

struct engine {
	const struct engine_ops *ops;
	struct tce *t;
	int fd;				/* of the device */
	uint64_t config, bar;		/* where they are in it */
	uint8_t *own;			/* ENGINE_OWN bytes, at @own_iova */
	uint64_t own_iova;
	/* For the row: 16 MiB, and more, are free from @iova on. */
	uint64_t iova;
	uint8_t *mem;
	size_t size;
	/* The engine's start() sets these. */
	char what[80];			/* what the device says it is */
	uint32_t tokens;		/* a mask */
	size_t span;			/* bytes that a write may change */
	bool reads;			/* read() can tell */
};

/*
 * The engine runs in the window that begins at @start, and @size bytes of memory are
 * allowed. Skips the row if there is no engine for the device.
 */
void begin_at(struct engine *e, struct tce *t, size_t size, uint64_t start);
/* The same in the default window. */
void begin(struct engine *e, struct tce *t, size_t size);
/* The device does not use memory any more, which is let go. */
void end(struct engine *e);
/* After an error, or a reset, which also forgets that the device may use memory. */
int restart(struct engine *e);

/* Registers of BAR 0, which are little endian. */
uint32_t get32(struct engine *e, uint32_t reg);
void set32(struct engine *e, uint32_t reg, uint32_t value);
void set64(struct engine *e, uint32_t reg, uint64_t value);

/* Maps all of the row's memory. */
void map_all(struct engine *e, uint32_t flags);
/* What the device must see, or change: with new content each time. */
bool engine_reads(struct engine *e, uint64_t iova, void *va);
bool engine_writes(struct engine *e, uint64_t iova, void *va);
/* By writing and, if it can tell, reading. */
bool reaches(struct engine *e, uint64_t iova, void *va);

/* EEH as a guest does it: reset, and what comes after it. */
void eeh_reset(struct tce *t, uint32_t kind);
/* After an access that was not allowed: the device works again. */
void recover(struct engine *e);

/* Of the clock */
uint64_t now_ms(void);

/* Waits for @cond; says whether it came true. */
#define until(ms, cond) ({						\
	uint64_t end_ = now_ms() + (ms);				\
									\
	while (!(cond) && now_ms() < end_)				\
		nap(1);						\
	(cond);								\
})

#endif
