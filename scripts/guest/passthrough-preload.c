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
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/kvm.h>
#include <linux/vfio.h>

static int refused(const char *what, int error)
{
	const char *all = getenv("TCE_REFUSE");

	errno = error;
	return all && strstr(all, what);
}

int ioctl(int fd, unsigned long request, ...)
{
	unsigned int cmd = request;	/* QEMU has it in an int sometimes */
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);

	if (cmd == VFIO_SET_IOMMU && arg == (void *)VFIO_SPAPR_TCE_v2_IOMMU && refused("v2", EPERM))
		return -1;
	if (cmd == KVM_CHECK_EXTENSION && arg == (void *)KVM_CAP_SPAPR_TCE_VFIO &&
	    refused("kvm-tces", 0))
		return 0;
	if (cmd == KVM_CREATE_DEVICE &&
	    ((struct kvm_create_device *)arg)->type == KVM_DEV_TYPE_VFIO &&
	    refused("kvm-tces", ENODEV))
		return -1;
	return syscall(SYS_ioctl, fd, request, arg);
}
