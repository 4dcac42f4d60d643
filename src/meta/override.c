/* What stands in the place of an optimizer's numbers on the tape: tensors by override, clones of what it
 * learns, and schedules that multiply either. */
#include <string.h>

#include "base/alloc.h"
#include "meta/diffopt.h"

/* ---- what the optimizer brings --------------------------------------------------------------------------- */

/* Clones: an outer optimizer may write the Params in place while what was recorded stays as it was. */
static bool take_learned(DiffOpt *opt, const Optim *optim) {
    const char *who = "diffopt_create";
    size_t count = optim->learned.count, each = HC_MAX_HYPERS * sizeof *opt->learned;
    if (count == 0) return true;
    opt->learned = hc_tape_alloc(opt->tape, optim->group_count * each, who);
    opt->learned_values = hc_tape_alloc(opt->tape, count * sizeof(Tensor *), who);
    if (!opt->learned || !opt->learned_values) return false;
    for (size_t g = 0; g < optim->group_count; g++)
        memcpy(opt->learned + g * HC_MAX_HYPERS, optim->groups[g].learned, each);
    for (size_t at = 0; at < optim->group_count * HC_MAX_HYPERS; at++) {
        const HcLearned *learned = &opt->learned[at];
        for (size_t i = learned->first; i < learned->first + learned->count; i++) {
            Tensor *clone = tensor_clone(param_tensor(opt->tape, optim->learned.items[i]));
            if (!(opt->learned_values[i] = hc_learned_value(learned, clone))) return false;
        }
    }
    return true;
}

/* Puts the nodes, which are another's, on the tape. */
static bool take_nodes(DiffOpt *opt, const char *who, const Schedule *nodes, size_t count, Schedule *to) {
    if (!nodes) return true;
    size_t bytes = count * sizeof *nodes;
    Schedule *own = hc_tape_alloc(opt->tape, bytes, who);
    if (!own) return false;
    memcpy(own, nodes, bytes);
    hc_schedule_move(to, nodes, own, count);
    return true;
}

bool hc_diffopt_take_settings(DiffOpt *opt, const Optim *optim) {
    const char *who = "diffopt_create";
    opt->first_step = optim->steps;
    for (size_t g = 0; g < optim->group_count; g++)
        memcpy(opt->hyper + g * HC_MAX_HYPERS, optim->groups[g].hyper,
               sizeof optim->groups[g].hyper);
    for (size_t i = 0; i < optim->schedule_count; i++) {
        const HcScheduled *s = &optim->schedules[i];
        HcWhere where = {s->hyper, s->group, HC_EVERY_WEIGHT, true};
        HcSetting made = {.schedule = s->schedule};
        if (!take_nodes(opt, who, s->nodes, s->node_count, &made.schedule) ||
            !hc_settings_put(opt, who, where, s->removed ? NULL : &made))
            return false;
    }
    return take_learned(opt, optim);
}

/* ---- shapes ----------------------------------------------------------------------------------------------- */

/* Whether a tensor in the place of a number broadcasts to weight i; what: "", or what it is of the hyperparameter. */
static bool fits(const DiffOpt *opt, const char *who, const char *what, const char *name, const Tensor *x, size_t i) {
    const Param *p = module_params(opt->module->module).items[i];
    if (x->form->ndim == 0 || hc_form_broadcasts(x->form, &p->shape)) return true;
    char given[HC_SHAPE_TEXT], weight[HC_SHAPE_TEXT];
    return hc_fail(opt->tape, HC_ERR_SHAPE,
                   "%s: %s'%s' of shape %s does not broadcast to '%s', %s: it takes a scalar or what broadcasts to "
                   "each weight",
                   who, what, name, hc_shape_text(hc_form_shape(x->form), given), p->cell.name,
                   hc_shape_text(p->shape, weight));
}

/* The same for all it is to be seen by. */
static bool fits_all(const DiffOpt *opt, const char *who, const char *name, const Tensor *x, HcWhere where) {
    if (where.weight != HC_EVERY_WEIGHT) return fits(opt, who, "", name, x, where.weight);
    bool fit = true;
    for (size_t i = 0; x->form->ndim > 0 && i < opt->count && fit; i++)
        if (opt->group[i] != HC_NO_GROUP && (where.group == HC_ALL_GROUPS || where.group == opt->group[i]))
            fit = fits(opt, who, "", name, x, i);
    return fit;
}

/* ---- what a weight sees ------------------------------------------------------------------------------------ */

void hc_diffopt_begin_step(const DiffOpt *opt) {
    opt->tape->shared.serial = 0; /* each step has constants of its own, so that all steps are alike */
    for (size_t g = 0; opt->settings.groups && g < opt->group_count; g++)
        for (size_t h = 0; h < opt->cls->hyper_count; h++) {
            HcSetting *set = hc_setting(opt, (HcWhere){h, g, HC_EVERY_WEIGHT, true});
            if (set) set->known = false;
        }
}

/* Its own override, then its group's, then what is learned, then the number. */
static Hyper unscheduled(const DiffOpt *opt, size_t i, size_t h) {
    size_t g = opt->group[i], at = g * HC_MAX_HYPERS + h;
    const HcSetting *set = hc_setting(opt, (HcWhere){h, g, i, false});
    if (!set) set = hc_setting(opt, (HcWhere){h, g, HC_EVERY_WEIGHT, false});
    if (set) return hyper_tensor(set->value);
    if (opt->learned && opt->learned[at].count)
        return hyper_tensor(
            opt->learned_values[hc_learned_index(&opt->learned[at], opt->place[i])]);
    return hyper_const(opt->hyper[at]);
}

