/* SPDX-License-Identifier: GPL-2.0-only */
/* The memory of the process, see tce_user_memory.c. */
#ifndef TCE_KUNIT_USER_MEMORY_H
#define TCE_KUNIT_USER_MEMORY_H

#include "tce_fixture.h"

/* Bits of a stamp that no user address has, and no address of the kernel */
#define TCE_STAMP	0x3c00000000000000ULL

/**
 * enum tce_mem_kind - kinds of user memory
 * @TCE_MEM_PLAIN: private, anonymous, in small pages, touched from the start to the end
 * @TCE_MEM_SCATTERED: the same, touched so that neighbours are apart
 * @TCE_MEM_UNTOUCHED: private, anonymous, no page is there yet
 * @TCE_MEM_SHARED: shared memory (shmem)
 * @TCE_MEM_THP: transparent huge pages, which may be split at any time
 * @TCE_MEM_HUGETLB: pages of hugetlbfs
 * @TCE_MEM_CONTIGUOUS: the same as @TCE_MEM_PLAIN, few pages, one behind the other
 */
enum tce_mem_kind {
	TCE_MEM_PLAIN,
	TCE_MEM_SCATTERED,
	TCE_MEM_UNTOUCHED,
	TCE_MEM_SHARED,
	TCE_MEM_THP,
	TCE_MEM_HUGETLB,
	TCE_MEM_CONTIGUOUS,
};

unsigned long tce_memory(struct tce_fixture *fx, enum tce_mem_kind kind,
			 unsigned long size);
void tce_stamp(unsigned long ua, unsigned long size);
void tce_renew(struct tce_fixture *fx, unsigned long ua, unsigned long size);
struct file *tce_file(struct tce_fixture *fx, unsigned long ua);
unsigned long tce_plain(struct tce_fixture *fx, unsigned long size);
struct page *tce_page(struct tce_fixture *fx, unsigned long ua);
int tce_holders(struct page *page);
void tce_apart(struct tce_fixture *fx);

#endif /* TCE_KUNIT_USER_MEMORY_H */
