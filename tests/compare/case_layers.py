"""Of layers.h, and the layers of module.h: weights and buffers by torch's names, derivatives to inputs and weights.
Dropout is 0: its masks are the library's own."""
import math

import torch
import torch.nn.functional as F
from torch import nn

from binding import handles, room
from case_convolution import Window, draw_pool
from draw import fixed
from table import Case, row


def one(hc, x, module, peer):
    """A layer from one tensor to one."""
    return Case([x], lambda x: hc.module_forward(module, x), peer, net=(module, peer))


def several(hc, xs, module, peer, results, call=None):
    """From several to several; call: how torch's is called, unless it takes the same."""

    def ours(*xs):
        out = room(results)
        if not hc.module_forward_n(module, handles(xs), len(xs), out, results):
            hc.refuse("module_forward_n")
        return list(out)

    return Case(xs, ours, call or peer, net=(module, peer))


# ---- without weights ----------------------------------------------------------------------------

PLAIN = {"identity": nn.Identity, "relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU, "softplus": nn.Softplus,
         "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


def plain(name, peer):
    def make(hc, d):
        return one(hc, d.normal(d.shape(1, 4)), getattr(hc, name)(), peer())

    make.__name__ = name
    row()(make)


def with_option(name, peer, draw):
    def make(hc, d):
        option = draw(d)
        return one(hc, d.normal(d.shape(2, 4)), getattr(hc, name)(option), peer(option))

    make.__name__ = name
    row()(make)


for name, peer in PLAIN.items():
    plain(f"module_{name}", peer)
with_option("module_leaky_relu", nn.LeakyReLU, lambda d: d.number())
with_option("module_elu", nn.ELU, lambda d: d.number(0.1, 2))
with_option("module_softmax", nn.Softmax, lambda d: d.whole(-2, 1))
with_option("module_log_softmax", nn.LogSoftmax, lambda d: d.whole(-2, 1))


def pool(axes, kind, peer):
    def make(hc, d):
        options, theirs, x = draw_pool(hc, d, axes, kind == "max")
        return one(hc, x, getattr(hc, make.__name__)(options), peer(**theirs))

    make.__name__ = f"module_{kind}_pool{axes}d"
    row()(make)


for axes in (1, 2):
    for kind, peer in {"max": "Max", "avg": "Avg"}.items():
        pool(axes, kind, getattr(nn, f"{peer}Pool{axes}d"))


@row()
def module_flatten(hc, d):
    return one(hc, d.normal(d.shape(2, 4)), hc.module_flatten(), nn.Flatten())


@row()
def module_adaptive_avg_pool2d(hc, d):
    to = [d.whole(1, 6), d.whole(1, 6)]
    return one(hc, d.normal(d.shape(4, 4, 5)), hc.module_adaptive_avg_pool2d(*to), nn.AdaptiveAvgPool2d(to))


@row()
def module_upsample2d(hc, d):
    by, bilinear = [d.whole(1, 3), d.whole(1, 3)], d.flag()
    return one(hc, d.normal(d.shape(4, 4)), hc.module_upsample2d(*by, bilinear),
               nn.Upsample(scale_factor=tuple(by), mode="bilinear" if bilinear else "nearest"))


# ---- products and tables ------------------------------------------------------------------------


@row("module_linear", "module_linear_no_bias")
def module_linear(hc, d):
    sizes, bias = (d.whole(1, 5), d.whole(1, 5)), d.flag()
    return one(hc, d.normal(d.shape() + [sizes[0]]), (hc.module_linear if bias else hc.module_linear_no_bias)(*sizes),
               nn.Linear(*sizes, bias=bias))


@row()
def module_weight_norm(hc, d):  # torch's own second derivative to v is wrong, that of the formula right
    sizes, axis = (d.whole(1, 5), d.whole(1, 5)), d.choice(0, 1)
    case = one(hc, d.normal([d.whole(1, 3), sizes[0]]),
               hc.module_weight_norm(hc.module_linear(*sizes), b"weight", axis),
               nn.utils.weight_norm(nn.Linear(*sizes), "weight", axis))
    peer, case.order = case.net[1], 1

    def formula(x):
        v = peer.weight_v
        return F.linear(x, peer.weight_g * v / v.norm(dim=1 - axis, keepdim=True), peer.bias)

    if d.flag():
        case.theirs, case.order = formula, 2
    return case


@row()
def module_prelu(hc, d):
    shape = d.shape(2, 4)
    channels = d.choice(1, shape[1])
    return one(hc, d.normal(shape), hc.module_prelu(channels, 0.25), nn.PReLU(channels))


@row()
def module_embedding(hc, d):
    count, size = d.whole(1, 5), d.whole(1, 4)
    return one(hc, d.index(d.shape(), count), hc.module_embedding(count, size), nn.Embedding(count, size))


@row()
def module_sequential(hc, d):  # with what the library makes one operation of
    c, o, parts, options = d.whole(1, 3), d.whole(1, 3), [], hc.conv2d_options()
    ours = [hc.module_conv2d(c, o, 3, 3, options), hc.module_batch_norm2d(o, hc.batch_norm_options())]
    parts = [nn.Conv2d(c, o, 3), nn.BatchNorm2d(o)]
    if d.flag():
        ours, parts = ours + [hc.module_relu()], parts + [nn.ReLU()]
    ours += [hc.module_max_pool2d(hc.pool2d_options(2)), hc.module_flatten(), hc.module_linear(4 * o, 3),
             hc.module_relu(), hc.module_linear(3, 2)]
    parts += [nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4 * o, 3), nn.ReLU(), nn.Linear(3, 2)]
    return one(hc, d.normal([d.whole(1, 3), c, 6, 6]), hc.module_sequential(handles(ours), len(ours)),
               nn.Sequential(*parts))


