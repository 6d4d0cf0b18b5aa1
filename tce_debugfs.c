// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module's state as text: /sys/kernel/debug/vfio_iommu_spapr_tce/state, for root.
 * Documentation/tcestat.rst has the format.
 *
 * The text is produced in a buffer of seq_file, which restarts with a larger one if it is full,
 * and is copied to user space when it is complete. Meanwhile the reader has a reference to
 * the process or container that it is showing, for which nobody waits, and takes a lock for the
 * time of one line, or to count a part of a window. So readers block nobody. They may block on
 * these locks themselves; the wait is killable.
 *
 * Processes and containers are shown from the newest to the oldest, so that a client can't keep
 * the reader busy by creating more and more of them.
 *
 * MAP and UNMAP do no work for this file, because the reader counts the entries.
 *
 * Locks: &tce_space.lock for reading, to show a container or a part of a window;
 * &tce_process.region_lock, to show one region. Never both.
 *
 * Never fails: tce_debugfs_init(). Without debugfs there is no file, and nothing else changes.
 */
#include <linux/debugfs.h>
#include <linux/iommu.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/string_helpers.h>

#include "tce_container.h"

/* Cells to count with the lock held, which takes some microseconds */
#define TCE_COUNT_CHUNK	8192UL

static struct dentry *tce_debugfs_dir;

static unsigned long long bytes(unsigned long npages)
{
	return (unsigned long long)npages << PAGE_SHIFT;
}

static void show_region(struct seq_file *m, const struct tce_process *process,
			const struct tce_region *region)
{
	const struct tce_registration *reg;
	char before = '=';

	seq_printf(m, "region process=%lu ua=0x%lx size=%llu page_shift=%u",
		   process->id, region->ua, bytes(region->npages),
		   region->page_shift);
	/* the kernel does not export the counters of its list */
	if (region->mem)
		seq_puts(m, " listed=1 mapped=?");
	else
		seq_printf(m, " listed=0 mapped=%lld",
			   (long long)atomic64_read(&region->mapped));
	seq_printf(m, " written=%d containers", READ_ONCE(region->written));
	list_for_each_entry(reg, &region->regs, in_region) {
		seq_printf(m, "%c%lu", before,
			   container_of(reg->of, struct tce_mem, registered)->container);
		before = ',';
	}
	seq_puts(m, before == '=' ? "=-\n" : "\n");
}

static int show_process(struct seq_file *m, struct tce_process *process)
{
	char comm[TASK_COMM_LEN] = "";
	struct task_struct *task;
	struct tce_region *region;
	unsigned long ua = 0;

	rcu_read_lock();
	task = pid_task(process->pid, PIDTYPE_TGID);
	if (task)
		get_task_comm(comm, task);
	rcu_read_unlock();
	seq_printf(m, "process id=%lu tgid=%d window_kept=%d kvm=%d locked_vm=%llu alive=%d comm=",
		   process->id, pid_nr(process->pid),
		   READ_ONCE(process->window_kept),
		   tce_mm_has_kvm(process->mm),
		   /* of a moment ago */
		   bytes(data_race(process->mm->locked_vm)), !!task);
	/* a process can give itself any name */
	seq_escape_str(m, comm, ESCAPE_OCTAL | ESCAPE_NAP | ESCAPE_APPEND,
		       " =\"\\");
	seq_putc(m, '\n');

	do {
		if (fatal_signal_pending(current) ||
		    mutex_lock_killable(&process->region_lock))
			return -EINTR;
		region = tce_region_first(process, ua, ULONG_MAX);
		if (region) {
			show_region(m, process, region);
			ua = tce_region_end(region);
		}
		mutex_unlock(&process->region_lock);
		cond_resched();
	} while (region && !seq_has_overflowed(m));
	return 0;
}

