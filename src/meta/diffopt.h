/* A differentiable optimizer from within: a chain of snapshots beside that of its functional module. */
#ifndef HC_META_DIFFOPT_H
#define HC_META_DIFFOPT_H

#include "meta/fmodule.h"
#include "optim/optim.h"
#include "tape/param_set.h"

#define HC_NO_GROUP SIZE_MAX
#define HC_EVERY_WEIGHT SIZE_MAX

/* A tensor in the place of a hyperparameter, or a schedule on it. */
typedef struct HcSetting {
    Tensor *value;
    Schedule schedule;
    HcSlots *slot; /* in HC_EVAL: where the value lives on through a step that releases */
    size_t spot;   /* among those carried, from 1, while they are gathered; else 0 */
    bool known;    /* the factor below is this step's */
    Hyper factor;
} HcSetting;

/* Where a hyperparameter of one group or weight is set. */
typedef struct HcKnob {
    HcSetting *now; /* or NULL */
    HcSlots *slot;
    HcPosition slot_place;
    size_t slot_leaf; /* the node that reads the slot; SIZE_MAX: none */
    size_t spot;      /* as a setting's */
    bool ever;        /* it was set once */
} HcKnob;

/* What a knob was before it was set; newest first. A release goes back along these. */
typedef struct HcChange HcChange;
struct HcChange {
    HcChange *next;
    HcKnob *knob;
    HcSetting *before;
    HcPosition place;
    bool first;
};

/* A knob that was set above the mark of a step that releases, which carries the setting on. */
typedef struct HcCarried {
    HcKnob *knob;
    HcSetting *before; /* below the mark */
    HcSetting setting;
    bool set;
    size_t same; /* the first of those carried that has this very setting */
    HcSetting *made;
} HcCarried;

/* Room for them. */
typedef struct HcRoom HcRoom;
struct HcRoom {
    HcRoom *older;
    HcPosition place;
    size_t count;
    HcCarried *items;
};

typedef struct HcSettings {
    HcKnob *groups;  /* [2][group_count][hyper_count]: values, then schedules; NULL: nothing was set yet */
    HcKnob *weights; /* [count][hyper_count]: values; NULL: the same */
    HcPosition groups_place, weights_place;
    HcChange *changes;
    size_t ever; /* knobs that were set once */
    HcRoom *room;
    size_t carried;
} HcSettings;

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
    GradCallback *callback;
    void *callback_user;
    double clip[2];   /* a ready-made callback's own numbers */
    bool called_back; /* there was a callback once */
    Tensor *loss;
    struct HcUnroll *unroll; /* the last, or NULL */
    bool cut;
};

#define HC_DIFFOPT_WORD 0x4863444fu

struct HcDiffOpt {
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
    bool in_step;
    bool carries; /* settings above the mark, of a step that releases */
    HcSettings settings;
    HcParamSet params; /* the module's, once one was asked for ... */
    HcPosition params_place;
};

/* Adds a copy of the present snapshot, with its own moments where they will change; it is not yet in force. */
HcSnapshot *hc_diffopt_push(DiffOpt *opt, bool own_moments);
/* The next step_release goes back to here at most: what is there now is to outlast it. */
static inline void hc_diffopt_raise_base(DiffOpt *opt) {
    opt->module->base = tape_mark(opt->tape);
}

/* Sets a knob of each of the groups, or of a weight (HC_EVERY_WEIGHT: of groups), in force from the next step on.
 * NULL: what is under it is seen again. False after hc_fail, with everything as it was. */
typedef struct HcWhere {
    size_t hyper, group, weight;
    bool schedules;
} HcWhere;
bool hc_settings_put(DiffOpt *opt, const char *who, HcWhere where, const HcSetting *made);
/* The setting of a group's knob, or of a weight's own; NULL where there is none. */
HcSetting *hc_setting(const DiffOpt *opt, HcWhere where);
/* What is in each knob, to be put there again; on the tape. */
typedef struct HcSettingsThen {
    HcSetting **groups, **weights; /* as the knobs; NULL: nothing was set */
} HcSettingsThen;
bool hc_settings_note(DiffOpt *opt, const char *who, HcSettingsThen *then);
/* False after hc_fail, with some of it done. */
bool hc_settings_return(DiffOpt *opt, const char *who, const HcSettingsThen *then);
/* A scope's three, for settings. */
bool hc_settings_keep(DiffOpt *opt, const TapeMark *mark);
void hc_settings_back(DiffOpt *opt, const TapeMark *mark);
bool hc_settings_restore(DiffOpt *opt);
/* Puts it on the tape, to hear of releases from here on; NULL after hc_fail. */
DiffOpt *hc_diffopt_enter(DiffOpt *made);
/* Whether a handle can be used; the usual NULL rule. */
bool hc_diffopt_usable(const DiffOpt *opt, const char *who);
/* What the optimizer learns and schedules, from its present values; for diffopt_create. */
bool hc_diffopt_take_settings(DiffOpt *opt, const Optim *optim);
/* To be called before the hyperparameters of a step are asked for. */
void hc_diffopt_begin_step(const DiffOpt *opt);
/* The hyperparameters as weight i sees them. */
void hc_diffopt_hypers(const DiffOpt *opt, size_t i, Hyper *hyper);
/* Lets the callback change the gradients, and looks at what it left. */
bool hc_diffopt_call_back(const DiffOpt *opt, Tensor *const *weights, Tensor **grads);

#endif
