/* Tensors whose numbers are stored in another order of axes than row-major: every kind of operation
 * gives the same bits on them, and the same first and second derivatives, as on row-major ones. The
 * numbers are small multiples of 1/8, so that sums are exact in any order. */
#include <higherc/higherc.h>

#include <stdio.h>
#include <string.h>

#include "support/check.h"
#include "tape/tape.h"

enum { COUNT = 2 * 3 * 4 * 4 };

typedef Tensor *Fn(Tensor *a, Tensor *b);

#define CASE(name, formula)                                                                        \
    static Tensor *name(Tensor *a, Tensor *b) {                                                    \
        (void)b;                                                                                   \
        return formula;                                                                            \
    }

static Tensor *filter(Tensor *a) {
    return tensor_slice(tensor_slice(tensor_slice(a, 0, 0, 1, 1), 2, 1, 2, 1), 3, 2, 3, 1);
}

CASE(add, tensor_add(a, b))
CASE(product, tensor_mul(a, b))
CASE(accumulated, tensor_add(tensor_mul(a, b), tensor_sub(tensor_square(a), b)))
CASE(selected, tensor_where(tensor_gt(a, b), tensor_square(a), tensor_mul(a, b)))
CASE(gated, tensor_relu(tensor_add(a, tensor_tanh(b))))
CASE(largest, tensor_maximum(a, b))
CASE(cloned, tensor_mul(tensor_clone(a), tensor_clone(b)))
CASE(transposed, tensor_mul(a, tensor_transpose(b, 2, 3)))
CASE(broadcast, tensor_mul(a, filter(b)))
CASE(scalar, tensor_mul(a, tensor_sum(b)))
CASE(sum, tensor_sum(tensor_mul(a, b)))
CASE(sum_channels, tensor_square(tensor_sum_axes(tensor_mul(a, b), (int[]){1}, 1, true)))
CASE(sum_images, tensor_mul(a, tensor_sum_axes(b, (int[]){0, 2, 3}, 3, true)))
CASE(sum_first, tensor_mul(tensor_sum_axes(a, (int[]){0}, 1, false), b))
CASE(sum_none, tensor_sum_axes(tensor_mul(a, b), NULL, 0, false))
CASE(mean_rows, tensor_mul(a, tensor_mean_axes(b, (int[]){2}, 1, true)))
CASE(max_channels, tensor_square(tensor_max_axes(a, (int[]){1}, 1, false)))
CASE(min_images, tensor_mul(tensor_min_axes(a, (int[]){2, 3}, 2, true), b))
CASE(argmax, tensor_argmax(tensor_mul(a, b)))
CASE(argmax_channels, tensor_argmax_axis(tensor_mul(a, b), 1, true))
CASE(matmul, tensor_matmul(a, b))
CASE(matmul_transposed, tensor_matmul(tensor_transpose(a, 2, 3), b))
CASE(flattened, tensor_square(tensor_reshape(tensor_mul(a, b), shape2(2, 48))))
CASE(squeezed, tensor_mul(tensor_squeeze(tensor_slice(a, 0, 1, 2, 1), 0), b))
CASE(unsqueezed, tensor_mul(tensor_unsqueeze(a, 2), tensor_unsqueeze(b, 2)))
CASE(joined, tensor_square(tensor_concat((Tensor *[]){a, b}, 2, 1)))
CASE(sliced, tensor_mul(tensor_slice(a, 1, 0, 2, 1), tensor_slice(b, 1, 1, 3, 1)))
CASE(padded, tensor_square(tensor_pad(a, (size_t[]){0, 1, 0, 2}, (size_t[]){0, 0, 1, 0}, 4)))
CASE(softmax, tensor_softmax(tensor_add(a, b), 1))
CASE(linear, tensor_linear(a, tensor_reshape(tensor_slice(b, 1, 0, 1, 1), shape2(8, 4)), NULL))
CASE(gathered, tensor_mul(tensor_gather(a, 1, tensor_abs(tensor_sign(b))), b))
CASE(detached, tensor_mul(tensor_detach(a), b))

