/* Tasks: the bits of a plain loop on any number of threads, failures in words with nothing added,
 * allocation failing at each call in turn, steady runs without allocations. */
#include <higherc/higherc.h>

#include <stdlib.h>
#include <string.h>

#include "support/check.h"
#include "support/failing.h"

enum { N = 6, HIDDEN = 8, TASKS = 13, MOST_WEIGHTS = 200, MOST_WORKERS = 7 };

/* A net with dropout, and a learned step size for each of its weights. */
typedef struct Problem {
    Module *net;
    Optim *inner;
    Param *rate[4];
    ParamList rates;
    DType dtype;
    size_t fails, gives_up, backs_up; /* tasks that go wrong */
    Tasks *tasks;
    double losses[TASKS];
} Problem;

static void problem_create(Problem *p, DType dtype) {
    Rng rng = rng_seed(5);
    Module *layers[] = {module_linear(1, HIDDEN), module_tanh(), module_dropout(0.3),
                        module_linear(HIDDEN, 1)};
    *p = (Problem){.dtype = dtype, .fails = SIZE_MAX, .gives_up = SIZE_MAX, .backs_up = SIZE_MAX};
    p->net = module_sequential(layers, 4);
    module_to(p->net, dtype);
    module_init(p->net, &rng);
    ParamList weights = module_params(p->net);
    p->inner = optim_adam(weights, adam_options(0.05));
    p->rates = (ParamList){p->rate, 0};
    for (size_t i = 0; i < weights.count; i++) {
        p->rate[p->rates.count++] =
            param_create(param_name(weights.items[i]), param_shape(weights.items[i]), dtype);
        param_fill(p->rate[i], 0.05);
    }
}

static void problem_destroy(Problem *p) {
    for (size_t i = 0; i < p->rates.count; i++)
        param_unref(p->rate[i]);
    optim_destroy(p->inner);
    module_destroy(p->net);
}

static void zero_grads(Problem *p) {
    ParamList weights = module_params(p->net);
    for (size_t i = 0; i < weights.count; i++) {
        param_zero_grad(weights.items[i]);
        param_zero_grad(p->rate[i]);
    }
}

/* All gradients, absent ones as a number that none is; how many. */
static size_t read_grads(const Problem *p, double *out) {
    ParamList lists[2] = {module_params(p->net), p->rates};
    size_t at = 0;
    for (int l = 0; l < 2; l++)
        for (size_t i = 0; i < lists[l].count; i++)
            for (size_t e = 0; e < param_count(lists[l].items[i]); e++)
                out[at++] =
                    param_grad(lists[l].items[i]) ? param_grad_get(lists[l].items[i], e) : 12345;
    return at;
}

/* Two inner steps on data of its own; the query loss. */
static Tensor *meta_loss(Problem *p, Tape *tape, Rng *rng) {
    Tensor *x = tensor_uniform(tape, shape2(N, 1), -2, 2, rng);
    Tensor *y = tensor_sin(tensor_mul_scalar(x, 1 + rng_uniform(rng)));
    FModule *f = fmodule_create(tape, p->net, false);
    DiffOpt *opt = diffopt_create(p->inner, f);
    ParamList weights = module_params(p->net);
    for (size_t i = 0; i < weights.count; i++)
        diffopt_override_param(opt, "lr", weights.items[i], param_tensor(tape, p->rate[i]));
    for (int k = 0; k < 2; k++)
        diffopt_step(opt, tensor_mse_loss(fmodule_forward(f, x), y));
    return tensor_mse_loss(fmodule_forward(f, x), y);
}

static bool learn(Task *task, void *user) {
    Problem *p = user;
    if (task->state || task->worker >= MOST_WORKERS) return false;
    if (task->index == p->fails) tensor_matmul(tensor_scalar(task->tape, 1), NULL);
    if (task->index == p->gives_up) return false;
    if (task->index == p->backs_up)
        return tensor_backward(tensor_sum(param_tensor(task->tape, p->rate[0])));
    Tensor *loss = meta_loss(p, task->tape, &task->rng);
    p->losses[task->index] = tensor_item(loss);
    return tensor_backward_into(loss, task->grads);
}

