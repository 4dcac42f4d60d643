/* Adam's fused update against the same in single operations: the same bits, derivatives of orders 1 to 3
 * equal and right by finite differences, whatever outputs are used, at a second moment of 0 too. */
#include <higherc/higherc.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ops/ops.h"
#include "support/check.h"

enum { N = 21, INPUTS = 5 };

static const double constants[HC_ADAM_K_CONSTANTS] = {0.9, 1 - 0.9, 0.99, 1 - 0.99, 3.1, 1e-3};

typedef bool MoveFn(Tensor *const *x, bool moments, Tensor **out);

static bool fused(Tensor *const *x, bool moments, Tensor **out) {
    return hc_adam(x[0], x[1], moments ? x[2] : NULL, moments ? x[3] : NULL, x[4], constants, out);
}

static bool single(Tensor *const *x, bool moments, Tensor **out) {
    Tensor *g2 = tensor_square(x[1]);
    out[1] = tensor_mul_scalar(x[1], constants[HC_ADAM_K_REST1]);
    out[2] = tensor_mul_scalar(g2, constants[HC_ADAM_K_REST2]);
    if (moments) {
        out[1] = tensor_add(out[1], tensor_mul_scalar(x[2], constants[HC_ADAM_K_BETA1]));
        out[2] = tensor_add(out[2], tensor_mul_scalar(x[3], constants[HC_ADAM_K_BETA2]));
    }
    Tensor *root = tensor_mul_scalar(hc_sqrt0(out[2]), constants[HC_ADAM_K_SCALE]);
    Tensor *d = tensor_div(out[1], tensor_add_scalar(root, constants[HC_ADAM_K_EPS]));
    out[0] = tensor_add(tensor_mul(x[4], d), x[0]);
    return out[0] != NULL;
}

/* Which outputs are used: bits of `use`. */
typedef struct Case {
    MoveFn *move;
    bool moments;
    unsigned use;
} Case;

static Tensor *value(Tensor *const *x, size_t count, void *user) {
    const Case *c = user;
    Tensor *out[3], *sum = NULL;
    (void)count;
    if (!c->move(x, c->moments, out)) return NULL;
    for (size_t i = 0; i < 3; i++) {
        if (!(c->use >> i & 1)) continue;
        Tensor *term = tensor_sum(tensor_sin(out[i]));
        sum = sum ? tensor_add(sum, term) : term;
    }
    return sum;
}

static void inputs(Tape *tape, Tensor **x, size_t n, bool zeros) {
    Rng rng = rng_seed(4);
    double values[INPUTS - 1][N];
    for (size_t j = 0; j < INPUTS - 1; j++)
        for (size_t i = 0; i < n; i++)
            values[j][i] = j == 3 ? 0.1 + rng_uniform(&rng) : 2 * rng_uniform(&rng) - 1;
    if (zeros) values[1][1] = values[2][1] = values[3][1] = 0;
    for (size_t j = 0; j < INPUTS - 1; j++)
        x[j] = tensor_leaf(tensor_from_f64(tape, shape2(n / 3, 3), values[j]));
    x[4] = tensor_leaf(tensor_scalar(tape, -0.07));
}

/* A derivative of each order, of both, in one list of numbers. */
static size_t derivatives(Tensor **x, const Case *c, double *out) {
    size_t used = 0, nin = INPUTS;
    Tensor *y = value(x, nin, (void *)(uintptr_t)c), *g[INPUTS];
    for (int order = 1; order <= 3; order++) {
        CHECK(tensor_grad(y, x, nin, g, HC_CREATE_GRAPH | HC_ZEROS));
        y = NULL;
        for (size_t j = 0; j < nin; j++) {
            size_t n = tensor_count(g[j]);
            CHECK(tensor_copy_to_f64(g[j], out + used, n));
            used += n;
            Tensor *term = tensor_sum(tensor_sin(g[j]));
            y = y ? tensor_add(y, term) : term;
        }
    }
    return used;
}

static void compare(bool moments, unsigned use, bool zeros) {
    Tape *tape = tape_create(HC_F64);
    Tensor *x[INPUTS], *a[3], *b[3];
    double fused_numbers[3 * INPUTS * N], single_numbers[3 * INPUTS * N];
    Case c = {fused, moments, use}, d = {single, moments, use};
    inputs(tape, x, N, zeros);
    CHECK(fused(x, moments, a) && single(x, moments, b));
    for (size_t i = 0; i < 3; i++)
        CHECK(memcmp(tensor_data(a[i]), tensor_data(b[i]), N * sizeof(double)) == 0);
    size_t count = derivatives(x, &c, fused_numbers);
    CHECK(count == derivatives(x, &d, single_numbers));
    for (size_t i = 0; i < count; i++)
        CHECK_NEAR(fused_numbers[i], single_numbers[i], 1e-10, 1e-11);
    tape_destroy(tape);
    if (zeros) return;
    tape = tape_create(HC_F64);
    GradcheckOptions options = gradcheck_options(HC_F64);
    options.order = 3;
    inputs(tape, x, 6, false);
    CHECK(gradcheck(value, x, INPUTS, options, &c));
    tape_destroy(tape);
}

/* In scratch, abstract and recorded sweeps the gradient has the same bits. */
static void sweeps(DType dtype) {
    Tape *tape = tape_create(dtype);
    Tensor *x[INPUTS], *g[INPUTS], *h[INPUTS];
    Case c = {fused, true, 7};
    inputs(tape, x, N, false);
    Tensor *y = value(x, INPUTS, &c);
    CHECK(tensor_grad(y, x, INPUTS, g, 0) && tensor_grad(y, x, INPUTS, h, HC_CREATE_GRAPH));
    for (size_t j = 0; j < INPUTS; j++)
        CHECK(memcmp(tensor_data(g[j]), tensor_data(h[j]),
                     tensor_count(g[j]) * (dtype == HC_F64 ? 8 : 4)) == 0);
    /* A part is a tensor like any other: its gradient can be asked for. */
    Tensor *out[3], *to;
    CHECK(fused(x, true, out));
    CHECK(tensor_grad(tensor_sum(tensor_square(out[1])), &out[1], 1, &to, 0));
    double m[N], gm[N];
    CHECK(tensor_copy_to_f64(out[1], m, N) && tensor_copy_to_f64(to, gm, N));
    for (size_t i = 0; i < N; i++)
        CHECK(gm[i] == 2 * m[i]);
    tape_destroy(tape);
}

int main(void) {
    for (unsigned use = 1; use < 8; use++)
        for (int moments = 0; moments < 2; moments++)
            for (int zeros = 0; zeros < 2; zeros++)
                compare(moments, use, zeros);
    sweeps(HC_F32);
    sweeps(HC_F64);
    return check_done();
}
