/** @file products.h
 *  Products of matrices and vectors. The rules they share stand in tensor.h. */
#ifndef HIGHERC_PRODUCTS_H
#define HIGHERC_PRODUCTS_H

#include "shape.h"
#include "names.h"

#ifdef __cplusplus
extern "C" {
#endif

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

#ifdef __cplusplus
}
#endif

#include "names_end.h"
#endif
