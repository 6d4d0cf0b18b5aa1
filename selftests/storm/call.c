// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls: how they are made of random numbers, and how they are done.
 *
 * A task can be killed in any of them, so nothing takes a lock of the C library's there.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storm.h"

const char *const kinds[KINDS] = {
	[MAP] = "MAP", [UNMAP] = "UNMAP", [REGISTER] = "REGISTER", [UNREGISTER] = "UNREGISTER",
	[CREATE] = "CREATE", [REMOVE] = "REMOVE", [ENABLE] = "ENABLE", [DISABLE] = "DISABLE",
	[GET_INFO] = "GET_INFO", [EEH] = "EEH", [LEAVE] = "a group that leaves and joins",
	[CLOSE] = "a container that closes", [HCALL] = "a hypercall",
	[GIVE] = "tables that KVM gets", [MEMORY] = "memory that is given back",
	[FORK] = "fork", [STATE] = "the state file",
};

/*
 * How often each kind is drawn, by interface, which refuses what it does not have. Whatever a
 * container has is gone when it closes, so that this is rare.
 */
static const unsigned char weights[3][KINDS] = {
	[1] = { [MAP] = 24, [UNMAP] = 24, [REGISTER] = 1, [UNREGISTER] = 1, [CREATE] = 1,
		[REMOVE] = 1, [ENABLE] = 14, [DISABLE] = 3, [GET_INFO] = 6, [EEH] = 6, [LEAVE] = 1,
		[CLOSE] = 1, [HCALL] = 8, [GIVE] = 2, [MEMORY] = 8, [FORK] = 4, [STATE] = 5 },
	[2] = { [MAP] = 26, [UNMAP] = 16, [REGISTER] = 20, [UNREGISTER] = 6, [CREATE] = 10,
		[REMOVE] = 4, [ENABLE] = 1, [DISABLE] = 1, [GET_INFO] = 6, [EEH] = 6, [LEAVE] = 1,
		[CLOSE] = 1, [HCALL] = 20, [GIVE] = 6, [MEMORY] = 8, [FORK] = 4, [STATE] = 5 },
};

static int content;			/* a file with what the arena contains */

/* Memory that is never all zeros, so that the device shows whether it reaches what was there. */
void arena_init(void)
{
	uint8_t page[PAGE];
	uint64_t at;

	content = memfd_create("arena", MFD_CLOEXEC);
	for (at = 0; at < ARENA_SIZE; at += PAGE) {
		fill(page, PAGE, at / PAGE);
		expect(write(content, page, PAGE) == PAGE);
	}
	expect(mmap(ARENA, ARENA_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED_NOREPLACE,
		    content, 0) == ARENA);
}

void arena_fill_holes(void)
{
	uint8_t *at;

	for (at = ARENA; at < ARENA + ARENA_SIZE; at += host.page)
		mmap(at, host.page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED_NOREPLACE,
		     content, at - ARENA);
}

/* What REGISTER and UNREGISTER name: chunks and all of the arena, and as many odd ones */
void regions_init(void)
{
	uint64_t first, n;
	int i;

	for (i = 0; i < REGIONS; i++) {
		if (i < REGIONS / 2) {
			n = i % 6 < 4 ? 1 : i % 6 == 4 ? 2 : 4;
			first = n == 4 ? 0 : i % 4;
			n = first + n > 4 ? 1 : n;
			first *= PAGES;
			n *= PAGES;
		} else {
			first = draw(&r.random, ARENA_SIZE / PAGE);
			n = 1 + draw(&r.random, i % 2 ? 32 : ARENA_SIZE / PAGE - first);
		}
		r.region[i].at = ARENA + first * PAGE;
		r.region[i].size = n * PAGE;
	}
}

/* Where neither the window nor the memory has to begin with a large page */
void spots_init(void)
{
	struct spot *spot;

	for (spot = r.spot; spot < r.spot + SPOTS; spot++) {
		spot->group = draw(&r.random, r.groups);
		spot->size = (PAGES + 1 + draw(&r.random, 2 * PAGES)) * PAGE;
		spot->at = draw(&r.random, (ARENA_SIZE - spot->size) / PAGE) * PAGE;
		spot->iova = r.start[r.slot[slot_of(spot->group)].version == 2 && !draw(&r.random, 3)] +
			     draw(&r.random, (PLAYGROUND - spot->size) / PAGE) * PAGE;
	}
}

