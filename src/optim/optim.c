/* Optimizers: groups, settings, state, gradients. The step in place is in step.c. */
#include "optim/optim.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/held.h"
#include "tape/param_set.h"

bool (hc_optim_fail)(Optim *optim, HcStatus status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    va_list again;
    va_copy(again, arguments);
    vsnprintf(optim->message, sizeof optim->message, format, again);
    va_end(again);
    optim->failed = true;
    hc_fail_thread_v(status, format, arguments);
    va_end(arguments);
    return false;
}

/* ---- life ------------------------------------------------------------------------------------------- */

static size_t add_group(Optim *optim, const char *who, ParamList params);

Optim *hc_optim_for(const char *who, const OptimClass *cls, ParamList params, void *user) {
    bool sound = cls && cls->update && cls->name && cls->hyper_count <= HC_MAX_HYPERS &&
                 cls->state_count <= HC_MAX_STATES && (cls->hypers || !cls->hyper_count) &&
                 (cls->states || !cls->state_count);
    if (!sound || params.count == 0) {
        hc_fail_thread(HC_ERR_ARG, "%s: %s", who,
                       sound  ? "the list of Params is empty"
                       : !cls ? "the class is NULL"
                              : "the class is not complete: it has a name, an update, and lists that are not too long");
        return NULL;
    }
    Optim *optim = hc_alloc_zero(1, sizeof *optim);
    if (!optim) {
        hc_fail_thread(HC_ERR_NOMEM, "%s: out of memory", who);
        return NULL;
    }
    optim->cls = cls;
    optim->user = user;
    optim->dtype = param_dtype(params.items ? params.items[0] : NULL);
    optim->version = hc_version_create("optimizer");
    if (!optim->version) hc_fail_thread(HC_ERR_NOMEM, "%s: out of memory", who);
    if (!optim->version || add_group(optim, who, params) == SIZE_MAX ||
        !(optim->tape = tape_create(optim->dtype))) {
        optim_destroy(optim);
        return NULL;
    }
    for (size_t i = 0; i < cls->hyper_count; i++)
        optim->groups[0].hyper[i] = cls->hypers[i].value;
    return optim;
}

Optim *optim_create(const OptimClass *cls, ParamList params, void *user) {
    return hc_optim_for("optim_create", cls, params, user);
}

void hc_moments_free(HcMoments *moments, size_t count) {
    for (size_t i = 0; moments && i < count; i++)
        for (size_t s = 0; s < HC_MAX_STATES; s++)
            hc_free(moments[i].state[s]);
    hc_free(moments);
}

static void free_group(HcGroup *group) {
    hc_moments_free(group->moments, group->params.count);
    hc_params_free(&group->params);
}

void hc_scheduled_free(HcScheduled *list, size_t count) {
    for (size_t i = 0; list && i < count; i++)
        hc_free(list[i].nodes);
    hc_free(list);
}

bool hc_optim_at_rest(Optim *optim, const char *who) {
    if (!hc_at_rest(optim, who, "optimizer")) return false;
    return !optim->tape || optim->tape->calling.depth == 0 ||
           hc_optim_fail(optim, HC_ERR_STATE, "%s: from within its own rule or schedule", who);
}

void optim_destroy(Optim *optim) {
    if (!optim) return;
    if (!hc_optim_at_rest(optim, "optim_destroy")) return;
    for (size_t i = 0; i < optim->group_count; i++)
        free_group(&optim->groups[i]);
    hc_free(optim->groups);
    hc_params_free(&optim->learned);
    hc_scheduled_free(optim->schedules, optim->schedule_count);
    tape_destroy(optim->tape);
    if (optim->version) optim->version->gone = true;
    hc_version_unref(optim->version);
    hc_free(optim);
}

/* The Param's group and place; false when it is in none. */
static bool find(const Optim *optim, const Param *param, size_t *group, size_t *place) {
    for (*group = 0; *group < optim->group_count; ++*group) {
        const ParamList *list = &optim->groups[*group].params;
        for (*place = 0; *place < list->count; ++*place)
            if (list->items[*place] == param) return true;
    }
    return false;
}

