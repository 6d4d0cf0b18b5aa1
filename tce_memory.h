/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * User memory: what is pinned for a container, and who pays for it.
 *
 * Terms: "ua" is a userspace address, "hpa" a host physical address. An
 * "IOMMU page" is what one TCE maps, 2^shift bytes; it may be smaller or
 * larger than the CPU's page (PAGE_SIZE).
 */
#ifndef TCE_MEMORY_H
#define TCE_MEMORY_H

#include <linux/atomic.h>
#include <linux/dma-direction.h>
#include <linux/io.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mm_types.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/pfn.h>
#include <linux/refcount.h>
#include <linux/rwsem.h>
#include <linux/sizes.h>
#include <linux/types.h>

struct tce_mm;
struct tce_region;

/**
 * struct tce_mem - the user memory of one container
 * @mm: whose memory it is; set once by tce_mem_bind() and grabbed until
 *	tce_mem_destroy(). NULL before.
 * @users: who uses this memory, or the container around it: ioctls, and one for the
 *	container itself
 * @owed: pages that are still charged, but not needed any more; to be given back
 *	when no lock is held, by tce_mem_settle()
 * @charging: v1: ENABLE, DISABLE and who changes @charged take turns. Only these take
 *	it, and may sleep with it for as long as the client likes.
 * @charged: v1: pages charged for pins; guarded by @charging
 * @window: v1: pages that ENABLE has charged, which are enough for a whole window;
 *	0 while it is disabled; guarded by &tce_space.lock
 * @pins: v1: pages pinned, or about to be
 * @shared: v2: the regions of @mm, shared by all containers of the process
 * @lock: what MAP and UNMAP hold for reading, and who changes what they use for
 *	writing: that of the container's space, or with v2, once it is bound,
 *	&tce_mm.tree_lock of @shared
 * @regs: v2: what this container has registered (struct tce_registration);
 *	guarded by &tce_mm.lock
 * @closed: v2: nothing can be registered any more; guarded by &tce_mm.lock
 * @v2: pages are mapped out of registered regions, rather than pinned one
 *	by one as they are mapped
 */
struct tce_mem {
	struct mm_struct *mm;
	refcount_t users;
	atomic_long_t owed;
	struct mutex charging;
	unsigned long charged;
	unsigned long window;
	atomic_long_t pins;
	struct tce_mm *shared;
	struct rw_semaphore *lock;
	struct list_head regs;
	bool closed;
	bool v2;
};

void tce_mem_init(struct tce_mem *mem, bool v2);
void tce_mem_close(struct tce_mem *mem);
void tce_mem_destroy(struct tce_mem *mem);
int tce_mem_bind(struct tce_mem *mem);
void tce_mem_keep(struct tce_mem *mem);
void tce_mem_stuck(struct tce_mem *mem);
void tce_mem_exit(void);

int tce_mem_charge(struct tce_mem *mem, unsigned long npages);
void tce_mem_uncharge(struct tce_mem *mem, unsigned long npages);
void tce_mem_owe(struct tce_mem *mem, unsigned long npages);
void tce_mem_owe_all(struct tce_mem *mem);
void tce_mem_settle(struct tce_mem *mem);
bool tce_mem_try_settle(struct tce_mem *mem);

int tce_mem_register(struct tce_mem *mem, unsigned long ua,
		     unsigned long size);
int tce_mem_unregister(struct tce_mem *mem, unsigned long ua,
		       unsigned long size);
int tce_mem_register_again(struct tce_mem *mem, unsigned long ua,
			   unsigned long size);
struct tce_mem *tce_mem_unwanted(struct tce_mem *mem, unsigned long *ua,
				 unsigned long *size);

int tce_mem_check(struct tce_mem *mem, unsigned long ua, unsigned long size,
		  unsigned int shift, bool write);
struct tce_pins;
long tce_mem_get(struct tce_mem *mem, struct tce_pins *pins, __be64 *cells,
		 unsigned long ua, unsigned long n, unsigned int shift,
		 bool write, bool *ours, unsigned long *hpas);
int tce_region_get(struct tce_mem *mem, unsigned long ua, unsigned int shift,
		   bool write, unsigned long *hpa, u64 *cookie);
void tce_region_put(struct tce_mem *mem, u64 cookie, unsigned long hpa,
		    bool write);
void tce_pin_put(struct tce_mem *mem, u64 cookie, bool write);
int tce_pin_errno(long rc);
bool tce_pin_pass_on(__be64 *cell, u64 cookie);

/*
 * A cookie with this bit is no address that a process could have registered,
 * so that KVM finds nothing by it to count down, and sends the guest's call on
 * to user space. Those v2 cookies have it whose mapping the kernel's own
 * counter does not count, because the region is not in the kernel's list; and all
 * of v1.
 */
