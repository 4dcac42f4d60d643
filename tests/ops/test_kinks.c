/* What tensor.h promises where a function has a kink, a tie, a pole or nothing to work on. */
#include <higherc/higherc.h>

#include <math.h>
#include <string.h>

#include "ops/holds.h"
#include "support/each.h"

static Tensor *leaky(Tensor *x) {
    return tensor_leaky_relu(x, 0.25);
}

static Tensor *elu(Tensor *x) {
    return tensor_elu(x, 0.5);
}

static Tensor *clamp(Tensor *x) {
    return tensor_clamp(x, -1, 2);
}

/* The derivatives of y's entries, each to its own of x, with a history. */
static Tensor *slopes(Tensor *y, Tensor *x) {
    Tensor *slope = NULL;
    CHECK(tensor_grad(tensor_sum(y), &x, 1, &slope, HC_CREATE_GRAPH));
    return slope;
}

static void test_branches(void) {
    Tensor *x = tensor_leaf(constant(LIST(-1, 0, -0.0, 2)));
    HOLDS(tensor_relu(x), 0, 0, 0, 2);
    PULLS(tensor_relu(x), x, 0, 0, 0, 1);
    HOLDS(tensor_abs(x), 1, 0, 0, 2);
    PULLS(tensor_abs(x), x, -1, 0, 0, 1);
    HOLDS(tensor_sign(x), -1, 0, 0, 1);
    PULLS(tensor_sign(x), x, 0, 0, 0, 0);
    HOLDS(leaky(x), -0.25, 0, 0, 2);
    PULLS(leaky(x), x, 0.25, 0.25, 0.25, 1);
    PULLS(elu(x), x, 0.5 * exp(-1), 0.5, 0.5, 1);
    PULLS(slopes(elu(x), x), x, 0.5 * exp(-1), 0.5, 0.5, 0);
    Tensor *far = tensor_leaf(constant(LIST(1e4, -1e4)));
    PULLS(elu(far), far, 1, 0);
    Tensor *edges = tensor_leaf(constant(LIST(-1.5, -1, 0, 2, 2.5)));
    HOLDS(clamp(edges), -1, -1, 0, 2, 2);
    PULLS(clamp(edges), edges, 0, 1, 1, 1, 0);
    /* d = |delta|: both branches of the huber loss have the slope delta */
    Tensor *d = tensor_leaf(constant(LIST(-2, -1, 0, 1, 2)));
    PULLS(tensor_huber_loss_per_example(d, tensor_zeros(tape, shape1(5)), 1), d, -1, -1, 0, 1, 1);
    PULLS(slopes(tensor_huber_loss_per_example(d, tensor_zeros(tape, shape1(5)), 1), d), d, 0, 1, 1, 1, 0);
    PULLS(slopes(tensor_smooth_l1_loss_per_example(d, tensor_zeros(tape, shape1(5)), 1), d), d, 0, 1, 1, 1, 0);
    PULLS(tensor_l1_loss_per_example(d, tensor_zeros(tape, shape1(5))), d, -1, -1, 0, 1, 1);
    PULLS(tensor_smooth_l1_loss_per_example(d, tensor_zeros(tape, shape1(5)), 0), d, -1, -1, 0, 1,
          1);
}

static void test_pairs(void) {
    Tensor *a = tensor_leaf(constant(LIST(1, 2, 3))), *b = tensor_leaf(constant(LIST(2, 2, 2)));
    HOLDS(tensor_maximum(a, b), 2, 2, 3);
    PULLS(tensor_maximum(a, b), a, 0, 0.5, 1);
    PULLS(tensor_maximum(a, b), b, 1, 0.5, 0);
    HOLDS(tensor_minimum(a, b), 1, 2, 2);
    PULLS(tensor_minimum(a, b), a, 1, 0.5, 0);
    PULLS(tensor_minimum(a, b), b, 0, 0.5, 1);
    PULLS(tensor_maximum(a, a), a, 1, 1, 1);
    HOLDS(tensor_gt(a, b), 0, 0, 1);
    HOLDS(tensor_ge(a, b), 0, 1, 1);
    HOLDS(tensor_lt(a, b), 1, 0, 0);
    HOLDS(tensor_le(a, b), 1, 1, 0);
    HOLDS(tensor_eq(a, b), 0, 1, 0);
    HOLDS(tensor_ne(a, b), 1, 0, 1);
    CHECK(!tensor_requires_grad(tensor_gt(a, b)));
    /* anything but 0 chooses a, NaN too; what is not chosen may be of any value */
    Tensor *p = constant(LIST(0, -0.0, -3, NAN)), *c = tensor_leaf(constant(LIST(1, 2, 3, 4)));
    Tensor *bad = constant(LIST(INFINITY, NAN, 7, 8));
    HOLDS(tensor_where(p, c, tensor_scalar(tape, 9)), 9, 9, 3, 4);
    PULLS(tensor_where(p, c, bad), c, 0, 0, 1, 1);
    HOLDS(tensor_where(p, bad, c), 1, 2, 7, 8);
    PULLS(tensor_where(p, bad, c), c, 1, 1, 0, 0);
}

