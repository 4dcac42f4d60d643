/** @file progress.h
 *  How far it is: a bar on a terminal, an occasional line elsewhere, on stderr. */
#ifndef EXAMPLES_SHARED_PROGRESS_H
#define EXAMPLES_SHARED_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct Progress {
    const char *label;
    size_t total;
    bool quiet, terminal;
    double start;       /* seconds, as all times here */
    double shown;       /* when something was shown last */
    size_t first;       /* how many were through when it began */
    size_t tenth;       /* the next tenth of the way that is worth a line */
    double sum, weight; /* of the smoothed loss */
} Progress;

/** Seconds since some moment in the past. */
double clock_seconds(void);

Progress progress_begin(const char *label, size_t total, bool quiet);
/** So many were through before. */
void progress_go_on(Progress *progress, size_t done);
/** `done` of the total are through; the loss of the last one, or NaN where there is none. */
void progress_update(Progress *progress, size_t done, double loss);
/** A last line with the total time, in the place of the bar. */
void progress_end(Progress *progress, size_t done);
/** Exponential average over about 100 iterations; NaN before the first. */
double progress_smooth_loss(const Progress *progress);

#endif
