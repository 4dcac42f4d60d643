/** @file movement.h
 *  Numbers put elsewhere: views, copies, indexing. The rules they share stand in tensor.h. */
#ifndef HIGHERC_MOVEMENT_H
#define HIGHERC_MOVEMENT_H

#include "shape.h"
#include "names.h"

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
/** The other way round along the `count` axes named. */
HC_API Tensor *tensor_flip(Tensor *x, const int *axes, size_t count);
/** Moved on by `shift` places along an axis, what falls off one end coming in at the other. */
HC_API Tensor *tensor_roll(Tensor *x, int64_t shift, int axis);
/** Laid out counts[i] times along axis i, new leading axes where there are more counts than axes (NumPy's tile).
 *  Adjoint: the sum. HC_ERR_SHAPE for fewer counts. */
HC_API Tensor *tensor_repeat(Tensor *x, const size_t *counts, size_t count);
/** parts[j] = the next sizes[j] places along an axis; no copy. Without success `parts` stays as it is.
 *  Errors: HC_ERR_SHAPE for sizes that do not add up to that of the axis. */
HC_API bool tensor_split(Tensor *x, const size_t *sizes, size_t count, int axis, Tensor **parts);

/* ---- padding and upsampling ---------------------------------------------------------------------- */
/* before[i] and after[i] places more around axis i; both arrays have `count` = tensor_ndim(x). */

/** Zeros. */
HC_API Tensor *tensor_pad(Tensor *x, const size_t *before, const size_t *after, size_t count);
/** That number. */
HC_API Tensor *tensor_pad_value(Tensor *x, const size_t *before, const size_t *after, size_t count,
                                double value);
/** x mirrored at its first and last place, which are not repeated: 2 1 0 1 2 1 0. HC_ERR_SHAPE for as many places as
 *  the axis has, or more. */
HC_API Tensor *tensor_pad_reflect(Tensor *x, const size_t *before, const size_t *after,
                                  size_t count);
/** The first and the last place again and again. HC_ERR_SHAPE where there is none. */
HC_API Tensor *tensor_pad_replicate(Tensor *x, const size_t *before, const size_t *after,
                                    size_t count);
/** Images x [N, C, H, W] -> [N, C, height, width], larger or smaller: row i is row floor(i H / height), and so columns.
 *  Sizes from 1, or HC_ERR_SHAPE. */
HC_API Tensor *tensor_upsample_nearest2d(Tensor *x, size_t height, size_t width);
/** Between the four nearest, linear along both axes (PyTorch's align_corners=False): row i lies at
 *  (i + 1/2) H / height - 1/2, from the first to the last. */
HC_API Tensor *tensor_upsample_bilinear2d(Tensor *x, size_t height, size_t width);

/* ---- indexing ------------------------------------------------------------------------------- */
/* Index tensors hold whole numbers in [0, size of the axis), else HC_ERR_RANGE. No gradient to them. */

/** out[i][j] = x[index[i][j]][j] for axis 0, and so on: index has x's shape except along `axis`, the
 *  result the index's. Gradient: tensor_scatter_add of it onto zeros. */
HC_API Tensor *tensor_gather(Tensor *x, int axis, Tensor *index);
/** x plus source[i][j] added at [index[i][j]][j] (axis 0): the adjoint of gather. source has the index's
 *  shape, the result x's. Equal positions add up in row-major order. Gradient: to x itself, to source
 *  tensor_gather of it. */
HC_API Tensor *tensor_scatter_add(Tensor *x, int axis, Tensor *index, Tensor *source);

/** x with source[i][j] at [index[i][j]][j] (axis 0), in the same way; of equal positions the last in row-major order
 *  counts. Gradient: to x where it stayed, to source where it counts. */
HC_API Tensor *tensor_scatter(Tensor *x, int axis, Tensor *index, Tensor *source);

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

#include "names_end.h"
#endif
