/* Tasks on a pool: what each worker keeps, rounds of tasks with a gradient buffer each, and the sum, in
 * task order or over a tree. */
#include "meta/tasks.h"

#include <stdatomic.h>

#include "base/held.h"
#include "base/pool.h"

typedef struct Worker {
    Tape *tape;
    void *state;
    size_t failed; /* the first task that failed here in this run: NO_TASK when none did */
    HcError error;
} Worker;

/* What a task of the round has of its own. */
typedef struct Seat {
    Grads *grads;
    Rng rng;
} Seat;

#define NO_TASK SIZE_MAX

struct HcTasks {
    Pool *pool;
    TasksOptions options;
    ParamList params; /* each once */
    size_t param_capacity;
    size_t bytes; /* of one gradient of all Params */
    size_t worker_count;
    Worker *workers;
    Seat *seats;
    size_t seat_count, seat_capacity;
    Grads *total;
    /* Sums of whole branches of the tree, the earliest tasks' first; beyond `piled`, buffers to spare. */
    Grads **pile;
    size_t piled, pile_count, pile_capacity;
    atomic_uint running; /* a word: see base/pool.c */
    /* The run at work. */
    TaskFn *fn;
    void *user;
    size_t begin, end;    /* its tasks */
    size_t first;         /* of the round */
    atomic_size_t failed; /* no task after this one need run */
};

/* ---- life ------------------------------------------------------------------------------------- */

static void end_worker(const Tasks *tasks, Worker *worker) {
    if (worker->state && tasks->options.destroy) tasks->options.destroy(worker->state, tasks->options.user);
    worker->tape->of_tasks = false;
    tape_destroy(worker->tape);
}

TasksOptions tasks_options(DType dtype) {
    return (TasksOptions){.tape = tape_options(dtype)};
}

static bool create_workers(Tasks *tasks, const char *who) {
    size_t count = pool_threads(tasks->pool);
    const TasksOptions *options = &tasks->options;
    tasks->workers = hc_alloc_zero(count, sizeof *tasks->workers);
    if (!tasks->workers) return hc_fail_thread(HC_ERR_NOMEM, "%s: out of memory", who);
    for (; tasks->worker_count < count; tasks->worker_count++) {
        Worker *worker = &tasks->workers[tasks->worker_count];
        worker->tape = tape_create_with(options->tape);
        if (!worker->tape) return false;
        worker->tape->of_tasks = true;
        if (!options->create) continue;
        size_t told = hc_errors_told();
        worker->state = options->create(tasks->worker_count, worker->tape, options->user);
        if (!worker->state || hc_errors_left(told)) {
            hc_fail_thread(HC_ERR_STATE, "%s: no state was made for worker %zu", who, tasks->worker_count);
            end_worker(tasks, worker);
            return false;
        }
        /* A task begins on an empty tape; what a state was made from may have been much larger than it. */
        tape_reset(worker->tape);
        tape_trim(worker->tape);
    }
    return true;
}

static Tasks *create(Pool *pool, ParamList params, TasksOptions options, const char *who) {
    if (!pool) {
        hc_null(who, "the pool");
        return NULL;
    }
    bool clear = higherc_status() == HC_OK;
    Tasks *tasks = hc_alloc_zero(1, sizeof *tasks);
    if (!tasks) {
        hc_fail_thread(HC_ERR_NOMEM, "%s: out of memory", who);
        return NULL;
    }
    tasks->pool = hc_pool_ref(pool);
    tasks->options = options;
    bool made = create_workers(tasks, who);
    if (made && tasks_add_params(tasks, params)) return tasks;
    tasks_destroy(tasks);
    if (made && clear) hc_thread_tells_as(who);
    return NULL;
}

Tasks *tasks_create(Pool *pool, ParamList params, DType dtype) {
    return create(pool, params, tasks_options(dtype), "tasks_create");
}

Tasks *tasks_create_with(Pool *pool, ParamList params, TasksOptions options) {
    return create(pool, params, options, "tasks_create_with");
}

static void free_grads(Tasks *tasks) {
    for (size_t i = 0; i < tasks->seat_count; i++)
        grads_destroy(tasks->seats[i].grads);
    tasks->seat_count = 0;
    for (size_t i = 0; i < tasks->pile_count; i++)
        grads_destroy(tasks->pile[i]);
    tasks->pile_count = 0;
    grads_destroy(tasks->total);
    tasks->total = NULL;
}

