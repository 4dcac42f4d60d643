/* Every instruction set that this machine has, against the baseline: the same bits from elementwise functions,
 * reductions, movement, indexing and softmax, over sizes that fill no register, one, and several, on memory
 * that is not aligned; products within a few roundings. Nothing is written past its end. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "higherc/base.h"
#include "kernels/kernels.h"
#include "support/check.h"

enum { MOST = 70, ROOM = 80 * 80, GUARD = 8 };

typedef struct Buffer { /* of either type, with a guard behind */
    _Alignas(64) unsigned char bytes[(ROOM + GUARD) * sizeof(double)];
} Buffer;

static Rng rng;
static const HcKernels *base, *level;
static size_t size; /* of a number */
static const char *level_name;
static bool good;

static void *at(Buffer *b, size_t i) {
    return b->bytes + i * size;
}

static void put(Buffer *b, size_t i, double value) {
    if (size == sizeof(float))
        ((float *)(void *)b->bytes)[i] = (float)value;
    else
        ((double *)(void *)b->bytes)[i] = value;
}

static double get(const Buffer *b, size_t i) {
    return size == sizeof(float) ? (double)((const float *)(const void *)b->bytes)[i]
                                 : ((const double *)(const void *)b->bytes)[i];
}

/* Ordinary numbers, and among them every odd one. */
static void fill(Buffer *b, bool odd) {
    static const double odd_ones[] = {0,     -0.0, 1,    -1,    INFINITY, -INFINITY, 1e-310,
                                      1e-40, 1e30, -700, 88.75, 710,      0.5,       2};
    for (size_t i = 0; i < ROOM + GUARD; i++) {
        double x = 3 * rng_normal(&rng);
        uint64_t pick = rng_below(&rng, 48);
        if (odd && pick < sizeof odd_ones / sizeof *odd_ones) x = odd_ones[pick];
        if (odd && pick == 40) x = NAN;
        put(b, i, x);
    }
}

/* Equal bits (any NaN equals any other), the guard too. */
static bool same(const Buffer *a, const Buffer *b) {
    if (memcmp(a, b, sizeof *a) == 0) return true;
    for (size_t i = 0; i < ROOM + GUARD; i++) {
        double x = get(a, i), y = get(b, i);
        if (!(x == y && signbit(x) == signbit(y)) && !(isnan(x) && isnan(y))) return false;
    }
    return true;
}

static void expect(bool right, const char *name, size_t n, size_t offset) {
    if (!right && good)
        printf("  %s at %s, %zu-byte numbers: n %zu, offset %zu\n", name, level_name, size, n,
               offset);
    good = good && right;
}

static Buffer x, z, w, out[2];

static void fresh(void) {
    memset(out[0].bytes, 0x5a, sizeof out[0].bytes);
    out[1] = out[0];
}

/* ---- elementwise ----------------------------------------------------------------------------------- */

static void unary(const char *name, HcUnaryFn *a, HcUnaryFn *b) {
    const double c[] = {0.75, 1.25};
    for (size_t n = 0; n <= MOST; n++)
        for (size_t offset = 0; offset < 4; offset++) {
            fresh();
            a(at(&out[0], offset), at(&x, 3 - offset), n, c);
            b(at(&out[1], offset), at(&x, 3 - offset), n, c);
            expect(same(&out[0], &out[1]), name, n, offset);
            expect(get(&out[0], ROOM) == get(&out[1], ROOM), name, n, offset);
            Buffer place = x; /* in place */
            b(at(&place, offset), at(&place, offset), n, c);
            fresh();
            a(at(&out[0], offset), at(&x, offset), n, c);
            for (size_t i = 0; i < offset + n + GUARD; i++) {
                bool inside = i >= offset && i < offset + n;
                double is = get(&place, i), was = inside ? get(&out[0], i) : get(&x, i);
                expect(is == was || (isnan(is) && isnan(was)), name, n, offset);
            }
        }
}

static void binary(const char *name, HcBinaryFn *a, HcBinaryFn *b) {
    const double c[] = {0.75, 1.25};
    for (size_t n = 0; n <= MOST; n++)
        for (size_t mode = 0; mode < 4; mode++) {
            size_t offset = mode ^ (n & 3);
            fresh();
            a(at(&out[0], offset), at(&x, 3 - offset), mode & 1, at(&z, offset), mode >> 1, n, c);
            b(at(&out[1], offset), at(&x, 3 - offset), mode & 1, at(&z, offset), mode >> 1, n, c);
            expect(same(&out[0], &out[1]), name, n, offset);
            for (int place = 0; place < 2; place++) { /* in the place of either operand */
                if (!(mode >> place & 1)) continue;
                out[0] = out[1] = place ? z : x;
                const void *p = place ? at(&x, 3) : at(&out[1], offset);
                const void *q = place ? at(&out[1], offset) : at(&z, 3);
                a(at(&out[0], offset), place ? at(&x, 3) : at(&x, offset), mode & 1,
                  place ? at(&z, offset) : at(&z, 3), mode >> 1, n, c);
                b(at(&out[1], offset), p, mode & 1, q, mode >> 1, n, c);
                expect(same(&out[0], &out[1]), name, n, offset);
            }
        }
}

