/* Out of memory, at each allocation in turn, and at each end of what a tape may take. Whole scenarios must fail in
 * words and leave nothing behind; a single call on living objects must leave them as they were, and work when it is
 * made again. */
#include <stdio.h>
#include <string.h>

#include "support/failing.h"
#include "support/refuse.h"

enum { N = 4, MOST = 512, MOST_ALLOWED = 4000 };

static const double xs[N] = {-2, -0.3, 0.4, 1.2}, ys[N] = {1, 0.3, -0.4, 0.5};

/* ---- a module with a buffer ---------------------------------------------------------------------- */

static bool scaled_forward(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    if (nin != 1 || nout != 1) return false;
    Tensor *mean = frame_buffer(frame, "mean");
    Tensor *next =
        tensor_add(tensor_mul_scalar(mean, 0.9), tensor_mul_scalar(tensor_mean(in[0]), 0.1));
    if (!frame_set_buffer(frame, "mean", next)) return false;
    out[0] = tensor_mul(tensor_sub(in[0], mean), frame_param(frame, "scale"));
    return out[0] != NULL;
}

static bool scaled_init(Module *module, Rng *rng) {
    (void)rng;
    return param_fill(module_param(module, "scale"), 1.5);
}

static Module *scaled(void) {
    static const ModuleClass cls = {
        .name = "scaled", .forward = scaled_forward, .init = scaled_init};
    Module *module = module_create(&cls, NULL);
    if (module && module_add_param(module, "scale", shape_scalar()) &&
        module_add_buffer(module, "mean", shape_scalar(), 0.25))
        return module;
    module_destroy(module);
    return NULL;
}

/* ---- the world every case starts from ------------------------------------------------------------------ */

typedef struct World {
    Tape *tape;
    Module *net, *copy, *pool;
    Optim *inner, *outer, *plain;
    Grads *grads;
    FModule *f;
    DiffOpt *opt;
    Tensor *x, *y, *loss, *lr, *leaf, *energy;
    Tensor *out[4];
    bool adam;
} World;

static Tensor *loss_of(FModule *f, Tensor *x, Tensor *y) {
    return tensor_mse_loss(fmodule_forward(f, x), y);
}

static Optim *make_inner(Module *net, bool adam) {
    AdamOptions a = adam_options(0.05);
    a.amsgrad = true;
    SgdOptions s = sgd_options(0.05);
    s.momentum = 0.9;
    s.dampening = 0.5;
    /* Two groups, not in the module's order. */
    ParamList all = module_params(net);
    if (all.count < 3) return NULL; /* without memory for the list */
    ParamList last = {all.items + 2, all.count - 2}, first = {all.items, 2};
    Optim *optim = adam ? optim_adam(last, a) : optim_sgd(last, s);
    if (optim && optim_add_group(optim, first) != SIZE_MAX) return optim;
    optim_destroy(optim);
    return NULL;
}

static Module *make_net(void) {
    Rng rng = rng_seed(5);
    Module *layers[] = {module_linear(1, 3), module_tanh(), scaled(), module_linear(3, 1)};
    Module *net = module_sequential(layers, 4);
    if (module_to(net, HC_F64) && module_init(net, &rng)) return net;
    module_destroy(net);
    return NULL;
}

/* How memory ends: at the n-th allocation, or where the tape has taken so many units of memory. */
static bool by_units;

static void allow(World *w, size_t allowed) {
    if (by_units)
        failing_units(w->tape, allowed);
    else
        failing_after(allowed);
}

static void allow_all(World *w) {
    failing_units_never(w->tape);
    failing_never();
}

static bool make_world(World *w, FMode mode, bool adam) {
    TapeOptions options = tape_options(HC_F64);
    options.block_bytes = by_units ? 1 : 1024; /* many small blocks, so that much can fail */
    *w = (World){.tape = tape_create_with(options), .net = make_net(), .adam = adam};
    w->copy = module_clone(w->net);
    w->inner = make_inner(w->net, adam);
    w->outer = make_inner(w->net, true);
    w->plain = make_inner(w->net, adam);
    w->grads = grads_create(module_params(w->net));
    w->x = tensor_from_f64(w->tape, shape2(N, 1), xs);
    w->y = tensor_from_f64(w->tape, shape2(N, 1), ys);
    w->lr = tensor_leaf(tensor_scalar(w->tape, 0.03));
    w->leaf = tensor_leaf(tensor_from_f64(w->tape, shape2(N, 1), xs));
    w->energy = tensor_sum(tensor_exp(tensor_mul(w->leaf, tensor_sin(w->leaf))));
    FModuleOptions how = fmodule_options(false);
    how.mode = mode;
    w->f = fmodule_create_with(w->tape, w->net, how);
    w->opt = diffopt_create(w->inner, w->f);
    if (!diffopt_step(w->opt, loss_of(w->f, w->x, w->y))) return false;
    w->loss = loss_of(w->f, w->x, w->y);
    return w->loss != NULL;
}

