/** @file learner.h
 *  A learner is what can be adapted to a task: a network, and the SGD that adapts it. */
#ifndef MAML_SINE_LEARNER_H
#define MAML_SINE_LEARNER_H

#include <higherc/higherc.h>

enum { NET_PARAMS = 6 }; /* three linear layers, each with a weight and a bias */

typedef struct Learner {
    Module *net;
    Optim *inner; /**< never steps itself: every adaptation branches from it */
    /** Meta-SGD (Li et al. 2017): a step size for every weight, one Param of the same shape for
     * each of the net's. An empty list without --learn-lr. */
    ParamList rates;
    Param *rate[NET_PARAMS];
} Learner;

/** A net 1-hidden-hidden-1 with ReLU, not initialised, adapted by SGD with step size `inner_lr`;
 * with `learn_lr` that is where the learned step sizes start. False when it could not be made; it
 * is to be destroyed in either case. */
bool learner_create(Learner *learner, size_t hidden, double inner_lr, bool learn_lr);
void learner_destroy(Learner *learner);

/** The SGD of an adaptation that begins now, with the learned step sizes in force if there are any.
 */
DiffOpt *learner_optimizer(const Learner *learner, FModule *fnet);

#endif
