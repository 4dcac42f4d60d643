/* Of convolutions, pooling, normalisation and losses. */
#include <math.h>

#include "support/tells.h"

static Tape *tape;
static Tensor *a, *v; /* [2, 3], [3] */

static void convolutions(void) {
    Tensor *x = tensor_ones(tape, shape4(1, 2, 5, 5)), *w = tensor_ones(tape, shape4(4, 2, 3, 3));
    Tensor *line = tensor_ones(tape, shape3(1, 2, 5)), *taps = tensor_ones(tape, shape3(4, 2, 3));
    Tensor *back = tensor_ones(tape, shape4(2, 4, 3, 3)), *back1 = tensor_ones(tape, shape3(2, 4, 3));
    Conv2dOptions o = conv2d_options();
    Conv1dOptions o1 = conv1d_options();
    ConvTranspose2dOptions t = conv_transpose2d_options();
    ConvTranspose1dOptions t1 = conv_transpose1d_options();
    TELLS(SHAPE, tensor_conv2d(a, w, NULL, o),
          "tensor_conv2d: input (2, 3), weight (4, 2, 3, 3), bias none, groups 1: it takes [N, C, H, W], [O, C / "
          "groups, KH, KW] and [O], with C and O divisible by groups");
    TELLS(SHAPE, tensor_conv2d(x, w, a, o),
          "tensor_conv2d: input (1, 2, 5, 5), weight (4, 2, 3, 3), bias (2, 3), groups 1: it takes [N, C, H, W], [O, C "
          "/ groups, KH, KW] and [O], with C and O divisible by groups");
    TELLS(SHAPE, tensor_conv1d(line, taps, v, o1),
          "tensor_conv1d: input (1, 2, 5), weight (4, 2, 3), bias (3), groups 1: it takes [N, C, L], [O, C / groups, "
          "K] and [O], with C and O divisible by groups");
    TELLS(SHAPE, tensor_conv_transpose2d(x, w, NULL, t),
          "tensor_conv_transpose2d: input (1, 2, 5, 5), weight (4, 2, 3, 3), bias none, groups 1: it takes [N, C, H, "
          "W], [C, O / groups, KH, KW] and [O], with C divisible by groups");
    TELLS(SHAPE, tensor_conv_transpose1d(line, taps, v, t1),
          "tensor_conv_transpose1d: input (1, 2, 5), weight (4, 2, 3), bias (3), groups 1: it takes [N, C, L], [C, O / "
          "groups, K] and [O], with C divisible by groups");
    o.groups = 0;
    TELLS(SHAPE, tensor_conv2d(x, w, NULL, o),
          "tensor_conv2d: input (1, 2, 5, 5), weight (4, 2, 3, 3), bias none, groups 0: it takes [N, C, H, W], [O, C / "
          "groups, KH, KW] and [O], with C and O divisible by groups");
    o = conv2d_options();
    o.stride[1] = 0;
    TELLS(ARG, tensor_conv2d(x, w, NULL, o),
          "tensor_conv2d: stride 0, padding 0, dilation 1: stride and dilation are 1 to 65535, padding 0 to 65535");
    o = conv2d_options();
    o.padding[0] = 70000;
    TELLS(ARG, tensor_conv2d(x, w, NULL, o),
          "tensor_conv2d: stride 1, padding 70000, dilation 1: stride and dilation are 1 to 65535, padding 0 to 65535");
    o = conv2d_options();
    o.dilation[0] = 3;
    TELLS(SHAPE, tensor_conv2d(x, w, NULL, o),
          "tensor_conv2d: a window of 3 with dilation 3 does not fit an axis of 5 with padding 0");
    o = conv2d_options();
    o.pad = HC_PAD_SAME;
    o.stride[0] = 2;
    TELLS(ARG, tensor_conv2d(x, w, NULL, o), "tensor_conv2d: HC_PAD_SAME with stride 2, not 1");
    o.pad = (ConvPad)9;
    TELLS(ARG, tensor_conv2d(x, w, NULL, o), "tensor_conv2d: there is no ConvPad 9");
    o1.stride = 0;
    TELLS(ARG, tensor_conv1d(line, taps, NULL, o1),
          "tensor_conv1d: stride 0, padding 0, dilation 1: stride and dilation are 1 to 65535, padding 0 to 65535");
    o1 = conv1d_options();
    o1.pad = (ConvPad)9;
    TELLS(ARG, tensor_conv1d(line, taps, NULL, o1), "tensor_conv1d: there is no ConvPad 9");
    t.output_padding[0] = 1;
    TELLS(ARG, tensor_conv_transpose2d(x, back, NULL, t),
          "tensor_conv_transpose2d: output padding 1 is not below stride 1 or dilation 1");
    t = conv_transpose2d_options();
    t.padding[0] = 9;
    TELLS(SHAPE, tensor_conv_transpose2d(x, back, NULL, t),
          "tensor_conv_transpose2d: windows of 3 at 5 places leave nothing, with padding 9");
    t = conv_transpose2d_options();
    t.dilation[0] = 0;
    TELLS(ARG, tensor_conv_transpose2d(x, back, NULL, t),
          "tensor_conv_transpose2d: stride 1, padding 0, dilation 0: stride and dilation are 1 to 65535, padding 0 to "
          "65535");
    t1.output_padding = 1;
    TELLS(ARG, tensor_conv_transpose1d(line, back1, NULL, t1),
          "tensor_conv_transpose1d: output padding 1 is not below stride 1 or dilation 1");
    t1 = conv_transpose1d_options();
    t1.padding = 9;
    TELLS(SHAPE, tensor_conv_transpose1d(line, back1, NULL, t1),
          "tensor_conv_transpose1d: windows of 3 at 5 places leave nothing, with padding 9");
}

