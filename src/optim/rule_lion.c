/* Lion: Chen et al. 2023, "Symbolic discovery of optimization algorithms", algorithm 2. Weight decay shrinks the
 * weights themselves and lr multiplies it, as in the paper. The update is a sign, whose derivative is 0 everywhere:
 * gradients go through the weights, lr and weight_decay, but not through the momentum. */
#include "optim/rule.h"

enum { LR, BETA1, BETA2, WEIGHT_DECAY, MAXIMIZE, HYPERS };

static const OptimHyper hypers[HYPERS] = {
    [LR] = {"lr", 1e-4, 0, INFINITY, false},
    [BETA1] = {"beta1", 0.9, 0, 1, false},
    [BETA2] = {"beta2", 0.99, 0, 1, false},
    [WEIGHT_DECAY] = {"weight_decay", 0, 0, INFINITY, false},
    [MAXIMIZE] = {"maximize", 0, 0, 1, true},
};

static const char *const states[] = {"exp_avg"};

static bool update(OptimUpdate *u, void *user) {
    (void)user;
    Hyper decay = u->hypers[WEIGHT_DECAY];
    Tensor *p = u->param, *g = u->grad;
    if (u->hypers[MAXIMIZE].value != 0) g = tensor_neg(g);
    Tensor *direction = tensor_sign(hc_average(u->hypers[BETA1], u->state[0], g));
    if (!hyper_is_zero(decay))
        p = hyper_scale(hyper_sub(hyper_const(1), hyper_mul(u->hypers[LR], decay)), p);
    u->state[0] = hc_average(u->hypers[BETA2], u->state[0], g);
    u->param = hc_descend(p, u->hypers[LR], direction);
    return u->param && u->state[0];
}

const OptimClass hc_rule_lion = {.name = "lion",
                                 .hypers = hypers,
                                 .hyper_count = HYPERS,
                                 .states = states,
                                 .state_count = 1,
                                 .update = update};

LionOptions lion_options(double lr) {
    return (LionOptions){.lr = lr, .beta1 = 0.9, .beta2 = 0.99};
}

Optim *optim_lion(ParamList params, LionOptions options) {
    const double values[HYPERS] = {[LR] = options.lr,
                                   [BETA1] = options.beta1,
                                   [BETA2] = options.beta2,
                                   [WEIGHT_DECAY] = options.weight_decay,
                                   [MAXIMIZE] = options.maximize};
    return hc_optim_with(&hc_rule_lion, params, values);
}
