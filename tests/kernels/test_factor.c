/* Factors and triangular systems at every level, against plain loops in double: sizes around those of tiles, strips and
 * blocks, workspaces of exactly the bytes asked for, NaN where nothing is to be read, nothing written outside; and what
 * is singular, not positive definite, infinite or NaN. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "higherc/base.h"
#include "kernels/kernels.h"
#include "support/check.h"

static const HcKernels *k;
static Rng rng;

#ifdef TESTS_QUICK
static const size_t sizes[] = {0, 1, 2, 3, 5, 9, 17, 65, 70};
#else
static const size_t sizes[] = {0,  1,  2,  3,  4,  5,  7,  8,   9,   12,  15,  16, 17,
                               20, 31, 33, 63, 64, 65, 70, 127, 128, 129, 150, 200};
#endif
static const size_t widths[] = {0, 1, 2, 3, 4, 7, 8, 9, 15, 17, 25, 49, 70};

enum { SIZES = sizeof sizes / sizeof *sizes, WIDTHS = sizeof widths / sizeof *widths };

/* `count` numbers of the type under test, and no byte more. */
static void *numbers(size_t count) {
    void *memory = malloc(count > 0 ? count * k->size : 1);
    if (!memory) exit(1);
    return memory;
}

static double get(const void *x, size_t i) {
    return k->size == sizeof(double) ? ((const double *)x)[i] : (double)((const float *)x)[i];
}

static void put(void *x, size_t i, double value) {
    if (k->size == sizeof(double))
        ((double *)x)[i] = value;
    else
        ((float *)x)[i] = (float)value;
}

static void expect(bool right, const char *what, size_t n, size_t i) {
    CHECK(right);
    if (!right) printf("  %s: size %zu, number %zu, %zu-byte numbers\n", what, n, i, k->size);
}

/* Within so many roundings of numbers about 1. */
static bool close_to(double is, double want, size_t n) {
    double unit = k->size == sizeof(double) ? 0x1p-52 : 0x1p-23;
    return fabs(is - want) <= 8 * (double)(n + 4) * unit;
}

/* ---- Cholesky -------------------------------------------------------------------------------- */

/* A symmetric matrix near 1, of which NaN stand above the diagonal. */
static void *definite(size_t n) {
    void *a = numbers(n * n);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            put(a, i * n + j,
                j > i ? (double)NAN : (i == j) + (rng_uniform(&rng) - 0.5) / (double)n);
    return a;
}

static bool cholesky(void *a, size_t n, size_t *bad) {
    void *room = malloc(hc_factor_kernels(k)->cholesky_workspace(n));
    bool done = hc_factor_kernels(k)->cholesky(a, 1, n, room, bad);
    free(room);
    return done;
}

static void cholesky_of(size_t n) {
    void *a = definite(n);
    double *plain = malloc((n * n + 1) * sizeof *plain);
    size_t bad = 99;
    if (!plain) exit(1);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++) {
            double x = get(a, i * n + j);
            for (size_t p = 0; p < j; p++)
                x -= plain[i * n + p] * plain[j * n + p];
            plain[i * n + j] = i == j ? sqrt(x) : x / plain[j * n + j];
        }
    expect(cholesky(a, n, &bad), "cholesky", n, bad);
    for (size_t i = 0; i < n * n; i++) {
        double want = i % n > i / n ? 0 : plain[i];
        bool right = want == 0 ? get(a, i) == 0 : close_to(get(a, i), want, n);
        if (!right) expect(right, "cholesky", n, i);
    }
    free(plain);
    free(a);
}

/* Pivot p is the first that is not above 0, infinite, or made NaN by the number before it. */
static void indefinite(size_t n, size_t p, double pivot) {
    void *a = definite(n);
    size_t bad = 99;
    put(a, p * n + p, pivot);
    expect(!cholesky(a, n, &bad) && bad == p, "not positive definite", n, bad);
    free(a);
    if (p == 0) return;
    a = definite(n);
    put(a, p * n + p - 1, NAN);
    expect(!cholesky(a, n, &bad) && bad == p, "NaN beside a pivot", n, bad);
    free(a);
}