static void elementwise(void) {
    fill(&x, true);
    fill(&z, true);
    for (size_t i = 0; i < ROOM; i += 7)
        put(&z, i, get(&x, i)); /* some are equal */
#define HC_UNARY(name, formula) unary(#name, base->name, level->name);
#define HC_UNARY_NEAR(name, formula, far, formula_far) HC_UNARY(name, formula)
#define HC_BINARY(name, formula) binary(#name, base->name, level->name);
#include "kernels/elementwise.def"
#undef HC_UNARY
#undef HC_UNARY_NEAR
#undef HC_BINARY
    for (size_t n = 0; n <= MOST; n++)
        for (size_t mode = 0; mode < 8; mode++) {
            fresh();
            base->select(at(&out[0], 1), at(&w, n & 3), mode & 1, at(&x, 2), mode >> 1 & 1, &z,
                         mode >> 2, n);
            level->select(at(&out[1], 1), at(&w, n & 3), mode & 1, at(&x, 2), mode >> 1 & 1, &z,
                          mode >> 2, n);
            expect(same(&out[0], &out[1]), "select", n, mode);
        }
}

/* ---- movement and conversion ------------------------------------------------------------------------ */

static void movement(void) {
    float f32[MOST];
    double f64[MOST];
    for (size_t n = 0; n <= MOST; n++) {
        size_t o = n & 3;
        fresh();
        base->fill(at(&out[0], o), n, -0.1);
        level->fill(at(&out[1], o), n, -0.1);
        expect(same(&out[0], &out[1]), "fill", n, o);
        for (size_t stride = 0; stride < 9; stride++) {
            fresh();
            base->copy(at(&out[0], o), stride / 3 + 1, at(&x, 1), stride % 3, n);
            level->copy(at(&out[1], o), stride / 3 + 1, at(&x, 1), stride % 3, n);
            expect(same(&out[0], &out[1]), "copy", n, stride);
        }
        for (size_t m = 0; m <= MOST; m += m < 20 ? 1 : 9) {
            fresh();
            base->transpose(at(&out[0], o), n, at(&x, 3 - o), m, m, n);
            level->transpose(at(&out[1], o), n, at(&x, 3 - o), m, m, n);
            expect(same(&out[0], &out[1]), "transpose", n, m);
        }
        for (size_t i = 0; i < n; i++)
            f32[i] = (float)(f64[i] = rng_normal(&rng));
        fresh();
        base->from_f32(at(&out[0], o), f32, n);
        level->from_f32(at(&out[1], o), f32, n);
        expect(same(&out[0], &out[1]), "from_f32", n, o);
        base->from_f64(at(&out[0], o), f64, n);
        level->from_f64(at(&out[1], o), f64, n);
        expect(same(&out[0], &out[1]), "from_f64", n, o);
        fresh();
        base->to_f32((float *)(void *)out[0].bytes, at(&x, o), n);
        level->to_f32((float *)(void *)out[1].bytes, at(&x, o), n);
        expect(same(&out[0], &out[1]), "to_f32", n, o);
        base->to_f64((double *)(void *)out[0].bytes, at(&x, o), n);
        level->to_f64((double *)(void *)out[1].bytes, at(&x, o), n);
        expect(same(&out[0], &out[1]), "to_f64", n, o);
        fill(&w, false);
        expect(!level->has_nan(at(&w, o), n), "has_nan", n, o);
        for (size_t i = 0; i < n; i++) {
            double was = get(&w, o + i);
            put(&w, o + i, NAN);
            expect(level->has_nan(at(&w, o), n) && base->has_nan(at(&w, o), n), "has_nan", n, i);
            put(&w, o + i, was);
        }
        put(&w, o + n, NAN); /* what lies beyond does not count */
        expect(!level->has_nan(at(&w, o), n), "has_nan", n, o);
    }
}

/* ---- reductions --------------------------------------------------------------------------------------- */

typedef void ReduceFn(void *y, const void *x, size_t stride, size_t m, size_t n);

