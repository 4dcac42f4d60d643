#include "support/ways.h"

#include <stdlib.h>
#include <string.h>

#include "support/check.h"
#include "support/rules.h"
#include "support/unroll.h"

enum { TASKS = 3 };

static double *append(Bits *bits, size_t count) {
    if (bits->count + count > bits->room) {
        bits->room = 2 * (bits->count + count);
        bits->v = realloc(bits->v, bits->room * sizeof *bits->v);
        if (!bits->v) abort();
    }
    bits->count += count;
    return bits->v + bits->count - count;
}

static bool append_tensor(Bits *bits, Tensor *x) {
    size_t count = tensor_count(x);
    return x && tensor_copy_to_f64(x, append(bits, count), count);
}

static void append_numbers(Bits *bits, const void *data, size_t count, DType dtype) {
    double *to = append(bits, count);
    for (size_t i = 0; i < count; i++)
        to[i] = dtype == HC_F32 ? (double)((const float *)data)[i] : ((const double *)data)[i];
}

static void append_params(Bits *bits, ParamList list) {
    for (size_t i = 0; i < list.count; i++)
        append_numbers(bits, param_data(list.items[i]), param_count(list.items[i]),
                       param_dtype(list.items[i]));
}

/* Zeros where there is none, which `reached` tells. */
static void append_param_grads(Bits *bits, Bits *reached, ParamList list) {
    for (size_t i = 0; i < list.count; i++) {
        Param *p = list.items[i];
        const void *from = param_grad(p);
        *append(reached, 1) = from != NULL;
        if (from)
            append_numbers(bits, from, param_count(p), param_dtype(p));
        else
            memset(append(bits, param_count(p)), 0, param_count(p) * sizeof(double));
    }
}

/* At the end, and not of an unrolled loop, in which each result counts as one that depends on all that is read. */
static void append_reached(Bits *bits, Bits *reached, const Way *way) {
    if (!way->unrolled && reached->count)
        memcpy(append(bits, reached->count), reached->v, reached->count * sizeof *reached->v);
    free(reached->v);
}

static void append_states(Bits *bits, const Optim *optim, ParamList params) {
    const OptimClass *cls = optim_class(optim);
    for (size_t i = 0; i < params.count; i++) {
        *append(bits, 1) = (double)optim_param_steps(optim, params.items[i]);
        for (size_t s = 0; s < cls->state_count; s++) {
            const void *from = optim_param_state(optim, params.items[i], cls->states[s]);
            *append(bits, 1) = from != NULL;
            if (from)
                append_numbers(bits, from, param_count(params.items[i]),
                               param_dtype(params.items[i]));
        }
    }
}

/* ---- the module and the optimizer ------------------------------------------------------------------- */

typedef struct World {
    Module *net;
    Optim *optim;
} World;

static Schedule schedule_of(size_t kind) {
    static Schedule warmup, cosine;
    warmup = schedule_warmup(2, hyper_const(0.3));
    cosine = schedule_cosine(3, hyper_const(0.2));
    if (kind == 1) return cosine;
    if (kind == 2) return schedule_step(2, hyper_const(0.5));
    return schedule_then(&warmup, 2, &cosine);
}

static void world_begin(World *w, const Combination *c) {
    w->net = net_make(c->net, c->dtype, c->seed);
    module_train(w->net, c->training);
    ParamList all = module_params(w->net);
    size_t half = c->groups == GROUPS_ONE ? all.count : (all.count + 1) / 2;
    ParamList first = {all.items, half}, rest = {all.items + half, all.count - half};
    if (c->frozen && half > 2) param_freeze(all.items[0], true);
    w->optim = c->rule < unroll_config_count
                   ? unroll_optim(&unroll_configs[c->rule], first)
                   : optim_create(&own_rules[c->rule - unroll_config_count], first, NULL);
    if (c->groups == GROUPS_TWO && rest.count) {
        CHECK(optim_add_group(w->optim, rest) == 1);
        CHECK(optim_set(w->optim, "lr", 1, 0.03));
    }
    if (c->override >= LEARN)
        CHECK(optim_learn(w->optim, "lr", HC_ALL_GROUPS, (LearnScope)(c->override - LEARN)));
}

