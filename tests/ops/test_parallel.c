/* Large operations on a pool: the bits without one, with 1, 2 and 7 threads, and within tasks. */
#include <higherc/higherc.h>

#include <stdlib.h>
#include <string.h>

#include "support/check.h"

enum { POOLS = 4 };

typedef struct Case {
    const char *name;
    size_t batch, m, n, k;
} Case;

/* Beyond the sizes that are cut: square, odd, thin, one row, one column, many small ones. */
static const Case cases[] = {
    {"square", 1, 128, 128, 128},
    {"odd", 1, 197, 161, 131},
    {"one more than a block", 1, 129, 97, 100},
    {"tall", 1, 1900, 5, 60},
    {"wide", 1, 7, 1300, 60},
    {"a row", 1, 1, 900, 600},
    {"a column", 1, 900, 1, 600},
    {"outer", 1, 800, 700, 1},
    {"many", 50, 24, 25, 26},
    {"few large", 3, 90, 130, 64},
    {"deep", 1, 40, 70, 1000},
};

/* Products in all transpositions with a broadcast operand, and their gradients, which accumulate. */
static Tensor *products(Tape *tape, const Case *c, Rng *rng) {
    Tensor *a = tensor_leaf(tensor_uniform(tape, shape3(c->batch, c->m, c->k), -1, 1, rng));
    Tensor *b = tensor_leaf(tensor_uniform(tape, shape2(c->k, c->n), -1, 1, rng));
    Tensor *at = tensor_leaf(tensor_uniform(tape, shape3(c->batch, c->k, c->m), -1, 1, rng));
    Tensor *w = tensor_leaf(tensor_uniform(tape, shape2(c->n, c->k), -1, 1, rng));
    Tensor *bias = tensor_leaf(tensor_uniform(tape, shape1(c->n), -1, 1, rng));
    Tensor *y = tensor_matmul(a, b);
    y = tensor_add(y, tensor_matmul(tensor_transpose(at, 1, 2), b));
    y = tensor_add(y, tensor_matmul(a, tensor_transpose(w, 0, 1)));
    y = tensor_add(y, tensor_matmul(tensor_transpose(at, 1, 2), tensor_transpose(w, 0, 1)));
    y = tensor_add(y, tensor_linear(a, w, bias));
    Tensor *in[5] = {a, b, at, w, bias}, *grads[5];
    CHECK(tensor_grad(tensor_sum(tensor_square(y)), in, 5, grads, 0));
    Tensor *all = tensor_reshape(y, shape1(tensor_count(y)));
    for (int i = 0; i < 5; i++)
        all = tensor_concat(
            (Tensor *[]){all, tensor_reshape(grads[i], shape1(tensor_count(grads[i])))}, 2, 0);
    return all;
}

/* Elementwise operations over long and short runs, permuted storage and scalars. */
static Tensor *elementwise(Tape *tape, const Case *c, Rng *rng) {
    (void)c;
    Shape s = shape3(51, 33, 40);
    Tensor *x = tensor_leaf(tensor_uniform(tape, s, 0.5, 2, rng));
    Tensor *row = tensor_uniform(tape, shape1(40), -1, 1, rng);
    Tensor *column = tensor_uniform(tape, shape2(33, 1), -1, 1, rng);
    Tensor *plane = tensor_uniform(tape, shape3(51, 1, 1), -1, 1, rng);
    Tensor *turned = tensor_permute(tensor_uniform(tape, shape3(40, 51, 33), -1, 1, rng),
                                    (const int[]){1, 2, 0}, 3);
    Tensor *y = tensor_add(tensor_mul(tensor_exp(x), row), column);
    y = tensor_mul(tensor_tanh(tensor_sub(y, plane)), turned);
    y = tensor_where(tensor_gt(y, plane), y, tensor_maximum(turned, row));
    y = tensor_mul(tensor_sin(tensor_mul_scalar(y, 3)), tensor_scalar(tape, 0.7));
    Tensor *grad;
    CHECK(tensor_grad(tensor_sum(tensor_square(y)), &x, 1, &grad, 0));
    return tensor_stack(
        (Tensor *[]){y, grad, tensor_add(tensor_permute(y, (const int[]){0, 1, 2}, 3), turned)}, 3,
        0);
}

/* Flattened one behind the other; all is NULL at first. */
static Tensor *append(Tensor *all, Tensor *x) {
    x = tensor_reshape(x, shape1(tensor_count(x)));
    return all ? tensor_concat((Tensor *[]){all, x}, 2, 0) : x;
}

