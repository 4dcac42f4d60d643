/* The page modes.md: the same inner loop in each mode. */
#include <higherc/higherc.h>

#include <stdio.h>

static Tensor *loss_of(FModule *fnet, double x, double y) {
    Tape *tape = fmodule_tape(fnet);
    return tensor_mse_loss(fmodule_forward(fnet, tensor_full(tape, shape2(1, 1), x)),
                           tensor_full(tape, shape2(1, 1), y));
}

static void run(Tape *tape, Module *net, const Optim *inner, FMode mode, const char *name) {
    Param *w = module_param(net, "weight");
    param_zero_grad(w);
    tape_reset(tape);
    //! [mode]
    FModuleOptions options = fmodule_options(false);
    options.mode = mode; /* HC_FULL, HC_FIRST_ORDER or HC_EVAL */
    FModule *fnet = fmodule_create_with(tape, net, options);
    DiffOpt *opt = diffopt_create(inner, fnet);
    for (int t = 0; t < 2; t++)
        diffopt_step(opt, loss_of(fnet, 1, 3));
    Tensor *meta = loss_of(fnet, 2, 5);
    if (mode != HC_EVAL) tensor_backward(meta);
    //! [mode]
    printf("%-15s W<2> %.4f  d/dW ", name, tensor_item(fmodule_params(fnet).items[0]));
    if (param_grad(w))
        printf("%.4f\n", param_grad_get(w, 0));
    else
        printf("absent\n");
}

/* Adapting for as long as one likes, in flat memory: on a device, at test time. */
static size_t adapt(Tape *tape, Module *net, const Optim *inner, int steps) {
    tape_reset(tape);
    //! [flat]
    FModuleOptions options = fmodule_options(true);
    options.mode = HC_EVAL;
    FModule *fnet = fmodule_create_with(tape, net, options);
    DiffOpt *opt = diffopt_create(inner, fnet);
    for (int t = 0; t < steps; t++)
        diffopt_step_release(opt, loss_of(fnet, 1, 3)); /* frees all since the step before */
    fmodule_commit(fnet, net); /* where the module itself is to have learned it */
    //! [flat]
    return tape_stats(tape).live_bytes;
}

int main(void) {
    Module *net = module_linear_no_bias(1, 1);
    param_fill(module_param(net, "weight"), 1);
    Tape *tape = tape_create(HC_F32);
    Optim *inner = optim_sgd(module_params(net), sgd_options(0.1));
    run(tape, net, inner, HC_FULL, "HC_FULL");
    run(tape, net, inner, HC_FIRST_ORDER, "HC_FIRST_ORDER");
    run(tape, net, inner, HC_EVAL, "HC_EVAL");

    size_t few = adapt(tape, net, inner, 10), many = adapt(tape, net, inner, 1000);
    printf("memory after 1000 steps is that after 10: %s\n", few == many ? "yes" : "no");
    printf("W is now %.4f\n", param_get(module_param(net, "weight"), 0));

    bool failed = higherc_error() != NULL;
    if (failed) fprintf(stderr, "%s\n", higherc_error());
    optim_destroy(inner);
    tape_destroy(tape);
    module_destroy(net);
    return failed;
}
