/** @file optim.h
 *  Optimizers: update rules with named hyperparameters and state.
 *
 *  This file: what holds for every optimizer, and rules of your own. The makers are in optimizers.h.
 *
 *  A rule is written once, in tensor operations. optim_step runs it and writes the Params in place;
 *  diffopt_step (diffopt.h) runs the same rule on the tape, so that a gradient flows through it. Both
 *  give the same bits when their hyperparameters are plain numbers. */
#ifndef HIGHERC_OPTIM_H
#define HIGHERC_OPTIM_H

#include "grad.h"
#include "names.h"

#ifdef __cplusplus
extern "C" {
#endif

/** An optimizer: a rule, groups of Params with their hyperparameters, and state. */
typedef struct HcOptim Optim;

/** For functions that take a group: all of them. */
#define HC_ALL_GROUPS SIZE_MAX

/** An optimizer by its name: "sgd", "adam", "adamw", "adadelta", "adagrad", "adamax", "asgd", "rmsprop",
 *  "rprop", "radam", "nadam", "lion", with PyTorch's defaults (sgd: lr 0.001), to be changed by optim_set. The
 *  makers with options are in optimizers.h.
 *  Holds references to the Params. NULL, with the thread's error, for an unknown name, a Param listed
 *  twice, mixed types, or an empty list. */
HC_API Optim *optim_new(const char *name, ParamList params);
/** Frees it and lets go of the Params. NULL is fine. */
HC_API void optim_destroy(Optim *optim);
/** Adds a group, which starts with the settings of the first. The new group's number, or SIZE_MAX.
 *  Errors: HC_ERR_ARG for an empty list (optim_learned(inner) is one until optim_learn) or a Param listed twice,
 *  HC_ERR_DTYPE, HC_ERR_NOMEM. */
HC_API size_t optim_add_group(Optim *optim, ParamList params);
/** How many groups it has; 0 for NULL. */
HC_API size_t optim_group_count(const Optim *optim);
/** A group's Params, borrowed; an empty list, and HC_ERR_RANGE, for a group that is none. */
HC_API ParamList optim_group_params(const Optim *optim, size_t group);
/** Sets a hyperparameter by name ("lr", "beta1", "amsgrad" (0 or 1), ...) in a group or in all. Of a
 *  learned one it fills the Params that stand for it.
 *  Errors: HC_ERR_NAME; HC_ERR_RANGE for a group or value that cannot be. */
HC_API bool optim_set(Optim *optim, const char *name, size_t group, double value);
/** NaN, and an error, for a name or group that does not exist, and (HC_ERR_STATE) for a hyperparameter
 *  learned apart for each Param or weight, which is no one number. */
HC_API double optim_get(const Optim *optim, const char *name, size_t group);

/* ---- learned hyperparameters ------------------------------------------------------------------- */

/** How finely a hyperparameter is learned: one number for the group, one for each of its Params, or one
 *  for each entry of them (Meta-SGD: Li et al. 2017). */
typedef enum HcLearnScope {
    HC_LEARN_GROUP = 0, /**< one scalar for the group; for each layer, if each has a group of its own */
    HC_LEARN_PARAM = 1, /**< one scalar for each Param: a layer's weight and bias have one each */
    HC_LEARN_WEIGHT = 2 /**< of each Param's shape */
} LearnScope;

/** Makes a hyperparameter learned, in a group or in each of all: Params stand in its place from here on,
 *  filled with its present value.
 *
 *      Optim *inner = optim_sgd(module_params(module_find(net, "0")), sgd_options(0.01));
 *      optim_add_group(inner, module_params(module_find(net, "2")));         a group for each layer: here there are
 *      optim_add_group(inner, module_params(module_find(net, "4")));         three, with activations between them
 *      optim_learn(inner, "lr", HC_ALL_GROUPS, HC_LEARN_GROUP);              a rate for each group
 *      Optim *outer = optim_adam(module_params(net), adam_options(0.001));
 *      size_t rates = optim_add_group(outer, optim_learned(inner));
 *      optim_set(outer, "lr", rates, 0.0001);                                the rates' own rate
 *      ... and in the outer loop
 *      FModule *fnet = fmodule_create(tape, net, HC_KEEP_HISTORY);           HC_DETACH: the rates alone are learned
 *      DiffOpt *opt = diffopt_create(inner, fnet);                           then inner steps, tensor_backward, ...
 *
 *  Tasks must know of them, too: tasks_add_params(tasks, optim_learned(inner)).
 *  Every diffopt_create then puts clones of them, with history, on its tape, in the place of numbers: a
 *  meta-loss after diffopt_steps reaches them, tensor_backward adds to their grads, and an outer optimizer
 *  trains them. optim_step, diffopt_steps later made and optim_get see what it made of them, so nothing
 *  has to be carried back (what higher's get_trainable_opt_params and apply_trainable_opt_params do by
 *  hand). optim_step reads them as constants. Their values are not looked at: a momentum
 *  that starts at 0 gets its gradient, and bounds (a beta below 1) are the outer optimizer's to keep.
 *  Groups added later have the number. The Params are of the optimizer's type; converting the module
 *  (module_to) leaves the optimizer behind, which is an error when it is next used.
 *  Errors: HC_ERR_NAME, HC_ERR_RANGE, HC_ERR_ARG (a flag), HC_ERR_STATE (learned already), HC_ERR_NOMEM. */
HC_API bool optim_learn(Optim *optim, const char *name, size_t group, LearnScope per);
/** The same for one that has to stay above 0, as a learning rate: the Params hold its logarithm, and steps take exp of
 *  that. A step of the outer optimizer then changes it by a factor, and no step makes it negative, where a rate that
 *  was learned as it is may become so.
 *
 *      optim_learn_log(inner, "lr", HC_ALL_GROUPS, HC_LEARN_GROUP);
 *      size_t rates = optim_add_group(outer, optim_learned(inner));
 *      optim_set(outer, "lr", rates, 0.01);               each outer step: about 1 % more or less, by Adam
 *
 *  optim_set and optim_get take and give the value itself. The Params are named "log_lr.group0" and so on.
 *  Gradient: of the logarithm, the value times its own.
 *  Errors: those of optim_learn, and HC_ERR_RANGE where the present value has no logarithm. */
HC_API bool optim_learn_log(Optim *optim, const char *name, size_t group, LearnScope per);
/** All Params of learned hyperparameters in the order of optim_learn, by group, then by Param; named
 *  "lr.group0", or "lr." and the Param's name. Borrowed until the next optim_learn or optim_learn_log. */
HC_API ParamList optim_learned(const Optim *optim);

/* ---- stepping ------------------------------------------------------------------------------------ */

/** Makes all gradients absent. */
HC_API void optim_zero_grad(Optim *optim);
/** One step in place on every Param that has a gradient and is not frozen; the others are left alone
 *  (no decay, no momentum, no step count). All or nothing. It takes the gradients that are there: of a task that failed
 *  there are none, of those before it there are. Not to step on a part of the tasks, look first:
 *  if (higherc_error() || !optim_step(outer)) break;
 *  Errors: HC_ERR_GRAD when every gradient is absent; HC_ERR_NOMEM. */
HC_API bool optim_step(Optim *optim);
/** While on, an optim_step that no gradient reached in one of the groups (but for groups frozen as a whole) is the
 *  error HC_ERR_GRAD, and changes nothing: so an outer optimizer tells that copy_initial_weights is true, where W gets
 *  no gradient and would stay as it is in silence. For a single Param ask tensor_reaches. Returns what it was (a new
 *  optimizer: off). */
HC_API bool optim_check_grads(Optim *optim, bool on);
/** Scales all present gradients by min(1, max_norm / (norm + 1e-6)), the norm taken over all of
 *  them; returns the norm before, or NaN and an error. */
HC_API double optim_clip_grad_norm(Optim *optim, double max_norm);
/** The optimizer's own last error in words (kept until its next success), or NULL. */
HC_API const char *optim_error(const Optim *optim);

/** How many steps it has made: the step number that schedules see next. */
HC_API size_t optim_steps(const Optim *optim);
/** How many updates the Param has had; 0 for one that is not the optimizer's. */
HC_API size_t optim_param_steps(const Optim *optim, const Param *param);
/** A state of a Param by its name ("momentum_buffer", "exp_avg"; see optimizers.h), of the Param's type
 *  and count, or NULL while it has none yet. */
HC_API const void *optim_param_state(const Optim *optim, const Param *param, const char *name);

/** Writes the optimizer's state to a file: moments, step counts, hyperparameters of all groups, what is learned,
 *  and schedules; not the Params themselves (module_save). The same on every platform, with a checksum. Of a
 *  schedule_lambda only its place is saved. Written beside its name and then renamed, as module_save does.
 *  Errors: HC_ERR_IO when not all of it reached the disk; the old file is then as it was; HC_ERR_STATE (a schedule
 *          of more than 64 parts, or that no schedule_ function made), HC_ERR_NOMEM. */
HC_API bool optim_save(const Optim *optim, const char *path);
/** Reads it into an optimizer of the same rule, type, groups, Params (names and shapes) and optim_learn.
 *  All or nothing, whatever the file holds. The file's schedules take the place of the optimizer's, except those of
 *  files that were written before schedules were saved; where there is a schedule_lambda the optimizer must have
 *  one in the same place.
 *  Errors: HC_ERR_IO (cut off, damaged, of another kind or version), HC_ERR_NAME, HC_ERR_SHAPE,
 *          HC_ERR_DTYPE, HC_ERR_STATE, HC_ERR_RANGE, HC_ERR_NOMEM. */
HC_API bool optim_load(Optim *optim, const char *path);

/* ---- rules of your own -------------------------------------------------------------------------- */

/** A hyperparameter as a rule sees it: a number known beforehand, or a tensor through which a
 *  gradient flows. The functions below fold numbers and record tensors, so a formula is written once. */
typedef struct HcHyper {
    double value;   /**< used while tensor is NULL */
    Tensor *tensor; /**< a scalar, or anything that broadcasts to the weight */
} Hyper;
/** A number. */
HC_API Hyper hyper_const(double value);
/** A tensor; NULL after an error stays one. */
HC_API Hyper hyper_tensor(Tensor *tensor);
/** a + b. */
HC_API Hyper hyper_add(Hyper a, Hyper b);
/** a - b. */
HC_API Hyper hyper_sub(Hyper a, Hyper b);
/** a b. */
HC_API Hyper hyper_mul(Hyper a, Hyper b);
/** a / b. */
HC_API Hyper hyper_div(Hyper a, Hyper b);
/** The root of a. */
HC_API Hyper hyper_sqrt(Hyper a);
/** e^a. */
HC_API Hyper hyper_exp(Hyper a);
/** The natural logarithm of a. */
HC_API Hyper hyper_log(Hyper a);
/** Of numbers -1 to 1 and a whole exponent the same bits everywhere; of others, pow of the C library. */
HC_API Hyper hyper_pow(Hyper a, Hyper exponent);
/** The larger; half of a gradient to each where equal. */
HC_API Hyper hyper_max(Hyper a, Hyper b);
/** The smaller, in the same way. */
HC_API Hyper hyper_min(Hyper a, Hyper b);
/** A number that is 0: the term it multiplies may be left out. A tensor never is, whatever it holds. */
HC_API bool hyper_is_zero(Hyper a);
HC_API Tensor *hyper_scale(Hyper a, Tensor *x);           /**< a x */
HC_API Tensor *hyper_shift(Hyper a, Tensor *x);           /**< x + a */
HC_API Tensor *hyper_axpy(Hyper a, Tensor *x, Tensor *y); /**< y + a x */
HC_API Tensor *hyper_fill(Hyper a, Tensor *like);         /**< a in each entry of like's shape */

/** The most hyperparameters a rule has. */
#define HC_MAX_HYPERS 12
/** The most state tensors it has. */
#define HC_MAX_STATES 6

/** What an update rule reads and writes for one weight. */
typedef struct HcOptimUpdate {
    Tensor *param;                /**< in: the weight; out: the new one */
    Tensor *grad;                 /**< in */
    Tensor *state[HC_MAX_STATES]; /**< in: NULL before the first update; out: the new ones */
    Hyper hypers[HC_MAX_HYPERS];  /**< in, in the class's order; flags are numbers 0 or 1 */
    size_t step;                  /**< in: 1 at the weight's first update */
} OptimUpdate;

/** The rule of an optimizer: its names, defaults and bounds. */
typedef struct HcOptimClass OptimClass;
/** The optimizer's; NULL for NULL. */
HC_API const OptimClass *optim_class(const Optim *optim);

/** A hyperparameter of a class. A flag is 0 or 1 and never a tensor. */
typedef struct HcOptimHyper {
    const char *name; /**< by which optim_set and diffopt_override find it */
    double value;            /**< the default */
    double minimum; /**< what optim_set and the makers accept, bounds included */
    double maximum; /**< INFINITY: no bound */
    bool flag; /**< 0 or 1 only */
} OptimHyper;

/** An update rule. All pointers must stay valid as long as an optimizer of the class. */
struct HcOptimClass {
    const char *name; /**< in messages and saved files */
    const OptimHyper *hypers; /**< its hyperparameters, whose order is that of OptimUpdate */
    size_t hyper_count; /**< at most HC_MAX_HYPERS */
    const char *const *states; /**< names of the state tensors; another shape than the weight's
                                    fails the step */
    size_t state_count; /**< at most HC_MAX_STATES */
    /** One update in tensor operations; false, or a NULL out, on failure. */
    bool (*update)(OptimUpdate *update, void *user);
    /** NULL, or what is wrong, in words, with hyperparameters that are each within their bounds but do not go
     *  together; NULL when they do. What it refuses, makers, optim_set and optim_load refuse.
     *  NaN stands for a number that is learned, which is to be let pass. */
    const char *(*fault)(const double *values);
};

/** An optimizer with a rule of your own, working in place and differentiably. */
HC_API Optim *optim_create(const OptimClass *cls, ParamList params, void *user);

#ifdef __cplusplus
}
#endif

#include "names_end.h"
#endif
