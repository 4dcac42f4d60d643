#include "fuzz/naive.h"

#include <math.h>
#include <string.h>

Num num(double f) {
    return (Num){f, 0, 0, 0};
}

Num num_add(Num x, Num y) {
    return (Num){x.f + y.f, x.a + y.a, x.b + y.b, x.ab + y.ab};
}

Num num_sub(Num x, Num y) {
    return (Num){x.f - y.f, x.a - y.a, x.b - y.b, x.ab - y.ab};
}

Num num_mul(Num x, Num y) {
    return (Num){x.f * y.f, x.a * y.f + x.f * y.a, x.b * y.f + x.f * y.b,
                 x.ab * y.f + x.a * y.b + x.b * y.a + x.f * y.ab};
}

Num num_of(Num x, double f, double first, double second) {
    return (Num){f, first * x.a, first * x.b, first * x.ab + second * x.a * x.b};
}

Num num_div(Num x, Num y) {
    double r = 1 / y.f;
    return num_mul(x, num_of(y, r, -r * r, 2 * r * r * r));
}

bool naive_shape(Naive *y, int ndim, const size_t *dim) {
    y->ndim = ndim;
    y->count = 1;
    for (int i = 0; i < ndim; i++) {
        y->dim[i] = dim[i];
        y->count *= dim[i];
        if (y->count > NAIVE_MOST) return false;
    }
    return true;
}

void naive_place(const Naive *x, size_t at, size_t place[NAIVE_DIMS]) {
    for (int i = x->ndim; i-- > 0; at /= x->dim[i])
        place[i] = at % x->dim[i];
}

size_t naive_at(const Naive *x, const size_t place[NAIVE_DIMS]) {
    size_t at = 0;
    for (int i = 0; i < x->ndim; i++)
        at = at * x->dim[i] + place[i];
    return at;
}

size_t naive_broadcast(const Naive *x, const Naive *shape, size_t at) {
    size_t wide[NAIVE_DIMS] = {0}, own[NAIVE_DIMS] = {0};
    naive_place(shape, at, wide);
    for (int i = 0; i < x->ndim; i++)
        own[i] = x->dim[i] == 1 ? 0 : wide[i + shape->ndim - x->ndim];
    return naive_at(x, own);
}

bool naive_join(Naive *y, const Naive *x, const Naive *z) {
    int ndim = x->ndim > z->ndim ? x->ndim : z->ndim;
    size_t dim[NAIVE_DIMS];
    for (int i = 0; i < ndim; i++) {
        int ix = i - (ndim - x->ndim), iz = i - (ndim - z->ndim);
        size_t a = ix < 0 ? 1 : x->dim[ix], b = iz < 0 ? 1 : z->dim[iz];
        if (a != b && a != 1 && b != 1) return false;
        dim[i] = a == 1 ? b : a;
    }
    return naive_shape(y, ndim, dim);
}

bool naive_sound(const Naive *x, double most) {
    for (size_t i = 0; i < x->count; i++) {
        Num v = x->v[i];
        if (!(fabs(v.f) < most && fabs(v.a) < 10 * most && fabs(v.b) < 10 * most &&
              fabs(v.ab) < 100 * most))
            return false;
    }
    return true;
}

bool naive_reduce(Naive *y, const Naive *x, unsigned mask, bool keep, NaiveFold *fold, bool *bad) {
    size_t dim[NAIVE_DIMS], kept[NAIVE_DIMS] = {0}, place[NAIVE_DIMS];
    int ndim = 0;
    for (int i = 0; i < x->ndim; i++) {
        bool gone = mask >> i & 1;
        kept[i] = gone ? 1 : x->dim[i];
        if (!gone || keep) dim[ndim++] = kept[i];
    }
    Naive groups = {.count = 0};
    naive_shape(&groups, x->ndim, kept);
    if (!naive_shape(y, ndim, dim)) return false;
    for (int i = 0; i < x->ndim;
         i++) /* what has no value over nothing has none for no groups, too */
        if ((mask >> i & 1) && x->dim[i] == 0) fold(NULL, 0, bad);
    for (size_t g = 0; g < groups.count; g++) {
        Num member[NAIVE_MOST];
        size_t count = 0;
        for (size_t i = 0; i < x->count; i++) {
            naive_place(x, i, place);
            for (int d = 0; d < x->ndim; d++)
                if (mask >> d & 1) place[d] = 0;
            if (naive_at(&groups, place) == g) member[count++] = x->v[i];
        }
        y->v[g] = fold(member, count, bad);
    }
    return true;
}

