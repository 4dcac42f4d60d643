"""Of elementwise.h."""
import torch
import torch.nn.functional as F

from table import Case, row, simple

# ---- of one tensor: torch's counterpart, and the range that is drawn from -----------------------

ONE = {
    "neg": (torch.neg,), "square": (torch.square,), "sqrt": (torch.sqrt, 0.1, 3), "rsqrt": (torch.rsqrt, 0.1, 3),
    "reciprocal": (torch.reciprocal, 0.2, 3), "exp": (torch.exp,), "expm1": (torch.expm1,),
    "log": (torch.log, 0.1, 3), "log1p": (torch.log1p, -0.9, 3), "sin": (torch.sin, -9, 9), "cos": (torch.cos, -9, 9),
    "tan": (torch.tan, -1.4, 1.4), "asin": (torch.asin, -0.95, 0.95), "acos": (torch.acos, -0.95, 0.95),
    "atan": (torch.atan,), "sinh": (torch.sinh,), "cosh": (torch.cosh,), "tanh": (torch.tanh,),
    "sigmoid": (torch.sigmoid,), "relu": (torch.relu,), "gelu": (F.gelu,), "silu": (F.silu,),
    "logsigmoid": (F.logsigmoid,), "softsign": (F.softsign,), "mish": (F.mish,), "erf": (torch.erf,),
    "abs": (torch.abs,), "sign": (torch.sign,), "floor": (torch.floor,), "ceil": (torch.ceil,),
    "round": (torch.round,),
    "sinc": (torch.sinc, 0.1, 4),  # torch's second derivative at 0 is NaN, and near it loses digits
}


def one(d, bounds):
    """Within the bounds; without any in some cases at a kink, or large."""
    shape, kind = d.any_shape(), d.whole(0, 3)
    if bounds or kind > 1:
        return d.uniform(shape, *(bounds or (-3, 3)))
    return d.rounded(shape) if kind else d.uniform(shape, -500, 500)


for name, (theirs, *bounds) in ONE.items():
    simple(f"tensor_{name}", lambda d, bounds=bounds: [one(d, bounds)], theirs)

for name, theirs in {"isnan": torch.isnan, "isfinite": torch.isfinite, "logical_not": torch.logical_not}.items():
    simple(f"tensor_{name}", lambda d: [d.rounded(d.any_shape()) / d.rounded([])], theirs)


@row()
def tensor_leaky_relu(hc, d):
    slope = d.number()
    return Case([one(d, ())], lambda x: hc.tensor_leaky_relu(x, slope), lambda x: F.leaky_relu(x, slope))


@row()
def tensor_elu(hc, d):  # at 0 torch's gradient is alpha, as ours, and its second derivative 0
    alpha = d.number(0.1, 2)
    return Case([d.normal(d.any_shape())], lambda x: hc.tensor_elu(x, alpha), lambda x: F.elu(x, alpha))


@row()
def tensor_softplus(hc, d):  # torch's is x past its threshold
    return Case([d.uniform(d.any_shape(), -15, 15)], hc.tensor_softplus, lambda x: F.softplus(x, threshold=1000))


@row()
def tensor_clamp(hc, d):
    low, high = sorted(d.choice(d.number(), d.whole(-2, 2)) for _ in range(2))
    return Case([one(d, ())], lambda x: hc.tensor_clamp(x, low, high), lambda x: x.clamp(low, high))


# ---- of two tensors, which broadcast ------------------------------------------------------------


def two(d):
    return [d.normal(shape) for shape in d.shapes()]


def tied(d):
    return [d.choice(d.normal, d.rounded)(shape) for shape in d.shapes()]


def positive(d):
    return [d.uniform(shape, 0.2, 3) for shape in d.shapes()]


def whole(d):
    return [d.rounded(shape) for shape in d.shapes()]


TWO = {
    "add": (torch.add, two), "sub": (torch.sub, two), "mul": (torch.mul, two), "maximum": (torch.maximum, tied),
    "minimum": (torch.minimum, tied), "hypot": (torch.hypot, two), "logaddexp": (torch.logaddexp, two),
    "div": (torch.div, positive), "pow": (torch.pow, positive), "atan2": (torch.atan2, two),
    "gt": (torch.gt, whole), "ge": (torch.ge, whole), "lt": (torch.lt, whole), "le": (torch.le, whole),
    "eq": (torch.eq, whole), "ne": (torch.ne, whole), "logical_and": (torch.logical_and, whole),
    "logical_or": (torch.logical_or, whole),
}
for name, (theirs, inputs) in TWO.items():
    simple(f"tensor_{name}", inputs, theirs)


@row()
def tensor_remainder(hc, d):  # torch's gradient to b is that of a - b floor(a / b) too
    a, b = d.shapes()
    return Case([3 * d.normal(a), d.uniform(b, 0.3, 2) * d.choice(-1, 1)], hc.tensor_remainder, torch.remainder)


@row()
def tensor_prelu(hc, d):
    shape = d.any_shape(2, 4)
    return Case([d.normal(shape), d.normal([d.choice(1, shape[1])])], hc.tensor_prelu, F.prelu)


@row()
def tensor_where(hc, d):
    condition, a, b = d.shapes(3)
    return Case([d.mask(condition), d.normal(a), d.normal(b)], hc.tensor_where, torch.where)


@row()
def tensor_masked_fill(hc, d):
    value, (mask, x) = d.number(), d.shapes()
    return Case([d.normal(x), d.mask(mask)], lambda x, m: hc.tensor_masked_fill(x, m, value),
                lambda x, m: x.masked_fill(m, value))


# ---- of one and a number ------------------------------------------------------------------------

for name, theirs in {"add": torch.add, "sub": torch.sub, "mul": torch.mul, "div": torch.div}.items():

    def with_number(hc, d, ours=f"tensor_{name}_scalar", theirs=theirs):
        c = d.number(0.2, 2)
        return Case([d.normal(d.any_shape())], lambda x: getattr(hc, ours)(x, c), lambda x: theirs(x, c))

    with_number.__name__ = f"tensor_{name}_scalar"
    row()(with_number)


@row()
def tensor_pow_scalar(hc, d):
    c = d.choice(0, 1, 2, 3, -1, -2, 0.5, d.number())
    x = d.zeros(d.any_shape()) if c in (0, 1, 2, 3) else d.uniform(d.any_shape(), 0.2, 3)
    return Case([x], lambda x: hc.tensor_pow_scalar(x, c), lambda x: x.pow(c))
