/** @file module.h
 *  Modules: trees of named parameters with a forward.
 *
 *  A module owns its children and holds references to its Params; names are dotted paths from the
 *  root ("2.weight"). Forwards never touch a weight directly: they ask a Frame for it by name, and
 *  the frame answers with the base weights (module_forward) or with fast ones (fmodule_forward). That
 *  is all there is to making a module functional. */
#ifndef HIGHERC_MODULE_H
#define HIGHERC_MODULE_H

#include <stdio.h>

#include "param.h"
#include "names.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A tree of named Params and buffers with a forward. */
typedef struct HcModule Module;
/** What answers a running forward: base weights, or fast ones. It lives as long as that forward. */
typedef struct HcFrame Frame;

/* ---- building ------------------------------------------------------------------------------- */
/* Every maker returns NULL, with the thread's error set, when out of memory or handed nonsense. Layers with weights or
 * state of their own are in layers.h. */

/** children[0..count) one after the other, named "0", "1", ... Owns them from here on, also when it
 *  fails. The same child may stand at several places: its parameters are then shared.
 *  A linear layer and the ReLU behind it run as one operation, and so do a batch norm, a ReLU or both and the max-pool
 *  (2d) behind: the same numbers, without those in between being kept. */
HC_API Module *module_sequential(Module *const *children, size_t count);
/** The sum of what children[0..count), named "0", "1", ..., give for the same input, in that order; their shapes are
 *  equal. With module_identity() among them a residual connection. Owns them, as module_sequential does. */
HC_API Module *module_sum(Module *const *children, size_t count);
/** What they give joined along an axis (tensor_concat). */
HC_API Module *module_concat(Module *const *children, size_t count, int axis);
/** fn(x, user), made of operations on x's tape; no parameters. `user` stays as long as the module and its clones. */
typedef Tensor *ModuleFn(Tensor *x, void *user);
/** A module that applies the function; NULL, HC_ERR_ARG, without one. */
HC_API Module *module_lambda(ModuleFn *fn, void *user);
/** x W^T + b with weight [out, in] and bias [out], on the last axis. */
HC_API Module *module_linear(size_t in, size_t out);
/** The same without a bias. */
HC_API Module *module_linear_no_bias(size_t in, size_t out);
/** [N, ...] -> [N, product of the rest]. */
HC_API Module *module_flatten(void);
/** x as it is. */
HC_API Module *module_identity(void);
/** tensor_relu of every entry. */
HC_API Module *module_relu(void);
/** tensor_leaky_relu (PyTorch: slope 0.01). */
HC_API Module *module_leaky_relu(double slope);
/** tensor_elu (PyTorch: alpha 1). */
HC_API Module *module_elu(double alpha);
/** tensor_prelu with the parameter weight [channels], or [1] for all channels, at first `slope` (PyTorch: 1, 0.25). */
HC_API Module *module_prelu(size_t channels, double slope);
/** tensor_gelu. */
HC_API Module *module_gelu(void);
/** tensor_silu. */
HC_API Module *module_silu(void);
/** tensor_softplus. */
HC_API Module *module_softplus(void);
/** tensor_tanh. */
HC_API Module *module_tanh(void);
/** tensor_sigmoid. */
HC_API Module *module_sigmoid(void);
/** tensor_softmax along an axis. */
HC_API Module *module_softmax(int axis);
/** tensor_log_softmax along an axis. */
HC_API Module *module_log_softmax(int axis);

/* ---- modules of your own ---------------------------------------------------------------------- */

/** Your own kind of module. forward is handed inputs in[0..nin), writes out[0..nout) and returns
 *  whether it could; it asks the frame for what it needs by name. Any other function may be NULL. */
typedef struct HcModuleClass {
    const char *name; /**< shown by module_print and in messages */
    /** Applies the module: writes out[0..nout), tensors on frame_tape(frame). False, or an error, is failure. */
    bool (*forward)(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout);
    /** Gives the module's own Params (not its children's) their first values. Without it: each as
     *  PyTorch's linear, uniform in +-1/sqrt(fan in), fan in being the product of all but the first
     *  size of the module's first Param. */
    bool (*init)(Module *module, Rng *rng);
    /** For module_clone; without it a state cannot be cloned. */
    void *(*clone_state)(const void *state);
    void (*destroy_state)(void *state); /**< called once, also when module_create fails */
} ModuleClass;

/** A module of your own kind with no parameters yet. The class is copied (its name is not: it must
 *  stay); `state` is handed back by module_state and frame_state, and owned from here on. */
HC_API Module *module_create(const ModuleClass *cls, void *state);
/** Adds a parameter, not initialised, of the module's type. Names have no dots and are unique.
 *  A layer of this library carries it along and does not use it. Returns it (borrowed). */
HC_API Param *module_add_param(Module *module, const char *name, Shape shape);
/** Adds a buffer: a tensor that is carried along but not trained, all `value` at first. */
HC_API bool module_add_buffer(Module *module, const char *name, Shape shape, double value);
/** Adds a child, which is owned from here on, also when this fails.
 *  Errors: HC_ERR_RANGE: modules nest at most 256 deep. */
HC_API bool module_add_child(Module *module, const char *name, Module *child);
/** Makes the parameter at `path` be the one at `source` (a shared, tied weight): equal shapes; paths
 *  from this module, e.g. module_tie(net, "decoder.weight", "encoder.weight"). */
HC_API bool module_tie(Module *module, const char *path, const char *source);

