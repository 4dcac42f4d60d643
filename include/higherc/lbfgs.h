/** @file lbfgs.h
 *  L-BFGS in place: few weights, the whole loss, no noise (Liu and Nocedal 1989, "On the limited memory BFGS method for
 *  large scale optimization"; Nocedal and Wright 2006, algorithms 7.4, 3.5 and 3.6). Defaults, and when it ends, are
 *  those of PyTorch 1.13's torch.optim.LBFGS; it computes in f64 also for f32 Params.
 *
 *      static bool closure(double *loss, void *user) {      gradients are absent when it is called
 *          tape_reset(tape);
 *          Tensor *x = tensor_from_f32(tape, ...), *target = ...;        made anew in each call
 *          Tensor *y = tensor_mse_loss(module_forward(net, x), target);
 *          *loss = tensor_item(y);
 *          return tensor_backward(y);
 *      }
 *      Lbfgs *lbfgs = lbfgs_create(module_params(net), lbfgs_options());
 *      lbfgs_step(lbfgs, closure, user, NULL);
 *
 *  A step takes as many gradients as it needs, so it is no rule of optim.h and has no differentiable form: implicit.h
 *  differentiates what it converges to. */
#ifndef HIGHERC_LBFGS_H
#define HIGHERC_LBFGS_H

#include "param.h"
#include "names.h"

#ifdef __cplusplus
extern "C" {
#endif

/** L-BFGS over some Params: options, and the history of differences. */
typedef struct HcLbfgs Lbfgs;

/** How it searches; take it from lbfgs_options() and change fields by name. */
typedef struct HcLbfgsOptions {
    double lr;               /**< 1, > 0; the first length tried is min(1, 1 / |g|_1) lr, later ones lr */
    double tolerance_grad;   /**< 1e-7; ends when no entry of the gradient is larger */
    double tolerance_change; /**< 1e-9; ends when no entry, or the loss, changes by more */
    size_t iterations;       /**< 20, from 1; in one step, at most */
    size_t evaluations;      /**< 0: 5 / 4 iterations; in one step, looked at after each iteration */
    size_t history;          /**< 100, from 1; pairs of differences kept, each two numbers a weight */
    bool strong_wolfe;       /**< false: every length is lr; true: a search for one that meets the strong Wolfe
                                  conditions, with 1e-4 and 0.9 */
} LbfgsOptions;
/** PyTorch's defaults, named beside each field. */
HC_API LbfgsOptions lbfgs_options(void);

/** Adds the gradients of a loss at the Params as they are to their grads, and says its value. False, with an error set,
 *  ends the step. */
typedef bool LbfgsFn(double *loss, void *user);

/** How a step ended. */
typedef struct HcLbfgsReport {
    double loss;        /**< the last one computed */
    double gradient;    /**< the largest entry of its gradient */
    size_t iterations;  /**< of this step */
    size_t evaluations; /**< of the closure, in this step */
    bool converged;     /**< by one of the tolerances */
} LbfgsReport;

/** Holds references to the Params. NULL, with the thread's error, for an empty list, a Param listed twice, or
 *  (HC_ERR_RANGE) options out of their range. */
HC_API Lbfgs *lbfgs_create(ParamList params, LbfgsOptions options);
/** Frees it and lets go of the Params. NULL is fine. */
HC_API void lbfgs_destroy(Lbfgs *lbfgs);
/** Iterates. Frozen Params stay, an absent gradient counts as 0. report may be NULL. When it fails, the Params
 *  are as they were before the call, and the history is empty.
 *  Errors: what the closure says; HC_ERR_GRAD (every gradient is absent), HC_ERR_RANGE (the loss or its gradient is not
 *          finite: where it begins, or where it went; the search looks elsewhere), HC_ERR_STATE (from within its own
 *          closure), HC_ERR_NOMEM. */
HC_API bool lbfgs_step(Lbfgs *lbfgs, LbfgsFn *closure, void *user, LbfgsReport *report);

#ifdef __cplusplus
}
#endif

#include "names_end.h"
#endif
