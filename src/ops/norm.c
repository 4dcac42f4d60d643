/* Normalisation: batch, layer and group norm, composites of xhat (normalised.c), so every order of derivative is
 * right by construction; but batch norm with the batch's statistics is fused (batch_norm.c). Definitions are
 * PyTorch's. */
#include <math.h>

#include "ops/ops.h"

static bool good_eps(const char *who, const Tensor *x, double eps) {
    return (eps >= 0 && eps < (double)INFINITY) ||
           hc_fail(x->tape, HC_ERR_ARG, "%s: eps %g is not a number from 0 up", who, eps);
}

/* A parameter of the shape wanted, or none. */
static bool fits(const char *who, const char *name, const Tensor *x, const Tensor *p,
                 Shape wanted) {
    char is[HC_SHAPE_TEXT], was[HC_SHAPE_TEXT], tx[HC_SHAPE_TEXT];
    if (!p) return true;
    if (!hc_check_all(who, (Tensor *[]){(Tensor *)(uintptr_t)x, (Tensor *)(uintptr_t)p}, 2))
        return false;
    return shape_equal(hc_form_shape(p->form), wanted) ||
           hc_fail(x->tape, HC_ERR_SHAPE, "%s: %s with %s %s, which should be %s", who,
                   hc_shape_text(hc_form_shape(x->form), tx), name,
                   hc_shape_text(hc_form_shape(p->form), is), hc_shape_text(wanted, was));
}

/* ---- over channels ---------------------------------------------------------------------------------- */

/* [N, C, ...] with parameters [C]. */
static bool check_channels(const char *who, Tensor *x, Tensor *weight, Tensor *bias, double eps) {
    if (!hc_check(who, x) || !good_eps(who, x, eps)) return false;
    char text[HC_SHAPE_TEXT];
    if (x->form->ndim < 2)
        return hc_fail(x->tape, HC_ERR_SHAPE,
                       "%s: %s has no axis of channels: it takes [N, C, ...]", who,
                       hc_shape_text(hc_form_shape(x->form), text));
    Shape wanted = shape1(x->form->dim[1]);
    return fits(who, "weight", x, weight, wanted) && fits(who, "bias", x, bias, wanted);
}

static bool check_batch(const char *who, Tensor *x, Tensor *weight, Tensor *bias, double eps) {
    if (!check_channels(who, x, weight, bias, eps)) return false;
    size_t channels = x->form->dim[1];
    char text[HC_SHAPE_TEXT];
    return channels == 0 || x->form->count / channels >= 2 ||
           hc_fail(x->tape, HC_ERR_SHAPE,
                   "%s: %s has fewer than two values per channel: no variance", who,
                   hc_shape_text(hc_form_shape(x->form), text));
}

Tensor *hc_batch_norm(Tensor *x, Tensor *weight, Tensor *bias, double eps, HcTail tail,
                      Tensor **mean, Tensor **var) {
    if (!check_batch("tensor_batch_norm", x, weight, bias, eps)) return NULL;
    Tensor *moments = hc_channel_moments(x);
    Shape channels = shape1(x->form->dim[1]);
    if (mean) *mean = hc_row(moments, 0);
    if (var) *var = hc_row(moments, 1);
    if (!HC_FUSED) return hc_tail(hc_batch_norm_composed(x, weight, bias, eps), tail);
    if (!weight) weight = tensor_ones(x->tape, channels);
    if (!bias) bias = tensor_zeros(x->tape, channels);
    return hc_batch_norm_fused(x, moments, weight, bias, eps, tail);
}