static void world_end(World *w) {
    optim_destroy(w->optim);
    module_destroy(w->net);
}

static bool world_schedule(World *w, const Combination *c) {
    Schedule s = schedule_of(c->schedule);
    return c->schedule == 0 || optim_schedule(w->optim, "lr", HC_ALL_GROUPS, &s);
}

/* ---- on the tape --------------------------------------------------------------------------------------- */

typedef struct Run {
    const Combination *c;
    const Way *way;
    World *w;
    Tape *tape;
    Tensor *in[MOST_STEPS + 1], *target[MOST_STEPS + 1], *hyper[MOST_STEPS];
    FModule *f;
    DiffOpt *opt;
} Run;

static Tensor *loss_of(const Run *r, size_t t) {
    Tensor *y = r->f ? fmodule_forward(r->f, r->in[t]) : module_forward(r->w->net, r->in[t]);
    Tensor *loss = tensor_mse_loss(y, r->target[t]);
    ParamList all = module_params(r->w->net);
    for (size_t i = 0; r->c->penalty && i < all.count; i++) {
        Tensor *w = r->f ? fmodule_params(r->f).items[i] : param_tensor(r->tape, all.items[i]);
        loss = tensor_add(loss, tensor_mul_scalar(tensor_sum(tensor_square(w)), 0.01));
    }
    return loss;
}

static void run_data(Run *r, uint64_t data) {
    for (size_t t = 0; t <= r->c->steps; t++) {
        r->in[t] = net_input(r->c->net, r->tape, data + 2 * t);
        r->target[t] = net_target(r->c->net, r->tape, data + 2 * t + 1);
    }
    for (size_t t = 0; t < r->c->steps; t++)
        r->hyper[t] = tensor_scalar(r->tape, 0.01 + 0.02 * (double)t);
}

static bool halve(Tape *tape, Tensor **grads, size_t count, void *user) {
    (void)tape;
    (void)user;
    for (size_t i = 0; i < count; i++)
        if (grads[i]) grads[i] = stored_otherwise(tensor_mul_scalar(grads[i], 0.5));
    return true;
}

static bool run_begin(Run *r) {
    const Combination *c = r->c;
    FModuleOptions options = fmodule_options(r->way->copied);
    options.mode = r->way->mode;
    options.buffers = c->buffers;
    r->f = fmodule_create_with(r->tape, r->w->net, options);
    r->opt = diffopt_create(r->w->optim, r->f);
    bool done = r->opt != NULL;
    Schedule s = schedule_of(c->schedule);
    if (r->way->late && c->schedule) done = diffopt_schedule(r->opt, "lr", HC_ALL_GROUPS, &s);
    if (c->callback) done = done && diffopt_grad_callback(r->opt, halve, NULL);
    if (c->clip == CLIP_NORM) done = done && diffopt_clip_norm(r->opt, 0.2, 1e-6);
    if (c->clip == CLIP_VALUE) done = done && diffopt_clip_value(r->opt, 0.05);
    if (c->override == OVERRIDE_GROUP)
        done = done && diffopt_override(r->opt, "lr", HC_ALL_GROUPS, r->hyper[0]);
    if (c->override == OVERRIDE_PARAM)
        done = done && diffopt_override_param(
                           r->opt, "lr", optim_group_params(r->w->optim, 0).items[0], r->hyper[0]);
    return done;
}

/* The last two weights of equal shape, or both 0. */
static void find_pair(ParamList all, size_t *a, size_t *b) {
    *a = *b = 0;
    for (size_t i = 0; i < all.count; i++)
        for (size_t k = 0; k < i; k++)
            if (shape_equal(param_shape(all.items[i]), param_shape(all.items[k])) &&
                !param_frozen(all.items[k])) {
                *a = k;
                *b = i;
            }
}

