/* SPDX-License-Identifier: GPL-2.0-only */
/* Macros of the kernel whose shape cppcheck has to know; it sees no header of it. */
#define list_for_each_entry(pos, head, member) \
	for (pos = first_of(head); pos; pos = next_of(pos))
#define list_for_each_entry_safe(pos, n, head, member) \
	for (pos = first_of(head), n = next_of(pos); pos; pos = n, n = next_of(pos))
#define hlist_for_each_entry(pos, head, member) \
	for (pos = first_of(head); pos; pos = next_of(pos))
#define hlist_for_each_entry_safe(pos, n, head, member) \
	for (pos = first_of(head), n = next_of(pos); pos; pos = n, n = next_of(pos))
#define rbtree_postorder_for_each_entry_safe(pos, n, root, field) \
	for (pos = first_of(root), n = next_of(pos); pos; pos = n, n = next_of(pos))
#define xa_for_each(xa, index, entry) \
	for (index = 0, entry = first_of(xa); entry; entry = next_of(entry))
#define for_each_online_node(node) for (node = 0; node < 8; node++)
#define for_each_online_cpu(cpu) for (cpu = 0; cpu < 8; cpu++)
#define DEFINE_MUTEX(name) struct mutex name
#define LIST_HEAD(name) struct list_head name
#define __init
#define __exit
#define __user
#define __percpu
#define __always_inline inline
#define noinline
#define __uninitialized
#define __force
