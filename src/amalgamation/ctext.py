"""C as text: tokens, macros, and the names that a file declares. As much of it as the library's own sources use."""
import re
from collections import namedtuple

Token = namedtuple("Token", "kind text")
# params is None for a macro without any.
Macro = namedtuple("Macro", "params body")

PATTERN = re.compile(r"""
    (?P<directive>^[ \t]*\#(?:\\\n|/\*[\s\S]*?\*/|[^\n])*)
  | (?P<comment>/\*[\s\S]*?\*/|//[^\n]*)
  | (?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')
  | (?P<id>[A-Za-z_]\w*)
  | (?P<number>\.?\d(?:[eEpP][+-]|[\w.])*)
  | (?P<space>\n|[ \t\f\v\r]+|\\\n)
  | (?P<punct>->|\#\#|\.\.\.|.)
""", re.VERBOSE | re.MULTILINE)
DEFINE = re.compile(r"([ \t]*#[ \t]*define[ \t]+)(\w+)(\([^)]*\))?")
KEYWORDS = set("""auto break case char const continue default do double else enum extern float for goto if inline int
    long register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while
    _Alignas _Alignof _Atomic _Bool _Static_assert _Thread_local __attribute__ __stdcall""".split())
STATEMENTS = {"return", "if", "for", "while", "do", "else", "switch", "case", "goto", "break"}
BLANK = ("space", "comment")
OPEN, CLOSE = ("(", "[", "{"), (")", "]", "}")


def tokens(text):
    return [Token(m.lastgroup, m.group()) for m in PATTERN.finditer(text)]


def text_of(toks):
    return "".join(t.text for t in toks)


def define_of(token):
    """(name, Macro) of a #define, else None."""
    match = DEFINE.match(token.text) if token.kind == "directive" else None
    if not match:
        return None
    params = match.group(3) and [p.strip() for p in match.group(3)[1:-1].split(",") if p.strip()]
    body = [t for t in tokens(token.text[match.end():]) if t.kind not in BLANK]
    return match.group(2), Macro(params, body)


def note_directive(token, macros, first):
    defined = define_of(token)
    if defined and not (first and defined[0] in macros):
        macros[defined[0]] = defined[1]
    elif not defined:
        match = re.match(r"[ \t]*#[ \t]*undef[ \t]+(\w+)", token.text)
        if match:
            macros.pop(match.group(1), None)


def nesting(token, macros, left_out):
    """How deep in a left-out #ifndef of a macro that there is; of other conditions each branch counts."""
    match = re.match(r"[ \t]*#[ \t]*(if\w*|el\w+|endif)\b[ \t]*(\w*)", token.text)
    if not match:
        return left_out
    word, name = match.groups()
    if left_out:
        return left_out + word.startswith("if") - (word == "endif" or (word == "else" and left_out == 1))
    return 1 if word == "ifndef" and name in macros else 0


def arguments(toks, at):
    """The arguments of the call whose "(" is at `at`, as ranges (begin, end), and where it ends."""
    depth, begin, ranges = 0, at + 1, []
    for i in range(at, len(toks)):
        text = toks[i].text if toks[i].kind == "punct" else ""
        if text in OPEN:
            depth += 1
        elif text in CLOSE:
            depth -= 1
            if depth == 0:
                ranges.append((begin, i))
                return ranges, i
        elif text == "," and depth == 1:
            ranges.append((begin, i))
            begin = i + 1
    return None, len(toks)


def substitute(macro, args):
    """A macro's body with its arguments in place, and pasted."""
    bound = dict(zip(macro.params or [], args))
    if macro.params and macro.params[-1] == "...":
        rest = args[len(macro.params) - 1:]
        bound["__VA_ARGS__"] = [t for a in rest for t in a + [Token("punct", ",")]][:-1]
    out, paste, i = [], False, 0
    while i < len(macro.body):
        token = macro.body[i]
        if token.text == "##":
            paste = True
        else:
            if token.text == "#" and macro.params is not None:
                i += 1
                put = [Token("string", '""')]
            else:
                put = list(bound.get(token.text, [token])) if token.kind == "id" else [token]
            if paste and out and put:
                out[-1] = Token("id", out[-1].text + put[0].text)
                put = put[1:]
            out += put
            paste = False
        i += 1
    return out


def expanded(toks, macros, first=False):
    """The tokens of a file at its outermost level, macros expanded, `macros` kept as of the point reached. Bodies of
    functions are left as they are. Of a macro that two branches define the first definition is taken, or the last."""
    pending = [(t, frozenset()) for t in reversed(toks) if t.kind not in BLANK]
    depth, body, last, left_out = 0, None, "", 0
    while pending:
        token, hidden = pending.pop()
        if token.kind == "directive":
            left_out = nesting(token, macros, left_out)
            if not left_out:
                note_directive(token, macros, first)
        if token.kind == "directive" or left_out:
            continue
        macro = macros.get(token.text) if token.kind == "id" and body is None and token.text not in hidden else None
        if macro and macro.params is None:
            pending += [(t, hidden | {token.text}) for t in reversed(macro.body)]
            continue
        if macro and pending and pending[-1][0].text == "(":
            ahead, level = [], 0
            while pending:
                ahead.append(pending.pop()[0])
                level += (ahead[-1].text in OPEN) - (ahead[-1].text in CLOSE)
                if level == 0:
                    break
            ahead = [t for t in ahead if t.kind != "directive"]
            ranges, _ = arguments(ahead, 0)
            made = substitute(macro, [ahead[b:e] for b, e in ranges])
            pending += [(t, hidden | {token.text}) for t in reversed(made)]
            continue
        if token.text == "{":
            if depth == 0 and last == ")" and body is None:
                body = depth
            depth += 1
        elif token.text == "}":
            depth -= 1
            if depth == body:
                body = None
        last = token.text
        yield token


