// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which results are right.
 */
#define _GNU_SOURCE
#include <string.h>

#include "model.h"

bool wanted_has(const struct wanted *want, long rc)
{
	if (rc >= 0)
		return (want->bits[0] & 1) && rc == want->value;
	return rc > -192 && want->bits[-rc / 64] >> (-rc % 64) & 1;
}

void may(struct wanted *want, int err)
{
	want->bits[err / 64] |= 1ULL << err % 64;
}

/* @refused remembers that success would be wrong. */
void must(struct wanted *want, bool *refused, int err)
{
	may(want, err);
	*refused = true;
}

void wanted_text(const struct wanted *want, char *buf, size_t size)
{
	size_t len = 0;
	int err;

	buf[0] = '\0';
	if (want->bits[0] & 1)
		len = snprintf(buf, size, "%ld", want->value);
	for (err = 1; err < 192 && len < size; err++)
		if (want->bits[err / 64] >> err % 64 & 1)
			len += snprintf(buf + len, size - len, "%s-%s",
					len ? " or " : "",
					strerrorname_np(err) ?: "?");
}
