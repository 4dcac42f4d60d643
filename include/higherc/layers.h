/** @file layers.h
 *  Layers with weights or state of their own: normalisation, convolution and pooling, embedding,
 *  dropout, recurrent networks. Definitions, parameter names, defaults and first values (module_init) are
 *  PyTorch's.
 *
 *  Like every maker of module.h these return NULL, with the thread's error set, when out of memory or
 *  handed nonsense (HC_ERR_ARG, HC_ERR_SHAPE, HC_ERR_NOMEM); an input of another shape than is said here
 *  fails the forward, with HC_ERR_SHAPE. The result is the caller's until a parent or module_destroy takes it.
 *  Options come from a function that fills in the defaults; then change fields by
 *  name. */
#ifndef HIGHERC_LAYERS_H
#define HIGHERC_LAYERS_H

#include "module.h"
#include "names.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- normalisation (tensor_batch_norm and its neighbours say how) ------------------------------ */

/** How a batch norm counts; take it from batch_norm_options() and change fields by name. With `steps` weight,
 *  bias, running_mean and running_var are [steps, channels], num_batches_tracked is [steps], and row frame_step()
 *  of them is used, or the last where it is past the end: that of fmodule_steps in a functional module, row 0 on
 *  base weights (Antoniou, Edwards and Storkey 2019, "How to train your MAML"). */
typedef struct HcBatchNormOptions {
    double eps; /**< 1e-5 */
    /** 0.1: running <- (1 - momentum) running + momentum (the batch's), in [0, 1]. */
    double momentum;
    /** False; true: 1 / num_batches_tracked in place of momentum (PyTorch's None). */
    bool cumulative;
    bool affine;              /**< true: parameters weight and bias [channels], at first 1 and 0 */
    bool track_running_stats; /**< true; false: no buffers, and the batch's statistics always */
    size_t steps;             /**< 0; else weights and statistics of its own for each inner step, as above */
} BatchNormOptions;
/** PyTorch's defaults, named beside each field. */
HC_API BatchNormOptions batch_norm_options(void);

/** Batch norm of [N, channels] or [N, channels, L]. In training mode with the batch's statistics; then
 *  the buffers running_mean, running_var [channels] and num_batches_tracked (a scalar) get new values:
 *  the running variance takes the unbiased variance, n / (n - 1) times the batch's. In evaluation mode
 *  with the running ones, which are constants. A batch of fewer than two values per channel has no
 *  statistics of its own: HC_ERR_SHAPE. The buffers of a functional module are its own (FBuffers in
 *  fmodule.h). */
HC_API Module *module_batch_norm1d(size_t channels, BatchNormOptions options);
/** The same of [N, channels, H, W]. */
HC_API Module *module_batch_norm2d(size_t channels, BatchNormOptions options);

/** Of layer, group, instance and RMS norm; take it from norm_options() or instance_norm_options(). */
typedef struct HcNormOptions {
    double eps;  /**< 1e-5 */
    bool affine; /**< true: parameters weight and bias, at first 1 and 0 */
} NormOptions;
/** PyTorch's defaults, named beside each field. */
HC_API NormOptions norm_options(void);

/** Layer norm over the last axes, whose sizes are `normalized`; weight and bias have that shape. */
HC_API Module *module_layer_norm(Shape normalized, NormOptions options);
/** Group norm of [N, channels, ...]; weight and bias [channels]; `groups` divides `channels`. */
HC_API Module *module_group_norm(size_t groups, size_t channels, NormOptions options);

/** RMS norm over the last axes; one parameter, weight. */
HC_API Module *module_rms_norm(Shape normalized, NormOptions options);
/** eps 1e-5, and no parameters, as PyTorch's instance norms have none unless asked. */
HC_API NormOptions instance_norm_options(void);
/** Instance norm: each channel of each example by itself, in both modes, of [N, channels, L]; weight and bias
 *  [channels]. Without running statistics. More than one value per channel, or HC_ERR_SHAPE (Ulyanov, Vedaldi and
 *  Lempitsky 2016). */
HC_API Module *module_instance_norm1d(size_t channels, NormOptions options);
/** The same of [N, channels, H, W]. */
HC_API Module *module_instance_norm2d(size_t channels, NormOptions options);

/** Makes a parameter of the module's own g v / |v|, with one length for each place along `axis` (PyTorch: 0): `name`
 *  becomes name_v, as it is, and name_g [1, .., size, .., 1] = |v| comes after the others. The module may be any: its
 *  forward, on base weights and on fast ones, does not see a difference. Returns the module, which is to be in no other
 *  yet, and is destroyed where this fails: module_weight_norm(module_linear(3, 4), "weight", 0). Zeros in v give NaN.
 *  Errors:    HC_ERR_NAME, HC_ERR_SHAPE (an axis that is none), HC_ERR_STATE (normalised already; or, the one case in
 *             which it stays, the module belongs to another), HC_ERR_NOMEM.
 *  Source:    Salimans and Kingma 2016. */
