// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module's state as text: /sys/kernel/debug/vfio_iommu_spapr_tce/state, for root.
 * Documentation/tcestat.rst has the format.
 *
 * Nobody waits for who reads. A lock is held to write one record into a buffer of the
 * kernel's, and seq_file copies that to user space when no lock is held. A reference keeps
 * memory, for which nobody waits, and is given back with the lock. Between two records there
 * are only numbers. What has gone meanwhile is left out, and nothing is shown twice.
 *
 * Who reads waits for the work of those who hold these locks, until he is killed. Processes
 * and containers are shown from the newest to the oldest. So nobody who makes more of them
 * keeps him busy.
 *
 * MAP and UNMAP do nothing for this: who reads counts the cells.
 *
 * Locks: &tce_space.lock for reading, to show a container or a part of a window.
 * &tce_process.region_lock, to show one region. Never both.
 *
 * Never fails: to show something may fail with -EINTR. Without debugfs there is no file, and
 * nobody else notices.
 */
#include <linux/ctype.h>
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/iommu.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/string.h>

#include "tce_container.h"
#include "tce_debugfs.h"
#include "tce_entry.h"
#include "tce_group.h"
#include "tce_kvm.h"
#include "tce_region_inline.h"
#include "tce_window.h"

/* Cells that are counted with the lock held: some microseconds */
#define TCE_COUNT_CHUNK	8192UL
/* What it costs to find a hole, in cells */
#define TCE_COUNT_HOLE	32

static struct dentry *tce_debugfs_dir;

/**
 * struct window_look - what is shown of a window
 * @start: its first IOBA
 * @size: bytes
 * @shift: log2 of the IOMMU page
 * @levels: of the table
 * @charged: CPU pages of table that were charged
 * @kvm: KVM may put memory there
 * @mapped: entries whose cell says that they hold something
 * @unmarked: those of them that KVM may have written
 */
struct window_look {
	u64 start;
	u64 size;
	unsigned int shift;
	unsigned int levels;
	unsigned long charged;
	bool kvm;
	unsigned long mapped;
	unsigned long unmarked;
};

static unsigned long long bytes(unsigned long npages)
{
	return (unsigned long long)npages << PAGE_SHIFT;
}

static int show_module(struct seq_file *m)
{
	const char *version = NULL, *srcversion = NULL;
	int references = 0;

	/* What is built in has neither, and nobody has to keep it. */
#ifdef MODULE
	version = THIS_MODULE->version;
	srcversion = THIS_MODULE->srcversion;
	references = module_refcount(THIS_MODULE);
#endif
	seq_printf(m, "module format=%d version=%s srcversion=%s page_size=%lu references=%d closing=%ld kvm_tables=%ld kept=%llu kept_tables=%ld\n",
		   TCE_DEBUGFS_FORMAT, version ?: "?", srcversion ?: "?",
		   PAGE_SIZE, references,
		   tce_container_closing(), tce_kvm_tables(),
		   bytes(tce_account_kept()), tce_window_kept());
	return 0;
}

/* A process may call itself what it likes, in up to 15 bytes; empty if it is gone. */
static void show_comm(struct seq_file *m, struct pid *pid)
{
	char comm[TASK_COMM_LEN] = "";
	struct task_struct *task;
	const char *c;

	rcu_read_lock();
	task = pid_task(pid, PIDTYPE_TGID);
	if (task)
		get_task_comm(comm, task);
	rcu_read_unlock();
	seq_printf(m, " alive=%d comm=", !!task);
	for (c = comm; *c; c++) {
		if (isascii(*c) && isgraph(*c) && !strchr("=\\\"", *c))
			seq_putc(m, *c);
		else
			seq_printf(m, "\\%03o", (unsigned char)*c);
	}
	seq_putc(m, '\n');
}

static int show_process(struct seq_file *m, const struct tce_look *look)
{
	static const char *const states[] = {
		[TCE_PROCESS_SOUND] = "sound",
		[TCE_PROCESS_ASTRAY] = "astray",
		[TCE_PROCESS_STUCK] = "stuck",
	};
	struct tce_process *process = tce_process_find(look->id);
	unsigned long locked;
	unsigned int listed;

	if (!process)
		return SEQ_SKIP;
	/* both are somebody else's, and may be of a moment ago */
	listed = data_race(process->listed);
	/* the same */
	locked = data_race(process->mm->locked_vm);
	seq_printf(m, "process id=%lu tgid=%d state=%s kvm=%d listed=%u locked_vm=%llu",
		   process->id, pid_nr(process->pid),
		   states[READ_ONCE(process->state)],
		   tce_mm_has_kvm(process->mm), listed, bytes(locked));
	show_comm(m, process->pid);
	tce_process_put(process);
	return 0;
}

