/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KVM at the same table. It has the table from the group, finds the guest's
 * memory in the kernel's list, counts its mappings there, and changes entries
 * and cells in the same way, but with no lock in common.
 *
 * What KVM does is played by the thread of the case, between our calls or, where
 * a moment in the middle matters, half of it before and half of it after.
 */
#ifndef TCE_KUNIT_GUEST_H
#define TCE_KUNIT_GUEST_H

#include "tce_fixture.h"

#define KVM_MEMORY	SZ_256K

/**
 * struct kvm_setup - a container that KVM shares a table with
 * @client: the container
 * @grp: its group
 * @tbl: the table of its first window
 * @ua: memory of KVM_MEMORY bytes, registered with v2
 */
struct kvm_setup {
	struct tce_client *client;
	struct tce_mock_group *grp;
	struct iommu_table *tbl;
	unsigned long ua;
};

/**
 * struct kvm_taken - what KVM does while one of our calls is under way
 * @s: where
 * @entry: the entry that it changes
 * @ua: what it puts there
 * @dir: how the entry reached something before, or reaches it then; DMA_NONE if
 *	KVM could do nothing
 */
struct kvm_taken {
	struct kvm_setup *s;
	unsigned long entry;
	unsigned long ua;
	enum dma_data_direction dir;
};

void kvm_set_up(struct kunit *test, struct kvm_setup *s, bool v2);
bool kvm_uncount(struct kvm_setup *s, unsigned long entry);
bool kvm_put_entry(struct kvm_setup *s, unsigned long entry, unsigned long ua);
void kvm_puts_cell(void *data);
bool kvm_put(struct kvm_setup *s, unsigned long entry, unsigned long ua);
void kvm_clear(struct kvm_setup *s, unsigned long entry);
void kvm_takes(void *data);
void kvm_puts(void *data);
void kvm_expect_free(struct kunit *test, struct kvm_setup *s);
int kvm_module_users(void);
void kvm_expect_module_users(struct kunit *test, int users);

#endif /* TCE_KUNIT_GUEST_H */
