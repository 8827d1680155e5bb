"""EvalPlus's HumanEval+ and MBPP+: github.com/evalplus/evalplus, Apache-2.0.

Their inputs (base_input, plus_input) have no expected outputs: those come from a run of the
reference solution, which is no job of a reader. MBPP+ rows carry MBPP's own assertions, which are
taken; HumanEval+ rows that carry HumanEval's test have that.
"""

import msgspec

from prompts.formats.asserts import test_cases
from prompts.formats.humaneval import completion_problem
from prompts.formats.reference_length import level_of
from prompts.problem import Problem, TestCase

FIELDS = frozenset({"task_id", "prompt", "entry_point", "canonical_solution", "base_input"})


class _Row(msgspec.Struct):
    task_id: str
    prompt: str
    entry_point: str
    canonical_solution: str
    test: str = ""
    assertion: str = ""


def read_row(line: bytes, file_stem: str) -> Problem:
    """Return the problem of a line; raise ValueError, with a reason for the user, without one."""
    row = msgspec.json.decode(line, type=_Row)
    if row.task_id.startswith("Mbpp/"):
        text, solution = _words(row.prompt), row.canonical_solution
    else:
        text = completion_problem(row.entry_point, row.prompt)
        solution = row.prompt.lstrip() + row.canonical_solution
    return Problem(
        task_id=row.task_id.replace("HumanEval/", "humaneval_").replace("Mbpp/", "mbpp_"),
        name=row.entry_point,
        problem=text,
        canonical_solution=solution,
        tests=_tests(row),
        category=file_stem,
        complexity=level_of(row.canonical_solution),
        object="function",
    )


def _words(prompt: str) -> str:
    """Return the words of an MBPP+ prompt, which is a docstring alone."""
    return prompt.strip().strip('"').strip()


def _tests(row: _Row) -> tuple[TestCase, ...]:
    if row.assertion:
        return test_cases(row.assertion, row.entry_point)
    if row.test:
        return (TestCase(ctx=row.test, assertion="check(func) is None"),)
    return ()
