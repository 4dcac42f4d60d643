/* Large operations on one thread and on several: wall-clock time of both, best of rounds taken in turn, and how
 * many times faster the pool is. What memory gives is told by a triad, z = x + a y, run on the same threads.
 *
 *     bench_threads [--threads N] [--f64] [--rounds R] [--only TEXT]
 *
 * Thread i is pinned to processor i: a system that is busy else wakes a thread where its waker runs.
 * Others at work on the machine take from two threads more than from one: the ratio is a lower bound then. */
#define _GNU_SOURCE /* to pin threads */

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <higherc/higherc.h>

enum { MOST_INPUTS = 3 };

typedef Tensor *OpFn(Tensor *const *in);

typedef struct Case {
    const char *what;
    Shape in[MOST_INPUTS];
    OpFn *op; /* NULL: a triad over as many numbers as the first input has */
} Case;

static Tensor *product(Tensor *const *in) {
    return tensor_matmul(in[0], in[1]);
}

static Tensor *linear(Tensor *const *in) {
    return tensor_linear(in[0], in[1], NULL);
}

static Tensor *convolution(Tensor *const *in) {
    Conv2dOptions options = conv2d_options();
    options.padding[0] = options.padding[1] = 1;
    return tensor_conv2d(in[0], in[1], NULL, options);
}

static Tensor *to_both(Tensor *const *in) {
    Tensor *grads[2];
    return tensor_grad(tensor_sum(convolution(in)), (Tensor *[]){in[0], in[1]}, 2, grads, 0) ? grads[1] : NULL;
}

static Tensor *add(Tensor *const *in) {
    return tensor_add(in[0], in[1]);
}

static Tensor *exponential(Tensor *const *in) {
    return tensor_exp(in[0]);
}

static Tensor *sum_rows(Tensor *const *in) {
    return tensor_sum_axes(in[0], (const int[]){1}, 1, false);
}

static Tensor *sum_columns(Tensor *const *in) {
    return tensor_sum_axes(in[0], (const int[]){0}, 1, false);
}

static Tensor *largest(Tensor *const *in) {
    return tensor_max_axes(in[0], (const int[]){1}, 1, false);
}

static Tensor *softmax(Tensor *const *in) {
    return tensor_softmax(in[0], 1);
}

static Tensor *cholesky(Tensor *const *in) {
    return tensor_cholesky(in[0]);
}

#define SQUARE(n) {"product", {{2, {n, n}}, {2, {n, n}}}, product}
#define HEAD(m, n, k) {"x W^T", {{2, {m, k}}, {2, {n, k}}}, linear}
#define CONV(n, c, h) {"conv 3x3", {{4, {n, c, h, h}}, {4, {64, c, 3, 3}}}, convolution}
#define CONV_BACK(n, c, h) {"conv and back", {{4, {n, c, h, h}}, {4, {64, c, 3, 3}}}, to_both}
#define LONG(what, n, op) {what, {{1, {n}}, {1, {n}}}, op}
#define WIDE(what, m, n, op) {what, {{2, {m, n}}}, op}

