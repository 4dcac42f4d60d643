/* Batch, layer and group norm. */
#include "ops/ops.h"

#include "higherc/layers.h"
#include "nn/module.h"

/* Weights 1, biases 0. */
static void init_affine(Module *module) {
    for (size_t i = 0; i < module->param_count; i++) {
        Param *p = module->params[i].param;
        if (!p->frozen) param_fill(p, i == 0 ? 1 : 0);
    }
}

static bool init_norm(Module *module, Rng *rng) {
    (void)rng;
    init_affine(module);
    return true;
}

/* Adds weight and bias where wanted; NULL, with the module destroyed, on failure. */
static Module *with_affine(Module *module, bool wanted, Shape shape) {
    if (module && (!wanted || (hc_module_own_param(module, "weight", shape) &&
                               hc_module_own_param(module, "bias", shape))))
        return module;
    module_destroy(module);
    return NULL;
}

static Tensor *weight_of(Frame *frame) {
    return hc_frame_own_param(frame, 0, "weight");
}

static Tensor *bias_of(Frame *frame) {
    return hc_frame_own_param(frame, 1, "bias");
}

static bool good_eps(const char *who, double eps) {
    return (eps >= 0 && eps < 1e300) ||
           hc_fail_thread(HC_ERR_ARG, "module_%s: eps %g is not a number from 0 up", who, eps);
}

/* ---- batch norm ------------------------------------------------------------------------------------ */

typedef struct BatchNorm {
    BatchNormOptions options;
    size_t channels;
    int least, most; /* axes of an input */
} BatchNorm;

BatchNormOptions batch_norm_options(void) {
    return (BatchNormOptions){
        .eps = 1e-5, .momentum = 0.1, .affine = true, .track_running_stats = true};
}

/* The row that counts at this step, of what has one for each; the whole of what has none. */
static size_t row_of(const Frame *frame, const BatchNorm *b) {
    size_t step = frame_step(frame);
    return step < b->options.steps ? step : b->options.steps - 1;
}

static Tensor *at_step(const Frame *frame, const BatchNorm *b, Tensor *x) {
    return x && b->options.steps ? hc_row(x, (int64_t)row_of(frame, b)) : x;
}

static Tensor *buffer_at_step(Frame *frame, const BatchNorm *b, const char *name) {
    return at_step(frame, b, frame_buffer(frame, name));
}

static bool set_at_step(Frame *frame, const BatchNorm *b, const char *name, Tensor *value) {
    if (!b->options.steps) return frame_set_buffer(frame, name, value);
    Tensor *old = frame_buffer(frame, name), *place = tensor_scalar(frame_tape(frame), (double)row_of(frame, b));
    Tensor *row = tensor_one_hot(place, b->options.steps);
    if (tensor_ndim(old) == 2) row = tensor_unsqueeze(row, 1);
    return frame_set_buffer(frame, name, tensor_where(row, value, old));
}

/* (1 - m) running + m batch, where m is a number or a tensor. */
static Tensor *moved(Tensor *running, Tensor *batch, double m, Tensor *factor) {
    if (factor) return tensor_add(running, tensor_mul(factor, tensor_sub(batch, running)));
    return tensor_add(tensor_mul_scalar(running, 1 - m), tensor_mul_scalar(batch, m));
}

/* B<t+1> from the statistics, without history, of a batch of n values per channel. All are computed
 * before the first is set. */
static bool track(Frame *frame, const BatchNorm *b, Tensor *mean, Tensor *var, double n) {
    Tensor *count = tensor_add_scalar(buffer_at_step(frame, b, "num_batches_tracked"), 1);
    Tensor *factor = NULL;
    if (b->options.cumulative) factor = tensor_div(tensor_scalar(frame_tape(frame), 1), count);
    Tensor *unbiased = tensor_mul_scalar(var, n / (n - 1));
    double m = b->options.momentum;
    Tensor *next_mean = moved(buffer_at_step(frame, b, "running_mean"), mean, m, factor);
    Tensor *next_var = moved(buffer_at_step(frame, b, "running_var"), unbiased, m, factor);
    return count && next_mean && next_var && set_at_step(frame, b, "num_batches_tracked", count) &&
           set_at_step(frame, b, "running_mean", next_mean) && set_at_step(frame, b, "running_var", next_var);
}

static bool check_input(Frame *frame, const BatchNorm *b, Tensor *x) {
    const char *who = frame->module->cls.name;
    char text[HC_SHAPE_TEXT];
    if (!hc_check(who, x)) return false;
    return (x->form->ndim >= b->least && x->form->ndim <= b->most &&
            x->form->dim[1] == b->channels) ||
           hc_fail(x->tape, HC_ERR_SHAPE, "%s: %s; it takes %d%s axes, the second of size %zu", who,
                   hc_shape_text(hc_form_shape(x->form), text), b->least,
                   b->most > b->least ? " or 3" : "", b->channels);
}

