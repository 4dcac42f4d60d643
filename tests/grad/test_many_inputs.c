/* Operations with more inputs than a node keeps by itself, or has bits for: which of them want a gradient, and
 * get it, to second order. */
#include "higherc/higherc.h"
#include "support/check.h"

enum { MANY = 40 };

static Tensor *numbered(Tape *tape, size_t i) {
    double value = 1 + 0.25 * (double)i;
    return tensor_from_f64(tape, shape1(1), &value);
}

/* y = sum over i of (i + 1) x[i]^2, through one node with all x; x[i] is a leaf where leaf says so. */
static Tensor *joined(Tape *tape, bool (*leaf)(size_t i), Tensor **x) {
    double weight[MANY];
    for (size_t i = 0; i < MANY; i++) {
        x[i] = leaf(i) ? tensor_leaf(numbered(tape, i)) : numbered(tape, i);
        weight[i] = (double)i + 1;
        for (size_t gap = 0; gap < i % 7 * 5; gap++)
            tensor_scalar(tape, 0); /* a sweep passes over what lies between */
    }
    Tensor *all = tensor_concat(x, MANY, 0);
    return tensor_sum(tensor_mul(tensor_square(all), tensor_from_f64(tape, shape1(MANY), weight)));
}

static bool all(size_t i) {
    (void)i;
    return true;
}

static bool late(size_t i) {
    return i >= 14 && i % 3 == 2;
}

static bool last(size_t i) {
    return i == MANY - 1;
}

static void compare(bool (*leaf)(size_t i), size_t step) {
    Tape *tape = tape_create(HC_F64);
    Tensor *x[MANY], *in[MANY], *g[MANY], *h[MANY];
    Tensor *y = joined(tape, leaf, x);
    size_t number[MANY], count = 0;
    for (size_t i = 0; i < MANY; i++)
        if (leaf(i) && i % step == step - 1) {
            number[count] = i;
            in[count++] = x[i];
        }
    CHECK(count > 0 && tensor_grad(y, in, count, g, HC_CREATE_GRAPH));
    Tensor *sum = g[0];
    for (size_t k = 1; k < count; k++)
        sum = tensor_add(sum, g[k]);
    CHECK(tensor_grad(tensor_sum(sum), in, count, h, 0));
    for (size_t k = 0; k < count; k++) {
        double twice = 2 * ((double)number[k] + 1);
        CHECK(tensor_item(g[k]) == twice * (1 + 0.25 * (double)number[k]));
        CHECK(tensor_item(h[k]) == twice);
        CHECK(tensor_depends_on(y, in[k]));
    }
    for (size_t i = 0; i < MANY; i++)
        CHECK(tensor_depends_on(y, x[i]) == leaf(i));
    CHECK(!tape_error(tape));
    tape_destroy(tape);
}

/* The lists that gradients to many inputs take are given back. */
static void steady(void) {
    Tape *tape = tape_create(HC_F64);
    Tensor *x[MANY], *g[MANY], *y = joined(tape, all, x);
    TapeMark mark = tape_mark(tape);
    size_t mallocs = 0;
    for (int i = 0; i < 3000; i++) {
        CHECK(tensor_grad(y, x, MANY, g, 0) && tape_release(tape, mark));
        if (i == 10) mallocs = tape_stats(tape).mallocs;
    }
    CHECK(tape_stats(tape).mallocs == mallocs);
    tape_destroy(tape);
}

int main(void) {
    steady();
    const size_t steps[] = {1, 2, 5};
    for (size_t s = 0; s < 3; s++) {
        compare(all, steps[s]);
        compare(late, steps[s]);
    }
    compare(last, 1);
    return check_done();
}
