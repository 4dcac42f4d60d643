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

/* A reduction as a matrix, of rows (kept, gone) or columns (gone, kept), and an odometer over the axes outside it. */
typedef struct Reduction {
    Tensor *y;
    const char *x;
    HcReduceFn *fn;
    bool by_rows, outermost; /* what is cut: the outermost axis, or the one that stays of the matrix */
    size_t width, height;
    int outer;
    size_t dim[HC_MAX_DIMS], out_step[HC_MAX_DIMS]; /* of the axes outside; 0 where they go */
    size_t count, unit, units, shares; /* of what is cut: how many, together, of these, in so many shares */
} Reduction;

/* Numbers [first, last) of what is cut. */
static void reduce_part(const Reduction *r, size_t first, size_t last) {
    size_t at[HC_MAX_DIMS] = {0}, to = 0, dim = 0, item = r->y->tape->item;
    size_t width = r->width, height = r->height, step = width * height;
    const char *x = r->x;
    if (r->outermost) {
        for (int i = 1; i < r->outer; i++)
            step *= r->dim[i];
        x += first * step * item;
        to = first * r->out_step[0];
        dim = last - first;
    } else {
        x += first * (r->by_rows ? width : 1) * item;
        to = first;
        *(r->by_rows ? &height : &width) = last - first;
    }
    for (;; x += r->width * r->height * item) {
        r->fn((char *)r->y->data + to * item, x, r->width, height, width);
        int i = r->outer - 1;
        for (; i >= 0; i--) {
            const size_t end = i == 0 && r->outermost ? dim : r->dim[i];
            to += r->out_step[i];
            if (++at[i] < end) break;
            to -= r->out_step[i] * end;
            at[i] = 0;
        }
        if (i < 0) return;
    }
}

static void reduce_share(size_t index, size_t worker, void *user) {
    const Reduction *r = user;
    const size_t last = (index + 1) * r->units / r->shares * r->unit;
    (void)worker;
    reduce_part(r, index * r->units / r->shares * r->unit, last < r->count ? last : r->count);
}

/* Columns are cut where cache lines end, and no finer than there are threads: short pieces of rows are slow to read. */
static void cut(Reduction *r, size_t cost) {
    r->outermost = r->outer > 0 && r->out_step[0] > 0 && r->dim[0] >= 16;
    r->count = r->outermost ? r->dim[0] : r->by_rows ? r->height : r->width;
    r->unit = r->outermost || r->by_rows ? 1 : 16;
    r->units = (r->count + r->unit - 1) / r->unit;
    r->shares = hc_shares_of(r->y->tape, cost, r->units);
    if (r->unit > 1 && r->shares > hc_workers(r->y->tape)) r->shares = hc_workers(r->y->tape);
}

/* Reduces into what y holds, in the order of storage. Neighbouring axes of one kind are taken together;
 * what is left innermost is a run of rows or columns. */
void hc_reduce(Tensor *y, const char *x, const HcForm *f, size_t cost, HcReduceFn *rows, HcReduceFn *cols) {
    size_t dim[HC_MAX_DIMS];
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
    /* Groups alternate, so two make a matrix. */
    Reduction r = {.y = y, .x = x, .by_rows = gone[n - 1], .width = dim[n - 1], .height = n >= 2 ? dim[n - 2] : 1};
    r.fn = r.by_rows ? rows : cols;
    r.outer = n >= 2 ? n - 2 : 0;
    size_t step = r.by_rows ? r.height : r.width;
    for (int i = r.outer - 1; i >= 0; i--) {
        r.dim[i] = dim[i];
        r.out_step[i] = gone[i] ? 0 : step;
        if (!gone[i]) step *= dim[i];
    }
    cut(&r, cost * f->count);
    if (r.shares > 1)
        hc_parallel(y->tape, r.shares, reduce_share, &r);
    else
        reduce_share(0, 0, &r);
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
    if (hc_is_dense(f) && (axes & (axes + 1)) == 0 && y->form->count > 1 && !y->tape->pool) /* leading axes */
        k->sum_cols(y->data, data, y->form->count, f->count / y->form->count, y->form->count);
    else
        hc_reduce(y, data, f, 1, k->sum_rows, k->sum_cols);
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
    const HcAttr how = hc_reduce_attr(axes, keep, false);
    return sum(x, &how, acc, NULL);
}

Tensor *hc_sum_stored(Tensor *x, uint32_t axes, bool keep) {
    const HcAttr how = hc_reduce_attr(axes, keep, true);
    return sum(x, &how, NULL, NULL);
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
    if (!hc_check("tensor_sum_axes", x) || !hc_axes_mask("tensor_sum_axes", x, axes, count, &mask))
        return NULL;
    return hc_sum_mask(x, mask, keepdim, NULL);
}
