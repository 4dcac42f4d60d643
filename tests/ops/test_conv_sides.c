/* Convolution with zeros on some sides only, and transposed: against plain loops and against the convolution that each
 * is made of or is the adjoint of; what is refused; nothing to work on. Derivatives are in the sweep. */
#include <higherc/higherc.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/check.h"
#include "support/models.h"
#include "support/refuse.h"

enum { MOST = 4096 };

static size_t below(Rng *rng, size_t n) {
    return (size_t)rng_below(rng, n);
}

/* ---- zeros on some sides ---------------------------------------------------------------------------------------- */

/* As with the zeros written out. */
static void uneven(Tape *tape, Rng *rng) {
    for (int k = 0; k < 24; k++) {
        Conv2dOptions o = conv2d_options(), plain = o;
        size_t before[4] = {0}, after[4] = {0}, size[2], taps[2];
        o.pad = HC_PAD_UNEVEN;
        o.groups = plain.groups = 1 + below(rng, 2);
        for (int i = 0; i < 2; i++) {
            size[i] = 3 + below(rng, 4);
            taps[i] = 1 + below(rng, 3);
            plain.stride[i] = o.stride[i] = 1 + below(rng, 3);
            before[2 + i] = o.padding[i] = below(rng, 4);
            after[2 + i] = o.padding_after[i] = below(rng, 4);
            plain.dilation[i] = o.dilation[i] = 1 + below(rng, taps[i] > 2 ? 1 : 2);
        }
        Tensor *x = tensor_leaf(tensor_normal(tape, shape4(2, 4, size[0], size[1]), 0, 1, rng));
        Tensor *w = tensor_leaf(tensor_normal(tape, shape4(6, 4 / o.groups, taps[0], taps[1]), 0, 1, rng));
        Tensor *b = tensor_normal(tape, shape1(6), 0, 1, rng), *in[2] = {x, w}, *g[2], *h[2];
        Tensor *y = tensor_conv2d(x, w, b, o), *z = tensor_conv2d(tensor_pad(x, before, after, 4), w, b, plain);
        CHECK(tensors_near(y, z, 1e-13));
        CHECK(tensor_grad(tensor_sum(tensor_sin(y)), in, 2, g, 0));
        CHECK(tensor_grad(tensor_sum(tensor_sin(z)), in, 2, h, 0));
        CHECK(tensors_near(g[0], h[0], 1e-13) && tensors_near(g[1], h[1], 1e-13));
    }
}

/* The sizes stay; an odd zero comes after the last. */
static void same(Tape *tape, Rng *rng) {
    for (size_t taps = 1; taps <= 5; taps++)
        for (size_t dilation = 1; dilation <= 3; dilation++) {
            Tensor *x = tensor_normal(tape, shape3(2, 3, 4), 0, 1, rng);
            Tensor *w = tensor_normal(tape, shape3(2, 3, taps), 0, 1, rng);
            Conv1dOptions o = conv1d_options();
            o.pad = HC_PAD_SAME;
            o.padding = 77; /* not looked at */
            o.dilation = dilation;
            Tensor *y = tensor_conv1d(x, w, NULL, o);
            CHECK(shape_equal(tensor_shape(y), shape3(2, 2, 4)));
            size_t all = dilation * (taps - 1);
            o.pad = HC_PAD_UNEVEN;
            o.padding = all / 2;
            o.padding_after = all - all / 2;
            CHECK(tensors_near(y, tensor_conv1d(x, w, NULL, o), 0));
        }
    /* causal: place t sees nothing that comes after t */
    Conv1dOptions o = conv1d_options();
    o.pad = HC_PAD_UNEVEN;
    o.padding = 2;
    Tensor *x = tensor_reshape(tensor_arange(tape, 1, 5, 1), shape3(1, 1, 4));
    Tensor *y = tensor_conv1d(x, tensor_from_f64(tape, shape3(1, 1, 3), (double[]){100, 10, 1}), NULL, o);
    double got[4];
    CHECK(tensor_copy_to_f64(y, got, 4) && got[0] == 1 && got[1] == 12 && got[2] == 123 && got[3] == 234);
}

