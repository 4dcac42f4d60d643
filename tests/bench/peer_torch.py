#!/usr/bin/env python3
"""peer_torch.py NAME FOLDER [--repeat R]: a workload as a PyTorch user writes it, with plain
torch.autograd.grad(..., create_graph=True) and functional forwards, on the record of `bench NAME --record
FOLDER`. Checks the meta-gradient against that record, then times, and prints the line bench prints."""
import sys
import time

try:
    import numpy
    import torch
    import torch.nn.functional as F
except ImportError as error:
    print(f"peer_torch.py: skipped, {error}", file=sys.stderr)
    sys.exit(77)

SHOTS = 10


def read(folder, name, *shape):
    return torch.from_numpy(numpy.fromfile(f"{folder}/{name}", dtype="<f4").copy()).view(*shape)


def read_weights(folder, shapes):
    flat, weights = read(folder, "weights", -1), []
    for shape in shapes:
        count = int(numpy.prod(shape))
        weights.append(flat[:count].view(shape).clone().requires_grad_())
        flat = flat[count:]
    assert flat.numel() == 0
    return weights


def mlp_shapes(*sizes):
    shapes = []
    for inputs, outputs in zip(sizes, sizes[1:]):
        shapes += [(outputs, inputs), (outputs,)]
    return shapes


def mlp(weights, x):
    last = len(weights) - 2
    for i in range(0, len(weights), 2):
        x = F.linear(x, weights[i], weights[i + 1])
        if i < last:
            x = torch.relu(x)
    return x


class Maml:
    """A meta-batch of tasks, each with its own x, y, xq, yq; a subclass says the net and the loss."""

    def __init__(self, weights, data, batch, steps, inner_lr):
        self.weights, self.data, self.batch, self.steps = weights, data, batch, steps
        self.inner_lr, self.next = inner_lr, 0
        self.outer = torch.optim.Adam(self.weights, 0.001)

    def gradient(self):
        self.outer.zero_grad()
        for _ in range(self.batch):
            x, y, xq, yq = (tensor[self.next] for tensor in self.data)
            self.next = (self.next + 1) % len(self.data[0])
            fast = self.weights
            for _ in range(self.steps):
                loss = self.loss(self.net(fast, x), y)
                grads = torch.autograd.grad(loss, fast, create_graph=True)
                fast = [w - self.inner_lr * g for w, g in zip(fast, grads)]
            (self.loss(self.net(fast, xq), yq) / self.batch).backward()

    def checks(self):
        return {"grad": torch.cat([w.grad.reshape(-1) for w in self.weights])}

    def iterate(self):
        self.gradient()
        self.outer.step()


class MamlSine(Maml):
    tasks = 0  # the time of an iteration is told per this many; 0: the whole iteration
    net, loss = staticmethod(mlp), staticmethod(F.mse_loss)

    def __init__(self, folder, steps):
        weights = read_weights(folder, mlp_shapes(1, 40, 40, 1))
        data = [read(folder, name, -1, SHOTS, 1) for name in ("x", "y", "xq", "yq")]
        super().__init__(weights, data, 25, steps, 0.01)


class Omniglot(Maml):
    tasks = 8
    loss = staticmethod(F.cross_entropy)

    def __init__(self, folder, steps):
        shapes = []
        for inputs in (1, 64, 64):
            shapes += [(64, inputs, 3, 3), (64,), (64,), (64,)]
        data = [read(folder, name, self.tasks, -1, *rest) for name, rest in
                (("x", (1, 28, 28)), ("y", ()), ("xq", (1, 28, 28)), ("yq", ()))]
        data[1], data[3] = data[1].long(), data[3].long()
        super().__init__(read_weights(folder, shapes + [(5, 64), (5,)]), data, self.tasks, steps, 0.1)

    @staticmethod
    def net(weights, x):
        for i in range(0, 12, 4):
            x = F.conv2d(x, weights[i], weights[i + 1])
            x = F.batch_norm(x, None, None, weights[i + 2], weights[i + 3], training=True)
            x = F.max_pool2d(torch.relu(x), 2)
        return F.linear(x.flatten(1), weights[12], weights[13])


