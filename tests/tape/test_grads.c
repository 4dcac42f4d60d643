/* Params and gradients kept apart: writing, reading, freezing, absence; the grads_ family; conversion under
 * a tape that still reads the old numbers. */
#include <string.h>

#include "support/refuse.h"

static bool close(const void *x, double a, double b) {
    const double *v = x;
    return v && fabs(v[0] - a) <= 1e-12 && fabs(v[1] - b) <= 1e-12;
}

static void params(void) {
    Tape *tape = tape_create(HC_F32);
    Param *p = param_create("p", shape1(2), HC_F32);
    Rng rng = rng_seed(1);
    CHECK(strcmp(param_name(p), "p") == 0 && param_count(p) == 2 && param_dtype(p) == HC_F32);
    WRONG(HC_ERR_STATE, param_tensor(tape, p)); /* no first value yet */
    CHECK(param_set_f32(p, (float[]){1, 2}, 2) && param_get(p, 1) == 2);
    Tensor *leaf = param_tensor(tape, p);
    CHECK(leaf && tensor_data(leaf) == param_data(p) && param_tensor(tape, p) == leaf);
    CHECK(tensor_requires_grad(leaf));
    param_freeze(p, true);
    CHECK(param_frozen(p) && !tensor_requires_grad(param_tensor(tape, p)));
    param_freeze(p, false);
    CHECK(tensor_requires_grad(param_tensor(tape, p)));
    CHECK(param_grad(p) == NULL && param_grad_get(p, 0) == 0 && higherc_error() == NULL);
    CHECK(param_add_grad_f64(p, (double[]){-0.0, 1}, 2) && signbit(param_grad_get(p, 0)));
    CHECK(param_add_grad_f64(p, (double[]){1, 1}, 2) && param_grad_get(p, 1) == 2);
    param_zero_grad(p);
    CHECK(param_grad(p) == NULL);
    CHECK(param_uniform(p, 2, 3, &rng) && param_get(p, 0) >= 2 && param_get(p, 1) < 3);
    CHECK(param_normal(p, 10, 0.1, 2, &rng) && fabs(param_get(p, 0) - 10) <= 0.2);
    NOT_A_NUMBER(param_get(p, 2));
    NOT_A_NUMBER(param_grad_get(p, 2));
    WRONG(HC_ERR_SHAPE, param_set_f32(p, (float[]){1}, 1));
    WRONG(HC_ERR_ARG, param_set_f32(p, NULL, 2));
    Param *none = param_create("none", shape2(0, 3), HC_F32), *again = param_ref(none);
    CHECK(none == again && param_set_f32(none, NULL, 0) && param_add_grad_f64(none, NULL, 0));
    CHECK(param_grad(none) != NULL && tensor_count(param_tensor(tape, none)) == 0);
    param_unref(none);
    param_unref(again);
    /* a tape holds on to a Param whose leaf it has */
    CHECK(tensor_item(tensor_sum(param_tensor(tape, p))) == param_get(p, 0) + param_get(p, 1));
    leaf = param_tensor(tape, p);
    double kept = tensor_item(tensor_sum(leaf));
    param_unref(p);
    CHECK(tensor_item(tensor_sum(leaf)) == kept);
    tape_destroy(tape);
}

static Tensor *loss_of(Tape *tape, Param *a, Param *b) { /* sum(a^2) + 3 sum(b) */
    Tensor *x = tensor_sum(tensor_square(param_tensor(tape, a)));
    return tensor_add(x, tensor_mul_scalar(tensor_sum(param_tensor(tape, b)), 3));
}

static void family(void) {
    Tape *tape = tape_create(HC_F64);
    Param *p[3] = {param_create("a", shape1(2), HC_F64), param_create("b", shape1(2), HC_F64),
                   param_create("c", shape1(2), HC_F64)};
    for (int i = 0; i < 3; i++)
        CHECK(param_set_f64(p[i], (double[]){1 + i, 2}, 2));
    Grads *grads = grads_create((ParamList){p, 3});
    for (size_t i = 0; i < 3; i++)
        CHECK(grads_get(grads, i) == NULL && higherc_error() == NULL);
    CHECK(tensor_backward_into(loss_of(tape, p[0], p[1]), grads));
    CHECK(close(grads_get(grads, 0), 2, 4) && close(grads_get(grads, 1), 3, 3));
    CHECK(!grads_get(grads, 2) && !param_grad(p[0]));              /* apart */
    CHECK(tensor_backward_into(loss_of(tape, p[0], p[1]), grads)); /* adds */
    CHECK(close(grads_get(grads, 0), 4, 8) && close(grads_get(grads, 1), 6, 6));
    CHECK(grads_add_to_params(grads) && close(param_grad(p[0]), 4, 8));
    CHECK(close(param_grad(p[1]), 6, 6) && !param_grad(p[2]));
    CHECK(grads_add_to_params(grads) && close(param_grad(p[0]), 8, 16));

    /* norm = sqrt(16 + 64 + 36 + 36) */
    double norm = sqrt(152), factor = 2 / (norm + 1e-6);
    CHECK_NEAR(grads_clip_norm(grads, 2), norm, 1e-14, 0);
    CHECK(close(grads_get(grads, 0), 4 * factor, 8 * factor));
    CHECK_NEAR(grads_clip_norm(grads, 10), norm * factor, 1e-14, 0); /* short enough: as it is */
    CHECK(close(grads_get(grads, 1), 6 * factor, 6 * factor) && !grads_get(grads, 2));
    NOT_A_NUMBER(grads_clip_norm(grads, NAN));

    size_t count = 0;
    double *flat = grads_flat(grads, &count);
    CHECK(count == 6 && close(flat, 4 * factor, 8 * factor) && close(flat + 4, 0, 0));
    CHECK(grads_get(grads, 2) == flat + 4); /* present now */
    flat[4] = 7;
    CHECK(close(grads_get(grads, 2), 7, 0) && grads_flat(grads, NULL) == flat);
    grads_zero(grads);
    CHECK(!grads_get(grads, 0) && !grads_get(grads, 2) && higherc_error() == NULL);
    param_zero_grad(p[0]);
    CHECK(grads_add_to_params(grads) && !param_grad(p[0])); /* absent adds nothing */

    /* Params that the list lacks are left out; none of the list is an error, and adds nothing */
    Grads *only = grads_create((ParamList){p, 1}), *rest = grads_create((ParamList){p + 2, 1});
    CHECK(tensor_backward_into(loss_of(tape, p[0], p[1]), only));
    CHECK(close(grads_get(only, 0), 2, 4));
    WRONG(HC_ERR_GRAD, tensor_backward_into(loss_of(tape, p[0], p[1]), rest));
    CHECK(!grads_get(rest, 0));
    WRONG(HC_ERR_SHAPE, tensor_backward_into(param_tensor(tape, p[0]), only));
    WRONG(HC_ERR_RANGE, grads_get(only, 1));
    CHECK(close(grads_get(only, 0), 2, 4));
    Param *mixed[] = {p[0], param_create("f32", shape1(1), HC_F32)};
    WRONG(HC_ERR_DTYPE, grads_create((ParamList){mixed, 2}));
    Grads *nothing = grads_create((ParamList){NULL, 0});
    CHECK(nothing && grads_add_to_params(nothing) && grads_clip_norm(nothing, 1) == 0);
    param_unref(mixed[1]);
    grads_destroy(nothing);
    for (int i = 0; i < 3; i++)
        param_unref(p[i]);
    CHECK(close(grads_get(only, 0), 2, 4)); /* it holds what it collects for */
    grads_destroy(only);
    grads_destroy(rest);
    grads_destroy(grads);
    tape_destroy(tape);
}

