"""Of reduce.h: each reduction of all and along axes."""
import math

import torch

from binding import ints, room
from table import Case, row, simple


def prod(x, axes, keepdim):  # along one after the other: of all, torch's second derivative is 0 with two zeros
    for axis in sorted((axis % x.dim() for axis in axes), reverse=True):
        x = x.prod(axis, keepdim)
    return x


def norm(x, axes, keepdim):
    return torch.linalg.vector_norm(x, 2, axes, keepdim)


def any_of(x, axes, keepdim):
    return (x != 0).double().amax(axes, keepdim)


def all_of(x, axes, keepdim):
    return (x != 0).double().amin(axes, keepdim)


# name -> torch's along axes, which for all of x is handed all axes, and how x is drawn
AXES = {
    "sum": (torch.sum, "normal"), "mean": (torch.mean, "normal"), "max": (torch.amax, "rounded"),
    "min": (torch.amin, "rounded"), "logsumexp": (torch.logsumexp, "normal"), "prod": (prod, "zeros"),
    "any": (any_of, "rounded"), "all": (all_of, "rounded"),
    "norm": (norm, "normal"),  # torch's derivatives at 0 are NaN
}


def reductions(name, theirs, how):
    def whole(hc, d):
        return Case([getattr(d, how)(d.shape(1))], getattr(hc, f"tensor_{name}"),
                    lambda x: theirs(x, list(range(x.dim())), False))

    def along(hc, d):
        x = getattr(d, how)(d.shape(1, 4))
        axes, keep = d.axes(x.dim()), d.flag()
        return Case([x], lambda x: getattr(hc, f"tensor_{name}_axes")(x, ints(axes), len(axes), keep),
                    lambda x: theirs(x, axes, keep))

    whole.__name__, along.__name__ = f"tensor_{name}", f"tensor_{name}_axes"
    row()(whole)
    row()(along)


for name, (theirs, how) in AXES.items():
    reductions(name, theirs, how)


def spread(name, theirs):
    """Variance and deviation, which take a correction; more entries than that."""

    def whole(hc, d):
        correction = d.choice(0, 1)
        return Case([d.normal([d.whole(2, 5)] + d.shape())], lambda x: getattr(hc, f"tensor_{name}")(x, correction),
                    lambda x: theirs(x, list(range(x.dim())), correction=correction))

    def along(hc, d):
        x, keep, correction = d.normal([d.whole(2, 5) for _ in range(d.whole(1, 4))]), d.flag(), d.choice(0, 1)
        axes = d.axes(x.dim())
        return Case([x], lambda x: getattr(hc, f"tensor_{name}_axes")(x, ints(axes), len(axes), correction, keep),
                    lambda x: theirs(x, axes, correction=correction, keepdim=keep))

    whole.__name__, along.__name__ = f"tensor_{name}", f"tensor_{name}_axes"
    row()(whole)
    row()(along)


spread("var", torch.var)
spread("std", torch.std)


@row("tensor_vector_norm", "tensor_vector_norm_axes")
def tensor_vector_norm(hc, d):  # torch's derivatives are NaN at 0, and it rounds p to single precision
    x, p, keep = d.normal(d.shape(1, 4)), d.choice(1, 2, 3, math.inf, d.whole(2, 20) / 4), d.flag()
    axes = d.axes(x.dim())
    return Case([x], lambda x: [hc.tensor_vector_norm(x, p),
                                hc.tensor_vector_norm_axes(x, ints(axes), len(axes), p, keep)],
                lambda x: [torch.linalg.vector_norm(x, p), torch.linalg.vector_norm(x, p, axes, keep)])


@row("tensor_argmax", "tensor_argmax_axis")
def tensor_argmax(hc, d):
    x, keep = d.choice(d.normal, d.rounded)(d.shape(1)), d.flag()
    axis = d.axis(x.dim())
    return Case([x], lambda x: [hc.tensor_argmax(x), hc.tensor_argmax_axis(x, axis, keep)],
                lambda x: [x.argmax(), x.argmax(axis, keep)])


# ---- scans, order -------------------------------------------------------------------------------


def along_axis(name, theirs):
    def make(hc, d):
        x = d.zeros(d.any_shape(1))
        axis = d.axis(x.dim())
        return Case([x], lambda x: getattr(hc, name)(x, axis), lambda x: theirs(x, axis))

    make.__name__ = name
    row()(make)


along_axis("tensor_cumsum", torch.cumsum)
along_axis("tensor_cumprod", torch.cumprod)


def with_index(name, theirs):
    def make(hc, d):
        x, keep, index = d.choice(d.normal, d.rounded)(d.shape(1)), d.flag(), room()
        axis = d.axis(x.dim())
        return Case([x], lambda x: [getattr(hc, name)(x, axis, keep, index), index[0]],
                    lambda x: list(theirs(x, axis, keep)))

    make.__name__ = name
    row()(make)


with_index("tensor_max_with_index", torch.max)
with_index("tensor_min_with_index", torch.min)


@row("tensor_sort", "tensor_argsort")
def tensor_sort(hc, d):
    x, falling, index = d.choice(d.normal, d.rounded)(d.any_shape(1, 3, 9)), d.flag(), room()
    axis = d.axis(x.dim())

    def theirs(x):
        values, places = torch.sort(x, stable=True, dim=axis, descending=falling)
        return [values, places, places]

    return Case([x], lambda x: [hc.tensor_sort(x, axis, falling, index), index[0],
                                hc.tensor_argsort(x, axis, falling)], theirs)


@row()
def tensor_topk(hc, d):
    x, largest, index = d.normal(d.any_shape(1, 3, 9)), d.flag(), room()
    axis = d.axis(x.dim())
    k = d.whole(0, x.shape[axis])
    return Case([x], lambda x: [hc.tensor_topk(x, k, axis, largest, index), index[0]],
                lambda x: list(torch.topk(x, k, axis, largest)))
