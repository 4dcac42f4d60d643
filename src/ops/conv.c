/* Convolution (cross-correlation, as everywhere in this field; Dumoulin and Visin 2016, "A guide to
 * convolution arithmetic for deep learning"). The convolution, its gradient to the input and its
 * gradient to the weight are each linear in both operands, and each is the others' rule, so the three
 * are closed under differentiation. The second is the transposed convolution. The form of each result is
 * given: zeros after the last row and column, and what a stride leaves over, are in no attribute.
 *
 * Images are stored channels last. A bias is the start of the sums: the acc input, expanded. */
#include "ops/windows.h"

enum { MOST_SETTING = UINT16_MAX };

/* ---- geometry ---------------------------------------------------------------------------------- */

size_t hc_window_count(const HcSide *side, size_t size, size_t taps) {
    return (size + side->before + side->after - side->dilation * (taps - 1) - 1) / side->stride + 1;
}

static const HcForm *channels_last(Tape *tape, const char *who, const size_t *d) {
    size_t stride[4] = {d[2] * d[3] * d[1], 1, d[3] * d[1], d[1]}, count;
    if (!hc_shape_valid(shape_of(d, 4), tape->item, &count)) {
        hc_fail(tape, HC_ERR_SHAPE, "%s: the result does not fit memory", who);
        return NULL;
    }
    const HcForm *form = hc_form(&tape->forms, 4, d, stride);
    if (!form) hc_fail_nomem(tape, who);
    return form;
}

const HcForm *hc_channels_last(Tensor *y, size_t n, size_t c, size_t h, size_t w) {
    return channels_last(y->tape, y->op->name, (size_t[]){n, c, h, w});
}

const void *hc_channels_last_input(Tensor *y, size_t j) {
    const size_t *d = hc_inputs(y)[j]->form->dim;
    const HcForm *form = hc_channels_last(y, d[0], d[1], d[2], d[3]);
    return form ? hc_input_as(y, j, form) : NULL;
}

static bool good_side(const char *who, Tape *tape, const HcSide *s) {
    bool least = s->stride >= 1 && s->dilation >= 1;
    bool most = s->stride <= MOST_SETTING && s->before <= MOST_SETTING && s->after <= MOST_SETTING &&
                s->dilation <= MOST_SETTING;
    return (least && most) ||
           hc_fail(tape, HC_ERR_ARG,
                   "%s: stride %zu, padding %zu, dilation %zu: stride and dilation are 1 to %d, "
                   "padding 0 to %d",
                   who, s->stride, s->before > MOST_SETTING ? s->before : s->after, s->dilation,
                   MOST_SETTING, MOST_SETTING);
}

bool hc_window_fits(const char *who, const Tensor *x, int axis, const HcSide *side, size_t taps) {
    size_t size = x->form->dim[x->form->ndim - 2 + axis], dilation = side->dilation;
    if (!good_side(who, x->tape, side)) return false;
    size_t room = size + side->before + side->after;
    if (taps >= 1 && room >= 1 && taps - 1 <= (room - 1) / dilation) return true;
    return hc_fail(x->tape, HC_ERR_SHAPE,
                   "%s: a window of %zu with dilation %zu does not fit an axis of %zu with padding %zu", who,
                   taps, dilation, size, side->before);
}

/* The geometry of the convolution from x to y by w, all three given by their forms. */
static HcConv geometry(const HcAttr *attr, const HcForm *x, const HcForm *w, const HcForm *y) {
    HcConv g = {.n = x->dim[0],
                .c = x->dim[1],
                .h = x->dim[2],
                .w = x->dim[3],
                .o = w->dim[0],
                .kh = w->dim[2],
                .kw = w->dim[3],
                .p = y->dim[2],
                .q = y->dim[3],
                .groups = attr->window.groups};
    for (int i = 0; i < 2; i++) {
        g.stride[i] = attr->window.stride[i];
        g.pad[i] = attr->window.pad[i];
        g.dilation[i] = attr->window.dilation[i];
    }
    return g;
}

