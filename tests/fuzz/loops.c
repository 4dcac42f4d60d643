#include "fuzz/loops.h"

#include <stdio.h>
#include <string.h>

/* A loop, and how it is gone through. */
typedef struct Loop {
    Fuzz *z;
    const Again *again;
    DType dtype;
    FMode mode;
    const char *optim;
    size_t steps;
    double rate;
    size_t window; /* steps from one judgement and cut to the next; 0: none */
    bool copied;  /* W<0> */
    bool learned; /* lr is a tensor, another one at each step */
    bool clipped;
    bool graph; /* its gradients are recorded */
    bool noisy; /* the loss reads the step's stream */
    bool release, unrolled;
    UnrollOptions options;
} Loop;

/* While it runs. */
typedef struct Run {
    const Loop *loop;
    Tape *tape;
    Module *module;
    Optim *optim;
    FModule *f;
    DiffOpt *opt;
    Tensor *rate, *lr, *nothing; /* lr is the rate, as a leaf */
    Bits *bits;
} Run;

static const char *const names[INPUTS] = {"0", "1", "2"};

static bool forward(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    const Loop *loop = *(const Loop **)frame_state(frame);
    Tensor *inputs[INPUTS];
    (void)in;
    (void)nin;
    (void)nout;
    for (size_t i = 0; i < INPUTS; i++)
        inputs[i] = frame_param(frame, names[i]);
    return again_build(loop->z, loop->again, frame_tape(frame), inputs) &&
           (out[0] = tensor_mul_scalar(again_sum(loop->z), 0.01)) != NULL;
}

static bool begin(Run *r, const Loop *loop, double values[INPUTS][NAIVE_MOST]) {
    static const ModuleClass cls = {.name = "graph", .forward = forward};
    static const Loop *state;
    *r = (Run){.loop = loop, .tape = tape_create(loop->dtype), .module = module_create(&cls, &state)};
    state = loop;
    bool done = module_to(r->module, loop->dtype);
    for (size_t i = 0; i < INPUTS && done; i++) {
        const Naive *x = &loop->z->node[i].value;
        Param *p = module_add_param(r->module, names[i], shape_of(x->dim, x->ndim));
        done = param_set_f64(p, values[i], x->count);
    }
    FModuleOptions options = fmodule_options(loop->copied);
    options.mode = loop->mode;
    r->optim = optim_new(loop->optim, module_params(r->module));
    r->rate = tensor_scalar(r->tape, loop->rate);
    r->lr = tensor_leaf(r->rate);
    r->nothing = tensor_scalar(r->tape, 0);
    r->f = fmodule_create_with(r->tape, r->module, options);
    r->opt = diffopt_create(r->optim, r->f);
    return done && r->opt && (!loop->clipped || diffopt_clip_norm(r->opt, 0.1, 1e-6));
}

static void end(Run *r) {
    optim_destroy(r->optim);
    module_destroy(r->module);
    tape_destroy(r->tape);
}

static bool step_once(Run *r, size_t t, Rng *rng) {
    const Loop *loop = r->loop;
    Tensor *loss = fmodule_forward(r->f, r->nothing);
    if (loop->noisy) loss = tensor_mul_scalar(loss, 1 + rng_uniform(rng));
    if (loop->learned &&
        !diffopt_override(r->opt, "lr", HC_ALL_GROUPS, tensor_div_scalar(r->lr, 1 + (double)t)))
        return false;
    return loop->release ? diffopt_step_release(r->opt, loss) : diffopt_step(r->opt, loss);
}

/* The gradient of the loss as it is then, back to the last cut. */
static bool judge_now(Run *r) {
    Tensor *grad;
    return tensor_grad(fmodule_forward(r->f, r->nothing), &r->lr, 1, &grad, HC_ZEROS) &&
           bits_append(r->bits, grad);
}

static bool unrolled_step(UnrollStep *step, void *user) {
    return step_once(user, step->step, step->rng);
}

static bool judge(UnrollStep *step, void *user) {
    return step->count == 1 && judge_now(user);
}

/* In as little memory as it takes, where it is to fit. */
static bool run_unrolled(Run *r) {
    UnrollOptions options = r->loop->options;
    options.window = r->loop->window;
    options.judge = judge;
    for (options.max_bytes = 1024;; options.max_bytes += options.max_bytes / 4) {
        if (unroll(&r->opt, 1, options, unrolled_step, r)) return true;
        if (tape_status(r->tape) != HC_ERR_RANGE || options.max_bytes >> 28) return false;
        tape_clear_error(r->tape);
        higherc_clear_error();
        r->bits->count = 0;
    }
}