Tensor *tensor_batch_norm(Tensor *x, Tensor *running_mean, Tensor *running_var, Tensor *weight,
                          Tensor *bias, double eps) {
    const char *who = "tensor_batch_norm";
    if (!running_mean && !running_var)
        return hc_batch_norm(x, weight, bias, eps, (HcTail){false, NULL}, NULL, NULL);
    if (!check_channels(who, x, weight, bias, eps)) return NULL;
    Shape wanted = shape1(x->form->dim[1]);
    if (!running_mean || !running_var) {
        hc_fail(x->tape, HC_ERR_ARG, "%s: running_mean and running_var go together; one is NULL",
                who);
        return NULL;
    }
    if (!fits(who, "running_mean", x, running_mean, wanted) ||
        !fits(who, "running_var", x, running_var, wanted))
        return NULL;
    Tensor *scale = tensor_rsqrt(tensor_add_scalar(running_var, eps));
    if (weight) scale = tensor_mul(scale, weight);
    Tensor *d = tensor_sub(x, hc_per_channel(x, running_mean));
    return hc_affine(d, hc_per_channel(x, scale), hc_per_channel(x, bias));
}

/* Each group is a row. */
Tensor *tensor_group_norm(Tensor *x, size_t groups, Tensor *weight, Tensor *bias, double eps) {
    const char *who = "tensor_group_norm";
    if (!check_channels(who, x, weight, bias, eps)) return NULL;
    Shape shape = hc_form_shape(x->form);
    char text[HC_SHAPE_TEXT];
    if (groups == 0 || shape.dim[1] % groups != 0) {
        hc_fail(x->tape, HC_ERR_SHAPE, "%s: %s: %zu groups do not divide its %zu channels", who,
                hc_shape_text(shape, text), groups, shape.dim[1]);
        return NULL;
    }
    size_t row = shape.dim[1] / groups;
    for (int i = 2; i < shape.ndim; i++)
        row *= shape.dim[i];
    Tensor *rows = tensor_reshape(x, shape3(shape.dim[0], groups, row));
    Tensor *xhat = tensor_reshape(hc_normalised(rows, 4, eps), shape);
    return hc_affine(xhat, hc_per_channel(x, weight), hc_per_channel(x, bias));
}

/* ---- over the last axes ------------------------------------------------------------------------------ */

/* The mask of the last axes of x, whose sizes are `normalized`, and parameters of that shape; false after hc_fail. */
static bool check_last(const char *who, Tensor *x, Shape normalized, Tensor *weight, Tensor *bias, double eps,
                       uint32_t *mask) {
    if (!hc_check(who, x) || !good_eps(who, x, eps)) return false;
    Shape shape = hc_form_shape(x->form);
    bool ends = normalized.ndim >= 1 && normalized.ndim <= shape.ndim;
    int first = ends ? shape.ndim - normalized.ndim : 0;
    for (int i = 0; ends && i < normalized.ndim; i++)
        ends = normalized.dim[i] == shape.dim[first + i];
    char a[HC_SHAPE_TEXT], b[HC_SHAPE_TEXT];
    if (!ends)
        return hc_fail(x->tape, HC_ERR_SHAPE, "%s: %s does not end in the axes %s", who,
                       hc_shape_text(shape, a), hc_shape_text(normalized, b));
    *mask = (((uint32_t)1 << normalized.ndim) - 1) << first;
    return fits(who, "weight", x, weight, normalized) && fits(who, "bias", x, bias, normalized);
}

Tensor *tensor_layer_norm(Tensor *x, Shape normalized, Tensor *weight, Tensor *bias, double eps) {
    uint32_t mask;
    if (!check_last("tensor_layer_norm", x, normalized, weight, bias, eps, &mask)) return NULL;
    return hc_affine(hc_normalised(x, mask, eps), weight, bias);
}

Tensor *tensor_rms_norm(Tensor *x, Shape normalized, Tensor *weight, double eps) {
    uint32_t mask;
    if (!check_last("tensor_rms_norm", x, normalized, weight, NULL, eps, &mask)) return NULL;
    Tensor *square = hc_mean_over(tensor_square(x), mask);
    return hc_affine(tensor_mul(x, tensor_rsqrt(tensor_add_scalar(square, eps))), weight, NULL);
}
