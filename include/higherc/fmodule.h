/** @file fmodule.h
 *  Functional modules, and what copy_initial_weights means.
 *
 *  Training a model inside a model: an *inner loop* adapts the weights of a network to one task by a
 *  few optimizer steps; an *outer optimizer* then improves what the loop started from. Write
 *
 *      W      the base weights: Params of a Module, which the outer optimizer changes in place
 *      W<t>   the fast weights of a functional module after t inner steps: tensors on the tape
 *
 *  A functional module is the same network with W<t> in the place of W. The flag copy_initial_weights, the last
 *  argument of fmodule_create, says how its first weights W<0> are made from W: HC_KEEP_HISTORY (false) or HC_DETACH
 *  (true); there is no default. Five questions people ask about it:
 *
 *  1. Copied from where to where, when the functional module does not exist yet?
 *     Both settings copy, and copy the same: from the Params of the module you hand in to new tensors on the tape
 *     (question 4), so that there are two sets of numbers in two places, W in the module and W<0> on the tape. The
 *     flag decides only whether the tape remembers where W<0> came from: with HC_KEEP_HISTORY (false) it does (a
 *     clone *with* history: d W<0> / d W is the identity), with HC_DETACH (true) it does not (a clone, then detached:
 *     W<0> is a new leaf, where gradients end). fmodule_create makes those tensors first, and the functional module
 *     is then a holder of them (and of buffers, copied likewise), so nothing is "copied into" it.
 *
 *  2. Why copy at all?
 *     Because the outer optimizer writes W in place, and a gradient needs the numbers that were read: the
 *     backward of every product takes what went into it. Inner steps write nothing, they make new tensors; but an
 *     outer step may come before a gradient that is still to be taken: in the middle of a long loop, or while
 *     another task's tape is at work. A forward that read W itself (module_forward) then has lost the numbers,
 *     HC_ERR_CHANGED; with a clone it works, since changing W changes no value already recorded.
 *     This is why a clone is taken even when the history is kept. Detaching alone would not do: a detached
 *     tensor has no history but may share its memory.
 *
 *  3. What is unrolled: a module, or a loop?
 *     The loop. W<1> = step(W<0>), W<2> = step(W<1>), ... are different tensors that all stay on the
 *     tape, so the K passes of the inner loop lie there one after the other, like a loop unrolled by a
 *     compiler. The module is only the recipe that is applied with each of them in turn. unroll() (unroll.h)
 *     runs such a loop and gives the same gradient, but keeps less of it.
 *
 *  4. What is a gradient tape?
 *     The list of operations in the order they ran, each with its result and its inputs (tape.h).
 *     Walking it backwards applies the chain rule. An inner step is ordinary operations too (a
 *     gradient, a product with the learning rate, a subtraction), so the walk goes through it.
 *
 *  5. Why is false useful for MAML?
 *     MAML (model-agnostic meta-learning, Finn et al. 2017) trains the initialisation: weights from which a few
 *     steps lead far. After the inner steps it needs d meta_loss / d W, the loss being one after those steps. With
 *     false that gradient flows through W<K> ... W<1> to W<0> and from there, unchanged, to W, where
 *     tensor_backward adds it to the Params' grads and the outer optimizer finds it. With true it ends
 *     at W<0>: W gets none (absent, never zeros), which is what you want when something else alone is
 *     learned, such as a learning rate, a loss or the data, or when you only adapt. Where W is learned beside it,
 *     take false; optim_check_grads makes an outer optimizer say when W gets nothing.
 *
 *  The outer loop runs over and over: outer step i changes W in place, and iteration i+1 makes a new
 *  W<0> from it. Each meta-gradient is taken with respect to W as it is in *that* iteration. The
 *  derivative with respect to the very first initialisation, W<0> of outer step 0, is never formed:
 *  it would have to pass through the outer optimizer's in-place steps, which no tape records.
 *
 *  | flag                   | W<0> is                      | d meta_loss / d W | d meta_loss / d W<0> | used for      |
 *  |------------------------|------------------------------|-------------------|----------------------|---------------|
 *  | HC_KEEP_HISTORY, false | a clone with history         | flows             | flows                | MAML          |
 *  | HC_DETACH, true        | a clone detached, a new leaf | absent            | flows                | a rate alone  |
 *
 *  d meta_loss / d W<0> is what tensor_grad gives for fmodule_params_at(f, 0). What the steps themselves keep, the mode
 *  says (FMode): in HC_EVAL nothing flows through a step, whatever the flag. */
