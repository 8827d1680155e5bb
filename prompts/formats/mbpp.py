"""Google's MBPP as it is published: github.com/google-research/google-research/tree/master/mbpp."""

import ast

import msgspec

from prompts.formats.asserts import test_cases
from prompts.formats.reference_length import level_of
from prompts.problem import Problem

FIELDS = frozenset({"task_id", "text", "code", "test_list"})


class _Row(msgspec.Struct):
    task_id: int
    text: str
    code: str
    test_list: list[str]
    test_setup_code: str = ""


def read_row(line: bytes, file_stem: str) -> Problem:
    """Return the problem of a line; raise ValueError, with a reason for the user, without one.

    The tests stand in the text, as in the paper (arXiv:2108.07732): without them nobody could
    know the arguments.
    """
    row = msgspec.json.decode(line, type=_Row)
    tests = "\n".join(row.test_list)
    name = _name(row.code, tests)
    return Problem(
        task_id=f"mbpp_{row.task_id}",
        name=name,
        problem=f"{row.text.strip()}\n\nYour code should pass these tests:\n\n{tests}",
        canonical_solution=row.code.replace("\r\n", "\n"),
        tests=test_cases(tests, name, row.test_setup_code),
        category=file_stem,
        complexity=level_of(row.code),
        object="function",
    )


def _name(code: str, tests: str) -> str:
    """Return the function of the reference solution that the tests call."""
    try:
        defined = {n.name for n in ast.parse(code).body if isinstance(n, ast.FunctionDef)}
        calls = [n for n in ast.walk(ast.parse(tests)) if isinstance(n, ast.Call)]
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"its code or tests do not parse: {error}") from error
    for call in calls:
        if isinstance(call.func, ast.Name) and call.func.id in defined:
            return call.func.id
    raise ValueError("its tests call no function of its code")
