"""What Python's compiler refuses in code that parses, found by one walk over the tree.

The compiler itself is never called, for its work is not bounded by the length of the code: each
`finally` inside another doubles what it writes (24 of them: 5.8 GB), constants are multiplied
out, keyword arguments are compared each with each; and 21 `async with` inside one another crash
Python 3.12.1. The rules are those of CPython 3.11 to 3.14 (future.c, symtable.c, compile.c,
codegen.c in its folder Python); test_compiler_rules.py holds them against the compiler. Reported
is the first refusal, in the compiler's own order: a future statement, then names, then the rest.
"""

import ast
import sys
from collections.abc import Sequence

from processors.syntax.expression_rules import Expressions
from processors.syntax.future_rules import future_statements, is_future
from processors.syntax.match_rules import check_cases
from processors.syntax.scopes import BOUND, IMPORTED, TYPE_PARAMETER, Refused, Scope
from processors.syntax.tree_walk import Place

_ANNOTATIONS_WAIT = sys.version_info >= (3, 14)  # each in a function of its own
_NO_JUMP = "'break', 'continue' and 'return' cannot appear in an except* block"
_TYPE_PARAMETERS = ("TypeVar", "TypeVarTuple", "ParamSpec")
_Function = ast.FunctionDef | ast.AsyncFunctionDef
_With = ast.With | ast.AsyncWith
_Loop = ast.For | ast.AsyncFor | ast.While
_Try = ast.Try | ast.TryStar
_Compound = _Function | ast.ClassDef | _Loop | _Try | _With | ast.Match
_Simple = (
    ast.Return
    | ast.Break
    | ast.Continue
    | ast.Assign
    | ast.AugAssign
    | ast.AnnAssign
    | ast.Global
    | ast.Nonlocal
    | ast.Import
    | ast.ImportFrom
)


def compiler_refusal(tree: ast.Module) -> tuple[str, int] | None:
    """Return what the compiler refuses first, and its line; None where it takes the code."""
    walk = _Statements()
    try:
        walk.module(tree)
    except Refused as refused:
        return refused.message, refused.line
    return walk.first()


