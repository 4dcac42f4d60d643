/* Tapes, Params, modules, optimizers and what is made of them take NULL for every handle: an error in
 * words where a value was needed, no crash. */
#include "support/refuse.h"

static void holders(void) {
    tape_destroy(NULL);
    tape_reset(NULL);
    tape_trim(NULL);
    tape_seed(NULL, 1);
    REFUSED_NULL(tape_release(NULL, tape_mark(NULL)));
    REFUSED_NULL(tape_write_dot(NULL, NULL, "x"));
    REFUSED_NULL(tape_create((DType)7));
    CHECK(tape_status(NULL) == HC_OK && tape_error(NULL) == NULL && tape_stats(NULL).nodes == 0);

    REFUSED_NULL(param_create(NULL, shape1(1), HC_F32));
    REFUSED_NULL(param_create("w", shape2(SIZE_MAX / 2, 8), HC_F32));
    param_unref(NULL);
    CHECK(param_ref(NULL) == NULL);
    REFUSED_NULL(param_set_f64(NULL, NULL, 1));
    REFUSED_NULL(param_fill(NULL, 1));
    REFUSED_NULL(param_tensor(NULL, NULL));
    ParamList nothing = {NULL, 0}, broken = {NULL, 3};
    REFUSED_NULL(grads_create(broken));
    grads_destroy(NULL);
    grads_zero(NULL);
    REFUSED_NULL(grads_add_to_params(NULL));
    REFUSED_NULL(grads_flat(NULL, NULL));

    REFUSED_NULL(module_sequential(NULL, 2));
    REFUSED_NULL(module_create(NULL, NULL));
    REFUSED_NULL(module_add_param(NULL, "w", shape1(1)));
    REFUSED_NULL(module_add_child(NULL, "w", module_relu()));
    REFUSED_NULL(module_tie(NULL, "a", "b"));
    module_destroy(NULL);
    REFUSED_NULL(module_clone(NULL));
    REFUSED_NULL(module_param(NULL, "w"));
    REFUSED_NULL(module_find(NULL, "w"));
    REFUSED_NULL(module_init(NULL, NULL));
    REFUSED_NULL(module_to(NULL, HC_F64));
    REFUSED_NULL(module_forward(NULL, NULL));
    REFUSED_NULL(module_print(NULL, NULL));
    REFUSED_NULL(frame_param(NULL, "w"));
    REFUSED_NULL(frame_call(NULL, "w", NULL));

    REFUSED_NULL(optim_sgd(nothing, sgd_options(0.1)));
    REFUSED_NULL(optim_adam(broken, adam_options(0.1)));
    REFUSED_NULL(optim_step(NULL));
    REFUSED_NULL(optim_set(NULL, "lr", 0, 1));
    optim_zero_grad(NULL);
    optim_destroy(NULL);

    REFUSED_NULL(fmodule_create(NULL, NULL, false));
    REFUSED_NULL(fmodule_forward(NULL, NULL));
    REFUSED_NULL(fmodule_param(NULL, "w"));
    REFUSED_NULL(fmodule_child(NULL, "w"));
    REFUSED_NULL(fmodule_set_params(NULL, NULL, 0));
    REFUSED_NULL(fmodule_detach(NULL));
    REFUSED_NULL(fmodule_commit(NULL, NULL));
    REFUSED_NULL(diffopt_create(NULL, NULL));
    REFUSED_NULL(fmodule_set_param(NULL, "w", NULL));
    REFUSED_NULL(fmodule_vector(NULL));
    REFUSED_NULL(fmodule_set_vector(NULL, NULL));
    REFUSED_NULL(diffopt_step(NULL, NULL));
    REFUSED_NULL(diffopt_step_release(NULL, NULL));
    REFUSED_NULL(diffopt_override(NULL, "lr", 0, NULL));
    REFUSED_NULL(diffopt_grad_callback(NULL, NULL, NULL));
    REFUSED_NULL(diffopt_clip_norm(NULL, 1, 0));
    REFUSED_NULL(diffopt_detach(NULL));
    REFUSED_NULL(diffopt_commit(NULL, NULL));
}

