/* Resilient propagation: Riedmiller and Braun 1993, in the form without backtracking (Rprop-: Igel and
 * Huesken 2000) that PyTorch uses: where the gradient's sign turned, the step size shrinks, the weight
 * stays, and the gradient is remembered as 0. Only signs of gradients act, so no derivative flows through
 * them; through the step sizes it flows to lr and the factors. */
#include "optim/rule.h"

enum { LR, ETAMINUS, ETAPLUS, STEP_MIN, STEP_MAX, MAXIMIZE, HYPERS };
enum { PREV, STEP_SIZE };

static const OptimHyper hypers[HYPERS] = {
    [LR] = {"lr", 0.01, 0, INFINITY, false},
    [ETAMINUS] = {"etaminus", 0.5, 0x1p-1074, HC_BELOW_ONE, false},
    [ETAPLUS] = {"etaplus", 1.2, HC_ABOVE_ONE, INFINITY, false},
    [STEP_MIN] = {"step_min", 1e-6, 0, INFINITY, false},
    [STEP_MAX] = {"step_max", 50, 0, INFINITY, false},
    [MAXIMIZE] = {"maximize", 0, 0, 1, true},
};

static const char *const states[] = {"prev", "step_size"};

/* Between numbers the derivative at a bound is 1 (tensor_clamp); against a tensor, half goes to it. */
static Tensor *bounded(Tensor *x, Hyper low, Hyper high) {
    if (!low.tensor && !high.tensor) return tensor_clamp(x, low.value, high.value);
    return tensor_minimum(tensor_maximum(x, hyper_fill(low, x)), hyper_fill(high, x));
}

static bool update(OptimUpdate *u, void *user) {
    (void)user;
    Tensor *g = u->grad, *size = u->state[STEP_SIZE], *p = u->param;
    if (u->hypers[MAXIMIZE].value != 0) g = tensor_neg(g);
    if (!size) size = hyper_fill(u->hypers[LR], g);
    if (u->state[PREV]) {
        Tensor *turn = tensor_mul(g, u->state[PREV]), *zero = hyper_fill(hyper_const(0), g);
        Tensor *same = tensor_gt(turn, zero), *turned = tensor_lt(turn, zero);
        Tensor *less = tensor_where(turned, hyper_scale(u->hypers[ETAMINUS], size), size);
        size = tensor_where(same, hyper_scale(u->hypers[ETAPLUS], size), less);
        g = tensor_where(turned, zero, g);
    }
    u->state[PREV] = g;
    u->state[STEP_SIZE] = bounded(size, u->hypers[STEP_MIN], u->hypers[STEP_MAX]);
    u->param = tensor_sub(p, tensor_mul(tensor_sign(g), u->state[STEP_SIZE]));
    return u->param != NULL;
}

static const char *fault(const double *hyper) {
    return hyper[STEP_MIN] > hyper[STEP_MAX] ? "step_min is above step_max" : NULL;
}

const OptimClass hc_rule_rprop = {.name = "rprop",
                                  .hypers = hypers,
                                  .hyper_count = HYPERS,
                                  .states = states,
                                  .state_count = 2,
                                  .update = update,
                                  .fault = fault};

RpropOptions rprop_options(double lr) {
    return (RpropOptions){
        .lr = lr, .etaminus = 0.5, .etaplus = 1.2, .step_min = 1e-6, .step_max = 50};
}

Optim *optim_rprop(ParamList params, RpropOptions options) {
    const double values[HYPERS] = {[LR] = options.lr,
                                   [ETAMINUS] = options.etaminus,
                                   [ETAPLUS] = options.etaplus,
                                   [STEP_MIN] = options.step_min,
                                   [STEP_MAX] = options.step_max,
                                   [MAXIMIZE] = options.maximize};
    return hc_optim_with(&hc_rule_rprop, params, values);
}