/* One in @n */
static bool chance(struct worker *w, unsigned int n)
{
	return !draw(&w->random, n);
}

/* Any multiple of 4K up to @end, or as often one of 64K; many of them near the ends of chunks */
static uint64_t random_offset(struct worker *w, uint64_t end)
{
	uint64_t at = draw(&w->random, end / PAGE);

	if (chance(w, 2))
		at = at / PAGES * PAGES + draw(&w->random, 33) - (at >= PAGES ? 16 : 0);
	return chance(w, 2) ? at * PAGE : at / 16 * 16 * PAGE;
}

static uint64_t length(struct worker *w)
{
	static const unsigned int most[] = { 1, 1, 16, 32, PAGES, 2 * PAGES, 2 * PAGES, 4 * PAGES };
	uint64_t n = 1 + draw(&w->random, most[draw(&w->random, 8)]);

	return chance(w, 2) ? n * PAGE : (n + 15) / 16 * 16 * PAGE;
}

static uint64_t ioba(struct worker *w)
{
	/* v1 has no second window */
	uint64_t start = r.start[chance(w, r.slot[w->call.slot].version == 2 ? 3 : 16)];

	if (chance(w, 32))		/* up to the end, and beyond */
		return start + r.size - PLAYGROUND + random_offset(w, PLAYGROUND);
	return start + random_offset(w, PLAYGROUND) + (chance(w, 32) ? 2048 : 0);
}

/* All of the spot for MAP and sometimes others, or else what is around the end of a chunk of it */
static void aim(struct worker *w, const struct spot *spot)
{
	struct call *c = &w->call;
	uint64_t from = 0;

	c->b = spot->size;
	if (!chance(w, c->kind == MAP ? 8 : 2)) {
		from = (1 + draw(&w->random, spot->size / PAGE / PAGES)) * PAGES - 1 - draw(&w->random, 17);
		from *= PAGE;
		c->b = (1 + draw(&w->random, 32)) * PAGE;
	}
	c->a = spot->iova + from;
	c->c = spot->at + from;
}

static enum kind draw_kind(struct worker *w, int version)
{
	unsigned int sum = 0, at, i;

	for (i = 0; i < KINDS; i++)
		sum += weights[version][i];
	do {
		at = draw(&w->random, sum);
		for (i = 0; at >= weights[version][i]; i++)
			at -= weights[version][i];
	} while (!r.kvm && (i == HCALL || i == GIVE));
	return i;
}

void make_call(struct worker *w)
{
	static const uint32_t shifts[] = { 12, 12, 12, 16, 16, 21, 13, 70 };
	const struct spot *spot;
	struct call *c = &w->call;
	bool aims;
	int i;

	/* the same whatever has become of those before, of which one may have been killed */
	w->random = w->seed + --w->left;
	spot = &r.spot[draw(&w->random, SPOTS)];
	aims = !chance(w, 3);
	c->group = aims ? spot->group : (int)draw(&w->random, r.groups);
	c->slot = slot_of(c->group);
	c->kind = draw_kind(w, r.slot[c->slot].version);
	if (chance(w, 2))
		c->kind = w->favourite;
	c->how = draw(&w->random, 64);
	c->any = draw(&w->random, 1 << 30);
	switch (c->kind) {
	case MAP:
	case UNMAP:
	case HCALL:
		if (aims) {
			aim(w, spot);
			break;
		}
		c->a = ioba(w);
		c->b = length(w);
		c->c = random_offset(w, ARENA_SIZE) + (chance(w, 32) ? 512 : 0);
		if (c->b > ARENA_SIZE - c->c && !chance(w, 4))
			c->b = ARENA_SIZE - c->c;
		if (chance(w, 16)) {
			c->a = r.start[chance(w, 2)];
			c->b = r.size << draw(&w->random, 2);
		}
		break;
	case REGISTER:
	case UNREGISTER:
		/* odd ones are in the way of others, and go sooner */
		i = draw(&w->random, chance(w, 6) == (c->kind == REGISTER) ? REGIONS : 4);
		c->a = (uintptr_t)r.region[i].at;
		c->b = r.region[i].size;
		break;
	case CREATE:
		c->a = shifts[draw(&w->random, 8)];
		c->b = 1ULL << (26 + draw(&w->random, 6));
		if (chance(w, 4))
			c->b = chance(w, 2) ? c->b + PAGE : c->b << 32;
		c->c = chance(w, 4) ? draw(&w->random, 7) : 1;
		break;
	case REMOVE:
		c->a = r.start[chance(w, 2)] + (chance(w, 4) ? random_offset(w, PLAYGROUND) : 0);
		break;
	case MEMORY:
		c->a = aims ? spot->at + draw(&w->random, spot->size) : random_offset(w, ARENA_SIZE);
		c->a = c->a / host.page * host.page;
		c->b = (length(w) + host.page - 1) / host.page * host.page;
		if (c->b > ARENA_SIZE - c->a)
			c->b = ARENA_SIZE - c->a;
		break;
	case FORK:
		c->a = draw(&w->random, 3);
		break;
	default:
		break;
	}
}

