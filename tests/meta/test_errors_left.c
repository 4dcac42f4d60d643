/* A function of the caller's that goes on after an error and says that all is well: wherever the library calls one it
 * has failed, unless it cleared the error; what was in the thread before is not held against it. */
#include <stdio.h>
#include <string.h>

#include "support/refuse.h"

static enum { LEAVES, CLEARS, NOTHING, WAYS } way;

/* An error of which no tape hears. */
static void err(void) {
    if (way != NOTHING) rng_u64(NULL);
    if (way == CLEARS) higherc_clear_error();
}

typedef struct World {
    Tape *tape;
    Pool *pool;
    Module *net;
    Optim *sgd;
    FModule *f;
    DiffOpt *opt;
    Tensor *x;
} World;

static void begin(World *w) {
    Rng rng = rng_seed(3);
    *w = (World){.tape = tape_create(HC_F32), .pool = pool_create(1), .net = module_linear(2, 1)};
    CHECK(module_init(w->net, &rng));
    w->sgd = optim_sgd(module_params(w->net), sgd_options(0.1));
    w->f = fmodule_create(w->tape, w->net, false);
    w->opt = diffopt_create(w->sgd, w->f);
    w->x = tensor_leaf(tensor_ones(w->tape, shape2(3, 2)));
}

static void end(World *w) {
    tape_destroy(w->tape);
    optim_destroy(w->sgd);
    module_destroy(w->net);
    pool_destroy(w->pool);
}

/* ---- loops ---------------------------------------------------------------------------------- */

static Tensor *loss_of(FModule *f) {
    return tensor_mean(tensor_square(fmodule_forward(f, tensor_ones(fmodule_tape(f), shape2(3, 2)))));
}

static Tensor *bad_loss(FModule *f, void *user) {
    (void)user;
    err();
    return loss_of(f);
}

static bool good_step(UnrollStep *step, void *user) {
    const World *w = user;
    return diffopt_step(step->opts[0], loss_of(w->f));
}

static bool bad_step(UnrollStep *step, void *user) {
    err();
    return good_step(step, user);
}

static bool bad_judge(UnrollStep *step, void *user) {
    (void)user;
    err();
    return step->step > 0;
}

static bool bad_progress(size_t done, void *user) {
    (void)user;
    err();
    return done > 0;
}

static bool stored(World *w) {
    UnrollOptions o = unroll_options(3);
    o.keep = HC_KEEP_ALL;
    return unroll(&w->opt, 1, o, bad_step, w);
}

static bool kept(World *w) {
    return unroll(&w->opt, 1, unroll_options(3), bad_step, w);
}

static bool judged(World *w) {
    UnrollOptions o = unroll_options(4);
    o.window = 2;
    o.judge = bad_judge;
    return unroll(&w->opt, 1, o, good_step, w);
}

static bool told(World *w) {
    UnrollOptions o = unroll_options(4);
    o.progress = bad_progress;
    return unroll(&w->opt, 1, o, good_step, w);
}

static bool solved(World *w) {
    ImplicitOptions o = implicit_options();
    return implicit(w->f, bad_loss, o, w);
}

/* ---- modules, operations --------------------------------------------------------------------- */

static bool bad_forward(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    (void)frame;
    err();
    out[0] = nin == 1 && nout == 1 ? in[0] : NULL;
    return true;
}

static bool bad_init(Module *module, Rng *rng) {
    err();
    return module && rng;
}

static void *bad_clone(const void *state) {
    err();
    return (void *)(uintptr_t)state;
}

static size_t gone;

static void destroy_state(void *state) {
    gone += state != NULL;
}

static const ModuleClass bad_class = {.name = "bad", .forward = bad_forward, .init = bad_init};
static const ModuleClass cloned_class = {
    .name = "cloned", .forward = bad_forward, .clone_state = bad_clone, .destroy_state = destroy_state};

static bool forward_with(World *w, Module *module) {
    Tensor *y = module_forward(module, w->x);
    module_destroy(module);
    return y != NULL;
}

static bool forward(World *w) {
    return forward_with(w, module_create(&bad_class, NULL));
}

