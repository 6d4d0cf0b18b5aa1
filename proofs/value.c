// SPDX-License-Identifier: GPL-2.0-only
/*
 * A userspace entry says what MAP has put there: it is never 0, it can be told from what KVM
 * writes, and it decodes to the userspace address (v2), or to the hpa and whether the device may
 * write (v1). An exchange that the platform refuses changes nothing. Any other leaves the new value
 * and returns the old one, but in a shared table nothing of KVM's if the entry was empty and is
 * left so. What a device may have written through a shared table is marked dirty.
 *
 * Assumed: addresses of user space have bit 63 clear, and hpas have at most 52 bits.
 *
 * each: V1=0,1 SHARED=0,1 PAGE_SHIFT=16,12
 *
 * control: tce_val tce_entry_swap tce_pua_read tce_pua_write
 * control: tce_val V1=1
 * control: tce_pua_replace tce_pua_read tce_entry_dirty tce_entry_swap(any) SHARED=1
 */
#include "../tce_table.c"
#include "../tce_v1.c"
#include "../tce_trace.c"

static enum dma_data_direction live;
static unsigned long where;
static int refuses;

static int exchange(struct iommu_table *tbl, long index, unsigned long *hpa,
		    enum dma_data_direction *dir)
{
	enum dma_data_direction was = live;
	unsigned long old = where;

	if (refuses)
		return refuses;
	live = *dir;
	where = *hpa;
	*dir = was;
	*hpa = old;
	return 0;
}

int main(void)
{
	struct iommu_table_ops ops = { .xchg_no_kill = exchange };
	struct tce_table table = { .ops = &ops, .shared = SHARED };
	unsigned long ua = any_ulong(), hpa = any_ulong() << PAGE_SHIFT;
	bool write = any_bool(), empties = any_bool();
	struct tce_entry entry;
	__be64 pua, was;
	u64 val, old;
	int rc;

	assume(ua < TASK_SIZE_MAX && hpa < 1UL << 52);
	val = tce_val(V1, ua, hpa, !write ? DMA_TO_DEVICE :
				   any_bool() ? DMA_FROM_DEVICE : DMA_BIDIRECTIONAL);
	prove(val & TCE_UA_VFIO);
	if (V1) {
		prove((val & ~TCE_UA_VFIO & ~TCE_V1_WRITE) == hpa);
		prove(!!(val & TCE_V1_WRITE) == write);
	} else {
		prove((val & ~TCE_UA_VFIO) == ua);
	}

	where = any_ulong() & PAGE_MASK;
	live = any_bool() ? DMA_NONE : DMA_BIDIRECTIONAL;
	refuses = any_int();
	old = any_u64();
	was = cpu_to_be64(old);
	pua = was;
	entry = (struct tce_entry){
		.hpa = empties ? 0 : hpa,
		.dir = empties ? DMA_NONE : DMA_TO_DEVICE,
		.val = empties ? 0 : val,
	};
	rc = tce_entry_swap(&table, 0, &pua, &entry);
	prove(rc == (refuses == -ENOMEM ? -ENOMEM : refuses ? -EIO : 0));
	if (rc) {
		prove(pua == was);
		prove(entry.val == (empties ? 0 : val));
		return 0;
	}
	if (SHARED && tce_dir_writes(entry.dir))
		prove(dirty == pfn_to_page(PHYS_PFN(entry.hpa)));
	if (SHARED && empties && entry.dir == DMA_NONE && !(old & TCE_UA_VFIO)) {
		/* KVM emptied it, and is about to count down by what it finds here */
		prove(pua == was && !entry.val);
		return 0;
	}
	prove(be64_to_cpu(pua) == (empties ? 0 : val));
	prove(entry.val == old);
	return 0;
}
