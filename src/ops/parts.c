/* Operations with several outputs: a parent whose result holds them one after the other, along a leading
 * axis, and for each a part, a view. In a sweep the parts keep their cotangents for the parent's rule. */
#include "ops/ops.h"

static bool part_infer(Tensor *y) {
    const Tensor *x = hc_inputs(y)[0];
    const HcForm *f = x->form;
    y->form = hc_form(&y->tape->forms, f->ndim - 1, f->dim + 1, NULL);
    if (!y->form) return hc_fail_nomem(y->tape, y->op->name);
    y->data = (char *)x->data + y->attr.range.start * y->form->count * y->tape->item;
    return true;
}

static const HcOp op_part = {
    .name = "part", .flags = HC_OP_ALIAS | HC_OP_PART, .arity = 1, .infer = part_infer};

bool hc_infer_parts(Tensor *y, const HcForm *form, size_t count) {
    size_t dim[HC_MAX_DIMS] = {count};
    HC_ASSERT(count <= HC_MOST_PARTS && form->ndim < HC_MAX_DIMS);
    for (int i = 0; i < form->ndim; i++)
        dim[i + 1] = form->dim[i];
    y->form = hc_form(&y->tape->forms, form->ndim + 1, dim, NULL);
    return y->form || hc_fail_nomem(y->tape, y->op->name);
}

bool hc_emit_parts(const HcOp *op, const HcAttr *attr, Tensor *const *in, size_t nin,
                   Tensor **parts, size_t count) {
    Tensor *parent = hc_emit(op, attr, in, nin);
    for (size_t i = 0; parent && i < count; i++) {
        parts[i] = hc_emit1(&op_part, &(HcAttr){.range = {.start = i}}, parent);
        if (!parts[i]) return false;
        HC_ASSERT((parent->flags & HC_NODE_SCRATCH) || parts[i] == hc_part(parent, i));
    }
    hc_hide(parent);
    return parent != NULL;
}

Tensor *hc_stacked_cotangent(const HcSweep *s, const Tensor *y) {
    Tensor *stack[HC_MOST_PARTS];
    size_t count = y->form->dim[0];
    Shape shape = shape_of(y->form->dim + 1, y->form->ndim - 1);
    for (size_t i = 0; i < count; i++) {
        stack[i] = hc_part_cotangent(s, i);
        if (!stack[i]) stack[i] = tensor_zeros(y->tape, shape);
    }
    return tensor_stack(stack, count, 0);
}
