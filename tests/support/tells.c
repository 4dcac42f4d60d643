#include "support/tells.h"

#include <stdio.h>
#include <string.h>

static Tape *tapes[2];

void tells_on(Tape *tape, Tape *another) {
    tapes[0] = tape;
    tapes[1] = another;
}

/* Whether the text begins with the name of the function that the call begins with. */
static bool names(const char *text, const char *call) {
    size_t length = strcspn(call, "(");
    return strncmp(text, call, length) == 0 && strncmp(text + length, ": ", 2) == 0;
}

void tells_at(HcStatus status, const char *call, const char *text, const char *file, int line) {
    const char *error = higherc_error();
    bool good = error && strcmp(error, text) == 0 && names(text, call) && higherc_status() == status;
    check_at(good, call, file, line);
    if (!good) printf("    %s \"%s\"\n", higherc_status_name(higherc_status()), error ? error : "");
    higherc_clear_error();
    for (int i = 0; i < 2; i++)
        if (tapes[i]) tape_clear_error(tapes[i]);
}
