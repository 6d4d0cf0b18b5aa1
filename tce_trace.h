/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints: one event for each call that changes what the devices can reach, and one for the
 * cause when a call is refused. Documentation/tracepoints.rst explains the fields.
 *
 *   trace-cmd record -e vfio_spapr_tce
 */
#ifndef TCE_REFUSE
#include <linux/errno.h>
#include <linux/types.h>

/**
 * struct tce_refusal - where a call is refused
 * @function: the function
 * @line: the line in the file
 * @reason: a name for the cause, explained in errnos.rst, if an administrator can do something
 *	about it; or ""
 */
struct tce_refusal {
	const char *function;
	int line;
	const char *reason;
};

int tce_refuse(const struct tce_refusal *refusal, int rc, u64 value);

/*
 * TCE_REFUSE(rc) or TCE_REFUSE(rc, reason, value): the errno of a check that refuses a client's
 * call. Most errnos have several causes, so this also reports its place by tce_refused, at no cost
 * while calls succeed, and the value that was checked. -EINTR of a killed wait is not reported, and
 * 0 is no refusal.
 */
#define TCE_REFUSE(rc, ...)		TCE_REFUSE_AT(rc, ##__VA_ARGS__, "", 0)
#define TCE_REFUSE_AT(rc, reason, value, ...) ({			\
	static const struct tce_refusal _refusal = { __func__, __LINE__, reason }; \
									\
	tce_refuse(&_refusal, rc, value);				\
})
#endif

#undef TRACE_SYSTEM
#define TRACE_SYSTEM vfio_spapr_tce

#if !defined(TCE_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define TCE_TRACE_H

#include <linux/tracepoint.h>
#include <linux/vfio.h>

TRACE_EVENT(tce_refused,
	TP_PROTO(const struct tce_refusal *refusal, u64 value, int rc),
	TP_ARGS(refusal, value, rc),
	TP_STRUCT__entry(
		__array(char, function, 32)
		__field(int, line)
		__array(char, reason, 24)
		__field(u64, value)
		__field(int, rc)
	),
	TP_fast_assign(
		strscpy(__entry->function, refusal->function, 32);
		__entry->line = refusal->line;
		strscpy(__entry->reason, refusal->reason, 24);
		__entry->value = value;
		__entry->rc = rc;
	),
	TP_printk("reason=%s value=0x%llx rc=%d at=%s:%d", __entry->reason, __entry->value,
		  __entry->rc, __entry->function, __entry->line)
);

TRACE_EVENT(tce_map,
	TP_PROTO(unsigned long container, u64 ioba, u64 ua, u64 size, u32 flags,
		 long rc),
	TP_ARGS(container, ioba, ua, size, flags, rc),
	TP_STRUCT__entry(
		__field(unsigned long, container)
		__field(u64, ioba)
		__field(u64, ua)
		__field(u64, size)
		__field(u32, flags)
		__field(int, rc)
	),
	TP_fast_assign(
		__entry->container = container;
		__entry->ioba = ioba;
		__entry->ua = ua;
		__entry->size = size;
		__entry->flags = flags;
		__entry->rc = rc;
	),
	TP_printk("container=%lu ioba=0x%llx ua=0x%llx size=0x%llx flags=%s%s rc=%d",
		  __entry->container, __entry->ioba, __entry->ua, __entry->size,
		  __entry->flags & VFIO_DMA_MAP_FLAG_READ ? "r" : "-",
		  __entry->flags & VFIO_DMA_MAP_FLAG_WRITE ? "w" : "-",
		  __entry->rc)
);

DECLARE_EVENT_CLASS(tce_range,
	TP_PROTO(unsigned long container, u64 start, u64 size, long rc),
	TP_ARGS(container, start, size, rc),
	TP_STRUCT__entry(
		__field(unsigned long, container)
		__field(u64, start)
		__field(u64, size)
		__field(int, rc)
	),
	TP_fast_assign(
		__entry->container = container;
		__entry->start = start;
		__entry->size = size;
		__entry->rc = rc;
	),
	TP_printk("container=%lu start=0x%llx size=0x%llx rc=%d",
		  __entry->container, __entry->start, __entry->size,
		  __entry->rc)
);

DEFINE_EVENT(tce_range, tce_unmap,
	TP_PROTO(unsigned long container, u64 start, u64 size, long rc),
	TP_ARGS(container, start, size, rc));
DEFINE_EVENT(tce_range, tce_register,
	TP_PROTO(unsigned long container, u64 start, u64 size, long rc),
	TP_ARGS(container, start, size, rc));
DEFINE_EVENT(tce_range, tce_unregister,
	TP_PROTO(unsigned long container, u64 start, u64 size, long rc),
	TP_ARGS(container, start, size, rc));

TRACE_EVENT(tce_window_create,
	TP_PROTO(unsigned long container, int num, u64 start, u64 size,
		 u32 page_shift, u32 levels, int rc),
	TP_ARGS(container, num, start, size, page_shift, levels, rc),
	TP_STRUCT__entry(
		__field(unsigned long, container)
		__field(int, num)
		__field(u64, start)
		__field(u64, size)
		__field(u32, page_shift)
		__field(u32, levels)
		__field(int, rc)
	),
	TP_fast_assign(
		__entry->container = container;
		__entry->num = num;
		__entry->start = start;
		__entry->size = size;
		__entry->page_shift = page_shift;
		__entry->levels = levels;
		__entry->rc = rc;
	),
	TP_printk("container=%lu num=%d start=0x%llx size=0x%llx page_shift=%u levels=%u rc=%d",
		  __entry->container, __entry->num, __entry->start,
		  __entry->size, __entry->page_shift, __entry->levels,
		  __entry->rc)
);

DECLARE_EVENT_CLASS(tce_number,
	TP_PROTO(unsigned long container, int num, long rc),
	TP_ARGS(container, num, rc),
	TP_STRUCT__entry(
		__field(unsigned long, container)
		__field(int, num)
		__field(int, rc)
	),
	TP_fast_assign(
		__entry->container = container;
		__entry->num = num;
		__entry->rc = rc;
	),
	TP_printk("container=%lu num=%d rc=%d", __entry->container,
		  __entry->num, __entry->rc)
);

DEFINE_EVENT(tce_number, tce_window_remove,
	TP_PROTO(unsigned long container, int num, long rc),
	TP_ARGS(container, num, rc));
DEFINE_EVENT(tce_number, tce_attach,
	TP_PROTO(unsigned long container, int num, long rc),
	TP_ARGS(container, num, rc));
DEFINE_EVENT(tce_number, tce_detach,
	TP_PROTO(unsigned long container, int num, long rc),
	TP_ARGS(container, num, rc));

#endif /* TCE_TRACE_H */

#undef TRACE_INCLUDE_PATH
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_PATH .
#define TRACE_INCLUDE_FILE tce_trace
#include <trace/define_trace.h>