#ifndef HIGHERC_FMODULE_H
#define HIGHERC_FMODULE_H

#include "module.h"
#include "names.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A module with fast weights W<t> of its own, on a tape. */
typedef struct HcFModule FModule;

/** What copy_initial_weights says, as words: fmodule_create(tape, net, HC_KEEP_HISTORY). Both clone the Params. */
#define HC_KEEP_HISTORY false /**< the clone's history goes back to the Params: MAML */
#define HC_DETACH true        /**< the clone begins anew: the Params get no gradient */

/** How much history inner steps keep; see diffopt.h. */
typedef enum HcFMode {
    HC_FULL = 0,        /**< all: exact gradients of any order, through every step */
    HC_FIRST_ORDER = 1, /**< inner gradients are constants; the path W<t+1> -> W<t> and to hyperparameters stays */
    HC_EVAL = 2         /**< none (higher's track_higher_grads=False). It is not evaluation mode: dropout stays random
                         *   and batch norm takes and keeps the batch's statistics, as in training; that is the
                         *   other switch, fmodule_train(fmodule, false) */
} FMode;

/** Whose buffers (the running statistics of batch norm) a functional module reads and changes. Buffers are
 *  not differentiated: where a forward reads them they are constants. */
typedef enum HcFBuffers {
    /** Its own: B<0> is a copy of the module's, forwards in training mode make B<1>, B<2> ..., and a
     *  release brings B<t> back as it does W<t>. */
    HC_BUFFERS_COPY = 0,
    /** The module's: read when a forward asks, and written through, in place and for good (a release does
     *  not undo it). Whoever steps needs the module alone, as with module_forward in training mode. */
    HC_BUFFERS_SHARE = 1,
    /** None: batch norm uses the batch's statistics in training and evaluation mode alike, and nothing is
     *  kept; the module's buffers, as they were at creation, answer to fmodule_buffer and to layers of
     *  other kinds. */
    HC_BUFFERS_BATCH = 2
} FBuffers;

/** How a functional module is made; take it from fmodule_options() and change fields by name. */
typedef struct HcFModuleOptions {
    bool copy_initial_weights; /**< see the top of this file */
    FMode mode;                /**< HC_FULL */
    FBuffers buffers;          /**< HC_BUFFERS_COPY */
} FModuleOptions;
/** The flag, and the defaults named beside the other fields. */
HC_API FModuleOptions fmodule_options(bool copy_initial_weights);

/** A plain list of tensors, borrowed from the functional module. */
typedef struct HcTensorList {
    Tensor **items; /**< the tensors, in order */
    size_t count; /**< how many; 0 for an empty list */
} TensorList;

/** A functional module of `module`, with fast weights W<0> cloned from its Params as the flag says
 *  (see the top of this file), buffers of its own, copied (FBuffers), and the module's training mode.
 *  Frozen Params become constants, which steps leave alone. The module must outlive it and
 *  keep its structure: once it is destroyed, or gets a child, a Param, a buffer or a tie, all functions that take
 *  the functional module, or an optimizer of it, refuse with HC_ERR_CHANGED.
 *  Ownership: made on the tape; gone at tape_reset or a release past it, and then HC_ERR_EXPIRED in all
 *             functions that take it, until another is made in its place.
 *  Errors:    HC_ERR_DTYPE (a tape of the other type), HC_ERR_STATE (a Param not initialised; the
 *             message names it). */
