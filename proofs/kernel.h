/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the module needs of the kernel, for scripts/prove: each <linux/...> and <asm/...> is an
 * empty file, and this is included before everything else. It stands for a little-endian kernel
 * with one task, whose locks are free unless the task is killed, and with no other reader under
 * RCU.
 *
 * A function that is missing here, or has no body, is one that no proof calls, or that the proof
 * defines itself. scripts/prove refuses a call of anything that has no body, but for any_...(),
 * which are the values that a proof is about.
 *
 * This was read against the headers of Linux 6.12. It differs from them on purpose in these:
 *  - structures have only the members that the module uses, so their offsets are others;
 *  - a list's deleted entry keeps its pointers, and rb nodes have no parent, for which proofs have
 *    their own calls;
 *  - min() and max() do not check that the types of their arguments agree, and evaluate as min_t()
 *    does;
 *  - struct_size() does not saturate, and ilog2(0), which the kernel has as -1, is a failure;
 *  - an atomic operation is a plain one, because there is one task, and cmpxchg_relaxed() never
 *    fails without reason;
 *  - GFP, FOLL and firmware flags are numbers that mean nothing.
 */
typedef unsigned char u8;
typedef unsigned int u32, __u32;
typedef unsigned long long u64, __u64, __be64;
typedef unsigned long size_t;
typedef _Bool bool;

#define true	1
#define false	0
#define NULL	((void *)0)

/* What a proof is about. To CBMC a variable that has no value has any. */
#define ANY(name, type)		static inline type any_##name(void) { type any; return any; }
ANY(u32, u32)
ANY(u64, u64)
ANY(int, int)
ANY(long, long)
ANY(ulong, unsigned long)

static inline bool any_bool(void) { return any_int() != 0; }

/* Numbers of a specification, which can't wrap */
typedef unsigned __int128 wide;

#define assume(that)		__CPROVER_assume(that)
#define prove(that)		__CPROVER_assert(that, #that)

/* Compiler, and what only matters to several tasks */
#define __user
#define __force
#define __cold
#define noinline
#define __always_inline		inline
#define __uninitialized
#define ____cacheline_aligned_in_smp
#define likely(x)		(x)
#define unlikely(x)		(x)
#define READ_ONCE(x)		(x)
#define WRITE_ONCE(x, val)	((x) = (val))
#define data_race(x)		(x)
#define OPTIMIZER_HIDE_VAR(x)	((void)(x))
#define smp_load_acquire(p)	(*(p))
#define smp_store_release(p, v)	(*(p) = (v))
#define IS_ENABLED(option)	true
#define cmpxchg_relaxed(p, o, v) ({ typeof(*(p)) _c = *(p); if (_c == (o)) *(p) = (v); _c; })
#define xchg(p, v)		({ typeof(*(p)) _x = *(p); *(p) = (v); _x; })

typedef struct { int n; } refcount_t;
typedef struct { long n; } atomic_long_t, atomic64_t;
typedef struct { int n; } atomic_t;
#define ATOMIC_LONG_INIT(n)	{ n }
#define atomic_read(a)		((a)->n)
#define atomic_set(a, v)	((a)->n = (v))
#define ATOMIC_INIT(n)		{ n }
#define atomic64_read		atomic_long_read
#define atomic_long_read(a)	((a)->n)
#define atomic_long_set(a, v)	((a)->n = (v))
#define atomic_long_add(v, a)	((a)->n += (v))
#define atomic_long_add_return_relaxed atomic_long_add
#define atomic_long_sub(v, a)	((a)->n -= (v))
#define atomic_long_inc(a)	((a)->n++)
#define atomic_long_dec(a)	((a)->n--)
#define atomic_long_xchg(a, v)	xchg(&(a)->n, v)

/* Errors */
#define EPERM	1
#define ENOENT	2
#define EINTR	4
#define EIO	5
#define ENXIO	6
#define EAGAIN	11
#define ENOMEM	12
#define EFAULT	14
#define EBUSY	16
#define ENODEV	19
#define EINVAL	22

/* A macro would let CBMC 6.6 drop the (long), and so the sign. */
static inline void *ERR_PTR(long rc) { return (void *)rc; }

