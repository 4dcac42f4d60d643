/** @file loss.h
 *  Softmax and losses. The rules they share stand in tensor.h. */
#ifndef HIGHERC_LOSS_H
#define HIGHERC_LOSS_H

#include "shape.h"

#ifdef __cplusplus
extern "C" {
#endif

/** e^x / sum(e^x) along an axis, shifted by the maximum. NaN where all is -INFINITY. */
HC_API Tensor *tensor_softmax(Tensor *x, int axis);
/** log(softmax(x)), exact for logits of any size. */
HC_API Tensor *tensor_log_softmax(Tensor *x, int axis);

/* A loss is the mean over all entries (classification: over the examples). Its _per_example form
 * keeps axis 0: [N, ...] -> [N], the mean over an example's entries, so that the mean of the N is
 * the loss; use it to weigh examples. Prediction and target have equal shapes unless said (they do not
 * broadcast), and a gradient flows to both, but none to indices. Over nothing a loss is NaN. */

/** Mean of (prediction - target)^2. */
HC_API Tensor *tensor_mse_loss(Tensor *prediction, Tensor *target);
HC_API Tensor *tensor_mse_loss_per_example(Tensor *prediction, Tensor *target);
/** Mean of |prediction - target|. Gradient 0 where both are equal. */
HC_API Tensor *tensor_l1_loss(Tensor *prediction, Tensor *target);
HC_API Tensor *tensor_l1_loss_per_example(Tensor *prediction, Tensor *target);
/** With d = prediction - target: d^2/2 where |d| <= delta, else delta (|d| - delta/2); delta > 0, or
 *  HC_ERR_ARG (Huber 1964). */
HC_API Tensor *tensor_huber_loss(Tensor *prediction, Tensor *target, double delta);
HC_API Tensor *tensor_huber_loss_per_example(Tensor *prediction, Tensor *target, double delta);
/** d^2/(2 beta) where |d| < beta, else |d| - beta/2; beta >= 0 (0: the l1 loss), or HC_ERR_ARG
 *  (Girshick 2015). */
HC_API Tensor *tensor_smooth_l1_loss(Tensor *prediction, Tensor *target, double beta);
HC_API Tensor *tensor_smooth_l1_loss_per_example(Tensor *prediction, Tensor *target, double beta);
/** -log softmax(logits)[target]. logits [N, C] (or [C]); target: N class indices (or a scalar), or
 *  probabilities of the logits' shape. HC_ERR_RANGE for an index that is none. */
HC_API Tensor *tensor_cross_entropy_loss(Tensor *logits, Tensor *target);
HC_API Tensor *tensor_cross_entropy_loss_per_example(Tensor *logits, Tensor *target);
/** -log_probs[target]: log_probs [N, C] (or [C]), target N class indices (or a scalar). */
HC_API Tensor *tensor_nll_loss(Tensor *log_probs, Tensor *target);
HC_API Tensor *tensor_nll_loss_per_example(Tensor *log_probs, Tensor *target);
/** -(y log s + (1-y) log(1-s)) with y the target and s = sigmoid(logits), exact for logits of any size. */
HC_API Tensor *tensor_bce_with_logits_loss(Tensor *logits, Tensor *target);
HC_API Tensor *tensor_bce_with_logits_loss_per_example(Tensor *logits, Tensor *target);

#ifdef __cplusplus
}
#endif
#endif
