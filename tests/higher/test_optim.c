/* Counterparts of higher 0.2.1's tests of optimizers: each of its settings on each of its models, RMSprop too
 * (which higher leaves out), learned hyperparameters, state, callbacks, frozen parameters. Its tolerances of
 * a tenth, and its 60 % of trials, are equal bits and finite differences of every trial here.
 *
 *     higher, tests/test_optim.py        here
 *     testDiffOptCorrectness             diff_opt_correctness
 *     testDiffOptGroupedParam            diff_opt_grouped_param
 *     testGradientCorrectness            gradient_correctness
 *     testDiffOptGroupedParamLearn       diff_opt_grouped_param_learn
 *     testDiffOptGroupedParamLearnStepwise   the same, with overrides handed over step by step
 *     testDiffOptStateDict               diff_opt_state_dict
 *     testDiffOptCallback                diff_opt_callback
 *     testFrozenParameters               frozen_parameters
 *     testGetApplyRoundTrip              get_apply_round_trip
 *
 * Each rule's states, committed back and compared bit for bit, are in tests/optim/test_rules.c; each
 * hyperparameter of each rule against finite differences in tests/optim/test_hyper_gradients.c. */
#include <higherc/higherc.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "support/check.h"
#include "support/models.h"

enum { STEPS = 3, MOST = 16 };
static const double lr = 0.1, left_lr = 0.2;

typedef struct Setting {
    ModelKind kind;
    const char *optimizer, *key;
    double value;
    const char *key2;
    double value2;
} Setting;

#define ON_EACH_MODEL(name)                                                                        \
    {MODEL_SIMPLE, name, NULL, 0, NULL, 0}, {MODEL_SHARED, name, NULL, 0, NULL, 0},                \
        {MODEL_SHARED_SEQUENTIAL, name, NULL, 0, NULL, 0}, {                                       \
        MODEL_PARTIAL, name, NULL, 0, NULL, 0                                                      \
    }

static const Setting settings[] = {
    ON_EACH_MODEL("sgd"),
    ON_EACH_MODEL("adam"),
    ON_EACH_MODEL("adamw"),
    ON_EACH_MODEL("adadelta"),
    ON_EACH_MODEL("adagrad"),
    ON_EACH_MODEL("adamax"),
    ON_EACH_MODEL("asgd"),
    ON_EACH_MODEL("rmsprop"),
    ON_EACH_MODEL("rprop"),
    ON_EACH_MODEL("radam"),
    ON_EACH_MODEL("nadam"),
    {MODEL_SIMPLE, "sgd", "momentum", 0.1, NULL, 0},
    {MODEL_SIMPLE, "sgd", "momentum", 0.1, "nesterov", 1},
    {MODEL_SIMPLE, "sgd", "weight_decay", 0.1, NULL, 0},
    {MODEL_SIMPLE, "adam", "weight_decay", 0.1, NULL, 0},
    {MODEL_SIMPLE, "adamw", "weight_decay", 0.1, NULL, 0},
    {MODEL_SIMPLE, "adadelta", "weight_decay", 0.1, NULL, 0},
    {MODEL_SIMPLE, "adagrad", "weight_decay", 0.1, NULL, 0},
    {MODEL_SIMPLE, "adagrad", "lr_decay", 0.1, NULL, 0},
    {MODEL_SIMPLE, "adamax", "weight_decay", 0.1, NULL, 0},
    {MODEL_SIMPLE, "asgd", "weight_decay", 0.1, NULL, 0},
    {MODEL_SIMPLE, "rmsprop", "momentum", 0.1, NULL, 0},
    {MODEL_SIMPLE, "rmsprop", "weight_decay", 0.1, NULL, 0},
    {MODEL_SIMPLE, "rmsprop", "centered", 1, NULL, 0},
};

