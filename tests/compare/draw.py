"""What a case is made of: shapes, numbers and options, drawn from a stream that its name and number give."""
import random

import torch


class Draw:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.generator = torch.Generator().manual_seed(self.random.getrandbits(62))

    def whole(self, low, high):
        """From low to high, both included."""
        return self.random.randint(low, high)

    def flag(self):
        return self.random.random() < 0.5

    def choice(self, *of):
        return self.random.choice(of)

    def number(self, low=-2.0, high=2.0):
        return self.random.uniform(low, high)

    def shape(self, least=0, most=3, size=4):
        """From `least` to `most` axes of 1 to `size` places; in some cases one axis is longer than a vector."""
        shape = [self.whole(1, size) for _ in range(self.whole(least, most))]
        if shape and size == 4 and self.random.random() < 0.1:
            shape[self.whole(0, len(shape) - 1)] = self.whole(5, 40)
        return shape

    def any_shape(self, *limits):
        """The same, and in some cases an axis has no places."""
        shape = self.shape(*limits)
        if shape and self.random.random() < 0.1:
            shape[self.whole(0, len(shape) - 1)] = 0
        return shape

    def shapes(self, count=2, most=3):
        """`count` shapes that broadcast to each other."""
        full = self.any_shape(0, most)
        return [[1 if self.random.random() < 0.3 else n for n in full[self.whole(0, len(full)):]]
                for _ in range(count - 1)] + [full]

    def axis(self, ndim):
        return self.whole(-ndim, ndim - 1)

    def axes(self, ndim):
        """At least one of the axes, in any order, some counted from the last."""
        return [axis - self.choice(0, ndim) for axis in self.random.sample(range(ndim), self.whole(1, ndim))]

    def normal(self, shape):
        return torch.randn(shape, generator=self.generator, dtype=torch.float64)

    def uniform(self, shape, low=0.0, high=1.0):
        return low + (high - low) * torch.rand(shape, generator=self.generator, dtype=torch.float64)

    def rounded(self, shape):
        """Of few values, so that some are equal, and some 0."""
        return torch.round(1.5 * self.normal(shape))

    def zeros(self, shape):
        """Normal, but some are 0."""
        return torch.where(self.mask(shape) & self.mask(shape), 0.0, self.normal(shape))

    def mask(self, shape):
        return self.uniform(shape) < 0.5

    def index(self, shape, count):
        """Whole numbers below count."""
        return torch.randint(0, count, shape, generator=self.generator)


def fixed(tensor):
    """Marks what no derivative is taken to."""
    tensor.fixed = True
    return tensor
