/* The ways to go through an inner loop, and all that a loop is made of: optimizer, network, settings. Each gives
 * what came out, as a list of numbers to be compared bit for bit. */
#ifndef TESTS_WAYS_H
#define TESTS_WAYS_H

#include "support/nets.h"

enum { MOST_STEPS = 4 };

enum { CLIP_NONE, CLIP_NORM, CLIP_VALUE, CLIPS };
enum {
    OVERRIDE_NONE,
    OVERRIDE_GROUP,
    OVERRIDE_PARAM,
    OVERRIDE_EACH_STEP,
    LEARN,
    OVERRIDES = LEARN + 3
};
/* What is done to the weights between steps. */
enum { PUT_NONE, PUT_STORED_OTHERWISE, PUT_SLICES, PUT_EXCHANGED, PUTS };
enum { GROUPS_ONE, GROUPS_TWO, GROUPS_LEFT_OUT, GROUPINGS };

typedef struct Combination {
    uint64_t seed;
    const Net *net;
    size_t rule; /* of unroll_configs, then of own_rules */
    DType dtype;
    size_t steps;
    int groups, clip, override, put;
    size_t schedule; /* 0: none */
    FBuffers buffers;
    bool training, frozen, penalty, callback;
} Combination;

/* One way to go through it. */
typedef struct Way {
    const char *name;
    FMode mode;
    bool release, pool;
    bool with;   /* steps from weights handed in */
    bool detour; /* a step that is taken back */
    bool split;  /* committed and begun again half way */
    bool late;   /* schedules set on the differentiable optimizer */
    bool copied; /* from W<0> without history: gradients to it, not to the Params */
    bool unrolled;   /* by unroll, which keeps: */
    UnrollKeep keep; /* of HC_KEEP_FIT what fits in as little memory as it takes */
    size_t every;
} Way;

/* What came out; to be freed by its owner. */
typedef struct Bits {
    double *v;
    size_t count, room;
} Bits;

/* All append; false when a call failed. `bits`: W<t>, then the same, the buffers and the states as committed, then
 * (not in HC_EVAL) the loss after the last step. `grads`: of that loss, to the Params and what is learned; then the
 * buffers of the module, and another loss, for what the backward pass did to them and to the tape's stream; then, but
 * for an unrolled loop, which of the gradients there are. */
bool ways_recorded(const Combination *c, const Way *way, Bits *bits, Bits *grads);
/* By optim_step. */
bool ways_in_place(const Combination *c, Bits *bits);
/* By a Program captured on other numbers: W<t>, and gradients, only. */
bool ways_replayed(const Combination *c, const Way *way, Bits *bits, Bits *grads);
/* Some tasks on so many threads; on 0 by the loop that tasks.h writes down. W<t> of each, and summed gradients. */
bool ways_tasks(const Combination *c, const Way *way, size_t threads, Bits *bits, Bits *grads);

#endif
