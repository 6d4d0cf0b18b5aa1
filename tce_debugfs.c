// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module's state as text, for root: /sys/kernel/debug/vfio_iommu_spapr_tce/state. See
 * Documentation/tcestat.rst for the format.
 *
 * seq_file collects the whole text before it is copied to user space. Meanwhile the reader has a
 * reference to the process or container that it shows, which delays no release, and holds a lock
 * only for one line, or to count a part of a window, so that a slow reader does not block clients.
 *
 * The newest processes and containers come first, so that a client can't keep the reader busy by
 * creating more of them. The reader counts the entries, at no cost to MAP and UNMAP.
 *
 * Locks: &tce_container.lock for reading, or &tce_mm.region_lock for a region. Never both.
 *
 * Never fails: tce_debugfs_init(). Without debugfs there is no file, and the rest works.
 */
#include <linux/debugfs.h>
#include <linux/iommu.h>
#include <linux/pid.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/string_helpers.h>

#include "tce_container.h"
#include "tce_debugfs.h"
#include "tce_group.h"
#include "tce_region.h"
#include "tce_table.h"
#include "tce_v1.h"
#include "tce_window.h"

/* Userspace entries counted at a time with the lock held, for some microseconds */
#define TCE_COUNT_CHUNK	8192UL

static struct dentry *tce_debugfs_dir;

static unsigned long long bytes(unsigned long npages)
{
	return (unsigned long long)npages << PAGE_SHIFT;
}

static void show_region(struct seq_file *m, const struct tce_mm *tmm,
			const struct tce_region *region)
{
	const struct tce_region_ref *ref;
	struct tce_container *container;
	char before = '=';

	seq_printf(m, "region process=%lu ua=0x%lx size=%llu page_shift=%u",
		   tmm->id, region->ua, bytes(region->npages), region->page_shift);
	/* the kernel does not export the counters of KVM's list */
	if (region->mm_iommu)
		seq_puts(m, " kvm_list=1 mapped=?");
	else
		seq_printf(m, " kvm_list=0 mapped=%lld",
			   (long long)atomic64_read(&region->mapped));
	seq_printf(m, " written=%d containers", READ_ONCE(region->written));
	list_for_each_entry(ref, &region->refs, in_region) {
		container = container_of(ref->mem, struct tce_container, mem);
		seq_printf(m, "%c%lu", before, container->id);
		before = ',';
	}
	seq_puts(m, before == '=' ? "=-\n" : "\n");
}

static int show_mm(struct seq_file *m, struct tce_mm *tmm)
{
	char comm[TASK_COMM_LEN] = "";
	struct task_struct *task;
	struct tce_region *region;
	unsigned long ua = 0;

	rcu_read_lock();
	task = pid_task(tmm->pid, PIDTYPE_TGID);
	if (task)
		get_task_comm(comm, task);
	rcu_read_unlock();
	seq_printf(m, "process id=%lu tgid=%d table_leaked=%d kvm=%d locked_vm=%llu alive=%d comm=",
		   tmm->id, pid_nr(tmm->pid), READ_ONCE(tmm->table_leaked),
		   tce_mm_may_have_kvm(tmm->mm),
		   /* may be outdated */
		   bytes(data_race(tmm->mm->locked_vm)), !!task);
	/* a process can choose any name */
	seq_escape_str(m, comm, ESCAPE_OCTAL | ESCAPE_NAP | ESCAPE_APPEND,
		       " =\"\\");
	seq_putc(m, '\n');

	do {
		if (fatal_signal_pending(current) ||
		    mutex_lock_killable(&tmm->region_lock))
			return -EINTR;
		region = tce_region_first(tmm, ua, ULONG_MAX);
		if (region) {
			show_region(m, tmm, region);
			ua = tce_region_end(region);
		}
		mutex_unlock(&tmm->region_lock);
		cond_resched();
	} while (region && !seq_has_overflowed(m));
	return 0;
}

