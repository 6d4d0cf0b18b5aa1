// SPDX-License-Identifier: GPL-2.0-only
/*
 * The TCE layer: groups, windows, and the entries in them.
 *
 * A window belongs to one space and wraps one platform table. For each entry
 * there is a cell, in which we keep the memory layer's cookie: 0 if nothing is
 * mapped. The cells of v2 are the table's view for user space (it_userspace),
 * which KVM reads and writes too. Those of v1 are our own, and KVM is shown
 * none: it knows nothing of v1's pins, and would write over the only record of
 * them. So it can empty entries of v1, but never put anything there.
 *
 * The kernel checks nothing for us: a table operation given an entry outside
 * its table writes outside its table. So window_range() is the one door
 * through which an IOBA becomes an entry.
 *
 * Life of a page in an entry:
 *   MAP: hold the page, write the entry, kill. What the entry held before is
 *	collected and let go after the kill.
 *   UNMAP: clear the entry and collect what it held; kill; let go.
 * An entry that KVM may change as well is only changed by an exchange, and who
 * gets an old value out of the table gives its page back: a page whose value
 * the other side took is the other side's. Entry and cell are two words,
 * though, and KVM, with whom we have no lock in common, takes the page to let
 * go from the cell. A guest that writes an entry while user space maps the
 * same one, or two of its processors at once, can make KVM miscount. Where we
 * see that, we rather count a page as mapped that is not than the reverse.
 *
 * A MAP that fails puts back what it replaced, entry by entry.
 *
 * Locks, in the order in which they are taken:
 *   &tce_space.lock	see tce_table.h
 *   &tce_mem.lock	what MAP and UNMAP have of it, with the regions
 *   spans		MAPs and UNMAPs of a window run in parallel unless
 *			their ranges overlap (window_lock_range()). One of a
 *			single entry takes no span if there is none, but keeps
 *			all others out meanwhile (window_trylock_one())
 *   &tce_window.span_lock	the book of spans
 *
 * Never fails: UNMAP of what is mapped, detach, tce_space_destroy(). If the
 * platform refuses to clear an entry or to take a window out of the bridge,
 * what the device may still reach is never freed.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>
#include <linux/vfio.h>
#include <linux/wait.h>

#include <asm/tce.h>

#include "compat/ownership.h"
#include "compat/table_ops.h"
#include "tce_memory.h"
#include "tce_table.h"
#include "tce_trace.h"

/* Entries that are exchanged in a row: two hypervisor calls each, on pseries */
#define TCE_EXCHANGE_MAX	512UL
/* Entries that pseries sets in a row, with interrupts off */
#define TCE_SET_MAX_HCALL	512UL
/* Entries that a MAP writes per look at the memory layer */
#define TCE_CHUNK	4096
/* The same where the addresses fit on the stack */
#define TCE_CHUNK_STACK	16

/*
 * So many entries in a row are set or cleared by one operation: enough to be
 * worth an invalidation of their own, or two hypervisor calls.
 */
#define TCE_RUN_MIN_KILL	64
#define TCE_RUN_MIN_HCALL	4
#define TCE_RUN_MAX		8192

/* MAPs and UNMAPs that may be at work in a window at the same time */
#define TCE_SPANS	16
/* In &tce_window.spans_used: no span, but somebody who exchanges one entry */
#define TCE_SPAN_ONE	BIT(BITS_PER_LONG - 1)

/* A hole of so many entries ends an invalidation, rather than be in it. */
#define TCE_KILL_GAP	512
/* Entries that firmware is asked to invalidate at once, one by one */
#define TCE_KILL_MAX	65536UL

/**
 * struct tce_span - a range of entries that one call works on
 * @first: first entry
 * @last: last entry
 * @slot: its place in &tce_window.spans
 */
struct tce_span {
	unsigned long first;
	unsigned long last;
	unsigned int slot;
};

/**
 * struct tce_window - a range of IOBAs with a table behind it
 * @tbl: the platform's table; we own one reference, as may groups and KVM
 * @num: the platform's number of the window
 * @charged: CPU pages of table that were charged
 * @refs: references to @tbl that are ours or our groups'
 * @run_min: entries in a row that are set or cleared by one operation
 * @kvm: KVM has, or had, a part in it; see window_exclusive()
 * @walkable: the table's levels can be walked by window_walk()
 * @stale: some entry still holds a page that could not be let go when it
 *	was cleared; see window_sweep()
 * @own_cells: v1: the cells are ours; see the top of the file
 * @ops: the platform's operations; see window_hide()
 * @cells: all cells, if they follow each other in memory; else NULL
 * @span_lock: guards @spans, and who sets bits of @spans_used, but for those of
 *	one entry
 * @spans_used: the slots in use, or TCE_SPAN_ONE; cleared without the lock
 * @spans: ranges in which a MAP or an UNMAP is at work
 * @span_wait: for those who wait for a range or a slot
 */
struct tce_window {
	struct iommu_table *tbl;
	int num;
	unsigned long charged;
	unsigned int refs;
	unsigned int run_min;
	bool kvm;
	bool walkable;
	bool stale;
	bool own_cells;
	struct iommu_table_ops *ops;
	__be64 *cells;
	spinlock_t span_lock;
	unsigned long spans_used;
	struct tce_span spans[TCE_SPANS];
	wait_queue_head_t span_wait;
};

/*
 * What makes and charges a table returns errnos, and, by mistake, what firmware said.
 * Those of our ABI pass.
 */
static int table_errno(long rc)
{
	switch (rc) {
	case 0:
	case -EPERM:
	case -ENOMEM:
	case -ENODEV:
	case -EINVAL:
	case -ENOSPC:
		return rc;
	default:
		return -EIO;
	}
}

/*
 * set_window() and unset_window() of powernv return what OPAL said, some of which look
 * like errnos; pseries, whose tables know no kill, has errnos.
 */
static int bridge_errno(const struct iommu_table_ops *ops, long rc)
{
	if (ops->tce_kill)
		return rc ? -EIO : 0;
	return table_errno(rc);
}

/* xchg_no_kill() returns -ENOMEM on powernv, raw hypervisor codes on pseries */
static int xchg_errno(long rc)
{
	return !rc || rc == -ENOMEM ? rc : -EIO;
}

static __always_inline bool dir_writes(enum dma_data_direction dir)
{
	return dir == DMA_FROM_DEVICE || dir == DMA_BIDIRECTIONAL;
}

static __always_inline int window_xchg(struct tce_window *win,
				       unsigned long entry, unsigned long *hpa,
				       enum dma_data_direction *dir)
{
	return tce_xchg(win->ops, win->tbl, entry, hpa, dir);
}

static void space_assert_locked(struct tce_space *space)
{
	lockdep_assert_held_write(&space->lock);
	lockdep_assert_held_write(space->mem->lock);
}

static u64 window_start(const struct tce_window *win)
{
	return (u64)win->tbl->it_offset << win->tbl->it_page_shift;
}

/*
 * Turn a range of IOBAs into entries of a window.
 *
 * Return: 0; -ENXIO if @ioba is in no window; -EINVAL if the range is
 * misaligned or leaves the window.
 */
static __always_inline int window_range(struct tce_space *space, u64 ioba,
					u64 size, struct tce_window **found,
					unsigned long *first, unsigned long *n)
{
	int i;

	lockdep_assert_held(space->mem->lock);
	for (i = 0; i < ARRAY_SIZE(space->windows); i++) {
		struct tce_window *win = space->windows[i];
		unsigned int shift;
		unsigned long at;

		if (!win)
			continue;
		shift = win->tbl->it_page_shift;
		*first = ioba >> shift;
		at = *first - win->tbl->it_offset;
		if (*first < win->tbl->it_offset || at >= win->tbl->it_size)
			continue;
		if ((ioba | size) & ((1UL << shift) - 1))
			return -EINVAL;
		*n = size >> shift;
		if (*n > win->tbl->it_size - at)
			return -EINVAL;
		*found = win;
		return 0;
	}
	return -ENXIO;
}

/*
 * Is some call at work in a range, or so near that entries of both may share a
 * pin? @used: the slots to look at
 */
static __always_inline bool span_overlaps(struct tce_window *win,
					  unsigned long used,
					  unsigned long first,
					  unsigned long last)
{
	unsigned int i;

	lockdep_assert_held(&win->span_lock);
	for (i = 0; used >> i; i++)
		if (used & BIT(i) && first < win->spans[i].last + TCE_PER_PIN &&
		    win->spans[i].first < last + TCE_PER_PIN)
			return true;
	return false;
}

/* Take a free slot for the range, unless it overlaps another. */
static bool span_take(struct tce_window *win, struct tce_span *span)
{
	unsigned long used;
	bool taken = false;
	unsigned int i;

	spin_lock(&win->span_lock);
	used = READ_ONCE(win->spans_used);
	do {
		/* for as long as it takes to exchange one entry */
		while (used & TCE_SPAN_ONE) {
			cpu_relax();
			used = READ_ONCE(win->spans_used);
		}
		i = ffz(used);
		if (i >= TCE_SPANS ||
		    span_overlaps(win, used, span->first, span->last))
			goto out_unlock;
		win->spans[i].first = span->first;
		win->spans[i].last = span->last;
		/* slots are given back without the lock */
	} while (!try_cmpxchg(&win->spans_used, &used, used | BIT(i)));
	span->slot = i;
	taken = true;
out_unlock:
	spin_unlock(&win->span_lock);
	return taken;
}

/*
 * Keep all others out of the window, to exchange one entry and write its cell.
 * Doesn't wait: false if somebody is at work in it. Undone by
 * window_unlock_one(); no sleeping in between (litmus/span-one.litmus).
 */
static __always_inline bool window_trylock_one(struct tce_window *win)
{
	/* there, the platform must not allocate with preemption off */
	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		return false;
	preempt_disable();
	if (likely(!cmpxchg_acquire(&win->spans_used, 0, TCE_SPAN_ONE)))
		return true;
	preempt_enable();
	return false;
}

static __always_inline void window_unlock_one(struct tce_window *win)
{
	/* nobody else changes it meanwhile, nor sleeps until it is changed */
	smp_store_release(&win->spans_used, 0);
	preempt_enable();
}

