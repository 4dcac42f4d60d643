/* The optim layer: update rules, and optimizers that run them in place. A rule sees tensors and
 * hyperparameters only, so the meta layer can run the same rule on the tape. */
#ifndef HC_OPTIM_OPTIM_H
#define HC_OPTIM_OPTIM_H

#include "higherc/optim.h"
#include "tape/param.h"

/* What an optimizer keeps for one Param. */
typedef struct HcMoments {
    size_t steps;
    void *state[HC_MAX_STATES]; /* NULL until the first update that sets it */
} HcMoments;

typedef struct HcGroup {
    ParamList params;
    HcMoments *moments;
    double hyper[HC_MAX_HYPERS];
} HcGroup;

struct Optim {
    const OptimClass *cls;
    void *user;
    HcGroup *groups;
    size_t group_count, group_capacity;
    DType dtype;
    Tape *work; /* on which steps are computed */
    char message[HC_MESSAGE_SIZE];
    bool failed;
};

/* Keeps an error on the optimizer and in the thread. Returns false. */
bool hc_optim_fail(Optim *optim, HcStatus status, const char *format, ...) HC_PRINTF(3, 4);

/* The number of a hyperparameter; false, with the thread's error, when there is none. */
bool hc_hyper_index(const OptimClass *cls, const char *who, const char *name, size_t *index);

/* What is wrong with what a rule left for a weight of this shape, in words; NULL when it is sound. */
const char *hc_update_fault(const OptimClass *cls, const OptimUpdate *update, const Tape *tape,
                            Shape shape);

/* sqrt and its kin at 0, for rules. */
Tensor *hc_root0(Tensor *x);

#endif
