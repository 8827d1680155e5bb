"""A walk over a tree: where each node stands, and what is refused there, in which order."""

import ast
import sys
from collections.abc import Iterable
from typing import NamedTuple

from processors.syntax.scopes import Refused, Scope, ScopeKind

_AWAITING_IS_CHECKED_WITH_NAMES = sys.version_info >= (3, 14)  # and so is __debug__
_LEAVES = {ast.Constant, ast.Load, ast.Store, ast.Del}
_LEAVES |= {*ast.operator.__subclasses__(), *ast.unaryop.__subclasses__()}
_LEAVES |= {*ast.boolop.__subclasses__(), *ast.cmpop.__subclasses__()}
# Most nodes: nothing is refused in them but what is refused in their parts.
_PLAIN = {
    ast.Expr, ast.If, ast.IfExp, ast.BinOp, ast.BoolOp, ast.UnaryOp, ast.Compare, ast.Subscript,
    ast.Slice, ast.Dict, ast.keyword, ast.JoinedStr, ast.FormattedValue, ast.Raise, ast.Assert,
}  # fmt: skip
_Located = ast.stmt | ast.expr | ast.pattern | ast.excepthandler | ast.arg | ast.keyword | ast.alias


class Place(NamedTuple):
    """Where a node stands.

    blocks: how many loops, with and try are round it. jump: whether a break finds a loop, or an
    except* before it; is_barred: whether a return finds one. in_target, in_iterable: of the loop
    of a comprehension. is_evaluated: False in an annotation that no code is made for.
    """

    scope: Scope
    blocks: int = 0
    jump: str = "none"
    is_barred: bool = False
    in_target: bool = False
    in_iterable: bool = False
    is_evaluated: bool = True


class TreeWalk:
    """A walk; a stack holds the nodes still to be met, so no tree is too deep for it."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []
        self.annotations_are_text = False
        self.order = 0
        self._todo: list[tuple[ast.AST, Place]] = []
        self._later: tuple[int, str, int] | None = None

    def walk(self) -> None:
        """Meet all nodes in the order of CPython's symbol table; raise Refused for names."""
        while self._todo:
            node, place = self._todo.pop()
            self.order += 1
            if type(node) in _PLAIN:
                self.then_all(place, ast.iter_child_nodes(node))
            else:
                self.meet(node, place)

    def then(self, place: Place, *nodes: ast.AST | None) -> None:
        """Have the nodes met next, in their order."""
        self.then_all(place, nodes)

    def then_all(self, place: Place, nodes: Iterable[ast.AST | None]) -> None:
        met = [(node, place) for node in nodes if node and type(node) not in _LEAVES]
        met.reverse()
        self._todo += met

    def refuse(self, message: str, node: ast.AST, place: Place) -> None:
        """Note what the compiler refuses when it makes code, if it makes any here."""
        if place.is_evaluated and place.scope.is_compiled:
            self.refuse_at(message, self.order, line_of(node))

    def refuse_early(self, message: str, node: ast.AST, place: Place) -> None:
        """Refuse what newer Pythons refuse with the names, also where they make no code."""
        if _AWAITING_IS_CHECKED_WITH_NAMES:
            raise Refused(message, line_of(node))
        self.refuse(message, node, place)

    def refuse_scope(self, message: str, scope: Scope) -> None:
        """Refuse a whole scope, at its first line; as early as refuse_early does."""
        if _AWAITING_IS_CHECKED_WITH_NAMES:
            raise Refused(message, scope.line)
        if scope.is_compiled:
            self.refuse_at(message, scope.order, scope.line)

    def refuse_at(self, message: str, order: int, line: int) -> None:
        """Note a refusal that belongs to a node met before."""
        if self._later is None or order < self._later[0]:
            self._later = order, message, line

    def first(self) -> tuple[str, int] | None:
        """Return the first of what was noted."""
        return None if self._later is None else self._later[1:]

    def enter(
        self, kind: ScopeKind, place: Place | None, node: ast.AST, private: str = ""
    ) -> Scope:
        """Return a new scope, opened by a node that stands in a place."""
        is_text = kind == "an annotation" and self.annotations_are_text
        is_compiled = not is_text and (place is None or place.is_evaluated)
        made = Scope(
            kind,
            place.scope if place else None,
            line=line_of(node),
            order=self.order,
            private=private,
            is_compiled=is_compiled,
        )
        self.scopes.append(made)
        return made

    def meet(self, node: ast.AST, place: Place) -> None:
        """Check one node, and have what is in it met."""
        self.then_all(place, ast.iter_child_nodes(node))


def line_of(node: ast.AST) -> int:
    """Return the line of a node, 0 for the module."""
    return node.lineno if isinstance(node, _Located) else 0
