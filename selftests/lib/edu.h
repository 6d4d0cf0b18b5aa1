/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * QEMU's "edu" device: a DMA engine with a 4 KiB buffer.
 */
#ifndef SELFTESTS_EDU_H
#define SELFTESTS_EDU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct edu {
	int fd;
	volatile uint8_t *bar;
	bool swap;			/* registers have the other endianness */
};

/* Lengths are at most EDU_MAX. */
#define EDU_MAX		2048
int edu_open(struct edu *edu, int group, int device);
int edu_open_host(struct edu *edu, int device);
void edu_close(struct edu *edu);
void edu_read(struct edu *edu, uint64_t iova, unsigned int off, size_t len);
void edu_write(struct edu *edu, uint64_t iova, unsigned int off, size_t len);

/*
 * It writes over and over until edu_stop(), or only once, some time later, if
 * QEMU is as it comes (scripts/image/qemu).
 */
void edu_keep_writing(struct edu *edu, uint64_t iova, unsigned int off, size_t len);
void edu_stop(struct edu *edu);

/*
 * Copies through the device, from one IOVA to another. The device reports no
 * errors, so tests compare memory.
 */
void edu_copy(struct edu *edu, uint64_t from, uint64_t to, size_t len);

#endif
