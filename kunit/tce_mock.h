/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A platform that exists only in memory, and checks what the driver does.
 *
 * It offers what PowerNV and pseries offer to the driver: table groups whose
 * callbacks create tables and put them into a bridge, and tables whose entries
 * are exchanged and invalidated. At every such call it checks what must hold at any
 * time, not only in the end:
 *   - no entry outside of its table is read, written or invalidated;
 *   - an address is written only while its pages are pinned, and for writing if a device may write;
 *   - no pin of a page ends while an entry reaches it, or could still reach it
 *     because the entry was changed but not invalidated;
 *   - a page to which a device could write is dirty when its last pin ends;
 *   - what has to be flushed is flushed before its pages are released, which devices may
 *     reach until then;
 *   - no live entry is overwritten by an operation that does not return the old value,
 *     or filled where the table has no memory for it yet;
 *   - nothing is invalidated that a bridge may use which is not linked to the table any more,
 *     because the bridge does not hear of that;
 *   - no table is freed while it is in a bridge, and on pseries, which would leave them to the
 *     next user of the window, none with live entries, unless the hypervisor has refused to clear
 *     them: what those of the default window reach, the devices go on to reach.
 * Whatever breaks one of these rules is recorded as a violation, for which the fixture
 * fails the test.
 *
 * Any of its calls can be told to fail, see tce_fault_arm().
 */
#ifndef TCE_KUNIT_MOCK_H
#define TCE_KUNIT_MOCK_H

#include <linux/completion.h>
#include <linux/dma-direction.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include <asm/firmware.h>
#include <asm/iommu.h>

struct iommu_group;

/* What can be made to fail */
enum tce_fault {
	TCE_FAULT_NONE,
	TCE_FAULT_CREATE,	/* create_table() */
	TCE_FAULT_SET,		/* set_window() */
	TCE_FAULT_LINK,		/* set_window(), which then reports success all the same */
	TCE_FAULT_UNSET,	/* unset_window() */
	TCE_FAULT_TAKE,		/* unset_window() of a group that has no window yet */
	TCE_FAULT_XCHG,		/* xchg_no_kill() */
	/* xchg_no_kill() when it clears an entry; for good: clear() as well */
	TCE_FAULT_CLEAR,
	TCE_FAULT_BUILD,	/* set() of a table */
	/*
	 * set() or clear() of a table, which do not say so; a result > 0 does so many of the
	 * entries, but not the last, and the next one half as many
	 */
	TCE_FAULT_LOST,
	/* useraddrptr() or xchg_no_kill() when it has to add a level */
	TCE_FAULT_LEVEL,
	/* pinning of user pages by the driver; a result > 0 pins so many of the pages */
	TCE_FAULT_PIN,
	TCE_FAULT_REGISTER,	/* mm_iommu_new() */
	TCE_FAULT_WATCH,	/* mmu_interval_notifier_insert() */
	/* the driver's own hypervisor calls; the result is the hypervisor's code */
	TCE_FAULT_HCALL,
	TCE_FAULT_ALLOC,	/* any allocation of memory by the current thread */
	/*
	 * Nothing fails, but a SIGKILL is pending: from before the operation the first time, from
	 * its n-th call of any of these, allocations not counted, the (n + 1)-th time
	 */
	TCE_FAULT_SIGKILL,
	TCE_FAULTS,
};

#define TCE_PAGES_BITS		10
#define TCE_TABLE_BITS		9

#define TCE_VIOLATIONS_KEPT	6
#define TCE_VIOLATION_LEN	100

/* Where another call can come in between, or a thread be stopped */
enum tce_point {
	/* before memory is pinned, or a region put into the kernel's list or taken from it */
	TCE_AT_PIN,
	TCE_AT_PINNED,		/* after it was pinned */
	TCE_AT_ALLOC,		/* before some of the kernel's memory is allocated */
	TCE_AT_MAP,		/* before entries of a MAP are written */
	TCE_AT_EXCHANGE,	/* before, and after, an entry is exchanged */
	/* before, and after, entries are invalidated; before a run of them is cleared */
	TCE_AT_INVALIDATE,
	TCE_AT_LOOKUP,		/* before a look-up in the kernel's list */
	TCE_AT_CREATED,		/* after a table was created; the driver does not know it yet */
	TCE_AT_GRACE,		/* before a grace period is waited for */
	TCE_AT_EEH,		/* before an EEH operation */
	TCE_POINTS,
};

