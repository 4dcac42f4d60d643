/* The page from_higher.md: what a program with higher does, call by call. */
#include <higherc/higherc.h>

#include <stdio.h>

static Tensor *loss_of(Tensor *prediction, Tensor *y) {
    return tensor_mse_loss(prediction, y);
}

//! [callback]
/* grad_callback=lambda grads: [g * 0.5 for g in grads] */
static bool halve(Tape *tape, Tensor **grads, size_t count, void *user) {
    (void)tape, (void)user;
    for (size_t i = 0; i < count; i++)
        if (grads[i]) grads[i] = tensor_mul_scalar(grads[i], 0.5);
    return true;
}
//! [callback]

static double first(Tensor *x) {
    return tensor_item(tensor_slice(tensor_reshape(x, shape1(tensor_count(x))), 0, 0, 1, 1));
}

int main(void) {
    Rng rng = rng_seed(3);
    Module *layers[] = {module_linear(2, 4), module_tanh(), module_linear(4, 1)};
    Module *net = module_sequential(layers, 3);
    module_to(net, HC_F64);
    module_init(net, &rng);
    Optim *optim = optim_adam(module_params(net), adam_options(0.05));
    Tape *tape = tape_create(HC_F64);
    Tensor *x = tensor_normal(tape, shape2(8, 2), 0, 1, &rng),
           *y = tensor_normal(tape, shape2(8, 1), 0, 1, &rng);

    //! [ctx]
    /* with higher.innerloop_ctx(net, opt, copy_initial_weights=False,
     *                           override={"lr": lr}) as (fnet, diffopt): */
    FModule *fnet = fmodule_create(tape, net, false);
    DiffOpt *diffopt = diffopt_create(optim, fnet);
    Tensor *lr = tensor_leaf(tensor_scalar(tape, 0.1));
    diffopt_override(diffopt, "lr", HC_ALL_GROUPS, lr);
    for (int t = 0; t < 3; t++)
        diffopt_step(diffopt,
                     loss_of(fmodule_forward(fnet, x), y)); /* diffopt.step(loss_fn(fnet(x), y)) */
    /* the loop's end: tape_reset, or tape_release to a mark made before */
    //! [ctx]
    Tensor *meta = loss_of(fmodule_forward(fnet, x), y), *to_lr;
    tensor_grad(meta, &lr, 1, &to_lr, HC_CREATE_GRAPH);
    printf("d meta / d lr is a tensor with a history: %s\n",
           tensor_requires_grad(to_lr) ? "yes" : "no");

    //! [params]
    TensorList start = fmodule_params_at(fnet, 0); /* fnet.parameters(time=0) */
    TensorList latest = fmodule_params(fnet);      /* fnet.parameters() */
    Tensor *before =
        fmodule_forward_with(fnet, start.items, start.count, x);   /* fnet(x, params=...) */
    Tensor *weight = fmodule_param(fnet, "2.weight");              /* fnet[2].weight */
    Tensor *hidden = fmodule_forward(fmodule_child(fnet, "0"), x); /* fnet[0](x) */
    fmodule_set_param(fnet, "2.weight", tensor_neg(weight)); /* fnet[2].weight = -fnet[2].weight */
    //! [params]
    printf("%d weights; the loss fell: %s\n", (int)latest.count,
           tensor_item(meta) < tensor_item(loss_of(before, y)) ? "yes" : "no");
    printf("hidden: %d x %d, steps: %d\n", (int)tensor_dim(hidden, 0), (int)tensor_dim(hidden, 1),
           (int)fmodule_steps(fnet));
    printf("weight negated: %s\n",
           first(weight) == -first(fmodule_param(fnet, "2.weight")) ? "yes" : "no");

    //! [grad_callback]
    diffopt_grad_callback(diffopt, halve, NULL);
    diffopt_step(diffopt, loss_of(fmodule_forward(fnet, x), y));
    diffopt_grad_callback(diffopt, NULL, NULL);
    //! [grad_callback]

    //! [trainable]
    /* opt_params = higher.optim.get_trainable_opt_params(opt)
     * outer = torch.optim.SGD(opt_params["lr"]) */
    optim_learn(optim, "lr", HC_ALL_GROUPS, HC_LEARN_GROUP);
    Optim *outer = optim_sgd(optim_learned(optim), sgd_options(0.01));
    //! [trainable]
    fnet = fmodule_create(tape, net, true);
    diffopt = diffopt_create(optim, fnet); /* has the learned rate */
    diffopt_step(diffopt, loss_of(fmodule_forward(fnet, x), y));
    tensor_backward(loss_of(fmodule_forward(fnet, x), y));
    optim_step(
        outer); /* and optim has the new one: apply_trainable_opt_params has nothing left to do */
    printf("the rate moved: %s\n", optim_get(optim, "lr", 0) == 0.05 ? "no" : "yes");

    bool failed = higherc_error() != NULL;
    if (failed) fprintf(stderr, "%s\n", higherc_error());
    optim_destroy(outer);
    optim_destroy(optim);
    tape_destroy(tape);
    module_destroy(net);
    return failed;
}