static void reduce(const char *name, ReduceFn *a, ReduceFn *b, bool odd) {
    fill(&w, odd);
    for (size_t n = 0; n <= MOST; n++)
        for (size_t m = 0; m <= MOST; m += m < 6 ? 1 : 13) {
            size_t offset = (m + n) & 3, stride = n + m % 3;
            out[0] = out[1] = z; /* they add to what is there */
            a(at(&out[0], offset), at(&w, 3 - offset), stride, m, n);
            b(at(&out[1], offset), at(&w, 3 - offset), stride, m, n);
            expect(same(&out[0], &out[1]), name, n, m);
        }
}

/* Rows of w with targets out of its sizes; x are cotangents of rows, z of scores. */
static void cross_entropy(size_t o, size_t m, size_t n) {
    static Buffer target;
    const HcRowKernels *first = hc_row_kernels(base), *other = hc_row_kernels(level);
    size_t bad[2] = {0, 0};
    for (size_t i = 0; i < m; i++)
        put(&target, i, (double)((i * 7 + m) % n));
    fresh();
    CHECK(first->cross_entropy(at(&out[0], o), at(&w, 3 - o), at(&target, 0), m, n, bad));
    CHECK(other->cross_entropy(at(&out[1], o), at(&w, 3 - o), at(&target, 0), m, n, bad));
    expect(same(&out[0], &out[1]), "cross_entropy", n, m);
    fresh();
    CHECK(first->cross_entropy_slope(at(&out[0], o), at(&w, 3 - o), at(&target, 0), at(&x, 1), m, n, bad));
    CHECK(other->cross_entropy_slope(at(&out[1], o), at(&w, 3 - o), at(&target, 0), at(&x, 1), m, n, bad));
    expect(same(&out[0], &out[1]), "cross_entropy_slope", n, m);
    fresh();
    CHECK(first->cross_entropy_fold(at(&out[0], o), at(&w, 3 - o), at(&target, 0), at(&z, 2), m, n, bad));
    CHECK(other->cross_entropy_fold(at(&out[1], o), at(&w, 3 - o), at(&target, 0), at(&z, 2), m, n, bad));
    expect(same(&out[0], &out[1]), "cross_entropy_fold", n, m);
    fresh();
    first->cross_entropy_bend(at(&out[0], o), at(&w, 3 - o), at(&x, 1), at(&z, 2), m, n);
    other->cross_entropy_bend(at(&out[1], o), at(&w, 3 - o), at(&x, 1), at(&z, 2), m, n);
    expect(same(&out[0], &out[1]), "cross_entropy_bend", n, m);
    if (m == 0) return;
    put(&target, m - 1, m & 1 ? (double)n : 0.5);
    CHECK(!first->cross_entropy_slope(at(&out[0], o), at(&w, 0), at(&target, 0), at(&x, 1), m, n, &bad[0]));
    CHECK(!other->cross_entropy_fold(at(&out[1], o), at(&w, 0), at(&target, 0), at(&z, 2), m, n, &bad[1]));
    CHECK(bad[0] == m - 1 && bad[1] == m - 1);
}

static void reductions(void) {
    for (int odd = 0; odd <= 1; odd++) {
        fill(&z, odd);
        reduce("sum_rows", base->sum_rows, level->sum_rows, odd);
        reduce("sum_cols", base->sum_cols, level->sum_cols, odd);
        reduce("max_rows", base->max_rows, level->max_rows, odd);
        reduce("max_cols", base->max_cols, level->max_cols, odd);
        reduce("min_rows", base->min_rows, level->min_rows, odd);
        reduce("min_cols", base->min_cols, level->min_cols, odd);
        fill(&w, odd);
        for (size_t n = 1; n <= MOST; n++)
            for (size_t m = 0; m <= 9; m += 3) {
                size_t o = n & 3;
                fresh();
                base->argmax_rows(at(&out[0], o), at(&w, o), m, n);
                level->argmax_rows(at(&out[1], o), at(&w, o), m, n);
                expect(same(&out[0], &out[1]), "argmax_rows", n, m);
                fresh();
                hc_row_kernels(base)->softmax_rows(at(&out[0], o), at(&w, 3 - o), m, n);
                hc_row_kernels(level)->softmax_rows(at(&out[1], o), at(&w, 3 - o), m, n);
                expect(same(&out[0], &out[1]), "softmax_rows", n, m);
                fresh();
                hc_row_kernels(base)->log_softmax_rows(at(&out[0], o), at(&w, 3 - o), m, n);
                hc_row_kernels(level)->log_softmax_rows(at(&out[1], o), at(&w, 3 - o), m, n);
                expect(same(&out[0], &out[1]), "log_softmax_rows", n, m);
                cross_entropy(o, m, n);
            }
    }
}

