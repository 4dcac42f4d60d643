/* Losses of classes: plain, and with weights of classes, targets to ignore and smoothed labels. The one that inner
 * loops take at every step, the plain cross-entropy, is fused (cross_entropy.c). */
#include <math.h>

#include "ops/ops.h"

/* Whether scores are [N, C] and the target [N], or [C] and a scalar. */
static bool classes_fit(const char *who, const Tensor *scores, const Tensor *target) {
    int ndim = scores->form->ndim;
    bool fit = ndim >= 1 && ndim <= 2 && target->form->ndim == ndim - 1 &&
               (ndim == 1 || target->form->dim[0] == scores->form->dim[0]);
    char ts[HC_SHAPE_TEXT], tt[HC_SHAPE_TEXT];
    return fit || hc_fail(scores->tape, HC_ERR_SHAPE, "%s: scores %s with target %s; it takes [N, C] and [N]", who,
                          hc_shape_text(hc_form_shape(scores->form), ts),
                          hc_shape_text(hc_form_shape(target->form), tt));
}

static Tensor *nll_loss(const char *who, Tensor *log_probs, Tensor *target, HcReduceEntries *reduce) {
    if (!hc_check_all(who, (Tensor *[]){log_probs, target}, 2) ||
        !classes_fit(who, log_probs, target))
        return NULL;
    Tensor *picked = tensor_gather(log_probs, -1, tensor_unsqueeze(target, -1));
    return hc_told_as(who, log_probs->tape, reduce(tensor_neg(tensor_squeeze(picked, -1))));
}

Tensor *tensor_nll_loss(Tensor *log_probs, Tensor *target) {
    return nll_loss("tensor_nll_loss", log_probs, target, tensor_mean);
}

Tensor *tensor_nll_loss_per_example(Tensor *log_probs, Tensor *target) {
    return nll_loss("tensor_nll_loss_per_example", log_probs, target, hc_per_example);
}

static Tensor *cross_entropy_loss(const char *who, Tensor *logits, Tensor *target, HcReduceEntries *reduce) {
    if (!hc_check_all(who, (Tensor *[]){logits, target}, 2)) return NULL;
    if (logits->form->plain == target->form->plain && logits->form->ndim <= 2) {
        Tensor *log_probs = tensor_log_softmax(logits, -1);
        int last = -1;
        return reduce(tensor_neg(tensor_sum_axes(tensor_mul(log_probs, target), &last, 1, false)));
    }
    if (!classes_fit(who, logits, target)) return NULL;
    return hc_told_as(who, logits->tape, reduce(hc_cross_entropy(logits, target)));
}

Tensor *tensor_cross_entropy_loss(Tensor *logits, Tensor *target) {
    return cross_entropy_loss("tensor_cross_entropy_loss", logits, target, tensor_mean);
}

Tensor *tensor_cross_entropy_loss_per_example(Tensor *logits, Tensor *target) {
    return cross_entropy_loss("tensor_cross_entropy_loss_per_example", logits, target, hc_per_example);
}

/* ---- with options -------------------------------------------------------------------------------- */

ClassLossOptions class_loss_options(void) {
    return (ClassLossOptions){.ignore_index = -100, .reduction = HC_LOSS_MEAN};
}

/* Scores [N, C, ...] (or [C]) as a matrix, one row for each example. */
static Tensor *as_rows(Tensor *x) {
    Shape shape = hc_form_shape(x->form);
    size_t classes = shape.dim[shape.ndim > 1];
    int axes[HC_MAX_DIMS] = {0};
    for (int i = 1; i < shape.ndim; i++)
        axes[i] = i + 1 < shape.ndim ? i + 1 : 1;
    if (shape.ndim > 2) x = tensor_permute(x, axes, (size_t)shape.ndim);
    if (shape.ndim == 2) return x;
    size_t rows = shape.ndim > 1 ? shape.dim[0] : 1;
    for (int i = 2; i < shape.ndim; i++)
        rows *= shape.dim[i];
    return tensor_reshape(x, shape2(rows, classes));
}

/* The shape of the examples that scores [N, C, ...] are of: [N, ...]. */
static Shape examples_of(const Tensor *scores) {
    Shape shape = hc_form_shape(scores->form);
    int axis = shape.ndim > 1;
    for (int i = axis; i + 1 < shape.ndim; i++)
        shape.dim[i] = shape.dim[i + 1];
    if (shape.ndim > 0) shape.dim[--shape.ndim] = 0;
    return shape;
}

static bool options_fit(const char *who, Tensor *scores, Tensor *target, bool probabilities,
                        const ClassLossOptions *o) {
    char ts[HC_SHAPE_TEXT], tt[HC_SHAPE_TEXT], tw[HC_SHAPE_TEXT];
    if (!hc_check_all(who, (Tensor *[]){scores, target, o->weight}, o->weight ? 3 : 2)) return false;
    bool alike = scores->form->plain == target->form->plain;
    bool fit = scores->form->ndim >= 1 &&
               ((probabilities && alike) ||
                shape_equal(examples_of(scores), hc_form_shape(target->form)));
    size_t classes = fit ? scores->form->dim[scores->form->ndim > 1] : 0;
    if (fit && o->weight) fit = o->weight->form->ndim == 1 && o->weight->form->dim[0] == classes;
    if (!fit)
        return hc_fail(scores->tape, HC_ERR_SHAPE,
                       "%s: scores %s with target %s, weight %s; it takes [N, C, ...], [N, ...] and [C]", who,
                       hc_shape_text(hc_form_shape(scores->form), ts), hc_shape_text(hc_form_shape(target->form), tt),
                       o->weight ? hc_shape_text(hc_form_shape(o->weight->form), tw) : "none");
    return (o->label_smoothing >= 0 && o->label_smoothing <= 1) ||
           hc_fail(scores->tape, HC_ERR_ARG, "%s: label smoothing %g is not in [0, 1]", who,
                   o->label_smoothing);
}