static void end_world(World *w) {
    tape_destroy(w->tape);
    grads_destroy(w->grads);
    optim_destroy(w->inner);
    optim_destroy(w->outer);
    optim_destroy(w->plain);
    module_destroy(w->net);
    module_destroy(w->copy);
}

/* ---- what can be seen of it -------------------------------------------------------------------------------- */

typedef struct Picture {
    double values[MOST];
    size_t count;
} Picture;

static void see(Picture *p, double value) {
    if (p->count < MOST) p->values[p->count++] = value;
}

static void see_tensors(Picture *p, TensorList list) {
    for (size_t i = 0; i < list.count; i++) {
        double v[16];
        size_t n = tensor_count(list.items[i]);
        CHECK(n <= 16 && tensor_copy_to_f64(list.items[i], v, n));
        for (size_t e = 0; e < n; e++)
            see(p, v[e]);
    }
}

static void see_module(Picture *p, Module *module) {
    ParamList lists[] = {module_params(module), module_buffers(module)};
    for (size_t l = 0; l < 2; l++)
        for (size_t i = 0; i < lists[l].count; i++)
            for (size_t e = 0; e < param_count(lists[l].items[i]); e++) {
                see(p, param_get(lists[l].items[i], e));
                see(p, param_grad(lists[l].items[i]) ? param_grad_get(lists[l].items[i], e) : 1e9);
            }
}

static void see_optim(Picture *p, const Optim *optim, bool adam) {
    const char *names[] = {"exp_avg", "exp_avg_sq", "max_exp_avg_sq"};
    if (!adam) names[0] = "momentum_buffer";
    for (size_t g = 0; g < optim_group_count(optim); g++) {
        ParamList list = optim_group_params(optim, g);
        for (size_t i = 0; i < list.count; i++) {
            see(p, (double)optim_param_steps(optim, list.items[i]));
            for (size_t s = 0; s < (adam ? 3u : 1u); s++) {
                const double *state = optim_param_state(optim, list.items[i], names[s]);
                see(p, state ? state[0] : 1e9);
            }
        }
    }
    see(p, optim_get(optim, "lr", 0));
}

static Picture look(World *w) {
    Picture p = {.count = 0};
    size_t count = 0;
    see_module(&p, w->net);
    see_module(&p, w->copy);
    see_optim(&p, w->inner, w->adam);
    see_optim(&p, w->outer, true);
    see_optim(&p, w->plain, w->adam);
    for (size_t i = 0; i < module_params(w->net).count; i++) {
        const double *g = grads_get(w->grads, i);
        see(&p, g ? g[0] : 1e9);
    }
    see_tensors(&p, fmodule_params(w->f));
    see(&p, tensor_item(fmodule_buffer(w->f, "2.mean")));
    see(&p, (double)fmodule_steps(w->f) * 100 + (double)diffopt_steps(w->opt) * 10 +
                fmodule_training(w->f));
    for (size_t t = 0; t <= fmodule_steps(w->f); t++)
        see_tensors(&p, fmodule_params_at(w->f, t));
    see(&p, tensor_item(w->energy));
    see(&p, tensor_requires_grad(fmodule_params(w->f).items[0]));
    for (size_t i = 0; i < 4; i++)
        see(&p, w->out[i] != NULL);
    CHECK(count == 0 && p.count < MOST);
    return p;
}

/* ---- single calls --------------------------------------------------------------------------------------------- */

static bool double_grads(Tape *tape, Tensor **grads, size_t count, void *user) {
    (void)user;
    (void)tape;
    for (size_t i = 0; i < count; i++)
        if (grads[i] && !(grads[i] = tensor_mul_scalar(grads[i], 2))) return false;
    return true;
}