/* Locks */
struct mutex { int unused; };
struct rw_semaphore { int unused; };
typedef struct mutex spinlock_t;
#define DEFINE_SPINLOCK(name)	spinlock_t name
#define DEFINE_MUTEX(name)	struct mutex name
#define DECLARE_RWSEM(name)	struct rw_semaphore name
#define killed(lock)		(any_bool() ? -EINTR : 0)
#define down_read_killable	killed
#define mutex_lock(lock)	((void)0)
#define mutex_unlock(lock)	((void)0)
#define up_read(lock)		((void)0)
#define up_write(lock)		((void)0)
#define spin_lock(lock)		((void)0)
#define spin_unlock(lock)	((void)0)
#define lockdep_assert_held(l)	((void)0)
#define rcu_read_lock()		((void)0)
#define rcu_read_unlock()	((void)0)
#define kfree_rcu(p, rcu)	((void)(p))
#define THIS_MODULE		NULL

/* Numbers */
#define BITS_PER_LONG		64
#define ULONG_MAX		(~0UL)
#define BIT(n)			(1UL << (n))
#define BIT_ULL(n)		(1ULL << (n))
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#define IS_ALIGNED(x, a)	(!((x) & ((typeof(x))(a) - 1)))
#define min_t(t, a, b)		({ t _a = (a), _b = (b); _a < _b ? _a : _b; })
#define max_t(t, a, b)		({ t _a = (a), _b = (b); _a > _b ? _a : _b; })
#define min(a, b)		min_t(typeof((a) + (b)), a, b)
#define max(a, b)		max_t(typeof((a) + (b)), a, b)
#define struct_size(p, m, n)	(sizeof(*(p)) + sizeof((p)->m[0]) * (n))
#define ilog2(n)		(63 - __builtin_clzll(n))
#define cpu_to_be64(x)		((__be64)__builtin_bswap64(x))
#define be64_to_cpu(x)		((u64)__builtin_bswap64(x))
#define SZ_4K			0x1000UL
#define SZ_128M			0x8000000UL
#define SZ_2G			0x80000000UL
#define SZ_4G			0x100000000UL

/* Pages. scripts/prove defines PAGE_SHIFT. */
#define PAGE_SIZE		(1UL << PAGE_SHIFT)
#define PAGE_MASK		(~(PAGE_SIZE - 1))
#define PAGE_ALIGNED(x)		IS_ALIGNED((unsigned long)(x), PAGE_SIZE)
#define offset_in_page(x)	((unsigned long)(x) & ~PAGE_MASK)
#define PFN_UP(x)		(((x) + PAGE_SIZE - 1) >> PAGE_SHIFT)
#define PHYS_PFN(x)		((unsigned long)(x) >> PAGE_SHIFT)
#define LINUX_VERSION_CODE	KERNEL_VERSION(6, 12, 0)
#define KERNEL_VERSION(a, b, c)	(((a) << 16) + ((b) << 8) + (c))
#define TCE_HAS_LIST_COUNT
#define TCE_HAS_UNPIN_FOLIO

/* A page is known by its address, and the linear mapping has bit 63 set. */
struct page;
struct folio;
#define pfn_to_page(pfn)	((struct page *)((unsigned long)(pfn) << PAGE_SHIFT | BIT(63)))
#define SetPageDirty(page)	((void)(page))
enum { GFP_KERNEL, GFP_KERNEL_ACCOUNT, __GFP_NOWARN, FOLL_WRITE, FOLL_LONGTERM, FOLL_NOFAULT,
	RLIMIT_MEMLOCK, H_PUT_TCE, H_GET_TCE, PLPAR_HCALL_BUFSIZE = 4, FW_FEATURE_PUT_TCE_IND, FW_FEATURE_STUFF_TCE, HZ };

unsigned long totalram_pages(void);

/* Where user space ends, with pages of 64K or 4K */
#define TASK_SIZE_MAX		(PAGE_SHIFT > 12 ? 1UL << 52 : 1UL << 46)
#define access_ok(p, size) \
	((size) <= TASK_SIZE_MAX && (unsigned long)(p) <= TASK_SIZE_MAX - (size))

/* Lists */
#define container_of(p, t, m)	((t *)((char *)(p) - __builtin_offsetof(t, m)))
struct list_head { struct list_head *next, *prev; };
struct hlist_node { struct hlist_node *next, **pprev; };
struct hlist_head { struct hlist_node *first; };
struct rb_node { struct rb_node *rb_left, *rb_right; };
struct rb_root { struct rb_node *rb_node; };
struct rcu_head { int unused; };

