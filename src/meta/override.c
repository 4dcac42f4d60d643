/* What stands in the place of an optimizer's numbers on the tape: tensors by override, clones of what it
 * learns, and schedules that multiply either. */
#include <string.h>

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
    for (size_t i = 0; i < count; i++) {
        Tensor *leaf = param_tensor(opt->tape, optim->learned.items[i]);
        if (!(opt->learned_values[i] = tensor_clone(leaf))) return false;
    }
    return true;
}

/* Whether a newer one leaves nothing of an older. */
static bool replaces(const HcOverride *by, const HcOverride *o) {
    if (o->hyper != by->hyper || o->schedules != by->schedules) return false;
    if (by->weight != HC_EVERY_WEIGHT) return o->weight == by->weight;
    return o->weight == HC_EVERY_WEIGHT && (by->group == HC_ALL_GROUPS || o->group == by->group);
}

/* The same list without what `by` replaces. It ends in entries of the old list, which others may share; those
 * before the last that goes are copied. */
static bool drop_replaced(DiffOpt *opt, const char *who, HcSnapshot *to, const HcOverride *by) {
    HcOverride *old = to->overrides, *end = NULL, **tail = &to->overrides;
    for (HcOverride *o = old; o; o = o->next)
        if (replaces(by, o)) end = o;
    if (!end) return true;
    for (HcOverride *o = old; o != end->next; o = o->next) {
        if (replaces(by, o)) {
            to->override_count--;
            continue;
        }
        HcOverride *copy = hc_tape_alloc(opt->tape, sizeof *copy, who);
        if (!copy) return false;
        *copy = *o;
        copy->place = hc_arena_top(&opt->tape->data);
        *tail = copy;
        tail = &copy->next;
    }
    *tail = end->next;
    return true;
}

static HcOverride scheduled(size_t hyper, size_t group, const Schedule *schedule) {
    HcOverride made = {
        .hyper = hyper, .group = group, .weight = HC_EVERY_WEIGHT, .schedules = true};
    if (schedule) made.schedule = *schedule;
    return made;
}

/* Those that were loaded are the optimizer's, which may be loaded once more or destroyed. */
static bool take_nodes(DiffOpt *opt, const HcScheduled *from, Schedule *to) {
    if (!from->nodes) return true;
    size_t bytes = from->node_count * sizeof *from->nodes;
    Schedule *own = hc_tape_alloc(opt->tape, bytes, "diffopt_create");
    if (!own) return false;
    memcpy(own, from->nodes, bytes);
    hc_schedule_move(to, from->nodes, own, from->node_count);
    return true;
}

bool hc_diffopt_take_settings(DiffOpt *opt, const Optim *optim, HcSnapshot *first) {
    opt->first_step = optim->steps;
    for (size_t g = 0; g < optim->group_count; g++)
        memcpy(opt->hyper + g * HC_MAX_HYPERS, optim->groups[g].hyper,
               sizeof optim->groups[g].hyper);
    for (size_t i = 0; i < optim->schedule_count; i++) {
        const HcScheduled *s = &optim->schedules[i];
        HcOverride made = scheduled(s->hyper, s->group, s->removed ? NULL : &s->schedule);
        if (!take_nodes(opt, s, &made.schedule) ||
            !drop_replaced(opt, "diffopt_create", first, &made) ||
            !hc_diffopt_add_override(opt, "diffopt_create", first, &made))
            return false;
    }
    return take_learned(opt, optim);
}

/* ---- what a weight sees ------------------------------------------------------------------------------------ */

void hc_diffopt_begin_step(const DiffOpt *opt) {
    for (HcOverride *o = opt->now->overrides; o; o = o->next)
        o->known = false;
}

/* The newest that is about weight i: its own, or its group's; NULL when there is none. */
static HcOverride *newest(const DiffOpt *opt, size_t i, size_t h, bool schedules, bool own) {
    HcOverride *o = opt->now->overrides;
    for (; o; o = o->next) {
        if (o->hyper != h || o->schedules != schedules) continue;
        if (own ? o->weight == i
                : o->weight == HC_EVERY_WEIGHT &&
                      (o->group == HC_ALL_GROUPS || o->group == opt->group[i]))
            break;
    }
    return o;
}