static bool act_step(World *w) {
    return diffopt_step(w->opt, w->loss);
}
static bool act_step_with(World *w) {
    return diffopt_step_with(w->opt, w->loss, fmodule_params(w->f).items,
                             fmodule_params(w->f).count);
}
static bool act_step_release(World *w) {
    return diffopt_step_release(w->opt, w->loss);
}
static bool act_detach(World *w) {
    return diffopt_detach(w->opt);
}
static bool act_fmodule_detach(World *w) {
    return fmodule_detach(w->f);
}
static bool act_override(World *w) {
    return diffopt_override(w->opt, "lr", 0, w->lr);
}
static bool act_override_all(World *w) {
    return diffopt_override(w->opt, "lr", HC_ALL_GROUPS, w->lr);
}
static bool act_callback(World *w) {
    return diffopt_grad_callback(w->opt, double_grads, NULL);
}
static bool act_clip(World *w) {
    return diffopt_clip_norm(w->opt, 0.1, 1e-6);
}
static bool act_clip_value(World *w) {
    return diffopt_clip_value(w->opt, 0.1);
}
static bool act_forward(World *w) {
    return fmodule_forward(w->f, w->x) != NULL;
}
static bool act_child(World *w) {
    return fmodule_child(w->f, "0") != NULL;
}
static bool act_train(World *w) {
    return fmodule_train(w->f, false);
}
static bool act_set_params(World *w) {
    return fmodule_set_params(w->f, fmodule_params_at(w->f, 0).items, fmodule_params(w->f).count);
}
static bool act_commit(World *w) {
    return fmodule_commit(w->f, w->copy);
}
static bool act_opt_commit(World *w) {
    return diffopt_commit(w->opt, w->plain);
}
static bool act_backward(World *w) {
    return tensor_backward(w->loss);
}
static bool act_backward_into(World *w) {
    return tensor_backward_into(w->loss, w->grads);
}
static bool act_add_to_params(World *w) {
    return grads_add_to_params(w->grads);
}
static bool act_optim_step(World *w) {
    return optim_step(w->outer);
}
static bool act_add_grad(World *w) {
    double one = 1;
    return param_add_grad_f64(module_param(w->net, "2.scale"), &one, 1);
}
static bool act_create(World *w) {
    FModule *f = fmodule_create(w->tape, w->net, true);
    return f && diffopt_create(w->outer, f) != NULL;
}
static bool act_vector(World *w) {
    return (w->out[0] = fmodule_vector(w->f)) != NULL;
}
static bool act_set_vector(World *w) {
    return fmodule_set_vector(w->f, tensor_mul_scalar(fmodule_vector(w->f), 0.5));
}
static bool act_set_param(World *w) {
    return fmodule_set_param(w->f, "0.bias", tensor_full(w->tape, shape1(3), 0.5));
}
static bool act_schedule(World *w) {
    Schedule half = schedule_exponential(hyper_const(0.5)), both = schedule_then(&half, 1, &half);
    return diffopt_schedule(w->opt, "lr", 0, &both);
}
static bool act_override_param(World *w) {
    return diffopt_override_param(w->opt, "lr", module_params(w->net).items[1], w->lr);
}
static bool act_forward_with(World *w) {
    TensorList list = fmodule_params(w->f);
    return (w->out[0] = fmodule_forward_with(w->f, list.items, list.count, w->x)) != NULL;
}
static bool act_capture(World *w) {
    Program *program = program_capture(w->tape, &w->x, 1, &w->energy, 1, NULL);
    bool done = program && program_run(program);
    program_destroy(program);
    return done;
}
static bool act_add_group(World *w) {
    return optim_add_group(w->outer, module_params(w->copy)) != SIZE_MAX;
}
static bool act_grad(World *w) {
    return tensor_grad(w->energy, &w->leaf, 1, w->out, 0);
}
static bool act_grad_graph(World *w) {
    return tensor_grad(w->energy, &w->leaf, 1, w->out, HC_CREATE_GRAPH);
}
static bool act_vjp(World *w) {
    return tensor_vjp(w->energy, w->lr, &w->leaf, 1, w->out, HC_CREATE_GRAPH);
}
static bool act_hvp(World *w) {
    return tensor_hvp(w->energy, &w->leaf, 1, &w->x, w->out, 0);
}
static bool act_jvp(World *w) {
    return (w->out[0] = tensor_jvp(w->energy, &w->leaf, 1, &w->x, 0)) != NULL;
}
static bool act_dot(World *w) {
    bool done = tape_write_dot(w->tape, w->loss, "test_nomem.dot");
    remove("test_nomem.dot");
    return done;
}

typedef struct Case {
    const char *name;
    bool (*act)(World *);
    bool changes; /* something in the picture */
    bool ready;   /* gradients are there before */
} Case;