HC_API FModule *fmodule_create(Tape *tape, Module *module, bool copy_initial_weights);
/** The same with a mode and a policy for buffers. */
HC_API FModule *fmodule_create_with(Tape *tape, Module *module, FModuleOptions options);

/** Applies the module with the latest fast weights W<t>. In training mode batch norm changes the
 *  buffers, as the policy says. */
HC_API Tensor *fmodule_forward(FModule *fmodule, Tensor *x);
/** The same with several inputs and outputs; out[] is untouched on failure. */
HC_API bool fmodule_forward_n(FModule *fmodule, Tensor *const *in, size_t nin, Tensor **out,
                              size_t nout);
/** Applies the module with params[0..count) instead, in the order of fmodule_params; the history is
 *  left alone. Errors: HC_ERR_SHAPE for a list of another length or a tensor of another shape. */
HC_API Tensor *fmodule_forward_with(FModule *fmodule, Tensor *const *params, size_t count,
                                    Tensor *x);

/** The latest fast weights, in the order of module_params. */
HC_API TensorList fmodule_params(const FModule *fmodule);
/** The fast weights after t steps; an empty list, and HC_ERR_RANGE, for a t not reached, or (in
 *  HC_EVAL, and below a detach) no longer kept. */
HC_API TensorList fmodule_params_at(const FModule *fmodule, size_t t);
/** One of the latest by its path, "2.weight"; a shared one answers to each of its paths. */
HC_API Tensor *fmodule_param(const FModule *fmodule, const char *path);
/** A buffer B<t> as it is now, by its path, "1.running_mean"; shared ones are copied from the module. */
HC_API Tensor *fmodule_buffer(const FModule *fmodule, const char *path);
/** How many steps were made: the t of the latest W<t>. */
HC_API size_t fmodule_steps(const FModule *fmodule);
/** Its mode; HC_FULL for NULL. */
HC_API FMode fmodule_mode(const FModule *fmodule);
/** The tape it is on; NULL for NULL. */
HC_API Tape *fmodule_tape(const FModule *fmodule);

/** Makes params[0..count) the latest weights W<t+1>, as a step does; shapes must agree. */
HC_API bool fmodule_set_params(FModule *fmodule, Tensor *const *params, size_t count);

/** Puts a tensor in the place of one of the latest weights, found by its path, "2.weight"; it makes W<t+1>, in
 *  which the others stay. A shared weight changes wherever it is used.
 *  Errors: HC_ERR_NAME, HC_ERR_SHAPE. */
HC_API bool fmodule_set_param(FModule *fmodule, const char *path, Tensor *value);

/** The latest weights one after the other in one vector, in the order of fmodule_params; gradients flow
 *  through it. For what treats weights as a point: a distance, a penalty, a network that makes weights. */
HC_API Tensor *fmodule_vector(FModule *fmodule);
/** Takes W<t+1> from such a vector. Errors: HC_ERR_SHAPE for one of another length. */
HC_API bool fmodule_set_vector(FModule *fmodule, Tensor *vector);

/** A submodule as a functional module over the same weights: a call always uses the latest ones.
 *  fmodule_params and the like of a child are those of its root. */
HC_API FModule *fmodule_child(FModule *fmodule, const char *path);

/** Training or evaluation mode of its own, for layers that ask. */
HC_API bool fmodule_train(FModule *fmodule, bool training);
/** Whether it is in training mode; false for NULL. */
HC_API bool fmodule_training(const FModule *fmodule);

/** Cuts the history here: the latest weights become leaves with the same values. With an optimizer at
 *  work use diffopt_detach, which cuts its state too. */
HC_API bool fmodule_detach(FModule *fmodule);

/** Copies the latest weights and buffers into the Params and buffers of a module of the same structure
 *  (the one it was made of, or a clone), in place; no buffers with HC_BUFFERS_BATCH, which keeps none.
 *  All or nothing. After an error of the tape call tape_clear_error first. */
HC_API bool fmodule_commit(const FModule *fmodule, Module *module);

#ifdef __cplusplus
}
#endif

#include "names_end.h"
#endif
