/* Factors and triangular systems at every level present and, where it is installed, in OpenBLAS' LAPACK:
 * alternately, best of rounds, in GFLOP/s, with the ratio of the best level to OpenBLAS. There a set of small
 * matrices is a loop of calls.
 *
 *     bench_linalg [--f32] [--rounds R] [--only TEXT]
 *
 * Start it with OPENBLAS_NUM_THREADS=1 and without OPENBLAS_CORETYPE, or the peer is another one. Copying the
 * matrices to where they are factored is measured on both sides. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernels/kernels.h"

#ifdef HAVE_OPENBLAS
void spotrf_(const char *uplo, const int *n, float *a, const int *lda, int *info);
void dpotrf_(const char *uplo, const int *n, double *a, const int *lda, int *info);
void sgetrf_(const int *m, const int *n, float *a, const int *lda, int *pivot, int *info);
void dgetrf_(const int *m, const int *n, double *a, const int *lda, int *pivot, int *info);
void strtrs_(const char *uplo, const char *trans, const char *diag, const int *n, const int *nrhs,
             const float *a, const int *lda, float *b, const int *ldb, int *info);
void dtrtrs_(const char *uplo, const char *trans, const char *diag, const int *n, const int *nrhs,
             const double *a, const int *lda, double *b, const int *ldb, int *info);
#endif

typedef enum What { CHOLESKY, LU, SOLVE } What;

static const char *const names[] = {"cholesky", "lu", "solve"};

typedef struct Case {
    What what;
    size_t count, n, width; /* so many matrices; width: of the right-hand sides */
} Case;

static const Case cases[] = {
    {CHOLESKY, 32, 5, 0},   {CHOLESKY, 32, 20, 0}, {CHOLESKY, 1, 64, 0},   {CHOLESKY, 1, 128, 0},
    {CHOLESKY, 1, 256, 0},  {CHOLESKY, 1, 512, 0}, {CHOLESKY, 1, 1024, 0}, {LU, 32, 5, 0},
    {LU, 32, 20, 0},        {LU, 1, 64, 0},        {LU, 1, 128, 0},        {LU, 1, 256, 0},
    {LU, 1, 512, 0},        {LU, 1, 1024, 0},      {SOLVE, 32, 20, 1},     {SOLVE, 32, 20, 20},
    {SOLVE, 1, 64, 64},     {SOLVE, 1, 256, 1},    {SOLVE, 1, 256, 16},    {SOLVE, 1, 256, 256},
    {SOLVE, 1, 1024, 1024},
};

typedef struct Data {
    int dtype;
    size_t item;
    char *from, *a, *b,
        *workspace; /* matrices to be factored, or to solve with; where they are; the other side */
    int *pivot;
} Data;

/* Processor time: what others take from this thread on a shared machine does not count. */
static double now(void) {
    return (double)clock() / CLOCKS_PER_SEC;
}

static double flops_of(const Case *c) {
    const double n = (double)c->n, each = c->what == CHOLESKY ? n * n * n / 3
                                          : c->what == LU     ? 2 * n * n * n / 3
                                                              : n * n * (double)c->width;
    return (double)c->count * each;
}

static void ours(const HcKernels *k, const Case *c, const Data *d) {
    size_t n = c->n, bad, stride = (n * n + (c->what == LU ? n : 0)) * d->item;
    for (size_t i = 0, count; c->what == CHOLESKY && i < c->count; i += count) {
        count = c->count - i < HC_TOGETHER ? c->count - i : HC_TOGETHER;
        memcpy(d->a + i * stride, d->from + i * stride, count * stride);
        hc_factor_kernels(k)->cholesky(d->a + i * stride, count, n, d->workspace, &bad);
    }
    for (size_t i = 0; c->what != CHOLESKY && i < c->count; i++) {
        char *a = d->a + i * stride, *b = d->b + i * n * c->width * d->item;
        if (c->what != SOLVE) memcpy(a, d->from + i * n * n * d->item, n * n * d->item);
        if (c->what == LU) hc_factor_kernels(k)->lu(a, n, d->workspace);
        if (c->what != SOLVE) continue;
        memcpy(b, d->from, n * c->width * d->item);
        hc_factor_kernels(k)->solve_triangular(&(HcTriangle){n,
                                               c->width,
                                               {d->from + i * n * n * d->item, n, 1},
                                               false,
                                               false,
                                               b,
                                               c->width,
                                               d->workspace},
                                               &bad);
    }
}

#ifdef HAVE_OPENBLAS
static void peer(const Case *c, const Data *d) {
    int n = (int)c->n, width = (int)c->width, info;
    for (size_t i = 0; i < c->count; i++) {
        char *a = d->a + i * c->n * c->n * d->item, *b = d->b + i * c->n * c->width * d->item;
        const void *from = d->from + i * c->n * c->n * d->item;
        if (c->what != SOLVE) memcpy(a, from, c->n * c->n * d->item);
        if (c->what == SOLVE) memcpy(b, d->from, c->n * c->width * d->item);
        if (d->dtype == 0) {
            if (c->what == CHOLESKY) spotrf_("L", &n, (float *)(void *)a, &n, &info);
            if (c->what == LU) sgetrf_(&n, &n, (float *)(void *)a, &n, d->pivot, &info);
            if (c->what == SOLVE)
                strtrs_("L", "N", "N", &n, &width, from, &n, (float *)(void *)b, &n, &info);
        } else {
            if (c->what == CHOLESKY) dpotrf_("L", &n, (double *)(void *)a, &n, &info);
            if (c->what == LU) dgetrf_(&n, &n, (double *)(void *)a, &n, d->pivot, &info);
            if (c->what == SOLVE)
                dtrtrs_("L", "N", "N", &n, &width, from, &n, (double *)(void *)b, &n, &info);
        }
    }
}
#endif

