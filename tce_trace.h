/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints: what changes what the devices can reach, one event a call; and why a call
 * was refused. Documentation/tracepoints.rst explains each field.
 *
 *   trace-cmd record -e vfio_spapr_tce
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM vfio_spapr_tce

#if !defined(TCE_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define TCE_TRACE_H

#include <linux/sched.h>
#include <linux/tracepoint.h>
#include <linux/vfio.h>

TRACE_EVENT(tce_refused,
	TP_PROTO(const char *reason, u64 value, int rc),
	TP_ARGS(reason, value, rc),
	TP_STRUCT__entry(
		__field(int, process)
		__array(char, reason, 24)
		__field(u64, value)
		__field(int, rc)
	),
	TP_fast_assign(
		__entry->process = current->tgid;
		strscpy(__entry->reason, reason, 24);
		__entry->value = value;
		__entry->rc = rc;
	),
	TP_printk("process=%d reason=%s value=0x%llx rc=%d", __entry->process,
		  __entry->reason, __entry->value, __entry->rc)
);

TRACE_EVENT(tce_map,
	TP_PROTO(unsigned long container, u64 ioba, u64 ua, u64 size, u32 flags,
		 long rc),
	TP_ARGS(container, ioba, ua, size, flags, rc),
	TP_STRUCT__entry(
		__field(unsigned long, container)
		__field(int, process)
		__field(u64, ioba)
		__field(u64, ua)
		__field(u64, size)
		__field(u32, flags)
		__field(int, rc)
	),
	TP_fast_assign(
		__entry->container = container;
		__entry->process = current->tgid;
		__entry->ioba = ioba;
		__entry->ua = ua;
		__entry->size = size;
		__entry->flags = flags;
		__entry->rc = rc;
	),
	TP_printk("container=%lu process=%d ioba=0x%llx ua=0x%llx size=0x%llx flags=%s%s rc=%d",
		  __entry->container, __entry->process, __entry->ioba,
		  __entry->ua, __entry->size,
		  __entry->flags & VFIO_DMA_MAP_FLAG_READ ? "r" : "-",
		  __entry->flags & VFIO_DMA_MAP_FLAG_WRITE ? "w" : "-",
		  __entry->rc)
);

TRACE_EVENT(tce_unmap,
	TP_PROTO(unsigned long container, u64 ioba, u64 size, long rc),
	TP_ARGS(container, ioba, size, rc),
	TP_STRUCT__entry(
		__field(unsigned long, container)
		__field(int, process)
		__field(u64, ioba)
		__field(u64, size)
		__field(int, rc)
	),
	TP_fast_assign(
		__entry->container = container;
		__entry->process = current->tgid;
		__entry->ioba = ioba;
		__entry->size = size;
		__entry->rc = rc;
	),
	TP_printk("container=%lu process=%d ioba=0x%llx size=0x%llx rc=%d",
		  __entry->container, __entry->process, __entry->ioba,
		  __entry->size, __entry->rc)
);

TRACE_EVENT(tce_register,
	TP_PROTO(unsigned long container, u64 ua, u64 size,
		 unsigned int page_shift, bool listed, long rc),
	TP_ARGS(container, ua, size, page_shift, listed, rc),
	TP_STRUCT__entry(
		__field(unsigned long, container)
		__field(int, process)
		__field(u64, ua)
		__field(u64, size)
		__field(unsigned int, page_shift)
		__field(bool, listed)
		__field(int, rc)
	),
	TP_fast_assign(
		__entry->container = container;
		__entry->process = current->tgid;
		__entry->ua = ua;
		__entry->size = size;
		__entry->page_shift = page_shift;
		__entry->listed = listed;
		__entry->rc = rc;
	),
	TP_printk("container=%lu process=%d ua=0x%llx size=0x%llx page_shift=%u listed=%d rc=%d",
		  __entry->container, __entry->process, __entry->ua,
		  __entry->size, __entry->page_shift, __entry->listed,
		  __entry->rc)
);