/* The containers that have registered a region, or "-" */
static void show_registrations(struct seq_file *m,
			       const struct tce_region *region)
{
	struct tce_registration *reg;
	char before = '=';

	seq_puts(m, " containers");
	list_for_each_entry(reg, &region->regs, in_region) {
		struct tce_mem *mem = container_of(reg->of, struct tce_mem,
						   registered);

		seq_printf(m, "%c%lu", before,
			   container_of(mem, struct tce_container, mem)->id);
		before = ',';
	}
	seq_puts(m, before == '=' ? "=-\n" : "\n");
}

static int show_region(struct seq_file *m, struct tce_look *look)
{
	struct tce_process *process = tce_process_find(look->id);
	struct tce_region *region = NULL;
	int rc;

	look->more = 0;
	if (!process)
		return SEQ_SKIP;
	rc = mutex_lock_killable(&process->region_lock);
	if (rc)
		goto out_put;
	region = tce_region_first(process, look->sub, ULONG_MAX);
	if (region) {
		seq_printf(m, "region process=%lu ua=0x%lx size=%llu page_shift=%u",
			   process->id, region->ua, bytes(region->npages),
			   region->page_shift);
		/* the kernel keeps its own counter to itself */
		if (region->mem)
			seq_puts(m, " listed=1 mapped=?");
		else
			seq_printf(m, " listed=0 mapped=%lld",
				   (long long)atomic64_read(&region->mapped));
		seq_printf(m, " written=%d", READ_ONCE(region->written));
		show_registrations(m, region);
		look->more = tce_region_end(region);
	}
	mutex_unlock(&process->region_lock);
out_put:
	tce_process_put(process);
	return rc ?: region ? 0 : SEQ_SKIP;
}

/* Undone by container_unlock(). Return: NULL if it has gone; an error if killed */
static struct tce_container *container_lock(unsigned long id)
{
	struct tce_container *container = tce_container_get((void *)id);

	if (!container)
		return NULL;
	if (down_read_killable(&container->space.lock)) {
		tce_container_put(container);
		return ERR_PTR(-EINTR);
	}
	return container;
}

static void container_unlock(struct tce_container *container)
{
	up_read(&container->space.lock);
	tce_container_put(container);
}

static int show_container(struct seq_file *m, const struct tce_look *look)
{
	struct tce_container *container = container_lock(look->id);
	struct tce_group *grp;
	struct tce_mem *mem;

	if (IS_ERR_OR_NULL(container))
		return container ? PTR_ERR(container) : SEQ_SKIP;
	mem = &container->mem;
	seq_printf(m, "container id=%lu version=%d process=%lu enabled=%d default_pending=%d pinned=%llu charged=%llu owed=%llu\n",
		   look->id, mem->v2 ? 2 : 1,
		   mem->process ? mem->process->id : 0,
		   container->enabled, container->space.default_pending,
		   bytes(atomic_long_read(&mem->pinned.pages)),
		   bytes(READ_ONCE(mem->pinned.charged)),
		   bytes(atomic_long_read(&mem->account.owed)));
	list_for_each_entry(grp, &container->space.groups, list)
		seq_printf(m, "group container=%lu number=%d\n", look->id,
			   iommu_group_id(grp->group));
	container_unlock(container);
	return 0;
}

/* Count in some cells from the place @at on. Return: where to go on */
static unsigned long count_cells(struct tce_table *table, unsigned long at,
				 struct window_look *win)
{
	unsigned long size = table->tbl->it_size, work = 0, left, i;

	while (at < size && work < TCE_COUNT_CHUNK) {
		const __be64 *cell = tce_table_cells(table,
						     table->tbl->it_offset + at,
						     false, &left);

		left = min(left, size - at);
		if (cell)
			left = min(left, TCE_COUNT_CHUNK - work);
		work += cell ? left : TCE_COUNT_HOLE;
		for (i = 0; cell && i < left; i++) {
			u64 cookie = tce_cell_read(&cell[i]);

			win->mapped += !!cookie;
			win->unmarked += cookie && !(cookie & TCE_COOKIE_OURS);
		}
		at += left;
	}
	return at;
}

/*
 * A part of a window from the place @*at on, with the lock held. @*at is where to go on, 0 at
 * the end. Return: 0; SEQ_SKIP if the window has gone; -EINTR
 */
