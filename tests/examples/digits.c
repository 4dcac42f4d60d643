/* Writes pictures of ten kinds, and their labels, into the folder that is named: digits of a sort, as MNIST's files
 * have them, for the examples that read such. */
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
    bool done = argc == 2 && folder_make(argv[1]) &&
                write_file(argv[1], "drawn-images-idx3-ubyte", images, sizeof images) &&
                write_file(argv[1], "drawn-labels-idx1-ubyte", labels, sizeof labels);
    return !done;
}