static const Case cases[] = {
    {.what = "fork and join"},
    SQUARE(48),
    SQUARE(64),
    SQUARE(80),
    SQUARE(96),
    SQUARE(128),
    SQUARE(192),
    SQUARE(256),
    SQUARE(512),
    SQUARE(1024),
    SQUARE(2048),
    HEAD(64, 10, 256),
    HEAD(64, 256, 256),
    HEAD(128, 512, 784),
    HEAD(4096, 10, 512),
    CONV(1, 64, 14),
    CONV(5, 1, 28),
    CONV(5, 64, 14),
    CONV(75, 1, 28),
    CONV(75, 64, 14),
    CONV_BACK(5, 64, 14),
    CONV_BACK(75, 64, 14),
    LONG("triad", 1 << 14, NULL),
    LONG("triad", 1 << 16, NULL),
    LONG("triad", 1 << 18, NULL),
    LONG("triad", 1 << 20, NULL),
    LONG("triad", 1 << 22, NULL),
    LONG("triad", 1 << 24, NULL),
    LONG("add", 1 << 14, add),
    LONG("add", 1 << 15, add),
    LONG("add", 1 << 16, add),
    LONG("add", 1 << 17, add),
    LONG("add", 1 << 18, add),
    LONG("add", 1 << 20, add),
    LONG("add", 1 << 22, add),
    LONG("add", 1 << 24, add),
    LONG("exp", 1 << 13, exponential),
    LONG("exp", 1 << 14, exponential),
    LONG("exp", 1 << 15, exponential),
    LONG("exp", 1 << 16, exponential),
    LONG("exp", 1 << 18, exponential),
    LONG("exp", 1 << 20, exponential),
    WIDE("sum of rows", 64, 256, sum_rows),
    WIDE("sum of rows", 256, 256, sum_rows),
    WIDE("sum of rows", 1024, 256, sum_rows),
    WIDE("sum of rows", 4096, 1024, sum_rows),
    WIDE("sum of columns", 64, 256, sum_columns),
    WIDE("sum of columns", 256, 256, sum_columns),
    WIDE("sum of columns", 1024, 256, sum_columns),
    WIDE("sum of columns", 16384, 64, sum_columns),
    WIDE("sum of columns", 128, 8192, sum_columns),
    WIDE("sum of columns", 4096, 1024, sum_columns),
    WIDE("largest of rows", 256, 256, largest),
    WIDE("largest of rows", 4096, 1024, largest),
    WIDE("softmax", 64, 64, softmax),
    WIDE("softmax", 128, 128, softmax),
    WIDE("softmax", 256, 256, softmax),
    WIDE("softmax", 4096, 256, softmax),
    {"cholesky", {{3, {32, 20, 20}}}, cholesky},
    {"cholesky", {{3, {64, 64, 64}}}, cholesky},
};

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void fail(const char *why) {
    fprintf(stderr, "bench_threads: %s\n", why ? why : higherc_error());
    exit(1);
}

static size_t count_of(const Shape *s) {
    size_t n = 1;
    for (int i = 0; i < s->ndim; i++)
        n *= s->dim[i];
    return n;
}

/* ---- each thread on a processor of its own --------------------------------------------------------- */

typedef struct Meeting {
    size_t threads;
    atomic_size_t arrived;
} Meeting;

static void pin(size_t index, size_t worker, void *user) {
    Meeting *meeting = user;
    (void)worker;
#ifdef __linux__
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(index, &set);
    sched_setaffinity(0, sizeof set, &set);
#endif
    atomic_fetch_add(&meeting->arrived, 1);
    while (atomic_load(&meeting->arrived) < meeting->threads) /* so that each thread takes one */
        sched_yield();
}

static void pin_all(Pool *pool) {
    Meeting meeting = {.threads = pool_threads(pool)};
    pool_run(pool, meeting.threads, pin, &meeting);
}

/* ---- the triad ------------------------------------------------------------------------------------- */

enum { SHARE = 16384 };

typedef struct Triad {
    size_t bytes;
    float *x, *y, *z;
} Triad;

static void triad_share(size_t index, size_t worker, void *user) {
    const Triad *t = user;
    const size_t n = t->bytes / sizeof(float), first = index * SHARE, last = first + SHARE < n ? first + SHARE : n;
    float *restrict z = t->z;
    const float *restrict x = t->x, *restrict y = t->y;
    (void)worker;
    for (size_t i = first; i < last; i++)
        z[i] = x[i] + 0.7f * y[i];
}

static void nothing(size_t index, size_t worker, void *user) {
    (void)index, (void)worker, (void)user;
}

/* ---- what is measured ------------------------------------------------------------------------------ */

typedef struct Work {
    const Case *what;
    Tape *tape;
    Tensor *in[MOST_INPUTS];
    Triad triad;
} Work;

