/* Linear algebra: factors multiplied back, systems put in, determinants by their definition, parts by plain loops; what
 * is singular, not positive definite, NaN or empty; one set of matrices in a Program that meets a bad one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops/ops.h"
#include "support/refuse.h"

enum { ROOM = 3 * 150 * 150 };

static Rng rng;
static double numbers[ROOM], others[ROOM];

/* How far numbers about 1 may be off that went through sums of n. */
static double rounding(const Tensor *x, size_t n) {
    return (tensor_dtype(x) == HC_F32 ? 0x1p-23 : 0x1p-52) * 16 * (double)(n + 1);
}

static void check_equal(Tensor *x, Tensor *want, double within) {
    CHECK(shape_equal(tensor_shape(x), tensor_shape(want)) && tensor_count(x) <= ROOM);
    if (!x || !want || tensor_count(x) != tensor_count(want) || tensor_count(x) > ROOM) {
        printf("  %s\n", higherc_error() ? higherc_error() : "");
        exit(check_done());
    }
    CHECK(tensor_copy_to_f64(x, numbers, tensor_count(x)) &&
          tensor_copy_to_f64(want, others, tensor_count(x)));
    for (size_t i = 0; i < tensor_count(x); i++)
        CHECK_NEAR(numbers[i], others[i], 0, within);
}

/* [..., n, n] about 1 on the diagonal, so that all systems are well posed. */
static Tensor *matrices(Tape *tape, Shape shape) {
    size_t n = shape.dim[shape.ndim - 1];
    Tensor *noise = tensor_uniform(tape, shape, -1, 1, &rng);
    return tensor_add(tensor_mul_scalar(noise, n ? 1.0 / (double)n : 1),
                      tensor_diag(tensor_ones(tape, shape1(n)), 0));
}

static Tensor *transposed(Tensor *x) {
    return tensor_transpose(x, -1, -2);
}

static Tensor *last(Tensor *x) {
    return tensor_unsqueeze(x, -1);
}

/* ---- factors and systems --------------------------------------------------------------------- */

static void triangular(Tensor *a, Tensor *b, size_t n) {
    for (unsigned flags = 0; flags < 8; flags++) {
        Tensor *part = flags & HC_UPPER ? tensor_triu(a, 0) : tensor_tril(a, 0);
        if (flags & HC_UNIT_DIAGONAL) {
            Tensor *diagonal = tensor_diag(tensor_diagonal(part, 0, -2, -1), 0);
            part = tensor_add(tensor_sub(part, diagonal),
                              tensor_diag(tensor_ones(tensor_tape(a), shape1(n)), 0));
        }
        if (flags & HC_TRANSPOSED) part = transposed(part);
        Tensor *x = tensor_solve_triangular(a, b, flags);
        Tensor *back = tensor_ndim(b) == 1 ? tensor_squeeze(tensor_matmul(part, last(x)), -1)
                                           : tensor_matmul(part, x);
        check_equal(back, tensor_add(tensor_zeros(tensor_tape(a), tensor_shape(back)), b),
                    rounding(a, n));
    }
}

static void systems(Tape *tape, Shape sa, Shape sb) {
    size_t n = sa.dim[sa.ndim - 1];
    Tensor *a = matrices(tape, sa), *b = tensor_uniform(tape, sb, -1, 1, &rng);
    bool vector = sb.ndim == 1;
    Tensor *x = tensor_solve(a, b), *back = tensor_matmul(a, vector ? last(x) : x);
    back = vector ? tensor_squeeze(back, -1) : back;
    check_equal(back, tensor_add(tensor_zeros(tape, tensor_shape(back)), b), rounding(a, n));
    check_equal(tensor_solve(transposed(a), b), tensor_solve(tensor_clone(transposed(a)), b), 0);
    triangular(a, b, n);

    Tensor *spd = tensor_matmul(a, transposed(a)), *l = tensor_cholesky(spd);
    check_equal(tensor_matmul(l, transposed(l)), spd, rounding(a, n));
    check_equal(l, tensor_tril(l, 0), 0);
    check_equal(tensor_cholesky_solve(b, l), tensor_solve(spd, b), 100 * rounding(a, n));
    Tensor *one = tensor_add(tensor_zeros(tape, sa), tensor_diag(tensor_ones(tape, shape1(n)), 0));
    check_equal(tensor_matmul(a, tensor_inverse(a)), one, 8 * rounding(a, n));
}

