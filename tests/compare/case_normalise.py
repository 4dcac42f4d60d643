"""Of normalise.h, but for dropout, whose masks are the library's own."""
import math

import torch
import torch.nn.functional as F

from draw import fixed
from table import Case, row


def scaled(d, shape):
    """Neither weight nor bias, the weight, or both."""
    return [d.normal(shape) for _ in range(d.whole(0, 2))]


@row()
def tensor_batch_norm(hc, d):
    shape, eps = [d.whole(2, 4), d.whole(1, 4)] + d.shape(0, 2), d.choice(1e-5, 0.1)
    running, more = d.flag(), scaled(d, [shape[1]])
    statistics = [fixed(d.normal([shape[1]])), fixed(d.uniform([shape[1]], 0.3, 2))] if running else []

    def arguments(rest):
        rest = list(rest)
        mean, variance = (rest.pop(0), rest.pop(0)) if running else (None, None)
        return mean, variance, *(rest + [None, None])[:2]

    return Case([d.normal(shape)] + statistics + more, lambda x, *rest: hc.tensor_batch_norm(x, *arguments(rest), eps),
                lambda x, *rest: F.batch_norm(x, *arguments(rest), training=not running, eps=eps))


@row()
def tensor_layer_norm(hc, d):
    last, eps = d.shape(1, 2), d.choice(1e-5, 0.1)
    xs = [d.normal(d.shape(0, 2) + last)] + scaled(d, last)
    return Case(xs, lambda x, w=None, b=None: hc.tensor_layer_norm(x, hc.shape(last), w, b, eps),
                lambda x, w=None, b=None: F.layer_norm(x, last, w, b, eps))


@row()
def tensor_rms_norm(hc, d):  # by its formula: PyTorch 1.13 has none
    last, eps = d.shape(1, 2), d.choice(1e-5, 0.1)
    axes = list(range(-len(last), 0))

    def theirs(x, w=None):
        y = x * torch.rsqrt(x.square().mean(axes, True) + eps)
        return y if w is None else y * w

    return Case([d.normal(d.shape(0, 2) + last)] + scaled(d, last)[:1],
                lambda x, w=None: hc.tensor_rms_norm(x, hc.shape(last), w, eps), theirs)


@row()
def tensor_group_norm(hc, d):
    groups, eps = d.whole(1, 3), d.choice(1e-5, 0.1)
    channels = groups * d.whole(1, 3)
    return Case([d.normal([d.whole(1, 3), channels, d.whole(2, 3)] + d.shape(0, 1))] + scaled(d, [channels]),
                lambda x, w=None, b=None: hc.tensor_group_norm(x, groups, w, b, eps),
                lambda x, w=None, b=None: F.group_norm(x, groups, w, b, eps))


@row()
def tensor_scaled_dot_product_attention(hc, d):  # by its formula: PyTorch 1.13's is not public yet
    leading, (l, s, e, v) = d.shape(0, 2, 3), (d.whole(1, 4) for _ in range(4))
    xs = [d.normal(leading + [l, e]), d.normal(leading + [s, e]), d.normal(leading + [s, v])]
    if d.flag():
        xs.append(d.normal(d.choice([l, s], leading + [l, s], [1, s])))
    if d.flag() and len(xs) == 4:  # the first key always counts
        mask = torch.where(d.mask(xs[3].shape), -math.inf, 0.0).double()
        mask[..., 0] = 0
        xs[3] = fixed(mask)
    return Case(xs, lambda q, k, v, mask=None: hc.tensor_scaled_dot_product_attention(q, k, v, mask),
                lambda q, k, v, mask=0: torch.softmax(q @ k.mT / math.sqrt(e) + mask, -1) @ v)
