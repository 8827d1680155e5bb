"""Code -> the same code without the statements that only use it."""

import ast
import builtins
import re
from collections.abc import Sequence

from processors.reply.reply_text import Line
from processors.syntax.python_source import bound_names, imported_names, top_level

_SETS_UP = {
    "setrecursionlimit", "stack_size", "seed", "setlocale", "filterwarnings", "simplefilter",
    "basicConfig", "set_int_max_str_digits", "register", "setcontext",
}  # fmt: skip
_DEMONSTRATES = re.compile(r"main$|test|demo|example|run", re.I)
_BUILTINS = set(dir(builtins))
_ROUNDS = 10  # how far a value may be made of other values
_DEFINITION = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)


def without_usage(tree: ast.Module, lines: Sequence[Line], entry: str | None) -> list[Line]:
    """Return the lines without the top-level calls, prints and asserts that no definition reads.

    entry: the expected name; without one, everything that the code defines.
    """
    if all(isinstance(node, _DEFINITION) or _is_text(node) for node in tree.body):
        return list(lines)
    usage = _Usage(tree, entry)
    kept: list[ast.stmt] = []
    dropped: list[ast.stmt] = []
    for node in tree.body:
        (dropped if usage.is_usage(node) else kept).append(node)
    if not dropped or not any(_defines(node) for node in kept):
        return list(lines)
    return _without(lines, kept, dropped)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and _is_string(node.value)


def _is_string(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _defines(node: ast.stmt) -> bool:
    return any(True for _ in bound_names(node)) or isinstance(node, ast.If | ast.Try)


def _numbers(node: ast.stmt) -> range:
    return range(node.lineno - 1, node.end_lineno or node.lineno)


def _without(lines: Sequence[Line], kept: list[ast.stmt], dropped: list[ast.stmt]) -> list[Line]:
    """Return the lines without the dropped statements and the comments that introduce them."""
    gone = {number for node in dropped for number in _numbers(node)}
    stay = {number for node in kept for number in line_numbers(node)}
    for node in dropped:
        number = node.lineno - 2
        while number >= 0 and lines[number].text.startswith("#"):
            if number in stay or number in gone:
                break
            gone.add(number)
            number -= 1
    gone -= stay
    last = max(stay)
    return [
        line
        for number, line in enumerate(lines)
        if number not in gone and (number <= last or not line.text.startswith("#"))
    ]


def line_numbers(node: ast.stmt) -> range:
    """Return the numbers, from 0, of a statement's lines with its decorators."""
    first = node.lineno
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        first = min([first, *(decorator.lineno for decorator in node.decorator_list)])
    return range(first - 1, node.end_lineno or node.lineno)


class _Usage:
    """Which top-level statements only use the code."""

    def __init__(self, tree: ast.Module, entry: str | None) -> None:
        self._definitions = {
            node.name: node
            for node in top_level(tree.body)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        }
        self._has_entry = entry is not None
        self._entries = {entry} if entry else set(self._definitions)
        self._gone: set[str] = set()
        self._needed = self._names_needed(tree)
        imported = {name for node in tree.body for name, _ in imported_names(node)}
        self._variables = self._needed - set(self._definitions) - imported - _BUILTINS
        self._touched_by: dict[str, bool] = {}

    def _names_needed(self, tree: ast.Module) -> set[str]:
        """Return the names that definitions read, and those that their values are made of."""
        needed = set(self._entries)
        for node in self._definitions.values():
            needed |= _free_reads(node)
        others = [node for node in tree.body if not isinstance(node, _DEFINITION)]
        touched = [(_touches(node), _reads(node)) for node in others if not _is_main_guard(node)]
        for _ in range(_ROUNDS):
            size = len(needed)
            for names, reads in touched:
                if names & needed:
                    needed |= reads
            if len(needed) == size:
                break
        return needed

    def is_usage(self, node: ast.stmt) -> bool:
        """Return whether the statement goes; to be asked in the statements' order."""
        if isinstance(node, _DEFINITION) or _is_text(node):
            return False
        bound = set(bound_names(node)) | _touches(node)
        if self._is_needed(node, bound):
            return False
        changed = _touches(node) if isinstance(node, ast.AugAssign | ast.Delete) else set()
        if self._only_uses(node) or (_reads(node) | changed) & self._gone:
            self._gone |= set(bound_names(node)) - self._needed
            return True
        return False

    def _is_needed(self, node: ast.stmt, bound: set[str]) -> bool:
        if isinstance(node, ast.Expr):
            return self._sets_up(node.value)
        if any(isinstance(inner, _DEFINITION) for inner in top_level([node])):
            return not _is_main_guard(node)
        rebound = set(bound_names(node)) & self._entries
        return bool(bound & self._variables or (rebound and not self._is_own_result(node)))

    def _is_own_result(self, node: ast.stmt) -> bool:
        """Return whether a function's name is overwritten with what the function returned."""
        match node:
            case ast.Assign(value=ast.Call(func=ast.Name(id=name))) if name in self._entries:
                return isinstance(
                    self._definitions.get(name), ast.FunctionDef | ast.AsyncFunctionDef
                )
            case _:
                return False

    def _sets_up(self, value: ast.expr) -> bool:
        """Return whether an expression leaves something behind that a definition reads."""
        if not isinstance(value, ast.Call):
            return False
        match value.func:
            case ast.Attribute(attr=attr):
                given = {arg.id for arg in value.args if isinstance(arg, ast.Name)}
                changed = {_root(value.func), *given}
                return attr in _SETS_UP or bool(changed & self._variables)
            case ast.Name(id="setattr"):
                return True
            case ast.Name(id=name) if name in self._definitions and name not in self._entries:
                if _DEMONSTRATES.match(name):
                    return False
                return self._changes_what_is_needed(name)
            case _:
                return False

    def _changes_what_is_needed(self, name: str) -> bool:
        if name not in self._touched_by:
            touched = _touches(self._definitions[name])
            self._touched_by[name] = bool(touched & self._needed & self._variables)
        return self._touched_by[name]

    def _only_uses(self, node: ast.stmt) -> bool:
        if isinstance(node, ast.Expr | ast.Assert) or _is_main_guard(node):
            return True
        calls = {
            inner.func.id
            for inner in ast.walk(node)
            if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name)
        }
        asserts = any(isinstance(inner, ast.Assert) for inner in ast.walk(node))
        return (
            asserts
            or bool(calls & ({"print", "input"} | self._entries))
            or (self._has_entry and _only_acts(node))
        )


