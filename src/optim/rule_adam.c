/* Adam: Kingma and Ba 2015, algorithm 1, with eps outside the root as there; amsgrad: Reddi, Kale and
 * Kumar 2018, with the maximum over v before the bias correction, as PyTorch. Weight decay enters g.
 * The root's derivative at exactly 0 is 0 (hc_sqrt0): the second moment is 0 only where every gradient
 * was, and d v / d g is 0 there too, so nothing is lost and every order stays finite. */
#include "optim/rule.h"

enum { M, V, U };

static const OptimHyper hypers[HC_ADAM_HYPERS] = {
    [HC_ADAM_LR] = {"lr", 0.001, 0, INFINITY, false},
    [HC_ADAM_BETA1] = {"beta1", 0.9, 0, HC_BELOW_ONE, false},
    [HC_ADAM_BETA2] = {"beta2", 0.999, 0, HC_BELOW_ONE, false},
    [HC_ADAM_EPS] = {"eps", 1e-8, 0, INFINITY, false},
    [HC_ADAM_WEIGHT_DECAY] = {"weight_decay", 0, 0, INFINITY, false},
    [HC_ADAM_AMSGRAD] = {"amsgrad", 0, 0, 1, true},
    [HC_ADAM_MAXIMIZE] = {"maximize", 0, 0, 1, true},
};

const char *const hc_adam_states[3] = {"exp_avg", "exp_avg_sq", "max_exp_avg_sq"};

/* Whether the update is one that is there as one operation (ops/adam.c): all numbers but the learning rate,
 * which may be a tensor with one number. */
static bool is_fused(const OptimUpdate *u, const Tensor *p, const Tensor *g) {
    const Tensor *lr = u->hypers[HC_ADAM_LR].tensor;
    HC_ASSERT(!u->state[M] == !u->state[V]); /* both of the weight's shape */
    return !u->hypers[HC_ADAM_BETA1].tensor && !u->hypers[HC_ADAM_BETA2].tensor &&
           !u->hypers[HC_ADAM_EPS].tensor && u->hypers[HC_ADAM_AMSGRAD].value == 0 &&
           (!lr || lr->form->count == 1) && p->form->ndim < HC_MAX_DIMS &&
           g->form->plain == p->form->plain;
}

static Tensor *fused(OptimUpdate *u, Tensor *p, Tensor *g) {
    double beta1 = u->hypers[HC_ADAM_BETA1].value, beta2 = u->hypers[HC_ADAM_BETA2].value;
    double correction = hc_correction(hyper_const(beta2), u->step).value;
    const double constants[HC_ADAM_K_CONSTANTS] = {[HC_ADAM_K_BETA1] = beta1,
                                                   [HC_ADAM_K_REST1] = 1 - beta1,
                                                   [HC_ADAM_K_BETA2] = beta2,
                                                   [HC_ADAM_K_REST2] = 1 - beta2,
                                                   [HC_ADAM_K_SCALE] = 1 / sqrt(correction),
                                                   [HC_ADAM_K_EPS] = u->hypers[HC_ADAM_EPS].value};
    Hyper factor = hyper_div(hyper_const(-1), hc_correction(u->hypers[HC_ADAM_BETA1], u->step));
    Hyper rate = hyper_mul(u->hypers[HC_ADAM_LR], factor); /* one operation where lr is a tensor */
    if (!rate.tensor) rate.tensor = tensor_scalar(p->tape, rate.value);
    Tensor *out[3];
    if (!hc_adam(p, g, u->state[M], u->state[V], rate.tensor, constants, out)) return NULL;
    u->state[M] = out[1];
    u->state[V] = out[2];
    return out[0];
}

Tensor *hc_adam_move(OptimUpdate *u, Tensor *p, Tensor *g) {
    if (p && g && is_fused(u, p, g)) return fused(u, p, g);
    u->state[M] = hc_average(u->hypers[HC_ADAM_BETA1], u->state[M], g);
    u->state[V] = hc_average(u->hypers[HC_ADAM_BETA2], u->state[V], tensor_square(g));
    Tensor *second = u->state[V];
    if (u->hypers[HC_ADAM_AMSGRAD].value != 0) {
        if (u->state[U]) second = tensor_maximum(u->state[U], second);
        u->state[U] = second;
    }
    Hyper root = hyper_sqrt(hc_correction(u->hypers[HC_ADAM_BETA2], u->step));
    Tensor *scaled = hyper_scale(hyper_div(hyper_const(1), root), hc_sqrt0(second));
    Tensor *direction = tensor_div(u->state[M], hyper_shift(u->hypers[HC_ADAM_EPS], scaled));
    Hyper rate = hyper_div(u->hypers[HC_ADAM_LR], hc_correction(u->hypers[HC_ADAM_BETA1], u->step));
    return hc_descend(p, rate, direction);
}

static bool update(OptimUpdate *u, void *user) {
    (void)user;
    Tensor *g = hc_rule_gradient(u, HC_ADAM_MAXIMIZE, HC_ADAM_WEIGHT_DECAY);
    u->param = hc_adam_move(u, u->param, g);
    return u->param != NULL;
}

const OptimClass hc_rule_adam = {.name = "adam",
                                 .hypers = hypers,
                                 .hyper_count = HC_ADAM_HYPERS,
                                 .states = hc_adam_states,
                                 .state_count = 3,
                                 .update = update};

AdamOptions adam_options(double lr) {
    return (AdamOptions){.lr = lr, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8};
}

Optim *optim_adam(ParamList params, AdamOptions options) {
    const double values[HC_ADAM_HYPERS] = {[HC_ADAM_LR] = options.lr,
                                           [HC_ADAM_BETA1] = options.beta1,
                                           [HC_ADAM_BETA2] = options.beta2,
                                           [HC_ADAM_EPS] = options.eps,
                                           [HC_ADAM_WEIGHT_DECAY] = options.weight_decay,
                                           [HC_ADAM_AMSGRAD] = options.amsgrad,
                                           [HC_ADAM_MAXIMIZE] = options.maximize};
    return hc_optim_with(&hc_rule_adam, params, values);
}
