/* Objects that the library is at work on, in this thread, while code of a caller's own runs: that code must not
 * destroy them, nor use them where they cannot be used twice at once. */
#ifndef HC_BASE_HELD_H
#define HC_BASE_HELD_H

#include "base/status.h"

typedef struct HcHeld {
    const void *object;
    const struct HcHeld *outer;
} HcHeld;

/* Between the two it is held; `here` lives as long. */
void hc_held_begin(HcHeld *here, const void *object);
void hc_held_end(const HcHeld *here);
/* False, and HC_ERR_STATE, for one that is held; `what` is its kind in words. */
bool hc_at_rest(const void *object, const char *who, const char *what);

#endif
