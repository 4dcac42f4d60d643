/* Differentiable optimizers one promise at a time: all or nothing, callbacks and overrides that stay in
 * force, what a rule or a callback may not do, commit, and types. */
#include <string.h>

#include "support/each.h"
#include "support/refuse.h"

static Tape *tape;
static Module *net;

enum { WEIGHTS = 3 }; /* a linear layer from 2 to 1 */

static Tensor *loss_of(FModule *f) {
    Tensor *x = tensor_from_f64(tape, shape2(3, 2), (double[]){1, -2, 0.5, 1.5, -1, 2});
    Tensor *y = tensor_from_f64(tape, shape2(3, 1), (double[]){1, 0, -1});
    return tensor_mse_loss(fmodule_forward(f, x), y);
}

static FModule *make(FMode mode) {
    FModuleOptions options = fmodule_options(false);
    options.mode = mode;
    return fmodule_create_with(tape, net, options);
}

static void read_weights(const FModule *f, double out[WEIGHTS]) {
    CHECK(tensor_copy_to_f64(fmodule_param(f, "weight"), out, 2));
    CHECK(tensor_copy_to_f64(fmodule_param(f, "bias"), out + 2, 1));
}

static Optim *momentum(double dampening) {
    SgdOptions options = sgd_options(0.1);
    options.momentum = 0.9;
    options.dampening = dampening;
    return optim_sgd(module_params(net), options);
}

/* ---- a step that fails leaves no trace --------------------------------------------------------- */

typedef struct Script {
    int kind;
    size_t called;
} Script;

static bool scripted(Tape *t, Tensor **grads, size_t count, void *user) {
    Script *script = user;
    script->called++;
    CHECK(t == tape && count == 2);
    switch (script->kind) {
    case 0: /* gives up */
        return false;
    case 1: /* another shape, that would broadcast */
        grads[0] = tensor_ones(t, shape1(1));
        return true;
    case 2: /* fails on the tape */
        return tensor_add(grads[0], tensor_ones(t, shape1(7))) != NULL;
    case 3: /* what is gone */ {
        TapeMark mark = tape_mark(t);
        Tensor *gone = tensor_ones(t, shape2(1, 2));
        tape_release(t, mark);
        grads[0] = gone;
        return true;
    }
    case 4: /* masks one out */
        grads[1] = NULL;
        return true;
    default:
        return true;
    }
}

static void nothing_half_done(void) {
    Optim *inner = momentum(0);
    FModule *f = make(HC_FULL);
    DiffOpt *opt = diffopt_create(inner, f);
    Script script = {.kind = 9};
    double before[WEIGHTS], after[WEIGHTS];
    CHECK(diffopt_step(opt, loss_of(f)));
    read_weights(f, before);
    Tensor *last = diffopt_loss(opt);
    CHECK(diffopt_grad_callback(opt, scripted, &script));
    for (script.kind = 0; script.kind < 4; script.kind++) {
        script.called = 0;
        ANY(diffopt_step(opt, loss_of(f)));
        CHECK(script.called == 1);
        CHECK(fmodule_steps(f) == 1 && diffopt_steps(opt) == 1 && diffopt_loss(opt) == last);
        read_weights(f, after);
        CHECK(memcmp(before, after, sizeof before) == 0);
    }
    /* a hyperparameter whose shape would enlarge the weights is none: what was in force stays */
    CHECK(diffopt_grad_callback(opt, NULL, NULL));
    WRONG(HC_ERR_SHAPE, diffopt_override(opt, "lr", 0, tensor_full(tape, shape2(5, 2), 0.1)));
    WRONG(HC_ERR_SHAPE, diffopt_override(opt, "lr", 0, tensor_full(tape, shape1(2), 0.1))); /* not the bias */
    WRONG(HC_ERR_SHAPE, diffopt_override(opt, "momentum", 0, tensor_full(tape, shape2(5, 2), 0.1)));
    CHECK(fmodule_steps(f) == 1 && diffopt_steps(opt) == 1);
    read_weights(f, after);
    CHECK(memcmp(before, after, sizeof before) == 0);

    /* what goes on is what an undisturbed run does */
    CHECK(diffopt_step(opt, loss_of(f)));
    read_weights(f, after);
    FModule *calm = make(HC_FULL);
    DiffOpt *steady = diffopt_create(inner, calm);
    CHECK(diffopt_step(steady, loss_of(calm)) && diffopt_step(steady, loss_of(calm)));
    read_weights(calm, before);
    CHECK(memcmp(before, after, sizeof before) == 0);

    script.kind = 4;
    CHECK(diffopt_grad_callback(opt, scripted, &script) && diffopt_step(opt, loss_of(f)));
    CHECK(tensor_item(fmodule_param(f, "bias")) == after[2]); /* masked: left alone */
    optim_destroy(inner);
}

