/* An unrolled loop that keeps checkpoints has the bits of the loop of single steps: weights,
 * buffers, and every gradient, to the initial weights, learned and overridden hyperparameters,
 * data, and Params that steps read. */
#include <higherc/higherc.h>

#include <stdio.h>
#include <string.h>

#include "support/check.h"
#include "support/unroll.h"

enum { STEPS = 11, ROWS = 6, MOST = 6000 };

/* What is made anew for each run. */
typedef struct Setting {
    Tape *tape;
    Module *net;
    Param *lr, *penalty;
    Optim *optim;
    FModule *f;
    DiffOpt *opt;
    Tensor *x, *y;
    size_t calls, again;
} Setting;

/* What an inner problem is made of. */
typedef struct Problem {
    const UnrollConfig *optim;
    Module *(*net)(void);
    bool clips;
} Problem;

static Module *mlp(void) {
    Module *layers[] = {module_linear(3, 8), module_tanh(), module_linear(8, 2)};
    return module_sequential(layers, 3);
}

static Module *with_norm_and_dropout(void) {
    Module *layers[] = {module_linear(3, 8), module_batch_norm1d(8, batch_norm_options()),
                        module_relu(), module_dropout(0.3), module_linear(8, 2)};
    return module_sequential(layers, 5);
}

/* What a forward reads follows from the number of the step, and of two Params. */
static Module *per_step_and_normalised(void) {
    BatchNormOptions norm = batch_norm_options();
    norm.steps = 4;
    Module *layers[] = {module_weight_norm(module_linear(3, 8), "weight", 0), module_batch_norm1d(8, norm),
                        module_relu(), module_weight_norm(module_linear(8, 2), "weight", 0)};
    return module_sequential(layers, 4);
}

static void begin(Setting *s, const Problem *problem, DType dtype, FMode mode) {
    Rng rng = rng_seed(5);
    float x[ROWS * 3], y[ROWS * 2];
    *s = (Setting){.tape = tape_create(dtype)};
    s->net = problem->net();
    CHECK(s->net && module_init(s->net, &rng));
    if (dtype == HC_F64) CHECK(module_to(s->net, HC_F64));
    s->lr = param_create("lr", shape_scalar(), dtype);
    s->penalty = param_create("penalty", shape_scalar(), dtype);
    param_fill(s->lr, 0.07);
    param_fill(s->penalty, 0.01);
    s->optim = unroll_optim(problem->optim, module_params(s->net));
    for (size_t i = 0; i < ROWS * 3; i++)
        x[i] = (float)rng_normal(&rng);
    for (size_t i = 0; i < ROWS * 2; i++)
        y[i] = (float)rng_normal(&rng);
    tape_seed(s->tape, 17);
    FModuleOptions options = fmodule_options(false);
    options.mode = mode;
    s->x = tensor_leaf(tensor_from_f32(s->tape, shape2(ROWS, 3), x));
    s->y = tensor_from_f32(s->tape, shape2(ROWS, 2), y);
    s->f = fmodule_create_with(s->tape, s->net, options);
    s->opt = diffopt_create(s->optim, s->f);
    CHECK(diffopt_override(s->opt, "lr", HC_ALL_GROUPS, param_tensor(s->tape, s->lr)));
    if (problem->clips) CHECK(diffopt_clip_norm(s->opt, 0.5, 1e-6));
}

static void end(Setting *s) {
    optim_destroy(s->optim);
    param_unref(s->lr);
    param_unref(s->penalty);
    module_destroy(s->net);
    tape_destroy(s->tape);
}

/* The penalty is read as a Param, whose leaf the step makes; noise is drawn from the step's stream. */
static Tensor *loss_of(Setting *s, Rng *rng) {
    Tensor *noise = tensor_normal(s->tape, shape2(ROWS, 3), 0, 0.1, rng);
    Tensor *loss = tensor_mse_loss(fmodule_forward(s->f, tensor_add(s->x, noise)), s->y);
    Tensor *weights = fmodule_vector(s->f);
    return tensor_add(
        loss, tensor_mul(param_tensor(s->tape, s->penalty), tensor_sum(tensor_square(weights))));
}

