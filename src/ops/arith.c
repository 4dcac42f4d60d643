/* Arithmetic on two tensors or a tensor and a number, comparisons, maximum and minimum. */
#include "ops/ops.h"

#define BINARY_OP(id, kernel_name, rule, ...)                                                      \
    static const HcOp op_##id = {.name = "tensor_" #id,                                            \
                                 .arity = 2,                                                       \
                                 .infer = hc_infer_same,                                           \
                                 .forward = hc_forward_binary,                                     \
                                 .vjp = rule,                                                      \
                                 .reads = {__VA_ARGS__},                                           \
                                 .kernel = HC_KERNEL(kernel_name)}

#define SCALAR_OP(id, public_name, rule, read)                                                     \
    static const HcOp op_##id = {.name = public_name,                                              \
                                 .arity = 1,                                                       \
                                 .infer = hc_infer_same,                                           \
                                 .forward = hc_forward_unary,                                      \
                                 .vjp = rule,                                                      \
                                 .reads = {read},                                                  \
                                 .kernel = HC_KERNEL(id)}

enum { A = HC_IN(0), B = HC_IN(1), Y = HC_READS_OUTPUT };

/* ---- a + b, a - b -------------------------------------------------------------------------------- */

static void add_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    (void)y;
    if (hc_needs(s, 0)) hc_give(s, 0, gy);
    if (hc_needs(s, 1)) hc_give(s, 1, gy);
}

BINARY_OP(add, add, add_vjp, 0);

Tensor *tensor_add(Tensor *a, Tensor *b) {
    return hc_binary(&op_add, NULL, a, b);
}

static void sub_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    (void)y;
    if (hc_needs(s, 0)) hc_give(s, 0, gy);
    if (hc_needs(s, 1)) hc_give_scaled(s, 1, gy, -1);
}

BINARY_OP(sub, sub, sub_vjp, 0);

Tensor *tensor_sub(Tensor *a, Tensor *b) {
    return hc_binary(&op_sub, NULL, a, b);
}

/* ---- a b. To a: g b; to b: g a -------------------------------------------------------------------- */

static void mul_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    Tensor *const *x = hc_inputs(y);
    if (hc_needs(s, 0)) hc_give(s, 0, tensor_mul(gy, x[1]));
    if (hc_needs(s, 1)) hc_give(s, 1, tensor_mul(gy, x[0]));
}

BINARY_OP(mul, mul, mul_vjp, B, A);

Tensor *tensor_mul(Tensor *a, Tensor *b) {
    return hc_binary(&op_mul, NULL, a, b);
}

/* ---- y = a / b. To a: g / b; to b: -g y / b --------------------------------------------------------- */

static void div_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    Tensor *ga = tensor_div(gy, hc_inputs(y)[1]);
    if (hc_needs(s, 0)) hc_give(s, 0, ga);
    if (hc_needs(s, 1)) hc_give_scaled(s, 1, tensor_mul(ga, y), -1);
}

BINARY_OP(div, div, div_vjp, B, B | Y);

Tensor *tensor_div(Tensor *a, Tensor *b) {
    return hc_binary(&op_div, NULL, a, b);
}

/* ---- comparisons: 1 or 0, no derivative -------------------------------------------------------------- */

#define COMPARISON(id)                                                                             \
    static const HcOp op_##id = {.name = "tensor_" #id,                                            \
                                 .flags = HC_OP_NODIFF,                                            \
                                 .arity = 2,                                                       \
                                 .infer = hc_infer_same,                                           \
                                 .forward = hc_forward_binary,                                     \
                                 .kernel = HC_KERNEL(id)};                                         \
    Tensor *tensor_##id(Tensor *a, Tensor *b) {                                                    \
        return hc_binary(&op_##id, NULL, a, b);                                                    \
    }

COMPARISON(gt)
COMPARISON(ge)
COMPARISON(lt)
COMPARISON(le)
COMPARISON(eq)
COMPARISON(ne)
COMPARISON(logical_and)
COMPARISON(logical_or)

/* ---- maximum, minimum. To a: g where it wins, g/2 where equal; to b: the rest ------------------------- */

static const HcOp op_wins = {.name = "tensor_maximum",
                             .flags = HC_OP_NODIFF,
                             .arity = 2,
                             .infer = hc_infer_same,
                             .forward = hc_forward_binary,
                             .kernel = HC_KERNEL(wins)};

static void give_to_winner(HcSweep *s, Tensor *gy, Tensor *larger, Tensor *smaller, unsigned j) {
    if (hc_needs(s, j)) hc_give(s, j, tensor_mul(gy, hc_emit2(&op_wins, NULL, larger, smaller)));
}

static void maximum_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    Tensor *const *x = hc_inputs(y);
    give_to_winner(s, gy, x[0], x[1], 0);
    give_to_winner(s, gy, x[1], x[0], 1);
}

BINARY_OP(maximum, maximum, maximum_vjp, A | B, A | B);

Tensor *tensor_maximum(Tensor *a, Tensor *b) {
    return hc_binary(&op_maximum, NULL, a, b);
}

static void minimum_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    Tensor *const *x = hc_inputs(y);
    give_to_winner(s, gy, x[1], x[0], 0);
    give_to_winner(s, gy, x[0], x[1], 1);
}

BINARY_OP(minimum, minimum, minimum_vjp, A | B, A | B);

Tensor *tensor_minimum(Tensor *a, Tensor *b) {
    return hc_binary(&op_minimum, NULL, a, b);
}

/* ---- c x, x + c, x / c ----------------------------------------------------------------------------- */

Tensor *tensor_neg(Tensor *x) {
    return tensor_mul_scalar(x, -1);
}

static void shift_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    (void)y;
    hc_give(s, 0, gy);
}

SCALAR_OP(shift, "tensor_add_scalar", shift_vjp, 0);

Tensor *tensor_add_scalar(Tensor *x, double c) {
    return hc_unary_c(&op_shift, x, c);
}

Tensor *tensor_sub_scalar(Tensor *x, double c) {
    return hc_unary_c(&op_shift, x, -c);
}

static void over_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    hc_give(s, 0, tensor_div_scalar(gy, y->attr.real[0]));
}

SCALAR_OP(over, "tensor_div_scalar", over_vjp, 0);

Tensor *tensor_div_scalar(Tensor *x, double c) {
    return hc_unary_c(&op_over, x, c);
}
