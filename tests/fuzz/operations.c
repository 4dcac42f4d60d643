#include "fuzz/operations.h"

#include <math.h>
#include <string.h>

unsigned fuzz_byte(Fuzz *z) {
    if (z->left == 0) return 0;
    z->left--;
    return *z->data++;
}

size_t fuzz_below(Fuzz *z, size_t n) {
    return fuzz_byte(z) % n;
}

double fuzz_number(Fuzz *z) {
    return ((int)fuzz_byte(z) - 128 + 0.37) / 64.3;
}

Node *fuzz_operand(Fuzz *z) {
    return &z->node[fuzz_below(z, z->count)];
}

bool fuzz_usable(Fuzz *z, const Node *y) {
    if (z->again) return z->at < z->fits && z->fit[z->at++];
    bool fit = z->fits < MOST_FITS && !z->bad && naive_sound(&y->value, z->most);
    if (z->fits < MOST_FITS) z->fit[z->fits++] = fit;
    return fit;
}

/* ---- one tensor ------------------------------------------------------------------------------ */

typedef struct Unary {
    Tensor *(*build)(Tensor *);
    Num (*of)(Num x);
    double low, high; /* where it is smooth and tame */
} Unary;

static Num neg_of(Num x) {
    return num_of(x, -x.f, -1, 0);
}
static Num square_of(Num x) {
    return num_of(x, x.f * x.f, 2 * x.f, 2);
}
static Num sqrt_of(Num x) {
    double r = sqrt(x.f);
    return num_of(x, r, 0.5 / r, -0.25 / (r * x.f));
}
static Num rsqrt_of(Num x) {
    double r = 1 / sqrt(x.f);
    return num_of(x, r, -0.5 * r / x.f, 0.75 * r / (x.f * x.f));
}
static Num exp_of(Num x) {
    return num_of(x, exp(x.f), exp(x.f), exp(x.f));
}
static Num log_of(Num x) {
    return num_of(x, log(x.f), 1 / x.f, -1 / (x.f * x.f));
}
static Num log1p_of(Num x) {
    double r = 1 / (1 + x.f);
    return num_of(x, log1p(x.f), r, -r * r);
}
static Num sin_of(Num x) {
    return num_of(x, sin(x.f), cos(x.f), -sin(x.f));
}
static Num cos_of(Num x) {
    return num_of(x, cos(x.f), -sin(x.f), -cos(x.f));
}
static Num tan_of(Num x) {
    double t = tan(x.f), d = 1 + t * t;
    return num_of(x, t, d, 2 * t * d);
}
static Num atan_of(Num x) {
    double d = 1 / (1 + x.f * x.f);
    return num_of(x, atan(x.f), d, -2 * x.f * d * d);
}
static Num asin_of(Num x) {
    double d = 1 / sqrt(1 - x.f * x.f);
    return num_of(x, asin(x.f), d, x.f * d * d * d);
}
static Num acos_of(Num x) {
    return num_sub(num(1.5707963267948966), asin_of(x));
}
static Num sinh_of(Num x) {
    return num_of(x, sinh(x.f), cosh(x.f), sinh(x.f));
}
static Num cosh_of(Num x) {
    return num_of(x, cosh(x.f), sinh(x.f), cosh(x.f));
}
static Num expm1_of(Num x) {
    return num_of(x, expm1(x.f), exp(x.f), exp(x.f));
}
static Num sinc_of(Num x) {
    Num turn = num_mul(x, num(3.141592653589793));
    return num_div(sin_of(turn), turn);
}
static Num tanh_of(Num x) {
    double t = tanh(x.f), d = 1 - t * t;
    return num_of(x, t, d, -2 * t * d);
}
static Num sigmoid_of(Num x) {
    double s = 1 / (1 + exp(-x.f)), d = s * (1 - s);
    return num_of(x, s, d, d * (1 - 2 * s));
}
static Num softplus_of(Num x) {
    double s = 1 / (1 + exp(-x.f));
    return num_of(x, log1p(exp(x.f)), s, s * (1 - s));
}
static Num silu_of(Num x) {
    return num_mul(x, sigmoid_of(x));
}
static Num erf_of(Num x) {
    double d = 1.1283791670955126 * exp(-x.f * x.f);
    return num_of(x, erf(x.f), d, -2 * x.f * d);
}
static Num gelu_of(Num x) {
    Num half = num_mul(num_add(erf_of(num_mul(x, num(0.70710678118654752))), num(1)), num(0.5));
    return num_mul(x, half);
}
static Num logsigmoid_of(Num x) {
    return neg_of(softplus_of(neg_of(x)));
}
static Num reciprocal_of(Num x) {
    return num_div(num(1), x);
}
static Num mish_of(Num x) {
    return num_mul(x, tanh_of(softplus_of(x)));
}
static Num relu_of(Num x) {
    return x.f > 0 ? x : num(0);
}
static Num abs_of(Num x) {
    return x.f > 0 ? x : neg_of(x);
}
static Num softsign_of(Num x) {
    return num_div(x, num_add(num(1), abs_of(x)));
}
static Num sign_of(Num x) {
    return num(x.f > 0 ? 1 : -1);
}
static Num same_of(Num x) {
    return x;
}
static Num value_of(Num x) {
    return num(x.f);
}

