/* Indexing: gather, and scatter_add, its adjoint; index_select, which takes whole slices, and its adjoint;
 * embedding, made of it; one_hot. */
#include "ops/ops.h"

void hc_extents(const HcForm *f, int axis, size_t *outer, size_t *inner) {
    *outer = *inner = 1;
    for (int i = 0; i < axis; i++)
        *outer *= f->dim[i];
    for (int i = axis + 1; i < f->ndim; i++)
        *inner *= f->dim[i];
}

bool (hc_bad_index)(const Tensor *y, const void *index, size_t at, size_t size) {
    double value;
    HC_ASSERT(index);
    y->tape->k->to_f64(&value, (const char *)index + at * y->tape->item, 1);
    if (size == 0)
        return hc_fail(y->tape, HC_ERR_RANGE, "%s: index %g at position %zu, where there is none", y->op->name, value,
                       at);
    return hc_fail(y->tape, HC_ERR_RANGE, "%s: index %g at position %zu is not in 0..%zu", y->op->name, value, at,
                   size - 1);
}

typedef bool IndexFn(void *y, const void *x, const void *index, size_t outer, size_t axis,
                     size_t picks, size_t inner, size_t *bad);

/* y = what the kernel picks of input 0 where input 1 says. */
static bool pick(Tensor *y, IndexFn *kernel) {
    int axis = y->attr.range.axis;
    size_t outer, inner, bad, size = hc_inputs(y)[0]->form->dim[axis];
    const void *x = hc_dense_input(y, 0), *index = hc_dense_input(y, 1);
    if (!x || !index) return false;
    hc_extents(y->form, axis, &outer, &inner);
    return kernel(y->data, x, index, outer, size, y->form->dim[axis], inner, &bad) ||
           hc_bad_index(y, index, bad, size);
}

/* y = acc, or zeros, and input 1 added by the kernel where input 0 says. */
static bool add(Tensor *y, IndexFn *kernel) {
    int axis = y->attr.range.axis;
    size_t outer, inner, bad, size = y->form->dim[axis];
    const void *index = hc_dense_input(y, 0), *source = hc_dense_input(y, 1);
    if (!index || !source) return false;
    hc_start_from_acc(y);
    hc_extents(y->form, axis, &outer, &inner);
    return kernel(y->data, source, index, outer, size, hc_inputs(y)[1]->form->dim[axis], inner,
                  &bad) ||
           hc_bad_index(y, index, bad, size);
}

/* index has x's shape except along the axis. */
static bool check_index(const char *who, const Tensor *x, const Tensor *index, int axis) {
    bool fits = index->form->ndim == x->form->ndim;
    for (int i = 0; fits && i < x->form->ndim; i++)
        fits = i == axis || index->form->dim[i] == x->form->dim[i];
    if (fits) return true;
    char tx[HC_SHAPE_TEXT], ti[HC_SHAPE_TEXT];
    return hc_fail(x->tape, HC_ERR_SHAPE, "%s: %s with index %s: their sizes differ elsewhere than along axis %d", who,
                   hc_shape_text(hc_form_shape(x->form), tx),
                   hc_shape_text(hc_form_shape(index->form), ti), axis);
}

/* ---- gather(x, index) ------------------------------------------------------------------------- */

static bool gather_infer(Tensor *y) {
    y->form = hc_inputs(y)[1]->form->plain;
    return true;
}

static bool gather_forward(Tensor *y) {
    return pick(y, hc_index_kernels(y->tape->k)->gather);
}

static void gather_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    if (!hc_needs(s, 0)) return;
    Tensor *x = hc_inputs(y)[0], *index = hc_inputs(y)[1];
    Tensor *onto = hc_take(s, 0);
    if (!onto) onto = tensor_zeros(y->tape, hc_form_shape(x->form));
    hc_set(s, 0, tensor_scatter_add(onto, y->attr.range.axis, index, gy));
}

static const HcOp op_gather = {.name = "tensor_gather",
                               .arity = 2,
                               .infer = gather_infer,
                               .forward = gather_forward,
                               .vjp = gather_vjp,
                               .reads = {HC_IN(1)}};

Tensor *tensor_gather(Tensor *x, int axis, Tensor *index) {
    int i;
    if (!hc_check_all(op_gather.name, (Tensor *[]){x, index}, 2) ||
        !hc_axis(op_gather.name, x, axis, x->form->ndim, &i) ||
        !check_index(op_gather.name, x, index, i))
        return NULL;
    return hc_emit2(&op_gather, &(HcAttr){.range = {.axis = i}}, x, index);
}

/* ---- scatter_add(index, source) + x ------------------------------------------------------------- */

static bool scatter_infer(Tensor *y) {
    y->form = hc_inputs(y)[2]->form->plain;
    return true;
}

static bool scatter_forward(Tensor *y) {
    return add(y, hc_index_kernels(y->tape->k)->scatter_add);
}

static void scatter_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    if (hc_needs(s, 1)) hc_give(s, 1, tensor_gather(gy, y->attr.range.axis, hc_inputs(y)[0]));
    if (hc_needs(s, 2)) hc_give(s, 2, gy);
}

