/* Pooling. The largest of each window is found together with its tap; all that follows is linear and goes
 * by those taps: the gradient spreads to them, and the gradient of that picks at them. */
#include "ops/windows.h"

/* ---- geometry ------------------------------------------------------------------------------------ */

HcConv hc_pool_geometry(const HcAttr *attr, const HcForm *x, const HcForm *y) {
    HcConv g = {.n = x->dim[0],
                .c = x->dim[1],
                .h = x->dim[2],
                .w = x->dim[3],
                .p = y->dim[y->ndim - 2],
                .q = y->dim[y->ndim - 1],
                .kh = attr->window.kernel[0],
                .kw = attr->window.kernel[1]};
    for (int i = 0; i < 2; i++) {
        g.stride[i] = attr->window.stride[i];
        g.pad[i] = attr->window.pad[i];
        g.dilation[i] = attr->window.dilation[i];
    }
    return g;
}

/* How many places the window takes along an axis of H (0) or W (1). */
static size_t places(const HcAttr *attr, int axis, size_t size) {
    HcSide side = {attr->window.stride[axis], attr->window.pad[axis], attr->window.pad[axis],
                   attr->window.dilation[axis]};
    return hc_window_count(&side, size, attr->window.kernel[axis]);
}

bool hc_pool_attr(const char *who, const Tensor *x, const Pool2dOptions *o, HcAttr *attr) {
    char text[HC_SHAPE_TEXT];
    *attr = (HcAttr){.window = {.counts_padding = o->count_include_pad}};
    if (x->form->ndim != 4)
        return hc_fail(x->tape, HC_ERR_SHAPE, "%s: %s; it takes [N, C, H, W]", who,
                       hc_shape_text(hc_form_shape(x->form), text));
    for (int i = 0; i < 2; i++) {
        HcSide side = {o->stride[i], o->padding[i], o->padding[i], o->dilation[i]};
        if (o->kernel[i] < 1 || o->kernel[i] > UINT16_MAX || o->padding[i] > o->kernel[i] / 2)
            return hc_fail(x->tape, HC_ERR_ARG,
                           "%s: kernel %zu, padding %zu: the kernel is 1 to %d, the padding at most half of it", who,
                           o->kernel[i], o->padding[i], UINT16_MAX);
        if (!hc_window_fits(who, x, i, &side, o->kernel[i])) return false;
        attr->window.kernel[i] = (uint16_t)o->kernel[i];
        attr->window.stride[i] = (uint16_t)o->stride[i];
        attr->window.pad[i] = (uint16_t)o->padding[i];
        attr->window.dilation[i] = (uint16_t)o->dilation[i];
    }
    return true;
}

Pool2dOptions pool2d_options(size_t kernel) {
    return (Pool2dOptions){.kernel = {kernel, kernel},
                           .stride = {kernel, kernel},
                           .padding = {0, 0},
                           .dilation = {1, 1},
                           .count_include_pad = true};
}

Pool1dOptions pool1d_options(size_t kernel) {
    return (Pool1dOptions){
        .kernel = kernel, .stride = kernel, .padding = 0, .dilation = 1, .count_include_pad = true};
}

/* The same pool of [N, C, L] as [N, C, 1, L]. */
static Tensor *along_last(const char *who, Tensor *x, const Pool1dOptions *o,
                          Tensor *(*pool)(Tensor *, Pool2dOptions)) {
    char text[HC_SHAPE_TEXT];
    if (!hc_check(who, x)) return NULL;
    if (x->form->ndim != 3) {
        hc_fail(x->tape, HC_ERR_SHAPE, "%s: %s; it takes [N, C, L]", who,
                hc_shape_text(hc_form_shape(x->form), text));
        return NULL;
    }
    Pool2dOptions wide = {.kernel = {1, o->kernel},
                          .stride = {1, o->stride},
                          .padding = {0, o->padding},
                          .dilation = {1, o->dilation},
                          .count_include_pad = o->count_include_pad};
    Tensor *y = pool(tensor_unsqueeze(x, 2), wide);
    return hc_told_as(who, x->tape, y ? tensor_squeeze(y, 2) : NULL);
}