static bool batch_norm_forward(Frame *frame, Tensor *const *in, size_t nin, Tensor **out,
                               size_t nout) {
    const BatchNorm *b = frame_state(frame);
    if (!hc_one_to_one(frame, nin, nout) || !check_input(frame, b, in[0])) return false;
    Tensor *x = in[0], *weight = at_step(frame, b, weight_of(frame)), *bias = at_step(frame, b, bias_of(frame));
    bool tracks = b->options.track_running_stats && frame_keeps_statistics(frame);
    if (tracks && !frame_training(frame)) {
        Tensor *y =
            tensor_batch_norm(x, buffer_at_step(frame, b, "running_mean"),
                              buffer_at_step(frame, b, "running_var"), weight, bias, b->options.eps);
        out[0] = hc_tail(y, frame->tail);
        return out[0] != NULL;
    }
    Tensor *mean, *var;
    out[0] = hc_batch_norm(x, weight, bias, b->options.eps, frame->tail, &mean, &var);
    if (!out[0]) return false;
    return !tracks || track(frame, b, mean, var, (double)x->form->count / (double)x->form->dim[1]);
}

/* Running statistics start over too; what a caller added to them does not. */
static bool init_batch_norm(Module *module, Rng *rng) {
    (void)rng;
    const double first[] = {0, 1, 0};
    const BatchNorm *b = module->state;
    for (size_t i = 0; b->options.track_running_stats && i < sizeof first / sizeof *first; i++)
        param_fill(module->buffers[i].param, first[i]);
    init_affine(module);
    return true;
}

static void *clone_batch_norm(const void *state) {
    return hc_copy_bytes(state, sizeof(BatchNorm));
}

static Module *batch_norm(const char *name, BatchNorm b) {
    const ModuleClass cls = {.name = name,
                             .forward = batch_norm_forward,
                             .init = init_batch_norm,
                             .clone_state = clone_batch_norm,
                             .destroy_state = hc_free};
    if (!good_eps(name, b.options.eps)) return NULL;
    if (!(b.options.momentum >= 0 && b.options.momentum <= 1)) {
        hc_fail_thread(HC_ERR_ARG, "module_%s: momentum %g is not in [0, 1]", name, b.options.momentum);
        return NULL;
    }
    size_t steps = b.options.steps;
    Shape shape = steps ? shape2(steps, b.channels) : shape1(b.channels);
    Module *module = with_affine(hc_module_with(&cls, &b, sizeof b), b.options.affine, shape);
    if (module) module->takes_relu = module->takes_pool = true;
    if (!module || !b.options.track_running_stats ||
        (module_add_buffer(module, "running_mean", shape, 0) &&
         module_add_buffer(module, "running_var", shape, 1) &&
         module_add_buffer(module, "num_batches_tracked", steps ? shape1(steps) : shape_scalar(), 0)))
        return module;
    module_destroy(module);
    return NULL;
}

Module *module_batch_norm1d(size_t channels, BatchNormOptions options) {
    return batch_norm("batch_norm1d", (BatchNorm){options, channels, 2, 3});
}

Module *module_batch_norm2d(size_t channels, BatchNormOptions options) {
    return batch_norm("batch_norm2d", (BatchNorm){options, channels, 4, 4});
}

/* ---- layer norm, group norm --------------------------------------------------------------------------- */

typedef struct Norm {
    Shape shape;   /* layer norm: what is normalised */
    size_t groups; /* group norm */
    double eps;
} Norm;

NormOptions norm_options(void) {
    return (NormOptions){.eps = 1e-5, .affine = true};
}

static void *clone_norm(const void *state) {
    return hc_copy_bytes(state, sizeof(Norm));
}

static bool layer_norm_forward(Frame *frame, Tensor *const *in, size_t nin, Tensor **out,
                               size_t nout) {
    const Norm *n = frame_state(frame);
    if (!hc_one_to_one(frame, nin, nout)) return false;
    out[0] = tensor_layer_norm(in[0], n->shape, weight_of(frame), bias_of(frame), n->eps);
    return out[0] != NULL;
}

/* One without Params; NULL after an error. */
static Module *over_shape(const ModuleClass *cls, Shape normalized, NormOptions options) {
    Norm norm = {normalized, 0, options.eps};
    if (!good_eps(cls->name, options.eps)) return NULL;
    if (shape_count(normalized) < SIZE_MAX) return hc_module_with(cls, &norm, sizeof norm);
    char text[HC_SHAPE_TEXT];
    hc_fail_thread(HC_ERR_SHAPE, "module_%s: %s is no shape of a tensor: 0 to %d sizes that fit memory", cls->name,
                   hc_shape_text(normalized, text), HC_MAX_DIMS);
    return NULL;
}

