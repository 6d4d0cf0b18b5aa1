// SPDX-License-Identifier: GPL-2.0-only
/*
 * MAP and UNMAP hand to a table what lies inside of one window, and nothing else: a call is
 * accepted if and only if one window has all of it, and all is aligned to that window's pages. What
 * is handed over is what was asked for. A refusal has the documented errno, and reaches no table.
 * The check of a MAP of v1, before it pins, says the same. Where the container is not enabled, or
 * the caller not its owner, a call is refused before that, and so is one that is killed while it
 * waits.
 *
 * Assumed of the platform: a window ends at 2^64 at most, and no two have the same address. Assumed
 * of the container: one that is closed is not enabled, and no default window is pending, which MAP
 * and UNMAP would create first. With STATE=SERVES it is enabled and the caller's, because that does not depend on
 * windows and pages; nor does what MAP and UNMAP do on the CPU's.
 *
 * each: SHIFT=12 WINDOWS=1 CALL=MAP,UNMAP,CHECK STATE=ANY_STATE
 * each: SHIFT=12 WINDOWS=1 CALL=CHECK STATE=ANY_STATE PAGE_SHIFT=12
 * each: SHIFT=12 WINDOWS=0,2 CALL=MAP,CHECK STATE=SERVES
 * each: SHIFT=12,16,21,24,25,26,27,28,30,34 WINDOWS=1 CALL=MAP,UNMAP STATE=SERVES
 * each: SHIFT=12,21,34 WINDOWS=3 CALL=MAP,UNMAP STATE=SERVES
 * unwind: 3
 *
 * control: find_entries tce_container_map lock_for_map reached(any) check_owner WINDOWS=1 CALL=MAP
 * control: find_entries reached(any) WINDOWS=3 CALL=MAP SHIFT=12
 * control: check_map check_owner WINDOWS=1 CALL=CHECK
 * control: find_entries WINDOWS=0 CALL=MAP
 */
/* Was the wait for the lock ended by SIGKILL? */
static _Bool was_killed;
#undef killed
#define killed(lock)	((was_killed = any_bool()) ? -EINTR : 0)

#include "../tce_container.c"
#include "../tce_map.c"
#include "../tce_trace.c"

enum { MAP, UNMAP, CHECK };
enum { ANY_STATE, SERVES };

/* The page shift of the other window */
#define OTHER	16

static struct {
	int calls;
	struct tce_table *table;
	unsigned long first, n, ua;
} got;

static int reached(struct tce_table *table, unsigned long first, unsigned long ua, unsigned long n)
{
	got.calls++;
	got.table = table;
	got.first = first;
	got.ua = ua;
	got.n = n;
	return 0;
}

int tce_table_map(struct tce_table *table, unsigned long first, unsigned long ua, unsigned long n,
		  enum dma_data_direction dir, struct tce_v1_batch *batch)
{
	return reached(table, first, ua, n);
}

int tce_table_unmap(struct tce_table *table, unsigned long first, unsigned long n)
{
	return reached(table, first, 0, n);
}

static struct iommu_table tables[2];
static struct tce_window windows[2];
static struct iommu_table_ops ops;
static struct mm_struct mm, other;
static struct tce_mm tmm = { .mm = &mm };

static wide start_of(int i)
{
	return (wide)tables[i].it_offset << tables[i].it_page_shift;
}

static wide length_of(int i)
{
	return (wide)tables[i].it_size << tables[i].it_page_shift;
}

static bool has(int i, u64 ioba)
{
	return ioba >= start_of(i) && (wide)ioba - start_of(i) < length_of(i);
}

static bool aligned(int i, u64 x)
{
	return x >> tables[i].it_page_shift << tables[i].it_page_shift == x;
}

int main(void)
{
	struct tce_container c = {
		.mem.tmm = STATE == SERVES || any_bool() ? &tmm : NULL,
		.enabled = STATE == SERVES || any_bool(),
		.closed = any_bool(),
	};
	struct task_struct task = {
		.mm = STATE == SERVES || any_bool() ? &mm : any_bool() ? &other : NULL,
	};
	u64 ioba = any_u64(), ua = any_u64(), size = any_u64();
	bool none = true;
	int i, rc, want;

	for (i = 0; i < 2; i++) {
		tables[i].it_page_shift = i ? OTHER : SHIFT;
		/* anything; relative to ioba, which helps the solver */
		tables[i].it_offset = (ioba >> tables[i].it_page_shift) - any_ulong();
		tables[i].it_size = any_ulong();
		assume(start_of(i) + length_of(i) <= (wide)1 << 64);
		windows[i].table.tbl = &tables[i];
		windows[i].table.ops = &ops;
		if (WINDOWS & BIT(i))
			c.windows[i] = &windows[i];
	}
	assume(!has(0, ioba) || !has(1, ioba));
	assume(!c.closed || !c.enabled);
	current = &task;

	if (CALL == MAP)
		rc = tce_container_map(&c, ioba, ua, size, DMA_BIDIRECTIONAL);
	else if (CALL == UNMAP)
		rc = tce_container_unmap(&c, ioba, size);
	else
		rc = check_map(&c, ioba, ua, size);

	if (was_killed || !c.mem.tmm || task.mm != &mm || !c.enabled) {
		prove(!got.calls);
		prove(rc == (was_killed ? -EINTR :
			     c.mem.tmm && task.mm == &mm && c.closed ? -EINVAL : -EPERM));
		return 0;
	}
	for (i = 0; i < 2; i++) {
		if (!c.windows[i] || !has(i, ioba))
			continue;
		none = false;
		want = 0;
		if (!aligned(i, ioba) || !aligned(i, size) || (CALL != UNMAP && !aligned(i, ua)) ||
		    (wide)ioba - start_of(i) + size > length_of(i))
			want = -EINVAL;
		else if (CALL == CHECK && size && (wide)ua + size > TASK_SIZE_MAX)
			want = -EFAULT;
		prove(rc == want);
		prove(got.calls == (!rc && CALL != CHECK));
		if (got.calls) {
			prove(got.table == &windows[i].table);
			prove((wide)got.first << tables[i].it_page_shift == ioba);
			prove((wide)got.n << tables[i].it_page_shift == size);
			prove(CALL == UNMAP || got.ua == ua);
		}
	}
	if (none) {
		prove(rc == -ENXIO);
		prove(!got.calls);
	}
	return 0;
}