static void plain_loop(Problem *p, Rng *seeds) {
    Tape *tape = tape_create(p->dtype);
    for (size_t i = 0; i < TASKS; i++) {
        Rng rng = rng_split(seeds);
        tape_reset(tape);
        tape_seed(tape, rng_u64(&rng));
        Tensor *loss = meta_loss(p, tape, &rng);
        p->losses[i] = tensor_item(loss);
        CHECK(tensor_backward(loss));
    }
    tape_destroy(tape);
}

static Tasks *make_tasks(Problem *p, Pool *pool) {
    Tasks *tasks = tasks_create(pool, module_params(p->net), p->dtype);
    return tasks_add_params(tasks, p->rates) ? tasks : (tasks_destroy(tasks), NULL);
}

static void same_bits(DType dtype) {
    Problem p;
    problem_create(&p, dtype);
    double want[MOST_WEIGHTS], got[MOST_WEIGHTS], losses[TASKS];
    Rng seeds = rng_seed(9), after;
    /* Twice without zeroing in between, so that the second run adds to what is there. */
    plain_loop(&p, &seeds);
    plain_loop(&p, &seeds);
    after = seeds;
    size_t count = read_grads(&p, want);
    memcpy(losses, p.losses, sizeof losses);
    const size_t threads[] = {1, 2, 7};
    for (int t = 0; t < 3; t++) {
        Pool *pool = pool_create(threads[t]);
        Tasks *tasks = make_tasks(&p, pool);
        CHECK(tasks_add_params(tasks, p.rates)); /* once more changes nothing */
        zero_grads(&p);
        memset(p.losses, 0, sizeof p.losses);
        seeds = rng_seed(9);
        CHECK(tasks_run(tasks, TASKS, &seeds, learn, &p));
        CHECK(tasks_run(tasks, TASKS, &seeds, learn, &p));
        CHECK(memcmp(&seeds, &after, sizeof seeds) == 0);
        CHECK(read_grads(&p, got) == count && memcmp(want, got, count * sizeof *got) == 0);
        CHECK(memcmp(losses, p.losses, sizeof losses) == 0);
        CHECK(tasks_run(tasks, 0, &seeds, learn, &p));
        CHECK(read_grads(&p, got) == count && memcmp(want, got, count * sizeof *got) == 0);
        CHECK(tasks_tape(tasks, 0) && !tasks_tape(tasks, threads[t]) && !tasks_tape(NULL, 0));
        tasks_destroy(tasks);
        pool_destroy(pool);
    }
    problem_destroy(&p);
}

/* Only the tasks of a part of the list are reached: the rest stays absent. */
static bool reach_one(Task *task, void *user) {
    Problem *p = user;
    return task->index % 2 ||
           tensor_backward_into(tensor_sum(param_tensor(task->tape, p->rate[1])), task->grads);
}

static bool run_again(Task *task, void *user) {
    Problem *p = user;
    (void)task;
    return tasks_run(p->tasks, 1, &(Rng){1, 2}, reach_one, p);
}

static void failures(size_t threads) {
    Problem p;
    problem_create(&p, HC_F64);
    Pool *pool = pool_create(threads);
    Tasks *tasks = make_tasks(&p, pool);
    Rng seeds = rng_seed(1);
    double before[MOST_WEIGHTS], now[MOST_WEIGHTS];
    CHECK(tasks_run(tasks, TASKS, &seeds, reach_one, &p));
    size_t count = read_grads(&p, before), absent = 0;
    for (size_t i = 0; i < count; i++)
        absent += before[i] == 12345;
    CHECK(absent == count - param_count(p.rate[1]) && param_grad_get(p.rate[1], 0) == 7);

    p.fails = 5;
    p.gives_up = 8;
    for (int again = 0; again < 2; again++) {
        CHECK(!tasks_run(tasks, TASKS, &seeds, learn, &p));
        CHECK_ERROR("tasks_run: task 5: tensor_matmul");
    }
    p.gives_up = 3;
    CHECK(!tasks_run(tasks, TASKS, &seeds, learn, &p));
    CHECK_ERROR("tasks_run: task 3: its function returned false");
    p.backs_up = 0;
    CHECK(!tasks_run(tasks, TASKS, &seeds, learn, &p));
    CHECK_ERROR("tasks_run: task 0: tensor_backward: within tasks_run use tensor_backward_into(loss, task->grads)");
    p.tasks = tasks;
    CHECK(!tasks_run(tasks, 4, &seeds, run_again, &p));
    CHECK_ERROR("running already");
    CHECK(read_grads(&p, now) == count && memcmp(before, now, count * sizeof *now) == 0);

    /* An earlier error of the caller's stays the first, and does not make tasks fail. */
    CHECK(!tensor_scalar(NULL, 1));
    CHECK(tasks_run(tasks, TASKS, &seeds, reach_one, &p));
    CHECK(!tasks_run(tasks, TASKS, &seeds, learn, &p));
    CHECK_ERROR("tensor_scalar");
    CHECK(param_grad_get(p.rate[1], 0) == 14);

    p.fails = p.gives_up = p.backs_up = SIZE_MAX;
    CHECK(tasks_run(tasks, TASKS, &seeds, learn, &p));
    tasks_destroy(tasks);
    pool_destroy(pool);
    problem_destroy(&p);
}

