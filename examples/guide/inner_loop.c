/* The page inner_loop.md: an inner loop with one weight, and its gradient by hand. */
#include <higherc/higherc.h>

#include <stdio.h>

/* The net is y = w x with one weight, so that each number can be followed by hand. */
static Module *make_net(void) {
    Module *net = module_linear_no_bias(1, 1);
    double w = 1;
    param_set_f64(module_param(net, "weight"), &w, 1);
    return net;
}

/* (w x - y)^2 for one point */
static Tensor *loss_of(FModule *fnet, double x, double y) {
    Tape *tape = fmodule_tape(fnet);
    Tensor *in = tensor_full(tape, shape2(1, 1), x), *out = tensor_full(tape, shape2(1, 1), y);
    return tensor_mse_loss(fmodule_forward(fnet, in), out);
}

int main(void) {
    Module *net = make_net();
    module_to(net, HC_F64);
    Tape *tape = tape_create(HC_F64);
    Optim *inner = optim_sgd(module_params(net), sgd_options(0.1));
    Optim *outer = optim_sgd(module_params(net), sgd_options(0.01));

    //! [loop]
    for (int i = 0; i < 3; i++) {
        tape_reset(tape);                                 /* all of the last iteration goes */
        FModule *fnet = fmodule_create(tape, net, false); /* W⟨0⟩, a clone of W with its history */
        DiffOpt *opt = diffopt_create(inner, fnet);
        for (int t = 0; t < 2; t++)
            diffopt_step(opt, loss_of(fnet, 1, 3)); /* W⟨t+1⟩ out of W⟨t⟩ */

        Tensor *meta = loss_of(fnet, 2, 5); /* judged by another point */
        optim_zero_grad(outer);
        tensor_backward(meta); /* through W⟨2⟩ and W⟨1⟩ to W⟨0⟩, and to W */
        //! [loop]
        Param *w = module_param(net, "weight");
        printf("W %.4f", param_get(w, 0));
        for (size_t t = 0; t <= fmodule_steps(fnet); t++)
            printf("   W<%d> %.4f", (int)t, tensor_item(fmodule_params_at(fnet, t).items[0]));
        printf("   meta loss %.4f   d/dW %.4f\n", tensor_item(meta), param_grad_get(w, 0));
        //! [step]
        optim_step(outer); /* W changes, in place */
    }
    //! [step]

    bool failed = higherc_error() != NULL;
    if (failed) fprintf(stderr, "%s\n", higherc_error());
    optim_destroy(outer);
    optim_destroy(inner);
    tape_destroy(tape);
    module_destroy(net);
    return failed;
}
