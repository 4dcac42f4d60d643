"""What is done to the tokens of a file: declarations become static, names get an ending."""
import re

import ctext
from ctext import Token


def with_static(toks, macros):
    """The tokens with each declaration of what begins with hc_ made static, also in the bodies of macros."""
    out = list(toks)
    start, depth, function, last, i = None, 0, False, "", 0
    while i < len(toks):
        kind, text = toks[i]
        if kind == "directive":
            match = ctext.DEFINE.match(text)
            if match:
                body = ctext.text_of(with_static(ctext.tokens(text[match.end():]), macros))
                out[i] = Token(kind, text[:match.end()] + body)
        elif kind not in ctext.BLANK and not (kind == "punct" and text == "\\"):
            if start is None and depth == 0 and kind == "id":
                start = i
                if text in macros and macros[text].params is not None and next_text(toks, i) == "(":
                    _, i = ctext.arguments(toks, next_at(toks, i))
                    start = None
                    i += 1
                    continue
            if kind == "punct" and text in ctext.OPEN:
                if text == "{" and depth == 0:
                    function = last == ")"
                depth += 1
            elif kind == "punct" and text in ctext.CLOSE:
                depth -= 1
            if depth == 0 and (text == ";" or (text == "}" and function)):
                if start is not None:
                    make_static(out, toks, start, i, macros)
                start, function = None, False
            last = text
        i += 1
    if start is not None and depth > 0: # a macro that begins what another ends
        make_static(out, toks, start, len(toks) - 1, macros)
    return out


def next_at(toks, i):
    i += 1
    while i < len(toks) and toks[i].kind in ctext.BLANK:
        i += 1
    return i


def next_text(toks, i):
    i = next_at(toks, i)
    return toks[i].text if i < len(toks) else ""


def make_static(out, toks, start, end, macros):
    head, i = [], start
    while i <= end and (toks[i].kind in ctext.BLANK + ("id",) or toks[i].text in ("*", "##", "\\", "\n")):
        if toks[i].kind == "id" or toks[i].text == "##":
            head.append(toks[i].text)
        i = i + 1
    stop = toks[i].text
    if stop not in ("(", "[", "=", ";", ",") or not head or head[0] in ctext.STATEMENTS:
        return
    if head[0] == "extern":
        out[start] = Token("id", "static")
        return
    if head[0] in ("static", "typedef", "HC_INLINE", "_Static_assert") or "static" in head:
        return
    while len(head) > 2 and head[-2] == "##":
        head = head[:-2]
    name = head[-1]
    inner = next_text(toks, i)
    if stop == "(" and inner.startswith("hc_") and next_text(toks, next_at(toks, i)) == ")":
        name = inner # bool (hc_fail)(...)
        head.append(name)
    if len(head) > 1 and (name.startswith("hc_") or (name in macros and macros[name].params)):
        out[start] = Token("id", "static " + toks[start].text)


def renamed(toks, names, opaque):
    """The tokens with names replaced, but for those of members."""
    out = list(toks)
    skip, kinds, before, words = set(), [], ["", ""], []
    for i, (kind, text) in enumerate(toks):
        if kind == "directive":
            match = ctext.DEFINE.match(text)
            if match:
                name = names.get(match.group(2), match.group(2))
                body = renamed(ctext.tokens(text[match.end():]), names, opaque)
                out[i] = Token(kind, match.group(1) + name + (match.group(3) or "") + ctext.text_of(body))
            elif not re.match(r"[ \t]*#[ \t]*(include|pragma|error)", text):
                out[i] = Token(kind, re.sub(r"\b[A-Za-z_]\w*", lambda m: names.get(m.group(), m.group()), text))
            continue
        if kind in ctext.BLANK:
            continue
        after = next_text(toks, i)
        if kind == "id":
            if text in opaque and after == "(":
                ranges, _ = ctext.arguments(toks, next_at(toks, i))
                for at, (begin, end) in enumerate(ranges or []):
                    inner = [j for j in range(begin, end) if toks[j].kind not in ctext.BLANK]
                    if at in opaque[text] and len(inner) == 1:
                        skip.add(inner[0])
            member = before[-1] in (".", "->") or (
                kinds and kinds[-1] == "struct" and before[-1] not in ("struct", "union", "enum") and
                (after in (";", ",", "[", ":") and before[-1] != ":" or before[-2:] == ["(", "*"]))
            if text in names and not member and i not in skip:
                out[i] = Token(kind, names[text])
        elif text in ctext.OPEN:
            is_struct = text == "{" and any(w in ("struct", "union") for w in words[-2:])
            kinds.append("struct" if is_struct else text)
        elif text in ctext.CLOSE and kinds:
            kinds.pop()
        before = before[-1:] + [text]
        words = words[-1:] + [text]
    return out


def members(toks):
    """The names that follow a . or ->."""
    found, before = set(), ""
    for kind, text in toks:
        if kind == "directive":
            match = ctext.DEFINE.match(text)
            found |= members(ctext.tokens(text[match.end():])) if match else set()
        elif kind not in ctext.BLANK:
            if kind == "id" and before in (".", "->"):
                found.add(text)
            before = text
    return found


def handed(toks, opaque, plain):
    """The names handed to macros that both paste them and use them as they are."""
    found = set()
    for i, (kind, text) in enumerate(toks):
        if kind == "id" and opaque.get(text, set()) & plain.get(text, set()) and next_text(toks, i) == "(":
            ranges, _ = ctext.arguments(toks, next_at(toks, i))
            for at, (begin, end) in enumerate(ranges or []):
                inner = [t.text for t in toks[begin:end] if t.kind not in ctext.BLANK]
                if at in opaque[text] & plain[text] and len(inner) == 1:
                    found.add(inner[0])
    return found
