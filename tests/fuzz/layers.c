/* Operations over windows, channels, examples and positions; their operands' shapes are made to fit, by picking an
 * operand's numbers round and round. And what is around operations: dropout, one's own, releases. */
#include <math.h>
#include <string.h>

#include "fuzz/operations.h"

/* ---- operands that fit ----------------------------------------------------------------------- */

typedef struct Fit {
    const Node *from;
    Naive value;
} Fit;

static bool fit(Fuzz *z, Fit *f, int ndim, const size_t *dim) {
    f->from = fuzz_operand(z);
    if (f->from->value.count == 0 || !naive_shape(&f->value, ndim, dim)) return false;
    for (size_t i = 0; i < f->value.count; i++)
        f->value.v[i] = f->from->value.v[i % f->from->value.count];
    return true;
}

static Tensor *fitted(Fuzz *z, const Fit *f) {
    size_t count = f->from->value.count;
    double index[NAIVE_MOST];
    for (size_t i = 0; i < f->value.count; i++)
        index[i] = (double)(i % count);
    Tensor *flat = tensor_reshape(f->from->tensor, shape1(count));
    Tensor *picked =
        tensor_index_select(flat, 0, tensor_from_f64(z->tape, shape1(f->value.count), index));
    return tensor_reshape(picked, shape_of(f->value.dim, f->value.ndim));
}

static Num at4(const Naive *x, size_t a, size_t b, size_t c, size_t d) {
    return x->v[((a * x->dim[1] + b) * x->dim[2] + c) * x->dim[3] + d];
}

/* ---- windows --------------------------------------------------------------------------------- */

typedef struct Window {
    size_t size[2], kernel[2], stride[2], padding[2], dilation[2], out[2];
} Window;

static bool draw_window(Fuzz *z, Window *w, bool pools) {
    for (int i = 0; i < 2; i++) {
        w->size[i] = 2 + fuzz_below(z, 3);
        w->kernel[i] = 1 + fuzz_below(z, 3);
        w->stride[i] = 1 + fuzz_below(z, 2);
        w->padding[i] = fuzz_below(z, 2);
        w->dilation[i] = 1 + fuzz_below(z, 2);
        if (pools && w->padding[i] > w->kernel[i] / 2) w->padding[i] = 0;
        size_t padded = w->size[i] + 2 * w->padding[i];
        size_t reach = w->dilation[i] * (w->kernel[i] - 1) + 1;
        if (reach > padded) return false;
        w->out[i] = (padded - reach) / w->stride[i] + 1;
    }
    return true;
}

/* Where tap k of window p is in x; false in the padding. */
static bool tap(const Window *w, int i, size_t p, size_t k, size_t *at) {
    size_t from = p * w->stride[i] + k * w->dilation[i];
    *at = from - w->padding[i];
    return from >= w->padding[i] && *at < w->size[i];
}

static bool convolution(Fuzz *z, Node *y) {
    Window w;
    Fit x, weight, bias;
    if (!draw_window(z, &w, false)) return false;
    size_t groups = 1 + fuzz_below(z, 2), C = groups * (1 + fuzz_below(z, 2));
    size_t O = groups * (1 + fuzz_below(z, 2)), N = 1 + fuzz_below(z, 2), each = C / groups;
    bool biased = fuzz_byte(z) & 1;
    if (!fit(z, &x, 4, (size_t[]){N, C, w.size[0], w.size[1]}) ||
        !fit(z, &weight, 4, (size_t[]){O, each, w.kernel[0], w.kernel[1]}) ||
        !fit(z, &bias, 1, &O) || !naive_shape(&y->value, 4, (size_t[]){N, O, w.out[0], w.out[1]}))
        return false;
    size_t place[NAIVE_DIMS], h, v;
    for (size_t i = 0; i < y->value.count; i++) {
        naive_place(&y->value, i, place);
        Num sum = biased ? bias.value.v[place[1]] : num(0);
        size_t first = place[1] / (O / groups) * each;
        for (size_t c = 0; c < each; c++)
            for (size_t a = 0; a < w.kernel[0]; a++)
                for (size_t b = 0; b < w.kernel[1]; b++)
                    if (tap(&w, 0, place[2], a, &h) && tap(&w, 1, place[3], b, &v))
                        sum = num_add(sum, num_mul(at4(&weight.value, place[1], c, a, b),
                                                   at4(&x.value, place[0], first + c, h, v)));
        y->value.v[i] = sum;
    }
    if (!fuzz_usable(z, y)) return false;
    Conv2dOptions options = conv2d_options();
    options.groups = groups;
    memcpy(options.stride, w.stride, sizeof w.stride);
    memcpy(options.padding, w.padding, sizeof w.padding);
    memcpy(options.dilation, w.dilation, sizeof w.dilation);
    y->tensor =
        tensor_conv2d(fitted(z, &x), fitted(z, &weight), biased ? fitted(z, &bias) : NULL, options);
    return y->tensor != NULL;
}

