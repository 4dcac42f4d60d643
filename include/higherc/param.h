/** @file param.h
 *  Params: named, long-lived storage with a gradient. What a model learns lives in Params; tapes
 *  come and go. Modules and optimizers hold references to them, so destroying in any order is safe. */
#ifndef HIGHERC_PARAM_H
#define HIGHERC_PARAM_H

#include "tensor.h"
#include "names.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Named, long-lived numbers with a gradient, counted by its holders. */
typedef struct HcParam Param;

/** A plain list. What a function returns as one is borrowed: valid as long as what it was asked of. */
typedef struct HcParamList {
    Param **items; /**< the Params, in order */
    size_t count; /**< how many */
} ParamList;

/** A new Param with one reference, not initialised (using it before param_set or param_fill is
 *  HC_ERR_STATE), with no gradient. The name is copied. */
HC_API Param *param_create(const char *name, Shape shape, DType dtype);
HC_API Param *param_ref(Param *param); /**< one more holder; returns param */
HC_API void param_unref(Param *param); /**< one fewer; the last one frees it */

/** "2.weight" inside a module; else as created. */
HC_API const char *param_name(const Param *param);
/** Its shape; ndim -1 for NULL. */
HC_API Shape param_shape(const Param *param);
/** How many numbers it holds; 0 for NULL. */
HC_API size_t param_count(const Param *param);
/** Their type; HC_F32 for NULL. */
HC_API DType param_dtype(const Param *param);
HC_API const void *param_data(const Param *param); /**< row-major, of its type */
/** One number, by flat index; NaN, and HC_ERR_RANGE, for an index that is none. */
HC_API double param_get(const Param *param, size_t index);

/* ---- writing -------------------------------------------------------------------------------- */
/* Writing is in place. Tapes on which the Param was read see it: a gradient that would need the old
 * value is the error HC_ERR_CHANGED, which names the Param. */

/** Copies and converts param_count(param) numbers. */
HC_API bool param_set_f32(Param *param, const float *values, size_t count);
/** The same from double. */
HC_API bool param_set_f64(Param *param, const double *values, size_t count);
/** Makes every entry `value`. */
HC_API bool param_fill(Param *param, double value);
/** Draws every entry uniformly from [low, high). */
HC_API bool param_uniform(Param *param, double low, double high, Rng *rng);
/** Normal; with `bound` > 0 redrawn while beyond bound deviations from the mean. */
HC_API bool param_normal(Param *param, double mean, double deviation, double bound, Rng *rng);

/* ---- the gradient ---------------------------------------------------------------------------- */

/** The gradient, row-major, or NULL while it is absent. Absent is not zero: an optimizer leaves a
 *  Param without gradient alone. */
HC_API const void *param_grad(const Param *param);
/** One number of the gradient; 0 while absent; NaN as param_get. */
HC_API double param_grad_get(const Param *param, size_t index);
/** Makes the gradient absent. */
HC_API void param_zero_grad(Param *param);
/** Adds `count` numbers to the gradient (an absent one becomes them). */
HC_API bool param_add_grad_f64(Param *param, const double *values, size_t count);

/** A frozen Param is a constant: no gradient flows to it and optimizers leave it alone. */
HC_API void param_freeze(Param *param, bool frozen);
/** Whether it is; false for NULL. */
HC_API bool param_frozen(const Param *param);

/** The Param's leaf on a tape, the same one each time until the Param is written. It borrows the
 *  Param's memory.
 *  Errors: HC_ERR_DTYPE (a tape of the other type), HC_ERR_STATE (not initialised). */
HC_API Tensor *param_tensor(Tape *tape, Param *param);

/* ---- gradients kept apart ------------------------------------------------------------------ */

/** One gradient buffer per Param of a list, apart from the Params' own: lets threads collect
 *  gradients of the same Params, to be added in a fixed order afterwards. */
typedef struct HcGrads Grads;

/** Holds references to the Params; all gradients absent. All must have one dtype: collecting for or
 *  adding to Params that were converted since (module_to) is HC_ERR_DTYPE. */
HC_API Grads *grads_create(ParamList params);
/** Frees the buffers and lets go of the Params. NULL is fine. */
HC_API void grads_destroy(Grads *grads);
/** Makes all gradients absent. */
HC_API void grads_zero(Grads *grads);
/** Adds each present gradient to its Param's own, in list order, and leaves this one as it is. */
HC_API bool grads_add_to_params(const Grads *grads);
/** Gradient of the list's entry `index`, or NULL while absent. */
HC_API const void *grads_get(const Grads *grads, size_t index);
/** All gradients one after the other in one writable buffer (for a reduction across machines);
 *  absent ones become present and zero, since the buffer has a place for each. */
HC_API void *grads_flat(Grads *grads, size_t *count);
/** Scales all by min(1, max_norm / (norm + 1e-6)), norm over all entries; returns the norm before,
 *  or NaN and an error. */
HC_API double grads_clip_norm(Grads *grads, double max_norm);

#ifdef __cplusplus
}
#endif

#include "names_end.h"
#endif