/* ---- what workers keep --------------------------------------------------------------------------- */

typedef struct States {
    size_t made, ended, least; /* least: the first worker that gets none */
} States;

typedef struct State {
    size_t worker;
    Tape *tape;
    int runs; /* plain: only its worker writes it */
} State;

static void *state_create(size_t worker, Tape *tape, void *user) {
    States *states = user;
    if (worker >= states->least) return NULL;
    State *state = calloc(1, sizeof *state);
    *state = (State){worker, tape, 0};
    states->made++;
    return state;
}

static void state_destroy(void *state, void *user) {
    ((States *)user)->ended++;
    free(state);
}

static bool count_run(Task *task, void *user) {
    State *state = task->state;
    state->runs++;
    (void)user;
    return state->worker == task->worker && state->tape == task->tape;
}

static void states(void) {
    States states = {0, 0, SIZE_MAX};
    Pool *pool = pool_create(3);
    size_t threads = pool_threads(pool);
    TasksOptions options = tasks_options(HC_F32);
    options.create = state_create;
    options.destroy = state_destroy;
    options.user = &states;
    Tasks *tasks = tasks_create_with(pool, (ParamList){NULL, 0}, options);
    Rng seeds = rng_seed(1);
    CHECK(states.made == threads);
    CHECK(tasks_run(tasks, 100, &seeds, count_run, NULL));
    CHECK(tasks_run(tasks, 100, &seeds, count_run, NULL));
    int runs = 0;
    for (size_t i = 0; i < threads; i++)
        runs += ((State *)tasks_state(tasks, i))->runs;
    CHECK(runs == 200 && !tasks_state(tasks, threads));
    tasks_destroy(tasks);
    CHECK(states.ended == threads);
    states = (States){0, 0, threads - 1};
    CHECK(!tasks_create_with(pool, (ParamList){NULL, 0}, options));
    CHECK_ERROR("no state was made");
    CHECK(states.made == threads - 1 && states.ended == states.made);
    pool_destroy(pool);
}

/* ---- a captured program for each worker ------------------------------------------------------------ */

typedef struct Replay {
    Module *net;
    bool captures;
} Replay;

static void *replay_create(size_t worker, Tape *tape, void *user) {
    (void)worker;
    (void)tape;
    (void)user;
    return calloc(1, sizeof(Program *));
}

static void replay_destroy(void *state, void *user) {
    (void)user;
    program_destroy(*(Program **)state);
    free(state);
}

/* A worker's first task records and captures; the others run the program. */
static bool replay(Task *task, void *user) {
    const Replay *r = user;
    Program **program = task->state;
    double values[N];
    for (int i = 0; i < N; i++)
        values[i] = rng_normal(&task->rng);
    if (!*program || !r->captures) {
        Tensor *x = tensor_from_f64(task->tape, shape2(N, 1), values);
        FModule *f = fmodule_create(task->tape, r->net, false);
        TensorList w = fmodule_params(f);
        Tensor *loss = tensor_mean(tensor_square(fmodule_forward(f, x))), *g;
        if (!tensor_grad(loss, &w.items[0], 1, &g, HC_CREATE_GRAPH)) return false;
        loss = tensor_add(loss, tensor_sum(tensor_square(g)));
        if (!r->captures) return tensor_backward_into(loss, task->grads);
        *program = program_capture(task->tape, &x, 1, NULL, 0, loss);
    }
    return program_set_f64(*program, 0, shape2(N, 1), values) &&
           program_run_into(*program, task->grads);
}

