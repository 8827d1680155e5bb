"""The starter problems are well formed, can be solved, and their tests tell right from wrong."""

import ast
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec
import pytest

from tests.support import run_solution
from tests.support.run_solution import Job, ProblemTest

ROOT = Path(__file__).resolve().parent.parent
STARTER_FILES = sorted((ROOT / "dataset" / "starter").glob("*.jsonl"))
KEYS = [
    "task_id",
    "name",
    "problem",
    "canonical_solution",
    "tests",
    "category",
    "complexity",
    "object",
]
STUBS = {
    "function": "def {name}(*args, **kwargs):\n    return None\n",
    "class": "class {name}:\n    def __init__(self, *args, **kwargs):\n        pass\n",
}


class StarterProblem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of a starter file; all of its keys, and no others."""

    task_id: str
    name: str
    problem: str
    canonical_solution: str
    tests: str
    category: str
    complexity: Literal[1, 2, 3]
    object: Literal["function", "class"]


def read_problems(file: Path) -> list[StarterProblem]:
    lines = file.read_text(encoding="utf-8").splitlines()
    return [msgspec.json.decode(line, type=StarterProblem) for line in lines]


def read_tests(problem: StarterProblem) -> list[ProblemTest]:
    return msgspec.json.decode(problem.tests, type=list[ProblemTest])


PROBLEMS = [problem for file in STARTER_FILES for problem in read_problems(file)]
each_problem = pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.task_id)
each_file = pytest.mark.parametrize("file", STARTER_FILES, ids=lambda file: file.stem)


def as_job(problem: StarterProblem, solution: str, *, share_names: bool) -> Job:
    return Job(
        name=problem.name,
        solution=solution,
        tests=read_tests(problem),
        share_names=share_names,
    )


def run_jobs(jobs: Sequence[Job], *options: str) -> dict[str, list[str | None]]:
    """Return each problem's outcomes, from one fresh interpreter for all jobs."""
    finished = subprocess.run(
        [sys.executable, "-I", *options, str(Path(run_solution.__file__))],
        input=json.dumps(jobs),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    outcomes = msgspec.json.decode(finished.stdout, type=list[list[str | None]])
    return dict(zip([problem.task_id for problem in PROBLEMS], outcomes, strict=True))


@pytest.fixture(scope="module", params=[True, False], ids=["one namespace", "names apart"])
def canonical_outcomes(request: pytest.FixtureRequest) -> dict[str, list[str | None]]:
    share_names = bool(request.param)
    jobs = [as_job(p, p.canonical_solution, share_names=share_names) for p in PROBLEMS]
    return run_jobs(jobs, "-W", "error")


@pytest.fixture(scope="module")
def stub_outcomes() -> dict[str, list[str | None]]:
    stubs = [STUBS[p.object].format(name=p.name) for p in PROBLEMS]
    return run_jobs(
        [as_job(p, stub, share_names=True) for p, stub in zip(PROBLEMS, stubs, strict=True)]
    )


def imported_modules(code: str) -> set[str]:
    modules: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules.add(node.module or "")
    return {module.partition(".")[0] for module in modules}


def test_there_are_24_categories_with_functions_and_classes() -> None:
    assert len(STARTER_FILES) == 24
    objects = Counter(problem.object for problem in PROBLEMS)
    assert min(objects["function"], objects["class"]) >= len(PROBLEMS) / 3


@each_file
def test_a_category_covers_all_complexities_simplest_first(file: Path) -> None:
    problems = read_problems(file)
    complexities = [problem.complexity for problem in problems]
    assert complexities == sorted(complexities)
    assert set(complexities) == {1, 2, 3}
    numbers = range(1, len(problems) + 1)
    assert [problem.task_id for problem in problems] == [f"{file.stem}_{n}" for n in numbers]
    assert {problem.category for problem in problems} == {file.stem}


@each_file
def test_lines_are_readable_and_keys_stand_in_the_published_order(file: Path) -> None:
    for line in file.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        assert list(row) == KEYS
        assert line == json.dumps(row, ensure_ascii=False)


def test_task_ids_names_and_texts_are_unique() -> None:
    for values in (
        [problem.task_id for problem in PROBLEMS],
        [problem.name for problem in PROBLEMS],
        [problem.problem for problem in PROBLEMS],
    ):
        assert len(values) == len(set(values))


@each_problem
def test_a_text_speaks_of_func_or_cls_and_keeps_the_name_to_itself(problem: StarterProblem) -> None:
    used, unused = ("func", "cls") if problem.object == "function" else ("cls", "func")
    assert re.search(rf"`{used}\b", problem.problem)
    assert not re.search(rf"\b{unused}\b", problem.problem)
    assert not re.search(rf"\b{problem.name}\b", problem.problem)


@each_problem
def test_a_canonical_solution_defines_its_name_from_the_standard_library(
    problem: StarterProblem,
) -> None:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    body = ast.parse(problem.canonical_solution).body
    defined = {node.name: node for node in body if isinstance(node, kinds)}
    assert isinstance(defined[problem.name], ast.ClassDef) == (problem.object == "class")
    code = "\n".join([problem.canonical_solution, *(test["ctx"] for test in read_tests(problem))])
    assert imported_modules(code) <= sys.stdlib_module_names


@each_problem
def test_each_problem_has_four_tests_or_more_each_one_expression(problem: StarterProblem) -> None:
    tests = read_tests(problem)
    assert len(tests) >= 4
    for test in tests:
        ast.parse(test["ctx"])
        ast.parse(test["assertion"], mode="eval")
        assert re.search(r"\b(func|cls)\b", f"{test['ctx']}\n{test['assertion']}")


@each_problem
def test_a_canonical_solution_passes_its_tests(
    problem: StarterProblem, canonical_outcomes: dict[str, list[str | None]]
) -> None:
    assert [text for text in canonical_outcomes[problem.task_id] if text is not None] == []


@each_problem
def test_a_stub_fails_most_tests(
    problem: StarterProblem, stub_outcomes: dict[str, list[str | None]]
) -> None:
    outcomes = stub_outcomes[problem.task_id]
    failed = [text for text in outcomes if text is not None]
    assert len(failed) > len(outcomes) / 2
