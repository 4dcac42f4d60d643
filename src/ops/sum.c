/* The sum over axes, whose adjoint is expand, and what it shares with other reductions. */
#include "ops/ops.h"

#define EVERY_AXIS(x) (((uint32_t)1 << (x)->form->ndim) - 1)

/* The form in which input 0 is read. Sums of the same numbers must have the same bits however they are
 * stored, so they are made in row-major order; what does not depend on the order, and the adjoint of expand,
 * whose storage follows from the operations alone, reads them as they are. */
const HcForm *hc_reduce_read_form(const Tensor *y) {
    const HcForm *f = hc_inputs(y)[0]->form;
    return f->packed && y->attr.reduce.stored ? f : f->plain;
}

/* The axes that stay are stored in the order they have in x. */
bool hc_reduce_infer(Tensor *y) {
    if (y->form) return true;
    const HcForm *f = hc_reduce_read_form(y);
    HC_ASSERT(y->attr.reduce.axes >> f->ndim == 0);
    size_t dim[HC_MAX_DIMS], stride[HC_MAX_DIMS], step = 1;
    int place[HC_MAX_DIMS], axis[HC_MAX_DIMS], ndim = 0;
    uint32_t how = y->attr.reduce.axes << 1 | (uint32_t)y->attr.reduce.keep;
    uint64_t key = hc_form_key(f, NULL, HC_MANNER(HC_BY_REDUCE, how));
    if ((y->form = hc_form_recall(&y->tape->forms, key))) return true;
    for (int i = 0; i < f->ndim; i++) {
        bool gone = y->attr.reduce.axes >> i & 1;
        place[i] = gone ? -1 : ndim;
        if (gone && !y->attr.reduce.keep) continue;
        stride[ndim] = 1;
        dim[ndim++] = gone ? 1 : f->dim[i];
    }
    for (int n = hc_is_dense(f) ? 0 : hc_storage_axes(f, axis); n-- > 0;) {
        if (place[axis[n]] < 0) continue;
        stride[place[axis[n]]] = step;
        step *= f->dim[axis[n]];
    }
    y->form = hc_form(&y->tape->forms, ndim, dim, hc_is_dense(f) ? NULL : stride);
    hc_form_remember(&y->tape->forms, key, y->form);
    return y->form || hc_fail_nomem(y->tape, y->op->name);
}

/* Reduces into what y holds, in the order of storage. Neighbouring axes of one kind are taken together;
 * what is left innermost is a run of rows or columns, and an odometer walks the axes outside it. */
void hc_reduce(Tensor *y, const char *x, const HcForm *f, HcReduceFn *rows, HcReduceFn *cols) {
    size_t dim[HC_MAX_DIMS], item = y->tape->item;
    bool gone[HC_MAX_DIMS];
    int n = 0, axis[HC_MAX_DIMS], axes = hc_storage_axes(f, axis);
    for (int i = 0; i < axes; i++) {
        bool g = y->attr.reduce.axes >> axis[i] & 1;
        if (n > 0 && gone[n - 1] == g)
            dim[n - 1] *= f->dim[axis[i]];
        else {
            dim[n] = f->dim[axis[i]];
            gone[n++] = g;
        }
    }
    if (n == 0 || (n == 1 && !gone[0])) { /* nothing to sum: each number by itself */
        rows(y->data, x, 1, f->count, 1);
        return;
    }
    /* (kept, gone): rows; (gone, kept): columns. Groups alternate, so two make a matrix. */
    bool by_rows = gone[n - 1];
    size_t width = dim[n - 1], height = n >= 2 ? dim[n - 2] : 1;
    size_t out_step[HC_MAX_DIMS], step = by_rows ? height : width;
    int outer = n >= 2 ? n - 2 : 0;
    for (int i = outer - 1; i >= 0; i--) {
        out_step[i] = gone[i] ? 0 : step;
        if (!gone[i]) step *= dim[i];
    }
    size_t at[HC_MAX_DIMS] = {0}, to = 0;
    for (;; x += height * width * item) {
        (by_rows ? rows : cols)((char *)y->data + to * item, x, width, height, width);
        int i = outer - 1;
        for (; i >= 0; i--) {
            to += out_step[i];
            if (++at[i] < dim[i]) break;
            to -= out_step[i] * dim[i];
            at[i] = 0;
        }
        if (i < 0) return;
    }
}

