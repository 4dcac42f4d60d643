/* The two meta-gradients known in closed form: w = (0.2, -0.4), loss_t = (w x_t - 1)^2, x_1 = (1, 0.3),
 * x_2 = (0.5, -1), two steps at lr 0.05, L = (w (1, 1))^2. */
#include <higherc/higherc.h>

#include "support/check.h"

/* y = w x: one weight without a bias. */
static Tensor *loss_of(FModule *f, Tape *tape, double a, double b, double target) {
    Tensor *x = tensor_from_f64(tape, shape2(1, 2), (double[]){a, b});
    Tensor *y = fmodule_forward(f, x);
    return tensor_sum(tensor_square(tensor_sub_scalar(y, target)));
}

static void meta_gradient(Optim *inner, Module *net, const double *dw, double dlr) {
    Tape *tape = tape_create(HC_F64);
    FModule *f = fmodule_create(tape, net, false);
    DiffOpt *opt = diffopt_create(inner, f);
    Tensor *lr = tensor_leaf(tensor_scalar(tape, 0.05)), *glr = NULL;
    CHECK(diffopt_override(opt, "lr", HC_ALL_GROUPS, lr));
    CHECK(diffopt_step(opt, loss_of(f, tape, 1, 0.3, 1)));
    CHECK(diffopt_step(opt, loss_of(f, tape, 0.5, -1, 1)));
    Tensor *meta = loss_of(f, tape, 1, 1, 0);
    CHECK(tensor_grad(meta, &lr, 1, &glr, 0));
    CHECK_NEAR(tensor_item(glr), dlr, 1e-9, 0);
    CHECK(tensor_backward(meta));
    const double *g = param_grad(module_param(net, "weight"));
    CHECK(g != NULL);
    if (g) {
        CHECK_NEAR(g[0], dw[0], 1e-9, 0);
        CHECK_NEAR(g[1], dw[1], 1e-9, 0);
    }
    param_zero_grad(module_param(net, "weight"));
    tape_destroy(tape);
}

int main(void) {
    Module *net = module_linear_no_bias(2, 1);
    CHECK(module_to(net, HC_F64));
    CHECK(param_set_f64(module_param(net, "weight"), (double[]){0.2, -0.4}, 2));
    Optim *sgd = optim_sgd(module_params(net), sgd_options(0.05));
    Optim *adam = optim_adam(module_params(net), adam_options(0.05));
    meta_gradient(sgd, net, (double[]){-0.18681024, -0.190299872}, -0.403042048);
    meta_gradient(adam, net, (double[]){-0.149598775574, -0.145728166068}, -0.373088526918);
    optim_destroy(sgd);
    optim_destroy(adam);
    module_destroy(net);
    CHECK(higherc_error() == NULL);
    if (higherc_error()) CHECK_ERROR("no error");
    return check_done();
}
