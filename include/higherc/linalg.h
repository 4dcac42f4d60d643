/** @file linalg.h
 *  Linear algebra: factors, systems and determinants of matrices, and parts of them.
 *
 *  Matrices are the last two axes; what is done to one is done to each of the leading axes, which broadcast where
 *  there are two operands. The rules of tensor.h hold. Every gradient is made of systems with the factors that the
 *  forward found, so that no order of derivative factors anew.
 *
 *  - A matrix that is singular (a pivot is exactly 0) or not positive definite is HC_ERR_RANGE, in words with its
 *    number among those of the leading axes and the pivot's, both from 0; also in a Program. A NaN makes the results of
 *    a general or triangular system NaN, and a matrix not positive definite.
 *  - Matrices of 0 by 0, and none at all, are allowed: the determinant of the former is 1.
 *  - On a tape with a pool a set of matrices is dealt to its threads; one matrix is one thread's work.
 *  - Numerics: as tensor_matmul's. */
#ifndef HIGHERC_LINALG_H
#define HIGHERC_LINALG_H

#include "shape.h"
#include "names.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- factors and systems ------------------------------------------------------------------ */

/** L, lower triangular with a positive diagonal, of L L^T = a. a is taken to be symmetric; its lower triangle is read.
 *  Shapes:    [..., n, n] -> the same.
 *  Gradient:  symmetric: that for changes of a that leave it so.
 *  Source:    Murray 2016, "Differentiation of the Cholesky decomposition". */
HC_API Tensor *tensor_cholesky(Tensor *a);

/** Flags of tensor_solve_triangular. */
enum {
    HC_UPPER = 1,        /**< a's upper triangle is read, not the lower one */
    HC_TRANSPOSED = 2,   /**< solves a^T x = b */
    HC_UNIT_DIAGONAL = 4 /**< a's diagonal is not read, and is ones */
};

/** The x of a x = b for a triangular a; flags: 0, or of those above. What is not read has no gradient.
 *  Shapes:    a [..., n, n], b [..., n, k] -> [..., n, k]; or b [n] -> [..., n]. */
HC_API Tensor *tensor_solve_triangular(Tensor *a, Tensor *b, unsigned flags);
/** The x of L L^T x = b, L lower triangular as tensor_cholesky's. Shapes: as tensor_solve_triangular's. */
HC_API Tensor *tensor_cholesky_solve(Tensor *b, Tensor *l);
/** The x of a x = b, by LU factors with partial pivoting. Shapes: as tensor_solve_triangular's.
 *  Gradient: to b: a^-T g; to a: -(that) x^T. */
HC_API Tensor *tensor_solve(Tensor *a, Tensor *b);
/** [..., n, n] -> the same. To solve systems is faster and more exact. */
HC_API Tensor *tensor_inverse(Tensor *a);
/** [..., n, n] -> [...]. Of a singular matrix it is 0, or near that as the pivots are rounded.
 *  Gradient:  g det a^-T. Where a pivot is exactly 0 it exists, but is not had by factors: there it is HC_ERR_RANGE. */
HC_API Tensor *tensor_det(Tensor *a);
/** log |det a|, and into *sign, where that is not NULL, -1, 0 or 1, which has no gradient. Where a pivot is exactly 0:
 *  minus infinity with a sign of 0, whose gradient is HC_ERR_RANGE.
 *  Shapes:    [..., n, n] -> [...], both.
 *  Gradient:  g a^-T. */
HC_API Tensor *tensor_slogdet(Tensor *a, Tensor **sign);

/* ---- parts -------------------------------------------------------------------------------- */
/* The diagonal `offset` begins at column `offset`, or where that is negative at row -offset. */

/** x, but 0 above that diagonal. */
HC_API Tensor *tensor_tril(Tensor *x, int offset);
/** x, but 0 below it. */
HC_API Tensor *tensor_triu(Tensor *x, int offset);
/** That diagonal of two axes (-2 and -1: of each matrix), as a last axis in their place; no copy. It may be empty. */
HC_API Tensor *tensor_diagonal(Tensor *x, int offset, int axis0, int axis1);
/** Square matrices, 0 but for that diagonal, which is x's last axis (PyTorch's diag_embed): [..., n] -> [..., m, m],
 *  m = n + |offset|. */
HC_API Tensor *tensor_diag(Tensor *x, int offset);
/** The sum of the diagonal: [..., m, n] -> [...]. */
HC_API Tensor *tensor_trace(Tensor *x);

/* ---- products ----------------------------------------------------------------------------- */

/** a[..., i] b[..., j]: a [..., n], b [..., m] -> [..., n, m]. */
HC_API Tensor *tensor_outer(Tensor *a, Tensor *b);
/** The sum of products that subscripts describe, as NumPy's einsum: "ij,jk->ik" is a product of matrices. A letter
 *  names an axis; one that stands twice in an operand takes the diagonal; those that the result does not name are
 *  summed. "..." stands for any axes before, between or after, which broadcast, as do axes of size 1 beside longer
 *  ones. Without "->" the result has the ellipsis' axes, then the letters that stand once, in alphabetical order
 *  (capitals first). Spaces do not count.
 *  Operands are joined from left to right, each two by one product of matrices: order them by what is small. The
 *  list is copied. The result may be an operand itself.
 *  Errors: HC_ERR_ARG for an equation that is none, names in the result what no operand has, or needs more than 8
 *          axes between two operands; HC_ERR_SHAPE for operands that do not fit it. */
HC_API Tensor *tensor_einsum(const char *equation, Tensor *const *x, size_t count);

#ifdef __cplusplus
}
#endif

#include "names_end.h"
#endif
