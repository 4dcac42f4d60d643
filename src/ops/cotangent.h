/* Cotangents as rules give and take them. Gathering them is an operation like others (adding a multiple), so
 * it stands here; which nodes a sweep reaches, and in what order their rules run, is the grad layer's. */
#ifndef HC_OPS_COTANGENT_H
#define HC_OPS_COTANGENT_H

#include "tape/tape.h"

typedef struct HcHabit HcHabit;

/* A node that was reached. */
typedef struct HcReached {
    Tensor *node;
    Tensor *cotangent;
    uint16_t needs; /* as node->passing: what is wanted is input j, or below it */
    bool wanted;
    bool owned; /* its cotangent was made for it alone */
} HcReached;

struct HcSweep {
    Tape *tape;
    HcSweepSpace *space;
    Tensor *output;
    unsigned flags;
    size_t count;       /* nodes reached */
    HcReached *nodes;   /* by number, indices falling */
    uint32_t *number;   /* by index; true where nodes says so */
    const Tensor *node; /* whose rule is running ... */
    Tensor *const *inputs;
    uint32_t needs; /* ... and which of its inputs want a cotangent */
    HcHabit *habit, *learns; /* grad/habit.h: the one it follows, and one it makes; or NULL */
};

/* The number of a node reached; count when it was not. */
static inline size_t hc_sweep_number(const HcSweep *s, const Tensor *x) {
    if (x->index > s->output->index || (x->flags & HC_NODE_SCRATCH)) return s->count;
    size_t k = s->number[x->index];
    return k < s->count && s->nodes[k].node == x ? k : s->count;
}

/* Of a node that was reached: its number holds. */
static inline HcReached *hc_reached(const HcSweep *s, const Tensor *x) {
    HC_ASSERT(hc_sweep_number(s, x) < s->count);
    return &s->nodes[s->number[x->index]];
}

static inline bool hc_wanted_below(const HcReached *x) {
    return x->needs || x->wanted;
}

static inline void hc_put_cotangent(HcReached *x, Tensor *g, bool owned) {
    /* Of its node's shape; a node of several outputs only notes that one of them has one. */
    HC_ASSERT(!g || (x->node->op->flags & HC_OP_PARTS) || g->form->plain == x->node->form->plain);
    hc_hold(g);
    x->cotangent = g;
    x->owned = owned;
}

/* ---- for rules ------------------------------------------------------------------------------------ */

/* Whether input j wants a cotangent. */
bool hc_late_needs(const HcSweep *sweep, unsigned j); /* past HC_LAST_BIT */
static inline bool hc_needs(const HcSweep *sweep, unsigned j) {
    return j < HC_LAST_BIT ? sweep->needs >> j & 1 : hc_late_needs(sweep, j);
}
/* Adds g, or c g, to the cotangent of input j. A NULL g (after an error, or a zero) adds nothing. */
void hc_give(HcSweep *sweep, unsigned j, Tensor *g);
void hc_give_scaled(HcSweep *sweep, unsigned j, Tensor *g, double c);
/* In the rule of an operation with several outputs: part i's cotangent, or NULL. */
Tensor *hc_part_cotangent(const HcSweep *sweep, size_t i);
/* For operations that accumulate: takes what is there already (or NULL), to be handed as acc to one
 * operation, whose result, read by nothing else and not by its own rule, goes to hc_set. Where no one can
 * tell, that overwrites what was taken, on the tape too. */
Tensor *hc_take(HcSweep *sweep, unsigned j);
void hc_set(HcSweep *sweep, unsigned j, Tensor *g);
/* For a rule whose only use of its own node's cotangent gy is as acc of one operation: marks it to be
 * overwritten, too, where no one can tell. Returns gy. */
Tensor *hc_hand_over(HcSweep *sweep, Tensor *gy);

#endif
