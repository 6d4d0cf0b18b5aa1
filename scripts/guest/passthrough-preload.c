// SPDX-License-Identifier: GPL-2.0-only
/*
 * Put between QEMU and the kernel with LD_PRELOAD: QEMU writes the TCEs of VFIO by ioctl, as it
 * would without KVM, because KVM seems not to offer it. QEMU is not given KVM's VFIO device either,
 * which would warn at the end about each group that it was told of and heard no more of.
 */
#include <errno.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/kvm.h>

int ioctl(int fd, unsigned long request, ...)
{
	unsigned int cmd = request;	/* QEMU has it in an int sometimes */
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);

	if (cmd == KVM_CHECK_EXTENSION && arg == (void *)KVM_CAP_SPAPR_TCE_VFIO)
		return 0;
	if (cmd == KVM_CREATE_DEVICE &&
	    ((struct kvm_create_device *)arg)->type == KVM_DEV_TYPE_VFIO) {
		errno = ENODEV;
		return -1;
	}
	return syscall(SYS_ioctl, fd, request, arg);
}
