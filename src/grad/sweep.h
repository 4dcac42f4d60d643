/* The grad layer: the reverse sweep, and the public derivatives made of it. It knows operations only by
 * their rules.
 *
 * A sweep numbers the nodes it reaches compactly, in its own side arrays, so sweeps nest. Three passes:
 * down from the output (reached), up again (depends on a wanted node), down once more (run the rules). */
#ifndef HC_GRAD_SWEEP_H
#define HC_GRAD_SWEEP_H

#include "higherc/grad.h"
#include "ops/cotangent.h"
#include "tape/param.h"

enum {
    HC_SWEEP_RECORD = 1,    /* cotangents stay on the tape, with history */
    HC_SWEEP_CUT = 2,       /* wanted nodes are independent: nothing below them is visited */
    HC_SWEEP_PARAMS = 4,    /* every Param's leaf is wanted */
    HC_SWEEP_BLOCKED = 8,   /* go where no gradient flows, too: to find out why (not to be run) */
    HC_SWEEP_ABSTRACT = 16, /* cotangents stay on the tape, placed and not computed */
    HC_SWEEP_ORIGINS = 32   /* with BLOCKED: on from a leaf to what its numbers were taken from */
};

/* In this order. want may be called any number of times; all return false after hc_fail. */
bool hc_sweep_begin(HcSweep *sweep, Tensor *output, unsigned flags);
bool hc_sweep_want(HcSweep *sweep, const Tensor *x);
bool hc_sweep_find(HcSweep *sweep); /* the first two passes: after it, reaches answers */
bool hc_sweep_reaches(const HcSweep *sweep, const Tensor *x);
/* The third pass from the cotangent gy; NULL: 1, which in scratch is the caller's to drop (hc_drop_born). */
bool hc_sweep_run(HcSweep *sweep, Tensor *gy);
/* The cotangent of a wanted node: on the tape with HC_SWEEP_RECORD or _ABSTRACT, else in scratch, held for the
 * caller until hc_drop; zeros when reached by no number; NULL when not reached, or after hc_fail. */
Tensor *hc_sweep_result(HcSweep *sweep, const Tensor *x);
/* The result of a wanted, reached node, by its number, made dense, which it stays until the end; held by the sweep.
 * Without RECORD. */
Tensor *hc_sweep_settle(HcSweep *sweep, size_t number);
/* Ready to be run again. */
void hc_sweep_clear(HcSweep *sweep);
void hc_sweep_end(HcSweep *sweep);

/* The node number i, from the output down. */
Tensor *hc_sweep_node(const HcSweep *sweep, size_t i);
/* The first leaf of a Param whose number is at least *number, which gets its number; or NULL. With HC_SWEEP_PARAMS. */
Tensor *hc_sweep_param(const HcSweep *sweep, size_t *number);
bool hc_sweep_wanted_below(const HcSweep *sweep, size_t i);

/* Gradients of `output` with cotangent gy to inputs, as hc_sweep_result gives them; NULL where not
 * reached. */
bool hc_sweep_all(Tensor *output, Tensor *gy, Tensor *const *inputs, size_t count, unsigned flags,
                  Tensor **grads);

/* A node from which a sweep starts with a cotangent for each of several tensors; the cotangents must live as long as
 * the node. A sweep from it is to start with 1. */
Tensor *hc_start_at(Tensor *const *tensors, Tensor **cotangents, size_t count);

/* How gradients that were kept as constants were taken, so that a program can take them again: kept[i],
 * where not NULL, is that of output, with cotangent gy (NULL: 1), to inputs[i]. */
struct HcTaken {
    Tensor *output, *gy;
    uint64_t serial; /* of the output, which a release may take away */
    unsigned flags;
    size_t count;
    Tensor **inputs, **kept;
};
/* Keeps each of grads[0..count) that is in scratch as a constant on the tape, in its place; holds are
 * the caller's still. False after hc_fail, some being kept then. */
bool hc_sweep_keep(Tensor *output, Tensor *gy, Tensor *const *inputs, size_t count, unsigned flags,
                   HcWhy why, Tensor **grads);

/* The cause why no gradient flows from y to x (NULL: to any Param), in words. */
const char *hc_why_text(HcWhy why);
HcWhy hc_why(Tensor *y, const Tensor *x);

#endif
