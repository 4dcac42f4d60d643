/* Where pictures come from. Read ones are kept as bytes, one character after the other. */
#include "../idx.h"

#include "images.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SIDE = 4096, MAX_PATH_LENGTH = 4096, MAX_DEPTH = 16 };

typedef struct Character {
    unsigned char (*drawings)[PIXELS]; /* NULL for one that is drawn when asked for */
    size_t count, room;
} Character;

struct Images {
    Character *characters;
    size_t count, room;
};

static bool complain(const char *path, const char *what) {
    fprintf(stderr, "maml_omniglot: %s: %s\n", path, what);
    return false;
}

/* ---- keeping ----------------------------------------------------------------------------------- */

static bool add_character(Images *images) {
    if (images->count == images->room) {
        size_t room = images->room ? 2 * images->room : 64;
        Character *grown = realloc(images->characters, room * sizeof *grown);
        if (!grown) return complain("images", "out of memory");
        images->characters = grown;
        images->room = room;
    }
    images->characters[images->count++] = (Character){0};
    return true;
}

/* Adds a picture of width x height bytes, each the mean of the pixels that fall to it. */
static bool add_drawing(Character *character, const unsigned char *pixels, size_t width,
                        size_t height) {
    if (character->count == character->room) {
        size_t room = character->room ? 2 * character->room : 16;
        void *grown = realloc(character->drawings, room * sizeof *character->drawings);
        if (!grown) return complain("images", "out of memory");
        character->drawings = grown;
        character->room = room;
    }
    unsigned char *to = character->drawings[character->count++];
    size_t total = 0;
    for (size_t i = 0; i < SIDE; i++)
        for (size_t j = 0; j < SIDE; j++) {
            size_t top = i * height / SIDE, end = (i + 1) * height / SIDE;
            size_t left = j * width / SIDE, right = (j + 1) * width / SIDE, sum = 0, n = 0;
            for (size_t y = top; y < (end > top ? end : top + 1); y++)
                for (size_t x = left; x < (right > left ? right : left + 1); x++, n++)
                    sum += pixels[y * width + x];
            to[i * SIDE + j] = (unsigned char)(sum / n);
            total += sum / n;
        }
    for (size_t i = 0; total > (size_t)PIXELS * 128 && i < PIXELS; i++)
        to[i] = (unsigned char)(255 - to[i]);
    return true;
}

/* ---- a folder of .pgm files ---------------------------------------------------------------------- */

/* The next number of a PGM header, past blanks and comments; 0 when there is none. */
static size_t header_number(const unsigned char *bytes, size_t length, size_t *at) {
    bool comment = false;
    for (; *at < length && (comment || bytes[*at] <= ' ' || bytes[*at] == '#'); ++*at)
        comment = bytes[*at] == '#' || (comment && bytes[*at] != '\n');
    size_t number = 0;
    while (*at < length && bytes[*at] >= '0' && bytes[*at] <= '9' && number < 1000000)
        number = 10 * number + (size_t)(bytes[(*at)++] - '0');
    return number;
}

static bool read_pgm(Character *character, const char *path) {
    size_t length, at = 2;
    unsigned char *bytes = read_whole(path, &length);
    if (!bytes) return false;
    bool done = length > 2 && bytes[0] == 'P' && (bytes[1] == '5' || bytes[1] == '2');
    bool plain = done && bytes[1] == '2'; /* numbers in words */
    size_t width = done ? header_number(bytes, length, &at) : 0;
    size_t height = done ? header_number(bytes, length, &at) : 0;
    size_t white = done ? header_number(bytes, length, &at) : 0;
    at++; /* one blank after the header */
    done = width >= 1 && width <= MAX_SIDE && height >= 1 && height <= MAX_SIDE && white >= 1 &&
           white <= 255 && at <= length && (plain || length - at >= width * height);
    done = done && (!plain || length - at >= 2 * width * height - 1); /* a digit and a blank each */
    unsigned char *pixels = done ? malloc(width * height) : NULL;
    for (size_t i = 0; pixels && i < width * height; i++) {
        size_t value = plain ? header_number(bytes, length, &at) : bytes[at + i];
        pixels[i] = (unsigned char)((value < white ? value : white) * 255 / white);
    }
    free(bytes);
    if (!pixels) return complain(path, done ? "out of memory" : "is no PGM picture of 8 bits");
    done = add_drawing(character, pixels, width, height);
    free(pixels);
    return done;
}

static bool is_picture(const char *name) {
    const char *dot = strrchr(name, '.');
    return name[0] != '.' && dot && strcmp(dot, ".pgm") == 0;
}

static bool read_folder(Images *images, const char *folder, int depth);

/* One entry: a picture joins the character of its folder, a folder is read in its turn. */
static bool read_entry(Images *images, size_t *character, const char *folder, const char *name,
                       int depth) {
    char path[MAX_PATH_LENGTH];
    int written = snprintf(path, sizeof path, "%s/%s", folder, name);
    if (written < 0 || (size_t)written >= sizeof path) return complain(folder, "too long a name");
    if (is_picture(name)) {
        if (*character == SIZE_MAX && !add_character(images)) return false;
        if (*character == SIZE_MAX) *character = images->count - 1;
        return read_pgm(&images->characters[*character], path);
    }
    bool enter = name[0] != '.' && depth < MAX_DEPTH && folder_exists(path);
    return !enter || read_folder(images, path, depth + 1);
}

