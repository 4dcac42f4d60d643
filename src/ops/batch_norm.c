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
 * one. sums and slope are operands of their own only to `second`.
 *
 * A ReLU, a max-pool or both behind the norm belong to it: what they chose (channels.h) is a last operand of
 * each, A. Then norm(x, w, b, A) is what A picks of the norm, and g is spread by A wherever it is read; both
 * are linear, and each the other's adjoint, so nothing else changes, but that the gradient to g is picked:
 *     picked(x, w, v, A)  what A picks of backward(x, w, v)
 * Neither the norm, nor its ReLU, nor what is spread is ever there as a whole. */
#include <string.h>

#include "ops/channels.h"

enum { X = HC_IN(0), MOMENTS = HC_IN(1), WEIGHT = HC_IN(2), EPS = 0 };

/* The choice is the last input, past the arity. */
static Tensor *choice_of(const Tensor *y) {
    return y->nin > y->op->arity ? hc_inputs(y)[y->op->arity] : NULL;
}

/* The form of x as it is worked in. */
static bool infer_like_x(Tensor *y) {
    y->form = hc_over_form(y, choice_of(y));
    return y->form != NULL;
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

Tensor *hc_row(Tensor *matrix, int64_t row) {
    return tensor_squeeze(tensor_slice(matrix, 0, row, row + 1, 1), 0);
}

/* ---- the operations, as the rules below build them ---------------------------------------------------- */

typedef struct Norm {
    Tensor *x, *moments, *choice; /* choice: NULL for none */
    double eps;
} Norm;

static Tensor *norm(Norm n, Tensor *w, Tensor *b);
static Tensor *sums(Norm n, Tensor *g);
static Tensor *backward(Norm n, Tensor *w, Tensor *g, Tensor *sums_g);
static Tensor *picked(Norm n, Tensor *w, Tensor *v, Tensor *sums_v);
static Tensor *slope(Norm n, Tensor *g, Tensor *v, Tensor *sums_g, Tensor *sums_v);
static Tensor *second(Norm n, Tensor *w, Tensor *g, Tensor *v, Tensor *sums_g, Tensor *sums_v,
                      Tensor *slope_gv);
static Tensor *deviation(Norm n);

static Norm plain(Norm n) {
    n.choice = NULL;
    return n;
}

static Norm norm_of(const Tensor *y) {
    Tensor *const *in = hc_inputs(y);
    return (Norm){in[0], in[1], choice_of(y), y->attr.real[EPS]};
}

/* Of x, its moments, `count` further inputs and the choice. */
static Tensor *emit(const HcOp *op, Norm n, Tensor *const *more, size_t count) {
    Tensor *in[HC_MOST_OPERANDS] = {n.x, n.moments};
    HC_ASSERT(2 + count < HC_MOST_OPERANDS);
    for (size_t i = 0; i < count; i++)
        in[2 + i] = more[i];
    in[2 + count] = n.choice;
    return hc_emit(op, &(HcAttr){.real = {n.eps}}, in, 2 + count + (n.choice != NULL));
}

static const HcNormKernels *kernels_of(const Tensor *y) {
    return hc_norm_kernels(y->tape->k);
}

static double eps_of(const HcOver *o) {
    return o->y->attr.real[EPS];
}

/* ---- moments(x): no derivative -------------------------------------------------------------------------- */

static void moments_piece(const HcOver *o, const HcPiece *p) {
    kernels_of(o->y)->channel_moments(o->y->data, hc_piece_of(o, p, 0), p->s);
}

static bool moments_forward(Tensor *y) {
    HcOver o;
    return hc_over_begin(&o, y, NULL) && hc_over_run(&o, false, moments_piece);
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

/* The form of what is chosen of x: the first half of a choice with windows. */
static bool infer_chosen(Tensor *y, const Tensor *choice) {
    const HcForm *f = choice->form;
    y->form = f->ndim == 5 ? hc_channels_last(y, f->dim[1], f->dim[2], f->dim[3], f->dim[4]) : f;
    return y->form != NULL;
}

static bool infer_norm(Tensor *y) {
    const Tensor *choice = choice_of(y);
    return choice ? infer_chosen(y, choice) : infer_like_x(y);
}

static void norm_piece(const HcOver *o, const HcPiece *p) {
    kernels_of(o->y)->batch_norm(hc_piece_result(o, p), hc_piece_of(o, p, 0), o->in[1], o->in[2],
                                 o->in[3], eps_of(o), p->s);
    hc_piece_pick(o, p);
}

static bool norm_forward(Tensor *y) {
    HcOver o;
    return hc_over_begin(&o, y, choice_of(y)) && hc_over_run(&o, true, norm_piece);
}

/* With x, w and b for inputs number `at[0]` to `at[2]`. */
static void norm_rule(HcSweep *s, Norm n, Tensor *w, Tensor *gy, const unsigned at[3]) {
    Tensor *of_g = sums(n, gy);
    if (hc_needs(s, at[0])) hc_give(s, at[0], backward(n, w, gy, of_g));
    if (hc_needs(s, at[1])) hc_give(s, at[1], hc_row(of_g, 1));
    if (hc_needs(s, at[2])) hc_give(s, at[2], hc_row(of_g, 0));
}

static void norm_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    norm_rule(s, norm_of(y), hc_inputs(y)[2], gy, (const unsigned[]){0, 2, 3});
}

static Tensor *norm_composed(Tensor *y) {
    Tensor *const *in = hc_inputs(y), *choice = choice_of(y);
    Tensor *z = hc_batch_norm_composed(in[0], in[2], in[3], y->attr.real[EPS]);
    if (!choice) return z;
    return choice->form->ndim == 5 ? hc_pick(z, choice) : hc_gate(z, choice, 0);
}

static const HcOp op_norm = {
    .name = "tensor_batch_norm",
    .flags = HC_OP_MORE,
    .arity = 4,
    .infer = infer_norm,
    .forward = norm_forward,
    .vjp = norm_vjp,
    .compose = norm_composed,
    .reads = {X | MOMENTS | WEIGHT | HC_IN(4), 0, X | MOMENTS | HC_IN(4), HC_IN(4)}};

static Tensor *norm(Norm n, Tensor *w, Tensor *b) {
    return emit(&op_norm, n, (Tensor *[]){w, b}, 2);
}

/* ---- the choice of a ReLU and a max-pool behind the norm: no derivative. And its numbers, known already: a
 * view of it with the rule of the norm ---------------------------------------------------------------------- */

static bool choose_infer(Tensor *y) {
    return y->attr.window.kernel[0] ? hc_winners_infer(y) : infer_like_x(y);
}

static void choose_piece(const HcOver *o, const HcPiece *p) {
    kernels_of(o->y)->batch_norm(p->room, hc_piece_of(o, p, 0), o->in[1], o->in[2], o->in[3],
                                 o->y->attr.window.eps, p->s);
    hc_piece_choose(o, p);
}

static bool choose_forward(Tensor *y) {
    HcOver o;
    return hc_over_begin(&o, y, y) && hc_over_run(&o, true, choose_piece);
}

static const HcOp op_choose = {.name = "tensor_batch_norm",
                               .flags = HC_OP_NODIFF,
                               .arity = 4,
                               .infer = choose_infer,
                               .forward = choose_forward};

static bool chosen_infer(Tensor *y) {
    y->data = hc_inputs(y)[0]->data;
    return infer_chosen(y, hc_inputs(y)[0]);
}

static void chosen_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    Tensor *const *in = hc_inputs(y), *choice = in[0];
    Norm n = {in[1], hc_inputs(choice)[1], choice, choice->attr.window.eps};
    norm_rule(s, n, in[2], gy, (const unsigned[]){1, 2, 3});
}

