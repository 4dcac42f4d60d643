/* Of operations: axes, shapes, products, indices. */
#include <math.h>

#include "support/tells.h"

static Tape *tape;
static Tensor *a, *b, *v, *s; /* [2, 3], [4, 5], [3], [] */

static void axes(void) {
    const int two[] = {0, 0}, out[] = {7};
    Tensor *index, *empty = tensor_zeros(tape, shape2(0, 3));
    TELLS(SHAPE, tensor_sum_axes(a, out, 1, true), "tensor_sum_axes: axis 7 of (2, 3): there are -2 to 1");
    TELLS(SHAPE, tensor_sum_axes(a, two, 2, true), "tensor_sum_axes: axis 0 is named twice");
    TELLS(SHAPE, tensor_sum_axes(a, two, 3, true), "tensor_sum_axes: 3 axes for (2, 3), which has 2 axes");
    TELLS(ARG, tensor_sum_axes(a, NULL, 1, true), "tensor_sum_axes: axes is NULL");
    TELLS(SHAPE, tensor_mean_axes(a, out, 1, true), "tensor_mean_axes: axis 7 of (2, 3): there are -2 to 1");
    TELLS(SHAPE, tensor_var_axes(a, out, 1, 1, true), "tensor_var_axes: axis 7 of (2, 3): there are -2 to 1");
    TELLS(SHAPE, tensor_std_axes(a, out, 1, 1, true), "tensor_std_axes: axis 7 of (2, 3): there are -2 to 1");
    TELLS(SHAPE, tensor_prod_axes(a, out, 1, true), "tensor_prod_axes: axis 7 of (2, 3): there are -2 to 1");
    TELLS(SHAPE, tensor_any_axes(a, out, 1, true), "tensor_any_axes: axis 7 of (2, 3): there are -2 to 1");
    TELLS(SHAPE, tensor_all_axes(a, out, 1, true), "tensor_all_axes: axis 7 of (2, 3): there are -2 to 1");
    TELLS(SHAPE, tensor_max_axes(a, out, 1, true), "tensor_max_axes: axis 7 of (2, 3): there are -2 to 1");
    TELLS(SHAPE, tensor_min_axes(a, out, 1, true), "tensor_min_axes: axis 7 of (2, 3): there are -2 to 1");
    TELLS(SHAPE, tensor_logsumexp_axes(a, out, 1, true), "tensor_logsumexp_axes: axis 7 of (2, 3): there are -2 to 1");
    TELLS(SHAPE, tensor_norm_axes(a, out, 1, true), "tensor_norm_axes: axis 7 of (2, 3): there are -2 to 1");
    TELLS(SHAPE, tensor_vector_norm_axes(a, out, 1, 3, true),
          "tensor_vector_norm_axes: axis 7 of (2, 3): there are -2 to 1");
    TELLS(ARG, tensor_vector_norm(a, -1), "tensor_vector_norm: p -1 is not positive");
    TELLS(ARG, tensor_vector_norm_axes(a, two, 1, 0, false), "tensor_vector_norm_axes: p 0 is not positive");
    TELLS(SHAPE, tensor_argmax_axis(a, 2, false), "tensor_argmax_axis: axis 2 of (2, 3): there are -2 to 1");
    TELLS(SHAPE, tensor_cumsum(a, -3), "tensor_cumsum: axis -3 of (2, 3): there are -2 to 1");
    TELLS(SHAPE, tensor_cumprod(a, 2), "tensor_cumprod: axis 2 of (2, 3): there are -2 to 1");
    TELLS(SHAPE, tensor_softmax(a, 2), "tensor_softmax: axis 2 of (2, 3): there are -2 to 1");
    TELLS(SHAPE, tensor_log_softmax(a, 2), "tensor_log_softmax: axis 2 of (2, 3): there are -2 to 1");
    TELLS(SHAPE, tensor_max_with_index(a, 2, false, &index),
          "tensor_max_with_index: axis 2 of (2, 3): there are -2 to 1");
    TELLS(SHAPE, tensor_min_with_index(a, 2, false, &index),
          "tensor_min_with_index: axis 2 of (2, 3): there are -2 to 1");
    TELLS(SHAPE, tensor_sort(a, 2, false, &index), "tensor_sort: axis 2 of (2, 3): there are -2 to 1");
    TELLS(SHAPE, tensor_argsort(a, 2, false), "tensor_argsort: axis 2 of (2, 3): there are -2 to 1");
    TELLS(SHAPE, tensor_topk(a, 1, 2, true, &index), "tensor_topk: axis 2 of (2, 3): there are -2 to 1");
    TELLS(SHAPE, tensor_topk(a, 4, 1, true, &index), "tensor_topk: k is 4, axis 1 has 3");
    TELLS(SHAPE, tensor_max(empty), "tensor_max: axis 0 of (0, 3) has size 0: there is nothing to choose from");
    TELLS(SHAPE, tensor_min(empty), "tensor_min: axis 0 of (0, 3) has size 0: there is nothing to choose from");
    TELLS(SHAPE, tensor_max_axes(empty, two, 1, false),
          "tensor_max_axes: axis 0 of (0, 3) has size 0: there is nothing to choose from");
    TELLS(SHAPE, tensor_max_with_index(empty, 0, false, &index),
          "tensor_max_with_index: axis 0 of (0, 3) has size 0: there is nothing to choose from");
    TELLS(SHAPE, tensor_argmax(empty), "tensor_argmax: axis 0 of (0, 3) has size 0: there is nothing to choose from");
    TELLS(SHAPE, tensor_argmax_axis(empty, 0, false),
          "tensor_argmax_axis: axis 0 of (0, 3) has size 0: there is nothing to choose from");
    TELLS(SHAPE, tensor_vector_norm(empty, INFINITY),
          "tensor_vector_norm: axis 0 of (0, 3) has size 0: there is nothing to choose from");
}

