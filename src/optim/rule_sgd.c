/* Stochastic gradient descent: Robbins and Monro 1951; momentum: Polyak 1964, in the form of Sutskever
 * et al. 2013 that PyTorch uses; Nesterov's: the same. The first update's momentum is g itself. */
#include <math.h>

#include "optim/optim.h"

enum { LR, MOMENTUM, DAMPENING, WEIGHT_DECAY, NESTEROV, MAXIMIZE, HYPERS };

static const OptimHyper hypers[HYPERS] = {
    [LR] = {"lr", 0, 0, INFINITY, false},
    [MOMENTUM] = {"momentum", 0, 0, INFINITY, false},
    [DAMPENING] = {"dampening", 0, -INFINITY, INFINITY, false},
    [WEIGHT_DECAY] = {"weight_decay", 0, 0, INFINITY, false},
    [NESTEROV] = {"nesterov", 0, 0, 1, true},
    [MAXIMIZE] = {"maximize", 0, 0, 1, true},
};

static const char *const states[] = {"momentum_buffer"};

static bool update(OptimUpdate *u, void *user) {
    (void)user;
    Hyper momentum = u->hyper[MOMENTUM];
    Tensor *g = u->grad;
    if (u->hyper[MAXIMIZE].value != 0) g = tensor_neg(g);
    if (!hyper_is_zero(u->hyper[WEIGHT_DECAY])) g = hyper_axpy(u->hyper[WEIGHT_DECAY], u->param, g);
    if (!hyper_is_zero(momentum)) {
        Tensor *b = g;
        if (u->state[0])
            b = hyper_axpy(hyper_sub(hyper_const(1), u->hyper[DAMPENING]), g,
                           hyper_scale(momentum, u->state[0]));
        u->state[0] = b;
        g = u->hyper[NESTEROV].value != 0 ? hyper_axpy(momentum, b, g) : b;
    }
    u->param = hyper_axpy(hyper_mul(hyper_const(-1), u->hyper[LR]), g, u->param);
    return u->param != NULL;
}

static const OptimClass sgd = {.name = "sgd",
                               .hypers = hypers,
                               .hyper_count = HYPERS,
                               .states = states,
                               .state_count = 1,
                               .update = update};

SgdOptions sgd_options(double lr) {
    return (SgdOptions){.lr = lr};
}

Optim *optim_sgd(ParamList params, SgdOptions options) {
    if (options.nesterov && !(options.momentum > 0 && options.dampening == 0)) {
        hc_fail_thread(HC_ERR_RANGE, "optim_sgd: nesterov needs momentum > 0 and dampening 0");
        return NULL;
    }
    Optim *optim = optim_create(&sgd, params, NULL);
    const double values[HYPERS] = {options.lr,           options.momentum, options.dampening,
                                   options.weight_decay, options.nesterov, options.maximize};
    for (size_t i = 0; optim && i < HYPERS; i++)
        if (!optim_set(optim, hypers[i].name, HC_ALL_GROUPS, values[i])) {
            optim_destroy(optim);
            optim = NULL;
        }
    return optim;
}
