/* Every tensor function takes NULL for every handle: an error in words where a value was needed. */
#include "ops/tables.h"
#include "support/refuse.h"

static void tensors(void) {
    Tensor *none[2] = {NULL, NULL}, *out[2];
    const int axis = 0;
    const size_t one = 1;
    Shape s = shape1(1);
    float f32[1];
    double f64[1];
    REFUSED_NULL(tensor_from_f32(NULL, s, f32));
    REFUSED_NULL(tensor_from_f64(NULL, s, f64));
    REFUSED_NULL(tensor_from_i64(NULL, s, NULL));
    REFUSED_NULL(tensor_borrow(NULL, s, f64));
    REFUSED_NULL(tensor_zeros(NULL, s));
    REFUSED_NULL(tensor_scalar(NULL, 1));
    REFUSED_NULL(tensor_uniform(NULL, s, 0, 1, NULL));
    REFUSED_NULL(tensor_normal(NULL, s, 0, 1, NULL));
    REFUSED_NULL(tensor_arange(NULL, 0, 1, 0.5));
    REFUSED_NULL(tensor_one_hot(NULL, 2));
    REFUSED_NULL(tensor_data(NULL));
    CHECK(isnan(tensor_item(NULL)));
    higherc_clear_error();
    REFUSED_NULL(tensor_copy_to_f32(NULL, f32, 1));
    REFUSED_NULL(tensor_copy_to_f64(NULL, f64, 1));
    CHECK(tensor_shape(NULL).ndim == -1 && tensor_count(NULL) == 0 && tensor_tape(NULL) == NULL);
    for (size_t i = 0; i < COUNT_OF(unary); i++)
        REFUSED_NULL(unary[i](NULL));
    for (size_t i = 0; i < COUNT_OF(binary); i++)
        REFUSED_NULL(binary[i](NULL, NULL));
    REFUSED_NULL(tensor_where(NULL, NULL, NULL));
    REFUSED_NULL(tensor_masked_fill(NULL, NULL, 1));
    REFUSED_NULL(tensor_linear(NULL, NULL, NULL));
    REFUSED_NULL(tensor_sum_axes(NULL, &axis, 1, true));
    REFUSED_NULL(tensor_reshape(NULL, s));
    REFUSED_NULL(tensor_transpose(NULL, 0, 1));
    REFUSED_NULL(tensor_permute(NULL, &axis, 1));
    for (size_t i = 0; i < COUNT_OF(with_axis); i++)
        REFUSED_NULL(with_axis[i](NULL, 0));
    REFUSED_NULL(tensor_expand(NULL, s));
    REFUSED_NULL(tensor_slice(NULL, 0, 0, 1, 1));
    REFUSED_NULL(tensor_concat(none, 2, 0));
    REFUSED_NULL(tensor_concat(NULL, 2, 0));
    REFUSED_NULL(tensor_stack(none, 2, 0));
    REFUSED_NULL(tensor_stack(NULL, 2, 0));
    REFUSED_NULL(tensor_pad(NULL, &one, &one, 1));
    REFUSED_NULL(tensor_pad_value(NULL, &one, &one, 1, 1));
    REFUSED_NULL(tensor_pad_reflect(NULL, &one, &one, 1));
    REFUSED_NULL(tensor_pad_replicate(NULL, &one, &one, 1));
    REFUSED_NULL(tensor_upsample_nearest2d(NULL, 1, 1));
    REFUSED_NULL(tensor_upsample_bilinear2d(NULL, 1, 1));
    REFUSED_NULL(tensor_flip(NULL, &axis, 1));
    REFUSED_NULL(tensor_roll(NULL, 1, 0));
    REFUSED_NULL(tensor_repeat(NULL, &one, 1));
    REFUSED_NULL(tensor_split(NULL, &one, 1, 0, out));
    REFUSED_NULL(tensor_scatter(NULL, 0, NULL, NULL));
    REFUSED_NULL(tensor_gather(NULL, 0, NULL));
    REFUSED_NULL(tensor_scatter_add(NULL, 0, NULL, NULL));
    REFUSED_NULL(tensor_grad(NULL, none, 1, out, 0));
    REFUSED_NULL(tensor_vjp(NULL, NULL, none, 1, out, 0));
    REFUSED_NULL(tensor_backward(NULL));
    REFUSED_NULL(tensor_backward_into(NULL, NULL));
    REFUSED_NULL(tensor_hvp(NULL, none, 1, none, out, 0));
    REFUSED_NULL(tensor_jvp(NULL, none, 1, none, 0));
    REFUSED_NULL(gradcheck(NULL, none, 1, gradcheck_options(HC_F64), NULL));
    CHECK(!tensor_depends_on(NULL, NULL) && !tensor_reaches(NULL, NULL));
    CHECK(!tensor_requires_grad(NULL) && higherc_error() == NULL);
}

