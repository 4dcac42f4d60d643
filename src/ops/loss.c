/* Losses, each in two forms: the mean of all entries, and per example (the mean over all axes but the
 * first). All are composites but the two that inner loops take at every step: the mean squared error, and the
 * cross-entropy of classes (cross_entropy.c). */
#include <math.h>

#include "ops/ops.h"

/* What a loss does with its value at each entry. */
typedef Tensor *ReduceFn(Tensor *entries);

static Tensor *over_all(Tensor *entries) {
    return tensor_mean(entries);
}

static Tensor *per_example(Tensor *entries) {
    if (!entries || entries->form->ndim <= 1) return entries;
    int axes[HC_MAX_DIMS];
    for (int i = 1; i < entries->form->ndim; i++)
        axes[i - 1] = i;
    return tensor_mean_axes(entries, axes, (size_t)entries->form->ndim - 1, false);
}

static bool fits(const char *who, Tensor *prediction, Tensor *target) {
    return hc_check_all(who, (Tensor *[]){prediction, target}, 2) &&
           hc_same_shape(who, prediction, target);
}

/* Defines both forms from the value at each entry. */
#define LOSS(name, entries)                                                                        \
    static Tensor *name(Tensor *prediction, Tensor *target, ReduceFn *reduce) {                    \
        if (!fits("tensor_" #name, prediction, target)) return NULL;                               \
        return reduce(entries);                                                                    \
    }                                                                                              \
    Tensor *tensor_##name(Tensor *prediction, Tensor *target) {                                    \
        return name(prediction, target, over_all);                                                 \
    }                                                                                              \
    Tensor *tensor_##name##_per_example(Tensor *prediction, Tensor *target) {                      \
        return name(prediction, target, per_example);                                              \
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
    return per_example(tensor_square(tensor_sub(prediction, target)));
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

static Tensor *huber_loss(Tensor *prediction, Tensor *target, double delta, ReduceFn *reduce) {
    if (!fits("tensor_huber_loss", prediction, target)) return NULL;
    if (!(delta > 0)) {
        hc_fail(prediction->tape, HC_ERR_ARG, "tensor_huber_loss: delta %g is not positive", delta);
        return NULL;
    }
    return reduce(huber_entries(prediction, target, delta));
}

Tensor *tensor_huber_loss(Tensor *prediction, Tensor *target, double delta) {
    return huber_loss(prediction, target, delta, over_all);
}

Tensor *tensor_huber_loss_per_example(Tensor *prediction, Tensor *target, double delta) {
    return huber_loss(prediction, target, delta, per_example);
}

static Tensor *smooth_l1_loss(Tensor *prediction, Tensor *target, double beta, ReduceFn *reduce) {
    if (!fits("tensor_smooth_l1_loss", prediction, target)) return NULL;
    if (!(beta >= 0)) {
        hc_fail(prediction->tape, HC_ERR_ARG, "tensor_smooth_l1_loss: beta %g is negative", beta);
        return NULL;
    }
    if (beta == 0) return reduce(tensor_abs(tensor_sub(prediction, target)));
    return reduce(tensor_div_scalar(huber_entries(prediction, target, beta), beta));
}

Tensor *tensor_smooth_l1_loss(Tensor *prediction, Tensor *target, double beta) {
    return smooth_l1_loss(prediction, target, beta, over_all);
}

Tensor *tensor_smooth_l1_loss_per_example(Tensor *prediction, Tensor *target, double beta) {
    return smooth_l1_loss(prediction, target, beta, per_example);
}

/* ---- classification -------------------------------------------------------------------------------- */

/* Whether scores are [N, C] and the target [N], or [C] and a scalar. */
static bool classes_fit(const char *who, const Tensor *scores, const Tensor *target) {
    int ndim = scores->form->ndim;
    bool fit = ndim >= 1 && ndim <= 2 && target->form->ndim == ndim - 1 &&
               (ndim == 1 || target->form->dim[0] == scores->form->dim[0]);
    char ts[HC_SHAPE_TEXT], tt[HC_SHAPE_TEXT];
    return fit || hc_fail(scores->tape, HC_ERR_SHAPE, "%s: scores %s with target %s", who,
                          hc_shape_text(hc_form_shape(scores->form), ts),
                          hc_shape_text(hc_form_shape(target->form), tt));
}

static Tensor *nll_loss(Tensor *log_probs, Tensor *target, ReduceFn *reduce) {
    const char *who = "tensor_nll_loss";
    if (!hc_check_all(who, (Tensor *[]){log_probs, target}, 2) ||
        !classes_fit(who, log_probs, target))
        return NULL;
    Tensor *picked = tensor_gather(log_probs, -1, tensor_unsqueeze(target, -1));
    return reduce(tensor_neg(tensor_squeeze(picked, -1)));
}

Tensor *tensor_nll_loss(Tensor *log_probs, Tensor *target) {
    return nll_loss(log_probs, target, over_all);
}

Tensor *tensor_nll_loss_per_example(Tensor *log_probs, Tensor *target) {
    return nll_loss(log_probs, target, per_example);
}

static Tensor *cross_entropy_loss(Tensor *logits, Tensor *target, ReduceFn *reduce) {
    const char *who = "tensor_cross_entropy_loss";
    if (!hc_check_all(who, (Tensor *[]){logits, target}, 2)) return NULL;
    if (logits->form->plain == target->form->plain && logits->form->ndim <= 2) {
        Tensor *log_probs = tensor_log_softmax(logits, -1);
        int last = -1;
        return reduce(tensor_neg(tensor_sum_axes(tensor_mul(log_probs, target), &last, 1, false)));
    }
    return classes_fit(who, logits, target) ? reduce(hc_cross_entropy(logits, target)) : NULL;
}

Tensor *tensor_cross_entropy_loss(Tensor *logits, Tensor *target) {
    return cross_entropy_loss(logits, target, over_all);
}

Tensor *tensor_cross_entropy_loss_per_example(Tensor *logits, Tensor *target) {
    return cross_entropy_loss(logits, target, per_example);
}
