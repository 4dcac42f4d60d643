/* Convolution and its gradients against plain loops, at every level, for both types: all options, all
 * ways a weight is stored (which must not change a bit), all starts. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "higherc/higherc.h"
#include "kernels/kernels.h"
#include "support/check.h"

enum { MOST = 20000 };

static const HcConv geometries[] = {
    /* n, h, w, c, p, q (computed), o, kh, kw, groups, stride, pad, dilation */
    {1, 1, 1, 1, 0, 0, 1, 1, 1, 1, {1, 1}, {0, 0}, {1, 1}, 0, 0, 0},
    {2, 7, 7, 8, 0, 0, 16, 3, 3, 1, {1, 1}, {1, 1}, {1, 1}, 0, 0, 0},
    {2, 5, 6, 3, 0, 0, 5, 3, 3, 1, {1, 1}, {1, 1}, {1, 1}, 0, 0, 0},
    {1, 6, 5, 1, 0, 0, 37, 3, 3, 1, {1, 1}, {1, 1}, {1, 1}, 0, 0, 0},
    {3, 4, 4, 19, 0, 0, 3, 2, 3, 1, {1, 1}, {0, 2}, {1, 1}, 0, 0, 0},
    {2, 9, 8, 9, 0, 0, 33, 3, 2, 1, {2, 3}, {1, 0}, {1, 1}, 0, 0, 0},
    {1, 9, 11, 10, 0, 0, 18, 3, 3, 1, {1, 2}, {2, 3}, {2, 3}, 0, 0, 0},
    {2, 6, 6, 12, 0, 0, 8, 3, 3, 2, {1, 1}, {1, 1}, {1, 1}, 0, 0, 0},
    {2, 5, 5, 24, 0, 0, 36, 3, 3, 2, {2, 2}, {1, 1}, {1, 1}, 0, 0, 0},
    {2, 5, 5, 6, 0, 0, 6, 3, 3, 6, {1, 1}, {1, 1}, {1, 1}, 0, 0, 0},
    {2, 1, 13, 9, 0, 0, 17, 1, 4, 1, {1, 1}, {0, 1}, {1, 2}, 0, 0, 0},
    {1, 13, 12, 2, 0, 0, 2, 5, 4, 1, {3, 4}, {4, 3}, {1, 1}, 0, 0, 0},
    {2, 3, 3, 20, 0, 0, 40, 1, 1, 1, {1, 1}, {0, 0}, {1, 1}, 0, 0, 0},
    {4, 3, 3, 9, 0, 0, 65, 3, 3, 1, {1, 1}, {1, 1}, {1, 1}, 0, 0, 0},
    /* Many taps outside, over several passes. */
    {6, 5, 5, 24, 0, 0, 40, 3, 3, 1, {1, 1}, {0, 0}, {1, 1}, 0, 0, 0},
    {8, 3, 3, 33, 0, 0, 18, 3, 3, 1, {1, 1}, {2, 2}, {1, 1}, 0, 0, 0},
    {1, 15, 15, 1, 0, 0, 9, 3, 3, 1, {1, 1}, {1, 1}, {1, 1}, 0, 0, 0},
    {3, 7, 6, 32, 0, 0, 64, 3, 3, 2, {2, 1}, {1, 2}, {1, 2}, 0, 0, 0},
    {20, 6, 6, 9, 0, 0, 10, 3, 3, 1, {1, 1}, {0, 0}, {1, 1}, 0, 0, 0},
    /* unfolded: rows longer than a vector, more taps, steps of 2 */
    {2, 4, 40, 1, 0, 0, 70, 3, 3, 1, {1, 1}, {0, 1}, {1, 1}, 0, 0, 0},
    {1, 9, 23, 1, 0, 0, 20, 5, 5, 1, {1, 1}, {2, 2}, {1, 1}, 0, 0, 0},
    {3, 8, 25, 1, 0, 0, 12, 3, 3, 1, {2, 2}, {0, 0}, {1, 2}, 0, 0, 0},
    {2, 6, 20, 4, 0, 0, 10, 2, 5, 2, {1, 1}, {0, 0}, {1, 1}, 0, 0, 0},
    {0, 3, 3, 9, 0, 0, 4, 3, 3, 1, {1, 1}, {1, 1}, {1, 1}, 0, 0, 0},
};

typedef struct Data {
    double x[MOST], w[MOST], y[MOST], bias[MOST], want[MOST];
} Data;

static size_t weight_at(const HcConv *g, size_t o, size_t c, size_t tap) {
    return o * g->w_out + c * g->w_in + tap * g->w_tap;
}

