// SPDX-License-Identifier: GPL-2.0-only
/*
 * Draws shapes, and whatever else has properties, instead of having them listed: with a fixed seed,
 * until any two values of two properties were met together, unless they can't be.
 */
#include <linux/bug.h>
#include <linux/jhash.h>
#include <linux/string.h>

#include "tce_draw.h"

/* Draw what has two values that were not met yet. Return: they can be together */
static bool draw_with(struct tce_draw *draw, unsigned int a, unsigned int x, unsigned int b,
		      unsigned int y)
{
	unsigned int tries, i;
	u8 *v = draw->v;

	for (tries = 0; tries < 64; tries++) {
		for (i = 0; i < draw->n; i++)
			v[i] = prandom_u32_state(&draw->random) % draw->sizes[i];
		v[a] = x;
		v[b] = y;
		draw->fit(v);
		if (v[a] == x && v[b] == y)
			return true;
	}
	return false;
}

/* Return: false if each pair was met */
bool tce_draw_next(struct tce_draw *draw)
{
	unsigned int a, b, x, y;
	bool drawn = false;

	for (a = 0; a < draw->n; a++)
		for (b = a + 1; b < draw->n; b++)
			for (x = 0; x < draw->sizes[a]; x++)
				for (y = 0; y < draw->sizes[b] && !drawn; y++)
					drawn = !__test_and_set_bit(TCE_PAIR(a, x, b, y),
								    draw->met) &&
						draw_with(draw, a, x, b, y);
	for (a = 0; drawn && a < draw->n; a++)
		for (b = a + 1; b < draw->n; b++)
			__set_bit(TCE_PAIR(a, draw->v[a], b, draw->v[b]), draw->met);
	return drawn;
}

/* The shape after @prev, the first of which has 0 everywhere. Return: NULL if each pair was met */
const u8 *tce_next_shape(struct tce_shapes *shapes, const void *prev)
{
	struct tce_draw *draw = &shapes->draw;
	u8 *v = prev ? (u8 *)prev + sizeof(shapes->all[0]) : shapes->all[0];

	if (!prev) {
		prandom_seed_state(&draw->random, TCE_SEED);
		memset(draw->v, 0, sizeof(draw->v));
		bitmap_zero(draw->met, TCE_PAIRS);
	} else if (!tce_draw_next(draw) || WARN_ON(v == shapes->all[ARRAY_SIZE(shapes->all)])) {
		return NULL;
	}
	memcpy(v, draw->v, sizeof(shapes->all[0]));
	return v;
}

/* What is drawn for a shape of @n properties is its own. */
void tce_seed_by(struct rnd_state *random, const u8 *shape, unsigned int n)
{
	prandom_seed_state(random, jhash(shape, n, TCE_SEED));
}
