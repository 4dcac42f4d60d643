/** @file idx.h
 *  Pictures and their labels in IDX files (big-endian sizes, then bytes), as MNIST's are. Nothing that stands in a
 *  file is believed before it was looked at; what is wrong is told on stderr, with the file's name. Include it
 *  before all other headers, as folders.h. */
#ifndef EXAMPLES_IDX_H
#define EXAMPLES_IDX_H

#include "folders.h"

#include <limits.h>
#include <stdio.h>

enum { IDX_AXES = 3, IDX_PATH = 4096 };

/** The bytes of a file, and the sizes it begins with. */
typedef struct Idx {
    unsigned char *file;
    const unsigned char *items; /**< in it */
    size_t size[IDX_AXES];
} Idx;

/** `count` pictures, one after the other, and the label of each. */
typedef struct Pictures {
    Idx images, labels;
    size_t count, height, width;
} Pictures;

/* A whole file, ended by a 0; NULL after a line on stderr. */
static inline unsigned char *read_whole(const char *path, size_t *length) {
    errno = 0;
    FILE *file = fopen(path, "rb");
    long size = -1;
    unsigned char *bytes = NULL;
    if (file && fseek(file, 0, SEEK_END) == 0) size = ftell(file);
    /* a folder may be opened, and says that it is endless */
    if (size >= 0 && size < LONG_MAX && fseek(file, 0, SEEK_SET) == 0)
        bytes = malloc((size_t)size + 1);
    if (bytes && fread(bytes, 1, (size_t)size, file) != (size_t)size) {
        free(bytes);
        bytes = NULL;
    }
    int cause = errno;
    if (file) fclose(file);
    if (!bytes) {
        fprintf(stderr, "%s: cannot be read%s%s\n", path, cause ? ": " : "",
                cause ? strerror(cause) : "");
        return NULL;
    }
    bytes[size] = 0;
    *length = (size_t)size;
    return bytes;
}

static inline size_t idx_number(const unsigned char *bytes) {
    return (size_t)bytes[0] << 24 | (size_t)bytes[1] << 16 | (size_t)bytes[2] << 8 | bytes[3];
}

/* Sizes and items of bytes, of which there are `length`. */
static inline bool idx_look(Idx *idx, const char *path, size_t length, size_t axes) {
    const unsigned char *bytes = idx->file;
    size_t start = 4 + 4 * axes, count = 1;
    if (length < 4 || bytes[0] || bytes[1] || bytes[2] != 8) {
        fprintf(stderr, "%s: is no IDX file of bytes, which begins with 0, 0, 8\n", path);
        return false;
    }
    if (bytes[3] != axes) {
        fprintf(stderr, "%s: has %d sizes, where %zu were looked for\n", path, bytes[3], axes);
        return false;
    }
    for (size_t i = 0; i < axes && length >= start; i++) {
        idx->size[i] = idx_number(bytes + 4 + 4 * i);
        bool fits = idx->size[i] == 0 || count <= (length - start) / idx->size[i];
        count = fits ? count * idx->size[i] : length; /* more than there is */
    }
    if (length < start || count != length - start) {
        fprintf(stderr, "%s: %s\n", path,
                length < start || count > length - start
                    ? "is cut off: its sizes say that there is more"
                    : "is longer than its sizes say");
        return false;
    }
    idx->items = bytes + start;
    return true;
}

static inline void idx_free(Idx *idx) {
    free(idx->file);
    *idx = (Idx){.file = NULL};
}

/** Reads a file with so many sizes, of at most IDX_AXES. False after a line on stderr. */
static inline bool idx_read(Idx *idx, const char *path, size_t axes) {
    size_t length = 0;
    *idx = (Idx){.file = read_whole(path, &length)};
    if (idx->file && idx_look(idx, path, length, axes)) return true;
    idx_free(idx);
    return false;
}

static inline void pictures_free(Pictures *pictures) {
    idx_free(&pictures->images);
    idx_free(&pictures->labels);
    *pictures = (Pictures){.count = 0};
}

/* .../train-images-idx3-ubyte -> .../train-labels-idx1-ubyte */
static inline bool pictures_labels(const char *path, char labels[IDX_PATH]) {
    const char *name = path;
    for (const char *at = path; *at; at++)
        if (*at == '/' || *at == '\\') name = at + 1;
    const char *images = strstr(name, "images"), *axes = strstr(name, "idx3");
    if (!images || !axes || strlen(path) >= IDX_PATH) {
        fprintf(stderr, "%s: is no folder, and no IDX file called ...images-idx3...\n", path);
        return false;
    }
    strcpy(labels, path);
    memcpy(labels + (images - path), "labels", 6);
    memcpy(labels + (axes - path), "idx1", 4);
    return true;
}

/** Reads a file of pictures, such as train-images-idx3-ubyte, and the labels beside it, train-labels-idx1-ubyte.
 *  False after a line on stderr. */
static inline bool pictures_read(Pictures *pictures, const char *path) {
    char labels[IDX_PATH];
    *pictures = (Pictures){.count = 0};
    Idx *images = &pictures->images;
    bool done = pictures_labels(path, labels) && idx_read(images, path, 3) &&
                idx_read(&pictures->labels, labels, 1);
    if (done && pictures->labels.size[0] != images->size[0]) {
        fprintf(stderr, "%s: has %zu labels, for the %zu pictures of %s\n", labels,
                pictures->labels.size[0], images->size[0], path);
        done = false;
    }
    pictures->count = images->size[0];
    pictures->height = images->size[1];
    pictures->width = images->size[2];
    if (!done) pictures_free(pictures);
    return done;
}

/** The same for the first file of pictures (...images-idx3...) of a folder, by name; or for that file itself. */
static inline bool pictures_find(Pictures *pictures, const char *folder) {
    FolderNames names;
    char path[IDX_PATH];
    *pictures = (Pictures){.count = 0};
    if (!folder_exists(folder)) return pictures_read(pictures, folder);
    if (!folder_read(folder, &names)) {
        fprintf(stderr, "%s: %s\n", folder, strerror(errno));
        return false;
    }
    size_t i = 0;
    while (i < names.count && !strstr(names.items[i], "images-idx3"))
        i++;
    int length = i < names.count ? snprintf(path, sizeof path, "%s/%s", folder, names.items[i]) : 0;
    bool found = length > 0 && (size_t)length < sizeof path;
    folder_names_free(&names);
    if (!found) fprintf(stderr, "%s: holds no file called ...images-idx3...\n", folder);
    return found && pictures_read(pictures, path);
}

/** Whether there are so many pictures or more, with something to see, and each is labelled 0 to 9. False after a
 *  line on stderr. */
static inline bool pictures_are_digits(const Pictures *pictures, const char *path, size_t least) {
    if (pictures->count < least || !pictures->height || !pictures->width) {
        fprintf(stderr, "%s: has %zu pictures of %zu x %zu, where %zu digits or more are needed\n",
                path, pictures->count, pictures->height, pictures->width, least);
        return false;
    }
    for (size_t i = 0; i < pictures->count; i++)
        if (pictures->labels.items[i] > 9) {
            fprintf(stderr, "%s: picture %zu is labelled %d, which is no digit\n", path, i + 1,
                    pictures->labels.items[i]);
            return false;
        }
    return true;
}

#endif
