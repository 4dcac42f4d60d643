/* The error a tape keeps. Every failure of an operation goes through here: a place for a breakpoint. */
#include <stdio.h>
#include <string.h>

#include "tape/tape.h"

bool (hc_fail)(Tape *tape, HcStatus status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    if (tape && tape->status == HC_OK) {
        va_list again;
        va_copy(again, arguments);
        tape->status = status;
        vsnprintf(tape->message, sizeof tape->message, format, again);
        va_end(again);
    }
    hc_fail_thread_v(status, format, arguments);
    va_end(arguments);
    return false;
}

bool (hc_tell_again)(const Tape *tape) {
    if (higherc_status() == HC_OK) hc_fail_thread(tape->status, "%s", tape->message);
    return false;
}

void hc_tell_anew(Tape *tape, const char *before, const char *rest) {
    const char *error = higherc_error();
    bool same = error && strcmp(error, tape->message) == 0;
    HcError told = {.status = tape->status};
    snprintf(told.text, sizeof told.text, "%s: %s", before, rest);
    memcpy(tape->message, told.text, sizeof told.text);
    if (same) hc_error_put(&told);
}

void hc_tell_as(const char *who, Tape *tape) {
    const char *rest = strstr(tape->message, ": ");
    if (tape->status != HC_OK && rest) hc_tell_anew(tape, who, rest + 2);
}

bool hc_has_type(const char *who, DType dtype) {
    if (dtype != HC_F32 && dtype != HC_F64) return hc_fail_thread(HC_ERR_ARG, "%s: %d is no type", who, (int)dtype);
    return hc_kernels_built((int)dtype) ||
           hc_fail_thread(HC_ERR_DTYPE, "%s: the library was built without %s (HIGHERC_TYPES)", who,
                          dtype == HC_F32 ? "f32" : "f64");
}

bool (hc_null_on)(Tape *tape, const char *who, const char *what) {
    if (tape && tape->status != HC_OK) return hc_tell_again(tape);
    return higherc_status() == HC_OK && hc_fail(tape, HC_ERR_ARG, "%s: %s is NULL", who, what);
}

bool (hc_fail_nomem)(Tape *tape, const char *who) {
    if (tape && tape->budget.limit != SIZE_MAX)
        return hc_fail(tape, HC_ERR_NOMEM, "%s: out of memory (the tape may hold %zu bytes)", who,
                       tape->budget.limit);
    return hc_fail(tape, HC_ERR_NOMEM, "%s: out of memory", who);
}