static bool pooling(Fuzz *z, Node *y) {
    Window w;
    Fit x;
    bool largest = fuzz_byte(z) & 1, padding_counts = fuzz_byte(z) & 1;
    if (!draw_window(z, &w, true)) return false;
    if (!largest && (w.dilation[0] > 1 || w.dilation[1] > 1)) return false;
    size_t N = 1 + fuzz_below(z, 2), C = 1 + fuzz_below(z, 2), place[NAIVE_DIMS], h, v;
    if (!fit(z, &x, 4, (size_t[]){N, C, w.size[0], w.size[1]}) ||
        !naive_shape(&y->value, 4, (size_t[]){N, C, w.out[0], w.out[1]}))
        return false;
    for (size_t i = 0; i < y->value.count; i++) {
        Num member[9];
        size_t count = 0;
        naive_place(&y->value, i, place);
        for (size_t a = 0; a < w.kernel[0]; a++)
            for (size_t b = 0; b < w.kernel[1]; b++)
                if (tap(&w, 0, place[2], a, &h) && tap(&w, 1, place[3], b, &v))
                    member[count++] = at4(&x.value, place[0], place[1], h, v);
        size_t whole = padding_counts ? w.kernel[0] * w.kernel[1] : count;
        y->value.v[i] = largest
                            ? naive_max(member, count, &z->bad)
                            : num_mul(naive_sum(member, count, &z->bad), num(1 / (double)whole));
    }
    if (!fuzz_usable(z, y)) return false;
    Pool2dOptions options = pool2d_options(1);
    options.count_include_pad = padding_counts;
    memcpy(options.kernel, w.kernel, sizeof w.kernel);
    memcpy(options.stride, w.stride, sizeof w.stride);
    memcpy(options.padding, w.padding, sizeof w.padding);
    memcpy(options.dilation, w.dilation, sizeof w.dilation);
    Tensor *in = fitted(z, &x);
    y->tensor = largest ? tensor_max_pool2d(in, options) : tensor_avg_pool2d(in, options);
    return y->tensor != NULL;
}

/* ---- normalisation --------------------------------------------------------------------------- */

enum { BATCH, LAYER, GROUP };

/* Which numbers share a mean: of one channel, one example, or one example's group of channels. */
static size_t shared_by(int kind, const size_t place[NAIVE_DIMS], size_t groups, size_t C) {
    if (kind == BATCH) return place[1];
    return kind == LAYER ? place[0] : place[0] * groups + place[1] / (C / groups);
}

static bool normalisation(Fuzz *z, Node *y) {
    Fit x, weight, bias;
    int kind = (int)fuzz_below(z, 3);
    size_t groups = kind == GROUP ? 1 + fuzz_below(z, 2) : 1, C = groups * (1 + fuzz_below(z, 2));
    size_t N = 1 + fuzz_below(z, 3), L = 2 + fuzz_below(z, 3), place[NAIVE_DIMS];
    bool affine = fuzz_byte(z) & 1;
    const double eps = 0.1;
    if (!fit(z, &x, 3, (size_t[]){N, C, L}) ||
        !fit(z, &weight, kind == LAYER ? 2 : 1, (size_t[]){C, L}) ||
        !fit(z, &bias, kind == LAYER ? 2 : 1, (size_t[]){C, L}))
        return false;
    y->value = x.value;
    for (size_t i = 0; i < x.value.count; i++) {
        Num member[NAIVE_MOST], var = num(0);
        size_t count = 0;
        naive_place(&x.value, i, place);
        size_t own = place[1], in_layer = place[1] * L + place[2];
        size_t group = shared_by(kind, place, groups, C);
        for (size_t k = 0; k < x.value.count; k++) {
            naive_place(&x.value, k, place);
            if (shared_by(kind, place, groups, C) == group) member[count++] = x.value.v[k];
        }
        Num mean = naive_mean(member, count, &z->bad);
        for (size_t k = 0; k < count; k++)
            var = num_add(var, num_mul(num_sub(member[k], mean), num_sub(member[k], mean)));
        var = num_add(num_mul(var, num(1 / (double)count)), num(eps));
        double r = sqrt(var.f);
        Num root = num_of(var, r, 0.5 / r, -0.25 / (r * var.f));
        Num value = num_div(num_sub(x.value.v[i], mean), root);
        size_t entry = kind == LAYER ? in_layer : own;
        if (affine) value = num_add(num_mul(value, weight.value.v[entry]), bias.value.v[entry]);
        y->value.v[i] = value;
    }
    if (!fuzz_usable(z, y)) return false;
    Tensor *in = fitted(z, &x), *w = affine ? fitted(z, &weight) : NULL;
    Tensor *b = affine ? fitted(z, &bias) : NULL;
    if (kind == BATCH) y->tensor = tensor_batch_norm(in, NULL, NULL, w, b, eps);
    if (kind == LAYER) y->tensor = tensor_layer_norm(in, shape2(C, L), w, b, eps);
    if (kind == GROUP) y->tensor = tensor_group_norm(in, groups, w, b, eps);
    return y->tensor != NULL;
}