static void movement(void) {
    const int two[] = {0, 0}, out[] = {0, 2};
    const size_t pad[] = {1, 1}, wide[] = {3, 0}, most[] = {SIZE_MAX, 1}, counts[] = {SIZE_MAX, 1};
    Tensor *deep = tensor_zeros(tape, shape_of((const size_t[8]){1, 1, 1, 1, 1, 1, 1, 1}, 8)), *parts[2];
    Tensor *image = tensor_zeros(tape, shape4(1, 1, 2, 2));
    TELLS(SHAPE, tensor_reshape(a, shape1(5)), "tensor_reshape: (2, 3) has not as many elements as (5)");
    TELLS(SHAPE, tensor_reshape(a, shape_of(NULL, 2)), "tensor_reshape: (2, 3) has not as many elements as (no shape)");
    TELLS(SHAPE, tensor_transpose(a, 0, 2), "tensor_transpose: axis 2 of (2, 3): there are -2 to 1");
    TELLS(SHAPE, tensor_permute(a, two, 2), "tensor_permute: axis 0 is named twice");
    TELLS(SHAPE, tensor_permute(a, out, 2), "tensor_permute: axis 2 of (2, 3): there are -2 to 1");
    TELLS(SHAPE, tensor_permute(a, two, 1), "tensor_permute: 1 axes for (2, 3), which has 2 axes");
    TELLS(ARG, tensor_permute(a, NULL, 2), "tensor_permute: axes is NULL");
    TELLS(SHAPE, tensor_squeeze(a, 0), "tensor_squeeze: axis 0 has size 2, not 1");
    TELLS(SHAPE, tensor_squeeze(a, 2), "tensor_squeeze: axis 2 of (2, 3): there are -2 to 1");
    TELLS(SHAPE, tensor_unsqueeze(a, 3), "tensor_unsqueeze: axis 3 of (2, 3): there are -3 to 2");
    TELLS(SHAPE, tensor_unsqueeze(deep, 0), "tensor_unsqueeze: a tensor has at most 8 axes");
    TELLS(SHAPE, tensor_expand(a, shape2(2, 4)), "tensor_expand: (2, 3) does not expand to (2, 4): axes of size 1 do");
    TELLS(SHAPE, tensor_expand(a, shape_of(NULL, 2)),
          "tensor_expand: (2, 3) does not expand to (no shape): axes of size 1 do");
    TELLS(SHAPE, tensor_slice(a, 2, 0, 1, 1), "tensor_slice: axis 2 of (2, 3): there are -2 to 1");
    TELLS(ARG, tensor_slice(a, 0, 0, 1, 0), "tensor_slice: step 0 is not positive");
    TELLS(SHAPE, tensor_concat((Tensor *[]){a, b}, 2, 0),
          "tensor_concat: (2, 3) and (4, 5): their sizes differ elsewhere than along axis 0");
    TELLS(SHAPE, tensor_concat((Tensor *[]){a, v}, 2, 0),
          "tensor_concat: (2, 3) and (3): their sizes differ elsewhere than along axis 0");
    TELLS(SHAPE, tensor_concat((Tensor *[]){a, a}, 2, 2), "tensor_concat: axis 2 of (2, 3): there are -2 to 1");
    TELLS(SHAPE, tensor_concat((Tensor *[]){s, s}, 2, 0), "tensor_concat: axis 0 of (), which has none");
    TELLS(ARG, tensor_concat(NULL, 0, 0), "tensor_concat: the list of tensors is NULL");
    TELLS(ARG, tensor_concat(NULL, 2, 0), "tensor_concat: the list of tensors is NULL");
    TELLS(SHAPE, tensor_stack((Tensor *[]){a, b}, 2, 0), "tensor_stack: shapes (2, 3) and (4, 5) differ");
    TELLS(SHAPE, tensor_stack((Tensor *[]){a, a}, 2, 3), "tensor_stack: axis 3 of (2, 3): there are -3 to 2");
    TELLS(SHAPE, tensor_stack((Tensor *[]){deep, deep}, 2, 0), "tensor_stack: a tensor has at most 8 axes");
    TELLS(ARG, tensor_stack(&a, 0, 0), "tensor_stack: no tensors");
    TELLS(SHAPE, tensor_flip(a, two, 2), "tensor_flip: axis 0 is named twice");
    TELLS(SHAPE, tensor_flip(a, out, 2), "tensor_flip: axis 2 of (2, 3): there are -2 to 1");
    TELLS(ARG, tensor_flip(a, NULL, 1), "tensor_flip: axes is NULL");
    TELLS(SHAPE, tensor_roll(a, 1, 2), "tensor_roll: axis 2 of (2, 3): there are -2 to 1");
    TELLS(SHAPE, tensor_repeat(a, pad, 1), "tensor_repeat: 1 counts for (2, 3), which has 2 axes");
    TELLS(ARG, tensor_repeat(a, NULL, 2), "tensor_repeat: counts is NULL");
    TELLS(SHAPE, tensor_repeat(a, counts, 2), "tensor_repeat: the result does not fit memory");
    TELLS(SHAPE, tensor_split(a, pad, 2, 1, parts), "tensor_split: 2 sizes do not add up to 3, the size of axis 1");
    TELLS(SHAPE, tensor_split(a, pad, 2, 2, parts), "tensor_split: axis 2 of (2, 3): there are -2 to 1");
    TELLS(ARG, tensor_split(a, NULL, 2, 0, parts), "tensor_split: sizes is NULL");
    TELLS(ARG, tensor_split(a, pad, 2, 0, NULL), "tensor_split: parts is NULL");
    TELLS(SHAPE, tensor_pad(a, pad, pad, 1), "tensor_pad: 1 pairs of sizes for (2, 3), which has 2 axes");
    TELLS(ARG, tensor_pad(a, NULL, pad, 2), "tensor_pad: before is NULL");
    TELLS(SHAPE, tensor_pad(a, most, most, 2), "tensor_pad: the result does not fit memory");
    TELLS(SHAPE, tensor_pad_value(a, pad, pad, 3, 1),
          "tensor_pad_value: 3 pairs of sizes for (2, 3), which has 2 axes");
    TELLS(SHAPE, tensor_pad_reflect(a, wide, pad, 2),
          "tensor_pad_reflect: axis 0 of size 2 cannot be padded by 3, at most by 1");
    TELLS(SHAPE, tensor_pad_reflect(a, pad, pad, 1),
          "tensor_pad_reflect: 1 pairs of sizes for (2, 3), which has 2 axes");
    TELLS(SHAPE, tensor_pad_replicate(tensor_zeros(tape, shape2(0, 1)), pad, pad, 2),
          "tensor_pad_replicate: axis 0 of size 0 cannot be padded by 1, at most by 0");
    TELLS(SHAPE, tensor_upsample_nearest2d(a, 2, 2),
          "tensor_upsample_nearest2d: (2, 3) to images of 2 x 2; it takes [N, C, H, W] and sizes from 1");
    TELLS(SHAPE, tensor_upsample_nearest2d(image, 0, 2),
          "tensor_upsample_nearest2d: (1, 1, 2, 2) to images of 0 x 2; it takes [N, C, H, W] and sizes from 1");
    TELLS(SHAPE, tensor_upsample_bilinear2d(image, 2, 0),
          "tensor_upsample_bilinear2d: (1, 1, 2, 2) to images of 2 x 0; it takes [N, C, H, W] and sizes from 1");
    TELLS(SHAPE, tensor_upsample_bilinear2d(image, SIZE_MAX / 2, 2),
          "tensor_upsample_bilinear2d: the result does not fit memory");
    TELLS(SHAPE, tensor_upsample_nearest2d(image, SIZE_MAX / 2, 2),
          "tensor_upsample_nearest2d: the result does not fit memory");
}