/* Input j as a weight; copied only if its taps are not one axis. */
static const void *weight_input(Tensor *y, size_t j, HcConv *g) {
    const Tensor *w = hc_inputs(y)[j];
    const HcForm *f = w->form;
    bool one_axis = f->dim[2] == 1 || f->dim[3] == 1 || f->stride[2] == f->dim[3] * f->stride[3];
    if (!one_axis) f = f->plain;
    g->w_out = f->stride[0];
    g->w_in = f->stride[1];
    g->w_tap = f->dim[3] == 1 ? f->stride[2] : f->stride[3];
    return one_axis ? w->data : hc_dense_input(y, j);
}

/* Where the sums start: the acc itself, a bias, or a copy of acc in y. */
static const void *start_of(Tensor *y, size_t *step) {
    const Tensor *acc = hc_acc_of(y);
    *step = y->form->dim[1];
    if (!acc) return NULL;
    const HcForm *f = acc->form;
    if (f == y->form) return acc->data;
    bool row = f->dim[1] == 1 || f->stride[1] == 1;
    for (int i = 0; i < 4; i++)
        if (i != 1 && f->dim[i] != 1 && f->stride[i] != 0) row = false;
    if (row) {
        *step = 0;
        return acc->data;
    }
    hc_start_from_acc(y);
    return y->data;
}

/* ---- shares for the tape's pool: of pixels, of a weight's gradient of results and taps ------------- */

/* In multiply-adds of a share, 4 us of work: a share makes its tables anew, 1 to 2 us. One image of 64x14x14, 7.2
 * million, runs 1.0 to 1.6 times as fast on two threads, as their caches lie (f32, AVX-512, bench_threads). */
enum { LEAST_COST = 1 << 19, MOST_SHARES = 16, LEAST_RESULTS = 32 };

size_t hc_window_shares(const Tape *tape, size_t count, size_t cost) {
    size_t shares = hc_workers(tape) > 1 ? cost / LEAST_COST : 1;
    if (shares > MOST_SHARES) shares = MOST_SHARES;
    if (shares > count) shares = count;
    return shares > 1 ? shares : 1;
}

typedef void ImagesFn(const HcConv *g, void *to, const void *from, const void *weight, const void *start,
                      size_t start_step, size_t first, size_t last, void *workspace);

/* What threads share of one operation. */
typedef struct Job {
    Tensor *y;
    HcConv g;
    ImagesFn *fn;
    const void *weight;
    const char *from, *start;
    size_t start_step;
    size_t shares, parts; /* of a weight's gradient: parts of the results, each in as many shares of taps */
    char *room;
    size_t room_bytes; /* of each worker */
} Job;

/* Cuts `count` pixels or taps, each thread's into so many shares, and takes room for the workers and `more`. */
static bool cut(Job *job, size_t count, size_t a_worker, size_t more) {
    const HcConv *g = &job->g;
    const Tape *tape = job->y->tape;
    size_t taps = g->c / g->groups * g->kh * g->kw, most = a_worker * hc_workers(tape);
    job->shares = hc_window_shares(tape, count < most ? count : most, g->n * g->p * g->q * g->o * taps);
    job->room_bytes = (hc_conv_kernels(tape->k)->conv_workspace(g) + HC_ALIGN - 1) / HC_ALIGN * HC_ALIGN;
    job->room = hc_workspace(job->y, more + job->room_bytes * (job->shares > 1 ? hc_workers(tape) : 1));
    return job->room != NULL;
}

static void run_pixels(size_t index, size_t worker, void *user) {
    const Job *job = user;
    size_t pixels = job->y->form->count / job->y->form->dim[1];
    job->fn(&job->g, job->y->data, job->from, job->weight, job->start, job->start_step, index * pixels / job->shares,
            (index + 1) * pixels / job->shares, job->room + worker * job->room_bytes);
}

/* A weight that is stored plainly, as the kernel would pack it for each share: what it writes, innermost. A share of
 * the packing writes what is together. */
typedef struct Packing {
    const HcKernels *k;
    const char *from;
    char *to;
    size_t o, c, taps;
    bool back;
    size_t shares;
} Packing;

