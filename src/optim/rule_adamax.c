/* Adamax: Kingma and Ba 2015, algorithm 2, with PyTorch's eps added to |g| inside the maximum, which keeps
 * the divisor above 0 (the paper has none). No root is taken; |g| has derivative 0 at 0. */
#include "optim/rule.h"

enum { LR, BETA1, BETA2, EPS, WEIGHT_DECAY, MAXIMIZE, HYPERS };
enum { M, U };

static const OptimHyper hypers[HYPERS] = {
    [LR] = {"lr", 0.002, 0, INFINITY, false},
    [BETA1] = {"beta1", 0.9, 0, HC_BELOW_ONE, false},
    [BETA2] = {"beta2", 0.999, 0, HC_BELOW_ONE, false},
    [EPS] = {"eps", 1e-8, 0, INFINITY, false},
    [WEIGHT_DECAY] = {"weight_decay", 0, 0, INFINITY, false},
    [MAXIMIZE] = {"maximize", 0, 0, 1, true},
};

static const char *const states[] = {"exp_avg", "exp_inf"};

static bool update(OptimUpdate *u, void *user) {
    (void)user;
    Tensor *g = hc_rule_gradient(u, MAXIMIZE, WEIGHT_DECAY);
    Tensor *size = hyper_shift(u->hypers[EPS], tensor_abs(g));
    u->state[M] = hc_average(u->hypers[BETA1], u->state[M], g);
    if (u->state[U]) size = tensor_maximum(hyper_scale(u->hypers[BETA2], u->state[U]), size);
    u->state[U] = size;
    Hyper rate = hyper_div(u->hypers[LR], hc_correction(u->hypers[BETA1], u->step));
    u->param = hc_descend(u->param, rate, tensor_div(u->state[M], size));
    return u->param != NULL;
}

const OptimClass hc_rule_adamax = {.name = "adamax",
                                   .hypers = hypers,
                                   .hyper_count = HYPERS,
                                   .states = states,
                                   .state_count = 2,
                                   .update = update};

AdamaxOptions adamax_options(double lr) {
    return (AdamaxOptions){.lr = lr, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8};
}

Optim *optim_adamax(ParamList params, AdamaxOptions options) {
    const double values[HYPERS] = {[LR] = options.lr,
                                   [BETA1] = options.beta1,
                                   [BETA2] = options.beta2,
                                   [EPS] = options.eps,
                                   [WEIGHT_DECAY] = options.weight_decay,
                                   [MAXIMIZE] = options.maximize};
    return hc_optim_with(&hc_rule_adamax, params, values);
}
