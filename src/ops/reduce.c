/* Reductions other than the sum: the largest and smallest, and what is made of all three. */
#include <math.h>
#include <string.h>

#include "ops/ops.h"

#define EVERY_AXIS(x) (((uint32_t)1 << (x)->form->ndim) - 1)

/* ---- max, min. To x: g split evenly among the ties --------------------------------------------------- */

static bool extreme_forward(Tensor *y, double start, HcReduceFn *rows, HcReduceFn *cols) {
    const HcForm *f = hc_reduce_read_form(y);
    const void *data = hc_input_as(y, 0, f);
    if (!data) return false;
    y->tape->k->fill(y->data, y->form->count, start);
    if (f->count) hc_reduce(y, data, f, 8, rows, cols);
    return true;
}

static bool max_forward(Tensor *y) {
    return extreme_forward(y, -INFINITY, y->tape->k->max_rows, y->tape->k->max_cols);
}

static bool min_forward(Tensor *y) {
    return extreme_forward(y, INFINITY, y->tape->k->min_rows, y->tape->k->min_cols);
}

static void extreme_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    Tensor *ties = tensor_eq(hc_inputs(y)[0], hc_reduce_expand_back(y, y));
    Tensor *count = hc_sum_mask(ties, y->attr.reduce.axes, y->attr.reduce.keep, NULL);
    hc_give(s, 0, tensor_mul(ties, hc_reduce_expand_back(tensor_div(gy, count), y)));
}

static const HcOp op_max = {.name = "tensor_max",
                            .arity = 1,
                            .infer = hc_reduce_infer,
                            .forward = max_forward,
                            .vjp = extreme_vjp,
                            .reads = {HC_IN(0) | HC_READS_OUTPUT}};

static const HcOp op_min = {.name = "tensor_min",
                            .arity = 1,
                            .infer = hc_reduce_infer,
                            .forward = min_forward,
                            .vjp = extreme_vjp,
                            .reads = {HC_IN(0) | HC_READS_OUTPUT}};

static Tensor *extreme(const char *who, const HcOp *op, Tensor *x, uint32_t mask, bool keep) {
    if (!hc_axes_filled(who, x, mask)) return NULL;
    const HcAttr how = hc_reduce_attr(mask, keep, true);
    return hc_emit1(op, &how, x);
}

static Tensor *extreme_axes(const char *who, const HcOp *op, Tensor *x, const int *axes, size_t count, bool keep) {
    uint32_t mask;
    if (!hc_check(who, x) || !hc_axes_mask(who, x, axes, count, &mask)) return NULL;
    return extreme(who, op, x, mask, keep);
}

Tensor *tensor_max(Tensor *x) {
    return hc_check(op_max.name, x) ? extreme(op_max.name, &op_max, x, EVERY_AXIS(x), false) : NULL;
}

Tensor *tensor_max_axes(Tensor *x, const int *axes, size_t count, bool keepdim) {
    return extreme_axes("tensor_max_axes", &op_max, x, axes, count, keepdim);
}

Tensor *tensor_min(Tensor *x) {
    return hc_check(op_min.name, x) ? extreme(op_min.name, &op_min, x, EVERY_AXIS(x), false) : NULL;
}

Tensor *tensor_min_axes(Tensor *x, const int *axes, size_t count, bool keepdim) {
    return extreme_axes("tensor_min_axes", &op_min, x, axes, count, keepdim);
}

/* ---- argmax: no derivative --------------------------------------------------------------------------- */

static bool argmax_infer(Tensor *y) {
    if (!hc_reduce_infer(y)) return false;
    y->form = y->form->plain;
    return true;
}

static bool argmax_forward(Tensor *y) {
    const HcForm *f = hc_inputs(y)[0]->form;
    const void *x = hc_dense_input(y, 0);
    /* The axis is the last one: the builder has moved it there. */
    size_t n = f->dim[f->ndim - 1];
    if (x && f->count) hc_rows(y, x, f->count / n, n, y->tape->k->argmax_rows);
    return x != NULL;
}