static Tensor *chosen_composed(Tensor *y) {
    Tensor *const *in = hc_inputs(y);
    HcAttr attr = in[0]->attr;
    Tensor *z = hc_batch_norm_composed(in[1], in[2], in[3], attr.window.eps);
    if (attr.window.relu) z = tensor_relu(z);
    attr.window.relu = false;
    return attr.window.kernel[0] ? hc_max_pool(z, &attr) : z;
}

static const HcOp op_chosen = {
    .name = "tensor_batch_norm",
    .flags = HC_OP_ALIAS,
    .arity = 4,
    .infer = chosen_infer,
    .vjp = chosen_vjp,
    .compose = chosen_composed,
    .reads = {0, HC_IN(0) | HC_IN(1) | HC_IN(2), HC_IN(0) | HC_IN(1), HC_IN(0)}};

Tensor *hc_batch_norm_fused(Tensor *x, Tensor *moments, Tensor *weight, Tensor *bias, double eps,
                            HcTail tail) {
    HcAttr attr = {.window = {.groups = 0}};
    if (!tail.relu && !tail.pool) return norm((Norm){x, moments, NULL, eps}, weight, bias);
    if (tail.pool && !(x && hc_pool_attr("tensor_max_pool2d", x, tail.pool, &attr))) return NULL;
    attr.window.relu = tail.relu;
    attr.window.eps = eps;
    Tensor *choice = hc_emit(&op_choose, &attr, (Tensor *[]){x, moments, weight, bias}, 4);
    return hc_emit(&op_chosen, NULL, (Tensor *[]){choice, x, weight, bias}, 4);
}

