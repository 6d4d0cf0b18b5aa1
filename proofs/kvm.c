// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whatever entry KVM names, and whatever it wants to write there: only entries of the table reach
 * the platform's operations. They are exchanged only as long as KVM may use the table and is the
 * owner's. KVM gets a userspace entry to write only if no level is missing and MAP has mapped
 * nothing there, so that an exchange makes no level if KVM has got one first, as it does. It never
 * takes out what MAP has mapped, nor writes an address that does not begin an IOMMU page.
 *
 * An entry that is empty, of a table of one level in memory, is not exchanged to be cleared. After
 * an exchange KVM is told that nothing was there. If the platform refuses to write an address, KVM
 * is told so. In all other cases, also if the platform refuses to clear an entry, KVM is told the
 * opposite of what it has asked for, so that it leaves the hypercall to user space. What happens to
 * the count and the userspace entry of what was taken out is not shown here, but by KUnit's tce_kvm
 * and by litmus/.
 *
 * KVM's invalidation covers what it names of the table. It and tce_kvm_settle() count down what
 * waits, all of it once and after its own invalidation. A table that KVM may not use any more, or
 * of another process, is not invalidated.
 *
 * Assumed: a table ends below 2^63 entries; an exchange that the platform refuses changes nothing;
 * an empty entry has no address; a table of one level has at most two entries; not more than two
 * wait in an element. Between the calls KVM may lose the table, and MAP may change the userspace
 * entry; during one of them nothing else happens.
 *
 * each: CALL=XCHG SHIFT=12,16 LEVELS=0,2
 * each: CALL=KILL,SETTLE SHIFT=12 LEVELS=0
 * unwind: 4
 *
 * control: pua_is_vfio allowed_useraddr leave_to_user allowed_exchange(any) exchange CALL=XCHG LEVELS=0
 * control: pua_at(any) kvm_taken_out(any) entry_is_empty(any) CALL=XCHG LEVELS=0
 * control: allowed_useraddr tce_table_walk(any) pua_in_levels(any) seen CALL=XCHG LEVELS=2
 * control: kvm_settle(any) kvm_invalidate(any) kvm_uncount iommu_flush_tce allowed_kill(any) CALL=KILL
 * control: kvm_settle kvm_invalidate(any) kvm_uncount tce_kvm_settle CALL=SETTLE
 */
#define XCHG	0
#define KILL	1
#define SETTLE	2

/* No memory is in KVM's list, so that nothing that is taken out is counted. */
#define mm_iommu_lookup(mm, ua, size)		((struct mm_iommu_table_group_mem_t *)NULL)
#define mm_iommu_ua_to_hpa(mem, ua, shift, hpa)	(-EFAULT)
#define mm_iommu_mapped_dec	count_down
#define kref_read(kref)		any_int()	/* of tce_kvm_hide(), which is not called */

struct mm_iommu_table_group_mem_t;
static void count_down(struct mm_iommu_table_group_mem_t *mem);

/* Of another type than the platform's, so that CBMC does not take them for these */
#define allowed_xchg(tbl, index, hpa, dir)	allowed_xchg(tbl, index, hpa, dir, int other)
#define blocked_xchg(tbl, index, hpa, dir)	blocked_xchg(tbl, index, hpa, dir, int other)
#define allowed_kill(tbl, index, pages)		allowed_kill(tbl, index, pages, int other)
#define blocked_kill(tbl, index, pages)		blocked_kill(tbl, index, pages, int other)
#include "../tce_kvm.c"
#include "../tce_trace.c"
#undef allowed_xchg
#undef allowed_kill

static struct tce_kvm_taken element, *const taken = &element;
static struct tce_kvm_ops kvm_ops = { .nr_taken = 1, .taken = &element };
static struct iommu_table tbl;
static struct mm_struct mm;
static struct task_struct task;
static struct tce_kvm_taken was_taken;
static bool allowed, owned, level_missing, pua_missing, kill, asked_first, flushed;
static long index;
static __be64 tce, tces[2], puas[2], was;	/* TCEs of several levels, and of one */
static __be64 *pua = puas;		/* of the entry, if there is one */
static enum dma_data_direction live;
static unsigned long base;
static unsigned int exchanges, kills, counts;
static int refused;

/*
 * Entries that any one stands for: of those that wait, and of those that KVM wants to have
 * invalidated
 */
static unsigned long waiting, asked;
static bool stale, unasked;

/* What the module gets to see of the state, which is another one in a control */
static unsigned long seen(unsigned long what)
{
	return what;
}

static bool in_table(wide at)
{
	return at >= tbl.it_offset && at < (wide)tbl.it_offset + tbl.it_size;
}

static bool inside(void)
{
	return in_table((unsigned long)index);
}

static bool mapped_by_user(void)
{
	return be64_to_cpu(was) & TCE_UA_VFIO;
}

__be64 *tce_table_walk(const struct iommu_table *of, __be64 *node, unsigned long at,
		       unsigned int *missing)
{
	prove(of == &tbl && LEVELS && ((unsigned long)node == base || node == puas));
	prove(inside() && at == index - tbl.it_offset);
	if (node == puas)
		return pua_missing ? NULL : pua;
	return level_missing ? NULL : &tce;
}

static int exchange(struct iommu_table *of, long at, unsigned long *hpa,
		    enum dma_data_direction *dir)
{
	enum dma_data_direction old = live;