static Optim *optim_of(const Setting *s, Module *net, bool grouped) {
    ParamList all = module_params(net), left = {all.items, grouped ? all.count / 2 : all.count};
    Optim *optim = optim_new(s->optimizer, left);
    if (grouped)
        CHECK(optim_add_group(optim, (ParamList){all.items + left.count, all.count - left.count}) ==
              1);
    CHECK(optim_set(optim, "lr", HC_ALL_GROUPS, lr));
    if (grouped) CHECK(optim_set(optim, "lr", 0, left_lr));
    if (s->key) CHECK(optim_set(optim, s->key, HC_ALL_GROUPS, s->value));
    if (s->key2) CHECK(optim_set(optim, s->key2, HC_ALL_GROUPS, s->value2));
    return optim;
}

static bool same_weights(FModule *f, Module *net) {
    ParamList params = module_params(net);
    TensorList fast = fmodule_params(f);
    bool same = params.count == fast.count;
    for (size_t i = 0; same && i < params.count; i++)
        same = tensor_is_param(fast.items[i], params.items[i]);
    return same;
}

/* ---- steps ------------------------------------------------------------------------------------------- */

/* The ordinary optimizer in place on `net`, and a differentiable one branched from it, on the same inputs; ten
 * times, each from where the ordinary one got to. */
static void correctness(const Setting *s, bool grouped) {
    Module *net = model_make(s->kind, HC_F64, 7);
    Optim *optim = optim_of(s, net, grouped);
    Tape *fast = tape_create(HC_F64), *slow = tape_create(HC_F64);
    Rng rng = rng_seed(8);
    for (int i = 0; i < 10; i++) {
        tape_reset(fast);
        FModule *f = fmodule_create(fast, net, true);
        DiffOpt *opt = diffopt_create(optim, f);
        for (int j = 0; j < STEPS; j++) {
            Rng again = rng;
            optim_zero_grad(optim);
            CHECK(diffopt_step(opt, model_loss(fast, NULL, f, &rng)));
            tape_reset(slow);
            CHECK(tensor_backward(model_loss(slow, net, NULL, &again)) && optim_step(optim));
        }
        check_at(same_weights(f, net), s->optimizer, __FILE__, __LINE__);
    }
    optim_destroy(optim);
    module_destroy(net);
    tape_destroy(fast);
    tape_destroy(slow);
}

static void diff_opt_correctness(const Setting *s) {
    correctness(s, false);
}

static void diff_opt_grouped_param(const Setting *s) {
    correctness(s, true);
}

typedef struct Unroll {
    const Setting *setting;
    uint64_t seed;
} Unroll;

static Tensor *unrolled_loss(FModule *f, DiffOpt *opt, uint64_t seed) {
    Rng rng = rng_seed(seed);
    for (int k = 0; k < STEPS; k++)
        CHECK(diffopt_step(opt, model_loss(fmodule_tape(f), NULL, f, &rng)));
    return model_loss(fmodule_tape(f), NULL, f, &rng);
}

/* With the ordinary optimizer on a copy: nothing that is tested here takes part. */
static double in_place(Module *net, void *user) {
    const Unroll *u = user;
    Module *copy = module_clone(net);
    Optim *optim = optim_of(u->setting, copy, false);
    Tape *tape = tape_create(HC_F64);
    Rng rng = rng_seed(u->seed);
    for (int k = 0; k < STEPS; k++) {
        optim_zero_grad(optim);
        CHECK(tensor_backward(model_loss(tape, copy, NULL, &rng)) && optim_step(optim));
        tape_reset(tape);
    }
    double value = tensor_item(model_loss(tape, copy, NULL, &rng));
    tape_destroy(tape);
    optim_destroy(optim);
    module_destroy(copy);
    return value;
}

/* Differences over a kink of ReLU or a changed sign of a gradient are none: of several steps one suits. */
static bool agrees(double along, Module *net, Unroll *u) {
    double difference = 0;
    for (double h = 1e-4; h > 1e-8; h /= 10) {
        difference = model_difference(net, in_place, h, 5, u);
        if (fabs(along - difference) <= 1e-5 * fabs(difference) + 1e-8) return true;
    }
    printf("  %s, %s: %.12g and %.12g\n", u->setting->optimizer, model_names[u->setting->kind],
           along, difference);
    return false;
}

