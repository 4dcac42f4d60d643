/* Files that are replaced, on Windows. What another process has open cannot be deleted there, so what a killed one
 * left is told by trying; and a file is renamed while it is open still. */
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
#include <wchar.h>

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

/* *path becomes what the open file, found through a link, is called. */
static HcStatus follow(HANDLE file, char **path) {
    DWORD count = GetFinalPathNameByHandleW(file, NULL, 0, FILE_NAME_NORMALIZED);
    if (count == 0) return HC_ERR_IO;
    wchar_t *name = hc_alloc((size_t)count + 1, sizeof *name);
    if (!name) return HC_ERR_NOMEM;
    DWORD length = GetFinalPathNameByHandleW(file, name, count + 1, FILE_NAME_NORMALIZED);
    bool known = length > 0 && length <= count;
    char *target = known ? narrow(name) : NULL;
    hc_free(name);
    if (!target) return known ? HC_ERR_NOMEM : HC_ERR_IO;
    hc_free(*path);
    *path = target;
    return HC_OK;
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
    if (name && hc_is_temp(name, hc_last_name(path), &process, &number) &&
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

/* A new file that nobody else may delete or rename. Negative when there is none; errno says why. */
static int create(const wchar_t *name) {
    HANDLE file = CreateFileW(name, GENERIC_WRITE | DELETE, FILE_SHARE_READ, NULL, CREATE_NEW,
                              FILE_ATTRIBUTE_NORMAL, NULL);
    errno = GetLastError() == ERROR_FILE_EXISTS ? EEXIST : EACCES;
    if (file == INVALID_HANDLE_VALUE) return -1;
    int fd = _open_osfhandle((intptr_t)file, _O_WRONLY | _O_BINARY);
    if (fd >= 0) return fd;
    CloseHandle(file);
    DeleteFileW(name);
    errno = EMFILE;
    return -1;
}

/* What makes the path of the open file, and of nothing else. */
static bool ask_rename(HcReplace *r) {
    wchar_t *to = wide(r->path);
    size_t length = to ? wcslen(to) * sizeof *to : 0;
    r->rename_bytes = sizeof(FILE_RENAME_INFO) + length;
    FILE_RENAME_INFO *ask = to ? hc_alloc_zero(r->rename_bytes, 1) : NULL;
    if (ask) {
        ask->ReplaceIfExists = TRUE;
        ask->FileNameLength = (DWORD)length;
        memcpy(ask->FileName, to, length + sizeof *to);
    }
    hc_free(to);
    r->rename = ask;
    return ask != NULL;
}

static HcStatus open_beside(HcReplace *r) {
    int fd = -1;
    if (!ask_rename(r)) return HC_ERR_NOMEM;
    errno = EEXIST;
    for (int tries = 0; fd < 0 && errno == EEXIST && tries < MOST_TRIES; tries++) {
        hc_free(r->temp);
        hc_free(r->temp_name);
        r->temp = hc_temp_name(r->path, GetCurrentProcessId(), atomic_fetch_add(&made, 1));
        r->temp_name = r->temp ? wide(r->temp) : NULL;
        if (!r->temp_name) return HC_ERR_NOMEM;
        fd = create(r->temp_name);
    }
    if (fd < 0) return HC_ERR_IO;
    if ((r->file = _fdopen(fd, "wb"))) return HC_OK;
    _close(fd);
    DeleteFileW(r->temp_name);
    return HC_ERR_IO;
}

/* ---- the whole ------------------------------------------------------------------------------------------------ */

/* Whether it is a device, which is written to as it is; follows a link. */
static HcStatus look_at(HcReplace *r, const wchar_t *name, DWORD attributes, bool *device) {
    HANDLE old = CreateFileW(name, 0, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                             OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, NULL);
    bool link = attributes != INVALID_FILE_ATTRIBUTES && attributes & FILE_ATTRIBUTE_REPARSE_POINT;
    if (old == INVALID_HANDLE_VALUE) return link ? HC_ERR_IO : HC_OK; /* it leads nowhere */
    *device = GetFileType(old) != FILE_TYPE_DISK;
    HcStatus status = link && !*device ? follow(old, &r->path) : HC_OK;
    CloseHandle(old);
    return status;
}

static HcStatus open_named(HcReplace *r, const wchar_t *name) {
    DWORD attributes = GetFileAttributesW(name);
    bool device = false;
    HcStatus status = look_at(r, name, attributes, &device);
    if (status != HC_OK) return status;
    if (device) {
        r->file = _wfopen(name, L"wb");
        return r->file ? HC_OK : HC_ERR_IO;
    }
    if (attributes != INVALID_FILE_ATTRIBUTES &&
        attributes & (FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_READONLY))
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

/* Who reads the old file, be it only to look for viruses, is waited for a second. */
static bool put_in_place(const HcReplace *r, HANDLE file) {
    for (int tries = 0; tries < MOST_TRIES; tries++) {
        if (SetFileInformationByHandle(file, FileRenameInfo, r->rename, (DWORD)r->rename_bytes))
            return true;
        DWORD why = GetLastError();
        if (why != ERROR_ACCESS_DENIED && why != ERROR_SHARING_VIOLATION) return false;
        Sleep(10);
    }
    return false;
}

bool hc_replace_close(HcReplace *r, bool good) {
    if (!r->file) return false;
    int fd = _fileno(r->file);
    good = good && fflush(r->file) == 0 && !ferror(r->file); /* not every fprintf tells */
    bool placed = false;
    if (r->temp && good) {
        placed = _commit(fd) == 0 && put_in_place(r, (HANDLE)_get_osfhandle(fd));
        good = placed;
    }
    if (fclose(r->file) != 0) good = false;
    if (r->temp && !placed) DeleteFileW(r->temp_name);
    hc_replace_free(r);
    return good;
}

/* Lets others rename and delete what is read, as a writer does that is about to close it. */
HcStatus hc_open(const char *path, FILE **file) {
    *file = NULL;
    wchar_t *name = wide(path);
    if (!name) return errno == EILSEQ ? HC_ERR_IO : HC_ERR_NOMEM;
    HANDLE handle =
        CreateFileW(name, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                    NULL, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, NULL);
    DWORD cause = GetLastError();
    hc_free(name);
    if (handle == INVALID_HANDLE_VALUE) {
        errno = cause == ERROR_FILE_NOT_FOUND || cause == ERROR_PATH_NOT_FOUND ? ENOENT : EIO;
        return HC_ERR_IO;
    }
    int fd = _open_osfhandle((intptr_t)handle, _O_RDONLY | _O_BINARY);
    if (fd >= 0) *file = _fdopen(fd, "rb");
    if (!*file && fd >= 0) _close(fd);
    if (fd < 0) CloseHandle(handle);
    return *file ? HC_OK : HC_ERR_IO;
}

#endif
