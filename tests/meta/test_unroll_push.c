/* Forward mode by programs has the bits of forward mode that records each step: whatever steps read, however their
 * recordings change on the way, and where a recording cannot be captured. */
#include <higherc/higherc.h>

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "support/check.h"
#include "support/failing.h"

enum { STEPS = 80, ROWS = 6, WINDOW = 15, MOST = 2000, LAST = 70 };

/* What a step does beside a plain one. */
typedef enum Body {
    PLAIN,
    BATCHES,  /* numbers of the host's, others in each step */
    BORROWED, /* the same, where they lie */
    SHAPES,   /* more rows in some steps */
    BRANCHES, /* another loss in some steps */
    CONSTANT, /* an attribute that changes */
    NOISE,    /* from the step's stream */
    DROPOUT,  /* from the tape's */
    READING,  /* a loss that is read */
    CUSTOM,   /* a learning rate from an operation of the caller's, which no program can hold the way back through */
    NESTED,   /* a loop whose learning rate is made of the weights */
    FRESH,    /* a Param asked for in the step */
    BODIES,
    STALE     /* a momentum's leaf from before, whose Param is changed in place */
} Body;

typedef struct Setup {
    Body body;
    DType dtype;
    FMode mode;
    size_t steps; /* 0: STEPS */
    bool adam, windows, many; /* many: a learned shift of 5 numbers too */
} Setup;

typedef struct World {
    Setup setup;
    Tape *tape;
    Module *net, *other;
    Param *lr, *momentum, *shift, *rate;
    Optim *optim, *outer, *inner;
    FModule *f;
    DiffOpt *opt;
    Tensor *x, *y, *shifts, *old;
    FModule *nested; /* of the step at hand */
    double sum;
    struct {
        double f64[ROWS];
        float f32[ROWS];
    } batches[STEPS];
    uint64_t made[STEPS + 1]; /* tensors on the tape, ever, as the step began */
} World;

static Tensor *square_forward(const CustomCall *call) {
    return tensor_mul(call->inputs[0], call->inputs[0]);
}

static bool square_backward(const CustomCall *call, Tensor **grads) {
    grads[0] = tensor_mul_scalar(tensor_mul(call->gradient, call->inputs[0]), 2);
    return grads[0] != NULL;
}

static const CustomClass square = {.name = "square", .forward = square_forward, .backward = square_backward};

static Module *make(DType dtype, bool drops, uint64_t seed) {
    Rng rng = rng_seed(seed);
    Module *layers[] = {module_linear(1, 5), module_tanh(), drops ? module_dropout(0.2) : module_identity(),
                        module_linear(5, 5), module_relu(), module_linear(5, 1)};
    Module *net = module_sequential(layers, 6);
    CHECK(module_to(net, dtype) && module_init(net, &rng));
    return net;
}

static void begin(World *w, const Setup *s) {
    double x[ROWS], y[ROWS];
    FModuleOptions made = fmodule_options(false);
    made.mode = s->mode;
    *w = (World){.setup = *s, .tape = tape_create(s->dtype), .net = make(s->dtype, s->body == DROPOUT, 3)};
    w->other = make(s->dtype, false, 4);
    w->lr = param_create("lr", shape_scalar(), s->dtype);
    w->momentum = param_create("momentum", shape_scalar(), s->dtype);
    w->shift = param_create("shift", shape1(5), s->dtype);
    w->rate = param_create("rate", shape_scalar(), s->dtype);
    CHECK(param_fill(w->lr, s->adam ? 0.01 : 0.03) && param_fill(w->momentum, 0.7) && param_fill(w->shift, 0.1) &&
          param_fill(w->rate, 0.03));
    SgdOptions sgd = sgd_options(0.1);
    sgd.momentum = 0.7;
    w->optim = s->adam ? optim_adam(module_params(w->net), adam_options(0.02)) : optim_sgd(module_params(w->net), sgd);
    w->outer = optim_sgd((ParamList){&w->lr, 1}, sgd_options(0.001));
    w->inner = optim_sgd(module_params(w->other), sgd_options(0.1));
    w->f = fmodule_create_with(w->tape, w->net, made);
    w->opt = diffopt_create(w->optim, w->f);
    tape_seed(w->tape, 8);
    for (size_t i = 0; i < ROWS; i++) {
        x[i] = (double)i / 2 - 1;
        y[i] = x[i] * x[i] - 0.3;
    }
    w->x = tensor_from_f64(w->tape, shape2(ROWS, 1), x);
    w->y = tensor_from_f64(w->tape, shape2(ROWS, 1), y);
    w->shifts = param_tensor(w->tape, w->shift);
    w->old = param_tensor(w->tape, w->rate);
    CHECK(diffopt_override(w->opt, "lr", HC_ALL_GROUPS, param_tensor(w->tape, w->lr)));
    CHECK(diffopt_override(w->opt, s->adam ? "beta1" : "momentum", HC_ALL_GROUPS, param_tensor(w->tape, w->momentum)));
}