#define TCE_COOKIE_OURS	BIT_ULL(63)
/* In a v1 cookie, and in &tce_hold.what: the device may write */
#define TCE_WRITE	1UL
/*
 * v1 windows have 4K pages. So many entries in a row may map a page of the
 * CPU's from its beginning to its end; those that do share one pin, if they
 * were not mapped one by one.
 */
#define TCE_PER_PIN	(PAGE_SIZE / SZ_4K)
/* In a v1 cookie, where entries can share pins: this one does not */
#define TCE_ALONE	(TCE_PER_PIN > 1 ? 2UL : 0)

/**
 * tce_mm_has_kvm() - may KVM write entries and cells for a process?
 * @mm: its memory
 *
 * KVM watches the process's memory by an MMU notifier.
 *
 * Return: false if not. Once true, it stays so.
 */
static __always_inline bool tce_mm_has_kvm(const struct mm_struct *mm)
{
#ifdef CONFIG_MMU_NOTIFIER
	/* litmus/notifier.litmus: mm_has_notifiers(), but read once */
	return unlikely(READ_ONCE(mm->notifier_subscriptions));
#else
	return false;
#endif
}

/**
 * tce_mem_has_kvm() - may KVM write entries and cells for this memory's process?
 * @mem: a bound container's memory
 *
 * Return: as tce_mm_has_kvm(); always false for v1, whose cells KVM does not see.
 */
static __always_inline bool tce_mem_has_kvm(const struct tce_mem *mem)
{
	return mem->v2 && tce_mm_has_kvm(mem->mm);
}

/**
 * tce_mem_cookie() - what a table shall remember of an entry's memory
 * @v2: &tce_mem.v2
 * @ours: what tce_mem_get() said: v2: the region is not in the kernel's list
 * @ua: where the owner sees the IOMMU page
 * @hpa: where it is
 * @write: the device may write
 *
 * v2: the userspace address, as KVM keeps it in the same place, or marked as
 * ours. v1: the address, marked as well, or, where no pin is shared, the struct
 * page, which is cheaper to use; | TCE_WRITE.
 *
 * Return: the cookie, never 0.
 */
static __always_inline u64 tce_mem_cookie(bool v2, bool ours, unsigned long ua,
					  unsigned long hpa, bool write)
{
	if (v2)
		return ua | (ours ? TCE_COOKIE_OURS : 0);
	if (TCE_PER_PIN > 1)
		return TCE_COOKIE_OURS | hpa | (write ? TCE_WRITE : 0);
	return (unsigned long)pfn_to_page(PHYS_PFN(hpa)) |
	       (write ? TCE_WRITE : 0);
}

/**
 * tce_page_hpa() - where a page is
 * @page: the page
 *
 * Return: its hpa.
 */
static __always_inline unsigned long tce_page_hpa(struct page *page)
{
	/*
	 * Without vmemmap the kernel finds a page's number by its flags. Others
	 * may change those, but not the bits that tell where the page is.
	 */
	return data_race(page_to_phys(page));
}

/**
 * tce_pin_get() - v1: pin the page behind one entry
 * @ua: where the owner sees it
 * @write: the device will be allowed to write
 * @page: the page is returned here
 *
 * Undone by unpin_user_page(), or, once an entry has it, by tce_pin_put(). Context:
 * the owner of the memory; sleeps for as long as he likes, so with no lock held.
 *
 * Return: 0; -EFAULT; -ENOMEM; -EINTR.
 */
static __always_inline int tce_pin_get(unsigned long ua, bool write,
				       struct page **page)
{
	/* which asks whether that is the user's, and for the page around it */
	int got = pin_user_pages_fast(ua, 1,
				      FOLL_LONGTERM | (write ? FOLL_WRITE : 0),
				      page);

	return likely(got == 1) ? 0 : tce_pin_errno(got);
}

/**
 * tce_pin_count() - v1: an entry is about to hold one more pin
 * @mem: the container's memory, with &tce_mem.lock held
 *
 * Undone by tce_pin_uncount(), or by tce_pin_put().
 *
 * Return: true; false if more would be pinned than was charged.
 */
static __always_inline bool tce_pin_count(struct tce_mem *mem)
{
	/* litmus/charge.litmus: it is counted before it looks what is charged */
	if (likely(atomic_long_inc_return(&mem->pins) <=
		   READ_ONCE(mem->charged)))
		return true;
	atomic_long_dec(&mem->pins);
	return false;
}

/**
 * tce_pin_uncount() - undo tce_pin_count()
 * @mem: the container's memory
 */
static __always_inline void tce_pin_uncount(struct tce_mem *mem)
{
	atomic_long_dec(&mem->pins);
}

/**
 * tce_pin_cookie() - what a table shall remember of what tce_pin_get() pinned
 * @page: the page
 * @hpa: of the entry
 * @write: the device may write
 *
 * Return: the cookie, as tce_mem_cookie(), of a pin that is not shared.
 */
