// SPDX-License-Identifier: GPL-2.0-only
/*
 * Other processes that write to the memory, or use the container.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "exec.h"

static void wait_child(pid_t pid, const char *what)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		disagree(WRONG_CRASH, 0, "%s: %m", what);
	if (status && report->wrong)
		_exit(1);	/* it has said why */
	if (status)
		disagree(WRONG_CRASH, status, "%s: status %#x", what, status);
}

void fork_write(void)
{
	pid_t pid = fork();

	if (!pid) {
		unsigned int p;

		for (p = 0; p < machine.pages; p++)
			if (model.page[p].there && model.page[p].prot == PROT_RW)
				memset(page_start(p), 0x5a, host.page);
		_exit(0);
	}
	wait_child(pid, "a child that writes to its memory");
}

/* The container is somebody else's: all it says is no. */
void fork_use(const struct op *op)
{
	static const uint8_t all[] = {
		OP_GET_INFO, OP_ENABLE, OP_DISABLE, OP_REGISTER, OP_UNREGISTER,
		OP_CREATE, OP_REMOVE, OP_MAP, OP_UNMAP, OP_EEH, OP_UNKNOWN,
	};
	pid_t pid = fork();
	size_t i;

	if (!pid) {
		int fd = container_fd[op->slot];

		for (i = 0; i < sizeof(all); i++) {
			union {
				struct vfio_iommu_type1_dma_map map;
				struct vfio_iommu_spapr_tce_create longest;
			} arg = { .map = {
				.argsz = sizeof(arg),
				.flags = all[i] == OP_MAP ? RW : 0,
				.vaddr = ARENA,
				.size = host.page,
			} };
			unsigned long cmd = op_kinds[all[i]].cmd ?: _IO(VFIO_TYPE, VFIO_BASE + 40);
			long rc;

			rc = __raw(fd, cmd, &arg);
			if (rc != -EPERM && rc != -ENOTTY)
				disagree(WRONG_RESULT, rc, "another process: %s is %ld, not -EPERM",
					 op_kinds[all[i]].name, rc);
		}
		_exit(0);
	}
	wait_child(pid, "a child that uses the container");
	report->ioctls += sizeof(all);
}

/* Another process is the first to use a container, and its end. */
void fork_bind(const struct op *op)
{
	const struct window *w = &model_at(op->slot)->window[0];
	pid_t pid = fork();

	if (!pid) {
		void *va = page_start(op->a);
		int fd = container_fd[op->slot];
		long rc;

		rc = __register(fd, va, op->b * host.page);
		if (!rc && w->used && 1u << w->shift <= host.page && w->size >= host.page)
			rc = __map(fd, va, w->start, host.page, RW);
		if (rc)
			disagree(WRONG_RESULT, rc, "another process that comes first: %ld", rc);
		_exit(0);
	}
	wait_child(pid, "a child that comes first");
	report->ioctls += 2;
}
