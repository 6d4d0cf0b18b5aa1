// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "vfio.h"

#define EDU_VENDOR	0x1234
#define EDU_DEVICE	0x11e8

/* Bit 59 selects the second window on PowerNV. */
#define SECOND_WINDOW	(1ULL << 59)

struct host host = { .other = -1 };

long __raw(int fd, unsigned long cmd, void *arg)
{
	long rc = ioctl(fd, cmd, arg);

	return rc < 0 ? -errno : rc;
}

/*
 * The machine
 */
static unsigned long read_hex(const char *dev, const char *attr)
{
	char path[300], buf[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", dev, attr);
	f = fopen(path, "r");
	if (!f)
		return 0;
	if (!fgets(buf, sizeof(buf), f))
		buf[0] = '\0';
	fclose(f);
	return strtoul(buf, NULL, 16);
}

static int read_group(const char *dev)
{
	char path[300], target[300];
	ssize_t len;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", dev);
	len = readlink(path, target, sizeof(target) - 1);
	if (len < 0)
		return -1;
	target[len] = '\0';
	return atoi(strrchr(target, '/') + 1);
}

static bool given_to_vfio(const char *dev)
{
	char path[300], target[300];
	ssize_t len;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", dev);
	len = readlink(path, target, sizeof(target) - 1);
	if (len < 0)
		return false;
	target[len] = '\0';
	return !strcmp(strrchr(target, '/'), "/vfio-pci");
}

static uid_t file_owner(int group)
{
	struct stat st;
	char path[32];

	snprintf(path, sizeof(path), "/dev/vfio/%d", group);
	return stat(path, &st) ? 0 : st.st_uid;
}

static int not_dot(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static void find_devices(void)
{
	struct dirent **list;
	int i, n;

	/* Sorted, so that the first device is the same one every time. */
	n = scandir("/sys/bus/pci/devices", &list, not_dot, alphasort);
	for (i = 0; i < n && host.devices < MAX_DEVICES; i++) {
		const char *dev = list[i]->d_name;
		int at = host.devices;

		if (read_hex(dev, "vendor") != EDU_VENDOR ||
		    read_hex(dev, "device") != EDU_DEVICE ||
		    !given_to_vfio(dev))
			continue;
		snprintf(host.device[at].pci, sizeof(host.device[at].pci), "%.31s",
			 dev);
		host.device[at].group = read_group(dev);
		host.device[at].owner = file_owner(host.device[at].group);
		if (host.other < 0 &&
		    host.device[at].group != host.device[0].group)
			host.other = at;
		host.devices++;
	}
}

/* Makes @pci, which need not be an edu, the only device. */
bool host_use(const char *pci)
{
	if (!given_to_vfio(pci))
		return false;
	snprintf(host.device[0].pci, sizeof(host.device[0].pci), "%.31s", pci);
	host.device[0].group = read_group(pci);
	host.devices = 1;
	host.other = -1;
	return true;
}

long write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	long rc = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

/* Where devices are now, after some of them went and came back. */
void host_refresh(void)
{
	int i;

	for (i = 0; i < host.devices; i++)
		host.device[i].group = read_group(host.device[i].pci);
}

bool host_restore(void)
{
	char path[300];
	int i;

	for (i = 0; i < host.devices; i++) {
		const char *pci = host.device[i].pci;

		if (given_to_vfio(pci))
			continue;
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", pci);
		if (access(path, F_OK))
			write_to("/sys/bus/pci/rescan", "1");
		snprintf(path, sizeof(path),
			 "/sys/bus/pci/devices/%s/driver_override", pci);
		write_to(path, "vfio-pci");
		write_to("/sys/bus/pci/drivers_probe", pci);
		if (!given_to_vfio(pci)) {
			note("%s does not go back to vfio-pci", pci);
			return false;
		}
		snprintf(path, sizeof(path), "/dev/vfio/%d", read_group(pci));
		if (chown(path, host.device[i].owner, 0))
			note("%s: %m", path);
	}
	host_refresh();
	return true;
}

static bool find_line(const char *path, const char *text)
{
	char line[256];
	bool found = false;
	FILE *f = fopen(path, "r");

	while (f && !found && fgets(line, sizeof(line), f))
		found = strstr(line, text) != NULL;
	if (f)
		fclose(f);
	return found;
}

/*
 * Whether the device drives address bits above the first window: a narrow one
 * clamps addresses and reads the first window's page at the second's address.
 */
static bool probe_wide(void)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		const uint64_t iova = 16 * MiB;
		struct tce t;
		uint8_t *page;

		attach(&t, 2);
		page = alloc(2 * host.page, host.page);
		fill(page, EDU_MAX, 1);
		allow(&t, page, 2 * host.page);
		map(t.container, page, iova, 2 * host.page, RW);
		expect_rc(0, edu_open(&t.edu, t.group, 0));
		edu_read(&t.edu, SECOND_WINDOW + iova, 0, EDU_MAX);
		edu_write(&t.edu, iova + host.page, 0, EDU_MAX);
		_exit(filled(page + host.page, EDU_MAX, 1) ? 2 : 0);
	}
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	       WEXITSTATUS(status) == 0;
}