/* y, the gradients of its square to x and w, and those of their own squares. */
static Tensor *two_orders(Tensor *y, Tensor *x, Tensor *w) {
    Tensor *in[2] = {x, w}, *first[2], *second[2];
    size_t count = w ? 2 : 1;
    CHECK(tensor_grad(tensor_sum(tensor_square(y)), in, count, first, HC_CREATE_GRAPH));
    Tensor *all = append(NULL, y), *sum = tensor_sum(tensor_square(first[0]));
    for (size_t i = 1; i < count; i++)
        sum = tensor_add(sum, tensor_sum(tensor_square(first[i])));
    CHECK(tensor_grad(sum, in, count, second, 0));
    for (size_t i = 0; i < count; i++)
        all = append(append(all, first[i]), second[i]);
    return all;
}

/* Convolutions with many and few channels, with groups and strides, over images whose number is not one of
 * shares, and over one; with so many results that a weight's gradient is parted by them, in groups too, and one tap. */
static Tensor *convolutions(Tape *tape, const Case *c, Rng *rng) {
    static const struct {
        size_t n, c, h, o, k;
        Conv2dOptions options;
    } nets[] = {{17, 9, 13, 20, 3, {{1, 1}, {0, 0}, {1, 1}, 1, true, HC_PAD_EVEN, {0, 0}}},
                {37, 1, 20, 33, 3, {{1, 1}, {1, 1}, {1, 1}, 1, true, HC_PAD_UNEVEN, {2, 0}}},
                {11, 32, 12, 32, 2, {{2, 1}, {1, 0}, {1, 2}, 2, true, HC_PAD_EVEN, {0, 0}}},
                {1, 24, 20, 40, 3, {{1, 1}, {1, 1}, {1, 1}, 1, true, HC_PAD_SAME, {0, 0}}},
                {3, 9, 12, 70, 3, {{1, 1}, {1, 1}, {1, 1}, 1, true, HC_PAD_EVEN, {0, 0}}},
                {2, 10, 14, 262, 2, {{1, 1}, {0, 0}, {1, 1}, 2, true, HC_PAD_EVEN, {0, 0}}},
                {5, 20, 9, 131, 1, {{1, 1}, {0, 0}, {1, 1}, 1, true, HC_PAD_EVEN, {0, 0}}},
                {5, 2, 16, 67, 3, {{1, 1}, {0, 0}, {1, 1}, 1, true, HC_PAD_EVEN, {0, 0}}}};
    (void)c;
    Tensor *all = NULL;
    for (size_t i = QUICK; i < sizeof nets / sizeof *nets; i += 1 + QUICK) {
        size_t n = nets[i].n, in = nets[i].c, h = nets[i].h, out = nets[i].o, k = nets[i].k;
        size_t own = in / nets[i].options.groups;
        Tensor *x = tensor_leaf(tensor_uniform(tape, shape4(n, in, h, h), -1, 1, rng));
        Tensor *w = tensor_leaf(tensor_uniform(tape, shape4(out, own, k, k), -1, 1, rng));
        Tensor *bias = tensor_uniform(tape, shape1(out), -1, 1, rng);
        all = append(all, two_orders(tensor_conv2d(x, w, bias, nets[i].options), x, w));
        ConvTranspose2dOptions back = conv_transpose2d_options();
        Tensor *small = tensor_slice(x, 2, 0, 5, 1), *turned = tensor_leaf(tensor_transpose(w, 0, 1));
        if (nets[i].options.groups > 1) continue;
        all = append(all, two_orders(tensor_conv_transpose2d(small, turned, bias, back), x, turned));
    }
    return all;
}

/* Windows side by side, and ones that overlap. */
static Tensor *pools_of_images(Tape *tape, const Case *c, Rng *rng) {
    (void)c;
    Tensor *x = tensor_leaf(tensor_uniform(tape, shape4(19, 16, 24, 24), -1, 1, rng));
    Pool2dOptions options = pool2d_options(3);
    options.stride[0] = options.stride[1] = 2;
    options.padding[0] = options.padding[1] = 1;
    Tensor *all = append(NULL, two_orders(tensor_max_pool2d(x, pool2d_options(2)), x, NULL));
    all = append(all, two_orders(tensor_max_pool2d(x, options), x, NULL));
    all = append(all, two_orders(tensor_avg_pool2d(x, options), x, NULL));
    all = append(all, two_orders(tensor_adaptive_avg_pool2d(x, 5, 7), x, NULL));
    Tensor *large = tensor_leaf(tensor_uniform(tape, shape4(29, 16, 40, 40), -1, 1, rng));
    return append(all, two_orders(tensor_avg_pool2d(large, pool2d_options(2)), large, NULL));
}