static bool nested(World *w) {
    Tensor *out = NULL;
    Module *child = module_create(&bad_class, NULL), *module = module_sequential(&child, 1);
    bool done = module_forward_n(module, &w->x, 1, &out, 1);
    CHECK(done == (out != NULL));
    module_destroy(module);
    return done;
}

static Tensor *bad_function(Tensor *x, void *user) {
    (void)user;
    err();
    return tensor_neg(x);
}

static bool lambda(World *w) {
    return forward_with(w, module_lambda(bad_function, NULL));
}

static bool init(World *w) {
    Module *module = module_create(&bad_class, NULL);
    Rng rng = rng_seed(tensor_count(w->x));
    bool done = module_init(module, &rng);
    module_destroy(module);
    return done;
}

static bool cloned(World *w) {
    gone = 0;
    Module *module = module_create(&cloned_class, w), *clone = module_clone(module);
    bool done = clone != NULL;
    module_destroy(clone);
    module_destroy(module);
    CHECK(gone == 2);
    return done;
}

static Tensor *bad_square(const CustomCall *call) {
    err();
    return tensor_square(call->inputs[0]);
}

static Tensor *square(const CustomCall *call) {
    return tensor_square(call->inputs[0]);
}

static bool bad_backward(const CustomCall *call, Tensor **grads) {
    err();
    grads[0] = tensor_mul(call->gradient, tensor_mul_scalar(call->inputs[0], 2));
    return true;
}

static const CustomClass forward_op = {.name = "forward", .forward = bad_square};
static const CustomClass backward_op = {.name = "backward", .forward = square, .backward = bad_backward};

static bool custom(World *w) {
    return tensor_custom(&forward_op, &w->x, 1, NULL) != NULL;
}

static bool swept(World *w, unsigned flags) {
    Tensor *y = tensor_sum(tensor_custom(&backward_op, &w->x, 1, NULL)), *g;
    return tensor_grad(y, &w->x, 1, &g, flags);
}

static bool released(World *w) {
    return swept(w, 0);
}

static bool recorded(World *w) {
    return swept(w, HC_CREATE_GRAPH);
}

static Tensor *bad_checked(Tensor *const *inputs, size_t count, void *user) {
    (void)user;
    err();
    return count == 1 ? tensor_square(inputs[0]) : NULL;
}

static bool checked(World *w) {
    return gradcheck(bad_checked, &w->x, 1, gradcheck_options(HC_F32), NULL);
}

/* ---- optimizers, tasks ----------------------------------------------------------------------- */

static bool bad_update(OptimUpdate *u, void *user) {
    (void)user;
    err();
    u->param = tensor_sub(u->param, u->grad);
    return true;
}

static const OptimClass rule = {.name = "rule", .update = bad_update};

static bool fast_rule(World *w) {
    Optim *optim = optim_create(&rule, module_params(w->net), NULL);
    bool done = diffopt_step(diffopt_create(optim, w->f), loss_of(w->f));
    optim_destroy(optim);
    return done;
}

static bool step_in_place(World *w, Optim *optim) {
    return tensor_backward(tensor_sum(module_forward(w->net, w->x))) && optim_step(optim);
}

static bool rule_in_place(World *w) {
    Optim *optim = optim_create(&rule, module_params(w->net), NULL);
    bool done = step_in_place(w, optim);
    optim_destroy(optim);
    return done;
}

static Hyper bad_factor(size_t step, void *user) {
    (void)user;
    err();
    return hyper_const(step > 0 ? 0.5 : 1);
}

static bool fast_schedule(World *w) {
    Schedule s = schedule_lambda(bad_factor, NULL);
    return diffopt_schedule(w->opt, "lr", HC_ALL_GROUPS, &s) && diffopt_step(w->opt, loss_of(w->f));
}

/* Looked at when it is set; then only in a step. */
static bool schedule_set(World *w) {
    Schedule s = schedule_lambda(bad_factor, NULL);
    return optim_schedule(w->sgd, "lr", HC_ALL_GROUPS, &s);
}

