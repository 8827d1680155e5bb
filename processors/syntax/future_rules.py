"""Future statements: what the compiler refuses before anything else; CPython's Python/future.c."""

import __future__

import ast
import sys

from processors.syntax.scopes import Refused

_FUTURE_MAY_BE_RELATIVE = sys.version_info < (3, 13)


def is_future(node: ast.ImportFrom) -> bool:
    """Return whether an import is a future statement, wherever it stands."""
    return node.module == "__future__" and (not node.level or _FUTURE_MAY_BE_RELATIVE)


def future_statements(tree: ast.Module) -> list[ast.ImportFrom]:
    """Return the statements that a module begins with; raise Refused for an unknown feature.

    A docstring may stand before them. Any that comes later is refused when code is made for it.
    """
    body = tree.body
    found: list[ast.ImportFrom] = []
    for number, statement in enumerate(body):
        match statement:
            case ast.ImportFrom() if is_future(statement):
                _check_features(statement)
                found.append(statement)
            case ast.Expr(value=ast.Constant(value=str())) if number == 0:
                pass
            case _:
                break
    return found


def _check_features(statement: ast.ImportFrom) -> None:
    for alias in statement.names:
        if alias.name == "braces":
            raise Refused("not a chance", statement.lineno)
        if alias.name not in __future__.all_feature_names:
            raise Refused(f"future feature {alias.name} is not defined", statement.lineno)