/* Keep others out of @n entries. Fails only with -EINTR, on SIGKILL. */
static int window_lock_range(struct tce_window *win, struct tce_span *span,
			     unsigned long first, unsigned long n)
{
	span->first = first;
	span->last = first + n - 1;
	if (likely(span_take(win, span)))
		return 0;
	if (wait_event_killable(win->span_wait, span_take(win, span)))
		return -EINTR;
	return 0;
}

static void window_unlock_range(struct tce_window *win, struct tce_span *span)
{
	clear_bit_unlock(span->slot, &win->spans_used);
	/* litmus/span-wake.litmus */
	if (wq_has_sleeper(&win->span_wait))
		wake_up_all(&win->span_wait);
}

/*
 * gcc turns the bytes round while it loads or stores them, which costs one
 * instruction instead of ten, if the access is not volatile. Read once all the
 * same: what is hidden can't be read anew.
 */
static __always_inline u64 cell_read(const __be64 *cell)
{
	/* KVM may change a cell at any time */
	u64 cookie = be64_to_cpu(data_race(*cell));

	OPTIMIZER_HIDE_VAR(cookie);
	return cookie;
}

static __always_inline void cell_write(__be64 *cell, u64 cookie)
{
	OPTIMIZER_HIDE_VAR(cookie);
	/* as may we, of one nearby that somebody looks at */
	data_race(*cell = cpu_to_be64(cookie));
}

/* The same of a cell that is not in a table; by way of memory it costs three */
static __always_inline u64 cell_to_cookie(__be64 cell)
{
	const __be64 *at = &cell;

	OPTIMIZER_HIDE_VAR(at);
	return cell_read(at);
}

static __always_inline __be64 cookie_to_cell(u64 cookie)
{
	__be64 turned __uninitialized;
	__be64 *at = &turned;

	OPTIMIZER_HIDE_VAR(at);
	cell_write(at, cookie);
	return turned;
}

/*
 * Unless KVM has put another cookie there, for another entry: false
 * (litmus/cells-map.litmus, litmus/cells-unmap.litmus)
 */
static __always_inline bool cell_replace(__be64 *cell, __be64 from, __be64 to)
{
	u64 old = (__force u64)from;

	return cmpxchg_relaxed((__force u64 *)cell, old,
			       (__force u64)to) == old;
}

/*
 * The cell of an entry in a table of several levels, found as the platform
 * finds it. NULL if a level is missing; *@hole is then how many entries from
 * there on are missing with it.
 *
 * The platform's own look-up does not say at which level it ended, so that
 * most of a window of 2^46 bytes would have to be tried leaf by leaf. The
 * format is that of the indirect TCE tables which the bridge walks: an entry
 * of an upper level is the real address of the next, | 3, big endian.
 * window_probe() makes sure that it is what we have before us.
 */
static __be64 *window_walk(struct tce_window *win, unsigned long at,
			   unsigned long *hole)
{
	struct iommu_table *tbl = win->tbl;
	unsigned int bits = ilog2(tbl->it_level_size);
	unsigned int level;
	__be64 *node = tbl->it_userspace;

	for (level = tbl->it_indirect_levels; level; level--) {
		unsigned long below = 1UL << (level * bits);
		unsigned long slot = (at / below) & (tbl->it_level_size - 1);
		u64 next = cell_read(&node[slot]);

		if (!next) {
			*hole = below - (at & (below - 1));
			return NULL;
		}
		node = __va(next & ~(TCE_PCI_READ | TCE_PCI_WRITE));
	}
	return &node[at & (tbl->it_level_size - 1)];
}

static __be64 *window_useraddr(struct tce_window *win, unsigned long at,
			       bool alloc)
{
	struct iommu_table *tbl = win->tbl;

	return win->ops->useraddrptr(tbl, tbl->it_offset + at, alloc);
}

/*
 * Find out how the cells of v2 can be had without asking the platform for each.
 * Costs a table of several levels one leaf.
 */
static void window_probe(struct tce_window *win)
{
	__be64 *first = window_useraddr(win, 0, true);
	unsigned long last = win->tbl->it_size - 1, hole;

	if (win->tbl->it_indirect_levels)
		win->walkable = first && window_walk(win, 0, &hole) == first;
	else if (first && window_useraddr(win, last, true) == first + last)
		win->cells = first;
}

/**
 * struct tce_shown - table operations as KVM shall see them
 * @ops: what KVM sees
 * @platform: the platform's own, which a table of ours goes on to use
 */
struct tce_shown {
	struct iommu_table_ops ops;
	struct iommu_table_ops *platform;
};

/**
 * struct tce_hidden - what is shown instead of one set of a platform's operations
 * @platform: that set; NULL if this one is not in use yet
 * @v1: of a table of v1: KVM finds no cell
 * @dead: of a table whose window is gone; see window_bury()
 *
 * A platform has one such set; the suites have two. A table keeps it until it is freed,
 * since KVM may look at a table's operations at any time; the module stays that long.
 */
static struct tce_hidden {
	struct iommu_table_ops *platform;
	struct tce_shown v1;
	struct tce_shown dead;
} tce_hidden[2];
static DEFINE_MUTEX(tce_hidden_lock);

/*
 * The table may get other operations at any time, but never again the platform's, and
 * all of ours know those.
 */
static struct iommu_table_ops *shown_platform(struct iommu_table *tbl)
{
	struct iommu_table_ops *ops = READ_ONCE(tbl->it_ops);

	return container_of(ops, struct tce_shown, ops)->platform;
}

/* There is no cell: KVM leaves MAPs to user space, and can't count. */
static __be64 *hidden_useraddr(struct iommu_table *tbl, long index, bool alloc)
{
	return NULL;
}

/*
 * What KVM takes out is the cell's, which may be let go at once: KVM, or what it
 * calls, shall not mark it dirty. Our cookie says that the device could write.
 */
static int hidden_xchg(struct iommu_table *tbl, long index, unsigned long *hpa,
		       enum dma_data_direction *dir)
{
	int rc = shown_platform(tbl)->xchg_no_kill(tbl, index, hpa, dir);

	if (!rc && dir_writes(*dir))
		*dir = DMA_TO_DEVICE;
	return rc;
}

/* Nothing is there, and nothing is written. */
static int dead_xchg(struct iommu_table *tbl, long index, unsigned long *hpa,
		     enum dma_data_direction *dir)
{
	*hpa = 0;
	*dir = DMA_NONE;
	return 0;
}

static void shown_free(struct iommu_table *tbl)
{
	struct iommu_table_ops *platform = shown_platform(tbl);

	/* which may look which table it is by its operations */
	tbl->it_ops = platform;
	if (platform->free)
		platform->free(tbl);
	module_put(THIS_MODULE);
}

static void shown_init(struct tce_shown *shown, struct iommu_table_ops *platform)
{
	shown->platform = platform;
	shown->ops = *platform;
	shown->ops.useraddrptr = hidden_useraddr;
	shown->ops.free = shown_free;
}

/* Return: what KVM may see of such tables; NULL if they are of yet another kind */
static struct tce_hidden *hidden_find(struct iommu_table_ops *platform)
{
	struct tce_hidden *hidden = tce_hidden, *end;

	end = tce_hidden + ARRAY_SIZE(tce_hidden);
	mutex_lock(&tce_hidden_lock);
	while (hidden < end && hidden->platform &&
	       hidden->platform != platform)
		hidden++;
	if (hidden < end && !hidden->platform) {
		shown_init(&hidden->v1, platform);
		hidden->v1.ops.xchg_no_kill = hidden_xchg;
		shown_init(&hidden->dead, platform);
		hidden->dead.ops.xchg_no_kill = dead_xchg;
		hidden->platform = platform;
	}
	mutex_unlock(&tce_hidden_lock);
	return hidden < end ? hidden : NULL;
}

/* Let KVM see other operations of a table, with what they consist of. */
static void table_show(struct iommu_table *tbl, struct tce_shown *shown)
{
	/* litmus/shown-ops.litmus: who sees them sees their contents */
	smp_store_release(&tbl->it_ops, &shown->ops);
}

/*
 * Hide the cells of a new v1 table from KVM. Return: 0; -ENODEV for a table of
 * yet another kind; -EBUSY if somebody has found it already, and may have found
 * a cell: pseries has given it to the group by now, whose reference does not
 * count.
 */
static int window_hide(struct tce_window *win,
		       const struct iommu_table_group *table_group)
{
	struct tce_hidden *hidden = hidden_find(win->ops);
	struct iommu_table *tbl = win->tbl;
	unsigned int refs = win->refs;

	if (!hidden)
		return -ENODEV;
	__module_get(THIS_MODULE);
	table_show(tbl, &hidden->v1);
	if (table_group->tables[win->num] == tbl) {
		refs++;
		/* litmus/hide.litmus: who has the old ones is counted by then */
		synchronize_rcu();
	}
	return kref_read(&tbl->it_kref) == refs ? 0 : -EBUSY;
}

/*
 * KVM may keep a table after its window has gone. On powernv nothing translates
 * by it any more; but pseries, where it is no more than a number (LIOBN), gives
 * that to the next window, or back to the host. So there KVM finds nothing in it
 * from now on, and reaches nothing by it. What KVM is doing there is waited for,
 * unless it is preempted.
 */
static void window_bury(struct tce_window *win)
{
	struct iommu_table *tbl = win->tbl;
	struct tce_hidden *hidden;

	if (win->ops->tce_kill)
		return;
	hidden = hidden_find(win->ops);
	if (!hidden)
		return;
	/* v1 has it already */
	if (tbl->it_ops == win->ops)
		__module_get(THIS_MODULE);
	table_show(tbl, &hidden->dead);
	/*
	 * litmus/bury.litmus: even who is not counted yet may have the old ones, so
	 * that there is nothing to be asked first.
	 */
	synchronize_rcu();
}

/* Make the cells of v1. Entries at the ends may look for others beyond. */
static bool window_own_cells(struct tce_window *win)
{
	unsigned long beyond = TCE_PER_PIN - 1;
	__be64 *cells;

	cells = kvcalloc(win->tbl->it_size + 2 * beyond, sizeof(*cells),
			 GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!cells)
		return false;
	win->cells = cells + beyond;
	win->own_cells = true;
	return true;
}

