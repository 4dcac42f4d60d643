/* Operations that put numbers elsewhere, and those that go along an axis in order. */
#include <math.h>
#include <string.h>

#include "fuzz/operations.h"

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

/* Sums, or products, from the first number on. */
static bool scan(Fuzz *z, Node *y) {
    const Node *x = fuzz_operand(z);
    bool products = fuzz_byte(z) & 1;
    if (x->value.ndim == 0) return false;
    int axis = (int)fuzz_below(z, (size_t)x->value.ndim);
    size_t place[NAIVE_DIMS] = {0};
    y->value = x->value;
    for (size_t i = 0; i < x->value.count; i++) {
        naive_place(&x->value, i, place);
        if (place[axis]-- == 0) continue;
        Num before = y->value.v[naive_at(&x->value, place)];
        y->value.v[i] = products ? num_mul(x->value.v[i], before) : num_add(x->value.v[i], before);
    }
    if (fuzz_usable(z, y))
        y->tensor = products ? tensor_cumprod(x->tensor, axis) : tensor_cumsum(x->tensor, axis);
    return y->tensor != NULL;
}

/* Each number to the place that so many stand before. */
static bool sort(Fuzz *z, Node *y) {
    const Node *x = fuzz_operand(z);
    bool falling = fuzz_byte(z) & 1;
    if (x->value.ndim == 0) return false;
    int axis = (int)fuzz_below(z, (size_t)x->value.ndim);
    size_t place[NAIVE_DIMS] = {0};
    y->value = x->value;
    for (size_t i = 0; i < x->value.count; i++) {
        size_t before = 0, own;
        naive_place(&x->value, i, place);
        own = place[axis];
        for (place[axis] = 0; place[axis] < x->value.dim[axis]; place[axis]++) {
            double apart = x->value.v[naive_at(&x->value, place)].f - x->value.v[i].f;
            if (place[axis] == own) continue;
            if (fabs(apart) < z->margin) z->bad = true;
            before += falling ? apart > 0 : apart < 0;
        }
        place[axis] = before;
        y->value.v[naive_at(&y->value, place)] = x->value.v[i];
    }
    if (fuzz_usable(z, y)) y->tensor = tensor_sort(x->tensor, axis, falling, NULL);
    return y->tensor != NULL;
}

typedef enum Remap { FLIP, ROLL, REPEAT, REFLECT, REPLICATE, REMAPS } Remap;

/* Which place along an axis of size n stands at place i, `by` being what the call is told. */
static size_t source_of(Remap way, size_t i, size_t n, size_t by) {
    if (way == FLIP) return n - 1 - i;
    if (way == ROLL) return (i + n - by % n) % n;
    if (way == REPEAT) return i % n;
    if (way == REPLICATE) return i < by ? 0 : i - by < n ? i - by : n - 1;
    size_t period = 2 * n - 2, at = (i + period - by) % period;
    return at < n ? at : period - at;
}

/* Along one axis, by up to three places before and one after. */
static bool remap(Fuzz *z, Node *y) {
    const Node *x = fuzz_operand(z);
    Remap way = (Remap)fuzz_below(z, REMAPS);
    size_t by = fuzz_below(z, 4), place[NAIVE_DIMS] = {0};
    if (x->value.ndim == 0 || x->value.count == 0) return false;
    int axis = (int)fuzz_below(z, (size_t)x->value.ndim);
    size_t n = x->value.dim[axis], before[NAIVE_DIMS] = {0}, after[NAIVE_DIMS] = {0},
           ndim = (size_t)x->value.ndim;
    size_t counts[NAIVE_DIMS] = {1, 1, 1, 1};
    if (way == REFLECT && (by >= n || n < 2)) return false;
    before[axis] = by;
    after[axis] = 1;
    counts[axis] = 1 + by;
    y->value = x->value;
    if (way == REPEAT) y->value.dim[axis] = n * counts[axis];
    if (way >= REFLECT) y->value.dim[axis] = by + n + 1;
    if (!naive_shape(&y->value, x->value.ndim, y->value.dim)) return false;
    for (size_t i = 0; i < y->value.count; i++) {
        naive_place(&y->value, i, place);
        place[axis] = source_of(way, place[axis], n, by);
        y->value.v[i] = x->value.v[naive_at(&x->value, place)];
    }
    if (way == FLIP) y->tensor = tensor_flip(x->tensor, &axis, 1);
    if (way == ROLL) y->tensor = tensor_roll(x->tensor, (int64_t)by, axis);
    if (way == REPEAT) y->tensor = tensor_repeat(x->tensor, counts, ndim);
    if (way == REFLECT) y->tensor = tensor_pad_reflect(x->tensor, before, after, ndim);
    if (way == REPLICATE) y->tensor = tensor_pad_replicate(x->tensor, before, after, ndim);
    return y->tensor != NULL;
}

Operation *const fuzz_moves[] = {permute, reshape,  expand, slice, concat,
                                 pad,     indexing, scan,   sort,  remap};
const size_t fuzz_move_count = sizeof fuzz_moves / sizeof *fuzz_moves;
