// SPDX-License-Identifier: GPL-2.0-only
/*
 * fail_load.ko: while the module "which" starts, its allocation number nth fails.
 *
 * A task's own fail-nth would count from the system call on. The kernel's loader gets along
 * without much of what it asks for, so that the module would be there before its start is
 * reached. This counts from the tracepoint which the loader has before that. The first
 * allocation is the loader's own still. With failslab's task-filter and a probability of 100
 * those that follow fail, too.
 *
 * Used by scripts/guest/hotplug.sh and selftests/faults.c, built by scripts/image/build-selftests.
 */
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/tracepoint.h>

static unsigned int nth;
module_param(nth, uint, 0600);
MODULE_PARM_DESC(nth, "which allocation fails, 1 is the first");

static char *which = "spapr_tce_iommu_ops";
module_param(which, charp, 0400);
MODULE_PARM_DESC(which, "the module");

static struct tracepoint *loaded;

static void module_loaded(void *data, struct module *module)
{
	if (strcmp(module->name, which))
		return;
	current->fail_nth = nth;
	current->make_it_fail = 1;
}

static void find(struct tracepoint *tp, void *found)
{
	if (!strcmp(tp->name, "module_load"))
		*(struct tracepoint **)found = tp;
}

static int __init fail_load_init(void)
{
	for_each_kernel_tracepoint(find, &loaded);
	if (!loaded)
		return -ENODEV;
	return tracepoint_probe_register(loaded, module_loaded, NULL);
}
module_init(fail_load_init);

static void __exit fail_load_exit(void)
{
	tracepoint_probe_unregister(loaded, module_loaded, NULL);
	tracepoint_synchronize_unregister();
}
module_exit(fail_load_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Let allocations fail while a module starts");
