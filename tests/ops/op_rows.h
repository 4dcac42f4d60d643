/* The rows of ops.def as a table, and numbers for them: what tests of every operation go through. */
#ifndef TESTS_OPS_OP_ROWS_H
#define TESTS_OPS_OP_ROWS_H

#include <higherc/higherc.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "ops/ops.h"
#include "support/check.h"

enum { MOST_INPUTS = 6, MOST_NUMBERS = 128 };

typedef struct Row {
    const char *name, *shapes;
    double low, high;
    GradcheckFn *fn;
} Row;

static Tensor *row_parts[4]; /* what a call with several results gave */

#define HC_OP(name, shapes, low, high, call)                                                       \
    static Tensor *call_##name(Tensor *const *x, size_t n, void *user) {                           \
        (void)n;                                                                                   \
        (void)user;                                                                                \
        return call;                                                                               \
    }
#include "ops/ops.def"
#undef HC_OP

static const Row rows[] = {
#define HC_OP(name, shapes, low, high, call) {#name, shapes, low, high, call_##name},
#include "ops/ops.def"
#undef HC_OP
};

/* "3x4 s|..." up to the bar: the shapes; the rest is returned. */
static inline const char *parse(const char *text, Shape *shapes, size_t *count) {
    for (*count = 0; *text && *text != '|'; ++*count) {
        Shape shape = shape_scalar();
        if (*text == 's') text++;
        while (*text >= '0' && *text <= '9') {
            char *end;
            shape.dim[shape.ndim++] = strtoul(text, &end, 10);
            text = *end == 'x' ? end + 1 : end;
        }
        while (*text == ' ')
            text++;
        bool fits = *count < MOST_INPUTS && shape_count(shape) <= MOST_NUMBERS;
        CHECK(fits);
        if (!fits) exit(check_done()); /* the tables here would be written past their ends */
        shapes[*count] = shape;
    }
    return *text == '|' ? text + 1 : text;
}

/* Distinct numbers, so that no maximum has ties. */
static inline void draw(double *values, size_t count, const Row *row, Rng *rng) {
    for (size_t i = 0; i < count; i++)
        values[i] = row->low + (row->high - row->low) * rng_uniform(rng);
}

/* From the row's name, so that a new row leaves the numbers of others, none of which is near a kink, as they
 * are. */
static inline Rng rng_of(const Row *row) {
    uint64_t seed = 5;
    for (const char *c = row->name; *c; c++)
        seed = seed * 31 + (unsigned char)*c;
    return rng_seed(seed);
}

/* One number of several gradients, to be swept again: each of theirs has a share of its own. */
static inline Tensor *sum_of_all(Tensor *const *g, size_t count) {
    Tensor *sum = NULL;
    for (size_t i = 0; i < count; i++) {
        Tensor *term = tensor_sum(tensor_sin(g[i]));
        sum = sum ? tensor_add(sum, term) : term;
    }
    return sum;
}

/* Records the row on a tape of its own, with its first and second derivatives. */
static inline Tape *recorded_twice(const Row *row, const Shape *shapes, size_t count, Rng *rng) {
    double values[MOST_NUMBERS];
    Tape *tape = tape_create(HC_F64);
    Tensor *x[MOST_INPUTS], *g[MOST_INPUTS], *gg[MOST_INPUTS];
    for (size_t i = 0; i < count; i++) {
        draw(values, shape_count(shapes[i]), row, rng);
        x[i] = tensor_leaf(tensor_from_f64(tape, shapes[i], values));
    }
    Tensor *y = tensor_sum(row->fn(x, count, NULL));
    CHECK(tensor_grad(y, x, count, g, HC_ZEROS | HC_CREATE_GRAPH));
    Tensor *twice = sum_of_all(g, count);
    if (twice && tensor_requires_grad(twice))
        CHECK(tensor_grad(twice, x, count, gg, HC_ZEROS | HC_CREATE_GRAPH));
    return tape;
}

/* Calls `test` with every row and every list of shapes it has. */
static inline void each_row(void (*test)(const Row *row, const Shape *shapes, size_t count,
                                         Rng *rng)) {
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        Rng rng = rng_of(&rows[r]);
        for (const char *text = rows[r].shapes; *text;) {
            Shape shapes[MOST_INPUTS];
            size_t count;
            text = parse(text, shapes, &count);
            test(&rows[r], shapes, count, &rng);
        }
    }
}

#endif
