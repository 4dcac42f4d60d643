/** @file baseline.h
 *  What MAML is compared with. */
#ifndef MAML_SINE_BASELINE_H
#define MAML_SINE_BASELINE_H

#include "learner.h"
#include "progress.h"

enum { PRETRAIN_BATCH = 250 };

/** Trains the net on points of all tasks at once, by ordinary steps of Adam in place. Ctrl-C ends
 * it early. Returns the number of steps made; higherc_error() tells of failures. */
size_t pretrain(Learner *learner, Tape *tape, size_t steps, double lr, Rng *rng,
                Progress *progress);

#endif
