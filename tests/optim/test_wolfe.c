/* The search for a length against the same written out once more, step by step as PyTorch's _strong_wolfe: the same
 * lengths in the same order, on lines of many shapes, from many first lengths. */
#include <higherc/higherc.h>

#include <math.h>
#include <stdlib.h>

#include "optim/wolfe.h"
#include "support/check.h"

enum { MOST = 64, LINES = 8 };

/* Loss and slope along a line. */
static void line(int which, double t, double *f, double *g) {
    switch (which) {
    case 0: /* a bowl */
        *f = (t - 3) * (t - 3) / 2;
        *g = t - 3;
        break;
    case 1: /* waves on the way down */
        *f = -t / 4 + sin(3 * t);
        *g = -0.25 + 3 * cos(3 * t) - 3;
        *f -= 3 * t;
        break;
    case 2: /* steep at first, then flat */
        *f = log1p(exp(5 - 2 * t)) + t / 50;
        *g = -2 / (1 + exp(2 * t - 5)) + 0.02;
        break;
    case 3: /* narrow */
        *f = -exp(-50 * (t - 0.7) * (t - 0.7)) - t / 100;
        *g = 100 * (t - 0.7) * exp(-50 * (t - 0.7) * (t - 0.7)) - 0.01;
        break;
    case 4: /* a fourth power */
        *f = pow(t - 1, 4) - t / 10;
        *g = 4 * pow(t - 1, 3) - 0.1;
        break;
    case 5: /* up and down */
        *f = -t / 100 - sin(5 * t);
        *g = -0.01 - 5 * cos(5 * t);
        break;
    case 6: /* up and down, ever more */
        *f = -t / 10 - t * sin(t);
        *g = -0.1 - sin(t) - t * cos(t);
        break;
    default: /* a kink */
        *f = fabs(t - 2) + t * t / 100;
        *g = (t > 2 ? 1 : -1) + t / 50;
    }
}

/* ---- once more ----------------------------------------------------------------------------------- */

typedef struct Tried {
    double t[MOST];
    size_t count;
    int which;
} Tried;

static void look(Tried *tried, double t, double *f, double *g) {
    if (tried->count < MOST) tried->t[tried->count++] = t;
    line(tried->which, t, f, g);
}

static double interpolated(double x1, double f1, double g1, double x2, double f2, double g2, double low, double high) {
    double d1 = g1 + g2 - 3 * (f1 - f2) / (x1 - x2), square = d1 * d1 - g1 * g2, at;
    if (square < 0) return (low + high) / 2;
    if (x1 <= x2)
        at = x2 - (x2 - x1) * ((g2 + sqrt(square) - d1) / (g2 - g1 + 2 * sqrt(square)));
    else
        at = x1 - (x1 - x2) * ((g1 + sqrt(square) - d1) / (g1 - g2 + 2 * sqrt(square)));
    return fmin(fmax(at, low), high);
}

