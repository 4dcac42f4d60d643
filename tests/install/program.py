"""A program of a user's in Python, through ctypes: program.py LIBRARY."""

import ctypes
import sys

hc = ctypes.CDLL(sys.argv[1])
tape, tensor = ctypes.c_void_p, ctypes.c_void_p
hc.tape_create.restype, hc.tape_create.argtypes = tape, [ctypes.c_int]
hc.tensor_scalar.restype, hc.tensor_scalar.argtypes = tensor, [tape, ctypes.c_double]
hc.tensor_square.restype, hc.tensor_square.argtypes = tensor, [tensor]
hc.tensor_item.restype, hc.tensor_item.argtypes = ctypes.c_double, [tensor]
hc.tape_destroy.restype, hc.tape_destroy.argtypes = None, [tape]
hc.higherc_version.restype = ctypes.c_char_p

t = hc.tape_create(1)
nine = hc.tensor_item(hc.tensor_square(hc.tensor_scalar(t, 3.0)))
hc.tape_destroy(t)
print(f"higherc {hc.higherc_version().decode()}, 3 * 3 = {nine:g}")
sys.exit(nine != 9)
