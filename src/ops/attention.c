/* Scaled dot product attention: Vaswani et al. 2017, "Attention is all you need", equation 1. A
 * composite. */
#include <math.h>

#include "ops/ops.h"

Tensor *hc_attention(Tensor *query, Tensor *key, Tensor *value, Tensor *mask, double dropout, Tensor **weights) {
    if (!query || !key || !value) return NULL;
    size_t size = query->form->dim[query->form->ndim - 1];
    Tensor *scaled = tensor_mul_scalar(query, size ? 1 / sqrt((double)size) : 1);
    Tensor *scores = tensor_matmul(scaled, tensor_transpose(key, -1, -2));
    if (mask) scores = tensor_add(scores, mask);
    Tensor *shares = tensor_softmax(scores, -1);
    if (dropout > 0) shares = tensor_dropout(shares, dropout, NULL);
    if (weights) *weights = shares;
    return tensor_matmul(shares, value);
}

Tensor *tensor_scaled_dot_product_attention(Tensor *query, Tensor *key, Tensor *value,
                                            Tensor *mask) {
    const char *who = "tensor_scaled_dot_product_attention";
    if (!hc_check_all(who, (Tensor *[]){query, key, value}, 3)) return NULL;
    const HcForm *q = query->form, *k = key->form, *v = value->form;
    bool fit = q->ndim >= 2 && k->ndim >= 2 && v->ndim >= 2 &&
               q->dim[q->ndim - 1] == k->dim[k->ndim - 1] &&
               k->dim[k->ndim - 2] == v->dim[v->ndim - 2];
    if (!fit) {
        char tq[HC_SHAPE_TEXT], tk[HC_SHAPE_TEXT], tv[HC_SHAPE_TEXT];
        hc_fail(query->tape, HC_ERR_SHAPE,
                "%s: query %s, key %s, value %s; it takes [..., L, E], [..., S, E] and [..., S, V]", who,
                hc_shape_text(hc_form_shape(q), tq), hc_shape_text(hc_form_shape(k), tk),
                hc_shape_text(hc_form_shape(v), tv));
        return NULL;
    }
    return hc_told_as(who, query->tape, hc_attention(query, key, value, mask, 0, NULL));
}