static size_t add_group(Optim *optim, const char *who, ParamList params) {
    HcGroup group = {.params = hc_params_copy(params, who)};
    if (!group.params.items) return SIZE_MAX;
    size_t total = params.count;
    for (size_t g = 0; g < optim->group_count; g++)
        total += optim->groups[g].params.count;
    HcParamSet seen = {NULL, 0};
    bool done = hc_param_set_create(&seen, total) ||
                hc_optim_fail(optim, HC_ERR_NOMEM, "%s: out of memory", who);
    for (size_t g = 0; done && g < optim->group_count; g++)
        for (size_t i = 0; i < optim->groups[g].params.count; i++)
            hc_param_set_add(&seen, optim->groups[g].params.items[i], 0);
    for (size_t i = 0; i < params.count && done; i++) {
        const Param *param = group.params.items[i];
        if (hc_param_set_add(&seen, param, i + 1) != i + 1)
            done =
                hc_optim_fail(optim, HC_ERR_ARG, "%s: '%s' is listed twice", who, param->cell.name);
        else if (param->dtype != optim->dtype)
            done = hc_optim_fail(optim, HC_ERR_DTYPE, "%s: '%s' is %s, the others %s", who, param->cell.name,
                                 param->dtype == HC_F32 ? "f32" : "f64", optim->dtype == HC_F32 ? "f32" : "f64");
    }
    hc_param_set_free(&seen);
    if (done) {
        group.moments = hc_alloc_zero(params.count, sizeof *group.moments);
        if (!group.moments || !hc_grow((void **)&optim->groups, &optim->group_capacity,
                                       optim->group_count, optim->group_count + 1, sizeof group))
            done = hc_optim_fail(optim, HC_ERR_NOMEM, "%s: out of memory", who);
    }
    if (!done) {
        free_group(&group);
        return SIZE_MAX;
    }
    if (optim->group_count) memcpy(group.hyper, optim->groups[0].hyper, sizeof group.hyper);
    optim->groups[optim->group_count] = group;
    return optim->group_count++;
}

size_t optim_add_group(Optim *optim, ParamList params) {
    const char *who = "optim_add_group";
    if (!optim) {
        hc_null(who, "the optimizer");
        return SIZE_MAX;
    }
    if (!hc_optim_at_rest(optim, who)) return SIZE_MAX;
    if (params.count == 0) {
        hc_optim_fail(optim, HC_ERR_ARG,
                      "%s: the list is empty, as optim_learned's is before optim_learn", who);
        return SIZE_MAX;
    }
    return add_group(optim, who, params);
}

size_t optim_group_count(const Optim *optim) {
    return optim ? optim->group_count : 0;
}

static bool has_group(const Optim *optim, const char *who, size_t group) {
    if (!optim) return hc_null(who, "the optimizer");
    return group < optim->group_count ||
           hc_fail_thread(HC_ERR_RANGE, "%s: there is no group %zu, of %zu", who, group, optim->group_count);
}

ParamList optim_group_params(const Optim *optim, size_t group) {
    if (has_group(optim, "optim_group_params", group)) return optim->groups[group].params;
    return (ParamList){NULL, 0};
}

/* ---- settings ------------------------------------------------------------------------------------------ */

bool hc_hyper_index(const OptimClass *cls, const char *who, const char *name, size_t *index) {
    for (*index = 0; name && *index < cls->hyper_count; ++*index)
        if (strcmp(cls->hypers[*index].name, name) == 0) return true;
    return hc_fail_thread(name ? HC_ERR_NAME : HC_ERR_ARG, "%s: %s has no hyperparameter '%s'", who,
                          cls->name, name ? name : "(NULL)");
}

static bool check_setting(Optim *optim, const char *who, const char *name, size_t group,
                          size_t *hyper) {
    if (!optim) return hc_null(who, "the optimizer");
    if (!hc_hyper_index(optim->cls, who, name, hyper)) return false;
    return group == HC_ALL_GROUPS || group < optim->group_count ||
           hc_optim_fail(optim, HC_ERR_RANGE, "%s: there is no group %zu, of %zu", who, group, optim->group_count);
}

bool hc_optim_setting(Optim *optim, const char *who, const char *name, size_t group,
                      size_t *hyper) {
    if (!check_setting(optim, who, name, group, hyper) || !hc_optim_at_rest(optim, who))
        return false;
    return !optim->cls->hypers[*hyper].flag ||
           hc_optim_fail(optim, HC_ERR_ARG, "%s: '%s' is a flag, which only optim_set sets", who, name);
}

bool hc_hyper_accepts(const OptimHyper *hyper, double value) {
    return value >= hyper->minimum && value <= hyper->maximum &&
           (!hyper->flag || value == 0 || value == 1);
}

/* A bound just below 1, which rounds to it. */
static const char *bound_text(double bound, char text[HC_BOUNDS_TEXT / 2]) {
    snprintf(text, HC_BOUNDS_TEXT / 2, bound < 1 && bound > 0.999999 ? "to below 1" : "to %g", bound);
    return text;
}

const char *hc_hyper_bounds(const OptimHyper *hyper, char text[HC_BOUNDS_TEXT]) {
    char most[HC_BOUNDS_TEXT / 2];
    if (hyper->flag) return "it is 0 or 1";
    if (isinf(hyper->minimum) && isinf(hyper->maximum)) return "it is a number";
    if (isinf(hyper->maximum))
        snprintf(text, HC_BOUNDS_TEXT, "it is from %g up", hyper->minimum);
    else
        snprintf(text, HC_BOUNDS_TEXT, "it is from %g %s", hyper->minimum, bound_text(hyper->maximum, most));
    return text;
}

const char *hc_hypers_fault(const Optim *optim, const HcGroup *group, const double *hyper,
                            size_t set) {
    double seen[HC_MAX_HYPERS];
    for (size_t h = 0; h < optim->cls->hyper_count; h++)
        seen[h] = group->learned[h].count && h != set ? (double)NAN : hyper[h];
    return optim->cls->fault ? optim->cls->fault(seen) : NULL;
}

