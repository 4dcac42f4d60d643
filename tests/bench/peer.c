/* Reading the record, and holding a gradient against it. */
#include "peer.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool peer_arguments(PeerArguments *args, int argc, char **argv) {
    *args = (PeerArguments){.repeat = 9};
    bool right = argc == 3 || (argc == 5 && strcmp(argv[3], "--repeat") == 0);
    if (right && argc == 5) args->repeat = strtoul(argv[4], NULL, 10);
    if (!right || args->repeat < 1) {
        fprintf(stderr, "usage: %s NAME FOLDER [--repeat R]\n", argv[0]);
        return false;
    }
    args->name = argv[1];
    args->folder = argv[2];
    const char *digits = args->name + strlen(args->name);
    while (digits > args->name && isdigit((unsigned char)digits[-1]))
        digits--;
    args->number = strtoul(digits, NULL, 10);
    return true;
}

bool peer_is(const PeerArguments *args, const char *stem) {
    return strncmp(args->name, stem, strlen(stem)) == 0;
}

static void *must(void *memory) {
    if (memory) return memory;
    fprintf(stderr, "out of memory\n");
    exit(EXIT_FAILURE);
}

float *peer_read(const PeerArguments *args, const char *name, size_t count) {
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", args->folder, name);
    float *values = peer_zeros(count + 1);
    FILE *file = fopen(path, "rb");
    size_t found = file ? fread(values, sizeof *values, count + 1, file) : 0;
    if (file) fclose(file);
    if (found == count) return values;
    fprintf(stderr, "%s: %zu floats expected, %zu found\n", path, count, found);
    exit(EXIT_FAILURE);
}

float *peer_zeros(size_t count) {
    return must(calloc(count ? count : 1, sizeof(float)));
}

bool peer_agrees(const PeerArguments *args, const char *name, const float *values, size_t count) {
    float *truth = peer_read(args, name, count);
    double error = 0, largest = 0;
    for (size_t i = 0; i < count; i++) {
        double difference = fabs((double)values[i] - (double)truth[i]);
        if (!(difference <= error)) error = difference; /* NaN too */
        largest = fmax(largest, fabs((double)truth[i]));
    }
    free(truth);
    if (error <= (peer_is(args, "omniglot-") ? 1e-2 : 1e-4) * largest) return true;
    fprintf(stderr, "%s: %s differs by %.3g where the largest is %.3g\n", args->name, name, error,
            largest);
    return false;
}