static const Unary unaries[] = {{tensor_neg, neg_of, -1e3, 1e3},
                                {tensor_square, square_of, -1e3, 1e3},
                                {tensor_sqrt, sqrt_of, 0.05, 1e3},
                                {tensor_rsqrt, rsqrt_of, 0.05, 1e3},
                                {tensor_exp, exp_of, -30, 6},
                                {tensor_log, log_of, 0.05, 1e3},
                                {tensor_log1p, log1p_of, -0.9, 1e3},
                                {tensor_sin, sin_of, -50, 50},
                                {tensor_cos, cos_of, -50, 50},
                                {tensor_tanh, tanh_of, -20, 20},
                                {tensor_tan, tan_of, -1.2, 1.2},
                                {tensor_atan, atan_of, -1e3, 1e3},
                                {tensor_asin, asin_of, -0.95, 0.95},
                                {tensor_acos, acos_of, -0.95, 0.95},
                                {tensor_sinh, sinh_of, -6, 6},
                                {tensor_cosh, cosh_of, -6, 6},
                                {tensor_expm1, expm1_of, -30, 6},
                                {tensor_sinc, sinc_of, 0.3, 20},
                                {tensor_logsigmoid, logsigmoid_of, -20, 20},
                                {tensor_reciprocal, reciprocal_of, 0.05, 1e3},
                                {tensor_softsign, softsign_of, -1e3, 1e3},
                                {tensor_mish, mish_of, -20, 20},
                                {tensor_sigmoid, sigmoid_of, -20, 20},
                                {tensor_softplus, softplus_of, -20, 20},
                                {tensor_silu, silu_of, -20, 20},
                                {tensor_erf, erf_of, -5, 5},
                                {tensor_gelu, gelu_of, -5, 5},
                                {tensor_relu, relu_of, -1e3, 1e3},
                                {tensor_abs, abs_of, -1e3, 1e3},
                                {tensor_sign, sign_of, -1e3, 1e3},
                                {tensor_clone, same_of, -1e3, 1e3},
                                {tensor_detach, value_of, -1e3, 1e3}};

static bool unary(Fuzz *z, Node *y) {
    const Unary *u = &unaries[fuzz_below(z, sizeof unaries / sizeof *unaries)];
    const Node *x = fuzz_operand(z);
    bool kinked = u->of == relu_of || u->of == abs_of || u->of == sign_of || u->of == softsign_of;
    y->value = x->value;
    for (size_t i = 0; i < x->value.count; i++) {
        Num v = x->value.v[i];
        if (v.f < u->low || v.f > u->high || (kinked && fabs(v.f) < z->margin)) z->bad = true;
        y->value.v[i] = u->of(v);
    }
    if (fuzz_usable(z, y)) y->tensor = u->build(x->tensor);
    return y->tensor != NULL;
}

