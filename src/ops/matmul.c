/* Matrix products. One contraction, C = op(A) op(B) + acc over equal leading axes, is closed under
 * differentiation: each gradient is the same operation with other transposes (Giles 2008). */
#include "ops/ops.h"

/* ---- the contraction -------------------------------------------------------------------------- */

static size_t side(const HcForm *f, bool transposed, int which) {
    return f->dim[f->ndim - 2 + (transposed ? 1 - which : which)];
}

static bool product_infer(Tensor *y) {
    if (y->form) return true;
    Tensor *const *x = hc_inputs(y);
    const HcForm *a = x[0]->form, *b = x[1]->form;
    size_t dim[HC_MAX_DIMS], count;
    unsigned turned = y->attr.product.ta + 2u * y->attr.product.tb;
    uint64_t key = hc_form_key(a, b, HC_MANNER(HC_BY_PRODUCT, turned));
    if ((y->form = hc_form_recall(&y->tape->forms, key))) return true;
    for (int i = 0; i < a->ndim - 2; i++)
        dim[i] = a->dim[i];
    dim[a->ndim - 2] = side(a, y->attr.product.ta, 0);
    dim[a->ndim - 1] = side(b, y->attr.product.tb, 1);
    if (!hc_shape_valid(shape_of(dim, a->ndim), y->tape->item, &count))
        return hc_fail(y->tape, HC_ERR_SHAPE, "tensor_matmul: the result does not fit memory");
    y->form = hc_form(&y->tape->forms, a->ndim, dim, NULL);
    hc_form_remember(&y->tape->forms, key, y->form);
    return y->form || hc_fail_nomem(y->tape, y->op->name);
}

/* Whether a form shows one dense row again and again, as an expanded bias does. */
static bool repeats_a_row(const HcForm *f) {
    return f->ndim == 2 && f->stride[0] == 0 && (f->stride[1] == 1 || f->dim[1] == 1);
}

static bool product_forward(Tensor *y) {
    const HcForm *fy = y->form;
    bool ta = y->attr.product.ta;
    HcProducts p; /* every field is set below */
    HcGemm *g = &p.g;
    if (!hc_operand(y, 0, ta, &g->a, &p.fa) || !hc_operand(y, 1, y->attr.product.tb, &g->b, &p.fb))
        return false;
    if (fy->count == 0) return true;
    g->m = fy->dim[fy->ndim - 2];
    g->n = fy->dim[fy->ndim - 1];
    g->k = side(p.fa, ta, 1);
    p.count = fy->ndim > 2 ? fy->count / (g->m * g->n) : 1;
    p.relu = false;
    const Tensor *acc = hc_acc_of(y);
    bool row = acc && repeats_a_row(acc->form);
    g->start = !acc ? NULL : row ? acc->data : hc_dense_input(y, y->nin - 1);
    g->lds = row ? 0 : g->n;
    return (!acc || g->start) && hc_products(y, &p);
}

static Tensor *product(Tensor *a, bool ta, Tensor *b, bool tb, Tensor *acc, const HcForm *form);

static void product_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    Tensor *a = hc_inputs(y)[0], *b = hc_inputs(y)[1];
    const HcForm *fa = a->form->plain, *fb = b->form->plain;
    bool ta = y->attr.product.ta, tb = y->attr.product.tb;
    if (hc_needs(s, 0)) {
        Tensor *acc = hc_take(s, 0);
        hc_set(s, 0, ta ? product(b, tb, gy, true, acc, fa) : product(gy, false, b, !tb, acc, fa));
    }
    if (hc_needs(s, 1)) {
        Tensor *acc = hc_take(s, 1);
        hc_set(s, 1, tb ? product(gy, true, a, ta, acc, fb) : product(a, !ta, gy, false, acc, fb));
    }
    if (hc_acc_of(y) && hc_needs(s, 2)) hc_give(s, 2, gy);
}

static size_t product_cost(const Tensor *y) {
    return side(hc_inputs(y)[0]->form, y->attr.product.ta, 1);
}

static const HcOp op_product = {.name = "tensor_matmul",
                                .flags = HC_OP_ACC,
                                .arity = 2,
                                .infer = product_infer,
                                .forward = product_forward,
                                .vjp = product_vjp,
                                .reads = {HC_IN(1), HC_IN(0)},
                                .cost = product_cost};

/* form: the result's, or NULL where it is not known yet. */
static Tensor *product(Tensor *a, bool ta, Tensor *b, bool tb, Tensor *acc, const HcForm *form) {
    static const HcAttr turned[2][2] = {{{.product = {false, false}}, {.product = {false, true}}},
                                        {{.product = {true, false}}, {.product = {true, true}}}};
    return hc_emit_as(&op_product, &turned[ta][tb], form, (Tensor *[]){a, b, acc}, acc ? 3 : 2);
}

Tensor *hc_product(Tensor *a, bool ta, Tensor *b, bool tb, Tensor *acc) {
    return product(a, ta, b, tb, acc, NULL);
}

