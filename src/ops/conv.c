/* Convolution (cross-correlation, as everywhere in this field; Dumoulin and Visin 2016, "A guide to
 * convolution arithmetic for deep learning"). The convolution, its gradient to the input and its
 * gradient to the weight are each linear in both operands, and each is the others' rule, so the three
 * are closed under differentiation.
 *
 * Images are stored channels last. A bias is the start of the sums: the acc input, expanded. */
#include "ops/windows.h"

enum { MOST_SETTING = UINT16_MAX };

/* ---- geometry ---------------------------------------------------------------------------------- */

static size_t spread_of(size_t size, size_t taps, size_t stride, size_t pad, size_t dilation) {
    return (size + 2 * pad - dilation * (taps - 1) - 1) / stride + 1;
}

size_t hc_window_count(const HcAttr *attr, int axis, size_t size, size_t taps) {
    return spread_of(size, taps, attr->window.stride[axis], attr->window.pad[axis],
                     attr->window.dilation[axis]);
}

const HcForm *hc_channels_last(Tensor *y, size_t n, size_t c, size_t h, size_t w) {
    size_t dim[4] = {n, c, h, w}, stride[4] = {h * w * c, 1, w * c, c}, count;
    if (!hc_shape_valid(shape_of(dim, 4), y->tape->item, &count)) {
        hc_fail(y->tape, HC_ERR_SHAPE, "%s: the result does not fit memory", y->op->name);
        return NULL;
    }
    const HcForm *form = hc_form(&y->tape->forms, 4, dim, stride);
    if (!form) hc_fail_nomem(y->tape, y->op->name);
    return form;
}

const void *hc_channels_last_input(Tensor *y, size_t j) {
    const size_t *d = hc_inputs(y)[j]->form->dim;
    const HcForm *form = hc_channels_last(y, d[0], d[1], d[2], d[3]);
    return form ? hc_input_as(y, j, form) : NULL;
}

