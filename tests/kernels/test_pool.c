/* Pooling against plain loops in the same order: every level, both types, to the bit. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "higherc/higherc.h"
#include "kernels/kernels.h"
#include "support/check.h"

enum { MOST = 4000 };

static const HcConv geometries[] = {
    /* n, h, w, c, p, q, o, kh, kw, groups, stride, pad, dilation */
    {2, 6, 4, 5, 3, 2, 0, 2, 2, 0, {2, 2}, {0, 0}, {1, 1}, 0, 0, 0},
    {1, 7, 7, 19, 3, 3, 0, 2, 2, 0, {2, 2}, {0, 0}, {1, 1}, 0, 0, 0},
    {2, 5, 6, 17, 3, 6, 0, 3, 3, 0, {2, 1}, {1, 1}, {1, 1}, 0, 0, 0},
    {1, 6, 5, 3, 2, 1, 0, 2, 3, 0, {3, 2}, {1, 1}, {3, 2}, 0, 0, 0},
    {1, 2, 2, 4, 1, 1, 0, 2, 2, 0, {1, 1}, {1, 1}, {3, 3}, 0, 0, 0},
    {1, 1, 9, 1, 1, 5, 0, 1, 1, 0, {1, 2}, {0, 0}, {1, 1}, 0, 0, 0},
    {2, 4, 4, 3, 2, 2, 0, 2, 2, 0, {2, 2}, {0, 1}, {1, 1}, 0, 0, 0},
    {2, 4, 4, 3, 2, 2, 0, 2, 2, 0, {2, 2}, {1, 0}, {1, 1}, 0, 0, 0},
    {1, 3, 3, 2, 1, 0, 0, 2, 2, 0, {2, 2}, {0, 0}, {1, 1}, 0, 0, 0},
    {1, 3, 3, 2, 0, 1, 0, 2, 2, 0, {2, 2}, {0, 0}, {1, 1}, 0, 0, 0},
};

static void *real(const HcKernels *k, const double *from, size_t count) {
    void *to = malloc(count * k->size + 1);
    if (to) k->from_f64(to, from, count);
    return to;
}

/* to[i], from a plain loop, and what the kernel wrote agree as numbers of the type. */
static void same(const HcKernels *k, void *got, const double *want, size_t count,
                 const char *what) {
    void *rounded = real(k, want, count);
    bool good = count == 0 || memcmp(got, rounded, count * k->size) == 0;
    CHECK(good);
    if (!good) printf("  %s\n", what);
    free(rounded);
    free(got);
}

static void check_max(const HcKernels *k, const HcConv *g, bool relu, Rng *rng) {
    static double x[MOST], gy[MOST], y[MOST], tap[MOST], gx[MOST], picked[MOST];
    size_t nx = g->n * g->h * g->w * g->c, ny = g->n * g->p * g->q * g->c;
    for (size_t i = 0; i < nx; i++) {
        x[i] = floor(8 * rng_uniform(rng)) - (relu ? 6 : 0); /* with ties */
        gx[i] = 0;
    }
    for (size_t i = 0; i < ny; i++) {
        gy[i] = floor(64 * rng_uniform(rng)) / 8; /* sums of which are exact */
        y[i] = -(double)INFINITY;
        tap[i] = -1;
        picked[i] = 0;
    }
    for (size_t at = 0; at < ny; at++) {
        size_t c = at % g->c, q = at / g->c % g->q, p = at / g->c / g->q % g->p;
        size_t n = at / g->c / g->q / g->p, best = 0;
        for (size_t t = 0; t < g->kh * g->kw; t++) {
            size_t i = p * g->stride[0] + t / g->kw * g->dilation[0] - g->pad[0];
            size_t j = q * g->stride[1] + t % g->kw * g->dilation[1] - g->pad[1];
            if (i >= g->h || j >= g->w) continue; /* also where it wraps below 0 */
            size_t from = ((n * g->h + i) * g->w + j) * g->c + c;
            if (!(x[from] > y[at])) continue;
            y[at] = x[from];
            tap[at] = (double)t;
            best = from;
        }
        if (tap[at] < 0) continue;
        if (relu && !(y[at] > 0)) {
            y[at] = 0;
            tap[at] = -1;
            continue;
        }
        gx[best] += gy[at];
        picked[at] = x[best];
    }
    void *kx = real(k, x, nx), *kg = real(k, gy, ny), *ky = malloc(ny * k->size),
         *kt = malloc(ny * k->size), *kp = malloc(ny * k->size), *ks = malloc(nx * k->size);
    hc_pool_kernels(k)->max_pool(g, ky, kt, kx, relu);
    hc_pool_kernels(k)->pool_pick(g, kp, kx, kt);
    hc_pool_kernels(k)->pool_spread(g, ks, kg, kt);
    same(k, ky, y, ny, "max_pool");
    same(k, kt, tap, ny, "taps");
    same(k, kp, picked, ny, "pool_pick");
    same(k, ks, gx, nx, "pool_spread");
    free(kx);
    free(kg);
}

/* Windows of 2 and 4 pixels, so that means are exact. */
static void check_average(const HcKernels *k, size_t count, Rng *rng) {
    static const size_t top[] = {0, 1, 4}, bottom[] = {2, 3, 5}, left[] = {0, 2}, right[] = {2, 4};
    HcWindows w = {2, 5, 4, 7, 3, 2, top, bottom, left, right, count};
    static double x[MOST], gy[MOST], y[MOST], gx[MOST];
    size_t nx = w.n * w.h * w.w * w.c, ny = w.n * w.p * w.q * w.c;
    for (size_t i = 0; i < nx; i++) {
        x[i] = floor(64 * rng_uniform(rng));
        gx[i] = 0;
    }
    for (size_t at = 0; at < ny; at++) {
        size_t c = at % w.c, q = at / w.c % w.q, p = at / w.c / w.q % w.p, n = at / w.c / w.q / w.p;
        size_t covered = (bottom[p] - top[p]) * (right[q] - left[q]);
        double divisor = (double)(count ? count : covered);
        gy[at] = floor(64 * rng_uniform(rng));
        y[at] = 0;
        for (size_t i = top[p]; i < bottom[p]; i++)
            for (size_t j = left[q]; j < right[q]; j++) {
                size_t from = ((n * w.h + i) * w.w + j) * w.c + c;
                y[at] += x[from] / divisor;
                gx[from] += gy[at] / divisor;
            }
    }
    void *kx = real(k, x, nx), *kg = real(k, gy, ny), *ky = malloc(ny * k->size),
         *ks = malloc(nx * k->size);
    hc_pool_kernels(k)->avg_pool(&w, ky, kx);
    hc_pool_kernels(k)->avg_spread(&w, ks, kg);
    same(k, ky, y, ny, "avg_pool");
    same(k, ks, gx, nx, "avg_spread");
    free(kx);
    free(kg);
}

int main(void) {
    Rng rng = rng_seed(5);
    for (size_t level = 0; level < hc_kernel_levels(); level++)
        for (int dtype = 0; dtype < 2; dtype++) {
            const HcKernels *k = hc_kernels_at(level, dtype);
            for (size_t i = 0; i < sizeof geometries / sizeof *geometries; i++)
                for (int relu = 0; relu < 2; relu++)
                    check_max(k, &geometries[i], relu, &rng);
            check_average(k, 0, &rng);
            check_average(k, 8, &rng);
        }
    return check_done();
}