static void *room(size_t bytes) {
    void *memory = aligned_alloc(64, (bytes + 127) / 64 * 64);
    if (!memory) exit(1);
    return memory;
}

/* Symmetric and positive definite, but for LU only well posed. */
static void fill(const Case *c, const Data *d) {
    for (size_t m = 0; m < c->count; m++)
        for (size_t i = 0; i < c->n; i++)
            for (size_t j = 0; j < c->n; j++) {
                const size_t low = c->what == LU || i < j ? i : j,
                             high = c->what == LU || i < j ? j : i;
                const double noise =
                    (double)((low * 7919 + high * 104729 + m * 31) % 1009) / 1009 - 0.5;
                const double x =
                    (c->what == LU ? noise : noise / (double)c->n) + (c->what != LU && i == j);
                const size_t at = (m * c->n + i) * c->n + j;
                if (d->dtype == 0)
                    ((float *)(void *)d->from)[at] = (float)x;
                else
                    ((double *)(void *)d->from)[at] = x;
            }
}

/* Level `levels` is the peer. Seconds of one call, over enough calls for the clock. */
static double measure(size_t level, size_t levels, const Case *c, const Data *d) {
    const size_t calls = (size_t)(2e7 / (flops_of(c) + 1e3)) + 1;
    const double begun = now();
    for (size_t i = 0; i < calls; i++) {
        if (level < levels) ours(hc_kernels_at(level, d->dtype), c, d);
#ifdef HAVE_OPENBLAS
        else
            peer(c, d);
#endif
    }
    return (now() - begun) / (double)calls;
}

static size_t workspace_of(const HcKernels *k, const Case *c) {
    return c->what == CHOLESKY ? hc_factor_kernels(k)->cholesky_workspace(c->n)
           : c->what == LU
               ? hc_factor_kernels(k)->lu_workspace(c->n)
               : hc_factor_kernels(k)->solve_triangular_workspace(&(HcTriangle){.n = c->n, .width = c->width});
}

static void run(const Case *c, int rounds, int dtype) {
    enum { MOST = 8 };
    const size_t levels = hc_kernel_levels(), item = dtype == 0 ? 4 : 8;
    size_t runs = levels, bytes = 0, numbers = c->count * c->n * (c->n + 1),
           sides = c->count * c->n * c->width;
#ifdef HAVE_OPENBLAS
    runs++;
#endif
    for (size_t level = 0; level < levels; level++) {
        size_t wanted = workspace_of(hc_kernels_at(level, dtype), c);
        bytes = wanted > bytes ? wanted : bytes;
    }
    Data d = {dtype,
              item,
              room(numbers * item),
              room(numbers * item),
              room(sides * item),
              room(bytes),
              room(c->n * sizeof(int))};
    fill(c, &d);
    double best[MOST];
    for (size_t i = 0; i < runs && i < MOST; i++)
        best[i] = 1e30;
    for (int round = 0; round < rounds; round++)
        for (size_t i = 0; i < runs && i < MOST; i++) {
            double seconds = measure(i, levels, c, &d);
            best[i] = seconds < best[i] ? seconds : best[i];
        }
    printf("%-9s %3zu x %4zu %5zu", names[c->what], c->count, c->n, c->width);
    for (size_t i = 0; i < runs; i++)
        printf(" %9.2f", flops_of(c) * 1e-9 / best[i]);
    if (runs > levels) printf("   %6.2f", best[levels] / best[levels - 1]);
    printf("   %.2f us\n", best[levels - 1] * 1e6);
    fflush(stdout);
    free(d.from);
    free(d.a);
    free(d.b);
    free(d.workspace);
    free(d.pivot);
}

int main(int argc, char **argv) {
    int dtype = 1, rounds = 9;
    const char *only = "";
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--f32") == 0)
            dtype = 0;
        else if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc)
            rounds = (int)strtol(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc)
            only = argv[++i];
        else
            return fprintf(stderr, "usage: bench_linalg [--f32] [--rounds R] [--only TEXT]\n"), 2;
    }
    printf("          count x n  width");
    for (size_t i = 0; i < hc_kernel_levels(); i++)
        printf(" %9s", hc_kernel_level_name(i));
#ifdef HAVE_OPENBLAS
    printf("  openblas    ratio");
#endif
    printf("   GFLOP/s, %s; one call of the best level\n", dtype == 0 ? "f32" : "f64");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (strstr(names[cases[i].what], only)) run(&cases[i], rounds, dtype);
    return 0;
}