/* Side by side each becomes what it is alone; of those that are not definite the first is told. */
static void side_by_side(size_t n, size_t count) {
    void *all = numbers(count * n * n), *room = malloc(hc_factor_kernels(k)->cholesky_workspace(n) + 1);
    size_t bytes = n * n * k->size, bad = 99;
    for (size_t l = 0; l < count; l++) {
        void *a = definite(n);
        memcpy((char *)all + l * bytes, a, bytes);
        free(a);
    }
    void *alone = numbers(count * n * n);
    memcpy(alone, all, count * bytes);
    CHECK(hc_factor_kernels(k)->cholesky(all, count, n, room, &bad));
    for (size_t l = 0; l < count; l++)
        CHECK(cholesky((char *)alone + l * bytes, n, &bad));
    CHECK(memcmp(all, alone, count * bytes) == 0);
    for (size_t l = 1; n > 1 && l < count; l++) {
        put(all, l * n * n, l == 1 ? 1 : -1); /* a later matrix fails at an earlier pivot */
        if (l == 1) put(all, l * n * n + n * n - 1, -5);
    }
    if (n > 1 && count > 1) CHECK(!hc_factor_kernels(k)->cholesky(all, count, n, room, &bad) && bad == 2 * n - 1);
    free(all);
    free(alone);
    free(room);
}

static void choleskys(void) {
    for (size_t i = 0; i < SIZES; i++) {
        size_t n = sizes[i];
        cholesky_of(n);
        for (size_t count = 1; count <= HC_TOGETHER && n < 100; count++)
            side_by_side(n, count);
        for (size_t p = 0; p < n; p = 2 * p + 1) {
            indefinite(n, p, -1);
            indefinite(n, p, p ? -0.0 : 0.0);
            indefinite(n, p, NAN);
            indefinite(n, p, INFINITY);
        }
    }
}

/* ---- LU -------------------------------------------------------------------------------------- */

static void lu(void *f, size_t n) {
    void *room = malloc(hc_factor_kernels(k)->lu_workspace(n));
    hc_factor_kernels(k)->lu(f, n, room);
    free(room);
}

/* The product of the factors is a with its rows swapped; no factor is above 1, so each pivot was the largest. */
static void lu_of(size_t n, size_t zero_column) {
    void *f = numbers(n * n + n);
    double *a = malloc((n * n + 1) * sizeof *a);
    if (!a) exit(1);
    for (size_t i = 0; i < n * n; i++) {
        put(f, i, i % n == zero_column ? 0 : 2 * rng_uniform(&rng) - 1);
        a[i] = get(f, i);
    }
    lu(f, n);
    for (size_t i = 0; i < n; i++) {
        size_t other = (size_t)get(f, n * n + i);
        bool right = other >= i && other < n;
        expect(right, "lu's pivot", n, i);
        for (size_t j = 0; right && j < n; j++) {
            double kept = a[i * n + j];
            a[i * n + j] = a[other * n + j];
            a[other * n + j] = kept;
        }
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            double sum = i <= j ? get(f, i * n + j) : 0;
            for (size_t p = 0; p < i && p <= j; p++)
                sum += get(f, i * n + p) * get(f, p * n + j);
            bool right = close_to(sum, a[i * n + j], n) && (i <= j || fabs(get(f, i * n + j)) <= 1);
            if (!right) expect(right, "lu", n, i * n + j);
        }
    if (zero_column < n)
        expect(get(f, zero_column * n + zero_column) == 0, "lu of a singular matrix", n,
               zero_column);
    free(a);
    free(f);
}

/* Of larger numbers, so that no size of theirs is taken for one; a NaN ends up on the diagonal. */
static void lu_of_nan(size_t n, size_t where) {
    void *f = numbers(n * n + n);
    bool found = false;
    for (size_t i = 0; i < n * n; i++)
        put(f, i, i == where ? (double)NAN : rng_uniform(&rng) * 1e6);
    lu(f, n);
    for (size_t i = 0; i < n; i++) {
        found = found || isnan(get(f, i * n + i));
        expect(get(f, n * n + i) >= 0 && get(f, n * n + i) < (double)n, "lu's pivot with NaN", n,
               i);
    }
    expect(found, "lu with NaN", n, where);
    free(f);
}

static void lus(void) {
    for (size_t i = 0; i < SIZES; i++) {
        size_t n = sizes[i];
        lu_of(n, n);
        for (size_t p = 0; p < n; p = 2 * p + 1) {
            lu_of(n, p);
            lu_of_nan(n, p * n + n - 1 - p);
            lu_of_nan(n, p);
        }
    }
}

/* ---- triangular systems ---------------------------------------------------------------------- */

typedef struct System {
    HcTriangle t;
    void *a, *b;
    double *x;
} System;