/* The sum over permutations, by the first row. */
static double determinant(const double *a, size_t n, unsigned used, size_t row) {
    double sum = 0, sign = 1;
    if (row == n) return 1;
    for (size_t j = 0; j < n; j++) {
        if (used >> j & 1) continue;
        sum += sign * a[row * n + j] * determinant(a, n, used | 1u << j, row + 1);
        sign = -sign;
    }
    return sum;
}

static void determinants(Tape *tape) {
    for (size_t n = 0; n <= 6; n++) {
        Tensor *a = tensor_uniform(tape, shape3(5, n, n), -2, 2, &rng), *sign = NULL;
        Tensor *det = tensor_det(a), *log = tensor_slogdet(a, &sign);
        double values[5], logs[5], signs[5];
        CHECK(tensor_copy_to_f64(a, numbers, 5 * n * n) && tensor_copy_to_f64(det, values, 5));
        CHECK(tensor_copy_to_f64(log, logs, 5) && tensor_copy_to_f64(sign, signs, 5));
        CHECK(!tensor_requires_grad(sign));
        for (size_t i = 0; i < 5; i++) {
            double want = determinant(numbers + i * n * n, n, 0, 0),
                   near = rounding(a, n) * pow(4, (double)n);
            CHECK_NEAR(values[i], want, 0, near);
            CHECK_NEAR(signs[i] * exp(logs[i]), want, 0, near);
            CHECK(signs[i] == (want > 0) - (want < 0));
        }
    }
}

/* Sizes at which kernels work in blocks: to a, log |det a| has a^-T; x = a^-1 b has -(a^-T g) x^T. */
static void large_gradients(Tape *tape, size_t n) {
    Tensor *a = tensor_leaf(matrices(tape, shape2(n, n))),
           *b = tensor_leaf(tensor_uniform(tape, shape2(n, 3), -1, 1, &rng));
    Tensor *in[2] = {a, b}, *g[2];
    CHECK(tensor_grad(tensor_slogdet(a, NULL), in, 1, g, 0));
    check_equal(g[0], transposed(tensor_inverse(a)), rounding(a, n));
    Tensor *x = tensor_solve(a, b);
    CHECK(tensor_grad(tensor_mul_scalar(tensor_sum(tensor_square(x)), 0.5), in, 2, g, 0));
    Tensor *gb = tensor_solve(transposed(a), x);
    check_equal(g[1], gb, rounding(a, n));
    check_equal(g[0], tensor_neg(tensor_matmul(gb, transposed(x))), 8 * rounding(a, n));
    /* log det of L L^T by either factorization, with respect to the matrix: its inverse. */
    Tensor *spd = tensor_leaf(tensor_matmul(a, transposed(a)));
    Tensor *half = tensor_sum(tensor_log(tensor_diagonal(tensor_cholesky(spd), 0, -2, -1)));
    CHECK(tensor_grad(tensor_mul_scalar(half, 2), &spd, 1, g, 0));
    check_equal(g[0], tensor_inverse(spd), 200 * rounding(a, n));
    check_equal(g[0], transposed(g[0]), 0);
}

/* ---- parts ----------------------------------------------------------------------------------- */