static void pooling(void) {
    Tensor *x = tensor_ones(tape, shape4(1, 2, 5, 5)), *line = tensor_ones(tape, shape3(1, 2, 5));
    Pool2dOptions p = pool2d_options(2);
    Pool1dOptions p1 = pool1d_options(2);
    TELLS(SHAPE, tensor_max_pool2d(a, p), "tensor_max_pool2d: (2, 3); it takes [N, C, H, W]");
    TELLS(SHAPE, tensor_avg_pool2d(a, p), "tensor_avg_pool2d: (2, 3); it takes [N, C, H, W]");
    TELLS(SHAPE, tensor_max_pool1d(a, p1), "tensor_max_pool1d: (2, 3); it takes [N, C, L]");
    TELLS(SHAPE, tensor_avg_pool1d(a, p1), "tensor_avg_pool1d: (2, 3); it takes [N, C, L]");
    TELLS(SHAPE, tensor_adaptive_avg_pool2d(a, 1, 1),
          "tensor_adaptive_avg_pool2d: (2, 3) to 1 by 1; it takes [N, C, H, W] and sizes from 1");
    TELLS(SHAPE, tensor_adaptive_avg_pool2d(x, 0, 1),
          "tensor_adaptive_avg_pool2d: (1, 2, 5, 5) to 0 by 1; it takes [N, C, H, W] and sizes from 1");
    TELLS(SHAPE, tensor_adaptive_avg_pool2d(x, SIZE_MAX / 2, 2),
          "tensor_adaptive_avg_pool2d: the result does not fit memory");
    p.padding[1] = 2;
    TELLS(ARG, tensor_max_pool2d(x, p),
          "tensor_max_pool2d: kernel 2, padding 2: the kernel is 1 to 65535, the padding at most half of it");
    TELLS(ARG, tensor_avg_pool2d(x, p),
          "tensor_avg_pool2d: kernel 2, padding 2: the kernel is 1 to 65535, the padding at most half of it");
    p = pool2d_options(2);
    p.dilation[0] = 2;
    TELLS(ARG, tensor_avg_pool2d(x, p), "tensor_avg_pool2d: dilation 2 by 1: that of an average is 1");
    TELLS(SHAPE, tensor_max_pool2d(x, pool2d_options(6)),
          "tensor_max_pool2d: a window of 6 with dilation 1 does not fit an axis of 5 with padding 0");
    TELLS(SHAPE, tensor_avg_pool2d(x, pool2d_options(6)),
          "tensor_avg_pool2d: a window of 6 with dilation 1 does not fit an axis of 5 with padding 0");
    TELLS(ARG, tensor_max_pool2d(x, pool2d_options(0)),
          "tensor_max_pool2d: kernel 0, padding 0: the kernel is 1 to 65535, the padding at most half of it");
    TELLS(SHAPE, tensor_max_pool1d(line, pool1d_options(6)),
          "tensor_max_pool1d: a window of 6 with dilation 1 does not fit an axis of 5 with padding 0");
    TELLS(SHAPE, tensor_avg_pool1d(line, pool1d_options(6)),
          "tensor_avg_pool1d: a window of 6 with dilation 1 does not fit an axis of 5 with padding 0");
    p1.stride = 0;
    TELLS(ARG, tensor_max_pool1d(line, p1),
          "tensor_max_pool1d: stride 0, padding 0, dilation 1: stride and dilation are 1 to 65535, padding 0 to 65535");
    TELLS(ARG, tensor_avg_pool1d(line, p1),
          "tensor_avg_pool1d: stride 0, padding 0, dilation 1: stride and dilation are 1 to 65535, padding 0 to 65535");
}