static void pairs(void) {
    Tensor *images = tensor_zeros(tape, shape4(2, 3, 4, 4));
    TELLS(SHAPE, tensor_add(a, b), "tensor_add: shapes (2, 3) and (4, 5) do not broadcast");
    TELLS(SHAPE, tensor_pow(a, b), "tensor_pow: shapes (2, 3) and (4, 5) do not broadcast");
    TELLS(SHAPE, tensor_remainder(a, b), "tensor_remainder: shapes (2, 3) and (4, 5) do not broadcast");
    TELLS(SHAPE, tensor_hypot(a, b), "tensor_hypot: shapes (2, 3) and (4, 5) do not broadcast");
    TELLS(SHAPE, tensor_logaddexp(a, b), "tensor_logaddexp: shapes (2, 3) and (4, 5) do not broadcast");
    TELLS(SHAPE, tensor_atan2(a, b), "tensor_atan2: shapes (2, 3) and (4, 5) do not broadcast");
    TELLS(SHAPE, tensor_logical_and(a, b), "tensor_logical_and: shapes (2, 3) and (4, 5) do not broadcast");
    TELLS(SHAPE, tensor_gt(a, b), "tensor_gt: shapes (2, 3) and (4, 5) do not broadcast");
    TELLS(SHAPE, tensor_where(a, b, v), "tensor_where: shapes (2, 3) and (4, 5) do not broadcast");
    TELLS(SHAPE, tensor_where(a, a, b), "tensor_where: shapes (2, 3) and (4, 5) do not broadcast");
    TELLS(SHAPE, tensor_masked_fill(a, b, 1), "tensor_masked_fill: shapes (4, 5) and (2, 3) do not broadcast");
    TELLS(SHAPE, tensor_prelu(images, tensor_ones(tape, shape1(2))),
          "tensor_prelu: (2, 3, 4, 4) with slope (2): it takes one number, or [C] with [N, C, ...]");
    TELLS(SHAPE, tensor_prelu(images, a),
          "tensor_prelu: (2, 3, 4, 4) with slope (2, 3): it takes one number, or [C] with [N, C, ...]");
    TELLS(ARG, tensor_dropout(a, 1.5, tape_rng(tape)), "tensor_dropout: p 1.5 is not in [0, 1]");
    TELLS(SHAPE, tensor_scaled_dot_product_attention(a, b, b, NULL),
          "tensor_scaled_dot_product_attention: query (2, 3), key (4, 5), value (4, 5); it takes [..., L, E], [..., S, "
          "E] and [..., S, V]");
    TELLS(SHAPE, tensor_scaled_dot_product_attention(v, v, v, NULL),
          "tensor_scaled_dot_product_attention: query (3), key (3), value (3); it takes [..., L, E], [..., S, E] and "
          "[..., S, V]");
    TELLS(SHAPE, tensor_scaled_dot_product_attention(a, a, a, b),
          "tensor_scaled_dot_product_attention: shapes (2, 2) and (4, 5) do not broadcast");
}

