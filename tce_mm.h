/* SPDX-License-Identifier: GPL-2.0-only */
/* State shared by the containers of an mm, charging, and pinning */
#ifndef TCE_MM_H
#define TCE_MM_H

#include <linux/atomic.h>
#include <linux/io.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/rbtree.h>
#include <linux/rwsem.h>
#include <linux/types.h>

struct pid;
struct tce_v1;

/**
 * struct tce_mm - the memory of a process that has containers
 * @list: all of them; guarded by tce_mms_lock, as are @open and @users
 * @id: its number in the state file
 * @pid: of the process when its first container was bound
 * @open: open containers of v2; raised by tce_mm_join(), lowered by tce_mm_take_regions()
 * @users: references of containers, closed ones included, by tce_mm_join(), and those of
 *	tce_mm_get() and tce_mm_next(); lowered by tce_mm_put()
 * @mm: the kernel's, grabbed
 * @table_leaked: a bridge did not release a window of v2, or the hypervisor keeps entries of one,
 *	so pages still counted as mapped at the last close are never freed. Never cleared
 * @shared_leaked: such a window, of a shared table, has entries that were not cleared, so no region
 *	of KVM's list is ever freed. Never cleared
 * @map_lock: held for reading by MAP and UNMAP. Guards the windows of all containers and @tables,
 *	changed with &tce_container.lock held as well, and @regions, changed with @region_lock
 *	held as well; tce_mm_take_regions() needs the latter alone
 * @registering: serializes REGISTER, also while it pins pages, for as long as the client likes
 * @region_lock: guards references to regions, and @nr_draining
 * @table_pages: CPU pages that the tables of its windows take; raised by tce_tables_take(), lowered
 *	by tce_tables_give() and tce_kvm_put()
 * @tables: struct tce_table of those of v2, where UNREGISTER looks for user addresses. (v1 has hpas
 *	in its userspace entries.)
 * @regions: v2: tree of struct tce_region by address; no two overlap
 * @listed: regions in KVM's list; raised by region_create(), lowered by region_delist()
 * @listed_regions: these, which KVM reads under RCU (tce_kvm.c); changed with @region_lock held,
 *	emptied while KVM is paused
 * @nr_draining: those of them in &tce_memory.draining; raised by region_end(), while no container
 *	of v2 is open, lowered by tce_region_drain(), with @map_lock held as well
 */
struct tce_mm {
	struct list_head list;
	unsigned long id;
	struct pid *pid;
	unsigned int open;
	unsigned int users;
	struct mm_struct *mm;
	bool table_leaked;
	bool shared_leaked;
	struct rw_semaphore map_lock;
	struct mutex registering;
	struct mutex region_lock;
	atomic_long_t table_pages;
	struct list_head tables;
	struct rb_root regions;
	atomic_t listed;
	struct list_head listed_regions;
	unsigned int nr_draining;
};

/**
 * struct tce_memory - a container's memory, as the files below the container know it
 * @tmm: NULL until the container is bound to a process, which happens once (litmus/bind.litmus)
 * @v1: the pages pinned by MAP; NULL for v2
 * @refs: v2: struct tce_region_ref; guarded by &tce_mm.region_lock, as is @closed
 * @closed: no region can be registered any more
 * @draining: v2: struct tce_region that only KVM's counts keep, until tce_region_drain()
 * @uncharge: CPU pages that are charged to the mm but no longer needed; raised by
 *	tce_uncharge_later(), lowered by tce_uncharge() and tce_uncharge_try()
 */
struct tce_memory {
	struct tce_mm *tmm;
	struct tce_v1 *v1;
	struct list_head refs;
	bool closed;
	struct list_head draining;
	atomic_long_t uncharge;
};

struct tce_mm *tce_mm_get(struct mm_struct *mm);
void tce_mm_join(struct tce_mm *tmm, bool v2);
struct tce_mm *tce_mm_next(unsigned long id);
void tce_mm_put(struct tce_mm *tmm);
struct rb_root tce_mm_take_regions(struct tce_mm *tmm, int closed);

int tce_charge(struct mm_struct *mm, unsigned long npages);
void tce_uncharge_later(struct tce_memory *mem, unsigned long npages);
void tce_uncharge(struct tce_memory *mem);
bool tce_uncharge_try(struct tce_memory *mem);

int tce_tables_take(struct tce_mm *tmm, unsigned long npages);
void tce_tables_give(struct tce_mm *tmm, unsigned long npages);

/* CPU pages of all tables, those that only KVM has included. Lowered when a table is freed, too */
extern atomic_long_t tce_table_pages;

/* For callers without the container's lock; NULL until it is bound */
static __always_inline struct tce_mm *tce_memory_mm(const struct tce_memory *mem)
{
	/* pairs with bind_mm() (litmus/bind.litmus) */
	return smp_load_acquire(&mem->tmm);
}

/* CPU pages that stay pinned until the next boot, because a device may reach them */
extern atomic_long_t tce_leaked_pages;

/*
 * Pages to pin at once: enough for a negligible cost per call, few enough to react to SIGKILL and
 * to zero an array of them (init_on_alloc)
 */
#define TCE_PIN_CHUNK	1024UL

unsigned long tce_pin_pages(struct page **pages, unsigned long ua, unsigned long n,
			    bool write, int *rc);
int tce_pin_errno(long rc, u64 ua);
void tce_unpin_pages(struct page **pages, unsigned long n);

static __always_inline unsigned long tce_page_hpa(struct page *page)
{
	/*
	 * Without vmemmap the kernel derives the address from the page's flags, which may change at
	 * any time except for the bits used here.
	 */
	return data_race(page_to_phys(page));
}

/* KVM watches a process's memory by an MMU notifier. Once this is true, it stays true. */
static __always_inline bool tce_mm_may_have_kvm(const struct mm_struct *mm)
{
#ifdef CONFIG_MMU_NOTIFIER
	/* mm_has_notifiers(), but read once */
	return READ_ONCE(mm->notifier_subscriptions);
#else
	return false;
#endif
}

/*
 * KVM may not map memory while its list has regions that are about to be freed. For an open
 * container, with &tce_mm.map_lock or &tce_mm.region_lock held.
 */
static inline bool tce_mm_allows_kvm(const struct tce_mm *tmm)
{
	return tce_mm_may_have_kvm(tmm->mm) && !tmm->nr_draining;
}

#endif /* TCE_MM_H */
