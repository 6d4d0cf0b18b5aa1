/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VFIO sPAPR TCE API as the tests speak it.
 *
 * Each operation exists twice: __x() returns what the kernel returned or
 * -errno, and x() fails the test unless that is 0.
 */
#ifndef SELFTESTS_VFIO_H
#define SELFTESTS_VFIO_H

#include <linux/vfio.h>
#include <stdio.h>
#include <sys/types.h>

#include "test.h"

#define V1_IOMMU	VFIO_SPAPR_TCE_IOMMU
#define V2_IOMMU	VFIO_SPAPR_TCE_v2_IOMMU

#define KiB		1024ULL
#define MiB		(1024 * KiB)
#define GiB		(1024 * MiB)

#define R		VFIO_DMA_MAP_FLAG_READ
#define W		VFIO_DMA_MAP_FLAG_WRITE
#define RW		(R | W)

#define MAX_DEVICES	4

/* What the machine has, found once before the first test. */
struct host {
	bool powernv;
	size_t page;			/* CPU page size */
	int devices;
	struct {
		char pci[32];
		int group;		/* number of the IOMMU group */
		uid_t owner;		/* of the group's file */
	} device[MAX_DEVICES];
	int other;			/* a device of another group, or -1 */
	bool wide;			/* device 0 drives 64 address bits */
};

extern struct host host;

/* QEMU's "edu" device: a DMA engine with a 4 KiB buffer. */
struct edu {
	int fd;
	volatile uint8_t *bar;
	bool swap;			/* registers have the other endianness */
};

struct tce {
	int version;			/* 1 or 2 */
	bool enabled;			/* v1: ENABLE was done */
	int container;			/* fd */
	int group;			/* fd of device 0's group */
	int group2;			/* fd of device other's group, or -1 */
	struct edu edu;			/* of device 0 */
	struct vfio_iommu_spapr_tce_info info;
	void *bounce;			/* see bounce_at() */
	uint64_t bounce_iova;
};

void host_init(void);
void host_init_quiet(void);
bool host_use(const char *pci);
/* Gives vfio-pci the devices that it had at first, and their files to their owners. */
bool host_restore(void);
void host_refresh(void);
/* Writes to a file of the kernel's: 0 or -errno. */
long write_to(const char *path, const char *text);

/* Files */
int open_container(void);
int __open_group(int device);
int open_group(int device);
long __set_container(int group, int container);
long __unset_container(int group);
long __set_iommu(int container, long type);
long __check_extension(int container, long extension);
#define set_container(g, c)	expect_rc(0, __set_container(g, c))
#define unset_container(g)	expect_rc(0, __unset_container(g))
#define set_iommu(c, type)	expect_rc(0, __set_iommu(c, type))

/* Opens a container with device 0 in it; undone by detach(). */
void attach(struct tce *t, int version);
void detach(struct tce *t);

/* The commands of the container */
long __get_info(int container, struct vfio_iommu_spapr_tce_info *info);
long __enable(int container);
long __disable(int container);
long __register(int container, const void *va, uint64_t size);
long __unregister(int container, const void *va, uint64_t size);
long __create(int container, uint32_t shift, uint64_t size, uint32_t levels,
	      uint64_t *start);
long __remove(int container, uint64_t start);
long __map(int container, const void *va, uint64_t iova, uint64_t size,
	   uint32_t flags);
long __unmap(int container, uint64_t iova, uint64_t size);
long __eeh(int container, uint32_t op);
long __raw(int fd, unsigned long cmd, void *arg);

#define get_info(c, info)	expect_rc(0, __get_info(c, info))
#define enable(c)		expect_rc(0, __enable(c))
#define disable(c)		expect_rc(0, __disable(c))
#define register_mem(...)	expect_rc(0, __register(__VA_ARGS__))
#define unregister_mem(...)	expect_rc(0, __unregister(__VA_ARGS__))
#define create(...)		expect_rc(0, __create(__VA_ARGS__))
#define remove_window(...)	expect_rc(0, __remove(__VA_ARGS__))
#define map(...)		expect_rc(0, __map(__VA_ARGS__))
#define unmap(...)		expect_rc(0, __unmap(__VA_ARGS__))

/* Allows DMA to @va: ENABLE for v1 (once), REGISTER for v2. */
long __allow(struct tce *t, const void *va, uint64_t size);
#define allow(...)		expect_rc(0, __allow(__VA_ARGS__))

/* The tables that a window of this size needs, as libvirt accounts for them. */
uint64_t table_bytes(unsigned int shift, uint64_t size, unsigned int levels);
/* True when the platform offers this IOMMU page size. */
bool has_shift(const struct tce *t, unsigned int shift);

/* Memory */
void *alloc(size_t size, size_t align);
void fill(void *buf, size_t size, unsigned int seed);
bool filled(const void *buf, size_t size, unsigned int seed);
/* Locked memory of this process in bytes (VmLck). */
uint64_t locked(void);
/* Pages pinned for DMA in the whole system, -1 when the kernel cannot tell. */
long pinned(void);
/* The same, and those that were released; exact for root only. */
long ever_pinned(void);
/* Lets pinned() be exact after this process has given up root. */
void start_counter(void);
/* The same, when everybody else is expected to get to @want. */
long pinned_settled(long want);
uint64_t mem_free(void);
uint64_t ram(void);
bool mem_free_returns(uint64_t want);

/* Privileges: gives up root and with it CAP_IPC_LOCK. */
void drop_root(void);
void set_memlock(uint64_t bytes);

/* The DMA engine. Lengths are at most EDU_MAX. */
#define EDU_MAX		2048
int edu_open(struct edu *edu, int group, int device);
void edu_close(struct edu *edu);
void edu_read(struct edu *edu, uint64_t iova, unsigned int off, size_t len);
void edu_write(struct edu *edu, uint64_t iova, unsigned int off, size_t len);

/*
 * Copies through the device, from one IOVA to another. The device reports no
 * errors, so tests compare memory.
 */
void edu_copy(struct edu *edu, uint64_t from, uint64_t to, size_t len);

/*
 * Questions to the device: does it read what is in memory at @va, does it
 * change that memory, when it is told to use @iova? Both ask with PROBE bytes
 * and through a bounce page, which must be mapped first.
 */
#define PROBE	1024
void bounce_at(struct tce *t, uint64_t iova);
bool edu_sees(struct tce *t, struct edu *edu, uint64_t iova, void *va);
bool edu_changes(struct tce *t, struct edu *edu, uint64_t iova, void *va);
#define can_read(t, iova, va)	edu_sees(t, &(t)->edu, iova, va)
#define can_write(t, iova, va)	edu_changes(t, &(t)->edu, iova, va)

#endif
