/* Convolution and pooling by values worked out by hand, at kinks, and what they refuse. Derivatives are
 * in the sweep, all options against plain loops in tests/kernels. */
#include <higherc/higherc.h>

#include <math.h>

#include "support/check.h"
#include "support/models.h"
#include "support/refuse.h"

static void check_values(Tensor *x, const double *want, size_t count) {
    double got[64];
    CHECK(tensor_copy_to_f64(x, got, count));
    for (size_t i = 0; i < count; i++)
        CHECK(got[i] == want[i] || (isnan(got[i]) && isnan(want[i])));
}

static void convolutions(Tape *tape) {
    Tensor *x = tensor_reshape(tensor_arange(tape, 0, 9, 1), shape4(1, 1, 3, 3));
    Tensor *w = tensor_from_f64(tape, shape4(2, 1, 2, 2), (double[]){1, 2, 0, -1, 0, 0, 1, 0});
    Tensor *b = tensor_from_f64(tape, shape1(2), (double[]){0.5, -1});
    /* The kernel is not turned round. */
    Tensor *y = tensor_conv2d(x, w, b, conv2d_options());
    check_values(y, (double[]){-1.5, 0.5, 4.5, 6.5, 2, 3, 5, 6}, 8);
    Conv2dOptions o = conv2d_options();
    o.stride[0] = o.stride[1] = 2;
    o.padding[1] = 1;
    y = tensor_conv2d(x, w, NULL, o);
    CHECK(shape_equal(tensor_shape(y), shape4(1, 2, 1, 2)));
    check_values(y, (double[]){-3, 0, 0, 4}, 4);
    o = conv2d_options();
    o.dilation[0] = o.dilation[1] = 2;
    check_values(tensor_conv2d(x, w, b, o), (double[]){-3.5, 5}, 2);
    o = conv2d_options();
    o.groups = 2;
    Tensor *two = tensor_concat((Tensor *[]){x, tensor_neg(x)}, 2, 1);
    check_values(tensor_conv2d(two, w, NULL, o), (double[]){-2, 0, 4, 6, -3, -4, -6, -7}, 8);
    Conv1dOptions line = conv1d_options();
    line.padding = 1;
    y = tensor_conv1d(tensor_reshape(x, shape3(3, 1, 3)), tensor_reshape(w, shape3(4, 1, 2)), NULL,
                      line);
    CHECK(shape_equal(tensor_shape(y), shape3(3, 4, 4)));
    CHECK(((const double *)tensor_data(y))[1] == 2 && ((const double *)tensor_data(y))[2] == 5);
    /* No images, no channels. */
    Tensor *none = tensor_zeros(tape, shape4(0, 1, 3, 3)), *g[2];
    y = tensor_conv2d(tensor_leaf(none), w, b, conv2d_options());
    CHECK(shape_equal(tensor_shape(y), shape4(0, 2, 2, 2)));
    Tensor *leaf = tensor_leaf(w);
    CHECK(tensor_grad(tensor_sum(tensor_conv2d(none, leaf, b, conv2d_options())), &leaf, 1, g, 0));
    check_values(g[0], (double[]){0, 0, 0, 0, 0, 0, 0, 0}, 8);
    y = tensor_conv2d(tensor_zeros(tape, shape4(1, 0, 3, 3)),
                      tensor_zeros(tape, shape4(2, 0, 2, 2)), b, conv2d_options());
    check_values(y, (double[]){0.5, 0.5, 0.5, 0.5, -1, -1, -1, -1}, 8);
}

static void pools(Tape *tape) {
    Tensor *x = tensor_leaf(tensor_from_f64(
        tape, shape4(1, 1, 4, 4), (double[]){1, 1, 0, 2, 1, 1, 2, 2, -1, NAN, 3, 0, 5, -2, 0, 3}));
    Tensor *y = tensor_max_pool2d(x, pool2d_options(2)), *g;
    check_values(y, (double[]){1, 2, NAN, 3}, 4);
    /* Of equals the first has the gradient. */
    CHECK(tensor_grad(tensor_sum(y), &x, 1, &g, 0));
    check_values(g, (double[]){1, 0, 0, 1, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0}, 16);
    Pool2dOptions o = pool2d_options(2);
    o.padding[0] = o.padding[1] = 1;
    Tensor *ones = tensor_mul_scalar(tensor_ones(tape, shape4(1, 1, 4, 4)), -1);
    check_values(tensor_max_pool2d(ones, o), (double[]){-1, -1, -1, -1, -1, -1, -1, -1, -1}, 9);
    check_values(tensor_avg_pool2d(ones, o),
                 (double[]){-0.25, -0.5, -0.25, -0.5, -1, -0.5, -0.25, -0.5, -0.25}, 9);
    o.count_include_pad = false;
    check_values(tensor_avg_pool2d(ones, o), (double[]){-1, -1, -1, -1, -1, -1, -1, -1, -1}, 9);
    Tensor *row = tensor_reshape(tensor_arange(tape, 0, 5, 1), shape4(1, 1, 1, 5));
    check_values(tensor_adaptive_avg_pool2d(row, 1, 3), (double[]){0.5, 2, 3.5}, 3);
    check_values(tensor_adaptive_avg_pool2d(row, 2, 1), (double[]){2, 2}, 2);
    Tensor *line = tensor_reshape(row, shape3(1, 1, 5));
    check_values(tensor_max_pool1d(line, pool1d_options(2)), (double[]){1, 3}, 2);
    check_values(tensor_avg_pool1d(line, pool1d_options(2)), (double[]){0.5, 2.5}, 2);
}

