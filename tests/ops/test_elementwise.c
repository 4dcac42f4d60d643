/* What elementwise.h promises of kinks, poles, signed zeros and what is infinite or huge. */
#include "ops/holds.h"
#include "support/each.h"

static void test_steps(void) {
    Tensor *x = tensor_leaf(constant(LIST(-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3, -0.2)));
    HOLDS(tensor_round(x), -2, -2, 0, 0, 2, 2, 3, 0);
    HOLDS(tensor_floor(x), -3, -2, -1, 0, 1, 2, 3, -1);
    HOLDS(tensor_ceil(x), -2, -1, 0, 1, 2, 3, 3, 0);
    PULLS(tensor_round(x), x, 0, 0, 0, 0, 0, 0, 0, 0);
    PULLS(tensor_floor(x), x, 0, 0, 0, 0, 0, 0, 0, 0);
    PULLS(tensor_ceil(x), x, 0, 0, 0, 0, 0, 0, 0, 0);
    Tensor *odd = constant(LIST(INFINITY, -INFINITY, NAN, 1e300, 0x1p51 + 1.5));
    HOLDS(tensor_round(odd), INFINITY, -INFINITY, NAN, 1e300, 0x1p51 + 2);
    HOLDS(tensor_floor(odd), INFINITY, -INFINITY, NAN, 1e300, 0x1p51 + 1);
    HOLDS(tensor_ceil(odd), INFINITY, -INFINITY, NAN, 1e300, 0x1p51 + 2);
    HOLDS(tensor_reciprocal(tensor_ceil(constant(LIST(-0.2)))), -INFINITY);
}

static void test_remainder(void) {
    Tensor *a = tensor_leaf(constant(LIST(7, -7, 7, -7, 6, -6, 1, 5)));
    Tensor *b = tensor_leaf(constant(LIST(3, 3, -3, -3, 3, 3, 0, INFINITY)));
    HOLDS(tensor_remainder(a, b), 1, 2, -2, -1, 0, 0, NAN, 5);
    PULLS(tensor_remainder(a, b), a, 1, 1, 1, 1, 1, 1, 1, 1);
    PULLS(tensor_remainder(a, b), b, -2, 3, 3, -2, -2, 2, NAN, 0);
    Tensor *down = tensor_scalar(tape, -3), *six = tensor_scalar(tape, 6);
    HOLDS(tensor_reciprocal(tensor_remainder(six, down)), -INFINITY);
    HOLDS(tensor_reciprocal(tensor_remainder(tensor_neg(six), tensor_neg(down))), INFINITY);
    HOLDS(tensor_remainder(tensor_scalar(tape, 1e300), constant(LIST(3, -3))), 0, 0);
    HOLDS(tensor_remainder(tensor_scalar(tape, -1), constant(LIST(INFINITY, -INFINITY))), INFINITY, -1);
    HOLDS(tensor_remainder(tensor_scalar(tape, INFINITY), b), NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN);
}

static void test_arcs(void) {
    const double half = 1.5707963267948966;
    Tensor *x = tensor_leaf(constant(LIST(-1, 1, 0, 1.5)));
    HOLDS(tensor_asin(x), -half, half, 0, NAN);
    HOLDS(tensor_acos(x), 2 * half, 0, half, NAN);
    PULLS(tensor_asin(x), x, INFINITY, INFINITY, 1, NAN);
    PULLS(tensor_acos(x), x, -INFINITY, -INFINITY, -1, NAN);
    /* near 1 the slope keeps its digits */
    Tensor *near = tensor_leaf(tensor_scalar(tape, 1 - 0x1p-50));
    CHECK_NEAR(tensor_item(derived(tensor_asin, near, 1)), 0x1p25 / sqrt(2), 1e-14, 0);
    Tensor *far = tensor_leaf(constant(LIST(1e200, -1e200, INFINITY)));
    HOLDS(tensor_atan(far), half, -half, half);
    PULLS(tensor_atan(far), far, 0, 0, 0);
}

static Tensor *atan2_of_one(Tensor *x) {
    return tensor_atan2(x, x);
}

static Tensor *hypot_of_one(Tensor *x) {
    return tensor_hypot(x, x);
}