/* A group joins the container of its slot, which may have its driver already. */
long join(int group)
{
	int slot = slot_of(group);
	long rc = __set_container(r.group[group], r.slot[slot].fd);

	__set_iommu(r.slot[slot].fd, r.slot[slot].version == 1 ? V1_IOMMU : V2_IOMMU);
	return rc;
}

/*
 * KVM gets no table of a group that is leaving: it would keep and warn of the host's own
 * (Documentation/kernel-defects.rst). Where tasks are killed, KVM gets none at all.
 */
static pthread_rwlock_t moving = PTHREAD_RWLOCK_INITIALIZER;

static long leave(int group, bool twice)
{
	long rc;

	if (!r.kills)
		pthread_rwlock_rdlock(&moving);
	rc = __unset_container(r.group[group]);
	if (twice)
		rc = __unset_container(r.group[group]);
	join(group);
	if (!r.kills)
		pthread_rwlock_unlock(&moving);
	return rc;
}

static long give(int group)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	long rc = -EBUSY;

	pthread_rwlock_wrlock(&moving);
	if (!__raw(r.group[group], VFIO_GROUP_GET_STATUS, &status) &&
	    status.flags & VFIO_GROUP_FLAGS_CONTAINER_SET) {
		guest_del_group(r.group[group]);
		rc = guest_add_group(r.group[group]);
	}
	pthread_rwlock_unlock(&moving);
	return rc;
}

/* The file goes at once, and what it was for when its groups have left. */
static long close_container(const struct call *c)
{
	int fd = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC), i;

	if (fd < 0)
		return -errno;
	dup3(fd, r.slot[c->slot].fd, O_CLOEXEC);
	close(fd);
	for (i = 0; i < r.groups; i++)
		if (slot_of(i) == c->slot)
			leave(i, false);
	return 0;
}

static long hypercall(struct worker *w, const struct call *c)
{
	uint64_t gpa = (GUEST_ARENA + c->c) | (c->how & TCE_RW), n = c->b / PAGE, i;
	uint64_t *list = (uint64_t *)(guest.mem + GUEST_LIST + w->id * 2 * PAGE);
	uint64_t left = (r.start[0] + GUEST_WINDOW - c->a) / PAGE;

	/* Before 6.12.113 KVM looks at the first entry alone, and writes behind its own table. */
	if (n > left)
		n = left;
	if (c->how < 20)
		return hcall(H_PUT_TCE, LIOBN, c->a, gpa, 0);
	if (c->how < 40)
		return hcall(H_STUFF_TCE, LIOBN, c->a, 0, n);
	for (i = 0; i < n && i < PAGES; i++)
		list[i] = htobe64(gpa + i * PAGE);
	return hcall(H_PUT_TCE_INDIRECT, LIOBN, c->a, (uint8_t *)list - guest.mem,
		     n <= PAGES || c->how == 40 ? n : PAGES);
}

static long give_memory_back(const struct call *c)
{
	uint8_t *at = ARENA + c->a;

	if (c->how < 24)
		return madvise(at, c->b, MADV_DONTNEED) ? -errno : 0;
	if (c->how < 40)
		munmap(at, c->b);
	return mmap(at, c->b, PROT_READ | (c->how % 8 ? PROT_WRITE : 0),
		    (c->how % 4 ? MAP_PRIVATE : MAP_SHARED) | MAP_FIXED, content, c->a) == at ?
		0 : -errno;
}

