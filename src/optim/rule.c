/* What update rules share, and the list of all of them by name. */
#include "optim/rule.h"

#include <stdio.h>
#include <string.h>

static const OptimClass *const rules[] = {
#define OPTIMIZER(name) &hc_rule_##name,
#include "optim/rules.def"
#undef OPTIMIZER
};

Optim *optim_new(const char *name, ParamList params) {
    for (size_t i = 0; name && i < sizeof rules / sizeof *rules; i++)
        if (strcmp(rules[i]->name, name) == 0) return hc_optim_for("optim_new", rules[i], params, NULL);
    hc_fail_thread(name ? HC_ERR_NAME : HC_ERR_ARG, "optim_new: there is no optimizer '%s'",
                   name ? name : "(NULL)");
    return NULL;
}

Optim *hc_optim_with(const OptimClass *cls, ParamList params, const double *values) {
    char who[40], bounds[HC_BOUNDS_TEXT];
    snprintf(who, sizeof who, "optim_%s", cls->name);
    for (size_t i = 0; i < cls->hyper_count; i++)
        if (!hc_hyper_accepts(&cls->hypers[i], values[i])) {
            hc_fail_thread(HC_ERR_RANGE, "%s: %s cannot be %g: %s", who, cls->hypers[i].name, values[i],
                           hc_hyper_bounds(&cls->hypers[i], bounds));
            return NULL;
        }
    const char *fault = cls->fault ? cls->fault(values) : NULL;
    if (fault) {
        hc_fail_thread(HC_ERR_RANGE, "%s: %s", who, fault);
        return NULL;
    }
    Optim *optim = hc_optim_for(who, cls, params, NULL);
    if (optim) memcpy(optim->groups[0].hyper, values, cls->hyper_count * sizeof *values);
    return optim;
}

Tensor *hc_rule_gradient(const OptimUpdate *u, size_t maximize, size_t weight_decay) {
    Tensor *g = u->grad;
    if (u->hypers[maximize].value != 0) g = tensor_neg(g);
    return hyper_is_zero(u->hypers[weight_decay])
               ? g
               : hyper_axpy(u->hypers[weight_decay], u->param, g);
}

Tensor *hc_descend(Tensor *p, Hyper step, Tensor *x) {
    return hyper_axpy(hyper_mul(hyper_const(-1), step), x, p);
}

Tensor *hc_average(Hyper decay, Tensor *old, Tensor *x) {
    Hyper rest = hyper_sub(hyper_const(1), decay);
    return old ? hyper_axpy(rest, x, hyper_scale(decay, old)) : hyper_scale(rest, x);
}

Hyper hc_correction(Hyper beta, size_t t) {
    return hyper_sub(hyper_const(1), hyper_pow(beta, hyper_const((double)t)));
}
