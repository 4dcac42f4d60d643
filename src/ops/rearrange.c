/* The same numbers in other places along an axis, or several times: flip, roll, repeat, split. */
#include "ops/ops.h"

static size_t from_the_end(size_t i, const size_t *size) {
    return *size - 1 - i;
}

Tensor *tensor_flip(Tensor *x, const int *axes, size_t count) {
    uint32_t mask;
    if (!hc_check("tensor_flip", x) || !hc_axes_mask("tensor_flip", x, axes, count, &mask))
        return NULL;
    for (int i = 0; x && i < x->form->ndim; i++) {
        size_t n = x->form->dim[i];
        if ((mask >> i & 1) && n > 1) x = hc_slices_at("tensor_flip", x, i, n, from_the_end, &n);
    }
    return x;
}

/* The end, then what was before it. */
Tensor *tensor_roll(Tensor *x, int64_t shift, int axis) {
    int i;
    if (!hc_check("tensor_roll", x) || !hc_axis("tensor_roll", x, axis, x->form->ndim, &i))
        return NULL;
    int64_t n = (int64_t)x->form->dim[i], end = n ? shift % n : 0;
    if (end == 0) return x;
    if (end < 0) end += n;
    Tensor *last = tensor_slice(x, i, n - end, n, 1), *first = tensor_slice(x, i, 0, n - end, 1);
    return tensor_concat((Tensor *[]){last, first}, 2, i);
}

/* x's shape with leading axes of size 1 up to `count`, and in *all the shape of the result. */
static bool repeated_shapes(const Tensor *x, const size_t *counts, size_t count, Shape *from,
                            Shape *all) {
    int extra = (int)count - x->form->ndim;
    size_t total;
    *from = *all = (Shape){.ndim = (int)count};
    for (int i = 0; i < (int)count; i++) {
        size_t n = i < extra ? 1 : x->form->dim[i - extra];
        from->dim[i] = n;
        all->dim[i] = n && counts[i] > SIZE_MAX / n ? SIZE_MAX : n * counts[i];
    }
    return hc_shape_valid(*all, x->tape->item, &total) ||
           hc_fail(x->tape, HC_ERR_SHAPE, "tensor_repeat: the result does not fit memory");
}

Tensor *tensor_repeat(Tensor *x, const size_t *counts, size_t count) {
    Shape shape, all;
    if (!hc_check("tensor_repeat", x)) return NULL;
    if (count > 0 && !counts) {
        hc_null_on(x->tape, "tensor_repeat", "counts");
        return NULL;
    }
    if (count < (size_t)x->form->ndim || count > HC_MAX_DIMS) {
        hc_wrong_count("tensor_repeat", x, count, "counts");
        return NULL;
    }
    if (!repeated_shapes(x, counts, count, &shape, &all)) return NULL;
    x = tensor_reshape(x, shape);
    for (int i = 0; x && i < shape.ndim; i++) {
        if (counts[i] == 1) continue;
        size_t outer, inner;
        hc_extents(x->form, i, &outer, &inner);
        inner *= shape.dim[i];
        shape.dim[i] = all.dim[i];
        x = tensor_expand(tensor_reshape(x, shape3(outer, 1, inner)),
                          shape3(outer, counts[i], inner));
        x = tensor_reshape(x, shape);
    }
    return x;
}

bool tensor_split(Tensor *x, const size_t *sizes, size_t count, int axis, Tensor **parts) {
    const char *who = "tensor_split";
    int i;
    if (!hc_check(who, x) || !hc_axis(who, x, axis, x->form->ndim, &i)) return false;
    if (count > 0 && (!sizes || !parts))
        return hc_null_on(x->tape, who, sizes ? "parts" : "sizes");
    size_t rest = x->form->dim[i], made = 0;
    for (size_t j = 0; j < count && rest != SIZE_MAX; j++)
        rest = sizes[j] <= rest ? rest - sizes[j] : SIZE_MAX;
    if (rest != 0)
        return hc_fail(x->tape, HC_ERR_SHAPE, "%s: %zu sizes do not add up to %zu, the size of axis %d", who, count,
                       x->form->dim[i], i);
    Tensor **all = hc_alloc(count, sizeof *all);
    if (!all) return hc_fail_nomem(x->tape, who);
    for (size_t at = 0; made < count; at += sizes[made++]) {
        all[made] = tensor_slice(x, i, (int64_t)at, (int64_t)(at + sizes[made]), 1);
        if (!all[made]) break;
    }
    bool done = made == count;
    for (size_t j = 0; done && j < count; j++)
        parts[j] = all[j];
    hc_free(all);
    return done;
}
