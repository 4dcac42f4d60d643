/* What reads memory that is about to be written: states and weights that a rule hands on, buffers that a module
 * hands on, weights that were swapped or turned. Equal in place, in all modes, and through releases. */
#include <higherc/higherc.h>

#include "support/check.h"
#include "support/failing.h"

enum { STEPS = 5 };

/* ---- a rule that remembers its last two gradients ------------------------------------------------------ */

static bool remember(OptimUpdate *u, void *user) {
    (void)user;
    Tensor *last = u->state[0], *before = u->state[1], *sum = u->grad;
    if (last) sum = tensor_add(sum, tensor_mul_scalar(last, 10));
    if (before) sum = tensor_add(sum, tensor_mul_scalar(before, 100));
    u->param = tensor_sub(u->param, tensor_mul_scalar(sum, 0.001));
    u->state[0] = u->grad;
    u->state[1] = last;
    return u->param != NULL;
}

/* A rule that exchanges weight and state. */
static bool exchange(OptimUpdate *u, void *user) {
    (void)user;
    Tensor *p = u->param;
    u->param = u->state[0] ? u->state[0] : tensor_mul_scalar(p, 10);
    u->state[0] = p;
    return u->param != NULL;
}

static const char *const names[] = {"last", "before"};
static const OptimClass rules[] = {
    {.name = "remember", .states = names, .state_count = 2, .update = remember},
    {.name = "exchange", .states = names, .state_count = 1, .update = exchange},
};

static double expected(size_t rule) {
    double w = 1, last = 0, before = 0;
    for (int t = 0; t < STEPS; t++) {
        double g = 3 * w * w, sum = g;
        if (t > 0) sum = sum + last * 10;
        if (t > 1) sum = sum + before * 100;
        w = w - sum * 0.001;
        before = last;
        last = g;
    }
    return rule == 0 ? w : STEPS % 2 ? 10 : 1;
}

static Module *one_weight(void) {
    Module *m = module_linear_no_bias(1, 1);
    CHECK(module_to(m, HC_F64) && param_fill(module_param(m, "weight"), 1));
    return m;
}

static Tensor *cube(Tensor *y) {
    return tensor_sum(tensor_mul(tensor_square(y), y));
}

static double adapt(const OptimClass *rule, FMode mode, bool release) {
    Tape *tape = tape_create(HC_F64);
    Module *m = one_weight();
    Optim *optim = optim_create(rule, module_params(m), NULL);
    Tensor *x = tensor_ones(tape, shape2(1, 1));
    FModuleOptions options = fmodule_options(false);
    options.mode = mode;
    FModule *f = fmodule_create_with(tape, m, options);
    DiffOpt *opt = diffopt_create(optim, f);
    for (int t = 0; t < STEPS; t++) {
        Tensor *loss = cube(fmodule_forward(f, x));
        CHECK(release ? diffopt_step_release(opt, loss) : diffopt_step(opt, loss));
    }
    double w = tensor_item(fmodule_param(f, "weight"));
    CHECK(diffopt_commit(opt, optim) && fmodule_commit(f, m));
    CHECK(param_get(module_param(m, "weight"), 0) == w);
    optim_destroy(optim);
    module_destroy(m);
    tape_destroy(tape);
    return w;
}

static double train(const OptimClass *rule) {
    Tape *tape = tape_create(HC_F64);
    Module *m = one_weight();
    Optim *optim = optim_create(rule, module_params(m), NULL);
    for (int t = 0; t < STEPS; t++) {
        tape_reset(tape);
        optim_zero_grad(optim);
        CHECK(tensor_backward(cube(module_forward(m, tensor_ones(tape, shape2(1, 1))))));
        CHECK(optim_step(optim));
    }
    double w = param_get(module_param(m, "weight"), 0);
    optim_destroy(optim);
    module_destroy(m);
    tape_destroy(tape);
    return w;
}

static void check_rules(void) {
    for (size_t r = 0; r < 2; r++) {
        double want = train(&rules[r]);
        CHECK_NEAR(want, expected(r), 1e-12, 0);
        for (int mode = HC_FULL; mode <= HC_EVAL; mode++)
            for (int release = 0; release < (mode == HC_FULL ? 1 : 2); release++)
                CHECK(adapt(&rules[r], (FMode)mode, release) == want);
    }
}

