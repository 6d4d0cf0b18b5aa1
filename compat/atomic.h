/* SPDX-License-Identifier: GPL-2.0-only */
/* Atomic accesses: what kernels before 5.12, or so, lack on POWER. */
#ifndef TCE_COMPAT_ATOMIC_H
#define TCE_COMPAT_ATOMIC_H

#include <linux/atomic.h>

#ifndef try_cmpxchg
#define try_cmpxchg(ptr, oldp, new) ({ \
	typeof(oldp) tce_oldp = (oldp); \
	typeof(*tce_oldp) tce_old = *tce_oldp; \
	*tce_oldp = cmpxchg(ptr, tce_old, new); \
	*tce_oldp == tce_old; \
})
#endif

#endif /* TCE_COMPAT_ATOMIC_H */
