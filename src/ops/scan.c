/* Scans along an axis: cumulative sums, and linear recurrences, of which a cumulative product is one. */
#include "ops/ops.h"

/* attr.range: the axis; start: 1 where it runs from the end. */
static bool scan(Tensor *y, const void *a, const void *b) {
    int axis = y->attr.range.axis;
    size_t outer, inner;
    if (!b) return false;
    hc_extents(y->form, axis, &outer, &inner);
    const HcIndexKernels *k = hc_index_kernels(y->tape->k);
    if (y->form->count) k->scan(y->data, a, b, outer, y->form->dim[axis], inner, y->attr.range.start);
    return true;
}

/* ---- cumulative sums; from the other end, they are their own adjoint ------------------------------------------- */

static Tensor *cumsum(Tensor *x, int axis, bool back);

static bool cumsum_forward(Tensor *y) {
    return scan(y, NULL, hc_dense_input(y, 0));
}

static void cumsum_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    hc_give(s, 0, cumsum(gy, y->attr.range.axis, !y->attr.range.start));
}

static const HcOp op_cumsum = {.name = "tensor_cumsum",
                               .arity = 1,
                               .infer = hc_infer_dense,
                               .forward = cumsum_forward,
                               .vjp = cumsum_vjp};

static Tensor *cumsum(Tensor *x, int axis, bool back) {
    return hc_emit1(&op_cumsum, &(HcAttr){.range = {.axis = axis, .start = back}}, x);
}

Tensor *tensor_cumsum(Tensor *x, int axis) {
    int i;
    if (!hc_check(op_cumsum.name, x) || !hc_axis(op_cumsum.name, x, axis, x->form->ndim, &i)) return NULL;
    return cumsum(x, i, false);
}

/* ---- y[j] = b[j] + a[j] y[j-1], or back from the end b[j] + a[j+1] y[j+1]. To b: the same of g from the other end,
 * f; to a: f[j] y[j-1], or f[j-1] y[j] --------------------------------------------------------------------------- */

static Tensor *recurrence(Tensor *a, Tensor *b, int axis, bool back);

static bool recurrence_forward(Tensor *y) {
    const void *a = hc_dense_input(y, 0);
    return a && scan(y, a, hc_dense_input(y, 1));
}

/* x moved on by one along the axis, a 0 in the first place. */
static Tensor *moved_on(Tensor *x, int axis) {
    if (!x) return NULL;
    size_t n = x->form->dim[axis];
    return hc_embed(tensor_slice(x, axis, 0, (int64_t)n - 1, 1), axis, 1, 1, n, NULL);
}

static void recurrence_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    int axis = y->attr.range.axis;
    bool back = y->attr.range.start;
    Tensor *flow = recurrence(hc_inputs(y)[0], gy, axis, !back);
    if (hc_needs(s, 1)) hc_give(s, 1, flow);
    if (!hc_needs(s, 0)) return;
    Tensor *first = back ? moved_on(flow, axis) : flow, *other = back ? y : moved_on(y, axis);
    hc_give(s, 0, tensor_mul(first, other));
}

static const HcOp op_recurrence = {.name = "tensor_cumprod",
                                   .arity = 2,
                                   .infer = hc_infer_dense,
                                   .forward = recurrence_forward,
                                   .vjp = recurrence_vjp,
                                   .reads = {HC_IN(0) | HC_READS_OUTPUT, HC_IN(0)}};

static Tensor *recurrence(Tensor *a, Tensor *b, int axis, bool back) {
    return hc_emit2(&op_recurrence, &(HcAttr){.range = {.axis = axis, .start = back}}, a, b);
}

/* Begun with the first number: no quotient is taken, so that zeros may stand anywhere. */
Tensor *tensor_cumprod(Tensor *x, int axis) {
    int i;
    if (!hc_check(op_recurrence.name, x) || !hc_axis(op_recurrence.name, x, axis, x->form->ndim, &i)) return NULL;
    size_t n = x->form->dim[i];
    if (n < 2) return x;
    Tensor *first = hc_embed(tensor_slice(x, i, 0, 1, 1), i, 0, 1, n, NULL);
    return recurrence(x, first, i, false);
}
