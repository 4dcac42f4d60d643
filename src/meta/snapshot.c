/* The state of a differentiable optimizer as a chain of snapshots: a new one is pushed over the last, a release
 * goes back along them, and what is to outlast it is kept before and restored after. */
#include <string.h>

#include "meta/diffopt.h"

HcSnapshot *hc_diffopt_push(DiffOpt *opt, bool own_moments) {
    HcSnapshot *next = hc_tape_alloc(opt->tape, sizeof *next, "diffopt");
    if (!next) return NULL;
    *next = *opt->now;
    next->prev = opt->now;
    if (own_moments) {
        next->moments = hc_tape_alloc(opt->tape, opt->count * sizeof *next->moments, "diffopt");
        if (!next->moments) return NULL;
        memcpy(next->moments, opt->now->moments, opt->count * sizeof *next->moments);
    }
    next->place = hc_arena_top(&opt->tape->data);
    HC_ASSERT(hc_position_before(next->prev->place, next->place));
    return next;
}

/* ---- through releases --------------------------------------------------------------------------------- */

static bool keep(HcScope *scope, const TapeMark *mark) {
    DiffOpt *opt = (DiffOpt *)scope;
    const HcSnapshot *now = opt->now;
    opt->keeps = hc_above(now->place, mark) && (opt->module->mode == HC_EVAL || now->cut);
    const HcChange *set = opt->settings.changes;
    bool above = hc_above(now->place, mark) || (set && hc_above(set->place, mark));
    opt->carries = above && opt->module->releasing;
    opt->kept = *now;
    if (opt->carries && !hc_settings_keep(opt, mark)) return false;
    if (!opt->keeps) return true;
    memcpy(opt->kept_moments, now->moments, opt->count * sizeof *opt->kept_moments);
    for (size_t s = 0; s < opt->cls->state_count; s++) {
        for (size_t i = 0; i < opt->count; i++)
            opt->states[i] = now->moments[i].state[s];
        if (!hc_slots_keep(&opt->slots[s], opt->states, mark)) return false;
    }
    return true;
}

static void back(HcScope *scope, const TapeMark *mark) {
    DiffOpt *opt = (DiffOpt *)scope;
    while (hc_above(opt->now->place, mark))
        opt->now = opt->now->prev;
    hc_settings_back(opt, mark);
}

static void restore(HcScope *scope, const TapeMark *mark) {
    DiffOpt *opt = (DiffOpt *)scope;
    (void)mark;
    if (!opt->keeps && !opt->carries) return;
    for (size_t s = 0; opt->keeps && s < opt->cls->state_count; s++) {
        if (!hc_slots_restore(&opt->slots[s], opt->tape, opt->states, HC_WHY_CONSTANT)) return;
        for (size_t i = 0; i < opt->count; i++)
            opt->kept_moments[i].state[s] = opt->states[i];
    }
    HcSnapshot *next = hc_diffopt_push(opt, opt->keeps);
    if (!next) return;
    if (opt->keeps) {
        memcpy(next->moments, opt->kept_moments, opt->count * sizeof *next->moments);
        next->steps = opt->kept.steps;
        next->cut = opt->kept.cut;
    }
    next->loss = NULL; /* gone with what was released */
    if (opt->carries) {
        next->callback = opt->kept.callback;
        next->callback_user = opt->kept.callback_user;
        memcpy(next->clip, opt->kept.clip, sizeof next->clip);
        if (!hc_settings_restore(opt)) return;
        next->place = hc_arena_top(&opt->tape->data);
    }
    opt->now = next;
}

DiffOpt *hc_diffopt_enter(DiffOpt *made) {
    made->scope = (HcScope){.keep = keep, .back = back, .restore = restore};
    return hc_tape_add_scope(made->tape, made, sizeof *made, HC_DIFFOPT_WORD, "diffopt_create");
}

bool hc_diffopt_usable(const DiffOpt *opt, const char *who) {
    if (!opt) return hc_null(who, "the optimizer");
    if (opt->scope.check != HC_DIFFOPT_WORD)
        return hc_fail_thread(HC_ERR_EXPIRED, "%s: the optimizer was freed by a reset or release",
                              who);
    if (opt->in_step)
        return hc_fail(opt->tape, HC_ERR_STATE, "%s: from within a step of the same optimizer",
                       who);
    return hc_fmodule_usable(opt->module, who);
}
