/* Unrolled loops that go wrong: an error in words, and modules, optimizers and tape as they were;
 * memory that fails at any allocation; steps that do not do the same again. */
#include <stdio.h>
#include <string.h>

#include "support/failing.h"
#include "support/refuse.h"

enum { STEPS = 6, MOST = 64 };

typedef struct World {
    Tape *tape;
    Module *net, *spare;
    Optim *optim;
    FModule *f, *other;
    DiffOpt *opt;
    Tensor *x, *y;
    Param *weight;            /* read by steps */
    size_t told, stop, fails; /* progress stops after, a step fails at; 0: never */
    size_t fails_judged;      /* judging fails at */
    bool differs;             /* another loss when again */
    int misdeed;
} World;

static Module *small_net(void) {
    Rng rng = rng_seed(4);
    Module *layers[] = {module_linear(1, 3), module_tanh(), module_linear(3, 1)};
    Module *net = module_sequential(layers, 3);
    if (net && module_to(net, HC_F64) && module_init(net, &rng)) return net;
    module_destroy(net);
    return NULL;
}

static bool small_blocks;

static bool begin(World *w, FMode mode) {
    static const double xs[4] = {-2, -0.3, 0.4, 1.2}, ys[4] = {1, 0.3, -0.4, 0.5};
    TapeOptions options = tape_options(HC_F64);
    options.block_bytes = small_blocks ? 1 : 1024; /* so that much can fail */
    FModuleOptions made = fmodule_options(false);
    made.mode = mode;
    *w = (World){.tape = tape_create_with(options), .net = small_net(), .spare = small_net()};
    w->weight = param_create("weight", shape_scalar(), HC_F64);
    if (!w->tape || !w->net || !w->spare || !w->weight || !param_fill(w->weight, 0.1)) return false;
    w->optim = optim_adam(module_params(w->net), adam_options(0.05));
    w->x = tensor_from_f64(w->tape, shape2(4, 1), xs);
    w->y = tensor_from_f64(w->tape, shape2(4, 1), ys);
    w->f = fmodule_create_with(w->tape, w->net, made);
    w->other = fmodule_create(w->tape, w->spare, false);
    w->opt = diffopt_create(w->optim, w->f);
    return w->opt != NULL;
}

static void end(World *w) {
    param_unref(w->weight);
    optim_destroy(w->optim);
    module_destroy(w->net);
    module_destroy(w->spare);
    tape_destroy(w->tape);
}

static bool misbehave(World *w, UnrollStep *step);

static bool step_of(UnrollStep *step, void *user) {
    World *w = user;
    if (w->fails && step->step + 1 == w->fails) return false;
    if (w->misdeed && step->step == 2) return misbehave(w, step);
    Tensor *loss = tensor_mse_loss(fmodule_forward(w->f, w->x), w->y);
    loss = tensor_add(loss, tensor_mul(param_tensor(w->tape, w->weight),
                                       tensor_sum(tensor_square(fmodule_vector(w->f)))));
    if (w->differs && step->again) loss = tensor_mul_scalar(loss, 1.0000001);
    return diffopt_step(step->opts[0], loss);
}

static bool tell(size_t done, void *user) {
    World *w = user;
    CHECK(done == ++w->told);
    return done != w->stop;
}

static UnrollOptions options_of(World *w, UnrollKeep keep) {
    UnrollOptions o = unroll_options(STEPS);
    o.keep = keep;
    o.every = 2;
    o.max_bytes = (size_t)1 << 20;
    o.progress = tell;
    o.progress_user = w;
    return o;
}

static Tensor *judged(World *w) {
    return tensor_mse_loss(fmodule_forward(w->f, w->y), w->x);
}

static bool judge(UnrollStep *step, void *user) {
    World *w = user;
    if (w->fails_judged && step->step == w->fails_judged) return false;
    return tensor_backward(judged(w));
}

/* With windows of two steps; with tangents of `outer`. */
static UnrollOptions in_windows(World *w, UnrollKeep keep, Tensor **outer) {
    UnrollOptions o = options_of(w, keep);
    o.window = 2;
    o.judge = judge;
    *outer = param_tensor(w->tape, w->weight);
    o.outer = (TensorList){outer, 1};
    return o;
}

/* ---- as it was ------------------------------------------------------------------------------ */

typedef struct State {
    double weights[MOST];
    Tensor *first;
    TapeStats stats;
    size_t steps;
} State;

static void look(World *w, State *s) {
    *s = (State){.stats = tape_stats(w->tape), .steps = fmodule_steps(w->f)};
    TensorList list = fmodule_params(w->f);
    size_t at = 0;
    for (size_t i = 0; i < list.count; i++) {
        CHECK(tensor_copy_to_f64(list.items[i], s->weights + at, tensor_count(list.items[i])));
        at += tensor_count(list.items[i]);
    }
    s->first = list.items[0];
}

