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

#include "tape.h"

#ifdef __cplusplus
extern "C" {
#endif

#define HC_MAX_DIMS 8

/** Sizes along each axis; a plain value. dim[ndim..] are 0. */
typedef struct Shape {
    int ndim;
    size_t dim[HC_MAX_DIMS];
} Shape;

HC_API Shape shape_scalar(void); /**< no axes, one element */
HC_API Shape shape1(size_t d0);
HC_API Shape shape2(size_t d0, size_t d1);
HC_API Shape shape3(size_t d0, size_t d1, size_t d2);
HC_API Shape shape4(size_t d0, size_t d1, size_t d2, size_t d3);
/** From an array of `ndim` sizes. An ndim outside 0..8 or a NULL with ndim > 0 gives a shape with
 *  ndim -1, which every function refuses. */
HC_API Shape shape_of(const size_t *dim, int ndim);
/** Whether both have the same sizes along the same axes. */
HC_API bool shape_equal(Shape a, Shape b);
/** The product of the sizes: 1 for a scalar; SIZE_MAX when it overflows or the shape is refused. */
HC_API size_t shape_count(Shape shape);

/* ---- making ------------------------------------------------------------------------------- */
/* These are constants: no gradient flows to them. tensor_leaf() makes one that collects gradients. */

/** Copies and converts shape_count(shape) numbers, row-major; values may be NULL when that is 0. */
HC_API Tensor *tensor_from_f32(Tape *tape, Shape shape, const float *values);
HC_API Tensor *tensor_from_f64(Tape *tape, Shape shape, const double *values);
/** Whole numbers, e.g. class indices; up to +-2^24 in an f32 tape, +-2^53 in an f64 one, where all are
 *  exact, else HC_ERR_RANGE. */
HC_API Tensor *tensor_from_i64(Tape *tape, Shape shape, const int64_t *values);
/** No copy: `values`, of the tape's type, must stay and not change until the tape is reset. */
HC_API Tensor *tensor_borrow(Tape *tape, Shape shape, const void *values);
HC_API Tensor *tensor_zeros(Tape *tape, Shape shape);
HC_API Tensor *tensor_ones(Tape *tape, Shape shape);
HC_API Tensor *tensor_full(Tape *tape, Shape shape, double value);
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

/* ---- elementwise, two tensors (broadcasting) ---------------------------------------------- */

HC_API Tensor *tensor_add(Tensor *a, Tensor *b);
HC_API Tensor *tensor_sub(Tensor *a, Tensor *b);
HC_API Tensor *tensor_mul(Tensor *a, Tensor *b);
HC_API Tensor *tensor_div(Tensor *a, Tensor *b);
/** a^b. Gradient to a: 0 where b is 0; to b: 0 where a is 0 and b >= 0 (PyTorch's). In f32 the same bits everywhere; in
 *  f64, whole exponents too, those of the C library's pow, which are others on another platform. tensor_square,
 *  tensor_sqrt and products have the same bits everywhere. */
HC_API Tensor *tensor_pow(Tensor *a, Tensor *b);
/** The larger. Gradient: half to each where equal. NaN wins. */
HC_API Tensor *tensor_maximum(Tensor *a, Tensor *b);
/** The smaller, in the same way. */
HC_API Tensor *tensor_minimum(Tensor *a, Tensor *b);
/** 1 where true, 0 where false; no gradient flows through. With a NaN only _ne is true. */
HC_API Tensor *tensor_gt(Tensor *a, Tensor *b);
HC_API Tensor *tensor_ge(Tensor *a, Tensor *b);
HC_API Tensor *tensor_lt(Tensor *a, Tensor *b);
HC_API Tensor *tensor_le(Tensor *a, Tensor *b);
HC_API Tensor *tensor_eq(Tensor *a, Tensor *b);
HC_API Tensor *tensor_ne(Tensor *a, Tensor *b);
/** a where condition is not 0, else b; all three broadcast. Gradient: to whichever was taken; none to the
 *  condition. */
HC_API Tensor *tensor_where(Tensor *condition, Tensor *a, Tensor *b);

/* ---- elementwise with a number ------------------------------------------------------------- */

HC_API Tensor *tensor_add_scalar(Tensor *x, double c);
HC_API Tensor *tensor_sub_scalar(Tensor *x, double c);
HC_API Tensor *tensor_mul_scalar(Tensor *x, double c);
HC_API Tensor *tensor_div_scalar(Tensor *x, double c);
/** x^c. Gradient c x^(c-1); exactly 0 for c = 0, so that whole powers are finite at 0 at any order.
 *  Bits as tensor_pow's. */
HC_API Tensor *tensor_pow_scalar(Tensor *x, double c);

/* ---- elementwise, one tensor ---------------------------------------------------------------- */

HC_API Tensor *tensor_neg(Tensor *x);
HC_API Tensor *tensor_square(Tensor *x);
/** Gradient g / (2 sqrt x): infinite at 0, as PyTorch's. */
HC_API Tensor *tensor_sqrt(Tensor *x);
/** 1 / sqrt x: infinite at 0, its gradient too. */
HC_API Tensor *tensor_rsqrt(Tensor *x);
HC_API Tensor *tensor_exp(Tensor *x);
HC_API Tensor *tensor_log(Tensor *x);
/** log(1 + x), exact for small x. */
HC_API Tensor *tensor_log1p(Tensor *x);
HC_API Tensor *tensor_sin(Tensor *x);
HC_API Tensor *tensor_cos(Tensor *x);
HC_API Tensor *tensor_tanh(Tensor *x);
/** 1 / (1 + e^-x). */
HC_API Tensor *tensor_sigmoid(Tensor *x);
/** max(x, 0). Gradient 0 at 0. */
HC_API Tensor *tensor_relu(Tensor *x);
/** x where x > 0, else slope x (Maas, Hannun and Ng 2013). Gradient `slope` at 0. */
HC_API Tensor *tensor_leaky_relu(Tensor *x, double slope);
/** x where x > 0, else alpha (e^x - 1) (Clevert, Unterthiner and Hochreiter 2016). Gradient alpha at 0. */
HC_API Tensor *tensor_elu(Tensor *x, double alpha);
/** x Phi(x), with the error function (not the tanh approximation) (Hendrycks and Gimpel 2016). */
HC_API Tensor *tensor_gelu(Tensor *x);
/** x sigmoid(x) (Elfwing, Uchibe and Doya 2018). */
HC_API Tensor *tensor_silu(Tensor *x);
/** log(1 + e^x), without overflow. */
HC_API Tensor *tensor_softplus(Tensor *x);
/** The error function. */
HC_API Tensor *tensor_erf(Tensor *x);
/** |x|. Gradient g sign(x): 0 at 0. */
HC_API Tensor *tensor_abs(Tensor *x);
/** -1, 0 or 1; its derivative is 0 everywhere. */
HC_API Tensor *tensor_sign(Tensor *x);
/** min(max(x, low), high). Gradient 1 from low to high, the bounds included, 0 outside. */
HC_API Tensor *tensor_clamp(Tensor *x, double low, double high);

/* ---- reductions ----------------------------------------------------------------------------- */
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

/* ---- products ------------------------------------------------------------------------------- */

/** Matrix product of the last two axes; leading axes broadcast. A 1-D operand is a row on the left,
 *  a column on the right, and its axis is dropped from the result (NumPy's matmul). A transposed
 *  operand (tensor_transpose) is read in place.
 *  Shapes:    a [..., m, k], b [..., k, n] -> [..., m, n].
 *  Gradient:  to a: g b^T, to b: a^T g, summed over broadcast axes.
 *  Numerics:  the order of summation is fixed for given shapes on one level of instructions (base.h says
 *             what is equal between machines); may use fused multiply-add.
 *  Source:    Giles 2008, "Collected matrix derivative results for forward and reverse mode AD". */
HC_API Tensor *tensor_matmul(Tensor *a, Tensor *b);
/** x weight^T + bias: x [..., in], weight [out, in], bias [out] or NULL -> [..., out].
 *  Numerics: the sums start at the bias. */
HC_API Tensor *tensor_linear(Tensor *x, Tensor *weight, Tensor *bias);
/** Inner product of two 1-D tensors of equal length: a scalar. */
HC_API Tensor *tensor_dot(Tensor *a, Tensor *b);

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

/* ---- convolution and pooling ------------------------------------------------------------------ */
/* PyTorch's definitions. Results are stored channels last, which tensor_data does not show. */

typedef struct Conv2dOptions {
    size_t stride[2], padding[2], dilation[2]; /**< along H and W: 1, 0 and 1; each up to 65535 */
    size_t groups;                             /**< 1 */
    bool bias; /**< true; whether module_conv2d has one: tensor_conv2d does not look at it */
} Conv2dOptions;
HC_API Conv2dOptions conv2d_options(void);

/** Cross-correlation with zeros around x. x [N, C, H, W], weight [O, C / groups, KH, KW], bias [O] or
 *  NULL -> [N, O, P, Q] with P = (H + 2 padding - dilation (KH - 1) - 1) / stride + 1, rounded down.
 *  Sums start at the bias and run over (kh, kw), then channels. Gradient: to all three, any order.
 *  Errors:    HC_ERR_SHAPE, also for a kernel that does not fit the padded x; HC_ERR_ARG for a setting out
 *             of its range.
 *  Source:    Dumoulin and Visin 2016, "A guide to convolution arithmetic for deep learning". */
HC_API Tensor *tensor_conv2d(Tensor *x, Tensor *weight, Tensor *bias, Conv2dOptions options);

typedef struct Conv1dOptions {
    size_t stride, padding, dilation, groups; /**< 1, 0, 1 and 1, within the same bounds */
    bool bias;                                /**< true, as there */
} Conv1dOptions;
HC_API Conv1dOptions conv1d_options(void);
/** The same along one axis: x [N, C, L], weight [O, C / groups, K] -> [N, O, P]. */
HC_API Tensor *tensor_conv1d(Tensor *x, Tensor *weight, Tensor *bias, Conv1dOptions options);

typedef struct Pool2dOptions {
    size_t kernel[2], stride[2]; /**< both `kernel` */
    size_t padding[2];           /**< 0; at most half the kernel */
    size_t dilation[2];          /**< 1; of max_pool only */
    bool count_include_pad;      /**< true; of avg_pool: whether zeros around x count */
} Pool2dOptions;
HC_API Pool2dOptions pool2d_options(size_t kernel);

/** The largest of each window [N, C, H, W] -> [N, C, P, Q], P and Q as tensor_conv2d's; incomplete windows
 *  are dropped, padding never wins. Gradient: to the first of the largest, at any order; NaN wins.
 *  Errors:    HC_ERR_SHAPE, also for a window that does not fit the padded x; HC_ERR_ARG for a setting out
 *             of its range. */
HC_API Tensor *tensor_max_pool2d(Tensor *x, Pool2dOptions options);
/** The mean of each window, in the same way; a dilation other than 1 is HC_ERR_ARG. Gradient: to all of the
 *  window alike. */
HC_API Tensor *tensor_avg_pool2d(Tensor *x, Pool2dOptions options);
/** The mean over windows that cover x [N, C, H, W] -> [N, C, height, width]: rows floor(i H / height) to
 *  ceil((i + 1) H / height), and so for columns. All four sizes from 1. */
HC_API Tensor *tensor_adaptive_avg_pool2d(Tensor *x, size_t height, size_t width);

typedef struct Pool1dOptions {
    size_t kernel, stride, padding, dilation; /**< as Pool2dOptions */
    bool count_include_pad;
} Pool1dOptions;
HC_API Pool1dOptions pool1d_options(size_t kernel);
/** The same along one axis: [N, C, L] -> [N, C, P]. */
HC_API Tensor *tensor_max_pool1d(Tensor *x, Pool1dOptions options);
HC_API Tensor *tensor_avg_pool1d(Tensor *x, Pool1dOptions options);

/* ---- softmax and losses ---------------------------------------------------------------------- */

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