#define FAILS(call, words)                                                                         \
    do {                                                                                           \
        CHECK(!(call));                                                                            \
        CHECK_ERROR(words);                                                                        \
        tape_clear_error(tape);                                                                    \
    } while (0)

static void refusals(Tape *tape) {
    Tensor *x = tensor_zeros(tape, shape4(2, 3, 5, 5)), *w = tensor_zeros(tape, shape4(4, 3, 3, 3));
    Tensor *b = tensor_zeros(tape, shape1(4));
    Conv2dOptions o = conv2d_options();
    REFUSED(tensor_conv2d(NULL, NULL, NULL, o));
    REFUSED(tensor_conv1d(NULL, NULL, NULL, conv1d_options()));
    REFUSED(tensor_max_pool2d(NULL, pool2d_options(2)));
    REFUSED(tensor_avg_pool2d(NULL, pool2d_options(2)));
    REFUSED(tensor_adaptive_avg_pool2d(NULL, 1, 1));
    REFUSED(tensor_max_pool1d(NULL, pool1d_options(2)));
    REFUSED(tensor_avg_pool1d(NULL, pool1d_options(2)));
    FAILS(tensor_conv2d(x, tensor_zeros(tape, shape4(4, 2, 3, 3)), b, o),
          "tensor_conv2d: input (2, 3, 5, 5), weight (4, 2, 3, 3), bias (4), groups 1");
    FAILS(tensor_conv2d(x, w, tensor_zeros(tape, shape1(3)), o), "bias (3)");
    FAILS(tensor_conv2d(tensor_zeros(tape, shape3(2, 3, 5)), w, NULL, o), "it takes [N, C, H, W]");
    FAILS(tensor_conv1d(x, w, NULL, conv1d_options()), "it takes [N, C, L]");
    o.groups = 0;
    FAILS(tensor_conv2d(x, w, b, o), "groups 0");
    o.groups = 3; /* divides the input's channels, not the weight's */
    FAILS(tensor_conv2d(x, tensor_zeros(tape, shape4(4, 1, 3, 3)), b, o), "groups 3");
#if SIZE_MAX > UINT32_MAX
    o.groups = (size_t)UINT32_MAX + 2; /* its lower half is 1 */
    FAILS(tensor_conv2d(x, w, b, o), "groups 4294967297");
#endif
    o.groups = 1;
    FAILS(tensor_conv2d(x, w, tensor_zeros(tape, shape2(4, 1)), o), "bias (4, 1)");
    FAILS(tensor_conv2d(x, tensor_zeros(tape, shape3(4, 3, 3)), b, o), "weight (4, 3, 3)");
    FAILS(tensor_conv2d(tensor_zeros(tape, shape4(1, 3, 0, 5)), w, b, o), "does not fit an axis of 0 with padding 0");
    FAILS(tensor_conv2d(x, tensor_zeros(tape, shape4(4, 3, 0, 3)), b, o), "a window of 0");
    o = conv2d_options();
    o.stride[1] = 0;
    FAILS(tensor_conv2d(x, w, b, o), "tensor_conv2d: stride 0");
    o = conv2d_options();
    o.dilation[0] = 3;
    FAILS(tensor_conv2d(x, w, b, o), "a window of 3 with dilation 3 does not fit an axis of 5 with padding 0");
    /* The largest setting, and one more. */
    Tensor *tap = tensor_ones(tape, shape4(4, 3, 1, 1)),
           *small = tensor_ones(tape, shape4(1, 3, 1, 1));
    o = conv2d_options();
    o.stride[0] = o.stride[1] = o.dilation[0] = o.dilation[1] = UINT16_MAX;
    CHECK(tensor_item(tensor_sum(tensor_conv2d(small, tap, NULL, o))) == 12);
    o.dilation[1]++;
    FAILS(tensor_conv2d(small, tap, NULL, o), "dilation 65536");
    o = conv2d_options();
    o.stride[0] = UINT16_MAX + 1;
    FAILS(tensor_conv2d(small, tap, NULL, o), "stride 65536");
    o = conv2d_options();
    o.padding[0] = UINT16_MAX;
    CHECK(tensor_item(tensor_sum(tensor_conv2d(small, tap, NULL, o))) == 12);
    o.padding[0]++;
    FAILS(tensor_conv2d(small, tap, NULL, o), "padding 65536");
    Pool2dOptions p = pool2d_options(6);
    FAILS(tensor_max_pool2d(x, p), "tensor_max_pool2d: a window of 6");
    FAILS(tensor_avg_pool2d(x, pool2d_options(0)), "tensor_avg_pool2d");
    p = pool2d_options(2);
    p.padding[0] = 2;
    FAILS(tensor_max_pool2d(x, p), "at most half of it");
    p = pool2d_options(2);
    p.dilation[1] = 2;
    FAILS(tensor_avg_pool2d(x, p), "that of an average is 1");
    p.dilation[0] = 2;
    p.dilation[1] = 1;
    FAILS(tensor_avg_pool2d(x, p), "that of an average is 1");
    FAILS(tensor_max_pool2d(x, pool2d_options(UINT16_MAX + 1)), "kernel 65536");
    FAILS(tensor_adaptive_avg_pool2d(tensor_zeros(tape, shape4(1, 1, 0, 2)), 1, 1), "to 1 by 1");
    FAILS(tensor_adaptive_avg_pool2d(tensor_zeros(tape, shape4(1, 1, 2, 0)), 1, 1), "to 1 by 1");
    FAILS(tensor_adaptive_avg_pool2d(x, 2, 0), "(2, 3, 5, 5) to 2 by 0");
    FAILS(tensor_max_pool2d(b, pool2d_options(1)), "it takes [N, C, H, W]");
    FAILS(tensor_max_pool1d(x, pool1d_options(1)), "it takes [N, C, L]");
    FAILS(tensor_adaptive_avg_pool2d(x, 0, 2), "(2, 3, 5, 5) to 0 by 2");
    FAILS(tensor_adaptive_avg_pool2d(tensor_zeros(tape, shape3(2, 3, 5)), 1, 1),
          "(2, 3, 5) to 1 by 1");
    Tensor *five = tensor_zeros(tape, shape_of((size_t[]){1, 1, 2, 2, 1}, 5));
    FAILS(tensor_adaptive_avg_pool2d(five, 1, 1), "(1, 1, 2, 2, 1) to 1 by 1");
    o = conv2d_options();
    o.groups = 2;
    FAILS(module_conv2d(3, 4, 3, 3, o), "not divisible into 2 groups");
    FAILS(module_conv2d(3, 4, 0, 3, conv2d_options()), "module_conv2d: kernel 0");
    FAILS(module_conv1d(3, 4, 0, conv1d_options()), "module_conv1d: kernel 0");
    FAILS(module_max_pool2d(pool2d_options(0)), "kernel 0");
    FAILS(module_avg_pool1d(pool1d_options(0)), "kernel 0");
}

