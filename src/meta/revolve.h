/* Where checkpoints go when they are fewer than the segments between them (Griewank and Walther
 * 2000, "Algorithm 799: revolve"). With s free checkpoints and r times that a segment may be
 * advanced over, C(s + r, s) segments can be reversed. */
#ifndef HC_META_REVOLVE_H
#define HC_META_REVOLVE_H

#include <stddef.h>

#include "base/arithmetic.h"

/* Of `segments` > 1 to be reversed, whose beginning is kept, and `free` > 0 further checkpoints:
 * how many to advance before the next one is placed. */
size_t hc_revolve_next(size_t segments, size_t free);
/* How many segments are advanced over in all, not counting those that are recorded; SIZE_MAX for
 * too many to tell. */
size_t hc_revolve_cost(size_t segments, size_t free);

#endif