static void parts(Tape *tape) {
    Tensor *x = tensor_uniform(tape, shape3(2, 3, 5), 1, 2, &rng);
    double in[30], out[200];
    CHECK(tensor_copy_to_f64(x, in, 30));
    for (int offset = -4; offset <= 6; offset++) {
        for (int upper = 0; upper < 2; upper++) {
            Tensor *y = upper ? tensor_triu(x, offset) : tensor_tril(x, offset);
            CHECK(tensor_copy_to_f64(y, out, 30));
            for (int i = 0; i < 30; i++) {
                int above = i % 5 - i / 5 % 3 - offset;
                CHECK(out[i] == ((upper ? above >= 0 : above <= 0) ? in[i] : 0));
            }
        }
        Tensor *y = tensor_diagonal(x, offset, 1, 2);
        size_t n = 0;
        for (int i = 0; i < 3; i++)
            n += i + offset >= 0 && i + offset < 5;
        CHECK(shape_equal(tensor_shape(y), shape2(2, n)) && tensor_copy_to_f64(y, out, 2 * n));
        for (size_t b = 0, at = 0; b < 2; b++)
            for (int i = 0; i < 3; i++)
                if (i + offset >= 0 && i + offset < 5)
                    CHECK(out[at++] == in[b * 15 + (size_t)(i * 5 + i + offset)]);
        y = tensor_diag(tensor_slice(x, 2, 0, 2, 1), offset); /* [2, 3, 2] */
        size_t m = 2 + (size_t)(offset < 0 ? -offset : offset);
        CHECK(shape_equal(tensor_shape(y), shape4(2, 3, m, m)));
        check_equal(tensor_diagonal(y, offset, -2, -1), tensor_slice(x, 2, 0, 2, 1), 0);
        CHECK_NEAR(tensor_item(tensor_sum(y)), tensor_item(tensor_sum(tensor_slice(x, 2, 0, 2, 1))),
                   1e-6, 0);
    }
    Tensor *turned = tensor_diagonal(x, 1, 2, 0); /* row 2's number i with matrix i + 1 */
    CHECK(shape_equal(tensor_shape(turned), shape2(3, 1)) && tensor_copy_to_f64(turned, out, 3));
    for (size_t i = 0; i < 3; i++)
        CHECK(out[i] == in[15 + 5 * i]);
    Tensor *trace = tensor_trace(x);
    CHECK(shape_equal(tensor_shape(trace), shape1(2)) && tensor_copy_to_f64(trace, out, 2));
    for (size_t b = 0; b < 2; b++)
        CHECK_NEAR(out[b], in[b * 15] + in[b * 15 + 6] + in[b * 15 + 12], 1e-6, 0);
    Tensor *outer = tensor_outer(x, tensor_slice(x, 1, 0, 1, 1));
    CHECK(shape_equal(tensor_shape(outer), shape4(2, 3, 5, 5)) &&
          tensor_copy_to_f64(outer, out, 150));
    for (size_t i = 0; i < 150; i++)
        CHECK_NEAR(out[i], in[i / 5] * in[i / 75 * 15 + i % 5], 1e-6, 0);
}

/* ---- nothing, and one number ----------------------------------------------------------------- */

static void empty(Tape *tape) {
    const Shape shapes[] = {shape2(0, 0), shape3(0, 3, 3), shape3(2, 0, 0)};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        Shape s = shapes[i], wide = s;
        wide.dim[s.ndim - 1] = 2;
        Tensor *a = tensor_leaf(tensor_zeros(tape, s)), *b = tensor_leaf(tensor_zeros(tape, wide)),
               *sign;
        Tensor *in[2] = {a, b}, *g[2];
        Tensor *x = tensor_add(tensor_solve(a, b), tensor_solve_triangular(a, b, HC_UPPER));
        CHECK(shape_equal(tensor_shape(x), wide));
        Tensor *y = tensor_add(tensor_inverse(a),
                               tensor_cholesky(tensor_add(tensor_tril(a, 0), tensor_triu(a, 1))));
        Tensor *sum = tensor_add(tensor_sum(x), tensor_sum(y));
        sum = tensor_add(sum, tensor_sum(tensor_add(tensor_det(a), tensor_slogdet(a, &sign))));
        sum =
            tensor_add(sum, tensor_sum(tensor_add(tensor_trace(a), tensor_sum(tensor_diag(a, 1)))));
        CHECK(tensor_grad(tensor_square(sum), in, 2, g, HC_CREATE_GRAPH));
        CHECK(shape_equal(tensor_shape(g[0]), s) && shape_equal(tensor_shape(g[1]), wide));
        CHECK(tensor_item(tensor_sum(tensor_det(a))) == (i == 0 ? 1 : i == 1 ? 0 : 2));
    }
    Tensor *none = tensor_zeros(tape, shape2(3, 0)), *one = tensor_full(tape, shape2(1, 1), 4),
           *sign;
    Tensor *a = matrices(tape, shape2(3, 3));
    CHECK(shape_equal(tensor_shape(tensor_solve(a, none)), shape2(3, 0)));
    CHECK(shape_equal(tensor_shape(tensor_solve_triangular(a, none, 0)), shape2(3, 0)));
    CHECK(tensor_item(tensor_cholesky(one)) == 2 && tensor_item(tensor_inverse(one)) == 0.25);
    CHECK(tensor_item(tensor_det(tensor_neg(one))) == -4 &&
          tensor_item(tensor_solve(one, one)) == 1);
    CHECK_NEAR(tensor_item(tensor_slogdet(tensor_neg(one), &sign)), log(4), 1e-6, 0);
    CHECK(tensor_item(sign) == -1);
}

/* ---- what has no factors --------------------------------------------------------------------- */

#define SAYS(call, text)                                                                           \
    do {                                                                                           \
        CHECK(!(call));                                                                            \
        CHECK(tape_status(tape) == HC_ERR_RANGE);                                                  \
        CHECK_ERROR(text);                                                                         \
        tape_clear_error(tape);                                                                    \
    } while (0)

