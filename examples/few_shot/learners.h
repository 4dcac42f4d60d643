/** @file learners.h
 *  Six ways to tell characters apart after one look at each, on one network. */
#ifndef FEW_SHOT_LEARNERS_H
#define FEW_SHOT_LEARNERS_H

#include <higherc/higherc.h>

#include "episode.h"

typedef struct Model Model;

/** A task on a tape. */
typedef struct Given {
    EpisodeShape shape;
    Tensor *pictures;    /**< all of them, in an episode's order */
    Tensor *x, *queries; /**< those to learn from, and the others */
    Tensor *y;           /**< the class of each in x */
} Given;

typedef struct Learner {
    const char *name, *about;
    /** What the queries are taken for, after a look at the examples: [queries, ways]. */
    Tensor *(*logits)(const Model *model, FModule *net, const Given *given);
    /** What training makes small. */
    Tensor *(*loss)(const Model *model, FModule *net, const Given *given);
    FMode mode; /**< of the inner steps in training */
    bool head;  /**< whether the network ends in a linear layer, an output for each class */
    const char
        *adapted; /**< what inner steps change: a part of the network, "" for all; NULL: no steps */
    size_t steps; /**< inner steps */
    double inner_lr;   /**< of SGD, to begin with */
    bool learns_rates; /**< one for each weight tensor */
    double outer_lr;   /**< of Adam, to begin with */
    size_t iterations; /**< unless told otherwise */
} Learner;

extern const Learner learners[];
extern const size_t learner_count;

/** What training changes. */
struct Model {
    const Learner *learner;
    Module *net;
    Optim *inner; /**< of learners by steps; its rates may be learned */
    Param *
        adjust; /**< of R2-D2: logarithms of lambda and of the logits' scale, and what is added to logits */
};

/** False after higherc_error. */
bool model_create(Model *model, const Learner *learner, size_t channels, size_t ways, Rng *rng);
void model_destroy(Model *model);

/** Logits of a task's queries, [queries, ways]; no gradient goes through inner steps. */
Tensor *model_logits(const Model *model, Tensor *pictures, EpisodeShape shape);
/** A task's loss. */
Tensor *model_loss(const Model *model, Tensor *pictures, EpisodeShape shape);

#endif
