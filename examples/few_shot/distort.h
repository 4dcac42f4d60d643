/** @file distort.h
 *  Pictures that are turned, slanted, stretched and moved. */
#ifndef FEW_SHOT_DISTORT_H
#define FEW_SHOT_DISTORT_H

#include "alphabet.h"

/** Where in the old picture a pixel of the new one comes from, both measured from the middle. */
typedef struct Affine {
    double xx, xy, yx, yy, dx, dy;
} Affine;

/** By 90 degrees, `quarters` times. */
Affine affine_turn(size_t quarters);
/** A small one by chance: some degrees, a tenth in size, a few pixels. */
Affine affine_small(Rng *rng);
/** A picture distorted by `a`, and then by `b`. */
Affine affine_then(Affine a, Affine b);

/** Between pixels, linear; outside there is paper. */
void distort(const float from[PIXELS], Affine affine, float to[PIXELS]);

#endif