static bool step(UnrollStep *call, void *user) {
    Setting *s = user;
    s->calls++;
    s->again += call->again;
    CHECK(call->count == 1 && call->opts[0] == s->opt && call->step < STEPS);
    return diffopt_step(call->opts[0], loss_of(s, call->rng));
}

typedef struct Result {
    double numbers[MOST];
    size_t count;
} Result;

static void append(Result *r, const Tensor *x) {
    size_t n = tensor_count(x);
    CHECK(r->count + n <= MOST &&
          tensor_copy_to_f64((Tensor *)(uintptr_t)x, r->numbers + r->count, n));
    r->count += n;
}

static void append_grad(Result *r, const Param *p) {
    size_t n = shape_count(param_shape(p));
    const void *g = param_grad(p);
    CHECK(g && r->count + n <= MOST);
    for (size_t i = 0; g && i < n; i++)
        r->numbers[r->count++] =
            param_dtype(p) == HC_F32 ? (double)((const float *)g)[i] : ((const double *)g)[i];
}

static void loop(Setting *s, const UnrollOptions *options) {
    if (options) {
        CHECK(unroll(&s->opt, 1, *options, step, s));
        return;
    }
    Rng rng = rng_seed(0);
    for (size_t t = 0; t < STEPS; t++) {
        Rng own = rng_split(&rng);
        CHECK(diffopt_step(s->opt, loss_of(s, &own)));
    }
}

/* Weights, buffers, and gradients to all that the loop read. */
static void judge(Setting *s, const UnrollOptions *options, Result *r) {
    r->count = 0;
    loop(s, options);
    CHECK(fmodule_steps(s->f) == STEPS && diffopt_steps(s->opt) == STEPS);
    TensorList weights = fmodule_params(s->f);
    for (size_t i = 0; i < weights.count; i++)
        append(r, weights.items[i]);
    ParamList buffers = module_buffers(s->net);
    for (size_t i = 0; i < buffers.count; i++)
        append(r, fmodule_buffer(s->f, param_name(buffers.items[i])));
    CHECK(fmodule_train(s->f, false));
    Tensor *loss = tensor_mse_loss(fmodule_forward(s->f, tensor_neg(s->x)), s->y);
    append(r, loss);
    CHECK(tensor_backward(loss));
    ParamList params = module_params(s->net);
    for (size_t i = 0; i < params.count; i++)
        append_grad(r, params.items[i]);
    append_grad(r, s->lr);
    if (fmodule_mode(s->f) == HC_FULL) append_grad(r, s->penalty);
    Tensor *gx;
    CHECK(tensor_grad(loss, &s->x, 1, &gx, 0));
    append(r, gx);
}

static void check_same(const char *what, const Result *a, const Result *b) {
    bool same =
        a->count == b->count && memcmp(a->numbers, b->numbers, a->count * sizeof *a->numbers) == 0;
    if (!same) {
        printf("%s: differs\n", what);
        for (size_t i = 0; i < a->count && i < b->count; i++)
            if (memcmp(&a->numbers[i], &b->numbers[i], 8) != 0) {
                printf("  first at %zu of %zu: %.17g %.17g\n", i, a->count, a->numbers[i],
                       b->numbers[i]);
                break;
            }
    }
    CHECK(same);
}

static void check_equal(const Problem *problem, DType dtype, FMode mode) {
    static Result stored, kept;
    Setting s;
    begin(&s, problem, dtype, mode);
    judge(&s, NULL, &stored);
    end(&s);
    for (size_t every = 0; every <= STEPS + 1; every++) {
        UnrollOptions o = unroll_options(STEPS);
        if (every > 0) {
            o.keep = HC_KEEP_EVERY;
            o.every = every;
        }
        begin(&s, problem, dtype, mode);
        judge(&s, &o, &kept);
        check_same(problem->optim->name, &stored, &kept);
        UnrollReport report = unroll_report(s.opt);
        size_t segment = every == 0 ? report.segment : every < STEPS ? every : STEPS, weighed = every == 0;
        CHECK(report.steps == STEPS && report.segment == segment && segment > 0);
        CHECK(report.checkpoints == (STEPS + segment - 1) / segment - 1);
        CHECK(report.again == 2 * STEPS && s.again == 2 * STEPS + weighed && s.calls == 3 * STEPS + weighed);
        end(&s);
    }
}