static bool run_steps(Run *r) {
    if (r->loop->unrolled) return run_unrolled(r);
    Rng rng = rng_seed(0);
    for (size_t t = 0; t < r->loop->steps; t++) {
        Rng own = rng_split(&rng);
        if (!step_once(r, t, &own)) return false;
        bool due = r->loop->window && ((t + 1) % r->loop->window == 0 || t + 1 == r->loop->steps);
        if (due && (!judge_now(r) || !diffopt_detach(r->opt))) return false;
    }
    return true;
}

static bool append_weights(const Run *r, Bits *bits) {
    for (size_t i = 0; i < INPUTS; i++)
        if (!bits_append(bits, fmodule_params(r->f).items[i])) return false;
    return true;
}

/* By way of an optimizer like it, to which it is committed. */
static bool append_states(const Run *r, Bits *bits) {
    if (!diffopt_commit(r->opt, r->optim)) return false;
    const OptimClass *cls = optim_class(r->optim);
    for (size_t i = 0; i < INPUTS; i++)
        for (size_t s = 0; s < cls->state_count; s++) {
            Param *p = module_params(r->module).items[i];
            const void *from = optim_param_state(r->optim, p, cls->states[s]);
            for (size_t k = 0; from && k < param_count(p); k++)
                bits->v[bits->count++] = r->loop->dtype == HC_F32 ? (double)((const float *)from)[k]
                                                                  : ((const double *)from)[k];
        }
    return true;
}

/* Of the loss at the end, to lr and to W<0>. */
static bool take_grads(const Run *r, Tensor *grads[INPUTS + 1]) {
    Tensor *inputs[INPUTS + 1] = {r->lr};
    for (size_t i = 0; i < INPUTS; i++)
        inputs[1 + i] = fmodule_params_at(r->f, 0).items[i];
    unsigned flags = HC_ZEROS | (r->loop->graph ? HC_CREATE_GRAPH : 0);
    return tensor_grad(fmodule_forward(r->f, r->nothing), inputs, INPUTS + 1, grads, flags);
}

static bool append_grads(const Run *r, Bits *bits) {
    Tensor *grads[INPUTS + 1];
    bool done = take_grads(r, grads);
    for (size_t i = 0; i < INPUTS + 1 && done; i++)
        done = bits_append(bits, grads[i]);
    return done;
}

/* The status with which it ended. */
static HcStatus go(const Loop *loop, bool all, double values[INPUTS][NAIVE_MOST], Bits *bits) {
    Run r;
    bits->count = 0;
    bool done = begin(&r, loop, values);
    r.bits = bits;
    done = done && run_steps(&r) && append_weights(&r, bits);
    if (done && all)
        done = (loop->mode == HC_EVAL || loop->window || append_grads(&r, bits)) &&
               append_states(&r, bits);
    HcStatus status = done ? HC_OK : tape_status(r.tape) != HC_OK ? tape_status(r.tape) : higherc_status();
    end(&r);
    return status;
}

/* ---- in a Program ---------------------------------------------------------------------------- */

static bool append_output(const Program *p, size_t output, DType dtype, Bits *bits) {
    const void *from = program_output(p, output);
    size_t count = shape_count(program_output_shape(p, output));
    for (size_t i = 0; i < count && from; i++)
        bits->v[bits->count++] = dtype == HC_F32 ? (double)((const float *)from)[i] : ((const double *)from)[i];
    return from != NULL;
}

static bool run_program(const Run *r, Program *p, size_t outputs, double values[INPUTS][NAIVE_MOST], Bits *bits) {
    bool done = program_set_f64(p, 0, shape_scalar(), &r->loop->rate);
    for (size_t i = 0; i < INPUTS && done; i++)
        done = param_set_f64(module_params(r->module).items[i], values[i], r->loop->z->node[i].value.count);
    done = done && program_run(p);
    for (size_t i = 0; i < outputs && done; i++)
        done = append_output(p, i, r->loop->dtype, bits);
    return done;
}

/* A custom operation's gradient that was not recorded. */
static bool is_refused(const Tape *tape) {
    return tape_error(tape) && strstr(tape_error(tape), "a Program cannot record its backward pass");
}

/* Captured on other numbers, on which it may well fail to be recorded; then *recorded is false. Weights, and gradients
 * where there are any. */
static bool go_captured(const Loop *loop, double values[INPUTS][NAIVE_MOST], bool *recorded, Bits *bits) {
    static double others[INPUTS][NAIVE_MOST];
    Tensor *outputs[2 * INPUTS + 1];
    Loop other = *loop;
    Run r;
    for (size_t i = 0; i < INPUTS; i++)
        for (size_t k = 0; k < NAIVE_MOST; k++)
            others[i][k] = 0.75 - 0.5 * values[i][k];
    other.rate = 0.03;
    bits->count = 0;
    *recorded = begin(&r, &other, others);
    r.bits = bits;
    *recorded = *recorded && run_steps(&r);
    size_t count = loop->mode == HC_EVAL ? INPUTS : 2 * INPUTS + 1;
    for (size_t i = 0; i < INPUTS && *recorded; i++)
        outputs[i] = fmodule_params(r.f).items[i];
    *recorded = *recorded && (count == INPUTS || take_grads(&r, outputs + INPUTS));
    Program *p = *recorded ? program_capture(r.tape, &r.rate, 1, outputs, count, NULL) : NULL;
    *recorded = *recorded && !is_refused(r.tape);
    r.loop = loop;
    bool done = p && run_program(&r, p, count, values, bits);
    if (!*recorded) higherc_clear_error();
    if (*recorded && !done) printf("  in a Program: %s\n", higherc_error());
    program_destroy(p);
    end(&r);
    return done;
}