static const Case cases[] = {{"step", act_step, true, false},
                             {"step_with", act_step_with, true, false},
                             {"detach", act_detach, false, false},
                             {"fmodule_detach", act_fmodule_detach, false, false},
                             {"override", act_override, false, false},
                             {"override of all", act_override_all, false, false},
                             {"callback", act_callback, false, false},
                             {"clip_norm", act_clip, false, false},
                             {"clip_value", act_clip_value, false, false},
                             {"forward", act_forward, true, false},
                             {"child", act_child, false, false},
                             {"train", act_train, true, false},
                             {"set_params", act_set_params, true, false},
                             {"create", act_create, false, false},
                             {"vector", act_vector, true, false},
                             {"set_vector", act_set_vector, true, false},
                             {"set_param", act_set_param, true, false},
                             {"schedule", act_schedule, false, false},
                             {"override_param", act_override_param, false, false},
                             {"forward_with", act_forward_with, true, false},
                             {"capture", act_capture, false, false},
                             {"commit", act_commit, true, false},
                             {"diffopt_commit", act_opt_commit, true, false},
                             {"backward", act_backward, true, false},
                             {"backward_into", act_backward_into, true, false},
                             {"add_to_params", act_add_to_params, true, true},
                             {"optim_step", act_optim_step, true, true},
                             {"add_grad", act_add_grad, true, false},
                             {"add_group", act_add_group, true, false},
                             {"grad", act_grad, true, false},
                             {"grad with a graph", act_grad_graph, true, false},
                             {"vjp", act_vjp, true, false},
                             {"hvp", act_hvp, true, false},
                             {"jvp", act_jvp, true, false},
                             {"write_dot", act_dot, false, false}};

static bool same(const Picture *a, const Picture *b) {
    return a->count == b->count && memcmp(a->values, b->values, a->count * sizeof *a->values) == 0;
}

/* One call with `allowed` allocations in a fresh world; true when they were enough. */
static bool try_with(const Case *c, FMode mode, bool adam, size_t allowed, const Picture *after) {
    World w;
    CHECK(make_world(&w, mode, adam));
    if (c->ready) {
        CHECK(tensor_backward_into(w.loss, w.grads));
        if (c->act == act_optim_step) CHECK(grads_add_to_params(w.grads));
    }
    tape_trim(w.tape);
    Picture before = look(&w);
    tape_trim(w.tape);
    allow(&w, allowed);
    bool done = c->act(&w);
    allow_all(&w);
    bool right = done == (higherc_error() == NULL);
    if (!done) {
        right = right && higherc_status() == HC_ERR_NOMEM;
        higherc_clear_error();
        tape_clear_error(w.tape);
        Picture now = look(&w);
        right = right && same(&before, &now);
        right = right && c->act(&w); /* again, with memory */
    }
    Picture now = look(&w);
    if (after) right = right && same(&now, after);
    right = right && same(&before, &now) == !c->changes;
    if (!right)
        printf("  %s, mode %d, %s: %zu allocations: %s\n", c->name, (int)mode,
               adam ? "adam" : "sgd", allowed, higherc_error() ? higherc_error() : "not as before");
    CHECK(right);
    higherc_clear_error();
    /* and life goes on */
    CHECK(diffopt_step(w.opt, loss_of(w.f, w.x, w.y)));
    end_world(&w);
    return done;
}

static void single_calls(void) {
    failing_begin();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int kind = 0; kind < 4; kind++) {
            static const FMode modes[] = {HC_FULL, HC_FULL, HC_FIRST_ORDER, HC_EVAL};
            const Case *c = &cases[i];
            bool backs = c->act == act_backward || c->act == act_backward_into || c->ready;
            if (modes[kind] == HC_EVAL && backs) continue; /* no history to go back through */
            World w;
            CHECK(make_world(&w, modes[kind], kind > 0));
            if (c->ready) {
                CHECK(tensor_backward_into(w.loss, w.grads));
                if (c->act == act_optim_step) CHECK(grads_add_to_params(w.grads));
            }
            CHECK(c->act(&w));
            Picture after = look(&w);
            end_world(&w);
            size_t allowed = 0;
            while (!try_with(c, modes[kind], kind > 0, allowed, &after) && allowed < MOST_ALLOWED)
                allowed++;
            CHECK(allowed < MOST_ALLOWED);
        }
    failing_end();
}

/* Settings made of tensors that a release frees: with values of their own, and a schedule. */
static bool set_all(World *w) {
    Schedule half = schedule_exponential(hyper_const(0.5));
    return diffopt_override(w->opt, "lr", HC_ALL_GROUPS, tensor_mul_scalar(w->lr, 2)) &&
           diffopt_override_param(w->opt, "eps", module_params(w->net).items[0], tensor_mul_scalar(w->lr, 1e-6)) &&
           diffopt_schedule(w->opt, "lr", HC_ALL_GROUPS, &half);
}

