/** @file normalise.h
 *  Normalisation, dropout and attention. The rules they share stand in tensor.h. */
#ifndef HIGHERC_NORMALISE_H
#define HIGHERC_NORMALISE_H

#include "shape.h"
#include "names.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- normalisation ---------------------------------------------------------------------------- */
/* (x - mean) / sqrt(var + eps), times weight, plus bias; weight and bias may each be NULL. The variance
 * is the biased one, sum((x - mean)^2) / n, and the gradient flows through mean and variance, to any
 * order. eps >= 0. */

/** Per channel, axis 1 of x [N, C, ...], over all other axes (Ioffe and Szegedy 2015). With
 *  running_mean and running_var [C] these take the place of the batch's; with both NULL the batch's own
 *  are used, over at least two values per channel. Nothing is updated: module_batch_norm1d does that.
 *  Shapes:    weight, bias, running_mean, running_var [C]; the result as x.
 *  Errors:    HC_ERR_SHAPE, also for fewer than two values per channel; HC_ERR_ARG for one of the two
 *             running statistics without the other. */
HC_API Tensor *tensor_batch_norm(Tensor *x, Tensor *running_mean, Tensor *running_var,
                                 Tensor *weight, Tensor *bias, double eps);
/** Over the last axes of x, whose sizes are `normalized` (Ba, Kiros and Hinton 2016).
 *  Shapes:    x [..., normalized], weight and bias of the shape `normalized`; the result as x. */
HC_API Tensor *tensor_layer_norm(Tensor *x, Shape normalized, Tensor *weight, Tensor *bias,
                                 double eps);
/** x / sqrt(mean(x^2) + eps) over the last axes of x, whose sizes are `normalized`, times weight, which may be NULL
 *  (Zhang and Sennrich 2019). Errors as tensor_layer_norm's. */
HC_API Tensor *tensor_rms_norm(Tensor *x, Shape normalized, Tensor *weight, double eps);
/** Over each of `groups` equal groups of the channels of each example: x [N, C, ...], weight and bias
 *  [C] (Wu and He 2018). `groups` divides C. */
HC_API Tensor *tensor_group_norm(Tensor *x, size_t groups, Tensor *weight, Tensor *bias,
                                 double eps);

/* ---- dropout ------------------------------------------------------------------------------------ */

/** Each entry 0 with probability p, else x / (1 - p) (Srivastava et al. 2014); p = 1 gives zeros. The
 *  random numbers are rng's, which moves on, or for NULL those of the tape's own stream (tape_seed).
 *  Gradient:  through the same mask, at every order: an entry is dropped in all of them or in none.
 *  Replay:    program_capture refuses one of the tape's stream; one of a stream handed in drops the same
 *             entries at each run.
 *  Errors:    HC_ERR_ARG for a p outside [0, 1]. */
HC_API Tensor *tensor_dropout(Tensor *x, double p, Rng *rng);

/* ---- attention ----------------------------------------------------------------------------------- */

/** softmax(query key^T / sqrt(E) + mask) value (Vaswani et al. 2017).
 *  Shapes:    query [..., L, E], key [..., S, E], value [..., S, V], mask NULL or broadcast to
 *             [..., L, S] -> [..., L, V]; leading axes broadcast.
 *  The mask is added to the scores: 0 keeps a position, -INFINITY leaves it out. A row of which all
 *  is left out is NaN, as PyTorch's. Gradient: to all four. */
HC_API Tensor *tensor_scaled_dot_product_attention(Tensor *query, Tensor *key, Tensor *value,
                                                   Tensor *mask);

#ifdef __cplusplus
}
#endif

#include "names_end.h"
#endif