/* A state that history does not reach, of the optimizer branched from or cut off, becomes a weight. */
static double adapt_in_two(const OptimClass *rule, FMode mode, bool detach) {
    Tape *tape = tape_create(HC_F64);
    Module *m = one_weight();
    Optim *optim = optim_create(rule, module_params(m), NULL);
    FModuleOptions options = fmodule_options(false);
    options.mode = mode;
    FModule *f = fmodule_create_with(tape, m, options);
    DiffOpt *opt = diffopt_create(optim, f);
    Tensor *x = tensor_ones(tape, shape2(1, 1));
    for (int t = 0; t < STEPS; t++) {
        if (t == 2 && detach) CHECK(diffopt_detach(opt));
        if (t == 2 && !detach) {
            CHECK(diffopt_commit(opt, optim) && fmodule_commit(f, m));
            f = fmodule_create_with(tape, m, options);
            opt = diffopt_create(optim, f);
        }
        CHECK(diffopt_step(opt, cube(fmodule_forward(f, x))));
    }
    double w = tensor_item(fmodule_param(f, "weight"));
    optim_destroy(optim);
    module_destroy(m);
    tape_destroy(tape);
    return w;
}

static void check_begun_again(void) {
    for (size_t r = 0; r < 2; r++)
        for (int mode = HC_FULL; mode <= HC_EVAL; mode++)
            for (int detach = 0; detach < 2; detach++)
                CHECK(adapt_in_two(&rules[r], (FMode)mode, detach) == train(&rules[r]));
}

/* A frozen weight that was put in place anew, with others through a vector say, is still left alone. */
static void check_frozen(FMode mode) {
    Tape *tape = tape_create(HC_F64);
    Module *m = module_linear(1, 1);
    CHECK(module_to(m, HC_F64) && param_fill(module_param(m, "weight"), 1) &&
          param_fill(module_param(m, "bias"), 2));
    param_freeze(module_param(m, "bias"), true);
    Optim *optim = optim_sgd(module_params(m), sgd_options(0.1));
    FModuleOptions options = fmodule_options(false);
    options.mode = mode;
    FModule *f = fmodule_create_with(tape, m, options);
    DiffOpt *opt = diffopt_create(optim, f);
    CHECK(fmodule_set_vector(f, fmodule_vector(f)));
    CHECK(diffopt_step(opt, tensor_sum(fmodule_forward(f, tensor_ones(tape, shape2(1, 1))))));
    CHECK(tensor_item(fmodule_param(f, "bias")) == 2);
    CHECK_NEAR(tensor_item(fmodule_param(f, "weight")), 0.9, 1e-15, 0);
    optim_destroy(optim);
    module_destroy(m);
    tape_destroy(tape);
}

/* ---- a module that hands a buffer on -------------------------------------------------------------------- */

static bool delay(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    Tensor *a = frame_buffer(frame, "a");
    if (nin != 1 || nout != 1) return false;
    out[0] = tensor_mul(in[0], frame_param(frame, "w"));
    return frame_set_buffer(frame, "a", tensor_add_scalar(a, 1)) && frame_set_buffer(frame, "b", a);
}

static Module *delay_line(void) {
    static const ModuleClass cls = {.name = "delay", .forward = delay};
    Module *m = module_create(&cls, NULL);
    CHECK(param_fill(module_add_param(m, "w", shape_scalar()), 1));
    CHECK(module_add_buffer(m, "a", shape_scalar(), 0) &&
          module_add_buffer(m, "b", shape_scalar(), -1));
    return m;
}

static bool holds(const Module *m, double a, double b) {
    return param_get(module_buffer(m, "a"), 0) == a && param_get(module_buffer(m, "b"), 0) == b;
}

static void check_buffers(FBuffers policy, FMode mode, bool release) {
    Tape *tape = tape_create(HC_F32);
    Module *m = delay_line();
    Tensor *x = tensor_scalar(tape, 1);
    Optim *optim = optim_sgd(module_params(m), sgd_options(0.1));
    FModuleOptions options = fmodule_options(true);
    options.mode = mode;
    options.buffers = policy;
    FModule *f = fmodule_create_with(tape, m, options);
    DiffOpt *opt = diffopt_create(optim, f);
    for (int k = 0; k < 3; k++) {
        Tensor *loss = tensor_square(fmodule_forward(f, x));
        CHECK(release ? diffopt_step_release(opt, loss) : diffopt_step(opt, loss));
    }
    CHECK(tensor_item(fmodule_buffer(f, "a")) == 3 && tensor_item(fmodule_buffer(f, "b")) == 2);
    Module *other = delay_line();
    CHECK(fmodule_commit(f, other) && holds(other, 3, 2));
    if (policy == HC_BUFFERS_SHARE) CHECK(holds(m, 3, 2));
    module_destroy(other);
    optim_destroy(optim);
    module_destroy(m);
    tape_destroy(tape);
}

