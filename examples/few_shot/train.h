/** @file train.h
 *  Training a model, and testing it, on a pool of threads. */
#ifndef FEW_SHOT_TRAIN_H
#define FEW_SHOT_TRAIN_H

#include "learners.h"
#include "trials.h"

/** How long to train, and on what. */
typedef struct Plan {
    EpisodeShape shape;
    const Characters *characters;
    size_t tasks;      /**< in a meta-iteration */
    size_t iterations; /**< at most */
    size_t minutes;    /**< at most; 0: however long it takes */
    size_t threads, seed;
} Plan;

typedef struct Trained {
    size_t iterations; /**< made */
    double seconds;
} Trained;

/** Changes the model's weights. False after a line on stderr. */
bool train(Model *model, const Plan *plan, Trained *trained);

/** Which class each query of each trial is taken for: taken[trial * queries + query]. */
bool test(const Model *model, const Plan *plan, const Trials *trials, unsigned char *taken);

#endif
