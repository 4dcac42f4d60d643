/** @file evaluate.h
 *  How well a learner does on new tasks, after each step of fine-tuning. */
#ifndef MAML_SINE_EVALUATE_H
#define MAML_SINE_EVALUATE_H

#include "learner.h"
#include "progress.h"

/** Held-out points of each task, drawn as the support points are. Many, because judging by a few
 *  would add their luck to the task's. */
enum { EVAL_QUERY = 100 };
/** Tasks of one block; medians of block means can be compared with runs on this many tasks. */
enum { EVAL_BLOCK = 600 };
enum { EVAL_MAX_STEPS = 1000 };
/** A task diverged if its query MSE is, at any step, no number or above this. A prediction of 0 is
 *  never worse than 25. */
#define DIVERGED_MSE 100.0

/** Over the tasks that did not diverge; NaN where there are too few to tell. */
typedef struct StepStats {
    double mean;
    double interval; /**< 95 %: mean +- interval */
    double median;
    double block_median; /**< of the means of blocks of EVAL_BLOCK tasks */
} StepStats;

typedef struct Evaluation {
    const char *name; /**< of the learner */
    size_t shots;
    size_t tasks, diverged, blocks;
    size_t steps;
    StepStats *step; /**< steps + 1 of them: before the first step, after it, ... */
} Evaluation;

typedef struct EvaluateOptions {
    size_t tasks;
    size_t steps;
    size_t max_shots; /**< points drawn per task, of which an evaluation uses its first K */
    bool no_replay;   /**< record every task afresh */
} EvaluateOptions;

/** Adapts the learner to each task with `shots` points. `rng` is a copy: evaluations that start
 * from the same one meet the same tasks and points. False, after a line on stderr, when out of
 * memory; higherc_error() tells of other failures. */
bool evaluate(Evaluation *result, const Learner *learner, const char *name, size_t shots,
              EvaluateOptions options, Tape *tape, Rng rng, Progress *progress, size_t *done);
void evaluation_free(Evaluation *evaluation);

#endif
