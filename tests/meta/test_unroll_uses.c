/* Unrolled loops in every place a loop of steps may stand: differentiated to third order, several
 * optimizers, nested, in tasks, after warm starts and cuts; and over what is not a plain net. */
#include <higherc/higherc.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "support/check.h"

enum { STEPS = 7, MOST = 4000 };

typedef struct Result {
    double numbers[MOST];
    size_t count;
} Result;

static void append(Result *r, Tensor *x) {
    size_t n = x ? tensor_count(x) : 0;
    if (higherc_error()) printf("%s\n", higherc_error());
    CHECK(x && r->count + n <= MOST && tensor_copy_to_f64(x, r->numbers + r->count, n));
    r->count += n;
}

static void append_grads(Result *r, ParamList params) {
    for (size_t i = 0; i < params.count; i++) {
        const Param *p = params.items[i];
        const double *g = param_grad(p);
        size_t n = shape_count(param_shape(p));
        CHECK(g && r->count + n <= MOST);
        if (!g) continue;
        memcpy(r->numbers + r->count, g, n * sizeof *g);
        r->count += n;
    }
}

static void check_same(const char *what, const Result *a, const Result *b) {
    bool same = a->count == b->count && a->count > 0 &&
                memcmp(a->numbers, b->numbers, a->count * sizeof(double)) == 0;
    if (!same) printf("%s differs (%zu and %zu numbers)\n", what, a->count, b->count);
    CHECK(same);
}

static bool replayed; /* what is recorded runs as a Program */

static void differentiate(Tape *tape, Tensor *loss, Result *r) {
    r->count = 0;
    Program *p = replayed ? program_capture(tape, NULL, 0, &loss, 1, loss) : NULL;
    if (!replayed) {
        CHECK(tensor_backward(loss));
        append(r, loss);
        return;
    }
    if (!p) printf("%s\n", tape_error(tape));
    tape_reset(tape);
    CHECK(p && program_run(p));
    r->numbers[r->count++] = program_item(p, 0);
    program_destroy(p);
}

static Module *net_of(Module **layers, size_t count) {
    Rng rng = rng_seed(4);
    Module *net = module_sequential(layers, count);
    CHECK(net && module_to(net, HC_F64) && module_init(net, &rng));
    return net;
}

static Module *small_net(void) {
    return net_of((Module *[]){module_linear(1, 4), module_tanh(), module_linear(4, 1)}, 3);
}

static UnrollOptions every(size_t n) {
    UnrollOptions o = unroll_options(STEPS);
    o.keep = n > 0 ? HC_KEEP_EVERY : HC_KEEP_ALL;
    o.every = n;
    return o;
}

static Tensor *points(Tape *tape, double scale) {
    double x[6] = {-1.5, -0.7, 0.1, 0.4, 1.1, 1.9};
    for (int i = 0; i < 6; i++)
        x[i] *= scale;
    return tensor_from_f64(tape, shape2(6, 1), x);
}

/* ---- one optimizer -------------------------------------------------------------------------- */

typedef struct Inner {
    Tape *tape;
    FModule *f, *other;
    Tensor *x, *y;
} Inner;

static bool plain_step(UnrollStep *step, void *user) {
    const Inner *in = user;
    return diffopt_step(step->opts[0], tensor_mse_loss(fmodule_forward(in->f, in->x), in->y));
}