static void window_free_cells(struct tce_window *win)
{
	if (win->own_cells)
		kvfree(win->cells - (TCE_PER_PIN - 1));
}

/*
 * The cell of an entry. *@left is how many cells follow each other in memory
 * from there on, itself included. With @alloc a missing level of the table is
 * added, and NULL means that there is no memory for it; else NULL means that
 * nothing is mapped in these *@left entries.
 */
static __always_inline __be64 *window_cells(struct tce_window *win,
					    unsigned long entry, bool alloc,
					    unsigned long *left)
{
	struct iommu_table *tbl = win->tbl;
	unsigned long at = entry - tbl->it_offset;

	if (likely(win->cells)) {
		*left = tbl->it_size - at;
		return win->cells + at;
	}
	*left = 1;
	if (tbl->it_indirect_levels)
		*left = tbl->it_level_size - (at & (tbl->it_level_size - 1));
	if (alloc || !win->walkable)
		return window_useraddr(win, at, alloc);
	return window_walk(win, at, left);
}

/* The same for a window whose cells follow each other, as those of v1 do */
static __always_inline __be64 *window_cell(struct tce_window *win,
					   unsigned long entry)
{
	return win->cells + (entry - win->tbl->it_offset);
}

/* The same for v1; NULL for v2. */
static __always_inline __be64 *window_own_cell(struct tce_window *win,
					       unsigned long entry)
{
	return win->own_cells ? window_cell(win, entry) : NULL;
}

/*
 * iommu_flush_tce(), in line. A kill is no more than a store to the bridge, and an entry
 * one to memory: nobody shall see what comes after them before. Hypervisor calls are
 * done when they return, but do not order what we ask for next.
 */
static __always_inline void window_flush(struct tce_window *win)
{
	if (unlikely(win->ops->flush))
		iommu_flush_tce(win->tbl);
	else
		mb();
}

/*
 * Make the bridge forget @n entries, so that their pages may be let go
 * (litmus/unpin.litmus).
 */
static void window_kill(struct tce_window *win, unsigned long first,
			unsigned long n)
{
	while (n) {
		unsigned long now = min(n, TCE_KILL_MAX);

		iommu_tce_kill(win->tbl, first, now);
		first += now;
		n -= now;
		if (n)
			cond_resched();
	}
	window_flush(win);
}

/* The same of one, in atomic context as well */
static __always_inline void window_kill_one(struct tce_window *win,
					    unsigned long entry)
{
	iommu_tce_kill(win->tbl, entry, 1);
	window_flush(win);
}

/*
 * Has nobody but us and our groups this table?
 *
 * Only KVM could: that of the process, or of another one that was given the group.
 * It drops a table only by RCU: within one RCU read-side section, "yes" at its
 * beginning and at its end means "yes" throughout (litmus/exclusive.litmus,
 * litmus/notifier.litmus). KVM may leave cells behind that do not fit their entries, so
 * that a window that it was seen in counts as its for good.
 *
 * What can't be seen: a virtual CPU of another process's KVM that has taken a page out
 * and is preempted before it puts it back, on a kernel that preempts the kernel (7.2),
 * while that KVM loses the group. The page comes back after we have let it go.
 */
static __always_inline bool window_exclusive(struct tce_window *win,
					     const struct tce_mem *mem)
{
	if (likely(kref_read(&win->tbl->it_kref) == win->refs))
		return !READ_ONCE(win->kvm) && likely(!tce_mem_has_kvm(mem));
	WRITE_ONCE(win->kvm, true);
	return false;
}

/**
 * enum cell_kind - what a cell says of its entry
 * @CELL_EMPTY: nothing is mapped
 * @CELL_OURS: what is mapped is none of KVM's business (TCE_COOKIE_OURS)
 * @CELL_OTHER: KVM may have written it
 */
enum cell_kind {
	CELL_EMPTY,
	CELL_OURS,
	CELL_OTHER,
};

static __always_inline bool cell_is(const __be64 *cell,
				    const enum cell_kind kind)
{
	const __be64 ours = cpu_to_be64(TCE_COOKIE_OURS);
	__be64 cookie = READ_ONCE(*cell);

	if (kind == CELL_EMPTY)
		return !cookie;
	if (kind == CELL_OURS)
		return !!(cookie & ours);
	return cookie && !(cookie & ours);
}

/* How many cells in a row, of @max, are of a kind? */
static __always_inline unsigned long cells_run(const __be64 *cell,
					       unsigned long max,
					       const enum cell_kind kind)
{
	unsigned long n = 0;

	while (n + 4 <= max && cell_is(&cell[n], kind) &&
	       cell_is(&cell[n + 1], kind) && cell_is(&cell[n + 2], kind) &&
	       cell_is(&cell[n + 3], kind))
		n += 4;
	while (n < max && cell_is(&cell[n], kind))
		n++;
	return n;
}

/**
 * struct tce_clear - an UNMAP under way
 * @win: the window
 * @holds: what was collected, not yet let go
 * @first: where the range begins that must be killed before that
 * @end: where it ends; nothing to be killed if 0
 * @rc: the first failure
 */
struct tce_clear {
	struct tce_window *win;
	struct tce_holds holds;
	unsigned long first;
	unsigned long end;
	int rc;
};

static void clear_release(struct tce_clear *clear)
{
	if (clear->end)
		window_kill(clear->win, clear->first,
			    clear->end - clear->first);
	else
		window_flush(clear->win);
	clear->end = 0;
	tce_holds_release(&clear->holds);
}

/*
 * Collect what cleared entries held that can't be let go without sleeping. If
 * KVM has come meanwhile, the rest is left to its cells.
 */
static void clear_collect(struct tce_clear *clear, __be64 *cell,
			  unsigned long n)
{
	unsigned long now;

	for (; n; cell += now, n -= now) {
		if (tce_holds_full(&clear->holds))
			clear_release(clear);
		now = 0;
		rcu_read_lock();
		if (clear->win->own_cells ||
		    window_exclusive(clear->win, clear->holds.mem))
			now = tce_holds_take(&clear->holds, cell, n);
		rcu_read_unlock();
		if (!now) {
			WRITE_ONCE(clear->win->stale, true);
			return;
		}
	}
}

/*
 * Clear a run of mapped entries by one operation of the platform, which
 * invalidates them too, rather than by an exchange each, and let go of what
 * their cells say that they held.
 *
 * An exchange tells what was in the entry, in case that KVM has changed it.
 * So this is for windows that KVM has no part in; if it got one meanwhile,
 * or if the entries are still there (pseries does not say so), nothing is let
 * go, and what they hold is left to their cells. On pseries the proof
 * (litmus/exclusive-pseries.litmus) goes as far as hypervisor calls are done when they
 * return.
 *
 * Return: whether it is done; if not, it must be done by exchange.
 */
static bool clear_run(struct tce_clear *clear, unsigned long entry,
		      __be64 *cell, unsigned long n)
{
	struct tce_window *win = clear->win;
	struct iommu_table *tbl = win->tbl;
	unsigned long done = 0;
	bool cleared = false;

	/* the last of those who share a pin must not go before the others */
	if (TCE_PER_PIN > 1 && win->own_cells && clear->end &&
	    entry - clear->end < TCE_PER_PIN)
		clear_release(clear);

	rcu_read_lock();
	if (window_exclusive(win, clear->holds.mem)) {
		win->ops->clear(tbl, entry, n);
		window_flush(win);
		cleared = window_exclusive(win, clear->holds.mem) &&
			  !(win->ops->get(tbl, entry + n - 1) &
			    (TCE_PCI_READ | TCE_PCI_WRITE));
	}
	if (cleared)
		done = tce_mem_put_cells(clear->holds.mem, cell, n);
	rcu_read_unlock();

	if (cleared && done < n)
		clear_collect(clear, cell + done, n - done);
	return cleared;
}

/* Clear one entry by an exchange. With an empty cell, it is KVM's if anyone's. */
static void clear_entry(struct tce_clear *clear, unsigned long entry,
			__be64 *cell)
{
	struct tce_mem *mem = clear->holds.mem;
	enum dma_data_direction dir = DMA_NONE;
	unsigned long hpa = 0;
	__be64 old;

	if (clear->end && entry - clear->end > TCE_KILL_GAP)
		clear_release(clear);

	old = READ_ONCE(*cell);
	if (unlikely(window_xchg(clear->win, entry, &hpa, &dir))) {
		WRITE_ONCE(clear->win->stale, true);
		clear->rc = -EIO;
		return;
	}
	/* KVM, if it cleared the entry, or just its cell, did not kill it always */
	if (!clear->end)
		clear->first = entry;
	clear->end = entry + 1;
	if (unlikely(!old))
		return;
	if (mem->v2 && unlikely(dir == DMA_NONE)) {
		/* KVM has taken it out, and may put it back */
		WRITE_ONCE(clear->win->stale, true);
		return;
	}
	/* v2: if KVM has put something else there, the old is counted no more */
	if (likely(cell_replace(cell, old, 0)) &&
	    !tce_mem_pass_on(mem, cell, be64_to_cpu(old)))
		tce_holds_add(&clear->holds, be64_to_cpu(old), hpa,
			      dir_writes(dir));
}

/*
 * Kill entries that were found empty, if it may be KVM that has cleared them: it may not
 * have killed them yet. Whose UNMAP returns can rely on it that the device reaches nothing
 * there.
 */
static void clear_again(struct tce_clear *clear, unsigned long entry,
			unsigned long n)
{
	/* litmus/unmap-empty.litmus: who has cleared them is seen */
	smp_rmb();
	if (likely(window_exclusive(clear->win, clear->holds.mem)))
		return;
	if (clear->end && entry - clear->end > TCE_KILL_GAP)
		clear_release(clear);
	if (!clear->end)
		clear->first = entry;
	clear->end = entry + n;
}

/*
 * Clear @n entries from @first on, under &tce_mem.lock. With @killable a
 * fatal signal ends it early, and entries that KVM has cleared are killed; without, the
 * whole window goes. Return: 0; -EINTR; -EIO if the platform refused
 * to clear some entry, which then keeps its page.
 */
