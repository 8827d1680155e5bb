"""OpenAI's HumanEval as it is published: github.com/openai/human-eval, MIT licence."""

import ast

import msgspec

from prompts.formats.reference_length import level_of
from prompts.problem import Problem, TestCase

FIELDS = frozenset({"task_id", "prompt", "entry_point", "canonical_solution", "test"})


class _Row(msgspec.Struct):
    task_id: str
    prompt: str
    entry_point: str
    canonical_solution: str
    test: str


def read_row(line: bytes, file_stem: str) -> Problem:
    """Return the problem of a line; raise ValueError, with a reason for the user, without one.

    The category is the type of the first argument in the problem's tests.
    """
    row = msgspec.json.decode(line, type=_Row)
    return Problem(
        task_id=row.task_id.replace("HumanEval/", "humaneval_"),
        name=row.entry_point,
        problem=completion_problem(row.entry_point, row.prompt),
        canonical_solution=row.prompt.lstrip() + row.canonical_solution,
        tests=(TestCase(ctx=row.test, assertion="check(func) is None"),),
        category=_category(row.test) or file_stem,
        complexity=level_of(row.canonical_solution),
        object="function",
    )


def completion_problem(name: str, prompt: str) -> str:
    """Return a problem's text where the dataset has a signature with a docstring to complete."""
    said = f"Complete the function `{name}` so that it does what its docstring says."
    return f"{said}\n\n{prompt.strip()}"


def _category(test: str) -> str:
    """Return the type of the first argument that is written out in the tests, "" without one."""
    try:
        tree = ast.parse(test)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
            if node.func.id != "candidate":
                continue
            try:
                return type(ast.literal_eval(node.args[0])).__name__
            except (ValueError, TypeError, RecursionError, MemoryError):
                continue
    return "other"
