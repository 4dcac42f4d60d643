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
        if (opt->count)
            memcpy(next->moments, opt->now->moments, opt->count * sizeof *next->moments);
    }
    next->place = hc_arena_top(&opt->tape->data);
    HC_ASSERT(hc_position_before(next->prev->place, next->place));
    return next;
}

HcOverride *hc_diffopt_add_override(DiffOpt *opt, const char *who, HcSnapshot *to, const HcOverride *made) {
    HcOverride *o = hc_tape_alloc(opt->tape, sizeof *o, who);
    if (!o) return NULL;
    *o = *made;
    o->place = hc_arena_top(&opt->tape->data);
    o->next = to->overrides;
    to->overrides = o;
    to->override_count++;
    return o;
}

/* ---- through releases --------------------------------------------------------------------------------- */

static void carry_overrides(DiffOpt *opt, const HcSnapshot *from, const TapeMark *mark) {
    HcOverride *o = from->overrides;
    opt->carried = 0;
    for (; o && hc_above(o->place, mark); o = o->next) {
        HC_ASSERT(opt->carried < from->room_count);
        from->room[opt->carried++] = *o;
    }
    opt->uncarried = o;
}

static bool put_overrides_back(DiffOpt *opt, HcSnapshot *next) {
    next->overrides = opt->uncarried;
    for (size_t i = opt->carried; i-- > 0;)
        if (!hc_diffopt_add_override(opt, "tape_release", next, &opt->kept.room[i])) return false;
    next->override_count = opt->kept.override_count;
    return true;
}

static bool keep(HcScope *scope, const TapeMark *mark) {
    DiffOpt *opt = (DiffOpt *)scope;
    const HcSnapshot *now = opt->now;
    opt->keeps = hc_above(now->place, mark) && (opt->module->mode == HC_EVAL || now->cut);
    opt->carries = hc_above(now->place, mark) && opt->module->releasing;
    if (opt->carries) carry_overrides(opt, now, mark);
    opt->kept = *now;
    if (!opt->keeps) return true;
    if (opt->count) memcpy(opt->kept_moments, now->moments, opt->count * sizeof *opt->kept_moments);
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
        if (opt->count)
            memcpy(next->moments, opt->kept_moments, opt->count * sizeof *next->moments);
        next->steps = opt->kept.steps;
        next->cut = opt->kept.cut;
    }
    next->loss = NULL; /* gone with what was released */
    if (opt->carries) {
        next->callback = opt->kept.callback;
        next->callback_user = opt->kept.callback_user;
        memcpy(next->clip, opt->kept.clip, sizeof next->clip);
        if (!put_overrides_back(opt, next)) return;
        next->place = hc_arena_top(&opt->tape->data);
    }
    opt->now = next;
}

void hc_diffopt_enter(DiffOpt *opt) {
    opt->scope.keep = keep;
    opt->scope.back = back;
    opt->scope.restore = restore;
    hc_tape_add_scope(opt->tape, &opt->scope, HC_DIFFOPT_WORD);
}

void hc_diffopt_raise_base(DiffOpt *opt) {
    opt->module->base = tape_mark(opt->tape);
}

bool hc_diffopt_usable(const DiffOpt *opt, const char *who) {
    if (!opt) return hc_null(who, "the optimizer");
    if (opt->scope.check != HC_DIFFOPT_WORD)
        return hc_fail_thread(HC_ERR_EXPIRED, "%s: the optimizer was freed by a reset or release",
                              who);
    if (opt->at_work)
        return hc_fail(opt->tape, HC_ERR_STATE, "%s: from within a step of the same optimizer",
                       who);
    return hc_fmodule_usable(opt->module, who);
}
