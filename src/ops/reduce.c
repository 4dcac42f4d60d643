/* Reductions: sum (whose adjoint is expand), the largest and smallest, and what is made of them. */
#include <math.h>
#include <string.h>

#include "ops/ops.h"

#define EVERY_AXIS(x) (((uint32_t)1 << (x)->form->ndim) - 1)

/* The form in which input 0 is read. Sums of the same numbers must have the same bits however they are
 * stored, so they are made in row-major order; what does not depend on the order, and the adjoint of expand,
 * whose storage follows from the operations alone, reads them as they are. */
static const HcForm *read_form(const Tensor *y) {
    const HcForm *f = hc_inputs(y)[0]->form;
    return f->packed && y->attr.reduce.stored ? f : f->plain;
}

/* The axes that stay are stored in the order they have in x. */
static bool reduce_infer(Tensor *y) {
    if (y->form) return true;
    const HcForm *f = read_form(y);
    size_t dim[HC_MAX_DIMS], stride[HC_MAX_DIMS], step = 1;
    int place[HC_MAX_DIMS], axis[HC_MAX_DIMS], ndim = 0;
    uint64_t key =
        hc_form_key(f, NULL, 6 | y->attr.reduce.axes << 4 | (uint32_t)y->attr.reduce.keep << 3);
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

typedef void ReduceFn(void *y, const void *x, size_t stride, size_t m, size_t n);

/* Reduces into what y holds, in the order of storage. Neighbouring axes of one kind are taken together;
 * what is left innermost is a run of rows or columns, and an odometer walks the axes outside it. */
static void reduce(Tensor *y, const char *x, const HcForm *f, ReduceFn *rows, ReduceFn *cols) {
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
    /* (kept, gone): rows; (gone, kept): columns. Groups alternate, so two make a piece. */
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
    const HcForm *f = read_form(y);
    const HcKernels *k = y->tape->k;
    const void *data = hc_input_as(y, 0, f);
    if (!data) return false;
    hc_start_from_acc(y);
    uint32_t axes = y->attr.reduce.axes;
    if (f->count == 0) return true;
    if (hc_is_dense(f) && (axes & (axes + 1)) == 0 && y->form->count > 1) /* leading axes */
        k->sum_cols(y->data, data, y->form->count, f->count / y->form->count, y->form->count);
    else
        reduce(y, data, f, k->sum_rows, k->sum_cols);
    return true;
}

/* A reduced tensor with the reduced axes back, as size 1, then expanded to x's shape. */
static Tensor *expand_back(Tensor *reduced, const Tensor *y) {
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
    if (hc_needs(s, 0)) hc_give(s, 0, expand_back(gy, y));
    if (hc_acc_of(y) && hc_needs(s, 1)) hc_give(s, 1, gy);
}

static const HcOp op_sum = {.name = "tensor_sum",
                            .flags = HC_OP_ACC | HC_OP_STEADY,
                            .arity = 1,
                            .infer = reduce_infer,
                            .forward = sum_forward,
                            .vjp = sum_vjp};

/* form: the result's, or NULL where it is not known yet. */
static Tensor *sum(Tensor *x, HcReduce how, Tensor *acc, const HcForm *form) {
    Tensor *y = hc_begin(&op_sum, (Tensor *[]){x, acc}, acc ? 2 : 1);
    if (!y) return NULL;
    y->attr.reduce = how;
    if (form) y->form = form;
    return hc_finish(y);
}

Tensor *hc_sum_mask(Tensor *x, uint32_t axes, bool keep, Tensor *acc) {
    return sum(x, (HcReduce){axes, keep, false}, acc, NULL);
}

Tensor *hc_sum_stored(Tensor *x, uint32_t axes, bool keep) {
    return sum(x, (HcReduce){axes, keep, true}, NULL, NULL);
}

Tensor *hc_sum_rows(Tensor *x, Tensor *acc, const HcForm *form) {
    return sum(x, (HcReduce){1, false, true}, acc, form);
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

/* ---- max, min. To x: g split evenly among the ties --------------------------------------------------- */

static bool extreme_forward(Tensor *y, double start, ReduceFn *rows, ReduceFn *cols) {
    const HcForm *f = read_form(y);
    const void *data = hc_input_as(y, 0, f);
    if (!data) return false;
    y->tape->k->fill(y->data, y->form->count, start);
    if (f->count) reduce(y, data, f, rows, cols);
    return true;
}

static bool max_forward(Tensor *y) {
    return extreme_forward(y, -INFINITY, y->tape->k->max_rows, y->tape->k->max_cols);
}

static bool min_forward(Tensor *y) {
    return extreme_forward(y, INFINITY, y->tape->k->min_rows, y->tape->k->min_cols);
}

static void extreme_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    Tensor *ties = tensor_eq(hc_inputs(y)[0], expand_back(y, y));
    Tensor *count = hc_sum_mask(ties, y->attr.reduce.axes, y->attr.reduce.keep, NULL);
    hc_give(s, 0, tensor_mul(ties, expand_back(tensor_div(gy, count), y)));
}

static const HcOp op_max = {.name = "tensor_max",
                            .arity = 1,
                            .infer = reduce_infer,
                            .forward = max_forward,
                            .vjp = extreme_vjp,
                            .reads = {HC_IN(0) | HC_READS_OUTPUT}};

static const HcOp op_min = {.name = "tensor_min",
                            .arity = 1,
                            .infer = reduce_infer,
                            .forward = min_forward,
                            .vjp = extreme_vjp,
                            .reads = {HC_IN(0) | HC_READS_OUTPUT}};

static Tensor *extreme(const HcOp *op, Tensor *x, uint32_t mask, bool keep) {
    for (int i = 0; i < x->form->ndim; i++)
        if ((mask >> i & 1) && x->form->dim[i] == 0) {
            hc_fail(x->tape, HC_ERR_SHAPE, "%s: axis %d has size 0: there is none", op->name, i);
            return NULL;
        }
    return hc_emit1(op, &(HcAttr){.reduce = {mask, keep, true}}, x);
}

static Tensor *extreme_axes(const HcOp *op, Tensor *x, const int *axes, size_t count, bool keep) {
    uint32_t mask;
    if (!hc_check(op->name, x) || !hc_axes_mask(op->name, x, axes, count, &mask)) return NULL;
    return extreme(op, x, mask, keep);
}

Tensor *tensor_max(Tensor *x) {
    return hc_check(op_max.name, x) ? extreme(&op_max, x, EVERY_AXIS(x), false) : NULL;
}

Tensor *tensor_max_axes(Tensor *x, const int *axes, size_t count, bool keepdim) {
    return extreme_axes(&op_max, x, axes, count, keepdim);
}

Tensor *tensor_min(Tensor *x) {
    return hc_check(op_min.name, x) ? extreme(&op_min, x, EVERY_AXIS(x), false) : NULL;
}

Tensor *tensor_min_axes(Tensor *x, const int *axes, size_t count, bool keepdim) {
    return extreme_axes(&op_min, x, axes, count, keepdim);
}

/* ---- argmax: no derivative --------------------------------------------------------------------------- */

static bool argmax_infer(Tensor *y) {
    if (!reduce_infer(y)) return false;
    y->form = y->form->plain;
    return true;
}

static bool argmax_forward(Tensor *y) {
    const HcForm *f = hc_inputs(y)[0]->form;
    const void *x = hc_dense_input(y, 0);
    /* The axis is the last one: the builder has moved it there. */
    size_t n = f->ndim ? f->dim[f->ndim - 1] : 1;
    if (x && f->count) y->tape->k->argmax_rows(y->data, x, f->count / n, n);
    return x != NULL;
}

static const HcOp op_argmax = {.name = "tensor_argmax",
                               .flags = HC_OP_NODIFF,
                               .arity = 1,
                               .infer = argmax_infer,
                               .forward = argmax_forward};

Tensor *tensor_argmax_axis(Tensor *x, int axis, bool keepdim) {
    int i;
    if (!hc_check(op_argmax.name, x) || !hc_axis(op_argmax.name, x, axis, x->form->ndim, &i))
        return NULL;
    if (x->form->dim[i] == 0) {
        hc_fail(x->tape, HC_ERR_SHAPE, "tensor_argmax: axis %d has size 0: there is none", axis);
        return NULL;
    }
    int last = x->form->ndim - 1, axes[HC_MAX_DIMS];
    for (int a = 0, b = 0; a <= last; a++)
        if (a != i) axes[b++] = a;
    axes[last] = i;
    HcAttr attr = {.reduce = {(uint32_t)1 << last, false, true}};
    Tensor *y = hc_emit1(&op_argmax, &attr, tensor_permute(x, axes, (size_t)last + 1));
    return keepdim ? tensor_unsqueeze(y, i) : y;
}

Tensor *tensor_argmax(Tensor *x) {
    if (!hc_check(op_argmax.name, x)) return NULL;
    return tensor_argmax_axis(tensor_reshape(x, shape1(x->form->count)), 0, false);
}

/* ---- composites ---------------------------------------------------------------------------------------- */

static size_t reduced_count(const Tensor *x, uint32_t mask) {
    size_t n = 1;
    for (int i = 0; i < x->form->ndim; i++)
        if (mask >> i & 1) n *= x->form->dim[i];
    return n;
}

static Tensor *mean_mask(Tensor *x, uint32_t mask, bool keep) {
    double n = (double)reduced_count(x, mask);
    return tensor_mul_scalar(hc_sum_mask(x, mask, keep, NULL), n > 0 ? 1 / n : NAN);
}

Tensor *tensor_mean(Tensor *x) {
    return hc_check("tensor_mean", x) ? mean_mask(x, EVERY_AXIS(x), false) : NULL;
}

Tensor *tensor_mean_axes(Tensor *x, const int *axes, size_t count, bool keepdim) {
    uint32_t mask;
    if (!hc_check("tensor_mean", x) || !hc_axes_mask("tensor_mean", x, axes, count, &mask))
        return NULL;
    return mean_mask(x, mask, keepdim);
}

/* sum((x - mean)^2) / (n - correction), in two passes: exact for a large mean too */
static Tensor *var_mask(Tensor *x, uint32_t mask, double correction, bool keep) {
    double n = (double)reduced_count(x, mask) - correction;
    Tensor *d = tensor_sub(x, mean_mask(x, mask, true));
    return tensor_mul_scalar(d ? hc_sum_mask(tensor_square(d), mask, keep, NULL) : NULL,
                             n > 0 ? 1 / n : NAN);
}

Tensor *tensor_var(Tensor *x, double correction) {
    return hc_check("tensor_var", x) ? var_mask(x, EVERY_AXIS(x), correction, false) : NULL;
}

Tensor *tensor_var_axes(Tensor *x, const int *axes, size_t count, double correction, bool keepdim) {
    uint32_t mask;
    if (!hc_check("tensor_var", x) || !hc_axes_mask("tensor_var", x, axes, count, &mask))
        return NULL;
    return var_mask(x, mask, correction, keepdim);
}

/* An infinite maximum is no shift: inf - inf would be NaN. */
static const HcOp op_finite = {.name = "tensor_logsumexp",
                               .flags = HC_OP_NODIFF,
                               .arity = 1,
                               .infer = hc_infer_same,
                               .forward = hc_forward_unary,
                               .kernel = HC_KERNEL(finite_or_zero)};

/* log sum e^(x - m) + m: the shift m is a constant, for the result does not depend on it */
static Tensor *logsumexp_mask(Tensor *x, uint32_t mask, bool keep) {
    Tensor *m = hc_emit1(&op_finite, NULL, extreme(&op_max, x, mask, true));
    Tensor *sum = m ? hc_sum_mask(tensor_exp(tensor_sub(x, m)), mask, true, NULL) : NULL;
    Tensor *y = tensor_add(tensor_log(sum), m);
    for (int i = x->form->ndim - 1; y && !keep && i >= 0; i--)
        if (mask >> i & 1) y = tensor_squeeze(y, i);
    return y;
}

Tensor *tensor_logsumexp(Tensor *x) {
    return hc_check("tensor_logsumexp", x) ? logsumexp_mask(x, EVERY_AXIS(x), false) : NULL;
}

Tensor *tensor_logsumexp_axes(Tensor *x, const int *axes, size_t count, bool keepdim) {
    uint32_t mask;
    if (!hc_check("tensor_logsumexp", x) ||
        !hc_axes_mask("tensor_logsumexp", x, axes, count, &mask))
        return NULL;
    return logsumexp_mask(x, mask, keepdim);
}

Tensor *tensor_norm(Tensor *x) {
    return hc_sqrt0(tensor_sum(tensor_square(x)));
}

Tensor *tensor_norm_axes(Tensor *x, const int *axes, size_t count, bool keepdim) {
    return hc_sqrt0(tensor_sum_axes(tensor_square(x), axes, count, keepdim));
}
