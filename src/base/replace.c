/* Replacing files. POSIX: fsync of the file, rename, fsync of the folder; Windows: FlushFileBuffers and a
 * MoveFileEx that writes through; elsewhere what C11 has: remove and rename. */
#if !defined(_WIN32) && !defined(__wasi__)
#define _XOPEN_SOURCE 700
#define _FILE_OFFSET_BITS 64
#endif

#include "base/replace.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

static char *joined(const char *path, size_t length, const char *end) {
    char *text = hc_alloc(length + strlen(end) + 1, 1);
    if (!text) return NULL;
    memcpy(text, path, length);
    strcpy(text + length, end);
    return text;
}

#if defined(_WIN32)

#include <io.h>
#include <windows.h>

static wchar_t *wide(const char *path) {
    int length = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, NULL, 0);
    wchar_t *name = length > 0 ? hc_alloc((size_t)length, sizeof *name) : NULL;
    if (name) MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, name, length);
    return name;
}

static FILE *open_file(const char *path, const wchar_t *mode) {
    wchar_t *name = wide(path);
    FILE *file = name ? _wfopen(name, mode) : NULL;
    hc_free(name);
    return file;
}

static FILE *open_to_write(const char *path) {
    return open_file(path, L"wb");
}

FILE *hc_open_to_read(const char *path) {
    return open_file(path, L"rb");
}

static char *where_it_leads(const char *path) {
    return joined(path, strlen(path), "");
}

static bool is_special(const char *path) {
    wchar_t *name = wide(path);
    DWORD is = name ? GetFileAttributesW(name) : INVALID_FILE_ATTRIBUTES;
    hc_free(name);
    return is != INVALID_FILE_ATTRIBUTES &&
           (is & (FILE_ATTRIBUTE_DEVICE | FILE_ATTRIBUTE_DIRECTORY));
}

static void keep_permissions(FILE *file, const char *path) {
    (void)file;
    (void)path;
}

static bool flush_to_disk(FILE *file) {
    return fflush(file) == 0 && _commit(_fileno(file)) == 0;
}

static bool put_in_place(const char *from, const char *to) {
    wchar_t *a = wide(from), *b = wide(to);
    bool done = a && b && MoveFileExW(a, b, MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH);
    hc_free(a);
    hc_free(b);
    return done;
}

static void remove_file(const char *path) {
    wchar_t *name = wide(path);
    if (name) DeleteFileW(name);
    hc_free(name);
}

#elif defined(_XOPEN_SOURCE)

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static FILE *open_to_write(const char *path) {
    return fopen(path, "wb");
}

FILE *hc_open_to_read(const char *path) {
    return fopen(path, "rb");
}

static char *where_it_leads(const char *path) {
    char *real = realpath(path, NULL);
    char *copy = joined(real ? real : path, strlen(real ? real : path), "");
    free(real);
    return copy;
}

static bool is_special(const char *path) {
    struct stat is;
    return stat(path, &is) == 0 && !S_ISREG(is.st_mode);
}

static void keep_permissions(FILE *file, const char *path) {
    struct stat is;
    if (stat(path, &is) == 0) (void)!fchmod(fileno(file), is.st_mode & 0777);
}

static bool flush_to_disk(FILE *file) {
    return fflush(file) == 0 && fsync(fileno(file)) == 0;
}

/* The new name is on disk when its folder is; a file system without such a thing is no failure. */
static void flush_folder(const char *path) {
    const char *slash = strrchr(path, '/');
    char *folder = slash ? joined(path, (size_t)(slash - path) + 1, "") : joined(".", 1, "");
    int opened = folder ? open(folder, O_RDONLY) : -1;
    if (opened >= 0) {
        fsync(opened);
        close(opened);
    }
    hc_free(folder);
}

static bool put_in_place(const char *from, const char *to) {
    if (rename(from, to) != 0) return false;
    flush_folder(to);
    return true;
}

static void remove_file(const char *path) {
    remove(path);
}

#else

static FILE *open_to_write(const char *path) {
    return fopen(path, "wb");
}

FILE *hc_open_to_read(const char *path) {
    return fopen(path, "rb");
}

static char *where_it_leads(const char *path) {
    return joined(path, strlen(path), "");
}

static bool is_special(const char *path) {
    (void)path;
    return false;
}

static void keep_permissions(FILE *file, const char *path) {
    (void)file;
    (void)path;
}

static bool flush_to_disk(FILE *file) {
    return fflush(file) == 0;
}

/* rename may refuse a name that is taken. */
static bool put_in_place(const char *from, const char *to) {
    if (rename(from, to) == 0) return true;
    remove(to);
    return rename(from, to) == 0;
}

static void remove_file(const char *path) {
    remove(path);
}

#endif

void hc_replace_begin(HcReplace *r, const char *path) {
    *r = (HcReplace){.path = where_it_leads(path)};
    bool special = r->path && is_special(r->path);
    if (r->path && !special) r->beside = joined(r->path, strlen(r->path), ".part");
    r->no_memory = !r->path || (!special && !r->beside);
    if (r->no_memory) return;
    r->file = open_to_write(special ? r->path : r->beside);
    if (r->file && !special) keep_permissions(r->file, r->path);
}

bool hc_replace_end(HcReplace *r, bool good) {
    bool opened = r->file != NULL;
    if (opened && r->beside) good = good && flush_to_disk(r->file);
    if (opened && fclose(r->file) != 0) good = false;
    if (opened && r->beside) {
        good = good && put_in_place(r->beside, r->path);
        if (!good) remove_file(r->beside);
    }
    hc_free(r->path);
    hc_free(r->beside);
    *r = (HcReplace){.file = NULL};
    return opened && good;
}