/* Sums, extremes and softmax over leading, middle, last and scattered axes of an array that is cut, as stored and
 * permuted. */
static Tensor *reductions(Tape *tape, const Case *c, Rng *rng) {
    static const int axes[][2] = {{0, 0}, {1, 1}, {2, 2}, {0, 2}, {0, 1}, {1, 2}};
    Tensor *x = tensor_uniform(tape, shape3(c->m, c->n, c->k), -1, 1, rng), *all = NULL;
    Tensor *stored[2] = {x, tensor_permute(x, (const int[]){2, 0, 1}, 3)};
    for (int j = 0; j < 12; j++) {
        const int *of = axes[j / 2];
        const size_t count = of[0] == of[1] ? 1 : 2;
        all = append(all, tensor_sum_axes(stored[j % 2], of, count, false));
        all = append(all, tensor_max_axes(stored[j % 2], of, count, false));
        if (count == 2) continue;
        all = append(all, tensor_argmax_axis(stored[j % 2], of[0], false));
        all = append(all, tensor_sum_axes(tensor_softmax(stored[j % 2], of[0]), of, 1, false));
        all = append(all, tensor_slice(tensor_log_softmax(x, of[0]), 0, 0, 2, 1));
    }
    return all;
}

/* Wide and narrow ones, one after the other: a tape holds all that one makes. */
static const Case reduced[] = {{"planes", 1, 37, 40, 101},
                               {"many rows", 1, 300, 13, 40},
                               {"a long middle", 1, 3, 4500, 11},
                               {"long rows", 1, 5, 11, 2803},
                               {"a cube", 1, 60, 31, 83}};

/* Many small matrices, and few large ones. */
static Tensor *factors(Tape *tape, const Case *c, Rng *rng) {
    static const size_t counts[] = {1, 3, 70}, sizes[] = {100, 70, 20};
    (void)c;
    Tensor *all = NULL;
    for (size_t i = 0; i < 3; i++) {
        size_t count = counts[i], n = sizes[i];
        Tensor *x = tensor_leaf(tensor_uniform(tape, shape3(count, n, n), -0.5, 0.5, rng));
        Tensor *b = tensor_leaf(tensor_uniform(tape, shape3(count, n, 5), -1, 1, rng));
        Tensor *a = tensor_add(x, tensor_diag(tensor_full(tape, shape1(n), (double)n), 0));
        Tensor *l = tensor_cholesky(tensor_add(a, tensor_transpose(a, 1, 2)));
        Tensor *y = tensor_add(tensor_solve(a, b), tensor_cholesky_solve(b, l));
        all = append(all, two_orders(tensor_mul_scalar(y, (double)n), x, b));
    }
    return all;
}

/* A matrix of many that has no factors is told by its number, whoever meets it. */
static void first_bad_one(DType dtype, Pool *const pools[POOLS]) {
    for (int i = 0; i < POOLS; i++) {
        Tape *tape = tape_create(dtype);
        tape_set_pool(tape, pools[i]);
        double values[600];
        for (size_t j = 0; j < 600; j++)
            values[j] = j == 333 || j == 400 || j == 599 ? -1 : 1;
        Tensor *scale =
            tensor_reshape(tensor_from_f64(tape, shape1(600), values), shape3(600, 1, 1));
        Tensor *one = tensor_diag(tensor_ones(tape, shape1(15)), 0);
        CHECK(!tensor_cholesky(tensor_mul(scale, one)));
        CHECK_ERROR("tensor_cholesky: matrix 333 is not positive definite: pivot 0");
        tape_set_pool(tape, NULL);
        tape_destroy(tape);
    }
}

typedef Tensor *Compute(Tape *tape, const Case *c, Rng *rng);

static void same_bits(Compute *compute, const Case *c, Tape *const tapes[POOLS]) {
    char *want = NULL;
    for (int i = 0; i < POOLS; i++) {
        Rng rng = rng_seed(4);
        tape_reset(tapes[i]);
        Tensor *y = compute(tapes[i], c, &rng);
        size_t bytes = tensor_count(y) * (tape_dtype(tapes[i]) == HC_F32 ? 4 : 8);
        const void *data = tensor_data(y);
        CHECK(data && bytes > 0);
        if (!data) break;
        if (!want) {
            want = malloc(bytes);
            memcpy(want, data, bytes);
        }
        check_at(memcmp(want, data, bytes) == 0, c->name, __FILE__, i);
    }
    free(want);
}

