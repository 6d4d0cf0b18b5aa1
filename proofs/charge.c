// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a process is charged for a container is what the container holds: the tables of its windows, what ENABLE
 * and MAP have charged in v1, what CREATE or ENABLE has charged and not used yet, and what is to be uncharged later.
 * Each command keeps it so, whatever fails: one turn of the loop of CREATE (CREATE, with DEFAULT for the default
 * window alone) and what the loop does around its turns (AROUND), all of ENABLE, whose state other tasks change
 * between its turns, REMOVE, DISABLE, the last group that leaves (LEAVE), release (CLOSE), and what is left of a closed
 * container (FREE). A command that is refused holds no more than before, but on pseries for the default window,
 * a window is charged the pages of its table, which is the one that was priced, and nothing is charged any more for a
 * container that is freed. locked_vm is changed without the mmap_lock being waited for, or by the process itself. REMOVE
 * drops the window that starts where it was told, from the container and from the group, and no other.
 *
 * Assumed: a container has up to two windows and one group. A window's table is in the group from set_window(), or on
 * pseries from create_table(), until unset_window(). What is charged in all is less than 2^48 pages, in ENABLE and in
 * a CREATE while the default window is pending less than 2^16, because the sums of more bits take too long. An ioctl()
 * is not a kernel thread's.
 *
 * each: CALL=CREATE PAGE_SHIFT=12 PENDING=0 PSERIES=0,1 V1=0 BITS=48
 * each: CALL=CREATE PAGE_SHIFT=12 PENDING=1 PSERIES=0,1 V1=0 BITS=16
 * each: CALL=DEFAULT PAGE_SHIFT=12 PENDING=1 PSERIES=0,1 V1=0,1 BITS=48
 * each: CALL=AROUND,REMOVE,LEAVE,CLOSE,FREE PAGE_SHIFT=12 PENDING=1 PSERIES=0 V1=0 BITS=48
 * each: CALL=ENABLE PAGE_SHIFT=12 PENDING=1 PSERIES=0 V1=1 BITS=16
 * each: CALL=LEAVE,CLOSE,FREE,DISABLE PAGE_SHIFT=12 PENDING=1 PSERIES=0 V1=1 BITS=48
 * unwind: 4
 *
 * control: add_window create_windows create_table(any) CALL=CREATE PENDING=0 PSERIES=0
 * control: drop_window tce_uncharge_later CALL=CREATE PENDING=1 PSERIES=1
 * control: add_window CALL=DEFAULT PSERIES=0 V1=0
 * control: add_window CALL=DEFAULT PSERIES=1 V1=0
 * control: tce_charge_reserve tce_charge_settle account_locked_vm(any) CALL=AROUND
 * control: tce_window_remove remove_window(any) tce_container_lock window_unset unset_window(any) CALL=REMOVE
 * control: bind_and_lock tce_charge_reserve tce_charge_need CALL=ENABLE
 * control: tce_container_disable CALL=DISABLE
 * control: free_window CALL=LEAVE V1=0
 * control: tce_uncharge_later __account_locked_vm(any) CALL=CLOSE V1=1
 * control: tce_uncharge_try CALL=FREE V1=0
 */
#define OTHERS	1
static struct tce_container *only;
static bool freed;

#include "charge.h"
#include "../tce_mm.c"
#include "../tce_v1.c"
#include "../tce_window.c"
#include "../tce_container.c"
#include "../tce_map.c"
#include "../tce_trace.c"

/* By which table_pages() can tell the window that is wanted from the default window, which has one level */
#define CREATE_LEVELS	2
/* May there be windows at first? Fewer of them are quicker to prove where they are not touched. */
#define WINDOWS	(CALL == REMOVE || CALL == LEAVE || (CALL == CREATE && !PENDING))

enum { CREATE, DEFAULT, AROUND, REMOVE, ENABLE, DISABLE, LEAVE, CLOSE, FREE };