static void test_ties(void) {
    int last = 1, first = 0;
    const double values[] = {1, 5, 5, 0, 7, 7, 7, 7};
    Tensor *x = tensor_leaf(tensor_from_f64(tape, shape2(2, 4), values));
    HOLDS(tensor_max_axes(x, &last, 1, false), 5, 7);
    PULLS(tensor_max_axes(x, &last, 1, false), x, 0, 0.5, 0.5, 0, 0.25, 0.25, 0.25, 0.25);
    PULLS(tensor_max_axes(x, &last, 1, true), x, 0, 0.5, 0.5, 0, 0.25, 0.25, 0.25, 0.25);
    PULLS(tensor_max(x), x, 0, 0, 0, 0, 0.25, 0.25, 0.25, 0.25);
    PULLS(tensor_min_axes(x, &first, 1, false), x, 1, 1, 1, 1, 0, 0, 0, 0);
    PULLS(tensor_min(tensor_slice(x, 0, 1, 2, 1)), x, 0, 0, 0, 0, 0.25, 0.25, 0.25, 0.25);
    HOLDS(tensor_argmax(x), 4);
    HOLDS(tensor_argmax_axis(x, -1, false), 1, 0);
    HOLDS(tensor_argmax_axis(x, 0, true), 1, 1, 1, 1);
    CHECK(shape_equal(tensor_shape(tensor_argmax_axis(x, 0, true)), shape2(1, 4)));
    HOLDS(tensor_argmax(constant(LIST(-INFINITY, -INFINITY))), 0);
    HOLDS(tensor_argmax(tensor_scalar(tape, 3)), 0);
}

static void test_nan(void) {
    Tensor *a = constant(LIST(NAN, 1, NAN)), *b = constant(LIST(1, NAN, NAN));
    HOLDS(tensor_maximum(a, b), NAN, NAN, NAN);
    HOLDS(tensor_minimum(a, b), NAN, NAN, NAN);
    int last = 1, first = 0;
    /* wide enough for every path of the vector kernels, the NaN at each place */
    for (size_t at = 0; at < 37; at++) {
        double values[37];
        for (size_t i = 0; i < 37; i++)
            values[i] = i == at ? (double)NAN : (double)i;
        Tensor *x = constant(37, values);
        HOLDS(tensor_max(x), NAN);
        HOLDS(tensor_min(x), NAN);
        Tensor *column = tensor_reshape(x, shape2(37, 1)), *row = tensor_reshape(x, shape2(1, 37));
        HOLDS(tensor_max_axes(column, &first, 1, false), NAN);
        HOLDS(tensor_min_axes(row, &last, 1, false), NAN);
        double wide[2 * 37];
        memcpy(wide, values, sizeof values);
        for (size_t i = 0; i < 37; i++)
            wide[37 + i] = 1;
        Tensor *two = tensor_from_f64(tape, shape2(2, 37), wide);
        Tensor *top = tensor_max_axes(two, &first, 1, false);
        CHECK(isnan(tensor_item(tensor_slice(top, 0, (int64_t)at, (int64_t)at + 1, 1))));
        CHECK(tensor_item(tensor_sum(tensor_ne(top, top))) == 1);
    }
    HOLDS(tensor_relu(a), NAN, 1, NAN);
    HOLDS(tensor_clamp(a, 0, 0.5), NAN, 0.5, NAN);
}

