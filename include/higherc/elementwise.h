/** @file elementwise.h
 *  Functions of one tensor, of two, and of one and a number, entry by entry. The rules they share stand in tensor.h. */
#ifndef HIGHERC_ELEMENTWISE_H
#define HIGHERC_ELEMENTWISE_H

#include "shape.h"
#include "names.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- two tensors (broadcasting) ------------------------------------------------------------ */

/** a + b. */
HC_API Tensor *tensor_add(Tensor *a, Tensor *b);
/** a - b. Gradient: to b the negative. */
HC_API Tensor *tensor_sub(Tensor *a, Tensor *b);
/** a b. */
HC_API Tensor *tensor_mul(Tensor *a, Tensor *b);
/** a / b: infinite, or NaN for 0 / 0, where b is 0. Gradient: to a g / b, to b -g a / b^2. */
HC_API Tensor *tensor_div(Tensor *a, Tensor *b);
/** a^b. Gradient to a: 0 where b is 0; to b: 0 where a is 0 and b >= 0 (PyTorch's). In f32 the same bits everywhere; in
 *  f64, whole exponents too, those of the C library's pow, which are others on another platform. tensor_square,
 *  tensor_sqrt and products have the same bits everywhere. */
HC_API Tensor *tensor_pow(Tensor *a, Tensor *b);
/** The larger. Gradient: half to each where equal. NaN wins. */
HC_API Tensor *tensor_maximum(Tensor *a, Tensor *b);
/** The smaller, in the same way. */
HC_API Tensor *tensor_minimum(Tensor *a, Tensor *b);
/** 1 where a > b, else 0; no gradient flows through. With a NaN all six are 0, but tensor_ne, which is 1. */
HC_API Tensor *tensor_gt(Tensor *a, Tensor *b);
/** 1 where a >= b, else 0, in the same way. */
HC_API Tensor *tensor_ge(Tensor *a, Tensor *b);
/** 1 where a < b, else 0, in the same way. */
HC_API Tensor *tensor_lt(Tensor *a, Tensor *b);
/** 1 where a <= b, else 0, in the same way. */
HC_API Tensor *tensor_le(Tensor *a, Tensor *b);
/** 1 where a == b, else 0, in the same way. */
HC_API Tensor *tensor_eq(Tensor *a, Tensor *b);
/** 1 where a != b, else 0, in the same way. */
HC_API Tensor *tensor_ne(Tensor *a, Tensor *b);
/** 1 where both are true, else 0, what is not 0 (NaN is not) being true; no gradient flows through. */
HC_API Tensor *tensor_logical_and(Tensor *a, Tensor *b);
/** 1 where one or both are, in the same way. */
HC_API Tensor *tensor_logical_or(Tensor *a, Tensor *b);
/** The angle of the point (b, a), from -pi to pi; signed zeros and infinities as in C's atan2. Gradient, with r the
 *  distance, to a: g b / r^2, to b: -g a / r^2; 0 at (0, 0), at every order. */
HC_API Tensor *tensor_atan2(Tensor *a, Tensor *b);
/** sqrt(a^2 + b^2), without overflow; infinite where one is. Gradient g a / y: 0 at (0, 0), at every order. */
HC_API Tensor *tensor_hypot(Tensor *a, Tensor *b);
/** log(e^a + e^b), without overflow, to about a unit in the last place of what is largest of a, b and the result.
 *  Gradient g e^(a - y): half to each where equal, equal infinities too. */
HC_API Tensor *tensor_logaddexp(Tensor *a, Tensor *b);
/** a - b floor(a / b), exact but for one rounding: of b's sign, a 0 too, as in Python; NaN for b = 0. Gradient 1 to a,
 *  -floor(a / b) to b, also where a is a multiple of b. */
HC_API Tensor *tensor_remainder(Tensor *a, Tensor *b);
/** x where x > 0, else slope x (He and others 2015). slope: [C], C the size of axis 1 of x, or one number. Gradient as
 *  tensor_leaky_relu's, and to the slope g min(x, 0). */
HC_API Tensor *tensor_prelu(Tensor *x, Tensor *slope);
/** a where condition is not 0, else b; all three broadcast. Gradient: to whichever was taken; none to the
 *  condition. */
HC_API Tensor *tensor_where(Tensor *condition, Tensor *a, Tensor *b);
/** `value` where the mask is not 0, else x; both broadcast. Gradient: to x where it was taken. */
HC_API Tensor *tensor_masked_fill(Tensor *x, Tensor *mask, double value);

/* ---- a tensor and a number ------------------------------------------------------------- */

/** x + c. */
HC_API Tensor *tensor_add_scalar(Tensor *x, double c);
/** x - c. */
HC_API Tensor *tensor_sub_scalar(Tensor *x, double c);
/** c x. */
HC_API Tensor *tensor_mul_scalar(Tensor *x, double c);
/** x / c: infinite, or NaN, for c = 0. */
HC_API Tensor *tensor_div_scalar(Tensor *x, double c);
/** x^c. Gradient c x^(c-1); exactly 0 for c = 0, so that whole powers are finite at 0 at any order.
 *  Bits as tensor_pow's. */
HC_API Tensor *tensor_pow_scalar(Tensor *x, double c);

/* ---- one tensor ---------------------------------------------------------------- */

