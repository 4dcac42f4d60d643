/* Where higher has a trap, there is none here. What stands elsewhere is not repeated:
 *
 *     a direct call of a submodule uses the latest weights   tests/meta/test_fmodule.c (latest_weights),
 *                                                            and here in the middle of an unroll, batch norm
 *     forward_with leaves the history alone                  tests/meta/test_fmodule.c (histories);
 *                                                            wrong lists: here
 *     an unknown hyperparameter is an error                  here, for every call that takes a name
 *     momentum, weight decay learned from exactly 0          here; every scope: tests/optim/test_learn.c
 *     dL/dbeta2 of Adam, AdamW, dL/dlr, dL/dlambd of ASGD    here, with the values higher's defaults have;
 *                                                            every hyperparameter of every rule:
 *                                                            tests/optim/test_hyper_gradients.c
 *     RMSprop, plain, centered, with momentum                here; dL/dW on other models: test_optim.c
 *     the gradient of clipping                               here */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "support/each.h"
#include "support/models.h"
#include "support/refuse.h"

enum { STEPS = 4, MOST = 16 };

static Tape *tape;
static Module *net; /* the shared sequential model: smooth but for one ReLU layer */

/* ---- weights: the latest, and lists handed in ------------------------------------------------------------ */

static void direct_calls(void) {
    Module *mlp = model_make(MODEL_BATCH_NORM, HC_F64, 3);
    Optim *optim = optim_sgd(module_params(mlp), sgd_options(0.5));
    FModule *f = fmodule_create(tape, mlp, false);
    FModule *first = fmodule_child(f, "0"), *norm = fmodule_child(f, "2");
    DiffOpt *opt = diffopt_create(optim, f);
    Rng rng = rng_seed(1);
    Tensor *x = tensor_uniform(tape, shape2(MODEL_BATCH, MODEL_IN), 0, 1, &rng), *last = NULL;
    for (int k = 0; k < STEPS; k++) {
        Tensor *y = fmodule_forward(first, x);
        CHECK(tensors_same(
            y, tensor_linear(x, fmodule_param(f, "0.weight"), fmodule_param(f, "0.bias"))));
        CHECK(!last || !tensors_same(y, last));
        last = y;
        /* a loss on a part alone: a step on what it reaches, the rest stays */
        Tensor *head = fmodule_param(f, "6.weight");
        Tensor *out = fmodule_forward(norm, tensor_relu(y));
        CHECK(diffopt_step(opt, tensor_mean(tensor_mul(out, tensor_square(out)))));
        CHECK(fmodule_param(f, "6.weight") == head);
        CHECK(tensor_item(fmodule_buffer(f, "2.num_batches_tracked")) == k + 1);
        CHECK(tensor_item(fmodule_buffer(f, "5.num_batches_tracked")) == 0);
    }
    CHECK(tensor_reaches(last, module_param(mlp, "0.weight")));
    optim_destroy(optim);
    module_destroy(mlp);
}

static void wrong_lists(void) {
    FModule *f = fmodule_create(tape, net, false);
    TensorList w = fmodule_params(f);
    Tensor *list[MOST], *x = tensor_zeros(tape, shape2(2, MODEL_IN)), *y = NULL;
    memcpy(list, w.items, w.count * sizeof *list);
    list[w.count] = list[0];
    WRONG(HC_ERR_SHAPE, fmodule_forward_with(f, list, w.count - 1, x));
    WRONG(HC_ERR_SHAPE, fmodule_forward_with(f, list, w.count + 1, x));
    WRONG(HC_ERR_SHAPE, fmodule_forward_with(f, list, 0, x));
    WRONG(HC_ERR_SHAPE, fmodule_set_params(f, list, w.count - 1));
    list[0] = tensor_transpose(list[0], 0, 1); /* as many numbers, another shape */
    WRONG(HC_ERR_SHAPE, fmodule_forward_with(f, list, w.count, x));
    WRONG(HC_ERR_SHAPE, fmodule_set_params(f, list, w.count));
    list[0] = NULL;
    ANY(fmodule_forward_with(f, list, w.count, x));
    list[0] = w.items[0];
    CHECK((y = fmodule_forward_with(f, list, w.count, x)) && fmodule_steps(f) == 0);
    CHECK(fmodule_params(f).items == w.items && tensors_same(y, fmodule_forward(f, x)));
}

static void unknown_names(void) {
    FModule *f = fmodule_create(tape, net, false);
    Optim *optim = optim_new("adam", module_params(net));
    DiffOpt *opt = diffopt_create(optim, f);
    Tensor *value = tensor_scalar(tape, 0.1);
    Schedule schedule = schedule_step(1, hyper_const(0.5));
    static const char *const wrong[] = {"betas", "learning_rate", "LR", "momentum", ""};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        WRONG(HC_ERR_NAME, diffopt_override(opt, wrong[i], HC_ALL_GROUPS, value));
        WRONG(HC_ERR_NAME, diffopt_override(opt, wrong[i], 0, NULL));
        WRONG(HC_ERR_NAME,
              diffopt_override_param(opt, wrong[i], module_params(net).items[0], value));
        WRONG(HC_ERR_NAME, diffopt_schedule(opt, wrong[i], 0, &schedule));
        WRONG(HC_ERR_NAME, optim_set(optim, wrong[i], 0, 0.1));
        WRONG(HC_ERR_NAME, optim_learn(optim, wrong[i], 0, HC_LEARN_GROUP));
        NOT_A_NUMBER(optim_get(optim, wrong[i], 0));
    }
    WRONG(HC_ERR_NAME, optim_new("adm", module_params(net)));
    optim_destroy(optim);
}