/* ---- all ------------------------------------------------------------------------------------- */

static size_t unrolled, compared, captured;

/* Where the stored loop came to its end. */
static bool captured_same(const Loop *loop, double values[INPUTS][NAIVE_MOST], Bits *stored) {
    static Bits bits;
    bool recorded;
    if (loop->window) return true;
    if (!go_captured(loop, values, &recorded, &bits)) return !recorded;
    captured++;
    stored->count = bits.count; /* of states there are none */
    return bits_same("unrolled, in a Program", stored, &bits);
}

bool loops_modes(Fuzz *z, const Again *again, DType dtype, double values[INPUTS][NAIVE_MOST]) {
    static Bits full, other;
    Loop loop = {.z = z, .again = again, .dtype = dtype, .steps = 2, .rate = 0.02};
    loop.optim = again->left % 2 ? "adam" : "sgd";
    HcStatus status = go(&loop, false, values, &full);
    if (status == HC_ERR_GRAD) { /* an operation without a gradient stands between */
        higherc_clear_error();
        return true;
    }
    loop.release = true;
    loop.mode = HC_FIRST_ORDER;
    if (status != HC_OK || go(&loop, false, values, &other) != HC_OK ||
        !bits_same("first order", &full, &other))
        return false;
    loop.mode = HC_EVAL;
    return go(&loop, false, values, &other) == HC_OK && bits_same("evaluation", &full, &other);
}

static Loop draw(Fuzz *z, const Again *again, DType dtype) {
    static const char *const optims[] = {"sgd",  "adam",    "adamw", "adadelta", "adagrad",
                                         "asgd", "rmsprop", "rprop", "radam",    "nadam", "lion"};
    uint64_t seed = again->left;
    for (size_t i = 0; i < again->left; i++)
        seed = seed * 31 + again->data[i];
    Rng rng = rng_seed(seed);
    Loop loop = {.z = z, .again = again, .dtype = dtype, .steps = 1 + (size_t)rng_below(&rng, 5)};
    loop.rate = 0.02;
    loop.mode = (FMode)rng_below(&rng, 3);
    loop.optim = optims[rng_below(&rng, sizeof optims / sizeof *optims)];
    loop.copied = rng_below(&rng, 2);
    loop.learned = rng_below(&rng, 2);
    loop.clipped = rng_below(&rng, 2);
    loop.noisy = rng_below(&rng, 2);
    if (loop.mode != HC_EVAL && rng_below(&rng, 2)) loop.window = 1 + (size_t)rng_below(&rng, 3);
    loop.options = unroll_options(loop.steps);
    loop.options.keep = (UnrollKeep)rng_below(&rng, 4);
    loop.options.every = 1 + (size_t)rng_below(&rng, 4);
    loop.graph = rng_below(&rng, 2);
    return loop;
}

bool loops_unrolled(Fuzz *z, const Again *again, DType dtype, double values[INPUTS][NAIVE_MOST]) {
    static Bits stored, kept;
    Loop loop = draw(z, again, dtype);
    HcStatus want = go(&loop, true, values, &stored);
    higherc_clear_error();
    loop.unrolled = true;
    HcStatus got = go(&loop, true, values, &kept);
    if (got == want && got != HC_OK) higherc_clear_error();
    if (got != want) printf("  unrolled: status %d, should be %d\n", (int)got, (int)want);
    unrolled++;
    compared += got == HC_OK;
    bool good = got == want && (got != HC_OK || bits_same("unrolled", &stored, &kept));
    good = good && (got != HC_OK || captured_same(&loop, values, &stored));
    if (!good)
        printf("  %s, mode %d, %zu steps, window %zu, keep %d every %zu%s%s%s%s%s\n", loop.optim,
               (int)loop.mode, loop.steps, loop.window, (int)loop.options.keep, loop.options.every,
               loop.copied ? ", copied" : "",
               loop.learned ? ", learned" : "", loop.clipped ? ", clipped" : "",
               loop.noisy ? ", noisy" : "", loop.graph ? ", recorded" : "");
    return good;
}

bool loops_end(void) {
    printf("%zu loops unrolled, %zu to their end, %zu in Programs\n", unrolled, compared, captured);
    return compared >= unrolled / 2 && captured >= unrolled / 8;
}