/* d3 of the meta-loss along its own gradients, for learned lr and momentum and initial weights. */
static void third_order(const UnrollOptions *o, Result *r) {
    Tape *tape = tape_create(HC_F64);
    Module *net = small_net();
    SgdOptions sgd = sgd_options(0.2);
    sgd.momentum = 0.7;
    Optim *optim = optim_sgd(module_params(net), sgd);
    Tensor *lr = tensor_leaf(tensor_full(tape, shape_scalar(), 0.2));
    Inner in = {.tape = tape,
                .f = fmodule_create(tape, net, true),
                .x = points(tape, 1),
                .y = points(tape, -0.5)};
    Tensor *first = fmodule_params(in.f).items[0], *wanted[2] = {first, lr}, *g[2], *h[2], *t[2];
    DiffOpt *opt = diffopt_create(optim, in.f);
    CHECK(diffopt_override(opt, "lr", HC_ALL_GROUPS, lr));
    CHECK(unroll(&opt, 1, *o, plain_step, &in));
    Tensor *loss = tensor_mse_loss(fmodule_forward(in.f, points(tape, 0.8)), points(tape, 0.3));
    CHECK(tensor_grad(loss, wanted, 2, g, HC_CREATE_GRAPH));
    Tensor *second = tensor_add(tensor_sum(tensor_square(g[0])), g[1]);
    CHECK(tensor_grad(second, wanted, 2, h, HC_CREATE_GRAPH));
    Tensor *third = tensor_add(tensor_sum(tensor_sin(h[0])), tensor_square(h[1]));
    CHECK(tensor_grad(third, wanted, 2, t, 0));
    r->count = 0;
    append(r, loss);
    for (int i = 0; i < 2; i++) {
        append(r, g[i]);
        append(r, h[i]);
        append(r, t[i]);
    }
    optim_destroy(optim);
    module_destroy(net);
    tape_destroy(tape);
}

/* To rounding: the order of sums in recorded sweeps is another. */
static void check_near_all(const Result *a, const Result *b) {
    CHECK(a->count == b->count && a->count > 0);
    for (size_t i = 0; i < a->count; i++)
        CHECK_NEAR(a->numbers[i], b->numbers[i], 1e-10, 1e-12);
}

/* ---- two optimizers that step in turn, the one's net read by the other's loss --------------- */

static bool game_step(UnrollStep *step, void *user) {
    const Inner *in = user;
    Tensor *made = fmodule_forward(in->f, in->x);
    Tensor *judged = fmodule_forward(in->other, made);
    if (step->step % 2 == 0)
        return diffopt_step(step->opts[0], tensor_mean(tensor_square(tensor_sub(judged, in->y))));
    Tensor *told =
        tensor_mean(tensor_add(judged, tensor_square(fmodule_forward(in->other, in->y))));
    return diffopt_step(step->opts[1], told);
}

/* The judge's loss sees the net after its step, and so the judge's part in that. */
static bool through_step(UnrollStep *step, void *user) {
    const Inner *in = user;
    Tensor *judged = fmodule_forward(in->other, fmodule_forward(in->f, in->x));
    if (!diffopt_step(step->opts[0], tensor_mean(tensor_square(tensor_sub(judged, in->y)))))
        return false;
    Tensor *made = fmodule_forward(in->f, in->x);
    return diffopt_step(step->opts[1],
                        tensor_mean(tensor_mul(made, fmodule_forward(in->other, in->y))));
}

static void game(UnrollFn *fn, size_t n, Result *r) {
    Tape *tape = tape_create(HC_F64);
    Module *net = small_net(), *judge = small_net();
    Optim *a = optim_adam(module_params(net), adam_options(0.05));
    Optim *b = optim_rmsprop(module_params(judge), rmsprop_options(0.05));
    Inner in = {.tape = tape,
                .f = fmodule_create(tape, net, false),
                .other = fmodule_create(tape, judge, false),
                .x = points(tape, 1),
                .y = points(tape, -0.5)};
    DiffOpt *opts[2] = {diffopt_create(a, in.f), diffopt_create(b, in.other)};
    CHECK(unroll(opts, 2, every(n), fn, &in));
    CHECK(diffopt_steps(opts[1]) == (fn == game_step ? 3 : STEPS));
    Tensor *loss =
        tensor_mean(tensor_mul(fmodule_forward(in.other, fmodule_forward(in.f, in.x)), in.y));
    differentiate(tape, loss, r);
    append_grads(r, module_params(net));
    append_grads(r, module_params(judge));
    optim_destroy(a);
    optim_destroy(b);
    module_destroy(net);
    module_destroy(judge);
    tape_destroy(tape);
}

/* ---- an unroll in the step of another: a learner of a learner's initial weights ------------- */