bool optim_set(Optim *optim, const char *name, size_t group, double value) {
    const char *who = "optim_set";
    size_t index = 0;
    char bounds[HC_BOUNDS_TEXT];
    if (!check_setting(optim, who, name, group, &index)) return false;
    if (!hc_hyper_accepts(&optim->cls->hypers[index], value))
        return hc_optim_fail(optim, HC_ERR_RANGE, "%s: %s cannot be %g: %s", who, name, value,
                             hc_hyper_bounds(&optim->cls->hypers[index], bounds));
    for (size_t g = 0; g < optim->group_count; g++) {
        if (group != HC_ALL_GROUPS && g != group) continue;
        if (optim->groups[g].learned[index].log && !(value > 0))
            return hc_optim_fail(optim, HC_ERR_RANGE, "%s: %s is learned by its logarithm, which %g has not", who,
                                 name, value);
        double hyper[HC_MAX_HYPERS];
        memcpy(hyper, optim->groups[g].hyper, sizeof hyper);
        hyper[index] = value;
        const char *fault = hc_hypers_fault(optim, &optim->groups[g], hyper, index);
        if (fault)
            return hc_optim_fail(optim, HC_ERR_RANGE, "%s: %s cannot be %g: %s", who, name, value,
                                 fault);
    }
    for (size_t g = 0; g < optim->group_count; g++) {
        if (group != HC_ALL_GROUPS && g != group) continue;
        HcGroup *to = &optim->groups[g];
        to->hyper[index] = value;
        for (size_t i = 0; i < to->learned[index].count; i++)
            param_fill(optim->learned.items[to->learned[index].first + i],
                       hc_learned_number(&to->learned[index], value));
    }
    hc_optim_changed(optim);
    return true;
}

double optim_get(const Optim *optim, const char *name, size_t group) {
    const char *who = "optim_get";
    size_t index;
    if (!has_group(optim, who, group)) return NAN;
    if (!hc_hyper_index(optim->cls, who, name, &index)) return NAN;
    const HcLearned *learned = &optim->groups[group].learned[index];
    if (!learned->count) return optim->groups[group].hyper[index];
    if (learned->per == HC_LEARN_GROUP) {
        double number = param_get(optim->learned.items[learned->first], 0);
        return learned->log ? exp(number) : number;
    }
    hc_fail_thread(HC_ERR_STATE, "%s: '%s' is learned apart for each %s: see optim_learned", who,
                   name, learned->per == HC_LEARN_PARAM ? "Param" : "weight");
    return NAN;
}

size_t optim_steps(const Optim *optim) {
    return optim ? optim->steps : 0;
}

const OptimClass *optim_class(const Optim *optim) {
    return optim ? optim->cls : NULL;
}

const char *optim_error(const Optim *optim) {
    return optim && optim->failed ? optim->message : NULL;
}

size_t optim_param_steps(const Optim *optim, const Param *param) {
    size_t g, place;
    return optim && find(optim, param, &g, &place) ? optim->groups[g].moments[place].steps : 0;
}

const void *optim_param_state(const Optim *optim, const Param *param, const char *name) {
    size_t g, place;
    if (!optim || !param || !name) return NULL;
    for (size_t s = 0; s < optim->cls->state_count; s++)
        if (strcmp(optim->cls->states[s], name) == 0)
            return find(optim, param, &g, &place) ? optim->groups[g].moments[place].state[s] : NULL;
    hc_fail_thread(HC_ERR_NAME, "optim_param_state: %s has no state '%s'", optim->cls->name, name);
    return NULL;
}

/* ---- gradients ------------------------------------------------------------------------------------------ */

void optim_zero_grad(Optim *optim) {
    if (optim && !hc_optim_at_rest(optim, "optim_zero_grad")) return;
    for (size_t g = 0; optim && g < optim->group_count; g++)
        for (size_t i = 0; i < optim->groups[g].params.count; i++)
            param_zero_grad(optim->groups[g].params.items[i]);
}

double optim_clip_grad_norm(Optim *optim, double max_norm) {
    if (!optim) {
        hc_null("optim_clip_grad_norm", "the optimizer");
        return NAN;
    }
    if (!(max_norm >= 0)) {
        hc_fail_thread(HC_ERR_ARG, "optim_clip_grad_norm: max_norm is %g, not 0 or more", max_norm);
        return NAN;
    }
    if (!hc_optim_at_rest(optim, "optim_clip_grad_norm")) return NAN;
    double sum = 0;
    for (size_t g = 0; g < optim->group_count; g++)
        for (size_t i = 0; i < optim->groups[g].params.count; i++) {
            const Param *p = optim->groups[g].params.items[i];
            if (p->has_grad) sum += hc_sum_squares(p->k, p->grad, p->count);
        }
    double norm = sqrt(sum), factor = max_norm / (norm + 1e-6);
    for (size_t g = 0; factor < 1 && g < optim->group_count; g++)
        for (size_t i = 0; i < optim->groups[g].params.count; i++) {
            Param *p = optim->groups[g].params.items[i];
            if (p->has_grad) p->k->scale(p->grad, p->grad, p->count, &factor);
        }
    return norm;
}
