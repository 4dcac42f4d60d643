/* Of Params, optimizers, schedules and L-BFGS. */
#include <math.h>
#include <string.h>

#include "support/tells.h"

static Param *p, *q, *wide; /* [2], [3], f64 [2] */
static Tape *tape;

static ParamList list(Param **items, size_t count) {
    return (ParamList){items, count};
}

static void params(void) {
    Rng rng = rng_seed(1);
    const float none[1] = {0};
    const double far[1] = {0};
    TELLS(ARG, param_create(NULL, shape1(2), HC_F32), "param_create: the name is NULL");
    TELLS(ARG, param_create("w", shape1(2), (DType)5), "param_create: 5 is no type");
    TELLS(SHAPE, param_create("w", shape_of(NULL, 2), HC_F32),
          "param_create: 'w': (no shape) is no shape of a tensor: 0 to 8 sizes that fit memory");
    TELLS(RANGE, param_get(p, 2), "param_get: 'p' has no number 2, but 2 of them");
    TELLS(ARG, param_get(NULL, 2), "param_get: the Param is NULL");
    TELLS(RANGE, param_grad_get(p, 2), "param_grad_get: 'p' has no number 2, but 2 of them");
    TELLS(SHAPE, param_set_f32(p, none, 1), "param_set_f32: 'p' has 2 numbers, not 1");
    TELLS(ARG, param_set_f32(p, NULL, 2), "param_set_f32: values is NULL");
    TELLS(SHAPE, param_set_f64(p, far, 1), "param_set_f64: 'p' has 2 numbers, not 1");
    TELLS(SHAPE, param_add_grad_f64(p, far, 1), "param_add_grad_f64: 'p' has 2 numbers, not 1");
    TELLS(ARG, param_fill(NULL, 1), "param_fill: the Param is NULL");
    TELLS(ARG, param_uniform(p, 0, 1, NULL), "param_uniform: rng is NULL");
    TELLS(ARG, param_normal(p, 0, 1, 1, NULL), "param_normal: rng is NULL");
    TELLS(ARG, param_uniform(NULL, 0, 1, &rng), "param_uniform: the Param is NULL");
    TELLS(ARG, param_normal(NULL, 0, 1, 1, &rng), "param_normal: the Param is NULL");
    TELLS(DTYPE, param_tensor(tape, p), "param_tensor: 'p' is f32, the tape f64");
    TELLS(STATE, param_tensor(tape, wide), "param_tensor: 'wide' is not initialised (module_init, param_set)");
    TELLS(ARG, param_tensor(NULL, p), "param_tensor: the tape is NULL");
    TELLS(ARG, param_tensor(tape, NULL), "param_tensor: the Param is NULL");
    TELLS(ARG, grads_create(list((Param *[]){p, NULL}, 2)), "grads_create: Param 1 is NULL");
    TELLS(DTYPE, grads_create(list((Param *[]){p, wide}, 2)), "grads_create: 'p' and 'wide' have different types");
    Grads *grads = grads_create(list(&p, 1));
    TELLS(RANGE, grads_get(grads, 1), "grads_get: there is no Param 1 of 1");
    TELLS(ARG, grads_get(NULL, 1), "grads_get: grads is NULL");
    TELLS(ARG, grads_flat(NULL, NULL), "grads_flat: grads is NULL");
    TELLS(ARG, grads_clip_norm(grads, -1), "grads_clip_norm: max_norm is -1, not 0 or more");
    TELLS(ARG, grads_clip_norm(NULL, 1), "grads_clip_norm: grads is NULL");
    TELLS(ARG, grads_add_to_params(NULL), "grads_add_to_params: grads is NULL");
    grads_destroy(grads);
    Module *net = module_linear(1, 2);
    grads = grads_create(module_params(net));
    module_to(net, HC_F64);
    TELLS(DTYPE, grads_add_to_params(grads), "grads_add_to_params: 'weight' was converted to the other type");
    grads_destroy(grads);
    module_destroy(net);
}

