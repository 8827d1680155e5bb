"""Code -> a verdict in the record's shape: from one parse, and nothing is ever run."""

import ast
import sys
from collections import deque
from collections.abc import Iterator
from importlib.machinery import PathFinder
from typing import Literal

import msgspec

from processors.reply.pieces import names_of
from processors.syntax.compiler_rules import compiler_refusal
from processors.syntax.python_source import (
    Parsed,
    SyntaxKind,
    bound_names,
    defined_names,
    is_standard,
    parse_python,
    top_level,
)

ObjectKind = Literal["function", "class"]


_BLOCKS = ("body", "cases", "handlers", "orelse", "finalbody")  # where statements hold others
_PACKAGE_FOLDERS = ("site-packages", "dist-packages")


class SyntaxVerdict(msgspec.Struct, frozen=True):
    """Whether this Python can load the code.

    line: of the error, from 1. kind: "newer_syntax" is right in a later Python only;
    "too_deep" and "too_large" are beyond what is parsed; "bad_text" holds a NUL or half a
    surrogate pair.
    """

    is_valid: bool
    error: str | None = None
    line: int | None = None
    kind: SyntaxKind | None = None


class StructureVerdict(msgspec.Struct, frozen=True):
    """What the code defines in the module's own scope.

    has_expected_name: also true of an import of that name from the standard library.
    found_names: functions, classes, variables and type aliases; imports are not among them.
    expected_kind: what the expected name is; object_matches: that it is what was asked for,
    None where nothing was, or where only running the code would tell.
    """

    has_expected_name: bool
    found_names: list[str]
    expected_kind: Literal["function", "async function", "class", "value", "import"] | None = None
    object_matches: bool | None = None


class ImportsVerdict(msgspec.Struct, frozen=True):
    """What the code imports, anywhere in it.

    from_imports: "module.name" for each name of a from-import. modules: every module imported
    from. standard_library, third_party: their top-level packages; not_installed: those of
    third_party that this Python cannot find.
    """

    has_imports: bool
    from_imports: list[str]
    modules: list[str]
    standard_library: list[str]
    third_party: list[str]
    not_installed: list[str]


class Validation(msgspec.Struct, frozen=True):
    """The verdict on one solution; code_length in characters."""

    is_fully_valid: bool
    syntax: SyntaxVerdict
    structure: StructureVerdict
    imports: ImportsVerdict
    code_length: int
    line_count: int


class ResponseValidator:
    """Judges extracted code."""

    def validate(
        self,
        code: str,
        expected_name: str | None,
        expected_object: ObjectKind | None = None,
    ) -> Validation:
        """Return the verdict; fully valid: it loads, and defines what was asked for.

        Without an expected name every name will do, as long as there is one.
        """
        parsed = parse_python(code)
        syntax = _syntax(parsed)
        tree = parsed.tree if parsed.tree is not None else ast.Module([], [])
        structure = _structure(tree, expected_name, expected_object)
        is_answer = structure.has_expected_name and structure.object_matches is not False
        return Validation(
            is_fully_valid=syntax.is_valid and is_answer,
            syntax=syntax,
            structure=structure,
            imports=_imports(tree),
            code_length=len(code),
            line_count=len(code.splitlines()),
        )


def _syntax(parsed: Parsed) -> SyntaxVerdict:
    if not parsed.is_valid or parsed.tree is None:
        return SyntaxVerdict(False, parsed.error, parsed.line, parsed.kind)
    refused = compiler_refusal(parsed.tree)
    if refused is not None:
        return SyntaxVerdict(False, refused[0], refused[1], "broken")
    return SyntaxVerdict(True)


def _structure(
    tree: ast.Module, name: str | None, expected_object: ObjectKind | None
) -> StructureVerdict:
    found = defined_names(tree)
    if name is None:
        return StructureVerdict(has_expected_name=bool(found), found_names=found)
    kind = _kind(tree, name)
    return StructureVerdict(
        has_expected_name=kind is not None,
        found_names=found,
        expected_kind=kind,
        object_matches=_matches(kind, expected_object),
    )


_Kind = Literal["function", "async function", "class", "value", "import"]


def _kind(tree: ast.Module, name: str) -> _Kind | None:
    """Return what the name is bound to last."""
    kind: _Kind | None = "import" if name in names_of(tree) else None
    for node in top_level(tree.body):
        if name not in bound_names(node):
            continue
        match node:
            case ast.ClassDef():
                kind = "class"
            case (
                ast.FunctionDef()
                | ast.Assign(value=ast.Lambda())
                | ast.AnnAssign(value=ast.Lambda())
            ):
                kind = "function"
            case ast.AsyncFunctionDef():
                kind = "async function"
            case _:
                kind = "value"
    return kind


def _matches(kind: _Kind | None, expected: ObjectKind | None) -> bool | None:
    """Return whether the kind is the expected one; a call's value may be either."""
    if expected is None or kind in (None, "value", "import"):
        return None
    return (kind == "class") == (expected == "class")


def _imports(tree: ast.Module) -> ImportsVerdict:
    found = list(_imported(tree))
    modules = sorted({module for module, _ in found})
    packages = sorted(
        {module.partition(".")[0] for module in modules if not module.startswith(".")}
    )
    third_party = [package for package in packages if not is_standard(package)]
    return ImportsVerdict(
        has_imports=bool(found),
        from_imports=list(dict.fromkeys(f"{module}.{name}" for module, name in found if name)),
        modules=modules,
        standard_library=[package for package in packages if is_standard(package)],
        third_party=third_party,
        not_installed=[package for package in third_party if not _is_installed(package)],
    )


def _imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield (module, name taken from it, "" for the module itself), in the code's order."""
    for node in _statements(tree):
        match node:
            case ast.Import(names=aliases):
                yield from ((alias.name, "") for alias in aliases)
            case ast.ImportFrom(module=module, names=aliases, level=level):
                source = "." * level + (module or "")
                yield from ((source, alias.name) for alias in aliases)
            case _:
                pass


def _statements(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield all statements, in ast.walk's order; expressions, most of a tree, hold none."""
    todo = deque[ast.AST](tree.body)
    while todo:
        node = todo.popleft()
        yield node
        for block in _BLOCKS:
            todo.extend(getattr(node, block, ()))


def _is_installed(package: str) -> bool:
    """Return whether this Python has the package; looking for a top-level name runs nothing.

    Only where packages are installed: this project's own folders do not count.
    """
    folders = [folder for folder in sys.path if folder.endswith(_PACKAGE_FOLDERS)]
    return PathFinder.find_spec(package, folders) is not None
