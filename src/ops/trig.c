/* Trigonometric and hyperbolic functions, and their inverses. */
#include "ops/unary.h"

RULE(sin, x, tensor_mul(g, tensor_cos(x)))
UNARY_OP(sin, X)

RULE(cos, x, tensor_mul(tensor_neg(g), tensor_sin(x)))
UNARY_OP(cos, X)

/* tan x: g (1 + y^2) */
RULE(tan, y, tensor_mul(g, tensor_add_scalar(tensor_square(y), 1)))
UNARY_OP(tan, Y)

/* (1 - x^2)^(-1/2), in factors that keep their digits near 1 */
static Tensor *arc_slope(Tensor *x) {
    return tensor_rsqrt(tensor_mul(tensor_add_scalar(tensor_neg(x), 1), tensor_add_scalar(x, 1)));
}

RULE(asin, x, tensor_mul(g, arc_slope(x)))
UNARY_OP(asin, X)

RULE(acos, x, tensor_mul(tensor_neg(g), arc_slope(x)))
UNARY_OP(acos, X)

/* atan x: g / (1 + x^2) */
RULE(atan, x, tensor_div(g, tensor_add_scalar(tensor_square(x), 1)))
UNARY_OP(atan, X)

RULE(sinh, x, tensor_mul(g, tensor_cosh(x)))
UNARY_OP(sinh, X)

RULE(cosh, x, tensor_mul(g, tensor_sinh(x)))
UNARY_OP(cosh, X)

/* ---- sinc: sin(pi x) / (pi x). The derivative of order n is a function like it, so that all of them are what they
 * are at 0 ------------------------------------------------------------------------------------------------ */

static Tensor *sinc_slope(Tensor *x, double order);

static void sinc_vjp(HcSweep *s, Tensor *y, Tensor *g) {
    hc_give(s, 0, tensor_mul(g, sinc_slope(hc_inputs(y)[0], y->attr.real[0] + 1)));
}

INTERNAL_OP(sinc, "tensor_sinc", sinc, X);

Tensor *tensor_sinc(Tensor *x) {
    return hc_unary_c(&op_sinc, x, 0);
}

#define sinc_slope_vjp sinc_vjp
INTERNAL_OP(sinc_slope, "tensor_sinc", sinc_slope, X);

static Tensor *sinc_slope(Tensor *x, double order) {
    return hc_unary_c(&op_sinc_slope, x, order);
}
