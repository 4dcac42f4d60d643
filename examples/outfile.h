/** @file outfile.h
 *  A file that an example writes. What goes wrong is told in one line on stderr, with the file's name. */
#ifndef EXAMPLES_OUTFILE_H
#define EXAMPLES_OUTFILE_H

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static inline bool outfile_fail(const char *path, int cause) {
    fprintf(stderr, "%s: cannot be written%s%s\n", path, cause ? ": " : "",
            cause ? strerror(cause) : "");
    return false;
}

/** Whether it can be opened for writing: better told now than after an hour. Leaves all as it was. */
static inline bool outfile_try(const char *path) {
    FILE *before = fopen(path, "rb");
    if (before) fclose(before);
    errno = 0;
    FILE *file = fopen(path, "ab");
    if (!file) return outfile_fail(path, errno);
    fclose(file);
    if (!before) remove(path);
    return true;
}

/** Opens it, over what was there. NULL when that cannot be. */
static inline FILE *outfile_open(const char *path) {
    errno = 0;
    FILE *file = fopen(path, "w");
    if (!file) outfile_fail(path, errno);
    return file;
}

/** Closes it; whether every byte since outfile_open was written. */
static inline bool outfile_close(FILE *file, const char *path) {
    errno = 0;
    bool written = fflush(file) == 0 && !ferror(file);
    int cause = errno;
    if (fclose(file) != 0 && written) {
        written = false;
        cause = errno;
    }
    return written || outfile_fail(path, cause);
}

#endif
