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

#include "tce_client.h"

#define KVM_MEMORY	SZ_64K

/**
 * struct kvm_setup - a container that KVM shares a table with
 * @client: the container
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

void kvm_set_up(struct kunit *test, struct kvm_setup *s, bool v2);
void kvm_set_up_levels(struct kunit *test, struct kvm_setup *s, u32 levels);
bool kvm_put_page(struct kvm_setup *s, unsigned long entry, unsigned long ua, unsigned long n);
bool kvm_put(struct kvm_setup *s, unsigned long entry, unsigned long ua);
void kvm_put_and_lose(struct kunit *test, struct kvm_setup *s, bool vcpu);
bool kvm_clear_page(struct kvm_setup *s, unsigned long entry, unsigned long n);
bool kvm_clear(struct kvm_setup *s, unsigned long entry);
void kvm_expect_free(struct kunit *test, struct kvm_setup *s);
int tce_module_users(void);
void tce_expect_module_users(struct kunit *test, int users);

#endif /* TCE_KUNIT_GUEST_H */
