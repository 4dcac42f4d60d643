/* Where a sweep of several cotangents starts: a number, 0, whose gradient to tensor i is cotangent i. */
#include "grad/sweep.h"
#include "ops/ops.h"

static bool start_infer(Tensor *y) {
    y->form = hc_form(&y->tape->forms, 0, NULL, NULL);
    return y->form || hc_fail_nomem(y->tape, y->op->name);
}

static bool start_forward(Tensor *y) {
    y->tape->k->fill(y->data, 1, 0);
    return true;
}

/* That of y is 1. */
static void start_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    Tensor *const *cotangents = y->attr.custom.state;
    (void)gy;
    for (unsigned i = 0; i < y->nin; i++)
        hc_give(s, i, cotangents[i]);
}

static const HcOp op_start = {
    .name = "start", .flags = HC_OP_MORE, .arity = 1, .infer = start_infer, .forward = start_forward, .vjp = start_vjp};

Tensor *hc_start_at(Tensor *const *tensors, Tensor **cotangents, size_t count) {
    return hc_emit(&op_start, &(HcAttr){.custom = {.state = cotangents}}, tensors, count);
}