bool hc_window_fits(const char *who, const Tensor *x, int axis, const size_t setting[3],
                    size_t taps) {
    size_t size = x->form->dim[x->form->ndim - 2 + axis], stride = setting[0], pad = setting[1],
           dilation = setting[2];
    if (stride < 1 || dilation < 1 || stride > MOST_SETTING || pad > MOST_SETTING ||
        dilation > MOST_SETTING)
        return hc_fail(
            x->tape, HC_ERR_ARG,
            "%s: stride %zu, padding %zu, dilation %zu: stride and dilation are 1 to %d, "
            "padding 0 to %d",
            who, stride, pad, dilation, MOST_SETTING, MOST_SETTING);
    size_t room = size + 2 * pad;
    if (taps >= 1 && room >= 1 && taps - 1 <= (room - 1) / dilation) return true;
    return hc_fail(x->tape, HC_ERR_SHAPE,
                   "%s: a window of %zu with dilation %zu does not fit %zu with padding %zu", who,
                   taps, dilation, size, pad);
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

/* ---- shares for the tape's pool: of images, of a weight's gradient of taps ------------------------- */

enum { LEAST_COST = 1 << 19, MOST_SHARES = 16 };

size_t hc_window_shares(const Tape *tape, size_t count, size_t cost) {
    size_t shares = hc_workers(tape) > 1 ? cost / LEAST_COST : 1;
    if (shares > MOST_SHARES) shares = MOST_SHARES;
    if (shares > count) shares = count;
    return shares > 1 ? shares : 1;
}

typedef void ImagesFn(const HcConv *g, void *to, const void *from, const void *weight,
                      const void *start, size_t start_step, void *workspace);

/* What threads share of one operation. */
typedef struct Job {
    Tensor *y;
    HcConv g;
    ImagesFn *fn;
    const void *weight;
    const char *from, *start;
    size_t start_step;
    size_t shares;
    char *room;
    size_t room_bytes; /* of each worker */
} Job;

/* Cuts `count` images or taps, and takes room for the workers. */
static bool cut(Job *job, size_t count) {
    const HcConv *g = &job->g;
    const Tape *tape = job->y->tape;
    size_t taps = g->c / g->groups * g->kh * g->kw;
    job->shares = hc_window_shares(tape, count, g->n * g->p * g->q * g->o * taps);
    job->room_bytes = (tape->k->conv_workspace(g) + HC_ALIGN - 1) / HC_ALIGN * HC_ALIGN;
    job->room = hc_workspace(job->y, job->room_bytes * (job->shares > 1 ? hc_workers(tape) : 1));
    return job->room != NULL;
}

static void run_images(size_t index, size_t worker, void *user) {
    const Job *job = user;
    size_t item = job->y->tape->item, first = index * job->g.n / job->shares;
    size_t read = hc_inputs(job->y)[0]->form->count / job->g.n,
           written = job->y->form->count / job->g.n;
    HcConv g = job->g;
    g.n = (index + 1) * job->g.n / job->shares - first;
    const char *start = job->start;
    if (start && job->start_step) start += first * written * item;
    job->fn(&g, (char *)job->y->data + first * written * item, job->from + first * read * item,
            job->weight, start, job->start_step, job->room + worker * job->room_bytes);
}

/* y from the images that are input 0 and the weight that is input 1, one way or the other. */
static bool convolve_images(Tensor *y, HcConv g, ImagesFn *fn) {
    Job job = {.y = y, .fn = fn};
    job.from = hc_channels_last_input(y, 0);
    job.weight = weight_input(y, 1, &g);
    job.g = g;
    if (!job.from || !job.weight || !cut(&job, g.n)) return false;
    job.start = start_of(y, &job.start_step);
    if (y->form->count) hc_parallel(y->tape, job.shares, run_images, &job);
    return true;
}

/* Each share reads all images again, so there are no more than keep the threads busy. */
static size_t tap_shares(const Tensor *y, size_t taps) {
    size_t shares = 2 * hc_workers(y->tape);
    return shares < taps ? shares : taps;
}

static void run_taps(size_t index, size_t worker, void *user) {
    const Job *job = user;
    size_t taps = job->g.kh * job->g.kw;
    job->y->tape->k->conv_weight(&job->g, job->y->data, job->from, job->weight,
                                 hc_acc_of(job->y) != NULL, index * taps / job->shares,
                                 (index + 1) * taps / job->shares,
                                 job->room + worker * job->room_bytes);
}

static Tensor *emit(const HcOp *op, const HcAttr *attr, const HcForm *form, Tensor *a, Tensor *b,
                    Tensor *acc) {
    HcAttr own = *attr;
    own.window.form = form;
    return hc_emit(op, &own, (Tensor *[]){a, b, acc}, acc ? 3 : 2);
}

static const HcOp op_conv, op_conv_input, op_conv_weight;

/* ---- y = x * w + acc. To x: conv_input(g, w); to w: conv_weight(g, x) ---------------------------- */

static bool conv_infer(Tensor *y) {
    const HcForm *x = hc_inputs(y)[0]->form, *w = hc_inputs(y)[1]->form;
    y->form = hc_channels_last(y, x->dim[0], w->dim[0],
                               hc_window_count(&y->attr, 0, x->dim[2], w->dim[2]),
                               hc_window_count(&y->attr, 1, x->dim[3], w->dim[3]));
    return y->form != NULL;
}

static bool conv_forward(Tensor *y) {
    Tensor *const *in = hc_inputs(y);
    return convolve_images(y, geometry(&y->attr, in[0]->form, in[1]->form, y->form),
                           y->tape->k->conv);
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
                             .infer = conv_infer,
                             .forward = conv_forward,
                             .vjp = conv_vjp,
                             .reads = {HC_IN(1), HC_IN(0)}};

/* ---- gx of the form given, from g and w. To g: conv(c, w); to w: conv_weight(g, c) --------------- */

static bool conv_input_infer(Tensor *y) {
    const size_t *d = y->attr.window.form->dim;
    y->form = hc_channels_last(y, d[0], d[1], d[2], d[3]);
    return y->form != NULL;
}

static bool conv_input_forward(Tensor *y) {
    Tensor *const *in = hc_inputs(y);
    return convolve_images(y, geometry(&y->attr, y->form, in[1]->form, in[0]->form),
                           y->tape->k->conv_input);
}

static void conv_input_vjp(HcSweep *s, Tensor *y, Tensor *c) {
    Tensor *g = hc_inputs(y)[0], *w = hc_inputs(y)[1];
    if (hc_needs(s, 0)) hc_set(s, 0, emit(&op_conv, &y->attr, NULL, c, w, hc_take(s, 0)));
    if (hc_needs(s, 1))
        hc_set(s, 1, emit(&op_conv_weight, &y->attr, w->form->plain, g, c, hc_take(s, 1)));
    if (hc_acc_of(y) && hc_needs(s, 2)) hc_give(s, 2, c);
}

static const HcOp op_conv_input = {.name = "tensor_conv2d",
                                   .flags = HC_OP_ACC,
                                   .arity = 2,
                                   .infer = conv_input_infer,
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
    if (!job.from || !job.weight || !cut(&job, tap_shares(y, job.g.kh * job.g.kw))) return false;
    if (hc_acc_of(y)) hc_start_from_acc(y);
    if (y->form->count) hc_parallel(y->tape, job.shares, run_taps, &job);
    return true;
}

static void conv_weight_vjp(HcSweep *s, Tensor *y, Tensor *c) {
    Tensor *g = hc_inputs(y)[0], *x = hc_inputs(y)[1];
    if (hc_needs(s, 0)) hc_set(s, 0, emit(&op_conv, &y->attr, NULL, x, c, hc_take(s, 0)));
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

static Tensor *convolve(const char *who, Tensor *x, Tensor *weight, Tensor *bias,
                        const Conv2dOptions *o) {
    HcAttr attr = {.window = {.groups = (uint32_t)o->groups}};
    for (int i = 0; i < 2; i++) {
        size_t setting[3] = {o->stride[i], o->padding[i], o->dilation[i]};
        if (!hc_window_fits(who, x, i, setting, weight->form->dim[2 + i])) return NULL;
        attr.window.stride[i] = (uint16_t)o->stride[i];
        attr.window.pad[i] = (uint16_t)o->padding[i];
        attr.window.dilation[i] = (uint16_t)o->dilation[i];
    }
    if (bias) {
        const size_t *dx = x->form->dim, *dw = weight->form->dim;
        size_t p = hc_window_count(&attr, 0, dx[2], dw[2]),
               q = hc_window_count(&attr, 1, dx[3], dw[3]);
        bias =
            tensor_expand(tensor_reshape(bias, shape4(1, dw[0], 1, 1)), shape4(dx[0], dw[0], p, q));
        if (!bias) return NULL;
    }
    return emit(&op_conv, &attr, NULL, x, weight, bias);
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
                          .groups = options.groups};
    x = tensor_unsqueeze(x, 2);
    weight = tensor_unsqueeze(weight, 2);
    Tensor *y = x && weight ? convolve(who, x, weight, bias, &wide) : NULL;
    return y ? tensor_squeeze(y, 2) : NULL;
}
