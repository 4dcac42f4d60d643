/* Tables, for people and for programs. */
#include "report.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "baseline.h"
#include "output.h"
#include "reference.h"

enum { COLUMNS = 5, COLUMN_WIDTH = 16 };

void report_settings(const Options *o) {
    printf(
        "MAML on sine curves: net 1-%zu-%zu-1, K = %zu points, %zu inner step%s of SGD %g%s, %s\n",
        o->hidden, o->hidden, o->shots, o->inner_steps, o->inner_steps == 1 ? "" : "s", o->inner_lr,
        o->learn_lr ? " at first, then learned" : "",
        o->first_order ? "first order" : "exact second order");
    printf("outer Adam %g on the mean of %zu tasks, %zu iterations, seed %" PRIu64 "\n",
           o->outer_lr, o->tasks, o->iterations, o->seed);
    fflush(stdout);
}

void report_training(const Options *o, const Training *t) {
    size_t made = t->iterations - t->resumed;
    printf("\nmeta-training: %zu iterations in %.1f s, %.3f ms each (%zu tasks, %zu thread%s, %s); "
           "smoothed meta-loss %.3f\n",
           made, t->seconds, made ? 1e3 * t->seconds / (double)made : 0.0, o->tasks, o->threads,
           o->threads == 1 ? "" : "s", o->no_replay ? "recorded afresh" : "replayed", t->smooth_loss);
    if (t->resumed) printf("  after %zu of runs before\n", t->resumed);
    if (t->iterations < o->iterations)
        printf("  ended by Ctrl-C after %zu of %zu iterations\n", t->iterations, o->iterations);
    printf(
        "  the library called malloc %zu times up to iteration %zu, %zu times after it; %.0f KiB "
        "at most\n",
        t->mallocs_settled, t->settled, t->mallocs_end - t->mallocs_settled,
        (double)t->peak_bytes / 1024);
    printf("baselines, fine-tuned by the same SGD with step size %g:\n", o->inner_lr);
    printf("  pretrained: %zu steps of Adam on %d points of all tasks, %.1f s\n",
           t->pretraining_steps, PRETRAIN_BATCH, t->pretraining_seconds);
    printf("  random: PyTorch's default initialisation, not trained\n");
}

/* 0, 1, 5, 10 as far as the evaluation went, and its last step. */
static size_t choose_steps(size_t last, size_t columns[COLUMNS]) {
    size_t count = 0;
    for (size_t i = 0; i < 4; i++)
        if (reference_steps[i] <= last) columns[count++] = reference_steps[i];
    if (columns[count - 1] < last) columns[count++] = last;
    return count;
}

static void print_cell(const char *text, size_t columns) {
    int blanks =
        COLUMN_WIDTH - (int)columns; /* printf would count the bytes of a plus-minus sign */
    printf("%*s%s", blanks > 0 ? blanks : 0, "", text);
}

static void print_number(double value) {
    char text[32];
    int length = isfinite(value) ? snprintf(text, sizeof text, "%.3f        ", value)
                                 : snprintf(text, sizeof text, "-        ");
    print_cell(text, (size_t)length);
}

static void print_evaluation(const Evaluation *e, const size_t *columns, size_t count) {
    printf("  %-11s mean  ", e->name);
    for (size_t c = 0; c < count; c++) {
        const StepStats *s = &e->step[columns[c]];
        char text[48];
        if (!isfinite(s->interval)) {
            print_number(s->mean);
            continue;
        }
        int length = snprintf(text, sizeof text, "%.3f ± %.3f", s->mean, s->interval);
        print_cell(text, (size_t)length - (sizeof "±" - 2));
    }
    printf("%10zu\n", e->diverged);

    printf("  %-11s median", "");
    for (size_t c = 0; c < count; c++)
        print_number(e->step[columns[c]].median);
    printf("\n");
    if (e->blocks < 2) return;
    printf("  %-11s blocks", "");
    for (size_t c = 0; c < count; c++)
        print_number(e->step[columns[c]].block_median);
    printf("\n");
}

static void print_range(double low, double high) {
    char text[32];
    int length = snprintf(text, sizeof text, "%.2f to %.2f", low, high);
    print_cell(text, (size_t)length);
}