/* ---- x W^T + b: the sums start at the bias ----------------------------------------------------------- */

static bool linear_infer(Tensor *y) {
    Tensor *const *x = hc_inputs(y);
    size_t dim[HC_MAX_DIMS];
    uint64_t key = hc_form_key(x[0]->form, x[1]->form, HC_BY_LINEAR);
    if ((y->form = hc_form_recall(&y->tape->forms, key))) return true;
    for (int i = 0; i < x[0]->form->ndim; i++)
        dim[i] = x[0]->form->dim[i];
    dim[x[0]->form->ndim - 1] = x[1]->form->dim[0];
    size_t count;
    if (!hc_shape_valid(shape_of(dim, x[0]->form->ndim), y->tape->item, &count))
        return hc_fail(y->tape, HC_ERR_SHAPE, "tensor_linear: the result does not fit memory");
    y->form = hc_form(&y->tape->forms, x[0]->form->ndim, dim, NULL);
    hc_form_remember(&y->tape->forms, key, y->form);
    return y->form || hc_fail_nomem(y->tape, y->op->name);
}

static bool linear(Tensor *y, bool relu) {
    Tensor *const *x = hc_inputs(y);
    const char *data = hc_dense_input(y, 0), *weight = hc_dense_input(y, 1);
    const char *bias = y->nin > 2 ? hc_dense_input(y, 2) : NULL;
    size_t out = x[1]->form->dim[0], in = x[1]->form->dim[1];
    if (!data || !weight || (y->nin > 2 && !bias)) return false;
    if (y->form->count == 0) return true;
    HcProducts p = {.g = {.m = y->form->count / out,
                          .n = out,
                          .k = in,
                          .a = {data, in, 1},
                          .b = {weight, 1, in},
                          .start = bias},
                    .count = 1,
                    .relu = relu};
    return hc_products(y, &p);
}

static bool linear_forward(Tensor *y) {
    return linear(y, false);
}

/* All but the last axis as rows. */
static Tensor *as_rows(Tensor *x) {
    if (!x || x->form->ndim == 2) return x;
    size_t last = x->form->dim[x->form->ndim - 1], rows = 1;
    for (int i = 0; i < x->form->ndim - 1; i++)
        rows *= x->form->dim[i];
    return tensor_reshape(x, shape2(rows, last));
}

/* To x: g W; to W: g^T x; to b: the sum of g over the rows */
static void linear_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    Tensor *const *x = hc_inputs(y);
    Tensor *g = as_rows(gy);
    if (hc_needs(s, 0)) {
        if (g == gy) {
            hc_set(s, 0, product(g, false, x[1], false, hc_take(s, 0), x[0]->form->plain));
        } else {
            Tensor *gx = hc_product(g, false, x[1], false, NULL);
            hc_give(s, 0, tensor_reshape(gx, hc_form_shape(x[0]->form)));
        }
    }
    if (hc_needs(s, 1)) {
        Tensor *rows = as_rows(x[0]);
        hc_set(s, 1, product(g, true, rows, false, hc_take(s, 1), x[1]->form->plain));
    }
    if (y->nin > 2 && hc_needs(s, 2))
        hc_set(s, 2, hc_sum_rows(g, hc_take(s, 2), x[2]->form->plain));
}

/* max(x W^T + b, 0): the sums are cut off while they are in cache, and not kept. To all: g where y > 0 */
static bool linear_relu_forward(Tensor *y) {
    return linear(y, true);
}

static void linear_relu_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    linear_vjp(s, y, hc_gate(hc_hand_over(s, gy), y, 0));
}

static const HcOp op_linear = {.name = "tensor_linear",
                               .arity = 3,
                               .infer = linear_infer,
                               .forward = linear_forward,
                               .vjp = linear_vjp,
                               .reads = {HC_IN(1), HC_IN(0)}};

static Tensor *linear_then_relu(Tensor *x, Tensor *weight, Tensor *bias) {
    return tensor_relu(tensor_linear(x, weight, bias));
}

static Tensor *linear_relu_composed(Tensor *y) {
    Tensor *const *x = hc_inputs(y);
    return linear_then_relu(x[0], x[1], y->nin > 2 ? x[2] : NULL);
}

static const HcOp op_linear_relu = {
    .name = "tensor_linear",
    .arity = 3,
    .infer = linear_infer,
    .forward = linear_relu_forward,
    .vjp = linear_relu_vjp,
    .compose = linear_relu_composed,
    .reads = {HC_IN(1) | HC_READS_OUTPUT, HC_IN(0) | HC_READS_OUTPUT, HC_READS_OUTPUT}};

