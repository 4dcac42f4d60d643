"""The table of operations and layers, which the files case_*.py fill, and what a row gives."""
import importlib
from pathlib import Path


class Case:
    """inputs: torch's tensors. Those of floating point take part in derivatives unless they are `fixed`.
    ours and theirs: functions of the inputs, as our handles and as torch's tensors, to a result or a list of results.
    net: our module and torch's, which get the same weights; derivatives are taken to these as well.
    order: how many derivatives torch has."""

    def __init__(self, inputs, ours, theirs, net=None, order=2):
        self.inputs, self.ours, self.theirs, self.net, self.order = inputs, ours, theirs, net, order


ROWS = {}  # name -> function (hc, draw) -> Case
COVERS = {}  # a public function -> the row in which it is called


def row(*functions):
    """A function of (hc, draw) -> Case becomes a row by its own name; the public functions that it compares are named,
    without the name is one."""

    def add(make):
        name = make.__name__
        assert name not in ROWS, name
        ROWS[name] = make
        for function in functions or (name,):
            COVERS.setdefault(function, name)
        return make

    return add


def simple(function, draw_inputs, theirs):
    """A row whose counterpart takes the same inputs and nothing else."""

    def make(hc, d):
        return Case(draw_inputs(d), getattr(hc, function), theirs)

    make.__name__ = function
    row()(make)


def fill():
    """Reads all case_*.py."""
    for path in sorted(Path(__file__).parent.glob("case_*.py")):
        importlib.import_module(path.stem)


# What makes a tensor or a module and has no row: makers of constants, what is not mathematics, random masks, and what
# PyTorch 1.13 does not have.
NO_PEER = """
tensor_from_f32 tensor_from_f64 tensor_from_i64 tensor_borrow tensor_zeros tensor_ones tensor_full tensor_scalar
tensor_arange tensor_uniform tensor_normal
tensor_leaf tensor_clone tensor_detach tensor_custom tensor_jvp
module_create module_clone module_find module_forward
tensor_dropout module_dropout
module_lambda module_sum module_concat module_rms_norm
""".split()
