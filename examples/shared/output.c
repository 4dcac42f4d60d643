/* Files, with every failure reported: a write that fails sets the stream's error flag, which stays
 * set, so it is enough to ask once, after the last byte has been pushed out. */
#include "../folders.h"

#include "output.h"

#include <errno.h>
#include <string.h>

static bool fail(const char *what, const char *path) {
    fprintf(stderr, "cannot %s '%s': %s\n", what, path, strerror(errno ? errno : EIO));
    return false;
}

static bool write_path(char path[OUTPUT_PATH], const char *folder, const char *name) {
    int length = snprintf(path, OUTPUT_PATH, "%s/%s", folder, name);
    if (length >= 0 && length < OUTPUT_PATH) return true;
    errno = ENAMETOOLONG;
    return fail("write in", folder);
}

static bool make_folder(const char *folder) {
    char path[OUTPUT_PATH];
    size_t length = strlen(folder);
    if (length >= sizeof path) {
        errno = ENAMETOOLONG;
        return fail("create", folder);
    }
    /* Cut at each slash in turn: "a", "a/b", "a/b/c". */
    for (size_t i = 1; i <= length; i++) {
        if (folder[i] != '/' && folder[i] != '\0') continue;
        memcpy(path, folder, i);
        path[i] = '\0';
        if (!folder_make(path)) return fail("create", folder);
    }
    return true;
}

bool output_prepare(const char *folder, const char *const *names, size_t count) {
    if (!make_folder(folder)) return false;
    for (size_t i = 0; i < count; i++) {
        char path[OUTPUT_PATH];
        if (!write_path(path, folder, names[i])) return false;
        bool existed = path_exists(path);
        FILE *file = fopen(path, "ab"); /* appending leaves the results of an earlier run alone */
        if (!file) return fail("write", path);
        fclose(file);
        if (!existed) remove(path);
    }
    return true;
}

bool output_open(Output *output, const char *folder, const char *name) {
    if (!write_path(output->path, folder, name)) return false;
    output->file = fopen(output->path, "wb");
    return output->file || fail("write", output->path);
}

bool output_close(Output *output) {
    errno = 0;
    bool written = fflush(output->file) == 0 && !ferror(output->file);
    int cause = errno;
    if (fclose(output->file) != 0 && written) {
        written = false;
        cause = errno;
    }
    output->file = NULL;
    if (written) return true;
    remove(output->path);
    errno = cause;
    return fail("write", output->path);
}
