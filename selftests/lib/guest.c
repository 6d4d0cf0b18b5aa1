// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest of KVM's: its memory, its hypercalls, and the tables that KVM is given.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest.h"
#include "result.h"
#include "vfio.h"

#define NEXT			0x7ff0	/* no hypercall: back to us */
#define CODE			0x1000
#define MSR_SF			(1ULL << 63)
#define MSR_LE			1ULL

struct guest guest;

static __thread int vcpu;
static __thread struct kvm_run *run;

static long enter(void)
{
	long rc;

	do {
		rc = __raw(vcpu, KVM_RUN, NULL);
	} while (rc == -EINTR);
	expect_rc(0, rc);
	expect_eq(KVM_EXIT_PAPR_HCALL, run->exit_reason);
	return run->papr_hcall.nr;
}

static void enable_cap(int fd, uint32_t cap, uint64_t a, uint64_t b)
{
	struct kvm_enable_cap arg = { .cap = cap, .args = { a, b } };

	expect_rc(0, __raw(fd, KVM_ENABLE_CAP, &arg));
}

/* A processor that waits for its first order */
static void vcpu_init(void)
{
	struct kvm_regs regs = { .pc = CODE + 8, .msr = MSR_SF };
	static unsigned long id;
	long size = __raw(guest.kvm, KVM_GET_VCPU_MMAP_SIZE, NULL);

	vcpu = __raw(guest.vm, KVM_CREATE_VCPU,
		     (void *)__atomic_fetch_add(&id, 1, __ATOMIC_RELAXED));
	expect(vcpu >= 0);
	enable_cap(vcpu, KVM_CAP_PPC_PAPR, 0, 0);
	run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	expect(run != MAP_FAILED);
	if (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
		regs.msr |= MSR_LE;
	expect_rc(0, __raw(vcpu, KVM_SET_REGS, &regs));
	expect_rc(NEXT, enter());
}

long hcall(uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	long rc = 0;

	if (!run)
		vcpu_init();
	run->papr_hcall.ret = nr;
	run->papr_hcall.args[0] = a;
	run->papr_hcall.args[1] = b;
	run->papr_hcall.args[2] = c;
	run->papr_hcall.args[3] = d;
	while (enter() != NEXT) {
		rc = NOT_IN_KERNEL;
		run->papr_hcall.ret = 0;
	}
	return rc ?: (long)run->papr_hcall.args[0];
}

void guest_add_memory(uint32_t slot, uint64_t at, void *mem, uint64_t size)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.guest_phys_addr = at,
		.memory_size = size,
		.userspace_addr = (uintptr_t)mem,
	};

	expect_rc(0, __raw(guest.vm, KVM_SET_USER_MEMORY_REGION, &region));
}

void guest_init(void)
{
	static const uint32_t code[] = {
		0x44000022,		/* sc 1: what was ordered */
		0x7c641b78,		/* mr r4,r3 */
		0x38600000 | NEXT,	/* li r3,NEXT */
		0x44000022,		/* sc 1 */
		0x4bfffff0,		/* b the first one */
	};

	guest.kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (guest.kvm < 0)
		skip("this host has no KVM");
	guest.vm = __raw(guest.kvm, KVM_CREATE_VM, NULL);
	expect(guest.vm >= 0);
	enable_cap(guest.vm, KVM_CAP_PPC_ENABLE_HCALL, H_PUT_TCE, 1);
	enable_cap(guest.vm, KVM_CAP_PPC_ENABLE_HCALL, H_PUT_TCE_INDIRECT, 1);
	enable_cap(guest.vm, KVM_CAP_PPC_ENABLE_HCALL, H_STUFF_TCE, 1);
	if (!guest.mem)
		guest.mem = alloc(GUEST_SIZE, 64 * KiB);
	memcpy(guest.mem + CODE, code, sizeof(code));
	guest_add_memory(0, 0, guest.mem, GUEST_SIZE);
}

void guest_view(uint64_t start, uint64_t size, uint32_t shift)
{
	struct kvm_create_spapr_tce_64 table = {
		.liobn = LIOBN,
		.page_shift = shift,
		.offset = start >> shift,
		.size = size >> shift,
	};
	struct kvm_create_device device = { .type = KVM_DEV_TYPE_VFIO };

	guest.table = __raw(guest.vm, KVM_CREATE_SPAPR_TCE_64, &table);
	expect(guest.table >= 0);
	expect_rc(0, __raw(guest.vm, KVM_CREATE_DEVICE, &device));
	guest.vfio = device.fd;
}

static long vfio_attr(uint64_t attr, void *arg)
{
	struct kvm_device_attr set = {
		.group = KVM_DEV_VFIO_GROUP,
		.attr = attr,
		.addr = (uintptr_t)arg,
	};

	return __raw(guest.vfio, KVM_SET_DEVICE_ATTR, &set);
}

long guest_add_group(int32_t group)
{
	struct kvm_vfio_spapr_tce both = {
		.groupfd = group,
		.tablefd = guest.table,
	};

	return vfio_attr(KVM_DEV_VFIO_GROUP_ADD, &group) ?:
	       vfio_attr(KVM_DEV_VFIO_GROUP_SET_SPAPR_TCE, &both);
}

/* KVM warns if this comes between the two calls of guest_add_group(). */
long guest_del_group(int32_t group)
{
	return vfio_attr(KVM_DEV_VFIO_GROUP_DEL, &group);
}