static void check_as_before(World *w, const State *before) {
    State now;
    tape_clear_error(w->tape);
    higherc_clear_error();
    look(w, &now);
    CHECK(memcmp(now.weights, before->weights, sizeof now.weights) == 0);
    CHECK(now.first == before->first && now.steps == before->steps);
    CHECK(now.stats.nodes == before->stats.nodes);
    CHECK(now.stats.live_bytes == before->stats.live_bytes || /* tables that have grown stay so */
          (small_blocks && now.stats.live_bytes < before->stats.live_bytes + 4096));
    CHECK(diffopt_steps(w->opt) == 0 && unroll_report(w->opt).steps == 0);
    /* It goes on as if nothing had been tried. */
    World fresh;
    CHECK(begin(&fresh, fmodule_mode(w->f)));
    fresh.told = w->told = fresh.stop = w->stop = w->fails = 0;
    w->misdeed = 0;
    for (int i = 0; i < 2; i++) {
        World *which = i ? &fresh : w;
        Rng rng = rng_seed(0);
        UnrollStep step = {.opts = &which->opt, .count = 1, .rng = &rng};
        CHECK(step_of(&step, which));
    }
    State a, b;
    look(w, &a);
    look(&fresh, &b);
    CHECK(memcmp(a.weights, b.weights, sizeof a.weights) == 0);
    end(&fresh);
}

static void check_given_up(UnrollKeep keep, FMode mode, size_t fails, size_t stop,
                           const char *words) {
    World w;
    State before;
    CHECK(begin(&w, mode));
    look(&w, &before);
    w.fails = fails;
    w.stop = stop;
    Rng rng = rng_seed(8), was = rng;
    UnrollOptions o = options_of(&w, keep);
    o.rng = &rng;
    CHECK(!unroll(&w.opt, 1, o, step_of, &w));
    CHECK(tape_status(w.tape) == HC_ERR_STATE && strstr(tape_error(w.tape), words));
    CHECK(memcmp(&rng, &was, sizeof rng) == 0);
    check_as_before(&w, &before);
    end(&w);
}

static void check_windows_given_up(UnrollKeep keep, size_t fails, size_t stop, size_t fails_judged, const char *words) {
    World w;
    State before;
    Tensor *outer;
    CHECK(begin(&w, HC_FULL));
    UnrollOptions o = in_windows(&w, keep, &outer);
    look(&w, &before);
    w.fails = fails;
    w.stop = stop;
    w.fails_judged = fails_judged;
    CHECK(!unroll(&w.opt, 1, o, step_of, &w));
    CHECK(tape_status(w.tape) == HC_ERR_STATE && strstr(tape_error(w.tape), words));
    w.fails_judged = 0;
    check_as_before(&w, &before);
    end(&w);
}

/* ---- what a step must not do ---------------------------------------------------------------- */

enum { RESETS = 1, RELEASES, TRIMS, DESTROYS, CHANGES_OTHER, FAILS_SILENTLY, MISDEEDS };

static TapeMark early;

static bool misbehave(World *w, UnrollStep *step) {
    switch (w->misdeed) {
    case RESETS:
        tape_reset(w->tape);
        break;
    case RELEASES:
        return tape_release(w->tape, early);
    case TRIMS:
        tape_trim(w->tape);
        break;
    case DESTROYS:
        tape_destroy(w->tape);
        break;
    case CHANGES_OTHER:
        return fmodule_set_params(w->other, fmodule_params(w->f).items, fmodule_params(w->f).count);
    default:
        return false;
    }
    return diffopt_step(step->opts[0], judged(w));
}

static void check_misdeeds(UnrollKeep keep) {
    for (int misdeed = 1; misdeed < MISDEEDS; misdeed++) {
        World w;
        State before;
        CHECK(begin(&w, HC_FULL));
        early = tape_mark(w.tape);
        look(&w, &before);
        w.misdeed = misdeed;
        CHECK(!unroll(&w.opt, 1, options_of(&w, keep), step_of, &w));
        CHECK(tape_status(w.tape) == HC_ERR_STATE);
        check_as_before(&w, &before);
        end(&w);
    }
}

/* ---- steps computed again ------------------------------------------------------------------- */