void tasks_destroy(Tasks *tasks) {
    if (!tasks) return;
    if (atomic_exchange(&tasks->running, 1)) { /* for good: a state's end may call it again */
        hc_fail_thread(HC_ERR_STATE, "tasks_destroy: the tasks are running or being destroyed");
        return;
    }
    free_grads(tasks);
    for (size_t i = 0; i < tasks->worker_count; i++)
        end_worker(tasks, &tasks->workers[i]);
    hc_params_free(&tasks->params);
    pool_destroy(tasks->pool);
    hc_free(tasks->workers);
    hc_free(tasks->seats);
    hc_free(tasks->pile);
    hc_free(tasks);
}

static bool listed(ParamList params, const Param *param) {
    for (size_t i = 0; i < params.count; i++)
        if (params.items[i] == param) return true;
    return false;
}

bool tasks_add_params(Tasks *tasks, ParamList params) {
    const char *who = "tasks_add_params";
    if (!tasks) return hc_null(who, "the tasks");
    if (atomic_load(&tasks->running))
        return hc_fail_thread(HC_ERR_STATE, "%s: the tasks are running", who);
    ParamList added = hc_params_copy(params, who);
    if (!added.items) return false;
    ParamList *all = &tasks->params;
    bool fits = added.count == 0 || added.items[0]->dtype == tasks->options.tape.dtype;
    bool done = fits && hc_grow((void **)&all->items, &tasks->param_capacity, all->count,
                                all->count + added.count, sizeof *all->items);
    if (!fits)
        hc_fail_thread(HC_ERR_DTYPE, "%s: '%s' is of another type than the tapes", who,
                       added.items[0]->cell.name);
    else if (!done)
        hc_fail_thread(HC_ERR_NOMEM, "%s: out of memory", who);
    for (size_t i = 0; done && i < added.count; i++) {
        Param *param = added.items[i];
        if (listed(*all, param)) continue;
        all->items[all->count++] = param_ref(param);
        tasks->bytes += param->count * param->item;
    }
    if (done) free_grads(tasks); /* they are of the old list */
    hc_params_free(&added);
    return done;
}

Tape *tasks_tape(const Tasks *tasks, size_t worker) {
    return tasks && worker < tasks->worker_count ? tasks->workers[worker].tape : NULL;
}

void *tasks_state(const Tasks *tasks, size_t worker) {
    return tasks && worker < tasks->worker_count ? tasks->workers[worker].state : NULL;
}

/* ---- one task ---------------------------------------------------------------------------------- */

/* Keeps the error of a task, from its tape or its thread; a worker's first is that of its least task. */
static void note_failure(Tasks *tasks, Worker *worker, size_t index) {
    if (worker->failed != NO_TASK) return;
    worker->failed = index;
    if (worker->tape->status != HC_OK)
        hc_error_set(&worker->error, worker->tape->status, worker->tape->message);
    else if (higherc_status() != HC_OK)
        hc_error_set(&worker->error, higherc_status(), higherc_error());
    else
        hc_error_set(&worker->error, HC_ERR_STATE, "its function returned false");
    size_t least = atomic_load(&tasks->failed);
    while (index < least && !atomic_compare_exchange_weak(&tasks->failed, &least, index))
        ;
}

static void run_task(size_t place, size_t number, void *user) {
    Tasks *tasks = user;
    Worker *worker = &tasks->workers[number];
    Seat *seat = &tasks->seats[place];
    Tape *tape = worker->tape;
    Task task = {.index = tasks->first + place,
                 .worker = number,
                 .tape = tape,
                 .grads = seat->grads,
                 .rng = seat->rng,
                 .state = worker->state};
    if (task.index > atomic_load(&tasks->failed)) return;
    HcError before; /* the caller's own, when this thread is the caller's */
    hc_error_take(&before);
    grads_zero(seat->grads);
    tape_reset(tape);
    tape_seed(tape, rng_u64(&task.rng));
    tape->grads_apart = true;
    bool was = hc_set_in_task(true);
    HcHeld here;
    hc_held_begin(&here, seat->grads);
    bool done = tasks->fn(&task, tasks->user);
    hc_held_end(&here);
    hc_set_in_task(was);
    tape->grads_apart = false;
    if (!done || tape->status != HC_OK || higherc_status() != HC_OK)
        note_failure(tasks, worker, task.index);
    tape_clear_error(tape);
    hc_error_put(&before);
}