class Unroll:
    def __init__(self, folder, steps):
        self.steps, self.tasks = steps, 0
        self.weights = read_weights(folder, mlp_shapes(64, 256, 256, 10))
        self.x = read(folder, "x", steps + 1, 64, 64)
        self.y = read(folder, "y", steps + 1, 64).long()
        self.lr = torch.tensor(1e-3, requires_grad=True)
        self.outer = torch.optim.Adam(self.weights + [self.lr], 1e-5)

    def gradient(self):
        self.outer.zero_grad()
        fast = self.weights
        first = [torch.zeros_like(w) for w in fast]
        second = [torch.zeros_like(w) for w in fast]
        for t in range(self.steps):
            loss = F.cross_entropy(mlp(fast, self.x[t]), self.y[t])
            grads = torch.autograd.grad(loss, fast, create_graph=True)
            fast, first, second = self.adam(fast, first, second, grads, t + 1)
        F.cross_entropy(mlp(fast, self.x[-1]), self.y[-1]).backward()

    def adam(self, fast, first, second, grads, t, beta1=0.9, beta2=0.999, eps=1e-4):
        """As higher's DifferentiableAdam: the gradient through sqrt is masked where v is 0."""
        weights, ms, vs = [], [], []
        for w, m, v, g in zip(fast, first, second, grads):
            m = beta1 * m + (1 - beta1) * g
            v = beta2 * v + (1 - beta2) * g * g
            mask = v == 0
            v.register_hook(lambda grad, mask=mask: torch.where(mask, torch.zeros_like(grad), grad))
            bottom = v.sqrt() / (1 - beta2**t) ** 0.5 + eps
            weights.append(w - self.lr / (1 - beta1**t) * m / bottom)
            ms.append(m)
            vs.append(v)
        return weights, ms, vs

    def checks(self):
        return {
            "grad": torch.cat([w.grad.reshape(-1) for w in self.weights]),
            "lr_grad": self.lr.grad.reshape(-1),
        }

    def iterate(self):
        self.gradient()
        self.outer.step()


class MlpStep:
    def __init__(self, folder, _):
        self.next, self.tasks = 0, 0
        self.weights = read_weights(folder, mlp_shapes(784, 512, 512, 10))
        self.x = read(folder, "x", -1, 128, 784)
        self.y = read(folder, "y", -1, 128).long()
        self.sgd = torch.optim.SGD(self.weights, 0.01)

    def gradient(self):
        self.sgd.zero_grad()
        F.cross_entropy(mlp(self.weights, self.x[self.next]), self.y[self.next]).backward()
        self.next = (self.next + 1) % len(self.x)

    def checks(self):
        return {"grad": torch.cat([w.grad.reshape(-1) for w in self.weights])}

    def iterate(self):
        self.gradient()
        self.sgd.step()


WORKLOADS = {"maml-sine-": MamlSine, "omniglot-": Omniglot, "unroll-": Unroll, "mlp-step": MlpStep}


def agrees(workload, folder, name):
    workload.gradient()
    # Roundings decide some winners of pooling.
    tolerance = 1e-2 if name.startswith("omniglot-") else 1e-4
    for file, ours in workload.checks().items():
        truth = read(folder, file, -1)
        error, largest = (ours.detach() - truth).abs().max().item(), truth.abs().max().item()
        if not error <= tolerance * largest:
            print(f"{name}: {file} differs by {error:.3g} where the largest is {largest:.3g}",
                  file=sys.stderr)
            return False
    return True


def peak_rss_kb():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))


def sample(workload, count):
    start = time.perf_counter()
    for _ in range(count):
        workload.iterate()
    return (time.perf_counter() - start) / count


def main():
    if len(sys.argv) not in (3, 5) or (len(sys.argv) == 5 and sys.argv[3] != "--repeat"):
        print(__doc__, file=sys.stderr)
        return 2
    name, folder = sys.argv[1:3]
    repeat = int(sys.argv[4]) if len(sys.argv) == 5 else 9
    stem = next((stem for stem in WORKLOADS if name.startswith(stem)), None)
    if stem is None:
        print(f"peer_torch.py: not written for {name}", file=sys.stderr)
        return 2

    torch.set_num_threads(1)
    workload = WORKLOADS[stem](folder, int(name[len(stem):] or 0))
    if not agrees(workload, folder, name):
        return 1
    sample(workload, 1)
    one = sample(workload, 1)
    count = int(0.05 / one) + 1 if one < 0.05 else 1
    times = sorted(sample(workload, count) / max(workload.tasks, 1) for _ in range(repeat))
    median = times[repeat // 2] if repeat % 2 else (times[repeat // 2 - 1] + times[repeat // 2]) / 2
    print(f"bench {name} pytorch {median:.9f} {times[0]:.9f} {peak_rss_kb()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
