/* Movement: the same numbers in another order or shape, with or without their history. All are
 * views, which share memory and cost a node, but for the copies of clone and leaf. */
#include <string.h>

#include "ops/ops.h"

/* ---- axes --------------------------------------------------------------------------------------- */

static bool no_axis(const char *who, const Tensor *x, int axis, int ndim) {
    char text[HC_SHAPE_TEXT];
    hc_shape_text(hc_form_shape(x->form), text);
    if (ndim == 0) return hc_fail(x->tape, HC_ERR_SHAPE, "%s: axis %d of %s, which has none", who, axis, text);
    return hc_fail(x->tape, HC_ERR_SHAPE, "%s: axis %d of %s: there are %d to %d", who, axis, text, -ndim, ndim - 1);
}

bool hc_axis(const char *who, const Tensor *x, int axis, int ndim, int *out) {
    *out = 0;
    if (axis < -ndim || axis >= ndim) return no_axis(who, x, axis, ndim);
    *out = axis < 0 ? axis + ndim : axis;
    return true;
}

bool hc_axes_mask(const char *who, const Tensor *x, const int *axes, size_t count, uint32_t *mask) {
    *mask = 0;
    if (!axes && count > 0) return hc_fail(x->tape, HC_ERR_ARG, "%s: axes is NULL", who);
    if (count > (size_t)x->form->ndim)
        return hc_wrong_count(who, x, count, "axes");
    for (size_t i = 0; i < count; i++) {
        int axis;
        if (!hc_axis(who, x, axes[i], x->form->ndim, &axis)) return false;
        if (*mask >> axis & 1)
            return hc_fail(x->tape, HC_ERR_SHAPE, "%s: axis %d is named twice", who, axes[i]);
        *mask |= (uint32_t)1 << axis;
    }
    return true;
}

bool hc_axes_filled(const char *who, const Tensor *x, uint32_t mask) {
    for (int i = 0; i < x->form->ndim; i++)
        if ((mask >> i & 1) && x->form->dim[i] == 0) {
            char text[HC_SHAPE_TEXT];
            return hc_fail(x->tape, HC_ERR_SHAPE, "%s: axis %d of %s has size 0: there is nothing to choose from", who,
                           i, hc_shape_text(hc_form_shape(x->form), text));
        }
    return true;
}

bool hc_same_shape(const char *who, const Tensor *a, const Tensor *b) {
    char ta[HC_SHAPE_TEXT], tb[HC_SHAPE_TEXT];
    return a->form->plain == b->form->plain ||
           hc_fail(a->tape, HC_ERR_SHAPE, "%s: shapes %s and %s differ", who,
                   hc_shape_text(hc_form_shape(a->form), ta),
                   hc_shape_text(hc_form_shape(b->form), tb));
}

/* Whether a form from number `offset` on stays within x's memory; of an x with holes that is not known. */
static bool is_within(const Tensor *x, const HcForm *form, size_t offset) {
    for (int i = 0; i < form->ndim; i++)
        offset += form->dim[i] ? (form->dim[i] - 1) * form->stride[i] : 0;
    return !x->form->packed || form->count == 0 || offset < x->form->count;
}

bool hc_view(Tensor *y, int ndim, const size_t *dim, const size_t *stride, size_t offset) {
    const Tensor *x = hc_inputs(y)[0];
    y->form = hc_form(&y->tape->forms, ndim, dim, stride);
    HC_ASSERT(!y->form || is_within(x, y->form, offset));
    y->data = (char *)x->data + (y->form && y->form->count ? offset * y->tape->item : 0);
    return y->form || hc_fail_nomem(y->tape, y->op->name);
}

bool (hc_wrong_count)(const char *who, const Tensor *x, size_t count, const char *what) {
    char text[HC_SHAPE_TEXT];
    return hc_fail(x->tape, HC_ERR_SHAPE, "%s: %zu %s for %s, which has %d axes", who, count, what,
                   hc_shape_text(hc_form_shape(x->form), text), x->form->ndim);
}

