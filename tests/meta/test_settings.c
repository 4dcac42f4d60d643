/* Settings made anew before each step: in force, at no cost in memory or time that grows, rolled back by releases. */
#include <higherc/higherc.h>

#include <stdio.h>

#include "support/check.h"

typedef enum Kind {
    OVERRIDE,
    OVERRIDE_PARAM,
    SCHEDULE,
    CLIP_NORM,
    CLIP_VALUE,
    CALLBACK,
    FRESH,       /* an override by a tensor made for it */
    FRESH_PARAM, /* ... of the weight's shape, for one Param */
    KINDS
} Kind;

static bool nothing(Tape *tape, Tensor **grads, size_t count, void *user) {
    (void)tape, (void)grads, (void)count, (void)user;
    return true;
}

static bool set(DiffOpt *opt, Kind kind, Tensor *value, const Param *param) {
    Schedule schedule = schedule_exponential(hyper_const(0.9));
    switch (kind) {
    case OVERRIDE:
        return diffopt_override(opt, "lr", HC_ALL_GROUPS, value);
    case OVERRIDE_PARAM:
        return diffopt_override_param(opt, "lr", param, value);
    case SCHEDULE:
        return diffopt_schedule(opt, "lr", 0, &schedule);
    case FRESH:
        return diffopt_override(opt, "lr", HC_ALL_GROUPS, tensor_mul_scalar(value, 0.5));
    case FRESH_PARAM:
        value = tensor_expand(tensor_mul_scalar(value, 0.5), param_shape(param));
        return diffopt_override_param(opt, "lr", param, value);
    case CLIP_NORM:
        return diffopt_clip_norm(opt, 0.5, 1e-6);
    case CLIP_VALUE:
        return diffopt_clip_value(opt, 0.5);
    default:
        return diffopt_grad_callback(opt, nothing, NULL);
    }
}

typedef struct Loop {
    Module *module;
    Optim *optim;
    Tape *tape;
    Tensor *x, *lr, *other;
    FModule *f;
    DiffOpt *opt;
} Loop;

static Loop begin(FMode mode) {
    Loop l = {.module = module_linear(2, 2)};
    Rng rng = rng_seed(1);
    module_init(l.module, &rng);
    l.tape = tape_create(HC_F64);
    module_to(l.module, HC_F64);
    l.optim = optim_adam(module_params(l.module), adam_options(0.01));
    l.x = tensor_ones(l.tape, shape2(4, 2));
    l.lr = tensor_scalar(l.tape, 0.03);
    l.other = tensor_scalar(l.tape, 0.05);
    FModuleOptions o = fmodule_options(true);
    o.mode = mode;
    l.f = fmodule_create_with(l.tape, l.module, o);
    l.opt = diffopt_create(l.optim, l.f);
    return l;
}

static void end(Loop *l) {
    CHECK(tape_status(l->tape) == HC_OK);
    tape_destroy(l->tape);
    optim_destroy(l->optim);
    module_destroy(l->module);
}

static bool step(Loop *l, bool release) {
    Tensor *loss = tensor_mean(tensor_square(fmodule_forward(l->f, l->x)));
    return release ? diffopt_step_release(l->opt, loss) : diffopt_step(l->opt, loss);
}

static double weight(const Loop *l) {
    return tensor_item(tensor_sum(tensor_square(fmodule_params(l->f).items[0])));
}

/* So many that a list that grows, or a walk through it, runs into the test's time limit. */
static void stays_flat(Kind kind) {
    Loop l = begin(HC_EVAL);
    TapeStats early = {.nodes = 0};
    for (int i = 0; i < (QUICK ? 1000 : 100000); i++) {
        bool done = set(l.opt, kind, l.lr, module_params(l.module).items[0]) && step(&l, true);
        if (!done || i == 10) CHECK(done);
        if (!done) break;
        if (i == 10) early = tape_stats(l.tape);
    }
    TapeStats late = tape_stats(l.tape);
    CHECK(early.nodes == late.nodes);
    CHECK(early.live_bytes == late.live_bytes);
    CHECK(early.mallocs == late.mallocs);
    CHECK(early.reserved_bytes == late.reserved_bytes);
    end(&l);
}

