/* Writes pictures of ten kinds, and their labels, into the folder that is named: digits of a sort, as MNIST's files
 * have them, for the examples that read such. Beside it folders like FOLDER-cut, each with something wrong. */
#include "../../examples/folders.h"

#include <higherc/higherc.h>
#include <stdio.h>

enum { KINDS = 10, COUNT = 400, SIDE = 12, BLOCK = 3, BLOCKS = SIDE / BLOCK, PIXELS = SIDE * SIDE };

static bool write_file(const char *folder, const char *name, const unsigned char *bytes,
                       size_t count) {
    char path[500];
    int length = snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = length > 0 && (size_t)length < sizeof path ? fopen(path, "wb") : NULL;
    bool done = file && fwrite(bytes, 1, count, file) == count;
    return file && fclose(file) == 0 && done;
}

/* Both files, as much of them as is asked for; 0: none. */
static bool write_folder(const char *folder, const char *kind, const unsigned char *images,
                         size_t image_bytes, const unsigned char *labels, size_t label_bytes) {
    char path[400];
    int length = snprintf(path, sizeof path, "%s%s", folder, kind);
    return length > 0 && (size_t)length < sizeof path && folder_make(path) &&
           (!image_bytes || write_file(path, "drawn-images-idx3-ubyte", images, image_bytes)) &&
           (!label_bytes || write_file(path, "drawn-labels-idx1-ubyte", labels, label_bytes));
}

/* Changes both as it goes. */
static bool write_wrong(const char *folder, unsigned char *images, size_t image_bytes,
                        unsigned char *labels, size_t label_bytes) {
    bool done = write_folder(folder, "-empty", images, 0, labels, 0) &&
                write_folder(folder, "-header", images, 9, labels, label_bytes) &&
                write_folder(folder, "-cut", images, image_bytes - 1, labels, label_bytes) &&
                write_folder(folder, "-unlabelled", images, image_bytes, labels, 0);
    labels[8] = 250;
    done = done && write_folder(folder, "-letters", images, image_bytes, labels, label_bytes);
    labels[7] -= 1;
    done = done && write_folder(folder, "-fewer", images, image_bytes, labels, label_bytes - 1);
    images[2] = 13; /* floats */
    done = done && write_folder(folder, "-floats", images, image_bytes, labels, label_bytes);
    images[2] = 8;
    memset(images + 4, 255, 12);
    done = done && write_folder(folder, "-huge", images, image_bytes, labels, label_bytes);
    memset(images + 4, 0, 12);
    memset(labels + 4, 0, 4);
    return done && write_folder(folder, "-none", images, 16, labels, 8);
}

int main(int argc, char **argv) {
    static unsigned char images[16 + COUNT * PIXELS] = {
        0, 0, 8, 3, 0, 0, COUNT >> 8, COUNT & 255, 0, 0, 0, SIDE, 0, 0, 0, SIDE};
    static unsigned char labels[8 + COUNT] = {0, 0, 8, 1, 0, 0, COUNT >> 8, COUNT & 255};
    static unsigned char ink[KINDS][BLOCKS][BLOCKS];
    Rng rng = rng_seed(1);
    for (size_t k = 0; k < KINDS; k++)
        for (size_t b = 0; b < BLOCKS * BLOCKS; b++)
            ink[k][b / BLOCKS][b % BLOCKS] = (unsigned char)(rng_below(&rng, 2) * 45);
    for (size_t i = 0; i < COUNT; i++) {
        size_t kind = (size_t)rng_below(&rng, KINDS);
        labels[8 + i] = (unsigned char)kind;
        for (size_t p = 0; p < PIXELS; p++) {
            size_t y = p / SIDE, x = p % SIDE;
            images[16 + i * PIXELS + p] =
                (unsigned char)(ink[kind][y / BLOCK][x / BLOCK] + rng_below(&rng, 210));
        }
    }
    bool done = argc == 2 &&
                write_folder(argv[1], "", images, sizeof images, labels, sizeof labels) &&
                write_wrong(argv[1], images, sizeof images, labels, sizeof labels);
    return !done;
}
