/* Settings made anew before each step: in force, at no cost in memory or time that grows, rolled back by releases. */
#include <higherc/higherc.h>

#include "support/check.h"

typedef enum Kind {
    OVERRIDE,
    OVERRIDE_PARAM,
    SCHEDULE,
    CLIP_NORM,
    CLIP_VALUE,
    CALLBACK,
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
    for (int i = 0; i < 100000; i++) {
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

int main(void) {
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
    return check_done();
}
