/* Padding: zeros, a number, what is reflected or goes on; and upsampling, which spreads what is there. */
#include "ops/ops.h"

/* ---- padding --------------------------------------------------------------------------------------------------- */

/* Whether there is a pair of sizes for each axis, and memory for the result. */
static bool check_sizes(const char *who, const Tensor *x, const size_t *before, const size_t *after,
                        size_t count, Shape *padded) {
    if (!hc_check(who, x)) return false;
    if (count > 0 && (!before || !after)) return hc_null_on(x->tape, who, before ? "after" : "before");
    if (count != (size_t)x->form->ndim) return hc_wrong_count(who, x, count, "pairs of sizes");
    *padded = hc_form_shape(x->form);
    size_t total;
    for (size_t i = 0; i < count; i++) {
        bool fits = before[i] <= SIZE_MAX / 8 && after[i] <= SIZE_MAX / 8;
        padded->dim[i] = fits ? before[i] + padded->dim[i] + after[i] : SIZE_MAX;
    }
    return hc_shape_valid(*padded, x->tape->item, &total) ||
           hc_fail(x->tape, HC_ERR_SHAPE, "%s: the result does not fit memory", who);
}

Tensor *tensor_pad(Tensor *x, const size_t *before, const size_t *after, size_t count) {
    Shape shape;
    if (!check_sizes("tensor_pad", x, before, after, count, &shape)) return NULL;
    for (size_t i = 0; x && i < count; i++)
        if (before[i] || after[i]) x = hc_embed(x, (int)i, before[i], 1, shape.dim[i], NULL);
    return x;
}

Tensor *tensor_pad_value(Tensor *x, const size_t *before, const size_t *after, size_t count,
                         double value) {
    Shape shape;
    if (!check_sizes("tensor_pad_value", x, before, after, count, &shape)) return NULL;
    Tensor *number = tensor_scalar(x->tape, value);
    for (size_t i = 0; x && number && i < count; i++) {
        if (!before[i] && !after[i]) continue;
        Shape around = hc_form_shape(x->form);
        around.dim[i] = before[i];
        Tensor *first = tensor_expand(number, around);
        around.dim[i] = after[i];
        x = tensor_concat((Tensor *[]){first, x, tensor_expand(number, around)}, 3, (int)i);
    }
    return x;
}

/* Of an axis of rule[1], padded by rule[0] before. */
static size_t reflected(size_t i, const size_t *rule) {
    size_t at = i < rule[0] ? rule[0] - i : i - rule[0], last = rule[1] - 1;
    return at > last ? last - (at - last) : at;
}

static size_t replicated(size_t i, const size_t *rule) {
    size_t at = i < rule[0] ? 0 : i - rule[0], last = rule[1] - 1;
    return at > last ? last : at;
}

/* What reflects needs more places than it is to add. */
static Tensor *pad_by(const char *who, HcPlaceFn *place, bool reflects, Tensor *x,
                      const size_t *before, const size_t *after, size_t count) {
    Shape shape;
    if (!check_sizes(who, x, before, after, count, &shape)) return NULL;
    for (size_t i = 0; i < count; i++) {
        size_t n = x->form->dim[i], most = before[i] > after[i] ? before[i] : after[i];
        if (most == 0 || (reflects ? most < n : n > 0)) continue;
        hc_fail(x->tape, HC_ERR_SHAPE, "%s: axis %zu of size %zu cannot be padded by %zu, at most by %zu", who, i, n,
                most, reflects && n > 0 ? n - 1 : 0);
        return NULL;
    }
    for (size_t i = 0; x && i < count; i++)
        if (before[i] || after[i])
            x = hc_slices_at(who, x, (int)i, shape.dim[i], place,
                             (const size_t[]){before[i], x->form->dim[i]});
    return x;
}

Tensor *tensor_pad_reflect(Tensor *x, const size_t *before, const size_t *after, size_t count) {
    return pad_by("tensor_pad_reflect", reflected, true, x, before, after, count);
}

Tensor *tensor_pad_replicate(Tensor *x, const size_t *before, const size_t *after, size_t count) {
    return pad_by("tensor_pad_replicate", replicated, false, x, before, after, count);
}

/* ---- upsampling of images [N, C, H, W] ----------------------------------------------------------- */

static bool check_images(const char *who, const Tensor *x, size_t height, size_t width) {
    if (!hc_check(who, x)) return false;
    const HcForm *f = x->form;
    if (f->ndim != 4 || f->dim[2] == 0 || f->dim[3] == 0 || height == 0 || width == 0) {
        char text[HC_SHAPE_TEXT];
        return hc_fail(x->tape, HC_ERR_SHAPE, "%s: %s to images of %zu x %zu; it takes [N, C, H, W] and sizes from 1",
                       who, hc_shape_text(hc_form_shape(f), text), height, width);
    }
    size_t total;
    return hc_shape_valid(shape4(f->dim[0], f->dim[1], height, width), x->tape->item, &total) ||
           hc_fail(x->tape, HC_ERR_SHAPE, "%s: the result does not fit memory", who);
}

/* From rule[0] to rule[1]. */
static size_t nearest(size_t i, const size_t *rule) {
    return (size_t)((uint64_t)i * rule[0] / rule[1]);
}

Tensor *tensor_upsample_nearest2d(Tensor *x, size_t height, size_t width) {
    const char *who = "tensor_upsample_nearest2d";
    if (!check_images(who, x, height, width)) return NULL;
    Tensor *tall =
        hc_slices_at(who, x, 2, height, nearest, (const size_t[]){x->form->dim[2], height});
    return hc_slices_at(who, tall, 3, width, nearest, (const size_t[]){x->form->dim[3], width});
}

/* Where the centre of pixel i lies between those that there were. */
static double centre(size_t i, const size_t *rule) {
    double at = ((double)i + 0.5) * ((double)rule[0] / (double)rule[1]) - 0.5,
           last = (double)rule[0] - 1;
    return at < 0 ? 0 : at > last ? last : at;
}

static size_t below(size_t i, const size_t *rule) {
    return (size_t)centre(i, rule);
}

static size_t above(size_t i, const size_t *rule) {
    size_t at = below(i, rule);
    return at + 1 < rule[0] ? at + 1 : at;
}

/* Between neighbours along an axis, of which the lower counts 1 - weight. */
static Tensor *linear(const char *who, Tensor *x, int axis, size_t to) {
    if (!x) return NULL;
    const size_t rule[] = {x->form->dim[axis], to};
    Tensor *weight =
        hc_emit_leaf(x->tape, who, axis == 2 ? shape2(to, 1) : shape1(to), NULL, HC_WHY_CONSTANT);
    for (size_t i = 0; weight && i < to; i++) {
        double value = centre(i, rule) - (double)below(i, rule);
        x->tape->k->from_f64((char *)weight->data + i * x->tape->item, &value, 1);
    }
    Tensor *rest = tensor_add_scalar(tensor_neg(weight), 1);
    Tensor *low = tensor_mul(hc_slices_at(who, x, axis, to, below, rule), rest);
    return tensor_add(low, tensor_mul(hc_slices_at(who, x, axis, to, above, rule), weight));
}

Tensor *tensor_upsample_bilinear2d(Tensor *x, size_t height, size_t width) {
    const char *who = "tensor_upsample_bilinear2d";
    return check_images(who, x, height, width) ? linear(who, linear(who, x, 2, height), 3, width)
                                               : NULL;
}
