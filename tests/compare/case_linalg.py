"""Of linalg.h and products.h."""
import torch
import torch.nn.functional as F

from binding import handles, room
from table import Case, row, simple

# ---- factors and systems: matrices far from singular --------------------------------------------


def square(d, leading=None):
    """In some cases larger than a block of the kernels."""
    n = d.whole(1, 5) if d.whole(0, 9) else d.whole(6, 70)
    a = d.normal((d.any_shape(0, 2, 3) if leading is None else leading) + [n, n]) / n ** 0.5
    return a + 3 * torch.diag_embed(torch.sign(d.normal(a.shape[:-1])))


def symmetric(a):
    return a @ a.mT + torch.eye(a.shape[-1], dtype=a.dtype)


def system(d):
    """A matrix and a right side, whose leading axes broadcast."""
    a, b = d.shapes(2, 2)
    a = square(d, a)
    return a, d.normal(b + [a.shape[-1], d.whole(1, 4)])


@row()
def tensor_cholesky(hc, d):  # of a symmetric matrix made here, as torch's too is that of all of it
    def ours(a):
        a = hc.tensor_matmul(a, hc.tensor_transpose(a, -1, -2))
        return hc.tensor_cholesky(hc.tensor_add(a, hc.tensor_diag(hc.tensor_ones(hc.tensor_tape(a), hc.shape(
            [hc.tensor_dim(a, -1)])), 0)))

    return Case([square(d)], ours,
                lambda a: torch.linalg.cholesky(a @ a.mT + torch.eye(a.shape[-1], dtype=a.dtype)))


@row()
def tensor_solve_triangular(hc, d):
    a, b = system(d)
    upper, transposed, unit = d.flag(), d.flag(), d.flag()
    flags = upper * hc.HC_UPPER | transposed * hc.HC_TRANSPOSED | unit * hc.HC_UNIT_DIAGONAL

    def theirs(a, b):
        a = a.triu() if upper else a.tril()
        if transposed:
            a = a.mT
        return torch.linalg.solve_triangular(a, b, upper=upper != transposed, unitriangular=unit)

    return Case([a, b], lambda a, b: hc.tensor_solve_triangular(a, b, flags), theirs)


@row()
def tensor_cholesky_solve(hc, d):  # torch's does not broadcast
    a = square(d)
    b = d.normal(list(a.shape[:-1]) + [d.whole(1, 4)])
    return Case([b, torch.linalg.cholesky(symmetric(a))], hc.tensor_cholesky_solve,
                lambda b, l: torch.cholesky_solve(b, l.tril()))


simple("tensor_solve", system, torch.linalg.solve)
simple("tensor_inverse", lambda d: [square(d)], torch.linalg.inv)
simple("tensor_det", lambda d: [square(d)], torch.linalg.det)


@row()
def tensor_slogdet(hc, d):
    sign = room()
    return Case([square(d)], lambda a: [hc.tensor_slogdet(a, sign), sign[0]],
                lambda a: list(torch.linalg.slogdet(a))[::-1])


# ---- parts --------------------------------------------------------------------------------------


def part(name, theirs, least):
    def make(hc, d):
        offset = d.whole(-3, 3)
        return Case([d.normal(d.any_shape(least, 4))], lambda x: getattr(hc, name)(x, offset),
                    lambda x: theirs(x, offset))

    make.__name__ = name
    row()(make)


part("tensor_tril", torch.tril, 2)
part("tensor_triu", torch.triu, 2)
part("tensor_diag", torch.diag_embed, 1)


@row()
def tensor_diagonal(hc, d):
    x = d.normal(d.shape(2, 4))
    one, other = (axis - d.choice(0, x.dim()) for axis in d.random.sample(range(x.dim()), 2))
    offset = d.whole(1 - x.shape[one], x.shape[other] - 1)
    return Case([x], lambda x: hc.tensor_diagonal(x, offset, one, other), lambda x: x.diagonal(offset, one, other))


@row()
def tensor_trace(hc, d):
    return Case([d.normal(d.any_shape(2, 4))], hc.tensor_trace, lambda x: x.diagonal(0, -2, -1).sum(-1))


# ---- products -----------------------------------------------------------------------------------


@row()
def tensor_outer(hc, d):
    a, b = (shape + [d.whole(1, 4)] for shape in d.shapes(2, 2))
    return Case([d.normal(a), d.normal(b)], hc.tensor_outer, lambda a, b: a.unsqueeze(-1) * b.unsqueeze(-2))


@row()
def tensor_einsum(hc, d):
    equation = d.choice("ij,jk->ik", "ij,jk,kl->il", "bij,bjk->bik", "ij,ij->", "i,j->ij", "ij->ji", "ij->i", "ij->",
                        "...ij,...jk->...ik", "bhld,bhsd->bhls", "ij,kj,kl->il", "ijk,kji->j", "ij,jk", "i,i", "ba",
                        "...i->i...", "abc,cd,bd->ad", "i...,i->...", "...,...->...", "ij,k->ikj")
    size = {letter: d.whole(1, 4) for letter in "abcdhijkls"}
    more = d.any_shape(0, 2)
    shapes = [[n for letter in term.replace("...", ".") for n in (more if letter == "." else [size[letter]])]
              for term in equation.split("->")[0].split(",")]
    return Case([d.normal(shape) for shape in shapes],
                lambda *xs: hc.tensor_einsum(equation.encode(), handles(xs), len(xs)),
                lambda *xs: torch.einsum(equation, *xs))


@row()
def tensor_matmul(hc, d):
    (a, b), most = d.shapes(2, 2), 5 if d.whole(0, 9) else 70
    m, k, n = (d.whole(1, most) for _ in range(3))
    a = [k] if d.whole(0, 4) == 0 else a + [m, k]
    b = [k] if d.whole(0, 4) == 0 else b + [k, n]
    return Case([d.normal(a), d.normal(b)], hc.tensor_matmul, torch.matmul)


@row()
def tensor_linear(hc, d):
    inputs, outputs = d.whole(1, 5), d.whole(1, 5)
    xs = [d.normal(d.any_shape() + [inputs]), d.normal([outputs, inputs])]
    if d.flag():
        xs.append(d.normal([outputs]))
    return Case(xs, lambda x, weight, bias=None: hc.tensor_linear(x, weight, bias), F.linear)


@row()
def tensor_dot(hc, d):
    n = d.whole(1, 9)
    return Case([d.normal([n]), d.normal([n])], hc.tensor_dot, torch.dot)