/* Three matrices, ones on the diagonal; number 1 has `value` at its row 2, column `column`. */
static Tensor *spoilt(Tape *tape, size_t column, double value) {
    double a[27] = {0};
    for (size_t i = 0; i < 9; i++)
        a[i * 3 + i % 3] = 1;
    a[9 + 6 + column] = value;
    return tensor_leaf(tensor_from_f64(tape, shape3(3, 3, 3), a));
}

static void refused(Tape *tape) {
    const double nan = (double)NAN, infinite = (double)INFINITY;
    Tensor *b = tensor_ones(tape, shape2(3, 2)), *g, *sign;
    for (int i = 0; i < 5; i++) {
        double pivot = i == 0 ? -1 : i == 1 ? 0 : i == 2 ? nan : i == 3 ? infinite : -infinite;
        SAYS(tensor_cholesky(spoilt(tape, 2, pivot)),
             "tensor_cholesky: matrix 1 is not positive definite: pivot 2");
    }
    SAYS(tensor_cholesky(spoilt(tape, 1, nan)),
         "tensor_cholesky: matrix 1 is not positive definite: pivot 2");
    Tensor *singular = spoilt(tape, 2, 0);
    SAYS(tensor_solve(singular, b), "tensor_solve: matrix 1 is singular: pivot 2");
    SAYS(tensor_inverse(singular), "tensor_inverse: matrix 1 is singular: pivot 2");
    SAYS(tensor_solve_triangular(singular, b, HC_UPPER),
         "tensor_solve_triangular: matrix 1 is singular: pivot 2");
    SAYS(tensor_cholesky_solve(b, singular),
         "tensor_cholesky_solve: matrix 1 is singular: pivot 2");
    CHECK(tensor_solve_triangular(singular, b, HC_UNIT_DIAGONAL) != NULL);

    double values[3], signs[3], x[6];
    Tensor *det = tensor_det(singular), *log = tensor_slogdet(singular, &sign);
    CHECK(tensor_copy_to_f64(det, values, 3) && values[0] == 1 && values[1] == 0 &&
          !signbit(values[1]));
    CHECK(tensor_copy_to_f64(log, values, 3) && tensor_copy_to_f64(sign, signs, 3));
    CHECK(values[0] == 0 && isinf(values[1]) && values[1] < 0 && signs[0] == 1 && signs[1] == 0);
    SAYS(tensor_grad(tensor_sum(det), &singular, 1, &g, 0),
         "tensor_solve: matrix 1 is singular: pivot 2");
    SAYS(tensor_grad(tensor_sum(log), &singular, 1, &g, 0),
         "tensor_solve: matrix 1 is singular: pivot 2");

    Tensor *with_nan = tensor_reshape(tensor_slice(spoilt(tape, 0, nan), 0, 1, 2, 1), shape2(3, 3));
    CHECK(tensor_copy_to_f64(tensor_solve(with_nan, b), x, 6) && isnan(x[4]) && isnan(x[5]));
    CHECK(tensor_copy_to_f64(tensor_solve_triangular(with_nan, b, 0), x, 6) && isnan(x[4]) &&
          x[0] == 1);
    CHECK(isnan(tensor_item(tensor_det(with_nan))) &&
          isnan(tensor_item(tensor_slogdet(with_nan, &sign))));
    CHECK(isnan(tensor_item(sign)));
}

