/* Losses of tensors of one shape: in two forms, the mean of all entries and per example (the mean over all axes but
 * the first), or with a reduction to choose. All are composites but the mean squared error, which inner loops take at
 * every step. */
#include <math.h>

#include "ops/ops.h"

Tensor *hc_per_example(Tensor *entries) {
    if (!entries || entries->form->ndim <= 1) return entries;
    int axes[HC_MAX_DIMS];
    for (int i = 1; i < entries->form->ndim; i++)
        axes[i - 1] = i;
    return tensor_mean_axes(entries, axes, (size_t)entries->form->ndim - 1, false);
}

Tensor *hc_reduced(const char *who, Tensor *entries, LossReduction reduction) {
    if (!entries) return NULL;
    size_t batch = entries->form->ndim > 0 ? entries->form->dim[0] : 1;
    switch (reduction) {
    case HC_LOSS_MEAN:
        return tensor_mean(entries);
    case HC_LOSS_SUM:
        return tensor_sum(entries);
    case HC_LOSS_EACH:
        return entries;
    case HC_LOSS_BATCH_MEAN:
        return tensor_mul_scalar(tensor_sum(entries), batch > 0 ? 1 / (double)batch : (double)NAN);
    }
    hc_fail(entries->tape, HC_ERR_ARG, "%s: there is no reduction %d", who, (int)reduction);
    return NULL;
}

static bool fits(const char *who, Tensor *prediction, Tensor *target) {
    return hc_check_all(who, (Tensor *[]){prediction, target}, 2) &&
           hc_same_shape(who, prediction, target);
}

/* Defines both forms from the value at each entry. */
#define LOSS(name, entries)                                                                        \
    Tensor *tensor_##name(Tensor *prediction, Tensor *target) {                                    \
        return fits("tensor_" #name, prediction, target) ? tensor_mean(entries) : NULL;            \
    }                                                                                              \
    Tensor *tensor_##name##_per_example(Tensor *prediction, Tensor *target) {                      \
        bool fit = fits("tensor_" #name "_per_example", prediction, target);                       \
        return fit ? hc_per_example(entries) : NULL;                                               \
    }

/* ---- c s (a - b), or c s a: s a scalar. Linear in each; to a: c s gg; to s: c sum(gg (a - b)) --------- */

static Tensor *scaled_difference(double c, Tensor *s, Tensor *a, Tensor *b);

static bool scaled_difference_infer(Tensor *y) {
    const HcForm *form = hc_inputs(y)[1]->form;
    y->form = form->packed ? form : form->plain;
    return true;
}

static bool scaled_difference_forward(Tensor *y) {
    const void *a = hc_input_as(y, 1, y->form), *b = y->nin > 2 ? hc_input_as(y, 2, y->form) : NULL;
    if (!a || (y->nin > 2 && !b)) return false;
    y->tape->k->scaled_difference(y->data, hc_inputs(y)[0]->data, a, b, y->form->count,
                                  y->attr.real[0]);
    return true;
}

static void scaled_difference_vjp(HcSweep *s, Tensor *y, Tensor *gg) {
    Tensor *scale = hc_inputs(y)[0], *a = hc_inputs(y)[1], *b = y->nin > 2 ? hc_inputs(y)[2] : NULL;
    double c = y->attr.real[0];
    if (hc_needs(s, 0)) {
        Tensor *sum = tensor_sum(tensor_mul(gg, b ? tensor_sub(a, b) : a));
        hc_give_scaled(s, 0, tensor_reshape(sum, hc_form_shape(scale->form)), c);
    }
    if (hc_needs(s, 1)) hc_give(s, 1, scaled_difference(c, scale, gg, NULL));
    if (b && hc_needs(s, 2)) hc_give(s, 2, scaled_difference(-c, scale, gg, NULL));
}

static Tensor *scaled_difference_composed(Tensor *y) {
    Tensor *const *in = hc_inputs(y);
    Tensor *scale = tensor_mul_scalar(tensor_reshape(in[0], shape_scalar()), y->attr.real[0]);
    return tensor_mul(scale, y->nin > 2 ? tensor_sub(in[1], in[2]) : in[1]);
}

static const HcOp op_scaled_difference = {.name = "tensor_mse_loss",
                                          .arity = 3,
                                          .infer = scaled_difference_infer,
                                          .forward = scaled_difference_forward,
                                          .vjp = scaled_difference_vjp,
                                          .compose = scaled_difference_composed,
                                          .reads = {HC_IN(1) | HC_IN(2), HC_IN(0), HC_IN(0)}};

