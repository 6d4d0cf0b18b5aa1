// SPDX-License-Identifier: GPL-2.0-only
/*
 * Put between QEMU and the kernel with LD_PRELOAD; all that is not named here goes through.
 *
 * TCE_REFUSE plays a host that lacks something:
 *
 * v2		VFIO_SET_IOMMU to the second version of the sPAPR TCE interface
 *		is refused, as by a host bridge without dynamic windows.
 * kvm-tces	KVM writes no TCEs of VFIO: QEMU does, by ioctl, as it would
 *		without KVM. It is not given KVM's VFIO device either: that one
 *		warns at the end about each group that it heard no more of.
 *
 * TCE_KEEP plays a guest that leaves a page mapped of memory that is taken from it: of the
 * region of so many bytes. Before QEMU unregisters it, its first page is mapped at the end
 * of the last window, where the guest maps nothing, and nobody unmaps it. After the second
 * time, other memory is put in its place. That is how the kernel sees a backend that is
 * freed, and one that comes to the same address. QEMU 7.2 itself never frees a backend that
 * was registered: it forgets to give back a reference. What becomes of it is told on stderr;
 * an ERRNO of 0 means done:
 *
 *	keep: REGISTER|UNREGISTER|REPLACE 0xADDRESS: ERRNO
 *	keep: MAP 0xADDRESS at 0xIOBA: ERRNO
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/kvm.h>
#include <linux/vfio.h>

static uint64_t window_end, page_size;	/* of the last window */
static int unregistered;		/* how often QEMU tried to */

static void map(int fd, uint64_t vaddr)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = vaddr,
		.iova = window_end - page_size,
		.size = page_size,
	};
	long rc = syscall(SYS_ioctl, fd, VFIO_IOMMU_MAP_DMA, &map);

	dprintf(2, "keep: MAP %#lx at %#lx: %d\n", (long)vaddr, (long)map.iova,
		rc ? errno : 0);
}

static void replace(uint64_t vaddr, uint64_t size)
{
	void *p = mmap((void *)vaddr, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	dprintf(2, "keep: REPLACE %#lx: %d\n", (long)vaddr,
		p == MAP_FAILED ? errno : 0);
}

static int registration(int fd, unsigned int cmd,
			struct vfio_iommu_spapr_register_memory *reg)
{
	int undo = cmd == VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY;
	const char *keep = getenv("TCE_KEEP");
	int rc, error;

	if (!keep || reg->size != strtoull(keep, NULL, 0))
		return syscall(SYS_ioctl, fd, cmd, reg);

	if (undo) {
		unregistered++;
		map(fd, reg->vaddr);
	}
	rc = syscall(SYS_ioctl, fd, cmd, reg);
	error = errno;
	dprintf(2, "keep: %s %#lx: %d\n", undo ? "UNREGISTER" : "REGISTER",
		(long)reg->vaddr, rc ? error : 0);
	if (undo && unregistered == 2)
		replace(reg->vaddr, reg->size);
	errno = error;
	return rc;
}

static int refused(const char *what, int error)
{
	const char *all = getenv("TCE_REFUSE");

	errno = error;
	return all && strstr(all, what);
}

int ioctl(int fd, unsigned long request, ...)
{
	unsigned int cmd = request;	/* QEMU has it in an int sometimes */
	struct vfio_iommu_spapr_tce_create *create;
	va_list ap;
	void *arg;
	int rc;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);

	if (cmd == VFIO_SET_IOMMU && arg == (void *)VFIO_SPAPR_TCE_v2_IOMMU && refused("v2", EPERM))
		return -1;
	if (cmd == KVM_CHECK_EXTENSION && arg == (void *)KVM_CAP_SPAPR_TCE_VFIO && refused("kvm-tces", 0))
		return 0;
	if (cmd == KVM_CREATE_DEVICE && ((struct kvm_create_device *)arg)->type == KVM_DEV_TYPE_VFIO &&
	    refused("kvm-tces", ENODEV))
		return -1;

	if (cmd == VFIO_IOMMU_SPAPR_REGISTER_MEMORY ||
	    cmd == VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY)
		return registration(fd, cmd, arg);
	rc = syscall(SYS_ioctl, fd, request, arg);
	if (!rc && cmd == VFIO_IOMMU_SPAPR_TCE_CREATE) {
		create = arg;
		window_end = create->start_addr + create->window_size;
		page_size = 1ULL << create->page_shift;
	}
	return rc;
}