static void end(World *w) {
    optim_destroy(w->inner);
    optim_destroy(w->outer);
    optim_destroy(w->optim);
    param_unref(w->lr);
    param_unref(w->momentum);
    param_unref(w->shift);
    param_unref(w->rate);
    module_destroy(w->other);
    module_destroy(w->net);
    tape_destroy(w->tape);
}

static bool inner_step(UnrollStep *step, void *user) {
    World *w = user;
    return diffopt_step(step->opts[0], tensor_mse_loss(fmodule_forward(w->nested, w->x), w->y));
}

/* What two steps with another learning rate do to another net. */
static Tensor *nested(World *w) {
    FModule *f = w->nested = fmodule_create(w->tape, w->other, false);
    DiffOpt *opt = diffopt_create(w->inner, f);
    UnrollOptions o = unroll_options(2);
    Tensor *rate = tensor_mul_scalar(tensor_sigmoid(tensor_mean(fmodule_vector(w->f))), 0.1);
    o.keep = HC_KEEP_EVERY;
    bool done = f && opt && diffopt_override(opt, "lr", HC_ALL_GROUPS, rate) && unroll(&opt, 1, o, inner_step, w);
    return done ? tensor_mean(tensor_square(fmodule_vector(f))) : NULL;
}

static Tensor *batch_of(World *w, size_t t) {
    double x[ROWS];
    for (size_t i = 0; i < ROWS; i++)
        x[i] = (double)((i * 7 + t) % 11) / 5 - 1;
    return tensor_from_f64(w->tape, shape2(ROWS, 1), x);
}

static Tensor *borrowed(World *w, size_t t) {
    for (size_t i = 0; i < ROWS; i++) {
        w->batches[t].f64[i] = (double)((i * 5 + t) % 13) / 6 - 1;
        w->batches[t].f32[i] = (float)w->batches[t].f64[i];
    }
    const void *numbers = w->setup.dtype == HC_F32 ? (const void *)w->batches[t].f32 : w->batches[t].f64;
    return tensor_borrow(w->tape, shape2(ROWS, 1), numbers);
}

static Tensor *loss_of(World *w, Tensor *x, Tensor *y) {
    return tensor_mse_loss(fmodule_forward(w->f, x), y);
}

static Tensor *inner_loss(World *w, const UnrollStep *step) {
    size_t t = step->step;
    Tensor *x = w->x, *y = w->y, *more = NULL;
    switch (w->setup.body) {
    case BATCHES:
        x = batch_of(w, t);
        break;
    case BORROWED:
        x = borrowed(w, t);
        break;
    case SHAPES:
        if (t % 7 == 3) {
            x = tensor_slice(x, 0, 0, 4, 1);
            y = tensor_slice(y, 0, 0, 4, 1);
        }
        break;
    case BRANCHES:
        if (t % 9 == 4) more = tensor_mean(tensor_abs(fmodule_vector(w->f)));
        break;
    case CONSTANT:
        more = tensor_mul_scalar(tensor_mean(tensor_square(fmodule_vector(w->f))), 0.01 * (double)t);
        break;
    case NOISE:
        x = tensor_add(x, tensor_normal(w->tape, shape2(ROWS, 1), 0, 0.1, step->rng));
        break;
    case READING:
        w->sum += tensor_item(tensor_mean(fmodule_vector(w->f)));
        break;
    case CUSTOM: {
        Tensor *five = tensor_mul_scalar(param_tensor(w->tape, w->lr), 5);
        Tensor *rate = tensor_custom(&square, &five, 1, NULL);
        if (!diffopt_override(w->opt, "lr", HC_ALL_GROUPS, rate)) return NULL;
        break;
    }
    case NESTED:
        more = nested(w);
        break;
    case FRESH:
        if (!diffopt_override(w->opt, "lr", HC_ALL_GROUPS, param_tensor(w->tape, w->lr))) return NULL;
        break;
    case STALE:
        if (!diffopt_override(w->opt, "momentum", HC_ALL_GROUPS, w->old)) return NULL;
        break;
    default:
        break;
    }
    if (w->setup.many) x = tensor_add(x, tensor_mean(tensor_square(w->shifts)));
    Tensor *loss = loss_of(w, x, y);
    return more ? tensor_add(loss, more) : loss;
}

static bool step(UnrollStep *step, void *user) {
    World *w = user;
    w->made[step->step] = tensor_serial(tensor_scalar(w->tape, 0));
    return diffopt_step(step->opts[0], inner_loss(w, step));
}