static void makers(void) {
    ParamList one = {&p, 1};
    AdamOptions adam = adam_options(0.1);
    SgdOptions sgd = sgd_options(0.1);
    RpropOptions rprop = rprop_options(0.1);
    TELLS(ARG, optim_create(NULL, one, NULL), "optim_create: the class is NULL");
    TELLS(ARG, optim_create(&(OptimClass){.name = "x"}, one, NULL),
          "optim_create: the class is not complete: it has a name, an update, and lists that are not too long");
    TELLS(ARG, optim_adam((ParamList){NULL, 0}, adam), "optim_adam: the list of Params is empty");
    TELLS(ARG, optim_adam(list((Param *[]){p, p}, 2), adam), "optim_adam: 'p' is listed twice");
    TELLS(DTYPE, optim_adam(list((Param *[]){p, wide}, 2), adam), "optim_adam: 'p' and 'wide' have different types");
    TELLS(ARG, optim_adam(list((Param *[]){NULL}, 1), adam), "optim_adam: Param 0 is NULL");
    adam.beta1 = 1;
    TELLS(RANGE, optim_adam(one, adam), "optim_adam: beta1 cannot be 1: it is from 0 to below 1");
    sgd.nesterov = true;
    TELLS(RANGE, optim_sgd(one, sgd), "optim_sgd: nesterov needs momentum > 0 and dampening 0");
    rprop.step_min = 100;
    TELLS(RANGE, optim_rprop(one, rprop), "optim_rprop: step_min is above step_max");
    TELLS(NAME, optim_new("adom", one), "optim_new: there is no optimizer 'adom'");
    TELLS(ARG, optim_new(NULL, one), "optim_new: there is no optimizer '(NULL)'");
    TELLS(ARG, optim_new("adam", (ParamList){NULL, 0}), "optim_new: the list of Params is empty");
}

static void settings(void) {
    Optim *adam = optim_adam((ParamList){&p, 1}, adam_options(0.1)),
          *sgd = optim_sgd((ParamList){&q, 1}, sgd_options(0));
    TELLS(ARG, optim_add_group(NULL, (ParamList){&q, 1}), "optim_add_group: the optimizer is NULL");
    TELLS(ARG, optim_add_group(adam, (ParamList){NULL, 0}),
          "optim_add_group: the list is empty, as optim_learned's is before optim_learn");
    TELLS(ARG, optim_add_group(adam, (ParamList){&p, 1}), "optim_add_group: 'p' is listed twice");
    TELLS(DTYPE, optim_add_group(adam, (ParamList){&wide, 1}), "optim_add_group: 'wide' is f64, the others f32");
    TELLS(RANGE, optim_group_params(adam, 1), "optim_group_params: there is no group 1, of 1");
    TELLS(ARG, optim_group_params(NULL, 1), "optim_group_params: the optimizer is NULL");
    TELLS(NAME, optim_set(adam, "rate", 0, 1), "optim_set: adam has no hyperparameter 'rate'");
    TELLS(ARG, optim_set(adam, NULL, 0, 1), "optim_set: adam has no hyperparameter '(NULL)'");
    TELLS(ARG, optim_set(NULL, "lr", 0, 1), "optim_set: the optimizer is NULL");
    TELLS(RANGE, optim_set(adam, "lr", 1, 1), "optim_set: there is no group 1, of 1");
    TELLS(RANGE, optim_set(adam, "lr", 0, -1), "optim_set: lr cannot be -1: it is from 0 up");
    TELLS(RANGE, optim_set(sgd, "nesterov", 0, 1),
          "optim_set: nesterov cannot be 1: nesterov needs momentum > 0 and dampening 0");
    TELLS(NAME, optim_get(adam, "rate", 0), "optim_get: adam has no hyperparameter 'rate'");
    TELLS(RANGE, optim_get(adam, "lr", 1), "optim_get: there is no group 1, of 1");
    TELLS(ARG, optim_get(NULL, "lr", 0), "optim_get: the optimizer is NULL");
    TELLS(ARG, optim_learn(adam, "amsgrad", 0, HC_LEARN_GROUP),
          "optim_learn: 'amsgrad' is a flag, which only optim_set sets");
    TELLS(ARG, optim_learn(adam, "lr", 0, (LearnScope)9), "optim_learn: 9 is none of HC_LEARN_...");
    TELLS(NAME, optim_learn(adam, "rate", 0, HC_LEARN_GROUP), "optim_learn: adam has no hyperparameter 'rate'");
    TELLS(RANGE, optim_learn(adam, "lr", 2, HC_LEARN_GROUP), "optim_learn: there is no group 2, of 1");
    TELLS(RANGE, optim_learn_log(sgd, "lr", 0, HC_LEARN_GROUP),
          "optim_learn_log: 'lr' of group 0 is 0, which has no logarithm");
    optim_learn_log(adam, "lr", 0, HC_LEARN_GROUP);
    TELLS(STATE, optim_learn(adam, "lr", 0, HC_LEARN_PARAM), "optim_learn: 'lr' of group 0 is learned already");
    TELLS(RANGE, optim_set(adam, "lr", 0, 0), "optim_set: lr is learned by its logarithm, which 0 has not");
    optim_learn(adam, "eps", 0, HC_LEARN_PARAM);
    TELLS(STATE, optim_get(adam, "eps", 0), "optim_get: 'eps' is learned apart for each Param: see optim_learned");
    TELLS(NAME, optim_param_state(adam, p, "velocity"), "optim_param_state: adam has no state 'velocity'");
    TELLS(ARG, optim_clip_grad_norm(adam, -1), "optim_clip_grad_norm: max_norm is -1, not 0 or more");
    TELLS(ARG, optim_clip_grad_norm(NULL, 1), "optim_clip_grad_norm: the optimizer is NULL");
    optim_destroy(sgd);
    optim_destroy(adam);
}