static void normalisation(void) {
    Tensor *one = tensor_ones(tape, shape2(1, 3)), *two = tensor_ones(tape, shape1(2));
    TELLS(SHAPE, tensor_batch_norm(v, NULL, NULL, NULL, NULL, 1e-5),
          "tensor_batch_norm: (3) has no axis of channels: it takes [N, C, ...]");
    TELLS(SHAPE, tensor_batch_norm(a, NULL, NULL, two, NULL, 1e-5),
          "tensor_batch_norm: (2, 3) with weight (2), which should be (3)");
    TELLS(SHAPE, tensor_batch_norm(a, NULL, NULL, NULL, two, 1e-5),
          "tensor_batch_norm: (2, 3) with bias (2), which should be (3)");
    TELLS(SHAPE, tensor_batch_norm(a, two, v, NULL, NULL, 1e-5),
          "tensor_batch_norm: (2, 3) with running_mean (2), which should be (3)");
    TELLS(ARG, tensor_batch_norm(a, v, NULL, NULL, NULL, 1e-5),
          "tensor_batch_norm: running_mean and running_var go together; one is NULL");
    TELLS(SHAPE, tensor_batch_norm(one, NULL, NULL, NULL, NULL, 1e-5),
          "tensor_batch_norm: (1, 3) has fewer than two values per channel: no variance");
    TELLS(ARG, tensor_batch_norm(a, NULL, NULL, NULL, NULL, -1), "tensor_batch_norm: eps -1 is not a number from 0 up");
    TELLS(SHAPE, tensor_layer_norm(a, shape1(2), NULL, NULL, 1e-5),
          "tensor_layer_norm: (2, 3) does not end in the axes (2)");
    TELLS(SHAPE, tensor_layer_norm(a, shape1(3), two, NULL, 1e-5),
          "tensor_layer_norm: (2, 3) with weight (2), which should be (3)");
    TELLS(ARG, tensor_layer_norm(a, shape1(3), NULL, NULL, NAN),
          "tensor_layer_norm: eps nan is not a number from 0 up");
    TELLS(SHAPE, tensor_rms_norm(a, shape1(2), NULL, 1e-5), "tensor_rms_norm: (2, 3) does not end in the axes (2)");
    TELLS(SHAPE, tensor_rms_norm(a, shape1(3), two, 1e-5),
          "tensor_rms_norm: (2, 3) with weight (2), which should be (3)");
    TELLS(ARG, tensor_rms_norm(a, shape1(3), NULL, -1), "tensor_rms_norm: eps -1 is not a number from 0 up");
    TELLS(SHAPE, tensor_group_norm(a, 2, NULL, NULL, 1e-5),
          "tensor_group_norm: (2, 3): 2 groups do not divide its 3 channels");
    TELLS(SHAPE, tensor_group_norm(a, 0, NULL, NULL, 1e-5),
          "tensor_group_norm: (2, 3): 0 groups do not divide its 3 channels");
    TELLS(SHAPE, tensor_group_norm(v, 1, NULL, NULL, 1e-5),
          "tensor_group_norm: (3) has no axis of channels: it takes [N, C, ...]");
    TELLS(SHAPE, tensor_group_norm(a, 3, two, NULL, 1e-5),
          "tensor_group_norm: (2, 3) with weight (2), which should be (3)");
    TELLS(ARG, tensor_group_norm(a, 1, NULL, NULL, -1), "tensor_group_norm: eps -1 is not a number from 0 up");
}

