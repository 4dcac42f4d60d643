/* Arithmetic on hyperparameters: numbers fold, tensors are recorded. */
#include <math.h>

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

Hyper hyper_exp(Hyper a) {
    return a.tensor ? hyper_tensor(tensor_exp(a.tensor)) : hyper_const(exp(a.value));
}

Hyper hyper_log(Hyper a) {
    return a.tensor ? hyper_tensor(tensor_log(a.tensor)) : hyper_const(log(a.value));
}

Hyper hyper_pow(Hyper a, Hyper exponent) {
    if (exponent.tensor) return hyper_tensor(tensor_pow(beside(a, exponent), exponent.tensor));
    return a.tensor ? hyper_tensor(tensor_pow_scalar(a.tensor, exponent.value))
                    : hyper_const(pow(a.value, exponent.value));
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

Tensor *hc_root0(Tensor *x) {
    return hc_sqrt0(x);
}
