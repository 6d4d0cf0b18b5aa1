/* SPDX-License-Identifier: GPL-2.0-only */
/* Properties that are drawn until any two values of two of them were met together: tce_draw.c. */
#ifndef TCE_KUNIT_DRAW_H
#define TCE_KUNIT_DRAW_H

#include <linux/bitmap.h>
#include <linux/prandom.h>

#define TCE_SEED		0x7ce

/* Properties, and what they may be, are numbers. */
#define TCE_MOST_PROPERTIES	9
#define TCE_MOST_VALUES		12
#define TCE_PAIR(a, x, b, y) \
	((((a) * TCE_MOST_VALUES + (x)) * TCE_MOST_PROPERTIES + (b)) * TCE_MOST_VALUES + (y))
#define TCE_PAIRS		TCE_PAIR(TCE_MOST_PROPERTIES, 0, 0, 0)

/**
 * struct tce_draw - draws properties
 * @n: how many there are
 * @sizes: how many values each has
 * @fit: changes what can't be together
 * @random: decides
 * @met: pairs of values
 * @v: what was drawn
 */
struct tce_draw {
	unsigned int n;
	u8 sizes[TCE_MOST_PROPERTIES];
	void (*fit)(u8 *v);
	struct rnd_state random;
	DECLARE_BITMAP(met, TCE_PAIRS);
	u8 v[TCE_MOST_PROPERTIES];
};

/**
 * struct tce_shapes - the parameters of a case, drawn with TCE_SEED
 * @draw: draws them
 * @all: those that were drawn
 */
struct tce_shapes {
	struct tce_draw draw;
	u8 all[48][TCE_MOST_PROPERTIES];
};

bool tce_draw_next(struct tce_draw *draw);
const u8 *tce_next_shape(struct tce_shapes *shapes, const void *prev);
void tce_seed_by(struct rnd_state *random, const u8 *shape, unsigned int n);

#endif /* TCE_KUNIT_DRAW_H */
