/* Every optimizer: in place equals differentiable bit for bit, from a fresh and from a warmed-up state,
 * committed back, in f32 and f64; states by PyTorch's names; the definitions of one step by hand. */
#include <higherc/higherc.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "support/check.h"
#include "support/unroll.h"

enum { STEPS = 100 };

static bool same_param(const Param *a, const Param *b) {
    size_t item = param_dtype(a) == HC_F32 ? sizeof(float) : sizeof(double);
    return param_count(a) == param_count(b) &&
           memcmp(param_data(a), param_data(b), param_count(a) * item) == 0;
}

static bool same_state(const Optim *a, const Param *p, const Optim *b, const Param *q) {
    const OptimClass *cls = optim_class(a);
    size_t item = param_dtype(p) == HC_F32 ? sizeof(float) : sizeof(double);
    bool same = optim_param_steps(a, p) == optim_param_steps(b, q);
    for (size_t s = 0; s < cls->state_count; s++) {
        const void *x = optim_param_state(a, p, cls->states[s]),
                   *y = optim_param_state(b, q, cls->states[s]);
        same = same && !x == !y && (!x || memcmp(x, y, param_count(p) * item) == 0);
    }
    return same;
}

/* One trajectory in place, one branched off after `warm` steps, run on a tape and committed to a copy. */
static void same_bits(const UnrollConfig *config, DType dtype, size_t warm) {
    Module *net = unroll_net(dtype, true);
    Optim *optim = unroll_optim(config, module_params(net));
    CHECK(unroll_in_place(net, optim, warm));
    Module *copy = module_clone(net);
    Optim *other = unroll_optim(config, module_params(copy));
    Tape *tape = tape_create(dtype);
    FModule *f = fmodule_create(tape, net, false);
    DiffOpt *opt = diffopt_create(optim, f);
    CHECK(unroll_fast(tape, f, opt, STEPS));
    CHECK(fmodule_commit(f, copy) && diffopt_commit(opt, other));
    CHECK(unroll_in_place(net, optim, STEPS));
    ParamList a = module_params(net), b = module_params(copy);
    for (size_t i = 0; i < a.count; i++) {
        bool same =
            same_param(a.items[i], b.items[i]) && same_state(optim, a.items[i], other, b.items[i]);
        check_at(same, config->name, __FILE__, __LINE__);
        CHECK(optim_param_steps(optim, a.items[i]) == warm + STEPS);
    }
    CHECK(isfinite(param_get(a.items[0], 0)));
    optim_destroy(optim);
    optim_destroy(other);
    module_destroy(net);
    module_destroy(copy);
    tape_destroy(tape);
}

/* ---- by hand: one weight, gradients 0.5 and then -0.2 ------------------------------------------------ */

typedef struct ByHand {
    const char *name, *state;
    double first, second; /* the weight after each step, from 1 */
    double value;         /* of the state after both */
} ByHand;