/* The window may be removed or replaced while its entries are counted. */
static int show_window(struct seq_file *m, struct tce_container *container,
		       int num)
{
	unsigned long at = 0, mapped = 0, unmarked = 0, size, left, i;
	struct iommu_table *tbl;
	struct tce_window *win;
	const __be64 *cells;
	u64 cookie;

	do {
		if (fatal_signal_pending(current) ||
		    down_read_killable(&container->space.lock))
			return -EINTR;
		win = container->space.windows[num];
		tbl = win ? win->table.tbl : NULL;
		size = tbl ? tbl->it_size : 0;
		if (at < size) {
			cells = tce_table_cells(&win->table, tbl->it_offset + at,
						false, &left);
			left = min(left, cells ? TCE_COUNT_CHUNK : size);
			left = min(left, size - at);
			for (i = 0; cells && i < left; i++) {
				cookie = tce_cell_read(&cells[i]);
				mapped += !!cookie;
				unmarked += cookie && !(cookie & TCE_COOKIE_OURS);
			}
			at += left;
			if (at == size)
				seq_printf(m, "window container=%lu number=%d start=0x%llx size=%llu page_shift=%lu levels=%lu mapped=%lu unmarked=%lu charged=%llu kvm=%d\n",
					   container->id, num,
					   tce_table_start(&win->table),
					   (u64)size << tbl->it_page_shift,
					   tbl->it_page_shift,
					   tbl->it_indirect_levels + 1, mapped,
					   unmarked, bytes(win->charged),
					   win->table.shared);
		}
		up_read(&container->space.lock);
		cond_resched();
	} while (at < size);
	return 0;
}

static int show_container(struct seq_file *m, struct tce_container *container)
{
	struct tce_mem *mem = &container->mem;
	struct tce_group *grp;
	int i, rc = 0;

	if (down_read_killable(&container->space.lock))
		return -EINTR;
	seq_printf(m, "container id=%lu version=%d process=%lu enabled=%d default_pending=%d pinned=%llu charged=%llu owed=%llu\n",
		   container->id, mem->v2 ? 2 : 1,
		   mem->process ? mem->process->id : 0,
		   container->enabled, container->space.default_pending,
		   bytes(atomic_long_read(&mem->pinned.pages)),
		   bytes(READ_ONCE(mem->pinned.charged)),
		   bytes(atomic_long_read(&mem->account.owed)));
	list_for_each_entry(grp, &container->space.groups, list)
		seq_printf(m, "group container=%lu number=%d\n", container->id,
			   iommu_group_id(grp->group));
	up_read(&container->space.lock);

	for (i = 0; i < IOMMU_TABLE_GROUP_MAX_TABLES && !rc; i++)
		rc = show_window(m, container, i);
	return rc;
}

/**
 * tce_debugfs_show() - show the whole state
 * @m: where
 * @unused: of seq_file
 *
 * Context: sleeps, no lock held.
 *
 * Return: 0; -EINTR on SIGKILL.
 */
int tce_debugfs_show(struct seq_file *m, void *unused)
{
	struct tce_container *container;
	struct tce_process *process;
	unsigned long id;
	int rc = 0;

	seq_printf(m, "module format=%d page_size=%lu closing=%ld kvm_tables=%ld kept=%llu kept_tables=%ld\n",
		   TCE_DEBUGFS_FORMAT, PAGE_SIZE, tce_container_closing(),
		   tce_kvm_tables(), bytes(tce_account_kept()),
		   tce_window_kept());
	for (id = ULONG_MAX; !rc && !seq_has_overflowed(m); ) {
		process = tce_process_older(id);
		if (!process)
			break;
		id = process->id;
		rc = show_process(m, process);
		tce_process_put(process);
	}
	for (id = ULONG_MAX; !rc && !seq_has_overflowed(m); ) {
		container = tce_container_older(id);
		if (!container)
			break;
		id = container->id;
		rc = show_container(m, container);
		tce_container_put(container);
	}
	return rc;
}
DEFINE_SHOW_ATTRIBUTE(tce_debugfs);

/**
 * tce_debugfs_init() - offer the state
 *
 * Undone by tce_debugfs_exit().
 */
void tce_debugfs_init(void)
{
	tce_debugfs_dir = debugfs_create_dir("vfio_iommu_spapr_tce", NULL);
	debugfs_create_file("state", 0400, tce_debugfs_dir, NULL,
			    &tce_debugfs_fops);
}

/**
 * tce_debugfs_exit() - undo tce_debugfs_init()
 *
 * Context: the file is not open, since an open one keeps the module.
 */
void tce_debugfs_exit(void)
{
	debugfs_remove(tce_debugfs_dir);
}