static Hyper bad_later(size_t step, void *user) {
    return step > 0 || *(const bool *)user ? bad_factor(step, NULL) : hyper_const(1);
}

static bool schedule_in_place(World *w) {
    static bool now;
    now = false;
    Schedule s = schedule_lambda(bad_later, &now);
    bool done = optim_schedule(w->sgd, "lr", HC_ALL_GROUPS, &s);
    now = true;
    return done && step_in_place(w, w->sgd);
}

static bool bad_callback(Tape *tape, Tensor **grads, size_t count, void *user) {
    (void)tape;
    (void)grads;
    (void)user;
    err();
    return count > 0;
}

static bool called_back(World *w) {
    return diffopt_grad_callback(w->opt, bad_callback, NULL) && diffopt_step(w->opt, loss_of(w->f));
}

static bool bad_closure(double *loss, void *user) {
    const World *w = user;
    Tensor *value = tensor_mean(tensor_square(module_forward(w->net, w->x)));
    err();
    *loss = tensor_item(value);
    return tensor_backward(value);
}

static bool closed(World *w) {
    Lbfgs *lbfgs = lbfgs_create(module_params(w->net), lbfgs_options());
    bool done = lbfgs_step(lbfgs, bad_closure, w, NULL);
    lbfgs_destroy(lbfgs);
    return done;
}

static bool bad_task(Task *task, void *user) {
    (void)user;
    err();
    return task->tape != NULL;
}

static bool ran(World *w) {
    Rng rng = rng_seed(1);
    Tasks *tasks = tasks_create(w->pool, module_params(w->net), HC_F32);
    bool done = tasks_run(tasks, 2, &rng, bad_task, NULL);
    tasks_destroy(tasks);
    return done;
}

static void *bad_worker(size_t worker, Tape *tape, void *user) {
    err();
    return worker == 0 && tape ? user : NULL;
}

static void end_worker(void *state, void *user) {
    gone += state == user;
}

static bool made(World *w) {
    TasksOptions o = tasks_options(HC_F32);
    o.create = bad_worker;
    o.destroy = end_worker;
    o.user = w;
    gone = 0;
    Tasks *tasks = tasks_create_with(w->pool, module_params(w->net), o);
    bool done = tasks != NULL;
    tasks_destroy(tasks);
    CHECK(gone == 1);
    return done;
}

/* ---- all ------------------------------------------------------------------------------------- */

typedef struct Place {
    const char *name;
    bool (*call)(World *w);
} Place;

static const Place places[] = {{"unroll, stored", stored},
                               {"unroll", kept},
                               {"judge", judged},
                               {"progress", told},
                               {"implicit", solved},
                               {"forward", forward},
                               {"forward of a child", nested},
                               {"module_lambda", lambda},
                               {"init", init},
                               {"clone_state", cloned},
                               {"custom forward", custom},
                               {"custom backward", released},
                               {"custom backward, recorded", recorded},
                               {"gradcheck", checked},
                               {"rule", fast_rule},
                               {"rule in place", rule_in_place},
                               {"schedule", fast_schedule},
                               {"schedule set", schedule_set},
                               {"schedule in place", schedule_in_place},
                               {"gradient callback", called_back},
                               {"closure", closed},
                               {"task", ran},
                               {"state of a worker", made}};

static void check(const Place *place, bool before) {
    World w;
    begin(&w);
    if (before) CHECK(!tensor_relu(NULL));
    const char *first = before ? "tensor_relu" : "rng_u64";
    bool done = place->call(&w), as_should = done == (way != LEAVES);
    if (!as_should) printf("%s, way %d: %s\n", place->name, (int)way, higherc_error() ? higherc_error() : "no error");
    CHECK(as_should);
    bool told_of = higherc_error() && strstr(higherc_error(), first);
    bool either = before && way == CLEARS; /* a task has errors of its own, and clears those */
    CHECK(either || told_of == (way == LEAVES || before));
    higherc_clear_error();
    end(&w);
}

int main(void) {
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        for (way = LEAVES; way < WAYS; way++)
            for (int before = 0; before < 2; before++)
                check(&places[i], before);
    return check_done();
}
