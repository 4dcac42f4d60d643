/* Adapting at test time, in HC_EVAL: no history is kept. */
#include "evaluate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "task.h"

/* Query MSE before the first and after each step, in mse[0] to mse[steps]. */
static void adapt(const Learner *learner, Tape *tape, TaskTensors t, size_t steps, Tensor **mse) {
    FModuleOptions options = fmodule_options(true);
    options.mode = HC_EVAL;
    FModule *fnet = fmodule_create_with(tape, learner->net, options);
    DiffOpt *opt = learner_optimizer(learner, fnet);
    for (size_t k = 0; k <= steps; k++) {
        if (k > 0) diffopt_step(opt, tensor_mse_loss(fmodule_forward(fnet, t.x), t.y));
        mse[k] = tensor_mse_loss(fmodule_forward(fnet, t.xq), t.yq);
    }
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t count) {
    if (count == 0) return (double)NAN;
    qsort(values, count, sizeof *values, compare);
    return count % 2 ? values[count / 2] : 0.5 * (values[count / 2 - 1] + values[count / 2]);
}

static double mean_of_present(const double *values, const bool *diverged, size_t count) {
    double sum = 0;
    size_t present = 0;
    for (size_t i = 0; i < count; i++) {
        if (diverged[i]) continue;
        sum += values[i];
        present++;
    }
    return present ? sum / (double)present : (double)NAN;
}

/* `scratch` has room for `count` numbers. */
static StepStats summarize(const double *values, const bool *diverged, size_t count,
                           double *scratch) {
    StepStats stats = {(double)NAN, (double)NAN, (double)NAN, (double)NAN};
    size_t blocks = 0;
    for (size_t first = 0; first + EVAL_BLOCK <= count; first += EVAL_BLOCK) {
        double mean = mean_of_present(values + first, diverged + first, EVAL_BLOCK);
        if (isfinite(mean)) scratch[blocks++] = mean;
    }
    stats.block_median = median(scratch, blocks);

    size_t present = 0;
    double squares = 0;
    stats.mean = mean_of_present(values, diverged, count);
    for (size_t i = 0; i < count; i++) {
        if (diverged[i]) continue;
        squares += (values[i] - stats.mean) * (values[i] - stats.mean);
        scratch[present++] = values[i];
    }
    if (present > 1)
        stats.interval = 1.96 * sqrt(squares / (double)(present - 1) / (double)present);
    stats.median = median(scratch, present);
    return stats;
}

/* Draws tasks, and writes their query MSE after step k to mse[k * tasks + task]. */
static void adapt_to_all(const Learner *learner, size_t shots, EvaluateOptions options, Tape *tape,
                         Rng rng, Tensor **recorded, double *mse, Progress *progress,
                         size_t *done) {
    TaskPoints points = {.shots = shots, .queries = EVAL_QUERY};
    Program *program = NULL;
    for (size_t t = 0; t < options.tasks && !higherc_error(); t++) {
        SineTask task = task_draw(&rng);
        task_sample(&task, &points.query, EVAL_QUERY, &rng);
        task_sample(&task, &points.support, options.max_shots, &rng);
        if (!program) {
            tape_reset(tape);
            TaskTensors tensors = task_tensors(tape, &points);
            adapt(learner, tape, tensors, options.steps, recorded);
            if (!options.no_replay)
                program = task_capture(tape, tensors, recorded, options.steps + 1, NULL);
        } else if (task_set(program, &points)) {
            program_run(program);
        }
        for (size_t k = 0; k <= options.steps; k++)
            mse[k * options.tasks + t] =
                program ? program_item(program, k) : tensor_item(recorded[k]);
        progress_update(progress, ++*done, (double)NAN);
    }
    program_destroy(program);
}

bool evaluate(Evaluation *result, const Learner *learner, const char *name, size_t shots,
              EvaluateOptions options, Tape *tape, Rng rng, Progress *progress, size_t *done) {
    size_t tasks = options.tasks, rows = options.steps + 1;
    *result = (Evaluation){.name = name, .shots = shots, .tasks = tasks, .steps = options.steps};
    result->blocks = tasks / EVAL_BLOCK;
    result->step = calloc(rows, sizeof *result->step);
    Tensor **recorded = calloc(rows, sizeof *recorded);
    double *mse = calloc(rows * tasks, sizeof *mse);
    double *scratch = calloc(tasks, sizeof *scratch);
    bool *diverged = calloc(tasks, sizeof *diverged);
    bool ok = result->step && recorded && mse && scratch && diverged;
    if (ok)
        adapt_to_all(learner, shots, options, tape, rng, recorded, mse, progress, done);
    else
        fprintf(stderr, "maml_sine: out of memory for the results of %zu tasks\n", tasks);

    for (size_t t = 0; ok && t < tasks; t++) {
        for (size_t k = 0; k < rows; k++)
            if (!(mse[k * tasks + t] <= DIVERGED_MSE)) diverged[t] = true; /* NaN too */
        result->diverged += diverged[t];
    }
    for (size_t k = 0; ok && k < rows; k++)
        result->step[k] = summarize(mse + k * tasks, diverged, tasks, scratch);

    free(recorded);
    free(mse);
    free(scratch);
    free(diverged);
    return ok;
}

void evaluation_free(Evaluation *evaluation) {
    free(evaluation->step);
    evaluation->step = NULL;
}
