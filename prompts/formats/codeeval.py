"""The collector's own rows, which are CodeEval's: zenodo.org/records/17495202."""

import msgspec

from prompts.problem import Problem, SolutionKind, TestCase


class _Row(msgspec.Struct):
    task_id: str
    name: str
    problem: str
    canonical_solution: str = ""
    tests: str | list[TestCase] = msgspec.field(default_factory=list)
    category: str | None = None
    topic: str | None = None
    complexity: int | None = None
    object: SolutionKind | None = None


def read_row(line: bytes, file_stem: str) -> Problem:
    """Return the problem of a line; raise ValueError, with a reason for the user, without one."""
    row = msgspec.json.decode(line, type=_Row)
    for field in ("task_id", "name", "problem"):
        if not getattr(row, field).strip():
            raise ValueError(f"{field} is empty")
    if not row.name.isidentifier():
        raise ValueError(f"name {row.name!r} is not a Python identifier")
    return Problem(
        task_id=row.task_id,
        name=row.name,
        problem=row.problem,
        canonical_solution=row.canonical_solution,
        tests=_tests(row.tests),
        category=row.category or row.topic or file_stem,
        complexity=row.complexity,
        object=row.object,
    )


def _tests(tests: str | list[TestCase]) -> tuple[TestCase, ...]:
    if isinstance(tests, list):
        return tuple(tests)
    if not tests.strip():
        return ()
    try:
        return tuple(msgspec.json.decode(tests, type=list[TestCase]))
    except msgspec.MsgspecError as error:
        raise ValueError(f"tests is not a JSON list of tests: {error}") from error