typedef struct Outer {
    Tape *tape;
    Module *net;
    Optim *fast;
    FModule *f;
    size_t every;
    Inner inner[STEPS]; /* of each step: they stay as long as the tape holds their loops */
} Outer;

static bool outer_step(UnrollStep *step, void *user) {
    Outer *o = user;
    Tape *tape = o->tape;
    FModule *f = fmodule_create(tape, o->net, true);
    Inner *in = &o->inner[step->step];
    CHECK(fmodule_set_params(f, fmodule_params(o->f).items, fmodule_params(o->f).count));
    DiffOpt *fast = diffopt_create(o->fast, f);
    *in = (Inner){.tape = tape, .f = f, .x = points(tape, 1), .y = points(tape, -0.5)};
    if (!unroll(&fast, 1, every(o->every), plain_step, in)) return false;
    return diffopt_step(step->opts[0],
                        tensor_mse_loss(fmodule_forward(f, points(tape, 0.7)), points(tape, 0.2)));
}

static void nested(size_t n, size_t m, Result *r) {
    Tape *tape = tape_create(HC_F64);
    Module *net = small_net();
    Optim *fast = optim_sgd(module_params(net), sgd_options(0.1));
    Optim *slow = optim_adam(module_params(net), adam_options(0.05));
    Outer o = {
        .tape = tape, .net = net, .fast = fast, .f = fmodule_create(tape, net, false), .every = m};
    DiffOpt *opt = diffopt_create(slow, o.f);
    CHECK(unroll(&opt, 1, every(n), outer_step, &o));
    Tensor *loss = tensor_mse_loss(fmodule_forward(o.f, points(tape, 1.3)), points(tape, 0.4));
    differentiate(tape, loss, r);
    append_grads(r, module_params(net));
    optim_destroy(fast);
    optim_destroy(slow);
    module_destroy(net);
    tape_destroy(tape);
}

/* ---- a warm start, a frozen Param, weights that no loss reaches, convolutions and an LSTM --- */

typedef struct Mixed {
    Tape *tape;
    FModule *f;
    Tensor *x;
    bool detach;
} Mixed;

static Tensor *mixed_loss(const Mixed *m) {
    return tensor_mean(tensor_square(fmodule_forward(m->f, m->x)));
}

static bool mixed_step(UnrollStep *step, void *user) {
    const Mixed *m = user;
    bool done = diffopt_step(step->opts[0], mixed_loss(m));
    return done && (!m->detach || step->step != 3 || diffopt_detach(step->opts[0]));
}

static void mixed(Module *net, Shape shape, FModuleOptions options, bool detach, size_t n,
                  Result *r) {
    Tape *tape = tape_create(HC_F64);
    Rng rng = rng_seed(9), drawn = rng;
    AdamOptions adam = adam_options(0.02);
    adam.amsgrad = true;
    Optim *optim = optim_adam(module_params(net), adam);
    CHECK(tensor_backward(
        tensor_mean(tensor_square(module_forward(net, tensor_normal(tape, shape, 0, 1, &rng))))));
    CHECK(optim_step(optim)); /* moments and step counts to start from */
    optim_zero_grad(optim);
    Tensor *x = tensor_leaf(tensor_normal(tape, shape, 0, 1, &drawn));
    Mixed m = {
        .tape = tape, .f = fmodule_create_with(tape, net, options), .x = x, .detach = detach};
    DiffOpt *opt = diffopt_create(optim, m.f);
    CHECK(diffopt_step(opt, mixed_loss(&m)));
    CHECK(unroll(&opt, 1, every(n), mixed_step, &m));
    CHECK(diffopt_step(opt, mixed_loss(&m)));
    Tensor *loss = mixed_loss(&m), *gx = NULL;
    CHECK(tensor_grad(loss, &x, 1, &gx, 0));
    r->count = 0;
    append(r, gx);
    append(r, loss);
    TensorList weights = fmodule_params(m.f);
    for (size_t i = 0; i < weights.count; i++)
        append(r, weights.items[i]);
    optim_destroy(optim);
    module_destroy(net);
    tape_destroy(tape);
}

