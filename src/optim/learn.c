/* Learned hyperparameters: Params in the place of an optimizer's numbers. */
#include <stdio.h>
#include <string.h>

#include "optim/optim.h"

Param *hc_learned(const Optim *optim, size_t group, size_t place, size_t hyper) {
    const HcLearned *learned = &optim->groups[group].learned[hyper];
    return learned->count ? optim->learned.items[hc_learned_index(learned, place)] : NULL;
}

Tensor *hc_learned_value(const HcLearned *learned, Tensor *x) {
    return learned->log ? tensor_exp(x) : x;
}

/* "lr.group0" or "log_lr.2.weight", as large as one number or the weight. */
static Param *make(const Optim *optim, size_t group, size_t place, size_t hyper, HcLearned as) {
    const HcGroup *g = &optim->groups[group];
    const Param *p = g->params.items[place];
    const char *log_ = as.log ? "log_" : "", *of = optim->cls->hypers[hyper].name;
    char name[256];
    if (as.per == HC_LEARN_GROUP)
        snprintf(name, sizeof name, "%s%s.group%zu", log_, of, group);
    else
        snprintf(name, sizeof name, "%s%s.%s", log_, of, p->cell.name);
    Shape shape = as.per == HC_LEARN_WEIGHT ? p->shape : shape_scalar();
    Param *param = param_create(name, shape, optim->dtype);
    if (param) param_fill(param, hc_learned_number(&as, g->hyper[hyper]));
    return param;
}

static size_t params_needed(const HcGroup *group, LearnScope per) {
    return per == HC_LEARN_GROUP ? 1 : group->params.count;
}

static bool learn(Optim *optim, const char *who, const char *name, size_t group, LearnScope per, bool log_) {
    size_t hyper = 0, total = 0, made = 0;
    if (!hc_optim_setting(optim, who, name, group, &hyper)) return false;
    if ((unsigned)per > HC_LEARN_WEIGHT)
        return hc_optim_fail(optim, HC_ERR_ARG, "%s: %d is none of HC_LEARN_...", who, (int)per);
    for (size_t g = 0; g < optim->group_count; g++) {
        if (group != HC_ALL_GROUPS && group != g) continue;
        if (optim->groups[g].learned[hyper].count)
            return hc_optim_fail(optim, HC_ERR_STATE, "%s: '%s' of group %zu is learned already",
                                 who, name, g);
        if (log_ && !(optim->groups[g].hyper[hyper] > 0))
            return hc_optim_fail(optim, HC_ERR_RANGE, "%s: '%s' of group %zu is %g, which has no logarithm", who,
                                 name, g, optim->groups[g].hyper[hyper]);
        total += params_needed(&optim->groups[g], per);
    }
    size_t before = optim->learned.count;
    const HcLearned as = {.per = per, .log = log_};
    bool done = hc_grow((void **)&optim->learned.items, &optim->learned_capacity, before,
                        before + total, sizeof *optim->learned.items);
    Param **learned = optim->learned.items;
    for (size_t g = 0; g < optim->group_count && done; g++) {
        if (group != HC_ALL_GROUPS && group != g) continue;
        for (size_t i = 0; i < params_needed(&optim->groups[g], per) && done; i++)
            if ((done = (learned[before + made] = make(optim, g, i, hyper, as)) != NULL)) made++;
    }
    if (!done) {
        while (made > 0)
            param_unref(learned[before + --made]);
        return hc_optim_fail(optim, HC_ERR_NOMEM, "%s: out of memory", who);
    }
    for (size_t g = 0, first = before; g < optim->group_count; g++) {
        if (group != HC_ALL_GROUPS && group != g) continue;
        size_t count = params_needed(&optim->groups[g], per);
        optim->groups[g].learned[hyper] = (HcLearned){first, count, per, log_};
        first += count;
    }
    optim->learned.count += total;
    hc_optim_changed(optim);
    return true;
}

bool optim_learn(Optim *optim, const char *name, size_t group, LearnScope per) {
    return learn(optim, "optim_learn", name, group, per, false);
}

bool optim_learn_log(Optim *optim, const char *name, size_t group, LearnScope per) {
    return learn(optim, "optim_learn_log", name, group, per, true);
}

ParamList optim_learned(const Optim *optim) {
    return optim ? optim->learned : (ParamList){NULL, 0};
}