static void replayed(void) {
    Problem p;
    problem_create(&p, HC_F32);
    module_train(p.net, false); /* dropout cannot be captured */
    double want[MOST_WEIGHTS], got[MOST_WEIGHTS];
    for (int i = 0; i < 4; i++) {
        Replay r = {p.net, i > 0};
        Rng seeds = rng_seed(6);
        Pool *pool = pool_create(i < 2 ? 1 : i == 2 ? 2 : 7);
        TasksOptions options = tasks_options(HC_F32);
        options.create = replay_create;
        options.destroy = replay_destroy;
        Tasks *tasks = tasks_create_with(pool, module_params(p.net), options);
        zero_grads(&p);
        CHECK(tasks_run(tasks, TASKS, &seeds, replay, &r));
        CHECK(tasks_run(tasks, TASKS, &seeds, replay, &r));
        size_t count = read_grads(&p, i ? got : want);
        CHECK(i == 0 || memcmp(want, got, count * sizeof *got) == 0);
        tasks_destroy(tasks);
        pool_destroy(pool);
    }
    problem_destroy(&p);
}

/* ---- memory --------------------------------------------------------------------------------------- */

/* With the first `limit` allocations of Tasks and a run granted; whether that was enough. */
static bool enough(size_t threads, size_t limit) {
    Problem p;
    failing_never();
    problem_create(&p, HC_F32);
    Pool *pool = pool_create(threads);
    Rng seeds = rng_seed(2);
    failing_after(limit);
    Tasks *tasks = make_tasks(&p, pool);
    bool done = tasks && tasks_run(tasks, 5, &seeds, learn, &p);
    failing_never();
    if (!done) {
        double grads[MOST_WEIGHTS];
        size_t count = read_grads(&p, grads);
        for (size_t i = 0; i < count; i++)
            if (grads[i] != 12345) CHECK(grads[i] == 12345); /* nothing was added */
        CHECK(higherc_status() == HC_ERR_NOMEM);
        higherc_clear_error();
        if (tasks) CHECK(tasks_run(tasks, 5, &seeds, learn, &p)); /* with memory again */
    }
    tasks_destroy(tasks);
    pool_destroy(pool);
    problem_destroy(&p);
    return done;
}

static void memory(void) {
    failing_begin();
    for (size_t threads = 1; threads <= 2; threads++) {
        size_t limit = 0;
        while (!enough(threads, limit) && limit < 400)
            limit++;
        CHECK(limit > 10 && limit < 400);
    }

    Problem p;
    problem_create(&p, HC_F32);
    Pool *pool = pool_create(2);
    Tasks *tasks = make_tasks(&p, pool);
    Rng seeds = rng_seed(3);
    /* Steady: no call of the allocator once every worker has had tasks. Which takes which is left to
     * chance, so it may take some runs until both have. */
    size_t before = 1, after = 0;
    for (int round = 0; round < 100 && before != after; round++) {
        before = failing_calls();
        for (int i = 0; i < 20; i++)
            CHECK(tasks_run(tasks, TASKS, &seeds, learn, &p));
        after = failing_calls();
    }
    CHECK(before == after);
    tasks_destroy(tasks);
    pool_destroy(pool);
    problem_destroy(&p);
    failing_end();
}

static void *make_large(size_t worker, Tape *tape, void *user) {
    (void)worker;
    return tensor_sum(tensor_ones(tape, shape1(1 << 20))) ? user : NULL;
}

/* What making a state took is given back: a worker's tape is as small as one without. */
static void trimmed(void) {
    Pool *pool = pool_create(2);
    TasksOptions options = tasks_options(HC_F64);
    options.create = make_large;
    options.user = &options;
    Tasks *tasks = tasks_create_with(pool, (ParamList){NULL, 0}, options);
    CHECK(tasks != NULL);
    for (size_t worker = 0; worker < 2; worker++)
        CHECK(tape_stats(tasks_tape(tasks, worker)).reserved_bytes < 1 << 20);
    tasks_destroy(tasks);
    pool_destroy(pool);
}

