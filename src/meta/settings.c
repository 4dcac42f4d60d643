/* Settings of a differentiable optimizer: for each hyperparameter of each group, and of each weight once one was set,
 * a knob. What it was before is written down, so that a release goes back; a step that releases carries the
 * settings of then over, in memory that does not grow with the number of steps. */
#include <string.h>

#include "meta/diffopt.h"

/* ---- knobs ------------------------------------------------------------------------------------------------ */

static HcKnob *make_knobs(DiffOpt *opt, const char *who, size_t count, HcPosition *place) {
    HcKnob *knobs = hc_tape_alloc(opt->tape, count * sizeof *knobs, who);
    for (size_t i = 0; knobs && i < count; i++)
        knobs[i] = (HcKnob){.slot_leaf = SIZE_MAX};
    *place = hc_arena_top(&opt->tape->data);
    return knobs;
}

static size_t group_knobs(const DiffOpt *opt) {
    return 2 * opt->group_count * opt->cls->hyper_count;
}

static size_t weight_knobs(const DiffOpt *opt) {
    return opt->count * opt->cls->hyper_count;
}

static bool room_for_knobs(DiffOpt *opt, const char *who, bool of_weight) {
    HcSettings *s = &opt->settings;
    if (of_weight && !s->weights)
        s->weights = make_knobs(opt, who, weight_knobs(opt), &s->weights_place);
    if (!of_weight && !s->groups)
        s->groups = make_knobs(opt, who, group_knobs(opt), &s->groups_place);
    return of_weight ? s->weights != NULL : s->groups != NULL;
}

static HcKnob *knob_at(const DiffOpt *opt, HcWhere where) {
    const HcSettings *s = &opt->settings;
    size_t hypers = opt->cls->hyper_count;
    if (where.weight != HC_EVERY_WEIGHT)
        return s->weights ? &s->weights[where.weight * hypers + where.hyper] : NULL;
    size_t row = where.group + (where.schedules ? opt->group_count : 0);
    return s->groups ? &s->groups[row * hypers + where.hyper] : NULL;
}

HcSetting *hc_setting(const DiffOpt *opt, HcWhere where) {
    const HcKnob *knob = knob_at(opt, where);
    return knob ? knob->now : NULL;
}

/* ---- setting ------------------------------------------------------------------------------------------------ */

static bool note(DiffOpt *opt, const char *who, HcKnob *knob, HcSetting *setting) {
    HcSettings *s = &opt->settings;
    HcChange *change = hc_tape_alloc(opt->tape, sizeof *change, who);
    if (!change) return false;
    *change = (HcChange){s->changes, knob, knob->now, hc_arena_top(&opt->tape->data), !knob->ever};
    s->ever += !knob->ever;
    knob->ever = true;
    knob->now = setting;
    s->changes = change;
    return true;
}

static void undo(HcSettings *s) {
    HcKnob *knob = s->changes->knob;
    knob->now = s->changes->before;
    if (s->changes->first) knob->ever = false;
    s->ever -= s->changes->first;
    s->changes = s->changes->next;
}

/* Room for one more knob than were ever set. */
static bool find_room(DiffOpt *opt, const char *who) {
    HcSettings *s = &opt->settings;
    if (s->room && s->ever < s->room->count) return true;
    size_t count = 2 * s->ever + 4;
    HcRoom *room = hc_tape_alloc(opt->tape, sizeof *room, who);
    HcCarried *items = hc_tape_alloc(opt->tape, count * sizeof *items, who);
    if (!room || !items) return false;
    *room = (HcRoom){s->room, hc_arena_top(&opt->tape->data), count, items};
    s->room = room;
    return true;
}

/* A slot that no setting below the base reads and that holds the value. *fresh: it was made. */
static bool find_slot(DiffOpt *opt, const char *who, HcKnob *knob, Tensor *value, bool *fresh) {
    bool taken = knob->slot_leaf < opt->module->base.nodes;
    if (knob->slot && !taken && knob->slot->room[0] >= value->form->count) return true;
    HcSlots *slot = hc_tape_alloc(opt->tape, sizeof *slot, who);
    if (!slot || !hc_slots_create(opt->tape, slot, &value, 1, who)) return false;
    knob->slot = slot;
    knob->slot_place = hc_arena_top(&opt->tape->data);
    knob->slot_leaf = SIZE_MAX;
    *fresh = true;
    return true;
}

static bool put_one(DiffOpt *opt, const char *who, HcKnob *knob, const HcSetting *made,
                    HcSetting **shared, bool *fresh) {
    bool keeps = made && made->value && opt->module->mode == HC_EVAL;
    if (!knob->ever) *fresh = true;
    if (!knob->ever && !find_room(opt, who)) return false;
    if (keeps && !find_slot(opt, who, knob, made->value, fresh)) return false;
    /* A schedule is one for all groups, so that a function of the caller's is called once in a step. */
    HcSetting *setting = *shared;
    if (made && !setting) {
        if (!(setting = hc_tape_alloc(opt->tape, sizeof *setting, who))) return false;
        *setting = *made;
        if (keeps) setting->slot = knob->slot;
        if (!made->value) *shared = setting;
    }
    return note(opt, who, knob, setting);
}

static bool above_base(const DiffOpt *opt, const Tensor *x) {
    return x && x->index >= opt->module->base.nodes;
}

/* What was made before a knob is set for the first time stays, and so do tensors among settings, where they are;
 * and schedules that lead to others; but values in HC_EVAL, of which a step that releases keeps the numbers. */
