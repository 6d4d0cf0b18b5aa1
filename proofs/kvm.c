// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whatever entry KVM names, and whatever it wants to write there: only entries of the table are
 * written, in its memory or by the hypervisor, and only those of the owner's KVM. KVM gets a
 * userspace entry to write only if no level is missing and MAP has mapped nothing there, and writes
 * an entry only if it has got one first, as it does, so that it makes no level. It never takes out
 * what MAP has mapped, nor writes an address that does not begin an IOMMU page. While KVM is
 * paused, or somebody waits for it, it clears nothing.
 *
 * In memory an entry that is empty is not written to be cleared, and any other becomes a tombstone.
 * Afterwards KVM is told that nothing was there. If the hypervisor refuses to write an address, KVM
 * is told so. In all other cases KVM is told the opposite of what it has asked for, so that it
 * leaves the hypercall to user space. What it is counted by is a hint, and not shown here.
 *
 * Assumed: a table ends below 2^63 entries; a table of one level has at most two entries. Between
 * the calls KVM may be paused, and MAP may change the userspace entry; during one of them nothing
 * else happens.
 *
 * each: SHIFT=12,16 LEVELS=0,2 CALLS=0
 * each: SHIFT=12,16 LEVELS=0 CALLS=1
 * unwind: 4
 *
 * control: pua_is_vfio may_clear may_map leave_to_user allowed_useraddr memory_xchg(any) LEVELS=0 CALLS=0
 * control: useraddr_in_levels in_levels(any) tce_table_walk(any) seen LEVELS=2 CALLS=0
 * control: pua_is_vfio may_clear may_map leave_to_user hcall_xchg(any) put(any) CALLS=1
 */
#define kref_read(kref)		any_int()	/* of tce_kvm_hide(), which is not called */
#define mm_iommu_mapped_dec(mem) ((void)0)
#define plpar_hcall_norets	put

/* What the module gets to see of the state, which is another one in a control */
static unsigned long seen(unsigned long what)
{
	return what;
}

static long put(unsigned long opcode, unsigned long liobn, unsigned long ioba, unsigned long value);

/* Of another type than the platform's, so that CBMC does not take them for these */
#define flat_xchg(tbl, index, hpa, dir)		flat_xchg(tbl, index, hpa, dir, int other)
#define levels_xchg(tbl, index, hpa, dir)	levels_xchg(tbl, index, hpa, dir, int other)
#define hcall_xchg(tbl, index, hpa, dir)	hcall_xchg(tbl, index, hpa, dir, int other)
#define blocked_xchg(tbl, index, hpa, dir)	blocked_xchg(tbl, index, hpa, dir, int other)
#define blocked_kill(tbl, index, pages)		blocked_kill(tbl, index, pages, int other)
#include "../tce_kvm.c"
#include "../tce_trace.c"
#undef flat_xchg
#undef levels_xchg
#undef hcall_xchg

static struct tce_mm tmm = { .listed_regions = { &tmm.listed_regions, &tmm.listed_regions } };
static struct tce_kvm_ops kvm_ops = { .tmm = &tmm };
static struct iommu_table tbl;
static struct mm_struct mm;
static struct task_struct task;
static bool paused, owned, level_missing, pua_missing, asked_first;
static long index;
static u64 tce, tces[2];			/* TCEs of several levels, and of one */
static __be64 puas[2], was;
static __be64 *pua = puas;			/* of the entry, if there is one */
static unsigned long liobn, put_value;
static unsigned int puts;
static int refused;

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
	prove(of == &tbl && LEVELS && (node == tces || node == puas));
	prove(inside() && at == index - tbl.it_offset);
	if (node == puas)
		return pua_missing ? NULL : pua;
	return level_missing ? NULL : &tce;
}

static long put(unsigned long opcode, unsigned long of, unsigned long ioba, unsigned long value)
{
	prove(opcode == H_PUT_TCE && of == liobn && inside());
	prove(ioba == (unsigned long)index << SHIFT);
	puts++;
	put_value = value;
	return refused;
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
	paused = any_bool();
	kvm_ops.mm = paused ? NULL : &mm;
	tbl.it_ops = &kvm_ops.allowed.ops;
	was = any_u64();
	*pua = was;
}