/* ---- transposed ------------------------------------------------------------------------------------------------- */

static size_t at(const size_t *d, size_t a, size_t b, size_t c, size_t e) {
    return ((a * d[1] + b) * d[2] + c) * d[3] + e;
}

/* Each number of x, times the window of weights, added where it stands. */
static void plainly(const ConvTranspose2dOptions *o, const size_t *dx, const size_t *dw, const size_t *dy,
                    const double *x, const double *w, const double *bias, double *y) {
    size_t C = dx[1] / o->groups, O = dw[1];
    for (size_t n = 0; n < dy[0]; n++)
        for (size_t k = 0; k < dy[1]; k++)
            for (size_t h = 0; h < dy[2] * dy[3]; h++)
                y[at(dy, n, k, 0, h)] = bias ? bias[k] : 0;
    for (size_t n = 0; n < dx[0]; n++)
        for (size_t c = 0; c < dx[1]; c++)
            for (size_t k = 0; k < O; k++)
                for (size_t p = 0; p < dx[2] * dx[3]; p++)
                    for (size_t t = 0; t < dw[2] * dw[3]; t++) {
                        size_t h = p / dx[3] * o->stride[0] + t / dw[3] * o->dilation[0] - o->padding[0];
                        size_t v = p % dx[3] * o->stride[1] + t % dw[3] * o->dilation[1] - o->padding[1];
                        if (h < dy[2] && v < dy[3]) /* what is below 0 is far above */
                            y[at(dy, n, c / C * O + k, h, v)] += x[at(dx, n, c, 0, p)] * w[at(dw, c, k, 0, t)];
                    }
}

static void transposed(Tape *tape, Rng *rng) {
    static double x[MOST], w[MOST], y[MOST], got[MOST], bias[8];
    for (int k = 0; k < 60; k++) {
        ConvTranspose2dOptions o = conv_transpose2d_options();
        o.groups = 1 + below(rng, 2);
        size_t C = o.groups * (1 + below(rng, 9)), O = 1 + below(rng, 4);
        size_t dx[4] = {1 + below(rng, 2), C}, dw[4] = {C, O}, dy[4] = {dx[0], O * o.groups};
        bool biased = k & 1, leaves = true;
        for (int i = 0; i < 2; i++) {
            dx[2 + i] = 1 + below(rng, 4);
            dw[2 + i] = 1 + below(rng, 3);
            o.stride[i] = 1 + below(rng, 3);
            o.padding[i] = below(rng, 3);
            o.dilation[i] = 1 + below(rng, 3);
            size_t bound = o.stride[i] > o.dilation[i] ? o.stride[i] : o.dilation[i];
            o.output_padding[i] = below(rng, bound);
            size_t reach = (dx[2 + i] - 1) * o.stride[i] + (dw[2 + i] - 1) * o.dilation[i] + 1 + o.output_padding[i];
            leaves = leaves && reach > 2 * o.padding[i];
            dy[2 + i] = reach - 2 * o.padding[i];
        }
        Shape sx = shape_of(dx, 4), sw = shape_of(dw, 4), sy = shape_of(dy, 4);
        for (size_t i = 0; i < shape_count(sx); i++)
            x[i] = rng_uniform(rng) - 0.5;
        for (size_t i = 0; i < shape_count(sw); i++)
            w[i] = rng_uniform(rng) - 0.5;
        for (size_t i = 0; i < dy[1]; i++)
            bias[i] = rng_uniform(rng);
        Tensor *tx = tensor_from_f64(tape, sx, x), *tw = tensor_from_f64(tape, sw, w);
        Tensor *tb = biased ? tensor_from_f64(tape, shape1(dy[1]), bias) : NULL;
        if (!leaves) {
            WRONG(HC_ERR_SHAPE, tensor_conv_transpose2d(tx, tw, tb, o));
            continue;
        }
        size_t count = shape_count(sy);
        CHECK(count <= MOST);
        plainly(&o, dx, dw, dy, x, w, biased ? bias : NULL, y);
        Tensor *ty = tensor_conv_transpose2d(tx, tw, tb, o);
        CHECK(shape_equal(tensor_shape(ty), sy) && tensor_copy_to_f64(ty, got, count));
        for (size_t i = 0; i < count; i++)
            CHECK_NEAR(got[i], y[i], 1e-13, 1e-14);
    }
}