static void all_cases(DType dtype, Pool *const pools[POOLS]) {
    Tape *tapes[POOLS];
    first_bad_one(dtype, pools);
    for (int i = 0; i < POOLS; i++) {
        tapes[i] = tape_create(dtype);
        CHECK(tape_set_pool(tapes[i], pools[i]) == NULL);
    }
    /* The cut does not depend on the type, so f64 gets the first few. */
    const size_t count = dtype == HC_F32 ? sizeof cases / sizeof *cases : 4;
    for (size_t i = 0; i < count; i += QUICK ? 4 : 1)
        same_bits(products, &cases[i], tapes);
    same_bits(elementwise, &(Case){.name = "elementwise"}, tapes);
    same_bits(convolutions, &(Case){.name = "convolutions"}, tapes);
    same_bits(pools_of_images, &(Case){.name = "pooling"}, tapes);
    for (size_t i = 0; dtype == HC_F32 && i < sizeof reduced / sizeof *reduced; i += QUICK ? 2 : 1)
        same_bits(reductions, &reduced[i], tapes);
    same_bits(factors, &(Case){.name = "factors"}, tapes);
    for (int i = 0; i < POOLS; i++) {
        CHECK(tape_set_pool(tapes[i], NULL) == pools[i]);
        tape_destroy(tapes[i]);
    }
}

/* Within a task the pool is at work already: a tape that has it works alone. */
typedef struct Nest {
    Pool *pool;
    double sums[4];
} Nest;

static bool nested_task(Task *task, void *user) {
    Nest *nest = user;
    Rng rng = rng_seed(4);
    tape_set_pool(task->tape, nest->pool);
    Tensor *a = tensor_uniform(task->tape, shape2(128, 128), -1, 1, &rng);
    nest->sums[task->index] = tensor_item(tensor_sum(tensor_matmul(a, a)));
    return tape_set_pool(task->tape, NULL) == nest->pool;
}

static void nested(Pool *pool) {
    Nest nest = {.pool = pool};
    Rng seeds = rng_seed(1), rng = rng_seed(4);
    Tasks *tasks = tasks_create(pool, (ParamList){NULL, 0}, HC_F32);
    CHECK(tasks_run(tasks, 4, &seeds, nested_task, &nest));
    Tape *tape = tape_create(HC_F32);
    Tensor *a = tensor_uniform(tape, shape2(128, 128), -1, 1, &rng);
    double sum = tensor_item(tensor_sum(tensor_matmul(a, a)));
    for (int i = 0; i < 4; i++)
        CHECK(nest.sums[i] == sum);
    tape_destroy(tape);
    tasks_destroy(tasks);
}

/* A captured program runs on the pool of its tape, to the same bits. */
static void program(Pool *pool) {
    Rng rng = rng_seed(4);
    float got[2][256 * 64];
    for (int i = 0; i < 2; i++) {
        Tape *tape = tape_create(HC_F32);
        rng = rng_seed(4);
        tape_set_pool(tape, i ? pool : NULL);
        Tensor *x = tensor_uniform(tape, shape2(256, 100), -1, 1, &rng);
        Tensor *w = tensor_uniform(tape, shape2(64, 100), -1, 1, &rng);
        Tensor *y = tensor_tanh(tensor_linear(x, w, NULL));
        Program *p = program_capture(tape, (Tensor *[]){x}, 1, &y, 1, NULL);
        CHECK(program_run(p));
        memcpy(got[i], program_output(p, 0), sizeof got[i]);
        program_destroy(p);
        tape_destroy(tape);
    }
    CHECK(memcmp(got[0], got[1], sizeof got[0]) == 0);
}

int main(void) {
    Pool *pools[POOLS] = {NULL, pool_create(1), pool_create(2), pool_create(7)};
    all_cases(HC_F32, pools);
    all_cases(HC_F64, pools);
    nested(pools[2]);
    program(pools[2]);
    CHECK(tape_set_pool(NULL, pools[1]) == NULL);
    for (int i = 0; i < POOLS; i++)
        pool_destroy(pools[i]);
    if (higherc_error()) CHECK_ERROR("no error is left");
    return check_done();
}