static void check_differs(bool recorded) {
    World w;
    CHECK(begin(&w, HC_FULL));
    Tape *tape = w.tape;
    w.differs = true;
    CHECK(unroll(&w.opt, 1, options_of(&w, HC_KEEP_EVERY), step_of, &w));
    Tensor *loss = judged(&w), *lost = NULL, *wanted = fmodule_params_at(w.f, 0).items[0];
    CHECK(loss && wanted);
    if (recorded)
        WRONG(HC_ERR_CHANGED, tensor_grad(loss, &wanted, 1, &lost, HC_CREATE_GRAPH));
    else
        WRONG_SAYING(HC_ERR_CHANGED, tensor_backward(loss),
                     "unroll: the steps up to 6, computed again, gave other weights than before: a step's function "
                     "does not do the same again, or what it reads was changed");
    CHECK(!lost && !param_grad(module_params(w.net).items[0]));
    w.differs = false; /* the same again: all is still there */
    CHECK(fmodule_steps(w.f) == STEPS && tensor_backward(loss));
    CHECK(param_grad(module_params(w.net).items[0]) != NULL);
    end(&w);
}

static void check_changed_param(void) {
    World w;
    CHECK(begin(&w, HC_FULL));
    Tape *tape = w.tape;
    CHECK(unroll(&w.opt, 1, options_of(&w, HC_KEEP_SQRT), step_of, &w));
    CHECK(param_fill(w.weight, 0.2));
    WRONG(HC_ERR_CHANGED, tensor_backward(judged(&w)));
    CHECK(!param_grad(w.weight));
    end(&w);
}

static void check_capture(void) {
    World w;
    CHECK(begin(&w, HC_FULL));
    Tape *tape = w.tape;
    CHECK(unroll(&w.opt, 1, options_of(&w, HC_KEEP_SQRT), step_of, &w));
    Tensor *loss = judged(&w);
    for (int backward = 0; backward < 2; backward++) {
        w.differs = true;
        WRONG(HC_ERR_CHANGED, program_capture(tape, NULL, 0, &loss, 1, backward ? loss : NULL));
        w.differs = false;
        Program *p = program_capture(tape, NULL, 0, &loss, 1, backward ? loss : NULL);
        CHECK(p && program_run(p));
        program_destroy(p);
    }
    CHECK(param_fill(w.weight, 0.2));
    WRONG(HC_ERR_CHANGED, program_capture(tape, NULL, 0, NULL, 0, loss));
    end(&w);
}

/* ---- wrong calls ---------------------------------------------------------------------------- */

static void check_wrong(void) {
    World w, v;
    CHECK(begin(&w, HC_FULL) && begin(&v, HC_FULL));
    Tape *tape = w.tape;
    UnrollOptions o = options_of(&w, HC_KEEP_SQRT);
    REFUSED(unroll(NULL, 1, o, step_of, &w));
    REFUSED(unroll(&w.opt, 0, o, step_of, &w));
    REFUSED(unroll((DiffOpt *[]){NULL}, 1, o, step_of, &w));
    WRONG(HC_ERR_ARG, unroll(&w.opt, 1, o, NULL, &w));
    WRONG(HC_ERR_ARG, unroll((DiffOpt *[]){w.opt, w.opt}, 2, o, step_of, &w));
    WRONG(HC_ERR_TAPE, unroll((DiffOpt *[]){w.opt, v.opt}, 2, o, step_of, &w));
    o.keep = (UnrollKeep)7;
    WRONG(HC_ERR_ARG, unroll(&w.opt, 1, o, step_of, &w));
    o.keep = HC_KEEP_EVERY;
    o.every = 0;
    WRONG(HC_ERR_ARG, unroll(&w.opt, 1, o, step_of, &w));
    o.keep = HC_KEEP_FIT;
    o.max_bytes = 10;
    WRONG_SAYING(HC_ERR_RANGE, unroll(&w.opt, 1, o, step_of, &w),
                 "unroll: 10 bytes are too few: what is carried takes ");
    o.keep = HC_KEEP_SQRT;
    o.steps = 0;
    CHECK(unroll(&w.opt, 1, o, step_of, &w) && fmodule_steps(w.f) == 0);
    o.steps = SIZE_MAX;
    o.keep = HC_KEEP_EVERY;
    o.every = 1;
    WRONG(HC_ERR_NOMEM, unroll(&w.opt, 1, o, step_of, &w));
    SURVIVED(unroll_report(NULL).steps);
    DiffOpt *stale = v.opt;
    tape_reset(v.tape);
    REFUSED(unroll(&stale, 1, o, step_of, &w));
    end(&w);
    end(&v);
}

/* ---- memory that ends ----------------------------------------------------------------------- */

static UnrollKeep failing_keep;
static FMode failing_mode;
static unsigned failing_flags;
static bool failing_windows, failing_captured;

