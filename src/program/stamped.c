/* What a recording was made with and cannot see change. */
#include "program/program.h"

static bool is_among(const HcStamped *stamped, const HcStamp *stamp) {
    for (size_t i = 0; i < stamped->count; i++)
        if (stamped->items[i].version == stamp->version && stamped->items[i].changes == stamp->changes) return true;
    return false;
}

bool hc_stamped_add(HcStamped *stamped, const Tape *tape) {
    for (const HcStamp *s = tape->stamps; s; s = s->next) {
        if (s->version->local || is_among(stamped, s)) continue;
        if (!hc_grow((void **)&stamped->items, &stamped->capacity, stamped->count, stamped->count + 1,
                     sizeof *stamped->items))
            return false;
        stamped->items[stamped->count++] = (struct HcMet){hc_version_ref(s->version), s->changes};
    }
    return true;
}

bool hc_stamped_check(const HcStamped *stamped, Tape *tape, const char *who) {
    for (size_t i = 0; i < stamped->count; i++)
        if (stamped->items[i].version->changes != stamped->items[i].changes)
            return hc_fail(tape, HC_ERR_CHANGED,
                           "%s: settings or state of an %s that the recording was made with have changed since", who,
                           stamped->items[i].version->what);
    return true;
}

void hc_stamped_free(HcStamped *stamped) {
    for (size_t i = 0; i < stamped->count; i++)
        hc_version_unref(stamped->items[i].version);
    hc_free(stamped->items);
    *stamped = (HcStamped){.items = NULL};
}
