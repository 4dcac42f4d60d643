/* A search along a line for a length that meets the strong Wolfe conditions. It knows numbers only. */
#ifndef HC_OPTIM_WOLFE_H
#define HC_OPTIM_WOLFE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arithmetic.h"

/* A place on the line: its length, the loss there and the slope along the line, and which of the caller's gradients is
 * the one there. */
typedef struct HcPlace {
    double t, loss, slope;
    int slot;
} HcPlace;

/* The slots of gradients: the search asks for new places in one that is not in use. */
enum { HC_WOLFE_SLOTS = 4 };

/* Fills loss and slope of the place at place->t, with the gradient in place->slot. False ends the search. */
typedef bool HcWolfeFn(HcPlace *place, void *user);

typedef struct HcWolfe {
    double tolerance_change;
    double reach; /* the largest entry of the direction */
    HcWolfeFn *fn;
    void *user;
    size_t evaluations;
} HcWolfe;

/* From `start` (t 0, slope below 0) with a first length t: *found is the place. False when fn said so. */
bool hc_wolfe_search(HcWolfe *w, const HcPlace *start, double t, HcPlace *found);

#endif