/* A weight outside the groups stays W<0> whatever a callback says about it. */
static bool for_all(Tape *t, Tensor **grads, size_t count, void *user) {
    (void)user;
    CHECK(count == 2 && grads[0] && !grads[1]);
    grads[1] = tensor_ones(t, shape1(1));
    return true;
}

static void outside_groups(void) {
    Param *one[] = {module_param(net, "weight")};
    Optim *inner = optim_sgd((ParamList){one, 1}, sgd_options(0.1));
    FModule *f = make(HC_FULL);
    DiffOpt *opt = diffopt_create(inner, f);
    CHECK(diffopt_step(opt, loss_of(f)));
    CHECK(fmodule_param(f, "bias") == fmodule_params_at(f, 0).items[1]);
    WRONG(HC_ERR_NAME, diffopt_override_param(opt, "lr", module_param(net, "bias"), NULL));
    CHECK(diffopt_grad_callback(opt, for_all, NULL));
    CHECK(!diffopt_step(opt, loss_of(f)));
    CHECK_ERROR("diffopt_step: the gradient callback: weight 1 is in no group");
    tape_clear_error(tape);
    CHECK(fmodule_steps(f) == 1);
    optim_destroy(inner);
}

/* A step with history off: its weights are constants, and the next loss says why it reaches none. */
static void without_recording(void) {
    Optim *inner = optim_sgd(module_params(net), sgd_options(0.1));
    double with[WEIGHTS], without[WEIGHTS];
    FModule *f = make(HC_FULL), *g = make(HC_FULL);
    DiffOpt *opt = diffopt_create(inner, f), *other = diffopt_create(inner, g);
    Tensor *loss = loss_of(g);
    CHECK(diffopt_step(opt, loss_of(f)));
    bool was = tape_set_recording(tape, false);
    CHECK(diffopt_step(other, loss));
    tape_set_recording(tape, was);
    read_weights(f, with);
    read_weights(g, without);
    CHECK(memcmp(with, without, sizeof with) == 0);
    CHECK(tensor_requires_grad(fmodule_params(f).items[0]) && !tensor_requires_grad(fmodule_params(g).items[0]));
    CHECK(!diffopt_step(other, loss_of(g)));
    CHECK_ERROR("reaches none of the latest weights W<1>: history was switched off");
    tape_clear_error(tape);
    optim_destroy(inner);
}

/* What was before a release, and what is not yet. */
static void times(void) {
    Optim *inner = optim_sgd(module_params(net), sgd_options(0.1));
    FModule *f = make(HC_EVAL);
    DiffOpt *opt = diffopt_create(inner, f);
    for (int k = 0; k < 3; k++)
        CHECK(diffopt_step_release(opt, loss_of(f)));
    CHECK(fmodule_params_at(f, 3).count == 2);
    for (size_t t = 2; t <= 4; t += 2) {
        CHECK(fmodule_params_at(f, t).count == 0 && tape_status(tape) == HC_ERR_RANGE);
        CHECK_ERROR(t == 2 ? "W<2> is not there: W<3> is the latest, and what lies before a release is gone"
                           : "W<4> is not there: W<3> is the latest");
        tape_clear_error(tape);
    }
    optim_destroy(inner);
}

/* ---- overrides and callbacks stay in force through release steps ------------------------------------ */

static void run(FMode mode, bool release, int what, double out[WEIGHTS]) {
    Optim *inner = momentum(0);
    Tensor *lr = tensor_scalar(tape, 0.02);
    FModule *f = make(mode);
    DiffOpt *opt = diffopt_create(inner, f);
    if (what == 0) CHECK(diffopt_override(opt, "lr", HC_ALL_GROUPS, lr));
    if (what == 1) CHECK(diffopt_clip_norm(opt, 0.1, 1e-6));
    if (what == 2) CHECK(diffopt_clip_value(opt, 0.05));
    if (what == 3) CHECK(diffopt_override_param(opt, "lr", module_param(net, "bias"), lr));
    for (int k = 0; k < 4; k++) {
        Tensor *loss = loss_of(f);
        CHECK(release ? diffopt_step_release(opt, loss) : diffopt_step(opt, loss));
    }
    CHECK(fmodule_steps(f) == 4 && diffopt_steps(opt) == 4);
    read_weights(f, out);
    optim_destroy(inner);
}

static void stays_in_force(void) {
    for (int what = 0; what < 4; what++) {
        double kept[WEIGHTS], released[WEIGHTS], plain[WEIGHTS];
        run(HC_FULL, false, what, kept);
        run(HC_FULL, false, 9, plain);
        CHECK(memcmp(kept, plain, sizeof kept) != 0); /* it does something */
        for (int mode = HC_FIRST_ORDER; mode <= HC_EVAL; mode++) {
            run((FMode)mode, false, what, released);
            CHECK(memcmp(kept, released, sizeof kept) == 0);
            run((FMode)mode, true, what, released);
            CHECK(memcmp(kept, released, sizeof kept) == 0);
        }
    }
}

