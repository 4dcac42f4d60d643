/* Products on the threads of the tape's pool: a set of matrices, each in blocks of rows and columns. The
 * kernel computes an element of c as the same chain of sums however c is cut, as long as no side of 1
 * appears, so the numbers depend neither on the cut nor on the threads. */
#include "ops/ops.h"

/* Smaller products are not worth waking a thread for, in multiply-adds. */
#define LEAST_WORK ((size_t)1 << 19)
#define MOST_PIECES 16

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
    size_t item = w->y->tape->item, c = i * p->n + j, each = p->m * p->n;
    size_t rows = i + w->rows == w->row_blocks * w->rows ? p->m - i : w->rows;
    size_t cols = j + w->cols == w->col_blocks * w->cols ? p->n - j : w->cols;
    HcMatrix a = p->a, b = p->b;
    a.data = moved(a.data, (p->fa ? offset_of(p->fa, matrix) : 0) + i * a.row, item);
    b.data = moved(b.data, (p->fb ? offset_of(p->fb, matrix) : 0) + j * b.col, item);
    const void *start = moved(p->start, p->start_rows ? matrix * each + c : j, item);
    char *to = (char *)w->y->data + (matrix * each + c) * item;
    w->y->tape->k->gemm(rows, cols, p->k, a, b, start, p->start_rows ? p->n : 0, to, p->n, room);
    if (p->relu) relu(w->y, to, rows, cols, p->n);
}

static void run_piece(size_t index, size_t worker, void *user) {
    const Work *w = user;
    void *room = w->room ? w->room + worker * w->room_bytes : NULL;
    size_t blocks = w->row_blocks * w->col_blocks;
    size_t first = index / blocks * w->matrices, last = first + w->matrices;
    size_t i = index % blocks / w->col_blocks * w->rows, j = index % w->col_blocks * w->cols;
    for (size_t matrix = first; matrix < last && matrix < w->p->count; matrix++)
        run_block(w, matrix, i, j, room);
}

/* One large matrix is halved along its longer side, but a side below 64 is left as it is, since packing what
 * a block reads would cost as much as its work; of many small ones, several make a piece. */
static void cut(Work *w) {
    const HcProducts *p = w->p;
    size_t work = p->m * p->n * p->k, pieces = p->count;
    w->matrices = (LEAST_WORK - 1) / (work + 1) + 1;
    for (; pieces < MOST_PIECES && work >= LEAST_WORK; pieces *= 2, work /= 2) {
        size_t *side = w->cols >= w->rows ? &w->cols : &w->rows;
        if (*side < 64) break;
        *side = (*side / 2 + 15) / 16 * 16;
    }
    w->row_blocks = (p->m + w->rows / 2) / w->rows;
    w->col_blocks = (p->n + w->cols / 2) / w->cols;
}

/* What the kernel asks for at most, over the sizes of blocks. */
static size_t room_for_block(const Work *w) {
    const HcProducts *p = w->p;
    const size_t rows[2] = {w->rows, p->m - (w->row_blocks - 1) * w->rows};
    const size_t cols[2] = {w->cols, p->n - (w->col_blocks - 1) * w->cols};
    size_t most = 0;
    for (int i = 0; i < 4; i++) {
        size_t bytes = w->y->tape->k->gemm_work(rows[i / 2], cols[i % 2], p->k, p->a, p->b);
        if (bytes > most) most = bytes;
    }
    return (most + HC_ALIGN - 1) / HC_ALIGN * HC_ALIGN;
}

static Work whole(Tensor *y, const HcProducts *p) {
    return (Work){.y = y, .p = p, .rows = p->m, .cols = p->n, .row_blocks = 1, .col_blocks = 1};
}

static bool run_cut(Tensor *y, const HcProducts *p) {
    Work w = whole(y, p);
    cut(&w);
    w.room_bytes = room_for_block(&w);
    if (w.room_bytes && !(w.room = hc_work(y, hc_workers(y->tape) * w.room_bytes))) return false;
    size_t groups = (p->count - 1) / w.matrices + 1;
    hc_parallel(y->tape, w.row_blocks * w.col_blocks * groups, run_piece, &w);
    return true;
}

static void run_many(Tensor *y, const HcProducts *p, void *room) {
    Work w = whole(y, p);
    for (size_t matrix = 0; matrix < p->count; matrix++)
        run_block(&w, matrix, 0, 0, room);
}

bool hc_products(Tensor *y, const HcProducts *p) {
    if (p->m == 0 || p->n == 0 || p->count == 0) return true;
    if (y->tape->pool && p->count * p->m * p->n * p->k >= LEAST_WORK) return run_cut(y, p);
    const HcKernels *k = y->tape->k;
    size_t bytes = k->gemm_work(p->m, p->n, p->k, p->a, p->b);
    void *room = NULL;
    if (bytes && !(room = hc_work(y, bytes))) return false;
    if (p->count > 1)
        run_many(y, p, room);
    else
        k->gemm(p->m, p->n, p->k, p->a, p->b, p->start, p->start_rows ? p->n : 0, y->data, p->n,
                room);
    if (p->count == 1 && p->relu) relu(y, y->data, p->m, p->n, p->n);
    return true;
}
