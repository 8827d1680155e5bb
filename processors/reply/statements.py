"""Lines of code -> the statements worth keeping: whole, complete, and no mere use of the code."""

import ast
import builtins
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from processors.reply.reply_text import Line
from processors.syntax.python_source import (
    Parsed,
    imported_names,
    parse_python,
)

_FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef
_DEFINITIONS = _FUNCTIONS | ast.ClassDef
_BODIES = _DEFINITIONS | ast.If | ast.For | ast.While | ast.AsyncFor | ast.With | ast.AsyncWith
_CONTINUES = re.compile(r"(?:else|elif|except|finally)\b|[)\]}]")
_OPENS = re.compile(r"(?:async\s+)?(?:def|class)\s+(\w+)|@|import\s|from\s+[\w.]+\s+import\b")
_COMPOUND = re.compile(r"(?:async|def|class|if|for|while|with|try|match|@)\b|@")
_TOKEN = re.compile(
    r"\"\"\"|'''|\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|#.*|[(\[{]|[)\]}]|\\.", re.DOTALL
)


class Parser:
    """A parser that stops at a bounded amount of text, so that a reply's cost is linear."""

    def __init__(self, characters: int, calls: int) -> None:
        self._characters = characters
        self._calls = calls

    def has_room(self, characters: int) -> bool:
        """Return whether a text of this length would be read."""
        return characters <= self._characters and self._calls > 0

    def parse(self, text: str) -> Parsed:
        """Return the parsed text; kind "too_large" once the reply's share is used up."""
        if not self.has_room(len(text)):
            return Parsed(tree=None, error="too much code in one reply", kind="too_large")
        self._characters -= len(text)
        self._calls -= 1
        return parse_python(text)


