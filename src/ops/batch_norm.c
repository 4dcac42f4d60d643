/* Batch norm with the batch's statistics, fused: one pass over x for the statistics and one for the result,
 * two for the gradient and four for the gradient of that. Ioffe and Szegedy 2015.
 *
 * Per channel, with m values, r = 1/sqrt(var + eps), xhat = (x - mean) r, and the projection
 *     P(g) = g - sum(g) / n - xhat sum(g xhat) / n,
 * which is linear and symmetric, the operations of this file are
 *     norm(x, w, b)       w xhat + b
 *     sums(x, g)          [sum g, sum g xhat]
 *     backward(x, w, g)   w r P(g)
 *     slope(x, g, v)      r sum v P(g)
 *     second(x, w, g, v)  the gradient of sum(w slope) to x
 *     deviation(x)        r
 * Each takes the moments of x and the sums beside x, g and v, so that no pass is made twice, and each one's
 * gradients are others of them. The moments have no derivative of their own: a gradient to x is the whole
 * one. sums and slope are operands of their own only to `second`. */
#include <string.h>

#include "ops/ops.h"

enum { X = 1, MOMENTS = 2, WEIGHT = 4, EPS = 0 };

/* Whether x's numbers lie with the channels last, behind all other axes in their order. */
static bool channels_last(const HcForm *f) {
    size_t step = f->dim[1];
    if (!f->packed || f->dim[1] == 1 || f->stride[1] != 1) return false;
    for (int i = f->ndim - 1; i >= 0; i--) {
        if (i == 1 || f->dim[i] == 1) continue;
        if (f->stride[i] != step) return false;
        step *= f->dim[i];
    }
    return true;
}

/* The order of storage to work in, and the array as the kernels see it. */
static const HcForm *layout(const Tensor *x, HcChannels *s) {
    const HcForm *f = channels_last(x->form) ? x->form : x->form->plain;
    size_t channels = f->dim[1], inner = 1;
    for (int i = 2; i < f->ndim; i++)
        inner *= f->dim[i];
    *s = (HcChannels){f->dim[0], channels, inner};
    if (!hc_is_dense(f)) *s = (HcChannels){f->dim[0] * inner, channels, 1};
    return f;
}

/* The form of x as it is worked in. */
static bool infer_like_x(Tensor *y) {
    HcChannels s;
    y->form = layout(hc_inputs(y)[0], &s);
    return true;
}

static bool infer_channels(Tensor *y, size_t rows) {
    size_t dim[2] = {rows, hc_inputs(y)[0]->form->dim[1]};
    y->form = hc_form(&y->tape->forms, rows ? 2 : 1, rows ? dim : dim + 1, NULL);
    return y->form || hc_fail_nomem(y->tape, y->op->name);
}

static bool infer_two_rows(Tensor *y) {
    return infer_channels(y, 2);
}

static bool infer_vector(Tensor *y) {
    return infer_channels(y, 0);
}

/* All inputs as the kernels take them: those of x's shape in its layout, the others dense. */
#define MOST 8
static bool operands(Tensor *y, HcChannels *s, const void *in[MOST]) {
    const HcForm *f = layout(hc_inputs(y)[0], s);
    for (uint32_t j = 0; j < y->nin; j++) {
        bool like_x = hc_inputs(y)[j]->form->plain == f->plain;
        in[j] = like_x ? hc_input_as(y, j, f) : hc_dense_input(y, j);
        if (!in[j]) return false;
    }
    return true;
}

Tensor *hc_row(Tensor *matrix, int64_t row) {
    return tensor_squeeze(tensor_slice(matrix, 0, row, row + 1, 1), 0);
}

/* ---- the operations, as the rules below build them ---------------------------------------------------- */

static Tensor *sums(Tensor *x, Tensor *moments, Tensor *g, double eps);
static Tensor *backward(Tensor *x, Tensor *moments, Tensor *w, Tensor *g, Tensor *sums_g,
                        double eps);