/* The form of y where that of x was given as an attribute, and the other way round. */
static bool form_given(Tensor *y) {
    const size_t *d = y->attr.window.form->dim;
    y->form = hc_channels_last(y, d[0], d[1], d[2], d[3]);
    return y->form != NULL;
}

static Tensor *emit_with(const HcOp *op, const HcAttr *attr, const HcForm *form, Tensor *a,
                         Tensor *b) {
    HcAttr own = *attr;
    own.window.form = form->plain;
    return b ? hc_emit2(op, &own, a, b) : hc_emit1(op, &own, a);
}

/* ---- images, a share at a time on the tape's pool ------------------------------------------------- */

/* `images` of them, by a geometry whose own number of images does not count. */
typedef void ShareFn(const HcKernels *k, const void *geometry, size_t images, void *to,
                     const void *from, void *taps);

typedef struct Images {
    Tensor *y;
    ShareFn *fn;
    const void *geometry;
    size_t count, shares;
    size_t written, read, pooled; /* numbers of an image; of its taps */
    char *to, *taps;
    const char *from;
} Images;

static void run_share(size_t index, size_t worker, void *user) {
    const Images *m = user;
    size_t first = index * m->count / m->shares, last = (index + 1) * m->count / m->shares;
    size_t skipped = first * m->y->tape->item;
    (void)worker;
    m->fn(m->y->tape->k, m->geometry, last - first, m->to + skipped * m->written,
          m->from + skipped * m->read, m->taps ? m->taps + skipped * m->pooled : NULL);
}

/* What moving a number costs, in multiply-adds. */
enum { MOVE = 8 };

static void run_shares(Images m) {
    size_t moved = m.count * (m.written + m.read);
    m.shares = hc_window_shares(m.y->tape, m.count, moved * MOVE);
    if (moved) hc_parallel(m.y->tape, m.shares, run_share, &m);
}

/* From input 0 to y, of which one is as `wide` and the other what is pooled of it; spreads: y is the wide one. */
static bool run_windows(Tensor *y, ShareFn *fn, const HcForm *wide, const HcForm *pooled,
                        bool spreads, void *taps) {
    HcConv g = hc_pool_geometry(&y->attr, wide, pooled);
    size_t many = g.h * g.w * g.c, few = g.p * g.q * g.c;
    const void *from = hc_channels_last_input(y, 0);
    if (from && y->form->count)
        run_shares((Images){.y = y,
                            .fn = fn,
                            .geometry = &g,
                            .count = g.n,
                            .written = spreads ? many : few,
                            .read = spreads ? few : many,
                            .pooled = few,
                            .to = y->data,
                            .taps = taps,
                            .from = from});
    return from != NULL;
}

/* ---- the largest, of relu(x) where that is asked for, and their taps; no derivative ---------------- */

bool hc_winners_infer(Tensor *y) {
    const size_t *d = hc_inputs(y)[0]->form->dim;
    const HcForm *f = hc_channels_last(
        y, d[0], d[1], places(&y->attr, 0, d[2]), places(&y->attr, 1, d[3]));
    if (!f) return false;
    size_t dim[5] = {2, f->dim[0], f->dim[1], f->dim[2], f->dim[3]};
    size_t stride[5] = {f->count, f->stride[0], f->stride[1], f->stride[2], f->stride[3]}, count;
    if (!hc_shape_valid(shape_of(dim, 5), y->tape->item, &count))
        return hc_fail(y->tape, HC_ERR_SHAPE, "%s: the result does not fit memory", y->op->name);
    y->form = hc_form(&y->tape->forms, 5, dim, stride);
    return y->form || hc_fail_nomem(y->tape, y->op->name);
}

void *hc_taps_of(const Tensor *winners) {
    return (char *)winners->data + winners->form->count / 2 * winners->tape->item;
}

static void find_largest(const HcKernels *k, const void *geometry, size_t images, void *to,
                         const void *from, void *taps) {
    HcConv g = *(const HcConv *)geometry;
    g.n = images;
    hc_pool_kernels(k)->max_pool(&g, to, taps, from, false);
}

static void find_largest_relu(const HcKernels *k, const void *geometry, size_t images, void *to,
                              const void *from, void *taps) {
    HcConv g = *(const HcConv *)geometry;
    g.n = images;
    hc_pool_kernels(k)->max_pool(&g, to, taps, from, true);
}

