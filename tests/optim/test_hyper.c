/* The algebra of hyperparameters: numbers fold to what tensors hold, in every mixture of the two, and
 * gradients flow through the tensors. */
#include <higherc/higherc.h>

#include <math.h>

#include "support/check.h"

static double number(Hyper h) {
    return h.tensor ? tensor_item(h.tensor) : h.value;
}

static Hyper square_root(Hyper a, Hyper b) {
    return hyper_sqrt(hyper_mul(a, b));
}
static Hyper exponential(Hyper a, Hyper b) {
    return hyper_exp(hyper_sub(a, b));
}
static Hyper logarithm(Hyper a, Hyper b) {
    return hyper_log(hyper_add(a, b));
}

static const struct {
    Hyper (*fn)(Hyper a, Hyper b);
    double value, to_a, to_b; /* at 0.7 and 1.9 */
} rows[] = {
    {hyper_add, 2.6, 1, 1},
    {hyper_sub, -1.2, 1, -1},
    {hyper_mul, 1.33, 1.9, 0.7},
    {hyper_div, 0.7 / 1.9, 1 / 1.9, -0.7 / (1.9 * 1.9)},
    {hyper_pow, 0.507792492856054, 1.37829390918072, -0.181116858921942},
    {hyper_max, 1.9, 0, 1},
    {hyper_min, 0.7, 1, 0},
    {square_root, 1.15325625946708, 0.823754471047914, 0.303488489333442},
    {exponential, 0.301194211912202, 0.301194211912202, -0.301194211912202},
    {logarithm, 0.955511445027436, 0.384615384615385, 0.384615384615385},
};

static void every_mixture(void) {
    Tape *tape = tape_create(HC_F64);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int mixture = 0; mixture < 4; mixture++) {
            Tensor *a = tensor_leaf(tensor_scalar(tape, 0.7)),
                   *b = tensor_leaf(tensor_scalar(tape, 1.9)), *g[2];
            Hyper x = mixture & 1 ? hyper_tensor(a) : hyper_const(0.7);
            Hyper y = mixture & 2 ? hyper_tensor(b) : hyper_const(1.9);
            Hyper z = rows[i].fn(x, y);
            CHECK(!z.tensor == (mixture == 0));
            CHECK_NEAR(number(z), rows[i].value, 1e-13, 0);
            if (!z.tensor) continue;
            CHECK(tensor_grad(z.tensor, (Tensor *[]){a, b}, 2, g, HC_ZEROS));
            CHECK_NEAR(tensor_item(g[0]), mixture & 1 ? rows[i].to_a : 0, 1e-13, 0);
            CHECK_NEAR(tensor_item(g[1]), mixture & 2 ? rows[i].to_b : 0, 1e-13, 0);
        }
    tape_destroy(tape);
}

/* What a rule does with weights: a number and a tensor of that value give the same. */
static void on_weights(void) {
    Tape *tape = tape_create(HC_F64);
    Tensor *x = tensor_arange(tape, 1, 4, 1), *y = tensor_ones(tape, shape1(3));
    for (int t = 0; t <= 1; t++) {
        Hyper h = t ? hyper_tensor(tensor_scalar(tape, 0.5)) : hyper_const(0.5);
        CHECK(tensor_item(tensor_sum(hyper_scale(h, x))) == 3);
        CHECK(tensor_item(tensor_sum(hyper_shift(h, x))) == 7.5);
        CHECK(tensor_item(tensor_sum(hyper_axpy(h, x, y))) == 6);
        Tensor *filled = hyper_fill(h, x);
        CHECK(shape_equal(tensor_shape(filled), shape1(3)) &&
              tensor_item(tensor_sum(filled)) == 1.5);
    }
    CHECK(hyper_is_zero(hyper_const(0)) && !hyper_is_zero(hyper_const(1)));
    CHECK(!hyper_is_zero(hyper_tensor(tensor_scalar(tape, 0)))); /* may be learned */
    CHECK(!hyper_fill(hyper_tensor(x), tensor_ones(tape, shape1(2))));
    CHECK_ERROR("(3)");
    tape_clear_error(tape);
    CHECK(!hyper_fill(hyper_const(1), NULL));
    CHECK_ERROR("hyper_fill");
    CHECK(!hyper_scale(hyper_const(1), NULL) && !hyper_shift(hyper_const(1), NULL) &&
          !hyper_axpy(hyper_const(1), NULL, NULL));
    higherc_clear_error();
    CHECK(isnan(hyper_tensor(NULL).value)); /* what failed does not pass for a number */
    tape_destroy(tape);
}

static void nothing(void) {
    ParamList none = {NULL, 0};
    CHECK(optim_class(NULL) == NULL && optim_steps(NULL) == 0 && optim_learned(NULL).count == 0);
    CHECK(higherc_error() == NULL);
    CHECK(!optim_new("adam", none));
    CHECK_ERROR("the list of Params is empty");
    CHECK(!optim_rmsprop(none, rmsprop_options(0.1)));
    CHECK_ERROR("the list of Params is empty");
}

int main(void) {
    every_mixture();
    on_weights();
    nothing();
    CHECK(higherc_error() == NULL);
    return check_done();
}
