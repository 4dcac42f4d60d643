/* The product at every level present and, where it is installed, in OpenBLAS: alternately, best of
 * rounds, in GFLOP/s, with the ratio to OpenBLAS of the best level, or of that which HIGHERC_ISA names.
 *
 *     bench_gemm [--f64] [--rounds R] [--only TEXT]
 *
 * Start it with OPENBLAS_NUM_THREADS=1, and without OPENBLAS_CORETYPE, or the peer is another one: with
 * HIGHERC_ISA=avx2 OPENBLAS_CORETYPE=Zen both use AVX2. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernels/kernels.h"

#ifdef HAVE_OPENBLAS
#include <cblas.h>
#endif

typedef struct Case {
    size_t m, n, k;
    bool ta, tb;
    const char *what;
} Case;

static const Case cases[] = {
    {10, 40, 40, false, false, "sine g W"},
    {10, 40, 40, false, true, "sine x W^T"},
    {40, 40, 10, true, false, "sine g^T x"},
    {5, 40, 40, false, false, "sine, 5 rows"},
    {5, 40, 40, false, true, "sine, 5 rows"},
    {40, 40, 5, true, false, "sine, 5 rows"},
    {20, 40, 40, false, false, "sine, 20 rows"},
    {20, 40, 40, false, true, "sine, 20 rows"},
    {40, 40, 20, true, false, "sine, 20 rows"},
    {10, 40, 1, false, false, "outer"},
    {10, 40, 1, false, true, "outer"},
    {10, 1, 40, false, false, "column"},
    {10, 1, 40, false, true, "column"},
    {1, 40, 10, true, false, "row"},
    {40, 1, 10, true, false, "column"},
    {16, 16, 16, false, false, "square"},
    {16, 16, 16, false, true, "square"},
    {40, 40, 40, false, false, "square"},
    {40, 40, 40, false, true, "square"},
    {40, 40, 40, true, false, "square"},
    {64, 64, 64, false, false, "square"},
    {64, 64, 64, false, true, "square"},
    {64, 64, 64, true, false, "square"},
    {64, 64, 64, true, true, "square"},
    {256, 256, 256, false, false, "square"},
    {256, 256, 256, false, true, "square"},
    {256, 256, 256, true, false, "square"},
    {256, 256, 256, true, true, "square"},
    {1024, 1024, 1024, false, false, "square"},
    {1024, 1024, 1024, false, true, "square"},
    {1024, 1024, 1024, true, false, "square"},
    {1024, 1024, 1024, true, true, "square"},
    {2048, 2048, 2048, false, false, "square"},
    {2048, 2048, 2048, false, true, "square"},
    {64, 256, 64, false, true, "mlp x W^T"},
    {64, 256, 256, false, true, "mlp x W^T"},
    {64, 256, 256, false, false, "mlp g W"},
    {256, 256, 64, true, false, "mlp g^T x"},
    {64, 10, 256, false, true, "mlp head"},
    {64, 256, 10, false, false, "mlp head"},
    {10, 256, 64, true, false, "mlp head"},
    {128, 512, 784, false, true, "step x W^T"},
    {128, 512, 512, false, true, "step x W^T"},
    {128, 512, 512, false, false, "step g W"},
    {512, 784, 128, true, false, "step g^T x"},
    {512, 512, 128, true, false, "step g^T x"},
    {128, 10, 512, false, true, "step head"},
    {4096, 32, 64, false, false, "tall"},
    {4096, 64, 1024, false, false, "tall"},
    {32, 4096, 64, false, false, "wide"},
    {64, 4096, 1024, false, true, "wide"},
    {64, 64, 4096, true, false, "deep"},
    {64, 64, 4096, false, true, "deep"},
    {2048, 16, 2048, false, false, "tall"},
    {784, 64, 576, false, false, "conv 3x3, 64"},
    {64, 784, 64, false, false, "conv 1x1, 64"},
    {37, 53, 61, false, false, "primes"},
    {37, 53, 61, false, true, "primes"},
    {1, 1024, 1024, false, false, "row"},
    {1, 1024, 1024, false, true, "row"},
    {1024, 1, 1024, false, false, "column"},
    {1024, 1, 1024, true, false, "column"},
};

/* Processor time: what others take from this thread on a shared machine does not count. */
static double now(void) {
    return (double)clock() / CLOCKS_PER_SEC;
}

typedef struct Data {
    void *a, *b, *c, *workspace;
    int dtype;
} Data;

static HcGemm product(const Case *p, const Data *d) {
    return (HcGemm){.m = p->m,
                    .n = p->n,
                    .k = p->k,
                    .a = {d->a, p->ta ? 1 : p->k, p->ta ? p->m : 1},
                    .b = {d->b, p->tb ? 1 : p->n, p->tb ? p->k : 1},
                    .c = d->c,
                    .ldc = p->n,
                    .workspace = d->workspace};
}

