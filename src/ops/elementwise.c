/* What elementwise operations share: running a kernel over operands of any strides. */
#include <string.h>

#include "ops/ops.h"

bool hc_infer_same(Tensor *y) {
    const Tensor *acc = hc_acc_of(y);
    const HcForm *form = acc ? acc->form : hc_inputs(y)[0]->form;
    for (uint32_t i = 0; i < y->nin; i++)
        HC_ASSERT(hc_inputs(y)[i]->form->plain == form->plain);
    for (uint32_t i = 0; i < y->nin && !form->packed; i++)
        form = hc_inputs(y)[i]->form;
    y->form = form->packed ? form : form->plain;
    return true;
}

bool hc_infer_dense(Tensor *y) {
    y->form = hc_inputs(y)[0]->form->plain;
    return true;
}

/* An operand as a loop over runs sees it. */
typedef struct Operand {
    const char *data;
    size_t stride;             /* within a run: 0 or 1 */
    size_t steps[HC_MAX_DIMS]; /* along the axes as the result stores them */
} Operand;

#define MOST_OPERANDS 3

typedef void RunFn(Tensor *y, char *out, const Operand *operand, size_t n);

/* If axes [from, ndim) of an operand are one run: its stride, 0 or 1; else -1. */
static int run_stride(const size_t *steps, const size_t *dim, int from, int ndim) {
    size_t step = 1;
    bool zero = true, one = true;
    for (int i = ndim; i-- > from;) {
        if (steps[i] != 0) zero = false;
        if (steps[i] != step) one = false;
        step *= dim[i];
    }
    return one ? 1 : zero ? 0 : -1;
}

/* The operands' steps along y's axes in the order of storage. One without even its last axis as a run is
 * copied first. */
static bool find_steps(Tensor *y, Operand *operand, int count, const int *axis, int ndim) {
    for (int j = 0; j < count; j++) {
        const HcForm *f = hc_inputs(y)[j]->form;
        if (ndim > 0 && f->stride[axis[ndim - 1]] > 1) {
            f = y->form;
            operand[j].data = hc_input_as(y, (size_t)j, f);
            if (!operand[j].data) return false;
        }
        for (int i = 0; i < ndim; i++)
            operand[j].steps[i] = f->stride[axis[i]];
    }
    return true;
}

/* The result, cut into runs: all axes but the last few, which a kernel takes at once. Cut into shares of
 * about SHARE numbers where the tape has a pool and there is much to do; the numbers do not depend on the
 * cut. */
typedef struct Walk {
    Tensor *y;
    const Operand *operand;
    int count; /* operands */
    RunFn *run;
    int axes; /* of the walk */
    size_t dim[HC_MAX_DIMS];
    size_t runs, n; /* n: the length of each */
    size_t share;   /* runs taken at a time */
} Walk;

/* On two threads that are awake (f32, AVX-512, bench_threads) an exp of 2^13 numbers, 4.0 us alone, runs 1.2 times as
 * fast, of 2^15 1.7, of 2^16 1.8, but an addition of 2^15 or 2^16, 1.7 and 3.5 us, 1.0 to 1.2, of 2^17 1.9: most
 * operations are as cheap as that. */
enum { SHARE = 16384, LEAST_TO_SPLIT = 4 * SHARE };

/* Runs [first, last), in the order of storage; moves the operands' data. */
static void walk(const Walk *w, Operand *operand, size_t first, size_t last) {
    size_t at[HC_MAX_DIMS] = {0}, item = w->y->tape->item, rest = first;
    for (int i = w->axes - 1; i >= 0 && rest > 0; i--) {
        at[i] = rest % w->dim[i];
        rest /= w->dim[i];
        for (int j = 0; j < w->count; j++)
            operand[j].data += at[i] * operand[j].steps[i] * item;
    }
    char *out = (char *)w->y->data + first * w->n * item;
    for (size_t r = first;; out += w->n * item) {
        w->run(w->y, out, operand, w->n);
        if (++r >= last) return;
        for (int i = w->axes - 1; i >= 0; i--) {
            bool carry = ++at[i] == w->dim[i];
            for (int j = 0; j < w->count; j++) {
                size_t step = operand[j].steps[i] * item;
                operand[j].data += step;
                if (carry) operand[j].data -= step * w->dim[i];
            }
            if (!carry) break;
            at[i] = 0;
        }
    }
}

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

