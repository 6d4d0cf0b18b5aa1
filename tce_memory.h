/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The memory of a container: whose it is, and what of it may be mapped. It is registered
 * before (v2), or pinned by the MAP itself (v1).
 */
#ifndef TCE_MEMORY_H
#define TCE_MEMORY_H

#include <linux/mm.h>
#include <linux/mm_types.h>
#include <linux/pfn.h>
#include <linux/refcount.h>
#include <linux/types.h>

#include "tce_account.h"
#include "tce_page.h"
#include "tce_pin.h"
#include "tce_process.h"
#include "tce_registration.h"

/**
 * struct tce_mem - the user memory of one container
 * @mm: whose memory it is; set once, last of all, by tce_mem_bind(), and grabbed until
 *	tce_mem_destroy(). NULL before.
 * @users: references to this memory and the container around it: those of ioctls, and one of
 *	the container itself
 * @v2: pages are mapped out of registered regions, rather than pinned by the MAP
 * @account: what the owner is charged
 * @process: what it shares with the other containers of its process
 * @pinned: v1: what is pinned
 * @registered: v2: what is registered
 * @container: the container's number, for tracepoints
 */
struct tce_mem {
	struct mm_struct *mm;
	refcount_t users;
	bool v2;
	struct tce_account account;
	struct tce_process *process;
	struct tce_pinned pinned;
	struct tce_registered registered;
	unsigned long container;
};

void tce_mem_init(struct tce_mem *mem, bool v2);
struct tce_process *tce_mem_process(struct tce_mem *mem);
int tce_mem_bind(struct tce_mem *mem, struct tce_process *process);
void tce_mem_close(struct tce_mem *mem);
void tce_mem_owe_all(struct tce_mem *mem);
void tce_mem_destroy(struct tce_mem *mem);

int tce_mem_check(struct tce_mem *mem, unsigned long ua, unsigned long size,
		  unsigned int shift, bool write);
long tce_mem_get(struct tce_mem *mem, struct tce_pins *pins, unsigned long ua,
		 unsigned long n, unsigned int shift, unsigned long *hpas);
int tce_mem_get_one(struct tce_mem *mem, struct tce_pins *pins,
		    unsigned long ua, unsigned int shift, bool write,
		    unsigned long *hpa);

/**
 * tce_mem_cookie() - what the cell of an entry says of its memory
 * @v2: &tce_mem.v2
 * @ua: where the owner sees the IOMMU page
 * @hpa: where it is
 * @write: the device may write
 *
 * Return: the cookie, never 0.
 */
static __always_inline u64 tce_mem_cookie(bool v2, unsigned long ua,
					  unsigned long hpa, bool write)
{
	if (v2)
		return ua | TCE_COOKIE_OURS;
	return tce_pin_cookie(pfn_to_page(PHYS_PFN(hpa)), write);
}

#endif /* TCE_MEMORY_H */
