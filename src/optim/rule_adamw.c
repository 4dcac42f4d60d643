/* AdamW: Loshchilov and Hutter 2019, algorithm 2: weight decay shrinks the weights themselves, by
 * 1 - lr weight_decay before the update, and never enters the moments. As PyTorch, lr multiplies the decay
 * (the paper's schedule multiplier and learning rate in one). */
#include "optim/rule.h"

static const OptimHyper hypers[HC_ADAM_HYPERS] = {
    [HC_ADAM_LR] = {"lr", 0.001, 0, INFINITY, false},
    [HC_ADAM_BETA1] = {"beta1", 0.9, 0, HC_BELOW_ONE, false},
    [HC_ADAM_BETA2] = {"beta2", 0.999, 0, HC_BELOW_ONE, false},
    [HC_ADAM_EPS] = {"eps", 1e-8, 0, INFINITY, false},
    [HC_ADAM_WEIGHT_DECAY] = {"weight_decay", 0.01, 0, INFINITY, false},
    [HC_ADAM_AMSGRAD] = {"amsgrad", 0, 0, 1, true},
    [HC_ADAM_MAXIMIZE] = {"maximize", 0, 0, 1, true},
};

static bool update(OptimUpdate *u, void *user) {
    (void)user;
    Hyper decay = u->hypers[HC_ADAM_WEIGHT_DECAY];
    Tensor *p = u->param, *g = u->grad;
    if (u->hypers[HC_ADAM_MAXIMIZE].value != 0) g = tensor_neg(g);
    if (!hyper_is_zero(decay))
        p = hyper_scale(hyper_sub(hyper_const(1), hyper_mul(u->hypers[HC_ADAM_LR], decay)), p);
    u->param = hc_adam_move(u, p, g);
    return u->param != NULL;
}

const OptimClass hc_rule_adamw = {.name = "adamw",
                                  .hypers = hypers,
                                  .hyper_count = HC_ADAM_HYPERS,
                                  .states = hc_adam_states,
                                  .state_count = 3,
                                  .update = update};

AdamWOptions adamw_options(double lr) {
    return (AdamWOptions){
        .lr = lr, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = 0.01};
}

Optim *optim_adamw(ParamList params, AdamWOptions options) {
    const double values[HC_ADAM_HYPERS] = {[HC_ADAM_LR] = options.lr,
                                           [HC_ADAM_BETA1] = options.beta1,
                                           [HC_ADAM_BETA2] = options.beta2,
                                           [HC_ADAM_EPS] = options.eps,
                                           [HC_ADAM_WEIGHT_DECAY] = options.weight_decay,
                                           [HC_ADAM_AMSGRAD] = options.amsgrad,
                                           [HC_ADAM_MAXIMIZE] = options.maximize};
    return hc_optim_with(&hc_rule_adamw, params, values);
}