static HcSpan part_of(size_t count, size_t index, size_t parts) {
    return (HcSpan){index * count / parts, (index + 1) * count / parts};
}

static void pack_share(size_t index, size_t worker, void *user) {
    const Packing *p = user;
    const size_t item = p->k->size, step = p->c * p->taps;
    const HcSpan of = part_of(p->back ? p->o : step, index, p->shares);
    (void)worker;
    if (!p->back)
        p->k->transpose(p->to + of.first * p->o * item, p->o, p->from + of.first * item, step, of.last - of.first,
                        p->o);
    for (size_t o = of.first; p->back && o < of.last; o++)
        p->k->transpose(p->to + o * step * item, p->c, p->from + o * step * item, p->taps, p->taps, p->c);
}

static void pack_weight(Job *job, bool back, char *to) {
    HcConv *g = &job->g;
    const size_t taps = g->kh * g->kw, c = g->c / g->groups;
    Packing p = {job->y->tape->k, job->weight, to, g->o, c, taps, back, job->shares};
    hc_parallel(job->y->tape, p.shares, pack_share, &p);
    g->w_out = back ? c * taps : 1;
    g->w_in = back ? 1 : taps * g->o;
    g->w_tap = back ? c : g->o;
    job->weight = to;
}

/* y from the images that are input 0 and the weight that is input 1, one way or the other. */
static bool convolve_images(Tensor *y, HcConv g, bool back) {
    const HcConvKernels *k = hc_conv_kernels(y->tape->k);
    Job job = {.y = y, .fn = back ? k->conv_input : k->conv};
    job.from = hc_channels_last_input(y, 0);
    job.weight = weight_input(y, 1, &g);
    job.g = g;
    const size_t pixels = y->form->count / (y->form->count ? y->form->dim[1] : 1), taps = g.kh * g.kw;
    const size_t bytes = hc_workers(y->tape) > 1 ? hc_inputs(y)[1]->form->count * y->tape->item : 0;
    if (!job.from || !job.weight || !cut(&job, pixels, 2, bytes)) return false;
    job.start = start_of(y, &job.start_step);
    if (job.shares > 1 && g.w_tap == 1 && g.w_in == taps && g.w_out == g.c / g.groups * taps)
        pack_weight(&job, back, job.room + job.room_bytes * hc_workers(y->tape));
    if (y->form->count) hc_parallel(y->tape, job.shares, run_pixels, &job);
    return true;
}

static void run_part(size_t index, size_t worker, void *user) {
    const Job *job = user;
    const HcConv *g = &job->g;
    const size_t by_taps = job->shares / job->parts;
    hc_conv_kernels(job->y->tape->k)->conv_weight(
        g, job->y->data, job->from, job->weight, hc_acc_of(job->y) != NULL,
        part_of(g->kh * g->kw, index % by_taps, by_taps),
        part_of(g->o / g->groups, index / by_taps, job->parts),
        job->room + worker * job->room_bytes);
}

/* Taps are few, and seldom as many for each thread: results are parted first, into halves, quarters ... that fill a
 * kernel's tiles. */
static bool cut_weight(Job *job) {
    const size_t workers = hc_workers(job->y->tape), taps = job->g.kh * job->g.kw;
    const size_t results = job->g.o / job->g.groups;
    for (job->parts = 1; 2 * job->parts <= workers && results >= 2 * job->parts * LEAST_RESULTS;)
        job->parts *= 2;
    if (!cut(job, taps * job->parts, 2, 0)) return false; /* each share reads all images again */
    if (job->shares < job->parts) job->parts = 1;
    const size_t by_taps = job->shares / job->parts;
    job->shares = job->parts * (by_taps < taps ? by_taps : taps);
    return true;
}

static Tensor *emit(const HcOp *op, const HcAttr *attr, const HcForm *form, Tensor *a, Tensor *b,
                    Tensor *acc) {
    HcAttr own = *attr;
    own.window.form = form;
    return hc_emit(op, &own, (Tensor *[]){a, b, acc}, acc ? 3 : 2);
}

