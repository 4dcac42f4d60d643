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
 *          FModule *fnet = fmodule_create(task->tape, problem->net, HC_KEEP_HISTORY);
 *          ... inner steps on task->tape, data drawn from &task->rng ...
 *          return tensor_backward_into(loss, task->grads);
 *      }
 *
 *      Tasks *tasks = tasks_create(pool, module_params(net), HC_F32);
 *      for (...) {
 *          optim_zero_grad(outer);
 *          if (!tasks_run(tasks, 25, &seeds, adapt, &problem)) break;
 *          optim_step(outer);
 *      }
 *
 *  On many machines, or processes of one, each a *rank* that takes a part of the tasks, the one line is
 *  tasks_run_ranks (below), and everything else stays as it is.
 *
 *  A task may read what all tasks share (Modules, Params, Optims, `user`) and write what is its own:
 *  its tape, its grads, its worker's state, its own place in an array of results. */
#ifndef HIGHERC_TASKS_H
#define HIGHERC_TASKS_H

#include "grad.h"
#include "pool.h"
#include "names.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A pool with a tape for each thread, ready to run meta-batches. */
typedef struct HcTasks Tasks;

/** What a task is handed. */
typedef struct HcTask {
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
typedef struct HcTasksOptions {
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

/* ---- more than one machine --------------------------------------------------------------------------
 *
 * Floats added in another order are another sum. So that a run has the same bits on 1, 2 and 4 ranks, the
 * order is that of a tree over task numbers: the sum of n tasks is the sum of the first n / 2 and that of the
 * others, each made in the same way. A part is a branch of the tree, however many threads run it:
 *
 *      25 tasks            sum(0 .. 24)
 *      2 parts      sum(0 .. 11) + sum(12 .. 24)
 *      4 parts     (0..5) + (6..11)   (12..17) + (18..24)
 *
 * tasks_run adds in task order; its last bits are others. A rank needs to be told its number, how many there
 * are, and how to exchange bytes with another. With MPI:
 *
 *      static bool swap(size_t peer, const void *send, void *receive, size_t bytes, void *user) {
 *          return MPI_Sendrecv(send, (int)bytes, MPI_BYTE, (int)peer, 0, receive, (int)bytes, MPI_BYTE,
 *                              (int)peer, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE) == MPI_SUCCESS;
 *      }
 *
 *      TaskRanks ranks = {(size_t)rank, (size_t)size, swap, NULL};
 *      for (...) {
 *          optim_zero_grad(outer);
 *          if (!tasks_run_ranks(tasks, ranks, 25, &seeds, adapt, &problem)) break;      on all ranks
 *          optim_step(outer);                                                           the same step
 *      }
 *
 * Ranks begin with the same weights and streams (the same seed) and stay the same, bit for bit, since all
 * take the same steps. They are to be machines of one kind (byte order, library), and, for the bits
 * of one machine, of one level of instructions: HIGHERC_ISA, see tape_create. What a task writes elsewhere than
 * in its gradients (a loss to print) is known to its rank alone. A whole program: examples/maml_sine_mpi.c; what it
 * costs: examples/SCALING.md. */

/** Runs part `part` of `parts` (1, 2, 4, 8 ...) of a run of `count` tasks, which keep their numbers; a part may be
 *  empty. `rng` moves on by all tasks, so that it is the same for all parts, whether they fail or not.
 *  Returns: the sum of the part's gradients over the tree, which was added to no Param; what no task of the part
 *           reached is absent. For transports and sums of your own: grads_flat gives one buffer to be added up
 *           over all parts, grads_add_to_params adds the result.
 *  Ownership: it is the Tasks' own, and stays until the next run of theirs, or tasks_add_params. Buffers for the
 *             sums of log2(tasks) + 1 branches are kept between runs.
 *  Errors:    as tasks_run, and HC_ERR_ARG for a part that is none; NULL then. */
HC_API Grads *tasks_run_part(Tasks *tasks, size_t part, size_t parts, size_t count, Rng *rng, TaskFn *fn,
                             void *user);

/** Sends `bytes` (less than 2^31) of `send` to the peer and receives as many from it, which does the same with this
 *  rank at the same time: neither may wait for the other to receive first (MPI_Sendrecv does not; with sockets, send
 *  and receive in turns). Called by the thread that called tasks_run_ranks. False: it cannot be done. */
typedef bool TaskExchange(size_t peer, const void *send, void *receive, size_t bytes, void *user);

/** Which rank of how many (1, 2, 4, 8 ...) this is, and how it talks with others. */
typedef struct HcTaskRanks {
    size_t rank;            /**< from 0 to count - 1 */
    size_t count;           /**< how many ranks there are: a power of two */
    TaskExchange *exchange; /**< NULL will do for 1 */
    void *user;             /**< handed to it */
} TaskRanks;

/** tasks_run over ranks, each of which calls it: this one runs its part of the tasks, and every one adds the sum over
 *  the tree of all to its Params; a Param that no task on any rank reached is left alone.
 *  Exchanges: log2(ranks) of 580 bytes, in which ranks say whether all is well, then as many of all gradients.
 *  Errors:    what goes wrong on one rank is the same error on all, with its rank, and nothing was added anywhere: a
 *             task, memory, no Tasks (NULL) for want of it, or an error that the calling thread has from before, in
 *             the place of which it stands. So ranks that go on are equal ones, and a run of 0 tasks asks whether
 *             all is well. Of several errors it is that of the lowest rank. HC_ERR_STATE when ranks differ in the
 *             number of tasks, the weights or the stream. On this rank alone: HC_ERR_IO when an exchange failed,
 *             which leaves others waiting, unless theirs fails as well (end them: MPI_Abort); HC_ERR_STATE from
 *             within a task or an exchange; HC_ERR_ARG for ranks that are none. */
HC_API bool tasks_run_ranks(Tasks *tasks, TaskRanks ranks, size_t count, Rng *rng, TaskFn *fn, void *user);

/** A worker's tape, for its statistics and settings between runs; NULL for a number that is none. */
HC_API Tape *tasks_tape(const Tasks *tasks, size_t worker);
/** A worker's state; NULL without one, and for a number that is none. */
HC_API void *tasks_state(const Tasks *tasks, size_t worker);

#ifdef __cplusplus
}
#endif

#include "names_end.h"
#endif