static void distances(void) {
    fill(&w, false);
    for (size_t n = 0; n <= MOST; n++) {
        size_t o = n & 3;
        fresh();
        base->squared_distance(&out[0], at(&w, o), at(&x, 3 - o), n, 0.3);
        level->squared_distance(&out[1], at(&w, o), at(&x, 3 - o), n, 0.3);
        expect(same(&out[0], &out[1]), "squared_distance", n, o);
        for (int second = 0; second <= 1; second++) {
            fresh();
            base->scaled_difference(at(&out[0], o), &w, at(&w, 3 - o), second ? at(&x, o) : NULL, n,
                                    0.3);
            level->scaled_difference(at(&out[1], o), &w, at(&w, 3 - o), second ? at(&x, o) : NULL,
                                     n, 0.3);
            expect(same(&out[0], &out[1]), "scaled_difference", n, o);
        }
        fresh();
        base->dropout(at(&out[0], o), at(&x, 3 - o), n, 77, n * 5, (uint64_t)1 << 30, 1.25);
        level->dropout(at(&out[1], o), at(&x, 3 - o), n, 77, n * 5, (uint64_t)1 << 30, 1.25);
        expect(same(&out[0], &out[1]), "dropout", n, o);
    }
}

/* ---- indexing -------------------------------------------------------------------------------------------- */

typedef bool IndexFn(void *y, const void *x, const void *index, size_t outer, size_t axis,
                     size_t picks, size_t inner, size_t *bad);

/* With the first numbers in w as indices of whole rows; one of them wrong, if any is. */
static void rows_by_index(size_t outer, size_t axis, size_t picks, size_t inner, bool wrong) {
    IndexFn *const fns[2][2] = {{hc_index_kernels(base)->pick_rows, hc_index_kernels(level)->pick_rows},
                                {hc_index_kernels(base)->add_rows, hc_index_kernels(level)->add_rows}};
    Buffer index = w;
    bool ok = true;
    for (size_t i = 0; i < picks; i++)
        put(&index, i, (double)(i * 5 % axis));
    if (wrong && picks) put(&index, picks / 2, (double)axis);
    for (size_t i = 0; i < picks; i++)
        ok = ok && get(&index, i) < (double)axis;
    for (int f = 0; f < 2; f++) {
        size_t bad[2] = {99, 99};
        out[0] = out[1] = z;
        bool a = fns[f][0](&out[0], &x, &index, outer, axis, picks, inner, &bad[0]);
        bool b = fns[f][1](&out[1], &x, &index, outer, axis, picks, inner, &bad[1]);
        expect(a == ok && b == ok &&
                   (ok ? same(&out[0], &out[1]) : bad[0] == picks / 2 && bad[1] == picks / 2),
               f ? "add_rows" : "pick_rows", picks, inner);
    }
}

static void indexing(void) {
    const HcIndexKernels *first = hc_index_kernels(base), *other = hc_index_kernels(level);
    fill(&x, false);
    for (size_t inner = 1; inner <= 20; inner += inner < 4 ? 1 : 5)
        for (size_t axis = 1; axis <= 9; axis += 2)
            for (size_t picks = 0; picks <= 11; picks++) {
                size_t outer = 1 + picks % 3, bad[2] = {99, 99}, n = outer * picks * inner;
                for (size_t i = 0; i < n; i++)
                    put(&w, i, (double)rng_below(&rng, axis));
                for (int wrong = 0; wrong <= 1; wrong++) {
                    static const double no_index[] = {-1, 0.5, NAN, INFINITY, 1e30, -0.25};
                    if (wrong && n) put(&w, n / 2, no_index[n % 6]);
                    bool ok = !wrong || !n;
                    fresh();
                    bool a = first->gather(&out[0], &x, &w, outer, axis, picks, inner, &bad[0]);
                    bool b = other->gather(&out[1], &x, &w, outer, axis, picks, inner, &bad[1]);
                    expect(a == ok && b == ok &&
                               (ok ? same(&out[0], &out[1]) : bad[0] == n / 2 && bad[1] == n / 2),
                           "gather", picks, inner);
                    out[0] = out[1] = z;
                    a = first->scatter_add(&out[0], &x, &w, outer, axis, picks, inner, &bad[0]);
                    b = other->scatter_add(&out[1], &x, &w, outer, axis, picks, inner, &bad[1]);
                    expect(a == ok && b == ok &&
                               (ok ? same(&out[0], &out[1]) : bad[0] == n / 2 && bad[1] == n / 2),
                           "scatter_add", picks, inner);
                    rows_by_index(outer, axis, picks, inner, wrong);
                    fresh();
                    if (n * axis > ROOM) continue;
                    a = first->one_hot(&out[0], &w, n, axis, &bad[0]);
                    b = other->one_hot(&out[1], &w, n, axis, &bad[1]);
                    expect(a == ok && b == ok &&
                               (ok ? same(&out[0], &out[1]) : bad[0] == n / 2 && bad[1] == n / 2),
                           "one_hot", n, axis);
                }
            }
}

