/* The meta layer: functional modules and differentiable optimizers. Both are thin: chains of snapshots,
 * which never change, so going back to a mark is following a pointer. */
#ifndef HC_META_FMODULE_H
#define HC_META_FMODULE_H

#include "higherc/diffopt.h"
#include "nn/module.h"

/* W<t>, B<t> (no list when shared) and what else a release must bring back. */
typedef struct HcWeights HcWeights;
struct HcWeights {
    HcWeights *prev;
    HcPosition place;
    size_t step;
    Tensor **weights, **buffers;
    bool training;
    bool cut; /* just truncated: a release leaves it alone */
    struct HcImplicit *implicit; /* the last, or NULL */
};

/* Memory made at creation in which a list of tensors survives a release. */
typedef struct HcSlots {
    size_t count;
    void **memory;
    size_t *room;  /* in each, in numbers */
    bool *moved;   /* between keep and restore: its numbers are in the slot */
    bool *needs;   /* ... and a gradient flows to it */
    Shape *shape;  /* ... and its shape */
    Tensor **list; /* ... or the tensor, which stays */
    HcCell cell;   /* of the memory: leaves over it know when it was written again */
} HcSlots;

bool hc_slots_create(Tape *tape, HcSlots *slots, Tensor *const *like, size_t count,
                     const char *who);
/* For a scope's keep: what of the list lives on in the slots. False after hc_fail. */
bool hc_slots_keep(HcSlots *slots, Tensor *const *list, const TapeMark *mark);
/* Fills list with what was saved. */
bool hc_slots_restore(HcSlots *slots, Tape *tape, Tensor **list, HcWhy why);

#define HC_FMODULE_WORD 0x4863464du

struct HcFModule {
    HcScope scope; /* of a root only */
    FModule *root;
    Tape *tape;
    Module *module;
    HcVersion *plan;  /* of a root: its module's, which the tape holds by a stamp ... */
    uint64_t planned; /* ... and what that was */
    size_t param_base, buffer_base; /* in the root */
    FMode mode;
    FBuffers policy;
    HcWeights *now; /* of a root only */
    HcSlots weight_slots, buffer_slots;
    HcWeights kept; /* between keep and restore */
    bool keeps;
    TapeMark base; /* what the next step_release of any of its optimizers goes back to */
    bool releasing; /* a step releases: settings of its optimizers live on */
    bool stepping; /* the release is that of a first-order step: B<t> and the mode live on */
    Tensor *const *held; /* in a step of an unroll over several modules: all weights as it began */
    size_t held_count;
};

/* Whether a handle can be used; the usual NULL rule. */
bool hc_fmodule_usable(const FModule *f, const char *who);
/* Adds a snapshot of the present one, with other weights or buffers where not NULL (copied). */
bool hc_fmodule_push(FModule *root, Tensor *const *weights, Tensor *const *buffers, size_t step,
                     bool cut);

#endif