static const HcOp op_argmax = {.name = "tensor_argmax",
                               .flags = HC_OP_NODIFF,
                               .arity = 1,
                               .infer = argmax_infer,
                               .forward = argmax_forward};

Tensor *tensor_argmax_axis(Tensor *x, int axis, bool keepdim) {
    const char *who = "tensor_argmax_axis";
    int i;
    if (!hc_check(who, x) || !hc_axis(who, x, axis, x->form->ndim, &i) || !hc_axes_filled(who, x, (uint32_t)1 << i))
        return NULL;
    int last = x->form->ndim - 1, axes[HC_MAX_DIMS];
    for (int a = 0, b = 0; a <= last; a++)
        if (a != i) axes[b++] = a;
    axes[last] = i;
    HcAttr attr = hc_reduce_attr((uint32_t)1 << last, false, true);
    Tensor *y = hc_emit1(&op_argmax, &attr, tensor_permute(x, axes, (size_t)last + 1));
    return keepdim ? tensor_unsqueeze(y, i) : y;
}

Tensor *tensor_argmax(Tensor *x) {
    if (!hc_check(op_argmax.name, x) || !hc_axes_filled(op_argmax.name, x, EVERY_AXIS(x))) return NULL;
    return tensor_argmax_axis(tensor_reshape(x, shape1(x->form->count)), 0, false);
}

/* ---- composites ---------------------------------------------------------------------------------------- */

/* Reduces the axes in the mask; c: what the reduction is told. */
typedef Tensor *Reduction(const char *who, Tensor *x, uint32_t mask, double c, bool keep);

static Tensor *over_all(const char *who, Reduction *reduce, Tensor *x, double c) {
    return hc_check(who, x) ? reduce(who, x, EVERY_AXIS(x), c, false) : NULL;
}

static Tensor *over_axes(const char *who, Reduction *reduce, Tensor *x, const int *axes, size_t count,
                         double c, bool keep) {
    uint32_t mask;
    return hc_check(who, x) && hc_axes_mask(who, x, axes, count, &mask) ? reduce(who, x, mask, c, keep) : NULL;
}

static size_t reduced_count(const Tensor *x, uint32_t mask) {
    size_t n = 1;
    for (int i = 0; i < x->form->ndim; i++)
        if (mask >> i & 1) n *= x->form->dim[i];
    return n;
}

static Tensor *mean_mask(const char *who, Tensor *x, uint32_t mask, double c, bool keep) {
    (void)who, (void)c;
    double n = (double)reduced_count(x, mask);
    return tensor_mul_scalar(hc_sum_mask(x, mask, keep, NULL), n > 0 ? 1 / n : NAN);
}

Tensor *tensor_mean(Tensor *x) {
    return over_all("tensor_mean", mean_mask, x, 0);
}

Tensor *tensor_mean_axes(Tensor *x, const int *axes, size_t count, bool keepdim) {
    return over_axes("tensor_mean_axes", mean_mask, x, axes, count, 0, keepdim);
}

/* sum((x - mean)^2) / (n - correction), in two passes: exact for a large mean too */
static Tensor *var_mask(const char *who, Tensor *x, uint32_t mask, double correction, bool keep) {
    double n = (double)reduced_count(x, mask) - correction;
    Tensor *d = tensor_sub(x, mean_mask(who, x, mask, 0, true));
    return tensor_mul_scalar(d ? hc_sum_mask(tensor_square(d), mask, keep, NULL) : NULL,
                             n > 0 ? 1 / n : NAN);
}

Tensor *tensor_var(Tensor *x, double correction) {
    return over_all("tensor_var", var_mask, x, correction);
}

Tensor *tensor_var_axes(Tensor *x, const int *axes, size_t count, double correction, bool keepdim) {
    return over_axes("tensor_var_axes", var_mask, x, axes, count, correction, keepdim);
}

/* An infinite maximum is no shift: inf - inf would be NaN. */
static const HcOp op_finite = {.name = "tensor_logsumexp",
                               .flags = HC_OP_NODIFF,
                               .arity = 1,
                               .infer = hc_infer_same,
                               .forward = hc_forward_unary,
                               .kernel = HC_KERNEL(finite_or_zero)};