def _is_main_guard(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and "__name__" in _reads(node.test)


def _only_acts(node: ast.stmt) -> bool:
    """Return whether the statement calls something for a variable's sake, or waits for ever.

    What it binds is known not to be needed. A name in capitals may be a type or a constant that
    the reader is meant to have.
    """
    match node:
        case ast.Assign() | ast.AnnAssign() | ast.With():
            calls = any(isinstance(inner, ast.Call | ast.Await) for inner in ast.walk(node))
            return calls and all(name[:1].islower() for name in bound_names(node))
        case ast.While(test=ast.Constant(value=always)):
            return bool(always)
        case _:
            return False


def _reads(node: ast.AST) -> set[str]:
    return {
        inner.id
        for inner in ast.walk(node)
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Load)
    }


def _free_reads(node: ast.stmt) -> set[str]:
    """Return the names that a definition takes from the module's scope."""
    if isinstance(node, ast.ClassDef):
        outside = [*node.bases, *node.keywords, *node.decorator_list]
        free = {name for part in outside for name in _reads(part)}
        return free.union(*(_free_reads(inner) for inner in node.body))
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return _reads(node)
    bound: set[str] = set()
    shared: set[str] = set()
    for inner in ast.walk(node):
        match inner:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                bound.add(name)
            case ast.Global(names=names):
                shared.update(names)
            case _:
                pass
    outside = [*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)]
    return (_reads(node) - bound) | shared | {name for part in outside for name in _reads(part)}


def _touches(node: ast.AST) -> set[str]:
    """Return the names that running the node binds, or whose objects it changes."""
    touched: set[str] = set()
    for inner in ast.walk(node):
        match inner:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                touched.add(name)
            case ast.Attribute(ctx=ast.Store()) | ast.Subscript(ctx=ast.Store()):
                touched.add(_root(inner))
            case ast.Expr(value=ast.Call(func=ast.Attribute() as method)):
                touched.add(_root(method))
            case _:
                pass
    return touched - {""}


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""
