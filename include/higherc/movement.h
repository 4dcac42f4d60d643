/** @file movement.h
 *  Numbers put elsewhere: views, copies, indexing. The rules they share stand in tensor.h. */
#ifndef HIGHERC_MOVEMENT_H
#define HIGHERC_MOVEMENT_H

#include "shape.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- movement ------------------------------------------------------------------------------- */

/** The same numbers, row-major, in another shape with the same count. */
HC_API Tensor *tensor_reshape(Tensor *x, Shape shape);
/** Swaps two axes; no copy. */
HC_API Tensor *tensor_transpose(Tensor *x, int axis0, int axis1);
/** Axis i of the result is axis axes[i] of x; no copy. count must be tensor_ndim(x). */
HC_API Tensor *tensor_permute(Tensor *x, const int *axes, size_t count);
/** Drops an axis of size 1. */
HC_API Tensor *tensor_squeeze(Tensor *x, int axis);
/** Inserts an axis of size 1 before position `axis` of the result. */
HC_API Tensor *tensor_unsqueeze(Tensor *x, int axis);
/** Repeats axes of size 1, and adds leading ones, up to `shape`; no copy. Adjoint: the sum. */
HC_API Tensor *tensor_expand(Tensor *x, Shape shape);
/** Positions start, start + step, ... before stop along an axis; negative start and stop count from
 *  the end and both are clipped as in Python; step >= 1. No copy. Adjoint: the same positions of a
 *  tensor of zeros. */
HC_API Tensor *tensor_slice(Tensor *x, int axis, int64_t start, int64_t stop, int64_t step);
/** Joins `count` tensors along an axis they all have; other sizes equal. The list is copied, as are the
 *  numbers. HC_ERR_ARG for a count of 0. */
HC_API Tensor *tensor_concat(Tensor *const *tensors, size_t count, int axis);
/** Joins `count` tensors of one shape along a new axis, at position `axis` of the result. */
HC_API Tensor *tensor_stack(Tensor *const *tensors, size_t count, int axis);
/** Puts before[i] and after[i] zeros around axis i; both arrays have `count` = tensor_ndim(x). */
HC_API Tensor *tensor_pad(Tensor *x, const size_t *before, const size_t *after, size_t count);

/* ---- indexing ------------------------------------------------------------------------------- */
/* Index tensors hold whole numbers in [0, size of the axis), else HC_ERR_RANGE. No gradient to them. */

/** out[i][j] = x[index[i][j]][j] for axis 0, and so on: index has x's shape except along `axis`, the
 *  result the index's. Gradient: tensor_scatter_add of it onto zeros. */
HC_API Tensor *tensor_gather(Tensor *x, int axis, Tensor *index);
/** x plus source[i][j] added at [index[i][j]][j] (axis 0): the adjoint of gather. source has the index's
 *  shape, the result x's. Equal positions add up in row-major order. Gradient: to x itself, to source
 *  tensor_gather of it. */
HC_API Tensor *tensor_scatter_add(Tensor *x, int axis, Tensor *index, Tensor *source);

/** The slices of x along `axis` at the positions in index [k] (or a scalar: one), in that order.
 *  Shapes:    x [.., n, ..], index [k] -> [.., k, ..].
 *  Gradient:  added back to its slice, in order; a slice picked twice gets both. */
HC_API Tensor *tensor_index_select(Tensor *x, int axis, Tensor *index);
/** Rows of a table: index [...], weight [count, size] -> [..., size]. Gradient to
 *  weight, as tensor_index_select's. */
HC_API Tensor *tensor_embedding(Tensor *index, Tensor *weight);

#ifdef __cplusplus
}
#endif
#endif