/** Frees the tree. A module owned by another cannot be destroyed by itself (HC_ERR_STATE). */
HC_API void module_destroy(Module *module);
/** A copy with Params of its own: values, ties, frozen flags and modes equal; gradients absent. */
HC_API Module *module_clone(const Module *module);

/* ---- looking at ------------------------------------------------------------------------------ */

/** The Params of the whole tree, each once, in order of first use. */
HC_API ParamList module_params(const Module *module);
/** The buffers of the whole tree, in order. */
HC_API ParamList module_buffers(const Module *module);
/** By its path, "2.weight"; NULL, and HC_ERR_NAME, for none. */
HC_API Param *module_param(const Module *module, const char *path);
/** The same of a buffer, "1.running_mean". */
HC_API Param *module_buffer(const Module *module, const char *path);
HC_API Module *module_find(const Module *module, const char *path); /**< "body.2" */
HC_API const char *module_name(const Module *module);               /**< its class's name */
/** What module_create was handed; NULL for NULL. */
HC_API void *module_state(const Module *module);
/** The type of its Params (at first HC_F32: module_to); HC_F32 for NULL. */
HC_API DType module_dtype(const Module *module);
/** A table of parameters, shapes and counts. False, and HC_ERR_IO, when it cannot be written. */
HC_API bool module_print(const Module *module, FILE *out);

/* ---- using ----------------------------------------------------------------------------------- */

/** First values for every Param that is not frozen, PyTorch's defaults, in tree order. */
HC_API bool module_init(Module *module, Rng *rng);
/** Weights (2 and more dimensions) normal with that deviation, redrawn beyond two deviations; all
 *  others 0, but the lengths of normalised weights: the initialisation of the MAML paper's code (Finn et al. 2017). */
HC_API bool module_init_truncated_normal(Module *module, double deviation, Rng *rng);
/** Converts Params and buffers in place, all or none; values are rounded, gradients become absent. What
 *  was made for the old type (tapes, Optims, Grads) is refused from then on; tensors that read the old
 *  numbers still do.
 *  Errors: HC_ERR_STATE for a module that belongs to another: convert the whole tree. */
HC_API bool module_to(Module *module, DType dtype);
/** Writes the values of all Params and buffers to a file, with names and shapes, the same on every
 *  platform, with a checksum. Modes and frozen flags are not saved. The path is UTF-8 on Windows. The
 *  file is written beside it, to path.tmp-..., flushed to disk, and then takes the name over: after a full disk, a
 *  kill or a power cut the old file or the new one is there, whole; of several writers, one's. So its folder must be
 *  one to write in. What a kill left beside it goes with the next save to the same name. Links are followed; owner
 *  and permissions are kept where the system lets.
 *  Errors: HC_ERR_STATE (a Param not initialised), HC_ERR_IO when not all of it reached the disk; the old file
 *          is then as it was; HC_ERR_NOMEM. */
HC_API bool module_save(const Module *module, const char *path);
/** Reads it into a module of the same type, names and shapes, in the same order. All or nothing, whatever
 *  the file holds.
 *  Errors: HC_ERR_IO (cut off, damaged, of another kind or version), HC_ERR_NAME, HC_ERR_SHAPE,
 *          HC_ERR_DTYPE, HC_ERR_NOMEM. */
HC_API bool module_load(Module *module, const char *path);
/** Training mode (the start) or evaluation mode, for the whole tree. */
HC_API void module_train(Module *module, bool training);
/** Whether it is in training mode; false for NULL. */
HC_API bool module_training(const Module *module);
/** Applies the module with its base weights, on x's tape. */
HC_API Tensor *module_forward(Module *module, Tensor *x);
/** The same with nin inputs and up to 16 outputs; out[] is untouched on failure. */
HC_API bool module_forward_n(Module *module, Tensor *const *in, size_t nin, Tensor **out,
                             size_t nout);

/* ---- inside a forward ------------------------------------------------------------------------- */

/** The weight of that name of the module whose forward is running, as a tensor. */
HC_API Tensor *frame_param(Frame *frame, const char *name);
/** The buffer of that name, as a constant. */
HC_API Tensor *frame_buffer(Frame *frame, const char *name);
/** Gives the buffer a new value (its history is dropped): B<t+1>. On base weights it is written to
 *  the module, on fast ones kept by the functional module. */
HC_API bool frame_set_buffer(Frame *frame, const char *name, Tensor *value);
/** Applies a child. */
HC_API Tensor *frame_call(Frame *frame, const char *child, Tensor *x);
/** The same with several inputs and outputs. */
HC_API bool frame_call_n(Frame *frame, const char *child, Tensor *const *in, size_t nin,
                         Tensor **out, size_t nout);
/** Training mode, or evaluation mode: the module's (module_train), or the functional module's own
 *  (fmodule_train). */
HC_API bool frame_training(const Frame *frame);
/** How many steps the weights have taken: fmodule_steps of the functional module; 0 of base weights. */
HC_API size_t frame_step(const Frame *frame);
/** False in a functional module with HC_BUFFERS_BATCH: use the batch's statistics, and keep none. */
HC_API bool frame_keeps_statistics(const Frame *frame);
HC_API void *frame_state(const Frame *frame); /**< what module_create was handed */
/** The tape that the forward records on. */
HC_API Tape *frame_tape(const Frame *frame);

#ifdef __cplusplus
}
#endif

#include "names_end.h"
#endif
