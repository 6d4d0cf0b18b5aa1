/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Refusals: which check made a client's call fail.
 *
 * A client gets an errno, and most errnos have several causes. So the check that fails also
 * passes its name to the tracepoint tce_refused, which costs nothing while calls succeed.
 *
 * Two errnos are returned without a reason: -EINTR of a wait that was killed, and -EAGAIN, which
 * is internal.
 */
#ifndef TCE_REFUSAL_H
#define TCE_REFUSAL_H

#include <linux/errno.h>
#include <linux/types.h>

int tce_refuse(const char *reason, int rc, u64 value);

/*
 * Usage: return TCE_REFUSE(NOT_ENABLED, EPERM); Documentation/tracepoints.rst explains each
 * reason, and a case in kunit/ meets it (scripts/tests/test_tracepoints.py).
 */
#define TCE_REFUSE(reason, errno)	tce_refuse(#reason, -(errno), 0)

/* The same with the value that the check looked at. */
#define TCE_REFUSE_VALUE(reason, errno, value)	\
	tce_refuse(#reason, -(errno), value)

/* The same with an errno of somebody else; 0 is no refusal. */
#define TCE_REFUSE_BY(reason, rc)	({				\
	int _rc = rc;							\
									\
	_rc ? tce_refuse(#reason, _rc, 0) : 0;				\
})

#endif /* TCE_REFUSAL_H */