Tensor *hc_largest(Tensor *x, uint32_t mask) {
    return hc_emit1(&op_finite, NULL, extreme(op_finite.name, &op_max, x, mask, true));
}

/* The axes in the mask, which have size 1, are dropped. */
static Tensor *without(Tensor *y, uint32_t mask) {
    for (int i = HC_MAX_DIMS - 1; y && i >= 0; i--)
        if (mask >> i & 1) y = tensor_squeeze(y, i);
    return y;
}

/* log sum e^(x - m) + m: the shift m is a constant, for the result does not depend on it */
static Tensor *logsumexp_mask(const char *who, Tensor *x, uint32_t mask, double c, bool keep) {
    (void)who, (void)c;
    Tensor *m = hc_largest(x, mask);
    Tensor *sum = m ? hc_sum_mask(tensor_exp(tensor_sub(x, m)), mask, true, NULL) : NULL;
    return without(tensor_add(tensor_log(sum), m), keep ? 0 : mask);
}

Tensor *tensor_logsumexp(Tensor *x) {
    return over_all("tensor_logsumexp", logsumexp_mask, x, 0);
}

Tensor *tensor_logsumexp_axes(Tensor *x, const int *axes, size_t count, bool keepdim) {
    return over_axes("tensor_logsumexp_axes", logsumexp_mask, x, axes, count, 0, keepdim);
}

/* Without a derivative where all are equal: 0, at every order */
static Tensor *std_mask(const char *who, Tensor *x, uint32_t mask, double correction, bool keep) {
    return hc_sqrt0(var_mask(who, x, mask, correction, keep));
}

Tensor *tensor_std(Tensor *x, double correction) {
    return over_all("tensor_std", std_mask, x, correction);
}

Tensor *tensor_std_axes(Tensor *x, const int *axes, size_t count, double correction, bool keepdim) {
    return over_axes("tensor_std_axes", std_mask, x, axes, count, correction, keepdim);
}

static Tensor *length_mask(const char *who, Tensor *x, uint32_t mask, double c, bool keep) {
    (void)who, (void)c;
    Tensor *square = tensor_square(x);
    return square ? hc_sqrt0(hc_sum_mask(square, mask, keep, NULL)) : NULL;
}

Tensor *tensor_norm(Tensor *x) {
    return over_all("tensor_norm", length_mask, x, 0);
}

Tensor *tensor_norm_axes(Tensor *x, const int *axes, size_t count, bool keepdim) {
    return over_axes("tensor_norm_axes", length_mask, x, axes, count, 0, keepdim);
}

/* ---- the product: halves of an axis are multiplied until one number is left. Products alone are taken, so that zeros
 * may stand anywhere, at every order ------------------------------------------------------------------------------- */

static Tensor *prod_axis(Tensor *x, int axis) {
    Tensor *rest = NULL;
    size_t n = x->form->dim[axis];
    if (n == 0) {
        Shape shape = hc_form_shape(x->form);
        shape.dim[axis] = 1;
        return tensor_ones(x->tape, shape);
    }
    for (; x && n > 1; n /= 2) {
        int64_t half = (int64_t)(n / 2);
        if (n % 2) {
            Tensor *last = tensor_slice(x, axis, 2 * half, 2 * half + 1, 1);
            rest = rest ? tensor_mul(rest, last) : last;
        }
        Tensor *second = tensor_slice(x, axis, half, 2 * half, 1);
        x = tensor_mul(tensor_slice(x, axis, 0, half, 1), second);
    }
    return rest ? tensor_mul(x, rest) : x;
}

static Tensor *prod_mask(const char *who, Tensor *x, uint32_t mask, double c, bool keep) {
    (void)who, (void)c;
    for (int i = 0; i < HC_MAX_DIMS && x; i++)
        if (mask >> i & 1) x = prod_axis(x, i);
    return without(x, keep ? 0 : mask);
}