/* With lr 0.1 and PyTorch's defaults; formulas as in optimizers.h, written out once more. */
static void by_hand(void) {
    const double g = 0.5, h = -0.2, lr = 0.1;
    double m1 = 0.1 * g, m2 = 0.9 * m1 + 0.1 * h, v1 = 0.001 * g * g,
           v2 = 0.999 * v1 + 0.001 * h * h;
    double adam1 = 1 - lr * g / (g + 1e-8);
    double adam_step = lr * m2 / 0.19 / (sqrt(v2 / (1 - 0.999 * 0.999)) + 1e-8);
    double w1 = 1 * (1 - lr * 0.01) - lr * g / (g + 1e-8);
    double ada_v1 = 0.1 * g * g, ada_d1 = sqrt(1e-6) / sqrt(ada_v1 + 1e-6) * g;
    double ada_a1 = 0.1 * ada_d1 * ada_d1, ada_v2 = 0.9 * ada_v1 + 0.1 * h * h;
    double ada_d2 = sqrt(ada_a1 + 1e-6) / sqrt(ada_v2 + 1e-6) * h;
    double asgd1 = 1 * (1 - 1e-4 * lr) - lr * g, eta1 = lr / pow(1 + 1e-4 * lr, 0.75);
    double rms_v1 = 0.01 * g * g, rms_v2 = 0.99 * rms_v1 + 0.01 * h * h;
    double rms1 = g / (sqrt(rms_v1) + 1e-8), rms2 = h / (sqrt(rms_v2) + 1e-8);
    double mu1 = 0.9 * (1 - 0.5 * pow(0.96, 0.004)), mu2 = 0.9 * (1 - 0.5 * pow(0.96, 0.008)),
           mu3 = 0.9 * (1 - 0.5 * pow(0.96, 0.012));
    double nadam1 = 1 - lr * ((1 - mu1) / (1 - mu1) * g + mu2 / (1 - mu1 * mu2) * m1) /
                            (sqrt(v1 / 0.001) + 1e-8);
    double nadam_step = lr * ((1 - mu2) / (1 - mu1 * mu2) * h + mu3 / (1 - mu1 * mu2 * mu3) * m2) /
                        (sqrt(v2 / (1 - 0.999 * 0.999)) + 1e-8);
    const ByHand table[] = {
        {"sgd", NULL, 1 - lr * g, 1 - lr * g - lr * h, 0},
        {"adam", "exp_avg", adam1, adam1 - adam_step, m2},
        {"adamw", "exp_avg_sq", w1, w1 * (1 - lr * 0.01) - adam_step, v2},
        {"adadelta", "acc_delta", 1 - lr * ada_d1, 1 - lr * ada_d1 - lr * ada_d2,
         0.9 * ada_a1 + 0.1 * ada_d2 * ada_d2},
        {"adagrad", "sum", 1 - lr, 1 - lr - lr * h / sqrt(g * g + h * h), g * g + h * h},
        {"adamax", "exp_inf", adam1, adam1 - lr / 0.19 * m2 / (0.999 * (g + 1e-8)),
         0.999 * (g + 1e-8)},
        {"asgd", "eta", asgd1, asgd1 * (1 - 1e-4 * eta1) - eta1 * h,
         lr / pow(1 + 1e-4 * lr * 2, 0.75)},
        {"rmsprop", "square_avg", 1 - lr * rms1, 1 - lr * rms1 - lr * rms2, rms_v2},
        {"rprop", "step_size", 1 - lr, 1 - lr, lr * 0.5}, /* the sign turned: it stays */
        {"radam", "exp_avg", 1 - lr * g, 1 - lr * g - lr * m2 / 0.19, m2},
        {"nadam", "mu_product", nadam1, nadam1 - nadam_step, mu1 * mu2},
        {"lion", "exp_avg", 1 - lr, 1, 0.99 * 0.01 * g + 0.01 * h}, /* 0.9 * 0.005 - 0.02 is below 0 */
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const ByHand *t = &table[i];
        Param *p = param_create("w", shape1(1), HC_F64);
        CHECK(param_fill(p, 1));
        Optim *optim = optim_new(t->name, (ParamList){&p, 1});
        CHECK(optim && optim_set(optim, "lr", 0, lr) && optim_get(optim, "lr", 0) == lr);
        if (t->state) CHECK(optim_param_state(optim, p, t->state) == NULL);
        CHECK(param_add_grad_f64(p, &g, 1) && optim_step(optim));
        CHECK_NEAR(param_get(p, 0), t->first, 1e-9, 1e-12);
        param_zero_grad(p);
        CHECK(param_add_grad_f64(p, &h, 1) && optim_step(optim));
        CHECK_NEAR(param_get(p, 0), t->second, 1e-7, 0);
        const double *state = t->state ? optim_param_state(optim, p, t->state) : &t->value;
        CHECK(state != NULL);
        if (state) CHECK_NEAR(*state, t->value, 1e-12, 0);
        optim_destroy(optim);
        param_unref(p);
    }
}