static void walk_share(size_t index, size_t worker, void *user) {
    const Walk *w = user;
    Operand operand[MOST_OPERANDS];
    (void)worker;
    for (int j = 0; j < w->count; j++)
        operand[j] = w->operand[j];
    walk(w, operand, index * w->share, least(w->runs, (index + 1) * w->share));
}

/* A share of the only run. */
static void run_share(size_t index, size_t worker, void *user) {
    const Walk *w = user;
    size_t first = index * SHARE, item = w->y->tape->item;
    Operand operand[MOST_OPERANDS];
    (void)worker;
    for (int j = 0; j < w->count; j++) {
        operand[j] = w->operand[j];
        operand[j].data += first * operand[j].stride * item;
    }
    w->run(w->y, (char *)w->y->data + first * item, operand, least(SHARE, w->n - first));
}

static bool splits(const Tensor *y) {
    return y->tape->pool && y->form->count >= LEAST_TO_SPLIT;
}

static void walk_split(Walk *w) {
    if (w->runs == 1) {
        hc_parallel(w->y->tape, (w->n - 1) / SHARE + 1, run_share, w);
    } else {
        w->share = (SHARE - 1) / w->n + 1;
        hc_parallel(w->y->tape, (w->runs - 1) / w->share + 1, walk_share, w);
    }
}

/* ---- short rows ----------------------------------------------------------------------------------- */

/* Rows shorter than SHORT numbers are not worth a kernel call each. Where one row stands against many, it is
 * laid out several times over, TILE numbers at most, and they are taken together. */
enum { SHORT = 64, TILE = 2048, FEW_ROWS = 8 };

/* Along the last axis walked, an operand goes on after each run, or begins anew with the same run. */
static bool goes_on(const Walk *w, const Operand *operand) {
    return operand->steps[w->axes - 1] == operand->stride * w->n;
}

static bool repeats(const Walk *w, const Operand *operand) {
    for (int i = 0; i < w->axes; i++)
        if (operand->steps[i] != 0) return false;
    return operand->stride == 1;
}

static const char *laid_out(Tensor *y, const char *row, size_t n, size_t rows) {
    size_t item = y->tape->item;
    char *tile = hc_workspace(y, rows * n * item);
    if (!tile) return NULL;
    y->tape->k->copy(tile, 1, row, 1, n);
    for (size_t done = 1; done < rows; done *= 2)
        y->tape->k->copy(tile + done * n * item, 1, tile, 1, least(done, rows - done) * n);
    return tile;
}

/* Makes runs of several rows each, and computes the rows that are left over. False after hc_fail. */
static bool join_rows(Walk *w, Operand *operand) {
    int last = w->axes - 1;
    if (last < 0 || w->n >= SHORT || w->dim[last] < FEW_ROWS) return true;
    size_t rows = least(w->dim[last], TILE / w->n), rest = w->dim[last] % rows, n = w->n;
    if (last > 0 && rows < w->dim[last]) return true;
    for (int j = 0; j < w->count; j++)
        if (!goes_on(w, &operand[j]) && !repeats(w, &operand[j])) return true;
    Operand end[MOST_OPERANDS];
    size_t item = w->y->tape->item, before = (w->dim[last] - rest) * n;
    for (int j = 0; j < w->count; j++) {
        bool on = goes_on(w, &operand[j]);
        if (!on && !(operand[j].data = laid_out(w->y, operand[j].data, n, rows))) return false;
        operand[j].steps[last] *= rows;
        end[j] = operand[j];
        if (on) end[j].data += before * operand[j].stride * item;
    }
    if (rest > 0) w->run(w->y, (char *)w->y->data + before * item, end, rest * n);
    w->n *= rows;
    w->dim[last] /= rows;
    if (w->dim[last] == 1) w->axes = last;
    w->runs = (w->y->form->count - rest * n) / w->n;
    return true;
}

