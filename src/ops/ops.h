/* The ops layer: each operation in one block of one file (formula, shape rule, forward, vjp, descriptor,
 * builder), and one row in ops.def. It knows the tape and the kernels; it does not know how a sweep
 * walks. This file: what the families share, and builders that have no public name. */
#ifndef HC_OPS_OPS_H
#define HC_OPS_OPS_H

#include <stddef.h>
#include <string.h>

#include "base/assert.h"
#include "ops/cotangent.h"
#include "tape/tape.h"

#define HC_KERNEL(name) offsetof(HcKernels, name)

/* Whether builders make fused operations, or what these are made of (their compose): CMake's HIGHERC_FUSED. */
#ifndef HC_FUSED
#define HC_FUSED 1
#endif

/* What a form follows from, for hc_form_key: an operation's, with `own` for what its attributes add. */
enum { HC_BY_PRODUCT = 1, HC_BY_LINEAR, HC_BY_REDUCE, HC_BY_EXPAND };
#define HC_MANNER(by, own) ((uint32_t)(by) | (uint32_t)(own) << 3)

/* ---- elementwise.c ---------------------------------------------------------------------------- */
/* The shape of input 0. _same: which all inputs have, stored as acc or else the first packed input is,
 * for forwards that ask for their inputs in y's form; _dense: row-major. */
bool hc_infer_same(Tensor *y);
bool hc_infer_dense(Tensor *y);
bool hc_forward_unary(Tensor *y); /* op->kernel with attr.real */
bool hc_forward_binary(Tensor *y);
bool hc_forward_select(Tensor *y);
Tensor *hc_unary_c(const HcOp *op, Tensor *x, double c);

/* ---- broadcast.c -------------------------------------------------------------------------------- */
/* Replaces each x[i] by itself expanded to the common shape. */
bool hc_broadcast(const char *who, Tensor **x, size_t count);
/* Broadcasts and emits. */
Tensor *hc_binary(const HcOp *op, const HcAttr *attr, Tensor *a, Tensor *b);

/* ---- cotangent.c, unary.c ------------------------------------------------------------------------- */
Tensor *hc_axpy(double c, Tensor *x, Tensor *y);     /* y + c x, equal shapes */
Tensor *hc_gate(Tensor *g, Tensor *x, double slope); /* x > 0 ? g : slope g */
Tensor *hc_sqrt0(Tensor *x);                         /* sqrt whose derivative at 0 is 0 */
Tensor *hc_rsqrt0(Tensor *x);                        /* 1/sqrt, 0 at 0; finite to any order there */

/* ---- movement.c -------------------------------------------------------------------------------- */
/* Sets an alias' form, reading input 0 from its number `offset` on. */
bool hc_view(Tensor *y, int ndim, const size_t *dim, const size_t *stride, size_t offset);
/* x expanded to a dense form that it does expand to. */
Tensor *hc_expand(Tensor *x, const HcForm *form);
/* x, or where its numbers are not row-major a copy (on the tape) whose are. */
Tensor *hc_dense(Tensor *x);
/* Normalises an axis of an array with ndim dimensions; false after hc_fail. */
bool hc_axis(const char *who, const Tensor *x, int axis, int ndim, int *out);
/* Says that there should be one for each of x's axes. Returns false. */
bool hc_wrong_count(const char *who, const Tensor *x, size_t count, const char *what);
#define hc_wrong_count(...) hc_false(hc_wrong_count(__VA_ARGS__))
/* Whether the axes in the mask have something to choose from; false after hc_fail. */
bool hc_axes_filled(const char *who, const Tensor *x, uint32_t mask);
/* Whether there is a list, and something in it; false after hc_fail_thread. */
bool hc_list_given(const char *who, Tensor *const *tensors, size_t count);
bool hc_axes_mask(const char *who, const Tensor *x, const int *axes, size_t count, uint32_t *mask);
bool hc_same_shape(const char *who, const Tensor *a, const Tensor *b);

