/* The kernels of batch norm, dropout and whole rows at every instruction set of this machine: the same bits as
 * the baseline's, in one or in pieces, and batch norm near its definition in plain loops. */
#include <math.h>
#include <string.h>

#include "higherc/base.h"
#include "kernels/kernels.h"
#include "support/check.h"

enum { MOST = 6000, MOST_CHANNELS = 70 };

typedef union Numbers {
    float f32[MOST];
    double f64[MOST];
} Numbers;

/* What one level makes of one input. */
typedef struct Results {
    Numbers moments, sums_g, sums_v, slope, norm, backward, second, dropout;
} Results;

static Numbers x, g, v, w, b;
static int dtype;

static double get(const Numbers *n, size_t i) {
    return dtype == 0 ? (double)n->f32[i] : n->f64[i];
}

static void draw(Numbers *n, size_t count, double mean, Rng *rng) {
    for (size_t i = 0; i < count; i++) {
        double value = mean + rng_normal(rng);
        if (dtype == 0)
            n->f32[i] = (float)value;
        else
            n->f64[i] = value;
    }
}

static void *at(Numbers *n, size_t i) {
    return dtype == 0 ? (void *)&n->f32[i] : (void *)&n->f64[i];
}

/* From the sums of g (x - mean) to those of g xhat. */
static void divide(const HcKernels *k, Numbers *sums, Numbers *moments, HcChannels s, double eps) {
    static Numbers r;
    void *with_x = at(sums, s.channels);
    k->shift(&r, at(moments, s.channels), s.channels, &eps);
    k->rsqrt(&r, &r, s.channels, NULL);
    k->mul(with_x, with_x, 1, &r, 1, s.channels, NULL);
}

/* In pieces of `rows` along outer. */
static void run(const HcKernels *k, HcChannels s, size_t rows, double eps, Results *r) {
    memset(r, 0, sizeof *r);
    hc_norm_kernels(k)->channel_moments(&r->moments, &x, s);
    size_t step = rows * s.channels * s.inner, numbers = s.outer * s.channels * s.inner;
    for (size_t i = 0; i < numbers; i += step) {
        HcChannels piece = s;
        if (piece.outer > rows) piece.outer = rows;
        if (i + step > numbers) piece.outer = s.outer % rows;
        hc_norm_kernels(k)->channel_sums(&r->sums_g, at(&x, i), &r->moments, at(&g, i), piece);
        hc_norm_kernels(k)->channel_sums(&r->sums_v, at(&x, i), &r->moments, at(&v, i), piece);
        hc_norm_kernels(k)->channel_dots(&r->slope, at(&g, i), at(&v, i), piece);
    }
    divide(k, &r->sums_g, &r->moments, s, eps);
    divide(k, &r->sums_v, &r->moments, s, eps);
    hc_norm_kernels(k)->batch_norm_slope(&r->slope, &r->moments, &r->sums_g, &r->sums_v, eps, s);
    for (size_t i = 0; i < numbers; i += step) {
        HcChannels piece = s;
        if (piece.outer > rows) piece.outer = rows;
        if (i + step > numbers) piece.outer = s.outer % rows;
        hc_norm_kernels(k)->batch_norm(at(&r->norm, i), at(&x, i), &r->moments, &w, &b, eps, piece);
        hc_norm_kernels(k)->batch_norm_backward(at(&r->backward, i), at(&x, i), &r->moments, &w, at(&g, i),
                                                &r->sums_g, eps, piece);
        hc_norm_kernels(k)->batch_norm_second(at(&r->second, i), at(&x, i), &r->moments, &w, at(&g, i), at(&v, i),
                                              &r->sums_g, &r->sums_v, &r->slope, eps, piece);
    }
    k->dropout(&r->dropout, &x, numbers, 7, 9, (uint64_t)1 << 31, 2);
}

/* Where number i of a channel stands. */
static size_t place(HcChannels s, size_t c, size_t i) {
    return (i / s.inner * s.channels + c) * s.inner + i % s.inner;
}

