/** @file report.h
 *  What is shown: a table of errors with intervals, and results.csv. */
#ifndef FEW_SHOT_REPORT_H
#define FEW_SHOT_REPORT_H

#include "train.h"

/** A learner after training, on some trials. */
typedef struct Result {
    const Learner *learner;
    const Trials *trials;
    Trained trained;
    unsigned char *taken; /**< as test() left it */
} Result;

/** The part of a trial's queries that were taken for something else. */
double result_error(const Result *result, size_t trial);
/** The mean over the trials, and half the width of its 95 % interval, by Student's t over the trials. */
double result_mean(const Result *result, double *interval);

void report_table(const Result *results, size_t count);
/** FOLDER/results.csv, a row for each trial. False after a line on stderr. */
bool report_csv(const char *folder, const char *train, const Result *results, size_t count);

#endif