/* ---- a run -------------------------------------------------------------------------------------- */

/* How many tasks have a gradient buffer of their own at a time. One thread needs one; several wait for
 * each other at the end of a round, so that is a whole run unless the buffers were large. */
static size_t round_size(const Tasks *tasks, size_t count) {
    const size_t most_bytes = (size_t)256 << 20;
    if (tasks->worker_count == 1) return 1;
    size_t fitting = most_bytes / (tasks->bytes + 1);
    if (fitting < 4 * tasks->worker_count) fitting = 4 * tasks->worker_count;
    return count < fitting ? count : fitting;
}

static bool make_grads(Tasks *tasks, size_t seats, const char *who) {
    if (!tasks->total && !(tasks->total = grads_create(tasks->params))) return false;
    if (!hc_grow((void **)&tasks->seats, &tasks->seat_capacity, tasks->seat_count, seats,
                 sizeof *tasks->seats))
        return hc_fail_thread(HC_ERR_NOMEM, "%s: out of memory", who);
    for (; tasks->seat_count < seats; tasks->seat_count++)
        if (!(tasks->seats[tasks->seat_count].grads = grads_create(tasks->params))) return false;
    return true;
}

/* The first failure in task order, as the thread's error. */
static bool report(const Tasks *tasks, const char *who) {
    for (size_t i = 0; i < tasks->worker_count; i++) {
        const Worker *worker = &tasks->workers[i];
        if (worker->failed == atomic_load(&tasks->failed))
            return hc_fail_thread(worker->error.status, "%s: task %zu: %s", who, worker->failed,
                                  worker->error.text);
    }
    return false;
}

/* Runs the tasks from begin to end - 1; `add` gets each one's gradients, in task order. */
static bool run_rounds(Tasks *tasks, Rng *rng, void (*add)(Tasks *tasks, Seat *seat, size_t index), const char *who) {
    size_t most = round_size(tasks, tasks->end - tasks->begin);
    if (!make_grads(tasks, most, who)) return false;
    for (size_t i = 0; i < tasks->worker_count; i++)
        tasks->workers[i].failed = NO_TASK;
    atomic_store(&tasks->failed, NO_TASK);
    for (tasks->first = tasks->begin; tasks->first < tasks->end; tasks->first += most) {
        size_t left = tasks->end - tasks->first, n = left < most ? left : most;
        for (size_t i = 0; i < n; i++)
            tasks->seats[i].rng = rng_split(rng);
        pool_run(tasks->pool, n, run_task, tasks);
        if (atomic_load(&tasks->failed) != NO_TASK) return report(tasks, who);
        for (size_t i = 0; i < n; i++)
            add(tasks, &tasks->seats[i], tasks->first + i);
    }
    return true;
}

bool hc_tasks_begin(Tasks *tasks, const Rng *rng, TaskFn *fn, void *user, const char *who) {
    if (!tasks) return hc_null(who, "the tasks");
    if (!rng || !fn)
        return hc_null(who, rng ? "fn" : "the rng");
    if (atomic_exchange(&tasks->running, 1))
        return hc_fail_thread(HC_ERR_STATE, "%s: these tasks are running already", who);
    tasks->fn = fn;
    tasks->user = user;
    bool fit = !hc_in_task() || hc_fail_thread(HC_ERR_STATE, "%s: from within a task", who);
    for (size_t i = 0; fit && i < tasks->params.count; i++)
        if (tasks->params.items[i]->dtype != tasks->options.tape.dtype)
            fit = hc_fail_thread(HC_ERR_DTYPE, "%s: '%s' was converted to the other type", who,
                                 tasks->params.items[i]->cell.name);
    return fit || hc_tasks_end(tasks, false);
}

bool hc_tasks_end(Tasks *tasks, bool done) {
    atomic_store(&tasks->running, 0);
    return done;
}

/* ---- in task order ------------------------------------------------------------------------------ */

static void add_to_total(Tasks *tasks, Seat *seat, size_t index) {
    (void)index;
    hc_grads_add_all(tasks->total, seat->grads);
}

bool tasks_run(Tasks *tasks, size_t count, Rng *rng, TaskFn *fn, void *user) {
    const char *who = "tasks_run";
    if (!hc_tasks_begin(tasks, rng, fn, user, who)) return false;
    tasks->begin = 0;
    tasks->end = count;
    bool done = make_grads(tasks, 0, who);
    if (done) hc_grads_load(tasks->total);
    done = done && run_rounds(tasks, rng, add_to_total, who) && hc_grads_store(tasks->total, who);
    return hc_tasks_end(tasks, done);
}