/* Sorted, so that the same folder gives the same classes everywhere. */
static bool read_folder(Images *images, const char *folder, int depth) {
    FolderNames names;
    if (!folder_read(folder, &names)) return complain(folder, strerror(errno));
    size_t character = SIZE_MAX;
    bool done = true;
    for (size_t i = 0; done && i < names.count; i++)
        done = read_entry(images, &character, folder, names.items[i], depth);
    folder_names_free(&names);
    return done;
}

/* ---- IDX files -------------------------------------------------------------------------------------- */

static bool read_idx(Images *images, const char *path) {
    Pictures pictures;
    if (!pictures_read(&pictures, path)) return false;
    size_t height = pictures.height, width = pictures.width;
    bool done = height >= 1 && height <= MAX_SIDE && width >= 1 && width <= MAX_SIDE;
    if (!done) complain(path, "its pictures have no size that can be shown");
    for (size_t c = 0; done && c < 256; c++)
        done = add_character(images);
    for (size_t i = 0; done && i < pictures.count; i++)
        done = add_drawing(&images->characters[pictures.labels.items[i]],
                           pictures.images.items + i * height * width, width, height);
    pictures_free(&pictures);
    return done;
}

/* ---- the interface ------------------------------------------------------------------------------------ */

Images *images_drawn(size_t characters) {
    Images *images = calloc(1, sizeof *images);
    bool done = images != NULL;
    for (size_t i = 0; done && i < characters; i++)
        done = add_character(images);
    if (done) return images;
    images_destroy(images);
    return NULL;
}

Images *images_read(const char *path, size_t drawings) {
    Images *images = calloc(1, sizeof *images);
    if (!images || !(folder_exists(path) ? read_folder(images, path, 0) : read_idx(images, path))) {
        images_destroy(images);
        return NULL;
    }
    size_t kept = 0;
    for (size_t i = 0; i < images->count; i++) {
        Character *character = &images->characters[i];
        if (character->count >= drawings)
            images->characters[kept++] = *character;
        else
            free(character->drawings);
    }
    images->count = kept;
    return images;
}

void images_destroy(Images *images) {
    if (!images) return;
    for (size_t i = 0; i < images->count; i++)
        free(images->characters[i].drawings);
    free(images->characters);
    free(images);
}

size_t images_characters(const Images *images) {
    return images->count;
}

/* Picture `from`, turned by 90 degrees `turn` times. */
static void turn_picture(const float *from, size_t turn, float *to) {
    for (size_t i = 0; i < SIDE; i++)
        for (size_t j = 0; j < SIDE; j++) {
            size_t last = SIDE - 1;
            size_t row = turn == 0 ? i : turn == 1 ? j : turn == 2 ? last - i : last - j;
            size_t column = turn == 0 ? j : turn == 1 ? last - i : turn == 2 ? last - j : i;
            to[i * SIDE + j] = from[row * SIDE + column];
        }
}

void images_pick(const Images *images, size_t character, size_t turn, size_t count, Rng *rng,
                 float *out) {
    const Character *c = &images->characters[character];
    size_t left = count;
    /* Drawing i is taken with probability (still wanted) / (still to come): all choices are equally likely. */
    for (size_t i = 0; left > 0; i++) {
        float picture[PIXELS];
        if (!c->drawings) {
            alphabet_draw(character, rng, picture);
        } else {
            if (rng_below(rng, c->count - i) >= left) continue;
            for (size_t p = 0; p < PIXELS; p++)
                picture[p] = (float)c->drawings[i][p] / 255;
        }
        turn_picture(picture, turn, out + (count - left--) * PIXELS);
    }
}

static bool make_folder(const char *path) {
    return folder_make(path) || complain(path, strerror(errno));
}

static bool write_pgm(const char *path, const float *picture) {
    FILE *file = fopen(path, "wb");
    if (!file) return complain(path, strerror(errno));
    fprintf(file, "P5\n%d %d\n255\n", SIDE, SIDE);
    for (size_t i = 0; i < PIXELS; i++)
        fputc((int)(255 * (1 - picture[i]) + 0.5f), file);
    bool done = !ferror(file);
    return (fclose(file) == 0 && done) || complain(path, "could not be written");
}

bool images_write(const Images *images, const char *folder, size_t characters, size_t drawings) {
    Rng rng = rng_seed(0);
    bool done = make_folder(folder);
    for (size_t c = 0; done && c < characters && c < images->count; c++) {
        char path[MAX_PATH_LENGTH];
        snprintf(path, sizeof path, "%s/%04zu", folder, c);
        done = make_folder(path);
        for (size_t d = 0; done && d < drawings; d++) {
            float picture[PIXELS];
            images_pick(images, c, 0, 1, &rng, picture);
            snprintf(path, sizeof path, "%s/%04zu/%02zu.pgm", folder, c, d);
            done = write_pgm(path, picture);
        }
    }
    return done;
}
