"""Text -> syntax tree or a typed verdict; parsed once, never run, never a crash or a hang."""

import ast
import re
import sys
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from processors.syntax.newer_syntax import downgrade

SyntaxKind = Literal["broken", "newer_syntax", "too_deep", "too_large", "bad_text", "empty"]

MAX_SOURCE_CHARS = 1_200_000
# CPython's parser bounds brackets (200), indentation (100) and its own depth, but how deep the C
# stack really is differs between versions, platforms and threads. No program comes near this.
MAX_OPERATORS_IN_A_ROW = 1_500

# warnings.catch_warnings changes the whole process; two threads inside it restore each other's
# state. The parser holds the interpreter's lock anyway, so nobody waits longer for this one.
_WARNINGS_LOCK = threading.Lock()

_KEPT_CHARS = 50_000  # a tree takes up to 100 times the room of its text
_SEPARATORS = re.compile(r"[,;:]|\n(?=\S)")
_OPERATORS = re.compile(r"[-+*/%~.(\[{<>=@&|^]|\b(?:not|lambda|if|and|or|await|in|is)\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """What the parser made of a text.

    tree: of the text itself; for kind "newer_syntax" of its rewriting in older syntax, good
    for names but not for positions; None where nothing could be parsed.
    """

    tree: ast.Module | None
    error: str | None = None
    line: int | None = None
    kind: SyntaxKind | None = None

    @property
    def is_valid(self) -> bool:
        return self.kind is None


def parse_python(text: str) -> Parsed:
    """Return the tree of the text, or why there is none; nobody may change the tree."""
    if not text.strip():
        return Parsed(tree=None, error="there is no code", kind="empty")
    if len(text) > MAX_SOURCE_CHARS:
        return Parsed(
            tree=None, error=f"more than {MAX_SOURCE_CHARS:,} characters", kind="too_large"
        )
    if "\0" in text:
        return Parsed(tree=None, error="the code holds a NUL character", kind="bad_text")
    return _parse_known_text(text) if len(text) <= _KEPT_CHARS else _parse_text(text)


def _parse_text(text: str) -> Parsed:
    if _is_too_deep(text):
        return Parsed(tree=None, error="nested too deeply", kind="too_deep")
    parsed = _parse(text)
    if parsed.kind == "broken" and (older := downgrade(text)) is not None:
        rewritten = _parse(older)
        if rewritten.is_valid:
            return Parsed(
                tree=rewritten.tree, error=parsed.error, line=parsed.line, kind="newer_syntax"
            )
    return parsed


# Extraction, the check for its name and the verdict on it read the same code one after another.
_parse_known_text = lru_cache(maxsize=2)(_parse_text)


def _parse(text: str) -> Parsed:
    try:
        with _WARNINGS_LOCK, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Parsed(tree=ast.parse(text))
    except SyntaxError as error:
        kind: SyntaxKind = "too_deep" if error.msg.startswith("too many") else "broken"
        return Parsed(tree=None, error=error.msg, line=error.lineno, kind=kind)
    except ValueError as error:  # half a surrogate pair
        return Parsed(tree=None, error=_one_line(error), kind="bad_text")
    except (RecursionError, MemoryError):
        return Parsed(tree=None, error="nested too deeply", kind="too_deep")


def _one_line(error: Exception) -> str:
    return str(error).encode("ascii", "backslashreplace").decode("ascii")


def _is_too_deep(text: str) -> bool:
    """Return whether one expression in the text is a chain of absurd length; linear."""
    if max(map(len, text.split(","))) < 2 * MAX_OPERATORS_IN_A_ROW:
        return False
    longest = max(_SEPARATORS.split(text), key=len)
    return len(_OPERATORS.findall(longest)) > MAX_OPERATORS_IN_A_ROW


def top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements that run in the module's own scope, also inside if, try and with."""
    todo = body[::-1]
    while todo:
        statement = todo.pop()
        yield statement
        todo += reversed(_inside(statement))


def _inside(statement: ast.stmt) -> list[ast.stmt]:
    """Return the statements that one holds in its own scope."""
    match statement:
        case ast.If() | ast.For() | ast.While() | ast.AsyncFor():
            return statement.body + statement.orelse
        case ast.With() | ast.AsyncWith():
            return statement.body
        case ast.Try() | ast.TryStar():
            handlers = [inner for handler in statement.handlers for inner in handler.body]
            return statement.body + handlers + statement.orelse + statement.finalbody
        case ast.Match():
            return [inner for case in statement.cases for inner in case.body]
        case _:
            return []


def bound_names(statement: ast.stmt) -> Iterator[str]:
    """Yield the names that one statement defines: function, class, assignment, type alias."""
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.Assign(targets=targets):
            for target in targets:
                yield from target_names(target)
        case ast.AnnAssign(target=target, value=ast.expr()):
            yield from target_names(target)
        case ast.For(target=target) | ast.AsyncFor(target=target) | ast.AugAssign(target=target):
            yield from target_names(target)
        case _ if type(statement).__name__ == "TypeAlias":  # 3.12
            yield from (
                node.id
                for node in ast.walk(statement)
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
            )
        case _:
            pass


def target_names(target: ast.expr) -> Iterator[str]:
    """Yield the plain names in an assignment's target."""
    todo = [target]
    while todo:
        match todo.pop():
            case ast.Name(id=name):
                yield name
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                todo += reversed(parts)
            case ast.Starred(value=value):
                todo.append(value)
            case _:
                pass


def imported_names(statement: ast.stmt) -> Iterator[tuple[str, str]]:
    """Yield (name bound, module it comes from) for one import statement."""
    match statement:
        case ast.Import(names=aliases):
            for alias in aliases:
                yield alias.asname or alias.name.partition(".")[0], alias.name
        case ast.ImportFrom(names=aliases, module=module, level=level):
            for alias in aliases:
                yield alias.asname or alias.name, "." * level + (module or "")
        case _:
            pass


def defined_names(tree: ast.Module) -> list[str]:
    """Return the names that the module defines at top level, in order, each once."""
    names = (name for statement in top_level(tree.body) for name in bound_names(statement))
    return list(dict.fromkeys(names))


def is_standard(module: str) -> bool:
    """Return whether a module is part of the standard library."""
    return module.partition(".")[0] in sys.stdlib_module_names
