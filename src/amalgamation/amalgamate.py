#!/usr/bin/env python3
"""The library as two files: higherc.h, the public headers one after the other, and higherc.c, all sources.

Each .c file of the library has its own statics, types and macros. In one file these would meet, so names that more
than one declares get the file's name as an ending, and macros are undefined where their file ends. Functions and
variables that only the library's own files share (hc_...) become static. The kernels are there once for float and
once for double. What cannot be told apart so is an error in words.

CMake runs it in the sources' folder (target amalgamation), and says what the sources are.
"""
import argparse
import os
import re
import sys

sys.dont_write_bytecode = True # sources may be read-only
import ctext
import rewrite

LOCAL = re.compile(r'[ \t]*#[ \t]*include[ \t]+"([^"]+)"')
SYSTEM = re.compile(r"[ \t]*#[ \t]*include[ \t]+(<[^>]+>)")
REAL = re.compile(r"\bHC_(REAL|REAL_BITS|LEVEL)\b")
# What files need only where each is compiled by itself.
APART = re.compile(r"^#ifndef HC_ONE_FILE\n[\s\S]*?^#endif\n", re.MULTILINE)
# What sources ask of the system's headers; it has to be said before the first of them.
FEATURES = {"_POSIX_C_SOURCE": "200809L", "_FILE_OFFSET_BITS": "64"}
NOTICE = """/* libhigherc {version}: differentiable inner-loop optimization in C11. {what}
 *
 * Copyright (c) 2026 The libhigherc authors. MIT License: the file LICENSE of the library's sources.
 * Written by its build (target amalgamation): changes belong there. */
"""


class Wrong(Exception):
    pass


def bars(title):
    return "\n/* ==== %s %s */\n\n" % (title, "=" * max(4, 105 - len(title)))


class Tree:
    """The sources' files, read once."""

    def __init__(self, root):
        self.root, self.files, self.real, self.included = root, {}, {}, {}

    def read(self, path):
        """The tokens of a file without its include guard."""
        if path not in self.files:
            with open(os.path.join(self.root, path), encoding="utf-8") as f:
                self.files[path] = without_guard(ctext.tokens(APART.sub("", f.read())))
        return self.files[path]

    def has_guard(self, path):
        return path.endswith(".h")

    def find(self, name):
        return "include/" + name if name.startswith("higherc/") else "src/" + name

    def includes(self, path):
        """The internal files that a file includes, in order."""
        if path not in self.included:
            found = [LOCAL.match(t.text) for t in self.read(path) if t.kind == "directive"]
            self.included[path] = [self.find(m.group(1)) for m in found if m and not m.group(1).startswith("higherc/")]
        return self.included[path]

    def is_real(self, path):
        """Whether a file is another for float than for double."""
        if path not in self.real:
            text = ctext.text_of(t for t in self.read(path) if t.kind != "comment")
            self.real[path] = REAL.search(text) is not None or \
                any(self.is_real(f) for f in self.includes(path) if self.has_guard(f))
        return self.real[path]

    def shared(self, path, seen):
        """The headers that a file needs and that are the same for all, each after what it needs itself."""
        for name in self.includes(path):
            if name not in seen:
                seen.add(name)
                yield from self.shared(name, seen)
                if self.has_guard(name) and not self.is_real(name):
                    yield name

    def flat(self, path, seen=None):
        """The tokens of a file, in place of its includes what these hold, without shared headers."""
        seen = set() if seen is None else seen
        out = []
        for token in self.read(path):
            match = LOCAL.match(token.text) if token.kind == "directive" else None
            if not match:
                out.append(token)
                continue
            name = self.find(match.group(1))
            inside = not match.group(1).startswith("higherc/") and name not in seen
            if inside and (not self.has_guard(name) or self.is_real(name)):
                if self.has_guard(name):
                    seen.add(name)
                out += self.flat(name, seen)
        return out


def without_guard(toks):
    at = [i for i, t in enumerate(toks) if t.kind == "directive"]
    if len(at) < 3:
        return toks
    first = re.match(r"[ \t]*#[ \t]*ifndef[ \t]+(\w+_H)\s*$", toks[at[0]].text)
    if not first or not re.match(r"[ \t]*#[ \t]*define[ \t]+%s\s*$" % first.group(1), toks[at[1]].text):
        return toks
    drop = {at[0], at[1], at[-1]}
    return [t for i, t in enumerate(toks) if i not in drop and i - 1 not in drop]