static struct tce_container c;
static struct tce_v1 v1;
static struct tce_group group;
static struct iommu_table_group table_group;
static struct tce_mm tmm;
static struct iommu_table_ops ops;
/* What CREATE or ENABLE has charged, but not used */
static struct tce_charge charge;
static unsigned long *unused;
/* The windows when the turn began, whether the group had them, and whether the default window was pending */
static struct tce_window *had[2];
static bool in_group[2], was_pending;
/* What was held for windows and by ENABLE when the turn began, and what CREATE's windows cost */
static unsigned long first_locked, before, pages_of_default, pages_of_wanted;

static unsigned long used(void)
{
	unsigned long sum = V1 && c.users.n ? (unsigned long)v1.charged : 0;
	int i;

	for (i = 0; i < 2; i++)
		sum += c.windows[i] ? c.windows[i]->charged : 0;
	return sum;
}

/* The default window is pending only as long as there is none, so that it becomes the first one. */
static bool pending_first(void)
{
	return !c.default_pending || (!c.windows[0] && !c.windows[1]);
}

static unsigned long held(void)
{
	return freed ? 0 : used() + (unsigned long)c.mem.uncharge.n + (unused ? *unused : 0);
}

/* What the terms of used() and held() have risen by since suppose(), which is quicker to prove than their sums */
static unsigned long first_charged[2], first_v1, first_uncharge, first_unused;

static unsigned long used_risen(void)
{
	unsigned long sum = (V1 && c.users.n ? (unsigned long)v1.charged : 0) - first_v1;
	int i;

	for (i = 0; i < 2; i++)
		sum += (c.windows[i] ? c.windows[i]->charged : 0) - first_charged[i];
	return sum;
}

static unsigned long risen(void)
{
	return used_risen() + c.mem.uncharge.n - first_uncharge + (unused ? *unused : 0) - first_unused;
}

static struct tce_window *any_window(int i)
{
	struct tce_window *win = some(sizeof(*win));

	win->table.tbl = some(sizeof(struct iommu_table));
	win->table.mem = &c.mem;
	win->table.ops = &ops;
	INIT_LIST_HEAD(&win->table.in_mm);
	win->num = i;
	win->charged = any_amount();
	win->table.tbl->it_offset = any_ulong();
	win->table.tbl->it_page_shift = any_u32() % 64;
	return win;
}

static void any_state(void)
{
	int i;

	INIT_LIST_HEAD(&tmm.tables);
	for (i = 0; i < 2; i++) {
		c.windows[i] = WINDOWS && c.mem.tmm && any_bool() ? any_window(i) : NULL;
		in_group[i] = c.windows[i] && any_bool();
		table_group.tables[i] = in_group[i] ? c.windows[i]->table.tbl : NULL;
	}
	c.default_pending = PENDING && (CALL == CREATE || any_bool());
	c.enabled = any_bool();
	c.closed = any_bool();
	c.mem.uncharge.n = c.mem.tmm ? any_amount() : 0;
	v1.charged = V1 && c.mem.tmm ? any_amount() : 0;
	v1.pages.n = any_amount();
	assume(pending_first());
	had[0] = c.windows[0];
	had[1] = c.windows[1];
	was_pending = c.default_pending;
	suppose();
	for (i = 0; i < 2; i++)
		first_charged[i] = c.windows[i] ? c.windows[i]->charged : 0;
	first_v1 = V1 && c.users.n ? v1.charged : 0;
	first_uncharge = c.mem.uncharge.n;
	first_unused = unused ? *unused : 0;
	first_locked = mm.locked_vm;
	before = used();
	pages_of_default = pages_of_wanted = 0;
}

/* Other tasks may do anything between two turns, and what a turn finds reserved may be anything: one turn is all. */
int tce_charge_reserve(struct tce_charge *charge, struct tce_memory *mem)
{
	static bool again;
	int rc;

	unused = &charge->left;
	check();
	rc = real_tce_charge_reserve(charge, mem);
	check();
	prove(rc || charge->left >= charge->need);
	if (rc)
		return rc;
	assume(!again);
	again = true;
	charge->left = mem->tmm ? any_amount() : 0;
	any_state();
	return 0;
}