static void more_holders(void) {
    Tensor *none[2] = {NULL, NULL};
    Shape s = shape1(1);
    TapeOptions options = tape_options((DType)9);
    REFUSED_NULL(tape_create_with(options));
    SURVIVED(tape_dtype(NULL));
    SURVIVED(tape_set_recording(NULL, true));
    SURVIVED(tape_recording(NULL));
    SURVIVED(tape_check_nan(NULL, true));
    tape_clear_error(NULL);
    higherc_clear_error();

    SURVIVED(param_name(NULL));
    SURVIVED(param_dtype(NULL));
    SURVIVED(param_data(NULL));
    SURVIVED(param_grad(NULL));
    SURVIVED(param_frozen(NULL));
    SURVIVED(param_get(NULL, 0));
    SURVIVED(param_grad_get(NULL, 0));
    CHECK(param_shape(NULL).ndim == -1 && param_count(NULL) == 0);
    param_zero_grad(NULL);
    param_freeze(NULL, true);
    higherc_clear_error();
    REFUSED_NULL(param_set_f32(NULL, NULL, 1));
    REFUSED_NULL(param_uniform(NULL, 0, 1, NULL));
    REFUSED_NULL(param_normal(NULL, 0, 1, 0, NULL));
    REFUSED_NULL(param_add_grad_f64(NULL, NULL, 1));
    REFUSED_NULL(grads_get(NULL, 0));
    NOT_A_NUMBER(grads_clip_norm(NULL, 1));

    REFUSED_NULL(module_add_buffer(NULL, "b", s, 0));
    REFUSED_NULL(module_buffer(NULL, "b"));
    REFUSED_NULL(module_init_truncated_normal(NULL, 1, NULL));
    REFUSED_NULL(module_forward_n(NULL, none, 1, none, 1));
    CHECK(module_params(NULL).count == 0 && module_buffers(NULL).count == 0);
    higherc_clear_error();
    SURVIVED(module_name(NULL));
    SURVIVED(module_state(NULL));
    SURVIVED(module_dtype(NULL));
    SURVIVED(module_training(NULL));
    module_train(NULL, true);
    higherc_clear_error();
    REFUSED_NULL(frame_buffer(NULL, "b"));
    REFUSED_NULL(frame_set_buffer(NULL, "b", NULL));
    REFUSED_NULL(frame_call_n(NULL, "c", none, 1, none, 1));
    SURVIVED(frame_training(NULL));
    SURVIVED(frame_state(NULL));
    SURVIVED(frame_tape(NULL));

    REFUSED_NULL(optim_create(NULL, (ParamList){NULL, 0}, NULL));
    CHECK(optim_add_group(NULL, (ParamList){NULL, 0}) == SIZE_MAX && higherc_error() != NULL);
    higherc_clear_error();
    CHECK(optim_group_params(NULL, 0).count == 0);
    higherc_clear_error();
    SURVIVED(optim_group_count(NULL));
    SURVIVED(optim_error(NULL));
    SURVIVED(optim_param_steps(NULL, NULL));
    SURVIVED(optim_param_state(NULL, NULL, NULL));
    NOT_A_NUMBER(optim_get(NULL, "lr", 0));
    NOT_A_NUMBER(optim_clip_grad_norm(NULL, 1));
    Hyper two = hyper_const(2);
    REFUSED_NULL(hyper_scale(two, NULL));
    REFUSED_NULL(hyper_shift(two, NULL));
    REFUSED_NULL(hyper_axpy(two, NULL, NULL));
    CHECK(hyper_add(two, two).value == 4 && hyper_sub(two, two).value == 0);
    CHECK(hyper_mul(two, two).value == 4 && hyper_div(two, two).value == 1);
    CHECK(hyper_pow(two, two).value == 4 && hyper_sqrt(hyper_const(4)).value == 2);
    CHECK(hyper_is_zero(hyper_const(0)) && !hyper_is_zero(two));

    REFUSED_NULL(fmodule_create_with(NULL, NULL, fmodule_options(true)));
    REFUSED_NULL(fmodule_forward_n(NULL, none, 1, none, 1));
    REFUSED_NULL(fmodule_forward_with(NULL, none, 1, NULL));
    REFUSED_NULL(fmodule_buffer(NULL, "b"));
    REFUSED_NULL(fmodule_train(NULL, true));
    CHECK(fmodule_params(NULL).count == 0 && fmodule_params_at(NULL, 0).count == 0);
    higherc_clear_error();
    SURVIVED(fmodule_steps(NULL));
    SURVIVED(fmodule_mode(NULL));
    SURVIVED(fmodule_tape(NULL));
    SURVIVED(fmodule_training(NULL));
    REFUSED_NULL(diffopt_step_with(NULL, NULL, none, 1));
    REFUSED_NULL(diffopt_override_param(NULL, "lr", NULL, NULL));
    REFUSED_NULL(diffopt_clip_value(NULL, 1));
    SURVIVED(diffopt_loss(NULL));
    SURVIVED(diffopt_steps(NULL));

    Rng (*const split)(Rng *) = rng_split;
    SURVIVED(split(NULL).key);
    CHECK(rng_u64(NULL) == 0 && higherc_status() == HC_ERR_ARG);
    higherc_clear_error();
    CHECK(rng_uniform(NULL) == 0 && higherc_status() == HC_ERR_ARG);
    higherc_clear_error();
    CHECK(rng_normal(NULL) == 0 && higherc_status() == HC_ERR_ARG);
    higherc_clear_error();
    CHECK(rng_truncated_normal(NULL, 1) == 0 && higherc_status() == HC_ERR_ARG);
    higherc_clear_error();
    CHECK(rng_below(NULL, 3) == 0 && higherc_status() == HC_ERR_ARG);
    higherc_clear_error();
    rng_shuffle(NULL, 3, NULL);
    CHECK(higherc_status() == HC_ERR_ARG);
    higherc_clear_error();
    CHECK(higherc_status_name((HcStatus)99) != NULL && higherc_version() != NULL);
    CHECK(!higherc_set_allocator(&(Allocator){NULL, NULL, NULL}));
    CHECK(higherc_status() == HC_ERR_ARG);
    higherc_clear_error();
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
    holders();
    more_holders();
    ownership();
    return check_done();
}
