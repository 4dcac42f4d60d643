/* Code of a caller's own that resets, trims, releases or destroys what the library is at work on, or calls it
 * again: an error in words each, and nothing is lost. */
#include "support/refuse.h"

static Tape *tape;
static Module *net;
static DiffOpt *opt;
static Optim *outer;
static TapeMark before;
static int way;

/* The ways to do harm on a tape. */
enum { RESET, RESET_TRIM, RELEASE, DESTROY, WAYS };

static void harm(Tape *on) {
    if (way == RESET || way == RESET_TRIM) tape_reset(on);
    if (way == RESET_TRIM) tape_trim(on);
    if (way == RELEASE) tape_release(on, before);
    if (way == DESTROY) tape_destroy(on);
}

static bool harm_callback(Tape *on, Tensor **grads, size_t count, void *user) {
    (void)user;
    harm(on);
    for (size_t i = 0; i < count; i++)
        grads[i] = NULL;
    return true;
}

static bool harm_forward(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    (void)nin;
    (void)nout;
    harm(frame_tape(frame));
    tape_mark(frame_tape(frame));
    out[0] = in[0];
    return true;
}

static Tensor *harm_function(Tensor *x, void *user) {
    (void)user;
    harm(tensor_tape(x));
    return x;
}

static bool harm_update(OptimUpdate *u, void *user) {
    (void)user;
    if (way != RELEASE) harm(tensor_tape(u->param));
    if (way == RELEASE) tape_release(tensor_tape(u->param), before);
    u->param = tensor_sub(u->param, u->grad);
    return true;
}

static Tensor *harm_custom(const CustomCall *call) {
    harm(call->tape);
    return tensor_square(call->inputs[0]);
}

static bool harm_backward(const CustomCall *call, Tensor **grads) {
    harm(call->tape);
    grads[0] = tensor_mul(call->gradient, call->inputs[0]);
    return true;
}

static Tensor *kind_custom(const CustomCall *call) {
    return tensor_square(call->inputs[0]);
}

static Tensor *harm_checked(Tensor *const *inputs, size_t count, void *user) {
    (void)count;
    (void)user;
    harm(tensor_tape(inputs[0]));
    return tensor_square(inputs[0]);
}

static Hyper harm_schedule(size_t step, void *user) {
    (void)step;
    if (user) harm(user);
    return hyper_const(1);
}

static const ModuleClass harmful = {.name = "harmful", .forward = harm_forward};
static const OptimClass harmful_rule = {.name = "harmful", .update = harm_update};
static const CustomClass harmful_op = {.name = "harmful", .forward = harm_custom};
static const CustomClass harmful_vjp = {
    .name = "harmful", .forward = kind_custom, .backward = harm_backward};

static void begin(void) {
    Rng rng = rng_seed(1);
    tape = tape_create(HC_F32);
    before = tape_mark(tape);
    net = module_linear(2, 2);
    module_init(net, &rng);
}

static void end(void) {
    higherc_clear_error();
    tape_destroy(tape);
    module_destroy(net);
}