enum { FORWARD, TO_INPUT, TO_WEIGHT };

/* Adds to d->want what is asked for: y from x and w, gx from y and w, gw from y and x. */
static void plainly(const HcConv *g, int which, Data *d) {
    size_t cg = g->c / g->groups, og = g->o / g->groups;
    for (size_t n = 0; n < g->n; n++)
        for (size_t p = 0; p < g->p; p++)
            for (size_t q = 0; q < g->q; q++)
                for (size_t o = 0; o < g->o; o++)
                    for (size_t c = 0; c < cg; c++)
                        for (size_t tap = 0; tap < g->kh * g->kw; tap++) {
                            size_t i = p * g->stride[0] + tap / g->kw * g->dilation[0];
                            size_t j = q * g->stride[1] + tap % g->kw * g->dilation[1];
                            if (i < g->pad[0] || i >= g->h + g->pad[0]) continue;
                            if (j < g->pad[1] || j >= g->w + g->pad[1]) continue;
                            size_t pixel = (n * g->h + i - g->pad[0]) * g->w + j - g->pad[1];
                            size_t at_x = pixel * g->c + o / og * cg + c;
                            size_t at_y = ((n * g->p + p) * g->q + q) * g->o + o;
                            size_t at_w = weight_at(g, o, c, tap);
                            if (which == FORWARD) d->want[at_y] += d->x[at_x] * d->w[at_w];
                            if (which == TO_INPUT) d->want[at_x] += d->y[at_y] * d->w[at_w];
                            if (which == TO_WEIGHT) d->want[at_w] += d->y[at_y] * d->x[at_x];
                        }
}

/* Memory of exactly the size, so that a sanitizer sees every step outside. */
static void *converted(const HcKernels *k, const double *from, size_t count) {
    void *to = malloc(count * k->size + 1);
    if (to) k->from_f64(to, from, count);
    return to;
}

static void compare(const HcKernels *k, const void *got, const double *want, size_t count,
                    const char *what, size_t geometry) {
    double value, worst = 0, largest = 1;
    for (size_t i = 0; i < count; i++) {
        k->to_f64(&value, (const char *)got + i * k->size, 1);
        if (!(fabs(value - want[i]) <= worst)) worst = fabs(value - want[i]);
        largest = fmax(largest, fabs(want[i]));
    }
    bool good = worst <= largest * (k->size == 4 ? 1e-5 : 1e-14);
    CHECK(good);
    if (!good) printf("  %s of geometry %zu: off by %g\n", what, geometry, worst);
}

static void fill(double *to, size_t count, Rng *rng) {
    for (size_t i = 0; i < count; i++)
        to[i] = (double)(float)(2 * rng_uniform(rng) - 1);
}

/* All at once, and tap by tap in two parts of the results to the same bits. */
static void to_weight(const HcKernels *k, const HcConv *g, void *to, size_t count, const void *y,
                      const void *x, bool add, void *workspace) {
    const size_t taps = g->kh * g->kw, results = g->o / g->groups, middle = results / 3;
    void *in_parts = malloc(count * k->size + 1);
    memcpy(in_parts, to, count * k->size);
    const HcConvKernels *conv = hc_conv_kernels(k);
    conv->conv_weight(g, to, y, x, add, (HcSpan){0, taps}, (HcSpan){0, results}, workspace);
    for (size_t tap = 0; tap < taps; tap++) {
        conv->conv_weight(g, in_parts, y, x, add, (HcSpan){tap, tap + 1}, (HcSpan){middle, results}, workspace);
        conv->conv_weight(g, in_parts, y, x, add, (HcSpan){tap, tap + 1}, (HcSpan){0, middle}, workspace);
    }
    CHECK(memcmp(in_parts, to, count * k->size) == 0);
    free(in_parts);
}

/* All pixels at once, and in three parts to the same bits. */
static void to_images(const HcKernels *k, const HcConv *g, int which, void *to, size_t pixels, size_t step,
                      const void *of, const void *w, const void *start, size_t start_step, void *workspace) {
    const size_t ends[] = {0, pixels / 3, pixels - pixels / 5, pixels}, bytes = pixels * step * k->size;
    void *in_parts = malloc(bytes + 1);
    const void *from = start == to ? in_parts : start;
    memcpy(in_parts, to, bytes);
    const HcConvKernels *conv = hc_conv_kernels(k);
    for (int i = 0; i < 3; i++)
        (which == FORWARD ? conv->conv : conv->conv_input)(g, in_parts, of, w, from, start_step, ends[i],
                                                           ends[i + 1], workspace);
    (which == FORWARD ? conv->conv : conv->conv_input)(g, to, of, w, start, start_step, 0, pixels, workspace);
    CHECK(memcmp(in_parts, to, bytes) == 0);
    free(in_parts);
}