static int window_clear(struct tce_space *space, struct tce_window *win,
			unsigned long first, unsigned long n, bool killable)
{
	unsigned long entry = first, end = first + n, left, run;
	/* a run that is all of it needs no other kill, however short it is */
	unsigned long run_min = min(win->run_min, n);
	struct tce_clear clear __uninitialized;
	__be64 *cell;

	clear.win = win;
	clear.end = 0;
	clear.rc = 0;
	tce_holds_init(&clear.holds, space->mem);

	while (entry < end) {
		cell = window_cells(win, entry, false, &left);
		left = min(left, end - entry);
		if (!cell) {
			entry += left;
			left = 0;
		}
		while (left) {
			run = cells_run(cell, min(left, TCE_RUN_MAX),
					CELL_EMPTY);
			if (run && killable && space->mem->v2)
				clear_again(&clear, entry, run);
			entry += run;
			cell += run;
			left -= run;
			run = cells_run(cell, min(left, TCE_RUN_MAX),
					CELL_OURS);
			if (run >= run_min &&
			    clear_run(&clear, entry, cell, run)) {
				entry += run;
				cell += run;
				left -= run;
				run = 0;
			}
			if (!run)
				run = cells_run(cell,
						min(left, TCE_EXCHANGE_MAX),
						CELL_OTHER);
			run = min(run, TCE_EXCHANGE_MAX);
			left -= run;
			for (; run; entry++, cell++, run--) {
				if (tce_holds_full(&clear.holds))
					clear_release(&clear);
				clear_entry(&clear, entry, cell);
			}
			if (need_resched())
				cond_resched();
			if (killable && left && fatal_signal_pending(current))
				break;
		}
		if (entry >= end)
			break;
		if (need_resched())
			cond_resched();
		if (killable && fatal_signal_pending(current)) {
			clear.rc = -EINTR;
			break;
		}
	}

	clear_release(&clear);
	tce_holds_destroy(&clear.holds);
	return clear.rc;
}

/*
 * Let go of what window_clear() had to leave. No bridge uses the table any
 * more, so nothing that KVM still does in it reaches the page.
 */
static void window_sweep(struct tce_space *space, struct tce_window *win)
{
	struct iommu_table *tbl = win->tbl;
	unsigned long entry = tbl->it_offset, end = entry + tbl->it_size;
	struct tce_holds holds;
	unsigned long left, n;
	__be64 *cell;

	/* v2 regions are let go with the process's last container anyway */
	if (space->mem->v2)
		return;

	tce_holds_init(&holds, space->mem);
	for (; entry < end; entry += left) {
		cell = window_cells(win, entry, false, &left);
		for (n = left; cell && n; ) {
			unsigned long now;

			if (tce_holds_full(&holds))
				tce_holds_release(&holds);
			now = max(tce_holds_take(&holds, cell, n), 1);
			cell += now;
			n -= now;
		}
		cond_resched();
	}
	tce_holds_destroy(&holds);
}

/**
 * struct tce_old - what a MAP found in an entry
 * @entry: the entry
 * @hpa: its address
 * @dir: its direction, DMA_NONE if nothing was mapped
 * @cookie: its cookie
 */
struct tce_old {
	unsigned long entry;
	unsigned long hpa;
	enum dma_data_direction dir;
	u64 cookie;
};

#define TCE_OLDS_INLINE	2

/**
 * struct tce_old_block - a page of replaced entries
 * @next: the block before
 * @olds: the entries, in their order
 */
struct tce_old_block {
	struct tce_old_block *next;
	struct tce_old olds[];
};

#define TCE_OLDS_PER_BLOCK \
	((PAGE_SIZE - sizeof(struct tce_old_block)) / sizeof(struct tce_old))

/**
 * struct tce_map - a MAP under way
 * @space: the space
 * @win: the window
 * @first: first entry
 * @done: entries written so far
 * @ua: where the memory of @first is
 * @dir: direction for all of them
 * @ours: the chunk's cells are marked; see TCE_COOKIE_OURS
 * @exclusive: KVM has no part in the window; see window_exclusive()
 * @run_min: the least run that is worth it
 * @exchanged: some were not, and are to be killed
 * @pins: v1: the pages
 * @blocks: blocks of replaced entries, newest first, after @few
 * @nr: replaced entries in the newest block, or in @few if there is none
 * @max: room there
 * @few: the first replaced entries
 *
 * Until the MAP has succeeded, what it replaces is kept here, in the order of
 * the entries: to be let go in the end or to be put back.
 */
struct tce_map {
	struct tce_space *space;
	struct tce_window *win;
	unsigned long first;
	unsigned long done;
	unsigned long ua;
	enum dma_data_direction dir;
	bool ours;
	bool exclusive;
	unsigned long run_min;
	bool exchanged;
	struct tce_pins *pins;
	struct tce_old_block *blocks;
	unsigned int nr;
	unsigned int max;
	struct tce_old few[TCE_OLDS_INLINE];
};

static bool map_grow(struct tce_map *map)
{
	struct tce_old_block *block;

	/* for a moment; a cgroup's limit must not have us wait with a lock held */
	block = kmalloc(PAGE_SIZE, GFP_KERNEL | __GFP_NOWARN);
	if (!block)
		return false;
	block->next = map->blocks;
	map->blocks = block;
	map->nr = 0;
	map->max = TCE_OLDS_PER_BLOCK;
	return true;
}

static struct tce_old *map_olds(struct tce_map *map)
{
	return map->blocks ? map->blocks->olds : map->few;
}

/* Take the newest replaced entry off, if it is at @entry or beyond. */
static bool map_pop(struct tce_map *map, unsigned long entry,
		    struct tce_old *old)
{
	while (!map->nr) {
		struct tce_old_block *block = map->blocks;

		if (!block)
			return false;
		map->blocks = block->next;
		map->max = map->blocks ? TCE_OLDS_PER_BLOCK : TCE_OLDS_INLINE;
		map->nr = map->max;
		kfree(block);
	}
	if (map_olds(map)[map->nr - 1].entry < entry)
		return false;
	*old = map_olds(map)[--map->nr];
	return true;
}

/*
 * May the page that a replaced entry held be let go? It was taken off by
 * map_pop(). v1: not if an entry, or one that was replaced before it, shares
 * its pin, and is left to let go.
 */
static bool map_last(struct tce_map *map, __be64 *cell,
		     const struct tce_old *old)
{
	struct tce_mem *mem = map->space->mem;
	struct tce_old_block *block = map->blocks;
	struct tce_old *olds = map_olds(map);
	unsigned int i = map->nr;

	if (mem->v2 || !tce_pin_shared(old->cookie))
		return true;
	if (tce_mem_pass_on(mem, cell, old->cookie))
		return false;
	for (;;) {
		while (i--) {
			u64 apart = old->entry - olds[i].entry;

			/* before where the page's first 4K would be */
			if (apart > offset_in_page(old->cookie) / SZ_4K)
				return true;
			if (((olds[i].cookie ^
			      (old->cookie - apart * SZ_4K)) & ~TCE_WRITE))
				continue;
			olds[i].cookie |= old->cookie & TCE_WRITE;
			return false;
		}
		if (!block)
			return true;
		block = block->next;
		olds = block ? block->olds : map->few;
		i = block ? TCE_OLDS_PER_BLOCK : TCE_OLDS_INLINE;
	}
}

/*
 * In place of the cookie of a replaced entry, whose cell KVM has changed
 * meanwhile: KVM may have let go of it, so we don't, nor can it be put back.
 * It is no cookie.
 */
#define COOKIE_LOST	1

/*
 * An entry that was not empty was written. Return: 0; -ENOMEM if there is no
 * room for the next one.
 */
static noinline int map_replaced(struct tce_map *map, unsigned long entry,
				 unsigned long hpa,
				 enum dma_data_direction dir, u64 cookie)
{
	/* KVM has taken the page out of it: gone, as far as v2 is concerned */
	if (dir == DMA_NONE && map->space->mem->v2)
		return 0;
	map_olds(map)[map->nr++] = (struct tce_old) {
		.entry = entry,
		.hpa = hpa,
		.dir = dir,
		.cookie = cookie,
	};
	if (map->nr == map->max && !map_grow(map))
		return -ENOMEM;
	return 0;
}

static unsigned long map_ua(const struct tce_map *map, unsigned long done)
{
	return map->ua + (done << map->win->tbl->it_page_shift);
}

/*
 * Write a run of empty entries with a run of memory by one operation of the
 * platform, which invalidates them too. KVM, if it gets the table meanwhile,
 * at worst loses count of a page that it puts there.
 *
 * Return: 0; -ENOMEM; -EIO if the platform, which does not say so, did not
 * write. The entries count as written in any case, to be cleared by undo.
 */
static int map_set_run(struct tce_map *map, const unsigned long *hpas,
		       __be64 *cell, unsigned long n)
{
	const struct iommu_table_ops *ops = map->win->ops;
	struct iommu_table *tbl = map->win->tbl;
	struct tce_mem *mem = map->space->mem;
	unsigned long step = 1UL << tbl->it_page_shift;
	unsigned long entry = map->first + map->done;
	unsigned long ua = map_ua(map, map->done);
	bool write = dir_writes(map->dir);
	unsigned long i, tce;
	int rc;

	rc = ops->set(tbl, entry, n, (unsigned long)__va(hpas[0]), map->dir, 0);
	tce = rc ? 0 : ops->get(tbl, entry + n - 1);
	for (i = 0; i < n; i++, ua += step)
		cell_write(&cell[i], tce_mem_cookie(mem->v2, true, ua, hpas[i],
						    write));
	map->done += n;
	if (rc)
		return -ENOMEM;
	return (tce & ~(TCE_PCI_READ | TCE_PCI_WRITE)) == hpas[n - 1] ? 0 : -EIO;
}