/* ---- losses ---------------------------------------------------------------------------------- */

static Num softplus_of(Num x) {
    double s = 1 / (1 + exp(-x.f));
    return num_of(x, log1p(exp(x.f)), s, s * (1 - s));
}

/* Of one entry: mse, l1, huber (1), smooth l1 (0.5), binary cross entropy. */
static Num entry_loss(Fuzz *z, unsigned kind, Num p, Num t) {
    Num d = num_sub(p, t), size = d.f < 0 ? num_sub(num(0), d) : d, square = num_mul(d, d);
    const double bound = kind == 2 ? 1 : 0.5;
    if (kind == 0) return square;
    if (kind == 4) {
        z->bad = z->bad || fabs(p.f) > 20;
        return num_sub(softplus_of(p), num_mul(p, t));
    }
    z->bad = z->bad || size.f < z->margin || (kind > 1 && fabs(size.f - bound) < z->margin);
    if (kind == 1) return size;
    if (kind == 2) return size.f < 1 ? num_mul(square, num(0.5)) : num_sub(size, num(0.5));
    return size.f < 0.5 ? square : num_sub(size, num(0.25));
}

static Tensor *build_loss(unsigned kind, bool each, Tensor *p, Tensor *t) {
    switch (kind) {
    case 0:
        return each ? tensor_mse_loss_per_example(p, t) : tensor_mse_loss(p, t);
    case 1:
        return each ? tensor_l1_loss_per_example(p, t) : tensor_l1_loss(p, t);
    case 2:
        return each ? tensor_huber_loss_per_example(p, t, 1) : tensor_huber_loss(p, t, 1);
    case 3:
        return each ? tensor_smooth_l1_loss_per_example(p, t, 0.5)
                    : tensor_smooth_l1_loss(p, t, 0.5);
    default:
        return each ? tensor_bce_with_logits_loss_per_example(p, t)
                    : tensor_bce_with_logits_loss(p, t);
    }
}

/* The mean of all, or for each of the first axis. */
static void mean_losses(Node *y, const Naive *losses, bool each) {
    size_t N = losses->dim[0], rest = losses->count / N, count = each ? rest : losses->count;
    bool bad = false;
    naive_shape(&y->value, each ? 1 : 0, &N);
    for (size_t i = 0; i < y->value.count; i++)
        y->value.v[i] = naive_mean(&losses->v[i * rest], count, &bad);
}

static bool loss(Fuzz *z, Node *y) {
    Fit p, t;
    unsigned kind = fuzz_byte(z) % 5;
    bool each = fuzz_byte(z) & 1;
    const size_t dim[] = {1 + fuzz_below(z, 3), 1 + fuzz_below(z, 3)};
    if (!fit(z, &p, 2, dim) || !fit(z, &t, 2, dim)) return false;
    Naive losses = p.value;
    for (size_t i = 0; i < losses.count; i++)
        losses.v[i] = entry_loss(z, kind, p.value.v[i], t.value.v[i]);
    mean_losses(y, &losses, each);
    if (!fuzz_usable(z, y)) return false;
    y->tensor = build_loss(kind, each, fitted(z, &p), fitted(z, &t));
    return y->tensor != NULL;
}