/* ---- shares.c ---------------------------------------------------------------------------------- */
typedef void HcRowsFn(void *y, const void *x, size_t m, size_t n);
/* fn over rows of x, each of which becomes as many numbers of y: in shares, where the tape has a pool and there is
 * much to do. */
void hc_rows(Tensor *y, const void *x, size_t rows, size_t width, HcRowsFn *fn);
/* In how many shares to compute what takes as long as a sum of `cost` numbers, of units that are not cut: 1 or more. */
size_t hc_shares_of(const Tape *tape, size_t cost, size_t units);

/* ---- sum.c ------------------------------------------------------------------------------------- */
typedef void HcReduceFn(void *y, const void *x, size_t stride, size_t m, size_t n);
/* Of a node whose attr.reduce says which axes go. The form in which input 0 is read; y's form; numbers of that
 * form reduced into what y holds, at `cost` times that of a sum; and the reduced tensor expanded to x's shape again. */
const HcForm *hc_reduce_read_form(const Tensor *y);
/* Every byte of it is set: attributes are compared as memory, to tell whether two recordings are the same. */
static inline HcAttr hc_reduce_attr(uint32_t axes, bool keep, bool stored) {
    HcAttr attr;
    memset(&attr, 0, sizeof attr);
    attr.reduce.axes = axes;
    attr.reduce.keep = keep;
    attr.reduce.stored = stored;
    return attr;
}
bool hc_reduce_infer(Tensor *y);
void hc_reduce(Tensor *y, const char *x, const HcForm *f, size_t cost, HcReduceFn *rows, HcReduceFn *cols);
Tensor *hc_reduce_expand_back(Tensor *reduced, const Tensor *y);

/* ---- slice.c, sum.c ------------------------------------------------------------------------ */
/* The positions start, start + step ... of an axis of `size` zeros hold x. The adjoint of slice. */
Tensor *hc_embed(Tensor *x, int axis, size_t start, size_t step, size_t size, Tensor *acc);
/* Sums x over the axes in the mask (bit i: axis i), to acc where given, in row-major order. */
Tensor *hc_sum_mask(Tensor *x, uint32_t axes, bool keep, Tensor *acc);
/* The same in the order in which x is stored: for rules, where operations alone say what that is. */
Tensor *hc_sum_stored(Tensor *x, uint32_t axes, bool keep);
/* The sum of the rows of a matrix, of that form (dense). */
Tensor *hc_sum_rows(Tensor *x, Tensor *acc, const HcForm *form);

/* ---- reduce.c ---------------------------------------------------------------------------------- */
/* The largest over the axes in the mask, which stay as 1, or 0 where that is infinite: without a derivative. */
Tensor *hc_largest(Tensor *x, uint32_t mask);

/* ---- index.c ----------------------------------------------------------------------------------- */
/* How many numbers lie before and behind an axis of a form: [outer, size, inner]. */
void hc_extents(const HcForm *f, int axis, size_t *outer, size_t *inner);
/* For forwards: says that index[at] is not in 0..size-1. Returns false. */
bool hc_bad_index(const Tensor *y, const void *index, size_t at, size_t size);
#define hc_bad_index(...) hc_false(hc_bad_index(__VA_ARGS__))
/* Whether x's type counts so many places exactly; false after hc_fail. */
bool hc_places_fit(const char *who, const Tensor *x, size_t size);
/* `count` slices of x along an axis, the i-th the one at place(i, rule): tensor_index_select. */
typedef size_t HcPlaceFn(size_t i, const size_t *rule);
Tensor *hc_slices_at(const char *who, Tensor *x, int axis, size_t count, HcPlaceFn *place, const size_t *rule);

/* ---- custom.c ----------------------------------------------------------------------------------- */
/* For a rule that runs a caller's code, which may read any input. False after hc_fail. */
bool hc_input_unchanged(const Tensor *y, size_t j);
bool hc_inputs_unchanged(const Tensor *y);

