/* Elementwise functions of two tensors beyond arithmetic, and what is made of the others: tests, masks, activations. */
#include <math.h>

#include "ops/ops.h"

enum { A = HC_IN(0), B = HC_IN(1), Y = HC_READS_OUTPUT };

#define PAIR_OP(id, public_name, rule, ...)                                                        \
    static const HcOp op_##id = {.name = public_name,                                              \
                                 .arity = 2,                                                       \
                                 .infer = hc_infer_same,                                           \
                                 .forward = hc_forward_binary,                                     \
                                 .vjp = rule,                                                      \
                                 .reads = {__VA_ARGS__},                                           \
                                 .kernel = HC_KERNEL(id)}

/* A number, as a tensor of x's tape; NULL for NULL. */
static Tensor *number(const char *who, Tensor *x, double value) {
    return hc_check(who, x) ? tensor_scalar(x->tape, value) : NULL;
}

Tensor *tensor_reciprocal(Tensor *x) {
    return tensor_div(number("tensor_reciprocal", x, 1), x);
}

/* ---- y = a / b, 0 where b is 0, and so at every order. Rules as of a / b ------------------------------- */

static Tensor *div0(Tensor *a, Tensor *b);

static void div0_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    Tensor *ga = div0(gy, hc_inputs(y)[1]);
    if (hc_needs(s, 0)) hc_give(s, 0, ga);
    if (hc_needs(s, 1)) hc_give_scaled(s, 1, tensor_mul(ga, y), -1);
}

PAIR_OP(div0, "tensor_div", div0_vjp, B, B | Y);

static Tensor *div0(Tensor *a, Tensor *b) {
    return hc_binary(&op_div0, NULL, a, b);
}

/* ---- a - b, 0 of equal infinities ------------------------------------------------------------------------ */

static void difference_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    (void)y;
    if (hc_needs(s, 0)) hc_give(s, 0, gy);
    if (hc_needs(s, 1)) hc_give_scaled(s, 1, gy, -1);
}

PAIR_OP(difference, "tensor_sub", difference_vjp, 0);

/* ---- log(e^a + e^b). To a: g sigmoid(a - b); to b: the rest -------------------------------------------------- */

static void logaddexp_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    Tensor *d = hc_emit2(&op_difference, NULL, hc_inputs(y)[0], hc_inputs(y)[1]);
    if (hc_needs(s, 0)) hc_give(s, 0, tensor_mul(gy, tensor_sigmoid(d)));
    if (hc_needs(s, 1)) hc_give(s, 1, tensor_mul(gy, tensor_sigmoid(tensor_neg(d))));
}

PAIR_OP(logaddexp, "tensor_logaddexp", logaddexp_vjp, A | B, A | B);

Tensor *tensor_logaddexp(Tensor *a, Tensor *b) {
    return hc_binary(&op_logaddexp, NULL, a, b);
}

/* ---- y = sqrt(a^2 + b^2). To a: g a / y ------------------------------------------------------------------------ */

static void hypot_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    for (unsigned j = 0; j < 2; j++)
        if (hc_needs(s, j)) hc_give(s, j, tensor_mul(gy, div0(hc_inputs(y)[j], y)));
}

PAIR_OP(hypot, "tensor_hypot", hypot_vjp, A | Y, B | Y);

Tensor *tensor_hypot(Tensor *a, Tensor *b) {
    return hc_binary(&op_hypot, NULL, a, b);
}

/* ---- the angle of (b, a), with r = hypot(a, b). To a: g (b / r) / r; to b: -g (a / r) / r ----------------------- */

static void atan2_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    Tensor *a = hc_inputs(y)[0], *b = hc_inputs(y)[1], *r = tensor_hypot(a, b);
    if (hc_needs(s, 0)) hc_give(s, 0, tensor_mul(gy, div0(div0(b, r), r)));
    if (hc_needs(s, 1)) hc_give_scaled(s, 1, tensor_mul(gy, div0(div0(a, r), r)), -1);
}

PAIR_OP(atan2, "tensor_atan2", atan2_vjp, A | B, A | B);

Tensor *tensor_atan2(Tensor *a, Tensor *b) {
    return hc_binary(&op_atan2, NULL, a, b);
}

/* ---- y = a - b floor(a / b). To a: g; to b: -g floor(a / b), the whole number near (a - y) / b --------- */

static void remainder_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    Tensor *a = hc_inputs(y)[0], *b = hc_inputs(y)[1];
    if (hc_needs(s, 0)) hc_give(s, 0, gy);
    if (hc_needs(s, 1)) {
        Tensor *turns = tensor_round(tensor_div(tensor_sub(a, y), b));
        hc_give_scaled(s, 1, tensor_mul(gy, turns), -1);
    }
}

PAIR_OP(remainder, "tensor_remainder", remainder_vjp, 0, A | B | Y);

Tensor *tensor_remainder(Tensor *a, Tensor *b) {
    return hc_binary(&op_remainder, NULL, a, b);
}

/* ---- tests and masks: no derivative ----------------------------------------------------------------------------- */

Tensor *tensor_isnan(Tensor *x) {
    return tensor_ne(x, x);
}

/* inf - inf and NaN - NaN are NaN */
Tensor *tensor_isfinite(Tensor *x) {
    Tensor *d = tensor_sub(x, x);
    return tensor_eq(d, d);
}

Tensor *tensor_logical_not(Tensor *x) {
    return tensor_eq(x, number("tensor_logical_not", x, 0));
}

Tensor *tensor_masked_fill(Tensor *x, Tensor *mask, double value) {
    const char *who = "tensor_masked_fill";
    if (!hc_check_all(who, (Tensor *[]){x, mask}, 2)) return NULL;
    return hc_told_as(who, x->tape, tensor_where(mask, number(who, x, value), x));
}

/* ---- prelu: max(x, 0) + slope min(x, 0) ------------------------------------------------------------------------- */

Tensor *tensor_prelu(Tensor *x, Tensor *slope) {
    if (!hc_check_all("tensor_prelu", (Tensor *[]){x, slope}, 2)) return NULL;
    bool each =
        slope->form->ndim == 1 && x->form->ndim > 1 && slope->form->dim[0] == x->form->dim[1];
    if (!each && slope->form->count != 1) {
        char tx[HC_SHAPE_TEXT], ts[HC_SHAPE_TEXT];
        hc_fail(x->tape, HC_ERR_SHAPE, "tensor_prelu: %s with slope %s: it takes one number, or [C] with [N, C, ...]",
                hc_shape_text(hc_form_shape(x->form), tx),
                hc_shape_text(hc_form_shape(slope->form), ts));
        return NULL;
    }
    slope = each ? hc_per_channel(x, slope) : tensor_reshape(slope, shape_scalar());
    return tensor_add(tensor_relu(x), tensor_mul(slope, tensor_clamp(x, -(double)INFINITY, 0)));
}