/* On the tape: each way in each place. */
static void on_the_tape(void) {
    for (way = 0; way < WAYS; way++) {
        begin();
        Optim *sgd = optim_sgd(module_params(net), sgd_options(0.1));
        outer = optim_create(&harmful_rule, module_params(net), NULL);
        Module *bad = module_create(&harmful, NULL);
        Tensor *x = tensor_ones(tape, shape2(1, 2));
        FModule *fast = fmodule_create(tape, net, false);
        DiffOpt *called = diffopt_create(sgd, fast), *ruled = diffopt_create(outer, fast);
        CHECK(diffopt_grad_callback(called, harm_callback, NULL));
        Tensor *loss = tensor_sum(fmodule_forward(fast, x));
        Tensor *y = tensor_custom(&harmful_vjp, &loss, 1, NULL), *g;
        WRONG(HC_ERR_STATE, diffopt_step(called, loss));
        WRONG(HC_ERR_STATE, diffopt_step(ruled, loss));
        WRONG_SAYING(HC_ERR_STATE, module_forward(bad, x),
                     ": from within a forward, rule or callback that is at work on the tape");
        WRONG(HC_ERR_STATE, fmodule_forward(fmodule_create(tape, bad, false), x));
        Module *function = module_lambda(harm_function, NULL);
        WRONG(HC_ERR_STATE, module_forward(function, x));
        module_destroy(function);
        WRONG(HC_ERR_STATE, tensor_custom(&harmful_op, &x, 1, NULL));
        WRONG(HC_ERR_STATE, tensor_grad(y, &loss, 1, &g, 0));
        WRONG(HC_ERR_STATE, tensor_grad(y, &loss, 1, &g, HC_CREATE_GRAPH));
        WRONG(HC_ERR_STATE, gradcheck(harm_checked, &x, 1, gradcheck_options(HC_F32), NULL));
        DiffOpt *scheduled = diffopt_create(sgd, fast);
        Schedule schedule = schedule_lambda(harm_schedule, tape);
        CHECK(diffopt_schedule(scheduled, "lr", 0, &schedule));
        WRONG(HC_ERR_STATE, diffopt_step(scheduled, loss));
        /* All is as it was. */
        CHECK(fmodule_steps(fast) == 0 && diffopt_steps(called) == 0);
        CHECK(tensor_backward(tensor_sum(fmodule_forward(fast, x))));
        /* The rule in place, on the optimizer's own tape; a mark of another is none there. */
        CHECK(!optim_step(outer));
        CHECK(optim_error(outer) != NULL && optim_steps(outer) == 0);
        tape_reset(tape);
        CHECK(tape_stats(tape).nodes == 0);
        optim_destroy(outer);
        optim_destroy(sgd);
        module_destroy(bad);
        end();
    }
}

/* What was made in a forward may be released there. */
static bool tidy_forward(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    (void)nin;
    (void)nout;
    TapeMark mark = tape_mark(frame_tape(frame));
    double size = tensor_item(tensor_sum(in[0]));
    bool done = tape_release(frame_tape(frame), mark);
    out[0] = tensor_mul_scalar(in[0], size);
    return done;
}

static bool destroy_forward(Frame *frame, Tensor *const *in, size_t nin, Tensor **out,
                            size_t nout) {
    (void)nin;
    (void)nout;
    Module *self = *(Module **)frame_state(frame);
    module_destroy(self);
    CHECK_ERROR("module_destroy: from within");
    REFUSED(module_add_param(self, "late", shape1(1)));
    REFUSED(module_add_child(self, "late", module_relu()));
    REFUSED(module_to(self, HC_F64));
    out[0] = in[0];
    return true;
}

/* An init or a state's copy or end that pulls its own tree away. */
static Module *whole;

static void harm_tree(const char *who) {
    if (!whole) return;
    module_destroy(whole);
    CHECK_ERROR(who);
    REFUSED(module_add_param(whole, "late", shape1(1)));
}

static bool harm_init(Module *module, Rng *rng) {
    (void)module;
    (void)rng;
    harm_tree("own init");
    return true;
}

static void *harm_clone_state(const void *state) {
    harm_tree("own clone_state");
    return (void *)(uintptr_t)state;
}

static void harm_destroy_state(void *state) {
    (void)state;
    harm_tree("own destroy_state");
}

static void states(void) {
    static const ModuleClass cls = {.name = "pulls",
                                    .forward = tidy_forward,
                                    .init = harm_init,
                                    .clone_state = harm_clone_state,
                                    .destroy_state = harm_destroy_state};
    static int state;
    Rng rng = rng_seed(1);
    Module *inner[] = {module_create(&cls, &state), module_linear(2, 2)};
    whole = module_sequential(inner, 2);
    CHECK(module_init(whole, &rng));
    Module *copy = module_clone(whole), *first = whole;
    CHECK(module_params(copy).count == 2);
    module_destroy(first);
    CHECK(higherc_error() == NULL);
    whole = copy;
    module_destroy(copy);
    whole = NULL;
}

/* A forward that changes its child, or hands its tree to another. */
typedef struct Holder {
    Module *self, *child, *other;
} Holder;

static bool adopt_forward(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    const Holder *h = frame_state(frame);
    (void)nin;
    (void)nout;
    REFUSED(module_add_param(h->child, "late", shape1(1)));
    REFUSED(module_add_buffer(h->child, "late", shape1(1), 0));
    REFUSED(module_add_child(h->child, "late", module_relu()));
    CHECK(!module_add_child(h->other, "late", h->self));
    CHECK_ERROR("module_add_child: from within the holds module's own forward");
    out[0] = in[0];
    return true;
}