/* ---- sums(x, g). With t0, t1 for its rows, to g: t1 xhat + t0; to x: t1 r P(g) ----------------------------- */

static void sums_piece(const HcOver *o, const HcPiece *p) {
    kernels_of(o->y)->channel_sums(o->y->data, hc_piece_of(o, p, 0), o->in[1],
                                   hc_piece_spread(o, p, 2), p->s);
}

/* r of each channel. */
static void fill_deviation(const Tensor *y, void *r, const void *moments, size_t channels) {
    const HcKernels *k = y->tape->k;
    k->shift(r, (const char *)moments + channels * y->tape->item, channels, y->attr.real);
    k->rsqrt(r, r, channels, NULL);
}

static bool sums_forward(Tensor *y) {
    HcOver o;
    if (!hc_over_begin(&o, y, choice_of(y))) return false;
    const HcKernels *k = y->tape->k;
    size_t channels = o.s.channels;
    char *with_x = (char *)y->data + channels * y->tape->item;
    void *r = hc_workspace(y, channels * y->tape->item);
    k->fill(y->data, y->form->count, 0);
    if (!r || !hc_over_run(&o, false, sums_piece)) return false;
    fill_deviation(y, r, o.in[1], channels);
    k->mul(with_x, with_x, 1, r, 1, channels, NULL);
    return true;
}

static void sums_vjp(HcSweep *s, Tensor *y, Tensor *t) {
    Norm n = norm_of(y);
    Tensor *t0 = hc_row(t, 0), *t1 = hc_row(t, 1);
    if (hc_needs(s, 0)) hc_give(s, 0, backward(n, t1, hc_inputs(y)[2], y));
    if (hc_needs(s, 2)) hc_give(s, 2, norm(n, t1, t0));
}

static const HcOp op_sums = {
    .name = "tensor_batch_norm",
    .flags = HC_OP_MORE,
    .arity = 3,
    .infer = infer_two_rows,
    .forward = sums_forward,
    .vjp = sums_vjp,
    .reads = {X | MOMENTS | HC_IN(2) | HC_IN(3) | HC_READS_OUTPUT, 0, X | MOMENTS | HC_IN(3)}};

static Tensor *sums(Norm n, Tensor *g) {
    return emit(&op_sums, n, &g, 1);
}

/* ---- backward(x, w, g), symmetric in g and its cotangent v. To g: picked(x, w, v); to w: slope(x, g, v);
 * to x: second(x, w, g, v) ---------------------------------------------------------------------------------- */

static void backward_piece(const HcOver *o, const HcPiece *p) {
    kernels_of(o->y)->batch_norm_backward(hc_over_at(o, o->y->data, p->at), hc_piece_of(o, p, 0),
                                          o->in[1], o->in[2], hc_piece_spread(o, p, 3), o->in[4],
                                          eps_of(o), p->s);
}

static bool backward_forward(Tensor *y) {
    HcOver o;
    return hc_over_begin(&o, y, choice_of(y)) && hc_over_run(&o, true, backward_piece);
}

static void backward_vjp(HcSweep *s, Tensor *y, Tensor *v) {
    Norm n = norm_of(y);
    Tensor *w = hc_inputs(y)[2], *g = hc_inputs(y)[3], *sums_g = hc_inputs(y)[4];
    Tensor *sums_v = sums(plain(n), v), *gv = NULL;
    if (hc_needs(s, 0) || hc_needs(s, 2)) gv = slope(n, g, v, sums_g, sums_v);
    if (hc_needs(s, 0)) hc_give(s, 0, second(n, w, g, v, sums_g, sums_v, gv));
    if (hc_needs(s, 2)) hc_give(s, 2, gv);
    if (hc_needs(s, 3)) hc_give(s, 3, picked(n, w, v, sums_v));
}

/* Of backward and picked: x, its moments and the choice; what is swept back, and its sums. */
enum { ALWAYS = X | MOMENTS | HC_IN(5), GIVEN = HC_IN(3) | HC_IN(4) };

