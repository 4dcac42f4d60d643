/** @file unroll.h
 *  Long inner loops, in memory that need not grow with the number of steps.
 *
 *  A loop of diffopt_step leaves every step on the tape: the gradient through it needs them all, and so
 *  memory grows with their number. When the library runs the loop it may choose what to store. unroll()
 *  calls your step T times and keeps of it only *checkpoints*: what one step hands on to the next (weights,
 *  the optimizers' state, buffers) at some of the steps. On the tape all of it is one operation with several
 *  results, W<T> and the state; a backward pass through it calls your step again, from the last checkpoint
 *  first, and records so many steps at a time as lie between two.
 *
 *      static bool adapt(UnrollStep *step, void *user) {
 *          const Problem *p = user;
 *          Tensor *x = tensor_borrow(p->tape, shape2(64, 784), p->images + step->step % p->batches * 64 * 784);
 *          ... y
 *          return diffopt_step(step->opts[0], tensor_cross_entropy_loss(fmodule_forward(p->fnet, x), y));
 *      }
 *
 *      unroll(&opt, 1, unroll_options(10000), adapt, &problem);
 *      tensor_backward(meta_loss(fmodule_forward(fnet, xq), yq));       as after 10000 single steps
 *
 *  Weights, state and buffers have the bits of the loop of single steps, and so has every gradient, to all
 *  that a step reads and that was on the tape before: the weights it began with, learned and overridden
 *  hyperparameters, coefficients of schedules, data, other modules' weights, Params.
 *
 *  Two other ways cost memory that does not grow with T at all:
 *    - *windows* (truncated backpropagation): after every K steps a function of yours judges the weights, as a rule by
 *      tensor_backward of a meta-loss, whose gradient reaches back K steps; then weights and state are detached, and
 *      what was recorded goes. Gradients of all windows add up in the Params; or train on the way:
 *
 *          static bool judge(UnrollStep *step, void *user) {
 *              const Problem *p = user;
 *              bool done = tensor_backward(meta_loss(p)) && optim_step(p->outer);
 *              optim_zero_grad(p->outer);
 *              return done;
 *          }
 *
 *    - HC_KEEP_TANGENTS (forward mode) for few outer variables: a learning rate, a momentum. The derivative of all
 *      that steps hand on, with respect to each number of these, travels with it, so that the gradient is there after
 *      any step. Each number costs about as much as a few inner steps.
 *
 *  What it costs: with N = steps between two checkpoints, memory for T / N checkpoints and N recorded
 *  steps; and each step is computed once more (HC_KEEP_FIT: a few times more where memory is short).
 *
 *  In a Program (program.h) no step is recorded, forward or back. At the capture your step is called again for each t;
 *  what a segment of steps comes down to is written down once, with the data and constants of each, so that tables do
 *  not grow with T (steps that change shape have tables of their own). What steps read of before the loop may be an
 *  input of the Program. Windows and HC_KEEP_TANGENTS, which run your code in between, cannot be captured; but with
 *  HC_KEEP_TANGENTS derivatives through a step that is recorded as an earlier one was are replayed by themselves.
 *
 *  What a step must heed, since it is called again:
 *    - it does the same again: chance comes from step->rng, or from the tape's own stream (dropout), which
 *      goes back with it. That weights computed again are those computed before is checked; if not, the
 *      backward pass is an error (HC_ERR_CHANGED).
 *    - nor does it read what a step before wrote elsewhere, such as a buffer of HC_BUFFERS_SHARE: that is not
 *      written again, and the backward pass is the same error.
 *    - what it writes itself (a sum of losses, a line of progress) it writes only when !step->again.
 *    - it changes the functional modules of the optimizers handed to unroll, and no others. Where those are of
 *      several modules (a game, a critic that learns through the net's step), the gradient of an inner loss goes
 *      through all that the same step made, and ends at what the step began with.
 *    - settings (diffopt_override, _schedule, _clip_norm ...) that it makes hold until its end; make those that
 *      are to last before the loop.
 *    - what it makes on the tape is gone when it returns, but for what the optimizers hand on.
 *  `user`, and what it points at, stays as it is as long as a gradient may be taken. */
#ifndef HIGHERC_UNROLL_H
#define HIGHERC_UNROLL_H

#include "diffopt.h"
#include "names.h"