	exchanges++;
	prove(of == &tbl && at == index && inside());
	prove(allowed && owned);
	if (*dir == DMA_NONE) {
		prove(!*hpa && (pua_missing || !mapped_by_user()));
	} else {
		prove(*hpa && *hpa % BIT(SHIFT) == 0);
		prove(!asked_first || !level_missing);
	}
	if (refused)
		return refused;
	live = *dir;
	*dir = old;
	*hpa = old == DMA_NONE ? 0 : any_ulong();
	return 0;
}

static void invalidate(struct iommu_table *of, unsigned long at, unsigned long n)
{
	prove(of == &tbl && n && in_table(at) && in_table((wide)at + n - 1));
	if (waiting - at < n)
		stale = false;
	if (asked - at < n)
		unasked = false;
	kills++;
	flushed = false;
}

void iommu_flush_tce(struct iommu_table *of)
{
	flushed = true;
}

static void count_down(struct mm_iommu_table_group_mem_t *mem)
{
	prove(!(kill && stale) && flushed);
	counts++;
}

static enum dma_data_direction any_dir(void)
{
	enum dma_data_direction dir = any_int();

	assume(dir == DMA_BIDIRECTIONAL || dir == DMA_TO_DEVICE || dir == DMA_FROM_DEVICE ||
	       dir == DMA_NONE);
	return dir;
}

static void any_state(void)
{
	allowed = any_bool();
	tbl.it_ops = seen(allowed) ? &kvm_ops.allowed.ops : &kvm_ops.blocked.ops;
	was = any_u64();
	*pua = was;
}

static struct tce_kvm_taken any_taken(void)
{
	struct tce_kvm_taken any = { .first = any_ulong(), .end = any_ulong(), .n = any_u32() };

	assume(any.n <= 2);
	assume(!any.n || (any.first < any.end && in_table(any.first) && in_table(any.end - 1)));
	return any;
}

static void useraddr(void)
{
	bool alloc = any_bool();
	__be64 *found;

	any_state();
	found = allowed_useraddr(&tbl, index, alloc);
	if (alloc)
		prove(!found || (found == pua && owned && inside() && !level_missing &&
				 !mapped_by_user()));
	else
		prove(found == &tce_kvm_no_ua);
	asked_first = alloc && found;
}

static void xchg_no_kill(void)
{
	enum dma_data_direction dir = any_dir(), wanted = dir;
	unsigned long hpa = any_ulong();
	bool empty;
	int rc;

	any_state();
	refused = any_int();
	live = any_dir();
	empty = live == DMA_NONE;
	if (inside() && !LEVELS)
		tces[index - tbl.it_offset] = seen(!empty);
	rc = allowed_xchg(&tbl, index, &hpa, &dir, 0);
	if (!exchanges && allowed && owned && inside() && wanted == DMA_NONE && empty &&
	    !mapped_by_user() && !LEVELS && base)
		prove(!rc && !hpa && dir == DMA_NONE);
	else if (!exchanges || (refused && wanted == DMA_NONE))
		prove(!rc && !hpa && dir == (wanted == DMA_NONE ? DMA_TO_DEVICE : DMA_NONE));
	else if (refused)
		prove(rc == refused);
	else
		prove(!rc && !hpa && dir == DMA_NONE);
}

static void begin_invalidation(void)
{
	any_state();
	waiting = any_ulong();
	*taken = any_taken();
	was_taken = *taken;
	stale = was_taken.n;
	assume(!stale || (waiting >= was_taken.first && waiting < was_taken.end));
}

static void invalidation(void)
{
	unsigned long first = any_ulong(), pages = any_ulong();
	bool done;

	begin_invalidation();
	asked = any_ulong();
	assume(pages);
	unasked = in_table(asked) && asked >= first && asked - first < pages;
	done = allowed && owned && in_table(first);
	allowed_kill(&tbl, first, pages, 0);
	if (done)
		prove(!taken->n && counts == was_taken.n && !(kill && (stale || unasked)));
	else
		prove(taken->n == was_taken.n && !counts && !kills);
}

static void settle(void)
{
	struct tce_table table = { .tbl = &tbl, .kvm_ops = &kvm_ops };

	begin_invalidation();
	tce_kvm_settle(&table);
	prove(!taken->n && counts == was_taken.n && !(kill && stale));
}

int main(void)
{
	struct iommu_table_ops platform = { .xchg_no_kill = exchange };
	struct mm_struct other;

	tbl.it_offset = any_ulong();
	tbl.it_size = any_ulong();
	tbl.it_page_shift = seen(SHIFT);
	tbl.it_indirect_levels = LEVELS;
	base = LEVELS ? any_ulong() : any_bool() ? (unsigned long)tces : 0;
	tbl.it_base = seen(base);
	assume((wide)tbl.it_offset + tbl.it_size < BIT(63));
	assume(LEVELS || tbl.it_size <= 2);
	assume(base != (unsigned long)puas);
	tbl.it_userspace = puas;
	kvm_ops.platform = &platform;
	kvm_ops.mm = &mm;
	kvm_ops.allowed.kvm_ops = &kvm_ops;
	kvm_ops.blocked.kvm_ops = &kvm_ops;
	owned = any_bool();
	task.mm = seen(owned) ? &mm : &other;
	task.pid = any_int();
	current = &task;
	index = any_long();
	if (!LEVELS && inside())
		pua = &puas[index - tbl.it_offset];
	level_missing = LEVELS && any_bool();
	pua_missing = LEVELS && any_bool();
	kill = any_bool();
	if (kill)
		platform.tce_kill = invalidate;

	if (CALL == KILL) {
		invalidation();
	} else if (CALL == SETTLE) {
		settle();
	} else {
		useraddr();
		xchg_no_kill();
	}
	return 0;
}
