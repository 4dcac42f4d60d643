/* What the fuzzers of files ask of each call. */
#ifndef FUZZ_TOLD_H
#define FUZZ_TOLD_H

#include <higherc/higherc.h>

#include <stdio.h>

/* Whether a call that succeeded left no error, and one that failed left one; which is cleared. */
static inline bool told(bool done) {
    bool fits = done ? higherc_error() == NULL : higherc_error() != NULL;
    if (!fits)
        printf("  %s: %s\n", done ? "succeeded" : "failed", higherc_error() ? higherc_error() : "without an error");
    higherc_clear_error();
    return fits;
}

#endif