static __always_inline int exchange_entries(struct tce_map *map,
					    const unsigned long *hpas,
					    __be64 *cell, unsigned long n,
					    const bool v2, const bool ours,
					    const bool exclusive)
{
	const struct iommu_table_ops *ops = map->win->ops;
	struct iommu_table *tbl = map->win->tbl;
	unsigned long step = 1UL << tbl->it_page_shift;
	unsigned long entry = map->first + map->done;
	unsigned long ua = map_ua(map, map->done);
	enum dma_data_direction new_dir = map->dir;
	bool write = dir_writes(new_dir);
	unsigned long i;
	int rc = 0;

	for (i = 0; i < n; i++, ua += step) {
		enum dma_data_direction dir = new_dir;
		unsigned long hpa = hpas[i];
		u64 cookie = tce_mem_cookie(v2, ours, ua, hpa, write);
		__be64 old = 0;

		if (!exclusive)
			old = READ_ONCE(cell[i]);
		rc = tce_xchg(ops, tbl, entry + i, &hpa, &dir);
		if (unlikely(rc)) {
			rc = xchg_errno(rc);
			break;
		}
		if (exclusive) {
			/* KVM may have emptied an entry of v1 */
			if (unlikely(dir != DMA_NONE || (!v2 && cell[i])))
				old = cell[i];
			cell_write(&cell[i], cookie);
		} else if (unlikely(!cell_replace(&cell[i], old,
						  cookie_to_cell(cookie)))) {
			cell_write(&cell[i], cookie);
			old = cpu_to_be64(COOKIE_LOST);
		}
		if (unlikely(dir != DMA_NONE || old)) {
			rc = map_replaced(map, entry + i, hpa, dir,
					  be64_to_cpu(old));
			if (rc) {
				i++;
				break;
			}
		}
	}
	map->done += i;
	return rc;
}

/*
 * Write entries by an exchange each. Return: 0, or -ENOMEM, -EIO, with
 * &tce_map.done entries written.
 */
static int map_exchange(struct tce_map *map, const unsigned long *hpas,
			__be64 *cell, unsigned long n)
{
	const bool v2 = map->space->mem->v2;
	unsigned long i, now;
	int rc = 0;

	map->exchanged = true;
	for (i = 0; !rc && i < n; i += now) {
		now = min(n - i, TCE_EXCHANGE_MAX);
		if (!map->exclusive)
			rc = exchange_entries(map, hpas + i, cell + i, now,
					      v2, map->ours, false);
		else if (v2)
			rc = exchange_entries(map, hpas + i, cell + i, now,
					      true, true, true);
		else
			rc = exchange_entries(map, hpas + i, cell + i, now,
					      false, true, true);
		if (need_resched())
			cond_resched();
	}
	return rc;
}

/*
 * Find the next run of adjacent IOMMU pages that is worth a set(), from @at
 * on. It has to contain half of the least such run at a multiple of that
 * half, so that scattered memory costs a look at a few pages only.
 */
static bool find_run(const struct tce_map *map, const unsigned long *hpas,
		     unsigned long at, unsigned long n, unsigned long *run,
		     unsigned long *end)
{
	unsigned int shift = map->win->tbl->it_page_shift;
	unsigned long half = map->run_min / 2, i, a, b;

	for (i = at; i + half <= n; i = max(b, i + half)) {
		b = i;
		if (hpas[i + half - 1] - hpas[i] != (half - 1) << shift)
			continue;
		for (a = i; a > at; a--)
			if (hpas[a - 1] + (1UL << shift) != hpas[a])
				break;
		for (b = i + 1; b < n; b++)
			if (hpas[b - 1] + (1UL << shift) != hpas[b])
				break;
		if (b - a >= map->run_min) {
			*run = a;
			*end = b;
			return true;
		}
	}
	return false;
}

/*
 * Write the next @n entries, whose cells are all in one leaf. Return: 0, or
 * -ENOMEM, -EIO, with &tce_map.done entries written.
 */
static int map_write(struct tce_map *map, const unsigned long *hpas,
		     __be64 *cell, unsigned long n)
{
	/*
	 * set() does not check if it got the memory for a missing leaf, so
	 * the first entry of a leaf is exchanged.
	 */
	unsigned long at = map->win->tbl->it_indirect_levels ? 1 : 0;
	unsigned long from = 0, run, end;
	int rc;

	/*
	 * [from, run) are to be exchanged, [run, end) may be set, but for
	 * pseries, where set() lets the device read what it may write.
	 */
	while (map->exclusive && map->dir != DMA_FROM_DEVICE &&
	       find_run(map, hpas, at, n, &run, &end)) {
		if (!map->win->ops->tce_kill)
			end = min(end, run + TCE_SET_MAX_HCALL);
		at = end;
		if (cells_run(cell + run, end - run, CELL_EMPTY) < end - run)
			continue;
		if (from < run) {
			rc = map_exchange(map, hpas + from, cell + from,
					  run - from);
			if (rc)
				return rc;
		}
		rc = map_set_run(map, hpas + run, cell + run, end - run);
		if (rc)
			return rc;
		from = end;
	}
	return from < n ? map_exchange(map, hpas + from, cell + from, n - from)
			: 0;
}

/* A MAP failed: put back what was there, and let go of what it had put. */
static void map_undo(struct tce_map *map, struct tce_holds *holds)
{
	struct tce_mem *mem = map->space->mem;
	struct tce_window *win = map->win;
	unsigned long entry = map->first + map->done;
	unsigned long kill_end = entry;

	while (entry-- > map->first) {
		struct tce_old old = { .dir = DMA_NONE };
		unsigned long left;
		__be64 *cell, new;
		bool replaced;
		u64 put_back;

		if (tce_holds_full(holds)) {
			window_kill(win, entry + 1, kill_end - entry - 1);
			tce_holds_release(holds);
			kill_end = entry + 1;
		}

		replaced = map_pop(map, entry, &old);
		if (old.cookie == COOKIE_LOST)
			old = (struct tce_old) { .dir = DMA_NONE };
		put_back = old.cookie;
		cell = window_cells(win, entry, false, &left);
		new = READ_ONCE(*cell);
		if (window_xchg(win, entry, &old.hpa, &old.dir)) {
			/* the new page stays, the old one can't come back */
			WRITE_ONCE(win->stale, true);
			if (old.cookie && map_last(map, cell, &old))
				tce_holds_add(holds, old.cookie, old.hpa,
					      dir_writes(old.dir));
			continue;
		}
		if (mem->v2 && !replaced && old.dir == DMA_NONE &&
		    window_exclusive(win, mem)) {
			/* set() failed and took its entries out again */
			tce_holds_take(holds, cell, 1);
		} else if (!cell_replace(cell, new,
					  cpu_to_be64(put_back))) {
			/* KVM has put something else there meanwhile */
			if (put_back)
				cell_write(cell, put_back);
		} else if ((old.dir != DMA_NONE || !mem->v2) &&
			   !tce_mem_pass_on(mem, cell, be64_to_cpu(new))) {
			tce_holds_add(holds, be64_to_cpu(new), old.hpa,
				      dir_writes(old.dir));
		}
		if (need_resched())
			cond_resched();
	}
	window_kill(win, map->first, kill_end - map->first);
}

/* A MAP succeeded: let go of what it replaced, which has been killed. */
static void map_finish(struct tce_map *map, struct tce_holds *holds)
{
	struct tce_old old;

	while (map_pop(map, map->first, &old)) {
		unsigned long left;
		__be64 *cell = window_cells(map->win, old.entry, false, &left);

		if (tce_holds_full(holds))
			tce_holds_release(holds);
		if (old.cookie && map_last(map, cell, &old))
			tce_holds_add(holds, old.cookie, old.hpa,
				      dir_writes(old.dir));
		if (need_resched())
			cond_resched();
	}
}

/* Hold and write up to @max of the entries that are left of @n. */
static int map_chunk(struct tce_map *map, struct tce_holds *holds,
		     unsigned long *hpas, unsigned long n, unsigned long max)
{
	unsigned int shift = map->win->tbl->it_page_shift;
	struct tce_mem *mem = map->space->mem;
	bool write = dir_writes(map->dir);
	unsigned long from = map->done, i, left;
	__be64 *cell;
	long got;
	int rc;

	max = min(n - from, max);
	/* v1: end with a page, so that who fails finds all of its entries */
	if (TCE_PER_PIN > 1 && !mem->v2 && max < n - from)
		max -= (offset_in_page(map_ua(map, from)) / SZ_4K + max) %
		       TCE_PER_PIN;
	cell = window_own_cell(map->win, map->first + from);
	got = tce_mem_get(mem, map->pins, cell, map_ua(map, from), max, shift,
			  write, &map->ours, hpas);
	if (got < 0)
		return got;
	map->exclusive = window_exclusive(map->win, mem);

	for (i = 0; i < got; i += left) {
		cell = window_cells(map->win, map->first + from + i, true,
				    &left);
		if (!cell) {
			rc = -ENOMEM;
			goto err_unhold;
		}
		left = min(left, got - i);
		rc = map_write(map, hpas + i, cell, left);
		if (rc)
			goto err_unhold;
	}
	return 0;

err_unhold:
	/* what was held for entries that were not written */
	for (i = map->done - from; i < got; i++) {
		u64 cookie = tce_mem_cookie(mem->v2, map->ours,
					    map_ua(map, from + i), hpas[i],
					    write);

		/* v1: the entries of a page are waiting for one pin */
		if (!mem->v2 && i + 1 < got && !PAGE_ALIGNED(hpas[i + 1]))
			continue;
		cell = window_own_cell(map->win, map->first + from + i);
		if (tce_mem_pass_on(mem, cell, cookie))
			continue;
		if (tce_holds_full(holds))
			tce_holds_release(holds);
		tce_holds_add(holds, cookie, hpas[i], write);
	}
	tce_holds_release(holds);
	return rc;
}

/* Map @n entries: all of them, or none. */
static int map_run(struct tce_space *space, struct tce_window *win,
		   unsigned long first, unsigned long ua, unsigned long n,
		   enum dma_data_direction dir, struct tce_pins *pins)
{
	unsigned long few[TCE_CHUNK_STACK] __uninitialized, *hpas = few;
	struct tce_holds holds __uninitialized;
	struct tce_map map __uninitialized;
	unsigned long max = TCE_CHUNK_STACK;
	int rc;

