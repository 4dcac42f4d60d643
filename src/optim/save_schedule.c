/* Schedules in an optimizer's file: the count (u64), and of each the number of its hyperparameter and of its group
 * (u64; all bits for all groups), then its kind (u32), and unless that is none its coefficient (f64), its steps (u64)
 * and, where one schedule follows another, both in the same way; of the kinds from the multi-step on rise and last
 * (f64), growth and the count of milestones and each of them (u64). */
#include <math.h>

#include "base/alloc.h"
#include "optim/save.h"

enum { MOST_LINKS = 64, LINK_BYTES = 4 + 8 + 8 + 8 * (4 + HC_MOST_MILESTONES), ENTRY_BYTES = 8 + 8 };

/* ---- saving --------------------------------------------------------------------------------------------- */

/* What keeps a schedule out of a file, or NULL. */
static const char *fault_of(const Schedule *s, size_t *links) {
    HcScheduleKind kind = hc_schedule_kind(s);
    if (kind == HC_SCHEDULE_NONE) return "no schedule_ function made it, or a part of it";
    if (s->coefficient.tensor) return "a coefficient is a tensor";
    if (++*links > MOST_LINKS) return "it has more than 64 parts, or goes in a circle";
    if (kind != HC_SCHEDULE_THEN) return NULL;
    const char *fault = fault_of(s->first, links);
    return fault ? fault : fault_of(s->next, links);
}

bool hc_check_schedules(const Optim *optim, const char *who) {
    for (size_t i = 0; i < optim->schedule_count; i++) {
        const HcScheduled *s = &optim->schedules[i];
        size_t links = 0;
        const char *fault = s->removed ? NULL : fault_of(&s->schedule, &links);
        if (fault)
            return hc_fail_thread(HC_ERR_STATE, "%s: the schedule of '%s' cannot be saved: %s", who,
                                  optim->cls->hypers[s->hyper].name, fault);
    }
    return true;
}

static void write_more(HcWriter *w, const Schedule *s) {
    hc_write_f64(w, s->rise);
    hc_write_f64(w, s->last);
    hc_write_u64(w, s->growth);
    hc_write_u64(w, s->milestone_count);
    for (size_t i = 0; i < s->milestone_count; i++)
        hc_write_u64(w, s->milestones[i]);
}

static void write_schedule(HcWriter *w, const Schedule *s) {
    HcScheduleKind kind = hc_schedule_kind(s);
    hc_write_u32(w, (uint32_t)kind);
    hc_write_f64(w, s->coefficient.value);
    hc_write_u64(w, s->steps);
    if (kind >= HC_SCHEDULE_MULTISTEP) write_more(w, s);
    if (kind != HC_SCHEDULE_THEN) return;
    write_schedule(w, s->first);
    write_schedule(w, s->next);
}

static size_t most_schedules(const Optim *optim) {
    return (optim->group_count + 1) * optim->cls->hyper_count;
}

void hc_write_schedules(HcWriter *w, const Optim *optim) {
    if (w->counts) { /* the most there may be */
        uint64_t most =
            8 + (uint64_t)most_schedules(optim) * (ENTRY_BYTES + MOST_LINKS * LINK_BYTES);
        w->size = most > UINT64_MAX - w->size ? UINT64_MAX : w->size + most;
        return;
    }
    hc_write_u64(w, optim->schedule_count);
    for (size_t i = 0; i < optim->schedule_count; i++) {
        const HcScheduled *s = &optim->schedules[i];
        hc_write_u64(w, s->hyper);
        hc_write_u64(w, s->group == HC_ALL_GROUPS ? UINT64_MAX : s->group);
        if (s->removed)
            hc_write_u32(w, HC_SCHEDULE_NONE);
        else
            write_schedule(w, &s->schedule);
    }
}

/* ---- loading -------------------------------------------------------------------------------------------- */

typedef struct Reading {
    HcReader *r;
    const Optim *optim;
    HcScheduled *to;
    size_t links;
} Reading;

static bool damaged(const Reading *g) {
    return hc_fail_thread(HC_ERR_IO, "%s: '%s' is damaged: a schedule that cannot be", g->r->who, g->r->name);
}

static bool read_schedule(Reading *g, Schedule *to, const Schedule *mine);

/* The two of which the first was read are children of a place in the list of nodes. */
static bool read_both(Reading *g, Schedule *to, const Schedule *mine) {
    HcScheduled *entry = g->to;
    if (!entry->nodes && !(entry->nodes = hc_alloc_zero(MOST_LINKS, sizeof *entry->nodes)))
        return hc_fail_thread(HC_ERR_NOMEM, "%s: out of memory", g->r->who);
    if (entry->node_count + 2 > MOST_LINKS) return damaged(g);
    Schedule *both = entry->nodes + entry->node_count;
    entry->node_count += 2;
    to->first = both;
    to->next = both + 1;
    bool same = mine && hc_schedule_kind(mine) == HC_SCHEDULE_THEN;
    return read_schedule(g, both, same ? mine->first : NULL) &&
           read_schedule(g, both + 1, same ? mine->next : NULL);
}