static bool winners_forward(Tensor *y) {
    return run_windows(y, y->attr.window.relu ? find_largest_relu : find_largest,
                       hc_inputs(y)[0]->form, y->form, false, hc_taps_of(y));
}

static const HcOp op_winners = {.name = "tensor_max_pool2d",
                                .flags = HC_OP_NODIFF,
                                .arity = 1,
                                .infer = hc_winners_infer,
                                .forward = winners_forward};

/* ---- spread(g, winners): g at the winning taps of x's windows, added up; pick(x, winners): x there.
 * Linear, and each the other's adjoint --------------------------------------------------------------- */

static const HcOp op_spread, op_pick;

static void spread_images(const HcKernels *k, const void *geometry, size_t images, void *to,
                          const void *from, void *taps) {
    HcConv g = *(const HcConv *)geometry;
    g.n = images;
    hc_pool_kernels(k)->pool_spread(&g, to, from, taps);
}

static bool spread_forward(Tensor *y) {
    const Tensor *winners = hc_inputs(y)[1];
    return run_windows(y, spread_images, y->form, winners->form, true, hc_taps_of(winners));
}

static void spread_vjp(HcSweep *s, Tensor *y, Tensor *c) {
    Tensor *const *in = hc_inputs(y);
    hc_give(s, 0, emit_with(&op_pick, &y->attr, in[0]->form, c, in[1]));
}

static const HcOp op_spread = {.name = "tensor_max_pool2d",
                               .arity = 2,
                               .infer = form_given,
                               .forward = spread_forward,
                               .vjp = spread_vjp,
                               .reads = {HC_IN(1)}};

static void pick_images(const HcKernels *k, const void *geometry, size_t images, void *to,
                        const void *from, void *taps) {
    HcConv g = *(const HcConv *)geometry;
    g.n = images;
    hc_pool_kernels(k)->pool_pick(&g, to, from, taps);
}

static bool pick_forward(Tensor *y) {
    const Tensor *winners = hc_inputs(y)[1];
    return run_windows(y, pick_images, hc_inputs(y)[0]->form, y->form, false, hc_taps_of(winners));
}

static void pick_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    Tensor *const *in = hc_inputs(y);
    hc_give(s, 0, emit_with(&op_spread, &y->attr, in[0]->form, gy, in[1]));
}

static const HcOp op_pick = {.name = "tensor_max_pool2d",
                             .arity = 2,
                             .infer = form_given,
                             .forward = pick_forward,
                             .vjp = pick_vjp,
                             .reads = {HC_IN(1)}};

Tensor *hc_pick(Tensor *x, Tensor *winners) {
    const HcForm *f = winners->form;
    const HcForm *form = hc_form(&winners->tape->forms, 4, f->dim + 1, NULL);
    if (form) return emit_with(&op_pick, &winners->attr, form, x, winners);
    hc_fail_nomem(winners->tape, op_pick.name);
    return NULL;
}

/* ---- max_pool2d: pick(x, winners), known already: a view of the winners. To x: spread(g, winners) - */

static bool max_pool_infer(Tensor *y) {
    const Tensor *winners = hc_inputs(y)[0];
    const size_t *d = winners->form->dim;
    y->form = hc_channels_last(y, d[1], d[2], d[3], d[4]);
    y->data = winners->data;
    return y->form != NULL;
}

static void max_pool_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    Tensor *const *in = hc_inputs(y);
    hc_give(s, 1, emit_with(&op_spread, &y->attr, in[1]->form, gy, in[0]));
}

static const HcOp op_max_pool = {.name = "tensor_max_pool2d",
                                 .flags = HC_OP_ALIAS,
                                 .arity = 2,
                                 .infer = max_pool_infer,
                                 .vjp = max_pool_vjp,
                                 .reads = {0, HC_IN(0)}};

static Tensor *max_pool_of(const HcOp *op, const HcAttr *attr, Tensor *x) {
    return hc_emit2(op, attr, hc_emit1(&op_winners, attr, x), x);
}

static Tensor *relu_then_max_pool(Tensor *x, const HcAttr *attr) {
    HcAttr own = *attr;
    own.window.relu = false;
    return max_pool_of(&op_max_pool, &own, tensor_relu(x));
}