static bool over_axes(Walk *w, Operand *operand) {
    Tensor *y = w->y;
    int axis[HC_MAX_DIMS], ndim = hc_storage_axes(y->form, axis), from = 0;
    for (int i = 0; i < ndim; i++)
        w->dim[i] = y->form->dim[axis[i]];
    if (!find_steps(y, operand, w->count, axis, ndim)) return false;
    for (; from < ndim; from++) {
        bool all = true;
        for (int j = 0; j < w->count; j++)
            all = all && run_stride(operand[j].steps, w->dim, from, ndim) >= 0;
        if (all) break;
    }
    for (int j = 0; j < w->count; j++)
        operand[j].stride = (size_t)(run_stride(operand[j].steps, w->dim, from, ndim) == 1);
    for (int i = from; i < ndim; i++)
        w->n *= w->dim[i];
    w->axes = from;
    w->runs = y->form->count / w->n;
    if (!join_rows(w, operand)) return false;
    if (splits(y))
        walk_split(w);
    else
        walk(w, operand, 0, w->runs);
    return true;
}

static bool over_runs(Tensor *y, int count, RunFn *run) {
    Operand operand[MOST_OPERANDS];
    bool one_run = true;
    if (y->form->count == 0) return true;
    for (int j = 0; j < count; j++) {
        operand[j].data = hc_inputs(y)[j]->data;
        operand[j].stride = 1;
        one_run = one_run && hc_inputs(y)[j]->form == y->form;
    }
    if (one_run && !splits(y)) {
        run(y, y->data, operand, y->form->count);
        return true;
    }
    Walk w = {.y = y, .operand = operand, .count = count, .run = run, .runs = 1, .n = 1};
    if (!one_run) return over_axes(&w, operand);
    w.n = y->form->count;
    walk_split(&w);
    return true;
}

/* The kernel a descriptor names by its place in the table. */
static HcUnaryFn *unary_kernel(const Tensor *y) {
    HcUnaryFn *kernel;
    HC_ASSERT(y->op->kernel);
    memcpy(&kernel, (const char *)y->tape->k + y->op->kernel, sizeof kernel);
    return kernel;
}

static HcBinaryFn *binary_kernel(const Tensor *y) {
    HcBinaryFn *kernel;
    HC_ASSERT(y->op->kernel);
    memcpy(&kernel, (const char *)y->tape->k + y->op->kernel, sizeof kernel);
    return kernel;
}

static void run_unary(Tensor *y, char *out, const Operand *operand, size_t n) {
    unary_kernel(y)(out, operand[0].data, n, y->attr.real);
}

bool hc_forward_unary(Tensor *y) {
    const void *x = hc_input_as(y, 0, y->form);
    size_t n = y->form->count;
    if (x && splits(y)) {
        Operand operand = {.data = x, .stride = 1};
        walk_split(
            &(Walk){.y = y, .operand = &operand, .count = 1, .run = run_unary, .runs = 1, .n = n});
    } else if (x && n) {
        unary_kernel(y)(y->data, x, n, y->attr.real);
    }
    return x != NULL;
}

static void run_binary(Tensor *y, char *out, const Operand *operand, size_t n) {
    binary_kernel(y)(out, operand[0].data, operand[0].stride, operand[1].data, operand[1].stride, n,
                     y->attr.real);
}

bool hc_forward_binary(Tensor *y) {
    return over_runs(y, 2, run_binary);
}

static void run_select(Tensor *y, char *out, const Operand *operand, size_t n) {
    y->tape->k->select(out, operand[0].data, operand[0].stride, operand[1].data, operand[1].stride,
                       operand[2].data, operand[2].stride, n);
}

bool hc_forward_select(Tensor *y) {
    return over_runs(y, 3, run_select);
}

Tensor *hc_unary_c(const HcOp *op, Tensor *x, double c) {
    return hc_emit1(op, &(HcAttr){.real = {c}}, x);
}