static const HcOp op_scatter = {.name = "tensor_scatter_add",
                                .flags = HC_OP_ACC,
                                .arity = 2,
                                .infer = scatter_infer,
                                .forward = scatter_forward,
                                .vjp = scatter_vjp,
                                .reads = {0, HC_IN(0)}};

Tensor *tensor_scatter_add(Tensor *x, int axis, Tensor *index, Tensor *source) {
    int i;
    if (!hc_check_all(op_scatter.name, (Tensor *[]){x, index, source}, 3) ||
        !hc_axis(op_scatter.name, x, axis, x->form->ndim, &i) ||
        !check_index(op_scatter.name, x, index, i) ||
        !hc_same_shape(op_scatter.name, index, source))
        return NULL;
    return hc_emit(&op_scatter, &(HcAttr){.range = {.axis = i}}, (Tensor *[]){index, source, x}, 3);
}

/* ---- index_select(x, index): slices of x along an axis. To x: they are added back ------------------ */

/* x's shape with another size along the axis. */
static bool resized_infer(Tensor *y, const HcForm *f, size_t size) {
    Shape shape = hc_form_shape(f);
    size_t count;
    shape.dim[y->attr.range.axis] = size;
    if (!hc_shape_valid(shape, y->tape->item, &count))
        return hc_fail(y->tape, HC_ERR_SHAPE, "%s: the result does not fit memory", y->op->name);
    y->form = hc_form(&y->tape->forms, shape.ndim, shape.dim, NULL);
    return y->form || hc_fail_nomem(y->tape, y->op->name);
}

static bool select_infer(Tensor *y) {
    return resized_infer(y, hc_inputs(y)[0]->form, hc_inputs(y)[1]->form->count);
}

static bool select_forward(Tensor *y) {
    return pick(y, hc_index_kernels(y->tape->k)->pick_rows);
}

static Tensor *index_add(Tensor *index, Tensor *source, int axis, size_t size, Tensor *acc);

static void select_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    int axis = y->attr.range.axis;
    if (!hc_needs(s, 0)) return;
    Tensor *index = hc_inputs(y)[1];
    size_t size = hc_inputs(y)[0]->form->dim[axis];
    hc_set(s, 0, index_add(index, gy, axis, size, hc_take(s, 0)));
}

static const HcOp op_select = {.name = "tensor_index_select",
                               .arity = 2,
                               .infer = select_infer,
                               .forward = select_forward,
                               .vjp = select_vjp,
                               .reads = {HC_IN(1)}};

Tensor *tensor_index_select(Tensor *x, int axis, Tensor *index) {
    int i;
    if (!hc_check_all(op_select.name, (Tensor *[]){x, index}, 2) ||
        !hc_axis(op_select.name, x, axis, x->form->ndim, &i))
        return NULL;
    if (index->form->ndim > 1) {
        char text[HC_SHAPE_TEXT];
        hc_fail(x->tape, HC_ERR_SHAPE, "%s: the index is %s; it takes a list of positions",
                op_select.name, hc_shape_text(hc_form_shape(index->form), text));
        return NULL;
    }
    return hc_emit2(&op_select, &(HcAttr){.range = {.axis = i}}, x, index);
}

/* ---- index_add(index, source): zeros of `size` along the axis, or acc, to which slices are added ---- */

static bool index_add_infer(Tensor *y) {
    return resized_infer(y, hc_inputs(y)[1]->form, y->attr.range.size);
}

static bool index_add_forward(Tensor *y) {
    return add(y, hc_index_kernels(y->tape->k)->add_rows);
}

static void index_add_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    if (hc_needs(s, 1)) hc_give(s, 1, tensor_index_select(gy, y->attr.range.axis, hc_inputs(y)[0]));
    if (hc_needs(s, 2)) hc_give(s, 2, gy);
}

static const HcOp op_index_add = {.name = "tensor_index_select",
                                  .flags = HC_OP_ACC,
                                  .arity = 2,
                                  .infer = index_add_infer,
                                  .forward = index_add_forward,
                                  .vjp = index_add_vjp,
                                  .reads = {0, HC_IN(0)}};

static Tensor *index_add(Tensor *index, Tensor *source, int axis, size_t size, Tensor *acc) {
    HcAttr attr = {.range = {.axis = axis, .size = size}};
    return hc_emit(&op_index_add, &attr, (Tensor *[]){index, source, acc}, acc ? 3 : 2);
}

/* ---- scatter: source where index says so, else x. Which of equal places counts, the last, has no derivative ---- */

static bool last_infer(Tensor *y) {
    return resized_infer(y, hc_inputs(y)[0]->form, y->attr.range.size);
}

static bool last_forward(Tensor *y) {
    int axis = y->attr.range.axis;
    size_t outer, inner, bad, size = y->form->dim[axis];
    const void *index = hc_dense_input(y, 0);
    if (!index) return false;
    hc_extents(y->form, axis, &outer, &inner);
    const HcIndexKernels *k = hc_index_kernels(y->tape->k);
    return k->scatter_places(y->data, index, outer, size, hc_inputs(y)[0]->form->dim[axis], inner, &bad) ||
           hc_bad_index(y, index, bad, size);
}

