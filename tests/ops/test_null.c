/* Every tensor function takes NULL for every handle: an error in words where a value was needed. */
#include "support/refuse.h"

static void tensors(void) {
    Tensor *none[2] = {NULL, NULL}, *out[2];
    const int axis = 0;
    const size_t one = 1;
    Shape s = shape1(1);
    float f32[1];
    double f64[1];
    REFUSED(tensor_from_f32(NULL, s, f32));
    REFUSED(tensor_from_f64(NULL, s, f64));
    REFUSED(tensor_from_i64(NULL, s, NULL));
    REFUSED(tensor_borrow(NULL, s, f64));
    REFUSED(tensor_zeros(NULL, s));
    REFUSED(tensor_scalar(NULL, 1));
    REFUSED(tensor_uniform(NULL, s, 0, 1, NULL));
    REFUSED(tensor_normal(NULL, s, 0, 1, NULL));
    REFUSED(tensor_arange(NULL, 0, 1, 0.5));
    REFUSED(tensor_one_hot(NULL, 2));
    REFUSED(tensor_data(NULL));
    CHECK(isnan(tensor_item(NULL)));
    higherc_clear_error();
    REFUSED(tensor_copy_to_f32(NULL, f32, 1));
    REFUSED(tensor_copy_to_f64(NULL, f64, 1));
    CHECK(tensor_shape(NULL).ndim == -1 && tensor_count(NULL) == 0 && tensor_tape(NULL) == NULL);
    Tensor *(*const unary[])(Tensor *) = {
        tensor_leaf,  tensor_clone,     tensor_detach, tensor_neg,   tensor_square, tensor_sqrt,
        tensor_rsqrt, tensor_exp,       tensor_log,    tensor_log1p, tensor_sin,    tensor_cos,
        tensor_tanh,  tensor_sigmoid,   tensor_relu,   tensor_gelu,  tensor_silu,   tensor_softplus,
        tensor_erf,   tensor_abs,       tensor_sign,   tensor_sum,   tensor_mean,   tensor_max,
        tensor_min,   tensor_logsumexp, tensor_argmax, tensor_norm};
    for (size_t i = 0; i < sizeof unary / sizeof *unary; i++)
        REFUSED(unary[i](NULL));
    Tensor *(*const binary[])(Tensor *, Tensor *) = {tensor_add,
                                                     tensor_sub,
                                                     tensor_mul,
                                                     tensor_div,
                                                     tensor_pow,
                                                     tensor_maximum,
                                                     tensor_minimum,
                                                     tensor_gt,
                                                     tensor_ge,
                                                     tensor_lt,
                                                     tensor_le,
                                                     tensor_eq,
                                                     tensor_ne,
                                                     tensor_matmul,
                                                     tensor_dot,
                                                     tensor_mse_loss,
                                                     tensor_mse_loss_per_example,
                                                     tensor_l1_loss,
                                                     tensor_cross_entropy_loss,
                                                     tensor_nll_loss,
                                                     tensor_bce_with_logits_loss};
    for (size_t i = 0; i < sizeof binary / sizeof *binary; i++)
        REFUSED(binary[i](NULL, NULL));
    REFUSED(tensor_where(NULL, NULL, NULL));
    REFUSED(tensor_linear(NULL, NULL, NULL));
    REFUSED(tensor_sum_axes(NULL, &axis, 1, true));
    REFUSED(tensor_reshape(NULL, s));
    REFUSED(tensor_transpose(NULL, 0, 1));
    REFUSED(tensor_permute(NULL, &axis, 1));
    REFUSED(tensor_squeeze(NULL, 0));
    REFUSED(tensor_unsqueeze(NULL, 0));
    REFUSED(tensor_expand(NULL, s));
    REFUSED(tensor_slice(NULL, 0, 0, 1, 1));
    REFUSED(tensor_concat(none, 2, 0));
    REFUSED(tensor_concat(NULL, 2, 0));
    REFUSED(tensor_stack(none, 2, 0));
    REFUSED(tensor_pad(NULL, &one, &one, 1));
    REFUSED(tensor_gather(NULL, 0, NULL));
    REFUSED(tensor_scatter_add(NULL, 0, NULL, NULL));
    REFUSED(tensor_softmax(NULL, 0));
    REFUSED(tensor_grad(NULL, none, 1, out, 0));
    REFUSED(tensor_vjp(NULL, NULL, none, 1, out, 0));
    REFUSED(tensor_backward(NULL));
    REFUSED(tensor_backward_into(NULL, NULL));
    REFUSED(tensor_hvp(NULL, none, 1, none, out, 0));
    REFUSED(tensor_jvp(NULL, none, 1, none, 0));
    REFUSED(gradcheck(NULL, none, 1, gradcheck_options(HC_F64), NULL));
    CHECK(!tensor_depends_on(NULL, NULL) && !tensor_reaches(NULL, NULL));
    CHECK(!tensor_requires_grad(NULL) && higherc_error() == NULL);
}

/* The forms with more arguments. */
static void forms(void) {
    const int axis = 0;
    Shape s = shape1(1);
    REFUSED(tensor_full(NULL, s, 1));
    REFUSED(tensor_ones(NULL, s));
    Tensor *(*const numbered[])(Tensor *, double) = {
        tensor_add_scalar, tensor_sub_scalar, tensor_mul_scalar, tensor_div_scalar,
        tensor_pow_scalar, tensor_leaky_relu, tensor_elu,        tensor_var};
    for (size_t i = 0; i < sizeof numbered / sizeof *numbered; i++)
        REFUSED(numbered[i](NULL, 1));
    Tensor *(*const reduced[])(Tensor *, const int *, size_t,
                               bool) = {tensor_sum_axes, tensor_mean_axes,      tensor_max_axes,
                                        tensor_min_axes, tensor_logsumexp_axes, tensor_norm_axes};
    for (size_t i = 0; i < sizeof reduced / sizeof *reduced; i++)
        REFUSED(reduced[i](NULL, &axis, 1, true));
    REFUSED(tensor_var_axes(NULL, &axis, 1, 1, true));
    REFUSED(tensor_argmax_axis(NULL, 0, true));
    REFUSED(tensor_log_softmax(NULL, 0));
    REFUSED(tensor_clamp(NULL, 0, 1));
    Tensor *(*const losses[])(Tensor *, Tensor *) = {
        tensor_l1_loss_per_example, tensor_cross_entropy_loss_per_example,
        tensor_nll_loss_per_example, tensor_bce_with_logits_loss_per_example};
    for (size_t i = 0; i < sizeof losses / sizeof *losses; i++)
        REFUSED(losses[i](NULL, NULL));
    Tensor *(*const bounded[])(Tensor *, Tensor *,
                               double) = {tensor_huber_loss, tensor_huber_loss_per_example,
                                          tensor_smooth_l1_loss, tensor_smooth_l1_loss_per_example};
    for (size_t i = 0; i < sizeof bounded / sizeof *bounded; i++)
        REFUSED(bounded[i](NULL, NULL, 1));
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
