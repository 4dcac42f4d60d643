/* Cross-entropy of scores x [N, C] (or [C]) and classes t [N] (or a scalar), one for each example, fused: a
 * dozen small operations each way otherwise. With p = softmax of a row and d(j) = 1 where j = t, else 0:
 *
 *     entropy(x, t)     -log p(t)
 *     slope(x, t, g)    g (p - d), its gradient
 *     fold(x, t, v)     sum v (p - d)
 *     bend(x, g, v)     g p (v - sum(p v))
 *
 * Only x and t are kept, and p is made again where it is needed. */
#include "ops/ops.h"

enum { X = HC_IN(0), SECOND = HC_IN(1), THIRD = HC_IN(2) };

static Tensor *slope(Tensor *x, Tensor *t, Tensor *g);
static Tensor *fold(Tensor *x, Tensor *t, Tensor *v);
static Tensor *bend(Tensor *x, Tensor *g, Tensor *v);

/* One number for each row, in the shape of input 1; or as many as input 0 has. */
static bool infer_entries(Tensor *y) {
    y->form = hc_inputs(y)[1]->form->plain;
    return true;
}

/* The inputs, dense, and the rows of x. */
typedef struct Rows {
    const void *in[3];
    size_t m, n;
} Rows;

static bool read_rows(Tensor *y, Rows *rows) {
    const HcForm *f = hc_inputs(y)[0]->form;
    *rows = (Rows){.m = f->ndim > 1 ? f->dim[0] : 1, .n = f->dim[f->ndim - 1]};
    for (uint32_t j = 0; j < y->nin; j++)
        if (!(rows->in[j] = hc_dense_input(y, j))) return false;
    return true;
}

/* ---- entropy. To x: slope(x, t, g) ---------------------------------------------------------------------- */

static bool entropy_forward(Tensor *y) {
    Rows r;
    size_t bad;
    if (!read_rows(y, &r)) return false;
    return hc_row_kernels(y->tape->k)->cross_entropy(y->data, r.in[0], r.in[1], r.m, r.n, &bad) ||
           hc_bad_index(y, r.in[1], bad, r.n);
}

static void entropy_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    hc_give(s, 0, slope(hc_inputs(y)[0], hc_inputs(y)[1], gy));
}

static Tensor *negated_log_softmax(Tensor *x, Tensor *t) {
    Tensor *picked = tensor_gather(tensor_log_softmax(x, -1), -1, tensor_unsqueeze(t, -1));
    return tensor_neg(tensor_squeeze(picked, -1));
}

static Tensor *entropy_composed(Tensor *y) {
    return negated_log_softmax(hc_inputs(y)[0], hc_inputs(y)[1]);
}

static const HcOp op_entropy = {.name = "tensor_cross_entropy_loss",
                                .arity = 2,
                                .infer = infer_entries,
                                .forward = entropy_forward,
                                .vjp = entropy_vjp,
                                .compose = entropy_composed,
                                .reads = {X | SECOND}};

Tensor *hc_cross_entropy(Tensor *x, Tensor *t) {
    return HC_FUSED ? hc_emit2(&op_entropy, NULL, x, t) : negated_log_softmax(x, t);
}

/* ---- slope, linear in g. To x: bend(x, g, v); to g: fold(x, t, v) ---------------------------------------- */

static bool slope_forward(Tensor *y) {
    Rows r;
    size_t bad;
    if (!read_rows(y, &r)) return false;
    return hc_row_kernels(y->tape->k)->cross_entropy_slope(y->data, r.in[0], r.in[1], r.in[2], r.m, r.n, &bad) ||
           hc_bad_index(y, r.in[1], bad, r.n);
}

static void slope_vjp(HcSweep *s, Tensor *y, Tensor *v) {
    Tensor *const *in = hc_inputs(y);
    if (hc_needs(s, 0)) hc_give(s, 0, bend(in[0], in[2], v));
    if (hc_needs(s, 2)) hc_give(s, 2, fold(in[0], in[1], v));
}

