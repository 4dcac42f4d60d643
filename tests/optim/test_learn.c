/* Learned hyperparameters: every rule per group, per Param and per weight against central differences;
 * values seen in place and on the tape alike; trained by an outer optimizer; errors in words. */
#include <higherc/higherc.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/check.h"
#include "support/unroll.h"

enum { STEPS = 4 };

typedef struct Problem {
    Module *net;
    Optim *optim;
    Param *param;
    size_t entry;
} Problem;

static double meta_loss(const Problem *p, bool backward) {
    Tape *tape = tape_create(HC_F64);
    FModule *f = fmodule_create(tape, p->net, false);
    DiffOpt *opt = diffopt_create(p->optim, f);
    CHECK(unroll_fast(tape, f, opt, STEPS));
    Tensor *loss = unroll_loss(tape, NULL, f, 1);
    double value = tensor_item(loss);
    if (backward) CHECK(tensor_backward(loss));
    CHECK(tape_status(tape) == HC_OK);
    tape_destroy(tape);
    return value;
}

static void set_entry(Param *param, size_t entry, double x) {
    double *values = malloc(param_count(param) * sizeof *values);
    if (!values) return;
    memcpy(values, param_data(param), param_count(param) * sizeof *values);
    values[entry] = x;
    CHECK(param_set_f64(param, values, param_count(param)));
    free(values);
}

static double at(double x, void *user) {
    const Problem *p = user;
    double was = param_get(p->param, p->entry);
    set_entry(p->param, p->entry, x);
    double loss = meta_loss(p, false);
    set_entry(p->param, p->entry, was);
    return loss;
}

/* The gradients the learned Params get: at the last entry of the first and of the last of them. */
static void check_gradients(Problem *p, const char *name, double maximum) {
    ParamList list = optim_learned(p->optim);
    meta_loss(p, true);
    for (size_t i = 0; i<list.count; i += list.count> 1 ? list.count - 1 : 1) {
        p->param = list.items[i];
        p->entry = param_count(p->param) - 1;
        double x = param_get(p->param, p->entry), got = param_grad_get(p->param, p->entry);
        bool good = unroll_agrees(at, x, maximum, got, p);
        check_at(good, param_name(p->param), __FILE__, __LINE__);
        if (!good) printf("    %s\n", name);
    }
}

/* Every hyperparameter of every rule, at each scope; also those that start at exactly 0, unless by logarithm. */
static void every_hyper(const UnrollConfig *config, LearnScope per, bool by_log) {
    Module *net = unroll_net(HC_F64, false);
    Optim *probe = unroll_optim(config, module_params(net));
    const OptimClass *cls = optim_class(probe);
    for (size_t h = 0; h < cls->hyper_count; h++) {
        const OptimHyper *hyper = &cls->hypers[h];
        /* Adagrad's sum may start at 0, but the root of less is no number. */
        bool edge = strcmp(hyper->name, "initial_accumulator_value") == 0 &&
                    optim_get(probe, hyper->name, 0) == 0;
        if (hyper->flag || edge || (by_log && !(optim_get(probe, hyper->name, 0) > 0))) continue;
        Optim *optim = unroll_optim(config, module_params(net));
        CHECK((by_log ? optim_learn_log : optim_learn)(optim, hyper->name, HC_ALL_GROUPS, per));
        Problem p = {.net = net, .optim = optim};
        check_gradients(&p, config->name, by_log ? log(hyper->maximum) : hyper->maximum);
        optim_destroy(optim);
    }
    optim_destroy(probe);
    module_destroy(net);
}