static const HcOp op_conv, op_conv_input, op_conv_weight;

static bool infer_given(Tensor *y) {
    const size_t *d = y->attr.window.form->dim;
    y->form = hc_channels_last(y, d[0], d[1], d[2], d[3]);
    return y->form != NULL;
}

/* ---- y = x * w + acc. To x: conv_input(g, w); to w: conv_weight(g, x) ---------------------------- */

static bool conv_forward(Tensor *y) {
    Tensor *const *in = hc_inputs(y);
    return convolve_images(y, geometry(&y->attr, in[0]->form, in[1]->form, y->form), false);
}

static void conv_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    Tensor *x = hc_inputs(y)[0], *w = hc_inputs(y)[1];
    if (hc_needs(s, 0))
        hc_set(s, 0, emit(&op_conv_input, &y->attr, x->form->plain, gy, w, hc_take(s, 0)));
    if (hc_needs(s, 1))
        hc_set(s, 1, emit(&op_conv_weight, &y->attr, w->form->plain, gy, x, hc_take(s, 1)));
    if (hc_acc_of(y) && hc_needs(s, 2)) hc_give(s, 2, gy);
}

static const HcOp op_conv = {.name = "tensor_conv2d",
                             .flags = HC_OP_ACC,
                             .arity = 2,
                             .infer = infer_given,
                             .forward = conv_forward,
                             .vjp = conv_vjp,
                             .reads = {HC_IN(1), HC_IN(0)}};

/* ---- gx of the form given, from g and w. To g: conv(c, w); to w: conv_weight(g, c) --------------- */

static bool conv_input_forward(Tensor *y) {
    Tensor *const *in = hc_inputs(y);
    return convolve_images(y, geometry(&y->attr, y->form, in[1]->form, in[0]->form), true);
}

static void conv_input_vjp(HcSweep *s, Tensor *y, Tensor *c) {
    Tensor *g = hc_inputs(y)[0], *w = hc_inputs(y)[1];
    if (hc_needs(s, 0)) hc_set(s, 0, emit(&op_conv, &y->attr, g->form->plain, c, w, hc_take(s, 0)));
    if (hc_needs(s, 1))
        hc_set(s, 1, emit(&op_conv_weight, &y->attr, w->form->plain, g, c, hc_take(s, 1)));
    if (hc_acc_of(y) && hc_needs(s, 2)) hc_give(s, 2, c);
}

static const HcOp op_conv_input = {.name = "tensor_conv2d",
                                   .flags = HC_OP_ACC,
                                   .arity = 2,
                                   .infer = infer_given,
                                   .forward = conv_input_forward,
                                   .vjp = conv_input_vjp,
                                   .reads = {HC_IN(1), HC_IN(0)}};

/* ---- gw of the form given, from g and x. To g: conv(x, c); to x: conv_input(g, c) ---------------- */

/* Stored with the output channels last, as the kernel reads a weight without a copy. */
static bool conv_weight_infer(Tensor *y) {
    const HcForm *f = y->attr.window.form;
    size_t o = f->dim[0];
    size_t stride[4] = {1, f->dim[2] * f->dim[3] * o, f->dim[3] * o, o};
    y->form = hc_form(&y->tape->forms, 4, f->dim, stride);
    return y->form || hc_fail_nomem(y->tape, y->op->name);
}

static bool conv_weight_forward(Tensor *y) {
    Tensor *const *in = hc_inputs(y);
    Job job = {.y = y, .g = geometry(&y->attr, in[1]->form, y->form, in[0]->form)};
    job.from = hc_channels_last_input(y, 0);
    job.weight = hc_channels_last_input(y, 1); /* x, in the weight's place */
    job.g.w_out = 1;
    job.g.w_tap = job.g.o;
    job.g.w_in = job.g.kh * job.g.kw * job.g.o;
    if (!job.from || !job.weight || !cut_weight(&job)) return false;
    if (hc_acc_of(y)) hc_start_from_acc(y);
    if (y->form->count) hc_parallel(y->tape, job.shares, run_part, &job);
    return true;
}

