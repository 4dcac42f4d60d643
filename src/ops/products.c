/* Products on the threads of the tape's pool: a set of matrices, each in blocks of rows and columns. The
 * kernel computes an element of c as the same chain of sums however c is cut, as long as no side of 1
 * appears, so the numbers depend neither on the cut nor on the threads. */
#include "ops/ops.h"

/* Smaller products are not worth waking a thread for, in multiply-adds. On two threads that are awake (f32, AVX-512,
 * bench_threads) 64^3, 2.1 us alone, runs 0.97 times as fast, 80^3 1.1, 96^3 1.3 to 1.8, 128^3 1.6 to 1.9. */
#define LEAST_COST ((size_t)1 << 19)
#define MOST_SHARES 16

/* What threads share of one operation. */
typedef struct Job {
    Tensor *y;
    const HcProducts *p;
    size_t rows, cols; /* of a block */
    size_t row_blocks, col_blocks;
    size_t matrices; /* at a time */
    char *room;
    size_t room_bytes; /* of each worker */
} Job;

size_t hc_matrix_at(const HcForm *f, size_t index) {
    size_t offset = 0;
    for (int i = f->ndim - 3; i >= 0 && index > 0; i--) {
        offset += index % f->dim[i] * f->stride[i];
        index /= f->dim[i];
    }
    return offset;
}

static const char *moved(const void *data, size_t numbers, size_t item) {
    return data ? (const char *)data + numbers * item : NULL;
}

/* max(c, 0) on a block whose rows lie ldc apart. */
static void relu(const Tensor *y, char *c, size_t rows, size_t cols, size_t ldc) {
    size_t runs = cols == ldc ? 1 : rows, n = cols == ldc ? rows * cols : cols;
    for (size_t i = 0; i < runs; i++, c += ldc * y->tape->item)
        y->tape->k->relu(c, c, n, NULL);
}

/* The block of one matrix that begins at row i and column j; the last one of a side takes what is left. */
static void run_block(const Job *job, size_t matrix, size_t i, size_t j, void *room) {
    const HcProducts *p = job->p;
    HcGemm g = p->g;
    HC_ASSERT(matrix < p->count && i < g.m && j < g.n);
    size_t item = job->y->tape->item, c = matrix * g.m * g.n + i * g.n + j;
    g.a.data = moved(g.a.data, (p->fa ? hc_matrix_at(p->fa, matrix) : 0) + i * g.a.row, item);
    g.b.data = moved(g.b.data, (p->fb ? hc_matrix_at(p->fb, matrix) : 0) + j * g.b.col, item);
    g.start = moved(g.start, g.lds ? c : j, item);
    g.c = (char *)job->y->data + c * item;
    g.workspace = room;
    g.m = i + job->rows == job->row_blocks * job->rows ? g.m - i : job->rows;
    g.n = j + job->cols == job->col_blocks * job->cols ? g.n - j : job->cols;
    job->y->tape->k->gemm(&g);
    if (p->relu) relu(job->y, g.c, g.m, g.n, g.ldc);
}

static void run_share(size_t index, size_t worker, void *user) {
    const Job *job = user;
    void *room = job->room ? job->room + worker * job->room_bytes : NULL;
    size_t blocks = job->row_blocks * job->col_blocks;
    size_t first = index / blocks * job->matrices, last = first + job->matrices;
    size_t i = index % blocks / job->col_blocks * job->rows,
           j = index % job->col_blocks * job->cols;
    for (size_t matrix = first; matrix < last && matrix < job->p->count; matrix++)
        run_block(job, matrix, i, j, room);
}

/* One large matrix is halved along its longer side, but a side below 64 is left as it is, since packing what
 * a block reads would cost as much as the product; of many small ones, several make a share. */
static void cut(Job *job) {
    const HcGemm *g = &job->p->g;
    size_t cost = g->m * g->n * g->k, shares = job->p->count;
    job->matrices = (LEAST_COST - 1) / (cost + 1) + 1;
    for (; shares < MOST_SHARES && cost >= LEAST_COST; shares *= 2, cost /= 2) {
        size_t *side = job->cols >= job->rows ? &job->cols : &job->rows;
        if (*side < 64) break;
        *side = (*side / 2 + 15) / 16 * 16;
    }
    job->row_blocks = (g->m + job->rows / 2) / job->rows;
    job->col_blocks = (g->n + job->cols / 2) / job->cols;
}

/* What the kernel asks for at most, over the sizes of blocks. */
static size_t room_for_block(const Job *job) {
    HcGemm g = job->p->g;
    const size_t rows[2] = {job->rows, g.m - (job->row_blocks - 1) * job->rows};
    const size_t cols[2] = {job->cols, g.n - (job->col_blocks - 1) * job->cols};
    size_t most = 0;
    for (int i = 0; i < 4; i++) {
        g.m = rows[i / 2];
        g.n = cols[i % 2];
        size_t bytes = job->y->tape->k->gemm_workspace(&g);
        if (bytes > most) most = bytes;
    }
    return (most + HC_ALIGN - 1) / HC_ALIGN * HC_ALIGN;
}

static Job whole(Tensor *y, const HcProducts *p) {
    return (Job){.y = y, .p = p, .rows = p->g.m, .cols = p->g.n};
}

static bool run_cut(Tensor *y, const HcProducts *p) {
    Job job = whole(y, p);
    cut(&job);
    job.room_bytes = room_for_block(&job);
    if (job.room_bytes && !(job.room = hc_workspace(y, hc_workers(y->tape) * job.room_bytes)))
        return false;
    size_t groups = (p->count - 1) / job.matrices + 1;
    hc_parallel(y->tape, job.row_blocks * job.col_blocks * groups, run_share, &job);
    return true;
}

static void run_many(Tensor *y, const HcProducts *p) {
    Job job = whole(y, p);
    for (size_t matrix = 0; matrix < p->count; matrix++)
        run_block(&job, matrix, 0, 0, p->g.workspace);
}

/* What kernels/kernels.h asks of a matrix. */
static bool is_matrix(const HcMatrix *a, size_t rows, size_t cols) {
    return a->row == 1 || a->col == 1 || rows <= 1 || cols <= 1;
}

bool hc_products(Tensor *y, HcProducts *p) {
    HcGemm *g = &p->g;
    const HcKernels *k = y->tape->k;
    HC_ASSERT(is_matrix(&g->a, g->m, g->k) && is_matrix(&g->b, g->k, g->n));
    HC_ASSERT(p->count * g->m * g->n == y->form->count);
    if (g->m == 0 || g->n == 0 || p->count == 0) return true;
    g->c = y->data;
    g->ldc = g->n;
    if (y->tape->pool && p->count * g->m * g->n * g->k >= LEAST_COST) return run_cut(y, p);
    size_t bytes = k->gemm_workspace(g);
    g->workspace = NULL;
    if (bytes && !(g->workspace = hc_workspace(y, bytes))) return false;
    if (p->count > 1) {
        run_many(y, p);
        return true;
    }
    k->gemm(g);
    if (p->relu) relu(y, g->c, g->m, g->n, g->n);
    return true;
}