/* ---- products -------------------------------------------------------------------------------------------- */

static void product(size_t m, size_t n, size_t k, bool ta, bool tb) {
    HcMatrix a = {at(&x, m & 3), ta ? 1 : k, ta ? m : 1},
             b = {at(&w, n & 3), tb ? 1 : n, tb ? k : 1};
    const HcKernels *levels[] = {base, level};
    for (int l = 0; l < 2; l++) {
        HcGemm g = {m, n, k, a, b, at(&out[l], 1), n + 2, at(&out[l], 1), n + 2, NULL};
        size_t bytes = levels[l]->gemm_workspace(&g);
        void *workspace = bytes ? hc_alloc(bytes, 1) : NULL;
        g.workspace = workspace;
        out[l] = z;
        levels[l]->gemm(&g);
        hc_free(workspace);
    }
    double unit = size == sizeof(float) ? 0x1p-24 : 0x1p-53;
    for (size_t i = 0; i < ROOM + GUARD; i++) {
        size_t row = i > 0 ? (i - 1) / (n + 2) : m, col = i > 0 ? (i - 1) % (n + 2) : 0;
        bool inside = i > 0 && row < m && col < n;
        double bound = 0;
        for (size_t p = 0; p < k && inside; p++)
            bound += fabs(get(&x, (m & 3) + row * a.row + p * a.col) *
                          get(&w, (n & 3) + p * b.row + col * b.col));
        double apart = fabs(get(&out[0], i) - get(&out[1], i));
        expect(apart <= 2 * unit * (double)(k + 1) * (bound + fabs(get(&z, i))) * inside, "gemm", n,
               m * 100 + k);
    }
}

static void products(void) {
    static const size_t sides[] = {0, 1, 2, 3, 5, 8, 13, 16, 17, 33, 40, 64};
    const size_t count = sizeof sides / sizeof *sides;
    fill(&x, false);
    fill(&w, false);
    fill(&z, false);
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count; j++)
            for (size_t k = 0; k < count; k += 1 + (i + j) % 3)
                product(sides[i], sides[j], sides[k], i & 1, (j + k) & 1);
    for (int t = 0; t < 4; t++)
        product(10, 40, 40, t & 1, t >> 1);
}

static void all(void) {
    void (*const tests[])(void) = {elementwise, movement, reductions,
                                   distances,   indexing, products};
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        good = true;
        fill(&x, true);
        fill(&z, true);
        fill(&w, true);
        tests[i]();
        CHECK(good);
    }
}

/* Each level and type has tables of its own. */
static void check_tables(size_t levels) {
#define HC_FUNCTION(place, trace, type, name, params)
#define HC_TABLE_END(type)
#define HC_TABLE(type, name)                                                                                           \
    for (size_t i = 0; i < 2 * levels; i++)                                                                            \
        for (size_t j = 0; j < i; j++)                                                                                 \
            CHECK(hc_##name(hc_kernels_at(i / 2, i % 2)) != hc_##name(hc_kernels_at(j / 2, j % 2)));
#include "kernels/tables.def"
#undef HC_TABLE
#undef HC_TABLE_END
#undef HC_FUNCTION
}

int main(void) {
    rng = rng_seed(11);
    size_t levels = hc_kernel_levels();
    const char *first = hc_kernel_level_name(0);
    CHECK(levels >= 1 && (strcmp(first, "baseline") == 0 || strcmp(first, "neon") == 0));
    CHECK(hc_kernel_level_name(levels) == NULL && hc_kernels_at(levels, 0) == NULL);
    for (size_t l = 0; l < levels; l++)
        for (int dtype = 0; dtype < 2; dtype++) {
            base = hc_kernels_at(0, dtype);
            level = hc_kernels_at(l, dtype);
            level_name = hc_kernel_level_name(l);
            size = dtype ? sizeof(double) : sizeof(float);
            CHECK(base->size == size && level->size == size);
            all();
        }
    check_tables(levels);
    return check_done();
}