/* ---- over a tree -------------------------------------------------------------------------------- */

/* The tree: a branch of n tasks is one of the first n / 2 and one of the others, down to single tasks. A part
 * is a branch; its number in binary, from the highest bit down, is the way to it. */
static void take_part(Tasks *tasks, size_t part, size_t parts, size_t count) {
    tasks->begin = 0;
    tasks->end = count;
    for (size_t bit = parts / 2; bit > 0; bit /= 2) {
        size_t middle = tasks->begin + (tasks->end - tasks->begin) / 2;
        if (part & bit)
            tasks->begin = middle;
        else
            tasks->end = middle;
    }
}

/* How many branches of the part end with this task, beside itself: the last turns of the way to it that are to
 * the right. */
static size_t branches_ended(const Tasks *tasks, size_t index) {
    size_t begin = tasks->begin, end = tasks->end, ended = 0;
    while (end - begin > 1) {
        size_t middle = begin + (end - begin) / 2;
        ended = index < middle ? 0 : ended + 1;
        if (index < middle)
            end = middle;
        else
            begin = middle;
    }
    return ended;
}

/* Room for the branch before each turn to the right and the task's own, and for hc_tasks_spare. */
static bool make_pile(Tasks *tasks, const char *who) {
    size_t need = 1;
    for (size_t n = tasks->end - tasks->begin; n > 1; n -= n / 2)
        need++;
    if (need < 2) need = 2;
    if (!hc_grow((void **)&tasks->pile, &tasks->pile_capacity, tasks->pile_count, need, sizeof *tasks->pile))
        return hc_fail_thread(HC_ERR_NOMEM, "%s: out of memory", who);
    for (; tasks->pile_count < need; tasks->pile_count++)
        if (!(tasks->pile[tasks->pile_count] = grads_create(tasks->params))) return false;
    tasks->piled = 0;
    return true;
}

/* Lays a task's gradients on the pile, and adds up each branch that ends with it. */
static void pile_up(Tasks *tasks, Seat *seat, size_t index) {
    HC_ASSERT(tasks->piled < tasks->pile_count);
    Grads **top = &tasks->pile[tasks->piled++], *spare = *top;
    *top = seat->grads;
    seat->grads = spare;
    for (size_t n = branches_ended(tasks, index); n > 0; n--) {
        tasks->piled--;
        hc_grads_add_all(tasks->pile[tasks->piled - 1], tasks->pile[tasks->piled]);
    }
}

bool hc_tasks_is_part(size_t part, size_t parts, const char *what, const char *who) {
    return (parts != 0 && (parts & (parts - 1)) == 0 && part < parts) ||
           hc_fail_thread(HC_ERR_ARG, "%s: %s %zu of %zu: there are 1, 2, 4, 8 ... of them, numbered from 0", who,
                          what, part, parts);
}

void hc_tasks_skip(Rng *rng, size_t count) {
    for (size_t i = 0; i < count; i++)
        rng_split(rng);
}

bool hc_tasks_part(Tasks *tasks, size_t part, size_t parts, size_t count, Rng rng, const char *who) {
    take_part(tasks, part, parts, count);
    if (!make_pile(tasks, who)) return false;
    grads_zero(tasks->pile[0]);
    hc_tasks_skip(&rng, tasks->begin);
    if (!run_rounds(tasks, &rng, pile_up, who)) return false;
    HC_ASSERT(tasks->piled == (tasks->end > tasks->begin));
    return true;
}

Grads **hc_tasks_sum(Tasks *tasks) {
    return &tasks->pile[0];
}

Grads **hc_tasks_spare(Tasks *tasks) {
    return &tasks->pile[1];
}

Grads *tasks_run_part(Tasks *tasks, size_t part, size_t parts, size_t count, Rng *rng, TaskFn *fn, void *user) {
    const char *who = "tasks_run_part";
    if (!hc_tasks_is_part(part, parts, "part", who) || !hc_tasks_begin(tasks, rng, fn, user, who)) return NULL;
    bool done = hc_tasks_part(tasks, part, parts, count, *rng, who);
    hc_tasks_skip(rng, count);
    return hc_tasks_end(tasks, done) ? tasks->pile[0] : NULL;
}