static void conv_weight_vjp(HcSweep *s, Tensor *y, Tensor *c) {
    Tensor *g = hc_inputs(y)[0], *x = hc_inputs(y)[1];
    if (hc_needs(s, 0)) hc_set(s, 0, emit(&op_conv, &y->attr, g->form->plain, x, c, hc_take(s, 0)));
    if (hc_needs(s, 1))
        hc_set(s, 1, emit(&op_conv_input, &y->attr, x->form->plain, g, c, hc_take(s, 1)));
    if (hc_acc_of(y) && hc_needs(s, 2)) hc_give(s, 2, c);
}

static const HcOp op_conv_weight = {.name = "tensor_conv2d",
                                    .flags = HC_OP_ACC,
                                    .arity = 2,
                                    .infer = conv_weight_infer,
                                    .forward = conv_weight_forward,
                                    .vjp = conv_weight_vjp,
                                    .reads = {HC_IN(1), HC_IN(0)}};

/* ---- builders ------------------------------------------------------------------------------------ */

Conv2dOptions conv2d_options(void) {
    return (Conv2dOptions){
        .stride = {1, 1}, .padding = {0, 0}, .dilation = {1, 1}, .groups = 1, .bias = true};
}

Conv1dOptions conv1d_options(void) {
    return (Conv1dOptions){.stride = 1, .padding = 0, .dilation = 1, .groups = 1, .bias = true};
}

/* The shapes of a convolution with ndim - 2 spatial axes. */
static bool check_shapes(const char *who, const Tensor *x, const Tensor *w, const Tensor *bias,
                         size_t groups, int ndim) {
    const HcForm *fx = x->form, *fw = w->form;
    bool fits = fx->ndim == ndim && fw->ndim == ndim;
    fits = fits && groups >= 1 && groups <= UINT32_MAX && fx->dim[1] % groups == 0 &&
           fw->dim[0] % groups == 0 && fx->dim[1] / groups == fw->dim[1];
    if (fits && bias) fits = bias->form->ndim == 1 && bias->form->dim[0] == fw->dim[0];
    if (fits) return true;
    char tx[HC_SHAPE_TEXT], tw[HC_SHAPE_TEXT], tb[HC_SHAPE_TEXT];
    const char *axes = ndim == 4 ? "H, W" : "L", *kernel = ndim == 4 ? "KH, KW" : "K";
    return hc_fail(x->tape, HC_ERR_SHAPE,
                   "%s: input %s, weight %s, bias %s, groups %zu: it takes [N, C, %s], "
                   "[O, C / groups, %s] and [O], with C and O divisible by groups",
                   who, hc_shape_text(hc_form_shape(fx), tx), hc_shape_text(hc_form_shape(fw), tw),
                   bias ? hc_shape_text(hc_form_shape(bias->form), tb) : "none", groups, axes,
                   kernel);
}

static void set_side(HcAttr *attr, int axis, const HcSide *side) {
    attr->window.stride[axis] = (uint16_t)side->stride;
    attr->window.pad[axis] = (uint16_t)side->before;
    attr->window.dilation[axis] = (uint16_t)side->dilation;
}

/* The convolution, or its adjoint, with a result of that shape, of sums that start at the bias. */
static Tensor *from_bias(const HcOp *op, const char *who, const HcAttr *attr, const size_t *dim, Tensor *x,
                         Tensor *weight, Tensor *bias) {
    const HcForm *form = channels_last(x->tape, who, dim);
    if (!form) return NULL;
    if (bias) {
        bias = tensor_expand(tensor_reshape(bias, shape4(1, dim[1], 1, 1)), shape_of(dim, 4));
        if (!bias) return NULL;
    }
    return emit(op, attr, form, x, weight, bias);
}

