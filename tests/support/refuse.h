/* Calls that must be refused, in words. Each macro leaves the thread's error clear; WRONG and ANY also
 * that of the test's `tape`. */
#ifndef TESTS_REFUSE_H
#define TESTS_REFUSE_H

#include <higherc/higherc.h>
#include <math.h>

#include "support/check.h"

/* False or NULL, and the thread's error says why. */
#define REFUSED(call)                                                                              \
    do {                                                                                           \
        CHECK(!(call));                                                                            \
        CHECK(higherc_error() != NULL);                                                            \
        higherc_clear_error();                                                                     \
    } while (0)

/* The same of a NULL, which passes silently where there is an error already. Runs the call twice. */
#define REFUSED_NULL(call)                                                                         \
    do {                                                                                           \
        REFUSED(call);                                                                             \
        CHECK(!tensor_relu(NULL));                                                                 \
        CHECK(!(call));                                                                            \
        CHECK_ERROR("tensor_relu: a tensor is NULL");                                              \
    } while (0)

/* NULL is fine here, or an error: only that it returns counts. */
#define SURVIVED(call)                                                                             \
    do {                                                                                           \
        (void)(call);                                                                              \
        higherc_clear_error();                                                                     \
    } while (0)

/* On a live tape: refused, with this status. */
#define WRONG(code, call)                                                                          \
    do {                                                                                           \
        CHECK(!(call));                                                                            \
        CHECK(higherc_status() == (code));                                                         \
        higherc_clear_error();                                                                     \
        tape_clear_error(tape);                                                                    \
    } while (0)

/* The same, and what is told. */
#define WRONG_SAYING(code, call, text)                                                             \
    do {                                                                                           \
        CHECK(!(call));                                                                            \
        CHECK(higherc_status() == (code));                                                         \
        CHECK_ERROR(text);                                                                         \
        tape_clear_error(tape);                                                                    \
    } while (0)

/* The same, whatever the status. */
#define ANY(call)                                                                                  \
    do {                                                                                           \
        CHECK(!(call));                                                                            \
        CHECK(higherc_error() != NULL && tape_error(tape) != NULL);                                \
        higherc_clear_error();                                                                     \
        tape_clear_error(tape);                                                                    \
    } while (0)

#define NOT_A_NUMBER(call)                                                                         \
    do {                                                                                           \
        CHECK(isnan(call));                                                                        \
        CHECK(higherc_error() != NULL);                                                            \
        higherc_clear_error();                                                                     \
    } while (0)

#endif
