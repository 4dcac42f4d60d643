"""One case in the library and in torch: values, first and second derivatives."""
import ctypes
import os
import tempfile

import torch

from binding import handles
from state import from_bytes, to_bytes

TOLERANCE = 1e-9  # of the largest entry, or of 1 if that is larger


class Different(Exception):
    pass


def listed(result):
    return list(result) if isinstance(result, (list, tuple)) else [result]


class Ours:
    """One case on a tape of the library's."""

    def __init__(self, hc):
        self.hc, self.tape = hc, hc.tape_create(hc.HC_F64)

    def close(self):
        self.hc.tape_destroy(self.tape)

    def put(self, tensor):
        values = tensor.detach().to(torch.float64).contiguous()
        return self.hc.tensor_from_f64(self.tape, self.hc.shape(values.shape), values.data_ptr())

    def read(self, handle):
        shape = self.hc.tensor_shape(handle)
        values = torch.empty(list(shape.dim[:shape.ndim]), dtype=torch.float64)
        if not self.hc.tensor_copy_to_f64(handle, values.data_ptr(), values.numel()):
            self.hc.refuse("tensor_copy_to_f64")
        return values

    def dot(self, xs, weights):
        """The sum of the products of entries, of those xs that have a history; None if there is none."""
        total = None
        for x, weight in zip(xs, weights):
            if weight is None or not self.hc.tensor_requires_grad(x):
                continue
            term = self.hc.tensor_sum(self.hc.tensor_mul(x, weight))
            total = term if total is None else self.hc.tensor_add(total, term)
        return total

    def gradients(self, output, inputs):
        if output is None:
            return [self.put(torch.zeros_like(self.read(x))) for x in inputs]
        found = handles([None] * len(inputs))
        flags = self.hc.HC_CREATE_GRAPH | self.hc.HC_ZEROS
        if not self.hc.tensor_grad(output, handles(inputs), len(inputs), found, flags):
            self.hc.refuse("tensor_grad")
        return list(found)


class Theirs:
    """The same in torch."""

    @staticmethod
    def dot(xs, weights):
        terms = [(x * weight).sum() for x, weight in zip(xs, weights) if weight is not None and x.requires_grad]
        return sum(terms) if terms else None

    @staticmethod
    def gradients(output, inputs):
        if output is None or not output.requires_grad:
            return [torch.zeros_like(x) for x in inputs]
        found = torch.autograd.grad(output, inputs, create_graph=True, allow_unused=True)
        return [torch.zeros_like(x) if g is None else g for g, x in zip(found, inputs)]


def agree(what, ours, theirs):
    theirs = theirs.detach().to(torch.float64)
    if ours.shape != theirs.shape:
        raise Different(f"{what}: shape {list(ours.shape)}, torch's {list(theirs.shape)}")
    if theirs.numel() == 0:
        return
    known = theirs[theirs.isfinite()].abs()
    scale = max(1.0, known.max().item() if known.numel() else 1.0)
    same = (ours - theirs).abs() <= TOLERANCE * scale
    same |= (ours == theirs) | (ours.isnan() & theirs.isnan())
    if not same.all():
        at = (~same).nonzero()[0].tolist()
        raise Different(f"{what} at {at}: {ours[tuple(at)].item():.17g}, torch's {theirs[tuple(at)].item():.17g}")


SAVED = {}  # how often layers of a kind were


def hand_over(hc, module, peer):
    """torch's state dict as a file into our module, all of it; and, the first times, back, to the last bit."""
    whole = to_bytes(peer.state_dict())
    file = hc.safetensors_open_memory(whole, len(whole))
    if not file or not hc.safetensors_to_module(file, module, hc.load_options(), None):
        hc.refuse("safetensors_to_module")
    hc.safetensors_destroy(file)
    SAVED[type(peer)] = SAVED.get(type(peer), 0) + 1
    if SAVED[type(peer)] > 2:
        return
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "state.safetensors")
        if not hc.module_save_safetensors(module, path.encode()):
            hc.refuse("module_save_safetensors")
        with open(path, "rb") as saved:
            state = from_bytes(saved.read())
    before = {name: value.clone() for name, value in peer.state_dict().items()}
    for value in peer.state_dict().values():
        value.zero_()
    peer.load_state_dict(state)  # strict: no name is missing, none left over
    for name, value in peer.state_dict().items():
        if state[name].dtype != value.dtype or not torch.equal(value, before[name]):
            raise Different(f"{name}, saved and loaded: {state[name].dtype} {state[name]}, was {before[name]}")


