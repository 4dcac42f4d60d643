/* Files that are replaced, on Windows. What another process writes cannot be deleted there, so what a killed one
 * left is told by trying. */
#include "base/replace.h"

#ifdef HC_FILES_WINDOWS

#ifndef _WIN32_WINNT
#define _WIN32_WINNT 0x0600
#endif
#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"

enum { MOST_TRIES = 100 };

static atomic_ulong made; /* number of the next file of this process */

/* ---- names ---------------------------------------------------------------------------------------------------- */

/* NULL when out of memory, or (EILSEQ) for what is not UTF-8. */
static wchar_t *wide(const char *text) {
    int count = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, NULL, 0);
    errno = count > 0 ? ENOMEM : EILSEQ;
    wchar_t *to = count > 0 ? hc_alloc((size_t)count, sizeof *to) : NULL;
    if (to) MultiByteToWideChar(CP_UTF8, 0, text, -1, to, count);
    return to;
}

static char *narrow(const wchar_t *text) {
    int count = WideCharToMultiByte(CP_UTF8, 0, text, -1, NULL, 0, NULL, NULL);
    char *to = count > 0 ? hc_alloc((size_t)count, 1) : NULL;
    if (to) WideCharToMultiByte(CP_UTF8, 0, text, -1, to, count, NULL, NULL);
    return to;
}

/* What a link leads to, or NULL: no link, or it leads nowhere. */
static char *followed(HANDLE file) {
    DWORD count = GetFinalPathNameByHandleW(file, NULL, 0, FILE_NAME_NORMALIZED);
    wchar_t *name = count > 0 ? hc_alloc((size_t)count + 1, sizeof *name) : NULL;
    char *path = NULL;
    if (name && GetFinalPathNameByHandleW(file, name, count + 1, FILE_NAME_NORMALIZED) <= count)
        path = narrow(name);
    hc_free(name);
    return path;
}

/* ---- what is written ------------------------------------------------------------------------------------------ */

static void delete_file(const char *path) {
    wchar_t *name = wide(path);
    if (name) DeleteFileW(name);
    hc_free(name);
}

/* Removes one left by a killed process, if `name` in the folder of `path` is that. */
static void remove_left(const char *path, const wchar_t *found) {
    unsigned long process, number;
    char *name = narrow(found);
    if (name && hc_is_temp(name, hc_last_part(path), &process, &number) &&
        (process != GetCurrentProcessId() || number >= atomic_load(&made))) {
        char *full = hc_temp_name(path, process, number);
        if (full) delete_file(full);
        hc_free(full);
    }
    hc_free(name);
}

static void clean(const char *path) {
    static const char pattern[] = ".tmp-*";
    size_t length = strlen(path);
    char *text = hc_alloc(length + sizeof pattern, 1);
    if (!text) return;
    memcpy(text, path, length);
    memcpy(text + length, pattern, sizeof pattern);
    wchar_t *name = wide(text);
    hc_free(text);
    WIN32_FIND_DATAW found;
    HANDLE search = name ? FindFirstFileW(name, &found) : INVALID_HANDLE_VALUE;
    hc_free(name);
    if (search == INVALID_HANDLE_VALUE) return;
    do
        remove_left(path, found.cFileName);
    while (FindNextFileW(search, &found));
    FindClose(search);
}

static HcStatus open_beside(HcReplace *r) {
    int fd = -1;
    errno = EEXIST;
    for (int tries = 0; fd < 0 && errno == EEXIST && tries < MOST_TRIES; tries++) {
        hc_free(r->temp);
        r->temp = hc_temp_name(r->path, GetCurrentProcessId(), atomic_fetch_add(&made, 1));
        wchar_t *name = r->temp ? wide(r->temp) : NULL;
        if (!name) return r->temp && errno == EILSEQ ? HC_ERR_IO : HC_ERR_NOMEM;
        fd = _wopen(name, _O_WRONLY | _O_CREAT | _O_EXCL | _O_BINARY | _O_NOINHERIT,
                    _S_IREAD | _S_IWRITE);
        int why = errno;
        hc_free(name);
        errno = why;
    }
    if (fd < 0) return HC_ERR_IO;
    if ((r->file = _fdopen(fd, "wb"))) return HC_OK;
    _close(fd);
    delete_file(r->temp);
    return HC_ERR_IO;
}

/* ---- the whole ------------------------------------------------------------------------------------------------ */

/* Writes straight to what is no file on a disk. */
static HcStatus open_device(HcReplace *r, const wchar_t *name) {
    r->file = _wfopen(name, L"wb");
    return r->file ? HC_OK : HC_ERR_IO;
}

static HcStatus open_named(HcReplace *r, const wchar_t *name) {
    HANDLE old = CreateFileW(name, 0, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                             OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, NULL);
    DWORD attributes = GetFileAttributesW(name);
    bool known = attributes != INVALID_FILE_ATTRIBUTES;
    if (old != INVALID_HANDLE_VALUE) {
        bool device = GetFileType(old) != FILE_TYPE_DISK;
        bool link = known && attributes & FILE_ATTRIBUTE_REPARSE_POINT;
        char *target = !device && link ? followed(old) : NULL;
        CloseHandle(old);
        if (device) return open_device(r, name);
        if (link && !target) return HC_ERR_IO;
        if (target) {
            hc_free(r->path);
            r->path = target;
        }
    }
    if (known && attributes & (FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_READONLY))
        return HC_ERR_IO;
    clean(r->path);
    return open_beside(r);
}

HcStatus hc_replace_open(HcReplace *r, const char *path) {
    *r = (HcReplace){.path = hc_copy_text(path)};
    wchar_t *name = r->path ? wide(path) : NULL;
    HcStatus status = HC_ERR_NOMEM;
    if (name)
        status = open_named(r, name);
    else if (r->path && errno == EILSEQ)
        status = HC_ERR_IO;
    hc_free(name);
    if (status != HC_OK) hc_replace_free(r);
    return status;
}

static bool put_in_place(const HcReplace *r) {
    wchar_t *from = wide(r->temp), *to = wide(r->path);
    bool done =
        from && to && MoveFileExW(from, to, MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH);
    hc_free(from);
    hc_free(to);
    return done;
}

bool hc_replace_close(HcReplace *r, bool good) {
    if (!r->file) return false;
    good = good && fflush(r->file) == 0 && (!r->temp || _commit(_fileno(r->file)) == 0);
    if (fclose(r->file) != 0) good = false;
    if (r->temp) {
        good = good && put_in_place(r);
        if (!good) delete_file(r->temp);
    }
    hc_replace_free(r);
    return good;
}

FILE *hc_open(const char *path) {
    wchar_t *name = wide(path);
    FILE *file = name ? _wfopen(name, L"rb") : NULL;
    hc_free(name);
    return file;
}

#endif