static void misshapen(Tape *tape) {
    Tensor *a = tensor_ones(tape, shape2(2, 3)), *s = tensor_ones(tape, shape2(3, 3)),
           *v = tensor_ones(tape, shape1(2));
    Tensor *many = tensor_ones(tape, shape3(2, 3, 3)), *more = tensor_ones(tape, shape3(4, 3, 1));
    Tensor *scalar = tensor_scalar(tape, 1);
    const size_t ones[HC_MAX_DIMS] = {1, 1, 1, 1, 1, 1, 1, 1};
    WRONG(HC_ERR_SHAPE, tensor_cholesky(a));
    WRONG(HC_ERR_SHAPE, tensor_cholesky(v));
    WRONG(HC_ERR_SHAPE, tensor_inverse(a));
    WRONG(HC_ERR_SHAPE, tensor_det(v));
    WRONG(HC_ERR_SHAPE, tensor_slogdet(a, NULL));
    WRONG(HC_ERR_SHAPE, tensor_solve(a, v));
    WRONG(HC_ERR_SHAPE, tensor_solve(s, v));
    WRONG(HC_ERR_SHAPE, tensor_solve(s, a));
    WRONG(HC_ERR_SHAPE, tensor_solve(s, scalar));
    WRONG(HC_ERR_SHAPE, tensor_solve_triangular(s, a, 0));
    CHECK(!tensor_solve(many, more));
    CHECK_ERROR("tensor_solve: (2, 3, 3) x (4, 3, 1): leading axes do not broadcast");
    tape_clear_error(tape);
    WRONG(HC_ERR_SHAPE, tensor_cholesky_solve(more, many));
    WRONG(HC_ERR_ARG, tensor_solve_triangular(s, s, 8));
    WRONG(HC_ERR_SHAPE, tensor_tril(v, 0));
    WRONG(HC_ERR_SHAPE, tensor_triu(scalar, 0));
    WRONG(HC_ERR_SHAPE, tensor_trace(v));
    WRONG(HC_ERR_SHAPE, tensor_diagonal(v, 0, 0, 0));
    WRONG(HC_ERR_SHAPE, tensor_diagonal(a, 0, 1, -1));
    WRONG(HC_ERR_SHAPE, tensor_diagonal(a, 0, 0, 2));
    WRONG(HC_ERR_SHAPE, tensor_diag(scalar, 0));
    WRONG(HC_ERR_SHAPE, tensor_diag(tensor_ones(tape, shape_of(ones, HC_MAX_DIMS)), 0));
    WRONG(HC_ERR_SHAPE, tensor_diag(v, INT32_MIN));
    WRONG(HC_ERR_SHAPE, tensor_outer(v, scalar));
}

/* ---- a Program ------------------------------------------------------------------------------- */

typedef Tensor *OfMatrix(Tensor *a);

static Tensor *factor_of(Tensor *a) {
    return tensor_sum(tensor_cholesky(tensor_matmul(a, transposed(a))));
}

static Tensor *solution_of(Tensor *a) {
    return tensor_sum(tensor_solve(a, tensor_ones(tensor_tape(a), shape1(3))));
}

/* Captured on one matrix, run on another, a bad one, and that again. */
static void replayed(DType dtype, OfMatrix *fn, const char *says) {
    static const double first[9] = {3, 1, 0, 1, 2, -1, 0.5, 0, 1},
                        good[9] = {1, 1, 0, 1, 4, 1, 0.5, 0, 2},
                        bad[9] = {2, 0, 0, 0, 0, 0, 0, 0, 1};
    Tape *tape = tape_create(dtype);
    Shape shape = shape2(3, 3);
    Tensor *a = tensor_from_f64(tape, shape, first), *leaf = tensor_leaf(a), *out[2];
    out[0] = fn(leaf);
    CHECK(tensor_grad(out[0], &leaf, 1, out + 1, 0));
    Program *p = program_capture(tape, &a, 1, out, 2, NULL);
    tape_reset(tape);
    double want = tensor_item(fn(tensor_from_f64(tape, shape, good)));
    CHECK(p && program_set_f64(p, 0, shape, good) && program_run(p) && program_item(p, 0) == want);
    CHECK(program_set_f64(p, 0, shape, bad) && !program_run(p) && higherc_status() == HC_ERR_RANGE);
    CHECK_ERROR(says);
    CHECK(program_set_f64(p, 0, shape, good) && program_run(p) && program_item(p, 0) == want);
    program_destroy(p);
    tape_destroy(tape);
}

int main(void) {
    for (int dtype = 0; dtype < 2; dtype++) {
        Tape *tape = tape_create((DType)dtype);
        rng = rng_seed(12);
        systems(tape, shape2(1, 1), shape2(1, 1));
        systems(tape, shape2(3, 3), shape1(3));
        systems(tape, shape2(5, 5), shape3(2, 5, 4));
        systems(tape, shape3(3, 20, 20), shape2(20, 7));
        systems(tape, shape3(2, 9, 9), shape1(9));
        systems(tape, shape4(2, 1, 6, 6), shape3(3, 6, 5));
        systems(tape, shape2(100, 100), shape2(100, 70));
        determinants(tape);
        large_gradients(tape, 20);
        large_gradients(tape, 130);
        parts(tape);
        empty(tape);
        refused(tape);
        misshapen(tape);
        CHECK(tape_status(tape) == HC_OK);
        tape_destroy(tape);
        replayed((DType)dtype, factor_of,
                 "tensor_cholesky: matrix 0 is not positive definite: pivot 1");
        replayed((DType)dtype, solution_of, "tensor_solve: matrix 0 is singular: pivot 1");
    }
    return check_done();
}