static void losses(void) {
    Tensor *b = tensor_ones(tape, shape2(4, 5)), *classes = tensor_zeros(tape, shape1(2));
    Tensor *wrong = tensor_full(tape, shape1(2), 3);
    ClassLossOptions o = class_loss_options();
    TripletOptions t = triplet_options();
    GaussianNllOptions g = gaussian_nll_options();
    LossReduction r = (LossReduction)9;
    TELLS(SHAPE, tensor_mse_loss(a, b), "tensor_mse_loss: shapes (2, 3) and (4, 5) differ");
    TELLS(SHAPE, tensor_mse_loss_per_example(a, v), "tensor_mse_loss_per_example: shapes (2, 3) and (3) differ");
    TELLS(SHAPE, tensor_l1_loss(a, b), "tensor_l1_loss: shapes (2, 3) and (4, 5) differ");
    TELLS(SHAPE, tensor_l1_loss_per_example(a, b), "tensor_l1_loss_per_example: shapes (2, 3) and (4, 5) differ");
    TELLS(SHAPE, tensor_huber_loss(a, b, 1), "tensor_huber_loss: shapes (2, 3) and (4, 5) differ");
    TELLS(ARG, tensor_huber_loss(a, a, 0), "tensor_huber_loss: delta 0 is not positive");
    TELLS(ARG, tensor_huber_loss_per_example(a, a, 0), "tensor_huber_loss_per_example: delta 0 is not positive");
    TELLS(SHAPE, tensor_smooth_l1_loss(a, b, 1), "tensor_smooth_l1_loss: shapes (2, 3) and (4, 5) differ");
    TELLS(ARG, tensor_smooth_l1_loss(a, a, -1), "tensor_smooth_l1_loss: beta -1 is not a number from 0 up");
    TELLS(ARG, tensor_smooth_l1_loss_per_example(a, a, -1),
          "tensor_smooth_l1_loss_per_example: beta -1 is not a number from 0 up");
    TELLS(SHAPE, tensor_bce_with_logits_loss(a, b), "tensor_bce_with_logits_loss: shapes (2, 3) and (4, 5) differ");
    TELLS(SHAPE, tensor_bce_with_logits_loss_per_example(a, b),
          "tensor_bce_with_logits_loss_per_example: shapes (2, 3) and (4, 5) differ");
    TELLS(SHAPE, tensor_cross_entropy_loss(a, v),
          "tensor_cross_entropy_loss: scores (2, 3) with target (3); it takes [N, C] and [N]");
    TELLS(RANGE, tensor_cross_entropy_loss(a, wrong),
          "tensor_cross_entropy_loss: index 3 at position 0 is not in 0..2");
    TELLS(SHAPE, tensor_cross_entropy_loss_per_example(a, v),
          "tensor_cross_entropy_loss_per_example: scores (2, 3) with target (3); it takes [N, C] and [N]");
    TELLS(RANGE, tensor_cross_entropy_loss_per_example(a, wrong),
          "tensor_cross_entropy_loss_per_example: index 3 at position 0 is not in 0..2");
    TELLS(SHAPE, tensor_nll_loss(a, v), "tensor_nll_loss: scores (2, 3) with target (3); it takes [N, C] and [N]");
    TELLS(RANGE, tensor_nll_loss(a, wrong), "tensor_nll_loss: index 3 at position 0 is not in 0..2");
    TELLS(RANGE, tensor_nll_loss_per_example(a, wrong),
          "tensor_nll_loss_per_example: index 3 at position 0 is not in 0..2");
    o.label_smoothing = 2;
    TELLS(ARG, tensor_cross_entropy_loss_with(a, classes, o),
          "tensor_cross_entropy_loss_with: label smoothing 2 is not in [0, 1]");
    o.label_smoothing = 0.5;
    TELLS(ARG, tensor_nll_loss_with(a, classes, o), "tensor_nll_loss_with: label smoothing is of cross entropy only");
    TELLS(RANGE, tensor_cross_entropy_loss_with(a, wrong, o),
          "tensor_cross_entropy_loss_with: index 3 at position 0 is not in 0..2");
    o = class_loss_options();
    o.weight = a;
    TELLS(SHAPE, tensor_cross_entropy_loss_with(a, classes, o),
          "tensor_cross_entropy_loss_with: scores (2, 3) with target (2), weight (2, 3); it takes [N, C, ...], [N, "
          "...] and [C]");
    TELLS(SHAPE, tensor_nll_loss_with(a, classes, o),
          "tensor_nll_loss_with: scores (2, 3) with target (2), weight (2, 3); it takes [N, C, ...], [N, ...] and [C]");
    o.weight = v;
    TELLS(RANGE, tensor_cross_entropy_loss_with(a, wrong, o),
          "tensor_cross_entropy_loss_with: index 3 at position 0 is not in 0..2");
    TELLS(RANGE, tensor_nll_loss_with(a, wrong, o), "tensor_nll_loss_with: index 3 at position 0 is not in 0..2");
    o.reduction = r;
    TELLS(ARG, tensor_cross_entropy_loss_with(a, classes, o),
          "tensor_cross_entropy_loss_with: there is no reduction 9");
    TELLS(ARG, tensor_multi_margin_loss(a, classes, 3, 1, HC_LOSS_MEAN),
          "tensor_multi_margin_loss: p is 3, not 1 or 2");
    TELLS(SHAPE, tensor_multi_margin_loss(a, v, 1, 1, HC_LOSS_MEAN),
          "tensor_multi_margin_loss: scores (2, 3) with target (3); it takes [N, C] and [N]");
    TELLS(RANGE, tensor_multi_margin_loss(a, wrong, 1, 1, HC_LOSS_MEAN),
          "tensor_multi_margin_loss: index 3 at position 0 is not in 0..2");
    TELLS(ARG, tensor_multi_margin_loss(a, classes, 1, 1, r), "tensor_multi_margin_loss: there is no reduction 9");
    TELLS(SHAPE, tensor_kl_div_loss(a, b, false, HC_LOSS_MEAN), "tensor_kl_div_loss: shapes (2, 3) and (4, 5) differ");
    TELLS(ARG, tensor_kl_div_loss(a, a, false, r), "tensor_kl_div_loss: there is no reduction 9");
    TELLS(SHAPE, tensor_hinge_embedding_loss(a, b, 1, HC_LOSS_MEAN),
          "tensor_hinge_embedding_loss: shapes (2, 3) and (4, 5) differ");
    TELLS(ARG, tensor_hinge_embedding_loss(a, a, 1, r), "tensor_hinge_embedding_loss: there is no reduction 9");
    TELLS(SHAPE, tensor_triplet_margin_loss(a, b, a, t), "tensor_triplet_margin_loss: shapes (2, 3) and (4, 5) differ");
    TELLS(SHAPE, tensor_triplet_margin_loss(a, a, b, t), "tensor_triplet_margin_loss: shapes (2, 3) and (4, 5) differ");
    t.p = -1;
    TELLS(ARG, tensor_triplet_margin_loss(a, a, a, t), "tensor_triplet_margin_loss: p -1 is not a number from 0 up");
    t = triplet_options();
    t.reduction = r;
    TELLS(ARG, tensor_triplet_margin_loss(a, a, a, t), "tensor_triplet_margin_loss: there is no reduction 9");
    TELLS(SHAPE, tensor_gaussian_nll_loss(a, b, a, g), "tensor_gaussian_nll_loss: shapes (2, 3) and (4, 5) differ");
    TELLS(SHAPE, tensor_gaussian_nll_loss(a, a, b, g),
          "tensor_gaussian_nll_loss: prediction (2, 3) with variance (4, 5), whose last axis may be 1 or missing");
    g.eps = 0;
    TELLS(ARG, tensor_gaussian_nll_loss(a, a, a, g), "tensor_gaussian_nll_loss: eps 0 is not positive");
    g = gaussian_nll_options();
    g.reduction = r;
    TELLS(ARG, tensor_gaussian_nll_loss(a, a, a, g), "tensor_gaussian_nll_loss: there is no reduction 9");
}

int main(void) {
    tape = tape_create(HC_F64);
    tells_on(tape, NULL);
    a = tensor_leaf(tensor_ones(tape, shape2(2, 3)));
    v = tensor_ones(tape, shape1(3));
    convolutions();
    pooling();
    normalisation();
    losses();
    tape_destroy(tape);
    return check_done();
}
