/** @file output.h
 *  The files the program leaves behind. Everything that can go wrong with them is told in one line
 * on stderr, and a file that could not be written in full is removed. */
#ifndef EXAMPLES_SHARED_OUTPUT_H
#define EXAMPLES_SHARED_OUTPUT_H

#include <stdbool.h>
#include <stdio.h>

enum { OUTPUT_PATH = 4096 };

typedef struct Output {
    FILE *file;
    char path[OUTPUT_PATH];
} Output;

/** Makes the folder, with those above it, and checks that each of the files can be written there:
 *  better now than after an hour of training. */
bool output_prepare(const char *folder, const char *const *names, size_t count);

/** Opens one of them for writing, over what was there. */
bool output_open(Output *output, const char *folder, const char *name);
/** Whether every byte since output_open has been written. */
bool output_close(Output *output);

#endif