static void products(void) {
    Tensor *deep = tensor_ones(tape, shape3(2, 3, 4)), *other = tensor_ones(tape, shape3(3, 4, 2));
    const size_t n = (size_t)1 << (sizeof n * 4); /* n by n do not fit memory */
    Tensor *tall = tensor_zeros(tape, shape2(n, 0)), *wide = tensor_zeros(tape, shape2(0, n));
    TELLS(SHAPE, tensor_matmul(a, b), "tensor_matmul: (2, 3) x (4, 5): inner dimensions 3 and 4 differ");
    TELLS(SHAPE, tensor_matmul(s, a), "tensor_matmul: () x (2, 3): a scalar is no matrix");
    TELLS(SHAPE, tensor_matmul(deep, other), "tensor_matmul: (2, 3, 4) x (3, 4, 2): leading axes do not broadcast");
    TELLS(SHAPE, tensor_matmul(tall, wide), "tensor_matmul: the result does not fit memory");
    TELLS(SHAPE, tensor_linear(a, b, NULL),
          "tensor_linear: input (2, 3), weight (4, 5), bias none; it takes [..., in], [out, in] and [out]");
    TELLS(SHAPE, tensor_linear(a, a, a),
          "tensor_linear: input (2, 3), weight (2, 3), bias (2, 3); it takes [..., in], [out, in] and [out]");
    TELLS(SHAPE, tensor_linear(tall, tall, NULL), "tensor_linear: the result does not fit memory");
    TELLS(SHAPE, tensor_dot(a, v), "tensor_dot: (2, 3) and (3) are not 1-D of equal length");
    TELLS(SHAPE, tensor_dot(v, tensor_ones(tape, shape1(4))), "tensor_dot: (3) and (4) are not 1-D of equal length");
    TELLS(SHAPE, tensor_outer(s, v), "tensor_outer: () and (3): a scalar is no vector");
    TELLS(SHAPE, tensor_cdist(a, b, 2), "tensor_cdist: (2, 3) and (4, 5): it takes [..., P, M] and [..., R, M]");
    TELLS(ARG, tensor_cdist(a, a, -1), "tensor_cdist: p -1 is not a number from 0 up");
    TELLS(SHAPE, tensor_pairwise_distance(a, b, 2, 0),
          "tensor_pairwise_distance: shapes (2, 3) and (4, 5) do not broadcast");
    TELLS(SHAPE, tensor_pairwise_distance(s, s, 2, 0), "tensor_pairwise_distance: a scalar has no rows");
    TELLS(ARG, tensor_pairwise_distance(a, a, -1, 0), "tensor_pairwise_distance: p -1 is not a number from 0 up");
    TELLS(SHAPE, tensor_cosine_similarity(a, a, 2, 1e-8),
          "tensor_cosine_similarity: axis 2 of (2, 3): there are -2 to 1");
    TELLS(SHAPE, tensor_cosine_similarity(a, b, 1, 1e-8),
          "tensor_cosine_similarity: shapes (2, 3) and (4, 5) do not broadcast");
    TELLS(ARG, tensor_cosine_similarity(a, a, 1, 0), "tensor_cosine_similarity: eps 0 is not a positive number");
}

