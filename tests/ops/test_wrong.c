/* Shapes, axes, types, indices and tapes that do not fit are refused, with their status. */
#include "support/refuse.h"

static void wrong_tensors(void) {
    Tape *tape = tape_create(HC_F64), *far = tape_create(HC_F64), *single = tape_create(HC_F32);
    Tensor *a = tensor_leaf(tensor_ones(tape, shape2(2, 3))), *b = tensor_ones(tape, shape2(4, 5));
    Tensor *v = tensor_ones(tape, shape1(3)), *g = NULL;
    Tensor *alien = tensor_ones(far, shape2(2, 3)), *f32 = tensor_ones(single, shape2(2, 3));
    const int out[] = {7}, twice[] = {0, 0};
    const size_t pad[] = {SIZE_MAX, 1};
    double room[6];
    Shape refused = shape_of(NULL, 2), huge = shape2(SIZE_MAX / 2, 8);
    CHECK(!tensor_zeros(tape, refused) && higherc_error() != NULL);
    higherc_clear_error();
    tape_clear_error(tape);
    CHECK(!tensor_zeros(tape, huge) && higherc_error() != NULL);
    higherc_clear_error();
    tape_clear_error(tape);
    WRONG(HC_ERR_ARG, tensor_from_f64(tape, shape1(2), NULL));
    WRONG(HC_ERR_ARG, tensor_borrow(tape, shape1(2), NULL));
    WRONG(HC_ERR_RANGE, tensor_from_i64(tape, shape1(1), (int64_t[]){INT64_MAX}));
    WRONG(HC_ERR_ARG, tensor_uniform(tape, shape1(2), 0, 1, NULL));
    WRONG(HC_ERR_ARG, tensor_arange(tape, 0, 1, 0));
    WRONG(HC_ERR_RANGE, tensor_one_hot(tensor_scalar(tape, 5), 2));
    WRONG(HC_ERR_RANGE, tensor_one_hot(tensor_scalar(tape, -1), 2));
    WRONG(HC_ERR_SHAPE, tensor_add(a, b));
    WRONG(HC_ERR_SHAPE, tensor_matmul(a, b));
    WRONG(HC_ERR_SHAPE, tensor_linear(a, b, NULL));
    WRONG(HC_ERR_SHAPE, tensor_dot(a, v));
    WRONG(HC_ERR_SHAPE, tensor_where(a, b, v));
    WRONG(HC_ERR_SHAPE, tensor_mse_loss(a, b));
    WRONG(HC_ERR_SHAPE, tensor_reshape(a, shape1(5)));
    WRONG(HC_ERR_SHAPE, tensor_reshape(a, refused));
    WRONG(HC_ERR_SHAPE, tensor_expand(a, shape2(2, 4)));
    WRONG(HC_ERR_SHAPE, tensor_squeeze(a, 0));
    WRONG(HC_ERR_SHAPE, tensor_sum_axes(a, twice, 2, false));
    WRONG(HC_ERR_SHAPE, tensor_max(tensor_zeros(tape, shape1(0))));
    WRONG(HC_ERR_SHAPE, tensor_concat((Tensor *[]){a, b}, 2, 0));
    WRONG(HC_ERR_SHAPE, tensor_stack((Tensor *[]){a, v}, 2, 0));
    WRONG(HC_ERR_SHAPE, tensor_permute(a, twice, 2));
    Tensor *(*const axis_of[])(Tensor *, int) = {tensor_softmax, tensor_log_softmax, tensor_squeeze,
                                                 tensor_unsqueeze};
    for (size_t i = 0; i < sizeof axis_of / sizeof *axis_of; i++) {
        CHECK(!axis_of[i](a, 9) && higherc_error() != NULL);
        higherc_clear_error();
        tape_clear_error(tape);
        CHECK(!axis_of[i](a, -9) && higherc_error() != NULL);
        higherc_clear_error();
        tape_clear_error(tape);
    }
    ANY(tensor_transpose(a, 0, 2));
    ANY(tensor_mean_axes(a, out, 1, true));
    ANY(tensor_var_axes(a, NULL, 1, 1, true));
    ANY(tensor_argmax_axis(a, 2, true));
    ANY(tensor_slice(a, 2, 0, 1, 1));
    ANY(tensor_slice(a, 0, 0, 1, 0));
    ANY(tensor_pad(a, pad, pad, 2));
    ANY(tensor_pad(a, pad, pad, 1));
    ANY(tensor_gather(a, 0, tensor_full(tape, shape2(1, 3), 2)));
    ANY(tensor_gather(a, 0, tensor_full(tape, shape2(1, 3), 0.5)));
    ANY(tensor_gather(a, 0, tensor_full(tape, shape2(1, 3), NAN)));
    ANY(tensor_scatter_add(a, 5, a, a));
    ANY(tensor_nll_loss(a, tensor_full(tape, shape1(2), 3)));
    ANY(tensor_cross_entropy_loss(a, tensor_zeros(tape, shape1(7))));
    ANY(tensor_huber_loss(a, a, 0));
    ANY(tensor_smooth_l1_loss(a, a, -1));
    REFUSED(tensor_concat(NULL, 0, 0));
    REFUSED(tensor_stack(&a, 0, 0));
    ANY(tensor_copy_to_f64(a, room, 5));
    ANY(tensor_copy_to_f64(a, NULL, 6));
    ANY(!isnan(tensor_item(a)));
    WRONG(HC_ERR_TAPE, tensor_add(a, alien));
    WRONG(HC_ERR_TAPE, tensor_grad(tensor_sum(a), &alien, 1, &g, 0));
    tape_clear_error(far);
    CHECK(!tensor_add(a, f32));
    CHECK(higherc_status() == HC_ERR_TAPE || higherc_status() == HC_ERR_DTYPE);
    higherc_clear_error();
    tape_clear_error(tape);
    tape_clear_error(single);
    ANY(tensor_grad(tensor_sum(a), NULL, 1, &g, 0));
    ANY(tensor_grad(tensor_sum(a), &a, 1, NULL, 0));
    ANY(tensor_grad(tensor_sum(a), (Tensor *[]){NULL}, 1, &g, 0));
    WRONG(HC_ERR_SHAPE, tensor_grad(a, &a, 1, &g, 0));
    WRONG(HC_ERR_SHAPE, tensor_vjp(a, v, &a, 1, &g, 0));
    ANY(tensor_vjp(a, NULL, &a, 1, &g, 0));
    ANY(tensor_hvp(tensor_sum(tensor_square(a)), &a, 1, &b, &g, 0));
    ANY(tensor_hvp(tensor_sum(tensor_square(a)), &a, 1, NULL, &g, 0));
    ANY(tensor_hvp(tensor_sum(tensor_square(a)), &a, 1, (Tensor *[]){NULL}, &g, 0));
    ANY(tensor_jvp(tensor_square(a), &a, 1, &b, 0));
    ANY(tensor_jvp(tensor_square(a), &a, 1, (Tensor *[]){NULL}, 0));
    ANY(tensor_backward_into(tensor_sum(a), NULL));
    REFUSED(gradcheck(NULL, &a, 1, gradcheck_options(HC_F64), NULL));
    WRONG(HC_ERR_IO, tape_write_dot(tape, NULL, "no/such/folder/x.dot"));
    CHECK(g == NULL);
    tape_destroy(single);
    tape_destroy(far);
    tape_destroy(tape);
}

int main(void) {
    wrong_tensors();
    return check_done();
}