static void test_poles(void) {
    Tensor *x = tensor_leaf(constant(LIST(0, 4)));
    PULLS(tensor_sqrt(x), x, INFINITY, 0.25);
    Tensor *zero = tensor_leaf(constant(LIST(0, 0, 0))), *g = NULL, *gg = NULL;
    HOLDS(tensor_norm(zero), 0);
    PULLS(tensor_norm(zero), zero, 0, 0, 0);
    CHECK(tensor_grad(tensor_norm(zero), &zero, 1, &g, HC_CREATE_GRAPH));
    PULLS(g, zero, 0, 0, 0);
    const double rows[] = {0, 0, 0, 0, 1, -1, 1, 1};
    Tensor *mixed = tensor_leaf(tensor_from_f64(tape, shape2(2, 4), rows));
    PULLS(tensor_norm_axes(mixed, (int[]){1}, 1, false), mixed, 0, 0, 0, 0, 0.5, -0.5, 0.5, 0.5);

    /* whole powers at 0: finite at any order, and the right number */
    const double cubed[] = {0, 0, 6, 0, 0};
    Tensor *o = tensor_leaf(tensor_scalar(tape, 0)), *d = tensor_pow_scalar(o, 3);
    for (int order = 0; order < 5; order++) {
        CHECK(tensor_grad(d, &o, 1, &d, HC_CREATE_GRAPH | HC_ZEROS));
        CHECK(tensor_item(d) == cubed[order]);
    }
    PULLS(tensor_pow_scalar(o, 0), o, 0);
    PULLS(tensor_pow_scalar(o, 1), o, 1);
    PULLS(tensor_square(o), o, 0);

    Tensor *a = tensor_leaf(constant(LIST(0, 0, -2, 3, 0)));
    Tensor *b = tensor_leaf(constant(LIST(0, 2, 0, 2, 1)));
    HOLDS(tensor_pow(a, b), 1, 0, 1, 9, 0);
    PULLS(tensor_pow(a, b), a, 0, 0, 0, 6, 1);
    CHECK(tensor_grad(tensor_sum(tensor_pow(a, b)), &b, 1, &gg, 0));
    HOLDS(tensor_slice(gg, 0, 0, 2, 1), 0, 0);
    HOLDS(tensor_slice(gg, 0, 4, 5, 1), 0);
    CHECK_NEAR(tensor_item(tensor_slice(gg, 0, 3, 4, 1)), 9 * log(3), 1e-14, 0);
}

static void test_large(void) {
    Tensor *x = tensor_leaf(tensor_from_f64(tape, shape2(2, 2), (double[]){1e4, -1e4, 1e4, 1e4}));
    double values[4];
    CHECK(tensor_copy_to_f64(tensor_log_softmax(x, 1), values, 4));
    CHECK(values[0] == 0 && values[1] == -2e4);
    CHECK_NEAR(values[2], -log(2), 1e-12, 0);
    HOLDS(tensor_softmax(x, 1), 1, 0, 0.5, 0.5);
    CHECK_NEAR(tensor_item(tensor_logsumexp(x)), 1e4 + log(3), 1e-14, 0);
    HOLDS(tensor_logsumexp(constant(LIST(-INFINITY, -INFINITY))), -INFINITY);
    HOLDS(tensor_logsumexp(constant(LIST(INFINITY, 0))), INFINITY);
    Tensor *logits = tensor_leaf(constant(LIST(1e4, -1e4))), *y = constant(LIST(0, 0));
    HOLDS(tensor_softplus(logits), 1e4, 0);
    HOLDS(tensor_sigmoid(logits), 1, 0);
    HOLDS(tensor_bce_with_logits_loss_per_example(logits, y), 1e4, 0);
    PULLS(tensor_bce_with_logits_loss_per_example(logits, y), logits, 1, 0);
    Tensor *target = tensor_from_i64(tape, shape1(2), (int64_t[]){1, 0});
    CHECK_NEAR(tensor_item(tensor_cross_entropy_loss(x, target)), 1e4 + log(2) / 2, 1e-14, 0);
    Tensor *g = NULL;
    CHECK(tensor_grad(tensor_cross_entropy_loss(x, target), &x, 1, &g, 0));
    HOLDS(g, 0.5, -0.5, -0.25, 0.25);
}

static void test_nothing(void) {
    int first = 0, last = 1;
    Tensor *none = tensor_leaf(tensor_zeros(tape, shape2(0, 3))), *g = NULL;
    HOLDS(tensor_sum(none), 0);
    HOLDS(tensor_sum_axes(none, &first, 1, false), 0, 0, 0);
    CHECK(tensor_count(tensor_sum_axes(none, &last, 1, false)) == 0);
    HOLDS(tensor_mean(none), NAN);
    HOLDS(tensor_norm(none), 0);
    CHECK(tensor_grad(tensor_sum(none), &none, 1, &g, 0));
    CHECK(shape_equal(tensor_shape(g), shape2(0, 3)));
    CHECK(tensor_count(tensor_relu(none)) == 0);
    CHECK(tensor_count(tensor_softmax(none, 1)) == 0);
    CHECK(shape_equal(tensor_shape(tensor_add(none, tensor_ones(tape, shape1(3)))), shape2(0, 3)));
    /* an inner dimension of 0 is a sum over nothing */
    Tensor *thin = tensor_zeros(tape, shape2(2, 0)), *flat = tensor_zeros(tape, shape2(0, 2));
    HOLDS(tensor_matmul(thin, flat), 0, 0, 0, 0);
    CHECK(tensor_count(tensor_matmul(flat, thin)) == 0);
    Tensor *bias = constant(LIST(5, 6)), *weight = tensor_zeros(tape, shape2(2, 0));
    HOLDS(tensor_linear(thin, weight, bias), 5, 6, 5, 6);
    CHECK(tensor_count(tensor_max_axes(none, &last, 1, false)) == 0);
    FAILS(tensor_max(none), "tensor_max");
    FAILS(tensor_min_axes(none, &first, 1, true), "tensor_min");
    FAILS(tensor_argmax(none), "tensor_argmax");
}

