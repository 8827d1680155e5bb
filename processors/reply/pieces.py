"""Lines that may be code -> pieces of code, read in whichever way makes them parse."""

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from processors.reply.reply_text import Line
from processors.reply.statements import Parser, code_of
from processors.syntax.python_source import (
    Parsed,
    defined_names,
    imported_names,
    is_standard,
    top_level,
)

Method = Literal[
    "fence",
    "joined_fences",
    "unclosed_fence",
    "tags",
    "json",
    "repl",
    "diff",
    "bare",
    "inline",
    "statements",
    "llm",
    "none",
]

_LABEL_LINE = re.compile(r"\A\s*+(?:python[\d.]*+|py|copy code|copy|code:)\s*+\Z", re.I)
_PROMPT = re.compile(r"\A\s*+(?:>>>|\.\.\.|In ?\[\d*+\]:|\.{3,}+:)(?: |$)")
_FIRST_PROMPT = re.compile(r"\A\s*+(?:>>>|In ?\[\d*+\]:)(?: |$)")
_NUMBERED = re.compile(r"\A\s*+(\d{1,5})(?:[:|.)]|\s?\|)?(?: |\t|$)")
_OPENS = re.compile(r"(?:async\s+def|def|class)\s+\w+\s*[(:\[]")
_INVISIBLE = re.compile(r"[\u200b\u200c\u200d\u2060\ufeff\u00ad]")
_ODD_BLANK = re.compile(r"[\u00a0\u2007\u202f\u3000]")
_END_MARK = re.compile(r"(?<=[^\s`])\s*`{3,}\s*\Z")
_SPECIAL = re.compile(r"<\|[a-z_]+\|>|</?s>|\[/?INST\]", re.I)
_UNSEEN = re.compile("|".join(p.pattern for p in (_INVISIBLE, _ODD_BLANK, _SPECIAL)), re.I)


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One stretch of the answer that may be code.

    place: where it stands in the answer, fences included. names: what it defines at top level.
    cue: the words that introduce it. rank: 2 called Python, 1 not called anything, 0 called
    something else. margin: the blanks that were taken from the front of every line.
    ends_cut: the reply stopped inside its last line. size: of the code, in characters.
    """

    lines: tuple[Line, ...]
    method: Method
    parsed: Parsed
    names: frozenset[str]
    place: tuple[int, int]
    cue: str = ""
    rank: int = 1
    is_closed: bool = True
    margin: str = ""
    ends_cut: bool = False
    size: int = 0

    @property
    def code(self) -> str:
        return code_of(self.lines)

    @property
    def is_readable(self) -> bool:
        return self.parsed.tree is not None

    @property
    def tree(self) -> ast.Module:
        assert self.parsed.tree is not None
        return self.parsed.tree


def read_piece(
    lines: Sequence[Line],
    method: Method,
    parser: Parser,
    place: tuple[int, int],
    *,
    rank: int = 1,
    cue: str = "",
    is_closed: bool = True,
) -> Piece:
    """Return the lines as a piece, in the first reading that parses, else as they are.

    Once the parser has read its share of the reply, there is no second reading.
    """
    first: tuple[tuple[Line, ...], Method, Parsed, int] | None = None
    for reading, as_method in _readings(lines, method):
        code = code_of(reading)
        parsed = parser.parse(code)
        found = (reading, as_method, parsed, len(code))
        first = first or found
        if parsed.tree is not None:
            first = found
        if parsed.tree is not None or parsed.kind == "too_large":
            break
    assert first is not None
    tree = first[2].tree
    return Piece(
        lines=first[0],
        method=first[1],
        parsed=first[2],
        names=frozenset(names_of(tree)) if tree is not None else frozenset(),
        place=place,
        rank=rank,
        cue=cue,
        is_closed=is_closed,
        margin=_margin(trimmed(lines)),
        size=first[3],
    )


def names_of(tree: ast.Module) -> list[str]:
    """Return what a module defines; an import from the standard library under a name counts."""
    imported = [
        name
        for statement in top_level(tree.body)
        if isinstance(statement, ast.ImportFrom)
        for name, module in imported_names(statement)
        if is_standard(module)
    ]
    return [*defined_names(tree), *imported]


def _readings(lines: Sequence[Line], method: Method) -> Iterator[tuple[tuple[Line, ...], Method]]:
    lines = trimmed(lines)
    if len(lines) > 1 and _LABEL_LINE.match(lines[0].text):
        lines = trimmed(lines[1:])
    yield tuple(lines), method
    as_written = lines
    if _is_session(lines):
        yield tuple(_session(lines)), "repl"
    if lines and lines[0].text[:1].isspace():
        lines = _dedented(lines)
        yield tuple(lines), method
    if (ended := _up_to_end_mark(lines)) is not None:
        lines = ended
        yield tuple(lines), method
    if _UNSEEN.search(code_of(lines)):
        lines = [line.reading(_visible(line.text)) for line in lines]
        yield tuple(lines), method
    if (numbered := _without_numbers(as_written)) is not None:
        yield tuple(_dedented(numbered)), method
    if (added := _added_lines(as_written)) is not None:
        yield tuple(added), "diff"


def trimmed(lines: Sequence[Line]) -> list[Line]:
    """Return the lines without blank ones at their ends, or blanks at the very end."""
    first, last = 0, len(lines)
    while first < last and not lines[first].text.strip():
        first += 1
    while last > first and not lines[last - 1].text.strip():
        last -= 1
    kept = list(lines[first:last])
    if kept and kept[-1].text != kept[-1].text.rstrip():
        kept[-1] = kept[-1].reading(kept[-1].text.rstrip())
    return kept


def _visible(text: str) -> str:
    return _SPECIAL.sub("", _ODD_BLANK.sub(" ", _INVISIBLE.sub("", text)))


def _is_session(lines: Sequence[Line]) -> bool:
    """Return whether the lines hold prompts, and no definition outside of them: a docstring's."""
    return any(_FIRST_PROMPT.match(line.text) for line in lines) and not any(
        _OPENS.match(line.text) for line in lines
    )