/* RAdam past its threshold, and ASGD's average past t0, each against the formula. */
static void later_steps(void) {
    Param *p = param_create("w", shape1(1), HC_F64);
    ParamList list = {&p, 1};
    double w = 1, m = 0, v = 0, ax = 0, s = 1;
    Optim *radam = optim_radam(list, radam_options(0.1));
    param_fill(p, 1);
    for (int t = 1; t <= 20; t++) {
        double g = 0.3 + 0.1 * t, inf = 2 / (1 - 0.999) - 1, beta = pow(0.999, t), r = 1, root = 1;
        double rho = inf - 2 * t * beta / (1 - beta);
        param_zero_grad(p);
        CHECK(param_add_grad_f64(p, &g, 1) && optim_step(radam));
        m = 0.9 * m + 0.1 * g;
        v = 0.999 * v + 0.001 * g * g;
        if (rho > 5) {
            r = sqrt((rho - 4) * (rho - 2) * inf / ((inf - 4) * (inf - 2) * rho));
            root = sqrt(1 - beta) / (sqrt(v) + 1e-8);
        }
        w -= 0.1 * m / (1 - pow(0.9, t)) * r * root;
        CHECK_NEAR(param_get(p, 0), w, 1e-10, 0);
    }
    optim_destroy(radam);
    AsgdOptions options = asgd_options(0.1);
    options.t0 = 3;
    options.lambd = 0;
    Optim *asgd = optim_asgd(list, options);
    param_fill(p, 1);
    for (int t = 1; t <= 8; t++) {
        double g = 0.5;
        param_zero_grad(p);
        CHECK(param_add_grad_f64(p, &g, 1) && optim_step(asgd));
        s -= 0.1 * g;
        ax += (s - ax) / fmax(1, t - 1 - 3);
        const double *got = optim_param_state(asgd, p, "ax");
        CHECK_NEAR(param_get(p, 0), s, 1e-12, 0);
        CHECK(got != NULL);
        if (got) CHECK_NEAR(*got, ax, 1e-12, 0);
    }
    optim_destroy(asgd);
    param_unref(p);
}

/* The options are PyTorch's, and optim_new starts from the same numbers. */
static void defaults(void) {
    Param *p = param_create("w", shape1(1), HC_F32);
    ParamList list = {&p, 1};
    Optim *made[] = {
        optim_sgd(list, sgd_options(0.001)),        optim_adam(list, adam_options(0.001)),
        optim_adamw(list, adamw_options(0.001)),    optim_adadelta(list, adadelta_options(1)),
        optim_adagrad(list, adagrad_options(0.01)), optim_adamax(list, adamax_options(0.002)),
        optim_asgd(list, asgd_options(0.01)),       optim_rmsprop(list, rmsprop_options(0.01)),
        optim_rprop(list, rprop_options(0.01)),     optim_radam(list, radam_options(0.001)),
        optim_nadam(list, nadam_options(0.002)),    optim_lion(list, lion_options(0.0001))};
    for (size_t i = 0; i < sizeof made / sizeof *made; i++) {
        const OptimClass *cls = optim_class(made[i]);
        CHECK(cls != NULL);
        Optim *named = cls ? optim_new(cls->name, list) : NULL;
        CHECK(named && optim_class(named) == cls);
        for (size_t h = 0; named && h < cls->hyper_count; h++)
            CHECK(optim_get(named, cls->hypers[h].name, 0) ==
                  optim_get(made[i], cls->hypers[h].name, 0));
        optim_destroy(named);
        optim_destroy(made[i]);
    }
    CHECK(!optim_new("adamm", list));
    CHECK_ERROR("there is no optimizer 'adamm'");
    CHECK(!optim_new(NULL, list));
    CHECK_ERROR("optim_new");
    RpropOptions crossed = rprop_options(0.1);
    crossed.step_max = 1e-9;
    CHECK(!optim_rprop(list, crossed));
    CHECK_ERROR("above step_max");
    AdamaxOptions wrong = adamax_options(0.1);
    wrong.beta2 = 1;
    CHECK(!optim_adamax(list, wrong));
    CHECK_ERROR("beta2");
    param_unref(p);
}

