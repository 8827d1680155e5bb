"""Code that an LLM copied out of a reply -> what it changed; nothing, if it may count."""

import ast
import html
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property

from processors.reply.pieces import names_of
from processors.reply.reply_text import Line
from processors.reply.statements import statement_chunks
from processors.syntax.definitions import defines_anything
from processors.syntax.python_source import parse_python

# What layouts put before or behind a line of code: prompts, quotations, lists, diffs, numbers.
_BEFORE = re.compile(
    r"\A(?:>>>|\.\.\.|In ?\[\d*+\]:|\.{3,}+:|>|\+|[-*]|\d{1,5}[:|.)]?|\|)\s|\A(?:>>>|>|\+)(?=\S)"
)
# A run of backticks is looked at from its first one alone: a reply may be made of nothing else.
_BEHIND = re.compile(r"(?:(?<!`)`++|\\|\||<br ?/?>)$")
_INLINE = re.compile(r"(?<!`)`++([^`\n]+)`++")
_MAX_PLACES = 30


def what_is_wrong(code: str, reply: str, name: str | None) -> str | None:
    """Return why the code must not count as the reply's own, None if it may."""
    if not code.strip():
        return "there was no code in your answer"
    shown = _Reply(reply)
    places = shown.places
    for line in code.splitlines():
        if line.strip() and _folded(line) not in places:
            return f"this line does not stand in the reply: {line.strip()[:200]}"
    parsed = parse_python(code)
    if parsed.tree is None:
        return f"it does not parse: line {parsed.line}: {parsed.error}"
    if name is not None and name not in names_of(parsed.tree):
        return f"it does not define {name} at top level"
    if name is None and not defines_anything(parsed.tree):
        return "it defines no function and no class"
    return _left_out(code, shown)


def _folded(line: str) -> str:
    return " ".join(line.split())


def _readings(line: str) -> Iterator[str]:
    """Yield a reply's line as it is, and without the layout round it."""
    yield line
    bare = _BEHIND.sub("", line.rstrip())
    yield bare
    for _ in range(3):
        bare = bare.strip()
        match = _BEFORE.match(bare)
        if match is None:
            break
        bare = bare[match.end() :]
        yield bare
    yield from _INLINE.findall(line)


class _Reply:
    """The reply's lines.

    places: folded line -> the numbers of the lines that it may stand for.
    """

    def __init__(self, reply: str) -> None:
        self.lines = _lines(reply)
        self.places = _places(self.lines)

    @cached_property
    def _code(self) -> list[int]:
        return [number for number, line in enumerate(self.lines) if _is_code(line)]

    def code_between(self, first: int, last: int) -> str | None:
        """Return the first line of code between two lines, None if there is none."""
        if last - first < 2:
            return None
        index = bisect_right(self._code, first)
        number = self._code[index] if index < len(self._code) else last
        return self.lines[number] if number < last else None


def _places(lines: Sequence[str]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    for number, line in enumerate(lines):
        readings = {_folded(reading) for reading in _readings(line)}
        if "&" in line:
            readings |= {html.unescape(reading) for reading in readings}
        for reading in readings:
            places.setdefault(reading, []).append(number)
    return places


def _lines(reply: str) -> list[str]:
    lines = reply.splitlines()
    if "\\n" in reply:  # code inside a JSON string
        unescaped = reply.replace("\\n", "\n").replace('\\"', '"').replace("\\t", "\t")
        lines += unescaped.replace("\\\\", "\\").splitlines()
    return lines


def _left_out(code: str, reply: _Reply) -> str | None:
    """Return which line of code was skipped inside a statement: leaving one out changes it."""
    lines = [Line(text, -1, -1) for text in code.splitlines()]
    for chunk in statement_chunks(lines):
        texts = [_folded(line.text) for line in chunk if line.text.strip()]
        if not texts:
            continue
        skipped: str | None = ""
        for start in reply.places[texts[0]][-_MAX_PLACES:]:
            skipped = _skipped(texts, start, reply)
            if skipped is None:
                break
        if skipped is not None:
            return f"this line was left out, or lines changed places: {skipped.strip()[:200]}"
    return None


def _skipped(texts: Sequence[str], start: int, reply: _Reply) -> str | None:
    """Return the first line of code between two lines of a statement, None if there is none."""
    number = start
    for text in texts[1:]:
        later = reply.places[text]
        index = bisect_right(later, number)
        if index == len(later):
            return text
        line = reply.code_between(number, later[index])
        if line is not None:
            return line
        number = later[index]
    return None


def _is_code(line: str) -> bool:
    text = line.strip()
    if not text or text.startswith(("#", "```", "~~~")):
        return False
    parsed = parse_python(text + " pass" if text.endswith(":") else text)
    if parsed.tree is None:
        return text.startswith(("return", "else:", "elif ", "except", "finally:", "yield "))
    return not all(
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Name | ast.Constant | ast.Tuple)
        for node in parsed.tree.body
    )