/* The window may be removed or replaced while its entries are counted. */
static int show_window(struct seq_file *m, struct tce_container *container,
		       int num)
{
	unsigned long at = 0, mapped = 0, by_kvm = 0, size, left, i;
	struct iommu_table *tbl;
	struct tce_window *win;
	const __be64 *pua;
	u64 val;

	do {
		if (fatal_signal_pending(current) ||
		    down_read_killable(&container->lock))
			return -EINTR;
		win = container->windows[num];
		tbl = win ? win->table.tbl : NULL;
		size = tbl ? tbl->it_size : 0;
		if (at < size) {
			pua = tce_table_pua(&win->table, tbl->it_offset + at, false, &left);
			left = min(left, pua ? TCE_COUNT_CHUNK : size);
			left = min(left, size - at);
			for (i = 0; pua && i < left; i++) {
				val = tce_pua_read(&pua[i]);
				mapped += val > TCE_UA_USED;
				by_kvm += val > TCE_UA_USED && !(val & TCE_UA_VFIO);
			}
			at += left;
			if (at == size)
				seq_printf(m, "window container=%lu number=%d start=0x%llx size=%llu page_shift=%lu levels=%lu mapped=%lu by_kvm=%lu charged=%llu kvm=%d\n",
					   container->id, num,
					   tce_table_start(&win->table),
					   (u64)size << tbl->it_page_shift,
					   tbl->it_page_shift,
					   tbl->it_indirect_levels + 1, mapped,
					   by_kvm, bytes(win->charged),
					   win->table.shared);
		}
		up_read(&container->lock);
		cond_resched();
	} while (at < size);
	return 0;
}

static int show_container(struct seq_file *m, struct tce_container *container)
{
	const struct tce_memory *mem = &container->mem;
	const struct tce_v1 *v1 = mem->v1;
	struct tce_group *grp;
	int i, rc = 0;

	if (down_read_killable(&container->lock))
		return -EINTR;
	seq_printf(m, "container id=%lu version=%d process=%lu enabled=%d default_pending=%d pinned=%llu charged=%llu uncharge=%llu\n",
		   container->id, v1 ? 1 : 2, mem->tmm ? mem->tmm->id : 0,
		   container->enabled, container->default_pending,
		   bytes(v1 ? atomic_long_read(&v1->pages) : 0),
		   bytes(v1 ? READ_ONCE(v1->charged) : 0),
		   bytes(atomic_long_read(&mem->uncharge)));
	list_for_each_entry(grp, &container->groups, list)
		seq_printf(m, "group container=%lu number=%d\n", container->id,
			   iommu_group_id(grp->group));
	up_read(&container->lock);

	for (i = 0; i < IOMMU_TABLE_GROUP_MAX_TABLES && !rc; i++)
		rc = show_window(m, container, i);
	return rc;
}

/* Context: sleeps, with no lock held. Return: 0; -EINTR on SIGKILL */
int tce_debugfs_show(struct seq_file *m, void *unused)
{
	struct tce_container *container;
	struct tce_mm *tmm;
	unsigned long id;
	int rc = 0;

	seq_printf(m, "module format=%d page_size=%lu closing=%ld kvm_tables=%ld leaked=%llu leaked_tables=%ld\n",
		   TCE_DEBUGFS_FORMAT, PAGE_SIZE, atomic_long_read(&tce_closing),
		   atomic_long_read(&tce_kvm_tables),
		   bytes(atomic_long_read(&tce_leaked_pages)),
		   atomic_long_read(&tce_leaked_tables));
	for (id = ULONG_MAX; !rc && !seq_has_overflowed(m); ) {
		tmm = tce_mm_next(id);
		if (!tmm)
			break;
		id = tmm->id;
		rc = show_mm(m, tmm);
		tce_mm_put(tmm);
	}
	for (id = ULONG_MAX; !rc && !seq_has_overflowed(m); ) {
		container = tce_container_next(id);
		if (!container)
			break;
		id = container->id;
		rc = show_container(m, container);
		tce_container_put(container);
	}
	return rc;
}
DEFINE_SHOW_ATTRIBUTE(tce_debugfs);

void tce_debugfs_init(void)
{
	tce_debugfs_dir = debugfs_create_dir("vfio_iommu_spapr_tce", NULL);
	debugfs_create_file("state", 0400, tce_debugfs_dir, NULL,
			    &tce_debugfs_fops);
}

/* The file is not open, because that would keep the module loaded. */
void tce_debugfs_exit(void)
{
	debugfs_remove(tce_debugfs_dir);
}
