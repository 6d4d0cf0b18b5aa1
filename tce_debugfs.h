/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What root can read of the module's state, in debugfs.
 * Documentation/tcestat.rst has the format.
 */
#ifndef TCE_DEBUGFS_H
#define TCE_DEBUGFS_H

#include <linux/seq_file.h>
#include <linux/types.h>

/* Raised when what is there changes its meaning, not when something is added */
#define TCE_DEBUGFS_FORMAT	1

/**
 * enum tce_look_at - what is shown next
 * @TCE_LOOK_MODULE: the module
 * @TCE_LOOK_PROCESS: a process
 * @TCE_LOOK_REGION: one of its regions
 * @TCE_LOOK_CONTAINER: a container and its groups
 * @TCE_LOOK_WINDOW: one of its windows
 * @TCE_LOOK_END: nothing
 */
enum tce_look_at {
	TCE_LOOK_MODULE,
	TCE_LOOK_PROCESS,
	TCE_LOOK_REGION,
	TCE_LOOK_CONTAINER,
	TCE_LOOK_WINDOW,
	TCE_LOOK_END,
};

/**
 * struct tce_look - how far somebody has read
 * @at: what is shown next
 * @id: which process or container
 * @sub: the address from which on a region is looked for, or the window's number
 * @more: the address behind the region that was shown; 0 if there was none
 *
 * Numbers and addresses, no pointers: what they stand for may go at any time.
 */
struct tce_look {
	enum tce_look_at at;
	unsigned long id;
	unsigned long sub;
	unsigned long more;
};

#ifdef CONFIG_DEBUG_FS
extern const struct seq_operations tce_debugfs_ops;

void tce_debugfs_init(void);
void tce_debugfs_exit(void);
#else
static inline void tce_debugfs_init(void) { }
static inline void tce_debugfs_exit(void) { }
#endif

#endif /* TCE_DEBUGFS_H */