/* A weight seen through any axes is the weight with those numbers. */
static void turned_weights(Tape *tape) {
    Rng rng = rng_seed(3);
    Tensor *x = tensor_leaf(tensor_normal(tape, shape4(2, 3, 6, 5), 0, 1, &rng));
    const int orders[][4] = {{0, 1, 3, 2}, {1, 0, 2, 3}, {3, 2, 1, 0}, {2, 3, 0, 1}};
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        const int *order = orders[i];
        size_t dim[4] = {0}, from[4] = {4, 3, 2, 3};
        for (int k = 0; k < 4; k++)
            dim[order[k]] = from[k];
        Tensor *w = tensor_leaf(tensor_normal(tape, shape_of(dim, 4), 0, 1, &rng));
        Tensor *seen = tensor_permute(w, order, 4), *in[2] = {x, w}, *a[2], *b[2];
        Tensor *one = tensor_conv2d(x, seen, NULL, conv2d_options());
        Tensor *dense = tensor_reshape(tensor_concat((Tensor *[]){seen}, 1, 0), tensor_shape(seen));
        Tensor *two = tensor_conv2d(x, dense, NULL, conv2d_options());
        CHECK(tensors_near(one, two, 1e-13));
        CHECK(tensor_grad(tensor_sum(tensor_sin(one)), in, 2, a, 0));
        CHECK(tensor_grad(tensor_sum(tensor_sin(two)), in, 2, b, 0));
        CHECK(tensors_near(a[0], b[0], 1e-13) && tensors_near(a[1], b[1], 1e-13));
    }
}