static void einsum(void) {
    Tensor *two[] = {a, b};
    TELLS(ARG, tensor_einsum(NULL, two, 2), "tensor_einsum: the equation is NULL");
    TELLS(ARG, tensor_einsum("ij->ij", NULL, 1), "tensor_einsum: the list of tensors is NULL");
    TELLS(ARG, tensor_einsum("ij->i j>", two, 1),
          "tensor_einsum: \"ij->i j>\": no letter, comma, arrow or one ellipsis");
    TELLS(ARG, tensor_einsum("i1->i", two, 1), "tensor_einsum: \"i1->i\": no letter, comma, arrow or one ellipsis");
    TELLS(ARG, tensor_einsum("ij->ij", two, 2), "tensor_einsum: \"ij->ij\": fewer operands than tensors");
    TELLS(ARG, tensor_einsum("ij,jk->ik", two, 1), "tensor_einsum: \"ij,jk->ik\": more operands than tensors");
    TELLS(ARG, tensor_einsum("ij->ijk", two, 1),
          "tensor_einsum: \"ij->ijk\": a subscript of the result that no operand has");
    TELLS(ARG, tensor_einsum("ij->ii", two, 1), "tensor_einsum: \"ij->ii\": a subscript twice in the result");
    TELLS(ARG, tensor_einsum("i...->i", two, 1), "tensor_einsum: \"i...->i\": a result without the operands' ellipsis");
    TELLS(ARG, tensor_einsum("i..j->i", two, 1), "tensor_einsum: \"i..j->i\": no letter, comma, arrow or one ellipsis");
    TELLS(ARG, tensor_einsum("...i...->i", two, 1),
          "tensor_einsum: \"...i...->i\": no letter, comma, arrow or one ellipsis");
    TELLS(SHAPE, tensor_einsum("ijk->i", two, 1), "tensor_einsum: \"ijk->i\": operand 0 has 2 axes and 3 subscripts");
    TELLS(SHAPE, tensor_einsum("...ijk->...i", two, 1),
          "tensor_einsum: \"...ijk->...i\": operand 0 has 2 axes and 3 subscripts");
    TELLS(SHAPE, tensor_einsum("ij,jk->ik", two, 2), "tensor_einsum: \"ij,jk->ik\": subscript j has sizes 3 and 4");
    TELLS(SHAPE, tensor_einsum("...j,...k->...jk", two, 2),
          "tensor_einsum: \"...j,...k->...jk\": subscript . has sizes 2 and 4");
    TELLS(SHAPE, tensor_einsum("ii->i", two, 1), "tensor_einsum: \"ii->i\": subscript i has sizes 2 and 3");
}

