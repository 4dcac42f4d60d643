#include "meta/revolve.h"

/* C(s + r, s), or SIZE_MAX where it is past SIZE_MAX / 2. */
static size_t reach(size_t s, size_t r) {
    if (r > s) {
        size_t t = r;
        r = s;
        s = t;
    }
    size_t c = 1; /* C(s + i, i): the products divide without rest */
    if (r > 0 && s >= SIZE_MAX / 2) return SIZE_MAX;
    for (size_t i = 1; i <= r; i++) {
        if (c > SIZE_MAX / 2 / (s + i)) return SIZE_MAX;
        c = c * (s + i) / i;
    }
    return c;
}

/* The fewest repetitions with which s checkpoints reverse that many. */
static size_t repetitions(size_t segments, size_t s) {
    size_t r = 0;
    while (reach(s, r) < segments)
        r++;
    return r;
}

/* With s checkpoints, that at the beginning among them, any first part is best of C(s+r-2, s) to
 * C(s+r-1, s) segments that leaves C(s+r-2, s-1) to C(s+r-1, s-1) behind it. The longest is taken. */
size_t hc_revolve_next(size_t segments, size_t free) {
    size_t s = free + 1, r = repetitions(segments, s), most = reach(s, r - 1),
           behind = reach(s - 1, r - 1);
    size_t next = segments > behind ? segments - behind : 1;
    return next < most ? next : most;
}

/* r l - C(s + r, s + 1): each is advanced over r times but those near the checkpoints. */
size_t hc_revolve_cost(size_t segments, size_t free) {
    if (segments <= 1) return 0;
    size_t r = repetitions(segments, free + 1);
    return segments > SIZE_MAX / r ? SIZE_MAX : r * segments - reach(free + 2, r - 1);
}

bool hc_walk_forth(HcWalk *w, const HcMoves *moves) {
    size_t at = 0;
    w->used = 1;
    w->before[0] = 0;
    while (w->used <= w->most) {
        at += hc_revolve_next(w->segments - at, w->most + 1 - w->used);
        if (!moves->advance(moves->user, w->used - 1, at, w->used)) return false;
        w->before[w->used++] = at;
    }
    return moves->advance(moves->user, w->used - 1, w->segments, HC_CURRENT);
}

bool hc_walk_back(HcWalk *w, const HcMoves *moves) {
    size_t used = w->used;
    for (size_t left = w->segments; left > 0;) {
        size_t top = used - 1, segments = left - w->before[top], free = w->most + 1 - used, place = top;
        if (segments > 1 && free > 0) {
            w->before[used] = w->before[top] + hc_revolve_next(segments, free);
            w->used = 1;
            if (!moves->advance(moves->user, top, w->before[used], used)) return false;
            used++;
            continue;
        }
        if (segments > 1) {
            place = HC_CURRENT;
            if (!moves->advance(moves->user, top, left - 1, place)) return false;
        } else if (used > 1) {
            used--;
        }
        if (!moves->reverse(moves->user, place, --left)) return false;
    }
    return true;
}