/* The forms with more arguments. */
static void forms(void) {
    const int axis = 0;
    Shape s = shape1(1);
    REFUSED_NULL(tensor_full(NULL, s, 1));
    REFUSED_NULL(tensor_ones(NULL, s));
    for (size_t i = 0; i < COUNT_OF(with_number); i++)
        REFUSED_NULL(with_number[i](NULL, 1));
    for (size_t i = 0; i < COUNT_OF(over_axes); i++)
        REFUSED_NULL(over_axes[i](NULL, &axis, 1, true));
    REFUSED_NULL(tensor_var_axes(NULL, &axis, 1, 1, true));
    REFUSED_NULL(tensor_std_axes(NULL, &axis, 1, 1, true));
    REFUSED_NULL(tensor_vector_norm(NULL, 1));
    REFUSED_NULL(tensor_vector_norm_axes(NULL, &axis, 1, 1, true));
    REFUSED_NULL(tensor_max_with_index(NULL, 0, true, NULL));
    REFUSED_NULL(tensor_min_with_index(NULL, 0, true, NULL));
    REFUSED_NULL(tensor_sort(NULL, 0, true, NULL));
    REFUSED_NULL(tensor_argsort(NULL, 0, true));
    REFUSED_NULL(tensor_topk(NULL, 1, 0, true, NULL));
    REFUSED_NULL(tensor_argmax_axis(NULL, 0, true));
    REFUSED_NULL(tensor_clamp(NULL, 0, 1));
    for (size_t i = 0; i < COUNT_OF(with_bound); i++)
        REFUSED_NULL(with_bound[i](NULL, NULL, 1));
    for (size_t i = 0; i < COUNT_OF(of_matrix); i++)
        REFUSED_NULL(of_matrix[i](NULL));
    REFUSED_NULL(tensor_solve_triangular(NULL, NULL, 0));
    REFUSED_NULL(tensor_slogdet(NULL, NULL));
    REFUSED_NULL(tensor_einsum("ij,jk", (Tensor *[]){NULL, NULL}, 2));
    REFUSED_NULL(tensor_einsum("ij", NULL, 1));
    REFUSED_NULL(tensor_einsum(NULL, (Tensor *[]){NULL}, 1));
    REFUSED_NULL(tensor_tril(NULL, 0));
    REFUSED_NULL(tensor_triu(NULL, 0));
    REFUSED_NULL(tensor_diagonal(NULL, 0, 0, 1));
    REFUSED_NULL(tensor_diag(NULL, 0));
    CHECK(tensor_dim(NULL, 0) == 0);
    SURVIVED(tensor_ndim(NULL));
    SURVIVED(tensor_dtype(NULL));
    SURVIVED(tensor_serial(NULL));
    CHECK(shape_of(NULL, 2).ndim == -1 && shape_of(NULL, 9).ndim == -1);
    CHECK(shape_of(NULL, 0).ndim == 0 && shape_count(shape_of(NULL, 2)) == SIZE_MAX);
}

int main(void) {
    tensors();
    forms();
    return check_done();
}
