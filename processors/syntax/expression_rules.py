"""Expressions: what the compiler refuses in them; see compiler_rules.py."""

import ast
import sys
from collections.abc import Iterable, Sequence
from itertools import chain

from processors.syntax.scopes import (
    BOUND,
    CLOSED,
    COMPREHENSIONS,
    PARAMETER,
    USED,
    Refused,
    Scope,
    ScopeKind,
)
from processors.syntax.tree_walk import Place, TreeWalk, line_of

_MOST_BLOCKS = 21 if sys.version_info >= (3, 13) else 20
# A generator's body stands in a block of its own; a comprehension in the blocks round it.
_GENERATORS_TAKE_A_BLOCK = sys.version_info >= (3, 13)
_COMPREHENSIONS_ARE_INLINE = sys.version_info >= (3, 12)
_MOST_BEFORE_A_STAR = 255
_Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


class Expressions(TreeWalk):
    """A walk that checks expressions."""

    def meet(self, node: ast.AST, place: Place) -> None:
        """Check one node, and have what is in it met."""
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                place.scope.add(name, USED, node.lineno, is_iterated=place.in_target)
            case ast.Name(id=name):
                self.bind(name, BOUND, node, place)
            case ast.Attribute(value=value, attr=attr, ctx=ctx):
                if isinstance(ctx, ast.Store):
                    self.check_name(attr, node, place)
                self.then(place, value)
            case ast.Call(func=function, args=arguments, keywords=keywords):
                self.check_keywords(keywords, place)
                self.then(place, function, *_unstarred(arguments), *keywords)
            case ast.List(elts=parts, ctx=ast.Store()) | ast.Tuple(elts=parts, ctx=ast.Store()):
                self._check_unpacking(node, parts, place)
                self.then_all(place, _unstarred(parts))
            case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Set(elts=parts):
                self.then_all(place, _unstarred(parts))
            case _:
                self._meet_rare(node, place)

    def _meet_rare(self, node: ast.AST, place: Place) -> None:
        match node:
            case ast.Starred(value=value, ctx=ctx):
                self.refuse(_no_place_for_star(ctx), node, place)
                self.then(place, value)
            case ast.Lambda():
                self._meet_lambda(node, place)
            case ast.arguments():  # met in the function; what stands outside is met before
                self._bind_parameters(node, place)
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                self._meet_comprehension(node, place)
            case ast.NamedExpr():
                self._meet_assignment(node, place)
            case ast.Yield() | ast.YieldFrom():
                self._meet_yield(node, place)
            case ast.Await():
                self._meet_await(node, place)
            case _:
                super().meet(node, place)

    def bind(self, name: str, flag: int, node: ast.AST, place: Place) -> None:
        """Note that a name is bound."""
        place.scope.add(name, flag, line_of(node), is_iterated=place.in_target)
        verb = (
            "delete"
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Del)
            else "assign to"
        )
        self.check_name(name, node, place, verb)

    def check_name(
        self, name: str | None, node: ast.AST, place: Place, verb: str = "assign to"
    ) -> None:
        """Refuse the one name that is a keyword for the compiler only."""
        if name == "__debug__":
            self.refuse_early(f"cannot {verb} __debug__", node, place)

    def check_keywords(self, keywords: Sequence[ast.keyword], place: Place) -> None:
        """Refuse a keyword argument that is given twice."""
        seen: set[str] = set()
        for keyword in keywords:
            self.check_name(keyword.arg, keyword, place)
            if keyword.arg in seen:
                self.refuse(f"keyword argument repeated: {keyword.arg}", keyword, place)
            if keyword.arg is not None:
                seen.add(keyword.arg)

    def check_blocks(self, node: ast.AST, place: Place) -> None:
        """Refuse the block that a node opens at a place, if there are too many round it."""
        if place.blocks > _MOST_BLOCKS:
            self.refuse("too many statically nested blocks", node, place)
        elif place.blocks == _MOST_BLOCKS and _GENERATORS_TAKE_A_BLOCK and not place.scope.full:
            place.scope.full = self.order, line_of(node)

    def _check_unpacking(self, node: ast.expr, parts: Sequence[ast.expr], place: Place) -> None:
        stars = [number for number, part in enumerate(parts) if isinstance(part, ast.Starred)]
        if len(stars) > 1:
            self.refuse("multiple starred expressions in assignment", node, place)
        if stars and stars[0] > _MOST_BEFORE_A_STAR:
            self.refuse("too many expressions in star-unpacking assignment", node, place)

    def _meet_lambda(self, node: ast.Lambda, place: Place) -> None:
        _check_class("lambda", node, place)
        inner = Place(self.enter("lambda", place, node), in_iterable=place.in_iterable)
        self.then(inner, node.args, node.body)
        self.then(place, *node.args.defaults, *node.args.kw_defaults)

    def _bind_parameters(self, arguments: ast.arguments, inner: Place) -> None:
        last = filter(None, (arguments.vararg, arguments.kwarg))
        for argument in chain(arguments.posonlyargs, arguments.args, arguments.kwonlyargs, last):
            self.bind(argument.arg, PARAMETER, argument, inner)

    def _meet_comprehension(self, node: _Comprehension, place: Place) -> None:
        _check_class("comprehension", node, place)
        kind = _kind(node)
        scope = self.enter(kind, place, node)
        is_inline = _COMPREHENSIONS_ARE_INLINE and kind != "generator expression"
        blocks = place.blocks if is_inline and place.scope.kind != "class" else 0
        inner = Place(scope, blocks, in_iterable=place.in_iterable)
        first, *others = node.generators
        parts: list[tuple[ast.AST | None, Place]] = [
            (first.target, inner._replace(in_target=True)),
            *((condition, inner) for condition in first.ifs),
        ]
        for loop in others:
            parts.append((loop.target, inner._replace(in_target=True)))
            parts.append((loop.iter, inner._replace(in_iterable=True)))
            parts += [(condition, inner) for condition in loop.ifs]
        for loop in node.generators:
            if loop.is_async:
                self._make_async(scope)
                inner = inner._replace(blocks=inner.blocks + 1)
                self.check_blocks(node, inner)
        if isinstance(node, ast.DictComp):
            parts += [(node.value, inner), (node.key, inner)]
        else:
            parts.append((node.elt, inner))
        for part, where in reversed(parts):
            self.then(where, part)
        self.then(place._replace(in_iterable=True, in_target=False), first.iter)

    def _meet_assignment(self, node: ast.NamedExpr, place: Place) -> None:
        _check_closed("named expression", node, place)
        if place.in_iterable:
            what = "assignment expression cannot be used in a comprehension iterable expression"
            raise Refused(what, node.lineno)
        if place.scope.kind in COMPREHENSIONS:
            place.scope.assign_in_comprehension(node.target.id, node.lineno)
        self.then(place, node.value, node.target)

    def _meet_yield(self, node: ast.Yield | ast.YieldFrom, place: Place) -> None:
        scope = place.scope
        _check_closed("yield expression", node, place)
        if scope.kind in COMPREHENSIONS:
            raise Refused(f"'yield' inside {scope.kind}", node.lineno)
        scope.yields = True
        if not scope.is_function:
            is_named = isinstance(node, ast.YieldFrom) and sys.version_info >= (3, 13)
            self.refuse(f"'yield{' from' * is_named}' outside function", node, place)
        elif isinstance(node, ast.YieldFrom) and scope.kind == "async function":
            self.refuse("'yield from' inside async function", node, place)
        self.then(place, node.value)

    def _meet_await(self, node: ast.Await, place: Place) -> None:
        scope = place.scope
        _check_closed("await expression", node, place)
        if not scope.is_function:
            self.refuse_early("'await' outside function", node, place)
        elif scope.kind in COMPREHENSIONS:
            self._make_async(scope)
        elif scope.kind != "async function":
            self.refuse_early("'await' outside async function", node, place)
        scope.is_async = True
        self.then(place, node.value)

    def _make_async(self, scope: Scope) -> None:
        """Note that a comprehension awaits: then the one round it does, a generator does not."""
        while not scope.is_async and scope.kind in COMPREHENSIONS:
            scope.is_async = True
            outer = scope.parent
            if scope.kind == "generator expression" or outer is None:
                return
            if outer.kind not in COMPREHENSIONS and outer.kind != "async function":
                what = "asynchronous comprehension outside of an asynchronous function"
                self.refuse_scope(what, scope)
            scope = outer


