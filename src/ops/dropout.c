/* Dropout: Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, "Dropout: a simple way to prevent
 * neural networks from overfitting", JMLR 2014, scaled in training as PyTorch does.
 *
 * y = mask x / (1 - p) is linear in x and its own adjoint. The node keeps where its random numbers begin
 * instead of the mask: the gradient, and the gradient of that, draw the same mask again. An entry's number
 * goes by its place in row-major order, whatever the order of storage. */
#include <math.h>

#include "ops/ops.h"

static bool dropout_forward(Tensor *y) {
    const void *x = hc_dense_input(y, 0);
    double p = y->attr.random.p;
    /* Words below p 2^32 drop; 2^32 drops all of them. */
    uint64_t drop = (uint64_t)ceil(p * 0x1p32);
    HC_ASSERT(p >= 0 && p <= 1);
    if (x)
        y->tape->k->dropout(y->data, x, y->form->count, y->attr.random.key, y->attr.random.counter,
                            drop, p < 1 ? 1 / (1 - p) : 0);
    return x != NULL;
}

static void dropout_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    hc_give(s, 0, hc_emit1(y->op, &y->attr, gy));
}

static const HcOp op_dropout = {.name = "tensor_dropout",
                                .flags = HC_OP_RANDOM,
                                .arity = 1,
                                .infer = hc_infer_dense,
                                .forward = dropout_forward,
                                .vjp = dropout_vjp};

Tensor *tensor_dropout(Tensor *x, double p, Rng *rng) {
    if (!hc_check(op_dropout.name, x)) return NULL;
    if (!(p >= 0 && p <= 1)) {
        hc_fail(x->tape, HC_ERR_ARG, "%s: p %g is not in [0, 1]", op_dropout.name, p);
        return NULL;
    }
    Rng *from = rng ? rng : &x->tape->rng;
    HcAttr attr = {.random = {from->key, from->counter, p, rng == NULL}};
    Tensor *y = hc_emit1(&op_dropout, &attr, x);
    if (y) from->counter += (x->form->count + 3) / 4;
    return y;
}