/* Finds out what there is, and uses nothing of it. */
void host_init_quiet(void)
{
	host.page = sysconf(_SC_PAGESIZE);
	host.powernv = find_line("/proc/cpuinfo", "PowerNV");
	find_devices();
}

void host_init(void)
{
	host_init_quiet();
	if (host.devices) {
		long pins = pinned();

		host.wide = probe_wide();
		pinned_settled(pins);
	}
	note("%s, %zuK pages, %d edu devices%s, %s", host.powernv ? "powernv" :
	     "pseries", host.page / 1024, host.devices,
	     host.wide ? " with 64-bit DMA" : "", host.other < 0 ?
	     "one group" : "several groups");
}

/*
 * Files
 */
int open_container(void)
{
	int fd = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		fail(__FILE__, __LINE__, "/dev/vfio/vfio: %m");
	return fd;
}

int __open_group(int device)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/dev/vfio/%d", host.device[device].group);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int open_group(int device)
{
	int fd;

	if (device >= host.devices)
		fail(__FILE__, __LINE__, "no edu device is bound to vfio-pci");
	fd = __open_group(device);
	if (fd < 0)
		fail(__FILE__, __LINE__, "group %d: %s",
		     host.device[device].group, strerror(-fd));
	return fd;
}

long __set_container(int group, int container)
{
	return __raw(group, VFIO_GROUP_SET_CONTAINER, &container);
}

long __unset_container(int group)
{
	return __raw(group, VFIO_GROUP_UNSET_CONTAINER, NULL);
}

long __set_iommu(int container, long type)
{
	return __raw(container, VFIO_SET_IOMMU, (void *)type);
}

long __check_extension(int container, long extension)
{
	return __raw(container, VFIO_CHECK_EXTENSION, (void *)extension);
}

void attach(struct tce *t, int version)
{
	t->version = version;
	t->group2 = -1;
	t->enabled = false;
	t->container = open_container();
	t->group = open_group(0);
	set_container(t->group, t->container);
	set_iommu(t->container, version == 1 ? V1_IOMMU : V2_IOMMU);
	get_info(t->container, &t->info);
}

void detach(struct tce *t)
{
	unset_container(t->group);
	close(t->group);
	close(t->container);
}

/*
 * Commands
 */
long __get_info(int container, struct vfio_iommu_spapr_tce_info *info)
{
	memset(info, 0, sizeof(*info));
	info->argsz = sizeof(*info);
	return __raw(container, VFIO_IOMMU_SPAPR_TCE_GET_INFO, info);
}

long __enable(int container)
{
	return __raw(container, VFIO_IOMMU_ENABLE, NULL);
}

long __disable(int container)
{
	return __raw(container, VFIO_IOMMU_DISABLE, NULL);
}

static long registration(int container, unsigned long cmd, const void *va,
			 uint64_t size)
{
	struct vfio_iommu_spapr_register_memory arg = {
		.argsz = sizeof(arg),
		.vaddr = (uintptr_t)va,
		.size = size,
	};

	return __raw(container, cmd, &arg);
}

long __register(int container, const void *va, uint64_t size)
{
	return registration(container, VFIO_IOMMU_SPAPR_REGISTER_MEMORY, va,
			    size);
}

long __unregister(int container, const void *va, uint64_t size)
{
	return registration(container, VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY, va,
			    size);
}