static void gradient_correctness(const Setting *s) {
    for (uint64_t trial = 0; trial < 3; trial++) {
        Module *net = model_make(s->kind, HC_F64, 20 + trial);
        Optim *optim = optim_of(s, net, false);
        Tape *tape = tape_create(HC_F64);
        FModule *f = fmodule_create(tape, net, true);
        Unroll u = {s, 30 + trial};
        Tensor *loss = unrolled_loss(f, diffopt_create(optim, f), u.seed), *grads[MOST];
        TensorList start = fmodule_params_at(f, 0);
        CHECK(tensor_grad(loss, start.items, start.count, grads, HC_ALLOW_UNUSED));
        for (size_t i = 0; i < start.count; i++)
            CHECK(!grads[i] == (s->kind == MODEL_PARTIAL && i == 1));
        CHECK(agrees(model_along(net, grads, 5), net, &u));
        optim_destroy(optim);
        module_destroy(net);
        tape_destroy(tape);
    }
}

/* ---- learned hyperparameters ----------------------------------------------------------------------------- */

static const Setting adam = {MODEL_SIMPLE, "adam", NULL, 0, NULL, 0};

static Tensor *sum_of_weights(FModule *f) {
    Tensor *sum = tensor_scalar(fmodule_tape(f), 0);
    for (size_t i = 0; i < fmodule_params(f).count; i++)
        sum = tensor_add(sum, tensor_sum(fmodule_params(f).items[i]));
    return sum;
}

/* A shared lr and two pairs of betas, handed over at the start or (the same tensors) before every step. */
static Tensor *learn(FModule *f, DiffOpt *opt, const double *values, bool stepwise, Tensor **h) {
    static const char *const names[] = {"lr", "beta1", "beta2", "beta1", "beta2"};
    static const size_t groups[] = {HC_ALL_GROUPS, 0, 0, 1, 1};
    Rng rng = rng_seed(6);
    for (size_t i = 0; i < 5; i++)
        h[i] = tensor_leaf(tensor_scalar(fmodule_tape(f), values[i]));
    for (int k = 0; k < STEPS; k++) {
        for (size_t i = 0; i < 5 && (stepwise || k == 0); i++)
            CHECK(diffopt_override(opt, names[i], groups[i], h[i]));
        CHECK(diffopt_step(opt, model_loss(fmodule_tape(f), NULL, f, &rng)));
    }
    return sum_of_weights(f);
}

static double learned_sum(Tape *tape, Optim *optim, Module *net, double *values, size_t i,
                          double step, bool stepwise) {
    TapeMark mark = tape_mark(tape);
    double kept = values[i];
    Tensor *h[5];
    values[i] += step;
    FModule *f = fmodule_create(tape, net, true);
    double sum = tensor_item(learn(f, diffopt_create(optim, f), values, stepwise, h));
    values[i] = kept;
    CHECK(tape_release(tape, mark));
    return sum;
}

static void diff_opt_grouped_param_learn(bool stepwise) {
    Module *net = model_make(MODEL_SIMPLE, HC_F64, 7);
    Optim *optim = optim_of(&adam, net, true);
    CHECK(optim_set(optim, "eps", HC_ALL_GROUPS, 1e-3));
    Tape *tape = tape_create(HC_F64);
    FModule *f = fmodule_create(tape, net, true);
    double values[] = {0.3, 0.9, 0.999, 0.8, 0.888};
    Tensor *h[5], *grads[5];
    Tensor *sum = learn(f, diffopt_create(optim, f), values, stepwise, h);
    CHECK(tensor_grad(sum, h, 5, grads, 0));
    for (size_t i = 0; i < 5; i++) {
        double step = 1e-5, up = learned_sum(tape, optim, net, values, i, step, stepwise),
               down = learned_sum(tape, optim, net, values, i, -step, stepwise);
        CHECK_NEAR(tensor_item(grads[i]), (up - down) / (2 * step), 1e-5, 1e-7);
    }
    optim_destroy(optim);
    module_destroy(net);
    tape_destroy(tape);
}

/* ---- state, callbacks, frozen parameters ------------------------------------------------------------------ */

