/* Slices of a tensor, and tensors put together from others. A slice is a view; embed, its adjoint, concat
 * and stack write memory of their own. */
#include <string.h>

#include "ops/ops.h"

/* ---- slice ↔ embed ------------------------------------------------------------------------------------------- */

/* Whether `picks` positions of a range lie in an axis of `size`. */
static bool is_in_axis(const Tensor *y, size_t picks, size_t size) {
    return picks == 0 || y->attr.range.start + (picks - 1) * y->attr.range.step < size;
}

static bool slice_infer(Tensor *y) {
    const HcForm *f = hc_inputs(y)[0]->form;
    int axis = y->attr.range.axis;
    HC_ASSERT(is_in_axis(y, y->attr.range.size, f->dim[axis]));
    size_t dim[HC_MAX_DIMS], stride[HC_MAX_DIMS];
    memcpy(dim, f->dim, sizeof dim);
    memcpy(stride, f->stride, sizeof stride);
    dim[axis] = y->attr.range.size;
    stride[axis] *= y->attr.range.step;
    return hc_view(y, f->ndim, dim, stride, y->attr.range.start * f->stride[axis]);
}

static void slice_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    size_t size = hc_inputs(y)[0]->form->dim[y->attr.range.axis];
    hc_set(s, 0,
           hc_embed(gy, y->attr.range.axis, y->attr.range.start, y->attr.range.step, size,
                    hc_take(s, 0)));
}

static const HcOp op_slice = {.name = "tensor_slice",
                              .flags = HC_OP_ALIAS,
                              .arity = 1,
                              .infer = slice_infer,
                              .vjp = slice_vjp};

static Tensor *slice(Tensor *x, int axis, size_t start, size_t step, size_t size) {
    HcAttr attr = {.range = {.axis = axis, .start = start, .step = step, .size = size}};
    return hc_emit1(&op_slice, &attr, x);
}

Tensor *tensor_slice(Tensor *x, int axis, int64_t start, int64_t stop, int64_t step) {
    int i;
    if (!hc_check(op_slice.name, x) || !hc_axis(op_slice.name, x, axis, x->form->ndim, &i))
        return NULL;
    if (step < 1) {
        hc_fail(x->tape, HC_ERR_ARG, "tensor_slice: step %lld is not positive", (long long)step);
        return NULL;
    }
    int64_t size = (int64_t)x->form->dim[i];
    if (start < 0) start = start < -size ? 0 : start + size;
    if (stop < 0) stop = stop < -size ? 0 : stop + size;
    if (stop > size) stop = size;
    if (start > stop) start = stop;
    int64_t picks = (stop - start) / step + ((stop - start) % step != 0);
    return slice(x, i, (size_t)start, (size_t)step, (size_t)picks);
}

static bool embed_infer(Tensor *y) {
    const HcForm *f = hc_inputs(y)[0]->form;
    size_t dim[HC_MAX_DIMS];
    memcpy(dim, f->dim, sizeof dim);
    HC_ASSERT(is_in_axis(y, f->dim[y->attr.range.axis], y->attr.range.size));
    dim[y->attr.range.axis] = y->attr.range.size;
    y->form = hc_form(&y->tape->forms, f->ndim, dim, NULL);
    return y->form || hc_fail_nomem(y->tape, y->op->name);
}

static bool embed_forward(Tensor *y) {
    const HcForm *f = hc_inputs(y)[0]->form->plain;
    int axis = y->attr.range.axis;
    const char *x = hc_dense_input(y, 0);
    if (!x) return false;
    hc_start_from_acc(y);
    if (f->count == 0) return true;
    size_t inner = f->stride[axis], item = y->tape->item;
    size_t outer = f->count / (inner * f->dim[axis]);
    for (size_t o = 0; o < outer; o++)
        for (size_t p = 0; p < f->dim[axis]; p++) {
            size_t to = o * y->attr.range.size + y->attr.range.start + p * y->attr.range.step;
            char *out = (char *)y->data + to * inner * item;
            y->tape->k->add(out, out, 1, x + (o * f->dim[axis] + p) * inner * item, 1, inner, NULL);
        }
    return true;
}

static void embed_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    size_t picks = hc_inputs(y)[0]->form->dim[y->attr.range.axis];
    if (hc_needs(s, 0))
        hc_give(s, 0,
                slice(gy, y->attr.range.axis, y->attr.range.start, y->attr.range.step, picks));
    if (hc_acc_of(y) && hc_needs(s, 1)) hc_give(s, 1, gy);
}

static const HcOp op_embed = {.name = "tensor_pad",
                              .flags = HC_OP_ACC,
                              .arity = 1,
                              .infer = embed_infer,
                              .forward = embed_forward,
                              .vjp = embed_vjp};

Tensor *hc_embed(Tensor *x, int axis, size_t start, size_t step, size_t size, Tensor *acc) {
    HcAttr attr = {.range = {.axis = axis, .start = start, .step = step, .size = size}};
    return acc ? hc_emit2(&op_embed, &attr, x, acc) : hc_emit1(&op_embed, &attr, x);
}