# ---- convolution --------------------------------------------------------------------------------


def convolution(axes):
    def make(hc, d):
        w = Window(hc, d, axes)
        w.options.bias = bias = d.flag()
        x = [e * (k - 1) + d.whole(1, 3) for k, e in zip(w.kernel, w.theirs["dilation"])]
        return one(hc, d.normal([d.whole(1, 2), w.channels] + x),
                   getattr(hc, make.__name__)(w.channels, w.out, *w.kernel, w.options),
                   getattr(nn, f"Conv{axes}d")(w.channels, w.out, w.kernel, bias=bias, **w.theirs))

    make.__name__ = f"module_conv{axes}d"
    row()(make)


def transposed(axes):
    def make(hc, d):
        w = Window(hc, d, axes, transposed=True)
        w.options.bias = bias = d.flag()
        return one(hc, d.normal([d.whole(1, 2), w.channels] + w.input_sizes(d)),
                   getattr(hc, make.__name__)(w.channels, w.out, *w.kernel, w.options),
                   getattr(nn, f"ConvTranspose{axes}d")(w.channels, w.out, w.kernel, bias=bias, **w.theirs))

    make.__name__ = f"module_conv_transpose{axes}d"
    row()(make)


for axes in (1, 2):
    convolution(axes)
    transposed(axes)

# ---- normalisation ------------------------------------------------------------------------------


def batch_norm(axes):
    def make(hc, d):
        channels, options = d.whole(1, 4), hc.batch_norm_options()
        options.eps, options.momentum = eps, momentum = d.choice(1e-5, 0.1), d.number(0, 1)
        options.cumulative, options.affine, options.track_running_stats = cumulative, affine, track = [
            d.flag() for _ in range(3)]
        x = d.normal([d.whole(2, 4), channels] + (d.shape(0, 1) if axes == 1 else d.shape(2, 2)))
        peer = getattr(nn, f"BatchNorm{axes}d")(channels, eps, None if cumulative else momentum, affine, track)
        module = getattr(hc, make.__name__)(channels, options)
        if d.flag():
            hc.module_train(module, False)
            peer.eval()
        return one(hc, x, module, peer)

    make.__name__ = f"module_batch_norm{axes}d"
    row()(make)


