/** @file tasks.h
 *  Many tasks at once: a meta-batch on the threads of a pool.
 *
 *  A meta-iteration adapts to each of N tasks and adds up their gradients. Tasks does that on a pool:
 *  each thread has a tape of its own over the same Modules and Params, each task collects its
 *  gradient apart, and the gradients are added to the Params in task order. So the same seed gives
 *  the same bits with 1, 2 and 7 threads, and those of this loop on one thread:
 *
 *      for (size_t i = 0; i < count; i++) {
 *          Rng rng = rng_split(&seeds);
 *          tape_reset(tape);
 *          tape_seed(tape, rng_u64(&rng));
 *          ... task i, up to tensor_backward(loss) ...
 *      }
 *
 *  With Tasks:
 *
 *      static bool adapt(Task *task, void *user) {
 *          const Problem *problem = user;
 *          FModule *fnet = fmodule_create(task->tape, problem->net, false);
 *          ... inner steps on task->tape, data drawn from &task->rng ...
 *          return tensor_backward_into(loss, task->grads);
 *      }
 *
 *      Tasks *tasks = tasks_create(pool, module_params(net), HC_F32);
 *      for (...) {
 *          optim_zero_grad(outer);
 *          tasks_run(tasks, 25, &seeds, adapt, &problem);
 *          optim_step(outer);
 *      }
 *
 *  A task may read what all tasks share (Modules, Params, Optims, `user`) and write what is its own:
 *  its tape, its grads, its worker's state, its own place in an array of results. */
#ifndef HIGHERC_TASKS_H
#define HIGHERC_TASKS_H

#include "grad.h"
#include "pool.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct Tasks Tasks;

/** What a task is handed. */
typedef struct Task {
    size_t index;  /**< from 0 to count - 1 */
    size_t worker; /**< who runs it: less than pool_threads(pool) */
    Tape *tape;    /**< the worker's own, found empty */
    Grads *grads;  /**< the task's own, found absent; its list is the Tasks' */
    Rng rng;       /**< the task's own: split off the stream given to tasks_run, in task order */
    void *state;   /**< the worker's own, see TasksOptions; or NULL */
} Task;

/** One task. False, or an error on its tape or in its thread, makes it fail. Gradients that it leaves
 *  in task->grads are added to the Params when all tasks are done; tensor_backward on task->tape is
 *  refused. A Program of the worker's is run by program_run_into(program, task->grads); program_run
 *  would write the Params themselves, which other tasks read. */
typedef bool TaskFn(Task *task, void *user);

/** How Tasks are made; take it from tasks_options() and change fields by name. */
typedef struct TasksOptions {
    TapeOptions tape; /**< of each worker's tape */
    /** Makes what a worker keeps from task to task (a Program, buffers); NULL: nothing. Called for
     *  each worker by tasks_create_with, in order. NULL from it is a failure. The tape is reset and trimmed
     *  when it returns. */
    void *(*create)(size_t worker, Tape *tape, void *user);
    void (*destroy)(void *state, void *user); /**< ends it; NULL: nothing to do */
    void *user;                               /**< handed to both */
} TasksOptions;

/** The defaults: tapes as tape_options(dtype) has them, no state. */
HC_API TasksOptions tasks_options(DType dtype);

/** Tasks on a pool, which they hold on to, whose gradients go to `params` (may be empty).
 *  Ownership: holds references to the Params. Tapes and gradient buffers are kept between runs, so a
 *             steady loop calls the allocator no more.
 *             The list is copied.
 *  Errors:    HC_ERR_ARG, HC_ERR_DTYPE (params are of another type than the tapes), HC_ERR_NOMEM. */
HC_API Tasks *tasks_create(Pool *pool, ParamList params, DType dtype);
/** The same with options. Errors: also HC_ERR_STATE when options.create gives NULL without an error of its own;
 *  the states made before are ended. */
HC_API Tasks *tasks_create_with(Pool *pool, ParamList params, TasksOptions options);
/** Ends the workers' states, frees their tapes and lets go of the Params and the pool. NULL is fine. From within a
 *  task, or an end of a state, it is HC_ERR_STATE, and so is tape_destroy of a worker's tape at any time. */
HC_API void tasks_destroy(Tasks *tasks);

/** Adds Params from another source: learned step sizes, a learned loss. Those listed already are passed over.
 *  Errors: as tasks_create, and HC_ERR_STATE while tasks run; the list then stays as it was. */
HC_API bool tasks_add_params(Tasks *tasks, ParamList params);

/** Runs `count` tasks and adds their gradients to the Params, each task's once, in task order; a Param
 *  that no task reached is left alone. `rng` advances by one rng_split a task; `user` is handed to every task.
 *  Errors: the first error in task order, with the task's number; then nothing is added to any Param.
 *          HC_ERR_STATE from within a task (as program_run with gradients is), HC_ERR_ARG for a NULL, HC_ERR_NOMEM. */
HC_API bool tasks_run(Tasks *tasks, size_t count, Rng *rng, TaskFn *fn, void *user);

/** A worker's tape, for its statistics and settings between runs; NULL for a number that is none. */
HC_API Tape *tasks_tape(const Tasks *tasks, size_t worker);
/** A worker's state; NULL without one, and for a number that is none. */
HC_API void *tasks_state(const Tasks *tasks, size_t worker);

#ifdef __cplusplus
}
#endif
#endif
