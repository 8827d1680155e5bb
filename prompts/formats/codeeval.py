"""The collector's own rows, which are CodeEval's: zenodo.org/records/17495202."""

import re
from collections.abc import Sequence
from keyword import iskeyword
from typing import get_args

import msgspec

from prompts.formats.row_keys import nearest_key
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


KEYS = frozenset(_Row.__struct_fields__)
_MISSING_FIELD = re.compile(r"missing required field `(\w+)`")
_BAD_CHOICE, _AT_OBJECT = "Invalid enum value ", " - at `$.object`"


def read_row(line: bytes, file_stem: str) -> Problem:
    """Return the problem of a line; raise ValueError, with a reason for the user, without one."""
    row = msgspec.json.decode(line, type=_Row)
    for field in ("task_id", "name", "problem"):
        if not getattr(row, field).strip():
            raise ValueError(f"{field} is empty")
    if not row.name.isidentifier():
        raise ValueError(f"name {row.name!r} is not a Python identifier")
    if iskeyword(row.name):
        raise ValueError(f"name {row.name!r} is a keyword of Python")
    if row.complexity is not None and row.complexity < 0:
        raise ValueError(f"complexity is {row.complexity}: it is 0 or more")
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


def reason(error: Exception, keys: Sequence[str]) -> str:
    """Return what is wrong with a line, for people; keys: of its object."""
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8 text"
    said = str(error).replace("JSON is malformed: ", "not JSON: ")
    if missing := _MISSING_FIELD.search(said):
        slip = nearest_key(missing[1], [key for key in keys if key not in KEYS])
        return f"{said} (there is `{slip}`)" if slip else said
    if said.startswith(_BAD_CHOICE) and said.endswith(_AT_OBJECT):
        value = said.removeprefix(_BAD_CHOICE).removesuffix(_AT_OBJECT)
        return f"object is {value}: it is {' or '.join(get_args(SolutionKind))}"
    return said


def _tests(tests: str | list[TestCase]) -> tuple[TestCase, ...]:
    if isinstance(tests, list):
        return tuple(tests)
    if not tests.strip():
        return ()
    try:
        return tuple(msgspec.json.decode(tests, type=list[TestCase]))
    except msgspec.MsgspecError as error:
        raise ValueError(f"tests is not a JSON list of tests: {error}") from error