static bool put(const Run *r) {
    enum { MOST = 64 };
    Tensor *w[MOST];
    TensorList now = fmodule_params(r->f);
    if (now.count > MOST) return false;
    memcpy(w, now.items, now.count * sizeof(Tensor *));
    size_t a, b;
    find_pair(module_params(r->w->net), &a, &b);
    switch (r->c->put) {
    case PUT_STORED_OTHERWISE:
        for (size_t i = 0; i < now.count; i++)
            w[i] = stored_otherwise(now.items[i]);
        return fmodule_set_params(r->f, w, now.count);
    case PUT_SLICES:
        return fmodule_set_vector(r->f, fmodule_vector(r->f));
    case PUT_EXCHANGED:
        w[a] = now.items[b];
        w[b] = now.items[a];
        return fmodule_set_params(r->f, w, now.count);
    default:
        return true;
    }
}

static bool take_step(const Run *r, Tensor *loss) {
    TensorList w = fmodule_params(r->f);
    if (r->way->with) return diffopt_step_with(r->opt, loss, w.items, w.count);
    return r->way->release ? diffopt_step_release(r->opt, loss) : diffopt_step(r->opt, loss);
}

static bool unrolled_step(UnrollStep *step, void *user) {
    const Run *r = user;
    bool done = r->c->override != OVERRIDE_EACH_STEP ||
                diffopt_override(r->opt, "lr", HC_ALL_GROUPS, r->hyper[step->step]);
    return done && take_step(r, loss_of(r, step->step)) && put(r);
}

/* A budget that is too small leaves all as it was. */
static bool unroll_steps(Run *r) {
    UnrollOptions options = unroll_options(r->c->steps);
    options.keep = r->way->keep;
    options.every = r->way->every;
    bool done = false;
    for (options.max_bytes = 1024; !done; options.max_bytes += options.max_bytes / 8) {
        done = unroll(&r->opt, 1, options, unrolled_step, r);
        if (done || tape_status(r->tape) != HC_ERR_RANGE || options.max_bytes >> 30) break;
        tape_clear_error(r->tape);
        higherc_clear_error();
    }
    return done;
}

/* Puts weights, buffers and state where they came from, and begins again from there. */
static bool begin_again(Run *r, uint64_t data) {
    bool done = diffopt_commit(r->opt, r->w->optim) && fmodule_commit(r->f, r->w->net);
    tape_reset(r->tape);
    run_data(r, data);
    return done && run_begin(r);
}

static bool run_steps(Run *r, uint64_t data) {
    if (r->way->unrolled) return unroll_steps(r);
    bool done = true;
    for (size_t t = 0; t < r->c->steps && done; t++) {
        if (r->way->split && t == r->c->steps / 2) done = begin_again(r, data);
        if (r->c->override == OVERRIDE_EACH_STEP)
            done = done && diffopt_override(r->opt, "lr", HC_ALL_GROUPS, r->hyper[t]);
        if (r->way->detour) {
            TapeMark mark = tape_mark(r->tape);
            done = done && diffopt_step(r->opt, loss_of(r, t)) && put(r) &&
                   tape_release(r->tape, mark);
        }
        done = done && take_step(r, loss_of(r, t)) && put(r);
    }
    return done;
}

static bool append_result(Bits *bits, const Run *r) {
    bool done = true;
    TensorList w = fmodule_params(r->f);
    for (size_t i = 0; i < w.count && done; i++)
        done = append_tensor(bits, w.items[i]);
    return done;
}

/* States and buffers, by way of a module and an optimizer like them. */
static bool append_committed(Bits *bits, const Run *r) {
    World other;
    Combination plain = *r->c;
    plain.schedule = 0;
    world_begin(&other, &plain);
    bool done = diffopt_commit(r->opt, other.optim) && fmodule_commit(r->f, other.net);
    append_params(bits, module_params(other.net));
    append_params(bits, module_buffers(other.net));
    append_states(bits, other.optim, module_params(other.net));
    world_end(&other);
    return done;
}

static void append_grads(Bits *grads, Bits *reached, const World *w) {
    append_param_grads(grads, reached, module_params(w->net));
    append_param_grads(grads, reached, optim_learned(w->optim));
}

