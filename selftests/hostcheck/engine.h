/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A PCI device as a DMA engine: it reads memory, it writes memory, and it lets
 * the program know which content it has read or written.
 *
 * Devices differ in how much they can tell. A token is what all of them can: a
 * small number that memory, or what the device writes, can carry.
 */
#ifndef HOSTCHECK_ENGINE_H
#define HOSTCHECK_ENGINE_H

#include "tce.h"

/* Memory that the engine keeps for itself: queues, rings, what it compares with. */
#define ENGINE_OWN	MiB

#define ENGINE_MSI	(1u << VFIO_PCI_MSI_IRQ_INDEX)
#define ENGINE_MSIX	(1u << VFIO_PCI_MSIX_IRQ_INDEX)

struct engine;

struct engine_ops {
	const char *name;
	bool (*match)(uint16_t vendor, uint16_t device, uint32_t class);
	/* Makes the device ready, whatever its state is. These return 0 or -errno. */
	int (*start)(struct engine *e);
	void (*stop)(struct engine *e);
	/* Lays out memory at @va so that the device which reads it tells @token. */
	void (*put)(struct engine *e, void *va, uint32_t token);
	/* The device reads at @iova: which token that was. */
	int (*read)(struct engine *e, uint64_t iova, uint32_t *token);
	/* The device writes @token at @iova. */
	int (*write)(struct engine *e, uint64_t iova, uint32_t token);
	/* The device interrupts, in one of the kinds in e->kinds. */
	int (*interrupt)(struct engine *e);
	/* Is that what memory at @va has now? */
	bool (*got)(struct engine *e, const void *va, uint32_t token);
};

struct engine {
	const struct engine_ops *ops;
	struct tce *t;
	int fd;				/* of the device */
	uint64_t config, bar;		/* where they are in it */
	uint16_t vendor, device;
	uint8_t *own;			/* ENGINE_OWN bytes, at @own_iova */
	uint64_t own_iova;
	/* The engine's start() sets these. */
	char what[80];			/* what the device says it is */
	uint32_t tokens;		/* a mask */
	size_t span;			/* bytes that a write may change */
	bool reads;			/* read() can tell */
	bool wide;			/* it drives 64 address bits */
	unsigned int kinds;		/* of interrupts: ENGINE_MSI, ENGINE_MSIX */
};

extern const struct engine_ops edu_engine, nvme_engine, xhci_engine, intel_engine;

/* Opens device 0 and starts it, with its own memory mapped at @own_iova. */
int __engine_open(struct engine *e, struct tce *t, uint64_t own_iova);
/* The same; skips the row if there is no engine for such a device, or fails it. */
void engine_open(struct engine *e, struct tce *t, uint64_t own_iova);
void engine_close(struct engine *e);
/* After an error, or a reset, which also forgets that the device may use memory. */
int engine_restart(struct engine *e);

/* Registers of BAR 0, which are little endian. */
uint32_t engine_get32(struct engine *e, uint32_t reg);
void engine_set32(struct engine *e, uint32_t reg, uint32_t value);
void engine_set64(struct engine *e, uint32_t reg, uint64_t value);

/* What the device must see, or change: with new content each time. */
uint32_t engine_token(struct engine *e);
bool engine_reads(struct engine *e, uint64_t iova, void *va);
bool engine_writes(struct engine *e, uint64_t iova, void *va);

uint64_t now_ms(void);
void sleep_ms(unsigned int ms);

/* Waits for @cond; says whether it came true. */
#define until(ms, cond) ({						\
	uint64_t end_ = now_ms() + (ms);				\
									\
	while (!(cond) && now_ms() < end_)				\
		sleep_ms(1);						\
	(cond);								\
})

/* Longer than any of these devices takes for anything but a reset. */
#define ENGINE_MS	2000

#endif