static bool with_number(Fuzz *z, Node *y) {
    unsigned kind = fuzz_byte(z) % 7;
    double c = fuzz_number(z);
    const Node *x = fuzz_operand(z);
    y->value = x->value;
    for (size_t i = 0; i < x->value.count; i++) {
        Num v = x->value.v[i], *to = &y->value.v[i];
        if (kind == 0) *to = num_add(v, num(c));
        if (kind == 1) *to = num_sub(v, num(c));
        if (kind == 2) *to = num_mul(v, num(c));
        if (kind == 3) *to = num_div(v, num(c));
        if (kind == 4) {
            *to = num_of(v, pow(v.f, c), c * pow(v.f, c - 1), c * (c - 1) * pow(v.f, c - 2));
            z->bad = z->bad || v.f < 0.05;
        }
        if (kind == 5) *to = v.f > 0 ? v : num_mul(v, num(c));
        if (kind == 6) *to = v.f > 0 ? v : num_of(v, c * expm1(v.f), c * exp(v.f), c * exp(v.f));
        if (kind > 4 && fabs(v.f) < z->margin) z->bad = true;
    }
    if (!fuzz_usable(z, y)) return false;
    Tensor *(*const build[])(Tensor *, double) = {
        tensor_add_scalar, tensor_sub_scalar, tensor_mul_scalar, tensor_div_scalar,
        tensor_pow_scalar, tensor_leaky_relu, tensor_elu};
    y->tensor = build[kind](x->tensor, c);
    return y->tensor != NULL;
}

static bool clamp(Fuzz *z, Node *y) {
    const Node *x = fuzz_operand(z);
    double low = fuzz_number(z) - 1, high = low + 1.7;
    y->value = x->value;
    for (size_t i = 0; i < x->value.count; i++) {
        double f = x->value.v[i].f;
        if (fabs(f - low) < z->margin || fabs(f - high) < z->margin) z->bad = true;
        if (f < low) y->value.v[i] = num(low);
        if (f > high) y->value.v[i] = num(high);
    }
    if (fuzz_usable(z, y)) y->tensor = tensor_clamp(x->tensor, low, high);
    return y->tensor != NULL;
}

/* ---- two and three tensors ------------------------------------------------------------------- */

static bool binary(Fuzz *z, Node *y) {
    unsigned kind = fuzz_byte(z) % 12;
    const Node *a = fuzz_operand(z), *b = fuzz_operand(z);
    if (!naive_join(&y->value, &a->value, &b->value)) return false;
    for (size_t i = 0; i < y->value.count; i++) {
        Num p = a->value.v[naive_broadcast(&a->value, &y->value, i)];
        Num q = b->value.v[naive_broadcast(&b->value, &y->value, i)], *to = &y->value.v[i];
        if (kind == 0) *to = num_add(p, q);
        if (kind == 1) *to = num_sub(p, q);
        if (kind == 2) *to = num_mul(p, q);
        if (kind == 3) {
            *to = num_div(p, q);
            z->bad = z->bad || fabs(q.f) < 0.05;
        }
        if (kind == 4) { /* exp(q log p) */
            z->bad = z->bad || p.f < 0.05 || fabs(q.f) < 1e-3;
            *to = exp_of(num_mul(q, log_of(p)));
        }
        if (kind == 5) *to = p.f > q.f ? p : q;
        if (kind == 6) *to = p.f < q.f ? p : q;
        if (kind == 7) *to = num(p.f > q.f);
        if (kind == 8) *to = num(p.f <= q.f);
        if (kind > 4 && kind < 9 && fabs(p.f - q.f) < z->margin) z->bad = true;
        if (kind == 9) *to = num_add(q, softplus_of(num_sub(p, q)));
        Num square = num_add(square_of(p), square_of(q));
        if (kind > 9 && (square.f < 0.05 || p.f < 0.01)) z->bad = true;
        if (kind == 10) *to = sqrt_of(square);
        if (kind == 11) *to = num_sub(num(1.5707963267948966), atan_of(num_div(q, p)));
    }
    if (!fuzz_usable(z, y)) return false;
    y->exact = kind == 7 || kind == 8;
    Tensor *(*const build[])(Tensor *, Tensor *) = {
        tensor_add,     tensor_sub, tensor_mul, tensor_div,       tensor_pow,   tensor_maximum,
        tensor_minimum, tensor_gt,  tensor_le,  tensor_logaddexp, tensor_hypot, tensor_atan2};
    y->tensor = build[kind](a->tensor, b->tensor);
    return y->tensor != NULL;
}

