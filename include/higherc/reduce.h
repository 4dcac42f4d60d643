/** @file reduce.h
 *  Reductions. The rules they share stand in tensor.h. */
#ifndef HIGHERC_REDUCE_H
#define HIGHERC_REDUCE_H

#include "shape.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The plain form reduces everything to a scalar. _axes reduces the `count` axes named (none: returns
 * x's values); with keepdim they stay with size 1, else they are dropped. An axis named twice is
 * HC_ERR_SHAPE. */

HC_API Tensor *tensor_sum(Tensor *x);
HC_API Tensor *tensor_sum_axes(Tensor *x, const int *axes, size_t count, bool keepdim);
HC_API Tensor *tensor_mean(Tensor *x);
HC_API Tensor *tensor_mean_axes(Tensor *x, const int *axes, size_t count, bool keepdim);
/** sum((x - mean)^2) / (n - correction): 1 is PyTorch's default, unbiased; 0 biased. NaN where n is not
 *  above the correction. */
HC_API Tensor *tensor_var(Tensor *x, double correction);
HC_API Tensor *tensor_var_axes(Tensor *x, const int *axes, size_t count, double correction,
                               bool keepdim);
/** Largest value. Gradient: split evenly among ties (PyTorch's amax). Over nothing: HC_ERR_SHAPE. */
HC_API Tensor *tensor_max(Tensor *x);
HC_API Tensor *tensor_max_axes(Tensor *x, const int *axes, size_t count, bool keepdim);
HC_API Tensor *tensor_min(Tensor *x);
HC_API Tensor *tensor_min_axes(Tensor *x, const int *axes, size_t count, bool keepdim);
/** log(sum(exp x)), shifted by the maximum so that it cannot overflow. Over nothing: HC_ERR_SHAPE. */
HC_API Tensor *tensor_logsumexp(Tensor *x);
HC_API Tensor *tensor_logsumexp_axes(Tensor *x, const int *axes, size_t count, bool keepdim);
/** Index of the first largest value (a NaN counts as that), of all (flat, row-major) or along one axis. No
 *  gradient. Over nothing: HC_ERR_SHAPE. */
HC_API Tensor *tensor_argmax(Tensor *x);
HC_API Tensor *tensor_argmax_axis(Tensor *x, int axis, bool keepdim);
/** Euclidean norm. Gradient x / norm, 0 where the norm is 0; finite there at every order. */
HC_API Tensor *tensor_norm(Tensor *x);
HC_API Tensor *tensor_norm_axes(Tensor *x, const int *axes, size_t count, bool keepdim);

#ifdef __cplusplus
}
#endif
#endif
