/* RMSprop: Tieleman and Hinton 2012, lecture 6.5; centered: Graves 2013, equations 38 to 45, with eps
 * outside the root, as PyTorch. The variance v - a^2 is cut off at 0, below which only rounding can take
 * it; the root's derivative at exactly 0 is 0, as in rule_adam.c. */
#include "optim/rule.h"

enum { LR, ALPHA, EPS, WEIGHT_DECAY, MOMENTUM, CENTERED, MAXIMIZE, HYPERS };
enum { V, B, A };

static const OptimHyper hypers[HYPERS] = {
    [LR] = {"lr", 0.01, 0, INFINITY, false},
    [ALPHA] = {"alpha", 0.99, 0, 1, false},
    [EPS] = {"eps", 1e-8, 0, INFINITY, false},
    [WEIGHT_DECAY] = {"weight_decay", 0, 0, INFINITY, false},
    [MOMENTUM] = {"momentum", 0, 0, INFINITY, false},
    [CENTERED] = {"centered", 0, 0, 1, true},
    [MAXIMIZE] = {"maximize", 0, 0, 1, true},
};

static const char *const states[] = {"square_avg", "momentum_buffer", "grad_avg"};

static bool update(OptimUpdate *u, void *user) {
    (void)user;
    Hyper momentum = u->hypers[MOMENTUM];
    Tensor *g = hc_rule_gradient(u, MAXIMIZE, WEIGHT_DECAY);
    u->state[V] = hc_average(u->hypers[ALPHA], u->state[V], tensor_square(g));
    Tensor *second = u->state[V];
    if (u->hypers[CENTERED].value != 0) {
        u->state[A] = hc_average(u->hypers[ALPHA], u->state[A], g);
        second = tensor_relu(tensor_sub(second, tensor_square(u->state[A])));
    }
    Tensor *direction = tensor_div(g, hyper_shift(u->hypers[EPS], hc_sqrt0(second)));
    if (!hyper_is_zero(momentum)) {
        if (u->state[B]) direction = tensor_add(hyper_scale(momentum, u->state[B]), direction);
        u->state[B] = direction;
    }
    u->param = hc_descend(u->param, u->hypers[LR], direction);
    return u->param != NULL;
}

const OptimClass hc_rule_rmsprop = {.name = "rmsprop",
                                    .hypers = hypers,
                                    .hyper_count = HYPERS,
                                    .states = states,
                                    .state_count = 3,
                                    .update = update};

RmspropOptions rmsprop_options(double lr) {
    return (RmspropOptions){.lr = lr, .alpha = 0.99, .eps = 1e-8};
}

Optim *optim_rmsprop(ParamList params, RmspropOptions options) {
    const double values[HYPERS] = {[LR] = options.lr,
                                   [ALPHA] = options.alpha,
                                   [EPS] = options.eps,
                                   [WEIGHT_DECAY] = options.weight_decay,
                                   [MOMENTUM] = options.momentum,
                                   [CENTERED] = options.centered,
                                   [MAXIMIZE] = options.maximize};
    return hc_optim_with(&hc_rule_rmsprop, params, values);
}