class Unit:
    """A .c file with what is included in it alone; of a kernel, for one type."""

    def __init__(self, tree, path, bits=None):
        self.path, self.bits = path, bits
        self.toks = [t for t in tree.flat(path) if not self.is_feature(t)]
        self.contracts = any(re.match(r"#define HC_CONTRACT\b", t.text) for t in self.toks)
        self.toks = [t for t in self.toks if not t.text.startswith("#define HC_CONTRACT")]
        self.headers = list(tree.shared(path, set()))
        stem = path[len("src/"):-len(".c")].split("/")
        self.short, self.long = stem[-1], "_".join(stem)
        self.defines = {}
        for token in self.toks:
            made = ctext.define_of(token)
            if made:
                self.defines.setdefault(made[0], []).append(made[1])

    def is_feature(self, token):
        made = ctext.define_of(token)
        if not made or not re.match("_[A-Z]", made[0]) or made[0].startswith("_WIN32"):
            return False
        if FEATURES.get(made[0]) != ctext.text_of(made[1].body):
            raise Wrong("%s defines %s, which has to stand before the first of the system's headers: add it to FEATURES"
                        " in amalgamate.py" % (self.path, made[0]))
        return True

    def uses(self, header):
        return any(SYSTEM.match(t.text) and SYSTEM.match(t.text).group(1) == header
                   for t in self.toks if t.kind == "directive")


class Library:
    def __init__(self, tree, sources, kernels):
        self.tree = tree
        self.units = [Unit(tree, s) for s in sources]
        both = [Unit(tree, k, bits) for bits in (32, 64) for k in kernels]
        # First those that may contract: GCC takes it from a function's last declaration whether it may, so there is
        # to be none but the definition (HC_ONE_FILE in kernels/real.h).
        self.units += sorted(both, key=lambda u: (u.bits, not u.contracts))
        # The macros of <windows.h> are words such as near and far: nothing comes after it.
        self.units.sort(key=lambda u: u.uses("<windows.h>"))
        seen = set()
        self.headers = [h for u in self.units for h in tree.shared(u.path, seen)]
        self.public = declared_publicly(tree)
        self.macros, self.header_names, self.header_macros = {}, {}, {}
        for header in self.headers:
            toks = tree.flat(header)
            for name in ctext.declared(toks, self.macros):
                self.header_names.setdefault(name, set()).add(header)
            for token in toks:
                made = ctext.define_of(token)
                if made and made[0] in self.macros:
                    self.header_macros.setdefault(made[0], set()).add(header)
        stems = {}
        for unit in self.units:
            stems.setdefault(unit.short, set()).add(unit.path)
            # What begins so is the whole library's, but in kernels, which are there twice.
            shared = re.compile("hc_" if unit.bits else "hc_|Hc|HC_")
            unit.declared = {n for n in ctext.declared(unit.toks, dict(self.macros))
                             if not shared.match(n) and n not in self.public}
        for unit in self.units:
            unit.suffix = "_" + (unit.short if len(stems[unit.short]) == 1 else unit.long)
            if unit.bits:
                unit.suffix += "_f%d" % unit.bits
        self.plan_names()

    def plan_names(self):
        owners = {}
        for unit in self.units:
            for name in unit.declared:
                owners.setdefault(name, []).append(unit)
        words = {t.text for u in self.units for t in u.toks if t.kind == "id"} | set(self.header_names) | self.public
        for unit in self.units:
            unseen = lambda holders: bool(holders) and not holders & set(unit.headers)
            # Names of macros that end with the file, but where a header has them too.
            names = unit.declared | {n for n in unit.defines
                                     if unseen(self.header_names.get(n)) or unseen(self.header_macros.get(n))}
            # Of what its headers declare a file defines the rest: a struct's fields, a variable's value.
            names = {n for n in names if not self.header_names.get(n, set()) & set(unit.headers)}
            unit.names = {n: n + unit.suffix for n in names}
            unit.clash = {n for n in names if len(owners.get(n, [])) > 1 or n not in unit.declared}
            for name, new in unit.names.items():
                if new in words:
                    raise Wrong("%s: %s would become %s, which there is" % (unit.path, name, new))
            for i, token in enumerate(unit.toks):
                made = token.kind == "id" and unseen(self.header_macros.get(token.text))
                if made and token.text not in unit.names and \
                        (self.macros[token.text].params is None or rewrite.next_text(unit.toks, i) == "("):
                    raise Wrong("%s uses the name %s, which is a macro in %s: give one of them another name" %
                                (unit.path, token.text, ", ".join(self.header_macros[token.text])))

    def text(self, unit):
        macros = {n: [m] for n, m in self.macros.items()}
        for name, versions in unit.defines.items():
            macros.setdefault(name, []).extend(versions)
        visible = {n: m for n, m in macros.items() if n in unit.defines or
                   self.header_macros.get(n, set()) & set(unit.headers)}
        opaque, plain = ctext.param_uses(macros)
        # Names that are pasted together stand nowhere, and those that are pasted to others stay in these: a macro
        # renames them, where that has to be.
        is_pasted, fields = ctext.pasted(visible), rewrite.members(unit.toks)
        joined = rewrite.handed(unit.toks, opaque, plain)
        by_macro = {n: new for n, new in unit.names.items() if (is_pasted.match(n) or n in joined) and
                    n not in fields and n not in unit.defines}
        by_text = {n: new for n, new in unit.names.items() if n not in by_macro}
        by_macro = {n: new for n, new in by_macro.items() if n in unit.clash}
        everything = {n: versions[-1] for n, versions in macros.items()}
        toks = rewrite.renamed(rewrite.with_static(unit.toks, everything), by_text, opaque)
        out = bars(unit.path + (" for %s" % ("float" if unit.bits == 32 else "double") if unit.bits else ""))
        if unit.bits:
            out += "#define HC_REAL_BITS %d\n" % unit.bits
        if unit.contracts:
            out += CONTRACT_BEGIN
        out += "".join("#define %s %s\n" % pair for pair in sorted(by_macro.items()))
        out += ctext.text_of(toks).strip("\n") + "\n"
        ended = sorted({by_text.get(n, n) for n in unit.defines} | set(by_macro))
        out += "".join("#undef %s\n" % n for n in ended)
        if unit.contracts:
            out += CONTRACT_END
        if unit.bits:
            out += "#undef HC_REAL_BITS\n"
        return out