static int look_at_window(const struct tce_look *look, unsigned long *at,
			  struct window_look *win)
{
	struct tce_container *container = container_lock(look->id);
	struct tce_window *window;
	struct tce_table *table;
	int rc = SEQ_SKIP;

	if (IS_ERR_OR_NULL(container))
		return container ? PTR_ERR(container) : SEQ_SKIP;
	window = container->space.windows[look->sub];
	if (window) {
		table = &window->table;
		win->start = tce_table_start(table);
		win->shift = table->tbl->it_page_shift;
		win->size = (u64)table->tbl->it_size << win->shift;
		win->levels = table->tbl->it_indirect_levels + 1;
		win->charged = window->charged;
		win->kvm = table->shared;
		*at = count_cells(table, *at, win);
		if (*at >= table->tbl->it_size)
			*at = 0;
		rc = 0;
	}
	container_unlock(container);
	return rc;
}

static int show_window(struct seq_file *m, const struct tce_look *look)
{
	struct window_look win = {};
	unsigned long at = 0;
	int rc;

	do {
		rc = look_at_window(look, &at, &win);
		if (!rc && at && fatal_signal_pending(current))
			rc = -EINTR;
		if (rc)
			return rc;
		cond_resched();
	} while (at);
	seq_printf(m, "window container=%lu number=%lu start=0x%llx size=%llu page_shift=%u levels=%u mapped=%lu unmarked=%lu charged=%llu kvm=%d\n",
		   look->id, look->sub, win.start,
		   win.size, win.shift, win.levels, win.mapped, win.unmarked,
		   bytes(win.charged), win.kvm);
	return 0;
}

/* Go to the newest container that is older than @id. */
static void look_at_container(struct tce_look *look, unsigned long id)
{
	look->id = tce_container_older(id);
	look->at = look->id ? TCE_LOOK_CONTAINER : TCE_LOOK_END;
}

/* The same with processes; after the oldest come the containers. */
static void look_at_process(struct tce_look *look, unsigned long id)
{
	look->at = TCE_LOOK_PROCESS;
	look->id = tce_process_older(id);
	if (!look->id)
		look_at_container(look, ULONG_MAX);
}

static void look_on(struct tce_look *look)
{
	switch (look->at) {
	case TCE_LOOK_MODULE:
		look_at_process(look, ULONG_MAX);
		break;
	case TCE_LOOK_PROCESS:
		look->at = TCE_LOOK_REGION;
		look->sub = 0;
		break;
	case TCE_LOOK_REGION:
		look->sub = look->more;
		if (!look->more)
			look_at_process(look, look->id);
		break;
	case TCE_LOOK_CONTAINER:
		look->at = TCE_LOOK_WINDOW;
		look->sub = 0;
		break;
	default:
		/* a window; after the end nobody goes on */
		if (++look->sub == IOMMU_TABLE_GROUP_MAX_TABLES)
			look_at_container(look, look->id);
		break;
	}
}

/* seq_file starts at 0, or where it has stopped */
static void *state_start(struct seq_file *m, loff_t *pos)
{
	struct tce_look *look = m->private;

	if (!*pos)
		*look = (struct tce_look){};
	return look->at == TCE_LOOK_END ? NULL : look;
}

static void *state_next(struct seq_file *m, void *v, loff_t *pos)
{
	struct tce_look *look = v;

	++*pos;
	look_on(look);
	return look->at == TCE_LOOK_END ? NULL : look;
}

static void state_stop(struct seq_file *m, void *v)
{
}

static int state_show(struct seq_file *m, void *v)
{
	struct tce_look *look = v;

	switch (look->at) {
	case TCE_LOOK_MODULE:
		return show_module(m);
	case TCE_LOOK_PROCESS:
		return show_process(m, look);
	case TCE_LOOK_REGION:
		return show_region(m, look);
	case TCE_LOOK_CONTAINER:
		return show_container(m, look);
	default:
		return show_window(m, look);
	}
}

const struct seq_operations tce_debugfs_ops = {
	.start	= state_start,
	.next	= state_next,
	.stop	= state_stop,
	.show	= state_show,
};

static int state_open(struct inode *inode, struct file *file)
{
	return seq_open_private(file, &tce_debugfs_ops,
				sizeof(struct tce_look));
}

/* Who has it open keeps the module. */
static const struct file_operations tce_debugfs_fops = {
	.owner		= THIS_MODULE,
	.open		= state_open,
	.read		= seq_read,
	.llseek		= seq_lseek,
	.release	= seq_release_private,
};

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
 * Context: nobody has the file open.
 */
void tce_debugfs_exit(void)
{
	debugfs_remove(tce_debugfs_dir);
}
