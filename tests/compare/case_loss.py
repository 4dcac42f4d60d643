"""Of loss.h."""
import math

import torch
import torch.nn.functional as F

from draw import fixed
from table import Case, row, simple


def along_axis(name, theirs):
    def make(hc, d):
        x = d.normal(d.shape(1, 4))
        axis = d.axis(x.dim())
        return Case([x], lambda x: getattr(hc, name)(x, axis), lambda x: theirs(x, axis))

    make.__name__ = name
    row()(make)


along_axis("tensor_softmax", torch.softmax)
along_axis("tensor_log_softmax", torch.log_softmax)

# ---- distances: torch rounds p to single precision; equal points are left out, where its derivatives are NaN ----


def exponent(d):
    return d.choice(1, 2, math.inf, d.whole(2, 20) / 4)


@row()
def tensor_cdist(hc, d):  # torch's has no second derivative
    (a, b), size, p = d.shapes(2, 2), d.whole(1, 4), exponent(d)
    xs = [d.normal(a + [d.whole(1, 4), size]), d.normal(b + [d.whole(1, 4), size])]
    if d.flag():
        return Case(xs, lambda a, b: hc.tensor_cdist(a, b, p),
                    lambda a, b: torch.cdist(a, b, p, "donot_use_mm_for_euclid_dist"), order=1)
    return Case(xs, lambda a, b: hc.tensor_cdist(a, b, p),
                lambda a, b: torch.linalg.vector_norm(a.unsqueeze(-2) - b.unsqueeze(-3), p, -1))


@row()
def tensor_pairwise_distance(hc, d):
    (a, b), size, p, eps = d.shapes(2, 2), d.whole(1, 4), exponent(d), d.choice(1e-6, 0.1)
    return Case([d.normal(a + [size]), d.normal(b + [size])], lambda a, b: hc.tensor_pairwise_distance(a, b, p, eps),
                lambda a, b: F.pairwise_distance(a, b, p, eps))


@row()
def tensor_cosine_similarity(hc, d):
    a, b = (shape + [d.whole(2, 4)] for shape in d.shapes(2, 2))
    b[-1] = a[-1]
    axis = d.choice(-1, max(len(a), len(b)) - 1)
    return Case([d.normal(a), d.normal(b)], lambda a, b: hc.tensor_cosine_similarity(a, b, axis, 1e-8),
                lambda a, b: F.cosine_similarity(a, b, axis, 1e-8))


# ---- losses, and their forms that keep the examples ---------------------------------------------


def loss(name, theirs, draw, *option):
    """theirs: torch's, of (prediction, target, option if there is one, reduction)."""

    def make(hc, d):
        more = [d.number(0.2, 1.5) for _ in option]  # of |d| at just that, torch's second derivative is 0
        return Case(draw(d), lambda *x: [getattr(hc, name)(*x, *more), getattr(hc, name + "_per_example")(*x, *more)],
                    lambda *x: [theirs(*x, *more, "mean"),
                                theirs(*x, *more, "none").reshape(x[0].shape[0], -1).mean(1)])

    make.__name__ = name
    row(name, name + "_per_example")(make)


def alike(d):
    shape, how = d.shape(1), d.choice(d.normal, d.rounded)  # at kinks, too
    return [how(shape), how(shape)]


def classes(d):
    n, c = d.whole(1, 5), d.whole(1, 5)
    return [d.normal([n, c]), d.index([n], c)]


def classes_or_probabilities(d):
    x, target = classes(d)
    return [x, d.choice(target, d.uniform(x.shape))]


loss("tensor_mse_loss", lambda x, y, reduction: F.mse_loss(x, y, reduction=reduction), alike)
loss("tensor_l1_loss", lambda x, y, reduction: F.l1_loss(x, y, reduction=reduction), alike)
loss("tensor_huber_loss", lambda x, y, delta, reduction: F.huber_loss(x, y, reduction, delta), alike, "delta")
loss("tensor_smooth_l1_loss", lambda x, y, beta, reduction: F.smooth_l1_loss(x, y, reduction=reduction, beta=beta),
     alike, "beta")
loss("tensor_bce_with_logits_loss",
     lambda x, y, reduction: F.binary_cross_entropy_with_logits(x, y, reduction=reduction), alike)
loss("tensor_cross_entropy_loss", lambda x, y, reduction: F.cross_entropy(x, y, reduction=reduction),
     classes_or_probabilities)
loss("tensor_nll_loss", lambda x, y, reduction: F.nll_loss(x, y, reduction=reduction), classes)

# ---- losses with options ------------------------------------------------------------------------

