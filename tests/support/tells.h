/* Calls that are refused, and what is told: the status and the whole text, which begins with the name of the function
 * called. messages/held.cmake reads the texts, and holds them against those of the sources. */
#ifndef TESTS_TELLS_H
#define TESTS_TELLS_H

#include <higherc/higherc.h>

#include "support/check.h"

/* The tapes whose errors are cleared after each call; NULL: none. */
void tells_on(Tape *tape, Tape *another);
void tells_at(HcStatus status, const char *call, const char *text, const char *file, int line);

#define TELLS(code, call, text)                                                                    \
    do {                                                                                           \
        (void)(call);                                                                              \
        tells_at(HC_ERR_##code, #call, text, __FILE__, __LINE__);                                  \
    } while (0)

#endif