/* Cross entropy of class indices or of weights on the classes, and the negative log likelihood. */
static bool class_loss(Fuzz *z, Node *y) {
    Fit x, t;
    unsigned kind = fuzz_byte(z) % 3;
    bool each = fuzz_byte(z) & 1;
    const size_t N = 1 + fuzz_below(z, 3), C = 1 + fuzz_below(z, 4), dim[] = {N, C};
    double index[3];
    if (!fit(z, &x, 2, dim) || !fit(z, &t, 2, dim)) return false;
    for (size_t n = 0; n < N; n++)
        index[n] = (double)fuzz_below(z, C);
    Naive logs = x.value, losses;
    if (kind < 2) naive_softmax(&logs, &x.value, 1, true);
    for (size_t i = 0; i < x.value.count; i++)
        z->bad = z->bad || fabs(x.value.v[i].f) > 50;
    naive_shape(&losses, 1, &N);
    for (size_t n = 0; n < N; n++) {
        Num sum = num(0);
        for (size_t c = 0; c < C; c++) {
            Num weight = kind == 1 ? t.value.v[n * C + c] : num(index[n] == (double)c);
            sum = num_sub(sum, num_mul(weight, logs.v[n * C + c]));
        }
        losses.v[n] = sum;
    }
    mean_losses(y, &losses, each);
    if (!fuzz_usable(z, y)) return false;
    Tensor *in = fitted(z, &x);
    Tensor *to = kind == 1 ? fitted(z, &t) : tensor_from_f64(z->tape, shape1(N), index);
    if (kind < 2)
        y->tensor = each ? tensor_cross_entropy_loss_per_example(in, to)
                         : tensor_cross_entropy_loss(in, to);
    else
        y->tensor = each ? tensor_nll_loss_per_example(in, to) : tensor_nll_loss(in, to);
    return y->tensor != NULL;
}

/* ---- products -------------------------------------------------------------------------------- */

static bool attention(Fuzz *z, Node *y) {
    Fit q, k, v, mask;
    const size_t L = 1 + fuzz_below(z, 3), S = 1 + fuzz_below(z, 3), E = 1 + fuzz_below(z, 3);
    const size_t V = 1 + fuzz_below(z, 2);
    bool masked = fuzz_byte(z) & 1;
    if (!fit(z, &q, 2, (size_t[]){L, E}) || !fit(z, &k, 2, (size_t[]){S, E}) ||
        !fit(z, &v, 2, (size_t[]){S, V}) || !fit(z, &mask, 1, &S) ||
        !naive_shape(&y->value, 2, (size_t[]){L, V}))
        return false;
    Naive scores, weights;
    naive_shape(&scores, 2, (size_t[]){L, S});
    for (size_t i = 0; i < scores.count; i++) {
        Num sum = num(0);
        for (size_t e = 0; e < E; e++)
            sum = num_add(sum, num_mul(q.value.v[i / S * E + e], k.value.v[i % S * E + e]));
        scores.v[i] = num_mul(sum, num(1 / sqrt((double)E)));
        if (masked) scores.v[i] = num_add(scores.v[i], mask.value.v[i % S]);
        z->bad = z->bad || fabs(scores.v[i].f) > 50;
    }
    naive_softmax(&weights, &scores, 1, false);
    for (size_t i = 0; i < y->value.count; i++) {
        Num sum = num(0);
        for (size_t s = 0; s < S; s++)
            sum = num_add(sum, num_mul(weights.v[i / V * S + s], v.value.v[s * V + i % V]));
        y->value.v[i] = sum;
    }
    if (!fuzz_usable(z, y)) return false;
    y->tensor = tensor_scaled_dot_product_attention(fitted(z, &q), fitted(z, &k), fitted(z, &v),
                                                    masked ? fitted(z, &mask) : NULL);
    return y->tensor != NULL;
}

