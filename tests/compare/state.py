"""torch's state dicts as safetensors, written and read by hand, since its package may not be there."""
import json
import struct

import torch

NAMES = {torch.float64: ("F64", "d"), torch.float32: ("F32", "f"), torch.int64: ("I64", "q")}


def to_bytes(state):
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, value in state.items():
        kind, code = NAMES[value.dtype]
        raw = struct.pack(f"<{value.numel()}{code}", *value.detach().flatten().tolist())
        header[name] = {"dtype": kind, "shape": list(value.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def from_bytes(whole):
    (length,) = struct.unpack("<Q", whole[:8])
    header, data = json.loads(whole[8:8 + length]), whole[8 + length:]
    assert length % 8 == 0 and header.pop("__metadata__") == {"format": "pt"}
    kinds = {kind: (dtype, code) for dtype, (kind, code) in NAMES.items()}
    state = {}
    for name, about in header.items():
        dtype, code = kinds[about["dtype"]]
        begin, end = about["data_offsets"]
        values = struct.unpack(f"<{(end - begin) // struct.calcsize(code)}{code}", data[begin:end])
        state[name] = torch.tensor(values, dtype=dtype).reshape(about["shape"])
    return state
