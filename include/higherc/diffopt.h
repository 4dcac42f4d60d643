/** @file diffopt.h
 *  Differentiable optimizers: inner-loop steps that stay on the tape.
 *
 *  diffopt_step takes the gradient of a loss with respect to the latest fast weights W<t>, applies the
 *  optimizer's own update rule in recorded operations, and hands W<t+1> to the functional module. After
 *  K steps the weights are a differentiable function of everything that went in: the initial weights,
 *  the hyperparameters, the data, the losses. What is *unrolled* is the loop, step by step, onto the
 *  tape; modules and optimizers are not.
 *
 *  The functional module's mode says how much of it is kept:
 *
 *  - HC_FULL: everything; exact gradients of any order
 *  - HC_FIRST_ORDER: the inner gradients are constants; the path W<t+1> -> W<t> and to the
 *    hyperparameters stays (first-order MAML)
 *  - HC_EVAL: nothing; adapting at test time, on a device (diffopt_step_release)
 *
 *  W<t> has the same bits in all three. */
#ifndef HIGHERC_DIFFOPT_H
#define HIGHERC_DIFFOPT_H

#include "fmodule.h"
#include "schedule.h"
#include "names.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A differentiable optimizer of one functional module: settings, and state as tensors. */
typedef struct HcDiffOpt DiffOpt;

/** A differentiable optimizer for `fmodule`, on its tape, branching from `optim` as it stands now:
 *  groups, hyperparameters, schedules, moments, step counts are copied, learned hyperparameters cloned
 *  with history (optim_learn); `optim` is never changed. Weights of the
 *  module outside the optimizer's groups stay W<0>, with their history.
 *  Errors: HC_ERR_STATE when a Param of `optim` is not one of the module's (the message names it). */
HC_API DiffOpt *diffopt_create(const Optim *optim, FModule *fmodule);

/** One step: W<t+1> from d loss / d W<t>. Weights the loss does not reach are left alone: no decay,
 *  no state, no step count. All or nothing.
 *  Errors: HC_ERR_GRAD when the loss reaches none of W<t>, with the cause. */
HC_API bool diffopt_step(DiffOpt *opt, Tensor *loss);

/** A step that then frees all that was recorded since the step before: flat memory over any number of steps in
 *  HC_EVAL, first-order memory (weights, no activations) in HC_FIRST_ORDER. So a program on a device adapts to a
 *  stream for as long as it likes:
 *
 *      FModuleOptions adapt = fmodule_options(HC_DETACH);
 *      adapt.mode = HC_EVAL;
 *      FModule *fnet = fmodule_create_with(tape, net, adapt);
 *      DiffOpt *opt = diffopt_create(inner, fnet);
 *      while (read_sensor(values, &next)) {
 *          Tensor *x = tensor_from_f32(tape, shape2(1, 8), values), *y = tensor_from_f32(tape, shape2(1, 1), &next);
 *          Tensor *out = fmodule_forward(fnet, x);
 *          if (out) use(tensor_item(out));                    before the step, which frees x, y, out and the loss
 *          if (!diffopt_step_release(opt, tensor_mse_loss(out, y))) break;
 *      }
 *      fmodule_commit(fnet, net);                             the adapted weights become net's
 *
 *  Data is made anew in each turn, as here, or before diffopt_create when it is to serve all of them. A turn that only
 *  looks ends with a tape_release to a mark made at its beginning. When a step fails the weights are as they were.
 *
 *  What is freed begins at the last step of whichever optimizer of this functional module came last; at what came
 *  after it, if an optimizer was made, an override, schedule, callback or clip set where there had been none, or, in
 *  HC_FIRST_ORDER, weights set by fmodule_set_params. Settings stay in force; those replaced before each step take no
 *  more memory. A tensor made since the last step that an override or a schedule was given (or may look at, by a
 *  function of your own) stays, with all made before it, and so does what was made before a schedule_then was given:
 *  where many follow each other, make them before diffopt_create.
 *  Errors: as diffopt_step, and HC_ERR_STATE in HC_FULL, which needs what would be freed. */
HC_API bool diffopt_step_release(DiffOpt *opt, Tensor *loss);

/** A step from params[0..count) (in the order of fmodule_params) in the place of W<t>. */
HC_API bool diffopt_step_with(DiffOpt *opt, Tensor *loss, Tensor *const *params, size_t count);

/** The loss handed to the last step, or NULL before the first and after a release past it. */
HC_API Tensor *diffopt_loss(const DiffOpt *opt);
/** How many steps it has made. */
HC_API size_t diffopt_steps(const DiffOpt *opt);

/** Puts a tensor in the place of a hyperparameter, in one group or HC_ALL_GROUPS, in force until it
 *  is replaced; NULL removes it (the optimizer's own, learned or not, is seen again). A scalar, or anything that
 *  broadcasts to each weight. Values are not looked at: a momentum that is 0 still gets its gradient. A tensor
 *  made since the last step is freed by diffopt_step_release as all else is, but in HC_EVAL its numbers stay in force;
 *  in HC_FIRST_ORDER it stays, and so does what was made before it.
 *  Errors: HC_ERR_NAME (none of that name), HC_ERR_ARG (a flag cannot be a tensor), HC_ERR_RANGE, HC_ERR_SHAPE (it
 *  does not broadcast to a weight of the group). */
HC_API bool diffopt_override(DiffOpt *opt, const char *name, size_t group, Tensor *value);
/** The same for one parameter; it goes before the group's. */
HC_API bool diffopt_override_param(DiffOpt *opt, const char *name, const Param *param,
                                   Tensor *value);

/** Multiplies a hyperparameter, overridden or not, by a schedule's factor from the next step on, in the
 *  place of an earlier schedule; NULL removes that. The step number goes on from the optimizer's. The
 *  schedule is copied, with those a schedule_then borrows; tensors among its coefficients are on the same
 *  tape, and a gradient flows to them.
 *  Errors: as diffopt_override. */
HC_API bool diffopt_schedule(DiffOpt *opt, const char *name, size_t group,
                             const Schedule *schedule);

/** Changes the gradients between backward and update: grads[i] belongs to the i-th fast weight and is
 *  NULL where there is none. What it puts in their place must be NULL (the weight is left alone) or of the
 *  weight's shape, on the same tape. Return false to give up the step.
 *  Errors: HC_ERR_STATE (given up, or a gradient for a weight in no group), HC_ERR_SHAPE; the step then
 *  leaves weights, state and counts as they were. */
typedef bool GradCallback(Tape *tape, Tensor **grads, size_t count, void *user);
/** Called at every later step; NULL removes it. */
HC_API bool diffopt_grad_callback(DiffOpt *opt, GradCallback *callback, void *user);
/** Ready-made, in the callback's place: g min(1, max_norm / (norm + eps)), the norm over all
 *  gradients, differentiated through. PyTorch's eps is 1e-6. */
HC_API bool diffopt_clip_norm(DiffOpt *opt, double max_norm, double eps);
/** Ready-made: every entry clamped to +-limit, with derivative 0 outside. */
HC_API bool diffopt_clip_value(DiffOpt *opt, double limit);

/** Cuts the history here: weights and state become leaves with the same values; step counts stay.
 *  Gradients of later losses reach these leaves and no further (truncated backpropagation). */
HC_API bool diffopt_detach(DiffOpt *opt);

/** Copies the state (moments, step counts) into an optimizer with the same rule, over the Params the
 *  groups were made of or those of a module like it, matched in order. All or nothing. */
HC_API bool diffopt_commit(DiffOpt *opt, Optim *optim);

#ifdef __cplusplus
}
#endif

#include "names_end.h"
#endif
