/* The product at every level: against multiply-adds one after the other in double precision, within a
 * bound; nothing outside c is written; equal bits wherever c, start and the operands lie. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "higherc/base.h"
#include "kernels/kernels.h"
#include "support/check.h"

typedef struct Case {
    size_t m, n, k;
    bool ta, tb;
    size_t pad_a, pad_b, pad_c; /* rows are this much longer than needed */
} Case;

typedef enum Start { FROM_ZEROS, FROM_C, FROM_BIAS, FROM_OTHER, STARTS } Start;

static int dtype;
static const HcKernels *kernels;

static double get(const void *p, size_t i) {
    return dtype == 0 ? (double)((const float *)p)[i] : ((const double *)p)[i];
}

static void put(void *p, size_t i, double x) {
    if (dtype == 0)
        ((float *)p)[i] = (float)x;
    else
        ((double *)p)[i] = x;
}

/* Exactly n numbers, so that a sanitizer sees an access outside; `shift` moves them off alignment. */
typedef struct Block {
    char *memory;
    void *data;
    size_t n;
} Block;

static uint32_t state = 1;

static double random_number(void) {
    state = state * 1664525u + 1013904223u;
    return (double)(state >> 8) / (1 << 23) - 1;
}

static Block block(size_t n, size_t shift) {
    Block b = {malloc((n + shift) * kernels->size + 1), NULL, n};
    b.data = b.memory + shift * kernels->size;
    for (size_t i = 0; i < n; i++)
        put(b.data, i, random_number());
    return b;
}

static HcMatrix matrix(const Block *b, size_t rows, size_t cols, bool turned, size_t pad) {
    return turned ? (HcMatrix){b->data, 1, rows + pad} : (HcMatrix){b->data, cols + pad, 1};
}

/* How many numbers a matrix spans, not counting what follows its last one. */
static size_t span(size_t rows, size_t cols, bool turned, size_t pad) {
    size_t outer = turned ? cols : rows, inner = turned ? rows : cols;
    return outer && inner ? (outer - 1) * (inner + pad) + inner : 0;
}

/* |result - exact| <= (k + 2) eps (|start| + sum |a| |b|) holds for any order of summation. */
static bool right(const Case *p, HcMatrix a, HcMatrix b, const void *start, size_t lds,
                  const void *c, size_t ldc) {
    const double eps = dtype == 0 ? 0x1p-23 : 0x1p-52;
    bool good = true;
    for (size_t i = 0; i < p->m; i++)
        for (size_t j = 0; j < p->n; j++) {
            long double sum = start ? (long double)get(start, i * lds + j) : 0, size = fabsl(sum);
            for (size_t q = 0; q < p->k; q++) {
                long double x = (long double)get(a.data, i * a.row + q * a.col) *
                                (long double)get(b.data, q * b.row + j * b.col);
                sum += x;
                size += fabsl(x);
            }
            good = good && fabsl((long double)get(c, i * ldc + j) - sum) <=
                               (long double)(eps * (double)(p->k + 2)) * size;
        }
    return good;
}

static void try(const Case *p, Start how, size_t shift) {
    const size_t item = kernels->size, ldc = p->n + p->pad_c;
    Block a = block(span(p->m, p->k, p->ta, p->pad_a), shift);
    Block b = block(span(p->k, p->n, p->tb, p->pad_b), shift);
    Block c = block(span(p->m, p->n, false, p->pad_c), shift);
    Block other = block(how == FROM_BIAS ? p->n : span(p->m, p->n, false, 3), shift);
    HcMatrix ma = matrix(&a, p->m, p->k, p->ta, p->pad_a);
    HcMatrix mb = matrix(&b, p->k, p->n, p->tb, p->pad_b);
    if (shift % 2) { /* how far apart what there is one of lies is anything */
        if (p->m == 1) ma.row = 5;
        if (p->k == 1) ma.col = mb.row = 7;
        if (p->n == 1) mb.col = 9;
    }
    Block old = block(c.n, 0);
    memcpy(old.data, c.data, c.n * item);
    const void *start = how == FROM_ZEROS ? NULL : how == FROM_C ? c.data : other.data;
    const size_t lds = how == FROM_C ? ldc : how == FROM_BIAS ? 0 : p->n + 3;
    HcGemm g = {p->m, p->n, p->k, ma, mb, start, lds, c.data, ldc, NULL};
    const size_t bytes = kernels->gemm_workspace(&g);
    Block workspace = block(bytes / item, 0);
    g.workspace = bytes ? workspace.data : NULL;
    kernels->gemm(&g);

    CHECK(right(p, ma, mb, how == FROM_C ? old.data : start, lds, c.data, ldc));
    bool kept = true;
    for (size_t i = 0; i < c.n; i++)
        if (i % ldc >= p->n) kept = kept && get(c.data, i) == get(old.data, i);
    CHECK(kept);

    /* Once more, elsewhere in memory and accumulating from a copy of the same start: the same bits. */
    Block again = block(c.n, shift + 1);
    for (size_t i = 0; i < p->m; i++)
        for (size_t j = 0; j < p->n; j++)
            put(again.data, i * ldc + j,
                how == FROM_ZEROS ? 0 : get(how == FROM_C ? old.data : start, i * lds + j));
    g.start = g.c = again.data;
    g.lds = ldc;
    kernels->gemm(&g);
    bool same = true;
    for (size_t i = 0; i < c.n; i++)
        if (i % ldc < p->n) same = same && get(again.data, i) == get(c.data, i);
    CHECK(same);
    free(a.memory), free(b.memory), free(c.memory), free(other.memory);
    free(old.memory), free(workspace.memory), free(again.memory);
}

