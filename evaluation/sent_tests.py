"""A problem's tests as they are sent into the sandbox: comparisons keep both of their sides.

`assert a == b` becomes `assert (_left_ := a) == (_right_ := b)`, so that a failure can say what
came and what was expected. Decoys go through the same, and look alike.
"""

import ast
import json
from collections.abc import Iterator
from dataclasses import dataclass

from evaluation.inside.run_tests import ChildTest
from prompts.problems import TestCase

_KEPT_SIDES = (ast.Eq, ast.Is, ast.NotEq, ast.IsNot, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In)


@dataclass(frozen=True, slots=True)
class Trees:
    """A test as syntax trees, which may be changed."""

    ctx: ast.Module
    assertion: ast.Expression


@dataclass(frozen=True, slots=True)
class PlainTest:
    """A test as ast.unparse writes it; keywords must stand in the solution's code."""

    ctx: str
    assertion: str
    keywords: tuple[str, ...] = ()

    def trees(self) -> Trees:
        """Return fresh trees, at each call others: parsing is much quicker than copying."""
        return Trees(ast.parse(self.ctx), ast.parse(self.assertion, mode="eval"))


def plain_test(test: TestCase) -> PlainTest:
    """Return a test; raises SyntaxError (or ValueError) where it is no Python."""
    try:
        ctx = ast.parse(test.ctx)
        assertion = ast.parse(test.assertion.strip(), mode="eval")
        keywords = tuple(_keywords(test.inspection))
        return PlainTest(ast.unparse(ctx), ast.unparse(assertion), keywords)
    except (RecursionError, MemoryError) as error:
        raise ValueError("the test is nested too deeply") from error


def to_source(trees: Trees, keywords: tuple[str, ...]) -> ChildTest:
    """Return a test as it is sent; uses up the trees."""
    keeper = _SideKeeper()
    ctx = keeper.visit(trees.ctx)
    assertion = ast.Expression(keeper.kept(trees.assertion.body))
    return {
        "ctx": ast.unparse(ast.fix_missing_locations(ctx)),
        "assertion": ast.unparse(ast.fix_missing_locations(assertion)),
        "keywords": list(keywords),
    }


def to_text(test: PlainTest, line: int = 0) -> str:
    """Return the test for people: its assertion, or the line of ctx that failed, from 1."""
    lines = test.ctx.splitlines() if line else []
    if 0 < line <= len(lines):
        return lines[line - 1].strip().removeprefix("assert ")
    return test.assertion


def _keywords(inspection: str) -> Iterator[str]:
    """Yield what must be used: the field is a JSON list, or names between commas."""
    text = inspection.strip()
    if not text:
        return
    try:
        listed = json.loads(text)
    except ValueError:
        listed = text.split(",")
    for word in listed if isinstance(listed, list) else [text]:
        if str(word).strip():
            yield str(word).strip()


class _SideKeeper(ast.NodeTransformer):
    """Gives the sides of asserted comparisons their names."""

    def visit_Assert(self, node: ast.Assert) -> ast.Assert:
        node.test = self.kept(node.test)
        return node

    def kept(self, test: ast.expr) -> ast.expr:
        """Return an expression whose (last reached) comparison leaves both sides behind."""
        match test:
            case ast.BoolOp(op=ast.And()):
                test.values = [self.kept(value) for value in test.values]
            case ast.Compare(ops=[op]) if isinstance(op, _KEPT_SIDES):
                test.left = _named("_left_", test.left)
                test.comparators = [_named("_right_", test.comparators[0])]
            case _:
                pass
        return test


def _named(name: str, value: ast.expr) -> ast.expr:
    return ast.NamedExpr(ast.Name(name, ast.Store()), value)