static void joint_steps(Module *fast, Optim *of_fast, Module *slow, Optim *of_slow, bool commit) {
    Tape *tape = tape_create(HC_F64);
    Rng rng = rng_seed(9);
    for (int i = 0; i < 3; i++) {
        tape_reset(tape);
        FModule *f = fmodule_create(tape, fast, true);
        DiffOpt *opt = diffopt_create(of_fast, f);
        for (int j = 0; j < STEPS; j++) {
            Rng again = rng;
            CHECK(diffopt_step(opt, model_loss(tape, NULL, f, &rng)));
            optim_zero_grad(of_slow);
            CHECK(tensor_backward(model_loss(tape, slow, NULL, &again)) && optim_step(of_slow));
        }
        CHECK(fmodule_commit(f, fast) && (!commit || diffopt_commit(opt, of_fast)));
    }
    FModule *f = fmodule_create(tape, fast, true);
    CHECK(same_weights(f, slow) == commit);
    tape_destroy(tape);
}

/* With the state committed back an inner loop goes on where the last one ended; without, it does not. */
static void diff_opt_state_dict(void) {
    for (int commit = 0; commit < 2; commit++) {
        Module *fast = model_make(MODEL_SIMPLE, HC_F64, 7), *slow = module_clone(fast);
        Optim *of_fast = optim_of(&adam, fast, false), *of_slow = optim_of(&adam, slow, false);
        joint_steps(fast, of_fast, slow, of_slow, commit);
        optim_destroy(of_fast);
        optim_destroy(of_slow);
        module_destroy(fast);
        module_destroy(slow);
    }
}

static bool scale(Tape *tape, Tensor **grads, size_t count, void *user) {
    (void)tape;
    for (size_t i = 0; i < count; i++)
        if (grads[i]) grads[i] = tensor_mul_scalar(grads[i], *(const double *)user);
    return true;
}

/* None, a tenth, a fifth, and a fifth that is set before each step: the last two agree. (SGD, where a factor
 * shows; Adam divides most of it out, which higher's test passes by its eps alone.) */
static void diff_opt_callback(void) {
    Module *net = model_make(MODEL_SIMPLE, HC_F64, 7);
    const Setting sgd = {MODEL_SIMPLE, "sgd", NULL, 0, NULL, 0};
    for (int rule = 0; rule < 2; rule++) {
        Optim *optim = optim_of(rule ? &adam : &sgd, net, true);
        Tape *tape = tape_create(HC_F64);
        double factors[] = {1, 0.1, 0.2, 0.2};
        Tensor *end[4];
        for (int i = 0; i < 4; i++) {
            FModule *f = fmodule_create(tape, net, true);
            DiffOpt *opt = diffopt_create(optim, f);
            if (i == 1 || i == 2) CHECK(diffopt_grad_callback(opt, scale, &factors[i]));
            Rng rng = rng_seed(6);
            for (int j = 0; j < STEPS; j++) {
                if (i == 3) CHECK(diffopt_grad_callback(opt, scale, &factors[i]));
                CHECK(diffopt_step(opt, model_loss(tape, NULL, f, &rng)));
                if (i == 3) CHECK(diffopt_grad_callback(opt, NULL, NULL));
            }
            end[i] = fmodule_param(f, "4.weight");
        }
        for (int i = 0; i < 4; i++)
            for (int j = 0; j < i; j++)
                CHECK(tensors_same(end[i], end[j]) == (i == 3 && j == 2));
        tape_destroy(tape);
        optim_destroy(optim);
    }
    module_destroy(net);
}