static Tensor *slope(Tensor *x, Tensor *moments, Tensor *g, Tensor *v, Tensor *sums_g,
                     Tensor *sums_v, double eps);
static Tensor *second(Tensor *x, Tensor *moments, Tensor *w, Tensor *g, Tensor *v, Tensor *sums_g,
                      Tensor *sums_v, Tensor *slope_gv, double eps);
static Tensor *deviation(Tensor *x, Tensor *moments, double eps);

static Tensor *emit(const HcOp *op, double eps, Tensor *const *in, size_t nin) {
    return hc_emit(op, &(HcAttr){.real = {eps}}, in, nin);
}

static double eps_of(const Tensor *y) {
    return y->attr.real[EPS];
}

/* ---- moments(x): no derivative -------------------------------------------------------------------------- */

static bool moments_forward(Tensor *y) {
    HcChannels s;
    const void *in[MOST];
    if (!operands(y, &s, in)) return false;
    y->tape->k->channel_moments(y->data, in[0], s);
    return true;
}

static const HcOp op_moments = {.name = "tensor_batch_norm",
                                .flags = HC_OP_NODIFF,
                                .arity = 1,
                                .infer = infer_two_rows,
                                .forward = moments_forward};

Tensor *hc_channel_moments(Tensor *x) {
    return hc_emit1(&op_moments, NULL, x);
}

/* ---- norm(x, w, b). To x: backward(x, w, g); to w and b: the sums of g ----------------------------------- */

static bool norm_forward(Tensor *y) {
    HcChannels s;
    const void *in[MOST];
    if (!operands(y, &s, in)) return false;
    y->tape->k->batch_norm(y->data, in[0], in[1], in[2], in[3], eps_of(y), s);
    return true;
}

static void norm_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    Tensor *const *in = hc_inputs(y);
    Tensor *of_g = sums(in[0], in[1], gy, eps_of(y));
    if (hc_needs(s, 0)) hc_give(s, 0, backward(in[0], in[1], in[2], gy, of_g, eps_of(y)));
    if (hc_needs(s, 2)) hc_give(s, 2, hc_row(of_g, 1));
    if (hc_needs(s, 3)) hc_give(s, 3, hc_row(of_g, 0));
}

static const HcOp op_norm = {.name = "tensor_batch_norm",
                             .arity = 4,
                             .infer = infer_like_x,
                             .forward = norm_forward,
                             .vjp = norm_vjp,
                             .reads = {X | MOMENTS | WEIGHT, 0, X | MOMENTS, X | MOMENTS}};

Tensor *hc_batch_norm_fused(Tensor *x, Tensor *moments, Tensor *weight, Tensor *bias, double eps) {
    return emit(&op_norm, eps, (Tensor *[]){x, moments, weight, bias}, 4);
}

/* ---- sums(x, g). With t0, t1 for its rows, to g: t1 xhat + t0; to x: t1 r P(g) ----------------------------- */

static bool sums_forward(Tensor *y) {
    HcChannels s;
    const void *in[MOST];
    if (!operands(y, &s, in)) return false;
    y->tape->k->channel_sums(y->data, in[0], in[1], in[2], eps_of(y), s);
    return true;
}

static void sums_vjp(HcSweep *s, Tensor *y, Tensor *t) {
    Tensor *const *in = hc_inputs(y);
    Tensor *t0 = hc_row(t, 0), *t1 = hc_row(t, 1);
    if (hc_needs(s, 0)) hc_give(s, 0, backward(in[0], in[1], t1, in[2], y, eps_of(y)));
    if (hc_needs(s, 2)) hc_give(s, 2, hc_batch_norm_fused(in[0], in[1], t1, t0, eps_of(y)));
}

static const HcOp op_sums = {.name = "tensor_batch_norm",
                             .arity = 3,
                             .infer = infer_two_rows,
                             .forward = sums_forward,
                             .vjp = sums_vjp,
                             .reads = {X | MOMENTS | 4 | HC_READS_OUTPUT, 0, X | MOMENTS}};

