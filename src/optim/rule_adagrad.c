/* Adagrad: Duchi, Hazan and Singer 2011, the diagonal form (their figure 1 with delta outside the root, as
 * PyTorch's eps), with PyTorch's decay of the rate, lr / (1 + (t - 1) lr_decay). The root's derivative at
 * exactly 0 is 0, as in rule_adam.c. */
#include "optim/rule.h"

enum { LR, LR_DECAY, EPS, WEIGHT_DECAY, INITIAL, MAXIMIZE, HYPERS };

static const OptimHyper hypers[HYPERS] = {
    [LR] = {"lr", 0.01, 0, INFINITY, false},
    [LR_DECAY] = {"lr_decay", 0, 0, INFINITY, false},
    [EPS] = {"eps", 1e-10, 0, INFINITY, false},
    [WEIGHT_DECAY] = {"weight_decay", 0, 0, INFINITY, false},
    [INITIAL] = {"initial_accumulator_value", 0, 0, INFINITY, false},
    [MAXIMIZE] = {"maximize", 0, 0, 1, true},
};

static const char *const states[] = {"sum"};

static bool update(OptimUpdate *u, void *user) {
    (void)user;
    Tensor *g = hc_rule_gradient(u, MAXIMIZE, WEIGHT_DECAY), *square = tensor_square(g);
    if (u->state[0])
        u->state[0] = tensor_add(u->state[0], square);
    else
        u->state[0] = hyper_shift(u->hypers[INITIAL], square);
    Hyper slowed = hyper_mul(hyper_const((double)(u->step - 1)), u->hypers[LR_DECAY]);
    Hyper rate = hyper_div(u->hypers[LR], hyper_add(hyper_const(1), slowed));
    Tensor *scale = hyper_shift(u->hypers[EPS], hc_sqrt0(u->state[0]));
    u->param = hc_descend(u->param, rate, tensor_div(g, scale));
    return u->param != NULL;
}

const OptimClass hc_rule_adagrad = {.name = "adagrad",
                                    .hypers = hypers,
                                    .hyper_count = HYPERS,
                                    .states = states,
                                    .state_count = 1,
                                    .update = update};

AdagradOptions adagrad_options(double lr) {
    return (AdagradOptions){.lr = lr, .eps = 1e-10};
}

Optim *optim_adagrad(ParamList params, AdagradOptions options) {
    const double values[HYPERS] = {[LR] = options.lr,
                                   [LR_DECAY] = options.lr_decay,
                                   [EPS] = options.eps,
                                   [WEIGHT_DECAY] = options.weight_decay,
                                   [INITIAL] = options.initial_accumulator_value,
                                   [MAXIMIZE] = options.maximize};
    return hc_optim_with(&hc_rule_adagrad, params, values);
}