static Hyper seen(const DiffOpt *opt, size_t i, size_t h) {
    Hyper value = unscheduled(opt, i, h);
    HcSetting *s = hc_setting(opt, (HcWhere){h, opt->group[i], HC_EVERY_WEIGHT, true});
    if (!s) return value;
    size_t step = opt->first_step + opt->now->steps;
    if (!s->known)
        s->factor = hc_schedule_factor(opt->tape, "diffopt_step", &s->schedule, step, opt->cls->hypers[h].name);
    s->known = true;
    if (s->factor.tensor) fits(opt, "diffopt_step", "the factor of ", opt->cls->hypers[h].name, s->factor.tensor, i);
    return hyper_mul(value, s->factor);
}

void hc_diffopt_hypers(const DiffOpt *opt, size_t i, Hyper *hyper) {
    const double *number = opt->hyper + opt->group[i] * HC_MAX_HYPERS;
    const size_t count = opt->cls->hyper_count;
    bool plain = !opt->learned && !opt->settings.changes;
    for (size_t h = 0; h < count; h++)
        hyper[h] = plain ? (Hyper){.value = number[h]} : seen(opt, i, h);
}

/* ---- settings -------------------------------------------------------------------------------------------------- */

static bool find_hyper(DiffOpt *opt, const char *who, const char *name, bool changes,
                       size_t *hyper) {
    if (!name || !hc_hyper_index(opt->cls, who, name, hyper))
        return hc_fail(opt->tape, name ? HC_ERR_NAME : HC_ERR_ARG,
                       "%s: %s has no hyperparameter '%s'", who, opt->cls->name,
                       name ? name : "(NULL)");
    return !changes || !opt->cls->hypers[*hyper].flag ||
           hc_fail(opt->tape, HC_ERR_ARG, "%s: '%s' is a flag and cannot be a tensor", who, name);
}

static bool check_group(DiffOpt *opt, const char *who, size_t group) {
    return group == HC_ALL_GROUPS || group < opt->group_count ||
           hc_fail(opt->tape, HC_ERR_RANGE, "%s: there is no group %zu", who, group);
}

static bool override(DiffOpt *opt, const char *who, const char *name, size_t group, size_t weight,
                     Tensor *value) {
    size_t hyper = 0;
    if (!find_hyper(opt, who, name, value != NULL, &hyper)) return false;
    if (value && !hc_check(who, value)) return false;
    if (value && value->tape != opt->tape)
        return hc_fail(opt->tape, HC_ERR_TAPE, "%s: the tensor is on another tape", who);
    const HcWhere where = {hyper, group, weight, false};
    if (value && !fits_all(opt, who, name, value, where)) return false;
    return hc_settings_put(opt, who, where, value ? &(HcSetting){.value = value} : NULL);
}

bool diffopt_override(DiffOpt *opt, const char *name, size_t group, Tensor *value) {
    const char *who = "diffopt_override";
    if (!hc_diffopt_usable(opt, who)) return false;
    return check_group(opt, who, group) && override(opt, who, name, group, HC_EVERY_WEIGHT, value);
}

/* The module's Params by address. */
static bool take_params(DiffOpt *opt, const char *who) {
    ParamList list = module_params(opt->module->module);
    HcParamSet set = {.capacity = hc_param_set_capacity(list.count)};
    size_t bytes = set.capacity * sizeof *set.entries;
    if (!(set.entries = hc_tape_alloc(opt->tape, bytes, who))) return false;
    memset(set.entries, 0, bytes);
    for (size_t i = 0; i < list.count; i++)
        hc_param_set_add(&set, list.items[i], i);
    opt->params = set;
    opt->params_place = hc_arena_top(&opt->tape->data);
    return true;
}

bool diffopt_override_param(DiffOpt *opt, const char *name, const Param *param, Tensor *value) {
    const char *who = "diffopt_override_param";
    if (!hc_diffopt_usable(opt, who)) return false;
    if (!param) return hc_fail(opt->tape, HC_ERR_ARG, "%s: the Param is NULL", who);
    if (!opt->params.entries && !take_params(opt, who)) return false;
    size_t i = hc_param_set_find(&opt->params, param);
    if (i != SIZE_MAX && opt->group[i] != HC_NO_GROUP)
        return override(opt, who, name, opt->group[i], i, value);
    return hc_fail(opt->tape, HC_ERR_NAME, "%s: '%s' is not in the optimizer", who,
                   param->cell.name);
}

/* A copy of a caller's, on the tape. */
static bool take_schedule(DiffOpt *opt, const char *who, const Schedule *from, Schedule *to) {
    Schedule *nodes;
    size_t count;
    *to = *from;
    if (!hc_schedule_own(to, &nodes, &count)) return hc_fail_nomem(opt->tape, who);
    bool done = take_nodes(opt, who, nodes, count, to);
    hc_free(nodes);
    return done;
}

bool diffopt_schedule(DiffOpt *opt, const char *name, size_t group, const Schedule *schedule) {
    const char *who = "diffopt_schedule";
    size_t hyper = 0;
    if (!hc_diffopt_usable(opt, who) || !check_group(opt, who, group) ||
        !find_hyper(opt, who, name, schedule != NULL, &hyper))
        return false;
    if (schedule && !schedule->factor)
        return hc_fail(opt->tape, HC_ERR_ARG, "%s: no schedule_ function made the schedule", who);
    HcSetting made = {.value = NULL};
    return (!schedule || take_schedule(opt, who, schedule, &made.schedule)) &&
           hc_settings_put(opt, who, (HcWhere){hyper, group, HC_EVERY_WEIGHT, true}, schedule ? &made : NULL);
}