/* ---- loss.c ------------------------------------------------------------------------------------ */
/* What a loss does with its value at each entry: the mean of all, or over all axes but the first. */
typedef Tensor *HcReduceEntries(Tensor *entries);
Tensor *hc_per_example(Tensor *entries);
Tensor *hc_reduced(const char *who, Tensor *entries, LossReduction reduction);

/* ---- cross_entropy.c --------------------------------------------------------------------------- */
/* -log softmax(x)[t] for each example: x [N, C] with t [N], or [C] with a scalar. The values are
 * those of tensor_log_softmax, gathered. */
Tensor *hc_cross_entropy(Tensor *x, Tensor *t);

/* ---- products.c -------------------------------------------------------------------------------- */
/* y = start + a b for `count` products that lie dense one after the other in y, of which g is the first;
 * c, ldc and the workspace are filled in. The leading axes of fa and fb (NULL: one matrix) say where those
 * of a and b lie. start: as y, or with lds 0 one row for all, or NULL. With relu, y is max(that, 0). */
typedef struct HcProducts {
    HcGemm g;
    size_t count;
    const HcForm *fa, *fb;
    bool relu;
} HcProducts;
bool hc_products(Tensor *y, HcProducts *products);
/* Where matrix `index` of the last two axes lies, in numbers from the first. */
size_t hc_matrix_at(const HcForm *form, size_t index);
/* For forwards: the last two axes of input j as the kernels take them, transposed where asked; one with no stride of
 * 1 is copied dense first. *form tells how the leading axes step. False after hc_fail. */
static inline bool hc_operand(Tensor *y, size_t j, bool transposed, HcMatrix *matrix, const HcForm **form) {
    const Tensor *x = hc_inputs(y)[j];
    const HcForm *f = x->form;
    size_t row = f->stride[f->ndim - 2], col = f->stride[f->ndim - 1];
    matrix->data = x->data;
    if (row != 1 && col != 1) {
        f = f->plain;
        matrix->data = hc_dense_input(y, j);
        row = f->stride[f->ndim - 2];
        col = f->stride[f->ndim - 1];
    }
    matrix->row = transposed ? col : row;
    matrix->col = transposed ? row : col;
    *form = f;
    return matrix->data != NULL;
}

/* ---- matrices.c -------------------------------------------------------------------------------- */
/* Whether fn did its part for `count` matrices from `first` on of those in the last two axes of y; else *bad says at
 * which of their rows it failed. */
typedef bool HcMatrixFn(Tensor *y, size_t first, size_t count, const void *user, void *room, size_t *bad);
typedef struct HcMatrices {
    HcMatrixFn *fn;
    const void *user;
    size_t count, together; /* matrices; how many fn takes at a time */
    size_t n;               /* rows of each */
    size_t cost, room;      /* of each, about, in multiply-adds; bytes that fn is handed */
    const char *wrong;      /* with a matrix for which it fails */
} HcMatrices;
/* Calls fn for all of them, on the tape's pool where that is worth it. False after hc_fail. */
bool hc_matrices(Tensor *y, const HcMatrices *matrices);
/* How many matrices the last two axes of a form make. */
size_t hc_matrix_count(const HcForm *form);
/* Whether each of x's last two axes, which it has, are of one size. False after hc_fail. */
bool hc_check_square(const char *who, const Tensor *x);

/* ---- triangle.c -------------------------------------------------------------------------------- */
/* x with 0 above (upper: below) the diagonal that begins at column `offset`, and that diagonal times c. */
Tensor *hc_triangle(Tensor *x, bool upper, int offset, double c);
/* That diagonal of the last two axes, a view. */
Tensor *hc_diagonal(Tensor *x, int offset);