HC_API Module *module_weight_norm(Module *module, const char *name, int axis);

/* ---- convolution and pooling (tensor_conv2d and its neighbours say how) --------------------------- */

/** [N, in, H, W] -> [N, out, P, Q]. Parameters weight [out, in / groups, kernel_height, kernel_width] and,
 *  with options.bias, bias [out], at first uniform in +-1/sqrt(in / groups kernel_height kernel_width);
 *  `groups` divides both `in` and `out`. */
HC_API Module *module_conv2d(size_t in, size_t out, size_t kernel_height, size_t kernel_width,
                             Conv2dOptions options);
/** Along one axis: [N, in, L] -> [N, out, P], weight [out, in / groups, kernel]. */
HC_API Module *module_conv1d(size_t in, size_t out, size_t kernel, Conv1dOptions options);
/** [N, in, P, Q] -> [N, out, H, W]. Parameters weight [in, out / groups, kernel_height, kernel_width] and, with
 *  options.bias, bias [out], at first uniform in +-1/sqrt(out / groups kernel_height kernel_width). */
HC_API Module *module_conv_transpose2d(size_t in, size_t out, size_t kernel_height, size_t kernel_width,
                                       ConvTranspose2dOptions options);
/** Along one axis: [N, in, P] -> [N, out, L], weight [in, out / groups, kernel]. */
HC_API Module *module_conv_transpose1d(size_t in, size_t out, size_t kernel, ConvTranspose1dOptions options);
/** [N, C, H, W] -> [N, C, H height, W width]: tensor_upsample_nearest2d, or tensor_upsample_bilinear2d. */
HC_API Module *module_upsample2d(size_t height, size_t width, bool bilinear);
/** Pooling has no parameters. tensor_max_pool2d: [N, C, H, W] -> [N, C, P, Q]. */
HC_API Module *module_max_pool2d(Pool2dOptions options);
/** tensor_avg_pool2d: the same shapes. */
HC_API Module *module_avg_pool2d(Pool2dOptions options);
/** tensor_max_pool1d: [N, C, L] -> [N, C, P]. */
HC_API Module *module_max_pool1d(Pool1dOptions options);
/** tensor_avg_pool1d: the same shapes. */
HC_API Module *module_avg_pool1d(Pool1dOptions options);
/** tensor_adaptive_avg_pool2d: [N, C, H, W] -> [N, C, height, width]. */
HC_API Module *module_adaptive_avg_pool2d(size_t height, size_t width);

/* ---- embedding, dropout --------------------------------------------------------------------------- */

/** A table of `count` rows, weight [count, size], at first standard normal: whole numbers [...] ->
 *  [..., size]. HC_ERR_RANGE for a number that is no row. */
HC_API Module *module_embedding(size_t count, size_t size);
/** tensor_dropout with the tape's stream in training mode; the identity in evaluation mode. p in [0, 1]. */
HC_API Module *module_dropout(double p);

/* ---- attention ---------------------------------------------------------------------------------------- */
/* A mask is added to the scores, 0 where a key counts and -INFINITY where it does not, and broadcasts to
 * [N, heads, L, S]: [L, S], or for keys of padding [N, 1, 1, S]; tensor_scalar(tape, 0) leaves a mask out before
 * another. A query for which no key counts gives NaN. */

/** How attention is made; take it from attention_options() and change fields by name. */
typedef struct HcAttentionOptions {
    bool bias;         /**< true; of all four projections */
    double dropout;    /**< 0, in [0, 1]; of the weights, in training mode */
    bool causal;       /**< false; true: query i sees no key after place i, whatever the mask */
    bool batch_first;  /**< false: [L, N, size]; true: [N, L, size] */
    size_t key_size;   /**< of keys; 0: as `size` */
    size_t value_size; /**< of values; 0: as `size` */
} AttentionOptions;
/** PyTorch's defaults, named beside each field. */
HC_API AttentionOptions attention_options(void);

/** Multi-head attention (Vaswani et al. 2017), through module_forward (to itself) or module_forward_n:
 *
 *      in {x}, {x, mask}, {query, key, value} or those and a mask      out {y} or {y, weights}
 *
 *  query [L, N, size], key [S, N, key_size], value [S, N, value_size], or all without N -> y as the query; weights
 *  [N, L, S], the mean of the heads'. `heads` divides `size`. Parameters in_proj_weight [3 size, size], or with other
 *  key_size or value_size q_proj_weight, k_proj_weight and v_proj_weight, in_proj_bias [3 size], out_proj.weight and
 *  out_proj.bias: PyTorch's names and first values. */
HC_API Module *module_multihead_attention(size_t size, size_t heads, AttentionOptions options);

