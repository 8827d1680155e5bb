"""Tests that are written as assert statements -> the collector's test cases."""

import ast

from prompts.problem import TestCase


def test_cases(code: str, name: str, setup: str = "") -> tuple[TestCase, ...]:
    """Return one case an assert statement; name: what the asserts call the solution.

    setup: code that the asserts need. Raises ValueError where the code does not parse.
    """
    try:
        statements = ast.parse(code).body
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError(f"its tests do not parse: {error}") from error
    ctx = f"{setup.strip()}\n{name} = func".strip()
    return tuple(
        TestCase(ctx=ctx, assertion=ast.unparse(statement.test))
        for statement in statements
        if isinstance(statement, ast.Assert)
    )