/* ---- matmul.c ------------------------------------------------------------------------------------ */
/* Both operands with the same leading axes, all but the last two. */
bool hc_broadcast_leading(const char *who, Tensor **a, Tensor **b);
/* op(a) op(b) + acc; equal leading axes; acc may be NULL. */
Tensor *hc_product(Tensor *a, bool ta, Tensor *b, bool tb, Tensor *acc);
/* tensor_relu(tensor_linear(x, weight, bias)), bit for bit. */
Tensor *hc_linear_relu(Tensor *x, Tensor *weight, Tensor *bias);

/* ---- pool.c ---------------------------------------------------------------------------------------- */
/* What may follow an operation: a ReLU, then a max-pool. */
typedef struct HcTail {
    bool relu;
    const Pool2dOptions *pool; /* or NULL */
} HcTail;
/* That of x; a ReLU before a pool goes with it. */
Tensor *hc_tail(Tensor *x, HcTail tail);

/* ---- norm.c ---------------------------------------------------------------------------------------- */
/* tensor_batch_norm with the batch's statistics, and a tail; *mean and *var get them, [C], without history. */
Tensor *hc_batch_norm(Tensor *x, Tensor *weight, Tensor *bias, double eps, HcTail tail,
                      Tensor **mean, Tensor **var);

/* ---- attention.c ----------------------------------------------------------------------------------- */
/* tensor_scaled_dot_product_attention, whose shapes fit, with dropout of the weights, which *weights gets. */
Tensor *hc_attention(Tensor *query, Tensor *key, Tensor *value, Tensor *mask, double dropout, Tensor **weights);

/* ---- normalised.c ------------------------------------------------------------------------------------ */
/* The mean over the axes in the mask, which stay as 1; (x - mean) / sqrt(var + eps) over them. */
Tensor *hc_mean_over(Tensor *x, uint32_t mask);
Tensor *hc_normalised(Tensor *x, uint32_t mask, double eps);
/* xhat weight + bias, where there are such. */
Tensor *hc_affine(Tensor *xhat, Tensor *weight, Tensor *bias);
/* [C] as [C, 1, ...], which broadcasts over x [N, C, ...]; NULL stays. */
Tensor *hc_per_channel(const Tensor *x, Tensor *p);
/* Batch norm with the batch's statistics, of single operations. */
Tensor *hc_batch_norm_composed(Tensor *x, Tensor *weight, Tensor *bias, double eps);

/* ---- batch_norm.c ------------------------------------------------------------------------------------ */
/* Mean and biased variance per channel of x [N, C, ...]: [2, C], without a derivative. */
Tensor *hc_channel_moments(Tensor *x);
/* One row of a matrix. */
Tensor *hc_row(Tensor *matrix, int64_t row);
/* The tail of weight xhat + bias with the moments of x; the gradient to x is the whole one, through them
 * too. */
Tensor *hc_batch_norm_fused(Tensor *x, Tensor *moments, Tensor *weight, Tensor *bias, double eps,
                            HcTail tail);

/* ---- parts.c ------------------------------------------------------------------------------------- */
#define HC_MOST_PARTS 4
/* For a parent's infer: `count` outputs of that form, row-major. */
bool hc_infer_parts(Tensor *y, const HcForm *form, size_t count);
/* Emits an operation with several outputs. False after hc_fail. */
bool hc_emit_parts(const HcOp *op, const HcAttr *attr, Tensor *const *in, size_t nin,
                   Tensor **parts, size_t count);
/* The cotangents of all parts of the node whose rule runs, as one tensor like its result. */
Tensor *hc_stacked_cotangent(const HcSweep *s, const Tensor *y);

/* ---- adam.c -------------------------------------------------------------------------------------- */
/* Adam's update (HC_ADAM_K_... of kernels.h are the constants); m and v NULL: 0; rate a tensor with one
 * number. out: the new p, m and v. p, g, m and v have one shape of at most 7 dimensions. */
bool hc_adam(Tensor *p, Tensor *g, Tensor *m, Tensor *v, Tensor *rate, const double *constants,
             Tensor **out);

#endif