/* Where the run's own net lies. */
static void print_place(const Reference *r, const Evaluation *own, const size_t *columns,
                        size_t count) {
    printf("  (this run)%*s", 8, "");
    for (size_t c = 0; c < count; c++) {
        bool known = c < 4 && columns[c] == reference_steps[c] && isfinite(r->low[c]);
        double mse = own->step[columns[c]].mean;
        const char *place = !known                ? "-        "
                            : mse < r->low[c]     ? "below    "
                            : !(mse > r->high[c]) ? "inside   "
                                                  : "above    ";
        print_cell(place, strlen(place));
    }
    printf("\n");
}

/* `own` is the meta-trained net's evaluation, or NULL. */
static void print_references(const Options *o, size_t shots, const Evaluation *own,
                             const size_t *columns, size_t count) {
    if (o->learn_lr) return; /* they are about a fixed step size */
    for (const Reference *r = reference_next(NULL, shots, o->first_order); r;
         r = reference_next(r, shots, o->first_order)) {
        printf("  (%s)%*s", r->name, 16 - (int)snprintf(NULL, 0, "%s", r->name), "");
        bool range = false;
        for (size_t c = 0; c < count; c++) {
            bool known = c < 4 && columns[c] == reference_steps[c] && isfinite(r->low[c]);
            if (known && r->low[c] < r->high[c]) {
                print_range(r->low[c], r->high[c]);
                range = true;
            } else {
                print_number(known ? r->low[c] : (double)NAN);
            }
        }
        printf("\n");
        if (range && own) print_place(r, own, columns, count);
    }
}

void report_table(const Options *o, const Evaluation *evaluations, size_t count) {
    size_t columns[COLUMNS];
    size_t width = choose_steps(o->eval_steps, columns);

    printf("\nQuery MSE (%d held-out points) on %zu new tasks after gradient steps on K points:\n"
           "mean ± 95 %% interval and median of the tasks that did not diverge (that is, reach an "
           "MSE\n"
           "above %g or no number at any step).\n",
           EVAL_QUERY, o->eval_tasks, DIVERGED_MSE);
    if (count && evaluations[0].blocks >= 2)
        printf("blocks: median of the means of %zu blocks of %d tasks\n", evaluations[0].blocks,
               EVAL_BLOCK);
    const Evaluation *own = NULL;
    for (size_t i = 0; i < count; i++) {
        size_t shots = evaluations[i].shots;
        if (i == 0 || shots != evaluations[i - 1].shots) {
            char head[32];
            snprintf(head, sizeof head, "K = %zu", shots);
            printf("\n%-20s", head);
            for (size_t c = 0; c < width; c++) {
                int length = snprintf(head, sizeof head, "%zu step%s    ", columns[c],
                                      columns[c] == 1 ? " " : "s");
                print_cell(head, (size_t)length);
            }
            printf("  diverged\n");
        }
        print_evaluation(&evaluations[i], columns, width);
        bool last = i + 1 == count || evaluations[i + 1].shots != shots;
        if (strcmp(evaluations[i].name, "MAML") == 0) own = &evaluations[i];
        if (last) print_references(o, shots, own, columns, width);
        if (last) own = NULL;
    }
    printf(
        "\n(paper): Finn et al. 2017. (quartiles): between which half of 20 seeds end with the "
        "default\n"
        "settings and 70000 iterations, and where this run's mean lies (tests/bench/README.md).\n");
    fflush(stdout);
}

static void csv_number(FILE *file, double value) {
    if (isfinite(value))
        fprintf(file, ",%.6g", value);
    else
        fprintf(file, ","); /* an empty field: not known */
}

bool report_csv(const Options *o, const Training *training, const Evaluation *evaluations,
                size_t count) {
    Output output;
    if (!output_open(&output, o->out, "results.csv")) return false;
    fprintf(output.file, "seed,iterations,net,shots,step,tasks,diverged,mean,interval95,median,"
                         "block_median\n");
    for (size_t i = 0; i < count; i++) {
        const Evaluation *e = &evaluations[i];
        for (size_t k = 0; k <= e->steps; k++) {
            fprintf(output.file, "%" PRIu64 ",%zu,%s,%zu,%zu,%zu,%zu", o->seed,
                    training->iterations, e->name, e->shots, k, e->tasks, e->diverged);
            csv_number(output.file, e->step[k].mean);
            csv_number(output.file, e->step[k].interval);
            csv_number(output.file, e->step[k].median);
            csv_number(output.file, e->step[k].block_median);
            fprintf(output.file, "\n");
        }
    }
    return output_close(&output);
}