/* As many axes as there can be, against fewer. */
static void test_eight(void) {
    Shape shape = shape_of((size_t[]){1, 2, 1, 1, 1, 1, 1, 3}, 8);
    Tensor *x = tensor_leaf(tensor_reshape(constant(LIST(1, 2, 3, 4, 5, 6)), shape));
    Tensor *row = tensor_leaf(constant(LIST(10, 20, 30))), *pair = constant(LIST(1, 2));
    pair = tensor_reshape(pair, shape_of((size_t[]){2, 1, 1, 1, 1, 1, 1}, 7));
    HOLDS(tensor_add(x, row), 11, 22, 33, 14, 25, 36);
    HOLDS(tensor_sub(row, x), 9, 18, 27, 6, 15, 24);
    HOLDS(tensor_mul(pair, x), 1, 2, 3, 8, 10, 12);
    HOLDS(tensor_where(tensor_gt(x, tensor_scalar(tape, 3)), x, row), 10, 20, 30, 4, 5, 6);
    CHECK(shape_equal(tensor_shape(tensor_add(row, x)), shape));
    PULLS(tensor_mul(x, row), x, 10, 20, 30, 10, 20, 30);
    PULLS(tensor_mul(x, row), row, 5, 7, 9);
}

/* What is picked does not change with an index, be it a leaf of a history. */
static void test_indices(void) {
    Tensor *x = constant(LIST(5, 6, 7)), *index = tensor_leaf(constant(LIST(2, 0)));
    Tensor *scores = tensor_reshape(constant(LIST(1, 2, 3, 4, 5, 6)), shape2(2, 3));
    PULLS(tensor_gather(x, 0, index), index, 0, 0);
    PULLS(tensor_index_select(x, 0, index), index, 0, 0);
    PULLS(tensor_scatter_add(x, 0, index, constant(LIST(1, 1))), index, 0, 0);
    PULLS(tensor_one_hot(index, 3), index, 0, 0);
    PULLS(tensor_embedding(index, tensor_reshape(x, shape2(3, 1))), index, 0, 0);
    PULLS(tensor_cross_entropy_loss(scores, index), index, 0, 0);
    x = tensor_leaf(x);
    PULLS(tensor_gather(x, 0, index), x, 1, 0, 1);
    PULLS(tensor_gather(x, 0, index), index, 0, 0);
    PULLS(tensor_scatter_add(x, 0, index, constant(LIST(1, 1))), x, 1, 1, 1);
}

static void test_slices(void) {
    Tensor *x = tensor_leaf(constant(LIST(0, 1, 2, 3, 4)));
    HOLDS(tensor_slice(x, 0, 1, 4, 2), 1, 3);
    HOLDS(tensor_slice(x, 0, -2, 100, 1), 3, 4);
    HOLDS(tensor_slice(x, 0, -100, -3, 1), 0, 1);
    HOLDS(tensor_slice(x, -1, 0, 5, 3), 0, 3);
    HOLDS(tensor_slice(x, 0, 0, INT64_MAX, INT64_MAX), 0);
    HOLDS(tensor_slice(x, 0, INT64_MIN, INT64_MAX, 4), 0, 4);
    CHECK(tensor_count(tensor_slice(x, 0, 3, 1, 1)) == 0);
    CHECK(tensor_count(tensor_slice(x, 0, 5, 9, 1)) == 0);
    CHECK(tensor_count(tensor_slice(x, 0, INT64_MAX, INT64_MAX, 1)) == 0);
    CHECK(tensor_count(tensor_slice(x, 0, 0, INT64_MIN, 1)) == 0);
    PULLS(tensor_slice(x, 0, 1, 100, 2), x, 0, 1, 0, 1, 0);
    PULLS(tensor_slice(x, 0, 3, 1, 1), x, 0, 0, 0, 0, 0);
    FAILS(tensor_slice(x, 0, 0, 5, 0), "tensor_slice: step 0 is not positive");
    FAILS(tensor_slice(x, 1, 0, 5, 1), "tensor_slice: axis 1 of (");
}

