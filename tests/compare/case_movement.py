"""Of movement.h."""
import torch
import torch.nn.functional as F

from binding import handles, ints, room, sizes
from draw import fixed
from table import Case, row

# ---- movement -----------------------------------------------------------------------------------


@row()
def tensor_reshape(hc, d):
    x = d.normal(d.any_shape())
    to = d.choice([x.numel()], [1, x.numel()], list(x.shape)[::-1], [x.numel(), 1, 1])
    return Case([x], lambda x: hc.tensor_reshape(x, hc.shape(to)), lambda x: x.reshape(to))


@row()
def tensor_transpose(hc, d):
    x = d.normal(d.any_shape(1, 4))
    one, other = d.axis(x.dim()), d.axis(x.dim())
    return Case([x], lambda x: hc.tensor_transpose(x, one, other), lambda x: x.transpose(one, other))


@row()
def tensor_permute(hc, d):
    x = d.normal(d.any_shape(1, 5))
    axes = [axis - d.choice(0, x.dim()) for axis in d.random.sample(range(x.dim()), x.dim())]
    return Case([x], lambda x: hc.tensor_permute(x, ints(axes), len(axes)), lambda x: x.permute(axes))


@row("tensor_squeeze", "tensor_unsqueeze")
def tensor_unsqueeze(hc, d):
    x = d.normal(d.any_shape())
    axis = d.axis(x.dim() + 1)
    return Case([x], lambda x: [hc.tensor_unsqueeze(x, axis), hc.tensor_squeeze(hc.tensor_unsqueeze(x, axis), axis)],
                lambda x: [x.unsqueeze(axis), x.unsqueeze(axis).squeeze(axis)])


@row()
def tensor_expand(hc, d):
    shape = d.any_shape(0, 4)
    small = [d.choice(1, n) for n in shape[d.whole(0, len(shape)):]]
    return Case([d.normal(small)], lambda x: hc.tensor_expand(x, hc.shape(shape)), lambda x: x.expand(shape))


@row()
def tensor_slice(hc, d):
    x = d.normal(d.any_shape(1, 3, 6))
    axis, start, stop, step = d.axis(x.dim()), d.whole(-8, 8), d.whole(-8, 8), d.whole(1, 3)

    def theirs(x):
        at = [slice(None)] * x.dim()
        at[axis] = slice(start, stop, step)
        return x[tuple(at)]

    return Case([x], lambda x: hc.tensor_slice(x, axis, start, stop, step), theirs)


@row()
def tensor_concat(hc, d):
    shape = d.any_shape(1)
    axis = d.axis(len(shape))
    xs = []
    for _ in range(d.whole(1, 4)):
        shape[axis] = d.whole(0, 3)
        xs.append(d.normal(shape))
    return Case(xs, lambda *xs: hc.tensor_concat(handles(xs), len(xs), axis), lambda *xs: torch.cat(xs, axis))


@row()
def tensor_stack(hc, d):
    shape = d.any_shape()
    axis = d.axis(len(shape) + 1)
    return Case([d.normal(shape) for _ in range(d.whole(1, 4))],
                lambda *xs: hc.tensor_stack(handles(xs), len(xs), axis), lambda *xs: torch.stack(xs, axis))


@row()
def tensor_flip(hc, d):
    x = d.normal(d.any_shape(1))
    axes = d.axes(x.dim())
    return Case([x], lambda x: hc.tensor_flip(x, ints(axes), len(axes)), lambda x: x.flip(axes))


@row()
def tensor_roll(hc, d):
    x, shift = d.normal(d.any_shape(1)), d.whole(-9, 9)
    axis = d.axis(x.dim())
    return Case([x], lambda x: hc.tensor_roll(x, shift, axis), lambda x: x.roll(shift, axis))


@row()
def tensor_repeat(hc, d):
    x = d.normal(d.any_shape(0, 2))
    counts = [d.whole(0, 3) for _ in range(x.dim() + d.whole(0, 2))]
    return Case([x], lambda x: hc.tensor_repeat(x, sizes(counts), len(counts)), lambda x: x.repeat(counts))