/* Two groups, learned apart; a third added later has the number. */
static void groups_and_names(void) {
    Module *net = unroll_net(HC_F64, false);
    ParamList all = module_params(net);
    Optim *optim = optim_new("adam", (ParamList){all.items, 2});
    CHECK(optim_add_group(optim, (ParamList){all.items + 2, 2}) == 1);
    CHECK(optim_learned(optim).count == 0);
    CHECK(optim_set(optim, "lr", 1, 0.25));
    CHECK(optim_learn(optim, "lr", HC_ALL_GROUPS, HC_LEARN_GROUP));
    CHECK(optim_learn(optim, "beta1", 1, HC_LEARN_PARAM));
    CHECK(optim_learn(optim, "eps", 0, HC_LEARN_WEIGHT));
    ParamList learned = optim_learned(optim);
    const char *names[] = {"lr.group0",    "lr.group1",    "beta1.2.weight",
                           "beta1.2.bias", "eps.0.weight", "eps.0.bias"};
    const double values[] = {0.001, 0.25, 0.9, 0.9, 1e-8, 1e-8};
    CHECK(learned.count == 6);
    for (size_t i = 0; i < learned.count && i < 6; i++) {
        CHECK(strcmp(param_name(learned.items[i]), names[i]) == 0);
        CHECK(param_get(learned.items[i], 0) == values[i]);
    }
    CHECK(param_count(learned.items[4]) == 8 && param_count(learned.items[3]) == 1);
    CHECK(optim_get(optim, "lr", 1) == 0.25);
    CHECK(optim_set(optim, "lr", 1, 0.5) && param_get(learned.items[1], 0) == 0.5);
    CHECK(optim_get(optim, "lr", 0) == 0.001);
    CHECK(isnan(optim_get(optim, "beta1", 1)));
    CHECK_ERROR("learned apart for each Param");
    CHECK(isnan(optim_get(optim, "eps", 0)));
    CHECK_ERROR("learned apart for each weight");
    CHECK(!optim_set(optim, "lr", 7, 1));
    CHECK_ERROR("optim_set: there is no group 7");
    CHECK(optim_get(optim, "beta1", 0) == 0.9);
    CHECK(optim_add_group(optim, (ParamList){all.items + 4, 2}) == 2);
    CHECK(optim_get(optim, "lr", 2) == 0.001);
    CHECK(!optim_learn(optim, "lr", HC_ALL_GROUPS, HC_LEARN_PARAM));
    CHECK_ERROR("'lr' of group 0 is learned already");
    CHECK(!optim_learn(optim, "amsgrad", 0, HC_LEARN_GROUP));
    CHECK_ERROR("'amsgrad' is a flag");
    CHECK(!optim_learn(optim, "lrr", 0, HC_LEARN_GROUP));
    CHECK_ERROR("no hyperparameter 'lrr'");
    CHECK(!optim_learn(optim, "lr", 9, HC_LEARN_GROUP));
    CHECK_ERROR("no group 9");
    CHECK(!optim_learn(optim, "lr", 2, (LearnScope)7));
    CHECK_ERROR("none of HC_LEARN");
    CHECK(!optim_learn(NULL, "lr", 0, HC_LEARN_GROUP));
    CHECK_ERROR("optim_learn: the optimizer is NULL");
    CHECK(!optim_learn_log(NULL, "lr", 0, HC_LEARN_GROUP));
    CHECK_ERROR("optim_learn_log: the optimizer is NULL");
    CHECK(optim_learned(NULL).count == 0 && optim_learned(optim).count == 6);
    optim_destroy(optim);
    module_destroy(net);
}

/* The step in place and the differentiable one read the same values, with the same bits; an override goes
 * before what is learned, and its removal brings that back. */