/* ---- gradients of a meta-loss, against differences ----------------------------------------------------------- */

typedef struct Subject {
    const char *optimizer, *flag;
    const char *hyper; /* NULL: the weights */
    double value;
    const char *key[4]; /* other settings */
    double set[4];
    double norm, limit; /* clipping, if not 0 */
    bool learned;       /* by optim_learn; else by diffopt_override */
    Optim *optim;
} Subject;

static void make_optim(Subject *s) {
    s->optim = optim_new(s->optimizer, module_params(net));
    for (size_t i = 0; i < 4 && s->key[i]; i++)
        CHECK(optim_set(s->optim, s->key[i], HC_ALL_GROUPS, s->set[i]));
    if (s->flag) CHECK(optim_set(s->optim, s->flag, HC_ALL_GROUPS, 1));
    if (s->hyper && s->learned) {
        CHECK(optim_set(s->optim, s->hyper, HC_ALL_GROUPS, s->value));
        CHECK(optim_learn(s->optim, s->hyper, HC_ALL_GROUPS, HC_LEARN_GROUP));
    }
}

static Tensor *unrolled(const Subject *s, FModule *f, Tensor *hyper) {
    Rng rng = rng_seed(2);
    DiffOpt *opt = diffopt_create(s->optim, f);
    if (hyper) CHECK(diffopt_override(opt, s->hyper, HC_ALL_GROUPS, hyper));
    if (s->norm > 0) CHECK(diffopt_clip_norm(opt, s->norm, 1e-6));
    if (s->limit > 0) CHECK(diffopt_clip_value(opt, s->limit));
    for (int k = 0; k < STEPS; k++)
        CHECK(diffopt_step(opt, model_loss(tape, NULL, f, &rng)));
    return model_loss(tape, NULL, f, &rng);
}

static double meta_loss(Module *module, void *user) {
    TapeMark mark = tape_mark(tape);
    double value = tensor_item(unrolled(user, fmodule_create(tape, module, true), NULL));
    CHECK(tape_release(tape, mark));
    return value;
}

static double of_hyper(Subject *s, double value) {
    TapeMark mark = tape_mark(tape);
    FModule *f = fmodule_create(tape, net, true);
    double loss = tensor_item(unrolled(s, f, tensor_scalar(tape, value)));
    CHECK(tape_release(tape, mark));
    return loss;
}

static double hyper_difference(Subject *s, double step) {
    return (8 * (of_hyper(s, s->value + step) - of_hyper(s, s->value - step)) -
            (of_hyper(s, s->value + 2 * step) - of_hyper(s, s->value - 2 * step))) /
           (12 * step);
}

static void check_subject(Subject s) {
    make_optim(&s);
    FModule *f = fmodule_create(tape, net, true);
    Tensor *grads[MOST], *hyper = NULL;
    if (s.hyper && !s.learned) hyper = tensor_leaf(tensor_scalar(tape, s.value));
    Tensor *loss = unrolled(&s, f, hyper);
    if (s.hyper && s.learned) hyper = param_tensor(tape, optim_learned(s.optim).items[0]);
    TensorList start = fmodule_params_at(f, 0);
    bool good = false;
    double along = NAN, difference = NAN;
    if (s.hyper) {
        CHECK(tensor_grad(loss, &hyper, 1, grads, 0));
        along = tensor_item(grads[0]);
        CHECK(along != 0);
    } else {
        CHECK(tensor_grad(loss, start.items, start.count, grads, 0));
        along = model_along(net, grads, 6);
    }
    for (double h = 1e-4; h > 1e-8 && !good; h /= 10) {
        difference = s.hyper ? hyper_difference(&s, h * fmin(1, s.value > 0 ? 1 - s.value : 1))
                             : model_difference(net, meta_loss, h, 6, &s);
        good = fabs(along - difference) <= 1e-6 * fabs(difference) + 1e-10;
    }
    check_at(good, s.hyper ? s.hyper : "the weights", __FILE__, __LINE__);
    if (!good) printf("    %s: %.12g and %.12g\n", s.optimizer, along, difference);
    optim_destroy(s.optim);
}

