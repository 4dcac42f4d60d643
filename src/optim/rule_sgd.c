/* Stochastic gradient descent: Robbins and Monro 1951; momentum: Polyak 1964, in the form of Sutskever
 * et al. 2013 that PyTorch uses; Nesterov's: the same. The first update's momentum is g itself. */
#include "optim/rule.h"

enum { LR, MOMENTUM, DAMPENING, WEIGHT_DECAY, NESTEROV, MAXIMIZE, HYPERS };

static const OptimHyper hypers[HYPERS] = {
    [LR] = {"lr", 0.001, 0, INFINITY, false},
    [MOMENTUM] = {"momentum", 0, 0, INFINITY, false},
    [DAMPENING] = {"dampening", 0, -INFINITY, INFINITY, false},
    [WEIGHT_DECAY] = {"weight_decay", 0, 0, INFINITY, false},
    [NESTEROV] = {"nesterov", 0, 0, 1, true},
    [MAXIMIZE] = {"maximize", 0, 0, 1, true},
};

static const char *const states[] = {"momentum_buffer"};

static bool update(OptimUpdate *u, void *user) {
    (void)user;
    Hyper momentum = u->hypers[MOMENTUM];
    Tensor *g = hc_rule_gradient(u, MAXIMIZE, WEIGHT_DECAY);
    if (!hyper_is_zero(momentum)) {
        Tensor *b = g;
        if (u->state[0])
            b = hyper_axpy(hyper_sub(hyper_const(1), u->hypers[DAMPENING]), g,
                           hyper_scale(momentum, u->state[0]));
        u->state[0] = b;
        g = u->hypers[NESTEROV].value != 0 ? hyper_axpy(momentum, b, g) : b;
    }
    u->param = hc_descend(u->param, u->hypers[LR], g);
    return u->param != NULL;
}

static const char *fault(const double *hyper) {
    bool wrong =
        hyper[MOMENTUM] <= 0 || fabs(hyper[DAMPENING]) > 0; /* not of NaN, which is learned */
    return hyper[NESTEROV] == 0 || !wrong ? NULL : "nesterov needs momentum > 0 and dampening 0";
}

const OptimClass hc_rule_sgd = {.name = "sgd",
                                .hypers = hypers,
                                .hyper_count = HYPERS,
                                .states = states,
                                .state_count = 1,
                                .update = update,
                                .fault = fault};

SgdOptions sgd_options(double lr) {
    return (SgdOptions){.lr = lr};
}

Optim *optim_sgd(ParamList params, SgdOptions options) {
    const double values[HYPERS] = {[LR] = options.lr,
                                   [MOMENTUM] = options.momentum,
                                   [DAMPENING] = options.dampening,
                                   [WEIGHT_DECAY] = options.weight_decay,
                                   [NESTEROV] = options.nesterov,
                                   [MAXIMIZE] = options.maximize};
    return hc_optim_with(&hc_rule_sgd, params, values);
}