static void held_modules(void) {
    static const ModuleClass cls = {.name = "holds", .forward = adopt_forward};
    begin();
    Holder holder = {.child = module_linear(2, 2), .other = module_sequential(NULL, 0)};
    holder.self = module_create(&cls, &holder);
    CHECK(module_add_child(holder.self, "child", holder.child));
    Tensor *x = tensor_ones(tape, shape1(3));
    CHECK(module_forward(holder.self, x) && module_params(holder.self).count == 2);
    CHECK(module_add_child(holder.other, "later", holder.self) && module_forward(holder.self, x));
    module_destroy(holder.other);
    CHECK(higherc_error() == NULL);
    end();
}

static void modules(void) {
    static const ModuleClass tidy = {.name = "tidy", .forward = tidy_forward};
    static const ModuleClass destroys = {.name = "destroys", .forward = destroy_forward};
    begin();
    static Module *self;
    Module *good = module_create(&tidy, NULL), *inner = module_create(&destroys, &self);
    Tensor *x = tensor_ones(tape, shape1(3));
    CHECK(tensor_item(tensor_sum(module_forward(good, x))) == 9);
    self = module_sequential(&inner, 1);
    CHECK(module_forward(self, x));
    CHECK(fmodule_forward(fmodule_create(tape, self, false), x));
    CHECK(module_forward(inner, x)); /* the forward of a part of the tree */
    module_destroy(self);
    module_destroy(good);
    CHECK(higherc_error() == NULL);
    end();
}

static bool stepping(Tape *on, Tensor **grads, size_t count, void *user) {
    (void)on;
    (void)count;
    (void)user;
    return diffopt_step(opt, tensor_sum(grads[0]));
}

static bool rule_steps(OptimUpdate *u, void *user) {
    (void)u;
    (void)user;
    CHECK(!optim_step(outer));
    CHECK_ERROR("optim_step: from within its own rule or schedule");
    optim_destroy(outer);
    CHECK_ERROR("optim_destroy: from within its own rule or schedule");
    return true;
}

/* All that changes an optimizer, from within its own rule or schedule. */
static bool changes_it(void) {
    Schedule plain = schedule_exponential(hyper_const(0.5));
    CHECK(!optim_step(outer));
    CHECK_ERROR("from within its own rule or schedule");
    CHECK(optim_add_group(outer, (ParamList){NULL, 0}) == SIZE_MAX);
    CHECK_ERROR("from within its own rule or schedule");
    REFUSED(optim_schedule(outer, "lr", HC_ALL_GROUPS, &plain));
    REFUSED(optim_learn(outer, "lr", 0, HC_LEARN_GROUP));
    REFUSED(optim_load(outer, "unused"));
    optim_zero_grad(outer);
    CHECK_ERROR("from within its own rule or schedule");
    CHECK(isnan(optim_clip_grad_norm(outer, 1)));
    CHECK_ERROR("from within its own rule or schedule");
    optim_destroy(outer);
    CHECK_ERROR("from within its own rule or schedule");
    return true;
}

static bool armed;

static Hyper schedule_changes(size_t step, void *user) {
    (void)step;
    (void)user;
    if (armed) changes_it();
    return hyper_const(0.5);
}

static bool rule_changes(OptimUpdate *u, void *user) {
    (void)user;
    u->param = tensor_sub(u->param, hyper_scale(u->hypers[0], u->grad));
    return changes_it();
}

/* A factor that turns out to be no number later on fails the step, in place and on the tape. */
static Hyper late_nan(size_t step, void *user) {
    (void)user;
    return hyper_const(step == 0 ? 1 : (double)NAN);
}

static void no_factor(void) {
    Schedule nan = schedule_lambda(late_nan, NULL);
    begin();
    Tensor *x = tensor_ones(tape, shape2(1, 2));
    Optim *sgd = optim_sgd(module_params(net), sgd_options(0.1));
    FModule *fast = fmodule_create(tape, net, false);
    DiffOpt *steps = diffopt_create(sgd, fast);
    CHECK(diffopt_schedule(steps, "lr", HC_ALL_GROUPS, &nan));
    CHECK(diffopt_step(steps, tensor_sum(fmodule_forward(fast, x))));
    WRONG(HC_ERR_ARG, diffopt_step(steps, tensor_sum(fmodule_forward(fast, x))));
    CHECK(fmodule_steps(fast) == 1);
    CHECK(tensor_backward(tensor_sum(module_forward(net, x))));
    CHECK(optim_schedule(sgd, "lr", HC_ALL_GROUPS, &nan) && optim_step(sgd) && !optim_step(sgd));
    CHECK(higherc_status() == HC_ERR_ARG && optim_steps(sgd) == 1);
    CHECK_ERROR("the factor of 'lr' is NaN at step 1");
    optim_destroy(sgd);
    end();
}