def _unstarred(parts: Sequence[ast.expr]) -> Iterable[ast.expr]:
    return (part.value if isinstance(part, ast.Starred) else part for part in parts)


def _no_place_for_star(context: ast.expr_context) -> str:
    if isinstance(context, ast.Store):
        return "starred assignment target must be in a list or tuple"
    return "can't use starred expression here"


def _kind(node: _Comprehension) -> ScopeKind:
    match node:
        case ast.ListComp():
            return "list comprehension"
        case ast.SetComp():
            return "set comprehension"
        case ast.DictComp():
            return "dict comprehension"
        case ast.GeneratorExp():
            return "generator expression"


def _check_closed(what: str, node: ast.expr, place: Place) -> None:
    """Refuse what must not stand in an annotation or with type parameters."""
    if place.scope.kind in CLOSED:
        if sys.version_info < (3, 12):
            raise Refused(f"'{what}' can not be used within {place.scope.kind}", node.lineno)
        raise Refused(f"{what} cannot be used within {place.scope.kind}", node.lineno)


def _check_class(what: str, node: ast.expr, place: Place) -> None:
    """Refuse what Python 3.12, and no other, refuses with type parameters inside a class."""
    scope: Scope | None = place.scope
    while scope is not None and scope.kind in CLOSED and scope.kind != "an annotation":
        scope = scope.parent
        if scope is not None and scope.kind == "class" and sys.version_info < (3, 13):
            raise Refused(f"Cannot use {what} in annotation scope within class scope", node.lineno)
