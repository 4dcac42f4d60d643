/* Averaged stochastic gradient descent: Polyak and Juditsky 1992; the step sizes and the names of Bottou's
 * SGD code and Xu 2011, as PyTorch. eta, the step size in force, is state: the settings act on the step
 * after. ax is the running average of the weights from step t0 on; it never acts on them. */
#include "optim/rule.h"

enum { LR, LAMBD, ALPHA, T0, WEIGHT_DECAY, MAXIMIZE, HYPERS };
enum { ETA, AX };

static const OptimHyper hypers[HYPERS] = {
    [LR] = {"lr", 0.01, 0, INFINITY, false},
    [LAMBD] = {"lambd", 1e-4, -INFINITY, INFINITY, false},
    [ALPHA] = {"alpha", 0.75, -INFINITY, INFINITY, false},
    [T0] = {"t0", 1e6, -INFINITY, INFINITY, false},
    [WEIGHT_DECAY] = {"weight_decay", 0, 0, INFINITY, false},
    [MAXIMIZE] = {"maximize", 0, 0, 1, true},
};

static const char *const states[] = {"eta", "ax"};

/* ax + (p - ax) / max(1, t - 1 - t0): p itself for as long as the divisor is the number 1. */
static Tensor *running_average(Hyper t0, size_t t, Tensor *ax, Tensor *p) {
    Hyper n = hyper_max(hyper_const(1), hyper_sub(hyper_const((double)t - 1), t0));
    if (!ax || (!n.tensor && n.value == 1)) return p;
    return hyper_axpy(hyper_div(hyper_const(1), n), tensor_sub(p, ax), ax);
}

static bool update(OptimUpdate *u, void *user) {
    (void)user;
    Hyper lr = u->hypers[LR], lambd = u->hypers[LAMBD];
    Tensor *g = hc_rule_gradient(u, MAXIMIZE, WEIGHT_DECAY);
    Tensor *eta = u->state[ETA] ? u->state[ETA] : hyper_fill(lr, u->param);
    Tensor *keep = hyper_shift(hyper_const(1), hyper_scale(hyper_sub(hyper_const(0), lambd), eta));
    u->param = tensor_sub(tensor_mul(u->param, keep), tensor_mul(eta, g));
    u->state[AX] = running_average(u->hypers[T0], u->step, u->state[AX], u->param);
    Hyper slope = hyper_mul(hyper_mul(lambd, lr), hyper_const((double)u->step));
    Hyper slowed = hyper_pow(hyper_add(hyper_const(1), slope), u->hypers[ALPHA]);
    u->state[ETA] = hyper_fill(hyper_div(lr, slowed), eta);
    return u->param && u->state[ETA] && u->state[AX];
}

const OptimClass hc_rule_asgd = {.name = "asgd",
                                 .hypers = hypers,
                                 .hyper_count = HYPERS,
                                 .states = states,
                                 .state_count = 2,
                                 .update = update};

AsgdOptions asgd_options(double lr) {
    return (AsgdOptions){.lr = lr, .lambd = 1e-4, .alpha = 0.75, .t0 = 1e6};
}

Optim *optim_asgd(ParamList params, AsgdOptions options) {
    const double values[HYPERS] = {[LR] = options.lr,
                                   [LAMBD] = options.lambd,
                                   [ALPHA] = options.alpha,
                                   [T0] = options.t0,
                                   [WEIGHT_DECAY] = options.weight_decay,
                                   [MAXIMIZE] = options.maximize};
    return hc_optim_with(&hc_rule_asgd, params, values);
}
