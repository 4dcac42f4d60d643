/* The page hyperparameters.md: a learning rate learned, as it is and by its logarithm. */
#include <higherc/higherc.h>

#include <math.h>
#include <stdio.h>

static Tensor *loss_of(FModule *fnet, double x, double y) {
    Tape *tape = fmodule_tape(fnet);
    return tensor_mse_loss(fmodule_forward(fnet, tensor_full(tape, shape2(1, 1), x)),
                           tensor_full(tape, shape2(1, 1), y));
}

/* Three inner steps towards 3, and how far that got. */
static Tensor *meta_loss(DiffOpt *opt, FModule *fnet) {
    for (int t = 0; t < 3; t++)
        diffopt_step(opt, loss_of(fnet, 1, 3));
    return loss_of(fnet, 1, 3);
}

static void learn(Tape *tape, Module *net) {
    //! [learn]
    Optim *inner = optim_sgd(module_params(net), sgd_options(0.02));
    optim_learn(inner, "lr", HC_ALL_GROUPS, HC_LEARN_PARAM); /* before optim_learned */
    Optim *outer = optim_adam(optim_learned(inner), adam_options(0.02));
    for (int i = 0; i < 60; i++) {
        tape_reset(tape);
        FModule *fnet = fmodule_create(tape, net, true); /* W itself is not trained here */
        DiffOpt *opt = diffopt_create(inner, fnet);
        Tensor *meta = meta_loss(opt, fnet);
        optim_zero_grad(outer);
        tensor_backward(meta); /* to the rate, through three steps */
        optim_step(outer);
        if (i % 59 == 0) printf("meta loss %.4f\n", tensor_item(meta));
    }
    double rate = param_get(optim_learned(inner).items[0], 0);
    //! [learn]
    printf("%s is now %.2f\n", param_name(optim_learned(inner).items[0]), rate);
    optim_destroy(outer);
    optim_destroy(inner);
}

static void learn_logarithm(Tape *tape, Module *net) {
    //! [positive]
    Optim *inner = optim_sgd(module_params(net), sgd_options(0.02));
    optim_learn_log(inner, "lr", HC_ALL_GROUPS, HC_LEARN_GROUP);
    Optim *outer = optim_adam(optim_learned(inner), adam_options(0.1));
    //! [positive]
    for (int i = 0; i < 60; i++) {
        tape_reset(tape);
        FModule *fnet = fmodule_create(tape, net, true);
        DiffOpt *opt = diffopt_create(inner, fnet);
        optim_zero_grad(outer);
        tensor_backward(meta_loss(opt, fnet));
        optim_step(outer);
    }
    printf("%s: the rate is now %.2f\n", param_name(optim_learned(inner).items[0]),
           optim_get(inner, "lr", 0));
    optim_destroy(outer);
    optim_destroy(inner);
}

static void learn_by_hand(Tape *tape, Module *net) {
    Optim *inner = optim_sgd(module_params(net), sgd_options(0.02));
    Param *theta = param_create("theta", shape_scalar(), HC_F64);
    param_fill(theta, log(0.02));
    Optim *outer = optim_adam((ParamList){&theta, 1}, adam_options(0.1));
    for (int i = 0; i < 60; i++) {
        tape_reset(tape);
        FModule *fnet = fmodule_create(tape, net, true);
        DiffOpt *opt = diffopt_create(inner, fnet);
        //! [override]
        diffopt_override(opt, "lr", HC_ALL_GROUPS, tensor_exp(param_tensor(tape, theta)));
        //! [override]
        optim_zero_grad(outer);
        tensor_backward(meta_loss(opt, fnet));
        optim_step(outer);
    }
    printf("by hand: e^%s is now %.2f\n", param_name(theta), exp(param_get(theta, 0)));
    optim_destroy(outer);
    optim_destroy(inner);
    param_unref(theta);
}

int main(void) {
    Module *net = module_linear_no_bias(1, 1);
    module_to(net, HC_F64);
    param_fill(module_param(net, "weight"), 1);
    Tape *tape = tape_create(HC_F64);
    learn(tape, net);
    learn_logarithm(tape, net);
    learn_by_hand(tape, net);

    bool failed = higherc_error() != NULL;
    if (failed) fprintf(stderr, "%s\n", higherc_error());
    tape_destroy(tape);
    module_destroy(net);
    return failed;
}
