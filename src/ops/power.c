/* Powers: of two tensors, and of one to a number. */
#include "ops/ops.h"

enum { A = HC_IN(0), B = HC_IN(1), Y = HC_READS_OUTPUT };

/* ---- y = a^b. To a: g b a^(b-1), 0 where b is 0; to b: g y log a, 0 where a is 0 and b >= 0 ---------
 * The masked places must not see log 0 either, or a later derivative is 0 times infinity there. */

static void pow_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    Tensor *a = hc_inputs(y)[0], *b = hc_inputs(y)[1], *zero = tensor_scalar(y->tape, 0);
    if (hc_needs(s, 0)) {
        Tensor *flat = tensor_eq(b, zero);
        Tensor *slope = tensor_mul(b, tensor_pow(a, tensor_sub_scalar(b, 1)));
        hc_give(s, 0, tensor_where(flat, zero, tensor_mul(gy, slope)));
    }
    if (hc_needs(s, 1)) {
        Tensor *masked = tensor_mul(tensor_eq(a, zero), tensor_ge(b, zero));
        Tensor *safe = tensor_where(masked, tensor_scalar(y->tape, 1), a);
        hc_give(s, 1, tensor_where(masked, zero, tensor_mul(gy, tensor_mul(y, tensor_log(safe)))));
    }
}

static const HcOp op_pow = {.name = "tensor_pow",
                            .arity = 2,
                            .infer = hc_infer_same,
                            .forward = hc_forward_binary,
                            .vjp = pow_vjp,
                            .reads = {A | B, A | B | Y},
                            .kernel = HC_KERNEL(pow)};

Tensor *tensor_pow(Tensor *a, Tensor *b) {
    return hc_binary(&op_pow, NULL, a, b);
}

/* ---- x^c. To x: g c x^(c-1); nothing for c = 0, so that whole powers end in zeros, not 0/0 --------- */

static void power_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    double c = y->attr.real[0];
    if (c == 0) return;
    Tensor *slope = tensor_mul_scalar(tensor_pow_scalar(hc_inputs(y)[0], c - 1), c);
    hc_give(s, 0, tensor_mul(gy, slope));
}

static const HcOp op_power = {.name = "tensor_pow_scalar",
                              .arity = 1,
                              .infer = hc_infer_same,
                              .forward = hc_forward_unary,
                              .vjp = power_vjp,
                              .reads = {A},
                              .kernel = HC_KERNEL(power)};

Tensor *tensor_pow_scalar(Tensor *x, double c) {
    return hc_unary_c(&op_power, x, c);
}