def code_of(lines: Sequence[Line]) -> str:
    """Return the lines as text."""
    return "\n".join(line.text for line in lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statements:
    """What is whole in code that does not parse.

    broken_names: the functions and classes whose own text is broken.
    broken_cues: the comments that introduce them.
    is_cut: the last statement stops before its end.
    """

    lines: tuple[Line, ...]
    broken_names: tuple[str, ...]
    broken_cues: tuple[str, ...]
    is_cut: bool


def complete_statements(
    lines: Sequence[Line], parser: Parser, *, ends_cut: bool = False
) -> Statements:
    """Return the top-level statements that parse by themselves, none of them shortened.

    ends_cut: the reply stopped in the last line, so its statement is none, though it may parse.
    """
    if ends_cut and lines[-1].text.startswith("#"):  # what stands before it is whole
        lines, ends_cut = lines[:-1], False
    chunks = list(statement_chunks(lines))
    whole: list[bool] = []
    for number, chunk in enumerate(chunks, start=1):
        parsed = parser.parse(code_of(chunk))
        is_whole = parsed.kind in (None, "empty", "newer_syntax")
        if number == len(chunks) and parsed.tree is not None:
            is_whole = not (ends_cut or stops_in_mid_word(parsed.tree))
        if not is_whole and whole and _continues_the_one_before(chunk, parser):
            whole[-1] = False
        whole.append(is_whole)
    kept = [
        line for chunk, is_whole in zip(chunks, whole, strict=True) if is_whole for line in chunk
    ]
    broken = [chunk for chunk, is_whole in zip(chunks, whole, strict=True) if not is_whole]
    return Statements(
        lines=tuple(kept),
        broken_names=tuple(name for chunk in broken for name in _names_opened(chunk)),
        broken_cues=tuple(_opening_comments(chunk) for chunk in broken),
        is_cut=bool(whole) and not whole[-1] and _is_cut(chunks[-1]),
    )


def stops_in_mid_word(tree: ast.Module) -> bool:
    """Return whether a body's last line is a bare name: `self.items.app`, cut off there.

    A function that has no more than its docstring is cut off as well.
    """
    body: list[ast.stmt] = tree.body
    depth = 0
    while body and isinstance(body[-1], _BODIES):
        last = body[-1]
        if isinstance(last, _FUNCTIONS) and len(last.body) == 1 and _is_text(last.body[0]):
            return True
        later = [] if isinstance(last, _DEFINITIONS | ast.With | ast.AsyncWith) else last.orelse
        body, depth = later or last.body, depth + 1
    match body[-1] if body else None:
        case ast.Expr(value=ast.Name() | ast.Attribute()):
            return depth > 0
        case _:
            return False


def _is_text(statement: ast.stmt) -> bool:
    """Return whether the statement is a docstring that is more than one blank line."""
    match statement:
        case ast.Expr(value=ast.Constant(value=str(text))):
            first, _, rest = text.partition("\n")
            return bool(first.strip() or rest.strip("\n"))
        case _:
            return False


def _is_cut(chunk: Sequence[Line]) -> bool:
    quote, depth = "", 0
    for line in chunk:
        quote, depth = scan_line(line.text, quote, depth)
    text = code_of(chunk).strip()
    opens = any(_OPENS.match(line.text) for line in chunk)
    return bool(quote or depth or opens) or text.endswith((":", "=", ",", "\\"))


def _opening_comments(chunk: Sequence[Line]) -> str:
    comments = takewhile(lambda line: line.text.startswith("#"), chunk)
    return "\n".join(line.text.lstrip("# ") for line in comments)


def _names_opened(chunk: Sequence[Line]) -> Iterator[str]:
    for line in chunk:
        if (match := _OPENS.match(line.text)) and match[1]:
            yield match[1]


def _continues_the_one_before(chunk: Sequence[Line], parser: Parser) -> bool:
    """Return whether the chunk is a line of prose and then more of the body above it."""
    first, *rest = [line for line in chunk if line.text.strip()] or [Line("", 0, 0)]
    if not rest or _COMPOUND.match(first.text):
        return False
    return parser.parse("if 1:\n" + code_of(rest)).is_valid


def statement_chunks(lines: Sequence[Line]) -> Iterator[list[Line]]:
    """Yield each statement at the margin with the lines that belong to it."""
    chunk: list[Line] = []
    comments: list[Line] = []
    quote, depth, after_decorator = "", 0, False
    for line in lines:
        text = line.text
        if not quote and text.startswith("#"):
            comments.append(line)
            continue
        at_margin = bool(text) and not text[0].isspace()
        if not quote and depth and at_margin and _OPENS.match(text):
            depth = 0  # no such line stands inside brackets: they were never closed
        starts = at_margin and not quote and not depth and not _CONTINUES.match(text)
        if starts and not after_decorator and chunk:
            yield chunk
            chunk = []
        chunk += [*comments, line]
        comments = []
        if starts or not text.strip():
            after_decorator = (after_decorator and not text.strip()) or text.startswith("@")
        quote, depth = scan_line(text, quote, depth)
        if text.endswith("\\") and not quote:
            depth = max(depth, 0)
    if chunk or comments:
        yield chunk + comments


def scan_line(text: str, quote: str, depth: int) -> tuple[str, int]:
    """Return the triple quote and the number of brackets that are open after the line."""
    place = 0
    while True:
        if quote:
            place = _quote_end(text, quote, place)
            if place < 0:
                return quote, depth
            quote = ""
        match = _TOKEN.search(text, place)
        if match is None or match[0].startswith("#"):
            return "", depth
        place = match.end()
        if match[0] in ('"""', "'''"):
            quote = match[0]
        elif match[0] in "([{":
            depth += 1
        elif match[0] in ")]}":
            depth = max(0, depth - 1)


def _quote_end(text: str, quote: str, place: int) -> int:
    while (place := text.find(quote, place)) >= 0:
        slashes = place
        while slashes and text[slashes - 1] == "\\":
            slashes -= 1
        if (place - slashes) % 2 == 0:
            return place + 3
        place += 1
    return -1


def missing_names(tree: ast.Module) -> set[str]:
    """Return the names that the module reads and nothing in it binds, built-ins aside."""
    read: set[str] = set()
    bound: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                read.add(name)
            case ast.Name(id=name) | ast.arg(arg=name) | ast.ExceptHandler(name=str(name)):
                bound.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                bound.add(name)
            case (
                ast.ClassDef(name=name)
                | ast.MatchAs(name=str(name))
                | ast.MatchStar(name=str(name))
            ):
                bound.add(name)
            case ast.MatchMapping(rest=str(name)):
                bound.add(name)
            case ast.Import() | ast.ImportFrom():
                bound.update(name for name, _ in imported_names(node))
            case _ if type(node).__name__ in ("TypeVar", "TypeVarTuple", "ParamSpec"):
                bound.update(value for field, value in ast.iter_fields(node) if field == "name")
            case _:
                pass
    return read - bound - set(dir(builtins)) - {"__file__", "__doc__"}