Module *module_layer_norm(Shape normalized, NormOptions options) {
    static const ModuleClass cls = {.name = "layer_norm",
                                    .forward = layer_norm_forward,
                                    .init = init_norm,
                                    .clone_state = clone_norm,
                                    .destroy_state = hc_free};
    return with_affine(over_shape(&cls, normalized, options), options.affine, normalized);
}

static bool group_norm_forward(Frame *frame, Tensor *const *in, size_t nin, Tensor **out,
                               size_t nout) {
    const Norm *n = frame_state(frame);
    if (!hc_one_to_one(frame, nin, nout)) return false;
    out[0] = tensor_group_norm(in[0], n->groups, weight_of(frame), bias_of(frame), n->eps);
    return out[0] != NULL;
}

Module *module_group_norm(size_t groups, size_t channels, NormOptions options) {
    static const ModuleClass cls = {.name = "group_norm",
                                    .forward = group_norm_forward,
                                    .init = init_norm,
                                    .clone_state = clone_norm,
                                    .destroy_state = hc_free};
    Norm norm = {shape_scalar(), groups, options.eps};
    if (!good_eps(cls.name, options.eps)) return NULL;
    if (groups == 0 || channels % groups != 0) {
        hc_fail_thread(HC_ERR_ARG, "module_group_norm: %zu groups do not divide %zu channels", groups,
                       channels);
        return NULL;
    }
    return with_affine(hc_module_with(&cls, &norm, sizeof norm), options.affine, shape1(channels));
}

/* ---- RMS norm, instance norm ------------------------------------------------------------------------------ */

static bool rms_norm_forward(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    const Norm *n = frame_state(frame);
    if (!hc_one_to_one(frame, nin, nout)) return false;
    out[0] = tensor_rms_norm(in[0], n->shape, weight_of(frame), n->eps);
    return out[0] != NULL;
}

Module *module_rms_norm(Shape normalized, NormOptions options) {
    static const ModuleClass cls = {.name = "rms_norm",
                                    .forward = rms_norm_forward,
                                    .init = init_norm,
                                    .clone_state = clone_norm,
                                    .destroy_state = hc_free};
    Module *module = over_shape(&cls, normalized, options);
    if (!module || !options.affine || hc_module_own_param(module, "weight", normalized)) return module;
    module_destroy(module);
    return NULL;
}

/* Group norm with as many groups as channels. */
NormOptions instance_norm_options(void) {
    return (NormOptions){.eps = 1e-5, .affine = false};
}

/* One value is its own mean, and nothing would be left of it. */
static bool check_instance(const char *who, Tensor *x, int ndim, size_t channels) {
    char text[HC_SHAPE_TEXT];
    if (!hc_check(who, x)) return false;
    bool fits = x->form->ndim == ndim && x->form->dim[1] == channels;
    size_t places = 1;
    for (int i = 2; fits && i < ndim; i++)
        places *= x->form->dim[i];
    return (fits && places != 1) ||
           hc_fail(x->tape, HC_ERR_SHAPE, "%s: %s; it takes [N, %zu, %s], of more than one value per channel", who,
                   hc_shape_text(hc_form_shape(x->form), text), channels, ndim == 4 ? "H, W" : "L");
}

static bool instance_norm_forward(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    const Norm *n = frame_state(frame);
    const char *who = frame->module->cls.name;
    if (!hc_one_to_one(frame, nin, nout) || !check_instance(who, in[0], n->shape.ndim, n->groups)) return false;
    out[0] = n->groups ? tensor_group_norm(in[0], n->groups, weight_of(frame), bias_of(frame), n->eps) : in[0];
    return out[0] != NULL;
}

static Module *instance_norm(const char *name, int ndim, size_t channels, const NormOptions *options) {
    const ModuleClass cls = {.name = name,
                             .forward = instance_norm_forward,
                             .init = init_norm,
                             .clone_state = clone_norm,
                             .destroy_state = hc_free};
    Norm norm = {{.ndim = ndim}, channels, options->eps};
    if (!good_eps(name, options->eps)) return NULL;
    return with_affine(hc_module_with(&cls, &norm, sizeof norm), options->affine, shape1(channels));
}

Module *module_instance_norm1d(size_t channels, NormOptions options) {
    return instance_norm("instance_norm1d", 3, channels, &options);
}

Module *module_instance_norm2d(size_t channels, NormOptions options) {
    return instance_norm("instance_norm2d", 4, channels, &options);
}
