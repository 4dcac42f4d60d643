/* The optim layer: update rules, and optimizers that run them in place. A rule sees tensors and
 * hyperparameters only, so the meta layer can run the same rule on the tape. */
#ifndef HC_OPTIM_OPTIM_H
#define HC_OPTIM_OPTIM_H

#include <math.h>

#include "higherc/schedule.h"
#include "tape/param.h"
#include "tape/stamp.h"

/* What an optimizer keeps for one Param. */
typedef struct HcMoments {
    size_t steps;
    void *state[HC_MAX_STATES]; /* NULL until the first update that sets it */
} HcMoments;

/* Which of the optimizer's learned Params stand for a hyperparameter of a group; none while count is 0. */
typedef struct HcLearned {
    size_t first, count;
    LearnScope per;
    bool log; /* they hold its logarithm */
} HcLearned;

/* What the Params hold for a value, and the value of what they hold. */
static inline double hc_learned_number(const HcLearned *learned, double value) {
    return learned->log ? log(value) : value;
}
Tensor *hc_learned_value(const HcLearned *learned, Tensor *x);

/* For the Param at that place of the group. */
static inline size_t hc_learned_index(const HcLearned *learned, size_t place) {
    return learned->first + (learned->per == HC_LEARN_GROUP ? 0 : place);
}

typedef struct HcGroup {
    ParamList params;
    HcMoments *moments;
    double hyper[HC_MAX_HYPERS];
    HcLearned learned[HC_MAX_HYPERS];
} HcGroup;

typedef struct HcScheduled {
    size_t hyper, group; /* or HC_ALL_GROUPS */
    bool removed;        /* none, in spite of an earlier one for all groups */
    Schedule schedule;
    Schedule *nodes; /* [node_count]: those it leads to, from `first` and `next` on; NULL for none */
    size_t node_count;
} HcScheduled;

/* What files call the functions that make schedules. */
typedef enum HcScheduleKind {
    HC_SCHEDULE_NONE, /* removed; or made by no schedule_ function */
    HC_SCHEDULE_STEP,
    HC_SCHEDULE_COSINE,
    HC_SCHEDULE_POLYNOMIAL,
    HC_SCHEDULE_WARMUP,
    HC_SCHEDULE_LAMBDA,
    HC_SCHEDULE_THEN,
    HC_SCHEDULE_MULTISTEP, /* this and those behind it have more numbers */
    HC_SCHEDULE_RESTARTS,
    HC_SCHEDULE_ONE_CYCLE,
    HC_SCHEDULE_KINDS
} HcScheduleKind;

struct HcOptim {
    const OptimClass *cls;
    void *user;
    HcGroup *groups;
    size_t group_count, group_capacity;
    ParamList learned;
    size_t learned_capacity;
    HcScheduled *schedules; /* later ones go before */
    size_t schedule_count, schedule_capacity;
    size_t steps;       /* made in place, or committed */
    HcVersion *version; /* of all that a differentiable optimizer takes over as numbers */
    DType dtype;
    Tape *tape; /* on which steps are computed */
    char message[HC_MESSAGE_SIZE];
    bool failed, check_grads;
};

/* To be called after settings or state changed. */
static inline void hc_optim_changed(Optim *optim) {
    optim->version->changes++;
}

/* Whether neither its rule nor a schedule of its is at work; false after an error. */
bool hc_optim_at_rest(Optim *optim, const char *who);
/* Keeps an error on the optimizer and in the thread. Returns false. */
/* optim_create for what is called. */
Optim *hc_optim_for(const char *who, const OptimClass *cls, ParamList params, void *user);
bool hc_optim_fail(Optim *optim, HcStatus status, const char *format, ...) HC_PRINTF(3, 4);
#define hc_optim_fail(...) hc_false(hc_optim_fail(__VA_ARGS__))

void hc_moments_free(HcMoments *moments, size_t count);

/* The number of a hyperparameter; false, with the thread's error, when there is none. */
bool hc_hyper_index(const OptimClass *cls, const char *who, const char *name, size_t *index);

/* Whether a number is within the hyperparameter's bounds; of a flag: 0 or 1. */
bool hc_hyper_accepts(const OptimHyper *hyper, double value);
/* Which numbers it accepts, in words. */
#define HC_BOUNDS_TEXT 100
const char *hc_hyper_bounds(const OptimHyper *hyper, char text[HC_BOUNDS_TEXT]);
/* What is wrong with these numbers for a group taken together, or NULL. Those that it learns count as NaN, but not
 * that of `set`, which is about to be written to what is learned; SIZE_MAX for none. */
const char *hc_hypers_fault(const Optim *optim, const HcGroup *group, const double *hyper,
                            size_t set);
/* The checks of what changes a hyperparameter that is no flag, in a group or all. */
bool hc_optim_setting(Optim *optim, const char *who, const char *name, size_t group, size_t *hyper);
/* The Param in the place of a hyperparameter of the Param at that place of the group, or NULL. */
Param *hc_learned(const Optim *optim, size_t group, size_t place, size_t hyper);
HcScheduleKind hc_schedule_kind(const Schedule *schedule); /* NULL: none */
/* Whether it may use a tensor that is not among the first `nodes`: what a function of the caller's looks at is not
 * known. */
bool hc_schedule_follows(const Schedule *schedule, size_t nodes);
/* How deep schedule_at follows a schedule_then. */
#define HC_MOST_SCHEDULES 256
/* Makes an empty one of the kind, not HC_SCHEDULE_NONE. */
Schedule hc_schedule_of(HcScheduleKind kind);
/* Lets the schedule's pointers into `from` lead to the same places of `to`, a copy of these nodes. */
void hc_schedule_move(Schedule *schedule, const Schedule *from, Schedule *to, size_t count);
/* Copies those it leads to, each once, to *nodes (hc_alloc; NULL for none), and lets it lead there. False when out of
 * memory. */
bool hc_schedule_own(Schedule *schedule, Schedule **nodes, size_t *count);
void hc_scheduled_free(HcScheduled *list, size_t count);
/* schedule_at, where a function of the caller's must leave the tape alone. */
Hyper hc_schedule_call(Tape *tape, const char *who, const Schedule *schedule, size_t step);
/* The same in a step, for the hyperparameter of that name: NaN fails it, with words on the tape. */
Hyper hc_schedule_factor(Tape *tape, const char *who, const Schedule *schedule, size_t step, const char *name);
/* The schedule in force, or NULL. */
const Schedule *hc_scheduled(const Optim *optim, size_t group, size_t hyper);

/* Runs the rule; u->param NULL when it failed. */
static inline void hc_run_rule(const OptimClass *cls, OptimUpdate *u, void *user, Tape *tape) {
    HcCalling outer = hc_call_begin(tape);
    bool done = cls->update(u, user);
    if (!hc_call_end(tape, outer) || !done) u->param = NULL;
}
/* What is wrong with what a rule left for a weight of this shape, in words; NULL when it is sound. */
const char *hc_update_fault(const OptimClass *cls, const OptimUpdate *update, const Tape *tape,
                            const Shape *shape);

#endif