/* So much before and after that as many places are left as there were; an odd one comes after. */
static bool same_side(const char *who, Tape *tape, HcSide *side, size_t taps) {
    if (side->stride != 1)
        return hc_fail(tape, HC_ERR_ARG, "%s: HC_PAD_SAME with stride %zu, not 1", who, side->stride);
    size_t spread = taps - (taps > 0), most = 2 * (size_t)MOST_SETTING;
    if (side->dilation < 1 || side->dilation > MOST_SETTING) return good_side(who, tape, side);
    bool beyond = spread > most / side->dilation; /* to be refused */
    spread = beyond ? most + 2 : spread * side->dilation;
    side->before = spread / 2;
    side->after = spread - side->before;
    return true;
}

static Tensor *convolve(const char *who, Tensor *x, Tensor *weight, Tensor *bias,
                        const Conv2dOptions *o) {
    HcAttr attr = {.window = {.groups = (uint32_t)o->groups}};
    size_t dim[4] = {x->form->dim[0], weight->form->dim[0]};
    if (o->pad != HC_PAD_EVEN && o->pad != HC_PAD_UNEVEN && o->pad != HC_PAD_SAME) {
        hc_fail(x->tape, HC_ERR_ARG, "%s: there is no ConvPad %d", who, (int)o->pad);
        return NULL;
    }
    for (int i = 0; i < 2; i++) {
        size_t taps = weight->form->dim[2 + i];
        HcSide side = {o->stride[i], o->padding[i], o->padding[i], o->dilation[i]};
        if (o->pad == HC_PAD_UNEVEN) side.after = o->padding_after[i];
        if ((o->pad == HC_PAD_SAME && !same_side(who, x->tape, &side, taps)) ||
            !hc_window_fits(who, x, i, &side, taps))
            return NULL;
        set_side(&attr, i, &side);
        dim[2 + i] = hc_window_count(&side, x->form->dim[2 + i], taps);
    }
    return from_bias(&op_conv, who, &attr, dim, x, weight, bias);
}

Tensor *tensor_conv2d(Tensor *x, Tensor *weight, Tensor *bias, Conv2dOptions options) {
    const char *who = "tensor_conv2d";
    if (!hc_check_all(who, (Tensor *[]){x, weight, bias}, bias ? 3 : 2) ||
        !check_shapes(who, x, weight, bias, options.groups, 4))
        return NULL;
    return convolve(who, x, weight, bias, &options);
}

Tensor *tensor_conv1d(Tensor *x, Tensor *weight, Tensor *bias, Conv1dOptions options) {
    const char *who = "tensor_conv1d";
    if (!hc_check_all(who, (Tensor *[]){x, weight, bias}, bias ? 3 : 2) ||
        !check_shapes(who, x, weight, bias, options.groups, 3))
        return NULL;
    Conv2dOptions wide = {.stride = {1, options.stride},
                          .padding = {0, options.padding},
                          .dilation = {1, options.dilation},
                          .groups = options.groups,
                          .pad = options.pad,
                          .padding_after = {0, options.padding_after}};
    x = tensor_unsqueeze(x, 2);
    weight = tensor_unsqueeze(weight, 2);
    Tensor *y = x && weight ? convolve(who, x, weight, bias, &wide) : NULL;
    return y ? tensor_squeeze(y, 2) : NULL;
}

/* ---- transposed ------------------------------------------------------------------------------------ */

ConvTranspose2dOptions conv_transpose2d_options(void) {
    return (ConvTranspose2dOptions){.stride = {1, 1}, .dilation = {1, 1}, .groups = 1, .bias = true};
}

ConvTranspose1dOptions conv_transpose1d_options(void) {
    return (ConvTranspose1dOptions){.stride = 1, .dilation = 1, .groups = 1, .bias = true};
}

