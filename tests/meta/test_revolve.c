/* Where checkpoints go: as few steps computed again as dynamic programming finds possible. */
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

int main(void) {
    find_best();
    for (size_t s = 0; s < POINTS; s++)
        for (size_t l = 1; l <= LONGEST; l++) {
            CHECK(hc_revolve_cost(l, s) == best[s][l]);
            CHECK(followed(l, s) == best[s][l]);
        }
    CHECK(hc_revolve_next(1000000, 999999) == 1);
    CHECK(hc_revolve_cost(1000000, 999999) == 999999);
    return check_done();
}
