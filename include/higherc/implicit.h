/** @file implicit.h
 *  Gradients of a solution, without a loop to go back through.
 *
 *  Where an inner loop was run to the end, W minimises the inner loss: its gradient there is zero, however W was
 *  found. That equation alone says how W moves when what the loss is made of moves (implicit function theorem):
 *
 *      dW/dx = - H^-1  d2 inner / dW dx,        H = d2 inner / dW dW
 *
 *  implicit() tells the tape so. It makes the latest weights of a functional module depend on all that the inner
 *  loss reads, by one operation, whose backward pass solves H v = (gradient to W) by products with H. No step is
 *  stored or gone back through; the solver that found W may have been anything (diffopt_step_release in HC_EVAL,
 *  optim_step on a copy, a closed form).
 *
 *      static Tensor *inner(FModule *fmodule, void *user) {             the loss that W minimises
 *          const Problem *p = user;
 *          return tensor_add(tensor_mse_loss(fmodule_forward(fmodule, p->x), p->y), penalty(fmodule, p->strengths));
 *      }
 *
 *      for (int t = 0; t < 1000; t++)
 *          diffopt_step_release(opt, inner(fnet, &p));                  fnet in HC_EVAL
 *      implicit(fnet, inner, implicit_options(), &p);
 *      tensor_backward(validation_loss(fnet));                          to p.strengths, and whatever made them
 *
 *  iMAML (Rajeswaran, Finn, Kakade, Levine 2019) takes a proximal term lambda/2 |W - W<0>|^2: set `proximal`, and the
 *  gradient also flows to W<0> and the Params it was cloned from. */
#ifndef HIGHERC_IMPLICIT_H
#define HIGHERC_IMPLICIT_H

#include "fmodule.h"
#include "names.h"

#ifdef __cplusplus
extern "C" {
#endif

/** How the system with H is solved. */
typedef enum HcImplicitSolver {
    HC_SOLVE_CG = 0,     /**< conjugate gradients (Hestenes and Stiefel 1952): H symmetric, positive definite */
    HC_SOLVE_NORMAL = 1, /**< the same on the normal equations, H H v = H b: any H that is not singular */
    HC_SOLVE_NEUMANN = 2 /**< v = step * sum (I - step H)^k b (Lorraine, Vicol, Duvenaud 2020): where step times
                          *   H's largest eigenvalue is below 2; stopped early it is a cheap estimate */
} ImplicitSolver;

/** How H v = b is solved; take it from implicit_options() and change fields by name. */
typedef struct HcImplicitOptions {
    ImplicitSolver solver; /**< HC_SOLVE_CG */
    size_t iterations;     /**< at most; 100. Each takes a product with H, those of HC_SOLVE_NORMAL two */
    double tolerance;      /**< of |H v - b| / |b|; 1e-10 in f64, 1e-5 in f32 where left 0 */
    double damping;        /**< H + damping I in the place of H; 0 */
    double proximal;       /**< lambda of a term lambda/2 |W - W<0>|^2 that the inner loss lacks; 0 */
    double step;           /**< of HC_SOLVE_NEUMANN; 0.01 */
    /** Take what there is after the last iteration, or, with HC_SOLVE_CG, where H turns out not to be positive definite
     *  (truncated CG: Steihaug 1983; zeros where that is at once). False: both are HC_ERR_RANGE. */
    bool inexact;
} ImplicitOptions;
/** The defaults, named beside each field. */
HC_API ImplicitOptions implicit_options(void);

/** The inner loss, a scalar, recorded with the latest weights of `fmodule` (fmodule_forward, fmodule_params). Called at
 *  once, and again in each backward pass, where it must record the same. NULL is failure. It makes no steps. */
typedef Tensor *ImplicitLoss(FModule *fmodule, void *user);

/** Makes the latest weights a stationary point of the inner loss on the tape: W<t+1> has the numbers of W<t>, and the
 *  history told above, in the place of its own. Weights that the inner loss does not reach keep theirs.
 *  Gradient:  to all that the loss reads and that was on the tape before, and to Params; with `proximal` to W<0>. As
 *             good as the gradient of the inner loss is near zero. Of first order: HC_CREATE_GRAPH through it is
 *             HC_ERR_STATE.
 *  Ownership: `user`, and what it points at, stays as it is as long as a gradient may be taken.
 *  Errors:    HC_ERR_ARG (no function, a number that is none: iterations 0, negative damping), HC_ERR_GRAD (the loss
 *             reaches no weight), HC_ERR_SHAPE (it is no scalar), HC_ERR_STATE (the function failed), HC_ERR_NOMEM;
 *             nothing is changed then. In a backward pass: HC_ERR_RANGE when the solver did not get there, with how
 *             far it got, or H is not positive definite (both unless `inexact`), or made no numbers; HC_ERR_CHANGED
 *             when a Param that the loss reads was changed since. */
HC_API bool implicit(FModule *fmodule, ImplicitLoss *inner, ImplicitOptions options, void *user);

/** How a solve went. */
typedef struct HcImplicitReport {
    size_t iterations; /**< made */
    size_t products;   /**< with H */
    double residual;   /**< |H v - b| / |b| at the end; 0 for b = 0 */
    bool converged;    /**< the residual is within the tolerance */
    bool indefinite;   /**< HC_SOLVE_CG met p with p H p <= 0, and stopped before it */
} ImplicitReport;
/** Of the last solve of the latest implicit() on this functional module; all 0 before one. */
HC_API ImplicitReport implicit_report(const FModule *fmodule);

#ifdef __cplusplus
}
#endif

#include "names_end.h"
#endif
