/* Cotangents that are computed in the place of others, also on the tape: never seen by anyone. The reference
 * is a tape that looks for NaN, which keeps them apart. */
#include <string.h>

#include "ops/ops.h"
#include "support/refuse.h"

enum { SIDE = 6, LEAVES = 5, NODES = 14, WANTED = 4, ORDERS = 3 };

/* ---- random graphs of what hands over and what gives to several ----------------------------------------- */

static Tensor *grown(Tensor *const *x, size_t count, Rng *rng) {
    Tensor *a = x[rng_below(rng, count)], *b = x[rng_below(rng, count)];
    Tensor *last = x[count - 1];
    switch (rng_below(rng, 11)) {
    case 0:
        return hc_linear_relu(last, a, NULL);
    case 1:
        return tensor_linear(a, b, tensor_sum_axes(last, (int[]){0}, 1, false));
    case 2:
        return tensor_relu(last);
    case 3:
        return tensor_leaky_relu(a, 0.3);
    case 4:
        return tensor_add(last, a);
    case 5:
        return tensor_sub(a, last);
    case 6:
        return tensor_mul(last, a);
    case 7:
        return tensor_matmul(tensor_transpose(a, 0, 1), last);
    case 8:
        return tensor_add(tensor_slice(last, 0, 0, SIDE - 1, 1), tensor_slice(a, 0, 1, SIDE, 1));
    case 9:
        return tensor_mul_scalar(tensor_div(last, tensor_add_scalar(tensor_square(a), 1)), 0.7);
    default:
        return tensor_index_select(
            last, 0, tensor_from_i64(x[0]->tape, shape1(SIDE), (int64_t[]){5, 0, 3, 0, 1, 1}));
    }
}

/* Of each order the gradients of a sum over those of the order below, to some leaves and values in between,
 * and at the end all of them once more: later sweeps must not have touched them. */
static size_t run(Tape *tape, uint64_t seed, double *out) {
    Rng rng = rng_seed(seed);
    Tensor *x[LEAVES + NODES], *in[WANTED], *g[ORDERS][WANTED];
    size_t used = 0;
    for (size_t i = 0; i < LEAVES; i++)
        x[i] = tensor_leaf(tensor_uniform(tape, shape2(SIDE, SIDE), -1, 1, &rng));
    for (size_t i = LEAVES; i < LEAVES + NODES; i++) {
        Tensor *y = grown(x, i, &rng);
        if (tensor_dim(y, 0) != SIDE) y = tensor_pad(y, (size_t[]){1, 0}, (size_t[]){0, 0}, 2);
        x[i] = rng_below(&rng, 2) ? tensor_mul_scalar(y, 0.5) : y;
    }
    for (size_t i = 0; i < WANTED; i++)
        in[i] = x[i < 2 ? i : rng_below(&rng, LEAVES + NODES)];
    Tensor *y = tensor_sum(tensor_square(x[LEAVES + NODES - 1]));
    for (int order = 0; order < ORDERS; order++) {
        CHECK(tensor_grad(y, in, WANTED, g[order],
                          HC_ZEROS | (order + 1 < ORDERS ? HC_CREATE_GRAPH : 0)));
        y = tensor_scalar(tape, 0);
        for (size_t i = 0; i < WANTED; i++)
            y = tensor_add(y, tensor_sum(tensor_mul(g[order][i], tensor_sin(in[i]))));
    }
    for (int order = 0; order < ORDERS; order++)
        for (size_t i = 0; i < WANTED; i++, used += SIDE * SIDE)
            CHECK(tensor_copy_to_f64(g[order][i], out + used, SIDE * SIDE));
    return used;
}

static void random_graphs(void) {
    static double a[ORDERS * WANTED * SIDE * SIDE], b[ORDERS * WANTED * SIDE * SIDE];
    Tape *tape = tape_create(HC_F64), *apart = tape_create(HC_F64);
    tape_check_nan(apart, true);
    for (uint64_t seed = 1; seed <= 400; seed++) {
        tape_reset(tape);
        tape_reset(apart);
        size_t n = run(tape, seed, a);
        CHECK(run(apart, seed, b) == n && memcmp(a, b, n * sizeof *a) == 0);
        if (tape_error(tape) || memcmp(a, b, n * sizeof *a) != 0) break;
    }
    CHECK(tape_error(tape) == NULL && tape_error(apart) == NULL);
    tape_destroy(tape);
    tape_destroy(apart);
}

/* ---- what it is for --------------------------------------------------------------------------------------- */

static size_t recorded(Tape *tape, Tensor *y, Tensor *const *in, size_t count, Tensor **g) {
    size_t before = tape_stats(tape).live_bytes;
    CHECK(tensor_grad(tensor_sum(y), in, count, g, HC_CREATE_GRAPH));
    return tape_stats(tape).live_bytes - before;
}

/* One gradient of a weight used at every step, one cotangent a step of what a ReLU made. */
static void memory(void) {
    enum { N = 64, STEPS = 20, MATRIX = N * N * sizeof(double) };
    Tape *tape = tape_create(HC_F64);
    Rng rng = rng_seed(1);
    Tensor *w = tensor_leaf(tensor_uniform(tape, shape2(N, N), -1, 1, &rng)), *g;
    Tensor *h = tensor_uniform(tape, shape2(N, N), -1, 1, &rng);
    for (int t = 0; t < STEPS; t++)
        h = hc_linear_relu(h, w, NULL);
    size_t bytes = recorded(tape, h, &w, 1, &g);
    CHECK(bytes > STEPS * MATRIX && bytes < (STEPS + 4) * MATRIX + STEPS * 2048);
    tape_reset(tape);
    tape_check_nan(tape, true);
    w = tensor_leaf(tensor_uniform(tape, shape2(N, N), -1, 1, &rng));
    h = tensor_uniform(tape, shape2(N, N), -1, 1, &rng);
    for (int t = 0; t < STEPS; t++)
        h = hc_linear_relu(h, w, NULL);
    CHECK(recorded(tape, h, &w, 1, &g) > (3 * STEPS - 2) * MATRIX);
    tape_destroy(tape);
}

/* A NaN that comes of adding up cotangents is found there. */
static void nan_of_a_sum(void) {
    for (int graph = 0; graph < 2; graph++) {
        Tape *tape = tape_create(HC_F64);
        tape_check_nan(tape, true);
        Tensor *x = tensor_leaf(tensor_scalar(tape, 0)), *large = tensor_scalar(tape, 1e308), *g;
        Tensor *y = tensor_mul(x, large);
        y = tensor_add(tensor_mul(x, large), y);
        y = tensor_sub(y, tensor_mul(x, large));
        y = tensor_mul_scalar(tensor_sub(y, tensor_mul(x, large)), 10);
        CHECK(y && !tensor_grad(y, &x, 1, &g, graph ? HC_CREATE_GRAPH : 0)); /* -inf, -inf, inf */
        CHECK(tape_status(tape) == HC_ERR_NAN);
        CHECK_ERROR("tensor_axpy: made a NaN");
        tape_destroy(tape);
    }
}

int main(void) {
    random_graphs();
    memory();
    nan_of_a_sum();
    return check_done();
}