static Tensor *relu_max_pool_composed(Tensor *y) {
    return relu_then_max_pool(hc_inputs(y)[1], &y->attr);
}

static const HcOp op_relu_max_pool = {.name = "tensor_max_pool2d",
                                      .flags = HC_OP_ALIAS,
                                      .arity = 2,
                                      .infer = max_pool_infer,
                                      .vjp = max_pool_vjp,
                                      .compose = relu_max_pool_composed,
                                      .reads = {0, HC_IN(0)}};

Tensor *hc_max_pool(Tensor *x, const HcAttr *attr) {
    if (!attr->window.relu) return max_pool_of(&op_max_pool, attr, x);
    return HC_FUSED ? max_pool_of(&op_relu_max_pool, attr, x) : relu_then_max_pool(x, attr);
}

static Tensor *max_pool(Tensor *x, const Pool2dOptions *options, bool relu) {
    HcAttr attr;
    if (!hc_check(op_max_pool.name, x) || !hc_pool_attr(op_max_pool.name, x, options, &attr))
        return NULL;
    attr.window.relu = relu;
    return hc_max_pool(x, &attr);
}

Tensor *tensor_max_pool2d(Tensor *x, Pool2dOptions options) {
    return max_pool(x, &options, false);
}

Tensor *hc_tail(Tensor *x, HcTail tail) {
    if (tail.pool) return max_pool(x, tail.pool, tail.relu);
    return tail.relu ? tensor_relu(x) : x;
}

Tensor *tensor_max_pool1d(Tensor *x, Pool1dOptions options) {
    return along_last("tensor_max_pool1d", x, &options, tensor_max_pool2d);
}

/* ---- avg_pool2d ↔ its adjoint, which spreads g / count over each window ---------------------------
 * Without a kernel the windows are the adaptive ones: from floor(i H / P) to ceil((i + 1) H / P). */

/* The bounds of the windows along one axis, clipped to the image. */
static void fill_bounds(const HcAttr *attr, int axis, size_t size, size_t count, size_t *from,
                        size_t *to) {
    size_t kernel = attr->window.kernel[axis], pad = attr->window.pad[axis];
    for (size_t i = 0; i < count; i++) {
        size_t start = i * attr->window.stride[axis], end = start + kernel;
        from[i] = kernel == 0 ? i * size / count : start > pad ? start - pad : 0;
        to[i] = kernel == 0 ? ((i + 1) * size + count - 1) / count : end - pad;
        if (to[i] > size) to[i] = size;
    }
}

static bool windows_of(Tensor *y, const HcForm *x, const HcForm *pooled, HcWindows *w) {
    const size_t *dx = x->dim, p = pooled->dim[2], q = pooled->dim[3];
    size_t *bounds = hc_workspace(y, 2 * (p + q) * sizeof *bounds);
    if (!bounds) return false;
    fill_bounds(&y->attr, 0, dx[2], p, bounds, bounds + p);
    fill_bounds(&y->attr, 1, dx[3], q, bounds + 2 * p, bounds + 2 * p + q);
    const uint16_t *kernel = y->attr.window.kernel;
    *w = (HcWindows){.n = dx[0],
                     .h = dx[2],
                     .w = dx[3],
                     .c = dx[1],
                     .p = p,
                     .q = q,
                     .top = bounds,
                     .bottom = bounds + p,
                     .left = bounds + 2 * p,
                     .right = bounds + 2 * p + q,
                     .count = y->attr.window.counts_padding ? (size_t)kernel[0] * kernel[1] : 0};
    return true;
}

static const HcOp op_avg_pool, op_avg_spread;

static void average_images(const HcKernels *k, const void *geometry, size_t images, void *to,
                           const void *from, void *taps) {
    HcWindows w = *(const HcWindows *)geometry;
    (void)taps;
    w.n = images;
    hc_pool_kernels(k)->avg_pool(&w, to, from);
}

static bool avg_pool_forward(Tensor *y) {
    HcWindows w;
    const void *x = hc_channels_last_input(y, 0);
    if (!x || !windows_of(y, hc_inputs(y)[0]->form, y->form, &w)) return false;
    if (y->form->count)
        run_shares((Images){.y = y,
                            .fn = average_images,
                            .geometry = &w,
                            .count = w.n,
                            .written = w.p * w.q * w.c,
                            .read = w.h * w.w * w.c,
                            .to = y->data,
                            .from = x});
    return true;
}