/**
 * struct tce_hook - what another thread does while the driver is at a point
 * @skip: how often the driver gets there before that
 * @call: what is done, once; may sleep where the driver may
 * @data: for @call
 * @next: the hook for the time after that; may be NULL
 */
struct tce_hook {
	unsigned int skip;
	void (*call)(void *data);
	void *data;
	struct tce_hook *next;
};

/**
 * struct tce_stop - where a thread stops
 * @hook: stops it
 * @reached: completed by the thread that gets there
 * @go_on: completed to let it go on
 */
struct tce_stop {
	struct tce_hook hook;
	struct completion reached;
	struct completion go_on;
};

/**
 * struct tce_mock - the platform
 * @lock: guards all that follows, tables included
 * @tables: tables that exist (struct tce_mock_table)
 * @groups: table groups (struct tce_mock_group)
 * @pages: hash of pages (struct tce_mock_page) by their number
 * @spare_pages: those that are not in use
 * @pins: pins that the driver owns
 * @refs: pages that entries in bridges reach or may reach, by entry
 * @listed: regions in the kernel's list (see tce_wrap.c)
 * @counted: mappings of them that the driver counts
 * @taken_back: how often it has counted one down, except in work items
 * @spare: entries that are not in use
 * @fault: what is to fail
 * @fault_left: calls until it does
 * @fault_rc: with this result
 * @fault_sticky: again and again
 * @fault_hits: how often it has
 * @asked: how often each of these could have failed; allocations are not counted
 * @cleared: where the driver's own hypervisor calls are to clear the next entry, from 0 on
 * @writes: entries written, one by one or in runs
 * @runs: runs of entries written by one operation
 * @invalidations: calls of tce_kill()
 * @calls: calls that are under way, of all kinds
 * @left: live entries of default windows of pseries that have gone, which the hypervisor keeps
 * @hcalls: entries are written by hypervisor calls, as on pseries: there is
 *	nothing to invalidate; and a table is in its group, and in use, as soon as it
 *	is made
 * @priced: CPU pages that it has said of the tables that exist
 * @ever_stuck: tables that a bridge has refused to release, so that they are never freed
 * @kept: pages that are not pinned may be reached: the test sees to it that
 *	somebody holds them
 * @at: the hook of each point; may be NULL
 * @liobn: number of the last table of pseries
 * @rescans: how often the driver has taken the PCI rescan lock
 * @kvmallocs: calls of kvmalloc(), by which the driver allocates what may be large
 * @late: an EEH operation has not ended in the time that the driver has for it
 * @refusals: checks that failed, as the tracepoint tells
 * @refused_by: the reason of the last one, or else the function; NULL if there was none
 * @refused_value: what that looked at
 * @nr_violations: in all
 * @violations: the first ones
 */
struct tce_mock {
	spinlock_t lock;
	struct list_head tables;
	struct list_head groups;
	struct hlist_head pages[BIT(TCE_PAGES_BITS)];
	struct hlist_head spare_pages;
	unsigned long pins;
	unsigned long refs;
	struct list_head listed;
	long counted;
	unsigned long taken_back;
	struct list_head spare;

	enum tce_fault fault;
	unsigned int fault_left;
	int fault_rc;
	bool fault_sticky;
	unsigned int fault_hits;
	unsigned int asked[TCE_FAULTS];

	u64 cleared;
	unsigned long writes;
	unsigned long runs;
	unsigned long invalidations;

	atomic_t calls;
	struct list_head left;
	bool hcalls;
	unsigned long priced;
	unsigned int ever_stuck;
	bool kept;

	struct tce_hook *at[TCE_POINTS];
	unsigned long liobn;
	unsigned int rescans;
	unsigned int kvmallocs;
	bool late;

	unsigned int refusals;
	const char *refused_by;
	u64 refused_value;

	unsigned int nr_violations;
	char violations[TCE_VIOLATIONS_KEPT][TCE_VIOLATION_LEN];
};

/**
 * struct tce_mock_count - what there is in all tables
 * @live: entries that reach something
 * @stale: entries that were changed and not invalidated, or not flushed
 * @tables: how many there are
 * @stuck: those of them that a bridge has refused to release
 */