Num naive_sum(const Num *x, size_t count, bool *bad) {
    Num sum = num(0);
    (void)bad;
    for (size_t i = 0; i < count; i++)
        sum = num_add(sum, x[i]);
    return sum;
}

Num naive_prod(const Num *x, size_t count, bool *bad) {
    Num product = num(1);
    (void)bad;
    for (size_t i = 0; i < count; i++)
        product = num_mul(product, x[i]);
    return product;
}

Num naive_mean(const Num *x, size_t count, bool *bad) {
    *bad = *bad || count == 0;
    return num_mul(naive_sum(x, count, bad), num(1.0 / (double)count));
}

Num naive_var(const Num *x, size_t count, bool *bad) {
    Num mean = naive_mean(x, count, bad), sum = num(0);
    *bad = *bad || count < 2;
    for (size_t i = 0; i < count; i++)
        sum = num_add(sum, num_mul(num_sub(x[i], mean), num_sub(x[i], mean)));
    return num_mul(sum, num(1.0 / ((double)count - 1)));
}

/* The extreme one; two too close to tell are none of this test's business. */
static Num extreme(const Num *x, size_t count, double sign, bool *bad) {
    size_t best = 0;
    *bad = *bad || count == 0;
    for (size_t i = 1; i < count; i++)
        if (sign * x[i].f > sign * x[best].f) best = i;
    for (size_t i = 0; i < count; i++)
        if (i != best && fabs(x[i].f - x[best].f) < 1e-6) *bad = true;
    return count ? x[best] : num(0);
}

Num naive_max(const Num *x, size_t count, bool *bad) {
    return extreme(x, count, 1, bad);
}

Num naive_min(const Num *x, size_t count, bool *bad) {
    return extreme(x, count, -1, bad);
}

static Num num_exp(Num x) {
    return num_of(x, exp(x.f), exp(x.f), exp(x.f));
}

Num naive_logsumexp(const Num *x, size_t count, bool *bad) {
    Num sum = num(0);
    *bad = *bad || count == 0;
    for (size_t i = 0; i < count; i++) {
        *bad = *bad || fabs(x[i].f) > 50;
        sum = num_add(sum, num_exp(x[i]));
    }
    return num_of(sum, log(sum.f), 1 / sum.f, -1 / (sum.f * sum.f));
}

Num naive_norm(const Num *x, size_t count, bool *bad) {
    Num sum = num(0);
    for (size_t i = 0; i < count; i++)
        sum = num_add(sum, num_mul(x[i], x[i]));
    double r = sqrt(sum.f);
    *bad = *bad || r < 0.1;
    return num_of(sum, r, 0.5 / r, -0.25 / (r * sum.f));
}

void naive_softmax(Naive *y, const Naive *x, int axis, bool logarithm) {
    *y = *x;
    for (size_t i = 0; i < x->count; i++) {
        size_t place[NAIVE_DIMS];
        Num sum = num(0);
        naive_place(x, i, place);
        for (place[axis] = 0; place[axis] < x->dim[axis]; place[axis]++)
            sum = num_add(sum, num_exp(x->v[naive_at(x, place)]));
        Num log_sum = num_of(sum, log(sum.f), 1 / sum.f, -1 / (sum.f * sum.f));
        y->v[i] = logarithm ? num_sub(x->v[i], log_sum) : num_div(num_exp(x->v[i]), sum);
    }
}

bool naive_matmul(Naive *y, const Naive *x, const Naive *z) {
    int n = x->ndim;
    if (n < 2 || z->ndim != n || x->dim[n - 1] != z->dim[n - 2]) return false;
    size_t dim[NAIVE_DIMS], batch = 1;
    for (int i = 0; i < n - 2; i++) {
        if (x->dim[i] != z->dim[i]) return false;
        batch *= dim[i] = x->dim[i];
    }
    size_t rows = dim[n - 2] = x->dim[n - 2], cols = dim[n - 1] = z->dim[n - 1];
    size_t inner = x->dim[n - 1];
    if (!naive_shape(y, n, dim)) return false;
    for (size_t b = 0; b < batch; b++)
        for (size_t i = 0; i < rows; i++)
            for (size_t j = 0; j < cols; j++) {
                Num sum = num(0);
                for (size_t k = 0; k < inner; k++)
                    sum = num_add(sum, num_mul(x->v[(b * rows + i) * inner + k],
                                               z->v[(b * inner + k) * cols + j]));
                y->v[(b * rows + i) * cols + j] = sum;
            }
    return true;
}