static void test_origin(void) {
    const double pi = 3.141592653589793;
    Tensor *a = tensor_leaf(constant(LIST(0, 0, -0.0, -0.0, 3, 1e300, INFINITY, 1)));
    Tensor *b = tensor_leaf(constant(LIST(0, -0.0, 0, -0.0, 0, 1e300, -INFINITY, NAN)));
    HOLDS(tensor_atan2(a, b), 0, pi, 0, -pi, pi / 2, pi / 4, 3 * pi / 4, NAN);
    CHECK(signbit(((const double *)tensor_data(tensor_atan2(a, b)))[2]));
    HOLDS(tensor_hypot(a, b), 0, 0, 0, 0, 3, hypot(1e300, 1e300), INFINITY, NAN);
    HOLDS(tensor_hypot(constant(LIST(NAN, -INFINITY)), constant(LIST(INFINITY, NAN))), INFINITY, INFINITY);
    HOLDS(tensor_hypot(constant(LIST(0x3p-900, 0x3p900)), constant(LIST(0x4p-900, 0x4p900))), 0x5p-900,
          0x5p900);
    Tensor *p = tensor_leaf(constant(LIST(0, 3, 0x3p600, 0x3p-600)));
    Tensor *q = tensor_leaf(constant(LIST(0, 4, 0x4p600, 0x4p-600)));
    PULLS(tensor_hypot(p, q), p, 0, 0.6, 0.6, 0.6);
    PULLS(tensor_hypot(p, q), q, 0, 0.8, 0.8, 0.8);
    PULLS(tensor_atan2(p, q), p, 0, 0.8 / 5, 0.8 / 0x5p600, 0.8 / 0x5p-600);
    PULLS(tensor_atan2(p, q), q, 0, -0.6 / 5, -0.6 / 0x5p600, -0.6 / 0x5p-600);
    Tensor *o = tensor_leaf(tensor_scalar(tape, 0));
    for (int order = 1; order < 5; order++) {
        HOLDS(derived(atan2_of_one, o, order), 0);
        HOLDS(derived(hypot_of_one, o, order), 0);
    }
}

static Tensor *with_itself(Tensor *x) {
    return tensor_logaddexp(x, tensor_neg(x));
}

static void test_logaddexp(void) {
    const double inf = INFINITY;
    Tensor *a = tensor_leaf(constant(LIST(1e300, -1e4, inf, -inf, -inf, inf, NAN)));
    Tensor *b = tensor_leaf(constant(LIST(1e300, 1e4, inf, -inf, 2, -inf, 0)));
    HOLDS(tensor_logaddexp(a, b), 1e300, 1e4, inf, -inf, 2, inf, NAN);
    PULLS(tensor_logaddexp(a, b), a, 0.5, 0, 0.5, 0.5, 0, 1, NAN);
    PULLS(tensor_logaddexp(a, b), b, 0.5, 1, 0.5, 0.5, 1, 0, NAN);
    /* log(2 cosh x) at 0: at a tie it is smooth */
    const double derivatives[] = {0, 1, 0, -2};
    Tensor *o = tensor_leaf(tensor_scalar(tape, 0));
    for (int order = 1; order <= 4; order++)
        CHECK_NEAR(tensor_item(derived(with_itself, o, order)), derivatives[order - 1], 1e-14, 1e-14);
}

/* At 0 the derivatives of even order n are (-1)^(n/2) pi^n / (n + 1). */
static void test_sinc(void) {
    const double pi = 3.141592653589793;
    const double at_zero[] = {1, 0, -pi * pi / 3, 0, pow(pi, 4) / 5, 0, -pow(pi, 6) / 7};
    Tensor *o = tensor_leaf(tensor_scalar(tape, 0));
    for (int order = 0; order < 7; order++)
        CHECK_NEAR(tensor_item(derived(tensor_sinc, o, order)), at_zero[order], 1e-14, 0);
    Tensor *x = tensor_leaf(constant(LIST(INFINITY, -INFINITY, NAN)));
    HOLDS(tensor_sinc(x), 0, 0, NAN);
    PULLS(tensor_sinc(x), x, 0, 0, NAN);
    HOLDS(tensor_sinc(constant(LIST(1, -2, 3e9, 1e300))), 0, 0, 0, 0);
    /* where series and recurrence meet, and at 1, where it is cos(pi) / 1 and so on */
    Tensor *one = tensor_leaf(tensor_scalar(tape, 1));
    CHECK_NEAR(tensor_item(derived(tensor_sinc, one, 1)), -1, 1e-14, 0);
    CHECK_NEAR(tensor_item(derived(tensor_sinc, one, 2)), 2, 1e-14, 0);
    CHECK_NEAR(tensor_item(derived(tensor_sinc, one, 3)), pi * pi - 6, 1e-13, 0);
    for (int order = 1; order < 5; order++) {
        Tensor *below = tensor_leaf(tensor_scalar(tape, order / pi * (1 - 1e-9)));
        Tensor *above = tensor_leaf(tensor_scalar(tape, order / pi * (1 + 1e-9)));
        CHECK_NEAR(tensor_item(derived(tensor_sinc, below, order)), tensor_item(derived(tensor_sinc, above, order)),
                   1e-7, 1e-7);
    }
}

