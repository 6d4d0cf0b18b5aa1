// SPDX-License-Identifier: GPL-2.0-only
/*
 * The machine: its platform, and the edu devices that vfio-pci has.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "host.h"
#include "result.h"

#define EDU_VENDOR	0x1234
#define EDU_DEVICE	0x11e8

struct host host = { .other = -1 };

unsigned long read_hex(const char *dev, const char *attr)
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

/* The name of what a link of the device's leads to, or "" */
static const char *link_name(const char *dev, const char *link)
{
	static char target[300];
	char path[300];
	ssize_t len;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", dev, link);
	len = readlink(path, target, sizeof(target) - 1);
	if (len < 0)
		return "";
	target[len] = '\0';
	return strrchr(target, '/') + 1;
}

static int read_group(const char *dev)
{
	const char *name = link_name(dev, "iommu_group");

	return *name ? atoi(name) : -1;
}

static bool given_to_vfio(const char *dev)
{
	return !strcmp(link_name(dev, "driver"), "vfio-pci");
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
	host.device[0].owner = file_owner(host.device[0].group);
	host.devices = 1;
	host.other = -1;
	host.given = true;
	return true;
}

bool host_lost(void)
{
	char path[300];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", host.device[0].pci);
	return host.given && access(path, F_OK);
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
		/* The bus is its owner's, who looks there again or not. */
		if (host.given) {
			note("%s is not with vfio-pci any more", pci);
			return false;
		}
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

bool host_second(int device, bool there)
{
	char path[80];
	int len;

	len = snprintf(path, sizeof(path), "/sys/bus/pci/devices/%.*s1",
		       (int)strlen(host.device[device].pci) - 1,
		       host.device[device].pci);
	snprintf(path + len, sizeof(path) - len, "/remove");
	if (write_to(there ? "/sys/bus/pci/rescan" : path, "1"))
		return false;
	snprintf(path + len, sizeof(path) - len, "/iommu_group");
	return !access(path, F_OK) == there;
}

bool find_line(const char *path, const char *text)
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

void host_init(void)
{
	int major, minor;
	struct utsname uts;

	if (!uname(&uts) && sscanf(uts.release, "%d.%d", &major, &minor) == 2)
		host.kernel = 100 * major + minor;
	host.page = sysconf(_SC_PAGESIZE);
	host.powernv = find_line("/proc/cpuinfo", "PowerNV");
	find_devices();
}
