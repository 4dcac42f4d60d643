/* Optimizers, hyperparameters and schedules take NULL for every handle. */
#include "support/refuse.h"

static void makers(void) {
    const ParamList none = {NULL, 0}, missing = {NULL, 2};
    Param *gap[] = {NULL};
    const ParamList lists[] = {none, missing, {gap, 1}};
    for (size_t i = 0; i < 3; i++) {
        REFUSED_NULL(optim_sgd(lists[i], sgd_options(0.1)) != NULL);
        REFUSED_NULL(optim_adam(lists[i], adam_options(0.1)) != NULL);
        REFUSED_NULL(optim_adamw(lists[i], adamw_options(0.1)) != NULL);
        REFUSED_NULL(optim_adadelta(lists[i], adadelta_options(0.1)) != NULL);
        REFUSED_NULL(optim_adagrad(lists[i], adagrad_options(0.1)) != NULL);
        REFUSED_NULL(optim_adamax(lists[i], adamax_options(0.1)) != NULL);
        REFUSED_NULL(optim_asgd(lists[i], asgd_options(0.1)) != NULL);
        REFUSED_NULL(optim_rmsprop(lists[i], rmsprop_options(0.1)) != NULL);
        REFUSED_NULL(optim_rprop(lists[i], rprop_options(0.1)) != NULL);
        REFUSED_NULL(optim_radam(lists[i], radam_options(0.1)) != NULL);
        REFUSED_NULL(optim_nadam(lists[i], nadam_options(0.1)) != NULL);
        REFUSED_NULL(optim_lion(lists[i], lion_options(0.1)) != NULL);
    }
}

static void readers(void) {
    SURVIVED(optim_steps(NULL));
    SURVIVED(optim_class(NULL));
    CHECK(optim_group_count(NULL) == 0 && optim_error(NULL) == NULL);
    REFUSED_NULL(tasks_create_with(NULL, (ParamList){NULL, 0}, tasks_options(HC_F32)) != NULL);
    CHECK(program_output_shape(NULL, 0).ndim == -1);
    higherc_clear_error();
}

/* A Hyper without a tensor is a number, whatever it holds; what takes tensors refuses a missing one. */
static void hypers(void) {
    Hyper two = hyper_const(2), none = hyper_tensor(NULL);
    CHECK(hyper_add(two, two).value == 4 && hyper_max(two, hyper_const(3)).value == 3);
    CHECK(hyper_min(two, hyper_const(3)).value == 2 && hyper_exp(hyper_const(0)).value == 1);
    CHECK(hyper_log(hyper_const(1)).value == 0 && none.tensor == NULL);
    REFUSED_NULL(hyper_scale(two, NULL) != NULL);
    REFUSED_NULL(hyper_shift(two, NULL) != NULL);
    REFUSED_NULL(hyper_axpy(two, NULL, NULL) != NULL);
    REFUSED_NULL(hyper_fill(two, NULL) != NULL);
}

static void schedules(void) {
    Schedule broken = schedule_lambda(NULL, NULL);
    SURVIVED(schedule_at(&broken, 3).value);
    SURVIVED(schedule_at(NULL, 3).value);
    broken = schedule_multistep(NULL, 1, hyper_const(0.5));
    SURVIVED(schedule_at(&broken, 3).value);
    SURVIVED(schedule_then(NULL, 2, NULL));
    REFUSED_NULL(optim_schedule(NULL, "lr", 0, NULL));
}

int main(void) {
    makers();
    readers();
    hypers();
    schedules();
    return check_done();
}
