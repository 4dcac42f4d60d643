/* Where checkpoints go when they are fewer than the segments between them (Griewank and Walther
 * 2000, "Algorithm 799: revolve"). With s free checkpoints and r times that a segment may be
 * advanced over, C(s + r, s) segments can be reversed. */
#ifndef HC_META_REVOLVE_H
#define HC_META_REVOLVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arithmetic.h"

/* Of `segments` > 1 to be reversed, whose beginning is kept, and `free` > 0 further checkpoints:
 * how many to advance before the next one is placed. */
size_t hc_revolve_next(size_t segments, size_t free);
/* How many segments are advanced over in all, not counting those that are recorded; SIZE_MAX for
 * too many to tell. */
size_t hc_revolve_cost(size_t segments, size_t free);

/* Ways over the segments of a loop. Points before some of them are kept in places 1 to `most`; the beginning stands in
 * place 0, and HC_CURRENT is that which was met last. */
#define HC_CURRENT SIZE_MAX
typedef struct HcWalk {
    size_t segments, most;
    size_t *before; /* [most + 1]: the segment that each place's point stands before */
    size_t used;    /* places in use, the beginning's among them */
} HcWalk;

typedef struct HcMoves {
    /* From the point in a place on to that before segment `to`, which goes into another, or is the current one. */
    bool (*advance)(void *user, size_t place, size_t to, size_t into);
    bool (*reverse)(void *user, size_t place, size_t segment);
    void *user;
} HcMoves;

/* To the end, filling the places. */
bool hc_walk_forth(HcWalk *walk, const HcMoves *moves);
/* Reverses all segments, from the last. Places that are filled anew on the way are no longer in use after it. */
bool hc_walk_back(HcWalk *walk, const HcMoves *moves);

#endif
