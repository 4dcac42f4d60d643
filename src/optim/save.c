/* Saving and loading an optimizer's state. The body of a file: the rule's name, the type (u32), the steps
 * (u64); the count of states (u64) and their names; the count of groups (u64) and of each its
 * hyperparameters (u64, then names, f64 values, and u32: 0, or 1 + how finely it is learned) and Params
 * (u64, then names, shapes, steps (u64), and for each state u32 whether it is there and its numbers); the
 * count of learned Params (u64) and of each the name, shape and numbers; from version 2 on the schedules
 * (save_schedule.c). */
#include "optim/save.h"

#include <string.h>

#include "nn/save.h"

static const char kind[] = "optim";
enum { VERSION = 2 };

/* ---- saving --------------------------------------------------------------------------------------------- */

static uint32_t learning(const HcLearned *learned) {
    return learned->count ? 1 + (uint32_t)learned->per : 0;
}

static void write_group(HcWriter *w, const Optim *optim, const HcGroup *group) {
    const OptimClass *cls = optim->cls;
    hc_write_u64(w, cls->hyper_count);
    for (size_t h = 0; h < cls->hyper_count; h++) {
        hc_write_text(w, cls->hypers[h].name);
        hc_write_f64(w, group->hyper[h]);
        hc_write_u32(w, learning(&group->learned[h]));
    }
    hc_write_u64(w, group->params.count);
    for (size_t i = 0; i < group->params.count; i++) {
        const Param *p = group->params.items[i];
        hc_write_param_head(w, p);
        hc_write_u64(w, group->moments[i].steps);
        for (size_t s = 0; s < cls->state_count; s++) {
            const void *state = group->moments[i].state[s];
            hc_write_u32(w, state != NULL);
            if (state || w->counts) hc_write_reals(w, state, p->count, optim->tape->item);
        }
    }
}

static void write_optim(HcWriter *w, const Optim *optim) {
    hc_write_text(w, optim->cls->name);
    hc_write_u32(w, (uint32_t)optim->dtype);
    hc_write_u64(w, optim->steps);
    hc_write_u64(w, optim->cls->state_count);
    for (size_t s = 0; s < optim->cls->state_count; s++)
        hc_write_text(w, optim->cls->states[s]);
    hc_write_u64(w, optim->group_count);
    for (size_t g = 0; g < optim->group_count; g++)
        write_group(w, optim, &optim->groups[g]);
    hc_write_u64(w, optim->learned.count);
    for (size_t i = 0; i < optim->learned.count; i++) {
        const Param *p = optim->learned.items[i];
        hc_write_param_head(w, p);
        hc_write_reals(w, p->data, p->count, p->item);
    }
    hc_write_schedules(w, optim);
}

/* The most that a file of the optimizer takes: with every state there. */
static uint64_t most_of(const Optim *optim) {
    HcWriter w;
    hc_write_count(&w);
    write_optim(&w, optim);
    return w.size;
}

bool optim_save(const Optim *optim, const char *path) {
    const char *who = "optim_save";
    if (!optim || !path)
        return hc_null(who, optim ? "the path" : "the optimizer");
    if (!hc_check_schedules(optim, who)) return false;
    HcWriter w;
    hc_write_begin(&w, path, kind, VERSION);
    write_optim(&w, optim);
    return hc_write_end(&w, who, path);
}

/* ---- loading -------------------------------------------------------------------------------------------- */

/* What the file holds is put here first; the optimizer takes it when all of it was right. */
typedef struct Loading {
    HcReader r;
    Optim *optim;
    const char *name;
    HcMoments **moments;            /* [group_count] */
    double (*hyper)[HC_MAX_HYPERS]; /* [group_count] */
    size_t steps;
    HcScheduled *schedules;
    size_t schedule_count;
} Loading;

static const char who[] = "optim_load";

/* Whether all that was asked for was there; else says so. */
static bool was_there(Loading *l) {
    return l->r.good || hc_read_end(&l->r, who, l->name);
}