@row()
def tensor_split(hc, d):
    shape, parts = d.any_shape(1), [d.whole(0, 3) for _ in range(d.whole(1, 4))]
    axis = d.axis(len(shape))
    shape[axis] = sum(parts)

    def ours(x):
        found = room(len(parts))
        if not hc.tensor_split(x, sizes(parts), len(parts), axis, found):
            hc.refuse("tensor_split")
        return list(found)

    return Case([d.normal(shape)], ours, lambda x: list(x.split(parts, axis)))


# ---- padding and upsampling ---------------------------------------------------------------------


def around(before, after):
    """As torch has it: from the last axis on."""
    return [n for pair in reversed(list(zip(before, after))) for n in pair]


@row("tensor_pad", "tensor_pad_value")
def tensor_pad(hc, d):
    x, value = d.normal(d.shape()), d.number()
    before, after = ([d.whole(0, 3) for _ in x.shape] for _ in range(2))
    ours = sizes(before), sizes(after), x.dim()
    return Case([x], lambda x: [hc.tensor_pad(x, *ours), hc.tensor_pad_value(x, *ours, value)],
                lambda x: [F.pad(x, around(before, after), value=number) for number in (0, value)])


def padded(name, mode, most):
    """torch's pads the last axes of images and the like."""

    def make(hc, d):
        axes = d.whole(1, 3)
        shape = [d.whole(1, 2), d.whole(1, 3)] + [d.whole(2, 4) for _ in range(axes)]
        before, after = ([0, 0] + [d.whole(0, most(n)) for n in shape[2:]] for _ in range(2))
        return Case([d.normal(shape)],
                    lambda x: getattr(hc, name)(x, sizes(before), sizes(after), len(before)),
                    lambda x: F.pad(x, around(before[2:], after[2:]), mode))

    make.__name__ = name
    row()(make)


padded("tensor_pad_reflect", "reflect", lambda size: size - 1)
padded("tensor_pad_replicate", "replicate", lambda size: 5)


@row("tensor_upsample_nearest2d", "tensor_upsample_bilinear2d")
def tensor_upsample(hc, d):
    to = [d.whole(1, 9), d.whole(1, 9)]
    return Case([d.normal(d.shape(4, 4, 5))],
                lambda x: [hc.tensor_upsample_nearest2d(x, *to), hc.tensor_upsample_bilinear2d(x, *to)],
                lambda x: [F.interpolate(x, to, mode="nearest"), F.interpolate(x, to, mode="bilinear")])


# ---- indexing -----------------------------------------------------------------------------------


def indexed(d):
    """x, an axis, and an index of x's shape but along the axis."""
    x = d.normal(d.shape(1))
    axis = d.axis(x.dim())
    shape = list(x.shape)
    shape[axis] = d.whole(0, 5)
    return x, axis, d.index(shape, x.shape[axis])


@row()
def tensor_gather(hc, d):
    x, axis, index = indexed(d)
    return Case([x, index], lambda x, i: hc.tensor_gather(x, axis, i), lambda x, i: x.gather(axis, i))


@row()
def tensor_scatter_add(hc, d):
    x, axis, index = indexed(d)
    return Case([x, index, d.normal(index.shape)], lambda x, i, s: hc.tensor_scatter_add(x, axis, i, s),
                lambda x, i, s: x.scatter_add(axis, i, s))


@row()
def tensor_scatter(hc, d):  # torch's gradient to the source is wrong where places are equal: each once
    x, axis, index = indexed(d)
    index = d.uniform(x.shape).argsort(axis).narrow(axis, 0, d.whole(0, x.shape[axis]))
    return Case([x, index, d.normal(index.shape)], lambda x, i, s: hc.tensor_scatter(x, axis, i, s),
                lambda x, i, s: x.scatter(axis, i, s))


@row()
def tensor_index_select(hc, d):
    x = d.normal(d.shape(1))
    axis = d.axis(x.dim())
    return Case([x, d.index([d.whole(1, 5)], x.shape[axis])], lambda x, i: hc.tensor_index_select(x, axis, i),
                lambda x, i: x.index_select(axis, i))


@row()
def tensor_embedding(hc, d):
    rows = d.whole(1, 5)
    return Case([d.index(d.shape(), rows), d.normal([rows, d.whole(1, 4)])], hc.tensor_embedding, F.embedding)


@row()
def tensor_one_hot(hc, d):
    classes = d.whole(1, 5)
    return Case([fixed(d.index(d.shape(), classes))], lambda i: hc.tensor_one_hot(i, classes),
                lambda i: F.one_hot(i, classes))
