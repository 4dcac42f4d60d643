/* Adadelta: Zeiler 2012, algorithm 1, equations 10, 9 and 14; eps under both roots as there, so that no
 * root is ever taken of 0. PyTorch's lr multiplies the paper's update (which has lr = 1). */
#include "optim/rule.h"

enum { LR, RHO, EPS, WEIGHT_DECAY, MAXIMIZE, HYPERS };
enum { V, A };

static const OptimHyper hypers[HYPERS] = {
    [LR] = {"lr", 1, 0, INFINITY, false},
    [RHO] = {"rho", 0.9, 0, 1, false},
    [EPS] = {"eps", 1e-6, 0, INFINITY, false},
    [WEIGHT_DECAY] = {"weight_decay", 0, 0, INFINITY, false},
    [MAXIMIZE] = {"maximize", 0, 0, 1, true},
};

static const char *const states[] = {"square_avg", "acc_delta"};

/* sqrt(x + eps), with x = 0 while NULL */
static Tensor *rms(Hyper eps, Tensor *x, Tensor *like) {
    return hc_sqrt0(x ? hyper_shift(eps, x) : hyper_fill(eps, like));
}

static bool update(OptimUpdate *u, void *user) {
    (void)user;
    Hyper eps = u->hypers[EPS];
    Tensor *g = hc_rule_gradient(u, MAXIMIZE, WEIGHT_DECAY);
    u->state[V] = hc_average(u->hypers[RHO], u->state[V], tensor_square(g));
    Tensor *ratio = tensor_div(rms(eps, u->state[A], g), rms(eps, u->state[V], g));
    Tensor *delta = tensor_mul(ratio, g);
    u->state[A] = hc_average(u->hypers[RHO], u->state[A], tensor_square(delta));
    u->param = hc_descend(u->param, u->hypers[LR], delta);
    return u->param != NULL;
}

const OptimClass hc_rule_adadelta = {.name = "adadelta",
                                     .hypers = hypers,
                                     .hyper_count = HYPERS,
                                     .states = states,
                                     .state_count = 2,
                                     .update = update};

AdadeltaOptions adadelta_options(double lr) {
    return (AdadeltaOptions){.lr = lr, .rho = 0.9, .eps = 1e-6};
}

Optim *optim_adadelta(ParamList params, AdadeltaOptions options) {
    const double values[HYPERS] = {[LR] = options.lr,
                                   [RHO] = options.rho,
                                   [EPS] = options.eps,
                                   [WEIGHT_DECAY] = options.weight_decay,
                                   [MAXIMIZE] = options.maximize};
    return hc_optim_with(&hc_rule_adadelta, params, values);
}