def put_weights(hc, net, d):
    """Drawn weights and buffers into both modules, which have them by the same names and shapes."""
    module, peer = net
    if not hc.module_to(module, hc.HC_F64):
        hc.refuse("module_to")
    peer.double()
    params, buffers = hc.module_params(module), hc.module_buffers(module)
    pointers = ctypes.cast(params.items, ctypes.POINTER(ctypes.c_void_p))[:params.count]
    names = {hc.param_name(param).decode(): param for param in pointers}
    theirs = dict(peer.named_parameters())
    if names.keys() != theirs.keys() or buffers.count != len(list(peer.buffers())):
        raise Different(f"{buffers.count} buffers and {sorted(names)}, torch's {sorted(peer.state_dict())}")
    names.update({name: hc.module_buffer(module, name.encode()) for name, _ in peer.named_buffers()})
    for name, value in list(theirs.items()) + list(peer.named_buffers()):
        shape = hc.param_shape(names[name])
        if list(shape.dim[:shape.ndim]) != list(value.shape):
            raise Different(f"{name} is {list(shape.dim[:shape.ndim])}, torch's {list(value.shape)}")
        value.data.copy_(d.normal(value.shape) if name in theirs else d.uniform(value.shape, 0.5, 9))
    hand_over(hc, module, peer)
    return [names[name] for name in theirs], [names[name] for name, _ in peer.named_buffers()]


def compare(hc, case, d):
    ours = Ours(hc)
    try:
        run(ours, case, d)
    finally:
        ours.close()
        if case.net:
            hc.module_destroy(case.net[0])
        hc.higherc_clear_error()


def run(ours, case, d):
    hc = ours.hc
    their_inputs, our_inputs, leaves, our_leaves = [], [], [], []
    for tensor in case.inputs:
        handle = ours.put(tensor)
        if tensor.is_floating_point() and not getattr(tensor, "fixed", False):
            tensor = tensor.detach().clone().requires_grad_()
            handle = hc.tensor_leaf(handle)
            leaves.append(tensor)
            our_leaves.append(handle)
        their_inputs.append(tensor)
        our_inputs.append(handle)
    buffers = []
    if case.net:
        params, buffers = put_weights(hc, case.net, d)
        our_leaves += [hc.param_tensor(ours.tape, param) for param in params]
        leaves += list(case.net[1].parameters())

    theirs = listed(case.theirs(*their_inputs))
    results = listed(case.ours(*our_inputs))
    if len(results) != len(theirs):
        raise Different(f"{len(results)} results, torch's {len(theirs)}")
    for number, (y, peer) in enumerate(zip(results, theirs)):
        agree(f"value {number}", ours.read(y), peer)
    for handle, peer in zip(buffers, list(case.net[1].buffers()) if case.net else []):
        agree(hc.param_name(handle).decode(), ours.read(hc.param_tensor(ours.tape, handle)), peer)

    # The cotangents are leaves too: the second derivative to them is the first one forward.
    cotangents = [d.normal(y.shape).requires_grad_() if y.requires_grad else None for y in theirs]
    our_cotangents = [None if u is None else hc.tensor_leaf(ours.put(u)) for u in cotangents]
    objective, peer = ours.dot(results, our_cotangents), Theirs.dot(theirs, cotangents)
    for order in range(1, case.order + 1):
        if not leaves:
            return
        found, expected = ours.gradients(objective, our_leaves), Theirs.gradients(peer, leaves)
        for number, (g, p) in enumerate(zip(found, expected)):
            agree(f"derivative {order} to input {number}", ours.read(g), p)
        if order == 1:
            leaves += [u for u in cotangents if u is not None]
            our_leaves += [u for u in our_cotangents if u is not None]
        weights = [d.normal(g.shape) for g in expected]
        objective = ours.dot(found, [ours.put(v) for v in weights])
        peer = Theirs.dot(expected, weights)
