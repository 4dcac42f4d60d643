/* Products on the threads of the tape's pool: a set of matrices, each in blocks of rows and columns. The
 * kernel computes an element of c as the same chain of sums however c is cut, as long as no side of 1
 * appears, so the numbers depend neither on the cut nor on the threads. */
#include "ops/ops.h"

/* Smaller products are not worth waking a thread for, in multiply-adds. */
#define LEAST_WORK ((size_t)1 << 19)
#define MOST_SHARES 16

/* What threads share of one operation. */
typedef struct Work {
    Tensor *y;
    const HcProducts *p;
    size_t rows, cols; /* of a block */
    size_t row_blocks, col_blocks;
    size_t matrices; /* at a time */
    char *room;
    size_t room_bytes; /* of each worker */
} Work;

/* Where matrix `index` of an operand lies, in numbers from the first. */
static size_t offset_of(const HcForm *f, size_t index) {
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
static void run_block(const Work *w, size_t matrix, size_t i, size_t j, void *room) {
    const HcProducts *p = w->p;
    HcGemm g = p->g;
    HC_ASSERT(matrix < p->count && i < g.m && j < g.n);
    size_t item = w->y->tape->item, c = matrix * g.m * g.n + i * g.n + j;
    g.a.data = moved(g.a.data, (p->fa ? offset_of(p->fa, matrix) : 0) + i * g.a.row, item);
    g.b.data = moved(g.b.data, (p->fb ? offset_of(p->fb, matrix) : 0) + j * g.b.col, item);
    g.start = moved(g.start, g.lds ? c : j, item);
    g.c = (char *)w->y->data + c * item;
    g.work = room;
    g.m = i + w->rows == w->row_blocks * w->rows ? g.m - i : w->rows;
    g.n = j + w->cols == w->col_blocks * w->cols ? g.n - j : w->cols;
    w->y->tape->k->gemm(&g);
    if (p->relu) relu(w->y, g.c, g.m, g.n, g.ldc);
}

static void run_share(size_t index, size_t worker, void *user) {
    const Work *w = user;
    void *room = w->room ? w->room + worker * w->room_bytes : NULL;
    size_t blocks = w->row_blocks * w->col_blocks;
    size_t first = index / blocks * w->matrices, last = first + w->matrices;
    size_t i = index % blocks / w->col_blocks * w->rows, j = index % w->col_blocks * w->cols;
    for (size_t matrix = first; matrix < last && matrix < w->p->count; matrix++)
        run_block(w, matrix, i, j, room);
}

/* One large matrix is halved along its longer side, but a side below 64 is left as it is, since packing what
 * a block reads would cost as much as its work; of many small ones, several make a share. */
static void cut(Work *w) {
    const HcGemm *g = &w->p->g;
    size_t work = g->m * g->n * g->k, shares = w->p->count;
    w->matrices = (LEAST_WORK - 1) / (work + 1) + 1;
    for (; shares < MOST_SHARES && work >= LEAST_WORK; shares *= 2, work /= 2) {
        size_t *side = w->cols >= w->rows ? &w->cols : &w->rows;
        if (*side < 64) break;
        *side = (*side / 2 + 15) / 16 * 16;
    }
    w->row_blocks = (g->m + w->rows / 2) / w->rows;
    w->col_blocks = (g->n + w->cols / 2) / w->cols;
}

/* What the kernel asks for at most, over the sizes of blocks. */
static size_t room_for_block(const Work *w) {
    HcGemm g = w->p->g;
    const size_t rows[2] = {w->rows, g.m - (w->row_blocks - 1) * w->rows};
    const size_t cols[2] = {w->cols, g.n - (w->col_blocks - 1) * w->cols};
    size_t most = 0;
    for (int i = 0; i < 4; i++) {
        g.m = rows[i / 2];
        g.n = cols[i % 2];
        size_t bytes = w->y->tape->k->gemm_work(&g);
        if (bytes > most) most = bytes;
    }
    return (most + HC_ALIGN - 1) / HC_ALIGN * HC_ALIGN;
}

static Work whole(Tensor *y, const HcProducts *p) {
    return (Work){.y = y, .p = p, .rows = p->g.m, .cols = p->g.n};
}

static bool run_cut(Tensor *y, const HcProducts *p) {
    Work w = whole(y, p);
    cut(&w);
    w.room_bytes = room_for_block(&w);
    if (w.room_bytes && !(w.room = hc_work(y, hc_workers(y->tape) * w.room_bytes))) return false;
    size_t groups = (p->count - 1) / w.matrices + 1;
    hc_parallel(y->tape, w.row_blocks * w.col_blocks * groups, run_share, &w);
    return true;
}

static void run_many(Tensor *y, const HcProducts *p) {
    Work w = whole(y, p);
    for (size_t matrix = 0; matrix < p->count; matrix++)
        run_block(&w, matrix, 0, 0, p->g.work);
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
    if (y->tape->pool && p->count * g->m * g->n * g->k >= LEAST_WORK) return run_cut(y, p);
    size_t bytes = k->gemm_work(g);
    g->work = NULL;
    if (bytes && !(g->work = hc_work(y, bytes))) return false;
    if (p->count > 1) {
        run_many(y, p);
        return true;
    }
    k->gemm(g);
    if (p->relu) relu(y, g->c, g->m, g->n, g->n);
    return true;
}