/* Its own override, then its group's, then what is learned, then the number. */
static Hyper unscheduled(const DiffOpt *opt, size_t i, size_t h) {
    const HcOverride *own = newest(opt, i, h, false, true);
    if (own && own->value) return hyper_tensor(own->value);
    const HcOverride *all = newest(opt, i, h, false, false);
    if (all && all->value) return hyper_tensor(all->value);
    size_t at = opt->group[i] * HC_MAX_HYPERS + h;
    if (opt->learned && opt->learned[at].count)
        return hyper_tensor(
            opt->learned_values[hc_learned_index(&opt->learned[at], opt->place[i])]);
    return hyper_const(opt->hyper[at]);
}

static Hyper seen(const DiffOpt *opt, size_t i, size_t h) {
    Hyper value = unscheduled(opt, i, h);
    HcOverride *o = newest(opt, i, h, true, false);
    if (!o || !o->schedule.factor) return value;
    if (!o->known) o->factor = hc_schedule_call(opt->tape, &o->schedule, opt->first_step + opt->now->steps);
    o->known = true;
    return hyper_mul(value, o->factor);
}

void hc_diffopt_hypers(const DiffOpt *opt, size_t i, Hyper *hyper) {
    const double *number = opt->hyper + opt->group[i] * HC_MAX_HYPERS;
    bool plain = !opt->learned && !opt->now->overrides;
    for (size_t h = 0; h < opt->cls->hyper_count; h++)
        hyper[h] = plain ? hyper_const(number[h]) : seen(opt, i, h);
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

/* Room in which overrides outlast the release of a step. */
static bool find_room(DiffOpt *opt, const char *who, HcSnapshot *next) {
    if (next->override_count < next->room_count) return true;
    next->room_count = 2 * next->override_count + 4;
    next->room = hc_tape_alloc(opt->tape, next->room_count * sizeof *next->room, who);
    return next->room != NULL;
}

static bool above_base(const DiffOpt *opt, const Tensor *x) {
    return x && x->index >= opt->module->base.nodes;
}

/* What a function of the user's own looks at is not known. */
static bool schedule_above_base(const DiffOpt *opt, const Schedule *schedule) {
    return schedule &&
           (above_base(opt, schedule->coefficient.tensor) || schedule->function ||
            schedule_above_base(opt, schedule->first) || schedule_above_base(opt, schedule->next));
}

/* Release steps carry settings on, so memory is bounded by the number of different ones. What was made before
 * one more of them stays, and so do tensors among them, where they are. */
static bool put_in_force(DiffOpt *opt, const char *who, const HcOverride *made) {
    HcSnapshot *next = hc_diffopt_push(opt, false);
    if (!next || !drop_replaced(opt, who, next, made) || !find_room(opt, who, next) ||
        !hc_diffopt_add_override(opt, who, next, made))
        return false;
    bool more = next->override_count > next->override_most;
    if (more) next->override_most = next->override_count;
    next->place = hc_arena_top(&opt->tape->data);
    opt->now = next;
    if (more || above_base(opt, made->value) || schedule_above_base(opt, &made->schedule))
        hc_diffopt_raise_base(opt);
    return true;
}

static bool override(DiffOpt *opt, const char *who, const char *name, size_t group, size_t weight,
                     Tensor *value) {
    size_t hyper = 0;
    if (!find_hyper(opt, who, name, value != NULL, &hyper)) return false;
    if (value && !hc_check(who, value)) return false;
    if (value && value->tape != opt->tape)
        return hc_fail(opt->tape, HC_ERR_TAPE, "%s: the tensor is on another tape", who);
    return put_in_force(
        opt, who, &(HcOverride){.hyper = hyper, .group = group, .weight = weight, .value = value});
}

bool diffopt_override(DiffOpt *opt, const char *name, size_t group, Tensor *value) {
    const char *who = "diffopt_override";
    if (!hc_diffopt_usable(opt, who)) return false;
    return check_group(opt, who, group) && override(opt, who, name, group, HC_EVERY_WEIGHT, value);
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

bool diffopt_schedule(DiffOpt *opt, const char *name, size_t group, const Schedule *schedule) {
    const char *who = "diffopt_schedule";
    size_t hyper = 0;
    if (!hc_diffopt_usable(opt, who) || !check_group(opt, who, group) ||
        !find_hyper(opt, who, name, schedule != NULL, &hyper))
        return false;
    if (schedule && !schedule->factor)
        return hc_fail(opt->tape, HC_ERR_ARG, "%s: no schedule_ function made the schedule", who);
    HcOverride made = scheduled(hyper, group, schedule);
    return put_in_force(opt, who, &made);
}
