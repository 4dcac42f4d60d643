/* One level's table for one type: all kernels but the products, compiled together without contraction,
 * so that every level gives the same bits. */
#include "kernels/real.h"

#include "kernels/math.inl"

#include "kernels/elementwise.inl"
#include "kernels/move.inl"
#include "kernels/reduce.inl"
#include "kernels/norm.inl"
#include "kernels/adam.inl"
#include "kernels/index.inl"
#include "kernels/entropy.inl"
#include "kernels/pool.inl"
#include "kernels/random.inl"

const HcKernels HC_NAMED(kernels) = {
    .size = sizeof(HC_REAL),
#define HC_UNARY(name, formula) .name = name##_kernel,
#define HC_UNARY_NEAR(name, formula, far, formula_far) .name = name##_kernel,
#define HC_BINARY(name, formula) .name = name##_kernel,
#include "kernels/elementwise.def"
#undef HC_UNARY
#undef HC_UNARY_NEAR
#undef HC_BINARY
    .select = select_kernel,
    .fill = fill_kernel,
    .copy = copy_kernel,
    .transpose = transpose_kernel,
    .from_f32 = from_f32_kernel,
    .from_f64 = from_f64_kernel,
    .to_f32 = to_f32_kernel,
    .to_f64 = to_f64_kernel,
    .has_nan = has_nan_kernel,
    .sum_rows = sum_rows_kernel,
    .sum_cols = sum_cols_kernel,
    .squared_distance = squared_distance_kernel,
    .scaled_difference = scaled_difference_kernel,
    .adam = adam_kernel,
    .adam_backward = adam_backward_kernel,
    .adam_rate = adam_rate_kernel,
    .max_rows = max_rows_kernel,
    .max_cols = max_cols_kernel,
    .min_rows = min_rows_kernel,
    .min_cols = min_cols_kernel,
    .argmax_rows = argmax_rows_kernel,
    .softmax_rows = softmax_rows_kernel,
    .log_softmax_rows = log_softmax_rows_kernel,
    .cross_entropy = cross_entropy_kernel,
    .cross_entropy_slope = cross_entropy_slope_kernel,
    .cross_entropy_fold = cross_entropy_fold_kernel,
    .cross_entropy_bend = cross_entropy_bend_kernel,
    .gather = gather_kernel,
    .scatter_add = scatter_add_kernel,
    .pick_rows = pick_rows_kernel,
    .add_rows = add_rows_kernel,
    .one_hot = one_hot_kernel,
    .dropout = dropout_kernel,
    .max_pool = max_pool_kernel,
    .pool_pick = pool_pick_kernel,
    .pool_spread = pool_spread_kernel,
    .avg_pool = avg_pool_kernel,
    .avg_spread = avg_spread_kernel,
    .conv = HC_NAMED(conv),
    .conv_input = HC_NAMED(conv_input),
    .conv_weight = HC_NAMED(conv_weight),
    .conv_work = HC_NAMED(conv_work),
    .channel_moments = channel_moments_kernel,
    .channel_sums = channel_sums_kernel,
    .channel_dots = channel_dots_kernel,
    .batch_norm = batch_norm_kernel,
    .batch_norm_backward = batch_norm_backward_kernel,
    .batch_norm_slope = batch_norm_slope_kernel,
    .batch_norm_second = batch_norm_second_kernel,
    .gemm = HC_NAMED(gemm),
    .gemm_work = HC_NAMED(gemm_work),
};