	if (n > TCE_CHUNK_STACK) {
		max = min(n, TCE_CHUNK);
		hpas = kmalloc_array(max, sizeof(*hpas),
				     GFP_KERNEL | __GFP_NOWARN | __GFP_NORETRY);
		if (!hpas) {
			max = TCE_CHUNK_STACK;
			hpas = few;
		}
	}

	tce_holds_init(&holds, space->mem);
	map.space = space;
	map.win = win;
	map.first = first;
	map.done = 0;
	map.ua = ua;
	map.dir = dir;
	/* a run that is all of it needs no other kill, however short it is */
	map.run_min = clamp(n, 2, win->run_min);
	map.exchanged = false;
	map.pins = pins;
	map.blocks = NULL;
	map.nr = 0;
	map.max = TCE_OLDS_INLINE;

	for (;;) {
		rc = map_chunk(&map, &holds, hpas, n, max);
		if (rc || map.done == n)
			break;
		if (fatal_signal_pending(current)) {
			rc = -EINTR;
			break;
		}
		if (need_resched())
			cond_resched();
	}

	if (rc) {
		map_undo(&map, &holds);
	} else {
		if (map.exchanged)
			window_kill(win, first, n);
		else
			window_flush(win);
		map_finish(&map, &holds);
	}
	tce_holds_destroy(&holds);

	if (hpas != few)
		kfree(hpas);
	return rc;
}

/* MAP of whatever it is */
static noinline int map_range(struct tce_space *space, struct tce_window *win,
			      unsigned long first, unsigned long ua,
			      unsigned long n, enum dma_data_direction dir,
			      struct tce_pins *pins)
{
	unsigned int shift = win->tbl->it_page_shift;
	struct tce_span span __uninitialized;
	int rc;

	rc = window_lock_range(win, &span, first, n);
	if (rc)
		return rc;
	rc = tce_mem_check(space->mem, ua, n << shift, shift, dir_writes(dir));
	if (!rc)
		rc = map_run(space, win, first, ua, n, dir, pins);
	window_unlock_range(win, &span);
	return rc;
}

/* UNMAP of whatever it is */
static noinline int unmap_range(struct tce_space *space, struct tce_window *win,
				unsigned long first, unsigned long n)
{
	struct tce_span span __uninitialized;
	int rc;

	rc = window_lock_range(win, &span, first, n);
	if (rc)
		return rc;
	rc = window_clear(space, win, first, n, true);
	window_unlock_range(win, &span);
	return rc;
}

/*
 * MAP of one entry that is empty: what map_run() does, at less cost for those
 * who map page by page, as QEMU does for a guest without KVM. v1: with @page pinned.
 * -EAGAIN if it is to be done by map_run() after all: the entry is not empty, or
 * somebody else is at work in the window.
 */
static __always_inline int map_one(struct tce_mem *mem, struct tce_window *win,
				   unsigned long entry, unsigned long ua,
				   struct page *page,
				   enum dma_data_direction new_dir,
				   const bool v2)
{
	enum dma_data_direction dir = new_dir;
	bool write = dir_writes(new_dir);
	unsigned long left, hpa;
	__be64 *cell;
	u64 cookie;
	int rc;

	if (v2) {
		rc = tce_region_get(mem, ua, win->tbl->it_page_shift, write,
				    &hpa, &cookie);
		if (unlikely(rc))
			return rc;
		cell = window_cells(win, entry, true, &left);
		rc = -ENOMEM;
		if (unlikely(!cell))
			goto err_put;
	} else {
		if (unlikely(!tce_pin_count(mem)))
			return -EAGAIN;
		cell = window_cell(win, entry);
		hpa = tce_page_hpa(page);
		if (TCE_PER_PIN > 1)
			hpa |= offset_in_page(ua);
		cookie = tce_pin_cookie(page, hpa, write);
	}

	rc = -EAGAIN;
	if (unlikely(!window_trylock_one(win)))
		goto err_put;
	if (unlikely(READ_ONCE(*cell)))
		goto err_unlock;
	rc = window_xchg(win, entry, &hpa, &dir);
	if (unlikely(rc)) {
		rc = xchg_errno(rc);
		goto err_unlock;
	}
	/* KVM may have put something there; then as with COOKIE_LOST */
	if (!v2 || unlikely(!cell_replace(cell, 0, cookie_to_cell(cookie))))
		cell_write(cell, cookie);
	window_kill_one(win, entry);
	window_unlock_one(win);
	return 0;

err_unlock:
	window_unlock_one(win);
err_put:
	if (v2)
		tce_region_put(mem, cookie, hpa, write);
	else
		tce_pin_uncount(mem);
	return rc;
}

/* UNMAP of one entry: what window_clear() does, as map_one() does it. */
static __always_inline int unmap_one(struct tce_mem *mem,
				     struct tce_window *win,
				     unsigned long entry, const bool v2)
{
	enum dma_data_direction dir = DMA_NONE;
	unsigned long left, hpa = 0;
	bool mine = true;
	__be64 *cell, old;
	u64 cookie;
	int rc = 0;

	cell = v2 ? window_cells(win, entry, false, &left) :
		    window_cell(win, entry);
	if (unlikely(!cell))
		return 0;
	if (unlikely(!window_trylock_one(win)))
		return -EAGAIN;
	old = READ_ONCE(*cell);
	cookie = cell_to_cookie(old);
	if (unlikely(!old)) {
		/* as clear_again(): litmus/unmap-empty.litmus */
		smp_rmb();
		if (v2 && !window_exclusive(win, mem))
			window_kill_one(win, entry);
		goto out_unlock;
	}
	if (!v2 && unlikely(tce_pin_shared(cookie))) {
		rc = -EAGAIN;
		goto out_unlock;
	}
	if (unlikely(window_xchg(win, entry, &hpa, &dir))) {
		WRITE_ONCE(win->stale, true);
		rc = -EIO;
		goto out_unlock;
	}
	if (!v2) {
		cell_write(cell, 0);
	} else if (unlikely(dir == DMA_NONE)) {
		/* KVM has taken it out, and may put it back */
		WRITE_ONCE(win->stale, true);
		mine = false;
	} else {
		mine = cell_replace(cell, old, 0);
	}
	/*
	 * before the next one finds it empty, and says that it is unmapped
	 * (litmus/unmap-twice.litmus)
	 */
	window_kill_one(win, entry);
	window_unlock_one(win);

	if (!v2)
		tce_pin_put(mem, cookie, dir_writes(dir));
	else if (likely(mine))
		tce_region_put(mem, cookie, hpa, dir_writes(dir));
	return 0;

out_unlock:
	window_unlock_one(win);
	return rc;
}

/* The same for MAP, where @ua has to be a multiple of the IOMMU page as well */
static __always_inline int map_window(struct tce_space *space, u64 ioba, u64 ua,
				      u64 size, struct tce_window **found,
				      unsigned long *first, unsigned long *n)
{
	int rc = window_range(space, ioba, size, found, first, n);

	if (unlikely(rc))
		return rc;
	return ua & ((1UL << (*found)->tbl->it_page_shift) - 1) ? -EINVAL : 0;
}

/**
 * tce_space_check() - could a range be mapped?
 * @space: the space, with &tce_mem.lock held
 * @ioba: first I/O address
 * @ua: where the memory is in the caller's address space
 * @size: bytes
 *
 * Return: 0; -ENXIO or -EINVAL, as tce_space_map(); -EFAULT if the range can't be
 * user memory.
 */
int tce_space_check(struct tce_space *space, u64 ioba, u64 ua, u64 size)
{
	struct tce_window *win;
	unsigned long first, n;
	int rc;

	rc = map_window(space, ioba, ua, size, &win, &first, &n);
	if (rc || !n)
		return rc;
	return access_ok((void __user *)ua, size) ? 0 : -EFAULT;
}

/**
 * tce_space_map() - let the devices reach user memory
 * @space: the space, with &tce_mem.lock held
 * @ioba: first I/O address
 * @ua: where the memory is in the caller's address space
 * @size: bytes; 0 maps nothing
 * @dir: what the devices may do
 * @pins: v1: the pages of just this memory
 *
 * What was mapped there before is replaced. Undone by tce_space_unmap().
 * Context: the owner of the memory; sleeps, but waits for no client.
 *
 * Return: 0; -ENXIO if no window has @ioba; -EINVAL if misaligned or leaving
 * the window, or as tce_mem_check(); -ENOMEM, -EINTR; -EIO if the
 * platform refused. On any of them all entries are what they were before, but
 * for what KVM has done to them meanwhile.
 */
int tce_space_map(struct tce_space *space, u64 ioba, u64 ua, u64 size,
		  enum dma_data_direction dir, struct tce_pins *pins)
{
	struct tce_mem *mem = space->mem;
	struct tce_window *win;
	unsigned long first, n;
	int rc;

	rc = map_window(space, ioba, ua, size, &win, &first, &n);
	if (unlikely(rc))
		return rc;

	if (n == 1 && mem->v2) {
		rc = map_one(mem, win, first, ua, NULL, dir, true);
		if (likely(rc != -EAGAIN))
			return rc;
	}
	return n ? map_range(space, win, first, ua, n, dir, pins) : 0;
}

/**
 * tce_space_map_page() - v1: tce_space_map() of one entry, which is empty
 * @space: the space, with &tce_mem.lock held
 * @ioba: its I/O address
 * @ua: where the memory is in the caller's address space
 * @page: the page behind it, from tce_pin_get(); the entry's, if this succeeds
 * @dir: what the devices may do
 *
 * Context: waits for nobody.
 *
 * Return: 0; as tce_space_map(); -EAGAIN if it is to be tried by that.
 */
int tce_space_map_page(struct tce_space *space, u64 ioba, u64 ua,
		       struct page *page, enum dma_data_direction dir)
{
	struct tce_window *win;
	unsigned long first, n;
	int rc;

	rc = map_window(space, ioba, ua, SZ_4K, &win, &first, &n);
	if (unlikely(rc))
		return rc;
	return map_one(space->mem, win, first, ua, page, dir, false);
}

