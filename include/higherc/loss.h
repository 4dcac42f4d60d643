/** @file loss.h
 *  Softmax, distances and losses. The rules they share stand in tensor.h. */
#ifndef HIGHERC_LOSS_H
#define HIGHERC_LOSS_H

#include "shape.h"
#include "names.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- softmax --------------------------------------------------------------------------------- */

/** e^x / sum(e^x) along an axis, shifted by the maximum. NaN where all is -INFINITY. */
HC_API Tensor *tensor_softmax(Tensor *x, int axis);
/** log(softmax(x)), exact for logits of any size. */
HC_API Tensor *tensor_log_softmax(Tensor *x, int axis);

/* ---- losses ---------------------------------------------------------------------------------- */
/* A loss is the mean over all entries (classification: over the examples). Its _per_example form
 * keeps axis 0: [N, ...] -> [N], the mean over an example's entries, so that the mean of the N is
 * the loss; use it to weigh examples. Prediction and target have equal shapes unless said (they do not
 * broadcast), and a gradient flows to both, but none to indices. Over nothing a loss is NaN. */

/** Mean of (prediction - target)^2. */
HC_API Tensor *tensor_mse_loss(Tensor *prediction, Tensor *target);
/** The same for each example: [N]. */
HC_API Tensor *tensor_mse_loss_per_example(Tensor *prediction, Tensor *target);
/** Mean of |prediction - target|. Gradient 0 where both are equal. */
HC_API Tensor *tensor_l1_loss(Tensor *prediction, Tensor *target);
/** The same for each example: [N]. */
HC_API Tensor *tensor_l1_loss_per_example(Tensor *prediction, Tensor *target);
/** With d = prediction - target: d^2/2 where |d| <= delta, else delta (|d| - delta/2); delta > 0, or
 *  HC_ERR_ARG (Huber 1964). */
HC_API Tensor *tensor_huber_loss(Tensor *prediction, Tensor *target, double delta);
/** The same for each example: [N]. */
HC_API Tensor *tensor_huber_loss_per_example(Tensor *prediction, Tensor *target, double delta);
/** d^2/(2 beta) where |d| <= beta, else |d| - beta/2; beta >= 0 (0: the l1 loss), or HC_ERR_ARG
 *  (Girshick 2015). */
HC_API Tensor *tensor_smooth_l1_loss(Tensor *prediction, Tensor *target, double beta);
/** The same for each example: [N]. */
HC_API Tensor *tensor_smooth_l1_loss_per_example(Tensor *prediction, Tensor *target, double beta);
/** -log softmax(logits)[target]. logits [N, C] (or [C]); target: N class indices (or a scalar), or
 *  probabilities of the logits' shape. HC_ERR_RANGE for an index that is none. */
HC_API Tensor *tensor_cross_entropy_loss(Tensor *logits, Tensor *target);
/** The same for each example: [N]. */
HC_API Tensor *tensor_cross_entropy_loss_per_example(Tensor *logits, Tensor *target);
/** -log_probs[target]: log_probs [N, C] (or [C]), target N class indices (or a scalar). */
HC_API Tensor *tensor_nll_loss(Tensor *log_probs, Tensor *target);
/** The same for each example: [N]. */
HC_API Tensor *tensor_nll_loss_per_example(Tensor *log_probs, Tensor *target);
/** -(y log s + (1-y) log(1-s)) with y the target and s = sigmoid(logits), exact for logits of any size. */
HC_API Tensor *tensor_bce_with_logits_loss(Tensor *logits, Tensor *target);
/** The same for each example: [N]. */
HC_API Tensor *tensor_bce_with_logits_loss_per_example(Tensor *logits, Tensor *target);

/* ---- distances ------------------------------------------------------------------------------ */
/* tensor_vector_norm of differences, p from 0, which counts entries that differ and has no derivative, to INFINITY,
 * the largest; another is HC_ERR_ARG. Where points are equal derivatives of every order are 0; at other kinks they are
 * as there, for INFINITY split evenly among the largest. */

/** Of each row of a to each row of b. The differences are made one by one, not by products of a and b: near points
 *  lose nothing, and memory is taken for all of them, [..., P, R, M].
 *  Shapes:    a [..., P, M], b [..., R, M] -> [..., P, R]; leading axes broadcast. */
HC_API Tensor *tensor_cdist(Tensor *a, Tensor *b, double p);
/** Of rows that stand beside each other, eps being added to every difference (PyTorch: p 2, eps 1e-6).
 *  Shapes:    a and b [..., M], which broadcast -> [...]. */
HC_API Tensor *tensor_pairwise_distance(Tensor *a, Tensor *b, double p, double eps);
/** sum(a b) / (max(|a|, eps) max(|b|, eps)) along an axis of the common shape (PyTorch: axis 1, eps 1e-8; eps > 0, else
 *  HC_ERR_ARG). Gradient: that of the formula; a norm below eps is a constant, so of zeros it is finite at every
 *  order. */
HC_API Tensor *tensor_cosine_similarity(Tensor *a, Tensor *b, int axis, double eps);

/* ---- losses with options ------------------------------------------------------------------- */
/* Such a loss is first a number for each entry (of a classification: for each example), which `reduction` makes one. */