TRACE_EVENT(tce_unregister,
	TP_PROTO(unsigned long container, u64 ua, u64 size, long rc),
	TP_ARGS(container, ua, size, rc),
	TP_STRUCT__entry(
		__field(unsigned long, container)
		__field(int, process)
		__field(u64, ua)
		__field(u64, size)
		__field(int, rc)
	),
	TP_fast_assign(
		__entry->container = container;
		__entry->process = current->tgid;
		__entry->ua = ua;
		__entry->size = size;
		__entry->rc = rc;
	),
	TP_printk("container=%lu process=%d ua=0x%llx size=0x%llx rc=%d",
		  __entry->container, __entry->process, __entry->ua,
		  __entry->size, __entry->rc)
);

TRACE_EVENT(tce_window_create,
	TP_PROTO(unsigned long container, long num, u64 start, u64 size,
		 u32 page_shift, u32 levels),
	TP_ARGS(container, num, start, size, page_shift, levels),
	TP_STRUCT__entry(
		__field(unsigned long, container)
		__field(int, process)
		__field(int, num)
		__field(u64, start)
		__field(u64, size)
		__field(u32, page_shift)
		__field(u32, levels)
		__field(int, rc)
	),
	TP_fast_assign(
		__entry->container = container;
		__entry->process = current->tgid;
		__entry->num = num < 0 ? -1 : num;
		__entry->start = start;
		__entry->size = size;
		__entry->page_shift = page_shift;
		__entry->levels = levels;
		__entry->rc = num < 0 ? num : 0;
	),
	TP_printk("container=%lu process=%d num=%d start=0x%llx size=0x%llx page_shift=%u levels=%u rc=%d",
		  __entry->container, __entry->process, __entry->num,
		  __entry->start, __entry->size, __entry->page_shift,
		  __entry->levels, __entry->rc)
);

TRACE_EVENT(tce_window_remove,
	TP_PROTO(unsigned long container, int num, u64 start,
		 unsigned long ours, unsigned long others, long rc),
	TP_ARGS(container, num, start, ours, others, rc),
	TP_STRUCT__entry(
		__field(unsigned long, container)
		__field(int, process)
		__field(int, num)
		__field(u64, start)
		__field(unsigned long, ours)
		__field(unsigned long, others)
		__field(int, rc)
	),
	TP_fast_assign(
		__entry->container = container;
		__entry->process = current->tgid;
		__entry->num = num;
		__entry->start = start;
		__entry->ours = ours;
		__entry->others = others;
		__entry->rc = rc;
	),
	TP_printk("container=%lu process=%d num=%d start=0x%llx ours=%lu others=%lu rc=%d",
		  __entry->container, __entry->process, __entry->num,
		  __entry->start, __entry->ours, __entry->others, __entry->rc)
);

DECLARE_EVENT_CLASS(tce_group_class,
	TP_PROTO(unsigned long container, int group, long rc),
	TP_ARGS(container, group, rc),
	TP_STRUCT__entry(
		__field(unsigned long, container)
		__field(int, process)
		__field(int, group)
		__field(int, rc)
	),
	TP_fast_assign(
		__entry->container = container;
		__entry->process = current->tgid;
		__entry->group = group;
		__entry->rc = rc;
	),
	TP_printk("container=%lu process=%d group=%d rc=%d",
		  __entry->container, __entry->process, __entry->group,
		  __entry->rc)
);

DEFINE_EVENT(tce_group_class, tce_attach,
	TP_PROTO(unsigned long container, int group, long rc),
	TP_ARGS(container, group, rc));
DEFINE_EVENT(tce_group_class, tce_detach,
	TP_PROTO(unsigned long container, int group, long rc),
	TP_ARGS(container, group, rc));

#endif /* TCE_TRACE_H */

#undef TRACE_INCLUDE_PATH
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_PATH .
#define TRACE_INCLUDE_FILE tce_trace
#include <trace/define_trace.h>
