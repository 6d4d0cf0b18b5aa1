// SPDX-License-Identifier: GPL-2.0-only
/*
 * The machine's side: what is open, and where it disagrees with the model in results,
 * locked memory and pinned pages.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <unistd.h>

#include "exec.h"

struct report *report;
int container_fd[SLOTS], group_fd[GROUPS];
struct edu edu[GROUPS];
long base_pins;

void disagree(enum wrong wrong, long got, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(report->text, sizeof(report->text), fmt, ap);
	va_end(ap);
	report->got = got;
	report->wrong = wrong;
	_exit(1);
}

void check_locked(void)
{
	uint64_t most, least = model_locked(&most), now = locked();

	report->lock_checks++;
	if (now < least || now > most)
		disagree(WRONG_LOCKED, now - least, "locked memory is %llu KiB, not %llu%s",
			 (unsigned long long)now / 1024, (unsigned long long)least / 1024,
			 most > least ? " or somewhat more" : "");
}

void check_pinned(void)
{
	long most, least = model_pinned(&most), now = 0;
	int i;

	report->pin_checks++;
	for (i = 0; i < (report->hurry ? 20 : 200); i++) {
		now = pinned() - base_pins;
		if (now >= least && now <= most)
			return;
		usleep(20000);
	}
	disagree(WRONG_PINNED, now - least, "%ld pages are pinned, not %ld to %ld", now,
		 least, most);
}

/* After a failure: did it bring the default window into being or not? */
void settle_default(int slot)
{
	uint64_t most, least = model_locked(&most);
	uint64_t charge = table_bytes(12, model_at(slot)->window[0].size, 1);

	if (locked() >= least + charge)
		model_default_created(slot);
	check_locked();
}

/* Tables of several levels may cost less than they could; find out what. */
void settle_levels(const struct op *op)
{
	struct window *w = model.created;
	uint64_t most, least, now;

	most = w->charge;
	w->charge = 0;
	least = model_locked(&now);
	now = locked();
	if (now <= least || now > least + most)
		disagree(WRONG_LOCKED, now - least,
			 "a window of %llu levels is charged %lld KiB, not up to %llu",
			 (unsigned long long)op->c, (long long)(now - least) / 1024,
			 (unsigned long long)most / 1024);
	w->charge = now - least;
}