static void same_values(bool by_log) {
    Module *net = unroll_net(HC_F64, false), *copy = module_clone(net);
    Optim *optim = optim_new("adam", module_params(net));
    bool (*learn)(Optim *, const char *, size_t, LearnScope) = by_log ? optim_learn_log : optim_learn;
    CHECK(learn(optim, "lr", HC_ALL_GROUPS, HC_LEARN_WEIGHT));
    CHECK(learn(optim, "beta1", HC_ALL_GROUPS, HC_LEARN_GROUP));
    CHECK(optim_set(optim, "lr", HC_ALL_GROUPS, 0.03) && optim_set(optim, "beta1", 0, 0.7));
    set_entry(optim_learned(optim).items[0], 3, by_log ? (double)-INFINITY : 0); /* one weight stands still */
    Tape *tape = tape_create(HC_F64);
    FModule *f = fmodule_create(tape, net, false);
    DiffOpt *opt = diffopt_create(optim, f);
    CHECK(unroll_fast(tape, f, opt, STEPS) && fmodule_commit(f, copy));
    double still = param_get(module_param(net, "0.weight"), 3);
    CHECK(unroll_in_place(net, optim, STEPS));
    ParamList a = module_params(net), b = module_params(copy);
    for (size_t i = 0; i < a.count; i++)
        CHECK(memcmp(param_data(a.items[i]), param_data(b.items[i]),
                     param_count(a.items[i]) * sizeof(double)) == 0);
    CHECK(param_get(module_param(net, "0.weight"), 3) == still);
    CHECK(param_get(module_param(net, "0.weight"), 2) !=
          param_get(module_param(net, "0.weight"), 3));

    tape_reset(tape);
    f = fmodule_create(tape, net, false);
    opt = diffopt_create(optim, f);
    CHECK(diffopt_override(opt, "lr", HC_ALL_GROUPS, tensor_scalar(tape, 0)));
    Tensor *before = fmodule_param(f, "0.weight");
    CHECK(unroll_fast(tape, f, opt, 1));
    double moved =
        tensor_item(tensor_sum(tensor_abs(tensor_sub(fmodule_param(f, "0.weight"), before))));
    CHECK(moved == 0);
    CHECK(diffopt_override(opt, "lr", HC_ALL_GROUPS, NULL));
    CHECK(unroll_fast(tape, f, opt, 1));
    Tensor *loss = unroll_loss(tape, NULL, f, 0);
    CHECK(tensor_reaches(loss, optim_learned(optim).items[0]));
    tape_destroy(tape);
    optim_destroy(optim);
    module_destroy(net);
    module_destroy(copy);
}

/* An outer optimizer trains them; a recording made before its step stays right; the meta-loss falls. */
static void trained(void) {
    Module *net = unroll_net(HC_F32, false);
    Optim *inner = optim_sgd(module_params(net), sgd_options(0.01));
    CHECK(optim_learn(inner, "lr", HC_ALL_GROUPS, HC_LEARN_PARAM));
    Optim *outer = optim_new("adam", optim_learned(inner));
    CHECK(optim_set(outer, "lr", 0, 0.01));
    Tape *tape = tape_create(HC_F32);
    double first = 0, last = 0;
    for (int it = 0; it < 30; it++) {
        optim_zero_grad(outer);
        tape_reset(tape);
        FModule *f = fmodule_create(tape, net, true);
        DiffOpt *opt = diffopt_create(inner, f);
        CHECK(unroll_fast(tape, f, opt, STEPS));
        Tensor *loss = unroll_loss(tape, NULL, f, 1);
        last = tensor_item(loss);
        if (it == 0) first = last;
        CHECK(tensor_backward(loss) && optim_step(outer));
        if (it == 0) CHECK(tensor_backward(loss)); /* of the values as they were */
    }
    CHECK(last < first && optim_get(outer, "lr", 0) == 0.01);
    CHECK(param_get(optim_learned(inner).items[0], 0) > 0.01);
    tape_destroy(tape);
    optim_destroy(outer);
    optim_destroy(inner);
    module_destroy(net);
}

/* Named and filled by the logarithm, set and got as the value itself; a large step leaves it above 0; saved and loaded
 * as it is learned. */
static void by_logarithm(void) {
    Module *net = unroll_net(HC_F64, false);
    Optim *optim = optim_new("sgd", module_params(net)), *plain = optim_new("sgd", module_params(net));
    CHECK(optim_set(optim, "lr", 0, 0.25) && optim_learn_log(optim, "lr", 0, HC_LEARN_GROUP));
    Param *rate = optim_learned(optim).items[0];
    CHECK(strcmp(param_name(rate), "log_lr.group0") == 0 && param_get(rate, 0) == log(0.25));
    CHECK(optim_get(optim, "lr", 0) == exp(log(0.25)));
    CHECK(optim_set(optim, "lr", 0, 0.5) && param_get(rate, 0) == log(0.5));
    CHECK(!optim_set(optim, "lr", 0, 0));
    CHECK_ERROR("learned by its logarithm, which 0 has not");
    CHECK(!optim_learn_log(optim, "momentum", 0, HC_LEARN_GROUP));
    CHECK_ERROR("optim_learn_log: 'momentum' of group 0 is 0, which has no logarithm");
    param_fill(rate, -40);
    CHECK(optim_get(optim, "lr", 0) > 0);
    CHECK(optim_save(optim, "by_logarithm.optim"));
    CHECK(optim_learn(plain, "lr", 0, HC_LEARN_GROUP) && !optim_load(plain, "by_logarithm.optim"));
    CHECK_ERROR("learned otherwise");
    param_fill(rate, 0);
    CHECK(optim_load(optim, "by_logarithm.optim") && param_get(rate, 0) == -40);
    remove("by_logarithm.optim");
    optim_destroy(plain);
    optim_destroy(optim);
    module_destroy(net);
}

