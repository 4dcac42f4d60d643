/* What named tensors are loaded into: a list of names and shapes that is held against a file's. */
#ifndef HC_FORMATS_TARGETS_H
#define HC_FORMATS_TARGETS_H

#include "formats/safetensors.h"

typedef struct HcTarget {
    char *name; /* with its prefix */
    Shape shape;
    bool optional; /* not missing where it is not there */
    bool counts;   /* stored as I64, if its numbers are whole */
    Param *param;  /* what the numbers go to, if it is one */
    /* After a match: */
    bool differs;          /* in shape */
    const HcStored *found; /* NULL: nothing to be taken */
} HcTarget;

typedef struct HcTargets {
    HcTarget *items;
    size_t count, capacity;
    /* The number of the target that another name means too; SIZE_MAX for none. NULL: there are no such names. */
    size_t (*alias)(const void *user, const char *name);
    const void *user;
} HcTargets;

/* prefix (may be NULL) + name. False when out of memory. */
bool hc_targets_add(HcTargets *targets, const char *prefix, const char *name, Shape shape, Param *param);
/* All Params of a list. False with the thread's error. */
bool hc_targets_add_params(HcTargets *targets, const char *who, const char *prefix, ParamList params);
/* Finds each. What is missing, left over or of another shape goes into the report, which may be NULL; false with the
 * thread's error where the options do not allow it. */
bool hc_targets_match(HcTargets *targets, const Safetensors *file, const char *who, LoadOptions options,
                      LoadReport *report);
/* Writes what was found for Params. Does not fail. */
void hc_targets_take(const HcTargets *targets);
/* Adds the Params' numbers to a file, copied or (borrowed) to stay as they are until it is written. False with the
 * thread's error, with nothing added. */
bool hc_targets_store(const HcTargets *targets, Safetensors *file, const char *who, bool borrowed);
void hc_targets_free(HcTargets *targets);

#endif