static bool same_count(Loading *l, size_t want, const char *what) {
    uint64_t found = hc_read_u64(&l->r);
    if (!was_there(l)) return false;
    return found == want ||
           hc_fail_thread(HC_ERR_SHAPE, "%s: '%s' holds %llu %s, the optimizer %zu", who, l->name,
                          (unsigned long long)found, what, want);
}

static bool same_text(Loading *l, const char *want, const char *what) {
    const char *found;
    int length;
    return hc_read_text(&l->r, want, &found, &length) ||
           hc_fail_thread(HC_ERR_NAME, "%s: in '%s' %s is '%.*s', not '%s'", who, l->name, what,
                          length, found, want);
}

static bool read_hyper(Loading *l, size_t g, size_t h) {
    const OptimHyper *hyper = &l->optim->cls->hypers[h];
    const HcLearned *learned = &l->optim->groups[g].learned[h];
    if (!same_text(l, hyper->name, "a hyperparameter")) return false;
    double value = hc_read_f64(&l->r);
    uint32_t per = hc_read_u32(&l->r);
    if (l->r.good && !hc_hyper_accepts(hyper, value))
        return hc_fail_thread(HC_ERR_RANGE, "%s: '%s': %s cannot be %g", who, l->name, hyper->name,
                              value);
    if (l->r.good && per != learning(learned))
        return hc_fail_thread(
            HC_ERR_STATE,
            "%s: '%s' of group %zu is learned otherwise in '%s': optim_learn comes "
            "before loading",
            who, hyper->name, g, l->name);
    l->hyper[g][h] = value;
    return was_there(l);
}

/* A count that no one can have reached is none: the next step would count on from it. */
static bool read_steps(Loading *l, size_t *steps) {
    uint64_t found = hc_read_u64(&l->r), most = (uint64_t)1 << 53;
    if (found > most || found > SIZE_MAX / 2)
        return hc_fail_thread(HC_ERR_RANGE, "%s: '%s' holds a count of %llu steps", who, l->name,
                              (unsigned long long)found);
    *steps = (size_t)found;
    return was_there(l);
}

static bool read_moments(Loading *l, const Param *p, HcMoments *to) {
    size_t item = l->optim->tape->item;
    if (!hc_read_param_head(&l->r, who, l->name, p)) return false;
    if (!read_steps(l, &to->steps)) return false;
    for (size_t s = 0; s < l->optim->cls->state_count && l->r.good; s++) {
        uint32_t present = hc_read_u32(&l->r);
        if (present == 0) continue;
        if (present > 1) l->r.good = false;
        if (!was_there(l)) return false;
        if (!(to->state[s] = hc_alloc(p->count, item)))
            return hc_fail_thread(HC_ERR_NOMEM, "%s: out of memory", who);
        hc_read_reals(&l->r, to->state[s], p->count, item);
    }
    return was_there(l);
}

static bool read_group(Loading *l, size_t g) {
    const HcGroup *group = &l->optim->groups[g];
    if (!same_count(l, l->optim->cls->hyper_count, "hyperparameters")) return false;
    for (size_t h = 0; h < l->optim->cls->hyper_count; h++)
        if (!read_hyper(l, g, h)) return false;
    const char *fault = hc_hypers_fault(l->optim, group, l->hyper[g], SIZE_MAX);
    if (fault)
        return hc_fail_thread(HC_ERR_RANGE, "%s: '%s', group %zu: %s", who, l->name, g, fault);
    if (!same_count(l, group->params.count, "Params in a group")) return false;
    for (size_t i = 0; i < group->params.count; i++)
        if (!read_moments(l, group->params.items[i], &l->moments[g][i])) return false;
    return true;
}

/* Checks the learned Params, or (write) takes their numbers. */
static bool read_learned(Loading *l, bool write) {
    ParamList list = l->optim->learned;
    if (!same_count(l, list.count, "learned Params")) return false;
    for (size_t i = 0; i < list.count; i++) {
        Param *p = list.items[i];
        if (!hc_read_param_head(&l->r, who, l->name, p)) return false;
        hc_read_reals(&l->r, write ? p->data : NULL, p->count, p->item);
        if (write) hc_param_written(p);
    }
    return true;
}