/** How a transformer layer is made; take it from transformer_options() and change fields by name. */
typedef struct HcTransformerOptions {
    size_t feedforward; /**< 2048; between the two linear layers */
    double dropout;     /**< 0.1, in [0, 1]; in training mode, of weights of attention, and after each part */
    double eps;         /**< 1e-5; of the norms */
    bool gelu;          /**< false: a ReLU between the linear layers */
    bool norm_first;    /**< false: norm(x + f(x)); true: x + f(norm(x)) (Xiong et al. 2020) */
    bool causal;        /**< false; of the attention to itself */
    bool batch_first;   /**< false */
} TransformerOptions;
/** PyTorch's defaults, named beside each field. */
HC_API TransformerOptions transformer_options(void);

/** Attention to itself and two linear layers, each with a norm and a residual connection: x or {x, mask} ->
 *  y, shapes as above. Children self_attn, linear1, linear2, norm1, norm2, PyTorch's names and first values. */
HC_API Module *module_transformer_encoder_layer(size_t size, size_t heads, TransformerOptions options);
/** The same with attention to a memory [S, N, size] in between: in {x, memory}, {x, memory, mask} or {x, memory, mask,
 *  memory_mask}. Children self_attn, multihead_attn, linear1, linear2, norm1, norm2, norm3. */
HC_API Module *module_transformer_decoder_layer(size_t size, size_t heads, TransformerOptions options);

/* ---- recurrent networks ----------------------------------------------------------------------------- */
/* x [T, N, in] (or [T, in]: one sequence), y [T, N, hidden], or [T, N, 2 hidden] when bidirectional.
 * HC_ERR_SHAPE for a sequence of no steps. All are used through module_forward, or module_forward_n with initial
 * and final states:
 *
 *     rnn, gru   in {x} or {x, h0}        out {y} or {y, hn}
 *     lstm       in {x} or {x, h0, c0}    out {y}, {y, hn} or {y, hn, cn}
 *
 * with states [layers * directions, N, hidden], zero where not given; layer by layer, forward then
 * reverse. Layer l > 0 reads the outputs of layer l - 1. Parameters, for each layer and direction:
 * weight_ih_l0 [gates * hidden, in], weight_hh_l0 [gates * hidden, hidden], bias_ih_l0, bias_hh_l0
 * [gates * hidden], then weight_ih_l0_reverse ..., weight_ih_l1 ..., all at first uniform in
 * +-1/sqrt(hidden). */

/** How a recurrent network is made; take it from rnn_options() and change fields by name. */
typedef struct HcRnnOptions {
    size_t layers;      /**< 1; 1 to 4096 */
    bool relu;          /**< false: tanh; of module_rnn only */
    bool bias;          /**< true */
    bool bidirectional; /**< false */
    bool batch_first;   /**< false; true: x [N, T, in] and y [N, T, ..]; states as ever */
    double dropout;     /**< 0, in [0, 1]; in training mode, after each layer but the last */
} RnnOptions;
/** PyTorch's defaults, named beside each field. */
HC_API RnnOptions rnn_options(void);

/** h <- tanh(W_ih x + b_ih + W_hh h + b_hh), or max(., 0) (Elman 1990). */
HC_API Module *module_rnn(size_t in, size_t hidden, RnnOptions options);
/** c <- f c + i g, h <- o tanh(c), with the gates stacked in the order i, f, g, o: i, f, o = sigmoid
 *  and g = tanh of W_ih x + b_ih + W_hh h + b_hh (Hochreiter and Schmidhuber 1997; Gers et al. 2000). */
HC_API Module *module_lstm(size_t in, size_t hidden, RnnOptions options);
/** h <- (1 - z) n + z h, stacked in the order r, z, n: r, z = sigmoid(W_i x + b_i + W_h h + b_h),
 *  n = tanh(W_i x + b_i + r (W_h h + b_h)) (Cho et al. 2014, in the form PyTorch uses). */
HC_API Module *module_gru(size_t in, size_t hidden, RnnOptions options);

/* ---- their cells -------------------------------------------------------------------------------------- */
/* One step: x [N, in] (or [in]), states [N, hidden] (or [hidden]), zero where not given.
 *     rnn_cell, gru_cell   in {x} or {x, h}      out {h}
 *     lstm_cell            in {x} or {x, h, c}   out {h} or {h, c}
 * Parameters weight_ih, weight_hh, bias_ih, bias_hh, of the shapes and first values above. */

/** How a cell is made; take it from rnn_cell_options() and change fields by name. */
typedef struct HcRnnCellOptions {
    bool relu; /**< false: tanh; of module_rnn_cell only */
    bool bias; /**< true */
} RnnCellOptions;
/** PyTorch's defaults, named beside each field. */
HC_API RnnCellOptions rnn_cell_options(void);

/** One step of module_rnn. */
HC_API Module *module_rnn_cell(size_t in, size_t hidden, RnnCellOptions options);
/** One step of module_lstm. */
HC_API Module *module_lstm_cell(size_t in, size_t hidden, RnnCellOptions options);
/** One step of module_gru. */
HC_API Module *module_gru_cell(size_t in, size_t hidden, RnnCellOptions options);

#ifdef __cplusplus
}
#endif

#include "names_end.h"
#endif