def instance_norm(axes):
    def make(hc, d):
        channels, options = d.whole(1, 4), hc.instance_norm_options()
        options.eps, options.affine = eps, affine = d.choice(1e-5, 0.1), d.flag()
        x = d.normal([d.whole(1, 3), channels] + [d.whole(2, 4) for _ in range(axes)])
        return one(hc, x, getattr(hc, make.__name__)(channels, options),
                   getattr(nn, f"InstanceNorm{axes}d")(channels, eps, affine=affine))

    make.__name__ = f"module_instance_norm{axes}d"
    row()(make)


for axes in (1, 2):
    batch_norm(axes)
    instance_norm(axes)


def draw_norm(hc, d):
    options = hc.norm_options()
    options.eps, options.affine = d.choice(1e-5, 0.1), d.flag()
    return options


@row()
def module_layer_norm(hc, d):
    last, options = d.shape(1, 2), draw_norm(hc, d)
    return one(hc, d.normal(d.shape(0, 2) + last), hc.module_layer_norm(hc.shape(last), options),
               nn.LayerNorm(last, options.eps, options.affine))


@row()
def module_group_norm(hc, d):
    groups, options = d.whole(1, 3), draw_norm(hc, d)
    channels = groups * d.whole(1, 3)
    return one(hc, d.normal([d.whole(1, 3), channels, d.whole(2, 3)] + d.shape(0, 1)),
               hc.module_group_norm(groups, channels, options),
               nn.GroupNorm(groups, channels, options.eps, options.affine))


# ---- attention ----------------------------------------------------------------------------------


def causal_mask(l, s):
    return torch.full([l, s], -math.inf, dtype=torch.float64).triu(1)


def draw_mask(d, l, s):
    """Numbers, or for each query some keys left out, but not the first."""
    if d.flag():
        return d.normal([l, s])
    mask = torch.where(d.mask([l, s]), -math.inf, 0.0).double()
    mask[:, 0] = 0
    return fixed(mask)


def sequence(d, length, batch, size, batch_first):
    """A batch of them; one alone, without that axis, where batch is 0."""
    if batch == 0:
        return d.normal([length, size])
    return d.normal([batch, length, size] if batch_first else [length, batch, size])


@row()
def module_multihead_attention(hc, d):
    heads, options, (l, s, n) = d.whole(1, 3), hc.attention_options(), (d.whole(i, 4) for i in (1, 1, 0))
    size = heads * d.whole(1, 3)
    options.bias, options.batch_first, options.causal = bias, first, causal = [d.flag() for _ in range(3)]
    cross, masked, padded = d.flag(), d.flag(), False
    key_size = value_size = size
    if cross and d.flag():
        options.key_size, options.value_size = key_size, value_size = d.whole(1, 5), d.whole(1, 5)
    s = s if cross else l
    xs = [sequence(d, l, n, size, first)]
    if cross:
        xs += [sequence(d, s, n, key_size, first), sequence(d, s, n, value_size, first)]
    if masked:
        xs.append(draw_mask(d, l, s))
        padded = n > 0 and d.flag()
        if padded:  # the same for all queries, other for each example
            xs[-1] = fixed(torch.stack([draw_mask(d, 1, s).view(1, s) for _ in range(n)]).view(n, 1, 1, s))

    def theirs(*xs):
        query, key, value = xs[:3] if cross else xs[:1] * 3
        mask = torch.zeros(l, s, dtype=torch.float64)
        if causal:
            mask = mask + causal_mask(l, s)
        if masked:
            mask = mask + (xs[-1].expand(n, heads, l, s).reshape(n * heads, l, s) if padded else xs[-1])
        return list(peer(query, key, value, attn_mask=mask))

    peer = nn.MultiheadAttention(size, heads, bias=bias, kdim=key_size, vdim=value_size, batch_first=first)
    return several(hc, xs, hc.module_multihead_attention(size, heads, options), peer, 2, theirs)