/* ---- rules that break their word -------------------------------------------------------------------- */

static bool misshapen_state(OptimUpdate *u, void *user) {
    u->state[0] = tensor_ones(tensor_tape(u->param), *(const Shape *)user);
    u->param = tensor_sub(u->param, u->grad);
    return true;
}

static bool gone_param(OptimUpdate *u, void *user) {
    (void)user;
    u->param = NULL;
    return true;
}

static bool refuses(OptimUpdate *u, void *user) {
    (void)u;
    (void)user;
    return false;
}

static bool other_tape(OptimUpdate *u, void *user) {
    u->param = tensor_ones(user, tensor_shape(u->param));
    return true;
}

static void wrong_rules(void) {
    static const char *const states[] = {"memory"};
    Tape *far = tape_create(HC_F32);
    Shape small = shape1(1), large = shape1(4096);
    bool (*const updates[])(OptimUpdate *, void *) = {misshapen_state, misshapen_state, gone_param,
                                                      refuses, other_tape};
    void *const users[] = {&small, &large, NULL, NULL, far};
    for (size_t i = 0; i < sizeof updates / sizeof *updates; i++) {
        const OptimClass cls = {
            .name = "wrong", .states = states, .state_count = 1, .update = updates[i]};
        Param *one[] = {module_param(net, "weight")};
        Optim *optim = optim_create(&cls, (ParamList){one, 1}, users[i]);
        FModule *f = make(HC_FULL);
        DiffOpt *opt = diffopt_create(optim, f);
        double before = param_get(one[0], 0);
        ANY(diffopt_step(opt, loss_of(f)));
        CHECK(fmodule_steps(f) == 0 && diffopt_steps(opt) == 0);
        CHECK(param_add_grad_f64(one[0], (double[]){1, 1}, 2));
        REFUSED(optim_step(optim));
        CHECK(optim_error(optim) != NULL && param_get(one[0], 0) == before);
        CHECK(optim_param_steps(optim, one[0]) == 0 && !optim_param_state(optim, one[0], "memory"));
        param_zero_grad(one[0]);
        optim_destroy(optim);
    }
    tape_destroy(far);
}

/* ---- types and commit ----------------------------------------------------------------------------- */

/* An optimizer that was warmed up before its Params were converted holds moments of the old type. */
static void converted(void) {
    Module *small = module_linear(2, 1);
    Rng rng = rng_seed(3);
    CHECK(module_init(small, &rng));
    Optim *adam = optim_adam(module_params(small), adam_options(0.1));
    CHECK(param_add_grad_f64(module_param(small, "weight"), (double[]){1, 2}, 2));
    CHECK(optim_step(adam) && module_to(small, HC_F64));
    FModule *f = fmodule_create(tape, small, false);
    WRONG(HC_ERR_DTYPE, diffopt_create(adam, f));
    optim_destroy(adam);
    module_destroy(small);
}

/* Weights cut off before any step are not the Params' memory, which may be written. */
static void cut_off_at_once(void) {
    Param *w = module_param(net, "weight");
    double before[2];
    memcpy(before, param_data(w), sizeof before);
    FModule *f = make(HC_FULL);
    CHECK(fmodule_detach(f) && param_fill(w, 7));
    const double *kept = tensor_data(fmodule_param(f, "weight"));
    CHECK(kept && memcmp(kept, before, sizeof before) == 0);
    CHECK(param_set_f64(w, before, 2));
}

/* What a detach cut off keeps weights and state over a release to before. */
static void cut_off(void) {
    double kept[2][WEIGHTS];
    for (int release = 0; release < 2; release++) {
        Optim *inner = momentum(0.5);
        FModule *f = make(HC_FULL);
        DiffOpt *opt = diffopt_create(inner, f);
        TapeMark mark = tape_mark(tape);
        CHECK(diffopt_step(opt, loss_of(f)) && diffopt_step(opt, loss_of(f)) &&
              diffopt_detach(opt));
        if (release) CHECK(tape_release(tape, mark) && diffopt_steps(opt) == 2);
        CHECK(diffopt_step(opt, loss_of(f)) && fmodule_steps(f) == 3);
        read_weights(f, kept[release]);
        optim_destroy(inner);
    }
    CHECK(memcmp(kept[0], kept[1], sizeof kept[0]) == 0);
}

