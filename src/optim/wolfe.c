/* Nocedal and Wright 2006, "Numerical optimization", algorithms 3.5 (lengths grow until they enclose one that will do)
 * and 3.6 (and then shrink to it), with the cubic of their equation 3.59, in the form of PyTorch's _strong_wolfe. */
#include "optim/wolfe.h"

#include <math.h>

static const double decrease = 1e-4, curvature = 0.9;
enum { MOST = 25 };

/* Where the cubic through two places, with their slopes, is least, within bounds; their middle where it has no such
 * place. */
static double cubic(const HcPlace *a, const HcPlace *b, double low, double high) {
    double d1 = a->slope + b->slope - 3 * (a->loss - b->loss) / (a->t - b->t), square = d1 * d1 - a->slope * b->slope;
    double least = (double)NAN;
    if (square >= 0) {
        double d2 = a->t <= b->t ? sqrt(square) : -sqrt(square);
        least = b->t - (b->t - a->t) * ((b->slope + d2 - d1) / (b->slope - a->slope + 2 * d2));
    }
    return isfinite(least) ? fmin(fmax(least, low), high) : (low + high) / 2;
}

/* Of the slots one that neither place has, nor the start. */
static int unused(const HcPlace *start, const HcPlace *a, const HcPlace *b) {
    int slot = 0;
    while (slot == start->slot || slot == a->slot || slot == b->slot)
        slot++;
    return slot;
}

static bool look(HcWolfe *w, HcPlace *place) {
    w->evaluations++;
    return w->fn(place, w->user);
}

/* Too little is gained, or the loss is no number there. */
static bool too_high(const HcPlace *start, const HcPlace *place) {
    return !(place->loss <= start->loss + decrease * place->t * start->slope);
}

static bool is_flat(const HcPlace *start, const HcPlace *place) {
    return fabs(place->slope) <= -curvature * start->slope;
}

/* The lower of two; what is no number is not. */
static int lower(const HcPlace *ends) {
    if (isnan(ends[0].loss)) return 1;
    return ends[1].loss < ends[0].loss ? 1 : 0;
}

/* The next length between the two, away from both ends where the last one was near the same end. */
static double between(const HcPlace *ends, bool *stuck) {
    double low = fmin(ends[0].t, ends[1].t), high = fmax(ends[0].t, ends[1].t);
    double t = cubic(&ends[0], &ends[1], low, high), margin = 0.1 * (high - low);
    if (fmin(high - t, t - low) >= margin) {
        *stuck = false;
    } else if (*stuck || t >= high || t <= low) {
        t = fabs(t - high) < fabs(t - low) ? high - margin : low + margin;
        *stuck = false;
    } else {
        *stuck = true;
    }
    return t;
}

/* Shrinks what is between the two ends, of which `best` is the lower, until it does. */
static bool zoom(HcWolfe *w, const HcPlace *start, HcPlace *ends, size_t tried, HcPlace *found) {
    bool stuck = false;
    int best = lower(ends);
    for (; tried < MOST && !(fabs(ends[1].t - ends[0].t) * w->reach < w->tolerance_change); tried++) {
        HcPlace *low = &ends[best], *high = &ends[1 - best], next = {.t = between(ends, &stuck)};
        next.slot = unused(start, low, high);
        if (!look(w, &next)) return false;
        if (too_high(start, &next) || next.loss >= low->loss) {
            *high = next;
            best = lower(ends);
            continue;
        }
        bool done = is_flat(start, &next);
        if (!done && next.slope * (high->t - low->t) >= 0) *high = *low;
        *low = next;
        if (done) break;
    }
    *found = ends[best];
    return true;
}

bool hc_wolfe_search(HcWolfe *w, const HcPlace *start, double t, HcPlace *found) {
    HcPlace ends[2] = {*start, {.t = t}};
    for (size_t tried = 0;; tried++) {
        HcPlace *last = &ends[0], *now = &ends[1];
        now->slot = unused(start, last, last);
        if (!look(w, now)) return false;
        if (tried == MOST) {
            *last = *start;
            return zoom(w, start, ends, MOST, found);
        }
        if (too_high(start, now) || (tried > 1 && now->loss >= last->loss))
            return zoom(w, start, ends, tried, found);
        if (is_flat(start, now)) {
            *found = *now;
            return true;
        }
        if (now->slope >= 0) return zoom(w, start, ends, tried, found);
        t = cubic(last, now, now->t + 0.01 * (now->t - last->t), now->t * 10);
        ends[0] = *now;
        ends[1] = (HcPlace){.t = t};
    }
}