static bool is_read(const HcTriangle *t, size_t i, size_t j) {
    return i == j ? !t->unit : (i < j) == t->upper;
}

/* The rows of a, or its columns, `pad` numbers apart; those of b as well. */
static System system_of(size_t n, size_t width, bool upper, bool unit, bool turned, size_t pad) {
    System s = {.t = {.n = n, .width = width, .upper = upper, .unit = unit, .ldb = width + pad}};
    size_t lda = n + pad;
    s.a = numbers(n * lda);
    s.b = numbers(n * s.t.ldb);
    s.x = malloc((n * width + 1) * sizeof *s.x);
    if (!s.x) exit(1);
    s.t.a = (HcMatrix){s.a, turned ? 1 : lda, turned ? lda : 1};
    s.t.b = s.b;
    for (size_t i = 0; i < n * lda; i++)
        put(s.a, i, NAN);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            if (is_read(&s.t, i, j))
                put(s.a, i * s.t.a.row + j * s.t.a.col,
                    i == j ? 1 + rng_uniform(&rng) : (2 * rng_uniform(&rng) - 1) / (double)n);
    for (size_t i = 0; i < n * s.t.ldb; i++)
        put(s.b, i, 2 * rng_uniform(&rng) - 1);
    return s;
}

static void substitute(const System *s) {
    const HcTriangle *t = &s->t;
    for (size_t step = 0; step < t->n; step++)
        for (size_t j = 0; j < t->width; j++) {
            size_t i = t->upper ? t->n - 1 - step : step;
            double x = get(s->b, i * t->ldb + j);
            for (size_t p = 0; p < t->n; p++)
                if (p != i && is_read(t, i, p))
                    x -= get(s->a, i * t->a.row + p * t->a.col) * s->x[p * t->width + j];
            s->x[i * t->width + j] = t->unit ? x : x / get(s->a, i * (t->a.row + t->a.col));
        }
}

static bool run(System *s, size_t *bad) {
    s->t.workspace = malloc(hc_factor_kernels(k)->solve_triangular_workspace(&s->t) + 1);
    bool done = hc_factor_kernels(k)->solve_triangular(&s->t, bad);
    free(s->t.workspace);
    return done;
}

static void finish(System *s) {
    free(s->a);
    free(s->b);
    free(s->x);
}

static void solve(size_t n, size_t width, bool upper, bool unit, bool turned, size_t pad) {
    System s = system_of(n, width, upper, unit, turned, pad);
    size_t bad = 99, ldb = s.t.ldb;
    void *before = numbers(n * ldb);
    memcpy(before, s.b, n * ldb * k->size);
    substitute(&s);
    expect(run(&s, &bad), "solve_triangular", n, bad);
    for (size_t i = 0; i < n * ldb; i++) {
        bool inside = i % ldb < width;
        bool right = inside ? close_to(get(s.b, i), s.x[i / ldb * width + i % ldb], n)
                            : get(s.b, i) == get(before, i);
        if (!right) expect(right, inside ? "solve_triangular" : "beside b", n, i);
    }
    free(before);
    finish(&s);
}

static void singular(size_t n, size_t at, bool upper) {
    System s = system_of(n, 3, upper, false, at % 2, 0);
    size_t bad = 99;
    void *before = numbers(n * 3);
    memcpy(before, s.b, n * 3 * k->size);
    put(s.a, at * (s.t.a.row + s.t.a.col), at % 2 ? -0.0 : 0.0);
    expect(!run(&s, &bad) && bad == at, "a singular triangle", n, bad);
    CHECK(memcmp(before, s.b, n * 3 * k->size) == 0);
    s.t.unit = true;
    expect(run(&s, &bad), "a singular triangle with ones", n, bad);
    free(before);
    finish(&s);
}

static void systems(void) {
    for (size_t i = 0; i < SIZES; i++) {
        for (size_t w = 0; w < WIDTHS; w++)
            for (unsigned way = 0; way < 8; way++)
                solve(sizes[i], widths[w], way & 1, way & 2, way & 4, (i + w) % 3);
        for (size_t at = 0; at < sizes[i]; at = 2 * at + 1)
            singular(sizes[i], at, at & 2);
    }
}

int main(void) {
    for (size_t level = 0; level < hc_kernel_levels(); level++)
        for (int dtype = 0; dtype < 2; dtype++) {
            k = hc_kernels_at(level, dtype);
            rng = rng_seed(3);
            choleskys();
            lus();
            systems();
        }
    return check_done();
}
