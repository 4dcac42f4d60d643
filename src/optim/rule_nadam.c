/* NAdam: Dozat 2016, with the momentum schedule of its algorithm 2, mu_t = beta1 (1 - 0.96^(t psi) / 2), where
 * psi is PyTorch's momentum_decay. The product of all mu so far is state, of the weight's shape. The root's
 * derivative at exactly 0 is 0, as in rule_adam.c. */
#include "optim/rule.h"

enum { LR, BETA1, BETA2, EPS, WEIGHT_DECAY, MOMENTUM_DECAY, MAXIMIZE, HYPERS };
enum { M, V, PRODUCT };

static const OptimHyper hypers[HYPERS] = {
    [LR] = {"lr", 0.002, 0, INFINITY, false},
    [BETA1] = {"beta1", 0.9, 0, HC_BELOW_ONE, false},
    [BETA2] = {"beta2", 0.999, 0, HC_BELOW_ONE, false},
    [EPS] = {"eps", 1e-8, 0, INFINITY, false},
    [WEIGHT_DECAY] = {"weight_decay", 0, 0, INFINITY, false},
    [MOMENTUM_DECAY] = {"momentum_decay", 0.004, 0, INFINITY, false},
    [MAXIMIZE] = {"maximize", 0, 0, 1, true},
};

static const char *const states[] = {"exp_avg", "exp_avg_sq", "mu_product"};

/* mu_t */
static Hyper scheduled(const OptimUpdate *u, size_t t) {
    Hyper exponent = hyper_mul(hyper_const((double)t), u->hypers[MOMENTUM_DECAY]);
    Hyper fading = hyper_mul(hyper_const(0.5), hyper_pow(hyper_const(0.96), exponent));
    return hyper_mul(u->hypers[BETA1], hyper_sub(hyper_const(1), fading));
}

/* x a / (1 - product) */
static Tensor *corrected(Tensor *x, Hyper a, Tensor *product) {
    return tensor_div(hyper_scale(a, x), hyper_shift(hyper_const(1), tensor_neg(product)));
}

static bool update(OptimUpdate *u, void *user) {
    (void)user;
    Hyper mu = scheduled(u, u->step), next = scheduled(u, u->step + 1);
    Tensor *g = hc_rule_gradient(u, MAXIMIZE, WEIGHT_DECAY);
    u->state[M] = hc_average(u->hypers[BETA1], u->state[M], g);
    u->state[V] = hc_average(u->hypers[BETA2], u->state[V], tensor_square(g));
    Tensor *product = u->state[PRODUCT];
    product = product ? hyper_scale(mu, product) : hyper_fill(mu, g);
    u->state[PRODUCT] = product;
    Tensor *now = corrected(g, hyper_sub(hyper_const(1), mu), product);
    Tensor *ahead = corrected(u->state[M], next, hyper_scale(next, product));
    Hyper root = hyper_sqrt(hc_correction(u->hypers[BETA2], u->step));
    Tensor *scale = hyper_scale(hyper_div(hyper_const(1), root), hc_sqrt0(u->state[V]));
    Tensor *direction = tensor_div(tensor_add(now, ahead), hyper_shift(u->hypers[EPS], scale));
    u->param = hc_descend(u->param, u->hypers[LR], direction);
    return u->param != NULL;
}

const OptimClass hc_rule_nadam = {.name = "nadam",
                                  .hypers = hypers,
                                  .hyper_count = HYPERS,
                                  .states = states,
                                  .state_count = 3,
                                  .update = update};

NadamOptions nadam_options(double lr) {
    return (NadamOptions){
        .lr = lr, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .momentum_decay = 0.004};
}

Optim *optim_nadam(ParamList params, NadamOptions options) {
    const double values[HYPERS] = {[LR] = options.lr,
                                   [BETA1] = options.beta1,
                                   [BETA2] = options.beta2,
                                   [EPS] = options.eps,
                                   [WEIGHT_DECAY] = options.weight_decay,
                                   [MOMENTUM_DECAY] = options.momentum_decay,
                                   [MAXIMIZE] = options.maximize};
    return hc_optim_with(&hc_rule_nadam, params, values);
}