static bool read_all(Loading *l, const void *bytes, size_t size) {
    const Optim *optim = l->optim;
    if (!hc_read_begin(&l->r, who, l->name, bytes, size, most_of(optim), kind, VERSION) ||
        !same_text(l, optim->cls->name, "the rule") ||
        !hc_read_dtype(&l->r, who, l->name, optim->dtype))
        return false;
    if (!read_steps(l, &l->steps)) return false;
    if (!same_count(l, optim->cls->state_count, "states")) return false;
    for (size_t s = 0; s < optim->cls->state_count; s++)
        if (!same_text(l, optim->cls->states[s], "a state")) return false;
    if (!same_count(l, optim->group_count, "groups")) return false;
    for (size_t g = 0; g < optim->group_count; g++)
        if (!read_group(l, g)) return false;
    size_t learned_at = l->r.at;
    if (!read_learned(l, false)) return false;
    if (l->r.version >= 2 && !hc_read_schedules(&l->r, optim, who, l->name, l->steps, &l->schedules,
                                                &l->schedule_count)) {
        was_there(l);
        return false;
    }
    if (!hc_read_end(&l->r, who, l->name)) return false;
    l->r.at = learned_at;
    return read_learned(l, true);
}

static void take(Loading *l) {
    Optim *optim = l->optim;
    optim->steps = l->steps;
    hc_optim_changed(optim);
    if (l->r.version >= 2) { /* before, files had none, and leave those there are */
        hc_scheduled_free(optim->schedules, optim->schedule_count);
        optim->schedules = l->schedules;
        optim->schedule_count = optim->schedule_capacity = l->schedule_count;
        l->schedules = NULL;
    }
    for (size_t g = 0; g < optim->group_count; g++) {
        HcMoments *old = optim->groups[g].moments;
        optim->groups[g].moments = l->moments[g];
        l->moments[g] = old;
        memcpy(optim->groups[g].hyper, l->hyper[g], sizeof l->hyper[g]);
    }
}

/* Keeps what went wrong, if something did, on the optimizer, and in the thread unless that held an error. */
static void fail_beside(Optim *optim, const HcError *before) {
    HcError error;
    hc_error_take(&error);
    hc_error_put(before);
    if (error.status != HC_OK) hc_optim_fail(optim, error.status, "%s", error.text);
}

bool hc_optim_load(Optim *optim, const char *name, const void *bytes, size_t size) {
    Loading l = {.optim = optim, .name = name};
    HcError before;
    hc_error_take(
        &before); /* what goes wrong here is the optimizer's error, whatever the thread's is */
    l.moments = hc_alloc_zero(optim->group_count, sizeof *l.moments);
    l.hyper = hc_alloc_zero(optim->group_count, sizeof *l.hyper);
    bool room = l.moments && l.hyper;
    for (size_t g = 0; g < optim->group_count && room; g++) {
        l.moments[g] = hc_alloc_zero(optim->groups[g].params.count, sizeof **l.moments);
        room = l.moments[g] != NULL;
    }
    bool done =
        room ? read_all(&l, bytes, size) : hc_fail_thread(HC_ERR_NOMEM, "%s: out of memory", who);
    if (done) take(&l);
    fail_beside(optim, &before);
    for (size_t g = 0; l.moments && g < optim->group_count; g++)
        hc_moments_free(l.moments[g], optim->groups[g].params.count);
    hc_free(l.moments);
    hc_free(l.hyper);
    hc_scheduled_free(l.schedules, l.schedule_count);
    return done;
}

bool optim_load(Optim *optim, const char *path) {
    if (!optim || !path)
        return hc_null(who, optim ? "the path" : "the optimizer");
    if (!hc_optim_at_rest(optim, who)) return false;
    HcError before;
    hc_error_take(&before);
    size_t size;
    void *bytes = hc_read_file(who, path, most_of(optim), &size);
    fail_beside(optim, &before);
    bool done = bytes && hc_optim_load(optim, path, bytes, size);
    hc_free(bytes);
    return done;
}