static Tensor *emit_linear(const HcOp *op, Tensor *x, Tensor *weight, Tensor *bias) {
    Tensor *in[3] = {x, weight, bias};
    size_t nin = bias ? 3 : 2;
    if (!hc_check_all(op->name, in, nin)) return NULL;
    const HcForm *fx = x->form, *fw = weight->form;
    bool fits = fx->ndim >= 1 && fw->ndim == 2 && fx->dim[fx->ndim - 1] == fw->dim[1] &&
                (!bias || (bias->form->ndim == 1 && bias->form->dim[0] == fw->dim[0]));
    if (!fits) {
        char tx[HC_SHAPE_TEXT], tw[HC_SHAPE_TEXT], tb[HC_SHAPE_TEXT];
        hc_fail(x->tape, HC_ERR_SHAPE,
                "tensor_linear: input %s, weight %s, bias %s; it takes [..., in], [out, in] and [out]",
                hc_shape_text(hc_form_shape(fx), tx), hc_shape_text(hc_form_shape(fw), tw),
                bias ? hc_shape_text(hc_form_shape(bias->form), tb) : "none");
        return NULL;
    }
    return hc_emit(op, NULL, in, nin);
}

Tensor *tensor_linear(Tensor *x, Tensor *weight, Tensor *bias) {
    return emit_linear(&op_linear, x, weight, bias);
}

Tensor *hc_linear_relu(Tensor *x, Tensor *weight, Tensor *bias) {
    return HC_FUSED ? emit_linear(&op_linear_relu, x, weight, bias)
                    : linear_then_relu(x, weight, bias);
}

/* ---- NumPy's matmul --------------------------------------------------------------------------------- */

bool hc_broadcast_leading(const char *who, Tensor **a, Tensor **b) {
    Shape sa = hc_form_shape((*a)->form), sb = hc_form_shape((*b)->form);
    int ndim = sa.ndim > sb.ndim ? sa.ndim : sb.ndim;
    size_t dim_a[HC_MAX_DIMS], dim_b[HC_MAX_DIMS];
    for (int i = 0; i < ndim; i++) {
        int ia = i - (ndim - sa.ndim), ib = i - (ndim - sb.ndim);
        dim_a[i] = ia >= 0 ? sa.dim[ia] : 1;
        dim_b[i] = ib >= 0 ? sb.dim[ib] : 1;
        if (i >= ndim - 2) continue;
        if (dim_a[i] != dim_b[i] && dim_a[i] != 1 && dim_b[i] != 1) {
            char ta[HC_SHAPE_TEXT], tb[HC_SHAPE_TEXT];
            return hc_fail((*a)->tape, HC_ERR_SHAPE,
                           "%s: %s x %s: leading axes do not broadcast", who, hc_shape_text(sa, ta),
                           hc_shape_text(sb, tb));
        }
        if (dim_a[i] == 1) dim_a[i] = dim_b[i];
        dim_b[i] = dim_a[i];
    }
    *a = tensor_expand(*a, shape_of(dim_a, ndim));
    *b = tensor_expand(*b, shape_of(dim_b, ndim));
    return *a && *b;
}

Tensor *tensor_matmul(Tensor *a, Tensor *b) {
    if (!hc_check_all(op_product.name, (Tensor *[]){a, b}, 2)) return NULL;
    Shape sa = hc_form_shape(a->form), sb = hc_form_shape(b->form);
    char ta[HC_SHAPE_TEXT], tb[HC_SHAPE_TEXT];
    if (sa.ndim == 0 || sb.ndim == 0) {
        hc_fail(a->tape, HC_ERR_SHAPE, "tensor_matmul: %s x %s: a scalar is no matrix",
                hc_shape_text(sa, ta), hc_shape_text(sb, tb));
        return NULL;
    }
    size_t inner_a = sa.dim[sa.ndim - 1], inner_b = sb.dim[sb.ndim > 1 ? sb.ndim - 2 : 0];
    if (inner_a != inner_b) {
        hc_fail(a->tape, HC_ERR_SHAPE,
                "tensor_matmul: %s x %s: inner dimensions %zu and %zu differ",
                hc_shape_text(sa, ta), hc_shape_text(sb, tb), inner_a, inner_b);
        return NULL;
    }
    if (sa.ndim == 1) a = tensor_unsqueeze(a, 0);
    if (sb.ndim == 1) b = tensor_unsqueeze(b, 1);
    if (!a || !b || ((a->form->ndim > 2 || b->form->ndim > 2) && !hc_broadcast_leading(op_product.name, &a, &b)))
        return NULL;
    Tensor *y = hc_product(a, false, b, false, NULL);
    if (sb.ndim == 1) y = tensor_squeeze(y, -1);
    if (sa.ndim == 1) y = tensor_squeeze(y, sb.ndim == 1 ? -1 : -2);
    return y;
}

Tensor *tensor_dot(Tensor *a, Tensor *b) {
    if (!hc_check_all("tensor_dot", (Tensor *[]){a, b}, 2)) return NULL;
    if (a->form->ndim != 1 || a->form->plain != b->form->plain) {
        char ta[HC_SHAPE_TEXT], tb[HC_SHAPE_TEXT];
        hc_fail(a->tape, HC_ERR_SHAPE, "tensor_dot: %s and %s are not 1-D of equal length",
                hc_shape_text(hc_form_shape(a->form), ta),
                hc_shape_text(hc_form_shape(b->form), tb));
        return NULL;
    }
    return tensor_matmul(a, b);
}