static void frozen_parameters(void) {
    Module *layers[] = {module_linear(30, 50), module_linear(50, 1)};
    Module *net = module_sequential(layers, 2);
    Rng rng = rng_seed(3);
    CHECK(module_to(net, HC_F64) && module_init(net, &rng));
    ParamList all = module_params(net);
    param_freeze(all.items[0], true);
    param_freeze(all.items[1], true);
    /* The trained half alone in the optimizer, as in higher's test, or all: frozen ones are left alone. */
    for (size_t from = 0; from <= 2; from += 2) {
        Optim *optim = optim_sgd((ParamList){all.items + from, 4 - from}, sgd_options(0.1));
        for (int mode = HC_FULL; mode <= HC_EVAL; mode++) {
            Tape *tape = tape_create(HC_F64);
            FModuleOptions options = fmodule_options(false);
            options.mode = (FMode)mode;
            FModule *f = fmodule_create_with(tape, net, options);
            DiffOpt *opt = diffopt_create(optim, f);
            Tensor *x = tensor_normal(tape, shape2(16, 30), 0, 1, &rng);
            Tensor *labels = tensor_concat(
                (Tensor *[]){tensor_ones(tape, shape1(8)), tensor_zeros(tape, shape1(8))}, 2, 0);
            /* Twice: without tracking, higher trains frozen ones from the second step on. */
            for (int k = 0; k < 2; k++) {
                Tensor *logits = tensor_squeeze(fmodule_forward(f, x), 1);
                CHECK(diffopt_step(opt, tensor_bce_with_logits_loss(logits, labels)));
            }
            for (size_t i = 0; i < 4; i++)
                CHECK(tensor_is_param(fmodule_params(f).items[i], all.items[i]) == (i < 2));
            tape_destroy(tape);
        }
        optim_destroy(optim);
    }
    module_destroy(net);
}

/* What is learned on one optimizer, applied to another whose settings have gone elsewhere: by file here, or
 * value by value. Every real hyperparameter is learned, and has a tensor that requires a gradient. */
static void get_apply_round_trip(void) {
    Module *net = model_make(MODEL_SIMPLE, HC_F64, 7);
    Optim *old = optim_of(&adam, net, true), *new = optim_of(&adam, net, true);
    CHECK(optim_set(new, "lr", 0, left_lr + 1) && optim_set(new, "lr", 1, lr + 5));
    const OptimClass *cls = optim_class(old);
    size_t learned = 0;
    for (size_t i = 0; i < cls->hyper_count; i++)
        if (!cls->hypers[i].flag) {
            CHECK(optim_learn(old, cls->hypers[i].name, HC_ALL_GROUPS, HC_LEARN_GROUP));
            learned += 2;
        }
    Tape *tape = tape_create(HC_F64);
    CHECK(optim_learned(old).count == learned && learned > 8);
    for (size_t i = 0; i < learned; i++)
        CHECK(tensor_requires_grad(param_tensor(tape, optim_learned(old).items[i])));
    for (size_t g = 0; g < 2; g++)
        for (size_t i = 0; i < cls->hyper_count; i++) {
            const char *name = cls->hypers[i].name;
            CHECK(optim_set(new, name, g, optim_get(old, name, g)));
            CHECK(optim_get(new, name, g) == optim_get(old, name, g));
        }
    CHECK(optim_get(new, "lr", 0) == left_lr && optim_get(new, "lr", 1) == lr);
    /* Functionally the same: equal up to rounding, since numbers fold and tensors do not. */
    FModule *f = fmodule_create(tape, net, true), *g = fmodule_create(tape, net, true);
    unrolled_loss(f, diffopt_create(old, f), 5);
    unrolled_loss(g, diffopt_create(new, g), 5);
    for (size_t i = 0; i < fmodule_params(f).count; i++)
        CHECK(tensors_near(fmodule_params(f).items[i], fmodule_params(g).items[i], 1e-12));
    tape_destroy(tape);
    optim_destroy(old);
    optim_destroy(new);
    module_destroy(net);
}

int main(void) {
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        diff_opt_correctness(&settings[i]);
        diff_opt_grouped_param(&settings[i]);
        gradient_correctness(&settings[i]);
    }
    diff_opt_grouped_param_learn(false);
    diff_opt_grouped_param_learn(true);
    diff_opt_state_dict();
    diff_opt_callback();
    frozen_parameters();
    get_apply_round_trip();
    CHECK(higherc_error() == NULL);
    if (higherc_error()) CHECK_ERROR("none");
    return check_done();
}
