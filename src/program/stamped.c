/* What a recording was made with and cannot see change. */
#include "program/program.h"

static bool is_among(const HcStamped *list, const HcStamp *stamp) {
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].version == stamp->version && list->items[i].changes == stamp->changes) return true;
    return false;
}

bool hc_stamped_add(HcStamped *list, const Tape *tape) {
    for (const HcStamp *s = tape->stamps; s; s = s->next) {
        if (s->version->local || is_among(list, s)) continue;
        if (!hc_grow((void **)&list->items, &list->capacity, list->count, list->count + 1, sizeof *list->items))
            return false;
        list->items[list->count++] = (struct HcMet){hc_version_ref(s->version), s->changes};
    }
    return true;
}

bool hc_stamped_check(const HcStamped *list, Tape *tape, const char *who) {
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].version->changes != list->items[i].changes)
            return hc_fail(tape, HC_ERR_CHANGED,
                           "%s: settings or state of an %s that the recording was made with have changed since", who,
                           list->items[i].version->what);
    return true;
}

void hc_stamped_free(HcStamped *list) {
    for (size_t i = 0; i < list->count; i++)
        hc_version_unref(list->items[i].version);
    hc_free(list->items);
    *list = (HcStamped){.items = NULL};
}