/* No images, no channels in or out: results without a number, or of a bias alone; gradients of the inputs' shapes. */
static void empty(Tape *tape) {
    const size_t sizes[][3] = {{0, 2, 3}, {2, 0, 3}, {2, 2, 0}}; /* images, channels in, out */
    for (size_t i = 0; i < 3; i++) {
        const size_t *s = sizes[i];
        Tensor *x = tensor_leaf(tensor_ones(tape, shape4(s[0], s[1], 4, 4)));
        Tensor *w = tensor_leaf(tensor_ones(tape, shape4(s[2], s[1], 2, 2)));
        Tensor *b = tensor_leaf(tensor_full(tape, shape1(s[2]), 0.5)), *in[3] = {x, w, b}, *g[3];
        Tensor *y = tensor_conv2d(x, w, b, conv2d_options());
        CHECK(shape_equal(tensor_shape(y), shape4(s[0], s[2], 3, 3)));
        CHECK(tensor_item(tensor_sum(y)) == (i == 1 ? 2 * 3 * 9 * 0.5 : 0));
        CHECK(tensor_grad(tensor_sum(tensor_square(y)), in, 3, g, HC_CREATE_GRAPH | HC_ZEROS));
        Tensor *sum = tensor_scalar(tape, 0);
        for (int k = 0; k < 3; k++) {
            CHECK(shape_equal(tensor_shape(g[k]), tensor_shape(in[k])));
            sum = tensor_add(sum, tensor_sum(tensor_square(g[k])));
        }
        CHECK(tensor_grad(sum, in, 3, g, HC_ZEROS));
        for (int k = 0; k < 3; k++)
            CHECK(shape_equal(tensor_shape(g[k]), tensor_shape(in[k])));
        if (i == 2) continue;
        Tensor *pooled[] = {tensor_max_pool2d(x, pool2d_options(2)), tensor_avg_pool2d(x, pool2d_options(2)),
                            tensor_adaptive_avg_pool2d(x, 2, 2)};
        for (int k = 0; k < 3; k++) {
            CHECK(shape_equal(tensor_shape(pooled[k]), shape4(s[0], s[1], 2, 2)));
            CHECK(tensor_grad(tensor_sum(tensor_square(pooled[k])), &x, 1, g, HC_CREATE_GRAPH | HC_ZEROS));
            CHECK(tensor_grad(tensor_sum(tensor_square(g[0])), &x, 1, g, HC_ZEROS));
            CHECK(shape_equal(tensor_shape(g[0]), tensor_shape(x)));
        }
    }
}

/* The layers are the operations, and copy. */
static void layers(Tape *tape) {
    Rng rng = rng_seed(4);
    Conv2dOptions strided = conv2d_options();
    strided.stride[0] = strided.stride[1] = 2;
    strided.bias = false;
    Pool1dOptions two = pool1d_options(2);
    Module *children[] = {module_conv2d(2, 3, 3, 2, conv2d_options()),
                          module_conv2d(3, 4, 1, 1, strided), module_max_pool2d(pool2d_options(2)),
                          module_avg_pool2d(pool2d_options(1)), module_adaptive_avg_pool2d(1, 1)};
    Module *net = module_sequential(children, 5), *copy = NULL;
    CHECK(module_to(net, HC_F64) && module_init(net, &rng) && (copy = module_clone(net)));
    CHECK(module_params(net).count == 3);
    CHECK(shape_equal(param_shape(module_param(net, "0.weight")), shape4(3, 2, 3, 2)));
    Tensor *x = tensor_normal(tape, shape4(2, 2, 8, 7), 0, 1, &rng), *y = module_forward(net, x);
    double want[8], bound = 1 / sqrt(12);
    CHECK(shape_equal(tensor_shape(y), shape4(2, 4, 1, 1)) && tensor_copy_to_f64(y, want, 8));
    check_values(module_forward(copy, x), want, 8);
    const double *bias = param_data(module_param(net, "0.bias"));
    CHECK(fabs(bias[0]) < bound && fabs(bias[1]) < bound && bias[0] != bias[1]);
    module_destroy(net);
    module_destroy(copy);

    Module *line[] = {module_conv1d(2, 3, 3, conv1d_options()), module_max_pool1d(two),
                      module_avg_pool1d(two)};
    net = module_sequential(line, 3);
    CHECK(module_to(net, HC_F64) && module_init(net, &rng));
    y = module_forward(net, tensor_normal(tape, shape3(2, 2, 10), 0, 1, &rng));
    CHECK(shape_equal(tensor_shape(y), shape3(2, 3, 2)));
    module_destroy(net);
}

int main(void) {
    Tape *tape = tape_create(HC_F64);
    convolutions(tape);
    pools(tape);
    refusals(tape);
    turned_weights(tape);
    empty(tape);
    layers(tape);
    CHECK(tape_status(tape) == HC_OK);
    tape_destroy(tape);
    return check_done();
}
