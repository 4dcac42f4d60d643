/* Arithmetic on hyperparameters: numbers fold, tensors are recorded. */
#include <math.h>

#include "kernels/scalar.h"
#include "ops/ops.h"
#include "optim/optim.h"

Hyper hyper_const(double value) {
    return (Hyper){value, NULL};
}

Hyper hyper_tensor(Tensor *tensor) {
    /* After an error there is no tensor; NaN keeps a failed number from passing for a sound one. */
    return (Hyper){NAN, tensor};
}

/* a as a tensor beside b, which is one */
static Tensor *beside(Hyper a, Hyper b) {
    return a.tensor ? a.tensor : tensor_scalar(b.tensor->tape, a.value);
}

Hyper hyper_add(Hyper a, Hyper b) {
    if (a.tensor && b.tensor) return hyper_tensor(tensor_add(a.tensor, b.tensor));
    if (a.tensor) return hyper_tensor(tensor_add_scalar(a.tensor, b.value));
    if (b.tensor) return hyper_tensor(tensor_add_scalar(b.tensor, a.value));
    return hyper_const(a.value + b.value);
}

Hyper hyper_sub(Hyper a, Hyper b) {
    if (a.tensor && b.tensor) return hyper_tensor(tensor_sub(a.tensor, b.tensor));
    if (a.tensor) return hyper_tensor(tensor_sub_scalar(a.tensor, b.value));
    if (b.tensor) return hyper_tensor(tensor_add_scalar(tensor_neg(b.tensor), a.value));
    return hyper_const(a.value - b.value);
}

Hyper hyper_mul(Hyper a, Hyper b) {
    if (a.tensor && b.tensor) return hyper_tensor(tensor_mul(a.tensor, b.tensor));
    if (a.tensor) return hyper_tensor(tensor_mul_scalar(a.tensor, b.value));
    if (b.tensor) return hyper_tensor(tensor_mul_scalar(b.tensor, a.value));
    return hyper_const(a.value * b.value);
}

Hyper hyper_div(Hyper a, Hyper b) {
    if (a.tensor && b.tensor) return hyper_tensor(tensor_div(a.tensor, b.tensor));
    if (a.tensor) return hyper_tensor(tensor_div_scalar(a.tensor, b.value));
    if (b.tensor) return hyper_tensor(tensor_div(beside(a, b), b.tensor));
    return hyper_const(a.value / b.value);
}

Hyper hyper_sqrt(Hyper a) {
    return a.tensor ? hyper_tensor(tensor_sqrt(a.tensor)) : hyper_const(sqrt(a.value));
}

/* Of a number, the tensors' own exp and log, which have the same bits on every platform. */
Hyper hyper_exp(Hyper a) {
    return a.tensor ? hyper_tensor(tensor_exp(a.tensor)) : hyper_const(hc_exp(a.value));
}

Hyper hyper_log(Hyper a) {
    return a.tensor ? hyper_tensor(tensor_log(a.tensor)) : hyper_const(hc_log(a.value));
}

/* A number and what its last place leaves out. */
typedef struct Pair {
    double high, low;
} Pair;

/* Of numbers up to 1; Veltkamp's halves and Dekker's product (Dekker 1971). */
static Pair pair_mul(Pair a, Pair b) {
    const double split = 0x1p27 + 1, ta = split * a.high, tb = split * b.high;
    const double a1 = ta - (ta - a.high), a2 = a.high - a1, b1 = tb - (tb - b.high),
                 b2 = b.high - b1;
    const double product = a.high * b.high;
    const double error = ((a1 * b1 - product) + a1 * b2 + a2 * b1) + a2 * b2;
    const double low = error + (a.high * b.low + a.low * b.high), high = product + low;
    return (Pair){high, low - (high - product)};
}

/* x^n for |x| <= 1: the same bits on every platform, which libm's have not. */
static double whole_power(double x, uint64_t n) {
    Pair power = {1, 0};
    for (Pair square = {x, 0}; n > 0; n >>= 1, square = pair_mul(square, square))
        if (n & 1) power = pair_mul(power, square);
    return power.high;
}

static double power_of(double x, double exponent) {
    const bool whole = exponent >= 0 && exponent < 0x1p53 && floor(exponent) == exponent;
    return whole && fabs(x) <= 1 ? whole_power(x, (uint64_t)exponent) : pow(x, exponent);
}

Hyper hyper_pow(Hyper a, Hyper exponent) {
    if (exponent.tensor) return hyper_tensor(tensor_pow(beside(a, exponent), exponent.tensor));
    return a.tensor ? hyper_tensor(tensor_pow_scalar(a.tensor, exponent.value))
                    : hyper_const(power_of(a.value, exponent.value));
}

Hyper hyper_max(Hyper a, Hyper b) {
    if (!a.tensor && !b.tensor) return hyper_const(a.value > b.value ? a.value : b.value);
    return hyper_tensor(tensor_maximum(beside(a, b), beside(b, a)));
}

Hyper hyper_min(Hyper a, Hyper b) {
    if (!a.tensor && !b.tensor) return hyper_const(a.value < b.value ? a.value : b.value);
    return hyper_tensor(tensor_minimum(beside(a, b), beside(b, a)));
}

bool hyper_is_zero(Hyper a) {
    return !a.tensor && a.value == 0;
}

Tensor *hyper_scale(Hyper a, Tensor *x) {
    return a.tensor ? tensor_mul(a.tensor, x) : tensor_mul_scalar(x, a.value);
}

Tensor *hyper_shift(Hyper a, Tensor *x) {
    return a.tensor ? tensor_add(x, a.tensor) : tensor_add_scalar(x, a.value);
}

Tensor *hyper_axpy(Hyper a, Tensor *x, Tensor *y) {
    if (a.tensor) return tensor_add(y, tensor_mul(a.tensor, x));
    if (!hc_check_all("hyper_axpy", (Tensor *[]){x, y}, 2)) return NULL;
    if (x->form->plain != y->form->plain) return tensor_add(y, tensor_mul_scalar(x, a.value));
    return hc_axpy(a.value, x, y);
}

Tensor *hyper_fill(Hyper a, Tensor *like) {
    if (!hc_check("hyper_fill", like)) return NULL;
    Shape shape = hc_form_shape(like->form);
    return a.tensor ? tensor_expand(a.tensor, shape) : tensor_full(like->tape, shape, a.value);
}