static __always_inline u64 tce_pin_cookie(struct page *page, unsigned long hpa,
					  bool write)
{
	u64 cookie = (unsigned long)page;

	if (TCE_PER_PIN > 1)
		cookie = TCE_COOKIE_OURS | TCE_ALONE | hpa;
	return cookie | (write ? TCE_WRITE : 0);
}

/**
 * tce_pin_shared() - may other entries share the pin of a v1 cookie?
 * @cookie: the cookie
 *
 * Return: false for those of tce_pin_cookie(), and where none is ever shared.
 */
static __always_inline bool tce_pin_shared(u64 cookie)
{
	return TCE_PER_PIN > 1 && !(cookie & TCE_ALONE);
}

/**
 * tce_mem_pass_on() - does another entry go on to hold the same?
 * @mem: the container's memory
 * @cell: the entry's cell, which does not have the cookie any more
 * @cookie: what it had
 *
 * v1, where entries share pins. Caller keeps others out of the entries
 * TCE_PER_PIN around.
 *
 * Return: true if one does; nothing is to be put for @cookie then.
 */
static __always_inline bool tce_mem_pass_on(const struct tce_mem *mem,
					    __be64 *cell, u64 cookie)
{
	return TCE_PER_PIN > 1 && !mem->v2 && tce_pin_shared(cookie) &&
	       tce_pin_pass_on(cell, cookie);
}

#define TCE_PINS_INLINE	16

/**
 * struct tce_pins - v1: pages that a MAP has pinned before it takes a lock
 * @mem: whose memory
 * @ua: of the first page
 * @n: pages
 * @taken: pages whose pins entries have by now
 * @pages: the pages; where entries share pins, | TCE_PIN_TAKEN for one of those
 * @few: the pages, if there are few
 *
 * They count as pinned from the start, so that no more is pinned than was charged, but
 * for one page of each thread that maps single pages.
 */
struct tce_pins {
	struct tce_mem *mem;
	unsigned long ua;
	unsigned long n;
	unsigned long taken;
	unsigned long *pages;
	unsigned long few[TCE_PINS_INLINE];
};

#define TCE_PIN_TAKEN	1UL

int tce_pins_get(struct tce_pins *pins, struct tce_mem *mem, unsigned long ua,
		 unsigned long size, bool write);
void tce_pins_put(struct tce_pins *pins);
void tce_pins_allow(struct tce_mem *mem, unsigned long npages);
void tce_pins_trim(struct tce_mem *mem);

/**
 * tce_pins_to_trim() - v1: is there something for tce_pins_trim() to do?
 * @mem: the container's memory
 *
 * Return: true if more is charged than a window needs.
 */
static __always_inline bool tce_pins_to_trim(const struct tce_mem *mem)
{
	return READ_ONCE(mem->charged) > READ_ONCE(mem->window);
}

/**
 * struct tce_hold - what some cleared entries held
 * @what: v2: the region; v1: the struct page, | TCE_WRITE
 * @n: v2: entries; v1: pages from this one on
 */
struct tce_hold {
	unsigned long what;
	unsigned long n;
};

#define TCE_HOLDS_INLINE	16

/**
 * struct tce_holds - holds on user memory that wait for an invalidation
 * @mem: whose memory
 * @region: v2: the region that was found last
 * @first: the elements
 * @next: the next free element
 * @end: where they end
 * @few: the elements to begin with, so that a short call allocates nothing
 *
 * An entry's page may be let go only after the entry was killed: until then
 * the device can reach it. So whoever clears entries collects what they held
 * here, kills, and calls tce_holds_release().
 */
struct tce_holds {
	struct tce_mem *mem;
	struct tce_region *region;
	struct tce_hold *first;
	struct tce_hold *next;
	struct tce_hold *end;
	struct tce_hold few[TCE_HOLDS_INLINE];
};

void tce_holds_init(struct tce_holds *holds, struct tce_mem *mem);
void tce_holds_destroy(struct tce_holds *holds);
bool tce_holds_grow(struct tce_holds *holds);
void tce_holds_add(struct tce_holds *holds, u64 cookie, unsigned long hpa,
		   bool write);
unsigned long tce_holds_take(struct tce_holds *holds, __be64 *cells,
			     unsigned long n);
unsigned long tce_mem_put_cells(struct tce_mem *mem, __be64 *cells,
				unsigned long n);
void tce_holds_release(struct tce_holds *holds);

/**
 * tce_holds_full() - is there no room for one more hold?
 * @holds: the holds
 *
 * To be asked before each entry is cleared. Context: may sleep to allocate.
 *
 * Return: true if the holds must be released before the next is added.
 */
static inline bool tce_holds_full(struct tce_holds *holds)
{
	return holds->next == holds->end && !tce_holds_grow(holds);
}

#endif /* TCE_MEMORY_H */