/* One channel by definition, in double. */
static void check_channel(const Results *r, HcChannels s, size_t c, double eps) {
    double n = (double)(s.outer * s.inner), mean = 0, var = 0, g0 = 0, g1 = 0, v0 = 0, v1 = 0;
    double dot = 0, tolerance = dtype == 0 ? 2e-5 : 1e-13;
    for (size_t i = 0; i < s.outer * s.inner; i++)
        mean += get(&x, place(s, c, i)) / n;
    for (size_t i = 0; i < s.outer * s.inner; i++)
        var += pow(get(&x, place(s, c, i)) - mean, 2) / n;
    for (size_t i = 0; i < s.outer * s.inner; i++) {
        size_t p = place(s, c, i);
        double xhat = (get(&x, p) - mean) / sqrt(var + eps);
        g0 += get(&g, p);
        g1 += get(&g, p) * xhat;
        v0 += get(&v, p);
        v1 += get(&v, p) * xhat;
        dot += get(&g, p) * get(&v, p);
    }
    double rr = 1 / sqrt(var + eps), wc = get(&w, c);
    double slope = rr * (dot - (g0 * v0 + g1 * v1) / n);
    CHECK_NEAR(get(&r->moments, c), mean, tolerance, tolerance);
    CHECK_NEAR(get(&r->moments, s.channels + c), var, tolerance, tolerance);
    CHECK_NEAR(get(&r->sums_g, c), g0, tolerance, tolerance * n);
    CHECK_NEAR(get(&r->sums_v, s.channels + c), v1, tolerance, tolerance * n);
    CHECK_NEAR(get(&r->slope, c), slope, tolerance, tolerance * n);
    for (size_t i = 0; i < s.outer * s.inner; i++) {
        size_t p = place(s, c, i);
        double xhat = (get(&x, p) - mean) * rr;
        double pg = get(&g, p) - g0 / n - xhat * g1 / n;
        double pv = get(&v, p) - v0 / n - xhat * v1 / n;
        CHECK_NEAR(get(&r->norm, p), wc * xhat + get(&b, c), tolerance, 4 * tolerance);
        CHECK_NEAR(get(&r->backward, p), wc * rr * pg, tolerance, 40 * tolerance);
        CHECK_NEAR(get(&r->second, p), -wc * rr / n * (xhat * slope + rr * (pv * g1 + pg * v1)),
                   tolerance, 40 * tolerance);
    }
}

static void every_shape(void) {
    static const size_t shapes[][3] = {{4, 3, 1},  {9, 32, 1},  {7, 33, 1},   {2, 70, 1},
                                       {3, 64, 1}, {2, 3, 16},  {3, 2, 49},   {1, 5, 7},
                                       {2, 40, 3}, {2, 1, 100}, {1500, 4, 1}, {5, 1, 1100}};
    static Results baseline, other;
    Rng rng = rng_seed(17);
    for (dtype = 0; dtype < 2; dtype++)
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            const size_t *d = shapes[i];
            HcChannels s = {d[0], d[1], d[2], d[0] * d[2]};
            size_t count = s.outer * s.channels * s.inner;
            draw(&x, count, 2, &rng);
            draw(&g, count, 0.3, &rng);
            draw(&v, count, -0.2, &rng);
            draw(&w, MOST_CHANNELS, 1, &rng);
            draw(&b, MOST_CHANNELS, 0, &rng);
            run(hc_kernels_at(0, dtype), s, s.outer, 0.1, &baseline);
            for (size_t c = 0; c < s.channels; c++)
                check_channel(&baseline, s, c, 0.1);
            for (size_t l = 0; l < hc_kernel_levels(); l++)
                for (size_t rows = 1; rows <= s.outer; rows += 1 + s.outer / 4) {
                    run(hc_kernels_at(l, dtype), s, rows, 0.1, &other);
                    CHECK(memcmp(&baseline, &other, sizeof other) == 0);
                }
        }
}

/* Rows taken and added, [outer, axis, inner] with one index a row. */
static void rows(void) {
    enum { OUTER = 2, AXIS = 5, PICKS = 4, INNER = 19 };
    static const double which[PICKS] = {4, 0, 4, 2};
    static Numbers index, taken, added;
    Rng rng = rng_seed(3);
    for (dtype = 0; dtype < 2; dtype++)
        for (size_t l = 0; l < hc_kernel_levels(); l++) {
            const HcKernels *k = hc_kernels_at(l, dtype);
            size_t bad = 99;
            draw(&x, OUTER * AXIS * INNER, 0, &rng);
            k->from_f64(&index, which, PICKS);
            CHECK(hc_index_kernels(k)->pick_rows(&taken, &x, &index, OUTER, AXIS, PICKS, INNER, &bad));
            memset(&added, 0, sizeof added);
            CHECK(hc_index_kernels(k)->add_rows(&added, &taken, &index, OUTER, AXIS, PICKS, INNER, &bad));
            for (size_t o = 0; o < OUTER; o++)
                for (size_t i = 0; i < INNER; i++) {
                    for (size_t p = 0; p < PICKS; p++)
                        CHECK(get(&taken, (o * PICKS + p) * INNER + i) ==
                              get(&x, (o * AXIS + (size_t)which[p]) * INNER + i));
                    for (size_t a = 0; a < AXIS; a++) {
                        size_t p = (o * AXIS + a) * INNER + i;
                        double times = a == 4 ? 2 : a == 0 || a == 2;
                        CHECK(get(&added, p) == times * get(&x, p));
                    }
                }
            CHECK(!hc_index_kernels(k)->pick_rows(&taken, &x, &index, OUTER, 4, PICKS, INNER, &bad) && bad == 0);
            CHECK(!hc_index_kernels(k)->add_rows(&added, &x, &index, OUTER, 4, PICKS, INNER, &bad) && bad == 0);
        }
}

int main(void) {
    every_shape();
    rows();
    return check_done();
}
