/* Linear algebra for graphs: parts of matrices, and factors, systems and determinants of t t^T + 2 I with t = tanh x,
 * or 0 where x is not finite on other numbers: it always has them. */
#include <math.h>
#include <string.h>

#include "fuzz/operations.h"

/* The last two axes, and how many matrices there are before them. */
typedef struct Size {
    size_t count, rows, cols;
} Size;

static bool size_of(const Naive *x, Size *s) {
    if (x->ndim < 2) return false;
    s->rows = x->dim[x->ndim - 2];
    s->cols = x->dim[x->ndim - 1];
    s->count = 1;
    for (int i = 0; i < x->ndim - 2; i++)
        s->count *= x->dim[i];
    return true;
}

/* x's leading axes, and up to two of these sizes. */
static bool shape_like(Naive *y, const Naive *x, int more, size_t rows, size_t cols) {
    size_t dim[NAIVE_DIMS + 2];
    int n = x->ndim - 2;
    for (int i = 0; i < n; i++)
        dim[i] = x->dim[i];
    dim[n] = more == 1 ? cols : rows;
    dim[n + 1] = cols;
    return n + more <= NAIVE_DIMS && naive_shape(y, n + more, dim);
}

/* ---- parts ------------------------------------------------------------------------------------- */

static bool triangle(Fuzz *z, Node *y) {
    int offset = (int)fuzz_below(z, 5) - 2;
    bool upper = fuzz_byte(z) & 1;
    const Node *x = fuzz_operand(z);
    Size s;
    if (!size_of(&x->value, &s)) return false;
    y->value = x->value;
    for (size_t i = 0; i < y->value.count; i++) {
        int above = (int)(i % s.cols) - (int)(i / s.cols % s.rows) - offset;
        if (upper ? above < 0 : above > 0) y->value.v[i] = num(0);
    }
    if (fuzz_usable(z, y))
        y->tensor = upper ? tensor_triu(x->tensor, offset) : tensor_tril(x->tensor, offset);
    return y->tensor != NULL;
}

/* The diagonal, or where asked its sum. */
static bool diagonal(Fuzz *z, Node *y) {
    bool summed = fuzz_byte(z) & 1;
    const Node *x = fuzz_operand(z);
    Size s;
    if (!size_of(&x->value, &s)) return false;
    size_t n = s.rows < s.cols ? s.rows : s.cols;
    if (!shape_like(&y->value, &x->value, summed ? 0 : 1, n, n)) return false;
    for (size_t b = 0; b < s.count; b++) {
        Num sum = num(0);
        for (size_t i = 0; i < n; i++) {
            Num own = x->value.v[(b * s.rows + i) * s.cols + i];
            sum = num_add(sum, own);
            if (!summed) y->value.v[b * n + i] = own;
        }
        if (summed) y->value.v[b] = sum;
    }
    if (fuzz_usable(z, y))
        y->tensor = summed ? tensor_trace(x->tensor) : tensor_diagonal(x->tensor, 0, -2, -1);
    return y->tensor != NULL;
}

/* ---- t t^T + 2 I --------------------------------------------------------------------------------- */

enum { MOST_ROWS = 9 };

typedef struct Square {
    size_t n;
    Num v[MOST_ROWS][MOST_ROWS];
} Square;

static Num tanh_of(Num x) {
    double t = tanh(x.f), slope = 1 - t * t;
    return num_of(x, t, slope, -2 * t * slope);
}

static Square product_of(const Num *x, Size s) {
    Square a = {.n = s.rows};
    for (size_t i = 0; i < s.rows; i++)
        for (size_t j = 0; j < s.rows; j++) {
            a.v[i][j] = num(i == j ? 2 : 0);
            for (size_t k = 0; k < s.cols; k++) {
                Num p = tanh_of(x[i * s.cols + k]), q = tanh_of(x[j * s.cols + k]);
                a.v[i][j] = num_add(a.v[i][j], num_mul(p, q));
            }
        }
    return a;
}

static Num root(Num x) {
    double r = sqrt(x.f);
    return num_of(x, r, 0.5 / r, -0.25 / (r * x.f));
}

static void factor(const Square *a, Num *l) {
    for (size_t i = 0; i < a->n; i++)
        for (size_t j = 0; j < a->n; j++) {
            Num x = j <= i ? a->v[i][j] : num(0);
            for (size_t p = 0; j <= i && p < j; p++)
                x = num_sub(x, num_mul(l[i * a->n + p], l[j * a->n + p]));
            l[i * a->n + j] = i == j ? root(x) : j < i ? num_div(x, l[j * a->n + j]) : x;
        }
}