REDUCTIONS = {"mean": "HC_LOSS_MEAN", "sum": "HC_LOSS_SUM", "none": "HC_LOSS_EACH", "batchmean": "HC_LOSS_BATCH_MEAN"}


def reduction(hc, d, *words):
    word = d.choice(*(words or ("mean", "sum", "none")))
    return word, getattr(hc, REDUCTIONS[word])


def class_loss(name, theirs, probabilities):
    def make(hc, d):
        n, c, more, (word, number) = d.whole(1, 4), d.whole(1, 5), d.shape(0, 2), reduction(hc, d)
        shape = [c] if not more and d.flag() else [n, c] + more
        target = d.index([] if len(shape) == 1 else [n] + more, c)
        options = hc.class_loss_options()
        options.reduction = number
        smoothing, ignored = 0.0, -100
        if probabilities:
            options.label_smoothing = smoothing = d.choice(0.0, d.number(0, 1))
        if d.flag():
            options.ignore_index = ignored = d.whole(0, c - 1)
        xs = [d.normal(shape), target]
        if probabilities and d.whole(0, 2) == 0:
            xs[1], options.ignore_index, ignored = d.uniform(shape), -100, -100
        if d.flag():
            xs.append(fixed(d.uniform([c], 0.1, 2)))  # torch has no gradient to it

        def ours(x, target, weight=None):
            options.weight = weight
            return getattr(hc, name)(x, target, options)

        return Case(xs, ours, lambda x, target, weight=None: theirs(x, target, weight, ignored, smoothing, word))

    make.__name__ = name
    row()(make)


class_loss("tensor_cross_entropy_loss_with",
           lambda x, y, weight, ignored, smoothing, word: F.cross_entropy(
               x, y, weight, ignore_index=ignored, label_smoothing=smoothing, reduction=word), True)
class_loss("tensor_nll_loss_with",
           lambda x, y, weight, ignored, _, word: F.nll_loss(x, y, weight, ignore_index=ignored, reduction=word), False)


@row()
def tensor_multi_margin_loss(hc, d):  # torch's has no second derivative
    p, margin, (word, number) = d.choice(1, 2), d.number(0.2, 2), reduction(hc, d)
    x, target = classes(d)
    if d.flag():
        x, target = x[0], target[0]
    return Case([x, target], lambda x, y: hc.tensor_multi_margin_loss(x, y, p, margin, number),
                lambda x, y: F.multi_margin_loss(x, y, p, margin, reduction=word), order=1)


@row()
def tensor_kl_div_loss(hc, d):
    logarithm, (word, number) = d.flag(), reduction(hc, d, *REDUCTIONS)
    x, target = alike(d)
    return Case([x, target if logarithm else target.abs() + 0.1],
                lambda x, y: hc.tensor_kl_div_loss(x, y, logarithm, number),
                lambda x, y: F.kl_div(x, y, reduction=word, log_target=logarithm))


@row()
def tensor_hinge_embedding_loss(hc, d):
    shape, margin, (word, number) = d.shape(1), d.number(), reduction(hc, d)
    x, target = d.normal(shape), d.normal(shape)
    return Case([x, fixed(torch.sign(target))], lambda x, y: hc.tensor_hinge_embedding_loss(x, y, margin, number),
                lambda x, y: F.hinge_embedding_loss(x, y, margin, reduction=word))


@row()
def tensor_triplet_margin_loss(hc, d):
    shape, options, (word, number) = d.shape(2, 3), hc.triplet_options(), reduction(hc, d)
    options.margin, options.p, options.swap = margin, p, swap = d.number(0, 2), d.choice(1, 2, 3), d.flag()
    options.reduction = number
    return Case([d.normal(shape) for _ in range(3)],
                lambda a, b, c: hc.tensor_triplet_margin_loss(a, b, c, options),
                lambda a, b, c: F.triplet_margin_loss(a, b, c, margin, p, swap=swap, reduction=word))


@row()
def tensor_gaussian_nll_loss(hc, d):  # torch's gradient goes through a variance below eps, ours does not
    shape, options, (word, number) = d.shape(1), hc.gaussian_nll_options(), reduction(hc, d)
    options.full, options.eps, options.reduction = full, eps, number = d.flag(), d.choice(1e-6, 0.05), number
    return Case([d.normal(shape), d.normal(shape), d.uniform(d.choice(shape, shape[:-1] + [1]), 0.1, 2)],
                lambda x, y, v: hc.tensor_gaussian_nll_loss(x, y, v, options),
                lambda x, y, v: F.gaussian_nll_loss(x, y, v, full=full, eps=eps, reduction=word))