/* The start: none, a row, or what is there. */
static void check_start(const HcKernels *k, const HcConv *g, int which, int start, Data *d,
                        size_t geometry, void *result) {
    size_t pixels = which == FORWARD ? g->n * g->p * g->q : g->n * g->h * g->w;
    size_t step = which == FORWARD ? g->o : g->c, count = pixels * step;
    if (which == TO_WEIGHT) count = g->kh * g->kw * (g->c / g->groups) * g->o;
    for (size_t i = 0; i < count; i++)
        d->want[i] = start == 0 ? 0 : d->bias[start == 1 ? i % step : i];
    void *to = converted(k, d->bias, count), *workspace = malloc(hc_conv_kernels(k)->conv_workspace(g));
    void *x = converted(k, d->x, g->n * g->h * g->w * g->c);
    void *y = converted(k, d->y, g->n * g->p * g->q * g->o);
    void *w = converted(k, d->w, g->kh * g->kw * (g->c / g->groups) * g->o);
    void *bias = converted(k, d->bias, step);
    const void *from = start == 0 ? NULL : start == 1 ? bias : to;
    plainly(g, which, d);
    if (which != TO_WEIGHT)
        to_images(k, g, which, to, pixels, step, which == FORWARD ? x : y, w, from, start == 2 ? step : 0, workspace);
    else
        to_weight(k, g, to, count, y, x, start == 2, workspace);
    static const char *const names[] = {"forward", "gradient to input", "gradient to weight"};
    compare(k, to, d->want, count, names[which], geometry);
    if (result) memcpy(result, to, count * k->size);
    free(to), free(workspace), free(x), free(y), free(w), free(bias);
}

/* The ways a weight is stored: [o][c][tap], [c][tap][o], [tap][c][o], [o][tap][c], [tap][o][c]. */
static HcConv stored(HcConv g, int way) {
    size_t taps = g.kh * g.kw, c = g.c / g.groups, o = g.o;
    size_t out[] = {c * taps, 1, 1, c * taps, c}, in[] = {taps, taps * o, o, 1, 1};
    size_t tap[] = {1, o, c * o, c, o * c};
    g.w_out = out[way];
    g.w_in = in[way];
    g.w_tap = tap[way];
    return g;
}

static void check_geometry(const HcKernels *k, size_t geometry, Data *d) {
    static char results[2][2][3][MOST * sizeof(double)]; /* [first or another way][which][start] */
    static double weight[MOST];
    HcConv g = geometries[geometry];
    Rng rng = rng_seed(geometry + 1);
    g.p = (g.h + 2 * g.pad[0] - g.dilation[0] * (g.kh - 1) - 1) / g.stride[0] + 1;
    g.q = (g.w + 2 * g.pad[1] - g.dilation[1] * (g.kw - 1) - 1) / g.stride[1] + 1;
    fill(d->x, MOST, &rng);
    fill(d->y, MOST, &rng);
    fill(d->bias, MOST, &rng);
    fill(weight, MOST, &rng);
    size_t taps = g.kh * g.kw, cg = g.c / g.groups;
    for (int way = 0; way < 5; way++) {
        g = stored(g, way);
        for (size_t o = 0; o < g.o; o++)
            for (size_t c = 0; c < cg; c++)
                for (size_t t = 0; t < taps; t++)
                    d->w[weight_at(&g, o, c, t)] = weight[(o * cg + c) * taps + t];
        for (int which = FORWARD; which <= TO_INPUT; which++)
            for (int start = 0; start < 3; start++)
                check_start(k, &g, which, start, d, geometry, results[way > 0][which][start]);
        if (way > 0) CHECK(memcmp(results[0], results[1], sizeof results[0]) == 0);
        if (g.w_out != 1) continue;
        check_start(k, &g, TO_WEIGHT, 0, d, geometry, NULL);
        check_start(k, &g, TO_WEIGHT, 2, d, geometry, NULL);
    }
}

int main(void) {
    static Data data;
    for (size_t level = 0; level < hc_kernel_levels(); level++)
        for (int dtype = 0; dtype < 2; dtype++)
            for (size_t i = 0; i < sizeof geometries / sizeof *geometries; i++)
                check_geometry(hc_kernels_at(level, dtype), i, &data);
    return check_done();
}
