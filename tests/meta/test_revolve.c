/* Where checkpoints go: as few steps computed again as dynamic programming finds possible; and the
 * ways over a loop that follow it. */
#include "meta/revolve.h"

#include <stdint.h>

#include "support/check.h"

enum { LONGEST = 120, POINTS = 12 };

static size_t best[POINTS][LONGEST + 1];

static void find_best(void) {
    for (size_t s = 0; s < POINTS; s++)
        for (size_t l = 2; l <= LONGEST; l++) {
            best[s][l] = l * (l - 1) / 2;
            for (size_t m = 1; m < l && s > 0; m++) {
                size_t cost = m + best[s - 1][l - m] + best[s][m];
                if (cost < best[s][l]) best[s][l] = cost;
            }
        }
}

/* What following hc_revolve_next comes to. */
static size_t followed(size_t l, size_t s) {
    if (l <= 1) return 0;
    if (s == 0) return l * (l - 1) / 2;
    size_t next = hc_revolve_next(l, s);
    CHECK(next >= 1 && next < l);
    if (next < 1 || next >= l) return SIZE_MAX / 4;
    return next + followed(l - next, s - 1) + followed(next, s);
}

/* ---- ways ------------------------------------------------------------------------------------ */

typedef struct Way {
    size_t points[POINTS + 1], now; /* the segment before which each place's point stands, and the current one */
    size_t advanced, left;          /* segments; and to be reversed */
} Way;

static bool advance(void *user, size_t place, size_t to, size_t into) {
    Way *w = user;
    CHECK(place <= POINTS && w->points[place] < to);
    w->advanced += to - w->points[place];
    w->now = to;
    if (into != HC_CURRENT) w->points[into] = to;
    return true;
}

static bool reverse(void *user, size_t place, size_t segment) {
    Way *w = user;
    CHECK(segment == --w->left && segment == (place == HC_CURRENT ? w->now : w->points[place]));
    return true;
}

/* Back as often as one likes: first from the points that the way forth has placed, then from the beginning alone, as it
 * is best, where points were placed anew. */
static void check_ways(size_t segments, size_t points) {
    size_t before[POINTS + 1] = {0}, forth = 0, back = 0;
    HcWalk walk = {.segments = segments, .most = points, .before = before};
    Way way = {.advanced = 0};
    HcMoves moves = {advance, reverse, &way};
    CHECK(hc_walk_forth(&walk, &moves) && way.now == segments && way.advanced == segments);
    for (size_t i = 0; i < points; i++)
        forth += hc_revolve_next(segments - forth, points - i);
    back = best[points][segments] - forth;
    bool all = points + 1 == segments; /* none is placed anew */
    for (int pass = 0; pass < 3; pass++) {
        way.advanced = 0;
        way.left = segments;
        CHECK(hc_walk_back(&walk, &moves) && way.left == 0);
        CHECK(way.advanced == (pass == 0 || all ? back : best[points][segments]));
    }
}

int main(void) {
    find_best();
    for (size_t points = 1; points < POINTS; points++)
        for (size_t segments = points + 1; segments <= LONGEST; segments += 7)
            check_ways(segments, points);
    for (size_t s = 0; s < POINTS; s++)
        for (size_t l = 1; l <= LONGEST; l++) {
            CHECK(hc_revolve_cost(l, s) == best[s][l]);
            CHECK(followed(l, s) == best[s][l]);
        }
    CHECK(hc_revolve_next(1000000, 999999) == 1);
    CHECK(hc_revolve_cost(1000000, 999999) == 999999);
    return check_done();
}