#ifdef HAVE_OPENBLAS
static void peer(const Case *p, const Data *d) {
    const CBLAS_TRANSPOSE ta = p->ta ? CblasTrans : CblasNoTrans,
                          tb = p->tb ? CblasTrans : CblasNoTrans;
    const blasint m = (blasint)p->m, n = (blasint)p->n, k = (blasint)p->k;
    const blasint lda = p->ta ? m : k, ldb = p->tb ? k : n;
    if (d->dtype == 0)
        cblas_sgemm(CblasRowMajor, ta, tb, m, n, k, 1, d->a, lda, d->b, ldb, 0, d->c, n);
    else
        cblas_dgemm(CblasRowMajor, ta, tb, m, n, k, 1, d->a, lda, d->b, ldb, 0, d->c, n);
}
#endif

static void *room(size_t bytes) {
    void *memory = aligned_alloc(64, (bytes + 127) / 64 * 64);
    if (!memory) exit(1);
    return memory;
}

static void fill(void *to, size_t n, int dtype) {
    for (size_t i = 0; i < n; i++) {
        const double x = (double)((i * 7919) % 1009) / 1009 - 0.5;
        if (dtype == 0)
            ((float *)to)[i] = (float)x;
        else
            ((double *)to)[i] = x;
    }
}

/* Level `levels` is the peer. Seconds of one call, over enough calls for the clock. */
static double measure(size_t level, size_t levels, const Case *p, const Data *d) {
    const double flops = 2.0 * (double)p->m * (double)p->n * (double)p->k;
    size_t calls = (size_t)(4e7 / (flops + 1e3)) + 1;
    const HcKernels *kernels = level < levels ? hc_kernels_at(level, d->dtype) : NULL;
    const HcGemm g = product(p, d);
    double begun = now();
    for (size_t i = 0; i < calls; i++) {
        if (kernels) kernels->gemm(&g);
#ifdef HAVE_OPENBLAS
        else
            peer(p, d);
#endif
    }
    return (now() - begun) / (double)calls;
}

static void run(const Case *p, int rounds, int dtype) {
    enum { MOST = 8 };
    const size_t levels = hc_kernel_levels(), item = dtype == 0 ? 4 : 8;
    size_t runs = levels;
#ifdef HAVE_OPENBLAS
    runs++;
#endif
    Data d = {room(p->m * p->k * item), room(p->k * p->n * item), room(p->m * p->n * item), NULL,
              dtype};
    size_t bytes = 0;
    const HcGemm g = product(p, &d);
    for (size_t level = 0; level < levels; level++) {
        size_t wanted = hc_kernels_at(level, dtype)->gemm_workspace(&g);
        bytes = wanted > bytes ? wanted : bytes;
    }
    d.workspace = room(bytes);
    fill(d.a, p->m * p->k, dtype);
    fill(d.b, p->k * p->n, dtype);
    double best[MOST];
    for (size_t i = 0; i < runs && i < MOST; i++)
        best[i] = 1e30;
    size_t chosen = levels - 1;
    while (hc_kernels_at(chosen, dtype) != hc_kernels(dtype))
        chosen--;
    const bool large = rounds > 1 && p->m * p->n * p->k > (size_t)1 << 28;
    for (int round = 0; round < rounds; round++)
        for (size_t i = 0; i < runs && i < MOST; i++) {
            if (large && i != chosen && i != levels) continue;
            double seconds = measure(i, levels, p, &d);
            best[i] = seconds < best[i] ? seconds : best[i];
        }
    const double gflop = 2e-9 * (double)p->m * (double)p->n * (double)p->k;
    printf("%5zu %5zu %5zu  %c%c", p->m, p->n, p->k, p->ta ? 'T' : 'N', p->tb ? 'T' : 'N');
    for (size_t i = 0; i < runs; i++) {
        if (best[i] == 1e30)
            printf(" %9s", "-");
        else
            printf(" %9.2f", gflop / best[i]);
    }
    if (runs > levels) printf("   %6.2f", best[levels] / best[chosen]);
    printf("   %s\n", p->what);
    fflush(stdout);
    free(d.a);
    free(d.b);
    free(d.c);
    free(d.workspace);
}

int main(int argc, char **argv) {
    int dtype = 0, rounds = 9;
    const char *only = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--f64") == 0)
            dtype = 1;
        else if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc)
            rounds = (int)strtol(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc)
            only = argv[++i];
        else
            return fprintf(stderr, "usage: bench_gemm [--f64] [--rounds R] [--only TEXT]\n"), 2;
    }
    printf("    m     n     k  op");
    for (size_t i = 0; i < hc_kernel_levels(); i++)
        printf(" %9s", hc_kernel_level_name(i));
#ifdef HAVE_OPENBLAS
    printf("  openblas    ratio");
#endif
    printf("   GFLOP/s, %s\n", dtype == 0 ? "f32" : "f64");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (!only || strstr(cases[i].what, only)) run(&cases[i], rounds, dtype);
    return 0;
}
