// SPDX-License-Identifier: GPL-2.0-only
/*
 * Put between QEMU and the kernel with LD_PRELOAD: plays a host that lacks
 * something. Everything else goes through. TCE_REFUSE says what it lacks:
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

static int refused(const char *what)
{
	const char *all = getenv("TCE_REFUSE");

	return all && strstr(all, what);
}

int ioctl(int fd, unsigned long request, ...)
{
	unsigned int cmd = request;	/* QEMU has it in an int sometimes */
	unsigned long arg;
	va_list ap;

	va_start(ap, request);
	arg = va_arg(ap, unsigned long);
	va_end(ap);

	if (cmd == VFIO_SET_IOMMU && arg == VFIO_SPAPR_TCE_v2_IOMMU &&
	    refused("v2")) {
		errno = EPERM;
		return -1;
	}
	if (cmd == KVM_CHECK_EXTENSION && arg == KVM_CAP_SPAPR_TCE_VFIO &&
	    refused("kvm-tces"))
		return 0;
	if (cmd == KVM_CREATE_DEVICE && refused("kvm-tces") &&
	    ((struct kvm_create_device *)arg)->type == KVM_DEV_TYPE_VFIO) {
		errno = ENODEV;
		return -1;
	}
	return syscall(SYS_ioctl, fd, request, arg);
}
