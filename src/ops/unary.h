/* How elementwise functions of one tensor are defined: a rule, a descriptor, a builder. */
#ifndef HC_OPS_UNARY_H
#define HC_OPS_UNARY_H

#include "ops/ops.h"

enum { X = HC_IN(0), Y = HC_READS_OUTPUT };

/* A function without attributes, its rule and its builder. */
#define UNARY_OP(id, read)                                                                         \
    static const HcOp op_##id = {.name = "tensor_" #id,                                            \
                                 .arity = 1,                                                       \
                                 .infer = hc_infer_same,                                           \
                                 .forward = hc_forward_unary,                                      \
                                 .vjp = id##_vjp,                                                  \
                                 .reads = {read},                                                  \
                                 .kernel = HC_KERNEL(id)};                                         \
    Tensor *tensor_##id(Tensor *x) {                                                               \
        return hc_emit1(&op_##id, NULL, x);                                                        \
    }

#define INTERNAL_OP(id, public_name, kernel_name, read)                                            \
    static const HcOp op_##id = {.name = public_name,                                              \
                                 .arity = 1,                                                       \
                                 .infer = hc_infer_same,                                           \
                                 .forward = hc_forward_unary,                                      \
                                 .vjp = id##_vjp,                                                  \
                                 .reads = {read},                                                  \
                                 .kernel = HC_KERNEL(kernel_name)}

/* Rules use y or x as `v`. */
#define RULE(id, v, formula)                                                                       \
    static void id##_vjp(HcSweep *s, Tensor *node, Tensor *g) {                                    \
        Tensor *v = RULE_##v(node);                                                                \
        hc_give(s, 0, formula);                                                                    \
    }
#define RULE_x(node) hc_inputs(node)[0]
#define RULE_y(node) (node)

/* A step. */
#define FLAT_OP(id)                                                                                \
    static void id##_vjp(HcSweep *s, Tensor *node, Tensor *g) {                                    \
        (void)s;                                                                                   \
        (void)node;                                                                                \
        (void)g;                                                                                   \
    }                                                                                              \
    UNARY_OP(id, 0)

#endif