/* A release step may lose what it was to free, but neither weights nor state. */
static void release_steps(void) {
    failing_begin();
    for (int way = 0; way < 4; way++) {
        FMode mode = way < 2 ? HC_FIRST_ORDER : HC_EVAL;
        bool done = false, set = way % 2;
        for (size_t allowed = 0; !done && allowed < MOST_ALLOWED; allowed++) {
            World w;
            CHECK(make_world(&w, mode, true));
            if (set) CHECK(set_all(&w));
            tape_trim(w.tape);
            Picture before = {.count = 0}, now = {.count = 0};
            see_tensors(&before, fmodule_params(w.f));
            allow(&w, allowed);
            done = act_step_release(&w);
            allow_all(&w);
            CHECK(done || higherc_status() == HC_ERR_NOMEM);
            higherc_clear_error();
            tape_clear_error(w.tape);
            see_tensors(&now, fmodule_params(w.f));
            CHECK(same(&before, &now) == !done);
            CHECK(fmodule_steps(w.f) == (done ? 2u : 1u) &&
                  diffopt_steps(w.opt) == fmodule_steps(w.f));
            end_world(&w);
        }
        CHECK(done);
    }
    failing_end();
}

/* ---- whole scenarios ------------------------------------------------------------------------------------------- */

static bool loop(FMode mode, bool adam) {
    World w;
    bool done = make_world(&w, mode, adam);
    done = done && diffopt_override(w.opt, "lr", HC_ALL_GROUPS, w.lr);
    done = done && diffopt_clip_norm(w.opt, 1, 1e-6) && diffopt_step(w.opt, w.loss);
    done = done && diffopt_clip_value(w.opt, 0.5);
    done = done && diffopt_step(w.opt, loss_of(w.f, w.x, w.y)) && diffopt_detach(w.opt);
    done = done && diffopt_step(w.opt, loss_of(w.f, w.x, w.y));
    Tensor *meta = done ? loss_of(w.f, w.x, w.y) : NULL, *g = NULL;
    done = meta && (mode == HC_EVAL || tensor_grad(meta, &w.lr, 1, &g, HC_CREATE_GRAPH));
    done = done && (mode != HC_FULL || tensor_grad(g, &w.lr, 1, &g, 0));
    done = done && (mode == HC_EVAL || tensor_backward(w.loss)) && diffopt_commit(w.opt, w.plain) &&
           fmodule_commit(w.f, w.copy) && tape_write_dot(w.tape, NULL, "test_nomem.dot");
    remove("test_nomem.dot");
    end_world(&w);
    return done;
}

static bool full_sgd(void) {
    return loop(HC_FULL, false);
}
static bool full_adam(void) {
    return loop(HC_FULL, true);
}
static bool first_order(void) {
    return loop(HC_FIRST_ORDER, true);
}
static bool eval(void) {
    return loop(HC_EVAL, false);
}

static Tensor *wavy(Tensor *const *x, size_t n, void *user) {
    (void)n;
    (void)user;
    return tensor_sin(tensor_square(x[0]));
}

static bool checks(void) {
    Tape *tape = tape_create(HC_F64);
    Tensor *x = tensor_from_f64(tape, shape1(2), xs);
    bool done = x && gradcheck(wavy, &x, 1, gradcheck_options(HC_F64), NULL);
    Rng rng = rng_seed(1);
    Tensor *big = done ? tensor_uniform(tape, shape3(20, 30, 10), 0, 1, &rng) : NULL;
    Tensor *parts[6] = {big, big, big, big, big, big};
    Tensor *wide =
        tensor_concat(parts, big ? 6 : 0, 1); /* more inputs than a node holds in place */
    done = wide && tensor_data(tensor_transpose(wide, 0, 2)) != NULL;
    double *room = NULL;
    done = done && tensor_matmul(tensor_transpose(wide, 1, 2), tensor_slice(wide, 2, 0, 3, 1));
    done = done && !tensor_copy_to_f64(wide, room, 0);
    if (done) { /* only to see that it was refused */
        higherc_clear_error();
        tape_clear_error(tape);
    }
    tape_destroy(tape);
    return done;
}

int main(void) {
    for (int units = 0; units < 2; units++) {
        by_units = units > 0;
        single_calls();
        release_steps();
    }
    by_units = false;
    fail_each_allocation("full, sgd", full_sgd);
    fail_each_allocation("full, adam", full_adam);
    fail_each_allocation("first order", first_order);
    fail_each_allocation("eval", eval);
    fail_each_allocation("checks", checks);
    CHECK(higherc_error() == NULL);
    if (higherc_error()) CHECK_ERROR("none");
    return check_done();
}
