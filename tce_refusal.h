/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Refusals: why a call of the client's fails.
 *
 * Where a check fails, the code returns a refusal. That is a negative number, which says
 * which check it was and what the errno is. It goes up as an errno does, also by
 * ERR_PTR(). The face knows what the client has called. It tells the tracepoint
 * tce_refused, and returns the errno. A call that succeeds pays nothing for it.
 *
 * Two plain errnos go up as well: -EINTR of a wait that was killed, which needs no other
 * reason, and -EAGAIN, which no client sees.
 */
#ifndef TCE_REFUSAL_H
#define TCE_REFUSAL_H

#include <linux/errno.h>
#include <linux/types.h>

/*
 * The checks, by name. Documentation/tracepoints.rst explains each, and each has a case in
 * kunit/ that meets it (scripts/check-tracepoints).
 */
#define TCE_WHYS(WHY)			\
	/* any call */			\
	WHY(ARGUMENT_FAULT)		\
	WHY(ARGUMENT_SHORT)		\
	WHY(ANSWER_FAULT)		\
	WHY(FLAGS)			\
	WHY(NO_COMMAND)			\
	WHY(NOT_OWNER)			\
	WHY(NOT_ENABLED)		\
	WHY(CONTAINER_GONE)		\
	WHY(KILLED)			\
	WHY(LOCKED_LIMIT)		\
	WHY(NO_GROUP)			\
	WHY(PROCESS_MEMORY)		\
	/* containers */		\
	WHY(CONTAINER_TYPE)		\
	WHY(CONTAINER_MEMORY)		\
	WHY(ENABLED_ALREADY)		\
	WHY(NO_32BIT_WINDOW)		\
	/* groups */			\
	WHY(EMULATED_DEVICE)		\
	WHY(NO_TABLES)			\
	WHY(NO_WINDOW_CALLS)		\
	WHY(GROUP_MEMORY)		\
	WHY(NO_DYNAMIC_WINDOWS)		\
	WHY(SECOND_GROUP)		\
	WHY(ATTACHED_ALREADY)		\
	WHY(OTHER_PLATFORM)		\
	WHY(REAL_MODE)			\
	WHY(HOST_KEEPS_GROUP)		\
	/* windows */			\
	WHY(WINDOW_PAGE)		\
	WHY(WINDOW_SIZE)		\
	WHY(WINDOW_LEVELS)		\
	WHY(NO_WINDOWS)			\
	WHY(TABLE_SIZE)			\
	WHY(TABLE_TOO_LARGE)		\
	WHY(LEVEL_TOO_LARGE)		\
	WHY(TOO_MANY_WINDOWS)		\
	WHY(WINDOW_MEMORY)		\
	WHY(SHOWN_MEMORY)		\
	WHY(CELLS_MEMORY)		\
	WHY(NO_USER_VIEW)		\
	WHY(KVM_HAS_TABLE)		\
	WHY(CREATE_TABLE)		\
	WHY(SET_WINDOW)			\
	WHY(WINDOW_NOT_SET)		\
	WHY(UNSET_WINDOW)		\
	WHY(NO_SUCH_WINDOW)		\
	/* MAP and UNMAP */		\
	WHY(NO_WINDOW_THERE)		\
	WHY(IOBA_MISALIGNED)		\
	WHY(BEYOND_WINDOW)		\
	WHY(UA_MISALIGNED)		\
	WHY(UA_WRAPS)			\
	WHY(NOT_USER_MEMORY)		\
	WHY(NOT_REGISTERED)		\
	WHY(PAGE_TOO_SMALL)		\
	WHY(KERNEL_LIST)		\
	WHY(LEVEL_MEMORY)		\
	WHY(UNDO_MEMORY)		\
	WHY(WRITE_ENTRY)		\
	WHY(SET_RUN)			\
	WHY(CLEAR_ENTRY)		\
	/* memory that is pinned */	\
	WHY(PIN)			\
	WHY(PINS_MEMORY)		\
	WHY(PIN_SET_MEMORY)		\
	/* REGISTER and UNREGISTER */	\
	WHY(REGION_EMPTY)		\
	WHY(REGION_MISALIGNED)		\
	WHY(REGION_WRAPS)		\
	WHY(REGION_AT_ZERO)		\
	WHY(MORE_THAN_MAPPED)		\
	WHY(MORE_THAN_BOOKS)		\
	WHY(REGISTRATION_MEMORY)	\
	WHY(REGION_MEMORY)		\
	WHY(BOOKS_MEMORY)		\
	WHY(OVERLAPS)			\
	WHY(REGISTERED_ALREADY)		\
	WHY(OVERLAPS_MAPPED)		\
	WHY(KERNEL_LIST_NEW)		\
	WHY(NO_SUCH_REGION)		\
	WHY(REGION_MAPPED)		\
	/* EEH */			\
	WHY(EEH_ERROR)			\
	WHY(EEH_COMMAND)		\
	WHY(EEH_MEMORY)			\
	WHY(EEH_THREAD)			\
	WHY(EEH_NO_PE)			\
	WHY(EEH_GROUP_LEFT)		\
	WHY(EEH)