static void commits(void) {
    Optim *inner = momentum(0.5), *same = momentum(0.5);
    FModule *f = make(HC_FULL);
    DiffOpt *opt = diffopt_create(inner, f);
    CHECK(diffopt_step(opt, loss_of(f)) && diffopt_step(opt, loss_of(f)));
    Module *copy = module_clone(net);
    CHECK(diffopt_commit(opt, same) && fmodule_commit(f, copy));
    const Param *w = module_param(net, "weight");
    const double *buffer = optim_param_state(same, w, "momentum_buffer");
    CHECK(optim_param_steps(same, w) == 2 && buffer &&
          !optim_param_state(inner, w, "momentum_buffer"));
    double fast[WEIGHTS];
    read_weights(f, fast);
    CHECK(memcmp(param_data(module_param(copy, "weight")), fast, 2 * sizeof *fast) == 0);
    CHECK(param_get(module_param(copy, "bias"), 0) == fast[2]);
    /* a branch from the committed optimizer over the committed module goes on where this one stands */
    Optim *onward = optim_sgd(module_params(copy), sgd_options(0.1));
    WRONG(HC_ERR_STATE, diffopt_create(onward, f));
    CHECK(optim_set(onward, "momentum", 0, 0.9) && optim_set(onward, "dampening", 0, 0.5));
    CHECK(diffopt_commit(opt, onward)); /* a module like it, matched in order */
    FModule *g = fmodule_create(tape, copy, false);
    DiffOpt *next = diffopt_create(onward, g);
    CHECK(diffopt_step(next, loss_of(g)) && diffopt_step(opt, loss_of(f)));
    double a[WEIGHTS], b[WEIGHTS];
    read_weights(f, a);
    read_weights(g, b);
    CHECK(memcmp(a, b, sizeof a) == 0);
    CHECK(fmodule_steps(g) == 1);

    /* one that has not stepped takes back what the optimizer has become since */
    Optim *fresh = momentum(0.5), *used = momentum(0.5);
    FModule *h = fmodule_create(tape, net, false);
    DiffOpt *unused = diffopt_create(used, h);
    Module *pulled[] = {net, copy};
    for (int i = 0; i < 2; i++)
        CHECK(tensor_backward(
            tensor_sum(module_forward(pulled[i], tensor_ones(tape, shape2(1, 2))))));
    double kept[2], moved[2];
    memcpy(kept, param_data(w), sizeof kept);
    CHECK(optim_step(used) && optim_param_state(used, w, "momentum_buffer"));
    CHECK(diffopt_commit(unused, used) && optim_steps(used) == 0);
    CHECK(!optim_param_state(used, w, "momentum_buffer"));
    for (int i = 0; i < 2; i++) { /* and goes on as one that is new */
        Optim *optim = i ? fresh : used;
        CHECK(param_set_f64(module_param(net, "weight"), kept, 2));
        CHECK(optim_step(optim) && optim_step(optim));
        if (i) CHECK(memcmp(moved, param_data(w), sizeof moved) == 0);
        memcpy(moved, param_data(w), sizeof moved);
    }
    optim_destroy(fresh);
    optim_destroy(used);

    Module *wide = module_linear(3, 1), *layers[] = {module_linear(2, 1), module_linear(2, 1)};
    Module *pair = module_sequential(layers, 2);
    CHECK(module_to(wide, HC_F64) && module_to(pair, HC_F64));
    WRONG(HC_ERR_SHAPE, fmodule_commit(f, wide));
    WRONG(HC_ERR_SHAPE, fmodule_commit(f, pair));
    Optim *other = optim_sgd(module_params(wide), sgd_options(0.1));
    WRONG(HC_ERR_SHAPE, diffopt_commit(opt, other));
    Param *only[] = {module_param(net, "weight")};
    Optim *fewer = optim_sgd((ParamList){only, 1}, sgd_options(0.1));
    WRONG_SAYING(HC_ERR_SHAPE, diffopt_commit(opt, fewer), "diffopt_commit: the optimizer has other Params");
    CHECK(optim_param_steps(fewer, only[0]) == 0);
    optim_destroy(fewer);
    optim_destroy(other);
    optim_destroy(onward);
    optim_destroy(same);
    optim_destroy(inner);
    module_destroy(copy);
    module_destroy(wide);
    module_destroy(pair);
}

int main(void) {
    void (*const tests[])(void) = {nothing_half_done, outside_groups, stays_in_force, without_recording, times,
                                   wrong_rules,       converted,      commits,
                                   cut_off,           cut_off_at_once};
    net = module_linear(2, 1);
    CHECK(module_to(net, HC_F64));
    CHECK(param_set_f64(module_param(net, "weight"), (double[]){0.3, -0.2}, 2));
    CHECK(param_set_f64(module_param(net, "bias"), (double[]){0.1}, 1));
    each_on_a_tape(&tape, tests, sizeof tests / sizeof *tests);
    module_destroy(net);
    return check_done();
}