static const struct {
    const char *name;
    Fn *fn;
} cases[] = {
#define ROW(name)                                                                                  \
    { #name, name }
    ROW(add),       ROW(product),         ROW(accumulated),       ROW(selected),   ROW(gated),
    ROW(largest),   ROW(cloned),          ROW(transposed),        ROW(broadcast),  ROW(scalar),
    ROW(sum),       ROW(sum_channels),    ROW(sum_images),        ROW(sum_first),  ROW(sum_none),
    ROW(mean_rows), ROW(max_channels),    ROW(min_images),        ROW(argmax),     ROW(matmul),
    ROW(flattened), ROW(squeezed),        ROW(matmul_transposed), ROW(unsqueezed), ROW(joined),
    ROW(sliced),    ROW(padded),          ROW(softmax),           ROW(linear),     ROW(gathered),
    ROW(detached),  ROW(argmax_channels),
};

/* A leaf (2, 3, 4, 4) as drawn from the seed, and the tensor with its values whose storage has the axes
 * in the order given. */
static Tensor *stored(Tape *tape, uint64_t seed, const int *order, Tensor **leaf) {
    Rng rng = rng_seed(seed);
    double values[COUNT];
    int inverse[4];
    for (size_t i = 0; i < COUNT; i++)
        values[i] = (double)(int)(rng_uniform(&rng) * 32 - 16) / 8;
    *leaf = tensor_leaf(tensor_from_f64(tape, shape4(2, 3, 4, 4), values));
    for (int i = 0; i < 4; i++)
        inverse[order[i]] = i;
    Tensor *turned = tensor_permute(*leaf, order, 4);
    Tensor *dense = tensor_reshape(turned, shape1(COUNT)); /* a copy, unless in order already */
    return tensor_permute(tensor_reshape(dense, tensor_shape(turned)), inverse, 4);
}

enum { MOST = 4096 };

static size_t append(double *out, size_t used, Tensor *x) {
    size_t count = tensor_count(x);
    CHECK(x && used + count <= MOST && tensor_copy_to_f64(x, out + used, count));
    return used + count;
}

/* Value, gradients, and gradients of these, one after the other. */
static size_t run(DType dtype, Fn *fn, const int *order_a, const int *order_b, bool graph,
                  double *out) {
    Tape *tape = tape_create(dtype);
    Tensor *leaf[2], *g[2], *gg[2];
    Tensor *a = stored(tape, 1, order_a, &leaf[0]), *b = stored(tape, 2, order_b, &leaf[1]);
    Tensor *y = fn(a, b);
    size_t used = append(out, 0, y);
    if (tensor_requires_grad(y)) {
        unsigned flags = HC_ZEROS | (graph ? HC_CREATE_GRAPH : 0);
        Tensor *loss = tensor_sum(tensor_square(y));
        CHECK(tensor_grad(loss, leaf, 2, g, flags));
        used = append(out, append(out, used, g[0]), g[1]);
        Tensor *again = graph ? tensor_add(tensor_sum(tensor_mul(g[0], a)), tensor_sum(g[1])) : y;
        if (graph && tensor_requires_grad(again)) {
            CHECK(tensor_grad(again, leaf, 2, gg, HC_ZEROS));
            used = append(out, append(out, used, gg[0]), gg[1]);
        }
    }
    CHECK(tape_status(tape) == HC_OK);
    tape_destroy(tape);
    return used;
}

static void check_case(size_t c, DType dtype, const int *order_a, const int *order_b) {
    static const int plain[4] = {0, 1, 2, 3};
    static double want[MOST], got[MOST], swept[MOST];
    size_t n = run(dtype, cases[c].fn, plain, plain, true, want);
    size_t m = run(dtype, cases[c].fn, order_a, order_b, true, got);
    size_t first = run(dtype, cases[c].fn, order_a, order_b, false, swept);
    /* Functions that round may add their roundings in another order. */
    bool rounds = cases[c].fn == softmax || cases[c].fn == gated;
    double tolerance = !rounds ? 0 : dtype == HC_F32 ? 1e-5 : 1e-13;
    bool good = n == m && first <= n;
    for (size_t i = 0; good && i < n; i++)
        good = want[i] - got[i] <= tolerance * 16 && got[i] - want[i] <= tolerance * 16;
    /* With history or without: the same bits, whatever the order of storage. */
    good = good && memcmp(got, swept, first * sizeof *got) == 0;
    CHECK(good);
    if (!good)
        printf("  %s, order %d%d%d%d\n", cases[c].name, order_a[0], order_a[1], order_a[2],
               order_a[3]);
}

/* What is stored how. */
static void check_forms(void) {
    Tape *tape = tape_create(HC_F32);
    Tensor *leaf;
    Tensor *x = stored(tape, 3, (int[]){0, 2, 3, 1}, &leaf);
    CHECK(x->form->packed && !hc_is_dense(x->form));
    CHECK(tensor_exp(x)->form == x->form && tensor_clone(x)->form == x->form);
    CHECK(tensor_mul(x, filter(leaf))->form == x->form);
    CHECK(tensor_add(filter(leaf), x)->form == x->form);
    CHECK(!tensor_slice(x, 1, 0, 2, 1)->form->packed);
    CHECK(hc_is_dense(tensor_exp(tensor_slice(x, 1, 0, 2, 1))->form));
    CHECK(tensor_unsqueeze(x, 1)->form->packed && tensor_unsqueeze(x, 1)->data == x->data);
    Tensor *images = tensor_sum_axes(x, (int[]){0}, 1, false);
    CHECK(hc_is_dense(images->form)); /* sums are made in row-major order */
    CHECK(tensor_max_axes(x, (int[]){0}, 1, false)->form->stride[0] == 1);
    /* Read row-major, and afterwards the same tensor still. */
    double want[COUNT], got[COUNT];
    CHECK(tensor_copy_to_f64(leaf, want, COUNT));
    const float *data = tensor_data(x);
    for (size_t i = 0; i < COUNT; i++)
        CHECK((double)data[i] == want[i]);
    CHECK(tensor_copy_to_f64(tensor_mul_scalar(x, 2), got, COUNT) && got[7] == 2 * want[7]);
    tape_destroy(tape);
}

/* Sums of numbers that round have the same bits however they are stored. */
static void check_sums(DType dtype) {
    Tape *tape = tape_create(dtype);
    Rng rng = rng_seed(9);
    Tensor *x = tensor_normal(tape, shape4(5, 7, 6, 3), 0, 1, &rng);
    for (unsigned mask = 1; mask < 16; mask++) {
        static const int back[] = {0, 3, 1, 2};
        int axes[4];
        size_t count = 0;
        for (int i = 0; i < 4; i++)
            if (mask >> i & 1) axes[count++] = i;
        Tensor *turned = tensor_permute(x, (int[]){0, 2, 3, 1}, 4);
        Tensor *row = tensor_reshape(turned, shape1(tensor_count(x)));
        Tensor *stored = tensor_permute(tensor_reshape(row, tensor_shape(turned)), back, 4);
        CHECK(stored->form != x->form);
        Tensor *pairs[][2] = {
            {tensor_sum_axes(x, axes, count, false), tensor_sum_axes(stored, axes, count, false)},
            {tensor_mean_axes(x, axes, count, true), tensor_mean_axes(stored, axes, count, true)},
            {tensor_var_axes(x, axes, count, 1, true),
             tensor_var_axes(stored, axes, count, 1, true)},
            {tensor_norm(x), tensor_norm(stored)},
            {tensor_logsumexp_axes(x, axes, count, true),
             tensor_logsumexp_axes(stored, axes, count, true)}};
        for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
            double want[MOST], got[MOST];
            size_t n = append(want, 0, pairs[i][0]);
            CHECK(append(got, 0, pairs[i][1]) == n && memcmp(want, got, n * sizeof *got) == 0);
        }
    }
    tape_destroy(tape);
}

int main(void) {
    static const int orders[][4] = {{0, 1, 2, 3}, {0, 2, 3, 1}, {3, 1, 0, 2}, {1, 0, 3, 2}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
        for (size_t i = 0; i < 4; i++)
            for (size_t j = 0; j < 4; j++) {
                check_case(c, HC_F32, orders[i], orders[j]);
                check_case(c, HC_F64, orders[i], orders[j]);
            }
    check_forms();
    check_sums(HC_F32);
    check_sums(HC_F64);
    return check_done();
}