/* A buffer set to a view of itself. */
static bool turn(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    (void)nin;
    (void)nout;
    Param *const *own = frame_state(frame);
    out[0] = in[0];
    return frame_set_buffer(frame, "a",
                            tensor_transpose(param_tensor(frame_tape(frame), *own), 0, 1));
}

static void check_turned_buffer(void) {
    static const ModuleClass cls = {.name = "turn", .forward = turn};
    static Param *own;
    Tape *tape = tape_create(HC_F64);
    Module *m = module_create(&cls, &own);
    CHECK(module_to(m, HC_F64));
    CHECK(module_add_buffer(m, "a", shape2(2, 2), 0));
    own = module_buffer(m, "a");
    CHECK(param_set_f64(own, (double[]){1, 2, 3, 4}, 4));
    CHECK(module_forward(m, tensor_scalar(tape, 1)));
    CHECK(param_get(own, 1) == 3 && param_get(own, 2) == 2);
    module_destroy(m);
    tape_destroy(tape);
}

/* ---- weights put in each other's places ------------------------------------------------------------------ */

static Module *two_squares(void) {
    Module *layers[] = {module_linear_no_bias(2, 2), module_linear_no_bias(2, 2)};
    Module *m = module_sequential(layers, 2);
    CHECK(module_to(m, HC_F64));
    CHECK(param_set_f64(module_param(m, "0.weight"), (double[]){1, 2, 3, 4}, 4));
    CHECK(param_set_f64(module_param(m, "1.weight"), (double[]){5, 6, 7, 8}, 4));
    return m;
}

static bool are(TensorList w, const double *first, const double *second) {
    double got[2][4];
    bool good = w.count == 2 && tensor_copy_to_f64(w.items[0], got[0], 4) &&
                tensor_copy_to_f64(w.items[1], got[1], 4);
    for (int i = 0; i < 4; i++)
        good = good && got[0][i] == first[i] && got[1][i] == second[i];
    return good;
}

static const double turned[] = {5, 7, 6, 8}, plain[] = {1, 2, 3, 4};

/* The first becomes the second's transpose, the second the first. */
static bool swap(FModule *f) {
    TensorList w = fmodule_params(f);
    Tensor *swapped[] = {tensor_transpose(w.items[1], 0, 1), w.items[0]};
    return fmodule_set_params(f, swapped, 2);
}

static void check_swapped_in_eval(void) {
    Tape *tape = tape_create(HC_F64);
    Module *m = two_squares();
    Optim *optim = optim_sgd(module_params(m), sgd_options(0));
    FModuleOptions options = fmodule_options(true);
    options.mode = HC_EVAL;
    FModule *f = fmodule_create_with(tape, m, options);
    Tensor *x = tensor_ones(tape, shape2(1, 2));
    DiffOpt *opt = diffopt_create(optim, f);
    TapeMark mark = tape_mark(tape);
    CHECK(diffopt_step_release(opt, tensor_sum(fmodule_forward(f, x))));
    /* From slots, twice: the second time both read what the first release wrote. */
    CHECK(swap(f) && are(fmodule_params(f), turned, plain));
    CHECK(tape_release(tape, mark) && are(fmodule_params(f), turned, plain));
    static const double second[] = {5, 7, 6, 8}, third[] = {1, 3, 2, 4};
    CHECK(swap(f) && are(fmodule_params(f), third, second));
    CHECK(tape_release(tape, mark) && are(fmodule_params(f), third, second));
    /* A leaf over a slot that lies below a later mark. */
    TapeMark later = tape_mark(tape);
    double want[2][4];
    CHECK(swap(f));
    for (int i = 0; i < 2; i++)
        CHECK(tensor_copy_to_f64(fmodule_params(f).items[i], want[i], 4));
    CHECK(tape_release(tape, later) && are(fmodule_params(f), want[0], want[1]));
    /* Steps go on from there. */
    CHECK(diffopt_step_release(opt, tensor_sum(fmodule_forward(f, x))));
    CHECK(are(fmodule_params(f), want[0], want[1]));
    optim_destroy(optim);
    module_destroy(m);
    tape_destroy(tape);
}

static void check_swapped_commit(void) {
    Tape *tape = tape_create(HC_F64);
    Module *m = two_squares();
    FModule *f = fmodule_create(tape, m, true);
    Tensor *w[] = {
        tensor_transpose(param_tensor(tape, module_param(m, "1.weight")), 0, 1),
        param_tensor(tape, module_param(m, "0.weight")),
    };
    CHECK(fmodule_set_params(f, w, 2) && fmodule_commit(f, m));
    tape_reset(tape);
    CHECK(are(fmodule_params(fmodule_create(tape, m, true)), turned, plain));
    module_destroy(m);
    tape_destroy(tape);
}