static void all_ways(size_t m, size_t n, size_t k) {
    static size_t turn, round; /* each start comes with each transposition and each pad in some round */
    for (int t = 0; t < 4; t++, turn++) {
        Case p = {m, n, k, t & 1, t & 2, turn % 3, turn % 5, round / STARTS % 3};
        try(&p, (Start)((turn + round) % STARTS), turn % 7);
    }
    round++;
}

/* start + product, rounded once to f32: in double it is first rounded to odd, which does no harm (Boldo and
 * Melquiond 2008). Not every libm has an fmaf that rounds once. */
static float add_product(float start, double product) {
    const double sum = (double)start + product, taken = sum - (double)start;
    const double error = ((double)start - (sum - taken)) + (product - taken);
    uint64_t bits;
    memcpy(&bits, &sum, sizeof bits);
    if (error == 0 || bits & 1) return (float)sum;
    return (float)nextafter(sum, error > 0 ? (double)INFINITY : -(double)INFINITY);
}

/* The two ways to the chain a[i] b[j] of k numbers: rounded once a step (24 bits times 24 bits are exact in double),
 * and twice. */
static void chains(const void *a, const void *b, size_t n, size_t k, size_t i, size_t j, double *once, double *twice) {
    volatile double second = 0;
    *once = 0;
    for (size_t p = 0; p < k; p++) {
        double x = get(a, i * k + p), y = get(b, p * n + j);
        *once = dtype == 0 ? (double)add_product((float)*once, x * y) : *once + x * y;
        volatile double xy = dtype == 0 ? (double)(float)(x * y) : x * y;
        second = dtype == 0 ? (double)(float)(second + xy) : second + xy;
    }
    *twice = second;
}

static Block turned(const Block *x, size_t rows, size_t cols) {
    Block t = block(x->n, 0);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++)
            put(t.data, j * rows + i, get(x->data, i * cols + j));
    return t;
}

/* A plain triple loop gives the same bits as every way but the sums of lanes, however operands lie and whatever
 * the second cache holds: c is one chain. */
static void test_chain(size_t m, size_t n, size_t k) {
    Block a[2] = {block(m * k, 0)}, b[2] = {block(k * n, 0)}, c = block(m * n, 0);
    Block once = block(m * n, 0), twice = block(m * n, 0);
    a[1] = turned(&a[0], m, k);
    b[1] = turned(&b[0], k, n);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            double x, y;
            chains(a[0].data, b[0].data, n, k, i, j, &x, &y);
            put(once.data, i * n + j, x);
            put(twice.data, i * n + j, y);
        }
    static const size_t caches[] = {1, 40000, 1 << 20, 0};
    for (size_t way = 0; way < 4 * sizeof caches / sizeof *caches; way++) {
        hc_assume_second_cache(caches[way / 4]);
        const bool ta = way & 1, tb = way & 2;
        HcGemm g = {.m = m, .n = n, .k = k, .c = c.data, .ldc = n};
        g.a = matrix(&a[ta], m, k, ta, 0);
        g.b = matrix(&b[tb], k, n, tb, 0);
        Block workspace = block(kernels->gemm_workspace(&g) / kernels->size, 0);
        g.workspace = workspace.data;
        kernels->gemm(&g);
        CHECK(memcmp(c.data, once.data, m * n * kernels->size) == 0 ||
              memcmp(c.data, twice.data, m * n * kernels->size) == 0);
        free(workspace.memory);
    }
    for (int i = 0; i < 2; i++)
        free(a[i].memory), free(b[i].memory);
    free(c.memory), free(once.memory), free(twice.memory);
}

int main(void) {
    static const size_t sides[] = {0, 1, 2, 3, 5, 8, 13, 17, 40};
    enum { SIDES = sizeof sides / sizeof *sides };
    for (size_t level = 0; level < hc_kernel_levels(); level++)
        for (dtype = 0; dtype < 2; dtype++) {
            kernels = hc_kernels_at(level, dtype);
            for (size_t i = 0; i < SIDES; i++)
                for (size_t j = 0; j < SIDES; j++)
                    for (size_t l = QUICK * (i + j) % 3; l < SIDES; l += QUICK ? 3 : 1)
                        all_ways(sides[i], sides[j], sides[l]);
            /* Every width and height of a tile. */
            for (size_t n = 1; n < 70; n++)
                all_ways(1 + n % 23, n, 7);
            for (size_t m = 1; m < 40; m++)
                all_ways(m, 33 + m % 5, 4);
            /* Packed, in several blocks of k and of columns, with and without a packed. */
            all_ways(20, 37, 530);
            all_ways(41, 129, 257);
            all_ways(67, 600, 131);
            all_ways(7, 523, 259);
            /* Packed where rows of b collide: with one pad in three the second's are as far apart as the first's. */
            all_ways(21, 1024, 7);
            all_ways(19, 1022, 6);
            all_ways(67, 1024, 7); /* and a few rows of c at a time, too */
            all_ways(130, 510, 5);
            all_ways(75, 10, 49); /* narrow: rows of a turned as they are multiplied */
            all_ways(64, 5, 64);
            all_ways(1, 300, 301);
            all_ways(301, 1, 300);
            test_chain(9, 45, 300);
            test_chain(23, 270, 258); /* a packed, in several blocks with a small second cache */
            test_chain(35, 1024, 19);
            test_chain(75, 10, 101);
            test_chain(49, 3, 40);
            test_chain(16, 90, 70);   /* turned where b is, since less is to be packed then */
        }
    return check_done();
}
