/* Distances: p-norms of differences, and the cosine of an angle. All composites. Where a norm has no derivative, or
 * one that is infinite, the power is taken of 1 and the result put aside, so that every order is 0 there. */
#include <math.h>

#include "ops/ops.h"

static const int last = -1;

/* x^p, or 0 and no derivative where x is 0. */
static Tensor *power_or_zero(Tensor *x, double p) {
    if (!x) return NULL;
    Tensor *zero = tensor_scalar(x->tape, 0), *none = tensor_eq(x, zero);
    Tensor *safe = tensor_where(none, tensor_scalar(x->tape, 1), x);
    return tensor_where(none, zero, tensor_pow_scalar(safe, p));
}

/* Over the last axis. An even power is smooth, any other not at 0. */
static Tensor *norm_of_rows(Tensor *d, double p) {
    if (!d) return NULL;
    bool none = d->form->dim[d->form->ndim - 1] == 0; /* a maximum would be an error */
    if (p == 2) return tensor_norm_axes(d, &last, 1, false);
    if (p == 1 || none) return tensor_sum_axes(tensor_abs(d), &last, 1, false);
    if (p == 0)
        return tensor_sum_axes(tensor_ne(d, tensor_scalar(d->tape, 0)), &last, 1, false);
    if (p == (double)INFINITY) return tensor_max_axes(tensor_abs(d), &last, 1, false);
    Tensor *powers = fmod(p, 2) == 0 ? tensor_pow_scalar(d, p) : power_or_zero(tensor_abs(d), p);
    return power_or_zero(tensor_sum_axes(powers, &last, 1, false), 1 / p);
}

static bool good_p(const char *who, const Tensor *x, double p) {
    return p >= 0 || hc_fail(x->tape, HC_ERR_ARG, "%s: p %g is not a number from 0 up", who, p);
}

Tensor *tensor_cdist(Tensor *a, Tensor *b, double p) {
    const char *who = "tensor_cdist";
    if (!hc_check_all(who, (Tensor *[]){a, b}, 2) || !good_p(who, a, p)) return NULL;
    const HcForm *fa = a->form, *fb = b->form;
    if (fa->ndim < 2 || fb->ndim < 2 || fa->dim[fa->ndim - 1] != fb->dim[fb->ndim - 1]) {
        char ta[HC_SHAPE_TEXT], tb[HC_SHAPE_TEXT];
        hc_fail(a->tape, HC_ERR_SHAPE, "%s: %s and %s: it takes [..., P, M] and [..., R, M]", who,
                hc_shape_text(hc_form_shape(fa), ta), hc_shape_text(hc_form_shape(fb), tb));
        return NULL;
    }
    Tensor *x[2] = {tensor_unsqueeze(a, -2), tensor_unsqueeze(b, -3)};
    return hc_broadcast(who, x, 2) ? norm_of_rows(tensor_sub(x[0], x[1]), p) : NULL;
}

Tensor *tensor_pairwise_distance(Tensor *a, Tensor *b, double p, double eps) {
    const char *who = "tensor_pairwise_distance";
    Tensor *x[2] = {a, b};
    if (!hc_broadcast(who, x, 2) || !good_p(who, a, p)) return NULL;
    if (x[0]->form->ndim == 0) {
        hc_fail(a->tape, HC_ERR_SHAPE, "%s: a scalar has no rows", who);
        return NULL;
    }
    return norm_of_rows(tensor_add_scalar(tensor_sub(x[0], x[1]), eps), p);
}

/* x / max(|x|, eps) along an axis. */
static Tensor *unit(Tensor *x, int axis, double eps) {
    Tape *tape = x->tape;
    Tensor *square = tensor_sum_axes(tensor_square(x), &axis, 1, true), *least = tensor_scalar(tape, eps);
    Tensor *small = tensor_lt(hc_sqrt0(square), least);
    Tensor *norm = hc_sqrt0(tensor_where(small, tensor_scalar(tape, 1), square));
    return tensor_div(x, tensor_where(small, least, norm));
}

Tensor *tensor_cosine_similarity(Tensor *a, Tensor *b, int axis, double eps) {
    const char *who = "tensor_cosine_similarity";
    Tensor *x[2] = {a, b};
    if (!hc_broadcast(who, x, 2) || !hc_axis(who, x[0], axis, x[0]->form->ndim, &axis)) return NULL;
    if (!(eps > 0 && eps < (double)INFINITY)) {
        hc_fail(a->tape, HC_ERR_ARG, "%s: eps %g is not a positive number", who, eps);
        return NULL;
    }
    return tensor_sum_axes(tensor_mul(unit(x[0], axis, eps), unit(x[1], axis, eps)), &axis, 1, false);
}

/* ---- a triplet of points ------------------------------------------------------------------------- */

TripletOptions triplet_options(void) {
    return (TripletOptions){.margin = 1, .p = 2, .eps = 1e-6, .reduction = HC_LOSS_MEAN};
}

Tensor *tensor_triplet_margin_loss(Tensor *anchor, Tensor *positive, Tensor *negative,
                                   TripletOptions options) {
    const char *who = "tensor_triplet_margin_loss";
    if (!hc_check_all(who, (Tensor *[]){anchor, positive, negative}, 3) ||
        !hc_same_shape(who, anchor, positive) || !hc_same_shape(who, anchor, negative))
        return NULL;
    Tensor *close = tensor_pairwise_distance(anchor, positive, options.p, options.eps);
    Tensor *apart = tensor_pairwise_distance(anchor, negative, options.p, options.eps);
    if (options.swap)
        apart = tensor_minimum(
            apart, tensor_pairwise_distance(positive, negative, options.p, options.eps));
    Tensor *over = tensor_add_scalar(tensor_sub(close, apart), options.margin);
    return hc_reduced(who, tensor_relu(over), options.reduction);
}
