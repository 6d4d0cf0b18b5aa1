// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whatever entry KVM names, and whatever it wants to write there: only entries of the table reach the platform's
 * operations. They are exchanged only as long as KVM may use the table and is the owner's. KVM gets a
 * userspace entry to write only if no level is missing and MAP has mapped nothing there, so that an exchange
 * makes no level if KVM has got one first, as it does. It never takes out what MAP has mapped, nor writes an address that
 * does not begin an IOMMU page.
 *
 * After an exchange, which is invalidated at once, KVM is told that nothing was there. What the device may have written
 * is marked dirty, and then counted down, once, if and only if the userspace entry agrees, which is empty then. If the
 * platform refuses to write an address, KVM is told so, and nothing else happens. In all other cases, also if the
 * platform refuses to clear an entry, KVM is told the opposite of what it has asked for, so that it leaves the hypercall
 * to user space.
 *
 * Assumed: a table ends below 2^63 entries; an exchange that the platform refuses changes nothing; an empty entry has no
 * address; no memory of a process is at the real address 0. Between the two calls KVM may lose the table,
 * and MAP may change the userspace entry; during one of them nothing else happens.
 *
 * each: SHIFT=12,16 LEVELS=0,2
 *
 * control: in_table pua_is_vfio allowed_useraddr leave_to_user kvm_uncount allowed_exchange tce_pua_replace tce_entry_dirty exchange invalidate(any) lookup(any) LEVELS=0
 * control: allowed_useraddr tce_table_walk(any) seen LEVELS=2
 */
#define mm_iommu_lookup		lookup
#define mm_iommu_ua_to_hpa	ua_to_hpa
#define mm_iommu_mapped_dec	count_down
#define kref_read(kref)		any_int()	/* of tce_kvm_hide(), which is not called */

struct mm_iommu_table_group_mem_t;
struct mm_struct;

static struct mm_iommu_table_group_mem_t *lookup(struct mm_struct *its, unsigned long ua, unsigned long size);
static long ua_to_hpa(struct mm_iommu_table_group_mem_t *mem, unsigned long ua, unsigned int shift, unsigned long *hpa);
static void count_down(struct mm_iommu_table_group_mem_t *mem);

#include "../tce_kvm.c"
#include "../tce_trace.c"

static struct iommu_table tbl;
static struct mm_struct mm;
static bool allowed, owned, level_missing, pua_missing, kill, known, translated, asked_first;
static long index;
static __be64 tce, pua, was;
static enum dma_data_direction live;
static unsigned long there, kept, said, base;
static unsigned int exchanges, kills, counts;
static struct page *written;
static int refused;

/* What the module gets to see of the state, which is another one in a control */
static unsigned long seen(unsigned long what)
{
	return what;
}

static bool inside(void)
{
	return (wide)index >= tbl.it_offset && (wide)index < (wide)tbl.it_offset + tbl.it_size;
}

static bool mapped_by_user(void)
{
	return be64_to_cpu(was) & TCE_UA_VFIO;
}

__be64 *tce_table_walk(const struct iommu_table *of, __be64 *node, unsigned long at, unsigned long *hole)
{
	prove(of == &tbl && LEVELS && (unsigned long)node == base);
	prove(inside() && at == index - tbl.it_offset);
	return level_missing ? NULL : &tce;
}

static __be64 *userspace_entry(struct iommu_table *of, long at, bool alloc)
{
	prove(of == &tbl && at == index && inside() && !alloc);
	return pua_missing ? NULL : &pua;
}

static int exchange(struct iommu_table *of, long at, unsigned long *hpa, enum dma_data_direction *dir)
{
	enum dma_data_direction old = live;
	unsigned long old_hpa = there;

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
	there = *hpa;
	*dir = old;
	*hpa = old_hpa;
	return 0;
}

static void invalidate(struct iommu_table *of, unsigned long at, unsigned long n)
{
	prove(of == &tbl && at == index && n == 1 && exchanges);
	kills++;
}