bool hc_settings_put(DiffOpt *opt, const char *who, HcWhere where, const HcSetting *made) {
    bool of_weight = where.weight != HC_EVERY_WEIGHT;
    bool all = where.group == HC_ALL_GROUPS && !of_weight;
    if (!room_for_knobs(opt, who, of_weight)) return false;
    HcChange *before = opt->settings.changes;
    HcSetting *shared = NULL;
    bool stays = false, done = true;
    for (size_t g = 0; g < (all ? opt->group_count : 1) && done; g++) {
        if (all) where.group = g;
        done = put_one(opt, who, knob_at(opt, where), made, &shared, &stays);
    }
    if (!done) {
        while (opt->settings.changes != before)
            undo(&opt->settings);
        return false;
    }
    if (made && opt->module->mode != HC_EVAL && above_base(opt, made->value)) stays = true;
    if (made && (made->schedule.first || made->schedule.next)) stays = true; /* those it leads to are on the tape */
    if (made && hc_schedule_follows(&made->schedule, opt->module->base.nodes)) stays = true;
    if (stays) hc_diffopt_raise_base(opt);
    return true;
}

/* ---- all of them -------------------------------------------------------------------------------------------- */

static bool note_row(DiffOpt *opt, const char *who, const HcKnob *knobs, size_t count, HcSetting ***to) {
    *to = NULL;
    if (!knobs) return true;
    HcSetting **row = hc_tape_alloc(opt->tape, count * sizeof *row, who);
    for (size_t i = 0; row && i < count; i++)
        row[i] = knobs[i].now;
    *to = row;
    return row != NULL;
}

static bool return_row(DiffOpt *opt, const char *who, HcKnob *knobs, size_t count, HcSetting *const *row) {
    for (size_t i = 0; knobs && i < count; i++) {
        HcSetting *then = row ? row[i] : NULL;
        if (knobs[i].now != then && !note(opt, who, &knobs[i], then)) return false;
    }
    return true;
}

bool hc_settings_note(DiffOpt *opt, const char *who, HcSettingsThen *then) {
    const HcSettings *s = &opt->settings;
    return note_row(opt, who, s->groups, group_knobs(opt), &then->groups) &&
           note_row(opt, who, s->weights, weight_knobs(opt), &then->weights);
}

bool hc_settings_return(DiffOpt *opt, const char *who, const HcSettingsThen *then) {
    const HcSettings *s = &opt->settings;
    return return_row(opt, who, s->groups, group_knobs(opt), then->groups) &&
           return_row(opt, who, s->weights, weight_knobs(opt), then->weights);
}

/* ---- through releases --------------------------------------------------------------------------------- */

/* Notes a knob that was set above the mark, once; of the changes to it the oldest is seen last. */
static void gather(DiffOpt *opt, const HcChange *change) {
    HcSettings *s = &opt->settings;
    HcKnob *knob = change->knob;
    if (knob->spot == 0) {
        HcSetting *now = knob->now;
        HC_ASSERT(s->carried < s->room->count);
        HcCarried *to = &s->room->items[s->carried++];
        *to = (HcCarried){.knob = knob, .set = now != NULL, .same = s->carried - 1};
        knob->spot = s->carried;
        if (now) {
            if (now->spot == 0) now->spot = s->carried;
            to->same = now->spot - 1;
            to->setting = *now;
            to->setting.spot = 0;
        }
    }
    s->room->items[knob->spot - 1].before = change->before;
}

bool hc_settings_keep(DiffOpt *opt, const TapeMark *mark) {
    HcSettings *s = &opt->settings;
    s->carried = 0;
    for (const HcChange *c = s->changes; c && hc_above(c->place, mark); c = c->next)
        gather(opt, c);
    bool done = true;
    for (size_t i = 0; i < s->carried; i++) {
        HcCarried *c = &s->room->items[i];
        c->knob->spot = 0;
        if (!c->set) continue;
        c->knob->now->spot = 0;
        if (done && c->setting.slot) done = hc_slots_keep(c->setting.slot, &c->setting.value, mark);
    }
    return done;
}

void hc_settings_back(DiffOpt *opt, const TapeMark *mark) {
    HcSettings *s = &opt->settings;
    while (s->changes && hc_above(s->changes->place, mark)) {
        HcKnob *knob = s->changes->knob;
        undo(s);
        if (knob->slot && hc_above(knob->slot_place, mark)) knob->slot = NULL;
    }
    while (s->room && hc_above(s->room->place, mark))
        s->room = s->room->older;
    if (s->groups && hc_above(s->groups_place, mark)) s->groups = NULL;
    if (s->weights && hc_above(s->weights_place, mark)) s->weights = NULL;
    if (opt->params.entries && hc_above(opt->params_place, mark)) opt->params.entries = NULL;
}

static HcSetting *carry(DiffOpt *opt, HcCarried *c) {
    HcSetting *made = hc_tape_alloc(opt->tape, sizeof *made, "tape_release");
    if (!made) return NULL;
    *made = c->setting;
    if (!made->slot) return made;
    bool moved = made->slot->moved[0];
    if (!hc_slots_restore(made->slot, opt->tape, &made->value, HC_WHY_EVAL)) return NULL;
    if (moved) c->knob->slot_leaf = made->value->index;
    return made;
}

bool hc_settings_restore(DiffOpt *opt) {
    HcSettings *s = &opt->settings;
    const HcChange *below = s->changes;
    bool done = true;
    for (size_t i = 0; i < s->carried && done; i++) {
        HcCarried *c = &s->room->items[i];
        if (c->set) c->made = c->same == i ? carry(opt, c) : s->room->items[c->same].made;
        done = (c->made || !c->set) && note(opt, "tape_release", c->knob, c->made);
    }
    while (!done && s->changes != below)
        undo(s);
    return done;
}
