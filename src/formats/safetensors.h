/* Named tensors from within. */
#ifndef HC_FORMATS_SAFETENSORS_H
#define HC_FORMATS_SAFETENSORS_H

#include "base/file.h"
#include "formats/numbers.h"

#define HC_MOST_HEADER 100000000

typedef struct HcNumbers {
    char *name;
    HcStored stored;
    void *owned;    /* the bytes, where they are its own */
    uint64_t begin; /* where a file says they are */
} HcNumbers;

typedef struct HcMetadata {
    char *key, *value;
} HcMetadata;

struct HcSafetensors {
    HcNumbers **items;  /* in their order */
    HcNumbers **sorted; /* by name; as many */
    size_t count, items_capacity, sorted_capacity;
    HcMetadata *metadata; /* of a file: by key */
    size_t metadata_count, metadata_capacity;
    unsigned char *bytes; /* of a file that was read */
};

/* Takes what the input holds, but not its bytes. False with the thread's error. */
bool hc_safetensors_parse(Safetensors *file, HcInput *in);

/* safetensors_open for what is called. */
Safetensors *hc_safetensors_for(const char *who, const char *path);
/* A tensor by its name, or NULL with the thread's error. */
const HcNumbers *hc_safetensors_get(const Safetensors *file, const char *who, const char *name);

/* Adds prefix (may be NULL) + name. The numbers are in the machine's order, copied or (borrowed) the caller's until the
 * file is written. False with the thread's error, with nothing added. */
typedef struct HcAdded {
    const char *prefix, *name;
    StoredType type;
    Shape shape;
    const void *values;
    bool borrowed;
} HcAdded;
bool hc_safetensors_add(Safetensors *file, const char *who, const HcAdded *added);
/* The type that a real one is stored as. */
static inline StoredType hc_stored_type(DType dtype) {
    return dtype == HC_F32 ? HC_STORED_F32 : HC_STORED_F64;
}
/* Takes off again what was added after there were `count`. */
void hc_safetensors_back_to(Safetensors *file, size_t count);

bool hc_safetensors_write(const Safetensors *file, const char *who, const char *path);

#endif
