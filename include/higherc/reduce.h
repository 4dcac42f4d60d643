/** @file reduce.h
 *  Reductions, scans and sorting. The rules they share stand in tensor.h. */
#ifndef HIGHERC_REDUCE_H
#define HIGHERC_REDUCE_H

#include "shape.h"
#include "names.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The plain form reduces everything to a scalar. _axes reduces the `count` axes named (none: returns
 * x's values); with keepdim they stay with size 1, else they are dropped. An axis named twice is
 * HC_ERR_SHAPE. */

/** The sum of all; of nothing 0. */
HC_API Tensor *tensor_sum(Tensor *x);
/** The same over the `count` axes named. */
HC_API Tensor *tensor_sum_axes(Tensor *x, const int *axes, size_t count, bool keepdim);
/** The mean of all; of nothing NaN. */
HC_API Tensor *tensor_mean(Tensor *x);
/** The same over the `count` axes named. */
HC_API Tensor *tensor_mean_axes(Tensor *x, const int *axes, size_t count, bool keepdim);
/** sum((x - mean)^2) / (n - correction): 1 is PyTorch's default, unbiased; 0 biased. NaN where n is not
 *  above the correction. */
HC_API Tensor *tensor_var(Tensor *x, double correction);
/** The same over the `count` axes named. */
HC_API Tensor *tensor_var_axes(Tensor *x, const int *axes, size_t count, double correction,
                               bool keepdim);
/** The root of that. Gradient 0 where it is 0, at every order. */
HC_API Tensor *tensor_std(Tensor *x, double correction);
/** The same over the `count` axes named. */
HC_API Tensor *tensor_std_axes(Tensor *x, const int *axes, size_t count, double correction,
                               bool keepdim);
/** Product; of nothing 1. The derivatives of any order are right however many of the numbers are 0. */
HC_API Tensor *tensor_prod(Tensor *x);
/** The same over the `count` axes named. */
HC_API Tensor *tensor_prod_axes(Tensor *x, const int *axes, size_t count, bool keepdim);
/** 1 where any is not 0 (NaN is not), else 0. Of nothing 0. No gradient. */
HC_API Tensor *tensor_any(Tensor *x);
/** The same over the `count` axes named. */
HC_API Tensor *tensor_any_axes(Tensor *x, const int *axes, size_t count, bool keepdim);
/** 1 where all are not 0, else 0. Of nothing 1. No gradient. */
HC_API Tensor *tensor_all(Tensor *x);
/** The same over the `count` axes named. */
HC_API Tensor *tensor_all_axes(Tensor *x, const int *axes, size_t count, bool keepdim);
/** Largest value. Gradient: split evenly among ties (PyTorch's amax). Over nothing: HC_ERR_SHAPE. */
HC_API Tensor *tensor_max(Tensor *x);
/** The same over the `count` axes named. */
HC_API Tensor *tensor_max_axes(Tensor *x, const int *axes, size_t count, bool keepdim);
/** Smallest value, in the same way (PyTorch's amin). */
HC_API Tensor *tensor_min(Tensor *x);
/** The same over the `count` axes named. */
HC_API Tensor *tensor_min_axes(Tensor *x, const int *axes, size_t count, bool keepdim);
/** log(sum(exp x)), shifted by the maximum so that it cannot overflow. Over nothing: HC_ERR_SHAPE. */
HC_API Tensor *tensor_logsumexp(Tensor *x);
/** The same over the `count` axes named. */
HC_API Tensor *tensor_logsumexp_axes(Tensor *x, const int *axes, size_t count, bool keepdim);
/** Index of the first largest value (a NaN counts as that), of all (flat, row-major) or along one axis. No
 *  gradient. Over nothing: HC_ERR_SHAPE. */
HC_API Tensor *tensor_argmax(Tensor *x);
/** The same along one axis. */
HC_API Tensor *tensor_argmax_axis(Tensor *x, int axis, bool keepdim);
/** Euclidean norm. Gradient x / norm, 0 where the norm is 0; finite there at every order. */
HC_API Tensor *tensor_norm(Tensor *x);
/** The same over the `count` axes named. */
HC_API Tensor *tensor_norm_axes(Tensor *x, const int *axes, size_t count, bool keepdim);
/** (sum |x|^p)^(1/p) for p > 0, or HC_ERR_ARG; scaled, so that powers do not overflow. p = 2 is tensor_norm, INFINITY
 *  the largest |x| (of nothing HC_ERR_SHAPE). Derivatives of every order are 0 where the norm is; at a number that is 0
 *  so is the slope of |x|, and where p is not whole every derivative of |x|^p. Bits as tensor_pow_scalar's. */
HC_API Tensor *tensor_vector_norm(Tensor *x, double p);
/** The same over the `count` axes named. */
HC_API Tensor *tensor_vector_norm_axes(Tensor *x, const int *axes, size_t count, double p,
                                       bool keepdim);

/* ---- scans along an axis ---------------------------------------------------------------------- */

/** y[j] = x[0] + ... + x[j], added in that order. */
HC_API Tensor *tensor_cumsum(Tensor *x, int axis);
/** y[j] = x[0] ... x[j], in the same way; zeros as in tensor_prod. */
HC_API Tensor *tensor_cumprod(Tensor *x, int axis);

/* ---- order along an axis ---------------------------------------------------------------------- */
/* A NaN counts as the largest; of equals the first comes first. Places are whole numbers without a gradient, which
 * flows to what stands at them. `index` gets the places, of the result's shape, unless it is NULL. */

/** The largest along an axis, and where it stands: tensor_argmax_axis. Over nothing: HC_ERR_SHAPE. */
HC_API Tensor *tensor_max_with_index(Tensor *x, int axis, bool keepdim, Tensor **index);
/** The smallest, in the same way. */
HC_API Tensor *tensor_min_with_index(Tensor *x, int axis, bool keepdim, Tensor **index);
/** All along an axis in rising order, or falling. HC_ERR_RANGE for more places than the type counts exactly
 *  (f32: 2^24). */
HC_API Tensor *tensor_sort(Tensor *x, int axis, bool descending, Tensor **index);
/** The places alone, as tensor_sort writes to `index`. */
HC_API Tensor *tensor_argsort(Tensor *x, int axis, bool descending);
/** The k largest, falling, or the k smallest, rising. HC_ERR_SHAPE for a k past the size of the axis. */
HC_API Tensor *tensor_topk(Tensor *x, size_t k, int axis, bool largest, Tensor **index);

#ifdef __cplusplus
}
#endif

#include "names_end.h"
#endif
