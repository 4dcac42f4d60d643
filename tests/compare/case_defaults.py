"""Options as they are made, against torch's as they are; dropout apart, which is not drawn here, in evaluation mode."""
import torch.nn.functional as F
from torch import nn

from case_layers import several
from table import Case, row


def layers(hc):
    """name -> (our module, torch's, the shapes of inputs, how many results)."""
    conv1d, conv2d = hc.conv1d_options(), hc.conv2d_options()
    back1d, back2d = hc.conv_transpose1d_options(), hc.conv_transpose2d_options()
    norm, batch, instance = hc.norm_options(), hc.batch_norm_options(), hc.instance_norm_options()
    return {
        "conv1d": (hc.module_conv1d(2, 3, 2, conv1d), nn.Conv1d(2, 3, 2), [[2, 2, 5]]),
        "conv2d": (hc.module_conv2d(2, 3, 2, 3, conv2d), nn.Conv2d(2, 3, (2, 3)), [[2, 2, 4, 5]]),
        "conv_transpose1d": (hc.module_conv_transpose1d(2, 3, 2, back1d), nn.ConvTranspose1d(2, 3, 2), [[2, 2, 5]]),
        "conv_transpose2d": (hc.module_conv_transpose2d(2, 3, 2, 3, back2d), nn.ConvTranspose2d(2, 3, (2, 3)),
                             [[2, 2, 3, 2]]),
        "max_pool1d": (hc.module_max_pool1d(hc.pool1d_options(2)), nn.MaxPool1d(2), [[2, 2, 5]]),
        "avg_pool1d": (hc.module_avg_pool1d(hc.pool1d_options(3)), nn.AvgPool1d(3), [[2, 2, 7]]),
        "max_pool2d": (hc.module_max_pool2d(hc.pool2d_options(2)), nn.MaxPool2d(2), [[2, 2, 5, 4]]),
        "avg_pool2d": (hc.module_avg_pool2d(hc.pool2d_options(3)), nn.AvgPool2d(3), [[2, 2, 7, 6]]),
        "batch_norm1d": (hc.module_batch_norm1d(3, batch), nn.BatchNorm1d(3), [[4, 3]]),
        "batch_norm2d": (hc.module_batch_norm2d(3, batch), nn.BatchNorm2d(3), [[2, 3, 2, 2]]),
        "layer_norm": (hc.module_layer_norm(hc.shape([3]), norm), nn.LayerNorm(3), [[2, 3]]),
        "group_norm": (hc.module_group_norm(2, 4, norm), nn.GroupNorm(2, 4), [[2, 4, 3]]),
        "instance_norm1d": (hc.module_instance_norm1d(3, instance), nn.InstanceNorm1d(3), [[2, 3, 4]]),
        "instance_norm2d": (hc.module_instance_norm2d(3, instance), nn.InstanceNorm2d(3), [[2, 3, 2, 2]]),
        "attention": (hc.module_multihead_attention(4, 2, hc.attention_options()), nn.MultiheadAttention(4, 2),
                      [[3, 2, 4]] * 3, 2),
        "rnn": (hc.module_rnn(2, 3, hc.rnn_options()), nn.RNN(2, 3), [[4, 2, 2]], 2),
        "gru": (hc.module_gru(2, 3, hc.rnn_options()), nn.GRU(2, 3), [[4, 2, 2]], 2),
        "rnn_cell": (hc.module_rnn_cell(2, 3, hc.rnn_cell_options()), nn.RNNCell(2, 3), [[2, 2]]),
        "gru_cell": (hc.module_gru_cell(2, 3, hc.rnn_cell_options()), nn.GRUCell(2, 3), [[2, 2]]),
    }


@row("conv1d_options", "conv2d_options", "conv_transpose1d_options", "conv_transpose2d_options", "pool1d_options",
     "pool2d_options", "batch_norm_options", "norm_options", "instance_norm_options", "attention_options",
     "rnn_options", "rnn_cell_options")
def defaults_of_layers(hc, d):
    made = layers(hc)
    chosen = d.choice(*sorted(made))
    for name, (module, *_) in made.items():
        if name != chosen:
            hc.module_destroy(module)
    module, peer, shapes, *results = made[chosen]
    if d.flag():
        hc.module_train(module, False)
        peer.eval()
    return several(hc, [d.normal(shape) for shape in shapes], module, peer, *(results or [1]))


@row("transformer_options")
def defaults_of_transformers(hc, d):  # of 2048 in between; dropout is 0.1, so in evaluation mode
    options, decoder = hc.transformer_options(), d.flag()
    peer = (nn.TransformerDecoderLayer if decoder else nn.TransformerEncoderLayer)(4, 2)
    assert options.dropout == peer.dropout.p
    module = (hc.module_transformer_decoder_layer if decoder else hc.module_transformer_encoder_layer)(4, 2, options)
    hc.module_train(module, False)
    return several(hc, [d.normal([2, 2, 4]) for _ in range(1 + decoder)], module, peer.eval(), 1)


@row("class_loss_options")
def defaults_of_class_losses(hc, d):
    target = d.index([4], 3)
    target[d.whole(0, 3)] = d.choice(0, -100)
    options = hc.class_loss_options()
    return Case([d.normal([4, 3]), target],
                lambda x, y: [hc.tensor_cross_entropy_loss_with(x, y, options), hc.tensor_nll_loss_with(x, y, options)],
                lambda x, y: [F.cross_entropy(x, y), F.nll_loss(x, y)])


@row("triplet_options", "gaussian_nll_options")
def defaults_of_losses(hc, d):
    return Case([d.normal([4, 3]), d.normal([4, 3]), d.uniform([4, 3], 0.1, 2)],
                lambda x, y, z: [hc.tensor_triplet_margin_loss(x, y, z, hc.triplet_options()),
                                 hc.tensor_gaussian_nll_loss(x, y, z, hc.gaussian_nll_options())],
                lambda x, y, z: [F.triplet_margin_loss(x, y, z), F.gaussian_nll_loss(x, y, z)])