static Module *conv_net(void) {
    return net_of((Module *[]){module_conv2d(1, 3, 3, 3, conv2d_options()),
                               module_batch_norm2d(3, batch_norm_options()), module_relu(),
                               module_max_pool2d(pool2d_options(2)), module_flatten(),
                               module_linear(12, 2)},
                  6);
}

static Module *partly_frozen(void) {
    Module *net = conv_net();
    param_freeze(module_param(net, "0.bias"), true);
    return net;
}

static Module *recurrent(void) {
    return net_of((Module *[]){module_lstm(3, 4, rnn_options())}, 1);
}

static void check_mixed(const char *what, Module *(*net)(void), Shape shape, FBuffers buffers,
                        bool detach) {
    static Result stored, kept;
    FModuleOptions options = fmodule_options(false);
    options.buffers = buffers;
    mixed(net(), shape, options, detach, 0, &stored);
    for (size_t n = 1; n <= STEPS; n += 2) {
        mixed(net(), shape, options, detach, n, &kept);
        check_same(what, &stored, &kept);
    }
}

/* ---- tasks ---------------------------------------------------------------------------------- */

typedef struct Meta {
    Module *net;
    Optim *optim;
    size_t every;
} Meta;

static bool adapt(Task *task, void *user) {
    const Meta *m = user;
    Inner in = {.tape = task->tape, .f = fmodule_create(task->tape, m->net, false)};
    in.x = points(task->tape, rng_uniform(&task->rng));
    in.y = points(task->tape, rng_uniform(&task->rng));
    DiffOpt *opt = diffopt_create(m->optim, in.f);
    return unroll(&opt, 1, every(m->every), plain_step, &in) &&
           tensor_backward_into(tensor_mse_loss(fmodule_forward(in.f, in.y), in.x), task->grads);
}

static void tasks(size_t n, size_t threads, Result *r) {
    Module *net = small_net();
    Optim *optim = optim_adam(module_params(net), adam_options(0.05));
    Meta m = {net, optim, n};
    Pool *pool = pool_create(threads);
    Tasks *all = tasks_create(pool, module_params(net), HC_F64);
    Rng rng = rng_seed(2);
    CHECK(tasks_run(all, 5, &rng, adapt, &m));
    r->count = 0;
    append_grads(r, module_params(net));
    tasks_destroy(all);
    pool_destroy(pool);
    optim_destroy(optim);
    module_destroy(net);
}

int main(void) {
    static Result stored, kept;
    UnrollOptions all = every(0), some = every(3);
    third_order(&all, &stored);
    third_order(&some, &kept);
    check_near_all(&stored, &kept);

    UnrollFn *const games[2] = {game_step, through_step};
    for (int g = 0; g < 2; g++) {
        game(games[g], 0, &stored);
        for (size_t n = 1; n <= STEPS; n++) {
            for (int way = 0; way < 2; way++) {
                replayed = way;
                game(games[g], n, &kept);
                check_same("two optimizers", &stored, &kept);
            }
            replayed = false;
        }
    }
    nested(0, 0, &stored);
    for (size_t n = 0; n <= 3; n++)
        for (size_t m = n == 0; m <= 3; m++)
            for (int way = 0; way < 2; way++) {
                replayed = way;
                nested(n, m, &kept);
                check_near_all(&stored, &kept);
            }
    replayed = false;
    for (int detach = 0; detach < 2; detach++)
        for (int policy = HC_BUFFERS_COPY; policy <= HC_BUFFERS_BATCH; policy++) {
            check_mixed("convolutions", conv_net, shape4(4, 1, 6, 6), (FBuffers)policy, detach);
            check_mixed("frozen", partly_frozen, shape4(4, 1, 6, 6), (FBuffers)policy, detach);
        }
    check_mixed("LSTM", recurrent, shape3(5, 2, 3), HC_BUFFERS_COPY, false);
    tasks(0, 1, &stored);
    for (size_t threads = 1; threads <= 2; threads++) {
        tasks(2, threads, &kept);
        check_same("tasks", &stored, &kept);
    }
    return check_done();
}
