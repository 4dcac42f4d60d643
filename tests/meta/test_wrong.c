/* Names, types, counts and owners that do not fit are refused, with their status, and leave no trace. */
#include "support/refuse.h"

static void wrong_holders(void) {
    Rng rng = rng_seed(1);
    Tape *tape = tape_create(HC_F64), *far = tape_create(HC_F64), *single = tape_create(HC_F32);
    Module *net = module_linear(3, 2), *foreign = module_linear(3, 2), *wide = module_linear(4, 4);
    module_to(net, HC_F64);
    module_to(wide, HC_F64);
    module_init(net, &rng);
    module_init(foreign, &rng);
    Param *w = module_param(net, "weight");
    const double six[6] = {0};
    WRONG(HC_ERR_SHAPE, param_set_f64(w, six, 5));
    WRONG(HC_ERR_SHAPE, param_add_grad_f64(w, six, 7));
    WRONG(HC_ERR_ARG, param_set_f64(w, NULL, 6));
    WRONG(HC_ERR_ARG, param_uniform(w, 0, 1, NULL));
    NOT_A_NUMBER(param_get(w, 6));
    WRONG(HC_ERR_DTYPE, param_tensor(single, w));
    tape_clear_error(single);
    WRONG(HC_ERR_STATE, param_tensor(tape, module_param(wide, "weight")));
    WRONG(HC_ERR_NAME, module_param(net, "wieght"));
    WRONG(HC_ERR_NAME, module_param(net, ""));
    WRONG(HC_ERR_NAME, module_param(net, "weight."));
    WRONG(HC_ERR_NAME, module_find(net, "0"));
    WRONG(HC_ERR_NAME, module_buffer(net, "weight"));
    WRONG(HC_ERR_ARG, module_add_param(net, "a.b", shape1(1)));
    WRONG(HC_ERR_NAME, module_add_param(net, "weight", shape1(1)));
    WRONG(HC_ERR_SHAPE, module_tie(net, "bias", "weight"));
    WRONG(HC_ERR_ARG, module_to(net, (DType)5));
    WRONG(HC_ERR_SHAPE, module_forward(net, tensor_ones(tape, shape2(1, 4))));
    WRONG(HC_ERR_DTYPE, module_forward(net, tensor_ones(single, shape2(1, 3))));
    tape_clear_error(single);
    WRONG(HC_ERR_STATE, module_add_child(net, "self", net));

    Param *both[] = {w, w}, *mixed[] = {w, module_param(foreign, "weight")};
    SgdOptions nesterov = sgd_options(0.1);
    nesterov.nesterov = true;
    WRONG(HC_ERR_ARG, optim_sgd((ParamList){both, 2}, sgd_options(0.1)));
    WRONG(HC_ERR_DTYPE, optim_sgd((ParamList){mixed, 2}, sgd_options(0.1)));
    WRONG(HC_ERR_RANGE, optim_sgd(module_params(net), nesterov));
    WRONG(HC_ERR_RANGE, optim_sgd(module_params(net), sgd_options(NAN)));
    WRONG(HC_ERR_RANGE, optim_adam(module_params(net), adam_options(-1)));
    Optim *sgd = optim_sgd(module_params(net), sgd_options(0.1)),
          *adam = optim_adam(module_params(net), adam_options(0.1)),
          *away = optim_sgd(module_params(foreign), sgd_options(0.1)),
          *apart = optim_sgd(module_params(wide), sgd_options(0.1));
    WRONG(HC_ERR_NAME, optim_set(sgd, "beta1", 0, 0.5));
    WRONG(HC_ERR_RANGE, optim_set(sgd, "lr", 1, 0.5));
    WRONG(HC_ERR_RANGE, optim_set(sgd, "lr", 0, -1));
    WRONG(HC_ERR_ARG, optim_set(sgd, NULL, 0, 1));
    NOT_A_NUMBER(optim_get(sgd, "beta1", 0));
    NOT_A_NUMBER(optim_get(sgd, "lr", 3));
    NOT_A_NUMBER(optim_clip_grad_norm(sgd, -1));
    CHECK(optim_add_group(sgd, module_params(net)) == SIZE_MAX && optim_group_count(sgd) == 1);
    higherc_clear_error();
    CHECK(optim_add_group(sgd, module_params(foreign)) == SIZE_MAX && optim_group_count(sgd) == 1);
    CHECK(higherc_status() == HC_ERR_DTYPE);
    higherc_clear_error();
    CHECK(optim_get(sgd, "lr", 0) == 0.1);

    WRONG(HC_ERR_DTYPE, fmodule_create(single, net, false));
    tape_clear_error(single);
    FModuleOptions odd = fmodule_options(false);
    odd.mode = (FMode)5;
    WRONG(HC_ERR_ARG, fmodule_create_with(tape, net, odd));
    FModule *f = fmodule_create(tape, net, false);
    TensorList now = fmodule_params(f);
    Tensor *wrong[2] = {tensor_ones(tape, shape1(2)), tensor_ones(tape, shape1(2))};
    Tensor *alien[2] = {tensor_ones(far, shape2(2, 3)), tensor_ones(far, shape1(2))};
    Tensor *gap[2] = {now.items[0], NULL}, *x = tensor_ones(tape, shape2(1, 3));
    WRONG(HC_ERR_NAME, fmodule_param(f, "wieght"));
    WRONG(HC_ERR_NAME, fmodule_child(f, "0"));
    WRONG(HC_ERR_NAME, fmodule_buffer(f, "weight"));
    WRONG(HC_ERR_RANGE, fmodule_params_at(f, 1).count);
    WRONG(HC_ERR_SHAPE, fmodule_forward(f, tensor_ones(tape, shape2(1, 4))));
    WRONG(HC_ERR_TAPE, fmodule_forward(f, tensor_ones(far, shape2(1, 3))));
    tape_clear_error(far);
    WRONG(HC_ERR_SHAPE, fmodule_forward_with(f, wrong, 2, x));
    WRONG(HC_ERR_SHAPE, fmodule_forward_with(f, now.items, 1, x));
    WRONG(HC_ERR_SHAPE, fmodule_set_params(f, wrong, 2));
    WRONG(HC_ERR_TAPE, fmodule_set_params(f, alien, 2));
    tape_clear_error(far);
    ANY(fmodule_set_params(f, gap, 2));
    ANY(fmodule_set_params(f, NULL, 2));
    ANY(fmodule_forward(f, NULL));
    WRONG(HC_ERR_DTYPE, fmodule_commit(f, foreign));
    WRONG(HC_ERR_SHAPE, fmodule_commit(f, wide));
    Module *counting = module_clone(net);
    CHECK(module_add_buffer(counting, "count", shape1(1), 0));
    WRONG(HC_ERR_SHAPE, fmodule_commit(f, counting));
    module_destroy(counting);

    WRONG(HC_ERR_DTYPE, diffopt_create(away, f));
    WRONG(HC_ERR_STATE, diffopt_create(apart, f));
    DiffOpt *opt = diffopt_create(sgd, f);
    Tensor *lr = tensor_leaf(tensor_scalar(tape, 0.1));
    Tensor *loss = tensor_sum(tensor_square(fmodule_forward(f, x)));
    WRONG(HC_ERR_NAME, diffopt_override(opt, "beta1", 0, lr));
    WRONG(HC_ERR_RANGE, diffopt_override(opt, "lr", 4, lr));
    WRONG(HC_ERR_ARG, diffopt_override(opt, "nesterov", 0, lr));
    WRONG(HC_ERR_TAPE, diffopt_override(opt, "lr", 0, alien[0]));
    tape_clear_error(far);
    WRONG(HC_ERR_NAME, diffopt_override_param(opt, "lr", module_param(foreign, "weight"), lr));
    WRONG(HC_ERR_ARG, diffopt_override_param(opt, "lr", NULL, lr));
    TapeMark mark = tape_mark(tape);
    Tensor *gone = tensor_scalar(tape, 0.1);
    CHECK(tape_release(tape, mark));
    WRONG(HC_ERR_EXPIRED, diffopt_override(opt, "lr", 0, gone));
    WRONG(HC_ERR_EXPIRED, diffopt_step(opt, gone));
    WRONG(HC_ERR_EXPIRED, fmodule_set_vector(f, gone));
    WRONG(HC_ERR_EXPIRED, tensor_reaches(gone, w));
    WRONG(HC_ERR_EXPIRED, tensor_depends_on(gone, lr));
    WRONG(HC_ERR_EXPIRED, tensor_depends_on(lr, gone));
    WRONG(HC_ERR_ARG, diffopt_clip_norm(opt, -1, 0));
    WRONG(HC_ERR_ARG, diffopt_clip_value(opt, NAN));
    WRONG(HC_ERR_SHAPE, diffopt_step(opt, fmodule_forward(f, x)));
    WRONG(HC_ERR_TAPE, diffopt_step(opt, tensor_sum(alien[0])));
    tape_clear_error(far);
    ANY(diffopt_step(opt, NULL));
    ANY(diffopt_step_with(opt, loss, NULL, 2));
    ANY(diffopt_step_with(opt, loss, gap, 2));
    WRONG(HC_ERR_SHAPE, diffopt_step_with(opt, loss, wrong, 2));
    WRONG(HC_ERR_SHAPE, diffopt_step_with(opt, loss, now.items, 1));
    WRONG(HC_ERR_TAPE, diffopt_step_with(opt, loss, alien, 2));
    tape_clear_error(far);
    WRONG(HC_ERR_ARG, fmodule_forward_with(f, NULL, 2, x));
    WRONG(HC_ERR_SHAPE, fmodule_forward_with(f, NULL, 0, x));
    WRONG(HC_ERR_STATE, diffopt_commit(opt, adam));
    WRONG(HC_ERR_ARG, diffopt_commit(opt, NULL));
    CHECK(fmodule_steps(f) == 0 && diffopt_steps(opt) == 0);
    CHECK(diffopt_step(opt, loss)); /* none of it left a trace */
    CHECK(fmodule_steps(f) == 1 && higherc_error() == NULL);

    Grads *grads = grads_create(module_params(net));
    WRONG(HC_ERR_RANGE, grads_get(grads, 2));
    NOT_A_NUMBER(grads_clip_norm(grads, -1));
    grads_destroy(grads);
    optim_destroy(away);
    optim_destroy(apart);
    optim_destroy(adam);
    optim_destroy(sgd);
    tape_destroy(single);
    tape_destroy(far);
    tape_destroy(tape);
    module_destroy(wide);
    module_destroy(foreign);
    module_destroy(net);
}

int main(void) {
    wrong_holders();
    return check_done();
}