long __create(int container, uint32_t shift, uint64_t size, uint32_t levels,
	      uint64_t *start)
{
	struct vfio_iommu_spapr_tce_create arg = {
		.argsz = sizeof(arg),
		.page_shift = shift,
		.window_size = size,
		.levels = levels,
		.start_addr = ~0ULL,
	};
	long rc = __raw(container, VFIO_IOMMU_SPAPR_TCE_CREATE, &arg);

	*start = arg.start_addr;
	return rc;
}

long __remove(int container, uint64_t start)
{
	struct vfio_iommu_spapr_tce_remove arg = {
		.argsz = sizeof(arg),
		.start_addr = start,
	};

	return __raw(container, VFIO_IOMMU_SPAPR_TCE_REMOVE, &arg);
}

long __map(int container, const void *va, uint64_t iova, uint64_t size,
	   uint32_t flags)
{
	struct vfio_iommu_type1_dma_map arg = {
		.argsz = sizeof(arg),
		.flags = flags,
		.vaddr = (uintptr_t)va,
		.iova = iova,
		.size = size,
	};

	return __raw(container, VFIO_IOMMU_MAP_DMA, &arg);
}

long __unmap(int container, uint64_t iova, uint64_t size)
{
	struct vfio_iommu_type1_dma_unmap arg = {
		.argsz = sizeof(arg),
		.iova = iova,
		.size = size,
	};

	return __raw(container, VFIO_IOMMU_UNMAP_DMA, &arg);
}

/* INJECT_ERR has a command of its own: it takes the longer structure. */
long __eeh(int container, uint32_t op)
{
	struct vfio_eeh_pe_op arg = {
		.argsz = offsetof(struct vfio_eeh_pe_op, op) + sizeof(arg.op),
		.op = op,
	};

	return __raw(container, VFIO_EEH_PE_OP, &arg);
}

long __allow(struct tce *t, const void *va, uint64_t size)
{
	long rc;

	if (t->version == 2)
		return __register(t->container, va, size);
	if (t->enabled)
		return 0;
	rc = __enable(t->container);
	t->enabled = !rc;
	return rc;
}

/*
 * PowerNV allocates whole pages for each level and twice, for the hardware and
 * for user addresses; pseries accounts for the single view in this kernel.
 */
uint64_t table_bytes(unsigned int shift, uint64_t size, unsigned int levels)
{
	uint64_t entries = size >> shift, level, total = 0, part;
	unsigned int entry_shift = 0;

	if (!host.powernv)
		return entries * 8 / host.page * host.page;

	while ((1ULL << entry_shift) < entries)
		entry_shift++;
	entry_shift = (entry_shift + levels - 1) / levels;
	level = 8ULL << entry_shift;
	if (level < host.page)
		level = host.page;
	for (part = entries * 8; levels; levels--) {
		part = (part + level - 1) / level * level;
		total += part;
		part = part / level * 8;
	}
	return 2 * total;
}

bool has_shift(const struct tce *t, unsigned int shift)
{
	return t->info.ddw.pgsizes & (1ULL << shift);
}

/*
 * Memory
 */
void *alloc(size_t size, size_t align)
{
	uint8_t *p = mmap(NULL, size + align, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		fail(__FILE__, __LINE__, "mmap of %zu bytes: %m", size + align);
	p = (uint8_t *)(((uintptr_t)p + align - 1) / align * align);
	memset(p, 0, size);
	return p;
}

/* A sequence that repeats neither within a page nor from page to page. */
static uint8_t pattern(size_t i, unsigned int seed)
{
	uint32_t x = i * 2654435761u + seed * 40503u + 12345u;

	return x >> 24 ^ x >> 11;
}

void fill(void *buf, size_t size, unsigned int seed)
{
	uint8_t *p = buf;
	size_t i;

	for (i = 0; i < size; i++)
		p[i] = pattern(i, seed);
}

bool filled(const void *buf, size_t size, unsigned int seed)
{
	const uint8_t *p = buf;
	size_t i;

	for (i = 0; i < size; i++)
		if (p[i] != pattern(i, seed))
			return false;
	return true;
}

static long long read_number(const char *path, const char *key)
{
	char line[256];
	long long val = -1;
	FILE *f = fopen(path, "r");

	while (f && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, key, strlen(key))) {
			val = atoll(line + strlen(key));
			break;
		}
	}
	if (f)
		fclose(f);
	return val;
}

uint64_t locked(void)
{
	return read_number("/proc/self/status", "VmLck:") * 1024;
}

