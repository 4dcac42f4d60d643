/* Tensors in the place of hyperparameters. */
#include "meta/diffopt.h"

/* The hyperparameter as weight i sees it: its own override, then its group's, then the number. */
Hyper hc_diffopt_hyper(const DiffOpt *opt, size_t i, size_t h) {
    const HcOverride *o;
    for (o = opt->now->overrides; o; o = o->next)
        if (o->hyper == h && o->weight == i) break;
    if (o && o->value) return (Hyper){0, o->value};
    for (o = opt->now->overrides; o; o = o->next)
        if (o->hyper == h && o->weight == HC_EVERY_WEIGHT &&
            (o->group == HC_ALL_GROUPS || o->group == opt->group[i]))
            break;
    if (o && o->value) return (Hyper){0, o->value};
    return hyper_const(opt->hyper[opt->group[i] * HC_MAX_HYPERS + h]);
}

static bool override(DiffOpt *opt, const char *who, const char *name, size_t group, size_t weight,
                     Tensor *value) {
    size_t hyper;
    if (!name || !hc_hyper_index(opt->cls, who, name, &hyper))
        return hc_fail(opt->tape, name ? HC_ERR_NAME : HC_ERR_ARG,
                       "%s: %s has no hyperparameter '%s'", who, opt->cls->name,
                       name ? name : "(NULL)");
    if (value && opt->cls->hypers[hyper].flag)
        return hc_fail(opt->tape, HC_ERR_ARG, "%s: '%s' is a flag and cannot be a tensor", who,
                       name);
    if (value && !hc_check(who, value)) return false;
    if (value && value->tape != opt->tape)
        return hc_fail(opt->tape, HC_ERR_TAPE, "%s: the tensor is on another tape", who);
    HcOverride *o = hc_tape_alloc(opt->tape, sizeof *o, who);
    HcSnapshot *next = o ? hc_diffopt_push(opt, false) : NULL;
    if (!next) return false;
    *o = (HcOverride){opt->now->overrides, hyper, group, weight, value};
    next->overrides = o;
    hc_diffopt_settle(opt, next);
    return true;
}

bool diffopt_override(DiffOpt *opt, const char *name, size_t group, Tensor *value) {
    const char *who = "diffopt_override";
    if (!hc_diffopt_usable(opt, who)) return false;
    if (group != HC_ALL_GROUPS && group >= opt->group_count)
        return hc_fail(opt->tape, HC_ERR_RANGE, "%s: there is no group %zu", who, group);
    return override(opt, who, name, group, HC_EVERY_WEIGHT, value);
}

bool diffopt_override_param(DiffOpt *opt, const char *name, const Param *param, Tensor *value) {
    const char *who = "diffopt_override_param";
    if (!hc_diffopt_usable(opt, who)) return false;
    if (!param) return hc_fail(opt->tape, HC_ERR_ARG, "%s: the Param is NULL", who);
    ParamList list = module_params(opt->module->module);
    for (size_t i = 0; i < list.count; i++)
        if (list.items[i] == param && opt->group[i] != HC_NO_GROUP)
            return override(opt, who, name, 0, i, value);
    return hc_fail(opt->tape, HC_ERR_NAME, "%s: '%s' is not in the optimizer", who,
                   param->cell.name);
}