def draw_transformer(hc, d, peer):
    heads, options = d.whole(1, 3), hc.transformer_options()
    size = heads * d.whole(1, 3)
    options.feedforward, options.dropout, options.eps = d.whole(1, 6), 0, d.choice(1e-5, 0.1)
    options.gelu, options.norm_first, options.causal, options.batch_first = [d.flag() for _ in range(4)]
    return size, heads, options, peer(size, heads, options.feedforward, 0.0, "gelu" if options.gelu else "relu",
                                      options.eps, options.batch_first, options.norm_first)


@row()
def module_transformer_encoder_layer(hc, d):
    size, heads, options, peer = draw_transformer(hc, d, nn.TransformerEncoderLayer)
    l, n = d.whole(1, 4), d.whole(0, 3)
    xs = [sequence(d, l, n, size, options.batch_first)] + ([draw_mask(d, l, l)] if d.flag() else [])
    causal = causal_mask(l, l) if options.causal else torch.zeros(l, l, dtype=torch.float64)
    return several(hc, xs, hc.module_transformer_encoder_layer(size, heads, options), peer, 1,
                   lambda x, mask=0: peer(x, causal + mask))


@row()
def module_transformer_decoder_layer(hc, d):
    size, heads, options, peer = draw_transformer(hc, d, nn.TransformerDecoderLayer)
    l, s, n = d.whole(1, 4), d.whole(1, 4), d.whole(0, 3)
    xs = [sequence(d, l, n, size, options.batch_first), sequence(d, s, n, size, options.batch_first),
          draw_mask(d, l, l), draw_mask(d, l, s)][:d.whole(2, 4)]
    causal = causal_mask(l, l) if options.causal else torch.zeros(l, l, dtype=torch.float64)
    return several(hc, xs, hc.module_transformer_decoder_layer(size, heads, options), peer, 1,
                   lambda x, memory, mask=0, memory_mask=None: peer(x, memory, causal + mask, memory_mask))


# ---- recurrent networks -------------------------------------------------------------------------


def recurrent(name, peer):
    def make(hc, d):
        inputs, hidden, n, t, options = d.whole(1, 4), d.whole(1, 4), d.whole(0, 3), d.whole(1, 4), hc.rnn_options()
        options.layers = layers = d.whole(1, 3)
        options.bias, options.bidirectional, options.batch_first = bias, both, first = [d.flag() for _ in range(3)]
        more = {}
        if name == "rnn":
            options.relu = d.flag()
            more["nonlinearity"] = "relu" if options.relu else "tanh"
        xs, states = [sequence(d, t, n, inputs, first)], 2 if name == "lstm" else 1
        if d.flag():
            xs += [d.normal([layers * (1 + both)] + [n][:n] + [hidden]) for _ in range(states)]
        net = peer(inputs, hidden, layers, bias=bias, batch_first=first, bidirectional=both, **more)

        def theirs(x, *state):
            y, last = net(x, *([state] if name == "lstm" and state else state))
            return [y, *(last if name == "lstm" else [last])]

        return several(hc, xs, getattr(hc, make.__name__)(inputs, hidden, options), net, 1 + states, theirs)

    make.__name__ = f"module_{name}"
    row()(make)


def cell(name, peer):
    def make(hc, d):
        inputs, hidden, n, options = d.whole(1, 4), d.whole(1, 4), d.whole(0, 3), hc.rnn_cell_options()
        options.bias = bias = d.flag()
        more = {}
        if name == "rnn":
            options.relu = d.flag()
            more["nonlinearity"] = "relu" if options.relu else "tanh"
        xs, states = [d.normal([n][:n] + [inputs])], 2 if name == "lstm" else 1
        if d.flag():
            xs += [d.normal([n][:n] + [hidden]) for _ in range(states)]
        net = peer(inputs, hidden, bias=bias, **more)
        return several(hc, xs, getattr(hc, make.__name__)(inputs, hidden, options), net, states,
                       lambda x, *state: net(x, *([state] if name == "lstm" and state else state)))

    make.__name__ = f"module_{name}_cell"
    row()(make)


for name, peer in {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}.items():
    recurrent(name, peer)
for name, peer in {"rnn": nn.RNNCell, "lstm": nn.LSTMCell, "gru": nn.GRUCell}.items():
    cell(name, peer)
