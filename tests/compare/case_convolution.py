"""Of convolution.h, and how its settings are drawn, for the layers too."""
import torch.nn.functional as F

from table import Case, row


def set_field(options, field, values):
    """An array of two axes, or the one number of one axis."""
    if len(values) == 1:
        setattr(options, field, values[0])
    else:
        getattr(options, field)[:] = values


class Window:
    """Settings of a convolution along `axes` axes: in `options` for us, in `theirs` for torch."""

    def __init__(self, hc, d, axes, transposed=False):
        self.axes, self.kernel = axes, [d.whole(1, 3) for _ in range(axes)]
        maker = f"conv_transpose{axes}d_options" if transposed else f"conv{axes}d_options"
        self.options = getattr(hc, maker)()
        self.theirs = {field: [d.whole(*bounds) for _ in range(axes)]
                       for field, bounds in {"stride": (1, 3), "padding": (0, 2), "dilation": (1, 2)}.items()}
        if transposed:
            most = [max(s, e) - 1 for s, e in zip(self.theirs["stride"], self.theirs["dilation"])]
            self.theirs["output_padding"] = [d.whole(0, n) for n in most]
        self.theirs["groups"] = self.options.groups = d.whole(1, 3)
        for field in set(self.theirs) - {"groups"}:
            set_field(self.options, field, self.theirs[field])
        self.channels = self.options.groups * d.whole(1, 2)
        self.out = self.options.groups * d.whole(1, 2)

    def input_sizes(self, d):
        """Of a transposed one: so large that something is left."""
        t = self.theirs
        return [max(1, -(-(2 * p - e * (k - 1) - o) // s) + 1) + d.whole(0, 2) for k, s, p, e, o in
                zip(self.kernel, t["stride"], t["padding"], t["dilation"], t["output_padding"])]


def convolution(axes):
    def make(hc, d):
        w = Window(hc, d, axes)
        before, after, kind = w.theirs["padding"], list(w.theirs["padding"]), d.choice("even", "uneven", "same")
        if kind == "uneven":
            after = [d.whole(0, 2) for _ in range(axes)]
            w.options.pad = hc.HC_PAD_UNEVEN
            set_field(w.options, "padding_after", after)
            w.theirs["padding"] = 0
        if kind == "same":
            w.options.pad, w.theirs["padding"], w.theirs["stride"] = hc.HC_PAD_SAME, "same", 1
            set_field(w.options, "stride", [1] * axes)
        around = [0] * 2 * axes
        if kind == "uneven":
            around = [n for pair in reversed(list(zip(before, after))) for n in pair]
        spread = w.theirs["dilation"]
        x = d.normal([d.whole(1, 2), w.channels] + [e * (k - 1) + d.whole(1, 3) for k, e in zip(w.kernel, spread)])
        xs = [x, d.normal([w.out, w.channels // w.options.groups] + w.kernel)]
        if d.flag():
            xs.append(d.normal([w.out]))
        return Case(xs, lambda x, k, b=None: getattr(hc, make.__name__)(x, k, b, w.options),
                    lambda x, k, b=None: getattr(F, f"conv{axes}d")(F.pad(x, around), k, b, **w.theirs))

    make.__name__ = f"tensor_conv{axes}d"
    row()(make)


def transposed(axes):
    def make(hc, d):
        w = Window(hc, d, axes, transposed=True)
        x = d.normal([d.whole(1, 2), w.channels] + w.input_sizes(d))
        xs = [x, d.normal([w.channels, w.out // w.options.groups] + w.kernel)]
        if d.flag():
            xs.append(d.normal([w.out]))
        return Case(xs, lambda x, k, b=None: getattr(hc, make.__name__)(x, k, b, w.options),
                    lambda x, k, b=None: getattr(F, f"conv_transpose{axes}d")(x, k, b, **w.theirs))

    make.__name__ = f"tensor_conv_transpose{axes}d"
    row()(make)


def draw_pool(hc, d, axes, largest):
    """Our options, torch's, and an x that they fit."""
    kernel = [d.whole(1, 3) for _ in range(axes)]
    options = getattr(hc, f"pool{axes}d_options")(1)
    theirs = {"kernel_size": kernel, "stride": [d.whole(1, 3) for _ in kernel],
              "padding": [d.whole(0, k // 2) for k in kernel]}
    spread = [1] * axes
    if largest:
        theirs["dilation"] = spread = [d.whole(1, 2) for _ in kernel]
    else:
        theirs["count_include_pad"] = options.count_include_pad = d.flag()
    set_field(options, "kernel", kernel)
    for field in {"stride", "padding", "dilation"} & set(theirs):
        set_field(options, field, theirs[field])
    x = d.choice(d.normal, d.rounded)(d.shape(2, 2) + [e * (k - 1) + d.whole(1, 3) for k, e in zip(kernel, spread)])
    return options, theirs, x


def pool(axes, kind):
    def make(hc, d):
        options, theirs, x = draw_pool(hc, d, axes, kind == "max")
        return Case([x], lambda x: getattr(hc, make.__name__)(x, options),
                    lambda x: getattr(F, f"{kind}_pool{axes}d")(x, **theirs))

    make.__name__ = f"tensor_{kind}_pool{axes}d"
    row()(make)


for axes in (1, 2):
    convolution(axes)
    transposed(axes)
    for kind in ("max", "avg"):
        pool(axes, kind)


@row()
def tensor_adaptive_avg_pool2d(hc, d):
    to = [d.whole(1, 6), d.whole(1, 6)]
    return Case([d.normal(d.shape(4, 4, 5))], lambda x: hc.tensor_adaptive_avg_pool2d(x, *to),
                lambda x: F.adaptive_avg_pool2d(x, to))
