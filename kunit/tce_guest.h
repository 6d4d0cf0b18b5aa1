/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KVM at the same table. It has the table from the group, finds the guest's
 * memory in the kernel's list, counts its mappings there, and changes entries
 * and userspace entries in the same way, but with no lock in common.
 *
 * What KVM does is played by the thread of the case, between our calls, in the middle of
 * one of them, or with one of them in the middle of it: step by step as
 * arch/powerpc/kvm/book3s_64_vio.c does it, by the operations that it finds in the table.
 */
#ifndef TCE_KUNIT_GUEST_H
#define TCE_KUNIT_GUEST_H

#include "tce_fixture.h"

#define KVM_MEMORY	SZ_64K

/**
 * struct kvm_setup - a container that KVM shares a table with
 * @client: the container; NULL when it is closed
 * @grp: its group
 * @tbl: the table of its first window
 * @ua: memory of KVM_MEMORY bytes, registered with v2
 * @between: what happens in the middle of what KVM does
 * @steps: after so many steps of KVM
 * @data: of the case
 */
struct kvm_setup {
	struct tce_client *client;
	struct tce_mock_group *grp;
	struct iommu_table *tbl;
	unsigned long ua;
	void (*between)(struct kvm_setup *s);
	int steps;
	void *data;
};

/* What a guest asks for */
enum kvm_hcall { H_KVM_PUT, H_KVM_PUT_INDIRECT, H_KVM_STUFF };

void kvm_set_up(struct kunit *test, struct kvm_setup *s);
bool kvm_hcall(struct kvm_setup *s, enum kvm_hcall call, unsigned long entry, unsigned long ua,
	       unsigned long n);
bool kvm_put(struct kvm_setup *s, unsigned long entry, unsigned long ua);
bool kvm_clear(struct kvm_setup *s, unsigned long entry);
void kvm_close(struct kvm_setup *s);
struct mm_iommu_table_group_mem_t *kvm_count(struct kunit *test, unsigned long ua, unsigned int n);

#endif /* TCE_KUNIT_GUEST_H */
