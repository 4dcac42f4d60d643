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

/* ---- saving --------------------------------------------------------------------------------------------- */

static uint32_t learning(const HcLearned *learned) {
    return learned->count ? 1 + (uint32_t)learned->per + (learned->log ? 3 : 0) : 0;
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

void hc_write_optim(HcWriter *w, const Optim *optim) {
    hc_write_text(w, optim->cls->name);
    hc_write_u32(w, (uint32_t)optim->dtype);
    hc_write_u64(w, optim->steps);
    hc_write_u64(w, optim->cls->state_count);
    for (size_t s = 0; s < optim->cls->state_count; s++)
        hc_write_text(w, optim->cls->states[s]);
    hc_write_u64(w, optim->group_count);
    for (size_t g = 0; g < optim->group_count; g++)
        write_group(w, optim, &optim->groups[g]);
    hc_write_params(w, optim->learned);
    hc_write_schedules(w, optim);
}

/* The most that a file of the optimizer takes: with every state there. */
static uint64_t most_of(const Optim *optim) {
    HcWriter w;
    hc_write_count(&w);
    hc_write_optim(&w, optim);
    return w.size;
}

bool optim_save(const Optim *optim, const char *path) {
    const char *who = "optim_save";
    if (!optim || !path)
        return hc_null(who, optim ? "the path" : "the optimizer");
    if (!hc_check_schedules(optim, who)) return false;
    HcWriter w;
    hc_write_begin(&w, path, kind, HC_OPTIM_VERSION);
    hc_write_optim(&w, optim);
    return hc_write_end(&w, who, path);
}

/* ---- loading -------------------------------------------------------------------------------------------- */

static bool same_count(HcReader *r, size_t want, const char *what) {
    uint64_t found = hc_read_u64(r);
    if (!hc_read_so_far(r)) return false;
    return found == want ||
           hc_fail_thread(HC_ERR_SHAPE, "%s: '%s' holds %llu %s, the optimizer %zu", r->who, r->name,
                          (unsigned long long)found, what, want);
}

static bool same_text(HcReader *r, const char *want, const char *what) {
    const char *found;
    int length;
    return hc_read_text(r, want, &found, &length) ||
           hc_fail_thread(HC_ERR_NAME, "%s: in '%s' %s is '%.*s', not '%s'", r->who, r->name, what,
                          length, found, want);
}

static bool read_hyper(HcReader *r, HcOptimLoading *l, size_t g, size_t h) {
    const OptimHyper *hyper = &l->optim->cls->hypers[h];
    const HcLearned *learned = &l->optim->groups[g].learned[h];
    if (!same_text(r, hyper->name, "a hyperparameter")) return false;
    char bounds[HC_BOUNDS_TEXT];
    double value = hc_read_f64(r);
    uint32_t per = hc_read_u32(r);
    if (r->good && !hc_hyper_accepts(hyper, value))
        return hc_fail_thread(HC_ERR_RANGE, "%s: '%s': %s cannot be %g: %s", r->who, r->name, hyper->name, value,
                              hc_hyper_bounds(hyper, bounds));
    if (r->good && per != learning(learned))
        return hc_fail_thread(
            HC_ERR_STATE,
            "%s: '%s' of group %zu is learned otherwise in '%s': optim_learn comes "
            "before loading",
            r->who, hyper->name, g, r->name);
    l->hyper[g][h] = value;
    return hc_read_so_far(r);
}

/* A count that no one can have reached is none: the next step would count on from it. */
static bool read_steps(HcReader *r, size_t *steps) {
    uint64_t found = hc_read_u64(r), most = (uint64_t)1 << 53;
    if (found > most || found > SIZE_MAX / 2)
        return hc_fail_thread(HC_ERR_RANGE, "%s: '%s' holds a count of %llu steps", r->who, r->name,
                              (unsigned long long)found);
    *steps = (size_t)found;
    return hc_read_so_far(r);
}

static bool read_moments(HcReader *r, const Optim *optim, const Param *p, HcMoments *to) {
    size_t item = optim->tape->item;
    if (!hc_read_param_head(r, p)) return false;
    if (!read_steps(r, &to->steps)) return false;
    for (size_t s = 0; s < optim->cls->state_count && r->good; s++) {
        uint32_t present = hc_read_u32(r);
        if (present == 0) continue;
        if (present > 1) r->good = false;
        if (!hc_read_so_far(r)) return false;
        if (!(to->state[s] = hc_alloc(p->count, item)))
            return hc_fail_thread(HC_ERR_NOMEM, "%s: out of memory", r->who);
        hc_read_reals(r, to->state[s], p->count, item);
    }
    return hc_read_so_far(r);
}

static bool read_group(HcReader *r, HcOptimLoading *l, size_t g) {
    const Optim *optim = l->optim;
    const HcGroup *group = &optim->groups[g];
    if (!same_count(r, optim->cls->hyper_count, "hyperparameters")) return false;
    for (size_t h = 0; h < optim->cls->hyper_count; h++)
        if (!read_hyper(r, l, g, h)) return false;
    const char *fault = hc_hypers_fault(optim, group, l->hyper[g], SIZE_MAX);
    if (fault)
        return hc_fail_thread(HC_ERR_RANGE, "%s: '%s', group %zu: %s", r->who, r->name, g, fault);
    if (!same_count(r, group->params.count, "Params in a group")) return false;
    for (size_t i = 0; i < group->params.count; i++)
        if (!read_moments(r, optim, group->params.items[i], &l->moments[g][i])) return false;
    return true;
}

static bool make_room(HcOptimLoading *l) {
    const Optim *optim = l->optim;
    l->moments = hc_alloc_zero(optim->group_count, sizeof *l->moments);
    l->hyper = hc_alloc_zero(optim->group_count, sizeof *l->hyper);
    bool room = l->moments && l->hyper;
    for (size_t g = 0; g < optim->group_count && room; g++) {
        l->moments[g] = hc_alloc_zero(optim->groups[g].params.count, sizeof **l->moments);
        room = l->moments[g] != NULL;
    }
    return room;
}

bool hc_read_optim(HcReader *r, Optim *optim, HcOptimLoading *l) {
    *l = (HcOptimLoading){.optim = optim, .scheduled = r->version >= 2};
    if (!make_room(l)) return hc_fail_thread(HC_ERR_NOMEM, "%s: out of memory", r->who);
    if (!same_text(r, optim->cls->name, "the rule") || !hc_read_dtype(r, optim->dtype) || !read_steps(r, &l->steps) ||
        !same_count(r, optim->cls->state_count, "states"))
        return false;
    for (size_t s = 0; s < optim->cls->state_count; s++)
        if (!same_text(r, optim->cls->states[s], "a state")) return false;
    if (!same_count(r, optim->group_count, "groups")) return false;
    for (size_t g = 0; g < optim->group_count; g++)
        if (!read_group(r, l, g)) return false;
    l->learned_at = r->at;
    if (!hc_read_params(r, optim->learned, false)) return false;
    bool done = !l->scheduled || hc_read_schedules(r, optim, l->steps, &l->schedules, &l->schedule_count);
    return hc_read_so_far(r) && done;
}

void hc_take_optim(HcReader *r, HcOptimLoading *l) {
    Optim *optim = l->optim;
    r->at = l->learned_at;
    hc_read_params(r, optim->learned, true);
    optim->steps = l->steps;
    hc_optim_changed(optim);
    if (l->scheduled) {
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

void hc_optim_loading_free(HcOptimLoading *l) {
    for (size_t g = 0; l->moments && g < l->optim->group_count; g++)
        hc_moments_free(l->moments[g], l->optim->groups[g].params.count);
    hc_free(l->moments);
    hc_free(l->hyper);
    hc_scheduled_free(l->schedules, l->schedule_count);
    *l = (HcOptimLoading){.optim = NULL};
}

void hc_optim_fail_beside(Optim *optim, const HcError *before) {
    HcError error;
    hc_error_take(&error);
    hc_error_put(before);
    if (error.status != HC_OK) hc_optim_fail(optim, error.status, "%s", error.text);
}

static const char loads[] = "optim_load";

bool hc_optim_load_bytes(Optim *optim, const char *name, const void *bytes, size_t size) {
    HcReader r;
    HcOptimLoading l = {.optim = optim};
    HcError before;
    hc_error_take(&before); /* what goes wrong here is the optimizer's error, whatever the thread's is */
    bool done = hc_read_begin(&r, loads, name, bytes, size, most_of(optim), kind, HC_OPTIM_VERSION) &&
                hc_read_optim(&r, optim, &l) && hc_read_end(&r);
    if (done) hc_take_optim(&r, &l);
    hc_optim_fail_beside(optim, &before);
    hc_optim_loading_free(&l);
    return done;
}

bool optim_load(Optim *optim, const char *path) {
    if (!optim || !path)
        return hc_null(loads, optim ? "the path" : "the optimizer");
    if (!hc_optim_at_rest(optim, loads)) return false;
    HcError before;
    hc_error_take(&before);
    size_t size;
    void *bytes = hc_read_file(loads, path, most_of(optim), &size);
    hc_optim_fail_beside(optim, &before);
    bool done = bytes && hc_optim_load_bytes(optim, path, bytes, size);
    hc_free(bytes);
    return done;
}
