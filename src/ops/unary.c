/* Elementwise functions of one tensor but the trigonometric ones. Each block: the formula, its derivative, the
 * descriptor, the builder. */
#include <math.h>

#include "ops/unary.h"

/* x^2: 2 x g */
RULE(square, x, tensor_mul(g, tensor_mul_scalar(x, 2)))
UNARY_OP(square, X)

/* sqrt x: g / (2 y) */
RULE(sqrt, y, tensor_div(g, tensor_mul_scalar(y, 2)))
UNARY_OP(sqrt, Y)

/* x^(-1/2): -g y^3 / 2 */
RULE(rsqrt, y, tensor_mul(tensor_mul_scalar(g, -0.5), tensor_mul(y, tensor_square(y))))
UNARY_OP(rsqrt, Y)

/* The pair for second moments: sqrt0' = rsqrt0 / 2, rsqrt0' = -rsqrt0^3 / 2, both 0 at 0, so that every
 * order of derivative is finite there. */
RULE(rsqrt0, y, tensor_mul(tensor_mul_scalar(g, -0.5), tensor_mul(y, tensor_square(y))))
INTERNAL_OP(rsqrt0, "tensor_rsqrt", rsqrt0, Y);

Tensor *hc_rsqrt0(Tensor *x) {
    return hc_emit1(&op_rsqrt0, NULL, x);
}

RULE(sqrt0, x, tensor_mul(tensor_mul_scalar(g, 0.5), hc_rsqrt0(x)))
INTERNAL_OP(sqrt0, "tensor_sqrt", sqrt, X);

Tensor *hc_sqrt0(Tensor *x) {
    return hc_emit1(&op_sqrt0, NULL, x);
}

/* e^x: g y */
RULE(exp, y, tensor_mul(g, y))
UNARY_OP(exp, Y)

/* e^x - 1: g e^x, which y + 1 has lost the digits of where x is far below 0 */
RULE(expm1, x, tensor_mul(g, tensor_exp(x)))
UNARY_OP(expm1, X)

/* log x: g / x */
RULE(log, x, tensor_div(g, x))
UNARY_OP(log, X)

/* log(1 + x): g / (1 + x) */
RULE(log1p, x, tensor_div(g, tensor_add_scalar(x, 1)))
UNARY_OP(log1p, X)

/* 1 - y^2 */
static Tensor *one_minus_square(Tensor *y) {
    return tensor_add_scalar(tensor_neg(tensor_square(y)), 1);
}

RULE(tanh, y, tensor_mul(g, one_minus_square(y)))
UNARY_OP(tanh, Y)

/* 1 / (1 + e^-x): g y (1 - y) */
RULE(sigmoid, y, tensor_mul(g, tensor_sub(y, tensor_square(y))))
UNARY_OP(sigmoid, Y)

/* log(1 + e^x): g sigmoid x */
RULE(softplus, x, tensor_mul(g, tensor_sigmoid(x)))
UNARY_OP(softplus, X)

/* x / (1 + |x|): g / (1 + |x|)^2 */
RULE(softsign, x, tensor_div(g, tensor_square(tensor_add_scalar(tensor_abs(x), 1))))
UNARY_OP(softsign, X)

/* erf x: g 2 / sqrt(pi) e^(-x^2) */
RULE(erf, x,
     tensor_mul(g, tensor_mul_scalar(tensor_exp(tensor_neg(tensor_square(x))), 1.1283791670955126)))
UNARY_OP(erf, X)

/* |x|: g sign x */
RULE(abs, x, tensor_mul(g, tensor_sign(x)))
UNARY_OP(abs, X)

/* Steps: their derivative is 0, so nothing is given. */
FLAT_OP(sign)
FLAT_OP(floor)
FLAT_OP(ceil)
FLAT_OP(round)

/* ---- gate(x, g): x > 0 ? g : c g. Linear in g, which it may change in place; piecewise constant in x --- */

