// SPDX-License-Identifier: GPL-2.0-only
/*
 * Put between QEMU and the kernel with LD_PRELOAD: VFIO_SET_IOMMU to the second
 * version of the sPAPR TCE interface is refused, as by a host bridge without
 * dynamic windows. Everything else goes through.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/vfio.h>

int ioctl(int fd, unsigned long request, ...)
{
	unsigned long arg;
	va_list ap;

	va_start(ap, request);
	arg = va_arg(ap, unsigned long);
	va_end(ap);

	if (request == VFIO_SET_IOMMU && arg == VFIO_SPAPR_TCE_v2_IOMMU) {
		errno = EPERM;
		return -1;
	}
	return syscall(SYS_ioctl, fd, request, arg);
}