static bool check_transposed(const char *who, const Tensor *x, const Tensor *w, const Tensor *bias,
                             size_t groups, int ndim) {
    const HcForm *fx = x->form, *fw = w->form;
    bool fits = fx->ndim == ndim && fw->ndim == ndim && groups >= 1 && groups <= UINT32_MAX;
    fits = fits && fx->dim[1] == fw->dim[0] && fw->dim[0] % groups == 0 && fw->dim[1] <= SIZE_MAX / groups;
    if (fits && bias) fits = bias->form->ndim == 1 && bias->form->dim[0] == fw->dim[1] * groups;
    if (fits) return true;
    char tx[HC_SHAPE_TEXT], tw[HC_SHAPE_TEXT], tb[HC_SHAPE_TEXT];
    const char *axes = ndim == 4 ? "H, W" : "L", *kernel = ndim == 4 ? "KH, KW" : "K";
    return hc_fail(x->tape, HC_ERR_SHAPE,
                   "%s: input %s, weight %s, bias %s, groups %zu: it takes [N, C, %s], "
                   "[C, O / groups, %s] and [O], with C divisible by groups",
                   who, hc_shape_text(hc_form_shape(fx), tx), hc_shape_text(hc_form_shape(fw), tw),
                   bias ? hc_shape_text(hc_form_shape(bias->form), tb) : "none", groups, axes, kernel);
}

/* How far `size` windows of so many taps reach, without the padding; 0 where that is none or too far. */
static size_t reach_of(const HcSide *side, size_t size, size_t taps, size_t more) {
    if (size < 1 || taps < 1 || size - 1 > SIZE_MAX / 4 / side->stride || taps - 1 > SIZE_MAX / 4 / side->dilation)
        return 0;
    size_t reach = (size - 1) * side->stride + (taps - 1) * side->dilation + 1 + more;
    return reach > 2 * side->before ? reach - 2 * side->before : 0;
}

static Tensor *convolve_transposed(const char *who, Tensor *x, Tensor *weight, Tensor *bias,
                                   const ConvTranspose2dOptions *o) {
    HcAttr attr = {.window = {.groups = (uint32_t)o->groups}};
    size_t dim[4] = {x->form->dim[0], weight->form->dim[1] * o->groups};
    for (int i = 0; i < 2; i++) {
        size_t size = x->form->dim[2 + i], taps = weight->form->dim[2 + i], more = o->output_padding[i];
        HcSide side = {o->stride[i], o->padding[i], o->padding[i], o->dilation[i]};
        if (!good_side(who, x->tape, &side)) return NULL;
        if (more >= side.stride && more >= side.dilation) {
            hc_fail(x->tape, HC_ERR_ARG, "%s: output padding %zu is not below stride %zu or dilation %zu", who, more,
                    side.stride, side.dilation);
            return NULL;
        }
        if (!(dim[2 + i] = reach_of(&side, size, taps, more))) {
            hc_fail(x->tape, HC_ERR_SHAPE, "%s: windows of %zu at %zu places leave nothing, with padding %zu", who,
                    taps, size, side.before);
            return NULL;
        }
        set_side(&attr, i, &side);
    }
    return from_bias(&op_conv_input, who, &attr, dim, x, weight, bias);
}

Tensor *tensor_conv_transpose2d(Tensor *x, Tensor *weight, Tensor *bias, ConvTranspose2dOptions options) {
    const char *who = "tensor_conv_transpose2d";
    if (!hc_check_all(who, (Tensor *[]){x, weight, bias}, bias ? 3 : 2) ||
        !check_transposed(who, x, weight, bias, options.groups, 4))
        return NULL;
    return convolve_transposed(who, x, weight, bias, &options);
}

Tensor *tensor_conv_transpose1d(Tensor *x, Tensor *weight, Tensor *bias, ConvTranspose1dOptions options) {
    const char *who = "tensor_conv_transpose1d";
    if (!hc_check_all(who, (Tensor *[]){x, weight, bias}, bias ? 3 : 2) ||
        !check_transposed(who, x, weight, bias, options.groups, 3))
        return NULL;
    ConvTranspose2dOptions wide = {.stride = {1, options.stride},
                                   .padding = {0, options.padding},
                                   .output_padding = {0, options.output_padding},
                                   .dilation = {1, options.dilation},
                                   .groups = options.groups};
    x = tensor_unsqueeze(x, 2);
    weight = tensor_unsqueeze(weight, 2);
    Tensor *y = x && weight ? convolve_transposed(who, x, weight, bias, &wide) : NULL;
    return y ? tensor_squeeze(y, 2) : NULL;
}
