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
    static NaiveFold *const folds[] = {naive_sum,  naive_mean,      naive_max, naive_min,
                                       naive_norm, naive_logsumexp, naive_var};
    Tensor *(*const build[])(Tensor *, const int *, size_t,
                             bool) = {tensor_sum_axes, tensor_mean_axes, tensor_max_axes,
                                      tensor_min_axes, tensor_norm_axes, tensor_logsumexp_axes};
    unsigned kind = fuzz_byte(z) % 7, mask = fuzz_byte(z);
    bool keep = mask >> 7;
    const Node *x = fuzz_operand(z);
    int axes[NAIVE_DIMS];
    size_t count = 0;
    mask &= (1u << x->value.ndim) - 1;
    for (int i = x->value.ndim; i-- > 0;)
        if (mask >> i & 1) axes[count++] = i & 1 ? i : i - x->value.ndim;
    if (!naive_reduce(&y->value, &x->value, mask, keep, folds[kind], &z->bad) || !fuzz_usable(z, y))
        return false;
    y->tensor = kind == 6 ? tensor_var_axes(x->tensor, axes, count, 1, keep)
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

/* ---- movement -------------------------------------------------------------------------------- */

static bool permute(Fuzz *z, Node *y) {
    const Node *x = fuzz_operand(z);
    int n = x->value.ndim, axes[NAIVE_DIMS] = {0, 1, 2, 3};
    size_t dim[NAIVE_DIMS], from[NAIVE_DIMS] = {0}, to[NAIVE_DIMS] = {0};
    for (int i = n; i > 1; i--) {
        size_t j = fuzz_below(z, (size_t)i);
        int t = axes[i - 1];
        axes[i - 1] = axes[j];
        axes[j] = t;
    }
    for (int i = 0; i < n; i++)
        dim[i] = x->value.dim[axes[i]];
    naive_shape(&y->value, n, dim);
    for (size_t k = 0; k < x->value.count; k++) {
        naive_place(&x->value, k, from);
        for (int i = 0; i < n; i++)
            to[i] = from[axes[i]];
        y->value.v[naive_at(&y->value, to)] = x->value.v[k];
    }
    y->tensor = tensor_permute(x->tensor, axes, (size_t)n);
    return y->tensor != NULL;
}

static bool reshape(Fuzz *z, Node *y) {
    const Node *x = fuzz_operand(z);
    size_t dim[NAIVE_DIMS] = {1, 1, 1, 1}, rest = x->value.count;
    int ndim = 1 + (int)fuzz_below(z, NAIVE_DIMS);
    for (int i = 0; i + 1 < ndim && rest > 0; i++) {
        size_t d = 1 + fuzz_below(z, 4);
        dim[i] = rest % d == 0 ? d : 1;
        rest /= dim[i];
    }
    dim[ndim - 1] = rest;
    naive_shape(&y->value, ndim, dim);
    memcpy(y->value.v, x->value.v, sizeof y->value.v);
    y->tensor = tensor_reshape(x->tensor, shape_of(dim, ndim));
    return y->tensor != NULL;
}

static bool expand(Fuzz *z, Node *y) {
    const Node *x = fuzz_operand(z);
    size_t dim[NAIVE_DIMS];
    int lead = x->value.ndim < NAIVE_DIMS ? (int)fuzz_below(z, 2) : 0, n = x->value.ndim + lead;
    for (int i = 0; i < n; i++) {
        size_t own = i < lead ? 1 : x->value.dim[i - lead];
        dim[i] = own == 1 ? 1 + fuzz_below(z, 3) : own;
    }
    if (!naive_shape(&y->value, n, dim)) return false;
    for (size_t i = 0; i < y->value.count; i++)
        y->value.v[i] = x->value.v[naive_broadcast(&x->value, &y->value, i)];
    y->tensor = tensor_expand(x->tensor, shape_of(dim, n));
    return y->tensor != NULL;
}

static bool slice(Fuzz *z, Node *y) {
    const Node *x = fuzz_operand(z);
    if (x->value.ndim == 0) return false;
    int axis = (int)fuzz_below(z, (size_t)x->value.ndim);
    size_t size = x->value.dim[axis], start = fuzz_below(z, size + 1), step = 1 + fuzz_below(z, 2);
    size_t stop = start + fuzz_below(z, size + 1), place[NAIVE_DIMS] = {0};
    if (stop > size) stop = size;
    y->value = x->value;
    y->value.dim[axis] = stop > start ? (stop - start - 1) / step + 1 : 0;
    naive_shape(&y->value, x->value.ndim, y->value.dim);
    for (size_t i = 0; i < y->value.count; i++) {
        naive_place(&y->value, i, place);
        place[axis] = start + place[axis] * step;
        y->value.v[i] = x->value.v[naive_at(&x->value, place)];
    }
    y->tensor = tensor_slice(x->tensor, axis, (int64_t)start, (int64_t)stop, (int64_t)step);
    return y->tensor != NULL;
}