static void hyperparameters(void) {
    const Subject subjects[] = {
        /* from exactly 0: higher's `if weight_decay != 0` cuts these off */
        {.optimizer = "sgd", .hyper = "momentum", .key = {"lr"}, .set = {0.1}},
        {.optimizer = "sgd", .hyper = "weight_decay", .key = {"lr"}, .set = {0.1}},
        {.optimizer = "sgd", .hyper = "dampening", .key = {"lr", "momentum"}, .set = {0.1, 0.9}},
        {.optimizer = "adam", .hyper = "weight_decay", .key = {"lr", "eps"}, .set = {0.05, 1e-3}},
        {.optimizer = "adamw", .hyper = "weight_decay", .key = {"lr", "eps"}, .set = {0.05, 1e-3}},
        {.optimizer = "rmsprop", .hyper = "momentum", .key = {"lr", "eps"}, .set = {0.01, 1e-3}},
        {.optimizer = "rmsprop",
         .hyper = "weight_decay",
         .key = {"lr", "eps"},
         .set = {0.01, 1e-3}},
        {.optimizer = "adagrad", .hyper = "lr_decay", .key = {"lr", "eps"}, .set = {0.05, 1e-3}},
        /* higher's math.sqrt cuts sqrt(1 - beta2^t) off */
        {.optimizer = "adam", .hyper = "beta2", .value = 0.999, .key = {"lr"}, .set = {0.05}},
        {.optimizer = "adam",
         .hyper = "beta2",
         .value = 0.9,
         .flag = "amsgrad",
         .key = {"lr"},
         .set = {0.05}},
        {.optimizer = "adamw", .hyper = "beta2", .value = 0.999, .key = {"lr"}, .set = {0.05}},
        /* higher's math.pow cuts (1 + lambd lr t)^alpha off */
        {.optimizer = "asgd", .hyper = "lr", .value = 0.1, .key = {"lambd"}, .set = {0.05}},
        {.optimizer = "asgd", .hyper = "lambd", .value = 1e-4, .key = {"lr"}, .set = {0.1}},
        {.optimizer = "asgd", .hyper = "lambd", .value = 0.05, .key = {"lr"}, .set = {0.1}},
        {.optimizer = "asgd",
         .hyper = "alpha",
         .value = 0.75,
         .key = {"lr", "lambd"},
         .set = {0.1, 0.05}},
        {.optimizer = "rmsprop",
         .hyper = "alpha",
         .value = 0.9,
         .key = {"lr", "eps"},
         .set = {0.01, 1e-3}},
        {.optimizer = "rmsprop",
         .hyper = "lr",
         .value = 0.01,
         .flag = "centered",
         .key = {"eps", "momentum"},
         .set = {1e-3, 0.9}},
    };
    for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++)
        for (int learned = 0; learned < 2; learned++) {
            Subject s = subjects[i];
            s.learned = learned;
            check_subject(s);
        }
}

static void weights(void) {
    const Subject subjects[] = {
        {.optimizer = "rmsprop", .key = {"lr", "eps"}, .set = {0.01, 1e-3}},
        {.optimizer = "rmsprop", .key = {"lr"}, .set = {0.01}},
        {.optimizer = "rmsprop",
         .key = {"lr", "momentum", "weight_decay"},
         .set = {0.01, 0.9, 0.1}},
        {.optimizer = "rmsprop", .flag = "centered", .key = {"lr", "eps"}, .set = {0.01, 1e-3}},
        {.optimizer = "rmsprop", .flag = "centered", .key = {"lr", "momentum"}, .set = {0.01, 0.5}},
        /* clipping that is in force, at every step or not at all */
        {.optimizer = "sgd", .key = {"lr"}, .set = {0.1}, .norm = 0.05},
        {.optimizer = "sgd", .key = {"lr"}, .set = {0.1}, .norm = 100},
        {.optimizer = "sgd", .key = {"lr", "momentum"}, .set = {0.1, 0.9}, .norm = 0.05},
        {.optimizer = "adam", .key = {"lr", "eps"}, .set = {0.05, 1e-3}, .norm = 0.05},
        {.optimizer = "sgd", .key = {"lr"}, .set = {0.1}, .limit = 0.02},
        {.optimizer = "adam", .key = {"lr", "eps"}, .set = {0.05, 1e-3}, .limit = 0.02},
    };
    for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++)
        check_subject(subjects[i]);
}

/* Clipping changes something in the rows above: not all that passes there is plain SGD. */
static void clipping_clips(void) {
    Subject plain = {.optimizer = "sgd", .key = {"lr"}, .set = {0.1}}, norm = plain, value = plain;
    norm.norm = 0.05;
    value.limit = 0.02;
    make_optim(&plain);
    norm.optim = value.optim = plain.optim;
    CHECK(meta_loss(net, &norm) != meta_loss(net, &plain));
    CHECK(meta_loss(net, &value) != meta_loss(net, &plain));
    optim_destroy(plain.optim);
}

int main(void) {
    void (*const tests[])(void) = {direct_calls,    wrong_lists, unknown_names,
                                   hyperparameters, weights,     clipping_clips};
    net = model_make(MODEL_SHARED_SEQUENTIAL, HC_F64, 7);
    each_on_a_tape(&tape, tests, sizeof tests / sizeof *tests);
    module_destroy(net);
    return check_done();
}