/* Without memory to copy apart nothing is written, and the same call works later. Each allocation in turn is the
 * one that fails: what a call took stays for the next. */
enum { WIDE = 300, LAST = WIDE * WIDE - 1, MOST_ALLOWED = 100 };

#define NO_MEMORY(tape, call, words, as_before)                                                    \
    do {                                                                                           \
        size_t allowed = 0;                                                                        \
        for (failing_after(0); !(call) && allowed < MOST_ALLOWED; failing_after(++allowed)) {      \
            CHECK(higherc_status() == HC_ERR_NOMEM && (as_before));                                \
            CHECK_ERROR(words);                                                                    \
            tape_clear_error(tape);                                                                \
        }                                                                                          \
        failing_never();                                                                           \
        CHECK(allowed > 0 && allowed < MOST_ALLOWED);                                              \
    } while (0)

static void check_without_memory(void) {
    failing_begin();
    Tape *tape = tape_create(HC_F64);
    Module *layers[] = {module_linear_no_bias(WIDE, WIDE), module_linear_no_bias(WIDE, WIDE)};
    Module *m = module_sequential(layers, 2);
    Param *a = module_param(m, "0.weight"), *b = module_param(m, "1.weight");
    CHECK(module_to(m, HC_F64) && param_fill(a, 1) && param_fill(b, 2));
    FModuleOptions options = fmodule_options(true);
    options.mode = HC_EVAL;
    FModule *f = fmodule_create_with(tape, m, options);
    Tensor *before[] = {param_tensor(tape, a), param_tensor(tape, b)};
    TapeMark mark = tape_mark(tape);
    Tensor *swapped[] = {tensor_transpose(before[1], 0, 1), tensor_transpose(before[0], 0, 1)};
    CHECK(fmodule_set_params(f, swapped, 2));
    NO_MEMORY(tape, tape_release(tape, mark), "tape_release",
              fmodule_params(f).items[0] == swapped[0] && fmodule_params(f).items[1] == swapped[1]);
    CHECK(tensor_item(tensor_mean(fmodule_params(f).items[0])) == 2);
    tape_clear_error(tape);
    swapped[0] = tensor_transpose(before[1], 0, 1);
    swapped[1] = tensor_transpose(before[0], 0, 1);
    CHECK(fmodule_set_params(f, swapped, 2));
    tape_trim(tape);
    NO_MEMORY(tape, fmodule_commit(f, m), "fmodule_commit", param_get(a, LAST) == 1 && param_get(b, LAST) == 2);
    CHECK(param_get(a, LAST) == 2 && param_get(b, LAST) == 1);
    module_destroy(m);
    tape_destroy(tape);
    failing_end();
}

/* The same of a step in place whose rule exchanges weight and state. */
static void check_step_without_memory(void) {
    failing_begin();
    Tape *tape = tape_create(HC_F64);
    Module *m = module_linear_no_bias(WIDE, WIDE);
    Param *w = module_param(m, "weight");
    CHECK(module_to(m, HC_F64) && param_fill(w, 1));
    Optim *optim = optim_create(&rules[1], module_params(m), NULL);
    CHECK(tensor_backward(tensor_sum(param_tensor(tape, w))) && optim_step(optim));
    const double *state = optim_param_state(optim, w, "last");
    CHECK(param_get(w, LAST) == 10 && state && state[LAST] == 1);
    NO_MEMORY(tape, optim_step(optim), "optim_step",
              param_get(w, LAST) == 10 && state[LAST] == 1 && optim_steps(optim) == 1);
    CHECK(param_get(w, LAST) == 1 && state[LAST] == 10 && optim_steps(optim) == 2);
    optim_destroy(optim);
    module_destroy(m);
    tape_destroy(tape);
    failing_end();
}

int main(void) {
    check_without_memory();
    check_step_without_memory();
    check_rules();
    check_begun_again();
    for (int mode = HC_FULL; mode <= HC_EVAL; mode++)
        check_frozen((FMode)mode);
    check_turned_buffer();
    for (int release = 0; release < 2; release++) {
        check_buffers(HC_BUFFERS_COPY, HC_EVAL, release);
        check_buffers(HC_BUFFERS_COPY, HC_FIRST_ORDER, release);
        check_buffers(HC_BUFFERS_SHARE, HC_EVAL, release);
    }
    check_swapped_in_eval();
    check_swapped_commit();
    return check_done();
}