/**
 * tce_space_unmap() - undo tce_space_map()
 * @space: the space, with &tce_mem.lock held
 * @ioba: first I/O address
 * @size: bytes, of which not all need to be mapped; 0 unmaps nothing
 *
 * When it returns the devices can't reach the memory any more. Context:
 * sleeps; need not be the owner of the memory.
 *
 * Return: 0; -ENXIO if no window has @ioba; -EINVAL if misaligned or leaving
 * the window; -EINTR on SIGKILL; -EIO if the platform refused, for some
 * entry, which keeps its page.
 */
int tce_space_unmap(struct tce_space *space, u64 ioba, u64 size)
{
	struct tce_mem *mem = space->mem;
	struct tce_window *win;
	unsigned long first, n;
	int rc;

	rc = window_range(space, ioba, size, &win, &first, &n);
	if (unlikely(rc))
		return rc;

	if (n == 1) {
		rc = mem->v2 ? unmap_one(mem, win, first, true) :
			       unmap_one(mem, win, first, false);
		if (likely(rc != -EAGAIN))
			return rc;
	}
	return n ? unmap_range(space, win, first, n) : 0;
}

/**
 * tce_space_unmap_all() - unmap all of all windows
 * @space: the space, locked by tce_space_lock()
 */
void tce_space_unmap_all(struct tce_space *space)
{
	int i;

	space_assert_locked(space);
	for (i = 0; i < ARRAY_SIZE(space->windows); i++) {
		struct tce_window *win = space->windows[i];

		if (win)
			window_clear(space, win, win->tbl->it_offset,
				     win->tbl->it_size, false);
	}
}

/**
 * tce_space_forget() - v2: unmap some memory, wherever it is mapped
 * @space: the space, locked by tce_space_lock()
 * @ua: first byte
 * @size: bytes
 *
 * Context: sleeps; looks at each cell of the space.
 *
 * Return: true if something was unmapped.
 */
bool tce_space_forget(struct tce_space *space, u64 ua, u64 size)
{
	bool some = false;
	int i;

	space_assert_locked(space);
	for (i = 0; i < ARRAY_SIZE(space->windows); i++) {
		struct tce_window *win = space->windows[i];
		unsigned long entry, end, left, n;
		__be64 *cell;

		if (!win)
			continue;
		entry = win->tbl->it_offset;
		end = entry + win->tbl->it_size;
		for (; entry < end; entry += left) {
			cell = window_cells(win, entry, false, &left);
			if (cell)
				left = min(left, SZ_64K);
			for (n = 0; cell && n < left; n++) {
				u64 cookie = cell_read(&cell[n]);

				if (!cookie ||
				    (cookie & ~TCE_COOKIE_OURS) - ua >= size)
					continue;
				window_clear(space, win, entry + n, 1, true);
				/* KVM may have emptied the entry, not its cell */
				some |= !cell_read(&cell[n]);
			}
			if (need_resched())
				cond_resched();
		}
	}
	return some;
}

static bool group_has(const struct tce_group *grp, const struct tce_window *win)
{
	return grp->table_group->tables[win->num] == win->tbl;
}

/* Take a window out of a group's bridge. Return: 0 or an errno. */
static int window_unset(struct tce_space *space, struct tce_window *win,
			struct tce_group *grp)
{
	struct iommu_table_group *table_group = grp->table_group;
	bool had = group_has(grp, win);
	int rc = bridge_errno(win->ops,
			      table_group->ops->unset_window(table_group,
							     win->num));

	if (had && !group_has(grp, win))
		win->refs--;

	if (rc) {
		tce_mem_stuck(space->mem);
		pr_err_ratelimited("group %d: window %d can't be removed: %d; its table stays\n",
				   iommu_group_id(grp->group), win->num, rc);
	}
	return rc;
}

/*
 * Take a window that stays out of a group's bridge. A bridge that does not
 * let go may go on to use the table, so that it is never freed.
 */
static void window_withdraw(struct tce_space *space, struct tce_window *win,
			    struct tce_group *grp)
{
	if (window_unset(space, win, grp)) {
		iommu_tce_table_get(win->tbl);
		win->refs++;
	}
}

/* Put a window into a group's bridge. Return: 0 or an errno. */
static int window_set(struct tce_space *space, struct tce_window *win,
		      struct tce_group *grp)
{
	struct iommu_table_group *table_group = grp->table_group;
	int rc = bridge_errno(win->ops,
			      table_group->ops->set_window(table_group,
							   win->num, win->tbl));

	/*
	 * powernv programs the bridge and then says 0, even if it had no
	 * memory to note which groups to invalidate.
	 */
	if (!rc && !group_has(grp, win)) {
		window_withdraw(space, win, grp);
		return -ENOMEM;
	}
	if (!rc)
		win->refs++;
	return rc;
}

/* The pages behind a level of a table can't be had: the platform would log. */
static bool level_too_large(struct iommu_table_group *table_group, u32 shift,
			    u64 size, u32 levels)
{
	unsigned int bits;

	if (table_group->max_levels <= 1 || !levels)
		return false;
	bits = DIV_ROUND_UP(ilog2(size) - shift, levels);
	/* more address bits than any bridge has: the platform's to refuse */
	if (bits * levels + shift >= 55)
		return false;
	return bits + ilog2(sizeof(u64)) > PAGE_SHIFT + MAX_PAGE_ORDER;
}

static void window_free(struct tce_space *space, struct tce_window *win)
{
	window_free_cells(win);
	tce_mem_owe(space->mem, win->charged);
	kfree(win);
}

/* Could there be such a window? Return: 0; -EINVAL; -EPERM; -ENOMEM */
static int window_check(struct iommu_table_group *table_group, u32 shift,
			u64 size, u32 levels)
{
	const struct iommu_table_group_ops *ops = table_group->ops;
	unsigned long bytes;

	if (shift >= BITS_PER_LONG || !(table_group->pgsizes & BIT(shift)) ||
	    !is_power_of_2(size) || size < BIT(shift) ||
	    levels > max(table_group->max_levels, 1))
		return -EINVAL;
	if (!ops->get_table_size || !ops->create_table || !ops->set_window ||
	    !ops->unset_window)
		return -EPERM;
	bytes = ops->get_table_size(shift, size, levels);
	if (!bytes)
		return -EINVAL;
	/* on pseries a failed attempt is the device's last */
	if (table_group->max_levels <= 1 &&
	    bytes >> PAGE_SHIFT > totalram_pages())
		return -ENOMEM;
	if (level_too_large(table_group, shift, size, levels))
		return -ENOMEM;
	return 0;
}

/* What a window's table is charged with, in CPU pages; window_check() is content. */
static unsigned long window_price(struct iommu_table_group *table_group,
				  u32 shift, u64 size, u32 levels)
{
	return table_group->ops->get_table_size(shift, size, levels) >>
		PAGE_SHIFT;
}

/* Make a window with a table, in no bridge yet; takes its price from *@paid. */
static struct tce_window *window_alloc(struct tce_space *space, int num,
				       u32 shift, u64 size, u32 levels,
				       unsigned long *paid)
{
	struct iommu_table_group *table_group = tce_space_table_group(space);
	const struct iommu_table_group_ops *ops = table_group->ops;
	struct tce_window *win;
	unsigned long price;
	int rc;

	rc = window_check(table_group, shift, size, levels);
	if (rc)
		return ERR_PTR(rc);
	price = window_price(table_group, shift, size, levels);
	if (price > *paid)
		return ERR_PTR(-ENOMEM);

	win = kzalloc(sizeof(*win), GFP_KERNEL_ACCOUNT);
	if (!win)
		return ERR_PTR(-ENOMEM);
	win->num = num;
	win->refs = 1;
	spin_lock_init(&win->span_lock);
	init_waitqueue_head(&win->span_wait);

	rc = table_errno(ops->create_table(table_group, num, shift, size,
					   levels, &win->tbl));
	if (rc) {
		kfree(win);
		return ERR_PTR(rc);
	}
	win->charged = price;
	*paid -= price;
	win->ops = win->tbl->it_ops;
	return win;
}

/*
 * Take a window out of all bridges and free it. If a bridge does not let go
 * of it, its table, which is empty by then, is left to the bridge for good.
 */
static int window_destroy(struct tce_space *space, struct tce_window *win)
{
	struct iommu_table *tbl = win->tbl;
	struct tce_group *grp;
	int rc = 0;

	space_assert_locked(space);
	window_bury(win);
	if (tbl->it_userspace && (space->mem->v2 || win->own_cells))
		window_clear(space, win, tbl->it_offset, tbl->it_size, false);

	list_for_each_entry(grp, &space->groups, list)
		if (group_has(grp, win))
			rc = window_unset(space, win, grp) ?: rc;

	trace_tce_window_remove(win->num, window_start(win));
	if (!rc) {
		if (win->stale)
			window_sweep(space, win);
		iommu_tce_table_put(tbl);
	} else if (win->stale) {
		tce_mem_keep(space->mem);
	}
	window_free(space, win);
	return rc;
}

/* The number of the next window; ARRAY_SIZE() if there can be none. */
static int window_next(const struct tce_space *space)
{
	int num = 0;

	while (num < ARRAY_SIZE(space->windows) && space->windows[num])
		num++;
	return num;
}

static int window_create(struct tce_space *space, u32 shift, u64 size,
			 u32 levels, u64 *start, unsigned long *paid)
{
	struct tce_window *win;
	struct tce_group *grp;
	int num = window_next(space), rc;

	if (num == ARRAY_SIZE(space->windows))
		return -ENOSPC;

	win = window_alloc(space, num, shift, size, levels, paid);
	if (IS_ERR(win))
		return PTR_ERR(win);

	/* pseries had no memory for it, and did not say so */
	if (!win->tbl->it_userspace) {
		rc = -ENOMEM;
		goto err_destroy;
	}
	win->run_min = win->ops->tce_kill ? TCE_RUN_MIN_KILL :
					    TCE_RUN_MIN_HCALL;
	if (space->mem->v2) {
		window_probe(win);
	} else {
		rc = window_hide(win, tce_space_table_group(space));
		if (!rc && !window_own_cells(win))
			rc = -ENOMEM;
		if (rc)
			goto err_destroy;
	}
	list_for_each_entry(grp, &space->groups, list) {
		rc = window_set(space, win, grp);
		if (rc)
			goto err_destroy;
	}

	space->windows[num] = win;
	*start = window_start(win);
	trace_tce_window_create(num, *start, size, shift, levels);
	return 0;

err_destroy:
	window_destroy(space, win);
	return rc;
}