/* After module_to, what was made for the old type is refused; a tape that reads the old numbers still has
 * them. */
static void converted(void) {
    Tape *tape = tape_create(HC_F32), *wide = tape_create(HC_F64);
    Module *net = module_linear_no_bias(2, 1);
    Param *w = module_param(net, "weight");
    CHECK(param_set_f64(w, (double[]){0.5, -2}, 2));
    Grads *grads = grads_create(module_params(net));
    Tensor *leaf = param_tensor(tape, w), *loss = tensor_sum(tensor_square(leaf));
    CHECK(tensor_backward_into(loss, grads));
    CHECK(module_to(net, HC_F64) && param_get(w, 1) == -2);
    CHECK(tensor_item(tensor_sum(leaf)) == -1.5); /* memory that is still there */
    Tensor *g = NULL;
    WRONG(HC_ERR_CHANGED, tensor_grad(loss, &leaf, 1, &g, 0));
    WRONG(HC_ERR_DTYPE, tensor_backward(loss));
    WRONG(HC_ERR_DTYPE, tensor_backward_into(loss, grads));
    WRONG(HC_ERR_DTYPE, param_tensor(tape, w));
    WRONG(HC_ERR_DTYPE,
          tensor_backward(tensor_sum(leaf))); /* reads no value, but gives f32 numbers */
    Tensor *there = tensor_sum(tensor_square(param_tensor(wide, w)));
    CHECK(!tensor_backward_into(there, grads) && tape_status(wide) == HC_ERR_DTYPE);
    tape_clear_error(wide);
    CHECK_ERROR("'weight'");
    WRONG(HC_ERR_DTYPE, grads_add_to_params(grads));
    CHECK(param_grad(w) == NULL);
    CHECK(module_to(net, HC_F32) && module_to(net, HC_F64)); /* to and fro */
    CHECK(tensor_item(tensor_sum(leaf)) == -1.5 &&
          tensor_backward(tensor_sum(param_tensor(wide, w))));
    CHECK(close(param_grad(w), 1, 1));
    grads_destroy(grads);
    tape_destroy(tape);
    tape_destroy(wide);
    module_destroy(net);
}

/* A list of nothing has no type: on either tape it takes nothing. */
static void nothing(void) {
    Grads *grads = grads_create((ParamList){NULL, 0});
    for (int dtype = HC_F32; dtype <= HC_F64; dtype++) {
        Tape *tape = tape_create((DType)dtype);
        Tensor *x = tensor_leaf(tensor_ones(tape, shape1(2)));
        bool done = tensor_backward_into(tensor_sum(x), grads);
        CHECK(done || higherc_status() != HC_ERR_DTYPE);
        if (!done) CHECK_ERROR("tensor_backward_into");
        tape_destroy(tape);
    }
    grads_destroy(grads);
}

/* A view of a Param read dense shows what is there now. */
static void views(void) {
    Tape *tape = tape_create(HC_F64);
    Param *p = param_create("p", shape2(2, 2), HC_F64);
    CHECK(param_set_f64(p, (double[]){1, 2, 3, 4}, 4));
    Tensor *turned = tensor_transpose(param_tensor(tape, p), 0, 1);
    const double *before = tensor_data(turned);
    CHECK(before && before[1] == 3 && before[2] == 2);
    CHECK(param_set_f64(p, (double[]){5, 6, 7, 8}, 4));
    const double *after = tensor_data(turned);
    CHECK(after && after[1] == 7 && after[2] == 6 && before[1] == 3);
    param_unref(p);
    tape_destroy(tape);
}

int main(void) {
    nothing();
    views();
    params();
    family();
    converted();
    CHECK(higherc_error() == NULL);
    if (higherc_error()) CHECK_ERROR("none");
    return check_done();
}