/* ---- clone: the identity in its own memory ---------------------------------------------------------- */

static bool clone_forward(Tensor *y) {
    hc_copy_as(hc_inputs(y)[0], y->form, y->data);
    return true;
}

static void pass_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    (void)y;
    hc_give(s, 0, gy);
}

static const HcOp op_clone = {.name = "tensor_clone",
                              .flags = HC_OP_COPY,
                              .arity = 1,
                              .infer = hc_infer_same,
                              .forward = clone_forward,
                              .vjp = pass_vjp};

Tensor *tensor_clone(Tensor *x) {
    return hc_emit1(&op_clone, NULL, x);
}

static const HcOp op_dense = {.name = "tensor_clone",
                              .arity = 1,
                              .infer = hc_infer_dense,
                              .forward = clone_forward,
                              .vjp = pass_vjp};

Tensor *hc_dense(Tensor *x) {
    return x && hc_is_dense(x->form) ? x : hc_emit1(&op_dense, NULL, x);
}

/* ---- detach: the same memory without history ---------------------------------------------------------- */

static bool detach_infer(Tensor *y) {
    const HcForm *f = hc_inputs(y)[0]->form;
    return hc_view(y, f->ndim, f->dim, f->stride, 0);
}

static const HcOp op_detach = {.name = "tensor_detach",
                               .flags = HC_OP_ALIAS | HC_OP_NODIFF,
                               .arity = 1,
                               .infer = detach_infer};

Tensor *tensor_detach(Tensor *x) {
    Tensor *y = hc_emit1(&op_detach, NULL, x);
    if (y && y->why == HC_WHY_OP) y->why = HC_WHY_DETACHED;
    return y;
}

/* ---- leaf: the same numbers, with which a history begins ------------------------------------------------- */

static const HcOp op_leaf = {.name = "tensor_leaf",
                             .flags = HC_OP_LEAF | HC_OP_COPY,
                             .arity = 1,
                             .infer = hc_infer_same,
                             .forward = clone_forward};

static const HcOp op_shared_leaf = {
    .name = "tensor_leaf", .flags = HC_OP_LEAF | HC_OP_ALIAS, .arity = 1, .infer = detach_infer};

Tensor *hc_leaf_of(Tensor *x, bool share, bool needs, HcWhy why) {
    if (!hc_check(op_leaf.name, x)) return NULL;
    /* Memory that someone may write later is not shared. */
    share = share && hc_is_dense(x->form) && !(x->flags & HC_NODE_BORROWED);
    Tensor *y = hc_emit1(share ? &op_shared_leaf : &op_leaf, NULL, x);
    if (!y) return NULL;
    y->why = (uint8_t)why;
    if (needs) y->flags |= HC_NODE_NEEDS;
    return y;
}

Tensor *tensor_leaf(Tensor *x) {
    return hc_leaf_of(x, false, true, HC_WHY_NOTHING);
}

/* ---- reshape -------------------------------------------------------------------------------------------- */

static bool reshape_infer(Tensor *y) {
    const HcForm *f = y->attr.form;
    return hc_view(y, f->ndim, f->dim, f->stride, 0);
}

static void reshape_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    hc_give(s, 0, tensor_reshape(gy, hc_form_shape(hc_inputs(y)[0]->form)));
}

static const HcOp op_reshape = {.name = "tensor_reshape",
                                .flags = HC_OP_ALIAS,
                                .arity = 1,
                                .infer = reshape_infer,
                                .vjp = reshape_vjp};

/* Whether the shapes differ by axes of size 1 only, so that a view of any strides will do. */
static bool only_ones_move(const HcForm *f, Shape shape, size_t *stride) {
    int from = 0;
    for (int i = 0; i < shape.ndim; i++) {
        stride[i] = 1;
        if (shape.dim[i] == 1) continue;
        while (from < f->ndim && f->dim[from] == 1)
            from++;
        if (from == f->ndim || f->dim[from] != shape.dim[i]) return false;
        stride[i] = f->stride[from++];
    }
    return true;
}