/* The settings that come from releases are those of a loop that keeps everything. */
static double unlike(FMode mode, bool release, Kind first, Kind then) {
    Loop l = begin(mode);
    const Param *param = module_params(l.module).items[0];
    for (int i = 0; i < 12; i++) {
        if (i == 0) CHECK(set(l.opt, first, l.lr, param));
        if (i == 3) CHECK(set(l.opt, then, l.other, param));
        if (i == 5) CHECK(set(l.opt, OVERRIDE, tensor_scalar(l.tape, 0.02), param));
        if (i == 7) CHECK(set(l.opt, OVERRIDE, NULL, param));
        if (i == 8) CHECK(set(l.opt, first, l.lr, param));
        if (i == 9) CHECK(set(l.opt, OVERRIDE_PARAM, NULL, param));
        if (i == 10) CHECK(diffopt_schedule(l.opt, "lr", HC_ALL_GROUPS, NULL));
        CHECK(step(&l, release));
    }
    double is = weight(&l);
    end(&l);
    return is;
}

/* Values that change from step to step, of two groups and all, and of sizes that change: those that a step that
 * releases keeps are those of a loop that keeps everything. */
static double changing(FMode mode, bool release, TapeStats *early, TapeStats *late) {
    enum { STEPS = 60 };
    Loop l = begin(mode);
    ParamList params = module_params(l.module);
    Optim *two = optim_adam((ParamList){params.items, 1}, adam_options(0.01));
    CHECK(optim_add_group(two, (ParamList){params.items + 1, 1}) == 1);
    DiffOpt *first = l.opt, *second = diffopt_create(two, l.f);
    Tensor *wide = tensor_full(l.tape, shape2(2, 2), 0.01);
    l.opt = second;
    for (int i = 0; i < STEPS; i++) {
        Tensor *all = tensor_scalar(l.tape, 0.01 + 0.001 * (i % 5));
        bool done = diffopt_override(second, "lr", HC_ALL_GROUPS, all);
        if (i % 3 == 1) done &= diffopt_override(second, "lr", 1, tensor_neg(all));
        if (i % 4 == 2)
            done &= diffopt_override(second, "lr", 0, tensor_add(wide, all)); /* larger */
        if (i % 7 == 5) done &= diffopt_override_param(second, "lr", params.items[0], all);
        if (i % 7 == 6) done &= diffopt_override_param(second, "lr", params.items[0], NULL);
        if (i % 2 == 0) done &= diffopt_override(first, "beta1", HC_ALL_GROUPS, all);
        CHECK(done && step(&l, release));
        if (i == STEPS / 2 - 1 && early) *early = tape_stats(l.tape);
        if (i == STEPS - 1 && late) *late = tape_stats(l.tape);
    }
    l.opt = first;
    CHECK(step(&l, release)); /* the other's settings outlast its steps */
    double is = weight(&l);
    optim_destroy(two);
    end(&l);
    return is;
}

static void many_changes(void) {
    TapeStats early, late;
    double expected = changing(HC_FULL, false, NULL, NULL);
    CHECK(changing(HC_EVAL, false, NULL, NULL) == expected);
    CHECK(changing(HC_FIRST_ORDER, true, NULL, NULL) == expected);
    CHECK(changing(HC_EVAL, true, &early, &late) == expected);
    CHECK(early.reserved_bytes == late.reserved_bytes && early.mallocs == late.mallocs);
}

static bool forward(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    (void)frame, (void)nin, (void)nout;
    out[0] = in[0];
    return true;
}

/* One for each of very many Params: a walk through them all for each would run into the test's time limit. */
static void one_each(void) {
    enum { MANY = 40000 };
    static const ModuleClass cls = {.name = "many", .forward = forward};
    Rng rng = rng_seed(1);
    Module *module = module_create(&cls, NULL);
    for (int i = 0; i < MANY; i++) {
        char name[16];
        snprintf(name, sizeof name, "w%d", i);
        if (!module_add_param(module, name, shape1(1))) CHECK(false);
    }
    CHECK(module_init(module, &rng));
    CHECK(module_to(module, HC_F64));
    Optim *sgd = optim_sgd(module_params(module), sgd_options(0.1));
    Tape *tape = tape_create(HC_F64);
    FModuleOptions o = fmodule_options(true);
    o.mode = HC_EVAL;
    FModule *f = fmodule_create_with(tape, module, o);
    DiffOpt *opt = diffopt_create(sgd, f);
    Tensor *none = tensor_scalar(tape, 0);
    ParamList params = module_params(module);
    for (int round = 0; round < 2; round++) {
        for (size_t i = MANY; i-- > 0;)
            if (!diffopt_override_param(opt, "lr", params.items[i], none)) CHECK(false);
        CHECK(diffopt_step_release(opt, tensor_sum(fmodule_vector(f))));
    }
    CHECK(tensor_item(fmodule_params(f).items[7]) == param_get(params.items[7], 0));
    CHECK(diffopt_override_param(opt, "lr", params.items[7], tensor_scalar(tape, 1)));
    CHECK(diffopt_step_release(opt, tensor_sum(fmodule_vector(f))));
    CHECK(tensor_item(fmodule_params(f).items[7]) == param_get(params.items[7], 0) - 1);
    CHECK(tensor_item(fmodule_params(f).items[8]) == param_get(params.items[8], 0));
    tape_destroy(tape);
    optim_destroy(sgd);
    module_destroy(module);
}