static Tensor *scaled_difference(double c, Tensor *s, Tensor *a, Tensor *b) {
    return hc_emit(&op_scaled_difference, &(HcAttr){.real = {c}}, (Tensor *[]){s, a, b}, b ? 3 : 2);
}

/* ---- the mean of (a - b)^2. To a: 2/n g (a - b); to b: minus that ---------------------------------------- */

static bool mse_infer(Tensor *y) {
    y->form = hc_form(&y->tape->forms, 0, NULL, NULL);
    return y->form || hc_fail_nomem(y->tape, y->op->name);
}

static bool mse_forward(Tensor *y) {
    size_t n = hc_inputs(y)[0]->form->count;
    const void *a = hc_dense_input(y, 0), *b = hc_dense_input(y, 1);
    if (!a || !b) return false;
    y->tape->k->squared_distance(y->data, a, b, n, n > 0 ? 1 / (double)n : (double)NAN);
    return true;
}

static void mse_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    Tensor *a = hc_inputs(y)[0], *b = hc_inputs(y)[1];
    double c = 2 / (double)a->form->count;
    if (hc_needs(s, 0)) hc_give(s, 0, scaled_difference(c, gy, a, b));
    if (hc_needs(s, 1)) hc_give(s, 1, scaled_difference(-c, gy, a, b));
}

static Tensor *mean_square(Tensor *a, Tensor *b) {
    return tensor_mean(tensor_square(tensor_sub(a, b)));
}

static Tensor *mse_composed(Tensor *y) {
    return mean_square(hc_inputs(y)[0], hc_inputs(y)[1]);
}

static const HcOp op_mse = {.name = "tensor_mse_loss",
                            .arity = 2,
                            .infer = mse_infer,
                            .forward = mse_forward,
                            .vjp = mse_vjp,
                            .compose = mse_composed,
                            .reads = {HC_IN(0) | HC_IN(1), HC_IN(0) | HC_IN(1)}};

Tensor *tensor_mse_loss(Tensor *prediction, Tensor *target) {
    if (!fits(op_mse.name, prediction, target)) return NULL;
    return HC_FUSED ? hc_emit2(&op_mse, NULL, prediction, target) : mean_square(prediction, target);
}

Tensor *tensor_mse_loss_per_example(Tensor *prediction, Tensor *target) {
    if (!fits("tensor_mse_loss_per_example", prediction, target)) return NULL;
    return hc_per_example(tensor_square(tensor_sub(prediction, target)));
}

/* ---- entry by entry ------------------------------------------------------------------------------------- */

LOSS(l1_loss, tensor_abs(tensor_sub(prediction, target)))
/* -(y log s + (1 - y) log(1 - s)) with s = sigmoid x is softplus(x) - x y */
LOSS(bce_with_logits_loss, tensor_sub(tensor_softplus(prediction), tensor_mul(prediction, target)))

/* With c = clamp(d, -delta, delta): c d - c^2 / 2 is d^2/2 inside and delta |d| - delta^2/2 outside. */
static Tensor *huber_entries(Tensor *prediction, Tensor *target, double delta) {
    Tensor *d = tensor_sub(prediction, target), *c = tensor_clamp(d, -delta, delta);
    return tensor_mul(c, tensor_sub(d, tensor_mul_scalar(c, 0.5)));
}

static Tensor *huber_loss(const char *who, Tensor *prediction, Tensor *target, double delta,
                          HcReduceEntries *reduce) {
    if (!fits(who, prediction, target)) return NULL;
    if (!(delta > 0)) {
        hc_fail(prediction->tape, HC_ERR_ARG, "%s: delta %g is not positive", who, delta);
        return NULL;
    }
    return reduce(huber_entries(prediction, target, delta));
}

Tensor *tensor_huber_loss(Tensor *prediction, Tensor *target, double delta) {
    return huber_loss("tensor_huber_loss", prediction, target, delta, tensor_mean);
}

Tensor *tensor_huber_loss_per_example(Tensor *prediction, Tensor *target, double delta) {
    return huber_loss("tensor_huber_loss_per_example", prediction, target, delta, hc_per_example);
}

