"""The library through ctypes. Prototypes, structs and constants are read from the public headers, so nothing is
declared twice: hc.tensor_cumsum(x, 0), hc.conv2d_options().stride[0] = 2, hc.HC_UPPER."""
import ctypes
import re
from pathlib import Path

PLAIN = {"int": ctypes.c_int, "unsigned": ctypes.c_uint, "bool": ctypes.c_bool, "double": ctypes.c_double,
         "char": ctypes.c_char, "size_t": ctypes.c_size_t,
         "int64_t": ctypes.c_int64, "uint64_t": ctypes.c_uint64, "void": None}


class Refused(Exception):
    """A call that gave NULL, in the library's words."""


def read_headers(folder, name="higherc.h", seen=None):
    """The text of a header, what it includes in front, each once, without comments."""
    seen = set() if seen is None else seen
    if name in seen:
        return ""
    seen.add(name)
    text = re.sub(r"/\*.*?\*/|//[^\n]*", "", (Path(folder) / name).read_text(encoding="utf-8"), flags=re.S)
    before = "".join(read_headers(folder, other, seen) for other in re.findall(r'#include "(\w+\.h)"', text))
    return before + text


class Library:
    def __init__(self, path, include):
        self._library = ctypes.CDLL(path)
        self._types = dict(PLAIN)
        self.functions = {}  # name -> its result, as it is written
        text = read_headers(include)
        for name, value in re.findall(r"#define (HC_\w+) (\d+)\b", text):
            setattr(self, name, int(value))
        text = re.sub(r"^#.*?$", "", text, flags=re.M)
        for body, name in re.findall(r"enum\s*\w*\s*\{([^}]*)\}\s*(\w*)\s*;", text):
            self._read_enum(name, body)
        for body, name in re.findall(r"typedef struct \w+ \{([^}]*)\} *(\w+)", text):
            self._read_struct(name, body)
        for result, name, arguments in re.findall(r"HC_API\s+([^;(]*?)(\w+)\(((?:[^()]|\([^()]*\))*)\)\s*;", text):
            self._read_function(result, name, arguments)

    def _read_enum(self, name, body):
        value = -1
        for item in filter(None, (word.strip() for word in body.split(","))):
            constant, _, number = (part.strip() for part in item.partition("="))
            value = int(number) if number else value + 1
            setattr(self, constant, value)
        self._types[name] = ctypes.c_int

    def _read_struct(self, name, body):
        fields = []
        for line in filter(None, (line.strip() for line in body.split(";"))):
            if "(" in line:  # a function's address
                fields.append((re.search(r"\(\*(\w+)\)", line).group(1), ctypes.c_void_p))
                continue
            kind, rest = re.match(r"((?:const )?\w+)\s*(.*)", line, re.S).groups()
            for field in rest.split(","):
                word, size = re.match(r"[\s*]*(\w+)(?:\[(\w+)\])?", field).groups()
                of = ctypes.c_void_p if "*" in field else self._type(kind)
                if size:
                    of = of * (int(size) if size.isdigit() else getattr(self, size))
                fields.append((word, of))
        self._types[name] = type(name, (ctypes.Structure,), {"_fields_": fields})
        setattr(self, name, self._types[name])

    def _type(self, text):
        """Of a result, or of an argument with its name."""
        if "*" in text or "(" in text:
            return ctypes.c_char_p if re.match(r"const char \*\w*$", text.strip()) else ctypes.c_void_p
        return self._types.get(re.sub(r"\bconst\b", "", text).split()[0], ctypes.c_void_p)

    def _read_function(self, result, name, arguments):
        function = getattr(self._library, name)
        function.restype = self._type(result)
        arguments = [] if arguments.strip() == "void" else re.split(r",(?![^(]*\))", arguments)
        function.argtypes = [self._type(argument) for argument in arguments]
        if re.match(r"(Tensor|Module|Param|Tape) \*$", result.strip()):
            function.errcheck = self._need
        self.functions[name] = result.strip()
        setattr(self, name, function)

    def _need(self, result, function, _):
        if result is None:
            self.refuse(function.__name__)
        return result

    def refuse(self, name):
        raise Refused(f"{name}: {(self.higherc_error() or b'NULL').decode()}")

    def shape(self, sizes):
        return self.Shape(len(sizes), (ctypes.c_size_t * 8)(*sizes))


def sizes(numbers):
    return (ctypes.c_size_t * len(numbers))(*numbers)


def ints(numbers):
    return (ctypes.c_int * len(numbers))(*numbers)


def handles(pointers):
    return (ctypes.c_void_p * len(pointers))(*pointers)


def room(count=1):
    """For `count` handles that a call gives beside its result."""
    return (ctypes.c_void_p * count)()