static void test_activations(void) {
    const double inf = INFINITY;
    Tensor *x = tensor_leaf(constant(LIST(-1e4, 1e4, 0, -inf, inf)));
    HOLDS(tensor_logsigmoid(x), -1e4, 0, -log(2), -inf, 0);
    PULLS(tensor_logsigmoid(x), x, 1, 0, 0.5, 1, 0);
    HOLDS(tensor_softsign(x), -1e4 / 10001, 1e4 / 10001, 0, -1, 1);
    PULLS(tensor_softsign(x), x, 1.0 / (10001.0 * 10001), 1.0 / (10001.0 * 10001), 1, 0, 0);
    HOLDS(tensor_sinh(constant(LIST(720, -720, 1e-300))), inf, -inf, 1e-300);
    CHECK_NEAR(tensor_item(tensor_sinh(tensor_scalar(tape, 710.2))), 1.3643036845527108e308, 1e-12, 0);
    CHECK_NEAR(tensor_item(tensor_cosh(tensor_scalar(tape, -710.2))), 1.3643036845527108e308, 1e-12, 0);
    Tensor *low = tensor_leaf(tensor_scalar(tape, -40));
    CHECK_NEAR(tensor_item(derived(tensor_expm1, low, 1)), exp(-40), 1e-14, 0);
    HOLDS(tensor_mish(constant(LIST(1e4, -1e4, 0, inf))), 1e4, 0, 0, inf);
    Tensor *o = tensor_leaf(tensor_scalar(tape, 0));
    HOLDS(derived(tensor_softsign, o, 2), 0);
}

static void test_prelu(void) {
    Tensor *x = tensor_leaf(tensor_from_f64(tape, shape2(3, 2), (double[]){-2, -1, 0, 0, 3, INFINITY}));
    Tensor *slope = tensor_leaf(constant(LIST(0.25, 0.5)));
    HOLDS(tensor_prelu(x, slope), -0.5, -0.5, 0, 0, 3, INFINITY);
    PULLS(tensor_prelu(x, slope), x, 0.25, 0.5, 0.25, 0.5, 1, 1);
    PULLS(tensor_prelu(x, slope), slope, -2, -1);
    Tensor *one = tensor_leaf(constant(LIST(0.25)));
    PULLS(tensor_prelu(x, one), one, -3);
    HOLDS(tensor_prelu(constant(LIST(-4, 4, NAN)), one), -1, 4, NAN);
    FAILS(tensor_prelu(x, constant(LIST(1, 2, 3))), "tensor_prelu: (3, 2) with slope (3)");
    FAILS(tensor_prelu(slope, slope), "tensor_prelu: (2) with slope (2)");
}

static void test_masks(void) {
    Tensor *x = tensor_leaf(constant(LIST(NAN, INFINITY, -INFINITY, 0, -0.0, 2)));
    HOLDS(tensor_isnan(x), 1, 0, 0, 0, 0, 0);
    HOLDS(tensor_isfinite(x), 0, 0, 0, 1, 1, 1);
    HOLDS(tensor_logical_not(x), 0, 0, 0, 1, 1, 0);
    Tensor *zero = tensor_scalar(tape, 0), *three = tensor_scalar(tape, 3);
    HOLDS(tensor_logical_and(x, three), 1, 1, 1, 0, 0, 1);
    HOLDS(tensor_logical_and(x, zero), 0, 0, 0, 0, 0, 0);
    HOLDS(tensor_logical_or(x, zero), 1, 1, 1, 0, 0, 1);
    HOLDS(tensor_logical_or(zero, three), 1);
    CHECK(!tensor_requires_grad(tensor_logical_or(x, x)) && !tensor_requires_grad(tensor_isnan(x)));
    CHECK(!tensor_requires_grad(tensor_isfinite(x)) && !tensor_requires_grad(tensor_logical_not(x)));
    HOLDS(tensor_masked_fill(x, tensor_isnan(x), 7), 7, INFINITY, -INFINITY, 0, 0, 2);
    PULLS(tensor_masked_fill(x, tensor_isnan(x), 7), x, 0, 1, 1, 1, 1, 1);
    HOLDS(tensor_masked_fill(three, constant(LIST(0, 1, NAN)), -INFINITY), 3, -INFINITY, -INFINITY);
}

static void test_nothing(void) {
    Tensor *none = tensor_leaf(tensor_zeros(tape, shape2(0, 3))), *row = tensor_ones(tape, shape1(3));
    CHECK(shape_equal(tensor_shape(tensor_tan(none)), shape2(0, 3)));
    CHECK(shape_equal(tensor_shape(tensor_sinc(none)), shape2(0, 3)));
    CHECK(shape_equal(tensor_shape(tensor_atan2(none, row)), shape2(0, 3)));
    CHECK(shape_equal(tensor_shape(tensor_masked_fill(row, none, 1)), shape2(0, 3)));
    CHECK(shape_equal(tensor_shape(tensor_prelu(none, row)), shape2(0, 3)));
    FAILS(tensor_hypot(row, tensor_ones(tape, shape1(2))), "tensor_hypot: shapes (3) and (2) do not broadcast");
}

int main(void) {
    void (*const tests[])(void) = {test_steps,     test_remainder, test_arcs,        test_origin,
                                   test_logaddexp, test_sinc,      test_activations, test_prelu,
                                   test_masks,     test_nothing};
    each_on_a_tape(&tape, tests, sizeof tests / sizeof *tests);
    return check_done();
}
