"""The table of operations and layers, which the files case_*.py fill, and what a row gives."""


class Case:
    """inputs: torch's tensors. Those of floating point take part in derivatives unless they are `fixed`. ours and theirs:
    functions of the inputs, in our handles and in torch's tensors, to a result or a list of results. net: our module
    and torch's, the latter's weights being put into the former, and differentiated to as well. order: how many
    derivatives torch has."""

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