/* A release to a mark brings back the settings of then, in spite of steps that released since. */
static void rolls_back(Kind kind) {
    for (int set_it = 0; set_it < 2; set_it++) {
        Loop l = begin(HC_FIRST_ORDER);
        CHECK(set(l.opt, OVERRIDE, l.lr, NULL));
        TapeMark mark = tape_mark(l.tape);
        for (int i = 0; i < 3 * set_it; i++) {
            CHECK(set(l.opt, kind, tensor_scalar(l.tape, 0.5), module_params(l.module).items[0]));
            CHECK(step(&l, true));
        }
        CHECK(tape_release(l.tape, mark));
        CHECK(step(&l, false));
        static double expected;
        if (set_it)
            CHECK(weight(&l) == expected);
        else
            expected = weight(&l);
        end(&l);
    }
}

/* An override and a schedule of one number are no other's: the rate is their product, whichever came first. */
static void together(void) {
    double after[2];
    Schedule half = schedule_exponential(hyper_const(0.5));
    for (int first = 0; first < 2; first++) {
        Loop l = begin(HC_FULL);
        for (int i = 0; i < 2; i++)
            CHECK(i == first ? diffopt_override(l.opt, "lr", 0, l.lr)
                             : diffopt_schedule(l.opt, "lr", 0, &half));
        CHECK(step(&l, false) && step(&l, false));
        after[first] = weight(&l);
        end(&l);
    }
    CHECK(after[0] == after[1]);
    Loop l = begin(HC_FULL);
    CHECK(diffopt_override(l.opt, "lr", 0, l.lr) && step(&l, false));
    CHECK(diffopt_override(l.opt, "lr", 0, tensor_mul_scalar(l.lr, 0.5)) && step(&l, false));
    CHECK(weight(&l) == after[0]);
    end(&l);
}

/* A bound of 0 is one: no gradient is left, and Adam stands still. */
static void clipped_to_nothing(void) {
    for (int norm = 0; norm < 2; norm++) {
        Loop l = begin(HC_FULL);
        double before = weight(&l);
        CHECK(norm ? diffopt_clip_norm(l.opt, 0, 1e-6) : diffopt_clip_value(l.opt, 0));
        CHECK(step(&l, false) && weight(&l) == before);
        end(&l);
    }
}

/* A step that released is over: what it carried on, a later release to a mark before takes back. */
static void released_later(void) {
    double after[2];
    for (int by_mark = 0; by_mark < 2; by_mark++) {
        Loop l = begin(HC_EVAL);
        CHECK(diffopt_override(l.opt, "lr", 0, l.lr) && step(&l, true));
        TapeMark mark = tape_mark(l.tape);
        CHECK(diffopt_override(l.opt, "lr", 0, tensor_scalar(l.tape, 0.5)));
        CHECK(step(&l, false));
        CHECK(by_mark ? tape_release(l.tape, mark) : diffopt_override(l.opt, "lr", 0, l.lr));
        CHECK(step(&l, false));
        after[by_mark] = weight(&l);
        end(&l);
    }
    CHECK(after[0] == after[1]);
}

int main(void) {
    together();
    released_later();
    clipped_to_nothing();
    for (int a = 0; a < KINDS; a++) {
        stays_flat((Kind)a);
        rolls_back((Kind)a);
        for (int b = 0; b < KINDS; b++) {
            double expected = unlike(HC_FULL, false, (Kind)a, (Kind)b);
            CHECK(unlike(HC_EVAL, true, (Kind)a, (Kind)b) == expected);
            CHECK(unlike(HC_EVAL, false, (Kind)a, (Kind)b) == expected);
            CHECK(unlike(HC_FIRST_ORDER, true, (Kind)a, (Kind)b) == expected);
        }
    }
    many_changes();
    one_each();
    return check_done();
}