/* Gradients to W<0> where they would else go to the Params; absent for a frozen one, as there. */
static bool append_copied(Bits *grads, Bits *reached, const Run *r, Tensor *loss) {
    TensorList first = fmodule_params_at(r->f, 0);
    bool done = true;
    for (size_t i = 0; i < first.count && done; i++) {
        Tensor *g = NULL;
        if (tensor_requires_grad(first.items[i]))
            done = tensor_grad(loss, &first.items[i], 1, &g, HC_ALLOW_UNUSED);
        *append(reached, 1) = g != NULL;
        done = done && append_tensor(grads, g ? g : tensor_zeros(r->tape, tensor_shape(first.items[i])));
    }
    ParamList learned = optim_learned(r->w->optim);
    bool reaches = false;
    for (size_t i = 0; i < learned.count; i++)
        reaches = reaches || tensor_reaches(loss, learned.items[i]);
    if (done && reaches) done = tensor_backward(loss);
    append_param_grads(grads, reached, learned);
    return done;
}

bool ways_recorded(const Combination *c, const Way *way, Bits *bits, Bits *grads) {
    World w;
    world_begin(&w, c);
    Run r = {.c = c, .way = way, .w = &w, .tape = tape_create(c->dtype)};
    Pool *pool = way->pool ? pool_create(2) : NULL;
    tape_set_pool(r.tape, pool);
    tape_seed(r.tape, c->seed);
    run_data(&r, c->seed);
    bool done = (way->late || world_schedule(&w, c)) && run_begin(&r) && run_steps(&r, c->seed) &&
                append_result(bits, &r) && append_committed(bits, &r);
    if (done && way->mode != HC_EVAL && !way->split) {
        Bits reached = {0};
        Tensor *loss = loss_of(&r, c->steps);
        done = append_tensor(bits, loss) &&
               (way->copied ? append_copied(grads, &reached, &r, loss) : tensor_backward(loss));
        if (!way->copied) append_grads(grads, &reached, &w);
        append_params(grads, module_buffers(w.net));
        done = done && append_tensor(grads, loss_of(&r, 0));
        append_reached(grads, &reached, way);
    }
    tape_destroy(r.tape);
    pool_destroy(pool);
    world_end(&w);
    return done;
}

/* ---- in place ------------------------------------------------------------------------------------------ */

static void exchange(Module *net) {
    size_t a, b;
    ParamList all = module_params(net);
    find_pair(all, &a, &b);
    Param *p = all.items[a], *q = all.items[b];
    if (p == q) return;
    size_t count = param_count(p);
    double *v = malloc(2 * count * sizeof *v);
    if (!v) abort();
    for (size_t i = 0; i < count; i++) {
        v[i] = param_get(p, i);
        v[count + i] = param_get(q, i);
    }
    CHECK(param_set_f64(p, v + count, count) && param_set_f64(q, v, count));
    free(v);
}

bool ways_in_place(const Combination *c, Bits *bits) {
    static const Way plain = {.name = "in place"};
    World w;
    world_begin(&w, c);
    Run r = {.c = c, .way = &plain, .w = &w, .tape = tape_create(c->dtype)};
    tape_seed(r.tape, c->seed);
    bool done = world_schedule(&w, c);
    for (size_t t = 0; t < c->steps && done; t++) {
        tape_reset(r.tape);
        optim_zero_grad(w.optim);
        run_data(&r, c->seed);
        done = tensor_backward(loss_of(&r, t)) && optim_step(w.optim);
        if (c->put == PUT_EXCHANGED) exchange(w.net);
    }
    ParamList all = module_params(w.net);
    for (size_t i = 0; i < all.count; i++)
        append_numbers(bits, param_data(all.items[i]), param_count(all.items[i]), c->dtype);
    append_params(bits, all);
    append_params(bits, module_buffers(w.net));
    append_states(bits, w.optim, all);
    tape_reset(r.tape);
    run_data(&r, c->seed);
    done = done && append_tensor(bits, loss_of(&r, c->steps));
    tape_destroy(r.tape);
    world_end(&w);
    return done;
}

/* ---- replayed ------------------------------------------------------------------------------------------- */

static bool give(Program *program, const Run *r) {
    bool done = true;
    for (size_t i = 0; i <= 2 * r->c->steps + 1 && done; i++) {
        Tensor *x = i % 2 ? r->target[i / 2] : r->in[i / 2];
        Bits numbers = {0};
        done =
            append_tensor(&numbers, x) && program_set_f64(program, i, tensor_shape(x), numbers.v);
        free(numbers.v);
    }
    return done;
}