static void indices(void) {
    Tensor *half = tensor_full(tape, shape2(1, 3), 0.5), *far = tensor_full(tape, shape2(1, 3), 2);
    Tensor *zeros = tensor_zeros(tape, shape2(2, 2));
    TELLS(RANGE, tensor_gather(a, 0, far), "tensor_gather: index 2 at position 0 is not in 0..1");
    TELLS(RANGE, tensor_gather(a, 0, half), "tensor_gather: index 0.5 at position 0 is not in 0..1");
    TELLS(SHAPE, tensor_gather(a, 0, zeros),
          "tensor_gather: (2, 3) with index (2, 2): their sizes differ elsewhere than along axis 0");
    TELLS(SHAPE, tensor_gather(a, 2, a), "tensor_gather: axis 2 of (2, 3): there are -2 to 1");
    TELLS(SHAPE, tensor_gather(a, 0, v),
          "tensor_gather: (2, 3) with index (3): their sizes differ elsewhere than along axis 0");
    TELLS(SHAPE, tensor_scatter_add(a, 0, zeros, zeros),
          "tensor_scatter_add: (2, 3) with index (2, 2): their sizes differ elsewhere than along axis 0");
    TELLS(SHAPE, tensor_scatter_add(a, 1, zeros, v), "tensor_scatter_add: shapes (2, 2) and (3) differ");
    TELLS(RANGE, tensor_scatter_add(a, 0, far, half), "tensor_scatter_add: index 2 at position 0 is not in 0..1");
    TELLS(SHAPE, tensor_scatter_add(a, 5, a, a), "tensor_scatter_add: axis 5 of (2, 3): there are -2 to 1");
    TELLS(SHAPE, tensor_scatter(a, 0, zeros, zeros),
          "tensor_scatter: (2, 3) with index (2, 2): their sizes differ elsewhere than along axis 0");
    TELLS(SHAPE, tensor_scatter(a, 1, zeros, v), "tensor_scatter: shapes (2, 2) and (3) differ");
    TELLS(RANGE, tensor_scatter(a, 0, far, half), "tensor_scatter: index 2 at position 0 is not in 0..1");
    TELLS(SHAPE, tensor_index_select(a, 0, zeros),
          "tensor_index_select: the index is (2, 2); it takes a list of positions");
    TELLS(SHAPE, tensor_index_select(a, 2, v), "tensor_index_select: axis 2 of (2, 3): there are -2 to 1");
    TELLS(RANGE, tensor_index_select(a, 0, tensor_full(tape, shape1(1), -1)),
          "tensor_index_select: index -1 at position 0 is not in 0..1");
    TELLS(SHAPE, tensor_embedding(v, v),
          "tensor_embedding: index (3) with weight (3); it takes [...] and [rows, size]");
    TELLS(RANGE, tensor_embedding(tensor_full(tape, shape1(1), 2), a),
          "tensor_embedding: index 2 at position 0 is not in 0..1");
}

