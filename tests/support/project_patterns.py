"""Every regular expression of the project: whatever hides one from this list is an error.

Patterns are found as objects in the modules, wherever they are kept, and as literals in calls of
re inside functions. A function that compiles what it is given may only be called at import.
"""

import ast
import importlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
_NOT_THE_PROJECT = {"tests", "benchmarks", "docs", "dataset", "generated", "venv"}
_CALLS = {"compile", "match", "search", "fullmatch", "findall", "finditer", "split", "sub", "subn"}
_FILLED_IN = "name"  # what stands in an f-string's fields


def project_files() -> list[Path]:
    """Return the files of every folder of code."""
    folders = [
        folder
        for folder in sorted(ROOT.iterdir())
        if folder.is_dir() and folder.name not in _NOT_THE_PROJECT and folder.name[0] != "."
    ]
    return [file for folder in folders for file in sorted(folder.rglob("*.py"))]


def project_patterns() -> dict[str, re.Pattern[str]]:
    """Return where it stands -> pattern."""
    found: dict[str, re.Pattern[str]] = {}
    for file in project_files():
        place = file.relative_to(ROOT).as_posix()
        module = importlib.import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))
        found |= _kept_in(module, place)
        found |= _written_in(ast.parse(file.read_text(encoding="utf-8")), place)
    return found


def _kept_in(module: ModuleType, place: str) -> dict[str, re.Pattern[str]]:
    return {
        f"{place} {name}": pattern
        for key, value in vars(module).items()
        for name, pattern in _patterns_of(value, key, 4)
    }


def _patterns_of(value: object, name: str, depth: int) -> Iterator[tuple[str, re.Pattern[str]]]:
    if isinstance(value, re.Pattern):
        yield name, _for_text(value)
    elif isinstance(value, Mapping) and depth:
        for key, part in value.items():
            yield from _patterns_of(part, f"{name}[{key!r}]", depth - 1)
    elif isinstance(value, list | tuple | set | frozenset) and depth:
        for number, part in enumerate(value):
            yield from _patterns_of(part, f"{name}[{number}]", depth - 1)
    elif isinstance(value, type) and depth:
        for key, part in vars(value).items():
            yield from _patterns_of(part, f"{name}.{key}", 1)


def _for_text(pattern: re.Pattern[str] | re.Pattern[bytes]) -> re.Pattern[str]:
    """Return a pattern of bytes as the same one of text, which takes the same steps."""
    if isinstance(pattern.pattern, bytes):
        return re.compile(pattern.pattern.decode("latin-1"), pattern.flags | re.ASCII)
    return re.compile(pattern.pattern, pattern.flags)


def _written_in(tree: ast.Module, place: str) -> dict[str, re.Pattern[str]]:
    """Return the patterns of calls inside functions; those at import are kept somewhere."""
    found: dict[str, re.Pattern[str]] = {}
    for function in _functions(tree):
        for call in _calls_of_re(function):
            text = _literal(call.args[0])
            if text is not None:
                found[f"{place}:{call.lineno}"] = re.compile(text, _flags(call))
            elif _is_called_later(function.name, tree):
                raise AssertionError(f"{place}:{call.lineno}: a pattern that no test can see")
    return found


def _functions(tree: ast.Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def _calls_of_re(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="re"), attr=attr)):
                if attr in _CALLS:
                    yield node
            case _:
                pass


def _literal(node: ast.expr) -> str | None:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            texts = [_literal(part) for part in parts]
            return "".join(_FILLED_IN if text is None else text for text in texts)
        case _:
            return None


def _flags(call: ast.Call) -> int:
    """Return the flags of a call: the last argument, where that is made of names in re."""
    given = [*call.args[1:], *(part.value for part in call.keywords if part.arg == "flags")]
    for node in given:
        if {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)} == {"re"}:
            return int(eval(ast.unparse(node), {"re": re}))
    return 0


def _is_called_later(name: str, tree: ast.Module) -> bool:
    """Return whether a function of the module, not the module itself, calls the function."""
    return any(
        isinstance(node, ast.Name) and node.id == name
        for function in _functions(tree)
        for node in ast.walk(function)
    )