/**
 * tce_space_price() - what are the tables of windows charged with?
 * @space: the space, locked by tce_space_lock(), the memory is bound
 * @create: the window that is wanted; NULL for the default window alone
 * @price: CPU pages are returned here; that of the default window included, if it is
 *	pending
 *
 * Return: 0; what tce_space_create_window() would refuse without trying: -ENXIO if no
 * group is attached, -EINVAL, -EPERM, -ENOSPC, -ENOMEM.
 */
int tce_space_price(struct tce_space *space,
		    const struct vfio_iommu_spapr_tce_create *create,
		    unsigned long *price)
{
	struct iommu_table_group *table_group = tce_space_table_group(space);
	int rc, num = window_next(space);

	space_assert_locked(space);
	*price = 0;
	if (!table_group)
		return create ? -ENXIO : -ENODEV;
	if (create) {
		rc = window_check(table_group, create->page_shift,
				  create->window_size, create->levels);
		if (rc)
			return rc;
		*price = window_price(table_group, create->page_shift,
				      create->window_size, create->levels);
	}
	if (space->default_pending) {
		rc = window_check(table_group, IOMMU_PAGE_SHIFT_4K,
				  table_group->tce32_size, 1);
		if (rc)
			return rc;
		*price += window_price(table_group, IOMMU_PAGE_SHIFT_4K,
				       table_group->tce32_size, 1);
		num++;
	}
	return create && num >= ARRAY_SIZE(space->windows) ? -ENOSPC : 0;
}

/**
 * tce_space_create_default() - create the default window if it is pending
 * @space: the space, locked by tce_space_lock(); a group is attached and
 *	the memory is bound
 * @paid: CPU pages that were charged for tables; what is used is taken off
 *
 * 4K pages over the platform's 32-bit range. Context: process.
 *
 * Return: 0, also if there was nothing to do; an errno as
 * tce_space_create_window(); v1: -EBUSY or -ENODEV, see window_hide().
 */
int tce_space_create_default(struct tce_space *space, unsigned long *paid)
{
	struct iommu_table_group *table_group;
	u64 start;
	int rc;

	space_assert_locked(space);
	if (!space->default_pending)
		return 0;
	table_group = tce_space_table_group(space);
	if (!table_group)
		return -ENODEV;
	rc = window_create(space, IOMMU_PAGE_SHIFT_4K,
			   table_group->tce32_size, 1, &start, paid);
	if (!rc)
		space->default_pending = false;
	return rc;
}

/**
 * tce_space_create_window() - add a window
 * @space: the space, locked by tce_space_lock(); a group is attached and
 *	the memory is bound
 * @create: what is wanted; the first IOBA, which the platform chooses, is returned there
 * @paid: CPU pages that were charged for tables, as tce_space_price() says; what is used
 *	is taken off
 *
 * A pending default window is created first and takes the first place. Undone by
 * tce_space_remove_window(). Context: process; sleeps.
 *
 * Return: 0; -EINVAL if the platform has no such windows; -ENOSPC if it has
 * no more; -ENOMEM if out of memory; -EPERM if the platform can't; -EIO. On any of
 * them nothing has changed, but that on pseries the default window is there now.
 */
int tce_space_create_window(struct tce_space *space,
			    struct vfio_iommu_spapr_tce_create *create,
			    unsigned long *paid)
{
	bool pending = space->default_pending;
	int rc;

	rc = tce_space_create_default(space, paid);
	if (rc)
		return rc;
	rc = window_create(space, create->page_shift, create->window_size,
			   create->levels, &create->start_addr, paid);
	/*
	 * pseries (spapr_tce_create_table()) makes no window any more for a device for
	 * which it once could not make one, not even the default window: what is there
	 * is kept.
	 */
	if (rc && pending && space->windows[0]->ops->tce_kill) {
		window_destroy(space, space->windows[0]);
		space->windows[0] = NULL;
		space->default_pending = true;
	}
	return rc;
}

/**
 * tce_space_remove_window() - undo tce_space_create_window()
 * @space: the space, locked by tce_space_lock()
 * @start: the window's first IOBA
 *
 * Unmaps what is mapped there. A default window that is pending is removed by
 * not creating it.
 *
 * Return: 0; -EINVAL if no window starts there; another errno if a bridge
 * refused, though the window is gone.
 */
int tce_space_remove_window(struct tce_space *space, u64 start)
{
	struct iommu_table_group *table_group = tce_space_table_group(space);
	int i, rc;

	space_assert_locked(space);
	if (space->default_pending && table_group &&
	    start == table_group->tce32_start) {
		space->default_pending = false;
		return 0;
	}
	for (i = 0; i < ARRAY_SIZE(space->windows); i++) {
		struct tce_window *win = space->windows[i];

		if (!win || window_start(win) != start)
			continue;
		space->windows[i] = NULL;
		rc = window_destroy(space, win);
		return rc;
	}
	return -EINVAL;
}

/**
 * tce_space_table_group() - the group that speaks for all
 * @space: the space, locked
 *
 * Return: the platform's side of the first group; NULL if there is none.
 */
struct iommu_table_group *tce_space_table_group(struct tce_space *space)
{
	struct tce_group *grp;

	lockdep_assert_held(&space->lock);
	grp = list_first_entry_or_null(&space->groups, struct tce_group, list);
	return grp ? grp->table_group : NULL;
}

/**
 * tce_space_attach() - take a group in
 * @space: the space, locked by tce_space_lock()
 * @group: the group, whose DMA ownership the VFIO core has claimed
 *
 * The windows of the space are put into the group's bridge. Undone by
 * tce_space_detach().
 *
 * Return: 0; -ENODEV if the group has no TCE tables; -EINVAL if it has no
 * dynamic windows (v2); -EBUSY if attached already, or a second one (v1);
 * -EPERM if it is not of the kind of the others; an errno of the platform.
 * On any of them nothing has changed.
 */
int tce_space_attach(struct tce_space *space, struct iommu_group *group)
{
	struct iommu_table_group *table_group = iommu_group_get_iommudata(group);
	struct tce_group *grp;
	int i, rc;

	space_assert_locked(space);
	if (!table_group || !table_group->ops)
		return -ENODEV;
	if (space->mem->v2 && !table_group->max_dynamic_windows_supported)
		return -EINVAL;
	/* v1 has no way to say which group's window is meant */
	if (!space->mem->v2 && !list_empty(&space->groups))
		return -EBUSY;
	list_for_each_entry(grp, &space->groups, list) {
		if (grp->group == group)
			return -EBUSY;
		if (grp->table_group->ops->create_table !=
		    table_group->ops->create_table)
			return -EPERM;
	}

	grp = kzalloc(sizeof(*grp), GFP_KERNEL_ACCOUNT);
	if (!grp)
		return -ENOMEM;
	refcount_set(&grp->refs, 1);
	sema_init(&grp->eeh, 1);
	grp->group = iommu_group_ref_get(group);
	grp->table_group = table_group;

	rc = tce_take_ownership(table_group);
	if (rc)
		goto err_free;

	for (i = 0; i < ARRAY_SIZE(space->windows); i++) {
		if (!space->windows[i])
			continue;
		rc = window_set(space, space->windows[i], grp);
		if (rc)
			goto err_unset;
	}

	if (list_empty(&space->groups) && !space->windows[0])
		space->default_pending = true;
	list_add_tail(&grp->list, &space->groups);
	trace_tce_attach(iommu_group_id(group));
	return 0;

err_unset:
	while (i--)
		if (space->windows[i])
			window_withdraw(space, space->windows[i], grp);
	tce_release_ownership(table_group);
err_free:
	tce_group_put(grp);
	return rc;
}

/**
 * tce_group_put() - let go of a group
 * @grp: the group
 *
 * Who does something for a group without &tce_space.lock has a reference of it, for which
 * nobody waits: it keeps the memory, not the group in its space.
 */
void tce_group_put(struct tce_group *grp)
{
	if (!refcount_dec_and_test(&grp->refs))
		return;
	iommu_group_put(grp->group);
	kfree(grp);
}

/**
 * tce_space_detach() - undo tce_space_attach()
 * @space: the space, locked by tce_space_lock()
 * @group: the group
 *
 * When it returns the group's devices reach none of the space's memory. The
 * other groups keep their mappings; with the last group the windows go.
 */
void tce_space_detach(struct tce_space *space, struct iommu_group *group)
{
	struct tce_group *grp;
	int i;

	space_assert_locked(space);
	list_for_each_entry(grp, &space->groups, list)
		if (grp->group == group)
			goto found;
	return;

found:
	for (i = 0; i < ARRAY_SIZE(space->windows); i++) {
		struct tce_window *win = space->windows[i];

		if (!win)
			continue;
		if (list_is_singular(&space->groups)) {
			window_destroy(space, win);
			space->windows[i] = NULL;
		} else {
			window_withdraw(space, win, grp);
		}
	}
	list_del(&grp->list);
	if (list_empty(&space->groups))
		space->default_pending = false;
	/* who is about to do something for the group sees it, or does it for us still */
	WRITE_ONCE(grp->left, true);
	tce_release_ownership(grp->table_group);
	trace_tce_detach(iommu_group_id(group));
	tce_group_put(grp);
}

/**
 * tce_space_init() - start an empty space
 * @space: zeroed
 * @mem: the memory that will be mapped in it
 *
 * Undone by tce_space_destroy().
 */
void tce_space_init(struct tce_space *space, struct tce_mem *mem)
{
	init_rwsem(&space->lock);
	space->mem = mem;
	mem->lock = &space->lock;
	INIT_LIST_HEAD(&space->groups);
}

/**
 * tce_space_destroy() - detach all groups and free all windows
 * @space: the space, locked by tce_space_lock()
 */
void tce_space_destroy(struct tce_space *space)
{
	struct tce_group *grp, *next;

	list_for_each_entry_safe(grp, next, &space->groups, list)
		tce_space_detach(space, grp->group);
}