static void matrices(void) {
    Tensor *square = tensor_zeros(tape, shape2(2, 2)), *three = tensor_ones(tape, shape2(3, 3)), *sign;
    TELLS(SHAPE, tensor_cholesky(a), "tensor_cholesky: (2, 3) is no square matrix");
    TELLS(SHAPE, tensor_cholesky(v), "tensor_cholesky: (3) is no square matrix");
    TELLS(RANGE, tensor_cholesky(square), "tensor_cholesky: matrix 0 is not positive definite: pivot 0");
    TELLS(SHAPE, tensor_solve(a, a), "tensor_solve: (2, 3) is no square matrix");
    TELLS(SHAPE, tensor_solve(square, three),
          "tensor_solve: a matrix (2, 2) with b (3, 3): it takes [..., n, n] with [n] or [..., n, k]");
    TELLS(SHAPE, tensor_solve(square, s),
          "tensor_solve: a matrix (2, 2) with b (): it takes [..., n, n] with [n] or [..., n, k]");
    TELLS(RANGE, tensor_solve(square, square), "tensor_solve: matrix 0 is singular: pivot 0");
    TELLS(SHAPE, tensor_solve_triangular(a, a, 0), "tensor_solve_triangular: (2, 3) is no square matrix");
    TELLS(SHAPE, tensor_solve_triangular(square, three, 0),
          "tensor_solve_triangular: a matrix (2, 2) with b (3, 3): it takes [..., n, n] with [n] or [..., n, k]");
    TELLS(ARG, tensor_solve_triangular(square, square, 512),
          "tensor_solve_triangular: flags 0x200: there are HC_UPPER, HC_TRANSPOSED and HC_UNIT_DIAGONAL");
    TELLS(RANGE, tensor_solve_triangular(square, square, 0), "tensor_solve_triangular: matrix 0 is singular: pivot 0");
    TELLS(SHAPE, tensor_cholesky_solve(three, square),
          "tensor_cholesky_solve: a matrix (2, 2) with b (3, 3): it takes [..., n, n] with [n] or [..., n, k]");
    TELLS(SHAPE, tensor_cholesky_solve(a, a), "tensor_cholesky_solve: (2, 3) is no square matrix");
    TELLS(RANGE, tensor_cholesky_solve(square, square), "tensor_cholesky_solve: matrix 0 is singular: pivot 0");
    TELLS(SHAPE, tensor_inverse(a), "tensor_inverse: (2, 3) is no square matrix");
    TELLS(RANGE, tensor_inverse(square), "tensor_inverse: matrix 0 is singular: pivot 0");
    TELLS(SHAPE, tensor_det(a), "tensor_det: (2, 3) is no square matrix");
    TELLS(SHAPE, tensor_slogdet(a, &sign), "tensor_slogdet: (2, 3) is no square matrix");
    TELLS(SHAPE, tensor_tril(v, 0), "tensor_tril: (3) is no matrix");
    TELLS(SHAPE, tensor_triu(v, 0), "tensor_triu: (3) is no matrix");
    TELLS(SHAPE, tensor_diagonal(a, 0, 0, 0), "tensor_diagonal: axis 0 is named twice");
    TELLS(SHAPE, tensor_diagonal(a, 0, 0, 2), "tensor_diagonal: axis 2 of (2, 3): there are -2 to 1");
    TELLS(SHAPE, tensor_diagonal(v, 0, 0, 1), "tensor_diagonal: (3) is no matrix");
    TELLS(SHAPE, tensor_diag(s, 0), "tensor_diag: of 0 axes; it takes 1 to 7");
    TELLS(SHAPE, tensor_diag(v, 2147483647), "tensor_diag: the result does not fit memory");
    TELLS(SHAPE, tensor_trace(v), "tensor_trace: (3) is no matrix");
}

int main(void) {
    tape = tape_create(HC_F64);
    tells_on(tape, NULL);
    a = tensor_leaf(tensor_ones(tape, shape2(2, 3)));
    b = tensor_ones(tape, shape2(4, 5));
    v = tensor_ones(tape, shape1(3));
    s = tensor_scalar(tape, 1);
    axes();
    movement();
    pairs();
    products();
    einsum();
    indices();
    matrices();
    tape_destroy(tape);
    return check_done();
}