static void useraddr(void)
{
	bool alloc = any_bool();
	__be64 *found;

	any_state();
	found = allowed_useraddr(&tbl, index, alloc);
	if (alloc)
		prove(!found || (found == pua && owned && !paused && inside() && !level_missing &&
				 !mapped_by_user()));
	else
		prove(found == &tce_kvm_no_ua);
	asked_first = alloc && found;
}

static int exchange(unsigned long *hpa, enum dma_data_direction *dir)
{
	if (CALLS)
		return hcall_xchg(&tbl, index, hpa, dir, 0);
	return LEVELS ? levels_xchg(&tbl, index, hpa, dir, 0) :
			flat_xchg(&tbl, index, hpa, dir, 0);
}

/* What the entry holds, if there is one */
static u64 *entry(void)
{
	return LEVELS ? &tce : inside() ? &tces[index - tbl.it_offset] : NULL;
}

static bool is_live(u64 of)
{
	return be64_to_cpu(of) & (TCE_PCI_READ | TCE_PCI_WRITE);
}

static void xchg_no_kill(void)
{
	enum dma_data_direction dir = any_dir(), wanted = dir;
	unsigned long hpa = any_ulong(), address = hpa;
	u64 before[2], old, now;
	bool clear = wanted == DMA_NONE, may, written;
	int rc;

	any_state();
	refused = any_int();
	atomic_set(&kvm_draining, any_int());
	tces[0] = before[0] = any_u64();
	tces[1] = before[1] = any_u64();
	tce = any_u64();
	/*
	 * to map, KVM has got the userspace entry; to undo a clear, which it does with 0, it has
	 * not
	 */
	assume(clear || !hpa || asked_first);
	old = entry() ? *entry() : 0;
	rc = exchange(&hpa, &dir);
	now = entry() ? *entry() : 0;

	may = clear ? owned && inside() && !paused && !atomic_read(&kvm_draining) &&
			      !(mapped_by_user() && !pua_missing) :
		      address && address % BIT(SHIFT) == 0;
	written = CALLS ? puts : now != old;
	prove(!written || may);
	/* no other entry */
	if (!LEVELS && inside())
		prove(tces[!(index - tbl.it_offset)] == before[!(index - tbl.it_offset)]);
	if (!inside())
		prove(tces[0] == before[0] && tces[1] == before[1] && !puts);
	if (!may || (clear && CALLS && refused))
		prove(!rc && !hpa && dir == (clear ? DMA_TO_DEVICE : DMA_NONE));
	else if (CALLS && refused)
		prove(rc && !clear);
	else
		prove(!rc && dir == DMA_NONE && (!clear || !hpa));
	if (CALLS) {
		prove(!may || puts == 1);
		prove(!puts || (clear ? !put_value :
				(put_value & ~(TCE_PCI_READ | TCE_PCI_WRITE)) == address));
	} else if (may && clear && !level_missing && !pua_missing) {
		prove(is_live(old) ? now == cpu_to_be64(TCE_TOMBSTONE) : now == old);
	} else if (may && !clear) {
		prove((be64_to_cpu(now) & ~(TCE_PCI_READ | TCE_PCI_WRITE)) == address && is_live(now));
		prove(!(be64_to_cpu(now) & TCE_PCI_WRITE) == (wanted == DMA_TO_DEVICE));
	}
}

int main(void)
{
	struct mm_struct other;

	tbl.it_offset = any_ulong();
	tbl.it_size = any_ulong();
	tbl.it_page_shift = SHIFT;
	tbl.it_indirect_levels = LEVELS;
	tbl.it_index = liobn = any_ulong();
	tbl.it_base = (unsigned long)tces;
	assume((wide)tbl.it_offset + tbl.it_size < BIT(63));
	assume(LEVELS || tbl.it_size <= 2);
	tbl.it_userspace = puas;
	kvm_ops.misaligned = BIT(SHIFT) - 1;
	kvm_ops.allowed.kvm_ops = &kvm_ops;
	owned = any_bool();
	task.mm = seen(owned) ? &mm : &other;
	current = &task;
	index = any_long();
	if (!LEVELS && inside())
		pua = &puas[index - tbl.it_offset];
	level_missing = LEVELS && any_bool();
	pua_missing = LEVELS && any_bool();

	useraddr();
	xchg_no_kill();
	return 0;
}
