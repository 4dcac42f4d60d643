/** @file convolution.h
 *  Convolution and pooling. The rules they share stand in tensor.h. */
#ifndef HIGHERC_CONVOLUTION_H
#define HIGHERC_CONVOLUTION_H

#include "shape.h"
#include "names.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- convolution --------------------------------------------------------------------------- */
/* PyTorch's definitions. Results are stored channels last, which tensor_data does not show. */

/** Where the zeros around x stand. */
typedef enum HcConvPad {
    HC_PAD_EVEN,   /**< `padding` before the first row (or column) and after the last */
    HC_PAD_UNEVEN, /**< `padding` before the first, `padding_after` after the last */
    HC_PAD_SAME    /**< so many that P = H and Q = W, of stride 1; an odd one comes after the last (PyTorch's "same");
                        the two are not looked at */
} ConvPad;

/** How a convolution of images goes; take it from conv2d_options() and change fields by name. */
typedef struct HcConv2dOptions {
    size_t stride[2];        /**< along H and W: 1; from 1; up to 65535, as the next two */
    size_t padding[2];       /**< 0: zeros around x */
    size_t dilation[2];      /**< 1: steps between the weights of the kernel */
    size_t groups;           /**< 1 */
    bool bias;               /**< true; whether module_conv2d has one: tensor_conv2d does not look at it */
    ConvPad pad;             /**< HC_PAD_EVEN */
    size_t padding_after[2]; /**< 0; of HC_PAD_UNEVEN only */
} Conv2dOptions;
/** PyTorch's defaults, named beside each field. */
HC_API Conv2dOptions conv2d_options(void);

/** Cross-correlation with zeros around x. x [N, C, H, W], weight [O, C / groups, KH, KW], bias [O] or
 *  NULL -> [N, O, P, Q] with P = (H + 2 padding - dilation (KH - 1) - 1) / stride + 1, rounded down.
 *  Sums start at the bias and run over (kh, kw), then channels. Gradient: to all three, any order.
 *  Errors:    HC_ERR_SHAPE, also for a kernel that does not fit the padded x; HC_ERR_ARG for a setting out
 *             of its range.
 *  Source:    Dumoulin and Visin 2016, "A guide to convolution arithmetic for deep learning". */
HC_API Tensor *tensor_conv2d(Tensor *x, Tensor *weight, Tensor *bias, Conv2dOptions options);

/** The same along one axis; take it from conv1d_options(). */
typedef struct HcConv1dOptions {
    size_t stride;        /**< 1; bounds as in Conv2dOptions */
    size_t padding;       /**< 0 */
    size_t dilation;      /**< 1 */
    size_t groups;        /**< 1 */
    bool bias;            /**< true, as there */
    ConvPad pad;          /**< HC_PAD_EVEN */
    size_t padding_after; /**< 0; of HC_PAD_UNEVEN only */
} Conv1dOptions;
/** PyTorch's defaults, named beside each field. */
HC_API Conv1dOptions conv1d_options(void);
/** The same along one axis: x [N, C, L], weight [O, C / groups, K] -> [N, O, P]. */
HC_API Tensor *tensor_conv1d(Tensor *x, Tensor *weight, Tensor *bias, Conv1dOptions options);

/** How a transposed convolution of images goes; take it from conv_transpose2d_options(). */
typedef struct HcConvTranspose2dOptions {
    size_t stride[2];         /**< along H and W: 1; from 1; up to 65535, as the next two */
    size_t padding[2];        /**< 0: so much is cut off all around the result */
    size_t dilation[2];       /**< 1 */
    size_t output_padding[2]; /**< 0; rows and columns more, after the last; below stride or dilation */
    size_t groups;            /**< 1 */
    bool bias;                /**< true; of module_conv_transpose2d only */
} ConvTranspose2dOptions;
/** PyTorch's defaults, named beside each field. */
HC_API ConvTranspose2dOptions conv_transpose2d_options(void);

