/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Refusals: which check made a client's call fail.
 *
 * A client is told an errno, and most errnos have several causes. So the check that fails
 * also names itself to the tracepoint tce_refused. A call that succeeds pays nothing for it.
 *
 * Two errnos need no other reason and go up without one: -EINTR of a wait that was killed, and
 * -EAGAIN, which no client sees.
 */
#ifndef TCE_REFUSAL_H
#define TCE_REFUSAL_H

#include <linux/errno.h>
#include <linux/types.h>

int tce_refuse(const char *reason, int rc, u64 value);

/*
 * A check fails: return TCE_REFUSE(NOT_ENABLED, EPERM). Documentation/tracepoints.rst explains
 * each reason, and each has a case in kunit/ that meets it (scripts/check-tracepoints).
 */
#define TCE_REFUSE(reason, errno)	tce_refuse(#reason, -(errno), 0)

/* The same with what the check looked at. */
#define TCE_REFUSE_VALUE(reason, errno, value)	\
	tce_refuse(#reason, -(errno), value)

/* What somebody else said, one of our ABI's errnos; 0 is no refusal. */
#define TCE_REFUSE_BY(reason, rc)	({				\
	int _rc = rc;							\
									\
	_rc ? tce_refuse(#reason, _rc, 0) : 0;				\
})

#endif /* TCE_REFUSAL_H */