static void test_messages(void) {
    Tensor *a = tensor_zeros(tape, shape2(10, 40)), *b = tensor_zeros(tape, shape2(1, 40));
    Tensor *c = tensor_zeros(tape, shape1(3)), *s = tensor_scalar(tape, 0);
    FAILS(tensor_matmul(a, b),
          "tensor_matmul: (10, 40) x (1, 40): inner dimensions 40 and 1 differ");
    FAILS(tensor_matmul(a, s), "a scalar is no matrix");
    FAILS(tensor_matmul(tensor_zeros(tape, shape3(2, 1, 1)), tensor_zeros(tape, shape3(3, 1, 1))),
          "tensor_matmul: (2, 1, 1) x (3, 1, 1): leading axes do not broadcast");
    FAILS(tensor_add(a, c), "tensor_add: shapes (10, 40) and (3) do not broadcast");
    FAILS(tensor_mse_loss(a, b), "tensor_mse_loss: shapes (10, 40) and (1, 40) differ");
    FAILS(tensor_dot(a, b), "tensor_dot: (10, 40) and (1, 40) are not 1-D of equal length");
    FAILS(tensor_linear(a, c, NULL), "tensor_linear: input (10, 40), weight (3), bias none");
    FAILS(tensor_linear(a, b, tensor_zeros(tape, shape2(1, 1))), "bias (1, 1)");
    const size_t sizes[] = {1, 1}, far[] = {0, SIZE_MAX};
    FAILS(tensor_pad(a, sizes, sizes, 1), "tensor_pad: 1 pairs of sizes for (");
    FAILS(tensor_pad(a, NULL, sizes, 2), "tensor_pad: before is NULL");
    FAILS(tensor_pad(a, sizes, NULL, 2), "tensor_pad: after is NULL");
    FAILS(tensor_pad(a, sizes, far, 2), "tensor_pad: the result does not fit memory");
    FAILS(tensor_pad(a, far, sizes, 2), "tensor_pad: the result does not fit memory");
    Tensor *eight = tensor_zeros(tape, shape_of((size_t[]){1, 1, 1, 1, 1, 1, 1, 1}, 8));
    FAILS(tensor_embedding(eight, a), "tensor_embedding: index (1, 1, 1, 1, 1, 1, 1, 1) with weight (10, 40)");
    FAILS(tensor_embedding(c, c), "tensor_embedding: index (3) with weight (3)");
    FAILS(tensor_one_hot(eight, 2), "tensor_one_hot: a tensor has at most 8 axes");
    FAILS(tensor_one_hot(tensor_neg(tensor_ones(tape, shape1(2))), 2), "tensor_one_hot: index -1 at position 0");
    FAILS(tensor_reshape(c, shape2(2, 2)),
          "tensor_reshape: (3) has not as many elements as (2, 2)");
    FAILS(tensor_expand(c, shape1(4)), "tensor_expand: (3) does not expand to (4)");
    FAILS(tensor_sum_axes(a, (int[]){1, -1}, 2, false), "tensor_sum_axes: axis -1 is named twice");
    FAILS(tensor_softmax(a, 2), "tensor_softmax: axis 2 of (");
    FAILS(tensor_concat((Tensor *[]){a, c}, 2, 0), "tensor_concat");
    FAILS(tensor_gather(c, 0, tensor_from_i64(tape, shape1(1), (int64_t[]){3})),
          "tensor_gather: index 3 at position 0 is not in 0..2");
    FAILS(tensor_cross_entropy_loss(a, c), "tensor_cross_entropy_loss: scores (10, 40)");
    FAILS(tensor_huber_loss(c, c, 0), "tensor_huber_loss: delta 0 is not positive");
    /* a NULL passes on silently after an error, and is one itself without */
    CHECK(!tensor_relu(tensor_add(a, c)));
    CHECK_ERROR("tensor_add");
    tape_clear_error(tape);
    CHECK(!tensor_relu(NULL));
    CHECK_ERROR("tensor_relu");
}

int main(void) {
    void (*const tests[])(void) = {test_branches, test_pairs,   test_ties,    test_nan,
                                   test_poles,  test_large,   test_nothing, test_eight, test_indices,
                                   test_slices, test_messages};
    each_on_a_tape(&tape, tests, sizeof tests / sizeof *tests);
    return check_done();
}
