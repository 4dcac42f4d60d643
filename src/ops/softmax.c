/* softmax and its logarithm, along the last axis; another axis is moved there and back. */
#include "ops/ops.h"

static bool rows_forward(Tensor *y, void (*kernel)(void *, const void *, size_t, size_t)) {
    const void *x = hc_dense_input(y, 0);
    size_t n = y->form->ndim ? y->form->dim[y->form->ndim - 1] : 1;
    if (x && y->form->count) kernel(y->data, x, y->form->count / n, n);
    return x != NULL;
}

static Tensor *sum_last(Tensor *x) {
    return x ? hc_sum_mask(x, (uint32_t)1 << (x->form->ndim - 1), true, NULL) : NULL;
}

/* ---- y = softmax x. To x: y (g - sum(g y)) ------------------------------------------------------------ */

static bool softmax_forward(Tensor *y) {
    return rows_forward(y, y->tape->k->softmax_rows);
}

static void softmax_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    hc_give(s, 0, tensor_mul(y, tensor_sub(gy, sum_last(tensor_mul(gy, y)))));
}

static const HcOp op_softmax = {.name = "tensor_softmax",
                                .arity = 1,
                                .infer = hc_infer_dense,
                                .forward = softmax_forward,
                                .vjp = softmax_vjp,
                                .reads = {HC_READS_OUTPUT}};

/* ---- y = log softmax x. To x: g - e^y sum(g) ---------------------------------------------------------- */

static bool log_softmax_forward(Tensor *y) {
    return rows_forward(y, y->tape->k->log_softmax_rows);
}

static void log_softmax_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    hc_give(s, 0, tensor_sub(gy, tensor_mul(tensor_exp(y), sum_last(gy))));
}

static const HcOp op_log_softmax = {.name = "tensor_log_softmax",
                                    .arity = 1,
                                    .infer = hc_infer_dense,
                                    .forward = log_softmax_forward,
                                    .vjp = log_softmax_vjp,
                                    .reads = {HC_READS_OUTPUT}};

static Tensor *along(const HcOp *op, Tensor *x, int axis) {
    int i;
    if (!hc_check(op->name, x) || !hc_axis(op->name, x, axis, x->form->ndim, &i)) return NULL;
    if (i == x->form->ndim - 1) return hc_emit1(op, NULL, x);
    return tensor_transpose(hc_emit1(op, NULL, tensor_transpose(x, i, -1)), i, -1);
}

Tensor *tensor_softmax(Tensor *x, int axis) {
    return along(&op_softmax, x, axis);
}

Tensor *tensor_log_softmax(Tensor *x, int axis) {
    return along(&op_log_softmax, x, axis);
}
