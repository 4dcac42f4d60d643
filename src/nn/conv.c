/* Convolution and pooling layers. First values are the default ones (init.c), which are PyTorch's for
 * these: uniform in +-1/sqrt(fan in). */
#include <stdio.h>

#include "higherc/layers.h"
#include "nn/module.h"

/* A layer whose state is one struct of options: its clone function, forward and class. */
#define OPTION_LAYER(id, Options, formula)                                                         \
    static void *id##_clone(const void *state) {                                                   \
        return hc_copy_bytes(state, sizeof(Options));                                              \
    }                                                                                              \
    static bool id##_forward(Frame *frame, Tensor *const *in, size_t nin, Tensor **out,            \
                             size_t nout) {                                                        \
        if (!hc_one_to_one(frame, nin, nout)) return false;                                        \
        const Options *o = frame_state(frame);                                                     \
        Tensor *x = in[0];                                                                         \
        out[0] = formula;                                                                          \
        return out[0] != NULL;                                                                     \
    }                                                                                              \
    static const ModuleClass id##_class = {.name = #id,                                            \
                                           .forward = id##_forward,                                \
                                           .clone_state = id##_clone,                              \
                                           .destroy_state = hc_free};

/* ---- convolution --------------------------------------------------------------------------------- */

static Tensor *weight_of(Frame *frame) {
    return hc_frame_param_at(frame, 0);
}

static Tensor *bias_of(Frame *frame) {
    return hc_frame_own_param(frame, 1, "bias");
}

OPTION_LAYER(conv1d, Conv1dOptions, tensor_conv1d(x, weight_of(frame), bias_of(frame), *o))
OPTION_LAYER(conv2d, Conv2dOptions, tensor_conv2d(x, weight_of(frame), bias_of(frame), *o))
OPTION_LAYER(conv_transpose1d, ConvTranspose1dOptions,
             tensor_conv_transpose1d(x, weight_of(frame), bias_of(frame), *o))
OPTION_LAYER(conv_transpose2d, ConvTranspose2dOptions,
             tensor_conv_transpose2d(x, weight_of(frame), bias_of(frame), *o))

static bool good_channels(const char *who, size_t in, size_t out, size_t groups) {
    return (groups >= 1 && in % groups == 0 && out % groups == 0) ||
           hc_fail_thread(HC_ERR_ARG, "%s: %zu and %zu channels are not divisible into %zu groups",
                          who, in, out, groups);
}

/* The bounds of tensor_conv2d and the pools, which forwards run into. */
static bool good_axis(const char *who, size_t kernel, size_t stride, size_t padding,
                      size_t dilation) {
    bool least = kernel >= 1 && stride >= 1 && dilation >= 1;
    bool most = stride <= UINT16_MAX && padding <= UINT16_MAX && dilation <= UINT16_MAX;
    return (least && most) ||
           hc_fail_thread(HC_ERR_ARG,
                          "%s: kernel %zu, stride %zu, padding %zu, dilation %zu: these are 1 to %d, the padding "
                          "from 0",
                          who, kernel, stride, padding, dilation, UINT16_MAX);
}

static bool good_pool_axis(const ModuleClass *cls, size_t kernel, size_t stride, size_t padding, size_t dilation,
                           bool average) {
    char who[80];
    snprintf(who, sizeof who, "module_%.64s", cls->name);
    if (!good_axis(who, kernel, stride, padding, dilation)) return false;
    if (kernel > UINT16_MAX || padding > kernel / 2)
        return hc_fail_thread(HC_ERR_ARG, "%s: kernel %zu, padding %zu: the padding is at most half the kernel", who,
                              kernel, padding);
    return !average || dilation == 1 ||
           hc_fail_thread(HC_ERR_ARG, "%s: dilation %zu: that of an average is 1", who, dilation);
}

