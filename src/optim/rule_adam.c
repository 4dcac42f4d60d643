/* Adam: Kingma and Ba 2015, algorithm 1, with eps outside the root as there; amsgrad: Reddi, Kale and
 * Kumar 2018, with the maximum over v before the bias correction, as PyTorch. Weight decay enters g.
 * The root's derivative at exactly 0 is 0 (hc_root0): the second moment is 0 only where every gradient
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

Tensor *hc_adam_move(OptimUpdate *u, Tensor *p, Tensor *g) {
    u->state[M] = hc_average(u->hyper[HC_ADAM_BETA1], u->state[M], g);
    u->state[V] = hc_average(u->hyper[HC_ADAM_BETA2], u->state[V], tensor_square(g));
    Tensor *second = u->state[V];
    if (u->hyper[HC_ADAM_AMSGRAD].value != 0) {
        if (u->state[U]) second = tensor_maximum(u->state[U], second);
        u->state[U] = second;
    }
    Hyper root = hyper_sqrt(hc_correction(u->hyper[HC_ADAM_BETA2], u->step));
    Tensor *scaled = hyper_scale(hyper_div(hyper_const(1), root), hc_root0(second));
    Tensor *direction = tensor_div(u->state[M], hyper_shift(u->hyper[HC_ADAM_EPS], scaled));
    Hyper rate = hyper_div(u->hyper[HC_ADAM_LR], hc_correction(u->hyper[HC_ADAM_BETA1], u->step));
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
