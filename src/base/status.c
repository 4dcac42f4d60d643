/* Status names and the thread's sticky error. */
#include "base/status.h"

#include <stdio.h>
#include <string.h>

#define HC_TEXT_(x) #x
#define HC_TEXT(x) HC_TEXT_(x)

static _Thread_local HcError thread_error;
static _Thread_local size_t told; /* errors, also those that came second */

const char *higherc_version(void) {
    return HC_TEXT(HC_VERSION_MAJOR) "." HC_TEXT(HC_VERSION_MINOR) "." HC_TEXT(HC_VERSION_PATCH);
}

const char *higherc_status_name(HcStatus status) {
    switch (status) {
#define HC_STATUS(name)                                                                            \
    case name:                                                                                     \
        return #name;
#include "base/status.def"
#undef HC_STATUS
    }
    return "HC_ERR_UNKNOWN";
}

bool hc_fail_thread_v(HcStatus status, const char *format, va_list arguments) {
    told++;
    if (thread_error.status == HC_OK) {
        thread_error.status = status;
        vsnprintf(thread_error.text, sizeof thread_error.text, format, arguments);
    }
    return false;
}

bool (hc_fail_thread)(HcStatus status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    hc_fail_thread_v(status, format, arguments);
    va_end(arguments);
    return false;
}

bool (hc_null)(const char *who, const char *what) {
    return hc_fail_thread(HC_ERR_ARG, "%s: %s is NULL", who, what);
}

void hc_thread_tells_as(const char *who) {
    const char *rest = strstr(thread_error.text, ": ");
    HcError again = {.status = thread_error.status};
    if (again.status == HC_OK || !rest) return;
    snprintf(again.text, sizeof again.text, "%s%s", who, rest);
    thread_error = again;
}

size_t hc_errors_told(void) {
    return told;
}

bool hc_errors_left(size_t before) {
    return told != before && thread_error.status != HC_OK;
}

const char *higherc_error(void) {
    return thread_error.status == HC_OK ? NULL : thread_error.text;
}

HcStatus higherc_status(void) {
    return thread_error.status;
}

void higherc_clear_error(void) {
    thread_error.status = HC_OK;
}

void hc_error_set(HcError *error, HcStatus status, const char *text) {
    error->status = status;
    snprintf(error->text, sizeof error->text, "%s", text);
}

void hc_error_take(HcError *error) {
    error->status = thread_error.status;
    if (error->status != HC_OK) *error = thread_error;
    thread_error.status = HC_OK;
}

void hc_error_put(const HcError *error) {
    thread_error.status = error->status;
    if (error->status != HC_OK) thread_error = *error;
}