Tensor *tensor_prod(Tensor *x) {
    return over_all("tensor_prod", prod_mask, x, 0);
}

Tensor *tensor_prod_axes(Tensor *x, const int *axes, size_t count, bool keepdim) {
    return over_axes("tensor_prod_axes", prod_mask, x, axes, count, 0, keepdim);
}

/* ---- any, all: no derivative ------------------------------------------------------------------------------------ */

static Tensor *any_mask(const char *who, Tensor *x, uint32_t mask, double c, bool keep) {
    (void)who, (void)c;
    Tensor *zero = tensor_scalar(x->tape, 0);
    return tensor_gt(hc_sum_mask(tensor_ne(x, zero), mask, keep, NULL), zero);
}

static Tensor *all_mask(const char *who, Tensor *x, uint32_t mask, double c, bool keep) {
    (void)who, (void)c;
    Tensor *zero = tensor_scalar(x->tape, 0);
    return tensor_eq(hc_sum_mask(tensor_eq(x, zero), mask, keep, NULL), zero);
}

Tensor *tensor_any(Tensor *x) {
    return over_all("tensor_any", any_mask, x, 0);
}

Tensor *tensor_any_axes(Tensor *x, const int *axes, size_t count, bool keepdim) {
    return over_axes("tensor_any_axes", any_mask, x, axes, count, 0, keepdim);
}

Tensor *tensor_all(Tensor *x) {
    return over_all("tensor_all", all_mask, x, 0);
}

Tensor *tensor_all_axes(Tensor *x, const int *axes, size_t count, bool keepdim) {
    return over_axes("tensor_all_axes", all_mask, x, axes, count, 0, keepdim);
}

/* ---- the norm of order p ------------------------------------------------------------ */

/* x^c, and 0 for an x of 0, at every order */
static Tensor *power0(Tensor *x, double c) {
    if (!x) return NULL;
    Tensor *zero = tensor_scalar(x->tape, 0), *none = tensor_eq(x, zero);
    Tensor *safe = tensor_where(none, tensor_scalar(x->tape, 1), x);
    return tensor_where(none, zero, tensor_pow_scalar(safe, c));
}

/* m (sum |x / m|^p)^(1/p): the scale m is a constant, for the result does not depend on it */
static Tensor *scaled_norm(Tensor *x, Tensor *size, uint32_t mask, double p, bool keep) {
    bool whole = floor(p) == p;
    Tensor *m = hc_largest(size, mask);
    m = tensor_where(m, m, tensor_scalar(x->tape, 1));
    Tensor *part = tensor_div(fmod(p, 2) == 0 ? x : size, m);
    Tensor *power = whole ? tensor_pow_scalar(part, p) : power0(part, p);
    Tensor *sum = power ? hc_sum_mask(power, mask, true, NULL) : NULL;
    return without(tensor_mul(m, power0(sum, 1 / p)), keep ? 0 : mask);
}

static Tensor *norm_mask(const char *who, Tensor *x, uint32_t mask, double p, bool keep) {
    if (!(p > 0)) {
        hc_fail(x->tape, HC_ERR_ARG, "%s: p %g is not positive", who, p);
        return NULL;
    }
    Tensor *size = p == 2 ? tensor_square(x) : tensor_abs(x);
    if (!size) return NULL;
    if (isinf(p)) return extreme(who, &op_max, size, mask, keep);
    if (p == 1) return hc_sum_mask(size, mask, keep, NULL);
    if (p == 2) return hc_sqrt0(hc_sum_mask(size, mask, keep, NULL));
    if (reduced_count(x, mask) == 0) return hc_sum_mask(x, mask, keep, NULL);
    return scaled_norm(x, size, mask, p, keep);
}

Tensor *tensor_vector_norm(Tensor *x, double p) {
    return over_all("tensor_vector_norm", norm_mask, x, p);
}

Tensor *tensor_vector_norm_axes(Tensor *x, const int *axes, size_t count, double p, bool keepdim) {
    return over_axes("tensor_vector_norm_axes", norm_mask, x, axes, count, p, keepdim);
}