Tensor *tensor_reshape(Tensor *x, Shape shape) {
    if (!hc_check(op_reshape.name, x)) return NULL;
    size_t count;
    if (!hc_shape_valid(shape, x->tape->item, &count) || count != x->form->count) {
        char from[HC_SHAPE_TEXT], to[HC_SHAPE_TEXT];
        hc_fail(x->tape, HC_ERR_SHAPE, "%s: %s has not as many elements as %s", op_reshape.name,
                hc_shape_text(hc_form_shape(x->form), from), hc_shape_text(shape, to));
        return NULL;
    }
    size_t stride[HC_MAX_DIMS];
    bool views = only_ones_move(x->form, shape, stride);
    const HcForm *form = hc_form(&x->tape->forms, shape.ndim, shape.dim, views ? stride : NULL);
    if (!form) {
        hc_fail_nomem(x->tape, op_reshape.name);
        return NULL;
    }
    if (form == x->form) return x;
    if (!views) x = hc_dense(x);
    return hc_emit1(&op_reshape, &(HcAttr){.form = form}, x);
}

Tensor *tensor_squeeze(Tensor *x, int axis) {
    int i;
    if (!hc_check("tensor_squeeze", x) || !hc_axis("tensor_squeeze", x, axis, x->form->ndim, &i))
        return NULL;
    if (x->form->dim[i] != 1) {
        hc_fail(x->tape, HC_ERR_SHAPE, "tensor_squeeze: axis %d has size %zu, not 1", axis,
                x->form->dim[i]);
        return NULL;
    }
    Shape shape = hc_form_shape(x->form);
    memmove(shape.dim + i, shape.dim + i + 1, (size_t)(shape.ndim - 1 - i) * sizeof *shape.dim);
    shape.dim[--shape.ndim] = 0;
    return tensor_reshape(x, shape);
}

Tensor *tensor_unsqueeze(Tensor *x, int axis) {
    int i;
    if (!hc_check("tensor_unsqueeze", x) ||
        !hc_axis("tensor_unsqueeze", x, axis, x->form->ndim + 1, &i))
        return NULL;
    Shape shape = hc_form_shape(x->form);
    if (shape.ndim == HC_MAX_DIMS) {
        hc_fail(x->tape, HC_ERR_SHAPE, "tensor_unsqueeze: a tensor has at most %d axes", HC_MAX_DIMS);
        return NULL;
    }
    memmove(shape.dim + i + 1, shape.dim + i, (size_t)(shape.ndim - i) * sizeof *shape.dim);
    shape.dim[i] = 1;
    shape.ndim++;
    return tensor_reshape(x, shape);
}

/* ---- permute: the adjoint is the inverse permutation ------------------------------------------------------ */

static bool permute_infer(Tensor *y) {
    const HcForm *f = hc_inputs(y)[0]->form;
    size_t dim[HC_MAX_DIMS], stride[HC_MAX_DIMS];
    for (int i = 0; i < f->ndim; i++) {
        dim[i] = f->dim[y->attr.axes[i]];
        stride[i] = f->stride[y->attr.axes[i]];
    }
    return hc_view(y, f->ndim, dim, stride, 0);
}

static void permute_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    int inverse[HC_MAX_DIMS];
    for (int i = 0; i < y->form->ndim; i++)
        inverse[y->attr.axes[i]] = i;
    hc_give(s, 0, tensor_permute(gy, inverse, (size_t)y->form->ndim));
}

static const HcOp op_permute = {.name = "tensor_permute",
                                .flags = HC_OP_ALIAS,
                                .arity = 1,
                                .infer = permute_infer,
                                .vjp = permute_vjp};

