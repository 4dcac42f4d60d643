/* Tensors held against numbers, exactly, and errors against their words. */
#ifndef TESTS_OPS_HOLDS_H
#define TESTS_OPS_HOLDS_H

#include <higherc/higherc.h>

#include <math.h>
#include <string.h>

#include "support/check.h"

static Tape *tape;

static inline Tensor *constant(size_t count, const double *values) {
    return tensor_from_f64(tape, shape1(count), values);
}

/* All numbers of x, exactly; any NaN equals any other. */
static inline bool holds(Tensor *x, size_t count, const double *expected) {
    double values[32];
    if (count > 32 || !tensor_copy_to_f64(x, values, count)) return false;
    for (size_t i = 0; i < count; i++)
        if (values[i] != expected[i] && !(isnan(values[i]) && isnan(expected[i]))) return false;
    return true;
}

/* The gradient of sum(y) to x holds these. */
static inline bool pulls(Tensor *y, Tensor *x, size_t count, const double *expected) {
    Tensor *g = NULL;
    return tensor_grad(tensor_sum(y), &x, 1, &g, HC_ZEROS) && holds(g, count, expected);
}

/* The derivative of so high an order of f, along all numbers of x at once. */
static inline Tensor *derived(Tensor *(*f)(Tensor *), Tensor *x, int order) {
    Tensor *y = f(x);
    for (int i = 0; i < order && y; i++)
        if (!tensor_grad(tensor_sum(y), &x, 1, &y, HC_CREATE_GRAPH | HC_ZEROS)) return NULL;
    return y;
}

#define LIST(...)                                                                                  \
    sizeof((double[]){__VA_ARGS__}) / sizeof(double), (double[]) {                                 \
        __VA_ARGS__                                                                                \
    }
#define HOLDS(x, ...) CHECK(holds(x, LIST(__VA_ARGS__)))
#define PULLS(y, x, ...) CHECK(pulls(y, x, LIST(__VA_ARGS__)))

/* The call failed, with this text, on the tape as in the thread. */
#define FAILS(result, text)                                                                        \
    do {                                                                                           \
        CHECK(!(result));                                                                          \
        CHECK(tape_error(tape) && strstr(tape_error(tape), text));                                 \
        CHECK_ERROR(text);                                                                         \
        tape_clear_error(tape);                                                                    \
    } while (0)

#endif
