/* The parts of a checkpoint: what each kind has in a file. */
#ifndef HC_OPTIM_CHECKPOINT_H
#define HC_OPTIM_CHECKPOINT_H

#include "base/held.h"
#include "higherc/checkpoint.h"
#include "optim/save.h"

/* Loading goes over the file three times: the first may run schedules of a caller's own, so what they may have changed
 * is looked at again before anything is taken. */
typedef enum HcPass { HC_PASS_LOOK, HC_PASS_AGAIN, HC_PASS_TAKE, HC_PASSES } HcPass;

typedef struct HcPart HcPart;

typedef struct HcPartClass {
    const char *word;
    /* Whether it can be saved, or (not saving) loaded now; false with the thread's error. */
    bool (*check)(const HcPart *part, const char *who, bool saving);
    void (*write)(HcWriter *w, const HcPart *part);
    bool (*read)(HcReader *r, HcPart *part, HcPass pass);
} HcPartClass;

/* Their numbers in files. */
typedef enum HcPartKind {
    HC_PART_MODULE = 1,
    HC_PART_PARAMS,
    HC_PART_OPTIM,
    HC_PART_RNG,
    HC_PART_COUNT,
    HC_PART_REAL,
    HC_PART_SETTING,
    HC_PART_KINDS
} HcPartKind;

extern const HcPartClass hc_part_classes[HC_PART_KINDS];

struct HcPart {
    HcPartKind kind;
    char *name;
    void *object;       /* the caller's; of a setting the text, owned */
    ParamList params;   /* held */
    HcVersion *version; /* of a module or optimizer: tells when it is gone */
    /* While it is loaded: */
    HcOptimLoading loading;
    size_t end; /* of an optimizer in the file */
    HcHeld held;
};

struct Checkpoint {
    HcPart *parts;
    size_t count, capacity;
};

/* checkpoint_load from memory; `name` is for messages. */
bool hc_checkpoint_load(Checkpoint *checkpoint, const char *name, const void *bytes, size_t size);

#endif