static Tensor *smooth_l1_loss(const char *who, Tensor *prediction, Tensor *target, double beta,
                              HcReduceEntries *reduce) {
    if (!fits(who, prediction, target)) return NULL;
    if (!(beta >= 0)) {
        hc_fail(prediction->tape, HC_ERR_ARG, "%s: beta %g is not a number from 0 up", who, beta);
        return NULL;
    }
    if (beta == 0) return reduce(tensor_abs(tensor_sub(prediction, target)));
    return reduce(tensor_div_scalar(huber_entries(prediction, target, beta), beta));
}

Tensor *tensor_smooth_l1_loss(Tensor *prediction, Tensor *target, double beta) {
    return smooth_l1_loss("tensor_smooth_l1_loss", prediction, target, beta, tensor_mean);
}

Tensor *tensor_smooth_l1_loss_per_example(Tensor *prediction, Tensor *target, double beta) {
    return smooth_l1_loss("tensor_smooth_l1_loss_per_example", prediction, target, beta, hc_per_example);
}

/* ---- with a reduction to choose ------------------------------------------------------------------ */

Tensor *tensor_kl_div_loss(Tensor *prediction, Tensor *target, bool log_target,
                           LossReduction reduction) {
    const char *who = "tensor_kl_div_loss";
    if (!fits(who, prediction, target)) return NULL;
    Tape *tape = target->tape;
    Tensor *zero = tensor_scalar(tape, 0);
    Tensor *none = tensor_eq(target, tensor_scalar(tape, log_target ? -(double)INFINITY : 0));
    Tensor *x = tensor_where(none, zero, prediction);
    Tensor *t = tensor_where(none, tensor_scalar(tape, log_target ? 0 : 1), target);
    Tensor *weight = log_target ? tensor_exp(t) : t, *logarithm = log_target ? t : tensor_log(t);
    Tensor *entries = tensor_mul(weight, tensor_sub(logarithm, x));
    return hc_reduced(who, tensor_where(none, zero, entries), reduction);
}

Tensor *tensor_hinge_embedding_loss(Tensor *x, Tensor *target, double margin,
                                    LossReduction reduction) {
    const char *who = "tensor_hinge_embedding_loss";
    if (!fits(who, x, target)) return NULL;
    Tensor *alike = tensor_eq(target, tensor_scalar(x->tape, 1));
    Tensor *apart = tensor_relu(tensor_add_scalar(tensor_neg(x), margin));
    return hc_reduced(who, tensor_where(alike, x, apart), reduction);
}

GaussianNllOptions gaussian_nll_options(void) {
    return (GaussianNllOptions){.full = false, .eps = 1e-6, .reduction = HC_LOSS_MEAN};
}

/* The variance, of the prediction's shape, or with its last axis 1 or missing. */
static Tensor *variance_of(const char *who, Tensor *prediction, Tensor *variance) {
    Shape wanted = hc_form_shape(prediction->form), is = hc_form_shape(variance->form), rows = wanted;
    if (rows.ndim > 0) rows.dim[--rows.ndim] = 0;
    if (wanted.ndim > 0 && shape_equal(is, rows)) return tensor_unsqueeze(variance, -1);
    Shape one = wanted;
    if (one.ndim > 0) one.dim[one.ndim - 1] = 1;
    if (shape_equal(is, wanted) || shape_equal(is, one)) return variance;
    char tw[HC_SHAPE_TEXT], ti[HC_SHAPE_TEXT];
    hc_fail(prediction->tape, HC_ERR_SHAPE, "%s: prediction %s with variance %s, whose last axis may be 1 or missing",
            who, hc_shape_text(wanted, tw), hc_shape_text(is, ti));
    return NULL;
}

Tensor *tensor_gaussian_nll_loss(Tensor *prediction, Tensor *target, Tensor *variance,
                                 GaussianNllOptions options) {
    const char *who = "tensor_gaussian_nll_loss";
    if (!hc_check_all(who, (Tensor *[]){prediction, target, variance}, 3) ||
        !fits(who, prediction, target) ||
        !(variance = variance_of(who, prediction, variance)))
        return NULL;
    if (!(options.eps > 0)) {
        hc_fail(prediction->tape, HC_ERR_ARG, "%s: eps %g is not positive", who, options.eps);
        return NULL;
    }
    Tensor *v = tensor_clamp(variance, options.eps, (double)INFINITY);
    Tensor *square = tensor_square(tensor_sub(prediction, target));
    Tensor *twice = tensor_add(tensor_log(v), tensor_div(square, v));
    Tensor *entries = tensor_mul_scalar(twice, 0.5);
    if (options.full) entries = tensor_add_scalar(entries, 0.91893853320467274);
    return hc_reduced(who, entries, options.reduction);
}
