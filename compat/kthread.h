/* SPDX-License-Identifier: GPL-2.0-only */
/* Kernel threads: a name that was another one up to Linux 5.16. */
#ifndef TCE_COMPAT_KTHREAD_H
#define TCE_COMPAT_KTHREAD_H

#include <linux/module.h>

#ifndef module_put_and_kthread_exit
#define module_put_and_kthread_exit(code)	module_put_and_exit(code)
#endif

#endif /* TCE_COMPAT_KTHREAD_H */
