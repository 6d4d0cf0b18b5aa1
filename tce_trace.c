// SPDX-License-Identifier: GPL-2.0-only
/* Tracepoint definitions. Nothing here fails or takes a lock. */
#define CREATE_TRACE_POINTS
#include "tce_trace.h"

int __cold tce_refuse(const struct tce_refusal *refusal, int rc, u64 value)
{
	if (rc)
		trace_tce_refused(refusal, value, rc);
	return rc;
}