struct tce_mock_count {
	unsigned long live;
	unsigned long stale;
	unsigned int tables;
	unsigned int stuck;
};

/**
 * struct tce_mock_eeh - the last EEH call for a group
 * @calls: how many there were
 * @rescans: what &tce_mock.rescans was
 * @what: name of the function of the kernel
 * @args: its arguments, without the PE
 */
struct tce_mock_eeh {
	unsigned int calls;
	unsigned int rescans;
	const char *what;
	unsigned long args[4];
};

/**
 * struct tce_mock_group - a group: a bridge with two windows
 * @list: in &tce_mock.groups
 * @mock: the platform
 * @tg: what the driver sees
 * @group: the IOMMU group
 * @gone: completed when nobody has a reference of @group any more
 * @hw: the tables that the bridge translates with
 * @keeps: unset_window() fails, too, while a fault is armed
 * @stuck: a window that the bridge refused to let go of. PowerNV unlinks it from its table all the
 *	same, and pseries does not
 * @owner: the container that it is in, by &tce_client.data: its devices may do DMA
 * @host: what the host had is still in the bridge: its window, and its bypass
 * @host_table: the platform remembers that, and takes it away with the group
 * @used: a window was set since the group was claimed
 * @start: first IOBA of each of its windows
 * @has_no_pe: EEH knows nothing of it
 * @eeh_rc: result of every EEH call
 * @eeh: what EEH was last asked
 */
struct tce_mock_group {
	struct list_head list;
	struct tce_mock *mock;
	struct iommu_table_group tg;
	struct iommu_group *group;
	struct completion gone;
	struct iommu_table *hw[IOMMU_TABLE_GROUP_MAX_TABLES];
	bool keeps;
	bool stuck[IOMMU_TABLE_GROUP_MAX_TABLES];
	void *owner;
	bool host[IOMMU_TABLE_GROUP_MAX_TABLES];
	bool host_table;
	bool used;
	u64 start[IOMMU_TABLE_GROUP_MAX_TABLES];
	bool has_no_pe;
	int eeh_rc;
	struct tce_mock_eeh eeh;
};

/**
 * struct tce_mock_table - what is behind a table
 * @list: in &tce_mock.tables
 * @mock: the platform
 * @tbl: the table
 * @price: what get_table_size() has said of it, in CPU pages
 * @bridges: how many bridges it is in
 * @stuck: a bridge has refused to release it
 * @live: live entries (struct tce_mock_tce)
 * @buckets: hash of the same, by their number
 * @root: userspace entries, or the top level of a tree of them; see mock_walk()
 * @stale: changed and not yet invalidated (struct tce_mock_tce)
 * @invalidated: invalidated, or cleared as a run, which invalidates, and not yet flushed
 * @unflushed: the driver has set, cleared or invalidated entries since the last
 *	flush, where there is something to flush
 * @tces: the TCEs, or the top level of a tree of them; see mock_walk(). KVM may store there, as the
 *	driver's operations do on PowerNV (mock_direct())
 */
struct tce_mock_table {
	struct list_head list;
	struct tce_mock *mock;
	struct iommu_table *tbl;
	unsigned long price;
	unsigned int bridges;
	bool stuck;
	struct list_head live;
	struct hlist_head buckets[BIT(TCE_TABLE_BITS)];
	__be64 *root;
	struct list_head stale;
	struct list_head invalidated;
	bool unflushed;
	__be64 tces[];
};

/**
 * struct tce_mock_tce - a live or stale entry
 * @list: in one of the lists of &struct tce_mock_table, or in &tce_mock.left or .spare
 * @node: in &tce_mock_table.buckets, if live
 * @entry: its number
 * @hpa: what it reaches
 * @dir: how; DMA_NONE for one that was empty before
 */
struct tce_mock_tce {
	struct list_head list;
	struct hlist_node node;
	unsigned long entry;
	unsigned long hpa;
	enum dma_data_direction dir;
};

/**
 * struct tce_mock_page - a page, or a folio, that is pinned or reached
 * @node: in &tce_mock.pages, or in &tce_mock.spare_pages
 * @pfn: number of the first page
 * @pins: pins that the driver owns
 * @refs: entries in bridges that reach it or may
 * @for_writing: one of them is, or was, for writing
 * @written: a device could write to it since it was pinned
 */
