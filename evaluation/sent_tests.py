"""A problem's tests as they are sent into the sandbox: comparisons keep both of their sides.

`assert a == b` becomes `assert (_left_ := a) == (_right_ := b)`, so that a failure can say what
came and what was expected. Decoys go through the same, and look alike.
"""

import ast
import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from evaluation.inside.run_tests import ChildTest
from prompts.problems import TestCase

Tree = TypeVar("Tree", bound=ast.AST)
_KEPT_SIDES = (ast.Eq, ast.Is, ast.NotEq, ast.IsNot, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In)


@dataclass(frozen=True, slots=True)
class ParsedTest:
    """A test as syntax trees, which nothing changes; keywords must stand in the solution's code."""

    ctx: ast.Module
    assertion: ast.Expression
    keywords: tuple[str, ...] = ()


def parse_test(test: TestCase) -> ParsedTest:
    """Return the test's trees; raises SyntaxError (or ValueError) where it is no Python."""
    try:
        ctx = ast.parse(test.ctx)
        assertion = ast.parse(test.assertion.strip(), mode="eval")
    except (RecursionError, MemoryError) as error:
        raise ValueError("the test is nested too deeply") from error
    return ParsedTest(ctx, assertion, tuple(_keywords(test.inspection)))


def to_source(test: ParsedTest) -> ChildTest:
    """Return the test as it is sent."""
    keeper = _SideKeeper()
    ctx = keeper.visit(_copy(test.ctx))
    assertion = ast.Expression(keeper.kept(_copy(test.assertion).body))
    return {
        "ctx": ast.unparse(ast.fix_missing_locations(ctx)),
        "assertion": ast.unparse(ast.fix_missing_locations(assertion)),
        "keywords": list(test.keywords),
    }


def to_text(test: ParsedTest, line: int = 0) -> str:
    """Return the test for people: its assertion, or the line of ctx that failed, from 1."""
    lines = ast.unparse(test.ctx).splitlines() if line else []
    if 0 < line <= len(lines):
        return lines[line - 1].strip().removeprefix("assert ")
    return ast.unparse(test.assertion)


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


def _copy(tree: Tree) -> Tree:
    """Return a copy of a syntax tree; unparsing and parsing would be as deep, and slower."""
    return copy.deepcopy(tree)
