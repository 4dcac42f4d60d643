/* softmax and its logarithm, along the last axis; another axis is moved there and back. With d = x - max x they are
 * e^d / sum(e^d) and d - log sum(e^d), fused. */
#include "ops/ops.h"

static bool rows_forward(Tensor *y, HcRowsFn *kernel) {
    const void *x = hc_dense_input(y, 0);
    size_t n = y->form->dim[y->form->ndim - 1];
    if (x && y->form->count) hc_rows(y, x, y->form->count / n, n, kernel);
    return x != NULL;
}

static Tensor *sum_last(Tensor *x) {
    return x ? hc_sum_mask(x, (uint32_t)1 << (x->form->ndim - 1), true, NULL) : NULL;
}

/* d; of no numbers there is no largest */
static Tensor *below_largest(Tensor *x) {
    if (!x || x->form->count == 0) return x;
    return tensor_sub(x, hc_largest(x, (uint32_t)1 << (x->form->ndim - 1)));
}

static Tensor *softmax_unfused(Tensor *x) {
    Tensor *e = tensor_exp(below_largest(x));
    return tensor_div(e, sum_last(e));
}

static Tensor *log_softmax_unfused(Tensor *x) {
    Tensor *d = below_largest(x);
    return tensor_sub(d, tensor_log(sum_last(tensor_exp(d))));
}

/* ---- y = softmax x. To x: y (g - sum(g y)) ------------------------------------------------------------ */

static bool softmax_forward(Tensor *y) {
    return rows_forward(y, hc_row_kernels(y->tape->k)->softmax_rows);
}

static void softmax_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    hc_give(s, 0, tensor_mul(y, tensor_sub(gy, sum_last(tensor_mul(gy, y)))));
}

static Tensor *softmax_composed(Tensor *y) {
    return softmax_unfused(hc_inputs(y)[0]);
}

static const HcOp op_softmax = {.name = "tensor_softmax",
                                .arity = 1,
                                .infer = hc_infer_dense,
                                .forward = softmax_forward,
                                .vjp = softmax_vjp,
                                .compose = softmax_composed,
                                .reads = {HC_READS_OUTPUT}};

/* ---- y = log softmax x. To x: g - e^y sum(g) ---------------------------------------------------------- */

static bool log_softmax_forward(Tensor *y) {
    return rows_forward(y, hc_row_kernels(y->tape->k)->log_softmax_rows);
}

static void log_softmax_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    hc_give(s, 0, tensor_sub(gy, tensor_mul(tensor_exp(y), sum_last(gy))));
}

static Tensor *log_softmax_composed(Tensor *y) {
    return log_softmax_unfused(hc_inputs(y)[0]);
}

static const HcOp op_log_softmax = {.name = "tensor_log_softmax",
                                    .arity = 1,
                                    .infer = hc_infer_dense,
                                    .forward = log_softmax_forward,
                                    .vjp = log_softmax_vjp,
                                    .compose = log_softmax_composed,
                                    .reads = {HC_READS_OUTPUT}};

static Tensor *softmax(Tensor *x) {
    return HC_FUSED ? hc_emit1(&op_softmax, NULL, x) : softmax_unfused(x);
}

static Tensor *log_softmax(Tensor *x) {
    return HC_FUSED ? hc_emit1(&op_log_softmax, NULL, x) : log_softmax_unfused(x);
}

static Tensor *along(const char *who, Tensor *(*rows)(Tensor *), Tensor *x, int axis) {
    int i;
    if (!hc_check(who, x) || !hc_axis(who, x, axis, x->form->ndim, &i)) return NULL;
    if (i == x->form->ndim - 1) return rows(x);
    return tensor_transpose(rows(tensor_transpose(x, i, -1)), i, -1);
}

Tensor *tensor_softmax(Tensor *x, int axis) {
    return along(op_softmax.name, softmax, x, axis);
}

Tensor *tensor_log_softmax(Tensor *x, int axis) {
    return along(op_log_softmax.name, log_softmax, x, axis);
}
