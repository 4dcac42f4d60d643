/* Distances: p-norms of differences, and the cosine of an angle. All composites. */
#include <math.h>

#include "ops/ops.h"

static const int last = -1;

/* Over the last axis. p 0 counts what differs; of nothing there is no largest. */
static Tensor *norm_of_rows(Tensor *d, double p) {
    if (!d) return NULL;
    if (p == 0) return tensor_sum_axes(tensor_ne(d, tensor_scalar(d->tape, 0)), &last, 1, false);
    bool none = d->form->dim[d->form->ndim - 1] == 0;
    return tensor_vector_norm_axes(d, &last, 1, none ? 1 : p, false);
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
    return hc_told_as(who, anchor->tape, hc_reduced(who, tensor_relu(over), options.reduction));
}