static const HcOp op_backward = {
    .name = "tensor_batch_norm",
    .flags = HC_OP_MORE,
    .arity = 5,
    .infer = infer_like_x,
    .forward = backward_forward,
    .vjp = backward_vjp,
    .reads = {ALWAYS | WEIGHT | GIVEN, 0, ALWAYS | GIVEN, ALWAYS | WEIGHT}};

static Tensor *backward(Norm n, Tensor *w, Tensor *g, Tensor *sums_g) {
    return emit(&op_backward, n, (Tensor *[]){w, g, sums_g}, 3);
}

/* ---- picked(x, w, v), its adjoint in v. To v: backward(x, w, u); to w: slope(x, u, v); to x:
 * second(x, w, u, v) ---------------------------------------------------------------------------------------- */

static void picked_piece(const HcOver *o, const HcPiece *p) {
    kernels_of(o->y)->batch_norm_backward(p->room, hc_piece_of(o, p, 0), o->in[1], o->in[2],
                                          hc_piece_of(o, p, 3), o->in[4], eps_of(o), p->s);
    hc_piece_pick(o, p);
}

static bool picked_forward(Tensor *y) {
    HcOver o;
    return hc_over_begin(&o, y, choice_of(y)) && hc_over_run(&o, true, picked_piece);
}

static void picked_vjp(HcSweep *s, Tensor *y, Tensor *u) {
    Norm n = norm_of(y);
    Tensor *w = hc_inputs(y)[2], *v = hc_inputs(y)[3], *sums_v = hc_inputs(y)[4];
    Tensor *sums_u = sums(n, u), *uv = NULL;
    if (hc_needs(s, 0) || hc_needs(s, 2)) uv = slope(n, u, v, sums_u, sums_v);
    if (hc_needs(s, 0)) hc_give(s, 0, second(n, w, u, v, sums_u, sums_v, uv));
    if (hc_needs(s, 2)) hc_give(s, 2, uv);
    if (hc_needs(s, 3)) hc_give(s, 3, backward(n, w, u, sums_u));
}

static const HcOp op_picked = {
    .name = "tensor_batch_norm",
    .flags = HC_OP_MORE,
    .arity = 5,
    .infer = infer_norm,
    .forward = picked_forward,
    .vjp = picked_vjp,
    .reads = {ALWAYS | WEIGHT | GIVEN, 0, ALWAYS | GIVEN, ALWAYS | WEIGHT}};

static Tensor *picked(Norm n, Tensor *w, Tensor *v, Tensor *sums_v) {
    return n.choice ? emit(&op_picked, n, (Tensor *[]){w, v, sums_v}, 3)
                    : backward(n, w, v, sums_v);
}

/* ---- slope(x, g, v). To g: what is picked of t r P(v); to v: t r P(g); to x: second(x, t, g, v) ------------- */

static void slope_piece(const HcOver *o, const HcPiece *p) {
    kernels_of(o->y)->channel_dots(o->y->data, hc_piece_spread(o, p, 2), hc_piece_of(o, p, 3), p->s);
}

static bool slope_forward(Tensor *y) {
    HcOver o;
    if (!hc_over_begin(&o, y, choice_of(y))) return false;
    y->tape->k->fill(y->data, y->form->count, 0);
    if (!hc_over_run(&o, false, slope_piece)) return false;
    kernels_of(y)->batch_norm_slope(y->data, o.in[1], o.in[4], o.in[5], eps_of(&o), o.s);
    return true;
}

static void slope_vjp(HcSweep *s, Tensor *y, Tensor *t) {
    Norm n = norm_of(y);
    Tensor *const *in = hc_inputs(y);
    Tensor *g = in[2], *v = in[3], *sums_g = in[4], *sums_v = in[5];
    if (hc_needs(s, 0)) hc_give(s, 0, second(n, t, g, v, sums_g, sums_v, y));
    if (hc_needs(s, 2)) hc_give(s, 2, picked(n, t, v, sums_v));
    if (hc_needs(s, 3)) hc_give(s, 3, backward(n, t, g, sums_g));
}

enum {
    ALL_SLOPES = X | MOMENTS | HC_IN(6),
    G_AND_SUMS = HC_IN(2) | HC_IN(4),
    V_AND_SUMS = HC_IN(3) | HC_IN(5)
};