/* Numbers that do not go together are refused by makers and optim_set alike, group by group. */
static void together(void) {
    Param *p = param_create("w", shape1(1), HC_F32), *q = param_create("v", shape1(1), HC_F32);
    ParamList list = {&p, 1};
    SgdOptions options = sgd_options(0.1);
    options.nesterov = true;
    CHECK(!optim_sgd(list, options));
    CHECK_ERROR("optim_sgd: nesterov needs momentum > 0 and dampening 0");
    options.momentum = 0.9;
    options.dampening = 0.1;
    CHECK(!optim_sgd(list, options));
    CHECK_ERROR("nesterov needs");
    options.dampening = 0;
    Optim *sgd = optim_sgd(list, options), *plain = optim_sgd(list, sgd_options(0.1));
    CHECK(optim_add_group(plain, (ParamList){&q, 1}) == 1);
    CHECK(!optim_set(sgd, "momentum", 0, 0) && optim_get(sgd, "momentum", 0) == 0.9);
    CHECK_ERROR("optim_set: momentum cannot be 0: nesterov needs");
    CHECK(!optim_set(sgd, "dampening", 0, 0.1) && optim_set(sgd, "momentum", 0, 0.5));
    CHECK_ERROR("dampening cannot be 0.1");
    CHECK(!optim_set(plain, "nesterov", HC_ALL_GROUPS, 1));
    CHECK_ERROR("nesterov cannot be 1");
    CHECK(optim_set(plain, "momentum", 1, 0.9) && !optim_set(plain, "nesterov", HC_ALL_GROUPS, 1));
    CHECK_ERROR("nesterov cannot be 1");
    CHECK(optim_get(plain, "nesterov", 1) == 0 && optim_set(plain, "nesterov", 1, 1));
    CHECK(optim_learn(plain, "momentum", 0, HC_LEARN_GROUP)); /* its number may change */
    CHECK(optim_set(plain, "nesterov", 0, 1) && !optim_set(plain, "momentum", 0, 0));
    CHECK_ERROR("momentum cannot be 0");
    Optim *rprop = optim_rprop(list, rprop_options(0.1));
    CHECK(!optim_set(rprop, "step_min", 0, 51) && !optim_set(rprop, "step_max", 0, 1e-7));
    CHECK_ERROR("step_min cannot be 51: step_min is above step_max");
    RpropOptions far = rprop_options(0.1);
    far.step_min = 60;
    far.step_max = 70;
    Optim *high = optim_rprop(list, far);
    CHECK(high && optim_get(high, "step_min", 0) == 60);
    CHECK(optim_learn(high, "step_max", 0, HC_LEARN_PARAM) && optim_set(high, "step_min", 0, 80));
    optim_destroy(sgd);
    optim_destroy(plain);
    optim_destroy(rprop);
    optim_destroy(high);
    param_unref(p);
    param_unref(q);
}

static bool keep(OptimUpdate *u, void *user) {
    (void)user;
    return (u->state[0] = u->grad) != NULL;
}

/* Of a class's names only as many are read as it says. */
static void names_of_states(void) {
    static const char *const two[] = {"kept", "beyond"}, *const one[] = {"kept", "other"};
    const OptimClass cls = {.name = "keeps", .states = two, .state_count = 1, .update = keep},
                     like = {.name = "keeps", .states = one, .state_count = 1, .update = keep};
    Param *p = param_create("w", shape1(1), HC_F64);
    param_fill(p, 1);
    Optim *optim = optim_create(&cls, (ParamList){&p, 1}, NULL),
          *other = optim_create(&like, (ParamList){&p, 1}, NULL);
    double g = 2;
    CHECK(param_add_grad_f64(p, &g, 1) && optim_step(optim));
    CHECK(optim_param_state(optim, p, "kept") && !optim_param_state(optim, p, "beyond"));
    CHECK_ERROR("keeps has no state 'beyond'");
    CHECK(optim_save(optim, "optim_rules.tmp") && optim_load(other, "optim_rules.tmp"));
    const double *kept = optim_param_state(other, p, "kept");
    CHECK(kept && *kept == 2 && remove("optim_rules.tmp") == 0);
    optim_destroy(optim);
    optim_destroy(other);
    param_unref(p);
}

/* To go up is to go down by the negated gradients, with every rule and setting, bit for bit. */
static void upwards(const UnrollConfig *config) {
    enum { SIZE = 4 };
    Param *p[2];
    Optim *optim[2];
    Rng rng = rng_seed(8);
    for (int up = 0; up < 2; up++) {
        p[up] = param_create("w", shape1(SIZE), HC_F64);
        CHECK(param_set_f64(p[up], (double[SIZE]){0.5, -1, 2, 0.1}, SIZE));
        optim[up] = unroll_optim(config, (ParamList){&p[up], 1});
        CHECK(optim_set(optim[up], "maximize", HC_ALL_GROUPS, up));
    }
    for (int k = 0; k < 6; k++) {
        double g[2][SIZE];
        for (int i = 0; i < SIZE; i++) {
            g[0][i] = rng_normal(&rng);
            g[1][i] = -g[0][i];
        }
        for (int up = 0; up < 2; up++) {
            param_zero_grad(p[up]);
            CHECK(param_add_grad_f64(p[up], g[up], SIZE) && optim_step(optim[up]));
        }
    }
    check_at(same_param(p[0], p[1]) && param_get(p[0], 0) != 0.5, config->name, __FILE__, __LINE__);
    for (int up = 0; up < 2; up++) {
        optim_destroy(optim[up]);
        param_unref(p[up]);
    }
}

