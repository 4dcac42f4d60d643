/** @file grad.h
 *  Derivatives of any order.
 *
 *  The backward of every operation is itself made of recorded operations. With HC_CREATE_GRAPH the
 *  gradient therefore lands on the tape as an ordinary tensor with a history, and the gradient of a
 *  gradient is tensor_grad twice. Without it, what the sweep needs in between leaves no trace.
 *
 *  A gradient goes from an output back to leaves (tensor.h says what a leaf is): asked for, to any tensor between a
 *  leaf and the output.
 *
 *  Silence is a bug: a gradient that cannot exist is the error HC_ERR_GRAD, whose message says why
 *  (a constant, a detached or frozen tensor, HC_DETACH, HC_EVAL, an operation
 *  without a derivative, history switched off, a graph that was not created). */
#ifndef HIGHERC_GRAD_H
#define HIGHERC_GRAD_H

#include "param.h"
#include "names.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    HC_CREATE_GRAPH = 1, /**< record the gradient, so that it can be differentiated again */
    HC_ALLOW_UNUSED = 2, /**< an input the output does not depend on gives NULL, not an error */
    HC_ZEROS = 4         /**< ... gives zeros */
};

/** Gradients of a scalar `output` to each of inputs[0..count), written to grads[0..count).
 *  An input may be any tensor that requires a gradient, a leaf or an intermediate one.
 *  Shapes:    grads[i] has the shape of inputs[i].
 *  Ownership: the gradients are tensors on the tape; without HC_CREATE_GRAPH they are constants.
 *  Errors:    HC_ERR_GRAD, HC_ERR_SHAPE (output not a scalar), HC_ERR_CHANGED; grads[] untouched. */
HC_API bool tensor_grad(Tensor *output, Tensor *const *inputs, size_t count, Tensor **grads,
                        unsigned flags);

/** As tensor_grad for an output of any shape: gradients of sum(output * cotangent). With
 *  HC_CREATE_GRAPH they can be differentiated with respect to the cotangent too. */
HC_API bool tensor_vjp(Tensor *output, Tensor *cotangent, Tensor *const *inputs, size_t count,
                       Tensor **grads, unsigned flags);

/** Adds the gradients of a scalar loss to the grads of every Param it reaches, each completed apart
 *  and added once; nothing is added when it fails. The tape is left as it was.
 *  Errors: HC_ERR_GRAD when the loss reaches no trainable Param, with the cause. */
HC_API bool tensor_backward(Tensor *loss);

/** The same into `grads`, whose Params may be read by other threads meanwhile. Params reached that
 *  the list lacks are left out; none of the list reached is an error. */
HC_API bool tensor_backward_into(Tensor *loss, Grads *grads);

/** Hessian of a scalar output times vectors[0..count), into products[]: the gradient of
 *  sum(gradient * vectors).
 *  Shapes:    vectors[i] and products[i] as inputs[i].
 *  Gradient:  with HC_CREATE_GRAPH, also to the vectors.
 *  Ownership: the products are tensors on the tape. The gradient's own graph stays below them; release
 *             to a mark after reading them where that matters.
 *  Errors:    as tensor_grad, and HC_ERR_SHAPE for a vector of another shape. An input the output does
 *             not depend on is one without HC_ALLOW_UNUSED or HC_ZEROS; a block of zeros is zeros. */
HC_API bool tensor_hvp(Tensor *output, Tensor *const *inputs, size_t count, Tensor *const *vectors,
                       Tensor **products, unsigned flags);

/** Jacobian of output times tangents[0..count): the derivative along them, by two reverse sweeps.
 *  Shapes:    tangents[i] as inputs[i] -> output's.
 *  Gradient:  with HC_CREATE_GRAPH (flags: that or 0), also to the tangents.
 *  Ownership: as tensor_hvp.
 *  Errors:    HC_ERR_SHAPE for a tangent of another shape. No dependence gives zeros. */
HC_API Tensor *tensor_jvp(Tensor *output, Tensor *const *inputs, size_t count,
                          Tensor *const *tangents, unsigned flags);

/** Whether a gradient flows from y back to x. False, without an error, for NULL. */
HC_API bool tensor_depends_on(Tensor *y, Tensor *x);
/** Whether tensor_backward(y) would add to the Param. */
HC_API bool tensor_reaches(Tensor *y, const Param *param);

/** What gradcheck differentiates: from inputs[0..count) on one tape to one tensor there, or NULL on
 *  failure. It must be a smooth function near the inputs and give the same result each time. */
typedef Tensor *GradcheckFn(Tensor *const *inputs, size_t count, void *user);

/** How gradcheck compares; take it from gradcheck_options(). */
typedef struct HcGradcheckOptions {
    int order;        /**< 1: gradients, 2: also gradients of gradients, ... (1 to 6) */
    double step;      /**< of the central differences */
    double tolerance; /**< relative to the largest derivative of that input and order */
    double absolute;  /**< added to it */
} GradcheckOptions;

/** Order 2, a step and tolerances that suit the type (f64: 1e-3, 1e-7, 1e-9). */
HC_API GradcheckOptions gradcheck_options(DType dtype);

/** Compares each order's derivative of `fn`, at inputs with the values given, to fourth-order
 *  central differences of the order below, every entry of every input, with random weights on the
 *  entries of outputs.
 *  Returns: whether all agree; if not, higherc_error() says which order, input and entry, and by how
 *  much. The tape is left as it was. */
HC_API bool gradcheck(GradcheckFn *fn, Tensor *const *inputs, size_t count,
                      GradcheckOptions options, void *user);

#ifdef __cplusplus
}
#endif

#include "names_end.h"
#endif