uint64_t mem_free(void)
{
	return read_number("/proc/meminfo", "MemFree:") * 1024;
}

uint64_t ram(void)
{
	return read_number("/proc/meminfo", "MemTotal:") * 1024;
}

/* What is freed after grace periods and by workers takes its time. */
bool mem_free_returns(uint64_t want)
{
	const struct timespec nap = { .tv_nsec = 100 * 1000 * 1000 };
	int i;

	for (i = 0; i < 200; i++) {
		if (mem_free() >= want)
			return true;
		nanosleep(&nap, NULL);
	}
	note("%lld KiB less memory is free than expected",
	     (long long)(want - mem_free()) / 1024);
	return false;
}

/*
 * The counters are kept per CPU and folded once a second, or at once when root
 * asks for it. Tests of another user have a process of root's that does.
 */
long ever_pinned(void)
{
	int fd = open("/proc/sys/vm/stat_refresh", O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		if (write(fd, "1", 1) != 1)
			note("stat_refresh: %m");
		close(fd);
	}
	return read_number("/proc/vmstat", "nr_foll_pin_acquired ");
}

static long count_pinned(void)
{
	long acquired = ever_pinned();

	if (acquired < 0)
		return -1;
	return acquired - read_number("/proc/vmstat", "nr_foll_pin_released ");
}

static int counter = -1;

void start_counter(void)
{
	int pair[2];
	long count;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		fail(__FILE__, __LINE__, "socketpair: %m");
	if (!fork()) {
		close(pair[0]);
		while (read(pair[1], &count, sizeof(count)) == sizeof(count)) {
			count = count_pinned();
			if (write(pair[1], &count, sizeof(count)) < 0)
				break;
		}
		_exit(0);
	}
	close(pair[1]);
	counter = pair[0];
}

long pinned(void)
{
	long count = 0;

	if (counter < 0)
		return count_pinned();
	if (write(counter, &count, sizeof(count)) != sizeof(count) ||
	    read(counter, &count, sizeof(count)) != sizeof(count))
		fail(__FILE__, __LINE__, "nobody counts pinned pages");
	return count;
}

/* Regions are released after an RCU grace period. */
long pinned_settled(long want)
{
	const struct timespec nap = { .tv_nsec = 20 * 1000 * 1000 };
	long now = pinned();
	int i;

	for (i = 0; i < 200 && now != want; i++) {
		nanosleep(&nap, NULL);
		now = pinned();
	}
	return now;
}

void drop_root(void)
{
	const uid_t nobody = 65534;

	if (!geteuid() && setresuid(nobody, nobody, nobody))
		fail(__FILE__, __LINE__, "setresuid: %m");
}

void set_memlock(uint64_t bytes)
{
	struct rlimit limit = { .rlim_cur = bytes, .rlim_max = bytes };

	if (setrlimit(RLIMIT_MEMLOCK, &limit))
		fail(__FILE__, __LINE__, "RLIMIT_MEMLOCK: %m");
}

/*
 * Does DMA get there? Each question uses new content, so that nothing an
 * earlier transfer left in the device can be taken for an answer.
 */
static unsigned int seed = 100;

void bounce_at(struct tce *t, uint64_t iova)
{
	if (!t->bounce) {
		t->bounce = alloc(64 * KiB, 64 * KiB);
		allow(t, t->bounce, 64 * KiB);
	}
	map(t->container, t->bounce, iova, 64 * KiB, RW);
	t->bounce_iova = iova;
}

bool edu_sees(struct tce *t, struct edu *edu, uint64_t iova, void *va)
{
	fill(va, PROBE, ++seed);
	memset(t->bounce, 0, PROBE);
	edu_copy(edu, iova, t->bounce_iova, PROBE);
	return filled(t->bounce, PROBE, seed);
}

bool edu_changes(struct tce *t, struct edu *edu, uint64_t iova, void *va)
{
	unsigned int old = ++seed;

	fill(va, PROBE, old);
	fill(t->bounce, PROBE, ++seed);
	edu_copy(edu, t->bounce_iova, iova, PROBE);
	if (filled(va, PROBE, seed))
		return true;
	if (!filled(va, PROBE, old))
		fail(__FILE__, __LINE__, "part of the memory at IOVA %#llx changed",
		     (unsigned long long)iova);
	return false;
}
