/* Rectified Adam: Liu et al. 2020, algorithm 2, with PyTorch's threshold: the update is rectified where the
 * length rho of the approximated average is above 5, else it is the corrected first moment alone. eps is
 * added to the root before its bias correction, as PyTorch. The root's derivative at exactly 0 is 0, as in
 * rule_adam.c.
 *
 * With beta2 a number, the branch is chosen beforehand; with a tensor, in each of its entries, and the
 * entries not chosen see harmless lengths, so that no derivative meets a root of something negative. */
#include "optim/rule.h"

enum { LR, BETA1, BETA2, EPS, WEIGHT_DECAY, MAXIMIZE, HYPERS };
enum { M, V };

static const OptimHyper hypers[HYPERS] = {
    [LR] = {"lr", 0.001, 0, INFINITY, false},
    [BETA1] = {"beta1", 0.9, 0, HC_BELOW_ONE, false},
    [BETA2] = {"beta2", 0.999, 0, HC_BELOW_ONE, false},
    [EPS] = {"eps", 1e-8, 0, INFINITY, false},
    [WEIGHT_DECAY] = {"weight_decay", 0, 0, INFINITY, false},
    [MAXIMIZE] = {"maximize", 0, 0, 1, true},
};

static const char *const states[] = {"exp_avg", "exp_avg_sq"};

static const double threshold = 5, harmless = 6;

static Hyper minus(Hyper a, double b) {
    return hyper_sub(a, hyper_const(b));
}

/* r, from the length now and that after infinitely many steps */
static Hyper rectification(Hyper rho, Hyper rho_inf) {
    Hyper over = hyper_mul(hyper_mul(minus(rho, 4), minus(rho, 2)), rho_inf);
    Hyper under = hyper_mul(hyper_mul(minus(rho_inf, 4), minus(rho_inf, 2)), rho);
    return hyper_sqrt(hyper_div(over, under));
}

static Hyper where_tensor(Tensor *condition, Hyper a, double b) {
    return hyper_tensor(
        tensor_where(condition, a.tensor, condition ? tensor_scalar(condition->tape, b) : NULL));
}

/* What the corrected first moment is multiplied with: sqrt(1 - beta2^t) r / (sqrt(v) + eps), or 1. */
static Tensor *adapted(const OptimUpdate *u, Tensor *m) {
    Hyper beta2 = u->hypers[BETA2], correction = hc_correction(beta2, u->step);
    Hyper rho_inf = minus(hyper_div(hyper_const(2), hyper_sub(hyper_const(1), beta2)), 1);
    Hyper power = hyper_pow(beta2, hyper_const((double)u->step));
    Hyper lost = hyper_div(hyper_mul(hyper_const(2 * (double)u->step), power), correction);
    Hyper rho = hyper_sub(rho_inf, lost);
    if (!rho.tensor && !(rho.value > threshold)) return m;
    Tensor *condition = NULL;
    if (rho.tensor) {
        condition = tensor_gt(rho.tensor, tensor_scalar(rho.tensor->tape, threshold));
        rho = where_tensor(condition, rho, harmless);
        rho_inf = where_tensor(condition, rho_inf, harmless);
    }
    Hyper factor = hyper_mul(hyper_sqrt(correction), rectification(rho, rho_inf));
    Tensor *scale = hyper_shift(u->hypers[EPS], hc_sqrt0(u->state[V]));
    Tensor *rectified = tensor_div(hyper_scale(factor, m), scale);
    return condition ? tensor_where(condition, rectified, m) : rectified;
}

static bool update(OptimUpdate *u, void *user) {
    (void)user;
    Tensor *g = hc_rule_gradient(u, MAXIMIZE, WEIGHT_DECAY);
    u->state[M] = hc_average(u->hypers[BETA1], u->state[M], g);
    u->state[V] = hc_average(u->hypers[BETA2], u->state[V], tensor_square(g));
    Hyper rate = hyper_div(u->hypers[LR], hc_correction(u->hypers[BETA1], u->step));
    u->param = hc_descend(u->param, rate, adapted(u, u->state[M]));
    return u->param != NULL;
}

const OptimClass hc_rule_radam = {.name = "radam",
                                  .hypers = hypers,
                                  .hyper_count = HYPERS,
                                  .states = states,
                                  .state_count = 2,
                                  .update = update};

RadamOptions radam_options(double lr) {
    return (RadamOptions){.lr = lr, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8};
}

Optim *optim_radam(ParamList params, RadamOptions options) {
    const double values[HYPERS] = {[LR] = options.lr,
                                   [BETA1] = options.beta1,
                                   [BETA2] = options.beta2,
                                   [EPS] = options.eps,
                                   [WEIGHT_DECAY] = options.weight_decay,
                                   [MAXIMIZE] = options.maximize};
    return hc_optim_with(&hc_rule_radam, params, values);
}
