/* A differentiable optimizer from within: a chain of snapshots beside that of its functional module. */
#ifndef HC_META_DIFFOPT_H
#define HC_META_DIFFOPT_H

#include "meta/fmodule.h"
#include "optim/optim.h"

#define HC_NO_GROUP SIZE_MAX
#define HC_EVERY_WEIGHT SIZE_MAX

/* A tensor in the place of a hyperparameter, or a schedule on it; newest first. One without a value or a
 * schedule ends older ones of its kind. A list holds no entry that a newer one replaces. */
typedef struct HcOverride HcOverride;
struct HcOverride {
    HcOverride *next;
    size_t hyper;
    size_t group;  /* or HC_ALL_GROUPS; of a weight's override: unused */
    size_t weight; /* or HC_EVERY_WEIGHT */
    HcPosition place;
    Tensor *value;
    Schedule schedule; /* none where its factor is NULL */
    bool schedules;    /* which of the two it is about */
    bool known;        /* the factor below is this step's */
    Hyper factor;
};

typedef struct HcFastMoments {
    size_t steps;
    Tensor *state[HC_MAX_STATES];
} HcFastMoments;

/* What a release must bring back. */
typedef struct HcSnapshot HcSnapshot;
struct HcSnapshot {
    HcSnapshot *prev;
    HcPosition place;
    size_t steps;
    HcFastMoments *moments; /* of each weight */
    HcOverride *overrides;
    size_t override_count, override_most; /* now, and ever */
    HcOverride *room;                     /* for those that a step_release carries on */
    size_t room_count;
    GradCallback *callback;
    void *callback_user;
    double clip[2];   /* a ready-made callback's own numbers */
    bool called_back; /* there was a callback once */
    Tensor *loss;
    bool cut;
};

#define HC_DIFFOPT_WORD 0x4863444fu

struct DiffOpt {
    HcScope scope;
    Tape *tape;
    const OptimClass *cls;
    void *user;
    FModule *module;
    size_t count;  /* weights */
    size_t *group; /* of each, or HC_NO_GROUP */
    size_t *place; /* of each in its group */
    size_t group_count;
    double *hyper;      /* [group_count][HC_MAX_HYPERS] */
    HcLearned *learned; /* the same */
    Tensor **learned_values;
    size_t first_step; /* of the optimizer, at creation */
    HcSnapshot *now;
    HcSlots *slots;  /* [state_count]: one list for each state */
    Tensor **states; /* [count]: one of those lists, while it is saved or restored */
    HcSnapshot kept;
    HcFastMoments *kept_moments;
    bool keeps;
    bool at_work; /* in a step */
    bool carries;          /* settings above the mark, of a step that releases */
    size_t carried;        /* how many overrides stand in the room ... */
    HcOverride *uncarried; /* ... before these, which are below the mark */
};

/* Adds a copy of the present snapshot, with its own moments where they will change; it is not yet in force. */
HcSnapshot *hc_diffopt_push(DiffOpt *opt, bool own_moments);
/* The next step_release goes back to here at most: what is there now is to outlast it. */
void hc_diffopt_raise_base(DiffOpt *opt);
/* One more override in a snapshot; NULL after hc_fail. */
HcOverride *hc_diffopt_add_override(DiffOpt *opt, const char *who, HcSnapshot *to,
                                    const HcOverride *made);
/* Lets the optimizer hear of releases from here on. */
void hc_diffopt_enter(DiffOpt *opt);
/* Whether a handle can be used; the usual NULL rule. */
bool hc_diffopt_usable(const DiffOpt *opt, const char *who);
/* What the optimizer learns and schedules, from its present values; for diffopt_create. */
bool hc_diffopt_take_settings(DiffOpt *opt, const Optim *optim, HcSnapshot *first);
/* To be called before the hyperparameters of a step are asked for. */
void hc_diffopt_begin_step(const DiffOpt *opt);
/* The hyperparameters as weight i sees them. */
void hc_diffopt_hypers(const DiffOpt *opt, size_t i, Hyper *hyper);
/* Lets the callback change the gradients, and looks at what it left. */
bool hc_diffopt_call_back(const DiffOpt *opt, Tensor *const *weights, Tensor **grads);

#endif
