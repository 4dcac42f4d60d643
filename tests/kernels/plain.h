/* What the checks of kernels against plain loops share (test_plain.c). */
#ifndef TESTS_KERNELS_PLAIN_H
#define TESTS_KERNELS_PLAIN_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/philox.h"
#include "higherc/base.h"
#include "kernels/kernels.h"
#include "support/check.h"

enum { MOST = 1600, GUARD = 8, UNTOUCHED = 0x5a };

/* Numbers of the type under test, at any distance from what a vector wants. */
typedef struct Array {
    _Alignas(64) unsigned char bytes[(MOST + 2 * GUARD) * sizeof(double)];
    size_t first, count;
} Array;

static const HcKernels *k;
static Rng rng;
static uint64_t bits; /* of all results of a kernel, FNV-1a */
static const char *name;
static bool good;

static void *at(Array *a, size_t i) {
    return a->bytes + (a->first + i) * k->size;
}

/* Bytes are copied: read as another type, a compiler may take them for what they were before an assignment. */
static double get(Array *a, size_t i) {
    float single;
    double value;
    if (k->size == sizeof value) return memcpy(&value, at(a, i), sizeof value), value;
    return memcpy(&single, at(a, i), sizeof single), (double)single;
}

static void put(Array *a, size_t i, double value) {
    float single = (float)value;
    if (k->size == sizeof value)
        memcpy(at(a, i), &value, sizeof value);
    else
        memcpy(at(a, i), &single, sizeof single);
}

/* As the type has it. */
static double rounded(double value) {
    volatile float single = (float)value;
    return k->size == sizeof(float) ? (double)single : value;
}

/* `count` numbers somewhere, not yet written. */
static void place(Array *a, size_t count) {
    if (count > MOST) exit(1);
    a->first = GUARD / 2 + (size_t)rng_below(&rng, 4);
    a->count = count;
    memset(a->bytes, UNTOUCHED, (count + 2 * GUARD) * k->size);
}

static void draw(Array *a, size_t count, double low, double high) {
    place(a, count);
    for (size_t i = 0; i < count; i++)
        put(a, i, low + (high - low) * rng_uniform(&rng));
}

static void expect(bool right, size_t n, size_t i) {
    if (!right && good)
        printf("  %s, %zu-byte numbers: size %zu, number %zu\n", name, k->size, n, i);
    good = good && right;
}

/* Number i is `want`, within so many units of the last place of `scale`. */
static void near(Array *a, size_t i, double want, double units, double scale) {
    double unit = k->size == sizeof(float) ? 0x1p-23 : 0x1p-52, is = get(a, i);
    bool right =
        is == want || (isnan(is) && isnan(want)) || fabs(is - want) <= units * unit * scale;
    expect(right, a->count, i);
}

/* Nothing is written around an array; its numbers count from here on. */
static void seal(Array *a) {
    size_t from = a->first * k->size, to = from + a->count * k->size;
    for (size_t i = 0; i < (a->count + 2 * GUARD) * k->size; i++)
        if (i < from || i >= to) expect(a->bytes[i] == UNTOUCHED, a->count, a->count);
    for (size_t i = 0; i < a->count; i++) {
        double number = get(a, i);
        uint64_t as_bits = 0;
        if (!isnan(number)) memcpy(&as_bits, &number, sizeof number);
        bits = (bits ^ as_bits) * UINT64_C(1099511628211);
    }
}

static const size_t sizes[] = {0,  1,  2,  3,  4,  5,  7,  8,  9,   15,  16,
                               17, 31, 32, 33, 63, 64, 65, 80, 127, 128, 129};
#define EACH_SIZE(n)                                                                               \
    for (size_t n##_ = 0, n; n##_ < sizeof sizes / sizeof *sizes && (n = sizes[n##_], true); n##_++)

/* What is no index. */
static const double no_index[] = {-1, 0.5, NAN, INFINITY, 1e30, -0.25};

static Array x, y, z, w, g;

#endif
