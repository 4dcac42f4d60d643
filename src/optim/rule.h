/* What update rules share. A rule is one file: its paper and equations, its hyperparameters, the update,
 * the class, the options and the maker. */
#ifndef HC_OPTIM_RULE_H
#define HC_OPTIM_RULE_H

#include <math.h>

#include "higherc/optimizers.h"
#include "ops/ops.h"
#include "optim/optim.h"

/* The largest number below 1 and the smallest above it, for bounds that are not included. */
#define HC_BELOW_ONE 0x1.fffffffffffffp-1
#define HC_ABOVE_ONE 0x1.0000000000001p0

/* An optimizer of the class whose i-th hyperparameter is values[i]; for makers. */
Optim *hc_optim_with(const OptimClass *cls, ParamList params, const double *values);

/* The gradient to go down by: negated to maximize, then g + weight_decay p. */
Tensor *hc_rule_gradient(const OptimUpdate *u, size_t maximize, size_t weight_decay);
/* p - step x */
Tensor *hc_descend(Tensor *p, Hyper step, Tensor *x);
/* decay old + (1 - decay) x; old is 0 while NULL, before the first update. */
Tensor *hc_average(Hyper decay, Tensor *old, Tensor *x);
/* 1 - beta^t, the weight that an average of t terms begun at 0 has gathered. */
Hyper hc_correction(Hyper beta, size_t t);

/* Adam and AdamW differ only in where weight decay enters. Their hyperparameters, in this order: */
enum {
    HC_ADAM_LR,
    HC_ADAM_BETA1,
    HC_ADAM_BETA2,
    HC_ADAM_EPS,
    HC_ADAM_WEIGHT_DECAY,
    HC_ADAM_AMSGRAD,
    HC_ADAM_MAXIMIZE,
    HC_ADAM_HYPERS
};
extern const char *const hc_adam_states[3];
/* Moves p by Adam's update from g, and u's state with it. */
Tensor *hc_adam_move(OptimUpdate *u, Tensor *p, Tensor *g);

/* Every rule, by OPTIMIZER(name): the constant hc_rule_<name>. */
#define OPTIMIZER(name) extern const OptimClass hc_rule_##name;
#include "optim/rules.def"
#undef OPTIMIZER

#endif
