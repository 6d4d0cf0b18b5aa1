// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a side does in a turn.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "races.h"

void mapping(void)
{
	expect_one_of(__map(box->container, mem, base(box), 4 * CHUNK, RW),
		      -ENXIO, -EINVAL);
	expect_one_of(__map(box->container, mem + CHUNK, base(box), CHUNK,
			    R), -ENXIO, -EINVAL);
	expect_one_of(__unmap(box->container, base(box), 4 * CHUNK),
		      -ENXIO);
}

void mapping_mirrored(void)
{
	int i;

	for (i = 0; i < 4; i++)
		expect_rc(0, __map(box->container, mem + (3 - i) * CHUNK,
				   base(box) + i * CHUNK, CHUNK, RW));
	expect_rc(0, __unmap(box->container, base(box), 2 * CHUNK));
}

void windows(void)
{
	uint64_t start;

	expect_one_of(__remove(box->container,
			       box->info.dma32_window_start), -EINVAL);
	expect_rc(0, __create(box->container, 12, 256 * MiB, 1, &start));
}

void registrations(void)
{
	expect_one_of(__unregister(box->container, mem, 4 * CHUNK),
		      -EBUSY, -ENOENT);
	expect_one_of(__register(box->container, mem, 4 * CHUNK), -EBUSY);
}

void joining(void)
{
	expect_rc(0, __set_container(box->group2, box->container));
	expect_rc(0, __unset_container(box->group2));
}

void eeh_state(void)
{
	expect(__eeh(box->container, VFIO_EEH_PE_GET_STATE) >= 0);
}

void enabling(void)
{
	expect_rc(0, __disable(box->container));
	expect_rc(0, __enable(box->container));
}

void mapping_v1(void)
{
	expect_one_of(__map(box->container, mem, base(box), CHUNK, RW),
		      -EPERM);
	expect_one_of(__unmap(box->container, base(box), CHUNK), -EPERM);
}

/* The last group takes the container along, and another one is there at once. */
void leaving(void)
{
	unset_container(box->group);
	set_container(box->group, box->container);
	set_iommu(box->container, box->version == 1 ? V1_IOMMU : V2_IOMMU);
	box->enabled = false;
	allow(box, mem, 4 * CHUNK);
}

/* Without a driver a container says EINVAL, with no window or group left ENXIO. */
void mapping_anyhow(void)
{
	expect_one_of(__map(box->container, mem, base(box), 4 * CHUNK, RW),
		      -EINVAL, -EPERM, -ENXIO, -ENODEV);
	expect_one_of(__unmap(box->container, base(box), 4 * CHUNK),
		      -EINVAL, -EPERM, -ENXIO, -ENODEV);
}

/*
 * Neighbours: each side has every other entry, and finds its own as it left them.
 */
static void neighbour(int first)
{
	uint64_t page = 4096;
	int i;

	for (i = first; i < 16; i += 2)
		expect_rc(0, __map(box->container, mem + i * page,
				   base(box) + i * page, page, RW));
	for (i = first; i < 16; i += 4)
		expect_rc(0, __unmap(box->container, base(box) + i * page,
				     page));
}

void even_neighbour(void)
{
	neighbour(0);
}

void odd_neighbour(void)
{
	neighbour(1);
}

/* The process's own memory changes under the mapping. */
uint8_t *fleeting;

void mapping_fleeting(void)
{
	/* v1 finds holes, v2 has pinned what was there at first. */
	expect_one_of(__map(box->container, fleeting, base(box) + MiB, CHUNK,
			    RW), -EFAULT);
	expect_rc(0, __unmap(box->container, base(box) + MiB, CHUNK));
}

void unmapping_memory(void)
{
	munmap(fleeting, CHUNK);
	expect(mmap(fleeting, CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE |
		    MAP_ANONYMOUS | MAP_FIXED, -1, 0) == fleeting);
	memset(fleeting, 1, CHUNK);
}

void forking(void)
{
	pid_t pid = fork();

	if (!pid) {
		memset(mem, 2, 4 * CHUNK);
		memset(fleeting, 2, CHUNK);
		_exit(0);
	}
	expect(pid > 0 && waitpid(pid, NULL, 0) == pid);
	memset(fleeting, 3, CHUNK);
}

void asking(void)
{
	struct vfio_iommu_spapr_tce_info info;
	long state = __eeh(box->container, VFIO_EEH_PE_GET_STATE);

	expect_rc(0, __get_info(box->container, &info));
	expect(info.dma32_window_size == box->info.dma32_window_size);
	expect(state >= 0 || state == -ENODEV);
	expect(__check_extension(box->container, V2_IOMMU) == 1);
}
