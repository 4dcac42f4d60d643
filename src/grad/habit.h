/* A habit: what the rules of a sweep made, kept to be done again. A training loop records the same graph in the same
 * places turn by turn, with other numbers. A sweep in scratch that wants the gradients of Params, and has come
 * a few times, is learned: copies are kept of the tensors its rules made, in their order. When all that the rules
 * could look at is as it was (each node reached, and each one read, with its form, attributes, memory and inputs), the
 * next sweep runs the forwards of these copies, in memory that is the habit's own, and neither looks for nodes nor
 * calls a rule. The calls of kernels are the same, on the same addresses but for that memory, so the bits are.
 *
 * Not learned is what does more than emit scratch nodes: rules that call a caller's code, sweep, take numbers from
 * elsewhere, or draw some. Nor has a tape habits that looks for NaN, uses no address again, or may take only so much
 * memory. */
#ifndef HC_GRAD_HABIT_H
#define HC_GRAD_HABIT_H

#include "grad/sweep.h"

/* A forward to be run, or before those of a rule that reads memory someone may write, a look at that. */
typedef struct HcHabitStep {
    Tensor *made;
    const Tensor *origin; /* of which it is the copy; while it is learned */
    const Tensor *reads;  /* NULL: run `made` */
    uint32_t needs;       /* of the inputs of `reads` */
} HcHabitStep;

typedef struct HcHabitResult {
    Tensor *leaf, *cotangent;
} HcHabitResult;

struct HcHabit {
    const Tensor *output;
    Tensor *seen; /* nodes as they were ... */
    Tensor **seen_at;
    size_t seen_count, seen_capacity, seen_at_capacity;
    HcHabitStep *steps;
    size_t step_count, step_capacity;
    HcHabitResult *results;
    size_t result_count, result_capacity;
    Tensor *start;   /* the output's cotangent, 1 */
    HcArena copies;  /* of nodes: numbers take the place of others in the store, as in a sweep */
    HcScratch store; /* all it makes; while it is learned the tape's, which then is here */
    uint64_t form_sweeps;
    unsigned asides;
    size_t followed; /* so often */
    bool whole;      /* learned */
    /* While it is learned. */
    bool busy;
    bool odd; /* it cannot be done again */
    const Tensor *start_origin;
    uint64_t serial, first_serial; /* of the tape, after the rule before and at first */
    size_t nodes, made;
};

/* Whether a habit of this tape is the sweep to come: then it is set, and the nodes are the Params' leaves. */
bool hc_habit_fits(HcSweep *sweep);
/* To begin to learn one if that may be worth it: the tape's scratch store is the habit's until _learned. */
void hc_habit_begin(HcSweep *sweep);
void hc_habit_starts(HcSweep *sweep, Tensor *gy);
/* The rule of a node has run, and made what was born since. */
void hc_habit_learn(HcSweep *sweep, const HcReached *x, size_t born);
/* All have: cotangents of what is wanted are copies now, which live until _leave. */
void hc_habit_learned(HcSweep *sweep, size_t born);
/* At the sweep's end, with its cotangents dropped: keeps what was learned, or not. */
void hc_habit_leave(HcSweep *sweep);
void hc_habits_free(Tape *tape);

#endif