/** -x. */
HC_API Tensor *tensor_neg(Tensor *x);
/** x^2. */
HC_API Tensor *tensor_square(Tensor *x);
/** Gradient g / (2 sqrt x): infinite at 0, as PyTorch's. */
HC_API Tensor *tensor_sqrt(Tensor *x);
/** 1 / sqrt x: infinite at 0, its gradient too. */
HC_API Tensor *tensor_rsqrt(Tensor *x);
/** 1 / x: infinite at 0. Gradient -g / x^2. */
HC_API Tensor *tensor_reciprocal(Tensor *x);
/** e^x. Gradient g e^x. */
HC_API Tensor *tensor_exp(Tensor *x);
/** e^x - 1, exact for small x. */
HC_API Tensor *tensor_expm1(Tensor *x);
/** The natural logarithm: minus infinity at 0, NaN below. Gradient g / x. */
HC_API Tensor *tensor_log(Tensor *x);
/** log(1 + x), exact for small x. */
HC_API Tensor *tensor_log1p(Tensor *x);
/** The sine, of radians. */
HC_API Tensor *tensor_sin(Tensor *x);
/** The cosine, of radians. */
HC_API Tensor *tensor_cos(Tensor *x);
/** The tangent, of radians. Gradient g (1 + tan(x)^2). */
HC_API Tensor *tensor_tan(Tensor *x);
/** From -pi/2 to pi/2; NaN past |x| = 1. Gradient g / sqrt(1 - x^2): infinite at |x| = 1, as PyTorch's. */
HC_API Tensor *tensor_asin(Tensor *x);
/** From 0 to pi, in the same way; gradient -g / sqrt(1 - x^2). */
HC_API Tensor *tensor_acos(Tensor *x);
/** The angle whose tangent is x, from -pi/2 to pi/2. Gradient g / (1 + x^2). */
HC_API Tensor *tensor_atan(Tensor *x);
/** sin(pi x) / (pi x): 1 at 0, and 0 at other whole numbers and infinities. Right at 0 to any order: the second
 *  derivative there is -pi^2/3. */
HC_API Tensor *tensor_sinc(Tensor *x);
/** (e^x - e^-x) / 2. */
HC_API Tensor *tensor_sinh(Tensor *x);
/** (e^x + e^-x) / 2. */
HC_API Tensor *tensor_cosh(Tensor *x);
/** The hyperbolic tangent, from -1 to 1. Gradient g (1 - tanh(x)^2). */
HC_API Tensor *tensor_tanh(Tensor *x);
/** 1 / (1 + e^-x). */
HC_API Tensor *tensor_sigmoid(Tensor *x);
/** max(x, 0). Gradient 0 at 0. */
HC_API Tensor *tensor_relu(Tensor *x);
/** x where x > 0, else slope x (Maas, Hannun and Ng 2013). Gradient `slope` at 0. */
HC_API Tensor *tensor_leaky_relu(Tensor *x, double slope);
/** x where x > 0, else alpha (e^x - 1) (Clevert, Unterthiner and Hochreiter 2016). Gradient alpha at 0, at
 *  every order. */
HC_API Tensor *tensor_elu(Tensor *x, double alpha);
/** x Phi(x), with the error function (not the tanh approximation) (Hendrycks and Gimpel 2016). */
HC_API Tensor *tensor_gelu(Tensor *x);
/** x sigmoid(x) (Elfwing, Uchibe and Doya 2018). */
HC_API Tensor *tensor_silu(Tensor *x);
/** log(1 + e^x), without overflow. */
HC_API Tensor *tensor_softplus(Tensor *x);
/** log(1 / (1 + e^-x)), without overflow. */
HC_API Tensor *tensor_logsigmoid(Tensor *x);
/** x / (1 + |x|): 1 at infinity. */
HC_API Tensor *tensor_softsign(Tensor *x);
/** x tanh(log(1 + e^x)) (Misra 2019). */
HC_API Tensor *tensor_mish(Tensor *x);
/** The error function. */
HC_API Tensor *tensor_erf(Tensor *x);
/** |x|. Gradient g sign(x): 0 at 0. */
HC_API Tensor *tensor_abs(Tensor *x);
/** -1, 0 or 1; its derivative is 0 everywhere. */
HC_API Tensor *tensor_sign(Tensor *x);
/** The largest whole number that is not above x; the derivative is 0 everywhere. */
HC_API Tensor *tensor_floor(Tensor *x);
/** The smallest that is not below; in the same way. */
HC_API Tensor *tensor_ceil(Tensor *x);
/** The nearest; of two as near the even one (PyTorch's round). */
HC_API Tensor *tensor_round(Tensor *x);
/** 1 where x is NaN, else 0; no gradient flows through. */
HC_API Tensor *tensor_isnan(Tensor *x);
/** 1 where x is neither NaN nor infinite, else 0. */
HC_API Tensor *tensor_isfinite(Tensor *x);
/** 1 where x is 0, else 0 (NaN is not 0). */
HC_API Tensor *tensor_logical_not(Tensor *x);
/** min(max(x, low), high). Gradient 1 from low to high, the bounds included, 0 outside. */
HC_API Tensor *tensor_clamp(Tensor *x, double low, double high);

#ifdef __cplusplus
}
#endif

#include "names_end.h"
#endif