# ---- the two files ------------------------------------------------------------------------------------------------

CONTRACT_BEGIN = """#if defined(__clang__)
#pragma clang fp contract(fast)
#elif defined(__GNUC__)
#pragma GCC push_options
#pragma GCC optimize("fp-contract=fast")
#endif
"""
CONTRACT_END = """#if defined(__clang__)
#pragma clang fp contract(off)
#elif defined(__GNUC__)
#pragma GCC pop_options
#endif
"""
KERNELS_BEGIN = """
/* The kernels, at the level that the compiler's flags allow. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC push_options
#if defined(__OPTIMIZE__) && !defined(__OPTIMIZE_SIZE__) && !defined(HC_FEW_TILES)
#pragma GCC optimize(%s)
#endif
#endif
"""
KERNELS_END = """
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC pop_options
#endif
"""
BEGIN = """
#ifndef HIGHERC_BUILD
#define HIGHERC_BUILD
#endif
#ifndef HIGHERC_SHORT_NAMES /* what follows is written without a prefix */
#define HIGHERC_SHORT_NAMES
#endif
#if !defined _WIN32
%s#endif
#if defined _WIN32 && defined __GNUC__ && !defined __clang__ && defined __AVX__ && !defined HIGHERC_ALIGNED_MOVES
#error "GCC does not align the stack for AVX on Windows: without -mavx, or -Wa,-muse-unaligned-vector-move \\
-DHIGHERC_ALIGNED_MOVES"
#endif
#if !defined HIGHERC_NO_THREADS && (defined _WIN32 || defined __unix__ || defined __APPLE__ || defined __HAIKU__) && \\
    (!defined __EMSCRIPTEN__ || defined __EMSCRIPTEN_PTHREADS__)
#define HC_HAVE_THREADS
#endif
#ifdef __aarch64__
#define HC_HAVE_NEON
#define HC_LEVEL neon
#else
#define HC_LEVEL baseline /* the only one, whatever the flags */
#endif
#if (defined __x86_64__ || defined __i386__) && !defined __AVX2__
#define HC_FEW_TILES
#endif
#ifdef __GNUC__ /* what only the library's tests call is left out */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#endif

#include "higherc.h"
"""
END = """
#ifdef __GNUC__
#pragma GCC diagnostic pop
#endif
"""


