/* A run that is stopped and goes on from its checkpoint ends with the bits of one that was not: inner loops with
 * learned step sizes, tasks on one thread or two, dropout, batch norm, several optimizers with schedules. */
#include <stdio.h>
#include <string.h>

#include "support/check.h"
#include "support/unroll.h"

static const char path[] = "meta_checkpoint.tmp";

enum { TASKS = 3, STEPS = 8, ROOM = 1 << 16 };

/* All that a run is made of. */
typedef struct Run {
    Pool *pool;
    Tape *tape;
    Tasks *tasks;
    Module *net, *critic;
    Optim *inner, *outer, *other;
    Param *scale;
    Rng rng;
    size_t iteration;
    double best;
    Checkpoint *checkpoint;
} Run;

static Hyper slower(size_t step, void *user) {
    return hyper_const(*(const double *)user / (double)(step + 1));
}

static double start = 1;

static void make_optims(Run *r) {
    Schedule warmup = schedule_warmup(3, hyper_const(0.25)), cosine = schedule_cosine(9, hyper_const(0.1));
    Schedule both = schedule_then(&warmup, 3, &cosine), own = schedule_lambda(slower, &start);
    Schedule cycle = schedule_one_cycle(7, 0.5, hyper_const(0.1), 0.01), last = schedule_then(&cycle, 4, &own);
    r->inner = optim_sgd(module_params(r->net), sgd_options(0.05));
    CHECK(optim_set(r->inner, "momentum", HC_ALL_GROUPS, 0.5));
    CHECK(optim_learn(r->inner, "lr", HC_ALL_GROUPS, HC_LEARN_WEIGHT));
    CHECK(optim_schedule(r->inner, "momentum", 0, &both));
    r->outer = optim_adam(module_params(r->net), adam_options(0.01));
    CHECK(optim_add_group(r->outer, optim_learned(r->inner)) == 1 && optim_set(r->outer, "lr", 1, 0.001));
    CHECK(optim_add_group(r->outer, (ParamList){&r->scale, 1}) == 2);
    CHECK(optim_schedule(r->outer, "lr", HC_ALL_GROUPS, &both) && optim_schedule(r->outer, "lr", 1, &last));
    r->other = optim_rmsprop(module_params(r->critic), rmsprop_options(0.01));
    CHECK(optim_schedule(r->other, "lr", 0, &last));
}

/* What is not from a checkpoint comes from the seed. */
static void begin(Run *r, DType dtype, size_t threads, uint64_t seed) {
    Module *layers[] = {module_linear(2, 4), module_batch_norm1d(4, batch_norm_options()), module_tanh(),
                        module_dropout(0.25), module_linear(4, 1)};
    *r = (Run){.pool = pool_create(threads), .tape = tape_create(dtype), .rng = rng_seed(seed), .best = 1e9};
    r->net = module_sequential(layers, 5);
    r->critic = module_linear(1, 1);
    r->scale = param_create("scale", shape1(1), dtype);
    CHECK(module_to(r->net, dtype) && module_to(r->critic, dtype));
    CHECK(module_init(r->net, &r->rng) && module_init(r->critic, &r->rng) && param_fill(r->scale, (double)seed));
    tape_seed(r->tape, seed);
    tape_set_pool(r->tape, r->pool);
    make_optims(r);
    r->tasks = tasks_create(r->pool, module_params(r->net), dtype);
    CHECK(tasks_add_params(r->tasks, optim_learned(r->inner)));
    Checkpoint *c = r->checkpoint = checkpoint_create();
    CHECK(checkpoint_setting(c, "type", dtype == HC_F32 ? "f32" : "f64"));
    CHECK(checkpoint_module(c, "net", r->net) && checkpoint_module(c, "critic", r->critic));
    CHECK(checkpoint_params(c, "scale", (ParamList){&r->scale, 1}));
    CHECK(checkpoint_optim(c, "inner", r->inner) && checkpoint_optim(c, "outer", r->outer));
    CHECK(checkpoint_optim(c, "other", r->other));
    CHECK(checkpoint_rng(c, "tasks", &r->rng) && checkpoint_rng(c, "masks", tape_rng(r->tape)));
    CHECK(checkpoint_count(c, "iteration", &r->iteration) && checkpoint_real(c, "best", &r->best));
}

static void end(Run *r) {
    checkpoint_destroy(r->checkpoint);
    tasks_destroy(r->tasks);
    optim_destroy(r->inner);
    optim_destroy(r->outer);
    optim_destroy(r->other);
    module_destroy(r->net);
    module_destroy(r->critic);
    param_unref(r->scale);
    tape_destroy(r->tape);
    pool_destroy(r->pool);
}

/* ---- an iteration ---------------------------------------------------------------------------------------------- */

/* Two inner steps with dropout, and what the result is worth. */
static Tensor *meta_loss(const Run *r, Tape *tape, Rng *rng) {
    Tensor *x = tensor_normal(tape, shape2(6, 2), 0, 1, rng), *y = tensor_normal(tape, shape2(6, 1), 0, 1, rng);
    FModule *f = fmodule_create(tape, r->net, false);
    DiffOpt *opt = diffopt_create(r->inner, f);
    for (int k = 0; k < 2; k++)
        diffopt_step(opt, tensor_mse_loss(fmodule_forward(f, x), y));
    return tensor_mse_loss(fmodule_forward(f, x), y);
}