/* The sum over classes of x, each times its weight. */
static Tensor *over_classes(Tensor *x, Tensor *weight) {
    int last = -1;
    return tensor_sum_axes(weight ? tensor_mul(x, weight) : x, &last, 1, false);
}

/* Of entries that each count so much (0: not at all), for examples of that shape. The mean is made as
 * tensor_mean makes it, times 1 / n. */
static Tensor *reduce_counted(const char *who, Tensor *entries, Tensor *counts, Shape examples,
                              LossReduction reduction) {
    if (!entries || reduction != HC_LOSS_MEAN)
        return hc_reduced(who, tensor_reshape(entries, examples), reduction);
    Tensor *share = tensor_div(tensor_scalar(entries->tape, 1), tensor_sum(counts));
    return tensor_mul(tensor_sum(entries), share);
}

/* Of rows of scores, or of their logarithms, and targets that are classes. */
static Tensor *of_classes(const char *who, Tensor *rows, Tensor *target, bool logarithms,
                          const ClassLossOptions *o) {
    Tape *tape = rows->tape;
    Shape examples = hc_form_shape(target->form);
    Tensor *zero = tensor_scalar(tape, 0);
    target = tensor_reshape(target, shape1(target->form->count));
    Tensor *ignored = tensor_eq(target, tensor_scalar(tape, (double)o->ignore_index));
    Tensor *safe = tensor_where(ignored, zero, target), *counts = tensor_ones(tape, shape1(1)), *y;
    if (!logarithms && o->label_smoothing == 0) {
        y = hc_cross_entropy(rows, safe);
    } else {
        if (!logarithms) rows = tensor_log_softmax(rows, -1);
        Tensor *picked = tensor_gather(rows, -1, tensor_unsqueeze(safe, -1));
        y = tensor_neg(tensor_squeeze(picked, -1));
    }
    if (o->weight) {
        counts = tensor_gather(o->weight, 0, safe);
        y = tensor_mul(y, counts);
    }
    if (o->label_smoothing != 0 && rows) {
        double share = o->label_smoothing / (double)rows->form->dim[1];
        y = hc_axpy(-share, over_classes(rows, o->weight), tensor_mul_scalar(y, 1 - o->label_smoothing));
    }
    return reduce_counted(who, tensor_where(ignored, zero, y), tensor_where(ignored, zero, counts),
                          examples, o->reduction);
}

/* Of rows of scores and rows of probabilities. */
static Tensor *of_probabilities(const char *who, Tensor *rows, Tensor *target, Shape examples,
                                const ClassLossOptions *o) {
    Tensor *log_probs = tensor_log_softmax(rows, -1);
    if (o->label_smoothing != 0) {
        double share = o->label_smoothing / (double)rows->form->dim[1];
        target = tensor_add_scalar(tensor_mul_scalar(target, 1 - o->label_smoothing), share);
    }
    Tensor *y = tensor_neg(over_classes(tensor_mul(log_probs, target), o->weight));
    return hc_reduced(who, o->reduction == HC_LOSS_MEAN ? y : tensor_reshape(y, examples), o->reduction);
}

Tensor *tensor_cross_entropy_loss_with(Tensor *logits, Tensor *target, ClassLossOptions options) {
    const char *who = "tensor_cross_entropy_loss_with";
    if (!options_fit(who, logits, target, true, &options)) return NULL;
    Tensor *rows = as_rows(logits);
    if (!rows) return NULL;
    if (logits->form->plain == target->form->plain)
        return of_probabilities(who, rows, as_rows(target), examples_of(logits), &options);
    return hc_told_as(who, logits->tape, of_classes(who, rows, target, false, &options));
}

Tensor *tensor_nll_loss_with(Tensor *log_probs, Tensor *target, ClassLossOptions options) {
    const char *who = "tensor_nll_loss_with";
    if (!options_fit(who, log_probs, target, false, &options)) return NULL;
    if (options.label_smoothing != 0) {
        hc_fail(log_probs->tape, HC_ERR_ARG, "%s: label smoothing is of cross entropy only", who);
        return NULL;
    }
    Tensor *rows = as_rows(log_probs);
    return rows ? hc_told_as(who, rows->tape, of_classes(who, rows, target, true, &options)) : NULL;
}

/* ---- hinge --------------------------------------------------------------------------------------- */

Tensor *tensor_multi_margin_loss(Tensor *scores, Tensor *target, int p, double margin,
                                 LossReduction reduction) {
    const char *who = "tensor_multi_margin_loss";
    if (!hc_check_all(who, (Tensor *[]){scores, target}, 2) || !classes_fit(who, scores, target))
        return NULL;
    if (p != 1 && p != 2) {
        hc_fail(scores->tape, HC_ERR_ARG, "%s: p is %d, not 1 or 2", who, p);
        return NULL;
    }
    int last = -1;
    Tensor *right = tensor_gather(scores, -1, tensor_unsqueeze(target, -1));
    Tensor *over = tensor_relu(tensor_add_scalar(tensor_sub(scores, right), margin));
    if (p == 2) over = tensor_square(over);
    Tensor *own = tensor_one_hot(target, scores->form->dim[scores->form->ndim - 1]);
    over = tensor_where(own, tensor_scalar(scores->tape, 0), over);
    return hc_told_as(who, scores->tape, hc_reduced(who, tensor_mean_axes(over, &last, 1, false), reduction));
}