/* A child with the same files and a copy of the memory, for a moment */
static long fork_child(const struct call *c)
{
	int status, pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		nap(c->a);
		_exit(0);
	}
	return waitpid(pid, &status, 0) == pid ? 0 : -errno;
}

/* All that root reads, cut off where @text is full */
long state_text(char *text, size_t size)
{
	int fd = open("/sys/kernel/debug/vfio_iommu_spapr_tce/state", O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	while (len < size - 1 && (n = read(fd, text + len, size - 1 - len)) > 0)
		len += n;
	text[len] = '\0';
	close(fd);
	return len ? 0 : -EIO;
}

/* Each line of it says what it is about, though all of that comes and goes. */
static void check_lines(char *text)
{
	char *end, word[16];

	for (; (end = strchr(text, '\n')); text = end + 1) {
		snprintf(word, sizeof(word), " %.*s", (int)strcspn(text, "\n ") + 1, text);
		expect(strstr(" module process region container group window ", word));
	}
}

static long do_kind(struct worker *w, const struct call *c)
{
	static const uint8_t eeh[] = { VFIO_EEH_PE_GET_STATE, VFIO_EEH_PE_GET_STATE,
		VFIO_EEH_PE_ENABLE, VFIO_EEH_PE_UNFREEZE_IO, VFIO_EEH_PE_UNFREEZE_DMA,
		VFIO_EEH_PE_CONFIGURE, 99, 99 };
	struct vfio_iommu_spapr_tce_info info = { .argsz = c->how < 16 ? 4 : sizeof(info) };
	int fd = r.slot[c->slot].fd;
	char text[2048];
	uint64_t start;
	long rc;

	switch (c->kind) {
	case MAP:
		return __map(fd, ARENA + c->c, c->a, c->b, c->how < 60 ? c->how % 3 + 1 : c->how);
	case UNMAP:
		return __unmap(fd, c->a, c->b);
	case REGISTER:
		return __register(fd, (void *)c->a, c->b);
	case UNREGISTER:
		return __unregister(fd, (void *)c->a, c->b);
	case CREATE:
		return __create(fd, c->a, c->b, c->c, &start);
	case REMOVE:
		return __remove(fd, c->a);
	case ENABLE:
		return __enable(fd);
	case DISABLE:
		return __disable(fd);
	case GET_INFO:
		return __raw(fd, VFIO_IOMMU_SPAPR_TCE_GET_INFO, &info);
	case EEH:	/* no reset: it takes seconds, and selftests/eeh has it */
		return __eeh(fd, eeh[c->how % 8]);
	case LEAVE:
		return leave(c->group, c->how % 2);
	case CLOSE:
		return close_container(c);
	case HCALL:
		return hypercall(w, c);
	case GIVE:	/* not halfway, and the table once: see guest_del_group() and without_kvm() */
		if (r.kills || r.end == END_KILLED || w->id != c->group || c->group >= r.containers)
			return -EBUSY;
		return give(c->group);
	case MEMORY:
		return give_memory_back(c);
	case FORK:
		return fork_child(c);
	default:
		rc = state_text(text, sizeof(text));
		if (!rc)
			check_lines(text);
		return rc;
	}
}

void do_call(struct worker *w)
{
	const struct call *c = &w->call;
	enum kind other;
	long rc;
	int i;

	w->now = c->kind;
	for (i = 0; i < r.workers; i++) {
		other = r.worker[i].now;
		if (i == w->id || other == KINDS)
			continue;
		tally->both[c->kind][other]++;
		if (other != c->kind)
			tally->both[other][c->kind]++;
	}
	rc = do_kind(w, c);
	w->now = KINDS;
	w->turns++;
	if (rc < 0 || rc == NOT_IN_KERNEL)
		__atomic_fetch_add(&tally->refused[c->kind], 1, __ATOMIC_RELAXED);
	else
		__atomic_fetch_add(&tally->done[c->kind], 1, __ATOMIC_RELAXED);
	if (!rc && c->kind == MAP)
		w->mapped[w->nmapped++ % 16] = c->a + c->any % (c->b / PAGE) * PAGE;
}