class _Statements(Expressions):
    """The walk over a module."""

    def __init__(self) -> None:
        super().__init__()
        self._futures: set[ast.stmt] = set()
        self._nonlocals: list[tuple[Scope, str, int]] = []

    def module(self, tree: ast.Module) -> None:
        """Raise Refused for a future statement or a name, note all else."""
        for statement in future_statements(tree):
            self._futures.add(statement)
            names = {alias.name for alias in statement.names}
            self.annotations_are_text |= "annotations" in names
        self.then_all(Place(self.enter("module", None, tree)), tree.body)
        self.walk()
        for scope, name, line in self._nonlocals:
            scope.check_nonlocal(name, line)
        for scope in self.scopes:
            if scope.returned and scope.yields and scope.is_async:
                self.refuse_at("'return' with value in async generator", *scope.returned)
            if scope.full and (scope.yields or scope.is_async):
                self.refuse_at("too many statically nested blocks", *scope.full)

    def meet(self, node: ast.AST, place: Place) -> None:
        if isinstance(node, ast.expr):
            super().meet(node, place)
        elif isinstance(node, _Compound):
            self._meet_compound(node, place)
        elif isinstance(node, _Simple):
            self._meet_simple(node, place)
        elif isinstance(node, ast.pattern):
            self._meet_pattern(node, place)
        elif type(node).__name__ == "TypeAlias":  # 3.12
            self._meet_alias(node, place)
        else:
            super().meet(node, place)

    def _meet_compound(self, node: _Compound, place: Place) -> None:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self._meet_function(node, place)
            case ast.ClassDef():
                self._meet_class(node, place)
            case ast.For() | ast.AsyncFor() | ast.While():
                self._meet_loop(node, place)
            case ast.Try() | ast.TryStar():
                self._meet_try(node, place)
            case ast.With() | ast.AsyncWith():
                self._meet_with(node, place)
            case ast.Match(cases=cases):
                check_cases(cases, lambda message, part: self.refuse(message, part, place))
                super().meet(node, place)

    def _meet_simple(self, node: _Simple, place: Place) -> None:
        match node:
            case ast.Return(value=value):
                self._check_return(node, place)
                self.then(place, value)
            case ast.Break() | ast.Continue():
                self._check_jump(node, place)
            case ast.Assign(targets=targets, value=value):
                self.then(place, value, *targets)
            case ast.AugAssign(target=ast.Attribute(value=value)):
                self.then(place, value, node.value)
            case ast.AnnAssign():
                self._meet_annotated(node, place)
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                self._declare(node, names, place)
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                self._meet_import(node, aliases, place)
            case _:
                super().meet(node, place)

    def _meet_pattern(self, node: ast.pattern, place: Place) -> None:
        match node:
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                place.scope.add(name, BOUND, node.lineno)
            case ast.MatchMapping(rest=str(name)):
                place.scope.add(name, BOUND, node.lineno)
            case _:
                pass
        super().meet(node, place)

    def _meet_function(self, node: _Function, place: Place) -> None:
        self.bind(node.name, BOUND, node, place)
        around = self._type_parameters(node, place)
        is_async = isinstance(node, ast.AsyncFunctionDef)
        scope = self.enter("async function" if is_async else "function", around, node)
        self.then(Place(scope), node.args, *node.body)
        self._annotations(node, around)
        self.then(place, *node.args.defaults, *node.args.kw_defaults, *node.decorator_list)

    def _annotations(self, node: _Function, place: Place) -> None:
        arguments = node.args
        plain = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        found = [argument.annotation for argument in plain]
        if arguments.vararg is not None:
            star = arguments.vararg.annotation
            found.append(star.value if isinstance(star, ast.Starred) else star)
        if arguments.kwarg is not None:
            found.append(arguments.kwarg.annotation)
        self.then_all(self._annotation_place(node, place), [*found, node.returns])

    def _annotation_place(self, node: ast.stmt, place: Place) -> Place:
        if self.annotations_are_text or _ANNOTATIONS_WAIT:
            return Place(self.enter("an annotation", place, node))
        return place

    def _meet_class(self, node: ast.ClassDef, place: Place) -> None:
        self.bind(node.name, BOUND, node, place)
        around = self._type_parameters(node, place)
        self.check_keywords(node.keywords, around)
        scope = self.enter("class", around, node, private=node.name)
        self.then_all(Place(scope), node.body)
        self.then(place, *node.decorator_list)
        bases = [base.value if isinstance(base, ast.Starred) else base for base in node.bases]
        self.then(around, *bases, *node.keywords)

    def _type_parameters(self, node: ast.AST, place: Place) -> Place:
        """Return the place round a body: the node's own where it has type parameters (3.12)."""
        parameters = [
            part for part in ast.iter_child_nodes(node) if type(part).__name__ in _TYPE_PARAMETERS
        ]
        if not parameters:
            return place
        scope = self.enter("the definition of a generic", place, node)
        for part in parameters:
            for field, value in ast.iter_fields(part):
                if field == "name":
                    self.bind(value, BOUND | TYPE_PARAMETER, node, Place(scope))
                elif isinstance(value, ast.expr):
                    value = value.value if isinstance(value, ast.Starred) else value
                    self.then(Place(self.enter("a TypeVar bound", Place(scope), node)), value)
        return Place(scope)

    def _meet_alias(self, node: ast.AST, place: Place) -> None:
        around = self._type_parameters(node, place)
        for field, value in ast.iter_fields(node):
            if field == "value":
                self.then(Place(self.enter("a type alias", around, node)), value)
            elif field == "name":
                self.then(place, value)

    def _check_return(self, node: ast.Return, place: Place) -> None:
        scope = place.scope
        if not scope.is_function:
            self.refuse("'return' outside function", node, place)
        elif place.is_barred:
            self.refuse(_NO_JUMP, node, place)
        elif node.value is not None and scope.returned is None:
            scope.returned = self.order, node.lineno

    def _check_jump(self, node: ast.Break | ast.Continue, place: Place) -> None:
        if place.jump == "barred":
            self.refuse(_NO_JUMP, node, place)
        elif place.jump == "none":
            is_break = isinstance(node, ast.Break)
            word = "'break' outside loop" if is_break else "'continue' not properly in loop"
            self.refuse(word, node, place)

    def _meet_loop(self, node: _Loop, place: Place) -> None:
        inner = place._replace(blocks=place.blocks + 1, jump="loop")
        self.check_blocks(node, inner)
        if isinstance(node, ast.AsyncFor) and place.scope.kind != "async function":
            self.refuse_early("'async for' outside async function", node, place)
        self.then_all(place, node.orelse)
        self.then_all(inner, node.body)
        if isinstance(node, ast.While):
            self.then(place, node.test)
        else:
            self.then(place, node.iter, node.target)

    def _meet_with(self, node: _With, place: Place) -> None:
        if isinstance(node, ast.AsyncWith) and place.scope.kind != "async function":
            self.refuse_early("'async with' outside async function", node, place)
        inner = place._replace(blocks=place.blocks + len(node.items))
        self.check_blocks(node, inner)
        self.then_all(inner, node.body)
        for number, item in reversed(list(enumerate(node.items))):
            self.then(inner._replace(blocks=place.blocks + number), item)

    def _meet_try(self, node: _Try, place: Place) -> None:
        around = place.blocks + bool(node.finalbody)
        is_group = isinstance(node, ast.TryStar)
        self.then_all(place._replace(blocks=place.blocks + 1), node.finalbody)
        self.then_all(place._replace(blocks=around), node.orelse)
        self.check_blocks(node, place._replace(blocks=around + bool(node.handlers)))
        for handler in reversed(node.handlers):
            body = place._replace(blocks=around + 2)
            self.check_blocks(handler, body)
            if is_group:
                body = body._replace(jump="barred", is_barred=True)
            self.then_all(body, handler.body)
            inner = place._replace(blocks=around + 1)
            if handler.name is not None:
                self.then(inner, ast.copy_location(ast.Name(handler.name, ast.Store()), handler))
            self.then(inner, handler.type)
        for handler in node.handlers[:-1]:
            if handler.type is None:
                self.refuse("default 'except:' must be last", handler, place)
        self.then_all(place._replace(blocks=around + bool(node.handlers)), node.body)

    def _meet_annotated(self, node: ast.AnnAssign, place: Place) -> None:
        """Have a variable's annotation met; in a function no code is made for it."""
        where = self._annotation_place(node, place)
        if place.scope.is_function or (_ANNOTATIONS_WAIT and not node.simple):
            where = where._replace(is_evaluated=False)
        match node.target:
            case ast.Name(id=name) as target:
                if node.simple:
                    place.scope.annotate(name, node.lineno)
                elif node.value is not None:
                    place.scope.add(name, BOUND, node.lineno)
                self.check_name(name, target, place)
                self.then(where, node.annotation)
                self.then(place, node.value)
            case target:
                self.then(where, node.annotation)
                self.then(place, target, node.value)

    def _declare(self, node: ast.stmt, names: Sequence[str], place: Place) -> None:
        word = "global" if isinstance(node, ast.Global) else "nonlocal"
        for name in names:
            place.scope.declare(name, "global" if word == "global" else "nonlocal", node.lineno)
            if word == "nonlocal":
                self._nonlocals.append((place.scope, name, node.lineno))

    def _meet_import(self, node: ast.stmt, aliases: Sequence[ast.alias], place: Place) -> None:
        if isinstance(node, ast.ImportFrom) and is_future(node) and node not in self._futures:
            what = "from __future__ imports must occur at the beginning of the file"
            self.refuse(what, node, place)
        for alias in aliases:
            if alias.name == "*":
                if place.scope.kind != "module":
                    raise Refused("import * only allowed at module level", node.lineno)
                continue
            name = alias.asname or alias.name.partition(".")[0]
            self.bind(name, IMPORTED, alias, place)
