#include "base/held.h"

static _Thread_local const HcHeld *held;

void hc_held_begin(HcHeld *here, const void *object) {
    *here = (HcHeld){object, held};
    held = here;
}

void hc_held_end(const HcHeld *here) {
    held = here->outer;
}

bool hc_at_rest(const void *object, const char *who, const char *what) {
    for (const HcHeld *h = held; h; h = h->outer)
        if (h->object == object)
            return hc_fail_thread(HC_ERR_STATE, "%s: from within what the %s is at work on", who,
                                  what);
    return true;
}
