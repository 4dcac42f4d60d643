/* An optimizer of your own in one function: Lion (Chen et al. 2023, "Symbolic discovery of optimization
 * algorithms", algorithm 2). Written once, it steps in place and on the tape. */
#include <higherc/higherc.h>
#include <math.h>
#include <stdio.h>

static const char *const states[] = {"exp_avg"};
enum { LR, BETA1, BETA2, DECAY, HYPERS };
static const OptimHyper hypers[HYPERS] = {{"lr", 1e-4, 0, INFINITY, false},
                                          {"beta1", 0.9, 0, 1, false},
                                          {"beta2", 0.99, 0, 1, false},
                                          {"weight_decay", 0, 0, INFINITY, false}};

static Tensor *average(Hyper beta, Tensor *m, Tensor *g) { /* of m, 0 at first, and g */
    Hyper rest = hyper_sub(hyper_const(1), beta);
    return m ? hyper_axpy(rest, g, hyper_scale(beta, m)) : hyper_scale(rest, g);
}

static bool update(OptimUpdate *u, void *user) {
    (void)user;
    Tensor *direction = tensor_sign(average(u->hypers[BETA1], u->state[0], u->grad));
    direction = hyper_axpy(u->hypers[DECAY], u->param, direction);
    u->state[0] = average(u->hypers[BETA2], u->state[0], u->grad);
    return (u->param = tensor_sub(u->param, hyper_scale(u->hypers[LR], direction))) != NULL;
}

static const OptimClass lion = {.name = "lion",
                                .hypers = hypers,
                                .hyper_count = HYPERS,
                                .states = states,
                                .state_count = 1,
                                .update = update};

int main(void) {
    Tape *tape = tape_create(HC_F32);
    Module *net = module_linear_no_bias(2, 1);
    Param *w = module_param(net, "weight");
    param_set_f64(w, (const double[]){2, -3}, 2);
    Optim *optim = optim_create(&lion, module_params(net), NULL);
    optim_set(optim, "lr", HC_ALL_GROUPS, 0.1);
    optim_learn(optim, "lr", HC_ALL_GROUPS, HC_LEARN_GROUP);
    FModule *fast = fmodule_create(tape, net, false); /* ten steps on the tape ... */
    DiffOpt *opt = diffopt_create(optim, fast);
    for (int k = 0; k < 10; k++)
        diffopt_step(opt, tensor_sum(tensor_square(fmodule_param(fast, "weight"))));
    Tensor *end = tensor_sum(tensor_square(fmodule_param(fast, "weight")));
    tensor_backward(end);
    for (int k = 0; k < 10; k++) { /* ... and in place */
        optim_zero_grad(optim);
        tensor_backward(tensor_sum(tensor_square(param_tensor(tape, w))));
        optim_step(optim);
    }
    Tensor *in_place = tensor_sum(tensor_square(param_tensor(tape, w)));
    bool failed = higherc_error() != NULL;
    if (failed)
        fprintf(stderr, "%s\n", higherc_error());
    else
        printf("Ten steps of Lion take the loss from 13 to %.0f (d loss / d lr = %.0f), %.0f in "
               "place\n",
               tensor_item(end), param_grad_get(optim_learned(optim).items[0], 0),
               tensor_item(in_place));
    optim_destroy(optim);
    module_destroy(net);
    tape_destroy(tape);
    return failed;
}