static bool where(Fuzz *z, Node *y) {
    const Node *p = fuzz_operand(z), *a = fuzz_operand(z), *b = fuzz_operand(z);
    Naive both;
    if (!naive_join(&both, &a->value, &b->value) || !naive_join(&y->value, &both, &p->value))
        return false;
    for (size_t i = 0; i < y->value.count; i++) {
        double f = p->value.v[naive_broadcast(&p->value, &y->value, i)].f;
        const Node *from = f != 0 ? a : b;
        if (!p->exact && fabs(f) < z->margin) z->bad = true;
        y->value.v[i] = from->value.v[naive_broadcast(&from->value, &y->value, i)];
    }
    if (fuzz_usable(z, y)) y->tensor = tensor_where(p->tensor, a->tensor, b->tensor);
    return y->tensor != NULL;
}

static bool matmul(Fuzz *z, Node *y) {
    const Node *a = fuzz_operand(z), *b = fuzz_operand(z);
    Naive turned = b->value;
    bool turn = fuzz_byte(z) & 1;
    int n = b->value.ndim;
    if (turn && n >= 2) { /* a b^T, read in place */
        turned.dim[n - 1] = b->value.dim[n - 2];
        turned.dim[n - 2] = b->value.dim[n - 1];
        for (size_t i = 0; i < turned.count; i++) {
            size_t place[NAIVE_DIMS] = {0}, swap;
            naive_place(&b->value, i, place);
            swap = place[n - 1];
            place[n - 1] = place[n - 2];
            place[n - 2] = swap;
            turned.v[naive_at(&turned, place)] = b->value.v[i];
        }
    }
    if (!naive_matmul(&y->value, &a->value, &turned) || !fuzz_usable(z, y)) return false;
    Tensor *right = turn ? tensor_transpose(b->tensor, -1, -2) : b->tensor;
    y->tensor = tensor_matmul(a->tensor, right);
    return y->tensor != NULL;
}

/* ---- reductions and softmax ------------------------------------------------------------------ */

static bool reduction(Fuzz *z, Node *y) {
    static NaiveFold *const folds[] = {naive_sum,  naive_mean,      naive_max,  naive_min,
                                       naive_norm, naive_logsumexp, naive_prod, naive_var};
    Tensor *(*const build[])(Tensor *, const int *, size_t, bool) = {
        tensor_sum_axes,  tensor_mean_axes,      tensor_max_axes, tensor_min_axes,
        tensor_norm_axes, tensor_logsumexp_axes, tensor_prod_axes};
    unsigned kind = fuzz_byte(z) % 8, mask = fuzz_byte(z);
    bool keep = mask >> 7;
    const Node *x = fuzz_operand(z);
    int axes[NAIVE_DIMS];
    size_t count = 0;
    mask &= (1u << x->value.ndim) - 1;
    for (int i = x->value.ndim; i-- > 0;)
        if (mask >> i & 1) axes[count++] = i & 1 ? i : i - x->value.ndim;
    if (!naive_reduce(&y->value, &x->value, mask, keep, folds[kind], &z->bad) || !fuzz_usable(z, y))
        return false;
    y->tensor = kind == 7 ? tensor_var_axes(x->tensor, axes, count, 1, keep)
                          : build[kind](x->tensor, axes, count, keep);
    return y->tensor != NULL;
}

static bool softmax(Fuzz *z, Node *y) {
    const Node *x = fuzz_operand(z);
    bool logarithm = fuzz_byte(z) & 1;
    if (x->value.ndim == 0 || x->value.count == 0) return false;
    int axis = (int)fuzz_below(z, (size_t)x->value.ndim);
    naive_softmax(&y->value, &x->value, axis, logarithm);
    for (size_t i = 0; i < x->value.count; i++)
        z->bad = z->bad || fabs(x->value.v[i].f) > 50;
    if (fuzz_usable(z, y))
        y->tensor =
            logarithm ? tensor_log_softmax(x->tensor, axis) : tensor_softmax(x->tensor, axis);
    return y->tensor != NULL;
}

static Operation *const operations[] = {unary, unary,  binary, binary,    with_number, clamp,
                                        where, matmul, matmul, reduction, softmax};
enum { OWN = sizeof operations / sizeof *operations };

Operation *fuzz_operation(Fuzz *z) {
    unsigned byte = fuzz_byte(z);
    if (byte >= 128) return fuzz_layers[byte % fuzz_layer_count];
    size_t i = byte % (OWN + fuzz_matrix_count + fuzz_move_count);
    if (i < OWN) return operations[i];
    i -= OWN;
    return i < fuzz_matrix_count ? fuzz_matrices[i] : fuzz_moves[i - fuzz_matrix_count];
}