static bool no_update(OptimUpdate *update, void *user) {
    (void)update, (void)user;
    return false;
}

static Optim *inner_optim;
static bool inner_step(OptimUpdate *update, void *user) {
    (void)update, (void)user;
    return optim_step(inner_optim);
}

static bool no_result(OptimUpdate *update, void *user) {
    (void)user;
    update->param = NULL;
    return true;
}

static bool wide_result(OptimUpdate *update, void *user) {
    (void)user;
    update->param = tensor_add(update->param, tensor_ones(tensor_tape(update->param), shape2(3, 1)));
    return true;
}

#define WITH_RULE(rule, call)                                                                               \
    do {                                                                                                    \
        inner_optim = optim_create(&(OptimClass){.name = #rule, .update = rule}, (ParamList){&p, 1}, NULL); \
        call;                                                                                               \
        optim_destroy(inner_optim);                                                                         \
    } while (0)

static void steps(void) {
    const double one[] = {1, 1};
    Optim *adam = optim_adam((ParamList){&p, 1}, adam_options(0.1));
    TELLS(ARG, optim_step(NULL), "optim_step: the optimizer is NULL");
    TELLS(GRAD, optim_step(adam),
          "optim_step: every gradient is absent (there was no backward pass, or all Params are frozen)");
    optim_add_group(adam, (ParamList){&q, 1});
    param_fill(p, 1);
    param_fill(q, 1);
    optim_check_grads(adam, true);
    param_add_grad_f64(p, one, 2);
    TELLS(GRAD, optim_step(adam),
          "optim_step: no gradient reached group 1 ('q' is its first): does the loss depend on it? See tensor_reaches "
          "and copy_initial_weights");
    optim_destroy(adam);
    WITH_RULE(no_update, TELLS(STATE, optim_step(inner_optim), "optim_step: 'p': the rule failed"));
    WITH_RULE(inner_step, TELLS(STATE, optim_step(inner_optim), "optim_step: from within its own rule or schedule"));
    WITH_RULE(no_result, TELLS(STATE, optim_step(inner_optim), "optim_step: 'p': the rule failed"));
    WITH_RULE(wide_result, TELLS(STATE, optim_step(inner_optim),
                                 "optim_step: 'p': the rule gives another shape than the weight's"));
    Module *net = module_linear(1, 2);
    module_init(net, &(Rng){1, 2});
    adam = optim_adam(module_params(net), adam_options(0.1));
    module_to(net, HC_F64);
    param_add_grad_f64(module_params(net).items[0], one, 2);
    TELLS(DTYPE, optim_step(adam), "optim_step: 'weight' was converted to the other type");
    optim_destroy(adam);
    module_destroy(net);
}

/* What the optimizer tells itself, after an error of before. */
#define SAYS(optim, text) CHECK(strcmp(optim_error(optim), text) == 0)

static int factor = 3;
static Hyper factors(size_t step, void *user) {
    (void)step, (void)user;
    if (factor == 0) return hyper_const(NAN);
    if (factor == 1 || factor == 2) return hyper_tensor(tensor_scalar(factor == 1 ? tape : NULL, 1));
    return hyper_const(1);
}

static void schedules(void) {
    const double one[] = {1, 1};
    Optim *adam = optim_adam((ParamList){&p, 1}, adam_options(0.1));
    Schedule lambda = schedule_lambda(factors, NULL), none = {.steps = 1}, self;
    self = schedule_then(&lambda, 1, &self);
    TELLS(ARG, schedule_at(NULL, 0), "schedule_at: the schedule is NULL");
    TELLS(ARG, schedule_at(&none, 0), "schedule_at: a schedule that no schedule_ function made");
    TELLS(ARG, schedule_at(&self, 1000), "schedule_at: a schedule_then that holds itself, or too many");
    TELLS(ARG, optim_schedule(adam, "lr", 0, &none), "optim_schedule: a schedule that no schedule_ function made");
    TELLS(NAME, optim_schedule(adam, "rate", 0, &lambda), "optim_schedule: adam has no hyperparameter 'rate'");
    TELLS(RANGE, optim_schedule(adam, "lr", 1, &lambda), "optim_schedule: there is no group 1, of 1");
    TELLS(ARG, optim_schedule(adam, "amsgrad", 0, &lambda),
          "optim_schedule: 'amsgrad' is a flag, which only optim_set sets");
    factor = 0;
    TELLS(ARG, optim_schedule(adam, "lr", 0, &lambda), "optim_schedule: the factor of 'lr' is NaN at step 0");
    factor = 1;
    TELLS(ARG, optim_schedule(adam, "lr", 0, &lambda),
          "optim_schedule: a factor of 'lr' that is a tensor needs diffopt_schedule");
    factor = 2;
    CHECK(!optim_schedule(adam, "lr", 0, &lambda));
    CHECK_ERROR("tensor_scalar: the tape is NULL");
    SAYS(adam, "optim_schedule: the schedule of 'lr' failed");
    factor = 3;
    CHECK(optim_schedule(adam, "lr", 0, &lambda));
    param_add_grad_f64(p, one, 2);
    factor = 0;
    TELLS(ARG, optim_step(adam), "optim_step: the factor of 'lr' is NaN at step 0");
    optim_destroy(adam);
}

static double reported;
static bool closes(double *loss, void *user) {
    const double one[] = {1, 1};
    *loss = reported;
    return user && (!isnan(reported) || param_add_grad_f64(p, one, 2));
}

static bool within(double *loss, void *user) {
    *loss = 0;
    return lbfgs_step(user, closes, NULL, NULL);
}

static void lbfgs(void) {
    const double one[] = {1, 1};
    LbfgsOptions o = lbfgs_options();
    o.history = 0;
    TELLS(ARG, lbfgs_create((ParamList){NULL, 0}, lbfgs_options()), "lbfgs_create: the list of Params is empty");
    TELLS(ARG, lbfgs_create(list((Param *[]){p, p}, 2), lbfgs_options()), "lbfgs_create: 'p' is listed twice");
    TELLS(RANGE, lbfgs_create((ParamList){&p, 1}, o),
          "lbfgs_create: lr 1, tolerances 1e-07 and 1e-09, 20 iterations, a history of 0: these are above 0, and "
          "tolerances from 0");
    Lbfgs *solver = lbfgs_create((ParamList){&p, 1}, lbfgs_options());
    param_zero_grad(p);
    TELLS(ARG, lbfgs_step(NULL, closes, &o, NULL), "lbfgs_step: the optimizer is NULL");
    TELLS(ARG, lbfgs_step(solver, NULL, &o, NULL), "lbfgs_step: the closure is NULL");
    TELLS(GRAD, lbfgs_step(solver, closes, &o, NULL), "lbfgs_step: every gradient is absent");
    TELLS(STATE, lbfgs_step(solver, closes, NULL, NULL), "lbfgs_step: the closure failed");
    TELLS(STATE, lbfgs_step(solver, within, solver, NULL), "lbfgs_step: from within its own closure");
    param_add_grad_f64(p, one, 2);
    reported = NAN;
    TELLS(RANGE, lbfgs_step(solver, closes, &o, NULL),
          "lbfgs_step: the loss is nan, the largest entry of its gradient 1");
    lbfgs_destroy(solver);
}

int main(void) {
    tape = tape_create(HC_F64);
    tells_on(tape, NULL);
    p = param_create("p", shape1(2), HC_F32);
    q = param_create("q", shape1(3), HC_F32);
    wide = param_create("wide", shape1(2), HC_F64);
    params();
    makers();
    settings();
    steps();
    schedules();
    lbfgs();
    param_unref(p);
    param_unref(q);
    param_unref(wide);
    tape_destroy(tape);
    return check_done();
}