/* It is the gradient of the convolution, bit for bit; and along one axis the same. */
static void adjoint(Tape *tape, Rng *rng) {
    Conv2dOptions o = conv2d_options();
    o.stride[0] = 2;
    o.padding[1] = 1;
    Tensor *x = tensor_leaf(tensor_normal(tape, shape4(2, 3, 6, 5), 0, 1, rng)), *gx = NULL;
    Tensor *w = tensor_normal(tape, shape4(4, 3, 3, 2), 0, 1, rng), *y = tensor_conv2d(x, w, NULL, o);
    Tensor *g = tensor_normal(tape, tensor_shape(y), 0, 1, rng);
    CHECK(tensor_vjp(y, g, &x, 1, &gx, 0));
    ConvTranspose2dOptions t = conv_transpose2d_options();
    t.stride[0] = 2;
    t.padding[1] = 1;
    t.output_padding[0] = 1;
    CHECK(tensors_near(tensor_conv_transpose2d(g, w, NULL, t), gx, 0));
    ConvTranspose1dOptions line = conv_transpose1d_options();
    line.padding = 1;
    Tensor *row = tensor_normal(tape, shape3(2, 4, 5), 0, 1, rng);
    Tensor *taps = tensor_normal(tape, shape3(4, 3, 2), 0, 1, rng);
    t = conv_transpose2d_options();
    t.padding[1] = 1;
    Tensor *flat = tensor_conv_transpose2d(tensor_unsqueeze(row, 2), tensor_unsqueeze(taps, 2), NULL, t);
    CHECK(tensors_near(tensor_conv_transpose1d(row, taps, NULL, line), tensor_squeeze(flat, 2), 0));
}

/* No images, no channels in or out. */
static void empty(Tape *tape) {
    const size_t sizes[][3] = {{0, 2, 3}, {2, 0, 3}, {2, 2, 0}};
    for (size_t i = 0; i < 3; i++) {
        const size_t *s = sizes[i];
        Tensor *x = tensor_leaf(tensor_ones(tape, shape4(s[0], s[1], 3, 3)));
        Tensor *w = tensor_leaf(tensor_ones(tape, shape4(s[1], s[2], 2, 2)));
        Tensor *b = tensor_leaf(tensor_full(tape, shape1(s[2]), 0.5)), *in[3] = {x, w, b}, *g[3];
        Tensor *y = tensor_conv_transpose2d(x, w, b, conv_transpose2d_options());
        CHECK(shape_equal(tensor_shape(y), shape4(s[0], s[2], 4, 4)));
        CHECK(tensor_item(tensor_sum(y)) == (i == 1 ? 2 * 3 * 16 * 0.5 : 0));
        CHECK(tensor_grad(tensor_sum(tensor_square(y)), in, 3, g, HC_CREATE_GRAPH | HC_ZEROS));
        for (int k = 0; k < 3; k++)
            CHECK(shape_equal(tensor_shape(g[k]), tensor_shape(in[k])));
    }
}

#define FAILS(call, words)                                                                         \
    do {                                                                                           \
        CHECK(!(call));                                                                            \
        CHECK_ERROR(words);                                                                        \
        tape_clear_error(tape);                                                                    \
    } while (0)

