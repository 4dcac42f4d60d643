#!/usr/bin/env python3
"""from_torch.py FILE: a network of each kind of layer made in PyTorch, as test_from_torch.c reads it: under the kind's
name its state dict, an input x and what comes out, y. FILE was made with torch 1.13."""
import sys
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "compare"))
from state import to_bytes  # noqa: E402


class First(nn.Module):
    """What a module gives first."""

    def __init__(self, inner, call=lambda inner, x: inner(x)[0]):
        super().__init__()
        self.inner, self.call = inner, call

    def forward(self, x):
        return self.call(self.inner, x)


def main():
    torch.manual_seed(7)
    real = torch.randn
    nets = {
        "linear": (nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2, bias=False)), real(2, 3)),
        "prelu": (nn.PReLU(3), real(2, 3)),
        "batch_norm1d": (nn.BatchNorm1d(3), real(4, 3)),
        "batch_norm2d": (nn.BatchNorm2d(2), real(2, 2, 2, 3)),
        "layer_norm": (nn.LayerNorm([2, 3]), real(2, 2, 3)),
        "group_norm": (nn.GroupNorm(2, 4), real(2, 4, 3)),
        "instance_norm1d": (nn.InstanceNorm1d(2, affine=True), real(2, 2, 3)),
        "weight_norm": (nn.utils.weight_norm(nn.Linear(3, 2)), real(2, 3)),
        "conv1d": (nn.Conv1d(2, 3, 2), real(2, 2, 4)),
        "conv2d": (nn.Conv2d(2, 4, (2, 3), groups=2), real(1, 2, 3, 4)),
        "conv_transpose1d": (nn.ConvTranspose1d(2, 3, 2), real(1, 2, 3)),
        "conv_transpose2d": (nn.ConvTranspose2d(2, 3, (2, 3)), real(1, 2, 2, 2)),
        "embedding": (nn.Embedding(5, 2), torch.tensor([[0, 4], [2, 2]])),
        "attention": (First(nn.MultiheadAttention(4, 2), lambda inner, x: inner(x, x, x)[0]), real(3, 2, 4)),
        "encoder": (nn.TransformerEncoderLayer(4, 2, dim_feedforward=3, dropout=0), real(3, 2, 4)),
        "rnn": (First(nn.RNN(2, 3)), real(3, 2, 2)),
        "lstm": (First(nn.LSTM(2, 3, num_layers=2, bidirectional=True)), real(3, 1, 2)),
        "gru": (First(nn.GRU(2, 3)), real(3, 2, 2)),
    }
    state = {}
    for kind, (net, x) in nets.items():
        for name, value in net.state_dict().items():
            if "running" in name or value.dim() == 1 and value.is_floating_point():
                value.uniform_(0.5, 2)
        net.eval()
        with torch.no_grad():
            y = net(x)
        inner = net.inner if isinstance(net, First) else net
        state.update({f"{kind}.net.{name}": value for name, value in inner.state_dict().items()})
        state.update({f"{kind}.x": x, f"{kind}.y": y})
    Path(sys.argv[1]).write_bytes(to_bytes(state))


main()