struct tce_mock_page {
	struct hlist_node node;
	unsigned long pfn;
	long pins;
	long refs;
	bool for_writing;
	bool written;
};

/* First IOBA of a group's second window */
#define TCE_SECOND	BIT_ULL(59)

/* Of the host's default window, where the device tree shows one */
#define TCE_LIOBN	0x80000005UL

/* tce_mock.c */
struct tce_mock *tce_mock_create(void);
void tce_mock_destroy(struct tce_mock *mock);
struct tce_mock *tce_mock_current(void);

struct tce_mock_count tce_mock_count(struct tce_mock *mock);
unsigned long tce_mock_table_pages(struct tce_mock *mock);

__printf(2, 3)
void tce_mock_violation(struct tce_mock *mock, const char *fmt, ...);

void tce_fault_arm(struct tce_mock *mock, enum tce_fault fault,
		   unsigned int nth, int rc);
void tce_fault_arm_sticky(struct tce_mock *mock, enum tce_fault fault, int rc);
unsigned int tce_fault_disarm(struct tce_mock *mock);
bool tce_fault_hit(struct tce_mock *mock, enum tce_fault fault, int *rc);
bool tce_fault_can_alloc(void);

/* Where an allocation is to fail, some kernels let the copy of an argument fail. */
static inline bool tce_fault_hit_copy(long rc)
{
	return rc == -EFAULT && IS_ENABLED(CONFIG_FAULT_INJECTION_USERCOPY);
}

void tce_stop_at(struct tce_mock *mock, enum tce_point point, struct tce_stop *stop);
void tce_run_hook(struct tce_mock *mock, enum tce_point point);

void tce_be_killed(bool killed);

unsigned int tce_quiet_begin(void);
void tce_quiet_end(unsigned int nth);

/* tce_mock_group.c: groups and their bridges */
extern struct iommu_table_group_ops tce_mock_group_ops;

struct tce_mock_group *tce_mock_add_group(struct tce_mock *mock);
void tce_mock_show_group(struct tce_mock_group *grp, bool shown);
bool tce_mock_unplug(struct tce_mock_group *grp);
unsigned int tce_mock_forget_groups(struct tce_mock *mock);
unsigned int tce_mock_forget_bridges(struct tce_mock *mock);

/* tce_mock_table.c */
extern struct iommu_table_ops mock_table_ops;
extern struct iommu_table_ops mock_hcall_table_ops;

static inline struct tce_mock_table *to_mock(struct iommu_table *tbl)
{
	return container_of((__be64 *)tbl->it_base, struct tce_mock_table, tces[0]);
}

void mock_table_reach(struct tce_mock_table *mt, int n);
void mock_direct(struct iommu_table *tbl, unsigned long entry);
long mock_hypervisor(struct tce_mock *mock, unsigned long opcode, unsigned long liobn, u64 ioba,
		     unsigned long *tce);
void mock_entries_leave(struct tce_mock_table *mt);
unsigned long tce_mock_forget_left(struct tce_mock *mock);
/* The table that was created last */
static inline struct iommu_table *tce_mock_newest(struct tce_mock *mock)
{
	return list_first_entry(&mock->tables, struct tce_mock_table, list)->tbl;
}

enum dma_data_direction tce_mock_entry(struct iommu_table *tbl,
				       unsigned long entry, unsigned long *hpa);
u64 tce_mock_pua(struct iommu_table *tbl, unsigned long entry);

/* tce_mock_page.c: the record of pages */
struct tce_mock_page *mock_page_find(struct tce_mock *mock, unsigned long pfn);
struct tce_mock_page *mock_page_count(struct tce_mock *mock, unsigned long pfn,
				      int pins, int refs);

void tce_mock_pinned(struct tce_mock *mock, unsigned long pfn, bool write);
void tce_mock_unpinned(struct tce_mock *mock, unsigned long pfn, bool dirty);

/* Pins that the driver owns */
static inline unsigned long tce_mock_pins(const struct tce_mock *mock)
{
	/* some cases wait until it changes */
	return data_race(mock->pins);
}

#endif /* TCE_KUNIT_MOCK_H */
