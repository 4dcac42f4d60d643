/* The entries of a checkpoint: what each kind has in a file. */
#ifndef HC_OPTIM_CHECKPOINT_H
#define HC_OPTIM_CHECKPOINT_H

#include "base/held.h"
#include "higherc/checkpoint.h"
#include "optim/save.h"

/* Loading goes over the file three times: the first may run schedules of a caller's own, so what they may have changed
 * is looked at again before anything is taken. */
typedef enum HcPass { HC_PASS_LOOK, HC_PASS_AGAIN, HC_PASS_TAKE, HC_PASSES } HcPass;

typedef struct HcEntry HcEntry;

typedef struct HcEntryClass {
    const char *word;
    /* Whether it can be saved, or (not saving) loaded now; false with the thread's error. */
    bool (*check)(const HcEntry *entry, const char *who, bool saving);
    void (*write)(HcWriter *w, const HcEntry *entry);
    bool (*read)(HcReader *r, HcEntry *entry, HcPass pass);
} HcEntryClass;

/* Their numbers in files. */
typedef enum HcEntryKind {
    HC_ENTRY_MODULE = 1,
    HC_ENTRY_PARAMS,
    HC_ENTRY_OPTIM,
    HC_ENTRY_RNG,
    HC_ENTRY_COUNT,
    HC_ENTRY_REAL,
    HC_ENTRY_SETTING,
    HC_ENTRY_KINDS
} HcEntryKind;

extern const HcEntryClass hc_entry_classes[HC_ENTRY_KINDS];

struct HcEntry {
    HcEntryKind kind;
    char *name;
    void *object;       /* the caller's; of a setting the text, owned */
    ParamList params;   /* held */
    HcVersion *version; /* of a module or optimizer: tells when it is gone */
    /* While it is loaded: */
    HcOptimLoading loading;
    size_t end; /* of an optimizer in the file */
    HcHeld held;
};

struct HcCheckpoint {
    HcEntry *entries;
    size_t count, capacity;
};

/* checkpoint_load from memory; `name` is for messages. */
bool hc_checkpoint_load_bytes(Checkpoint *checkpoint, const char *name, const void *bytes, size_t size);

#endif