static Tensor *sums(Tensor *x, Tensor *moments, Tensor *g, double eps) {
    return emit(&op_sums, eps, (Tensor *[]){x, moments, g}, 3);
}

/* ---- backward(x, w, g), symmetric in g and its cotangent v. To g: backward(x, w, v); to w: slope(x, g, v);
 * to x: second(x, w, g, v) ---------------------------------------------------------------------------------- */

static bool backward_forward(Tensor *y) {
    HcChannels s;
    const void *in[MOST];
    if (!operands(y, &s, in)) return false;
    y->tape->k->batch_norm_backward(y->data, in[0], in[1], in[2], in[3], in[4], eps_of(y), s);
    return true;
}

static void backward_vjp(HcSweep *s, Tensor *y, Tensor *v) {
    Tensor *const *in = hc_inputs(y);
    Tensor *x = in[0], *moments = in[1], *w = in[2], *g = in[3], *sums_g = in[4];
    double eps = eps_of(y);
    Tensor *sums_v = sums(x, moments, v, eps), *gv = NULL;
    if (hc_needs(s, 0) || hc_needs(s, 2)) gv = slope(x, moments, g, v, sums_g, sums_v, eps);
    if (hc_needs(s, 0)) hc_give(s, 0, second(x, moments, w, g, v, sums_g, sums_v, gv, eps));
    if (hc_needs(s, 2)) hc_give(s, 2, gv);
    if (hc_needs(s, 3)) hc_give(s, 3, backward(x, moments, w, v, sums_v, eps));
}

static const HcOp op_backward = {
    .name = "tensor_batch_norm",
    .arity = 5,
    .infer = infer_like_x,
    .forward = backward_forward,
    .vjp = backward_vjp,
    .reads = {X | MOMENTS | WEIGHT | 8, 0, X | MOMENTS | 8, X | MOMENTS | WEIGHT}};

static Tensor *backward(Tensor *x, Tensor *moments, Tensor *w, Tensor *g, Tensor *sums_g,
                        double eps) {
    return emit(&op_backward, eps, (Tensor *[]){x, moments, w, g, sums_g}, 5);
}

/* ---- slope(x, g, v). To g: t r P(v); to v: t r P(g); to x: second(x, t, g, v) -------------------------------- */

static bool slope_forward(Tensor *y) {
    HcChannels s;
    const void *in[MOST];
    if (!operands(y, &s, in)) return false;
    y->tape->k->batch_norm_slope(y->data, in[1], in[2], in[3], in[4], in[5], eps_of(y), s);
    return true;
}

static void slope_vjp(HcSweep *s, Tensor *y, Tensor *t) {
    Tensor *const *in = hc_inputs(y);
    Tensor *x = in[0], *moments = in[1], *g = in[2], *v = in[3], *sums_g = in[4], *sums_v = in[5];
    double eps = eps_of(y);
    if (hc_needs(s, 0)) hc_give(s, 0, second(x, moments, t, g, v, sums_g, sums_v, y, eps));
    if (hc_needs(s, 2)) hc_give(s, 2, backward(x, moments, t, v, sums_v, eps));
    if (hc_needs(s, 3)) hc_give(s, 3, backward(x, moments, t, g, sums_g, eps));
}

static const HcOp op_slope = {
    .name = "tensor_batch_norm",
    .arity = 6,
    .infer = infer_vector,
    .forward = slope_forward,
    .vjp = slope_vjp,
    .reads = {X | MOMENTS | 12 | HC_READS_OUTPUT, 0, X | MOMENTS | 8, X | MOMENTS | 4}};

static Tensor *slope(Tensor *x, Tensor *moments, Tensor *g, Tensor *v, Tensor *sums_g,
                     Tensor *sums_v, double eps) {
    return emit(&op_slope, eps, (Tensor *[]){x, moments, g, v, sums_g, sums_v}, 6);
}

