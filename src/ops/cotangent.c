/* Give, take and add up: the cotangents of a sweep, out of operations, so that with history they have one; and
 * the two operations that takes, a multiple and one added. */
#include "ops/cotangent.h"

#include "ops/ops.h"

bool hc_late_needs(const HcSweep *s, unsigned j) {
    if (j >= s->node->nin) return false;
    size_t k = hc_sweep_number(s, s->inputs[j]);
    return k < s->count && hc_wanted_below(&s->nodes[k]);
}

Tensor *hc_part_cotangent(const HcSweep *s, size_t i) {
    size_t k = hc_sweep_number(s, hc_part(s->node, i));
    return k < s->count ? s->nodes[k].cotangent : NULL;
}

Tensor *hc_take(HcSweep *s, unsigned j) {
    if (!hc_needs(s, j)) return NULL;
    HcReached *x = hc_reached(s, s->inputs[j]);
    Tensor *taken = x->cotangent;
    if (!taken || !(taken->flags & HC_NODE_SCRATCH)) {
        x->cotangent = NULL;
        if (taken && x->owned) taken->flags |= HC_NODE_CONSUME;
        return taken;
    }
    /* Its hold passes to the list of this rule's tensors, dropped when the rule returns. Held by
     * nobody else, it may be overwritten. */
    if (!hc_room_for_born(s->tape)) {
        hc_fail_nomem(s->tape, "tensor_grad");
        return NULL;
    }
    x->cotangent = NULL;
    s->tape->born[s->tape->born_count++] = taken;
    if (taken->holders == 1) taken->flags |= HC_NODE_CONSUME;
    return taken;
}

/* A cotangent has the shape of its tensor. */
static bool is_like(const HcSweep *s, unsigned j, const Tensor *g) {
    return g->form->plain == s->inputs[j]->form->plain;
}

void hc_set(HcSweep *s, unsigned j, Tensor *g) {
    HC_ASSERT(!g || !hc_needs(s, j) || is_like(s, j, g));
    if (g && hc_needs(s, j)) hc_put_cotangent(hc_reached(s, s->inputs[j]), g, true);
}

void hc_give_scaled(HcSweep *s, unsigned j, Tensor *g, double c) {
    if (!g || !hc_needs(s, j)) return;
    HC_ASSERT(is_like(s, j, g));
    HcReached *x = hc_reached(s, s->inputs[j]);
    if (x->cotangent)
        hc_set(s, j, hc_axpy(c, g, hc_take(s, j)));
    else if (c == 1)
        hc_put_cotangent(x, g, false);
    else
        hc_set(s, j, tensor_mul_scalar(g, c));
}

Tensor *hc_hand_over(HcSweep *s, Tensor *gy) {
    const HcReached *y = hc_reached(s, s->node);
    bool alone = gy->flags & HC_NODE_SCRATCH ? gy->holders == 1 : y->owned;
    if (alone && !y->wanted) gy->flags |= HC_NODE_CONSUME;
    return gy;
}

void hc_give(HcSweep *s, unsigned j, Tensor *g) {
    hc_give_scaled(s, j, g, 1);
}

/* ---- y + c x: the accumulating form of addition. To x: c g; to y: g ------------------------------ */

static void axpy_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    if (hc_needs(s, 0)) hc_give_scaled(s, 0, gy, y->attr.real[0]);
    if (hc_needs(s, 1)) hc_give(s, 1, gy);
}

static const HcOp op_axpy = {.name = "tensor_axpy",
                             .flags = HC_OP_ACC,
                             .arity = 1,
                             .infer = hc_infer_same,
                             .forward = hc_forward_binary,
                             .vjp = axpy_vjp,
                             .kernel = HC_KERNEL(axpy)};

Tensor *hc_axpy(double c, Tensor *x, Tensor *y) {
    return hc_emit2(&op_axpy, &(HcAttr){.real = {c}}, x, y);
}

/* ---- c x. To x: c g ---------------------------------------------------------------------------------- */

static void scale_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    hc_give_scaled(s, 0, gy, y->attr.real[0]);
}

static const HcOp op_scale = {.name = "tensor_mul_scalar",
                              .arity = 1,
                              .infer = hc_infer_same,
                              .forward = hc_forward_unary,
                              .vjp = scale_vjp,
                              .kernel = HC_KERNEL(scale)};

Tensor *tensor_mul_scalar(Tensor *x, double c) {
    return hc_unary_c(&op_scale, x, c);
}