static bool judge(UnrollStep *step, void *user) {
    World *w = user;
    if (w->setup.body == STALE) return step->step < LAST || param_fill(w->rate, 0.02);
    return step->step > 0 && tensor_backward(loss_of(w, batch_of(w, 5), w->y)) && optim_step(w->outer);
}

typedef struct Result {
    double numbers[MOST];
    size_t count;
} Result;

static void append(Result *r, const void *numbers, DType dtype, size_t n) {
    CHECK(numbers && r->count + n <= MOST);
    for (size_t i = 0; i < n && numbers; i++)
        r->numbers[r->count++] = dtype == HC_F32 ? (double)((const float *)numbers)[i] : ((const double *)numbers)[i];
}

/* A tape that looks for NaN records each step. */
static bool loop(World *w, bool recorded) {
    Tensor *outer[] = {param_tensor(w->tape, w->lr), param_tensor(w->tape, w->momentum), w->shifts};
    UnrollOptions o = unroll_options(w->setup.steps ? w->setup.steps : STEPS);
    o.keep = HC_KEEP_TANGENTS;
    o.outer = (TensorList){outer, w->setup.many ? 3 : 2};
    if (w->setup.windows) {
        o.window = WINDOW;
        o.judge = judge;
    }
    tape_check_nan(w->tape, recorded);
    return unroll(&w->opt, 1, o, step, w);
}

/* Numbers and gradients after the loop. How many tensors an early and a late step made in *early and *late. */
static void run(const Setup *s, bool recorded, Result *r, uint64_t *early, uint64_t *late) {
    World w;
    begin(&w, s);
    CHECK(loop(&w, recorded));
    CHECK(tensor_backward(loss_of(&w, batch_of(&w, 2), w.y)));
    r->count = 0;
    for (size_t i = 0; i < fmodule_params(w.f).count; i++) {
        Tensor *x = fmodule_params(w.f).items[i];
        append(r, tensor_data(x), s->dtype, tensor_count(x));
    }
    append(r, param_grad(w.lr), s->dtype, 1);
    append(r, param_grad(w.momentum), s->dtype, 1);
    if (s->many) append(r, param_grad(w.shift), s->dtype, 5);
    *early = w.made[2] - w.made[1];
    *late = w.made[LAST + 1] - w.made[LAST];
    end(&w);
}

/* The tensors of a step's sweeps are made no more where its recording comes back. */
static void check(const Setup *s) {
    static Result recorded, programs;
    uint64_t early, late;
    run(s, true, &recorded, &early, &late);
    run(s, false, &programs, &early, &late);
    bool same = recorded.count == programs.count && recorded.count > 0 &&
                memcmp(recorded.numbers, programs.numbers, recorded.count * sizeof(double)) == 0;
    if (!same) printf("body %d, dtype %d, mode %d, adam %d\n", s->body, s->dtype, s->mode, s->adam);
    CHECK(same);
    bool returns = !s->adam && s->body != CONSTANT && s->body != DROPOUT && s->body != CUSTOM && s->body != NESTED;
    CHECK(returns == (2 * late < early));
}

/* What a program would read in place, a sweep refuses to read. */
static void check_stale(void) {
    for (int recorded = 0; recorded < 2; recorded++) {
        World w;
        begin(&w, &(Setup){.body = STALE, .dtype = HC_F64, .windows = true});
        CHECK(!loop(&w, recorded) && tape_status(w.tape) == HC_ERR_CHANGED);
        higherc_clear_error();
        end(&w);
    }
}

/* Memory ends at any call of a loop long enough for programs. */
static void check_no_memory(void) {
    bool done = false;
    failing_begin();
    for (size_t calls = 0; !done && calls < 100000; calls += QUICK ? 7 : 1) {
        World w;
        begin(&w, &(Setup){.body = BATCHES, .dtype = HC_F64, .steps = 25});
        failing_after(calls);
        done = loop(&w, false);
        failing_never();
        CHECK(done ? fmodule_steps(w.f) == 25 : tape_status(w.tape) == HC_ERR_NOMEM && fmodule_steps(w.f) == 0);
        higherc_clear_error();
        end(&w);
    }
    CHECK(done);
    failing_end();
}

int main(void) {
    for (int body = PLAIN; body < BODIES; body++)
        for (int i = 0; i < (QUICK ? 1 : 4); i++)
            check(&(Setup){.body = (Body)body,
                           .dtype = i & 1 ? HC_F32 : HC_F64,
                           .mode = body == PLAIN && i & 1 ? HC_FIRST_ORDER : HC_FULL,
                           .windows = i & 2,
                           .many = body % 2});
    check(&(Setup){.body = PLAIN, .dtype = HC_F64, .adam = true});
    check(&(Setup){.body = BRANCHES, .dtype = HC_F32, .adam = true, .windows = true});
    check_stale();
    check_no_memory();
    return check_done();
}
