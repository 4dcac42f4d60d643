/* Operands of different shapes: each is expanded to the common one. And the choice between two by a third. */
#include "ops/ops.h"

static bool join(Shape *common, const HcForm *form) {
    Shape wide = *common;
    int shift = form->ndim - common->ndim;
    if (shift > 0) {
        wide.ndim = form->ndim;
        for (int i = 0; i < form->ndim; i++)
            wide.dim[i] = i < shift ? 1 : common->dim[i - shift];
        shift = 0;
    }
    for (int i = 0; i < form->ndim; i++) {
        size_t *d = &wide.dim[i - shift];
        if (*d != form->dim[i] && *d != 1 && form->dim[i] != 1) return false;
        if (*d == 1) *d = form->dim[i];
    }
    *common = wide;
    return true;
}

bool hc_broadcast(const char *who, Tensor **x, size_t count) {
    if (!hc_check_all(who, x, count)) return false;
    bool equal = true;
    for (size_t i = 1; i < count; i++)
        equal = equal && x[i]->form->plain == x[0]->form->plain;
    if (equal) return true;
    Shape common = hc_form_shape(x[0]->form);
    for (size_t i = 1; i < count; i++)
        if (!join(&common, x[i]->form)) {
            char a[HC_SHAPE_TEXT], b[HC_SHAPE_TEXT];
            return hc_fail(x[0]->tape, HC_ERR_SHAPE, "%s: shapes %s and %s do not broadcast", who,
                           hc_shape_text(hc_form_shape(x[0]->form), a),
                           hc_shape_text(hc_form_shape(x[i]->form), b));
        }
    for (size_t i = 0; i < count; i++)
        if (!shape_equal(hc_form_shape(x[i]->form), common) &&
            !(x[i] = tensor_expand(x[i], common)))
            return false;
    return true;
}

Tensor *hc_binary(const HcOp *op, const HcAttr *attr, Tensor *a, Tensor *b) {
    Tensor *x[2] = {a, b};
    return hc_broadcast(op->name, x, 2) ? hc_emit(op, attr, x, 2) : NULL;
}

/* ---- where(p, a, b): p != 0 ? a : b. To a: where(p, g, 0); to b: where(p, 0, g) ----------------- */

static void where_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    Tensor *p = hc_inputs(y)[0];
    Tensor *zero = tensor_scalar(y->tape, 0);
    if (hc_needs(s, 1)) hc_give(s, 1, tensor_where(p, gy, zero));
    if (hc_needs(s, 2)) hc_give(s, 2, tensor_where(p, zero, gy));
}

static const HcOp op_where = {.name = "tensor_where",
                              .arity = 3,
                              .infer = hc_infer_same,
                              .forward = hc_forward_select,
                              .vjp = where_vjp,
                              .reads = {0, HC_IN(0), HC_IN(0)}};

Tensor *tensor_where(Tensor *condition, Tensor *a, Tensor *b) {
    Tensor *x[3] = {condition, a, b};
    return hc_broadcast(op_where.name, x, 3) ? hc_emit(&op_where, NULL, x, 3) : NULL;
}