/* What ConvPad says beside the padding. */
static bool good_pad(const char *who, ConvPad pad, size_t stride, size_t after) {
    if (pad == HC_PAD_SAME && stride != 1)
        return hc_fail_thread(HC_ERR_ARG, "%s: HC_PAD_SAME with stride %zu, not 1", who, stride);
    if (pad == HC_PAD_UNEVEN && after > UINT16_MAX)
        return hc_fail_thread(HC_ERR_ARG, "%s: padding %zu is above %d", who, after, UINT16_MAX);
    return pad == HC_PAD_EVEN || pad == HC_PAD_UNEVEN || pad == HC_PAD_SAME ||
           hc_fail_thread(HC_ERR_ARG, "%s: there is no ConvPad %d", who, (int)pad);
}

static bool good_output_padding(const char *who, size_t more, size_t stride, size_t dilation) {
    return more < stride || more < dilation ||
           hc_fail_thread(HC_ERR_ARG, "%s: output padding %zu is not below stride %zu or dilation %zu", who, more,
                          stride, dilation);
}

/* With a bias for each of `out` channels, where wanted. */
static Module *with_weight(Module *module, Shape shape, bool bias, size_t out) {
    if (module && hc_module_own_param(module, "weight", shape) &&
        (!bias || hc_module_own_param(module, "bias", shape1(out))))
        return module;
    module_destroy(module);
    return NULL;
}

Module *module_conv1d(size_t in, size_t out, size_t kernel, Conv1dOptions options) {
    const char *who = "module_conv1d";
    if (!good_channels(who, in, out, options.groups) ||
        !good_axis(who, kernel, options.stride, options.padding, options.dilation) ||
        !good_pad(who, options.pad, options.stride, options.padding_after))
        return NULL;
    return with_weight(hc_module_with(&conv1d_class, &options, sizeof options),
                       shape3(out, in / options.groups, kernel), options.bias, out);
}

Module *module_conv2d(size_t in, size_t out, size_t kernel_height, size_t kernel_width,
                      Conv2dOptions options) {
    const char *who = "module_conv2d";
    const size_t kernel[2] = {kernel_height, kernel_width};
    if (!good_channels(who, in, out, options.groups)) return NULL;
    for (int i = 0; i < 2; i++)
        if (!good_axis(who, kernel[i], options.stride[i], options.padding[i], options.dilation[i]) ||
            !good_pad(who, options.pad, options.stride[i], options.padding_after[i]))
            return NULL;
    return with_weight(hc_module_with(&conv2d_class, &options, sizeof options),
                       shape4(out, in / options.groups, kernel_height, kernel_width), options.bias, out);
}

Module *module_conv_transpose1d(size_t in, size_t out, size_t kernel, ConvTranspose1dOptions options) {
    const char *who = "module_conv_transpose1d";
    if (!good_channels(who, in, out, options.groups) ||
        !good_axis(who, kernel, options.stride, options.padding, options.dilation) ||
        !good_output_padding(who, options.output_padding, options.stride, options.dilation))
        return NULL;
    return with_weight(hc_module_with(&conv_transpose1d_class, &options, sizeof options),
                       shape3(in, out / options.groups, kernel), options.bias, out);
}

Module *module_conv_transpose2d(size_t in, size_t out, size_t kernel_height, size_t kernel_width,
                                ConvTranspose2dOptions options) {
    const char *who = "module_conv_transpose2d";
    const size_t kernel[2] = {kernel_height, kernel_width};
    if (!good_channels(who, in, out, options.groups)) return NULL;
    for (int i = 0; i < 2; i++)
        if (!good_axis(who, kernel[i], options.stride[i], options.padding[i], options.dilation[i]) ||
            !good_output_padding(who, options.output_padding[i], options.stride[i], options.dilation[i]))
            return NULL;
    return with_weight(hc_module_with(&conv_transpose2d_class, &options, sizeof options),
                       shape4(in, out / options.groups, kernel_height, kernel_width), options.bias, out);
}

