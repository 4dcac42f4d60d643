/* maml_reference SEED [ITERATIONS]: the protocol of examples/maml_sine (Finn, Abbeel, Levine 2017, section
 * 5.1), trained and tested by maml_fused.c alone. One seed says little: with the paper's small initial
 * weights the figures differ from seed to seed by more than anything an implementation does, so the
 * example is to be held against what several seeds give here. Prints, for K = 5, 10, 20, the query MSE after
 * 0, 1, 5 and 10 steps: the median of the means of 20 blocks of 600 tasks, diverged ones left out. */
#include <higherc/higherc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "maml_fused.h"

enum { TASKS = 25, SHOTS = 10, QUERY = 100, MOST = 20, BLOCKS = 20, BLOCK = 600, STEPS = 10 };

typedef struct Points {
    float x[FUSED_MAX_ROWS], y[FUSED_MAX_ROWS];
} Points;

static float weights[FUSED_PARAMS], turned[FUSED_HIDDEN * FUSED_HIDDEN];

static FusedBatch sample(Points *points, size_t rows, double amplitude, double phase, Rng *rng) {
    for (size_t i = 0; i < rows; i++) {
        double x = -5 + 10 * rng_uniform(rng);
        points->x[i] = (float)x;
        points->y[i] = (float)(amplitude * sin(x - phase));
    }
    return (FusedBatch){rows, points->x, points->y};
}

static void draw_task(double *amplitude, double *phase, Rng *rng) {
    *amplitude = 0.1 + 4.9 * rng_uniform(rng);
    *phase = 3.14159265358979 * rng_uniform(rng);
}

static void init(Rng *rng) {
    const size_t h = FUSED_HIDDEN;
    for (size_t i = 0; i < FUSED_PARAMS; i++) {
        bool bias = (i >= h && i < 2 * h) || (i >= 2 * h + h * h && i < 3 * h + h * h) ||
                    i == FUSED_PARAMS - 1;
        weights[i] = bias ? 0 : 0.01f * (float)rng_truncated_normal(rng, 2);
    }
}

static void train(size_t iterations, Rng *rng, FusedWork *work) {
    static float first[FUSED_PARAMS], second[FUSED_PARAMS];
    for (size_t it = 1; it <= iterations; it++) {
        float total[FUSED_PARAMS] = {0};
        fused_transpose(weights, turned);
        for (size_t task = 0; task < TASKS; task++) {
            double amplitude, phase;
            Points support, query;
            draw_task(&amplitude, &phase, rng);
            FusedBatch s = sample(&support, SHOTS, amplitude, phase, rng);
            FusedBatch q = sample(&query, SHOTS, amplitude, phase, rng);
            fused_meta_gradient(weights, turned, s, q, 1, 0.01f, total, work);
        }
        for (size_t i = 0; i < FUSED_PARAMS; i++)
            total[i] /= TASKS;
        fused_adam(weights, total, first, second, it, 0.001);
    }
    fused_transpose(weights, turned);
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void test(size_t shots, Rng rng, FusedWork *work) {
    double mean[STEPS + 1][BLOCKS] = {{0}};
    size_t diverged = 0;
    for (size_t b = 0; b < BLOCKS; b++) {
        size_t present = 0;
        for (size_t task = 0; task < BLOCK; task++) {
            double amplitude, phase;
            Points support, query;
            float mse[STEPS + 1];
            bool good = true;
            draw_task(&amplitude, &phase, &rng);
            FusedBatch q = sample(&query, QUERY, amplitude, phase, &rng);
            FusedBatch s = sample(&support, MOST, amplitude, phase, &rng);
            s.rows = shots;
            fused_adapt(weights, turned, s, q, STEPS, 0.01f, mse, work);
            for (size_t k = 0; k <= STEPS; k++)
                good = good && mse[k] <= 100;
            for (size_t k = 0; good && k <= STEPS; k++)
                mean[k][b] += (double)mse[k];
            present += good;
        }
        diverged += BLOCK - present;
        for (size_t k = 0; k <= STEPS; k++)
            mean[k][b] /= (double)present;
    }
    printf("  K = %zu:", shots);
    for (size_t k = 0; k <= STEPS; k++) {
        qsort(mean[k], BLOCKS, sizeof mean[k][0], compare);
        if (k == 0 || k == 1 || k == 5 || k == 10)
            printf(" %.3f", 0.5 * (mean[k][BLOCKS / 2 - 1] + mean[k][BLOCKS / 2]));
    }
    printf(" (%zu diverged)", diverged);
}

int main(int argc, char **argv) {
    FusedWork *work = aligned_alloc(64, (fused_work_bytes() + 63) / 64 * 64);
    if (argc < 2 || !work) {
        fprintf(stderr, "usage: maml_reference SEED [ITERATIONS]\n");
        return 2;
    }
    Rng rng = rng_seed(strtoull(argv[1], NULL, 10)), of_test = rng_split(&rng);
    init(&rng);
    train(argc > 2 ? strtoul(argv[2], NULL, 10) : 70000, &rng, work);
    printf("seed %s:", argv[1]);
    test(5, of_test, work);
    test(10, of_test, work);
    test(20, of_test, work);
    printf("\n");
    free(work);
    return EXIT_SUCCESS;
}