/* With copy_initial_weights W gets no gradient: asked, the outer step says so, and moves nothing. */
static void unreached(void) {
    Module *net = unroll_net(HC_F64, false);
    Optim *inner = optim_sgd(module_params(net), sgd_options(0.01));
    Optim *outer = optim_adam(module_params(net), adam_options(0.01));
    CHECK(optim_add_group(outer, optim_learned(inner)) == SIZE_MAX);
    CHECK_ERROR("optim_add_group: the list is empty");
    CHECK(optim_learn(inner, "lr", 0, HC_LEARN_GROUP) && optim_add_group(outer, optim_learned(inner)) == 1);
    Param *first = module_params(net).items[0], *rate = optim_learned(inner).items[0];
    Tape *tape = tape_create(HC_F64);
    for (int turn = 0; turn < 4; turn++) { /* not asked; asked; asked and frozen; asked and reached */
        double weight = param_get(first, 0), was = param_get(rate, 0);
        CHECK(optim_check_grads(outer, turn > 0) == (turn > 1));
        optim_zero_grad(outer);
        tape_reset(tape);
        FModule *f = fmodule_create(tape, net, turn < 3);
        CHECK(unroll_fast(tape, f, diffopt_create(inner, f), STEPS));
        CHECK(tensor_backward(unroll_loss(tape, NULL, f, 1)));
        for (size_t i = 0; i < module_params(net).count; i++)
            param_freeze(module_params(net).items[i], turn == 2);
        CHECK(optim_step(outer) == (turn != 1));
        if (turn == 1) CHECK_ERROR("no gradient reached group 0 ('0.weight' is its first)");
        CHECK((param_get(rate, 0) != was) == (turn != 1));
        CHECK((param_get(first, 0) != weight) == (turn == 3));
        for (size_t i = 0; i < module_params(net).count; i++)
            param_freeze(module_params(net).items[i], false);
    }
    CHECK(!optim_check_grads(NULL, true));
    CHECK_ERROR("optim_check_grads: the optimizer is NULL");
    tape_destroy(tape);
    optim_destroy(outer);
    optim_destroy(inner);
    module_destroy(net);
}

/* A converted module leaves the optimizer and what it learns behind, and is told so. */
static void wrong_type(void) {
    Module *net = unroll_net(HC_F32, false);
    Optim *optim = optim_new("sgd", module_params(net));
    CHECK(optim_learn(optim, "lr", 0, HC_LEARN_WEIGHT));
    CHECK(module_to(net, HC_F64));
    Tape *tape = tape_create(HC_F64);
    CHECK(!diffopt_create(optim, fmodule_create(tape, net, false)));
    CHECK_ERROR("the optimizer was made for f32");
    tape_clear_error(tape);
    tape_reset(tape);
    CHECK(tensor_backward(unroll_loss(tape, net, NULL, 0)));
    CHECK(!optim_step(optim));
    CHECK_ERROR("converted to the other type");
    CHECK(param_dtype(optim_learned(optim).items[0]) == HC_F32);
    tape_destroy(tape);
    optim_destroy(optim);
    module_destroy(net);
}

int main(void) {
    for (size_t i = 0; i < unroll_config_count; i++)
        for (int per = HC_LEARN_GROUP; per <= HC_LEARN_WEIGHT; per++) {
            every_hyper(&unroll_configs[i], (LearnScope)per, false);
            every_hyper(&unroll_configs[i], (LearnScope)per, true);
        }
    groups_and_names();
    by_logarithm();
    same_values(false);
    same_values(true);
    trained();
    unreached();
    wrong_type();
    CHECK(higherc_error() == NULL);
    return check_done();
}