static const HcOp op_slope = {.name = "tensor_batch_norm",
                              .flags = HC_OP_MORE,
                              .arity = 6,
                              .infer = infer_vector,
                              .forward = slope_forward,
                              .vjp = slope_vjp,
                              .reads = {ALL_SLOPES | G_AND_SUMS | V_AND_SUMS | HC_READS_OUTPUT, 0,
                                        ALL_SLOPES | V_AND_SUMS, ALL_SLOPES | G_AND_SUMS}};

static Tensor *slope(Norm n, Tensor *g, Tensor *v, Tensor *sums_g, Tensor *sums_v) {
    return emit(&op_slope, n, (Tensor *[]){g, v, sums_g, sums_v}, 4);
}

/* ---- second(x, w, g, v): its gradients by what it is made of -------------------------------------------------- */

static void second_piece(const HcOver *o, const HcPiece *p) {
    kernels_of(o->y)->batch_norm_second(hc_over_at(o, o->y->data, p->at), hc_piece_of(o, p, 0),
                                        o->in[1], o->in[2], hc_piece_spread(o, p, 3),
                                        hc_piece_of(o, p, 4), o->in[5], o->in[6], o->in[7], eps_of(o),
                                        p->s);
}

static bool second_forward(Tensor *y) {
    HcOver o;
    return hc_over_begin(&o, y, choice_of(y)) && hc_over_run(&o, true, second_piece);
}

/* -(1/n) (w r slope xhat + backward(x, w r sum(g xhat), v) + backward(x, w r sum(v xhat), g)) */
static Tensor *second_composed(Tensor *y) {
    Norm n = norm_of(y), all = plain(n);
    Tensor *w = hc_inputs(y)[2], *g = hc_inputs(y)[3], *v = hc_inputs(y)[4];
    double count = (double)n.x->form->count / (double)n.x->form->dim[1];
    Tensor *sums_g = sums(n, g), *sums_v = sums(all, v), *gv = slope(n, g, v, sums_g, sums_v);
    Tensor *f = tensor_mul_scalar(tensor_mul(w, deviation(all)), -1 / count);
    Tensor *none = tensor_zeros(y->tape, shape1(n.x->form->dim[1]));
    Tensor *sum = norm(all, tensor_mul(f, gv), none);
    sum = tensor_add(sum, backward(all, tensor_mul(f, hc_row(sums_g, 1)), v, sums_v));
    return tensor_add(sum, backward(n, tensor_mul(f, hc_row(sums_v, 1)), g, sums_g));
}

enum { ALL_SECONDS = X | MOMENTS | HC_IN(8), G = HC_IN(3), V = HC_IN(4) };

static const HcOp op_second = {.name = "tensor_batch_norm",
                               .flags = HC_OP_MORE,
                               .arity = 8,
                               .infer = infer_like_x,
                               .forward = second_forward,
                               .compose = second_composed,
                               .reads = {ALL_SECONDS | WEIGHT | G | V, 0, ALL_SECONDS | G | V,
                                         ALL_SECONDS | WEIGHT | V, ALL_SECONDS | WEIGHT | G}};

static Tensor *second(Norm n, Tensor *w, Tensor *g, Tensor *v, Tensor *sums_g, Tensor *sums_v,
                      Tensor *slope_gv) {
    return emit(&op_second, n, (Tensor *[]){w, g, v, sums_g, sums_v, slope_gv}, 6);
}

/* ---- deviation(x) = r. To x: -r^2 t xhat / n ------------------------------------------------------------------- */

static bool deviation_forward(Tensor *y) {
    const void *moments = hc_dense_input(y, 1);
    if (moments) fill_deviation(y, y->data, moments, y->form->count);
    return moments != NULL;
}

static void deviation_vjp(HcSweep *s, Tensor *y, Tensor *t) {
    Norm n = norm_of(y);
    double count = (double)n.x->form->count / (double)n.x->form->dim[1];
    Tensor *w = tensor_mul_scalar(tensor_mul(t, tensor_square(y)), -1 / count);
    Tensor *none = tensor_zeros(y->tape, shape1(n.x->form->dim[1]));
    hc_give(s, 0, norm(n, w, none));
}

static const HcOp op_deviation = {.name = "tensor_batch_norm",
                                  .arity = 2,
                                  .infer = infer_vector,
                                  .forward = deviation_forward,
                                  .vjp = deviation_vjp,
                                  .reads = {X | MOMENTS | HC_READS_OUTPUT}};

static Tensor *deviation(Norm n) {
    return emit(&op_deviation, n, NULL, 0);
}