#ifdef __cplusplus
extern "C" {
#endif

/** How many steps lie between two checkpoints. */
typedef enum HcUnrollKeep {
    HC_KEEP_ALL = 0,   /**< no checkpoints: all steps stay on the tape, as after a loop of diffopt_step */
    HC_KEEP_EVERY = 1, /**< `every`, counted from the end */
    HC_KEEP_SQRT = 2,  /**< so that checkpoints and recorded steps together take least: sqrt(T C / R) steps, of C bytes
                        *   carried and R recorded. From 10 steps on the first is recorded once more to weigh them;
                        *   below that sqrt(T) */
    HC_KEEP_FIT = 3,   /**< so that checkpoints and recorded steps fit in `max_bytes`, and least is computed
                        *   again: where the checkpoints that fit are too few, they are placed anew as the
                        *   backward pass comes down (revolve: Griewank and Walther 2000) */
    HC_KEEP_TANGENTS = 4 /**< no steps: derivatives with respect to `outer` travel with the weights (forward mode:
                          *   Franceschi, Donini, Frasconi, Pontil 2017). A gradient flows to `outer` alone */
} UnrollKeep;

/** What a step is handed. */
typedef struct HcUnrollStep {
    size_t step;          /**< from 0 to steps - 1; with `first`, from there on */
    DiffOpt *const *opts; /**< unroll's */
    size_t count;         /**< how many */
    Rng *rng;             /**< the step's own, the same when it is computed again; NULL for `judge` */
    bool again;           /**< computed again: for a gradient, for a Program, or to be weighed */
} UnrollStep;

/** One step: diffopt_step of each optimizer, or of those whose turn it is. False, or an error, is failure. */
typedef bool UnrollFn(UnrollStep *step, void *user);

/** How a loop is run; take it from unroll_options() and change fields by name. */
typedef struct HcUnrollOptions {
    size_t steps;     /**< how many; 0 is allowed */
    size_t first;     /**< the first step's number, where a loop goes on from an earlier one; 0 */
    UnrollKeep keep;  /**< HC_KEEP_SQRT */
    size_t every;     /**< for HC_KEEP_EVERY: at least 1 */
    size_t max_bytes; /**< for HC_KEEP_FIT */
    /** For HC_KEEP_TANGENTS: tensors from before the loop. A Param's (param_tensor) stands for the Param: where `judge`
     *  steps it, later steps that ask for its param_tensor go on from the new numbers, and tangents go on too. */
    TensorList outer;
    size_t window;    /**< steps between two calls of `judge`, the last of which comes after the last step; 0: none */
    /** Called with the number of steps made (and `first`), and unroll's `user`; false, or an error, is failure. A
     *  gradient that it takes reaches back to the last call, where weights and state were detached; with
     *  HC_KEEP_TANGENTS, to the first step. What it records goes when it returns. */
    UnrollFn *judge;
    Rng *rng; /**< step t draws from the t-th stream split off it; NULL: off rng_seed(0) */
    /** Told, after each step of the first pass, how many are done; false gives up. NULL: nothing is told. */
    bool (*progress)(size_t done, void *user);
    void *progress_user; /**< handed to it */
} UnrollOptions;
/** `steps` steps; the other fields as named beside them. */
HC_API UnrollOptions unroll_options(size_t steps);

/** Runs `options.steps` inner steps of opts[0..count), of one tape, each listed once. In HC_FULL as the top of
 *  this file says; in HC_FIRST_ORDER too, but what is recorded again is of first order; in HC_EVAL nothing is
 *  kept but the result.
 *  Gradient:  of any order. A pass that is itself recorded (HC_CREATE_GRAPH) records all steps again, and
 *             takes the memory of HC_KEEP_ALL; what is differentiated after it agrees to rounding. With
 *             HC_KEEP_TANGENTS of first order; HC_CREATE_GRAPH is HC_ERR_STATE. The results are one operation: each
 *             depends on all that steps read, so that a gradient that would be NULL after single steps may be zeros.
 *  Ownership: the list is copied; checkpoints live on the tape. fmodule_params_at knows W<t> before the
 *             loop, and W<T> after it.
 *  Errors:    HC_ERR_ARG (no optimizers, one twice, no function, `every` 0, a window and no `judge`, no `outer` or
 *             one twice), HC_ERR_TAPE (optimizers, or `outer`, of different tapes), HC_ERR_STATE (a step, `judge` or
 *             `progress` returned false; a functional module or optimizer that was not handed over has changed),
 *             HC_ERR_RANGE (max_bytes holds no step), HC_ERR_NOMEM; everything is then as before the call, but for
 *             what a step or `judge` wrote itself and buffers that are shared (HC_BUFFERS_SHARE). */
HC_API bool unroll(DiffOpt *const *opts, size_t count, UnrollOptions options, UnrollFn *fn,
                   void *user);

/** What an unroll keeps, and has cost. */
typedef struct HcUnrollReport {
    size_t steps;       /**< that it ran */
    size_t checkpoints; /**< beside the beginning */
    size_t segment;     /**< steps recorded at a time by a backward pass; 0 where none are: HC_KEEP_ALL, _TANGENTS */
    size_t bytes;       /**< of the checkpoints */
    size_t again;       /**< steps that backward passes have computed again so far */
} UnrollReport;
/** Of the last unroll of this optimizer; all 0 where there is none on the tape. */
HC_API UnrollReport unroll_report(const DiffOpt *opt);

#ifdef __cplusplus
}
#endif

#include "names_end.h"
#endif