/* ---- concat ---------------------------------------------------------------------------------------------------- */

static bool concat_infer(Tensor *y) {
    Tensor *const *x = hc_inputs(y);
    int axis = y->attr.range.axis;
    size_t dim[HC_MAX_DIMS];
    memcpy(dim, x[0]->form->dim, sizeof dim);
    for (uint32_t i = 1; i < y->nin; i++) {
        bool fits = x[i]->form->ndim == x[0]->form->ndim;
        for (int a = 0; fits && a < x[0]->form->ndim; a++)
            fits = a == axis || x[i]->form->dim[a] == dim[a];
        if (!fits) {
            char ta[HC_SHAPE_TEXT], tb[HC_SHAPE_TEXT];
            return hc_fail(
                y->tape, HC_ERR_SHAPE, "tensor_concat: %s and %s: their sizes differ elsewhere than along axis %d",
                hc_shape_text(hc_form_shape(x[0]->form), ta), hc_shape_text(hc_form_shape(x[i]->form), tb), axis);
        }
        dim[axis] += x[i]->form->dim[axis];
    }
    size_t count;
    if (!hc_shape_valid(shape_of(dim, x[0]->form->ndim), y->tape->item, &count))
        return hc_fail(y->tape, HC_ERR_SHAPE, "tensor_concat: the result does not fit memory");
    y->form = hc_form(&y->tape->forms, x[0]->form->ndim, dim, NULL);
    return y->form || hc_fail_nomem(y->tape, y->op->name);
}

/* The numbers of the largest input that is copied first: any number of them may be views, one at a time. */
static size_t largest_view(const Tensor *y) {
    size_t most = 0;
    for (uint32_t i = 0; i < y->nin; i++) {
        const HcForm *f = hc_inputs(y)[i]->form;
        if (!hc_is_dense(f) && f->count > most) most = f->count;
    }
    return most;
}

static bool concat_forward(Tensor *y) {
    int axis = y->attr.range.axis;
    size_t row = y->form->dim[axis] * y->form->stride[axis], item = y->tape->item, at = 0;
    size_t most = largest_view(y);
    void *copy = most ? hc_workspace(y, most * item) : NULL;
    if (most && !copy) return false;
    for (uint32_t i = 0; i < y->nin; i++) {
        const Tensor *x = hc_inputs(y)[i];
        size_t run = x->form->dim[axis] * y->form->stride[axis];
        if (x->form->count == 0) continue;
        bool view = !hc_is_dense(x->form);
        const char *from = view ? copy : x->data;
        if (view) hc_copy_dense(x, copy);
        for (size_t o = 0; o < x->form->count / run; o++)
            y->tape->k->copy((char *)y->data + (o * row + at) * item, 1, from + o * run * item, 1,
                             run);
        at += run;
    }
    return true;
}

static void concat_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    size_t at = 0;
    for (uint32_t i = 0; i < y->nin; i++) {
        size_t size = hc_inputs(y)[i]->form->dim[y->attr.range.axis];
        if (hc_needs(s, i)) hc_give(s, i, slice(gy, y->attr.range.axis, at, 1, size));
        at += size;
    }
}

static const HcOp op_concat = {.name = "tensor_concat",
                               .flags = HC_OP_MORE,
                               .arity = 1,
                               .infer = concat_infer,
                               .forward = concat_forward,
                               .vjp = concat_vjp};

bool hc_list_given(const char *who, Tensor *const *tensors, size_t count) {
    if (!tensors) return hc_null(who, "the list of tensors");
    return count > 0 || hc_fail_thread(HC_ERR_ARG, "%s: no tensors", who);
}

Tensor *tensor_concat(Tensor *const *tensors, size_t count, int axis) {
    int i;
    if (!hc_list_given(op_concat.name, tensors, count) || !hc_check_all(op_concat.name, tensors, count) ||
        !hc_axis(op_concat.name, tensors[0], axis, tensors[0]->form->ndim, &i))
        return NULL;
    return hc_emit(&op_concat, &(HcAttr){.range = {.axis = i}}, tensors, count);
}

Tensor *tensor_stack(Tensor *const *tensors, size_t count, int axis) {
    int i;
    const char *who = "tensor_stack";
    if (!hc_list_given(who, tensors, count) || !hc_check_all(who, tensors, count) ||
        !hc_axis(who, tensors[0], axis, tensors[0]->form->ndim + 1, &i))
        return NULL;
    Tape *tape = tensors[0]->tape;
    Tensor **wide = hc_alloc(count, sizeof *wide);
    if (!wide) {
        hc_fail_nomem(tape, who);
        return NULL;
    }
    Tensor *result = NULL;
    size_t made = 0;
    while (made < count && hc_same_shape(who, tensors[0], tensors[made]) &&
           (wide[made] = tensor_unsqueeze(tensors[made], i)))
        made++;
    if (made == count) result = tensor_concat(wide, count, i);
    hc_free(wide);
    return hc_told_as(who, tape, result);
}
