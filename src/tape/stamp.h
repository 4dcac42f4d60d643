/* Stamps: what a recording was made with and cannot see change, such as the settings of an optimizer. Its
 * owner counts its changes in a Version; the tape notes which version was met, and a Program that was
 * captured from the tape compares. */
#ifndef HC_TAPE_STAMP_H
#define HC_TAPE_STAMP_H

#include <stdatomic.h>

#include "tape/tape.h"

typedef struct HcVersion {
    atomic_size_t holders;
    uint64_t changes;
    const char *what; /* a word for messages */
    bool local;       /* concerns what is on the tape, no Program */
    bool gone;        /* its owner was destroyed */
} HcVersion;

HcVersion *hc_version_create(const char *what); /* NULL when out of memory */
HcVersion *hc_version_ref(HcVersion *version);
void hc_version_unref(HcVersion *version);

/* One that the tape has met; newest first. */
struct HcStamp {
    HcStamp *next;
    HcVersion *version;
    uint64_t changes; /* then */
    HcPosition place;
};

/* False after hc_fail. */
bool hc_tape_stamp(Tape *tape, HcVersion *version, const char *who);
/* Forgets those above a place. */
void hc_tape_drop_stamps(Tape *tape, HcPosition place);

#endif
