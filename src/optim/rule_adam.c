/* Adam: Kingma and Ba 2015, algorithm 1, with eps outside the root as there; amsgrad: Reddi, Kale and
 * Kumar 2018, with the maximum over v before the bias correction, as PyTorch. Weight decay enters g.
 * The root's derivative at exactly 0 is 0 (hc_root0): the second moment is 0 only where every gradient
 * was, and d v / d g is 0 there too, so nothing is lost and every order stays finite. */
#include <math.h>

#include "optim/optim.h"

enum { LR, BETA1, BETA2, EPS, WEIGHT_DECAY, AMSGRAD, MAXIMIZE, HYPERS };
enum { M, V, U };

static const OptimHyper hypers[HYPERS] = {
    [LR] = {"lr", 0.001, 0, INFINITY, false},
    [BETA1] = {"beta1", 0.9, 0, 0x1.fffffffffffffp-1, false},
    [BETA2] = {"beta2", 0.999, 0, 0x1.fffffffffffffp-1, false},
    [EPS] = {"eps", 1e-8, 0, INFINITY, false},
    [WEIGHT_DECAY] = {"weight_decay", 0, 0, INFINITY, false},
    [AMSGRAD] = {"amsgrad", 0, 0, 1, true},
    [MAXIMIZE] = {"maximize", 0, 0, 1, true},
};

static const char *const states[] = {"exp_avg", "exp_avg_sq", "max_exp_avg_sq"};

/* decay old + (1 - decay) x; old is 0 before the first update */
static Tensor *average(Hyper decay, Tensor *old, Tensor *x) {
    Hyper rest = hyper_sub(hyper_const(1), decay);
    return old ? hyper_axpy(rest, x, hyper_scale(decay, old)) : hyper_scale(rest, x);
}

/* 1 - beta^t */
static Hyper correction(Hyper beta, size_t step) {
    return hyper_sub(hyper_const(1), hyper_pow(beta, (double)step));
}

static bool update(OptimUpdate *u, void *user) {
    (void)user;
    Tensor *g = u->grad;
    if (u->hyper[MAXIMIZE].value != 0) g = tensor_neg(g);
    if (!hyper_is_zero(u->hyper[WEIGHT_DECAY])) g = hyper_axpy(u->hyper[WEIGHT_DECAY], u->param, g);
    u->state[M] = average(u->hyper[BETA1], u->state[M], g);
    u->state[V] = average(u->hyper[BETA2], u->state[V], tensor_square(g));
    Tensor *second = u->state[V];
    if (u->hyper[AMSGRAD].value != 0) {
        if (u->state[U]) second = tensor_maximum(u->state[U], second);
        u->state[U] = second;
    }
    Hyper root = hyper_sqrt(correction(u->hyper[BETA2], u->step));
    Tensor *scaled = hyper_scale(hyper_div(hyper_const(1), root), hc_root0(second));
    Tensor *direction = tensor_div(u->state[M], hyper_shift(u->hyper[EPS], scaled));
    Hyper rate = hyper_div(u->hyper[LR], correction(u->hyper[BETA1], u->step));
    u->param = hyper_axpy(hyper_mul(hyper_const(-1), rate), direction, u->param);
    return u->param != NULL;
}

static const OptimClass adam = {.name = "adam",
                                .hypers = hypers,
                                .hyper_count = HYPERS,
                                .states = states,
                                .state_count = 3,
                                .update = update};

AdamOptions adam_options(double lr) {
    return (AdamOptions){.lr = lr, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8};
}

Optim *optim_adam(ParamList params, AdamOptions options) {
    Optim *optim = optim_create(&adam, params, NULL);
    const double values[HYPERS] = {options.lr,      options.beta1,        options.beta2,
                                   options.eps,     options.weight_decay, options.amsgrad,
                                   options.maximize};
    for (size_t i = 0; optim && i < HYPERS; i++)
        if (!optim_set(optim, hypers[i].name, HC_ALL_GROUPS, values[i])) {
            optim_destroy(optim);
            optim = NULL;
        }
    return optim;
}