/** What becomes of the numbers of a loss. */
typedef enum HcLossReduction {
    HC_LOSS_MEAN,      /**< over the entries; of classes: sum / sum of the weights of those that count */
    HC_LOSS_SUM,       /**< of the entries */
    HC_LOSS_EACH,      /**< none: the entries themselves */
    HC_LOSS_BATCH_MEAN /**< sum / size of axis 0: for tensor_kl_div_loss the divergence's mean */
} LossReduction;

/* ---- classes ---------------------------------------------------------------------------------- */

/** How classes are weighed; take it from class_loss_options() and change fields by name. */
typedef struct HcClassLossOptions {
    Tensor *weight;       /**< NULL: all 1; or [C], of each class; a gradient flows to it */
    int64_t ignore_index; /**< -100; examples with this target count as if they were not there */
    double label_smoothing;  /**< 0, to 1: so much of the target is spread over all classes (Szegedy et al. 2016); of
                                  cross entropy only */
    LossReduction reduction; /**< HC_LOSS_MEAN */
} ClassLossOptions;
/** PyTorch's defaults, named beside each field. */
HC_API ClassLossOptions class_loss_options(void);

/** Cross entropy with options; with those as they are made, the bits of tensor_cross_entropy_loss.
 *  Shapes:    logits [N, C, ...] (or [C]), target [N, ...] (or a scalar) of classes, or probabilities of the logits'
 *             shape; HC_LOSS_EACH -> [N, ...].
 *  With probabilities nothing is ignored, and the mean is over examples, whatever their weights.
 *  Errors:    HC_ERR_RANGE for an index that is none and not ignore_index. */
HC_API Tensor *tensor_cross_entropy_loss_with(Tensor *logits, Tensor *target,
                                              ClassLossOptions options);
/** The same of -log_probs[target]: log_probs [N, C, ...] (or [C]), target [N, ...] (or a scalar) of classes. */
HC_API Tensor *tensor_nll_loss_with(Tensor *log_probs, Tensor *target, ClassLossOptions options);
/** The hinge loss of classes (Crammer and Singer 2001, summed over classes): for each example, the mean over all C
 *  of max(0, margin - x[target] + x[j])^p for j other than the target. scores [N, C] (or [C]), target N class indices
 *  (or a scalar); p is 1 or 2 (PyTorch: 1, margin 1). Gradient 0 at the kink. */
HC_API Tensor *tensor_multi_margin_loss(Tensor *scores, Tensor *target, int p, double margin,
                                        LossReduction reduction);

/* ---- others ------------------------------------------------------------------------------------- */

/** Kullback-Leibler divergence, target (log target - prediction), the prediction being a logarithm (PyTorch's
 *  kl_div); with `log_target` the target too: e^t (t - prediction). An entry whose target is 0 adds 0, and no gradient
 *  flows to it or to its prediction. Shapes are equal. */
HC_API Tensor *tensor_kl_div_loss(Tensor *prediction, Tensor *target, bool log_target,
                                  LossReduction reduction);
/** x where the target is 1, max(0, margin - x) where it is -1 (PyTorch: margin 1). No gradient to the target; 0 at the
 *  kink. Shapes are equal. */
HC_API Tensor *tensor_hinge_embedding_loss(Tensor *x, Tensor *target, double margin,
                                           LossReduction reduction);

/** How triplets are judged; take it from triplet_options() and change fields by name. */
typedef struct HcTripletOptions {
    double margin;           /**< 1 */
    double p;                /**< 2: of tensor_pairwise_distance */
    double eps;              /**< 1e-6: of that too */
    bool swap;               /**< false; true: the negative is held against the positive too, if that is nearer */
    LossReduction reduction; /**< HC_LOSS_MEAN */
} TripletOptions;
/** PyTorch's defaults, named beside each field. */
HC_API TripletOptions triplet_options(void);
/** max(0, |anchor - positive| - |anchor - negative| + margin) for each row (Balntas et al. 2016). Gradient 0 at the
 *  kink. The three are [..., M], of one shape; HC_LOSS_EACH -> [...]. */
HC_API Tensor *tensor_triplet_margin_loss(Tensor *anchor, Tensor *positive, Tensor *negative,
                                          TripletOptions options);

/** How a normal likelihood is computed; take it from gaussian_nll_options() and change fields by name. */
typedef struct HcGaussianNllOptions {
    bool full;               /**< false; true: with the constant log(2 pi) / 2 */
    double eps;              /**< 1e-6, > 0: a variance below counts as this, without a gradient */
    LossReduction reduction; /**< HC_LOSS_MEAN */
} GaussianNllOptions;
/** PyTorch's defaults, named beside each field. */
HC_API GaussianNllOptions gaussian_nll_options(void);
/** (log v + (prediction - target)^2 / v) / 2 with v = max(variance, eps) (Nix and Weigend 1994). Prediction and target
 *  have one shape, to which the variance broadcasts. */
HC_API Tensor *tensor_gaussian_nll_loss(Tensor *prediction, Tensor *target, Tensor *variance,
                                        GaussianNllOptions options);

#ifdef __cplusplus
}
#endif

#include "names_end.h"
#endif