/* An error on the tape alone, or in the thread alone. */
static bool hides_an_error(Task *task, void *user) {
    bool on_tape = *(const bool *)user;
    if (on_tape) {
        CHECK(!tensor_add(tensor_ones(task->tape, shape1(2)), tensor_ones(task->tape, shape1(3))));
        higherc_clear_error();
    } else {
        CHECK(!param_create(NULL, shape1(1), HC_F64));
    }
    return true;
}

static void hidden_errors(void) {
    Pool *pool = pool_create(1);
    Tasks *tasks = tasks_create(pool, (ParamList){NULL, 0}, HC_F64);
    Rng rng = rng_seed(1);
    for (int i = 0; i < 2; i++) {
        bool on_tape = i > 0;
        CHECK(!tasks_run(tasks, 2, &rng, hides_an_error, &on_tape));
        CHECK_ERROR("tasks_run: task 0: ");
    }
    tasks_destroy(tasks);
    pool_destroy(pool);
}

static bool reach_all(Task *task, void *user) {
    const ParamList *list = user;
    Tensor *sum = tensor_scalar(task->tape, 0);
    for (size_t i = 0; i < list->count; i++)
        sum = tensor_add(sum, tensor_sum(param_tensor(task->tape, list->items[i])));
    return tensor_backward_into(sum, task->grads);
}

/* Params that are added between two runs take part in the second. */
static void added_later(void) {
    Pool *pool = pool_create(2);
    Param *p[2] = {param_create("p", shape1(3), HC_F64), param_create("q", shape1(2), HC_F64)};
    CHECK(param_fill(p[0], 1) && param_fill(p[1], 1));
    Tasks *tasks = tasks_create(pool, (ParamList){p, 1}, HC_F64);
    Rng rng = rng_seed(1);
    ParamList list = {p, 1};
    CHECK(tasks_run(tasks, TASKS, &rng, reach_all, &list));
    CHECK(tasks_add_params(tasks, (ParamList){p + 1, 1}));
    list.count = 2;
    CHECK(tasks_run(tasks, TASKS, &rng, reach_all, &list));
    CHECK(param_grad_get(p[0], 0) == 2 * TASKS && param_grad_get(p[1], 1) == TASKS);
    tasks_destroy(tasks);
    pool_destroy(pool);
    param_unref(p[0]);
    param_unref(p[1]);
}

static void refusals(void) {
    ParamList nothing = {NULL, 0}, broken = {NULL, 2};
    Rng rng = rng_seed(1);
    CHECK(!tasks_create(NULL, nothing, HC_F32));
    CHECK_ERROR("the pool is NULL");
    Pool *pool = pool_create(2);
    CHECK(!tasks_create(pool, broken, HC_F32));
    CHECK_ERROR("the list is NULL");
    CHECK(!tasks_create(pool, nothing, (DType)7));
    CHECK_ERROR("is no type");
    Problem p;
    problem_create(&p, HC_F64);
    CHECK(!tasks_create(pool, p.rates, HC_F32));
    CHECK_ERROR("of another type than the tapes");
    CHECK(!tasks_add_params(NULL, nothing));
    CHECK_ERROR("tasks is NULL");
    CHECK(!tasks_run(NULL, 1, &rng, learn, &p));
    CHECK_ERROR("tasks is NULL");
    Tasks *tasks = tasks_create(pool, p.rates, HC_F64);
    CHECK(!tasks_run(tasks, 1, NULL, learn, &p));
    CHECK_ERROR("rng is NULL");
    CHECK(!tasks_run(tasks, 1, &rng, NULL, &p));
    CHECK_ERROR("fn is NULL");
    CHECK(!tasks_state(NULL, 0) && !tasks_state(tasks, 0));
    tasks_destroy(tasks);
    tasks_destroy(NULL);
    pool_destroy(pool);
    problem_destroy(&p);
}

int main(void) {
    same_bits(HC_F32);
    same_bits(HC_F64);
    for (size_t threads = 1; threads <= 3; threads++)
        failures(threads);
    states();
    replayed();
    memory();
    trimmed();
    added_later();
    hidden_errors();
    refusals();
    if (higherc_error()) CHECK_ERROR("no error is left");
    return check_done();
}