/* Refusals begin beyond all errnos that go up, and have room for those of our ABI */
#define TCE_WHY_FIRST	4
#define TCE_ERRNOS	40

#define TCE_WHY(name)		TCE_WHY_##name,
#define TCE_WHY_NAME(name)	#name,

/**
 * enum tce_why - the checks of TCE_WHYS()
 * @TCE_WHY_NONE: no refusal
 * @TCE_WHY_END: behind the last one
 */
enum tce_why {
	TCE_WHY_NONE = TCE_WHY_FIRST - 1,
	/* private: */
	TCE_WHYS(TCE_WHY)
	/* public: */
	TCE_WHY_END
};

/* What a check returns: TCE_REFUSE(NOT_REGISTERED, EINVAL) */
#define TCE_REFUSE(why, errno)	(-(TCE_WHY_##why * TCE_ERRNOS + (errno)))

/**
 * tce_refuse_by() - TCE_REFUSE() with an errno of somebody else's
 * @why: whose
 * @rc: one of our ABI's errnos, negative; 0 is no refusal
 *
 * Return: the refusal, or 0.
 */
static inline int tce_refuse_by(enum tce_why why, int rc)
{
	return rc ? rc - (int)why * TCE_ERRNOS : 0;
}

/**
 * tce_errno() - what the client is told
 * @rc: a refusal; an errno, or a result that is no failure, stays as it is
 *
 * Return: the errno, negative.
 */
static inline long tce_errno(long rc)
{
	return rc > -TCE_WHY_FIRST * TCE_ERRNOS ? rc : rc % TCE_ERRNOS;
}

/**
 * tce_why_of() - which check has failed?
 * @rc: a refusal, or an errno
 *
 * Return: the check; TCE_WHY_NONE if nobody has said.
 */
static inline enum tce_why tce_why_of(long rc)
{
	if (rc == -EINTR)
		return TCE_WHY_KILLED;
	rc /= -TCE_ERRNOS;
	return rc < TCE_WHY_FIRST || rc >= TCE_WHY_END ? TCE_WHY_NONE : rc;
}

/**
 * struct tce_call - what a client has called
 * @container: number of the container, 0 if there is none yet
 * @cmd: the ioctl's number, or one of those of tce_call_name()
 * @ioba: I/O address in its argument; 0 if it has none
 * @ua: userspace address in its argument; 0 if it has none
 * @size: bytes in its argument; 0 if it has no such
 * @value: what the check that failed looked at: see Documentation/tracepoints.rst
 */
struct tce_call {
	unsigned long container;
	unsigned int cmd;
	u64 ioba;
	u64 ua;
	u64 size;
	u64 value;
};

const char *tce_call_name(unsigned int cmd);
const char *tce_why_name(enum tce_why why);
long tce_refused(struct tce_call *call, long rc);

#endif /* TCE_REFUSAL_H */