/* Captured on other numbers than it is run on. */
bool ways_replayed(const Combination *c, const Way *way, Bits *bits, Bits *grads) {
    World w;
    Tensor *in[2 * MOST_STEPS + 2];
    world_begin(&w, c);
    Run r = {.c = c, .way = way, .w = &w, .tape = tape_create(c->dtype)};
    run_data(&r, c->seed + 1000);
    for (size_t t = 0; t <= c->steps; t++) {
        in[2 * t] = r.in[t];
        in[2 * t + 1] = r.target[t];
    }
    Program *program = NULL;
    Bits reached = {0};
    bool done = world_schedule(&w, c) && run_begin(&r) && run_steps(&r, 0);
    if (done) {
        Tensor *loss = loss_of(&r, c->steps);
        TensorList last = fmodule_params(r.f);
        program = program_capture(r.tape, in, 2 * c->steps + 2, last.items, last.count, loss);
        done = program != NULL;
    }
    tape_reset(r.tape);
    for (uint64_t run = 2; run-- > 0 && done;) {
        tape_reset(r.tape);
        run_data(&r, c->seed + 500 * run);
        optim_zero_grad(w.optim);
        for (size_t i = 0; i < module_params(w.net).count; i++)
            param_zero_grad(module_params(w.net).items[i]);
        for (size_t i = 0; i < optim_learned(w.optim).count; i++)
            param_zero_grad(optim_learned(w.optim).items[i]);
        done = give(program, &r) && program_run(program);
    }
    for (size_t i = 0; i < module_params(w.net).count && done; i++)
        append_numbers(bits, program_output(program, i),
                       shape_count(program_output_shape(program, i)), c->dtype);
    append_grads(grads, &reached, &w);
    free(reached.v);
    program_destroy(program);
    tape_destroy(r.tape);
    world_end(&w);
    return done;
}

/* ---- tasks ----------------------------------------------------------------------------------------------- */

typedef struct Batch {
    const Combination *c;
    const Way *way;
    World w;
    Bits bits[TASKS];
} Batch;

static bool task(Task *task, void *user) {
    Batch *b = user;
    Run r = {.c = b->c, .way = b->way, .w = &b->w, .tape = task->tape};
    uint64_t data = rng_u64(&task->rng);
    run_data(&r, data);
    if (!run_begin(&r) || !run_steps(&r, data) || !append_result(&b->bits[task->index], &r))
        return false;
    Tensor *loss = loss_of(&r, b->c->steps);
    return task->grads ? tensor_backward_into(loss, task->grads) : tensor_backward(loss);
}

bool ways_tasks(const Combination *c, const Way *way, size_t threads, Bits *bits, Bits *grads) {
    Batch b = {.c = c, .way = way};
    Bits reached = {0};
    Rng seeds = rng_seed(c->seed);
    world_begin(&b.w, c);
    bool done = world_schedule(&b.w, c);
    if (threads) {
        Pool *pool = pool_create(threads);
        Tasks *tasks = tasks_create(pool, module_params(b.w.net), c->dtype);
        done = done && tasks_add_params(tasks, optim_learned(b.w.optim)) &&
               tasks_run(tasks, TASKS, &seeds, task, &b);
        tasks_destroy(tasks);
        pool_destroy(pool);
    } else {
        Tape *tape = tape_create(c->dtype);
        for (size_t i = 0; i < TASKS && done; i++) {
            Task one = {.index = i, .tape = tape, .rng = rng_split(&seeds)};
            Rng rng = one.rng;
            tape_reset(tape);
            tape_seed(tape, rng_u64(&rng));
            one.rng = rng;
            done = task(&one, &b);
        }
        tape_destroy(tape);
    }
    for (size_t i = 0; i < TASKS; i++) {
        memcpy(append(bits, b.bits[i].count), b.bits[i].v, b.bits[i].count * sizeof(double));
        free(b.bits[i].v);
    }
    append_grads(grads, &reached, &b.w);
    append_reached(grads, &reached, way);
    world_end(&b.w);
    return done;
}