/* ---- upsampling ------------------------------------------------------------------------------------ */

typedef struct Scale {
    size_t height, width;
    bool bilinear;
} Scale;

static Tensor *upsampled(Tensor *x, const Scale *o) {
    if (!hc_check("module_upsample2d", x)) return NULL;
    bool images = x->form->ndim == 4, fits = images && x->form->dim[2] <= SIZE_MAX / o->height &&
                                             x->form->dim[3] <= SIZE_MAX / o->width;
    char text[HC_SHAPE_TEXT];
    if (!fits) {
        hc_fail(x->tape, HC_ERR_SHAPE, "upsample2d: %s; it takes [N, C, H, W]",
                hc_shape_text(hc_form_shape(x->form), text));
        return NULL;
    }
    size_t height = x->form->dim[2] * o->height, width = x->form->dim[3] * o->width;
    return o->bilinear ? tensor_upsample_bilinear2d(x, height, width) : tensor_upsample_nearest2d(x, height, width);
}

OPTION_LAYER(upsample2d, Scale, upsampled(x, o))

Module *module_upsample2d(size_t height, size_t width, bool bilinear) {
    Scale scale = {height, width, bilinear};
    if (height > 0 && width > 0) return hc_module_with(&upsample2d_class, &scale, sizeof scale);
    hc_fail_thread(HC_ERR_ARG, "module_upsample2d: %zu by %zu: factors are from 1", height, width);
    return NULL;
}

/* ---- pooling --------------------------------------------------------------------------------------- */

typedef struct PooledSize {
    size_t height, width;
} PooledSize;

OPTION_LAYER(max_pool1d, Pool1dOptions, tensor_max_pool1d(x, *o))
OPTION_LAYER(max_pool2d, Pool2dOptions, tensor_max_pool2d(x, *o))
OPTION_LAYER(avg_pool1d, Pool1dOptions, tensor_avg_pool1d(x, *o))
OPTION_LAYER(avg_pool2d, Pool2dOptions, tensor_avg_pool2d(x, *o))
OPTION_LAYER(adaptive_avg_pool2d, PooledSize, tensor_adaptive_avg_pool2d(x, o->height, o->width))

static Module *pool1d(const ModuleClass *cls, const Pool1dOptions *o) {
    bool average = cls == &avg_pool1d_class;
    return good_pool_axis(cls, o->kernel, o->stride, o->padding, o->dilation, average)
               ? hc_module_with(cls, o, sizeof *o)
               : NULL;
}

static Module *pool2d(const ModuleClass *cls, const Pool2dOptions *o) {
    bool average = cls == &avg_pool2d_class;
    for (int i = 0; i < 2; i++)
        if (!good_pool_axis(cls, o->kernel[i], o->stride[i], o->padding[i], o->dilation[i],
                            average))
            return NULL;
    return hc_module_with(cls, o, sizeof *o);
}

Module *module_max_pool1d(Pool1dOptions options) {
    return pool1d(&max_pool1d_class, &options);
}

Module *module_max_pool2d(Pool2dOptions options) {
    return pool2d(&max_pool2d_class, &options);
}

const Pool2dOptions *hc_max_pool2d_options(const Module *module) {
    return module->cls.forward == max_pool2d_forward ? module->state : NULL;
}

Module *module_avg_pool1d(Pool1dOptions options) {
    return pool1d(&avg_pool1d_class, &options);
}

Module *module_avg_pool2d(Pool2dOptions options) {
    return pool2d(&avg_pool2d_class, &options);
}

Module *module_adaptive_avg_pool2d(size_t height, size_t width) {
    PooledSize size = {height, width};
    if (height == 0 || width == 0) {
        hc_fail_thread(HC_ERR_ARG, "module_adaptive_avg_pool2d: %zu by %zu: sizes are from 1",
                       height, width);
        return NULL;
    }
    return hc_module_with(&adaptive_avg_pool2d_class, &size, sizeof size);
}