static void avg_pool_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    hc_give(s, 0, emit_with(&op_avg_spread, &y->attr, hc_inputs(y)[0]->form, gy, NULL));
}

static const HcOp op_avg_pool = {.name = "tensor_avg_pool2d",
                                 .arity = 1,
                                 .infer = form_given,
                                 .forward = avg_pool_forward,
                                 .vjp = avg_pool_vjp};

static void spread_average(const HcKernels *k, const void *geometry, size_t images, void *to,
                           const void *from, void *taps) {
    HcWindows w = *(const HcWindows *)geometry;
    (void)taps;
    w.n = images;
    hc_pool_kernels(k)->avg_spread(&w, to, from);
}

static bool avg_spread_forward(Tensor *y) {
    HcWindows w;
    const void *gy = hc_channels_last_input(y, 0);
    if (!gy || !windows_of(y, y->form, hc_inputs(y)[0]->form, &w)) return false;
    if (y->form->count)
        run_shares((Images){.y = y,
                            .fn = spread_average,
                            .geometry = &w,
                            .count = w.n,
                            .written = w.h * w.w * w.c,
                            .read = w.p * w.q * w.c,
                            .to = y->data,
                            .from = gy});
    return true;
}

static void avg_spread_vjp(HcSweep *s, Tensor *y, Tensor *c) {
    hc_give(s, 0, emit_with(&op_avg_pool, &y->attr, hc_inputs(y)[0]->form, c, NULL));
}

static const HcOp op_avg_spread = {.name = "tensor_avg_pool2d",
                                   .arity = 1,
                                   .infer = form_given,
                                   .forward = avg_spread_forward,
                                   .vjp = avg_spread_vjp};

/* The pool of x to p by q. */
static Tensor *average(const char *who, Tensor *x, const HcAttr *attr, size_t p, size_t q) {
    Shape shape = shape4(x->form->dim[0], x->form->dim[1], p, q);
    size_t count;
    if (!hc_shape_valid(shape, x->tape->item, &count)) {
        hc_fail(x->tape, HC_ERR_SHAPE, "%s: the result does not fit memory", who);
        return NULL;
    }
    const HcForm *form = hc_form(&x->tape->forms, 4, shape.dim, NULL);
    if (form) return emit_with(&op_avg_pool, attr, form, x, NULL);
    hc_fail_nomem(x->tape, who);
    return NULL;
}

Tensor *tensor_avg_pool2d(Tensor *x, Pool2dOptions options) {
    const char *who = op_avg_pool.name;
    HcAttr attr;
    if (!hc_check(who, x) || !hc_pool_attr(who, x, &options, &attr)) return NULL;
    if (options.dilation[0] != 1 || options.dilation[1] != 1) {
        hc_fail(x->tape, HC_ERR_ARG, "%s: dilation %zu by %zu: that of an average is 1", who, options.dilation[0],
                options.dilation[1]);
        return NULL;
    }
    const size_t *d = x->form->dim;
    return average(who, x, &attr, places(&attr, 0, d[2]), places(&attr, 1, d[3]));
}

Tensor *tensor_avg_pool1d(Tensor *x, Pool1dOptions options) {
    return along_last("tensor_avg_pool1d", x, &options, tensor_avg_pool2d);
}

Tensor *tensor_adaptive_avg_pool2d(Tensor *x, size_t height, size_t width) {
    const char *who = "tensor_adaptive_avg_pool2d";
    char text[HC_SHAPE_TEXT];
    if (!hc_check(who, x)) return NULL;
    const HcForm *f = x->form;
    if (f->ndim != 4 || f->dim[2] == 0 || f->dim[3] == 0 || height == 0 || width == 0) {
        hc_fail(x->tape, HC_ERR_SHAPE,
                "%s: %s to %zu by %zu; it takes [N, C, H, W] and sizes from 1", who,
                hc_shape_text(hc_form_shape(f), text), height, width);
        return NULL;
    }
    return average(who, x, &(HcAttr){.window = {.groups = 0}}, height, width);
}