static bool concat(Fuzz *z, Node *y) {
    const Node *x[6];
    Tensor *tensors[6];
    size_t count = 1 + fuzz_below(z, 6), total = 0, at = 0, place[NAIVE_DIMS] = {0};
    x[0] = fuzz_operand(z);
    int n = x[0]->value.ndim;
    if (n == 0) return false;
    int axis = (int)fuzz_below(z, (size_t)n);
    for (size_t k = 0; k < count; k++) {
        if (k > 0) x[k] = fuzz_operand(z);
        for (int i = 0; i < n; i++)
            if (x[k]->value.ndim != n || (i != axis && x[k]->value.dim[i] != x[0]->value.dim[i]))
                x[k] = x[0]; /* itself again, rather */
        total += x[k]->value.dim[axis];
        tensors[k] = x[k]->tensor;
    }
    size_t dim[NAIVE_DIMS];
    memcpy(dim, x[0]->value.dim, sizeof dim);
    dim[axis] = total;
    if (!naive_shape(&y->value, n, dim)) return false;
    for (size_t k = 0; k < count; at += x[k++]->value.dim[axis])
        for (size_t i = 0; i < x[k]->value.count; i++) {
            naive_place(&x[k]->value, i, place);
            place[axis] += at;
            y->value.v[naive_at(&y->value, place)] = x[k]->value.v[i];
        }
    y->tensor = tensor_concat(tensors, count, axis);
    return y->tensor != NULL;
}

static bool pad(Fuzz *z, Node *y) {
    const Node *x = fuzz_operand(z);
    size_t before[NAIVE_DIMS] = {0}, after[NAIVE_DIMS] = {0}, dim[NAIVE_DIMS],
           place[NAIVE_DIMS] = {0};
    for (int i = 0; i < x->value.ndim; i++) {
        before[i] = fuzz_below(z, 2);
        after[i] = fuzz_below(z, 2);
        dim[i] = before[i] + x->value.dim[i] + after[i];
    }
    if (!naive_shape(&y->value, x->value.ndim, dim)) return false;
    for (size_t i = 0; i < y->value.count; i++)
        y->value.v[i] = num(0);
    for (size_t i = 0; i < x->value.count; i++) {
        naive_place(&x->value, i, place);
        for (int d = 0; d < x->value.ndim; d++)
            place[d] += before[d];
        y->value.v[naive_at(&y->value, place)] = x->value.v[i];
    }
    y->tensor = tensor_pad(x->tensor, before, after, (size_t)x->value.ndim);
    return y->tensor != NULL;
}

/* gather along an axis, or the scatter_add of it onto another tensor of x's shape (x itself). */
static bool indexing(Fuzz *z, Node *y) {
    const Node *x = fuzz_operand(z);
    bool scatter = fuzz_byte(z) & 1;
    if (x->value.ndim == 0 || x->value.count == 0) return false;
    int axis = (int)fuzz_below(z, (size_t)x->value.ndim);
    Naive picked = x->value;
    picked.dim[axis] = 1 + fuzz_below(z, 4);
    if (!naive_shape(&picked, x->value.ndim, picked.dim)) return false;
    double index[NAIVE_MOST];
    size_t place[NAIVE_DIMS] = {0};
    y->value = x->value;
    for (size_t i = 0; i < picked.count; i++) {
        size_t at = fuzz_below(z, x->value.dim[axis]);
        index[i] = (double)at;
        naive_place(&picked, i, place);
        place[axis] = at;
        picked.v[i] = x->value.v[naive_at(&x->value, place)];
        Num *onto = &y->value.v[naive_at(&x->value, place)];
        *onto = num_add(*onto, picked.v[i]);
    }
    if (!scatter) y->value = picked;
    if (!fuzz_usable(z, y)) return false;
    Tensor *where_to = tensor_from_f64(z->tape, shape_of(picked.dim, picked.ndim), index);
    Tensor *gathered = tensor_gather(x->tensor, axis, where_to);
    y->tensor = scatter ? tensor_scatter_add(x->tensor, axis, where_to, gathered) : gathered;
    return y->tensor != NULL;
}

static Operation *const operations[] = {unary,   unary,  binary, binary,    with_number, clamp,
                                        where,   matmul, matmul, reduction, softmax,     permute,
                                        reshape, expand, slice,  concat,    pad,         indexing};

Operation *fuzz_operation(Fuzz *z) {
    unsigned byte = fuzz_byte(z);
    if (byte >= 128) return fuzz_layers[byte % fuzz_layer_count];
    return operations[byte % (sizeof operations / sizeof *operations)];
}