static double once_more(Tried *tried, double t, double f, double gtd, double reach, double tolerance) {
    double f_new, g_new, t_prev = 0, f_prev = f, g_prev = gtd, bt[2] = {0, 0}, bf[2] = {f, f}, bg[2] = {gtd, gtd};
    bool done = false, enclosed = false, stuck = false;
    int iterations = 0;
    look(tried, t, &f_new, &g_new);
    while (iterations < 25) {
        bool risen = f_new > f + 1e-4 * t * gtd || (iterations > 1 && f_new >= f_prev);
        done = !risen && fabs(g_new) <= -0.9 * gtd;
        if (done) return t;
        enclosed = risen || g_new >= 0;
        if (enclosed) {
            bt[0] = t_prev, bf[0] = f_prev, bg[0] = g_prev;
            bt[1] = t, bf[1] = f_new, bg[1] = g_new;
            break;
        }
        double least = t + 0.01 * (t - t_prev), most = t * 10, was = t;
        t = interpolated(t_prev, f_prev, g_prev, t, f_new, g_new, least, most);
        t_prev = was, f_prev = f_new, g_prev = g_new;
        look(tried, t, &f_new, &g_new);
        iterations++;
    }
    if (!enclosed) bt[1] = t, bf[1] = f_new, bg[1] = g_new;
    int low = bf[0] <= bf[1] ? 0 : 1;
    while (!done && iterations < 25) {
        double most = fmax(bt[0], bt[1]), least = fmin(bt[0], bt[1]);
        if (fabs(bt[1] - bt[0]) * reach < tolerance) break;
        t = interpolated(bt[0], bf[0], bg[0], bt[1], bf[1], bg[1], least, most);
        double eps = 0.1 * (most - least);
        if (fmin(most - t, t - least) < eps) {
            if (stuck || t >= most || t <= least) {
                t = fabs(t - most) < fabs(t - least) ? most - eps : least + eps;
                stuck = false;
            } else {
                stuck = true;
            }
        } else {
            stuck = false;
        }
        look(tried, t, &f_new, &g_new);
        iterations++;
        if (f_new > f + 1e-4 * t * gtd || f_new >= bf[low]) {
            bt[1 - low] = t, bf[1 - low] = f_new, bg[1 - low] = g_new;
            low = bf[0] <= bf[1] ? 0 : 1;
        } else {
            if (fabs(g_new) <= -0.9 * gtd)
                done = true;
            else if (g_new * (bt[1 - low] - bt[low]) >= 0)
                bt[1 - low] = bt[low], bf[1 - low] = bf[low], bg[1 - low] = bg[low];
            bt[low] = t, bf[low] = f_new, bg[low] = g_new;
        }
    }
    return bt[low];
}

/* ---- the search ---------------------------------------------------------------------------------- */

static int slots[HC_WOLFE_SLOTS]; /* what each holds: the number of the place, counted from 1 */

static bool place_at(HcPlace *place, void *user) {
    Tried *tried = user;
    CHECK(place->slot >= 0 && place->slot < HC_WOLFE_SLOTS && place->slot != 2); /* 2 is where it begins */
    look(tried, place->t, &place->loss, &place->slope);
    slots[place->slot] = (int)tried->count;
    return true;
}

static bool refuse(HcPlace *place, void *user) {
    place->loss = place->slope = (double)NAN;
    return --*(int *)user > 0;
}

static void lengths(void) {
    size_t zooms = 0;
    for (int which = 0; which < LINES; which++)
        for (double t = 1e-3; t < 2e3; t *= 1.09) {
            Tried mine = {.which = which}, theirs = {.which = which};
            HcPlace start = {.slot = 2}, found;
            line(which, 0, &start.loss, &start.slope);
            CHECK(start.slope < 0);
            HcWolfe w = {1e-9, 2, place_at, &mine, 0};
            CHECK(hc_wolfe_search(&w, &start, t, &found));
            double want = once_more(&theirs, t, start.loss, start.slope, 2, 1e-9);
            CHECK(mine.count == theirs.count && w.evaluations == mine.count);
            for (size_t i = 0; i < mine.count && i < theirs.count; i++)
                CHECK_NEAR(mine.t[i], theirs.t[i], 1e-7, 1e-12);
            CHECK_NEAR(found.t, want, 1e-7, 1e-12);
            /* the gradient of the place that was found is still in its slot */
            size_t number = found.slot == 2 ? 0 : (size_t)slots[found.slot];
            CHECK(number == 0 ? found.t == 0 : number <= mine.count && mine.t[number - 1] == found.t);
            zooms += mine.count > 3;
        }
    CHECK(zooms > 20);
}

/* No number anywhere but where it begins: there it stays. And the caller may end it at any place. */
static void nowhere(void) {
    HcPlace start = {.loss = 1, .slope = -1, .slot = 2}, found;
    int left = 1000;
    HcWolfe w = {1e-9, 1, refuse, &left, 0};
    CHECK(hc_wolfe_search(&w, &start, 1, &found) && found.t == 0 && found.slot == 2 && w.evaluations > 20);
    for (left = 1; left < 9; left++) {
        int k = left;
        w = (HcWolfe){1e-9, 1, refuse, &k, 0};
        CHECK(!hc_wolfe_search(&w, &start, 1, &found) && w.evaluations == (size_t)left);
    }
}

int main(void) {
    lengths();
    nowhere();
    return check_done();
}
