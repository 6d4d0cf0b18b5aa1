/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints: what changes what the devices can reach, one event a call; and why a call
 * was refused.
 *
 *   trace-cmd record -e vfio_spapr_tce
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM vfio_spapr_tce

#if !defined(TCE_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define TCE_TRACE_H

#include <linux/sched.h>
#include <linux/tracepoint.h>

#include "tce_refusal.h"

TRACE_EVENT(tce_refused,
	TP_PROTO(const struct tce_call *call, long rc),
	TP_ARGS(call, rc),
	TP_STRUCT__entry(
		__field(unsigned long, container)
		__field(int, process)
		__array(char, command, 24)
		__array(char, reason, 24)
		__field(u64, ioba)
		__field(u64, ua)
		__field(u64, size)
		__field(u64, value)
		__field(int, rc)
	),
	TP_fast_assign(
		__entry->container = call->container;
		__entry->process = current->tgid;
		strscpy(__entry->command, tce_call_name(call->cmd), 24);
		strscpy(__entry->reason, tce_why_name(tce_why_of(rc)), 24);
		__entry->ioba = call->ioba;
		__entry->ua = call->ua;
		__entry->size = call->size;
		__entry->value = call->value;
		__entry->rc = tce_errno(rc);
	),
	TP_printk("container=%lu process=%d command=%s reason=%s ioba=0x%llx ua=0x%llx size=0x%llx value=0x%llx rc=%d",
		  __entry->container, __entry->process, __entry->command,
		  __entry->reason, __entry->ioba, __entry->ua, __entry->size,
		  __entry->value, __entry->rc)
);

TRACE_EVENT(tce_map,
	TP_PROTO(u64 ioba, u64 ua, u64 size, u32 flags, int rc),
	TP_ARGS(ioba, ua, size, flags, rc),
	TP_STRUCT__entry(
		__field(u64, ioba)
		__field(u64, ua)
		__field(u64, size)
		__field(u32, flags)
		__field(int, rc)
	),
	TP_fast_assign(
		__entry->ioba = ioba;
		__entry->ua = ua;
		__entry->size = size;
		__entry->flags = flags;
		__entry->rc = tce_errno(rc);
	),
	TP_printk("ioba=0x%llx ua=0x%llx size=0x%llx %s%s rc=%d",
		  __entry->ioba, __entry->ua, __entry->size,
		  __entry->flags & VFIO_DMA_MAP_FLAG_READ ? "r" : "-",
		  __entry->flags & VFIO_DMA_MAP_FLAG_WRITE ? "w" : "-",
		  __entry->rc)
);

TRACE_EVENT(tce_unmap,
	TP_PROTO(u64 ioba, u64 size, int rc),
	TP_ARGS(ioba, size, rc),
	TP_STRUCT__entry(
		__field(u64, ioba)
		__field(u64, size)
		__field(int, rc)
	),
	TP_fast_assign(
		__entry->ioba = ioba;
		__entry->size = size;
		__entry->rc = tce_errno(rc);
	),
	TP_printk("ioba=0x%llx size=0x%llx rc=%d",
		  __entry->ioba, __entry->size, __entry->rc)
);

TRACE_EVENT(tce_register,
	TP_PROTO(u64 ua, u64 size, unsigned int shift, bool listed),
	TP_ARGS(ua, size, shift, listed),
	TP_STRUCT__entry(
		__field(u64, ua)
		__field(u64, size)
		__field(unsigned int, shift)
		__field(bool, listed)
	),
	TP_fast_assign(
		__entry->ua = ua;
		__entry->size = size;
		__entry->shift = shift;
		__entry->listed = listed;
	),
	TP_printk("ua=0x%llx size=0x%llx page_shift=%u listed=%d",
		  __entry->ua, __entry->size, __entry->shift, __entry->listed)
);

TRACE_EVENT(tce_unregister,
	TP_PROTO(u64 ua, u64 size),
	TP_ARGS(ua, size),
	TP_STRUCT__entry(
		__field(u64, ua)
		__field(u64, size)
	),
	TP_fast_assign(
		__entry->ua = ua;
		__entry->size = size;
	),
	TP_printk("ua=0x%llx size=0x%llx", __entry->ua, __entry->size)
);

TRACE_EVENT(tce_window_create,
	TP_PROTO(int num, u64 start, u64 size, u32 shift, u32 levels),
	TP_ARGS(num, start, size, shift, levels),
	TP_STRUCT__entry(
		__field(int, num)
		__field(u64, start)
		__field(u64, size)
		__field(u32, shift)
		__field(u32, levels)
	),
	TP_fast_assign(
		__entry->num = num;
		__entry->start = start;
		__entry->size = size;
		__entry->shift = shift;
		__entry->levels = levels;
	),
	TP_printk("num=%d start=0x%llx size=0x%llx page_shift=%u levels=%u",
		  __entry->num, __entry->start, __entry->size, __entry->shift,
		  __entry->levels)
);

TRACE_EVENT(tce_window_remove,
	TP_PROTO(int num, u64 start),
	TP_ARGS(num, start),
	TP_STRUCT__entry(
		__field(int, num)
		__field(u64, start)
	),
	TP_fast_assign(
		__entry->num = num;
		__entry->start = start;
	),
	TP_printk("num=%d start=0x%llx", __entry->num, __entry->start)
);

DECLARE_EVENT_CLASS(tce_group_class,
	TP_PROTO(int group),
	TP_ARGS(group),
	TP_STRUCT__entry(
		__field(int, group)
	),
	TP_fast_assign(
		__entry->group = group;
	),
	TP_printk("group=%d", __entry->group)
);

DEFINE_EVENT(tce_group_class, tce_attach, TP_PROTO(int group), TP_ARGS(group));
DEFINE_EVENT(tce_group_class, tce_detach, TP_PROTO(int group), TP_ARGS(group));

#endif /* TCE_TRACE_H */

#undef TRACE_INCLUDE_PATH
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_PATH .
#define TRACE_INCLUDE_FILE tce_trace
#include <trace/define_trace.h>