static size_t read_size(HcReader *r) {
    uint64_t size = hc_read_u64(r);
    return size < SIZE_MAX ? (size_t)size : SIZE_MAX;
}

static bool read_more(Reading *g, HcScheduleKind kind, Schedule *to) {
    to->rise = hc_read_f64(g->r);
    to->last = hc_read_f64(g->r);
    to->growth = read_size(g->r);
    to->milestone_count = read_size(g->r);
    if (!g->r->good) return false;
    if (to->milestone_count > HC_MOST_MILESTONES || (kind == HC_SCHEDULE_RESTARTS && to->growth == 0))
        return damaged(g);
    for (size_t i = 0; i < to->milestone_count; i++)
        to->milestones[i] = read_size(g->r);
    return g->r->good;
}

/* The rest of one of that kind. `mine` is what the optimizer has in its place, or NULL: the function of a schedule
 * of one's own is in no file. */
static bool read_rest(Reading *g, HcScheduleKind kind, Schedule *to, const Schedule *mine) {
    *to = hc_schedule_of(kind);
    to->coefficient.value = hc_read_f64(g->r);
    to->steps = read_size(g->r);
    if (!g->r->good) return false;
    bool divides = kind == HC_SCHEDULE_STEP || kind == HC_SCHEDULE_RESTARTS;
    if (++g->links > MOST_LINKS || (divides && to->steps == 0)) return damaged(g);
    if (kind >= HC_SCHEDULE_MULTISTEP) return read_more(g, kind, to);
    if (kind == HC_SCHEDULE_THEN) return read_both(g, to, mine);
    if (kind != HC_SCHEDULE_LAMBDA) return true;
    if (!mine || hc_schedule_kind(mine) != kind)
        return hc_fail_thread(HC_ERR_STATE,
                              "%s: '%s' has a schedule_lambda on '%s': optim_schedule comes before "
                              "loading",
                              g->r->who, g->r->name, g->optim->cls->hypers[g->to->hyper].name);
    to->function = mine->function;
    to->user = mine->user;
    return true;
}

static bool read_schedule(Reading *g, Schedule *to, const Schedule *mine) {
    uint32_t kind = hc_read_u32(g->r);
    if (!g->r->good) return false;
    if (kind == HC_SCHEDULE_NONE || kind >= HC_SCHEDULE_KINDS) return damaged(g);
    return read_rest(g, (HcScheduleKind)kind, to, mine);
}

/* The optimizer's own for the same hyperparameter and group, or NULL. */
static const Schedule *own(const Optim *optim, const HcScheduled *like) {
    for (size_t i = 0; i < optim->schedule_count; i++) {
        const HcScheduled *s = &optim->schedules[i];
        if (s->hyper == like->hyper && s->group == like->group && !s->removed) return &s->schedule;
    }
    return NULL;
}

static bool read_entry(Reading *g, size_t steps) {
    const Optim *optim = g->optim;
    uint64_t hyper = hc_read_u64(g->r), group = hc_read_u64(g->r);
    if (!g->r->good) return false;
    if (hyper >= optim->cls->hyper_count || optim->cls->hypers[hyper].flag ||
        (group != UINT64_MAX && group >= optim->group_count))
        return damaged(g);
    g->to->hyper = (size_t)hyper;
    g->to->group = group == UINT64_MAX ? HC_ALL_GROUPS : (size_t)group;
    uint32_t kind = hc_read_u32(g->r);
    if (!g->r->good) return false;
    if (kind >= HC_SCHEDULE_KINDS) return damaged(g);
    g->to->removed = kind == HC_SCHEDULE_NONE;
    if (g->to->removed) return true;
    Schedule *schedule = &g->to->schedule;
    if (!read_rest(g, (HcScheduleKind)kind, schedule, own(optim, g->to))) return false;
    size_t told = hc_errors_told();
    Hyper factor = hc_schedule_call(optim->tape, g->r->who, schedule, steps);
    if (hc_errors_left(told)) return false;
    return (!factor.tensor && !isnan(factor.value)) || damaged(g);
}

bool hc_read_schedules(HcReader *r, const Optim *optim, size_t steps, HcScheduled **list, size_t *list_count) {
    uint64_t count = hc_read_u64(r);
    Reading g = {.r = r, .optim = optim};
    if (!r->good) return false;
    if (count > most_schedules(optim)) return damaged(&g);
    if (count == 0) return true;
    if (!(*list = hc_alloc_zero((size_t)count, sizeof **list)))
        return hc_fail_thread(HC_ERR_NOMEM, "%s: out of memory", r->who);
    *list_count = (size_t)count;
    for (size_t i = 0; i < count; i++) {
        g.to = *list + i;
        g.links = 0;
        if (!read_entry(&g, steps)) return false;
    }
    return true;
}
