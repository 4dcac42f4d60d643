/* Every function takes NULL for every handle: an error in words where a value was needed, no crash.
 */
#include <higherc/higherc.h>

#include <math.h>

#include "support/check.h"

/* The call is refused, in words. */
#define REFUSED(call)                                                                              \
    do {                                                                                           \
        CHECK(!(call));                                                                            \
        CHECK(higherc_error() != NULL);                                                            \
        higherc_clear_error();                                                                     \
    } while (0)

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

static void holders(void) {
    tape_destroy(NULL);
    tape_reset(NULL);
    tape_trim(NULL);
    tape_seed(NULL, 1);
    REFUSED(tape_release(NULL, tape_mark(NULL)));
    REFUSED(tape_write_dot(NULL, NULL, "x"));
    REFUSED(tape_create((DType)7));
    CHECK(tape_status(NULL) == HC_OK && tape_error(NULL) == NULL && tape_stats(NULL).nodes == 0);

    REFUSED(param_create(NULL, shape1(1), HC_F32));
    REFUSED(param_create("w", shape2(SIZE_MAX / 2, 8), HC_F32));
    param_unref(NULL);
    CHECK(param_ref(NULL) == NULL);
    REFUSED(param_set_f64(NULL, NULL, 1));
    REFUSED(param_fill(NULL, 1));
    REFUSED(param_tensor(NULL, NULL));
    ParamList nothing = {NULL, 0}, broken = {NULL, 3};
    REFUSED(grads_create(broken));
    grads_destroy(NULL);
    grads_zero(NULL);
    REFUSED(grads_add_to_params(NULL));
    REFUSED(grads_flat(NULL, NULL));

    REFUSED(module_sequential(NULL, 2));
    REFUSED(module_create(NULL, NULL));
    REFUSED(module_add_param(NULL, "w", shape1(1)));
    REFUSED(module_add_child(NULL, "w", module_relu()));
    REFUSED(module_tie(NULL, "a", "b"));
    module_destroy(NULL);
    REFUSED(module_clone(NULL));
    REFUSED(module_param(NULL, "w"));
    REFUSED(module_find(NULL, "w"));
    REFUSED(module_init(NULL, NULL));
    REFUSED(module_to(NULL, HC_F64));
    REFUSED(module_forward(NULL, NULL));
    REFUSED(module_print(NULL, NULL));
    REFUSED(frame_param(NULL, "w"));
    REFUSED(frame_call(NULL, "w", NULL));

    REFUSED(optim_sgd(nothing, sgd_options(0.1)));
    REFUSED(optim_adam(broken, adam_options(0.1)));
    REFUSED(optim_step(NULL));
    REFUSED(optim_set(NULL, "lr", 0, 1));
    optim_zero_grad(NULL);
    optim_destroy(NULL);

    REFUSED(fmodule_create(NULL, NULL, false));
    REFUSED(fmodule_forward(NULL, NULL));
    REFUSED(fmodule_param(NULL, "w"));
    REFUSED(fmodule_child(NULL, "w"));
    REFUSED(fmodule_set_params(NULL, NULL, 0));
    REFUSED(fmodule_detach(NULL));
    REFUSED(fmodule_commit(NULL, NULL));
    REFUSED(diffopt_create(NULL, NULL));
    REFUSED(diffopt_step(NULL, NULL));
    REFUSED(diffopt_step_release(NULL, NULL));
    REFUSED(diffopt_override(NULL, "lr", 0, NULL));
    REFUSED(diffopt_grad_callback(NULL, NULL, NULL));
    REFUSED(diffopt_clip_norm(NULL, 1, 0));
    REFUSED(diffopt_detach(NULL));
    REFUSED(diffopt_commit(NULL, NULL));
}

/* Ownership: what is handed over is freed also when the call fails. */
static void ownership(void) {
    Module *broken[] = {module_linear(1, 2), NULL, module_relu()};
    REFUSED(module_sequential(broken, 3));
    Module *shared = module_linear(2, 2), *twice[] = {shared, shared};
    Module *net = module_sequential(twice, 2);
    CHECK(net && module_params(net).count == 2);
    module_destroy(shared); /* it belongs to net */
    CHECK_ERROR("belongs to another");
    CHECK(module_tie(net, "1.weight", "0.weight"));
    Module *copy = module_clone(net);
    CHECK(copy && module_params(copy).count == 2);
    module_destroy(copy);
    module_destroy(net);
}

int main(void) {
    tensors();
    holders();
    ownership();
    return check_done();
}