Tensor *tensor_permute(Tensor *x, const int *axes, size_t count) {
    uint32_t mask;
    if (!hc_check(op_permute.name, x) || !hc_axes_mask(op_permute.name, x, axes, count, &mask))
        return NULL;
    if (count != (size_t)x->form->ndim) {
        hc_wrong_count(op_permute.name, x, count, "axes");
        return NULL;
    }
    HcAttr attr = {.axes = {0}};
    for (int i = 0; i < x->form->ndim; i++)
        attr.axes[i] = axes[i] < 0 ? axes[i] + x->form->ndim : axes[i];
    return hc_emit1(&op_permute, &attr, x);
}

Tensor *tensor_transpose(Tensor *x, int axis0, int axis1) {
    int i, j, axes[HC_MAX_DIMS];
    if (!hc_check("tensor_transpose", x) ||
        !hc_axis("tensor_transpose", x, axis0, x->form->ndim, &i) ||
        !hc_axis("tensor_transpose", x, axis1, x->form->ndim, &j))
        return NULL;
    for (int a = 0; a < x->form->ndim; a++)
        axes[a] = a;
    axes[i] = j;
    axes[j] = i;
    return tensor_permute(x, axes, (size_t)x->form->ndim);
}

/* ---- expand ↔ sum -------------------------------------------------------------------------------------------- */

static bool expand_infer(Tensor *y) {
    const HcForm *f = hc_inputs(y)[0]->form, *to = y->attr.form;
    uint64_t key = hc_form_key(f, to, HC_BY_EXPAND);
    y->data = hc_inputs(y)[0]->data;
    if ((y->form = hc_form_recall(&y->tape->forms, key))) return true;
    int extra = to->ndim - f->ndim;
    size_t stride[HC_MAX_DIMS] = {0};
    for (int i = extra; i < to->ndim; i++)
        stride[i] = f->dim[i - extra] == 1 ? 0 : f->stride[i - extra];
    bool done = hc_view(y, to->ndim, to->dim, stride, 0);
    hc_form_remember(&y->tape->forms, key, y->form);
    return done;
}

static void expand_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    const HcForm *f = hc_inputs(y)[0]->form;
    int extra = y->form->ndim - f->ndim;
    uint32_t mask = ((uint32_t)1 << extra) - 1;
    for (int i = 0; i < f->ndim; i++)
        if (f->dim[i] == 1 && y->form->dim[i + extra] != 1) mask |= (uint32_t)1 << (i + extra);
    bool leading = mask == ((uint32_t)1 << extra) - 1;
    Tensor *g = hc_sum_stored(gy, mask, !leading);
    hc_give(s, 0, extra && !leading ? tensor_reshape(g, hc_form_shape(f)) : g);
}

static const HcOp op_expand = {.name = "tensor_expand",
                               .flags = HC_OP_ALIAS,
                               .arity = 1,
                               .infer = expand_infer,
                               .vjp = expand_vjp};

Tensor *tensor_expand(Tensor *x, Shape shape) {
    if (!hc_check(op_expand.name, x)) return NULL;
    const HcForm *f = x->form, *form = hc_form_of(&x->tape->forms, &shape, x->tape->item);
    size_t count;
    bool fits = form || hc_shape_valid(shape, x->tape->item, &count);
    if (!fits || !hc_form_broadcasts(f, &shape)) {
        char from[HC_SHAPE_TEXT], to[HC_SHAPE_TEXT];
        hc_fail(x->tape, HC_ERR_SHAPE, "tensor_expand: %s does not expand to %s: axes of size 1 do",
                hc_shape_text(hc_form_shape(f), from), hc_shape_text(shape, to));
        return NULL;
    }
    if (!form) {
        hc_fail_nomem(x->tape, op_expand.name);
        return NULL;
    }
    return hc_expand(x, form);
}

Tensor *hc_expand(Tensor *x, const HcForm *form) {
    return !x || x->form->plain == form ? x : hc_emit1(&op_expand, &(HcAttr){.form = form}, x);
}