static void own_optimizer(void) {
    static const OptimHyper lr = {.name = "lr", .value = 0.5, .maximum = 1};
    static const OptimClass rule = {
        .name = "changes", .hypers = &lr, .hyper_count = 1, .update = rule_changes};
    for (int by_rule = 0; by_rule < 2; by_rule++) {
        begin();
        outer = by_rule ? optim_create(&rule, module_params(net), NULL)
                        : optim_sgd(module_params(net), sgd_options(0.5));
        Schedule schedule = schedule_lambda(schedule_changes, NULL);
        if (!by_rule) CHECK(optim_schedule(outer, "lr", HC_ALL_GROUPS, &schedule));
        armed = true;
        param_fill(module_param(net, "bias"), 1);
        CHECK(tensor_backward(tensor_sum(module_forward(net, tensor_ones(tape, shape2(1, 2))))));
        CHECK(optim_step(outer) && optim_steps(outer) == 1);
        CHECK(param_get(module_param(net, "bias"), 0) == (by_rule ? 0.5 : 0.75));
        armed = false;
        optim_destroy(outer);
        end();
    }
}

static void optimizers(void) {
    static const OptimClass rule = {.name = "steps", .update = rule_steps};
    begin();
    Optim *sgd = optim_sgd(module_params(net), sgd_options(0.1));
    outer = optim_create(&rule, module_params(net), NULL);
    FModule *fast = fmodule_create(tape, net, false);
    opt = diffopt_create(sgd, fast);
    CHECK(diffopt_grad_callback(opt, stepping, NULL));
    Tensor *loss = tensor_sum(fmodule_forward(fast, tensor_ones(tape, shape2(1, 2))));
    WRONG_SAYING(HC_ERR_STATE, diffopt_step(opt, loss), "diffopt_step: from within a step of the same optimizer");
    CHECK(diffopt_grad_callback(opt, NULL, NULL) && diffopt_step(opt, loss));
    CHECK(tensor_backward(tensor_sum(fmodule_forward(fast, tensor_ones(tape, shape2(1, 2))))));
    CHECK(optim_step(outer));
    optim_destroy(outer);
    optim_destroy(sgd);
    end();
}

typedef struct Nested {
    Tasks *own, *other;
    Program *program;
    Rng *rng;
} Nested;

static bool nothing(Task *task, void *user) {
    (void)task;
    (void)user;
    return true;
}

static bool nests(Task *task, void *user) {
    Nested *n = user;
    (void)task;
    REFUSED(tasks_run(n->own, 1, n->rng, nothing, NULL));
    tasks_destroy(n->own);
    CHECK_ERROR("tasks_destroy: the tasks are running");
    grads_destroy(task->grads);
    CHECK_ERROR("grads_destroy: from within");
    REFUSED(tasks_run(n->other, 1, n->rng, nothing, NULL));
    CHECK(!program_run(n->program));
    CHECK_ERROR("program_run: from within a task, whose gradients go to its own Grads (program_run_into)");
    return program_run_into(n->program, task->grads);
}

static void tasks_within_tasks(void) {
    begin();
    Rng rng = rng_seed(2);
    Pool *pool = pool_create(1);
    Tasks *own = tasks_create(pool, module_params(net), HC_F32),
          *other = tasks_create(pool, module_params(net), HC_F32);
    Tensor *x = tensor_ones(tape, shape2(1, 2)), *loss = tensor_sum(module_forward(net, x));
    Program *program = program_capture(tape, &x, 1, &loss, 1, loss);
    Nested nested = {own, other, program, &rng};
    CHECK(tasks_run(own, 2, &rng, nests, &nested));
    CHECK(param_grad_get(module_param(net, "bias"), 0) == 2);
    CHECK(program_run(program));
    program_destroy(program);
    tasks_destroy(other);
    tasks_destroy(own);
    pool_destroy(pool);
    end();
}

int main(void) {
    on_the_tape();
    modules();
    held_modules();
    states();
    optimizers();
    no_factor();
    own_optimizer();
    tasks_within_tasks();
    return check_done();
}