/* ---- second(x, w, g, v): its gradients by what it is made of -------------------------------------------------- */

static bool second_forward(Tensor *y) {
    HcChannels s;
    const void *in[MOST];
    if (!operands(y, &s, in)) return false;
    y->tape->k->batch_norm_second(y->data, in[0], in[1], in[2], in[3], in[4], in[5], in[6], in[7],
                                  eps_of(y), s);
    return true;
}

/* -(1/n) (w r slope xhat + backward(x, w r sum(g xhat), v) + backward(x, w r sum(v xhat), g)) */
static Tensor *second_composed(Tensor *y) {
    Tensor *const *in = hc_inputs(y);
    Tensor *x = in[0], *moments = in[1], *w = in[2], *g = in[3], *v = in[4];
    double eps = eps_of(y), n = (double)x->form->count / (double)x->form->dim[1];
    Tensor *sums_g = sums(x, moments, g, eps), *sums_v = sums(x, moments, v, eps);
    Tensor *gv = slope(x, moments, g, v, sums_g, sums_v, eps);
    Tensor *f = tensor_mul_scalar(tensor_mul(w, deviation(x, moments, eps)), -1 / n);
    Tensor *none = tensor_zeros(y->tape, shape1(x->form->dim[1]));
    Tensor *sum = hc_batch_norm_fused(x, moments, tensor_mul(f, gv), none, eps);
    sum = tensor_add(sum, backward(x, moments, tensor_mul(f, hc_row(sums_g, 1)), v, sums_v, eps));
    return tensor_add(sum, backward(x, moments, tensor_mul(f, hc_row(sums_v, 1)), g, sums_g, eps));
}

static void second_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    hc_give_composed(s, y, gy, second_composed);
}

enum { EVERY = 15 };

static const HcOp op_second = {.name = "tensor_batch_norm",
                               .arity = 8,
                               .infer = infer_like_x,
                               .forward = second_forward,
                               .vjp = second_vjp,
                               .reads = {EVERY, EVERY, EVERY, EVERY}};

static Tensor *second(Tensor *x, Tensor *moments, Tensor *w, Tensor *g, Tensor *v, Tensor *sums_g,
                      Tensor *sums_v, Tensor *slope_gv, double eps) {
    Tensor *in[] = {x, moments, w, g, v, sums_g, sums_v, slope_gv};
    return emit(&op_second, eps, in, 8);
}

/* ---- deviation(x) = r. To x: -r^2 t xhat / n ------------------------------------------------------------------- */

static bool deviation_forward(Tensor *y) {
    const char *moments = hc_dense_input(y, 1);
    size_t channels = y->form->count;
    double eps = eps_of(y);
    if (!moments) return false;
    y->tape->k->shift(y->data, moments + channels * y->tape->item, channels, &eps);
    y->tape->k->rsqrt(y->data, y->data, channels, NULL);
    return true;
}

static void deviation_vjp(HcSweep *s, Tensor *y, Tensor *t) {
    Tensor *const *in = hc_inputs(y);
    const HcForm *f = in[0]->form;
    if (!hc_needs(s, 0)) return;
    double n = (double)f->count / (double)f->dim[1];
    Tensor *w = tensor_mul_scalar(tensor_mul(t, tensor_square(y)), -1 / n);
    Tensor *none = tensor_zeros(y->tape, shape1(f->dim[1]));
    hc_give(s, 0, hc_batch_norm_fused(in[0], in[1], w, none, eps_of(y)));
}

static const HcOp op_deviation = {.name = "tensor_batch_norm",
                                  .arity = 2,
                                  .infer = infer_vector,
                                  .forward = deviation_forward,
                                  .vjp = deviation_vjp,
                                  .reads = {X | MOMENTS | HC_READS_OUTPUT}};

static Tensor *deviation(Tensor *x, Tensor *moments, double eps) {
    return emit(&op_deviation, eps, (Tensor *[]){x, moments}, 2);
}