static const HcOp op_last = {.name = "tensor_scatter",
                             .flags = HC_OP_NODIFF,
                             .arity = 1,
                             .infer = last_infer,
                             .forward = last_forward};

Tensor *tensor_scatter(Tensor *x, int axis, Tensor *index, Tensor *source) {
    int i;
    if (!hc_check_all(op_last.name, (Tensor *[]){x, index, source}, 3) ||
        !hc_axis(op_last.name, x, axis, x->form->ndim, &i) || !check_index(op_last.name, x, index, i) ||
        !hc_same_shape(op_last.name, index, source) || !hc_places_fit(op_last.name, x, index->form->dim[i]))
        return NULL;
    HcAttr attr = {.range = {.axis = i, .size = x->form->dim[i]}};
    Tensor *last = hc_emit1(&op_last, &attr, index), *none = tensor_lt(last, tensor_scalar(x->tape, 0));
    if (index->form->count == 0) return none ? x : NULL;
    return tensor_where(none, x, tensor_gather(source, i, tensor_relu(last)));
}

/* ---- slices at places that a rule says ------------------------------------------------------------------------- */

bool hc_places_fit(const char *who, const Tensor *x, size_t size) {
    if (x->tape->item > sizeof(float) || size <= (size_t)1 << 24) return true;
    return hc_fail(x->tape, HC_ERR_RANGE, "%s: an axis of %zu has places that f32 cannot hold", who, size);
}

Tensor *hc_slices_at(const char *who, Tensor *x, int axis, size_t count, HcPlaceFn *place, const size_t *rule) {
    if (!x || !hc_places_fit(who, x, x->form->dim[axis])) return NULL;
    Tensor *index = hc_emit_leaf(x->tape, who, shape1(count), NULL, HC_WHY_CONSTANT);
    for (size_t i = 0; index && i < count; i++) {
        double value = (double)place(i, rule);
        x->tape->k->from_f64((char *)index->data + i * x->tape->item, &value, 1);
    }
    return index ? tensor_index_select(x, axis, index) : NULL;
}

/* ---- embedding: the rows of a table ------------------------------------------------------------------ */

Tensor *tensor_embedding(Tensor *index, Tensor *weight) {
    const char *who = "tensor_embedding";
    if (!hc_check_all(who, (Tensor *[]){index, weight}, 2)) return NULL;
    Shape shape = hc_form_shape(index->form);
    char ti[HC_SHAPE_TEXT], tw[HC_SHAPE_TEXT];
    if (weight->form->ndim != 2 || shape.ndim == HC_MAX_DIMS) {
        hc_fail(index->tape, HC_ERR_SHAPE, "%s: index %s with weight %s; it takes [...] and [rows, size]", who,
                hc_shape_text(shape, ti), hc_shape_text(hc_form_shape(weight->form), tw));
        return NULL;
    }
    shape.dim[shape.ndim++] = weight->form->dim[1];
    Tensor *flat = tensor_reshape(index, shape1(index->form->count));
    return hc_told_as(who, index->tape, tensor_reshape(tensor_index_select(weight, 0, flat), shape));
}

/* ---- one_hot: no derivative ------------------------------------------------------------------------ */

static bool one_hot_infer(Tensor *y) {
    const HcForm *f = hc_inputs(y)[0]->form;
    Shape shape = hc_form_shape(f);
    size_t count;
    if (shape.ndim == HC_MAX_DIMS)
        return hc_fail(y->tape, HC_ERR_SHAPE, "tensor_one_hot: a tensor has at most %d axes",
                       HC_MAX_DIMS);
    shape.dim[shape.ndim++] = y->attr.range.size;
    if (!hc_shape_valid(shape, y->tape->item, &count))
        return hc_fail(y->tape, HC_ERR_SHAPE, "tensor_one_hot: the result does not fit memory");
    y->form = hc_form(&y->tape->forms, shape.ndim, shape.dim, NULL);
    return y->form || hc_fail_nomem(y->tape, y->op->name);
}

static bool one_hot_forward(Tensor *y) {
    const void *index = hc_dense_input(y, 0);
    size_t bad;
    const HcIndexKernels *k = hc_index_kernels(y->tape->k);
    return index &&
           (k->one_hot(y->data, index, hc_inputs(y)[0]->form->count, y->attr.range.size, &bad) ||
            hc_bad_index(y, index, bad, y->attr.range.size));
}

static const HcOp op_one_hot = {.name = "tensor_one_hot",
                                .flags = HC_OP_NODIFF,
                                .arity = 1,
                                .infer = one_hot_infer,
                                .forward = one_hot_forward};

Tensor *tensor_one_hot(Tensor *index, size_t classes) {
    return hc_emit1(&op_one_hot, &(HcAttr){.range = {.size = classes}}, index);
}
