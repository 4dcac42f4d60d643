/* Networks and the optimizer that adapts them; learned step sizes enter here and nowhere else. */
#include "learner.h"

static bool create_rates(Learner *learner, double start) {
    ParamList weights = module_params(learner->net);
    if (weights.count != NET_PARAMS) return false;
    learner->rates.items = learner->rate;
    for (size_t i = 0; i < weights.count; i++) {
        Param *rate =
            param_create(param_name(weights.items[i]), param_shape(weights.items[i]), HC_F32);
        if (!rate) return false;
        learner->rate[learner->rates.count++] = rate;
        if (!param_fill(rate, start)) return false;
    }
    return true;
}

bool learner_create(Learner *learner, size_t hidden, double inner_lr, bool learn_lr) {
    *learner = (Learner){0};
    Module *layers[] = {module_linear(1, hidden), module_relu(), module_linear(hidden, hidden),
                        module_relu(), module_linear(hidden, 1)};
    learner->net = module_sequential(layers, 5);
    learner->inner = optim_sgd(module_params(learner->net), sgd_options(inner_lr));
    return learner->inner && (!learn_lr || create_rates(learner, inner_lr));
}

void learner_destroy(Learner *learner) {
    for (size_t i = 0; i < learner->rates.count; i++)
        param_unref(learner->rate[i]);
    optim_destroy(learner->inner);
    module_destroy(learner->net);
    *learner = (Learner){0};
}

DiffOpt *learner_optimizer(const Learner *learner, FModule *fnet) {
    /* The leaves are made before the optimizer, because diffopt_step_release frees whatever was
     * made after it; param_tensor gives the same leaf again below. */
    Tape *tape = fmodule_tape(fnet);
    for (size_t i = 0; i < learner->rates.count; i++)
        param_tensor(tape, learner->rate[i]);

    DiffOpt *opt = diffopt_create(learner->inner, fnet);
    ParamList weights = module_params(learner->net);
    for (size_t i = 0; i < learner->rates.count; i++)
        diffopt_override_param(opt, "lr", weights.items[i], param_tensor(tape, learner->rate[i]));
    return opt;
}