def public_headers(tree, path="include/higherc/higherc.h", seen=None):
    seen = set() if seen is None else seen
    for token in tree.read(path):
        match = LOCAL.match(token.text) if token.kind == "directive" else None
        name = match and "include/higherc/" + match.group(1)
        if name and name not in seen and not re.search(r"/names(_end)?\.h$", name):
            seen.add(name)
            yield from public_headers(tree, name, seen)
            yield name


def public_text(tree, path):
    """A public header without what the others say too."""
    text = ctext.text_of(t for t in tree.read(path)
                         if t.kind != "directive" or not (LOCAL.match(t.text) or SYSTEM.match(t.text)))
    text = re.sub(r'#ifdef __cplusplus\n(extern "C" \{|\})\n#endif\n', "", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n") + "\n"


def declared_publicly(tree):
    names = set()
    for path in public_headers(tree):
        names |= ctext.declared(ctext.tokens(public_text(tree, path).replace("HC_API ", "")), {})
    return names


def header_file(tree, version):
    out = NOTICE.format(version=version, what="All it declares.")
    out += """/*
 *     cc -O2 -c higherc.c                        with -mavx2 -mfma or -march=native as fast as the machine allows
 *     cc -O2 program.c higherc.o -lm -pthread
 *
 * Both with -DHIGHERC_PREFIX=hc_ where names are to begin with that; the first with -DHIGHERC_NO_THREADS where there
 * are to be none; both with -DHIGHERC_SHARED where higherc.c is made a DLL. */
#ifndef HIGHERC_HIGHERC_H
#define HIGHERC_HIGHERC_H

"""
    paths = list(public_headers(tree))
    system = {SYSTEM.match(t.text).group(1) for p in paths for t in tree.read(p)
              if t.kind == "directive" and SYSTEM.match(t.text)}
    out += "".join("#include %s\n" % s for s in sorted(system)) + "\n"
    out += ctext.text_of(tree.read("include/higherc/names.h")).strip("\n") + "\n"
    out += '\n#ifdef __cplusplus\nextern "C" {\n#endif\n'
    for path in paths:
        out += "\n" + public_text(tree, path)
    out += '\n#ifdef __cplusplus\n}\n#endif\n\n'
    return out + ctext.text_of(tree.read("include/higherc/names_end.h")).strip("\n") + "\n\n#endif\n"


def source_file(library, version, flags):
    tree = library.tree
    out = NOTICE.format(version=version, what="All of it; higherc.h says how it is compiled.")
    features = "".join("#ifndef %s\n#define %s %s\n#endif\n" % (n, n, v) for n, v in FEATURES.items())
    out += BEGIN % features
    for header in library.headers:
        toks = tree.flat(header)
        made = dict(filter(None, map(ctext.define_of, toks))) # those among them that it undefines again
        toks = rewrite.with_static(toks, {**library.macros, **made})
        out += bars(header) + ctext.text_of(toks).strip("\n") + "\n"
    kernels = False
    for unit in library.units:
        if bool(unit.bits) != kernels:
            kernels = not kernels
            out += KERNELS_BEGIN % flags if kernels else KERNELS_END
        out += library.text(unit)
    return out + (KERNELS_END if kernels else "") + END


def write(path, text):
    with open(path, "w", encoding="utf-8", newline="\n") as f:
        f.write(text)


def main():
    parser = argparse.ArgumentParser(description="Writes higherc.h and higherc.c. Run in the sources' folder.")
    for name in ("out", "version"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--sources", nargs="+", required=True)
    parser.add_argument("--kernels", nargs="+", required=True)
    parser.add_argument("--kernel-flags", default="")
    args = parser.parse_args()
    tree = Tree(".")
    # -O3 and -fno-math-errno are "O3" and "no-math-errno" in a pragma.
    flags = ", ".join('"%s"' % re.sub("^-f?", "", o) for o in args.kernel_flags.split())
    inside = lambda paths: [os.path.relpath(p).replace(os.sep, "/") for p in paths]
    try:
        library = Library(tree, inside(args.sources), inside(args.kernels))
        os.makedirs(args.out, exist_ok=True)
        write(os.path.join(args.out, "higherc.h"), header_file(tree, args.version))
        write(os.path.join(args.out, "higherc.c"), source_file(library, args.version, flags))
    except Wrong as wrong:
        sys.exit("amalgamation: %s" % wrong)


if __name__ == "__main__":
    main()
