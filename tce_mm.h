/* SPDX-License-Identifier: GPL-2.0-only */
/* What the containers of one mm share, what is charged to it, and how its pages are pinned. */
#ifndef TCE_MM_H
#define TCE_MM_H

#include <linux/atomic.h>
#include <linux/delay.h>
#include <linux/io.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/rbtree.h>
#include <linux/rwsem.h>
#include <linux/types.h>

struct pid;
struct tce_v1;

/*
 * A module that is wrong on purpose drops a lock for a moment at one of these places, and takes it
 * again: "make TCE_GAP=MAP". scripts/nightly/storm-controls has to notice. Usually there are no
 * gaps.
 */
#ifndef TCE_GAP_AT
#define TCE_GAP_AT	TCE_GAP_NOWHERE
#endif
enum { TCE_GAP_NOWHERE, TCE_GAP_MAP, TCE_GAP_UNREGISTER, TCE_GAP_USE };
#define tce_gap(at, drop, take) do {		\
	if (TCE_GAP_AT == TCE_GAP_##at) {	\
		drop;				\
		usleep_range(200, 300);		\
		take;				\
	}					\
} while (0)

/**
 * struct tce_mm - the memory of a process that has containers
 * @list: all of them; guarded by a lock of tce_mm.c, as are @open and @users
 * @id: its number in the state file
 * @pid: of the process when it opened its first container
 * @open: its open containers of v2
 * @users: references: those of containers, also of closed ones that are still in use, and of
 *	tce_mm_get() and tce_mm_next()
 * @mm: the kernel's, grabbed
 * @table_leaked: a bridge did not release a window of v2, or the hypervisor keeps entries of one:
 *	pages that are still counted as mapped when the last container of v2 is closed are never
 *	freed. Never cleared
 * @map_lock: held for reading by MAP and UNMAP. It guards the windows of all containers of the mm
 *	and @tables, which are changed with &tce_container.lock held as well, and @regions, which
 *	are changed with @region_lock held as well
 * @registering: serializes REGISTER; held while pages are pinned, for as long as the client likes
 * @region_lock: guards the references of containers to regions, and the two counts
 * @tables: struct tce_table of these windows
 * @regions: v2: tree of struct tce_region by address; no two overlap
 * @listed: how many are in KVM's list
 * @nr_draining: how many of these are no longer in the tree, but in &tce_memory.draining. It
 *	grows only while no container of v2 is open, and is decremented with @map_lock held as well
 */
struct tce_mm {
	struct list_head list;
	unsigned long id;
	struct pid *pid;
	unsigned int open;
	unsigned int users;
	struct mm_struct *mm;
	bool table_leaked;
	struct rw_semaphore map_lock;
	struct mutex registering;
	struct mutex region_lock;
	struct list_head tables;
	struct rb_root regions;
	unsigned int listed;
	unsigned int nr_draining;
};

/**
 * struct tce_memory - a container's memory, as the files below the container know it
 * @tmm: whose memory it is; NULL until the container is bound to a process, which happens once
 *	(litmus/bind.litmus)
 * @v1: what MAP has pinned; NULL if this is v2, where memory is registered before
 * @refs: v2: struct tce_region_ref; guarded by &tce_mm.region_lock, as is @closed
 * @closed: nothing can be registered any more
 * @draining: v2: struct tce_region that only KVM's counts keep; guarded by &tce_mm.region_lock
 * @uncharge: CPU pages that are charged to the mm but no longer needed
 */
struct tce_memory {
	struct tce_mm *tmm;
	struct tce_v1 *v1;
	struct list_head refs;
	bool closed;
	struct list_head draining;
	atomic_long_t uncharge;
};

/**
 * struct tce_charge - what a command charges before it takes its locks
 * @left: CPU pages that are charged and not used
 * @need: CPU pages that it has found to need, with the locks held
 */
struct tce_charge {
	unsigned long left;
	unsigned long need;
};

struct tce_mm *tce_mm_get(struct mm_struct *mm);
void tce_mm_join(struct tce_mm *tmm, bool v2);
struct tce_mm *tce_mm_next(unsigned long id);
void tce_mm_put(struct tce_mm *tmm);
struct rb_root tce_mm_take_regions(struct tce_mm *tmm, int closed);

int tce_charge(struct mm_struct *mm, unsigned long npages);
int tce_charge_reserve(struct tce_charge *charge, struct tce_memory *mem);
void tce_charge_settle(struct tce_charge *charge, struct tce_memory *mem);
void tce_uncharge_later(struct tce_memory *mem, unsigned long npages);
void tce_uncharge(struct tce_memory *mem);
bool tce_uncharge_try(struct tce_memory *mem);

/* Whose memory a container is bound to, for callers without its lock; NULL until it is bound */
static __always_inline struct tce_mm *tce_memory_mm(const struct tce_memory *mem)
{
	/* pairs with bind_mm() (litmus/bind.litmus) */
	return smp_load_acquire(&mem->tmm);
}

/* Is as much reserved as a command needs? Return: 0; -EAGAIN, upon which it is reserved */
static inline int tce_charge_need(struct tce_charge *charge, unsigned long npages)
{
	charge->need = npages;
	return npages > charge->left ? -EAGAIN : 0;
}

/* Use pages that are reserved. Return: how many, which are to be uncharged later */
static inline unsigned long tce_charge_commit(struct tce_charge *charge, unsigned long npages)
{
	charge->left -= npages;
	return npages;
}

/* CPU pages of all containers that stay pinned until the next boot, as a device may reach them */
extern atomic_long_t tce_leaked_pages;

/*
 * Pages to pin at once: enough that a call costs little beside them, and few enough to react to
 * SIGKILL, and that zeroing an array of them (init_on_alloc) costs little, too
 */
#define TCE_PIN_CHUNK	1024UL

unsigned long tce_pin_pages(struct page **pages, unsigned long ua, unsigned long n,
			    bool write, int *rc);
int tce_pin_errno(long rc, u64 ua);
void tce_unpin_pages(struct page **pages, unsigned long n);

/* The host physical address (hpa) of a page */
static __always_inline unsigned long tce_page_hpa(struct page *page)
{
	/*
	 * Without vmemmap the kernel derives a page's number from its flags. They may change
	 * at any time, except for the bits that are used here.
	 */
	return data_race(page_to_phys(page));
}

/*
 * May KVM write entries and userspace entries for a process? KVM watches the process's memory by an
 * MMU notifier. Once this is true, it stays so.
 */
static __always_inline bool tce_mm_has_kvm(const struct mm_struct *mm)
{
#ifdef CONFIG_MMU_NOTIFIER
	/* mm_has_notifiers(), but read once */
	return READ_ONCE(mm->notifier_subscriptions);
#else
	return false;
#endif
}

/*
 * May KVM map memory of a process for itself? Not while its list has memory that is about to be
 * freed. Asked for a container that is open, with &tce_mm.map_lock or &tce_mm.region_lock held.
 */
static inline bool tce_mm_allows_kvm(const struct tce_mm *tmm)
{
	return tce_mm_has_kvm(tmm->mm) && !tmm->nr_draining;
}

#endif /* TCE_MM_H */