/* b [n, width] becomes a^-1 b, row by row, and *det the product of the pivots. */
static void eliminate(Square a, Num *b, size_t width, Num *det) {
    *det = num(1);
    for (size_t p = 0; p < a.n; p++) {
        *det = num_mul(*det, a.v[p][p]);
        for (size_t i = 0; i < a.n; i++) {
            Num c = num_div(a.v[i][p], a.v[p][p]);
            for (size_t j = p; i != p && j < a.n; j++)
                a.v[i][j] = num_sub(a.v[i][j], num_mul(c, a.v[p][j]));
            for (size_t j = 0; i != p && j < width; j++)
                b[i * width + j] = num_sub(b[i * width + j], num_mul(c, b[p * width + j]));
        }
    }
    for (size_t i = 0; i < a.n * width; i++)
        b[i] = num_div(b[i], a.v[i / width][i / width]);
}

/* What flags leave of a, as a matrix. */
static Square part_of(const Square *a, unsigned flags) {
    Square t = {.n = a->n};
    for (size_t i = 0; i < a->n; i++)
        for (size_t j = 0; j < a->n; j++) {
            size_t r = flags & HC_TRANSPOSED ? j : i, c = flags & HC_TRANSPOSED ? i : j;
            bool kept = flags & HC_UPPER ? c >= r : c <= r;
            t.v[i][j] = r == c && (flags & HC_UNIT_DIAGONAL) ? num(1) : kept ? a->v[r][c] : num(0);
        }
    return t;
}

typedef enum Kind { CHOLESKY, INVERSE, SOLVE, TRIANGULAR, LOGDET, DET, KINDS } Kind;

static void compute(Kind kind, unsigned flags, const Num *x, Size s, Num *y) {
    Square a = product_of(x, s);
    size_t width = kind == INVERSE ? s.rows : kind == SOLVE || kind == TRIANGULAR ? s.cols : 0;
    Num det;
    if (kind == CHOLESKY) {
        factor(&a, y);
        return;
    }
    for (size_t i = 0; i < s.rows * width; i++)
        y[i] = kind == INVERSE ? num(i / s.rows == i % s.rows) : x[i];
    eliminate(kind == TRIANGULAR ? part_of(&a, flags) : a, y, width, &det);
    if (kind == DET) y[0] = det;
    if (kind == LOGDET) y[0] = num_of(det, log(det.f), 1 / det.f, -1 / (det.f * det.f));
}

static Tensor *build(Kind kind, unsigned flags, Tensor *x) {
    Tape *tape = tensor_tape(x);
    Tensor *two = tensor_diag(tensor_full(tape, shape1(tensor_dim(x, -2)), 2), 0);
    Tensor *t = tensor_where(tensor_isfinite(x), tensor_tanh(x), tensor_scalar(tape, 0));
    Tensor *a = tensor_add(tensor_matmul(t, tensor_transpose(t, -2, -1)), two);
    switch (kind) {
    case CHOLESKY:
        return tensor_cholesky(a);
    case INVERSE:
        return tensor_inverse(a);
    case SOLVE:
        return tensor_solve(a, x);
    case TRIANGULAR:
        return tensor_solve_triangular(a, x, flags);
    case LOGDET:
        return tensor_slogdet(a, NULL);
    default:
        return tensor_det(a);
    }
}

static bool system_of(Fuzz *z, Node *y) {
    Kind kind = (Kind)fuzz_below(z, KINDS);
    unsigned flags = (unsigned)fuzz_below(z, 8);
    const Node *x = fuzz_operand(z);
    Size s;
    if (!size_of(&x->value, &s) || s.rows > MOST_ROWS) return false;
    bool square = kind == CHOLESKY || kind == INVERSE, number = kind == LOGDET || kind == DET;
    if (!shape_like(&y->value, &x->value, number ? 0 : 2, s.rows, square ? s.rows : s.cols))
        return false;
    size_t step = number ? 1 : s.rows * (square ? s.rows : s.cols);
    for (size_t b = 0; b < s.count; b++)
        compute(kind, flags, x->value.v + b * s.rows * s.cols, s, y->value.v + b * step);
    if (fuzz_usable(z, y)) y->tensor = build(kind, flags, x->tensor);
    return y->tensor != NULL;
}

Operation *const fuzz_matrices[] = {triangle, diagonal, system_of, system_of};
const size_t fuzz_matrix_count = sizeof fuzz_matrices / sizeof *fuzz_matrices;
