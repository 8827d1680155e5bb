"""Code in the syntax of Python 3.12 to 3.14 -> the same statements as an older parser reads them.

Only to tell newer code from broken code, and to see which names it defines: text that parses
after exactly these rewritings, and not before, is newer. The result is never stored.
"""

import re

# PEP 695: def f[T](x), class A[T]:, type X[T] = ... ; PEP 696 adds defaults inside the brackets.
_GENERIC = re.compile(r"^([ \t]*(?:(?:async[ \t]+)?def|class)[ \t]+\w+)[ \t]*(?=\[)", re.M)
_ALIAS = re.compile(r"^([ \t]*)type[ \t]+(\w+)[ \t]*(?=[\[=])", re.M)
# PEP 758: except A, B: without parentheses. Python 2 wrote "except A, error:" for what is now
# "as": a second name in lower case is that.
_EXCEPT = re.compile(
    r"^([ \t]*except\*?[ \t]+)((?:[\w.]+[ \t]*,[ \t]*)+(?:\w+\.)*[A-Z]\w*)[ \t]*:", re.M
)
# PEP 750: t"..."
_TEMPLATE = re.compile(r"(?<![\w\"'])(?:t|tr|rt|T|Tr|tR|TR|rT|Rt|RT)(?=[\"'])")
# PEP 701: any expression inside an f-string's braces
_FORMATTED = re.compile(r"(?<![\w\"'])(?:f|rf|fr|t|rt|tr)(\"\"\"|'''|\"|')", re.I)
_SQUARE_BRACKET = re.compile(r"[\[\]]")
# Bounds that keep the scan linear in hostile text.
_MAX_DEPTH = 20
_MAX_FIELD = 5_000
_MAX_FAILURES = 20


def downgrade(text: str) -> str | None:
    """Return the text in older syntax, or None where it holds nothing newer."""
    older = _without_brackets_after(_GENERIC, r"\1", text)
    older = _without_brackets_after(_ALIAS, r"\1\2", older)
    older = _EXCEPT.sub(r"\1(\2):", older)
    older = _plain_strings(older)
    older = _TEMPLATE.sub("f", older)
    return None if older == text else older


def _without_brackets_after(pattern: re.Pattern[str], keep: str, text: str) -> str:
    parts, position, failures = [], 0, 0
    for match in pattern.finditer(text):
        end = _bracket_end(text, match.end())
        failures += end is None
        if failures > _MAX_FAILURES:
            break
        if match.start() >= position and end is not None:
            parts += [text[position : match.start()], match.expand(keep)]
            position = end
    return "".join([*parts, text[position:]])


def _bracket_end(text: str, start: int) -> int | None:
    """Return where the bracket ends that opens at the place; the place where none opens."""
    if not text.startswith("[", start):
        return start
    depth = 0
    for match in _SQUARE_BRACKET.finditer(text, start, start + _MAX_FIELD):
        depth += 1 if match[0] == "[" else -1
        if depth == 0:
            return match.end()
    return None


def _plain_strings(text: str) -> str:
    """Return the text with each f-string that only 3.12 reads replaced by an empty string."""
    parts, position, failures = [], 0, 0
    for match in _FORMATTED.finditer(text):
        if match.start() < position:
            continue
        limit = min(len(text), match.end() + _MAX_FIELD)
        end, is_newer = _string_end(text, match.end(), limit, match[1], 0)
        failures += end is None
        if failures > _MAX_FAILURES:
            break
        if end is not None and is_newer:
            parts += [text[position : match.start()], '""']
            position = end
    return "".join([*parts, text[position:]])


def _string_end(
    text: str, start: int, limit: int, quote: str, depth: int
) -> tuple[int | None, bool]:
    """Return where the f-string ends, None if it does not, and whether it needs PEP 701."""
    position, is_newer = start, False
    while position < limit and depth < _MAX_DEPTH:
        if text.startswith(quote, position, limit):
            return position + len(quote), is_newer
        if text[position] == "\n" and len(quote) == 1:
            return None, False
        if text[position] == "\\" or text.startswith("{{", position, limit):
            position += 2
        elif text[position] == "{":
            end, newer_inside = _field_end(text, position + 1, limit, quote, depth)
            if end is None:
                return None, False
            position, is_newer = end, is_newer or newer_inside
        else:
            position += 1
    return None, False


def _field_end(
    text: str, start: int, limit: int, quote: str, depth: int
) -> tuple[int | None, bool]:
    """Return where the replacement field ends, and whether it holds what 3.11 refuses there."""
    position, braces, is_newer = start, 1, False
    while position < limit:
        character = text[position]
        if character in "\"'":
            mark = character * 3 if text.startswith(character * 3, position, limit) else character
            end = _string_end(text, position + len(mark), limit, mark, depth + 1)[0]
            if end is None:
                return None, False
            is_newer |= character == quote[0] or "\\" in text[position:end]
            position = end
            continue
        is_newer |= character in "\\#" or (character == "\n" and len(quote) == 1)
        braces += {"{": 1, "}": -1}.get(character, 0)
        position += 1
        if braces == 0:
            return position, is_newer
    return None, False
