/* Numbers as files have them, in either order of their bytes. */
#ifndef HC_FORMATS_NUMBERS_H
#define HC_FORMATS_NUMBERS_H

#include "base/status.h"
#include "higherc/safetensors.h"
#include "tape/form.h"

enum { HC_STORED_TYPES = HC_STORED_U64 + 1 };

/* Bytes that a number takes. */
size_t hc_stored_item(StoredType type);

/* Where an array stands: its numbers in row-major order, or (columns) with the first index fastest. */
typedef struct HcStored {
    const unsigned char *bytes;
    StoredType type;
    bool big, columns;
    Shape shape;
    size_t count;
} HcStored;

/* Its numbers, row-major, as HC_F32 or HC_F64. */
void hc_stored_read(const HcStored *from, void *to, DType dtype);
/* One of them, by its place in the file. */
double hc_stored_at(const HcStored *from, size_t at);

/* Into what is handed: false with the thread's error where it does not fit. `what` names the array in messages. */
bool hc_stored_to(const HcStored *from, const char *who, const char *what, void *to, size_t count, DType dtype);
bool hc_stored_to_param(const HcStored *from, const char *who, const char *what, Param *param);
Tensor *hc_stored_tensor(const HcStored *from, const char *who, Tape *tape);

#endif
