/** @file tensor.h
 *  Tensors and their operations.
 *
 *  A Tensor is a node on a tape: a shape of 0 to 8 dimensions, its numbers in row-major order, and
 *  how it was made. It never changes once made, belongs to its tape, and is valid until that is
 *  reset, or released to a mark before it. Used later it is HC_ERR_EXPIRED as long as nothing took its place, also
 *  after a tape_trim; questions such as tensor_shape answer as for NULL. What cannot be told: a tensor in whose place
 *  another was made (it is silently that one, unless the tape was made with never_reuse; tensor_serial tells them
 *  apart), one two trims old, and one of a tape that was destroyed.
 *
 *  History begins at *leaves*: tensors that no recorded operation made and to which gradients are taken. tensor_leaf
 *  makes one, param_tensor is that of a Param, and diffopt_detach, and fmodule_create with HC_DETACH, make others. What
 *  is computed from a leaf has a history, unless it is detached. Data is no leaf but a *constant*: it has neither
 *  history nor gradient.
 *
 *  All operations share these rules, which their comments do not repeat:
 *
 *  - Inputs live on one tape and so have one type; the result has it too.
 *  - Names, definitions and argument order are PyTorch's; binary operations broadcast as in NumPy.
 *  - Sizes of 0 are allowed: a sum over nothing is 0, a mean over nothing NaN, a maximum an error.
 *  - Negative axes count from the last.
 *  - Every gradient is itself made of recorded operations, so derivatives of any order exist. Where a
 *    comment says nothing it is the derivative of the formula, to every input; of what is linear, the
 *    adjoint. At kinks the comment says what is taken.
 *  - Arithmetic is IEEE's: 1/0 is infinite, the logarithm of -1 NaN, and neither is an error
 *    (tape_check_nan finds where a NaN began).
 *  - Errors: HC_ERR_ARG (NULL), HC_ERR_TAPE, HC_ERR_EXPIRED, HC_ERR_SHAPE, HC_ERR_NOMEM; the result
 *    is then NULL and the tape holds the message. NULL inputs after an error pass silently, so
 *    expressions nest without checks. */
#ifndef HIGHERC_TENSOR_H
#define HIGHERC_TENSOR_H

#include "shape.h"
#include "elementwise.h"
#include "reduce.h"
#include "products.h"
#include "linalg.h"
#include "movement.h"
#include "normalise.h"
#include "convolution.h"
#include "loss.h"
#include "names.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- making ------------------------------------------------------------------------------- */
/* These are constants: no gradient flows to them. tensor_leaf() makes one that collects gradients. */

/** Copies and converts shape_count(shape) numbers, row-major; values may be NULL when that is 0. */
HC_API Tensor *tensor_from_f32(Tape *tape, Shape shape, const float *values);
/** The same from double. */
HC_API Tensor *tensor_from_f64(Tape *tape, Shape shape, const double *values);
/** Whole numbers, e.g. class indices; up to +-2^24 in an f32 tape, +-2^53 in an f64 one, where all are
 *  exact, else HC_ERR_RANGE. */
HC_API Tensor *tensor_from_i64(Tape *tape, Shape shape, const int64_t *values);
/** No copy: `values`, of the tape's type, must stay and not change while the tensor stands: until a reset, or a
 *  release past it. */
HC_API Tensor *tensor_borrow(Tape *tape, Shape shape, const void *values);
/** All 0. */
HC_API Tensor *tensor_zeros(Tape *tape, Shape shape);
/** All 1. */
HC_API Tensor *tensor_ones(Tape *tape, Shape shape);
/** All `value`. */
HC_API Tensor *tensor_full(Tape *tape, Shape shape, double value);
/** One number: no axes. */
HC_API Tensor *tensor_scalar(Tape *tape, double value);
/** Uniform in [low, high). The numbers are the stream's next ones, in row-major order, whatever the type. */
HC_API Tensor *tensor_uniform(Tape *tape, Shape shape, double low, double high, Rng *rng);
/** Normal with that mean and standard deviation, drawn the same way. */
HC_API Tensor *tensor_normal(Tape *tape, Shape shape, double mean, double deviation, Rng *rng);
/** start, start + step, ... up to but without stop, 1-D; none when step leads away from stop.
 *  Errors: HC_ERR_ARG for a step of 0, or a count that is not finite. */
HC_API Tensor *tensor_arange(Tape *tape, double start, double stop, double step);
/** index [...] of whole numbers in [0, classes) -> [..., classes] of 0 and 1. No gradient.
 *  Errors: HC_ERR_RANGE for an index that is none. */
HC_API Tensor *tensor_one_hot(Tensor *index, size_t classes);

/* ---- reading ------------------------------------------------------------------------------ */

HC_API Shape tensor_shape(const Tensor *x);          /**< ndim -1 for NULL */
HC_API int tensor_ndim(const Tensor *x);             /**< -1 for NULL */
HC_API size_t tensor_dim(const Tensor *x, int axis); /**< 0 for an axis that is none, or NULL */
HC_API size_t tensor_count(const Tensor *x);         /**< 0 for NULL */
HC_API DType tensor_dtype(const Tensor *x);          /**< HC_F32 for NULL */
HC_API Tape *tensor_tape(const Tensor *x);           /**< NULL for NULL */
/** The numbers, row-major, of the tape's type. They live as long as x; of a view (transpose, expand,
 *  slice), which is copied first, until the tape is released below this call. */
HC_API const void *tensor_data(Tensor *x);
/** The one number of a tensor with one element; NaN, and an error, for another. */
HC_API double tensor_item(Tensor *x);
/** Copies and converts all of x into values[0..count); count must be tensor_count(x). */
HC_API bool tensor_copy_to_f32(Tensor *x, float *values, size_t count);
/** The same into double. */
HC_API bool tensor_copy_to_f64(Tensor *x, double *values, size_t count);
/** A number that no other tensor of its tape ever has, also after a reset; 0 for NULL. */
HC_API uint64_t tensor_serial(const Tensor *x);

/* ---- history ------------------------------------------------------------------------------ */

/** A new leaf with x's values: history begins here, and tensor_grad can ask for its gradient. */
HC_API Tensor *tensor_leaf(Tensor *x);
/** The identity, in memory of its own. Gradient: passes through. */
HC_API Tensor *tensor_clone(Tensor *x);
/** x's values without its history; a constant. It may share x's memory. */
HC_API Tensor *tensor_detach(Tensor *x);
/** Whether a gradient can flow through x to some leaf or Param. */
HC_API bool tensor_requires_grad(const Tensor *x);

#ifdef __cplusplus
}
#endif

#include "names_end.h"
#endif
