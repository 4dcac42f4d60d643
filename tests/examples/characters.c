/* Writes sets of characters and runs, in IDX files as Omniglot's are for few_shot, into the folder that is named: good
 * ones, and in folders beside them such with one thing wrong each. */
#include "../../examples/folders.h"

#include <higherc/higherc.h>
#include <stdio.h>

enum { SIDE = 28, PIXELS = SIDE * SIDE, HANDS = 4, CHARACTERS = 6, RUNS = 3, WAYS = 3 };

/* What a folder's files say, and what they hold. */
typedef struct Fault {
    const char *folder;
    size_t side;       /* of the pictures, as their file says it */
    size_t cut;        /* bytes missing at its end */
    size_t labels;     /* in the labels' file */
    int label, answer; /* the first of a set, of the runs */
    size_t run_images, run_labels;
    const char *names;
} Fault;

static const char names[] = "One/a\nOne/b\nOne/c\nTwo/a\nTwo/b\nTwo/c\n";

static bool write_file(const char *folder, const char *name, const void *head, size_t head_size,
                       const void *bytes, size_t size) {
    char path[500];
    int length = snprintf(path, sizeof path, "%s/omniglot-%s", folder, name);
    FILE *file = length > 0 && (size_t)length < sizeof path ? fopen(path, "wb") : NULL;
    bool done = file && fwrite(head, 1, head_size, file) == head_size &&
                fwrite(bytes, 1, size, file) == size;
    return file && fclose(file) == 0 && done;
}

static bool write_images(const char *folder, const char *name, const unsigned char *bytes,
                         size_t count, size_t side, size_t cut) {
    unsigned char head[16] = {0, 0, 8, 3};
    head[7] = (unsigned char)count;
    head[11] = head[15] = (unsigned char)side;
    return write_file(folder, name, head, sizeof head, bytes, count * side * side - cut);
}

static bool write_labels(const char *folder, const char *name, const unsigned char *bytes,
                         size_t count) {
    const unsigned char head[8] = {0, 0, 8, 1, 0, 0, 0, (unsigned char)count};
    return write_file(folder, name, head, sizeof head, bytes, count);
}

/* Characters of noise, with other noise in each drawing. */
static void draw(unsigned char *to, size_t character, Rng *rng) {
    Rng shape = rng_seed(character);
    for (size_t i = 0; i < PIXELS; i++)
        to[i] = (unsigned char)(rng_below(&shape, 2) * 155 + rng_below(rng, 100));
}

static bool write_set(const char *folder, const char *set, size_t first, const Fault *fault) {
    static unsigned char images[(CHARACTERS * HANDS + 1) * PIXELS];
    unsigned char labels[CHARACTERS * HANDS + 1] = {0};
    char name[3][100];
    Rng rng = rng_seed(first);
    for (size_t i = 0; i < CHARACTERS * HANDS; i++) {
        labels[i] = (unsigned char)(i / HANDS);
        draw(images + i * PIXELS, first + i / HANDS, &rng);
    }
    labels[0] = (unsigned char)fault->label;
    snprintf(name[0], sizeof name[0], "%s-images-idx3-ubyte", set);
    snprintf(name[1], sizeof name[1], "%s-labels-idx1-ubyte", set);
    snprintf(name[2], sizeof name[2], "%s-characters.txt", set);
    return write_images(folder, name[0], images, fault->labels == 26 ? 25 : 24, fault->side,
                        fault->cut) &&
           write_labels(folder, name[1], labels, fault->labels == 26 ? 25 : fault->labels) &&
           write_file(folder, name[2], "", 0, fault->names, strlen(fault->names));
}

/* The examples of a run in order, the queries the other way round. */
static bool write_runs(const char *folder, const Fault *fault) {
    static unsigned char train[RUNS * WAYS * PIXELS], test[RUNS * WAYS * PIXELS];
    unsigned char answers[RUNS * WAYS];
    Rng rng = rng_seed(9);
    for (size_t i = 0; i < RUNS * WAYS; i++) {
        size_t run = i / WAYS, way = i % WAYS;
        draw(train + i * PIXELS, 100 + i, &rng);
        draw(test + i * PIXELS, 100 + run * WAYS + (WAYS - 1 - way), &rng);
        answers[i] = (unsigned char)(WAYS - 1 - way);
    }
    answers[0] = (unsigned char)fault->answer;
    return write_images(folder, "runs-train-images-idx3-ubyte", train, RUNS * WAYS, SIDE, 0) &&
           write_images(folder, "runs-test-images-idx3-ubyte", test, fault->run_images, SIDE, 0) &&
           write_labels(folder, "runs-test-labels-idx1-ubyte", answers, fault->run_labels);
}

int main(int argc, char **argv) {
    // clang-format off
    const Fault faults[] = {
        /* folder     side  cut labels label answer  run's    names */
        {"good",      SIDE, 0,  24,    0,    2,      9, 9,    names},
        {"cut",       SIDE, 5,  24,    0,    2,      9, 9,    names},
        {"size",      27,   0,  24,    0,    2,      9, 9,    names},
        {"labels",    SIDE, 0,  20,    0,    2,      9, 9,    names},
        {"label",     SIDE, 0,  24,    6,    2,      9, 9,    names},
        {"many",      SIDE, 0,  24,    1,    2,      9, 9,    names},
        {"uneven",    SIDE, 0,  26,    0,    2,      9, 9,    names},
        {"line",      SIDE, 0,  24,    0,    2,      9, 9,    "One/a\nOne/b\nOne\n"},
        {"empty",     SIDE, 0,  24,    0,    2,      9, 9,    ""},
        {"answer",    SIDE, 0,  24,    0,    3,      9, 9,    names},
        {"queries",   SIDE, 0,  24,    0,    2,      6, 6,    names},
        {"answers",   SIDE, 0,  24,    0,    2,      9, 6,    names},
    };
    // clang-format on
    bool done = argc == 2 && folder_make(argv[1]);
    for (size_t i = 0; done && i < sizeof faults / sizeof *faults; i++) {
        char folder[400];
        snprintf(folder, sizeof folder, "%s/%s", argv[1], faults[i].folder);
        done = folder_make(folder) && write_set(folder, "first", 1, &faults[i]) &&
               write_set(folder, "same", 1, &faults[i]) && write_runs(folder, &faults[i]);
    }
    const Fault other = {
        NULL, SIDE, 0, 24, 0, 2, 9, 9, "Three/a\nThree/b\nThree/c\nTwo/a\nTwo/b\nTwo/c"};
    char good[400];
    snprintf(good, sizeof good, "%s/good", argc == 2 ? argv[1] : "");
    done = done && write_set(good, "second", 20, &other);
    if (!done) fprintf(stderr, "characters: the files could not be written\n");
    return !done;
}