/* In little memory points are placed anew as the pass comes down; a second pass finds none in place. */
static void check_fit(const Problem *problem) {
    static Result stored, kept;
    Setting s;
    begin(&s, problem, HC_F64, HC_FULL);
    judge(&s, NULL, &stored);
    end(&s);
    size_t again = SIZE_MAX, tight = 0;
    for (size_t bytes = 80000; bytes < 400000; bytes += bytes < 130000 ? 1500 : bytes / 32) {
        UnrollOptions o = unroll_options(STEPS);
        o.keep = HC_KEEP_FIT;
        o.max_bytes = bytes;
        begin(&s, problem, HC_F64, HC_FULL);
        size_t before = tape_stats(s.tape).live_bytes;
        if (unroll(&s.opt, 1, o, step, &s)) {
            CHECK(tensor_backward(tensor_sum(fmodule_vector(s.f))));
            CHECK(tape_stats(s.tape).peak_bytes - before <= bytes + 2048); /* the sum takes some */
            end(&s);
            begin(&s, problem, HC_F64, HC_FULL);
            judge(&s, &o, &kept);
            check_same("fit", &stored, &kept);
            UnrollReport report = unroll_report(s.opt);
            CHECK(report.again <= again); /* more memory, no more steps again */
            again = report.again;
            tight += report.again > 3 * STEPS;
        } else {
            CHECK(tape_status(s.tape) == HC_ERR_RANGE && again == SIZE_MAX);
            higherc_clear_error();
        }
        end(&s);
    }
    CHECK(tight > 0 && again == 2 * STEPS);
}

/* Nothing is kept, and the weights go on from there. */
static void check_eval(void) {
    static Result stored, kept;
    const Problem problem = {&unroll_configs[3], with_norm_and_dropout, false};
    for (int all = 0; all < 2; all++) {
        Result *r = all ? &kept : &stored;
        Setting s;
        begin(&s, &problem, HC_F32, HC_EVAL);
        UnrollOptions o = unroll_options(STEPS);
        loop(&s, all ? &o : NULL);
        r->count = 0;
        for (size_t i = 0; i < fmodule_params(s.f).count; i++)
            append(r, fmodule_params(s.f).items[i]);
        append(r, fmodule_buffer(s.f, "1.running_mean"));
        Rng rng = rng_seed(3);
        CHECK(diffopt_step_release(s.opt, loss_of(&s, &rng)));
        append(r, fmodule_param(s.f, "0.weight"));
        CHECK(!all || (s.calls == STEPS && unroll_report(s.opt).checkpoints == 0));
        end(&s);
    }
    check_same("eval", &stored, &kept);
}

int main(void) {
    for (int mode = HC_FULL; mode <= HC_FIRST_ORDER; mode++) {
        for (size_t i = 0; i < unroll_config_count; i++)
            check_equal(&(Problem){&unroll_configs[i], mlp, i % 3 == 2}, i % 2 ? HC_F64 : HC_F32,
                        (FMode)mode);
        for (size_t i = 1; i < unroll_config_count; i += 5)
            check_equal(&(Problem){&unroll_configs[i], with_norm_and_dropout, i % 2}, HC_F32,
                        (FMode)mode);
        check_equal(&(Problem){&unroll_configs[3], per_step_and_normalised, false}, HC_F64, (FMode)mode);
    }
    check_fit(&(Problem){&unroll_configs[4], mlp, true});
    check_eval();
    return check_done();
}
