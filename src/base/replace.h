/* A file that takes another's place when it is whole: written beside it under a name of its own, flushed to
 * the disk, then renamed. Whatever happens in between, the old file or the new one is there. Names are UTF-8. */
#ifndef HC_BASE_REPLACE_H
#define HC_BASE_REPLACE_H

#include <stddef.h>
#include <stdio.h>

#include "base/status.h"

#if defined _WIN32
#define HC_FILES_WINDOWS
#elif defined __unix__ || defined __APPLE__ || defined __HAIKU__
#define HC_FILES_POSIX
#endif

typedef struct HcReplace {
    FILE *file;
    char *path; /* what is replaced: links are followed */
    char *temp; /* what is written; NULL where that is the path itself, a device or a pipe */
#ifdef HC_FILES_WINDOWS
    wchar_t *temp_name; /* as the system reads it */
    void *rename;       /* what it is asked in the end: then there may be no memory for it */
    size_t rename_bytes;
#endif
} HcReplace;

/* A file to write to, in place of an older one that may be written to. HC_ERR_IO, HC_ERR_NOMEM: nothing is open. */
HcStatus hc_replace_open(HcReplace *r, const char *path);
/* Puts it in its place if `good` and all of it reached the disk; else the old file stays as it was, and
 * nothing beside it. The next opening of the path removes what a killed process left. */
bool hc_replace_close(HcReplace *r, bool good);

/* fopen to read bytes. HC_ERR_IO, HC_ERR_NOMEM: *file is NULL; errno is ENOENT where there is no such file. */
HcStatus hc_open(const char *path, FILE **file);

/* ---- for the files of each system ------------------------------------------------------------------------- */

/* "path.tmp-process-number" */
char *hc_temp_name(const char *path, unsigned long process, unsigned long number);
/* Whether a name in a folder is one of those of the path's last name. */
bool hc_is_temp(const char *name, const char *last, unsigned long *process, unsigned long *number);
/* The folder of a path up to its last separator, or "./". */
char *hc_folder_of(const char *path);
const char *hc_last_name(const char *path);
void hc_replace_free(HcReplace *r);

#endif