#define RB_ROOT			((struct rb_root){ NULL })
#define rb_entry		container_of
#define rb_entry_safe(p, t, m)	({ struct rb_node *_n = (p); _n ? rb_entry(_n, t, m) : NULL; })
#define rbtree_postorder_for_each_entry_safe(p, n, root, m) for (;;)
#define hash_for_each(table, i, p, m) for (;;)
#define hash_for_each_possible_rcu(table, p, m, key) for (;;)
#define hlist_for_each_entry(p, head, m) for (;;)
#define hlist_for_each_entry_safe(p, n, head, m) for (;;)
#define DEFINE_HASHTABLE(name, bits) struct hlist_head name[1 << (bits)]
#define LIST_HEAD(name)		struct list_head name = { &(name), &(name) }
#define list_for_each_entry(p, head, m)					\
	for (p = container_of((head)->next, typeof(*p), m); &p->m != (head);	\
	     p = container_of(p->m.next, typeof(*p), m))
#define list_for_each_entry_rcu	list_for_each_entry
#define list_for_each_entry_safe(p, n, head, m)				\
	for (p = container_of((head)->next, typeof(*p), m);		\
	     n = container_of(p->m.next, typeof(*p), m), &p->m != (head); p = n)

static inline void list_add(struct list_head *new, struct list_head *head)
{
	new->next = head->next;
	new->prev = head;
	head->next->prev = new;
	head->next = new;
}

static inline void list_del(struct list_head *at)
{
	at->next->prev = at->prev;
	at->prev->next = at->next;
}

/* Tasks and work */
struct mmu_interval_notifier { int unused; };

struct mm_struct {
	unsigned long total_vm;
	unsigned long locked_vm;
	void *notifier_subscriptions;
	struct rw_semaphore mmap_lock;
};

struct task_struct {
	struct mm_struct *mm;
	int pid;
	char comm[16];
};

struct task_struct *current;
struct work_struct { int unused; };
struct delayed_work { struct work_struct work; };
struct completion { int unused; };
struct vfio_eeh_pe_op { int unused; };

/* Tracepoints and messages, which do nothing */
#define TP_PROTO(...)		__VA_ARGS__
#define TRACE_EVENT(name, proto, ...) static inline void trace_##name(proto) {}
#define DECLARE_EVENT_CLASS(...)
#define DEFINE_EVENT(class, name, proto, args) static inline void trace_##name(proto) {}
#define pr_warn_ratelimited(...) ((void)0)

/* asm/iommu.h, as far as the module looks into it */
#define IOMMU_TABLE_GROUP_MAX_TABLES	2
#define IOMMU_PAGE_MASK(tbl)		(~((1 << (tbl)->it_page_shift) - 1))
#define TCE_PCI_WRITE			0x2UL
#define TCE_PCI_READ			0x1UL

enum dma_data_direction { DMA_BIDIRECTIONAL, DMA_TO_DEVICE, DMA_FROM_DEVICE, DMA_NONE };

struct iommu_table;
struct iommu_table_group;

struct iommu_table_ops {
	int (*set)(struct iommu_table *tbl, long index, long n, unsigned long uaddr,
		   enum dma_data_direction dir, unsigned long attrs);
	int (*xchg_no_kill)(struct iommu_table *tbl, long index, unsigned long *hpa,
			    enum dma_data_direction *dir);
	void (*tce_kill)(struct iommu_table *tbl, unsigned long index, unsigned long n);
	__be64 *(*useraddrptr)(struct iommu_table *tbl, long index, bool alloc);
	void (*clear)(struct iommu_table *tbl, long index, long n);
	unsigned long (*get)(struct iommu_table *tbl, long index);
	void (*flush)(struct iommu_table *tbl);
	void (*free)(struct iommu_table *tbl);
};

struct iommu_table {
	unsigned long it_size;
	unsigned long it_indirect_levels;
	unsigned long it_level_size;
	unsigned long it_offset;
	unsigned long it_page_shift;
	unsigned long it_index;
	unsigned long it_base;
	__be64 *it_userspace;
	struct iommu_table_ops *it_ops;
};

struct iommu_table_group_ops { int unused; };
struct iommu_table_group { u32 tce32_size; };