static bool captured(Tape *tape, Tensor *loss) {
    Program *p = loss ? program_capture(tape, NULL, 0, &loss, 1, loss) : NULL;
    bool done = p && program_run(p);
    program_destroy(p);
    return done;
}

static bool scenario(void) {
    World w;
    Tensor *outer;
    bool done = begin(&w, failing_mode);
    UnrollOptions o = done && failing_windows ? in_windows(&w, failing_keep, &outer) : options_of(&w, failing_keep);
    done = done && unroll(&w.opt, 1, o, step_of, &w);
    Tensor *loss = done ? judged(&w) : NULL, *g;
    if (failing_mode == HC_EVAL || (failing_windows && failing_keep != HC_KEEP_TANGENTS))
        done = loss != NULL;
    else if (failing_flags)
        done = loss && tensor_grad(loss, fmodule_params_at(w.f, 0).items, 1, &g, failing_flags);
    else if (failing_captured)
        done = captured(w.tape, loss);
    else
        done = loss && tensor_backward(loss);
    end(&w);
    return done;
}

static void check_memory(void) {
    for (int keep = HC_KEEP_ALL; keep <= HC_KEEP_FIT; keep++)
        for (int mode = HC_FULL; mode <= HC_EVAL; mode++) {
            failing_keep = (UnrollKeep)keep;
            failing_mode = (FMode)mode;
            failing_flags = 0;
            fail_each_allocation("unroll", scenario);
        }
    failing_windows = true;
    for (int keep = HC_KEEP_SQRT; keep <= HC_KEEP_TANGENTS; keep++) {
        failing_keep = (UnrollKeep)keep;
        failing_mode = HC_FULL;
        fail_each_allocation("unroll, windows", scenario);
    }
    failing_windows = false;
    failing_keep = HC_KEEP_SQRT;
    failing_captured = true;
    fail_each_allocation("unroll, captured", scenario);
    failing_captured = false;
    failing_flags = HC_CREATE_GRAPH;
    fail_each_allocation("unroll, recorded", scenario);
}

/* The tape may take so many units of memory more; whatever it was for fails, in words, and all is as it was. */
static bool runs_with(size_t units, UnrollKeep keep, bool windows, unsigned flags) {
    World w;
    State before;
    Tensor *outer, *g;
    CHECK(begin(&w, HC_FULL));
    UnrollOptions o = in_windows(&w, keep, &outer);
    if (!windows) o.window = 0;
    look(&w, &before);
    failing_units(w.tape, units);
    bool made = unroll(&w.opt, 1, o, step_of, &w);
    Tensor *loss = made ? judged(&w) : NULL;
    bool done = loss && (windows || tensor_grad(loss, (Tensor *[]){outer}, 1, &g, flags));
    failing_units_never(w.tape);
    CHECK(done || tape_status(w.tape) == HC_ERR_NOMEM);
    if (!made) check_as_before(&w, &before);
    end(&w);
    return done;
}

static void check_units(UnrollKeep keep, bool windows, unsigned flags) {
    small_blocks = true;
    for (size_t units = 0; units < 1000000 && !runs_with(units, keep, windows, flags); units += QUICK ? 7 : 1)
        continue;
    CHECK(runs_with(1000000, keep, windows, flags));
    small_blocks = false;
}

int main(void) {
    const UnrollKeep keeps[] = {HC_KEEP_ALL, HC_KEEP_EVERY, HC_KEEP_SQRT, HC_KEEP_FIT};
    for (size_t k = 0; k < 4; k++)
        for (int mode = HC_FULL; mode <= HC_FIRST_ORDER; mode++) {
            check_given_up(keeps[k], (FMode)mode, 4, 0, "step 3 returned false");
            check_given_up(keeps[k], (FMode)mode, 0, 5, "given up after 5 steps");
        }
    for (int keep = HC_KEEP_ALL; keep <= HC_KEEP_TANGENTS; keep++) {
        check_windows_given_up((UnrollKeep)keep, 4, 0, 0, "step 3 returned false");
        check_windows_given_up((UnrollKeep)keep, 0, 5, 0, "given up after 5 steps");
        check_windows_given_up((UnrollKeep)keep, 0, 0, 4, "judging returned false after 4 steps");
    }
    for (size_t k = 0; k < 4; k++)
        check_misdeeds(keeps[k]);
    check_differs(false);
    check_differs(true);
    check_changed_param();
    check_capture();
    check_wrong();
    check_memory();
    for (int keep = HC_KEEP_EVERY; keep <= HC_KEEP_TANGENTS; keep++)
        check_units((UnrollKeep)keep, false, 0);
    check_units(HC_KEEP_SQRT, true, 0);
    check_units(HC_KEEP_SQRT, false, HC_CREATE_GRAPH);
    return check_done();
}
