/** @file report.h
 *  What the program says: the settings, the table of results, results.csv. */
#ifndef MAML_SINE_REPORT_H
#define MAML_SINE_REPORT_H

#include "evaluate.h"
#include "options.h"

/** How training went. */
typedef struct Training {
    size_t iterations; /**< made; fewer than asked for after Ctrl-C */
    size_t resumed;    /**< those of them that earlier runs made */
    double seconds;
    double smooth_loss;
    size_t settled;           /**< the iteration after which allocations were counted first: the 10th here */
    size_t mallocs_settled;   /**< the library's calls of malloc up to then ... */
    size_t mallocs_end;       /**< ... and up to the end */
    size_t peak_bytes;        /**< the most it held */
    size_t pretraining_steps; /**< of the baseline */
    double pretraining_seconds;
} Training;

void report_settings(const Options *options);
void report_training(const Options *options, const Training *training);
/** The table on stdout; `evaluations` are grouped by shots. */
void report_table(const Options *options, const Evaluation *evaluations, size_t count);
/** results.csv, a row for each learner, K and step. */
bool report_csv(const Options *options, const Training *training, const Evaluation *evaluations,
                size_t count);

#endif