void tce_charge_settle(struct tce_charge *charge, struct tce_memory *mem)
{
	check();
	real_tce_charge_settle(charge, mem);
	unused = NULL;
}

/* What the default window, and the one that is wanted, were when they were priced */
static struct {
	u32 shift;
	u64 size;
} priced[2];

/* window.c shows what it is. */
static long table_pages(struct iommu_table_group *table_group, u32 shift, u64 size, u32 levels)
{
	unsigned long npages = any_amount();

	if (any_bool() || shift >= BITS_PER_LONG)
		return -EINVAL;
	if (levels == CREATE_LEVELS)
		pages_of_wanted = npages;
	else
		pages_of_default = npages;
	priced[levels == CREATE_LEVELS].shift = shift;
	priced[levels == CREATE_LEVELS].size = size;
	return npages;
}

static long create_table(struct iommu_table_group *table_group, int num, u32 shift, u64 size,
			 u32 levels, struct iommu_table **tbl)
{
	prove(shift == priced[levels == CREATE_LEVELS].shift && size == priced[levels == CREATE_LEVELS].size);
	if (any_bool())
		return any_int() | 1;
	*tbl = some(sizeof(**tbl));
	(*tbl)->it_offset = any_ulong();
	if (PSERIES)
		table_group->tables[num] = *tbl;
	return 0;
}

static long set_window(struct iommu_table_group *table_group, int num, struct iommu_table *tbl)
{
	if (any_bool())
		table_group->tables[num] = tbl;
	return any_int();
}

static long unset_window(struct iommu_table_group *table_group, int num)
{
	table_group->tables[num] = NULL;
	return any_int();
}

static void kill(struct iommu_table *tbl, unsigned long index, unsigned long n)
{
}

int tce_table_init(struct tce_table *table)
{
	table->ops = &ops;
	return any_bool() ? -ENOMEM : 0;
}

int tce_kvm_prepare(struct tce_table *table)
{
	return any_bool() ? -ENOMEM : 0;
}

int tce_kvm_hide(struct tce_table *table, bool in_group)
{
	return any_bool() ? -EBUSY : 0;
}

struct tce_mm *tce_mm_get(struct mm_struct *its)
{
	/* the only one that there is */
	assume(its == &mm);
	return any_bool() ? NULL : &tmm;
}

void tce_mm_put(struct tce_mm *tmm) {}
void tce_mm_join(struct tce_mm *tmm, bool v2) {}
void tce_kvm_unprepare(struct tce_kvm_ops *kvm_ops) {}
void tce_kvm_allow(struct tce_table *table) {}
void tce_kvm_block(struct tce_table *table) {}
void tce_group_hide_tables(struct tce_group *grp) {}
bool tce_table_unmap_all(struct tce_table *table) { return any_bool(); }
/* What it frees beside is not charged. */
void tce_v1_free(struct tce_v1 *v1) {}
void iommu_tce_table_get(struct iommu_table *tbl) {}
void iommu_tce_table_put(struct iommu_table *tbl) {}
int iommu_group_id(struct iommu_group *group) { return 0; }
struct tce_group *tce_group_first(struct tce_container *container) { return &group; }
struct iommu_table_group *tce_group_platform(struct tce_container *container) { return &table_group; }
struct rw_semaphore tce_create_lock;

/* Memory that was held elsewhere is to be uncharged. */
static void give_back(struct tce_memory *mem)
{
	unsigned long pages = mem->tmm && !mem->v1 ? any_amount() : 0;

	assume(mm.locked_vm + pages < MOST);
	mm.locked_vm += pages;
	tce_uncharge_later(mem, pages);
}

void tce_region_close(struct tce_memory *mem)
{
	give_back(mem);
}

bool tce_region_drain(struct tce_memory *mem)
{
	give_back(mem);
	return any_bool();
}

