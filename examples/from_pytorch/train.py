"""Trains a network to foretell sine waves, and saves it for main.c: train.py [FILE]. Needs torch alone; where the
package safetensors is there too, its save_file(net.state_dict(), path) does what save does here."""
import json, struct, sys
import torch
from torch import nn

def save(state, path):
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, t in state.items():
        raw = struct.pack(f"<{t.numel()}f", *t.flatten().tolist())
        header[name] = {"dtype": "F32", "shape": list(t.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)

torch.manual_seed(1)
net = nn.Sequential(nn.Linear(8, 24), nn.Tanh(), nn.Linear(24, 24), nn.Tanh(), nn.Linear(24, 1))
optimizer = torch.optim.Adam(net.parameters(), lr=0.003)
for step in range(3000): # eight values, and the ninth
    size, pace, start = (torch.rand(64, 1) * r + lo for r, lo in ((1, 0.5), (0.4, 0.2), (6.28, 0)))
    wave = size * torch.sin(pace * torch.arange(9) + start)
    loss = ((net(wave[:, :8]) - wave[:, 8:]) ** 2).mean()
    optimizer.zero_grad(); loss.backward(); optimizer.step()
print(f"squared error {loss.item():.5f}")
save(net.state_dict(), sys.argv[1] if len(sys.argv) > 1 else "model.safetensors")