/* p - d */
static Tensor *excess(Tensor *x, Tensor *t) {
    Tensor *d = tensor_one_hot(t, x->form->dim[x->form->ndim - 1]);
    return tensor_sub(tensor_softmax(x, -1), d);
}

static Tensor *slope_composed(Tensor *y) {
    Tensor *const *in = hc_inputs(y);
    return tensor_mul(tensor_unsqueeze(in[2], -1), excess(in[0], in[1]));
}

static const HcOp op_slope = {.name = "tensor_cross_entropy_loss",
                              .arity = 3,
                              .infer = hc_infer_dense,
                              .forward = slope_forward,
                              .vjp = slope_vjp,
                              .compose = slope_composed,
                              .reads = {X | THIRD, 0, X | SECOND}};

static Tensor *slope(Tensor *x, Tensor *t, Tensor *g) {
    return hc_emit(&op_slope, NULL, (Tensor *[]){x, t, g}, 3);
}

/* ---- fold, the adjoint of slope in g. To x: bend(x, h, v); to v: slope(x, t, h) ---------------------------- */

static bool fold_forward(Tensor *y) {
    Rows r;
    size_t bad;
    if (!read_rows(y, &r)) return false;
    return hc_row_kernels(y->tape->k)->cross_entropy_fold(y->data, r.in[0], r.in[1], r.in[2], r.m, r.n, &bad) ||
           hc_bad_index(y, r.in[1], bad, r.n);
}

static void fold_vjp(HcSweep *s, Tensor *y, Tensor *h) {
    Tensor *const *in = hc_inputs(y);
    if (hc_needs(s, 0)) hc_give(s, 0, bend(in[0], h, in[2]));
    if (hc_needs(s, 2)) hc_give(s, 2, slope(in[0], in[1], h));
}

static Tensor *fold_composed(Tensor *y) {
    Tensor *const *in = hc_inputs(y);
    return tensor_sum_axes(tensor_mul(in[2], excess(in[0], in[1])), (int[]){-1}, 1, false);
}

static const HcOp op_fold = {.name = "tensor_cross_entropy_loss",
                             .arity = 3,
                             .infer = infer_entries,
                             .forward = fold_forward,
                             .vjp = fold_vjp,
                             .compose = fold_composed,
                             .reads = {X | THIRD, 0, X | SECOND}};

static Tensor *fold(Tensor *x, Tensor *t, Tensor *v) {
    return hc_emit(&op_fold, NULL, (Tensor *[]){x, t, v}, 3);
}

/* ---- bend: its gradients by what it is made of -------------------------------------------------------------- */

static bool bend_forward(Tensor *y) {
    Rows r;
    if (!read_rows(y, &r)) return false;
    hc_row_kernels(y->tape->k)->cross_entropy_bend(y->data, r.in[0], r.in[1], r.in[2], r.m, r.n);
    return true;
}

static Tensor *bend_composed(Tensor *y) {
    Tensor *const *in = hc_inputs(y);
    Tensor *p = tensor_softmax(in[0], -1), *g = tensor_unsqueeze(in[1], -1);
    Tensor *mean = tensor_sum_axes(tensor_mul(p, in[2]), (int[]){-1}, 1, true);
    return tensor_mul(tensor_mul(g, p), tensor_sub(in[2], mean));
}

static const HcOp op_bend = {.name = "tensor_cross_entropy_loss",
                             .arity = 3,
                             .infer = hc_infer_dense,
                             .forward = bend_forward,
                             .compose = bend_composed,
                             .reads = {X | SECOND | THIRD, X | THIRD, X | SECOND}};

static Tensor *bend(Tensor *x, Tensor *g, Tensor *v) {
    return hc_emit(&op_bend, NULL, (Tensor *[]){x, g, v}, 3);
}