static long remove(void)
{
	u64 start = any_u64();
	long rc = tce_window_remove(&c, start);
	int i, gone = was_pending && !c.default_pending;

	for (i = 0; i < 2; i++) {
		if (c.windows[i] != had[i]) {
			prove(!c.windows[i] && tce_table_start(&had[i]->table) == start);
			prove(table_group.tables[i] != had[i]->table.tbl);
			gone++;
		} else if (had[i]) {
			prove(in_group[i] == (table_group.tables[i] == had[i]->table.tbl));
		}
	}
	/* a bridge may refuse to let go of one that is gone */
	prove(gone <= 1 && (rc || gone));
	return rc;
}

static long call(void)
{
	struct vfio_iommu_spapr_tce_create create = {
		.page_shift = any_u32(), .window_size = any_u64(), .levels = CREATE_LEVELS,
	};
	long rc;

	switch (CALL) {
	case CREATE:
	case DEFAULT:
		rc = create_windows(&c, &charge, CALL == CREATE ? &create : NULL);
		prove(rc != -EAGAIN || charge.need > charge.left);
		return rc;
	case AROUND:
		charge.need = any_amount();
		if (any_bool())
			return tce_charge_reserve(&charge, &c.mem);
		tce_charge_settle(&charge, &c.mem);
		return 0;
	case REMOVE:
		return remove();
	case ENABLE:
		return tce_container_enable(&c);
	case DISABLE:
		return tce_container_disable(&c);
	case LEAVE:
		tce_container_lock_always(&c);
		tce_windows_unset(&c, &group);
		tce_container_unlock(&c);
		return 0;
	case CLOSE:
		tce_container_release((void *)c.id);
		return 0;
	default:
		container_free_work(&c.free_work.work);
		return 0;
	}
}

int main(void)
{
	struct iommu_table_group_ops platform = {
		.create_table = create_table, .set_window = set_window, .unset_window = unset_window,
	};
	struct mm_struct other;
	long rc;

	tmm.mm = &mm;
	current = &task;
	task.mm = CALL == REMOVE || CALL == ENABLE || CALL == DISABLE || any_bool() ? &mm : NULL;
	ops.tce_kill = PSERIES ? NULL : kill;

	only = &c;
	c.id = 1;
	c.users.n = any_int();
	assume(CALL == FREE ? !c.users.n : c.users.n > 0);
	c.mem.v1 = V1 ? &v1 : NULL;
	c.mem.tmm = any_bool() ? &tmm : NULL;
	if (c.mem.tmm && any_bool())
		task.mm = &other;
	INIT_LIST_HEAD(&c.groups);
	table_group.ops = &platform;
	table_group.tce32_size = any_u32();
	assume(CALL != ENABLE || table_group.tce32_size >> PAGE_SHIFT < MOST);
	table_group.tce32_start = any_u32();
	group.table_group = &table_group;
	group.group = (struct iommu_group *)&group;
	list_add(&group.list, &c.groups);
	if (CALL == CREATE || CALL == DEFAULT || CALL == AROUND) {
		/* a turn of their loop, which has locked the container */
		charge.left = any_amount();
		unused = &charge.left;
		c.mem.tmm = &tmm;
		task.mm = &mm;
	}
	any_state();

	rc = call();
	if (CALL == CREATE || CALL == DEFAULT)
		prove(risen() == mm.locked_vm - first_locked);
	else
		check();
	prove(freed || pending_first());
	if (!freed && rc) {
		/*
		 * pseries keeps the default window, REMOVE says what the bridge has refused, and ENABLE gives back
		 * what DISABLE had left
		 */
		if (PSERIES && (CALL == CREATE || CALL == DEFAULT))
			prove(!used_risen() || (c.windows[0] && used_risen() == pages_of_default));
		else if (CALL == CREATE || CALL == DEFAULT)
			prove(!used_risen());
		else
			prove(used() == before || CALL == REMOVE || (CALL == ENABLE && used() < before));
	} else if (CALL == CREATE || CALL == DEFAULT) {
		prove(used_risen() == pages_of_default + pages_of_wanted);
	}
	return 0;
}