def _session(lines: Sequence[Line]) -> Iterator[Line]:
    """Yield what was typed in an interactive session, without prompts and without output."""
    typing = False
    for line in lines:
        match = _PROMPT.match(line.text)
        is_first = _FIRST_PROMPT.match(line.text) is not None
        if match and (is_first or typing):
            typing = True
            yield line.reading(line.text[match.end() :])
        else:
            typing = typing and not line.text.strip()


def _margin(lines: Sequence[Line]) -> str:
    if not lines:
        return ""
    first = lines[0].text
    return first[: len(first) - len(first.lstrip())]


def _dedented(lines: Sequence[Line]) -> list[Line]:
    """Return the lines without the first line's margin; lines with less keep none."""
    first = lines[0].text
    margin = len(first) - len(first.lstrip())
    shortest = min(
        (len(line.text) - len(line.text.lstrip()) for line in lines if line.text.strip()), default=0
    )
    if shortest < margin:
        return [lines[0].reading(first.lstrip()), *lines[1:]]
    return [line.reading(line.text[margin:]) for line in lines]


def _up_to_end_mark(lines: Sequence[Line]) -> list[Line] | None:
    """Return the lines up to a closing fence that stands behind the last line of code."""
    for number, line in enumerate(lines):
        if match := _END_MARK.search(line.text):
            return [*lines[:number], line.reading(line.text[: match.start()])]
    return None


def _without_numbers(lines: Sequence[Line]) -> list[Line] | None:
    """Return the lines without the numbers that a listing puts before them."""
    stripped: list[Line] = []
    expected: int | None = None
    for line in lines:
        match = _NUMBERED.match(line.text)
        if match is None or (expected is not None and int(match[1]) != expected):
            return None
        expected = int(match[1]) + 1
        stripped.append(line.reading(line.text[match.end() :]))
    return stripped if len(stripped) > 1 else None


def _added_lines(lines: Sequence[Line]) -> list[Line] | None:
    """Return the file that a diff makes, where the diff shows all of it in one piece."""
    added: list[Line] = []
    hunks = 0
    for line in lines:
        text = line.text
        if text.startswith(("+++", "---", "diff ", "index ", "new file", "\\ No newline")):
            continue
        if text.startswith("@@"):
            hunks += 1
        elif text.startswith(("+", " ")) or not text:
            added.append(line.reading(text[1:]))
        elif not text.startswith("-"):
            return None
    signs = any(line.text.startswith("+") for line in lines)
    return added if signs and hunks <= 1 else None
