/* Versions, and the tape's list of those it has met. */
#include "tape/stamp.h"

HcVersion *hc_version_create(const char *what) {
    HcVersion *version = hc_alloc_zero(1, sizeof *version);
    if (!version) return NULL;
    atomic_init(&version->holders, 1);
    version->what = what;
    return version;
}

HcVersion *hc_version_ref(HcVersion *version) {
    atomic_fetch_add(&version->holders, 1);
    return version;
}

void hc_version_unref(HcVersion *version) {
    if (!version) return;
    size_t holders = atomic_fetch_sub(&version->holders, 1);
    HC_ASSERT(holders > 0);
    if (holders == 1) hc_free(version);
}

bool hc_tape_stamp(Tape *tape, HcVersion *version, const char *who) {
    HcStamp *stamp = hc_tape_alloc(tape, sizeof *stamp, who);
    if (!stamp) return false;
    *stamp = (HcStamp){tape->stamps, hc_version_ref(version), version->changes,
                       hc_arena_top(&tape->data)};
    HC_ASSERT(!stamp->next || hc_position_before(stamp->next->place, stamp->place)); /* newest first */
    tape->stamps = stamp;
    return true;
}

void hc_tape_drop_stamps(Tape *tape, HcPosition place) {
    for (; tape->stamps && hc_position_before(place, tape->stamps->place);
         tape->stamps = tape->stamps->next)
        hc_version_unref(tape->stamps->version);
}