static bool linear(Fuzz *z, Node *y) {
    Fit x, w, b;
    const size_t N = 1 + fuzz_below(z, 3), in = 1 + fuzz_below(z, 3), out = 1 + fuzz_below(z, 3);
    bool biased = fuzz_byte(z) & 1, clipped = fuzz_byte(z) & 1;
    if (!fit(z, &x, 2, (size_t[]){N, in}) || !fit(z, &w, 2, (size_t[]){out, in}) ||
        !fit(z, &b, 1, &out) || !naive_shape(&y->value, 2, (size_t[]){N, out}))
        return false;
    for (size_t i = 0; i < y->value.count; i++) {
        Num sum = biased ? b.value.v[i % out] : num(0);
        for (size_t k = 0; k < in; k++)
            sum = num_add(sum, num_mul(x.value.v[i / out * in + k], w.value.v[i % out * in + k]));
        if (clipped) z->bad = z->bad || fabs(sum.f) < z->margin;
        y->value.v[i] = clipped && sum.f < 0 ? num(0) : sum;
    }
    if (!fuzz_usable(z, y)) return false;
    y->tensor = tensor_linear(fitted(z, &x), fitted(z, &w), biased ? fitted(z, &b) : NULL);
    if (clipped) y->tensor = tensor_relu(y->tensor);
    return y->tensor != NULL;
}

/* ---- around operations ----------------------------------------------------------------------- */

/* The mask is that which ones meet. */
static bool dropout(Fuzz *z, Node *y) {
    const Node *x = fuzz_operand(z);
    Rng rng = rng_seed(fuzz_byte(z)), same = rng;
    double p = 0.25 * (double)fuzz_below(z, 4), mask[NAIVE_MOST];
    y->value = x->value;
    if (!z->again) { /* a Program may not be captured after numbers were read */
        Shape shape = tensor_shape(x->tensor);
        if (!tensor_copy_to_f64(tensor_dropout(tensor_ones(z->tape, shape), p, &same), mask,
                                x->value.count))
            return false;
        for (size_t i = 0; i < x->value.count; i++)
            y->value.v[i] = num_mul(x->value.v[i], num(mask[i]));
    }
    if (fuzz_usable(z, y)) y->tensor = tensor_dropout(x->tensor, p, &rng);
    return y->tensor != NULL;
}

/* x^2 / 2 + y, with a gradient for each. */
static Tensor *own_forward(const CustomCall *call) {
    Tensor *half = tensor_mul_scalar(tensor_square(call->inputs[0]), 0.5);
    return tensor_add(half, call->inputs[1]);
}

static bool own_backward(const CustomCall *call, Tensor **grads) {
    if (call->needed[0]) grads[0] = tensor_mul(call->gradient, call->inputs[0]);
    if (call->needed[1]) grads[1] = call->gradient;
    return true;
}

static bool own(Fuzz *z, Node *y) {
    static const CustomClass cls = {
        .name = "own", .forward = own_forward, .backward = own_backward};
    const Node *x = fuzz_operand(z);
    Fit other;
    if (!fit(z, &other, x->value.ndim, x->value.dim)) return false;
    y->value = x->value;
    for (size_t i = 0; i < x->value.count; i++) {
        Num v = x->value.v[i];
        y->value.v[i] = num_add(num_of(v, v.f * v.f / 2, v.f, 1), other.value.v[i]);
    }
    if (!fuzz_usable(z, y)) return false;
    y->tensor = tensor_custom(&cls, (Tensor *[]){x->tensor, fitted(z, &other)}, 2, NULL);
    return y->tensor != NULL;
}

/* Operations that are released again, and a gradient; then a plain one. */
static bool detour(Fuzz *z, Node *y) {
    size_t count = z->count, more = fuzz_below(z, 4);
    TapeMark mark = tape_mark(z->tape);
    for (size_t i = 0; i < more && z->count < MOST_NODES; i++) {
        Node *next = &z->node[z->count];
        Operation *run = fuzz_operation(z);
        memset(next, 0, sizeof *next);
        z->bad = false;
        if (run != detour && run(z, next)) z->count++;
    }
    Tensor *last = tensor_sum(z->node[z->count - 1].tensor), *g;
    if (tape_status(z->tape) == HC_OK && tensor_requires_grad(last) &&
        !tensor_grad(last, &z->node[0].tensor, 1, &g, HC_ZEROS))
        return false;
    z->count = count;
    z->bad = false;
    memset(y, 0, sizeof *y);
    if (!tape_release(z->tape, mark)) return false;
    const Node *x = fuzz_operand(z);
    y->value = x->value;
    if (fuzz_usable(z, y)) y->tensor = tensor_clone(x->tensor);
    return y->tensor != NULL;
}

Operation *const fuzz_layers[] = {convolution, convolution, pooling,   normalisation,
                                  loss,        class_loss,  attention, linear,
                                  dropout,     own,         detour};
const size_t fuzz_layer_count = sizeof fuzz_layers / sizeof *fuzz_layers;
