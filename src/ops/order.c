/* Sorting, and the largest and smallest with their places. Places have no derivative; what stands there is gathered. */
#include "ops/ops.h"

/* ---- argsort: no derivative ------------------------------------------------------------------------------------ */

static bool argsort_forward(Tensor *y) {
    int axis = y->attr.range.axis;
    size_t n = y->form->dim[axis], outer, inner;
    const void *x = hc_dense_input(y, 0);
    if (!x || y->form->count == 0) return x != NULL;
    void *workspace = hc_workspace(y, 4 * n * y->tape->item);
    if (!workspace) return false;
    hc_extents(y->form, axis, &outer, &inner);
    hc_index_kernels(y->tape->k)->argsort(y->data, x, outer, n, inner, y->attr.range.start, workspace);
    return true;
}

static const HcOp op_argsort = {.name = "tensor_argsort",
                                .flags = HC_OP_NODIFF,
                                .arity = 1,
                                .infer = hc_infer_dense,
                                .forward = argsort_forward};

/* start: 1 where the largest come first. */
static Tensor *argsort(const char *who, Tensor *x, int axis, bool falling) {
    if (!hc_places_fit(who, x, x->form->dim[axis])) return NULL;
    return hc_emit1(&op_argsort, &(HcAttr){.range = {.axis = axis, .start = falling}}, x);
}

Tensor *tensor_argsort(Tensor *x, int axis, bool descending) {
    int i;
    if (!hc_check(op_argsort.name, x) || !hc_axis(op_argsort.name, x, axis, x->form->ndim, &i)) return NULL;
    return argsort(op_argsort.name, x, i, descending);
}

/* What stands at these places, and the places for who asks. */
static Tensor *at_places(Tensor *x, int axis, Tensor *place, Tensor **index) {
    Tensor *y = tensor_gather(x, axis, place);
    if (y && index) *index = place;
    return y;
}

Tensor *tensor_sort(Tensor *x, int axis, bool descending, Tensor **index) {
    int i;
    if (!hc_check("tensor_sort", x) || !hc_axis("tensor_sort", x, axis, x->form->ndim, &i)) return NULL;
    return at_places(x, i, argsort("tensor_sort", x, i, descending), index);
}

Tensor *tensor_topk(Tensor *x, size_t k, int axis, bool largest, Tensor **index) {
    int i;
    if (!hc_check("tensor_topk", x) || !hc_axis("tensor_topk", x, axis, x->form->ndim, &i)) return NULL;
    if (k > x->form->dim[i]) {
        hc_fail(x->tape, HC_ERR_SHAPE, "tensor_topk: k is %zu, axis %d has %zu", k, i, x->form->dim[i]);
        return NULL;
    }
    Tensor *order = argsort("tensor_topk", x, i, largest);
    return at_places(x, i, hc_dense(tensor_slice(order, i, 0, (int64_t)k, 1)), index);
}

/* ---- the largest, the smallest, and where -------------------------------------------------- */

static Tensor *extreme(const char *who, Tensor *x, int axis, bool keepdim, bool largest, Tensor **index) {
    int i;
    if (!hc_check(who, x) || !hc_axis(who, x, axis, x->form->ndim, &i)) return NULL;
    if (!hc_axes_filled(who, x, (uint32_t)1 << i)) return NULL;
    Tensor *place = tensor_argmax_axis(largest ? x : tensor_neg(x), i, true), *y = tensor_gather(x, i, place);
    if (y && !keepdim) {
        y = tensor_squeeze(y, i);
        place = tensor_squeeze(place, i);
    }
    if (y && place && index) *index = place;
    return place ? y : NULL;
}

Tensor *tensor_max_with_index(Tensor *x, int axis, bool keepdim, Tensor **index) {
    return extreme("tensor_max_with_index", x, axis, keepdim, true, index);
}

Tensor *tensor_min_with_index(Tensor *x, int axis, bool keepdim, Tensor **index) {
    return extreme("tensor_min_with_index", x, axis, keepdim, false, index);
}
