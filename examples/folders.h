/* Folders, of which C knows nothing: POSIX's and Windows's ways. Include it before all other headers. */
#ifndef EXAMPLES_FOLDERS_H
#define EXAMPLES_FOLDERS_H

#ifdef _WIN32
#include <direct.h>
#include <io.h>
#else
#define _POSIX_C_SOURCE 200809L
#define _FILE_OFFSET_BITS 64 /* folders past 32 bits, on 32-bit machines */
#include <dirent.h>
#endif
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>

#ifndef S_ISDIR
#define S_ISDIR(mode) (((mode) & _S_IFMT) == _S_IFDIR)
#endif

static inline bool path_exists(const char *path) {
    struct stat about = {.st_mode = 0};
    return stat(path, &about) == 0;
}

static inline bool folder_exists(const char *path) {
    struct stat about = {.st_mode = 0};
    return stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

/* Also when it is there already; else the reason is in errno. A read-only file system gives its own even then. */
static inline bool folder_make(const char *path) {
#ifdef _WIN32
    if (_mkdir(path) == 0) return true;
#else
    if (mkdir(path, 0777) == 0) return true;
#endif
    int cause = errno;
    bool there = folder_exists(path);
    errno = cause;
    return there;
}

typedef struct FolderNames {
    char **items;
    size_t count;
} FolderNames;

static inline void folder_names_free(FolderNames *names) {
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i]);
    free(names->items);
    *names = (FolderNames){NULL, 0};
}

static inline bool folder_names_add(FolderNames *names, const char *name) {
    size_t size = strlen(name) + 1;
    char **grown = realloc(names->items, (names->count + 1) * sizeof *grown);
    if (grown) names->items = grown;
    char *copy = grown ? malloc(size) : NULL;
    if (!copy) return false;
    memcpy(copy, name, size);
    names->items[names->count++] = copy;
    return true;
}

static inline int folder_names_order(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* All that is in a folder, "." and ".." too, in an order that is the same everywhere. False: errno says why. */
static inline bool folder_read(const char *path, FolderNames *names) {
    *names = (FolderNames){NULL, 0};
    bool good = true;
#ifdef _WIN32
    size_t length = strlen(path);
    char *pattern = malloc(length + 3);
    if (!pattern) return false;
    memcpy(pattern, path, length);
    memcpy(pattern + length, "/*", 3);
    struct _finddata_t found;
    intptr_t search = _findfirst(pattern, &found);
    free(pattern);
    if (search == -1) return false;
    do
        good = folder_names_add(names, found.name);
    while (good && _findnext(search, &found) == 0);
    _findclose(search);
#else
    DIR *folder = opendir(path);
    if (!folder) return false;
    for (const struct dirent *entry; good && (entry = readdir(folder)) != NULL;)
        good = folder_names_add(names, entry->d_name);
    closedir(folder);
#endif
    if (good && names->count > 1)
        qsort(names->items, names->count, sizeof *names->items, folder_names_order);
    if (!good) {
        folder_names_free(names);
        errno = ENOMEM;
    }
    return good;
}

#endif