/* ---- classes of one's own --------------------------------------------------------------------------- */

static bool leave(OptimUpdate *u, void *user) {
    Tensor **kept = user;
    if (*kept) { /* of the step before */
        u->param = *kept;
        return true;
    }
    for (int i = 0; i < 8; i++)
        u->param = tensor_mul_scalar(u->param, 2);
    *kept = u->param;
    return true;
}

/* A tensor of an earlier step is none: nothing is written. */
static void an_old_tensor(void) {
    static const OptimClass cls = {.name = "leaves", .update = leave};
    Tensor *kept = NULL;
    Param *p = param_create("w", shape1(1), HC_F64);
    CHECK(param_fill(p, 1) && param_add_grad_f64(p, (double[]){1}, 1));
    Optim *optim = optim_create(&cls, (ParamList){&p, 1}, &kept);
    CHECK(optim_step(optim) && param_get(p, 0) == 256);
    CHECK(!optim_step(optim) && param_get(p, 0) == 256 && optim_steps(optim) == 1);
    CHECK_ERROR("optim_step: 'w': the rule left a tensor that was freed");
    kept = NULL;
    CHECK(optim_step(optim) && param_get(p, 0) == 256 * 256);
    optim_destroy(optim);
    param_unref(p);
}

static void incomplete_classes(void) {
    static const char *const names[] = {"kept"};
    static const OptimHyper hypers[] = {{"lr", 0.1, 0, INFINITY, false}};
    const OptimClass wrong[] = {
        {.name = "none"},
        {.update = keep},
        {.name = "none", .update = keep, .hypers = hypers, .hyper_count = HC_MAX_HYPERS + 1},
        {.name = "none", .update = keep, .hyper_count = 1},
        {.name = "none", .update = keep, .states = names, .state_count = HC_MAX_STATES + 1},
        {.name = "none", .update = keep, .state_count = 1},
    };
    Param *p = param_create("w", shape1(1), HC_F64);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        CHECK(!optim_create(&wrong[i], (ParamList){&p, 1}, NULL));
        CHECK_ERROR("optim_create: the class is not complete");
    }
    param_unref(p);
}

/* A weight of as many axes as there may be is stepped as one of one axis. */
static void most_axes(void) {
    Shape shape = {.ndim = HC_MAX_DIMS};
    for (int i = 0; i < HC_MAX_DIMS; i++)
        shape.dim[i] = i % 3 == 0 ? 2 : 1;
    size_t count = shape_count(shape);
    Param *p[2] = {param_create("w", shape, HC_F64), param_create("w", shape1(count), HC_F64)};
    double g[64];
    CHECK(count > 1 && count <= 64);
    for (size_t i = 0; i < count; i++)
        g[i] = (double)i - 1.3;
    for (int i = 0; i < 2; i++) {
        Optim *adam = optim_adam((ParamList){&p[i], 1}, adam_options(0.1));
        CHECK(param_fill(p[i], 1) && param_add_grad_f64(p[i], g, count));
        for (int k = 0; k < 3; k++)
            CHECK(optim_step(adam));
        optim_destroy(adam);
    }
    for (size_t i = 0; i < count; i++)
        CHECK_NEAR(param_get(p[0], i), param_get(p[1], i), 1e-14, 0);
    CHECK(param_get(p[0], 0) > 1 && param_get(p[0], count - 1) < 1);
    param_unref(p[0]);
    param_unref(p[1]);
}

int main(void) {
    for (size_t i = 0; i < unroll_config_count; i++)
        upwards(&unroll_configs[i]);
    for (size_t i = 0; i < unroll_config_count; i++)
        for (int dtype = HC_F32; dtype <= HC_F64; dtype++) {
            same_bits(&unroll_configs[i], (DType)dtype, 0);
            same_bits(&unroll_configs[i], (DType)dtype, 3);
        }
    by_hand();
    later_steps();
    defaults();
    together();
    names_of_states();
    an_old_tensor();
    incomplete_classes();
    most_axes();
    CHECK(higherc_error() == NULL);
    return check_done();
}