static void refusals(Tape *tape) {
    Tensor *x = tensor_zeros(tape, shape4(2, 4, 3, 3)), *w = tensor_zeros(tape, shape4(4, 3, 2, 2));
    Tensor *b = tensor_zeros(tape, shape1(3)), *line = tensor_zeros(tape, shape3(2, 4, 3));
    ConvTranspose2dOptions o = conv_transpose2d_options();
    REFUSED_NULL(tensor_conv_transpose2d(NULL, NULL, NULL, o));
    REFUSED_NULL(tensor_conv_transpose1d(NULL, NULL, NULL, conv_transpose1d_options()));
    CHECK(tensor_conv_transpose2d(x, w, b, o));
    FAILS(tensor_conv_transpose2d(x, tensor_zeros(tape, shape4(3, 4, 2, 2)), NULL, o),
          "tensor_conv_transpose2d: input (2, 4, 3, 3), weight (3, 4, 2, 2), bias none, groups 1");
    FAILS(tensor_conv_transpose2d(x, w, x, o), "bias (2, 4, 3, 3)");
    FAILS(tensor_conv_transpose2d(line, w, b, o), "it takes [N, C, H, W], [C, O / groups, KH, KW] and [O]");
    FAILS(tensor_conv_transpose1d(x, w, b, conv_transpose1d_options()), "it takes [N, C, L]");
    FAILS(tensor_conv_transpose2d(tensor_zeros(tape, shape4(1, 4, 0, 3)), w, b, o), "windows of 2 at 0 places");
    FAILS(tensor_conv_transpose2d(x, tensor_zeros(tape, shape4(4, 3, 0, 2)), b, o), "windows of 0 at 3 places");
    o.groups = 3;
    FAILS(tensor_conv_transpose2d(x, w, NULL, o), "groups 3");
    o.groups = 0;
    FAILS(tensor_conv_transpose2d(x, w, NULL, o), "groups 0");
    o = conv_transpose2d_options();
    o.output_padding[1] = 1;
    FAILS(tensor_conv_transpose2d(x, w, b, o), "output padding 1 is not below stride 1 or dilation 1");
    o = conv_transpose2d_options();
    o.padding[0] = 2;
    FAILS(tensor_conv_transpose2d(x, w, b, o), "windows of 2 at 3 places leave nothing, with padding 2");
    o.padding[0] = 65536;
    FAILS(tensor_conv_transpose2d(x, w, b, o), "padding 65536");
    o = conv_transpose2d_options();
    o.stride[0] = 0;
    FAILS(tensor_conv_transpose2d(x, w, b, o), "stride 0");
    o.stride[0] = 65536;
    FAILS(tensor_conv_transpose2d(x, w, b, o), "stride 65536");

    Conv2dOptions c = conv2d_options();
    c.pad = HC_PAD_SAME;
    c.stride[1] = 2;
    w = tensor_zeros(tape, shape4(1, 4, 2, 2));
    FAILS(tensor_conv2d(x, w, NULL, c), "HC_PAD_SAME with stride 2, not 1");
    c.stride[1] = 1;
    c.dilation[0] = 0;
    FAILS(tensor_conv2d(x, w, NULL, c), "dilation 0");
    c.dilation[0] = 65536;
    FAILS(tensor_conv2d(x, w, NULL, c), "dilation 65536");
    c.dilation[0] = 65535;
    CHECK(shape_equal(tensor_shape(tensor_conv2d(x, w, NULL, c)), shape4(2, 1, 3, 3)));
    FAILS(tensor_conv2d(x, tensor_zeros(tape, shape4(1, 4, 4, 1)), NULL, c), "padding 65536");
    FAILS(tensor_conv2d(x, tensor_zeros(tape, shape4(1, 4, 0, 1)), NULL, c), "a window of 0");
    c = conv2d_options();
    c.pad = HC_PAD_UNEVEN;
    c.padding_after[0] = 65536;
    FAILS(tensor_conv2d(x, w, NULL, c), "padding 65536");
    c.pad = (ConvPad)3;
    FAILS(tensor_conv2d(x, w, NULL, c), "there is no ConvPad 3");
}

int main(void) {
    Tape *tape = tape_create(HC_F64);
    Rng rng = rng_seed(6);
    uneven(tape, &rng);
    same(tape, &rng);
    transposed(tape, &rng);
    adjoint(tape, &rng);
    empty(tape);
    refusals(tape);
    CHECK(tape_status(tape) == HC_OK);
    tape_destroy(tape);
    return check_done();
}