/* ---- sum. To x: g expanded -------------------------------------------------------------------------- */

static bool sum_forward(Tensor *y) {
    const HcForm *f = hc_reduce_read_form(y);
    const HcKernels *k = y->tape->k;
    const void *data = hc_input_as(y, 0, f);
    if (!data) return false;
    hc_start_from_acc(y);
    uint32_t axes = y->attr.reduce.axes;
    if (f->count == 0) return true;
    if (hc_is_dense(f) && (axes & (axes + 1)) == 0 && y->form->count > 1) /* leading axes */
        k->sum_cols(y->data, data, y->form->count, f->count / y->form->count, y->form->count);
    else
        hc_reduce(y, data, f, k->sum_rows, k->sum_cols);
    return true;
}

/* A reduced tensor with the reduced axes back, as size 1, then expanded to x's shape. */
Tensor *hc_reduce_expand_back(Tensor *reduced, const Tensor *y) {
    const HcForm *f = hc_inputs(y)[0]->form;
    uint32_t axes = y->attr.reduce.axes;
    /* Leading axes that are gone come back by themselves. */
    if ((axes & (axes + 1)) == 0 && !y->attr.reduce.keep) return hc_expand(reduced, f->plain);
    Shape shape = hc_form_shape(f);
    for (int i = 0; i < f->ndim; i++)
        if (axes >> i & 1) shape.dim[i] = 1;
    return hc_expand(tensor_reshape(reduced, shape), f->plain);
}

static void sum_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    if (hc_needs(s, 0)) hc_give(s, 0, hc_reduce_expand_back(gy, y));
    if (hc_acc_of(y) && hc_needs(s, 1)) hc_give(s, 1, gy);
}

static const HcOp op_sum = {.name = "tensor_sum",
                            .flags = HC_OP_ACC,
                            .arity = 1,
                            .infer = hc_reduce_infer,
                            .forward = sum_forward,
                            .vjp = sum_vjp};

/* form: the result's, or NULL where it is not known yet. */
static Tensor *sum(Tensor *x, const HcAttr *how, Tensor *acc, const HcForm *form) {
    return hc_emit_as(&op_sum, how, form, (Tensor *[]){x, acc}, acc ? 2 : 1);
}

Tensor *hc_sum_mask(Tensor *x, uint32_t axes, bool keep, Tensor *acc) {
    return sum(x, &(HcAttr){.reduce = {axes, keep, false}}, acc, NULL);
}

Tensor *hc_sum_stored(Tensor *x, uint32_t axes, bool keep) {
    return sum(x, &(HcAttr){.reduce = {axes, keep, true}}, NULL, NULL);
}

Tensor *hc_sum_rows(Tensor *x, Tensor *acc, const HcForm *form) {
    static const HcAttr rows = {.reduce = {1, false, true}};
    return sum(x, &rows, acc, form);
}

Tensor *tensor_sum(Tensor *x) {
    return hc_check("tensor_sum", x) ? hc_sum_mask(x, EVERY_AXIS(x), false, NULL) : NULL;
}

Tensor *tensor_sum_axes(Tensor *x, const int *axes, size_t count, bool keepdim) {
    uint32_t mask;
    if (!hc_check("tensor_sum", x) || !hc_axes_mask("tensor_sum", x, axes, count, &mask))
        return NULL;
    return hc_sum_mask(x, mask, keepdim, NULL);
}
