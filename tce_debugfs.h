/* SPDX-License-Identifier: GPL-2.0-only */
/* The state file. */
#ifndef TCE_DEBUGFS_H
#define TCE_DEBUGFS_H

struct seq_file;

/* Raised when a field changes its meaning or goes, not when one is added */
#define TCE_DEBUGFS_FORMAT	4

int tce_debugfs_show(struct seq_file *m, void *unused);
void tce_debugfs_init(void);
void tce_debugfs_exit(void);

#endif /* TCE_DEBUGFS_H */