def declarations(toks):
    """Lists of tokens, one a declaration or definition of the file's outermost level."""
    out, depth, function, last = [], 0, False, ""
    for token in toks:
        out.append(token)
        text = token.text if token.kind == "punct" else ""
        if text == "{" and depth == 0:
            function = last == ")"
        depth += (text in OPEN and text != "") - (text in CLOSE and text != "")
        if depth == 0 and (text == ";" or (text == "}" and function)):
            yield out
            out, function = [], False
        last = token.text


def names_of(declaration):
    """What a declaration declares at file scope: functions, variables, types, tags with a body, constants of enums."""
    names, kinds, parens, found, value, skip = set(), [], 0, False, False, 0
    for i, (kind, text) in enumerate(declaration):
        before = declaration[i - 1].text if i else ""
        after = declaration[i + 1].text if i + 1 < len(declaration) else ""
        if skip:
            skip += (text == "(") - (text == ")")
            skip -= skip == 1 and text == ")"
            continue
        if text in ("__attribute__", "_Static_assert", "_Alignas") and after == "(":
            skip = 1
        elif text == "{" and kind == "punct":
            words = [t.text for t in declaration[max(0, i - 3):i]]
            kinds.append("enum" if "enum" in words[-2:] else "other")
        elif text == "}":
            kinds.pop()
        elif kind == "id" and text not in KEYWORDS:
            if before in ("struct", "union", "enum"):
                if after == "{":
                    names.add(text)
            elif kinds:
                if kinds == ["enum"] and before in ("{", ",") and parens == 0:
                    names.add(text)
            elif not value and not found and ((parens == 0 and after in ("(", "[", "=", ";", ",", ":")) or
                                              (parens == 1 and before in ("(", "*", "const") and after in (")", "["))):
                names.add(text)
                found = True
        if kinds or kind != "punct":
            continue
        parens += (text in ("(", "[")) - (text in (")", "]"))
        if parens == 0 and text == ",":
            found = value = False
        elif parens == 0 and text == "=":
            value = True
    return names


def declared(toks, macros):
    """The names that a file declares at file scope."""
    names = set()
    for macros_then, first in ((dict(macros), True), (macros, False)):
        for declaration in declarations(expanded(toks, macros_then, first)):
            names |= names_of(declaration)
    return names


def param_uses(macros):
    """({macro: places of parameters that are pasted, made text or name a member}, the same of those that are also, or
    only, used as they are). `macros`: {name: [Macro]}."""
    opaque, plain, changed = {"offsetof": {1}}, {"offsetof": {0}}, True
    while changed:
        changed = False
        for name, versions in macros.items():
            for macro in versions:
                for places, new in zip((opaque, plain), uses_in(macro, opaque, plain)):
                    changed |= not new <= places.setdefault(name, set())
                    places[name] |= new
    return opaque, plain


def uses_in(macro, opaque, plain):
    params, body = macro.params or [], macro.body
    inner = {} # of the body's tokens: the sets that the macro they are handed to has them in
    for i, token in enumerate(body):
        if token.kind == "id" and token.text in opaque and i + 1 < len(body) and body[i + 1].text == "(":
            for at, (begin, end) in enumerate(arguments(body, i + 1)[0] or []):
                if end == begin + 1:
                    inner[begin] = (at in opaque[token.text], at in plain[token.text])
    found = set(), set()
    for i, token in enumerate(body):
        if token.kind != "id" or token.text not in params:
            continue
        before = body[i - 1].text if i else ""
        after = body[i + 1].text if i + 1 < len(body) else ""
        is_opaque = before in ("#", "##", ".", "->") or after == "##"
        for places, is_in in zip(found, (True, False) if is_opaque else inner.get(i, (False, True))):
            if is_in:
                places.add(params.index(token.text))
    return found


def pasted(macros):
    """A pattern of the names that macros paste together from something said in them."""
    patterns = set()
    for versions in macros.values():
        for macro in versions:
            chain, literal = "", False
            for i, token in enumerate(macro.body + [Token("punct", "")]):
                joined = i and macro.body[i - 1].text == "##"
                if token.text == "##":
                    continue
                if not joined:
                    if literal and chain.count("|"):
                        patterns.add(chain.replace("|", ""))
                    chain, literal = "", False
                if token.kind == "id":
                    is_param = token.text in (macro.params or [])
                    literal |= not is_param
                    chain += ("|" if joined else "") + (r"\w*" if is_param else token.text)
    return re.compile("(?:" + "|".join(sorted(patterns) or ["$^"]) + r")\Z")
