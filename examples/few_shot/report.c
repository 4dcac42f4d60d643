/* Errors, their means and intervals. */
#include "report.h"

#include <math.h>
#include <stdio.h>

#include "output.h"

double result_error(const Result *result, size_t trial) {
    size_t queries = trials_queries(result->trials), wrong = 0;
    const unsigned char *answers = trials_answers(result->trials, trial);
    for (size_t i = 0; i < queries; i++)
        wrong += result->taken[trial * queries + i] != answers[i];
    return (double)wrong / (double)queries;
}

/* Student's t at 97.5 %: beyond three degrees of freedom the first terms of its expansion around the normal's (Fisher
 * and Cornish 1960), which are off by 0.3 % at most. */
static double student(double freedom) {
    static const double small[] = {12.706, 4.303, 3.182};
    if (freedom < 4) return small[(int)freedom - 1];
    double z = 1.959964, z3 = z * z * z, z5 = z3 * z * z, z7 = z5 * z * z;
    return z + (z3 + z) / (4 * freedom) + (5 * z5 + 16 * z3 + 3 * z) / (96 * freedom * freedom) +
           (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * freedom * freedom * freedom);
}

double result_mean(const Result *result, double *interval) {
    size_t n = result->trials->count;
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++)
        sum += result_error(result, i);
    double mean = sum / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += pow(result_error(result, i) - mean, 2);
    double freedom = (double)(n - 1);
    *interval = n > 1 ? student(freedom) * sqrt(squares / freedom / (double)n) : (double)NAN;
    return mean;
}

void report_table(const Result *results, size_t count) {
    printf("\n%-8s %-16s %20s   %10s %8s\n", "learner", "tested on", "error", "iterations",
           "seconds");
    for (size_t i = 0; i < count; i++) {
        const Result *r = &results[i];
        double interval, mean = result_mean(r, &interval);
        printf("%-8s %4zu of %-8s %8.2f %% +- %5.2f   %10zu %8.0f\n", r->learner->name,
               r->trials->count, r->trials->name, 100 * mean, 100 * interval, r->trained.iterations,
               r->trained.seconds);
    }
}

bool report_csv(const char *folder, const char *train, const Result *results, size_t count) {
    Output out;
    if (!output_open(&out, folder, "results.csv")) return false;
    fprintf(out.file, "learner,train,test,trial,queries,wrong\n");
    for (size_t i = 0; i < count; i++)
        for (size_t t = 0; t < results[i].trials->count; t++) {
            size_t queries = trials_queries(results[i].trials);
            fprintf(out.file, "%s,%s,%s,%zu,%zu,%.0f\n", results[i].learner->name, train,
                    results[i].trials->name, t + 1, queries,
                    result_error(&results[i], t) * (double)queries);
        }
    return output_close(&out);
}
