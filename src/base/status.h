/* The base layer: memory, errors, random numbers. It knows nothing of tensors.
 *
 * This file: how errors are set. Each is set through hc_fail (tape/tape.h) or hc_fail_thread, so there
 * is one place for a breakpoint. */
#ifndef HC_BASE_STATUS_H
#define HC_BASE_STATUS_H

#include <stdarg.h>
#include <stdio.h>

#include "base/arithmetic.h"
#include "higherc/base.h"

#define HC_MESSAGE_SIZE 512

#if defined __MINGW_PRINTF_FORMAT /* its stdio's, which knows %zu */
#define HC_PRINTF(at, first) __attribute__((format(__MINGW_PRINTF_FORMAT, at, first)))
#elif defined __GNUC__
#define HC_PRINTF(at, first) __attribute__((format(printf, at, first)))
#else
#define HC_PRINTF(at, first)
#endif

/* Keeps an error in the calling thread, unless it holds one already. Returns false. */
bool hc_fail_thread(HcStatus status, const char *format, ...) HC_PRINTF(2, 3);
/* The same of an argument that is NULL: an earlier error, kept then, may be why. */
bool hc_null(const char *who, const char *what);
bool hc_fail_thread_v(HcStatus status, const char *format, va_list arguments);

/* How many errors this thread told of so far; and whether it holds one and told of some since it was so many: what runs
 * a caller's code fails by what that code left behind. */
size_t hc_errors_told(void);
bool hc_errors_left(size_t told);
/* What the thread tells, if anything, is told as who's from here on. */
void hc_thread_tells_as(const char *who);

/* What always returns false, so that compilers and analyzers see it where it is called. */
static inline bool (hc_false)(bool failed) {
    (void)failed;
    return false;
}
#define hc_fail_thread(...) hc_false(hc_fail_thread(__VA_ARGS__))
#define hc_null(who, what) hc_false(hc_null(who, what))

/* An error, kept elsewhere than in the thread. */
typedef struct HcError {
    HcStatus status;
    char text[HC_MESSAGE_SIZE];
} HcError;

void hc_error_set(HcError *error, HcStatus status, const char *text);
/* Moves the thread's error, or that there is none, out and back. */
void hc_error_take(HcError *error);
void hc_error_put(const HcError *error);

#endif
