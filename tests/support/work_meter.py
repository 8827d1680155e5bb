"""A copy of processors/ that counts its own work: deterministic, on any machine.

Each module is read from its source and changed before it runs, so that it counts a step for each
round of a loop and each call, and what Python's own code does out of sight: the characters that a
slice or strip copies, that find or a pattern walks over, that a join or a parse takes. So a find
or a slice in a loop is seen, which counting lines or calls would miss.
"""

import ast
import importlib
import importlib.abc
import importlib.util
import re
import sys
from collections.abc import Iterator, Sized
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "processors"
_BUILDERS = (list, tuple, set, frozenset, dict, sorted)
_FOLDS = (sum, min, max, any, all)
_WALKS_TO_ITS_FIND = ("find", "index")
_SHORT = ("startswith", "endswith", "append", "add", "get", "items", "keys", "values", "pop")


class Meter:
    """The steps that the copy has taken; its methods stand in the copy's code."""

    def __init__(self) -> None:
        self.steps = 0

    def tick(self) -> bool:
        self.steps += 1
        return True

    def sliced(self, value: Any, part: slice) -> Any:
        found = value[part]
        self.steps += 1 + len(found)
        return found

    def contains(self, part: Any, whole: Any) -> bool:
        self.steps += len(whole) if isinstance(whole, str | list | tuple) else 1
        return part in whole

    def added(self, left: Any, right: Any) -> Any:
        found = left + right
        self.steps += 1 + (len(found) if isinstance(found, str | list | tuple) else 0)
        return found

    def called(self, function: Any, *arguments: Any, **named: Any) -> Any:
        self.steps += 1
        if function in _FOLDS and arguments:
            self.steps += _size(arguments[0])
        found = function(*arguments, **named)
        if function in _BUILDERS:
            self.steps += _size(found)
        return found

    def method(self, owner: Any, name: str, *arguments: Any, **named: Any) -> Any:
        self.steps += 1
        if isinstance(owner, re.Pattern):
            return self._searched(owner, name, *arguments, **named)
        found = getattr(owner, name)(*arguments, **named)
        if isinstance(owner, str):
            self.steps += _cost_of_text(owner, name, arguments, found)
        elif isinstance(owner, ModuleType):
            self.steps += _size(arguments[0]) if arguments and isinstance(arguments[0], str) else 0
        elif isinstance(owner, list | tuple) and name not in _SHORT:
            self.steps += len(owner)
        elif isinstance(owner, set | dict) and name not in _SHORT:
            self.steps += sum(map(_size, arguments))
        return found

    def _searched(self, pattern: re.Pattern[str], name: str, *arguments: Any) -> Any:
        """Count the characters between the start and the end of each match, or of the text."""
        if name in ("sub", "split", "findall"):
            self.steps += len(arguments[-1])
            return getattr(pattern, name)(*arguments)
        text, *places = arguments
        start = places[0] if places else 0
        end = min(places[1], len(text)) if len(places) > 1 else len(text)
        if name == "finditer":
            return self._each(pattern, text, start, end)
        found = getattr(pattern, name)(text, start, end)
        self.steps += (found.end() if found else end) - start
        return found

    def _each(self, pattern: re.Pattern[str], text: str, start: int, end: int) -> Iterator[Any]:
        for match in pattern.finditer(text, start, end):
            self.steps += 1 + max(0, match.end() - start)
            start = match.end()
            yield match
        self.steps += max(0, end - start)


def _size(value: object) -> int:
    return len(value) if isinstance(value, Sized) else 0


def _cost_of_text(text: str, name: str, arguments: tuple[Any, ...], found: Any) -> int:
    if name in _WALKS_TO_ITS_FIND:
        start = arguments[1] if len(arguments) > 1 else 0
        end = min(len(text), arguments[2]) if len(arguments) > 2 else len(text)
        return int((found if found >= 0 else end) - start)
    if name in ("startswith", "endswith"):
        longest = max(map(len, arguments[0])) if isinstance(arguments[0], tuple) else 0
        return longest or len(arguments[0])
    if name == "join":
        return len(found)
    return 0 if found is text else len(text)


class _Counting(ast.NodeTransformer):
    """Puts the meter into a module's code."""

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        match node.func:
            case ast.Name(id="super"):
                return node
            case ast.Attribute(value=owner, attr=name):
                return _metered("method", owner, ast.Constant(name), *node.args, rest=node.keywords)
            case function:
                return _metered("called", function, *node.args, rest=node.keywords)

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        self.generic_visit(node)
        if not isinstance(node.slice, ast.Slice) or not isinstance(node.ctx, ast.Load):
            return node
        limits = (node.slice.lower, node.slice.upper, node.slice.step)
        parts = [limit or ast.Constant(None) for limit in limits]
        return _metered("sliced", node.value, ast.Call(ast.Name("slice", ast.Load()), parts, []))

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        self.generic_visit(node)
        if len(node.ops) != 1 or not isinstance(node.ops[0], ast.In | ast.NotIn):
            return node
        found = _metered("contains", node.left, node.comparators[0])
        return found if isinstance(node.ops[0], ast.In) else ast.UnaryOp(ast.Not(), found)

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        return _metered("added", node.left, node.right) if isinstance(node.op, ast.Add) else node

    def visit_comprehension(self, node: ast.comprehension) -> ast.comprehension:
        self.generic_visit(node)
        node.ifs.insert(0, _metered("tick"))
        return node

    def _with_tick(self, node: Any) -> Any:
        self.generic_visit(node)
        node.body.insert(0, ast.Expr(_metered("tick")))
        return node

    visit_For = visit_While = visit_FunctionDef = _with_tick  # noqa: N815


def _metered(name: str, *arguments: ast.expr, rest: Any = ()) -> ast.Call:
    meter = ast.Attribute(ast.Name("_meter_", ast.Load()), name, ast.Load())
    return ast.Call(meter, list(arguments), list(rest))


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def find_spec(self, name: str, path: object, target: object = None) -> ModuleSpec | None:
        if name.partition(".")[0] != PACKAGE:
            return None
        place = ROOT.joinpath(*name.split("."))
        is_package = place.is_dir()
        file = place / "__init__.py" if is_package else place.with_suffix(".py")
        return importlib.util.spec_from_file_location(
            name, file, loader=self, submodule_search_locations=[str(place)] if is_package else None
        )

    def exec_module(self, module: ModuleType) -> None:
        assert module.__spec__ is not None and module.__spec__.origin is not None
        source = Path(module.__spec__.origin).read_text(encoding="utf-8")
        run_metered(source, self._meter, vars(module))


def run_metered(source: str, meter: Meter, names: dict[str, Any]) -> None:
    """Run a module's source so that what it defines counts on the meter."""
    tree = ast.fix_missing_locations(_Counting().visit(ast.parse(source)))
    names["_meter_"] = meter
    exec(compile(tree, "<metered>", "exec"), names)


def metered(*names: str) -> tuple[Meter, list[ModuleType]]:
    """Return a meter and copies of modules of processors/ that count on it."""
    meter, kept = Meter(), dict(sys.modules)
    finder = _Finder(meter)
    for name in kept:
        if name.partition(".")[0] == PACKAGE:
            del sys.modules[name]
    sys.meta_path.insert(0, finder)
    try:
        return meter, [importlib.import_module(f"{PACKAGE}.{name}") for name in names]
    finally:
        sys.meta_path.remove(finder)
        for name in list(sys.modules):
            if name.partition(".")[0] == PACKAGE:
                del sys.modules[name]
        sys.modules.update({name: kept[name] for name in kept if name not in sys.modules})
