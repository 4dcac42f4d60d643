/* Files that are replaced: names, and the plain way for systems that have the C library only. */
#include "base/replace.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

static const char mark[] = ".tmp-";
enum { NUMBERS = 48 }; /* room for the mark and two numbers */

char *hc_temp_name(const char *path, unsigned long process, unsigned long number) {
    size_t room = strlen(path) + NUMBERS;
    char *name = hc_alloc(room, 1);
    if (name) snprintf(name, room, "%s%s%lu-%lu", path, mark, process, number);
    return name;
}

/* The digits there, at least one and no more than a number has. */
static const char *read_number(const char *text, unsigned long *number) {
    char *end;
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 20) return NULL;
    *number = strtoul(text, &end, 10);
    return end;
}

bool hc_is_temp(const char *name, const char *last, unsigned long *process, unsigned long *number) {
    size_t length = strlen(last);
    if (strncmp(name, last, length) != 0 || strncmp(name + length, mark, strlen(mark)) != 0)
        return false;
    const char *at = read_number(name + length + strlen(mark), process);
    if (!at || *at != '-') return false;
    at = read_number(at + 1, number);
    return at && *at == 0;
}

const char *hc_last_name(const char *path) {
    const char *last = path;
    for (; *path; path++) {
#ifdef HC_FILES_WINDOWS
        if (*path == '\\' || *path == ':') last = path + 1;
#endif
        if (*path == '/') last = path + 1;
    }
    return last;
}

char *hc_folder_of(const char *path) {
    size_t length = (size_t)(hc_last_name(path) - path);
    if (length == 0) return hc_copy_text("./");
    char *folder = hc_alloc(length + 1, 1);
    if (!folder) return NULL;
    memcpy(folder, path, length);
    folder[length] = 0;
    return folder;
}

void hc_replace_free(HcReplace *r) {
    hc_free(r->path);
    hc_free(r->temp);
#ifdef HC_FILES_WINDOWS
    hc_free(r->temp_name);
    hc_free(r->rename);
#endif
    *r = (HcReplace){.file = NULL};
}

#if !defined HC_FILES_POSIX && !defined HC_FILES_WINDOWS

/* Nothing is known of links, devices, other writers or the disk here. */
HcStatus hc_replace_open(HcReplace *r, const char *path) {
    *r = (HcReplace){.path = hc_copy_text(path), .temp = hc_temp_name(path, 0, 0)};
    bool room = r->path && r->temp;
    if (room && (r->file = fopen(r->temp, "wb"))) return HC_OK;
    hc_replace_free(r);
    return room ? HC_ERR_IO : HC_ERR_NOMEM;
}

bool hc_replace_close(HcReplace *r, bool good) {
    if (!r->file) return false;
    good = good && !ferror(r->file); /* not every fprintf tells */
    if (fclose(r->file) != 0) good = false;
    /* Where rename does not replace, there is a moment without a file. */
    if (good && rename(r->temp, r->path) != 0)
        good = remove(r->path) == 0 && rename(r->temp, r->path) == 0;
    if (!good) remove(r->temp);
    hc_replace_free(r);
    return good;
}

HcStatus hc_open(const char *path, FILE **file) {
    *file = fopen(path, "rb");
    return *file ? HC_OK : HC_ERR_IO;
}

#endif
