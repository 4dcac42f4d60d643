/** @file schedule.h
 *  Schedules: a factor on a hyperparameter that changes from step to step, in place and on the tape.
 *
 *      Schedule cosine = schedule_cosine(1000, hyper_const(0));
 *      optim_schedule(optim, "lr", HC_ALL_GROUPS, &cosine);
 *
 *  makes every optim_step, and every diffopt_step of what is made of the optimizer later, see lr times the
 *  factor at its step number: 0 at an optimizer's first step. The hyperparameter itself, set or learned or
 *  overridden, stays what is multiplied.
 *
 *  Coefficients are Hypers. On an optimizer they are numbers; with diffopt_schedule they may be tensors,
 *  and then a gradient flows to them. */
#ifndef HIGHERC_SCHEDULE_H
#define HIGHERC_SCHEDULE_H

#include "optim.h"
#include "names.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A factor by step number: below. */
typedef struct HcSchedule Schedule;

/** A factor of your own: of `step`, from 0. It records tensors, where it makes some, on their tape. */
typedef Hyper ScheduleFn(size_t step, void *user);

/** The most milestones of schedule_multistep. */
#define HC_MOST_MILESTONES 8

/** A plain value, filled by the functions below, which never fail; nothing is to be freed. With `steps` 0 the
 *  cosine, the polynomial, the warm-up and the one cycle are at their end from the start. */
struct HcSchedule {
    /** What the schedule is; only the functions below fill it. */
    Hyper (*factor)(const Schedule *schedule, size_t step);
    Hyper coefficient;                     /**< gamma, last, power or start */
    size_t steps;                          /**< how many steps, or the period */
    double rise;                           /**< schedule_one_cycle's share of steps that rise */
    double last;                           /**< its last factor */
    size_t growth;                         /**< schedule_cosine_restarts' */
    size_t milestone_count;                /**< schedule_multistep's */
    size_t milestones[HC_MOST_MILESTONES]; /**< step numbers */
    const Schedule *first;                 /**< schedule_then's, borrowed until all of it is copied */
    const Schedule *next;                  /**< in the same way */
    ScheduleFn *function;                  /**< schedule_lambda's */
    void *user;                            /**< handed to it */
};

/** gamma^floor(t / period): PyTorch's StepLR. A period of 0 counts as 1. */
HC_API Schedule schedule_step(size_t period, Hyper gamma);
/** gamma^t. */
HC_API Schedule schedule_exponential(Hyper gamma);
/** gamma to the power of how many milestones are at or below t, in any order: PyTorch's MultiStepLR. The list is
 *  copied. More than HC_MOST_MILESTONES, or a NULL, make no schedule, which optim_schedule refuses. */
HC_API Schedule schedule_multistep(const size_t *milestones, size_t count, Hyper gamma);
/** From 1 to `last` along half a cosine: last + (1 - last) (1 + cos(pi min(t, steps) / steps)) / 2.
 *  Source: Loshchilov and Hutter 2017 (SGDR), without restarts. */
HC_API Schedule schedule_cosine(size_t steps, Hyper last);
/** The same with restarts: a cosine over `first` steps, which would reach `last` at the step where the next one begins
 *  at 1 again, over `growth` times as many, and so on. PyTorch's CosineAnnealingWarmRestarts. 0 counts as 1 in
 *  both.
 *  Source: Loshchilov and Hutter 2017. */
HC_API Schedule schedule_cosine_restarts(size_t first, size_t growth, Hyper last);
/** From `start` to 1 along half a cosine, up to step rise steps - 1, and from there to `last` along another, up to step
 *  steps - 1, where it stays. PyTorch's OneCycleLR, the hyperparameter being max_lr: its defaults are a rise of 0.3,
 *  start 1 / 25 and last start / 1e4. A rise outside [0, 1] makes the factor NaN.
 *  Source: Smith and Topin 2019, "Super-convergence". */
HC_API Schedule schedule_one_cycle(size_t steps, double rise, Hyper start, double last);
/** (1 - min(t, steps) / steps)^power; for a power that is not whole, by pow of the C library (base.h). */
HC_API Schedule schedule_polynomial(size_t steps, Hyper power);
/** From `start` to 1 along a line: start + (1 - start) min(t, steps) / steps. */
HC_API Schedule schedule_warmup(size_t steps, Hyper start);
/** A function of your own; `user` is handed to it and must stay as long as the schedule is in use. A factor
 *  of NaN, and so a NULL function, is refused by optim_schedule, and by a step that meets one later. */
HC_API Schedule schedule_lambda(ScheduleFn *function, void *user);
/** `first` for that many steps, then `next` from its step 0: a warm-up before a cosine, say. Both are
 *  borrowed, and must stay until optim_schedule or diffopt_schedule has copied the whole; one may stand at
 *  several places. At most 255 deep; deeper, as one that holds itself is, is as no schedule. */
HC_API Schedule schedule_then(const Schedule *first, size_t steps, const Schedule *next);

/** The factor at a step, from 0. NaN, and the error HC_ERR_ARG, for a schedule that is none. */
HC_API Hyper schedule_at(const Schedule *schedule, size_t step);

/** Multiplies a hyperparameter, in a group or in all, by the schedule's factor from now on, in the place of
 *  an earlier schedule; NULL removes that. The schedule is copied, with those a schedule_then borrows: what
 *  becomes of them later is nothing to it. Bounds are not looked at.
 *  Errors: HC_ERR_NAME, HC_ERR_RANGE, HC_ERR_ARG (a flag, or a factor that is a tensor), HC_ERR_NOMEM. */
HC_API bool optim_schedule(Optim *optim, const char *name, size_t group, const Schedule *schedule);

#ifdef __cplusplus
}
#endif

#include "names_end.h"
#endif
