/** @file custom.h
 *  Operations of your own: a forward that may do anything, and a backward written in tensor operations.
 *
 *  That is what a derivative needs when differentiating through the steps of a computation would be
 *  wasteful or wrong: the solution of an equation (implicit differentiation), a fixed point, a look-up.
 *
 *      static Tensor *solve_forward(const CustomCall *call) {        // x with A x = b, A symmetric
 *          return conjugate_gradients(call->inputs[0], call->inputs[1]);
 *      }
 *      static bool solve_backward(const CustomCall *call, Tensor **grads) {
 *          Tensor *u = tensor_custom(&solve, (Tensor *[]){call->inputs[0], call->gradient}, 2, NULL);
 *          grads[0] = tensor_neg(tensor_matmul(tensor_unsqueeze(u, 1), tensor_unsqueeze(call->output, 0)));
 *          grads[1] = u;
 *          return true;
 *      }
 *
 *  The backward uses the operation itself, so derivatives of every order exist. */
#ifndef HIGHERC_CUSTOM_H
#define HIGHERC_CUSTOM_H

#include "tensor.h"
#include "names.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What a forward or backward is handed. Inputs, output and gradient are independent of one another: a
 *  tensor_grad in between, to one of them, gives a partial derivative. */
typedef struct HcCustomCall {
    Tape *tape; /**< where the operation is */
    Tensor *const *inputs; /**< tensor_custom's, as leaves */
    size_t count; /**< how many */
    Tensor *output;     /**< backward only: what forward returned */
    Tensor *gradient;   /**< backward only: the cotangent of the output, of its shape */
    const bool *needed; /**< backward only: which gradients are asked for; others may stay NULL */
    void *state;        /**< tensor_custom's */
} CustomCall;

/** A kind of operation. It must stay as long as a tape, or a Program captured from one, holds one. */
typedef struct HcCustomClass {
    const char *name; /**< for messages */
    /** The value. It may record, take gradients and read numbers as it likes: its inputs are leaves, and
     *  all it made but the value's numbers is freed when it returns. NULL is failure. */
    Tensor *(*forward)(const CustomCall *call);
    /** Writes grads[i], of inputs[i]'s shape, for each input needed; NULL stands for zero. False is
     *  failure. Where more derivatives may follow (HC_CREATE_GRAPH) all of it is recorded, and those are
     *  derivatives of what was recorded: gradients taken in between need HC_CREATE_GRAPH themselves, and
     *  a value read and put in again is a constant. Otherwise all but the gradients' numbers is freed.
     *  NULL: no gradient flows through the operation. */
    bool (*backward)(const CustomCall *call, Tensor **grads);
} CustomClass;

/** Applies the operation to inputs[0..count), count >= 1, of one tape; NULL is none of them. The result has
 *  the shape that forward gives it.
 *  Gradient:  what backward writes; of any order that it allows.
 *  Ownership: the list is copied. `state` is handed to every call, on whichever thread has the tape, and
 *             is yours: it must stay, unchanged, until the tape is reset or released below, and as long as a
 *             Program captured from it.
 *  Errors:    HC_ERR_ARG for no inputs, or a class without name or forward; HC_ERR_STATE when forward or
 *             backward fails without an error of its own; HC_ERR_SHAPE for a gradient of another shape than
 *             its input's; HC_ERR_TAPE, HC_ERR_EXPIRED for one that is not the tape's. A Program runs forward
 *             again each time, but cannot hold a backward pass that it would have to record itself:
 *             differentiate first (HC_CREATE_GRAPH), then capture. */
HC_API Tensor *tensor_custom(const CustomClass *cls, Tensor *const *inputs, size_t count,
                             void *state);

#ifdef __cplusplus
}
#endif

#include "names_end.h"
#endif
