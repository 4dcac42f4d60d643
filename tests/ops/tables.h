/* The operations by signature, for tests that say the same of each. */
#ifndef TESTS_OPS_TABLES_H
#define TESTS_OPS_TABLES_H

#include <higherc/higherc.h>

#define COUNT_OF(table) (sizeof(table) / sizeof *(table))

static Tensor *(*const unary[])(Tensor *) = {
    tensor_leaf,       tensor_clone,    tensor_detach,   tensor_neg,        tensor_square,
    tensor_sqrt,       tensor_rsqrt,    tensor_exp,      tensor_log,        tensor_log1p,
    tensor_sin,        tensor_cos,      tensor_tanh,     tensor_sigmoid,    tensor_relu,
    tensor_gelu,       tensor_silu,     tensor_softplus, tensor_erf,        tensor_abs,
    tensor_sign,       tensor_sum,      tensor_mean,     tensor_max,        tensor_min,
    tensor_argmax,     tensor_norm,     tensor_prod,     tensor_any,        tensor_all,
    tensor_logsumexp,  tensor_tan,      tensor_asin,     tensor_acos,       tensor_atan,
    tensor_sinc,       tensor_sinh,     tensor_cosh,     tensor_expm1,      tensor_reciprocal,
    tensor_logsigmoid, tensor_softsign, tensor_mish,     tensor_floor,      tensor_ceil,
    tensor_round,      tensor_isnan,    tensor_isfinite, tensor_logical_not};

/* Of square matrices, the last two axes. */
static Tensor *(*const of_matrix[])(Tensor *) = {tensor_cholesky, tensor_inverse, tensor_det, tensor_trace};

static Tensor *(*const binary[])(Tensor *, Tensor *) = {tensor_atan2,
                                                        tensor_hypot,
                                                        tensor_logaddexp,
                                                        tensor_remainder,
                                                        tensor_logical_and,
                                                        tensor_logical_or,
                                                        tensor_prelu,
                                                        tensor_add,
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
                                                        tensor_solve,
                                                        tensor_cholesky_solve,
                                                        tensor_outer,
                                                        tensor_dot,
                                                        tensor_mse_loss,
                                                        tensor_mse_loss_per_example,
                                                        tensor_l1_loss,
                                                        tensor_l1_loss_per_example,
                                                        tensor_cross_entropy_loss,
                                                        tensor_cross_entropy_loss_per_example,
                                                        tensor_nll_loss,
                                                        tensor_nll_loss_per_example,
                                                        tensor_bce_with_logits_loss,
                                                        tensor_bce_with_logits_loss_per_example};

static Tensor *(*const with_number[])(Tensor *, double) = {
    tensor_add_scalar, tensor_sub_scalar, tensor_mul_scalar, tensor_div_scalar, tensor_pow_scalar,
    tensor_leaky_relu, tensor_elu,        tensor_var,        tensor_std};

static Tensor *(*const over_axes[])(Tensor *, const int *, size_t, bool) = {
    tensor_sum_axes,  tensor_mean_axes, tensor_max_axes, tensor_min_axes, tensor_logsumexp_axes,
    tensor_norm_axes, tensor_prod_axes, tensor_any_axes, tensor_all_axes};

static Tensor *(*const with_axis[])(Tensor *, int) = {tensor_cumsum,  tensor_cumprod,
                                                      tensor_softmax, tensor_log_softmax,
                                                      tensor_squeeze, tensor_unsqueeze};

static Tensor *(*const with_bound[])(Tensor *, Tensor *, double) = {
    tensor_huber_loss, tensor_huber_loss_per_example, tensor_smooth_l1_loss,
    tensor_smooth_l1_loss_per_example};

#endif