/** The transposed convolution: the adjoint of tensor_conv2d with these settings and this weight, plus a bias.
 *  Shapes:    x [N, C, P, Q], weight [C, O / groups, KH, KW], bias [O] or NULL -> [N, O, H, W] with
 *             H = (P - 1) stride - 2 padding + dilation (KH - 1) + output_padding + 1.
 *  Gradient:  to x the convolution; to all three, any order.
 *  Errors:    HC_ERR_SHAPE, also where nothing is left; HC_ERR_ARG for a setting out of its range. */
HC_API Tensor *tensor_conv_transpose2d(Tensor *x, Tensor *weight, Tensor *bias,
                                       ConvTranspose2dOptions options);

/** The same along one axis; take it from conv_transpose1d_options(). */
typedef struct HcConvTranspose1dOptions {
    size_t stride;         /**< 1; bounds as in ConvTranspose2dOptions */
    size_t padding;        /**< 0 */
    size_t dilation;       /**< 1 */
    size_t output_padding; /**< 0; below stride or dilation */
    size_t groups;         /**< 1 */
    bool bias;             /**< true; of module_conv_transpose1d only */
} ConvTranspose1dOptions;
/** PyTorch's defaults, named beside each field. */
HC_API ConvTranspose1dOptions conv_transpose1d_options(void);
/** The same along one axis: x [N, C, P], weight [C, O / groups, K] -> [N, O, L]. */
HC_API Tensor *tensor_conv_transpose1d(Tensor *x, Tensor *weight, Tensor *bias,
                                       ConvTranspose1dOptions options);

/* ---- pooling -------------------------------------------------------------------------------- */

/** The windows of a pooling of images; take it from pool2d_options() and change fields by name. */
typedef struct HcPool2dOptions {
    size_t kernel[2];       /**< height and width of a window: pool2d_options' `kernel`; from 1 */
    size_t stride[2];       /**< from one window to the next: as the kernel; from 1 */
    size_t padding[2];      /**< 0; at most half the kernel */
    size_t dilation[2];     /**< 1; of max_pool only */
    bool count_include_pad; /**< true; of avg_pool: whether zeros around x count */
} Pool2dOptions;
/** Square windows side by side, and PyTorch's defaults. */
HC_API Pool2dOptions pool2d_options(size_t kernel);

/** The largest of each window [N, C, H, W] -> [N, C, P, Q], P and Q as tensor_conv2d's; incomplete windows
 *  are dropped, padding never wins. Gradient: to the first of the largest, at any order; NaN wins.
 *  Errors:    HC_ERR_SHAPE, also for a window that does not fit the padded x; HC_ERR_ARG for a setting out
 *             of its range. */
HC_API Tensor *tensor_max_pool2d(Tensor *x, Pool2dOptions options);
/** The mean of each window, in the same way; a dilation other than 1 is HC_ERR_ARG. Gradient: to all of the
 *  window alike. */
HC_API Tensor *tensor_avg_pool2d(Tensor *x, Pool2dOptions options);
/** The mean over windows that cover x [N, C, H, W] -> [N, C, height, width]: rows floor(i H / height) to
 *  ceil((i + 1) H / height), and so for columns. All four sizes from 1. */
HC_API Tensor *tensor_adaptive_avg_pool2d(Tensor *x, size_t height, size_t width);

/** The same along one axis; take it from pool1d_options(). */
typedef struct HcPool1dOptions {
    size_t kernel;          /**< length of a window: pool1d_options' `kernel`; from 1 */
    size_t stride;          /**< as the kernel; from 1 */
    size_t padding;         /**< 0; at most half the kernel */
    size_t dilation;        /**< 1; of max_pool only */
    bool count_include_pad; /**< true; of avg_pool: whether zeros around x count */
} Pool1dOptions;
/** Windows side by side, and PyTorch's defaults. */
HC_API Pool1dOptions pool1d_options(size_t kernel);
/** tensor_max_pool2d along one axis: [N, C, L] -> [N, C, P]. */
HC_API Tensor *tensor_max_pool1d(Tensor *x, Pool1dOptions options);
/** tensor_avg_pool2d along one axis: [N, C, L] -> [N, C, P]. */
HC_API Tensor *tensor_avg_pool1d(Tensor *x, Pool1dOptions options);

#ifdef __cplusplus
}
#endif

#include "names_end.h"
#endif
