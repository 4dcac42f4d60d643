/* The page flag.md: what copy_initial_weights changes, and what it does not. */
#include <higherc/higherc.h>

#include <stdio.h>

static Tensor *square_error(Tensor *prediction, double y) {
    Tape *tape = tensor_tape(prediction);
    return tensor_mse_loss(prediction, tensor_full(tape, shape2(1, 1), y));
}

static Tensor *point(Tape *tape) {
    return tensor_full(tape, shape2(1, 1), 1);
}

/* One inner step towards 3, and the meta-gradient: to W, and to W⟨0⟩. */
static void adapt(Tape *tape, Module *net, const Optim *inner, bool copy_initial_weights) {
    Param *w = module_param(net, "weight");
    param_zero_grad(w);
    tape_reset(tape);
    //! [both]
    FModule *fnet = fmodule_create(tape, net, copy_initial_weights);
    DiffOpt *opt = diffopt_create(inner, fnet);
    Tensor *start = fmodule_params_at(fnet, 0).items[0]; /* W⟨0⟩ */
    diffopt_step(opt, square_error(fmodule_forward(fnet, point(tape)), 3));
    Tensor *meta = square_error(fmodule_forward(fnet, point(tape)), 5);

    Tensor *to_start = NULL;
    tensor_grad(meta, &start, 1, &to_start, 0);         /* flows with either setting */
    if (tensor_reaches(meta, w)) tensor_backward(meta); /* true for false only */
    //! [both]
    printf("%-5s  W<0> %.2f  W<1> %.2f  d/dW<0> %.4f", copy_initial_weights ? "true" : "false",
           tensor_item(start), tensor_item(fmodule_params(fnet).items[0]), tensor_item(to_start));
    if (param_grad(w))
        printf("  d/dW %.4f\n", param_grad_get(w, 0));
    else
        printf("  d/dW absent\n");
}

int main(void) {
    Module *net = module_linear_no_bias(1, 1);
    Param *w = module_param(net, "weight");
    param_fill(w, 1);
    Tape *tape = tape_create(HC_F32);
    Optim *inner = optim_sgd(module_params(net), sgd_options(0.1));
    adapt(tape, net, inner, false);
    adapt(tape, net, inner, true);

    //! [clone]
    FModule *fnet = fmodule_create(tape, net, false);
    Tensor *with_clone = square_error(fmodule_forward(fnet, fmodule_forward(fnet, point(tape))), 3);
    Tensor *with_base = square_error(module_forward(net, module_forward(net, point(tape))), 3);
    param_fill(w, 7); /* an outer step, say, between the recording and the gradient */
    param_zero_grad(w);
    tensor_backward(with_clone); /* of (w^2 - 3)^2 at w = 1, where it was recorded */
    printf("clone  d/dW %.4f\n", param_grad_get(w, 0));
    tensor_backward(with_base);
    printf("base   %s\n", higherc_status_name(higherc_status()));
    //! [clone]
    bool failed = higherc_status() != HC_ERR_CHANGED;
    higherc_clear_error();

    optim_destroy(inner);
    tape_destroy(tape);
    module_destroy(net);
    return failed;
}