static void once(const Work *w, Pool *pool) {
    if (w->what->in[0].ndim == 0) {
        pool_run(pool, pool_threads(pool), nothing, NULL);
        return;
    }
    if (!w->what->op) {
        pool_run(pool, (w->triad.bytes / sizeof(float) - 1) / SHARE + 1, triad_share, (void *)(uintptr_t)&w->triad);
        return;
    }
    TapeMark mark = tape_mark(w->tape);
    if (!w->what->op(w->in) || !tape_release(w->tape, mark)) fail(tape_error(w->tape));
}

static double seconds(const Work *w, Pool *pool, size_t calls) {
    tape_set_pool(w->tape, pool);
    once(w, pool); /* wakes the threads */
    const double begun = now();
    for (size_t i = 0; i < calls; i++)
        once(w, pool);
    return (now() - begun) / (double)calls;
}

static void shape_text(const Case *c, char *text, size_t room) {
    *text = 0;
    for (int j = 0; j < MOST_INPUTS && c->in[j].ndim > 0 && !(j > 0 && c->in[0].ndim == 1); j++)
        for (int i = 0; i < c->in[j].ndim; i++) {
            const size_t used = strlen(text);
            snprintf(text + used, room - used, "%s%zu", i > 0 ? "x" : j > 0 ? ", " : "", c->in[j].dim[i]);
        }
}

static void run(const Case *c, Pool *one, Pool *pool, DType dtype, int rounds) {
    Work w = {.what = c, .tape = tape_create(dtype)};
    if (!w.tape) fail(NULL);
    if (!c->op) {
        w.triad.bytes = count_of(&c->in[0]) * (dtype == HC_F32 ? 4 : 8);
        if (!(w.triad.x = calloc(3, w.triad.bytes))) fail("out of memory");
        w.triad.y = w.triad.x + w.triad.bytes / sizeof(float);
        w.triad.z = w.triad.y + w.triad.bytes / sizeof(float);
    } else {
        Rng rng = rng_seed(1);
        for (int i = 0; i < MOST_INPUTS && c->in[i].ndim > 0; i++)
            w.in[i] = tensor_leaf(tensor_uniform(w.tape, c->in[i], -1, 1, &rng));
        if (c->op == cholesky) {
            Tensor *large = tensor_full(w.tape, shape1(c->in[0].dim[1]), (double)c->in[0].dim[1]);
            w.in[0] = tensor_leaf(
                tensor_add(tensor_add(w.in[0], tensor_transpose(w.in[0], 1, 2)), tensor_diag(large, 0)));
        }
    }
    const double guess = seconds(&w, one, 1);
    const size_t calls = guess < 5e-4 ? (size_t)(5e-4 / guess) + 1 : 1;
    double best[2] = {1e30, 1e30};
    for (int round = 0; round < rounds; round++)
        for (int i = 0; i < 2; i++) {
            const double s = seconds(&w, i ? pool : one, calls);
            if (s < best[i]) best[i] = s;
        }
    char text[128];
    shape_text(c, text, sizeof text);
    printf("%-16s %-32s %11.2f %11.2f %7.2f\n", c->what, text, 1e6 * best[0], 1e6 * best[1], best[0] / best[1]);
    fflush(stdout);
    tape_destroy(w.tape);
    free(w.triad.x);
}

int main(int argc, char **argv) {
    size_t threads = 2;
    int rounds = 25;
    DType dtype = HC_F32;
    const char *only = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--f64") == 0)
            dtype = HC_F64;
        else if (strcmp(argv[i], "--threads") == 0 && i + 1 < argc)
            threads = strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc)
            rounds = (int)strtol(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc)
            only = argv[++i];
        else
            return fprintf(stderr, "usage: bench_threads [--threads N] [--f64] [--rounds R] [--only TEXT]\n"), 2;
    }
    Pool *one = pool_create(1), *pool = pool_create(threads);
    if (!one || !pool) fail(NULL);
    pin_all(pool);
    printf("%-16s %-32s %11s %8zu of them   times\n", dtype == HC_F32 ? "f32" : "f64", "µs on", "1 thread", threads);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (!only || strstr(cases[i].what, only)) run(&cases[i], one, pool, dtype, rounds);
    pool_destroy(one);
    pool_destroy(pool);
    return 0;
}