static void gate_vjp(HcSweep *s, Tensor *node, Tensor *gg) {
    Tensor *x = hc_inputs(node)[0];
    if (hc_needs(s, 1)) hc_give(s, 1, hc_gate(hc_hand_over(s, gg), x, node->attr.real[0]));
}

static const HcOp op_gate = {.name = "tensor_relu",
                             .flags = HC_OP_ACC,
                             .arity = 1,
                             .infer = hc_infer_same,
                             .forward = hc_forward_binary,
                             .vjp = gate_vjp,
                             .reads = {0, HC_IN(0)},
                             .kernel = HC_KERNEL(gate)};

Tensor *hc_gate(Tensor *g, Tensor *x, double slope) {
    return hc_emit2(&op_gate, &(HcAttr){.real = {slope}}, x, g);
}

/* max(x, 0): gate(g, y) */
RULE(relu, y, hc_gate(hc_hand_over(s, g), y, 0))
UNARY_OP(relu, Y)

static void leaky_vjp(HcSweep *s, Tensor *node, Tensor *g) {
    hc_give(s, 0, hc_gate(hc_hand_over(s, g), hc_inputs(node)[0], node->attr.real[0]));
}

INTERNAL_OP(leaky, "tensor_leaky_relu", leaky, X);

Tensor *tensor_leaky_relu(Tensor *x, double slope) {
    return hc_unary_c(&op_leaky, x, slope);
}

/* elu: x > 0 ? g : g alpha e^x; the exponential is clamped where it is not used, so that it cannot
 * overflow there */
static void elu_vjp(HcSweep *s, Tensor *node, Tensor *g) {
    Tensor *x = hc_inputs(node)[0];
    Tensor *below = tensor_exp(tensor_clamp(x, -INFINITY, 0));
    Tensor *slope = tensor_mul_scalar(below, node->attr.real[0]);
    Tensor *positive = tensor_gt(x, tensor_scalar(node->tape, 0));
    hc_give(s, 0, tensor_where(positive, g, tensor_mul(g, slope)));
}

INTERNAL_OP(elu, "tensor_elu", elu, X);

Tensor *tensor_elu(Tensor *x, double alpha) {
    return hc_unary_c(&op_elu, x, alpha);
}

/* ---- clamp: g inside the bounds, them included ------------------------------------------------------ */

static const HcOp op_inside = {.name = "tensor_clamp",
                               .flags = HC_OP_NODIFF,
                               .arity = 1,
                               .infer = hc_infer_same,
                               .forward = hc_forward_unary,
                               .kernel = HC_KERNEL(inside)};

static void clamp_vjp(HcSweep *s, Tensor *node, Tensor *g) {
    hc_give(s, 0, tensor_mul(g, hc_emit1(&op_inside, &node->attr, hc_inputs(node)[0])));
}

INTERNAL_OP(clamp, "tensor_clamp", clamp, X);

Tensor *tensor_clamp(Tensor *x, double low, double high) {
    return hc_emit1(&op_clamp, &(HcAttr){.real = {low, high}}, x);
}

/* ---- composites --------------------------------------------------------------------------------------- */

/* x Phi(x) = x (1 + erf(x / sqrt 2)) / 2; Hendrycks and Gimpel 2016 */
Tensor *tensor_gelu(Tensor *x) {
    Tensor *phi = tensor_add_scalar(tensor_erf(tensor_mul_scalar(x, 0.70710678118654752)), 1);
    return tensor_mul(tensor_mul_scalar(x, 0.5), phi);
}

Tensor *tensor_silu(Tensor *x) {
    return tensor_mul(x, tensor_sigmoid(x));
}

Tensor *tensor_mish(Tensor *x) {
    return tensor_mul(x, tensor_tanh(tensor_softplus(x)));
}

/* log(1 / (1 + e^-x)) */
Tensor *tensor_logsigmoid(Tensor *x) {
    return tensor_neg(tensor_softplus(tensor_neg(x)));
}