static bool adapt(Task *task, void *user) {
    return tensor_backward_into(meta_loss(user, task->tape, &task->rng), task->grads);
}

/* A step of the inner optimizer in place, which moves its state and the running statistics. */
static bool step_base(Run *r) {
    tape_reset(r->tape);
    optim_zero_grad(r->inner);
    Tensor *x = tensor_normal(r->tape, shape2(6, 2), 0, 1, &r->rng);
    return tensor_backward(tensor_mean(tensor_square(module_forward(r->net, x)))) && optim_step(r->inner);
}

static bool step_critic(Run *r) {
    tape_reset(r->tape);
    optim_zero_grad(r->other);
    Tensor *y = module_forward(r->critic, tensor_normal(r->tape, shape2(4, 1), 0, 1, &r->rng));
    return tensor_backward(tensor_mean(tensor_square(y))) && optim_step(r->other);
}

static bool step_outer(Run *r) {
    tape_reset(r->tape);
    optim_zero_grad(r->outer);
    bool done = tasks_run(r->tasks, TASKS, &r->rng, adapt, r);
    Tensor *loss = tensor_mul(meta_loss(r, r->tape, &r->rng), tensor_square(param_tensor(r->tape, r->scale)));
    done = done && tensor_backward(loss) && optim_step(r->outer);
    if (tensor_item(loss) < r->best) r->best = tensor_item(loss);
    return done;
}

static void go_on(Run *r, size_t until) {
    for (; r->iteration < until; r->iteration++)
        CHECK(step_base(r) && step_critic(r) && step_outer(r));
}

/* ---- files ----------------------------------------------------------------------------------------------------- */

static size_t saved(const Run *r, unsigned char *bytes) {
    CHECK(checkpoint_save(r->checkpoint, path));
    FILE *file = fopen(path, "rb");
    size_t size = file ? fread(bytes, 1, ROOM, file) : 0;
    if (file) fclose(file);
    CHECK(size > 0 && size < ROOM);
    return size;
}

/* Stopped after so many iterations, and again after every `often`; on other threads each time. */
static size_t interrupted(DType dtype, size_t threads, size_t first, size_t often, unsigned char *bytes) {
    size_t size = 0;
    for (size_t until = first; size == 0; until += often) {
        Run r;
        begin(&r, dtype, threads, until);
        CHECK((until == first) != checkpoint_load(r.checkpoint, path));
        higherc_clear_error();
        if (until == first) {
            end(&r);
            begin(&r, dtype, threads, 1);
        }
        go_on(&r, until < STEPS ? until : STEPS);
        CHECK(checkpoint_save(r.checkpoint, path));
        if (until >= STEPS) size = saved(&r, bytes);
        end(&r);
        threads = 3 - threads;
    }
    remove(path);
    return size;
}

static void goes_on(DType dtype) {
    static unsigned char whole[ROOM], parts[ROOM];
    Run r;
    begin(&r, dtype, 1, 1);
    go_on(&r, STEPS);
    size_t size = saved(&r, whole);
    CHECK(r.iteration == STEPS && r.best < 1e9);
    end(&r);
    remove(path);
    for (size_t threads = 1; threads <= 2; threads++)
        for (size_t often = 1; often <= 3; often++) {
            memset(parts, 0, size);
            CHECK(interrupted(dtype, threads, often, often, parts) == size && memcmp(whole, parts, size) == 0);
        }
}

/* Every rule, in each type, and everything it can be set to. */
static void rules(void) {
    for (size_t i = 0; i < 2 * unroll_config_count; i++) {
        Module *net = unroll_net(i % 2 ? HC_F64 : HC_F32, false), *copy = module_clone(net);
        Optim *optim = unroll_optim(&unroll_configs[i / 2], module_params(net)),
              *other = unroll_optim(&unroll_configs[i / 2], module_params(copy));
        Checkpoint *a = checkpoint_create(), *b = checkpoint_create();
        CHECK(checkpoint_module(a, "net", net) && checkpoint_optim(a, "optim", optim));
        CHECK(checkpoint_module(b, "net", copy) && checkpoint_optim(b, "optim", other));
        CHECK(unroll_in_place(net, optim, 3) && checkpoint_save(a, path));
        CHECK(unroll_in_place(copy, other, 1) && checkpoint_load(b, path) && optim_steps(other) == 3);
        CHECK(unroll_in_place(net, optim, 3) && unroll_in_place(copy, other, 3));
        static unsigned char whole[ROOM], parts[ROOM];
        Run first = {.checkpoint = a}, second = {.checkpoint = b};
        size_t size = saved(&first, whole);
        CHECK(saved(&second, parts) == size && memcmp(whole, parts, size) == 0);
        checkpoint_destroy(a);
        checkpoint_destroy(b);
        optim_destroy(optim);
        optim_destroy(other);
        module_destroy(net);
        module_destroy(copy);
    }
}

int main(void) {
    goes_on(HC_F32);
    goes_on(HC_F64);
    rules();
    remove(path);
    CHECK(higherc_error() == NULL);
    return check_done();
}