static struct mm_iommu_table_group_mem_t *lookup(struct mm_struct *its, unsigned long ua, unsigned long size)
{
	prove(its == &mm && ua == be64_to_cpu(was) && size == BIT(SHIFT));
	return known ? (struct mm_iommu_table_group_mem_t *)&mm : NULL;
}

static long ua_to_hpa(struct mm_iommu_table_group_mem_t *mem, unsigned long ua, unsigned int shift, unsigned long *hpa)
{
	*hpa = said;
	return translated ? 0 : -EFAULT;
}

static void count_down(struct mm_iommu_table_group_mem_t *mem)
{
	prove(kills == kill && dirty == written && !pua);
	counts++;
}

static enum dma_data_direction any_dir(void)
{
	enum dma_data_direction dir = any_int();

	assume(dir == DMA_BIDIRECTIONAL || dir == DMA_TO_DEVICE || dir == DMA_FROM_DEVICE || dir == DMA_NONE);
	return dir;
}

static void any_state(struct tce_kvm_ops *kvm_ops)
{
	allowed = any_bool();
	tbl.it_ops = seen(allowed) ? &kvm_ops->allowed.ops : &kvm_ops->blocked.ops;
	was = any_u64();
	pua = was;
}

int main(void)
{
	struct iommu_table_ops platform = { .useraddrptr = userspace_entry, .xchg_no_kill = exchange };
	struct mm_struct other;
	struct task_struct task;
	struct tce_kvm_ops kvm_ops = { .platform = &platform, .mm = &mm };
	enum dma_data_direction dir = any_dir(), asked = dir;
	unsigned long hpa = any_ulong();
	bool alloc = any_bool(), agrees;
	__be64 *found;
	int rc;

	tbl.it_offset = any_ulong();
	tbl.it_size = any_ulong();
	tbl.it_page_shift = seen(SHIFT);
	tbl.it_indirect_levels = LEVELS;
	base = any_ulong();
	tbl.it_base = seen(base);
	assume((wide)tbl.it_offset + tbl.it_size < BIT(63));
	kvm_ops.allowed.kvm_ops = &kvm_ops;
	kvm_ops.blocked.kvm_ops = &kvm_ops;
	owned = any_bool();
	task.mm = seen(owned) ? &mm : &other;
	current = &task;
	index = any_long();
	level_missing = LEVELS && any_bool();
	pua_missing = LEVELS && any_bool();
	kill = any_bool();
	if (kill)
		platform.tce_kill = invalidate;

	any_state(&kvm_ops);
	found = allowed_useraddr(&tbl, index, alloc);
	if (alloc)
		prove(!found || (found == &pua && owned && inside() && !level_missing && !mapped_by_user()));
	else
		prove(found == &tce_kvm_no_ua);

	asked_first = alloc && found;
	any_state(&kvm_ops);
	known = any_bool();
	translated = any_bool();
	said = any_ulong();
	assume(said);
	refused = any_int();
	live = any_dir();
	there = live == DMA_NONE ? 0 : any_ulong();
	kept = there;
	if (tce_dir_writes(live))
		written = pfn_to_page(PHYS_PFN(there));
	agrees = !pua_missing && was && !mapped_by_user() && known && translated && said == kept;
	rc = allowed_xchg(&tbl, index, &hpa, &dir);
	if (!exchanges || (refused && asked == DMA_NONE)) {
		prove(!rc && !hpa && dir == (asked == DMA_NONE ? DMA_TO_DEVICE : DMA_NONE));
		prove(exchanges <= 1 && pua == was && !kills && !counts && !dirty);
	} else if (refused) {
		prove(rc == refused && exchanges == 1);
		prove(pua == was && !kills && !counts && !dirty);
	} else {
		prove(!rc && !hpa && dir == DMA_NONE);
		prove(exchanges == 1 && kills == kill && dirty == written);
		prove(counts == agrees);
		prove(pua == (agrees ? 0 : was));
	}
	return 0;
}
