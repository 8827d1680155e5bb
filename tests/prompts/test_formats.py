"""Published datasets as they are: HumanEval, MBPP and EvalPlus rows become problems that work."""

import gzip
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from config.errors import DatasetError
from prompts.problems import Problem, load_problems

HUMANEVAL = {
    "task_id": "HumanEval/0",
    "prompt": '\n\ndef first(v: list[int]):\n    """Return the first."""\n',
    "entry_point": "first",
    "canonical_solution": "    return v[0]\n",
    "test": "def check(candidate):\n    assert candidate([3, 4]) == 3\n",
}
MBPP = {
    "text": "Write a function to add two numbers.",
    "code": "def helper(a):\r\n  return a\r\ndef add(a, b):\r\n  return helper(a) + b",
    "task_id": 7,
    "test_setup_code": "one = 1",
    "test_list": ["assert add(one, 2) == 3", "assert add(2, 2) == 4, 'four'"],
    "challenge_test_list": [],
}
HUMANEVAL_PLUS = {**HUMANEVAL, "base_input": [[[3, 4]]], "plus_input": [[[5]]], "atol": 0}
MBPP_PLUS = {
    "task_id": "Mbpp/8",
    "prompt": '"""\nWrite a function to double a number.\nassert twice(2) == 4\n"""\n',
    "entry_point": "twice",
    "canonical_solution": "\ndef twice(n):\n    return n + n\n",
    "base_input": [[2]],
    "plus_input": [],
    "assertion": "assert twice(2) == 4\nassert twice(0) == 0",
}
FORMATS: dict[str, Mapping[str, object]] = {
    "HumanEval": HUMANEVAL,
    "mbpp": MBPP,
    "HumanEvalPlus": HUMANEVAL_PLUS,
    "MbppPlus": MBPP_PLUS,
}


def load(folder: Path, name: str, *rows: Mapping[str, object]) -> list[Problem]:
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return load_problems(folder / name)


def run_tests(problem: Problem) -> list[bool]:
    """Return how the reference solution does on each test; the code is of the rows above."""
    results = []
    for test in problem.tests:
        scope: dict[str, object] = {}
        exec(problem.canonical_solution, scope)
        names = {"func": scope[problem.name]}
        exec(test.ctx, names)
        results.append(bool(eval(test.assertion, names)))
    return results


@pytest.mark.parametrize("ending", [".jsonl", ".jsonl.gz"])
@pytest.mark.parametrize(
    ("name", "task_id", "solution", "tests"),
    [
        ("HumanEval", "humaneval_0", "first", 1),
        ("mbpp", "mbpp_7", "add", 2),
        ("HumanEvalPlus", "humaneval_0", "first", 1),
        ("MbppPlus", "mbpp_8", "twice", 2),
    ],
)
def test_the_reference_passes_the_tests_that_are_read(
    tmp_path: Path, ending: str, name: str, task_id: str, solution: str, tests: int
) -> None:
    (problem,) = load(tmp_path, name + ending, FORMATS[name])
    assert (problem.task_id, problem.name, problem.object) == (task_id, solution, "function")
    assert run_tests(problem) == [True] * tests


def test_the_text_says_what_to_do_and_which_arguments_there_are(tmp_path: Path) -> None:
    (humaneval,) = load(tmp_path, "a.jsonl", HUMANEVAL)
    assert humaneval.problem.endswith('def first(v: list[int]):\n    """Return the first."""')
    assert (humaneval.category, humaneval.complexity) == ("list", 1)
    (mbpp,) = load(tmp_path, "mbpp.jsonl", MBPP)
    assert "Your code should pass these tests:\n\nassert add(one, 2) == 3" in mbpp.problem
    assert mbpp.category == "mbpp"
    (plus,) = load(tmp_path, "plus.jsonl", MBPP_PLUS)
    assert plus.problem == "Write a function to double a number.\nassert twice(2) == 4"


def test_inputs_without_outputs_are_no_tests(tmp_path: Path) -> None:
    row = {key: value for key, value in HUMANEVAL_PLUS.items() if key != "test"}
    (problem,) = load(tmp_path, "plus.jsonl", row)
    assert problem.tests == ()


def test_a_folder_may_hold_several_formats(tmp_path: Path) -> None:
    load(tmp_path, "a.jsonl.gz", HUMANEVAL)
    load(tmp_path, "b.jsonl", MBPP)
    assert {problem.task_id for problem in load_problems(tmp_path)} == {"humaneval_0", "mbpp_7"}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({**MBPP, "test_list": ["assert (1"]}, "do not parse"),
        ({**MBPP, "test_list": ["assert 1 == 1"]}, "its tests call no function of its code"),
        ({**HUMANEVAL, "test": 5}, "Expected `str`, got `int` - at `$.test`"),
    ],
)
def test_a_broken_row_is_named_with_its_line(
    tmp_path: Path, row: dict[str, object], said: str
) -> None:
    with pytest.raises(DatasetError) as caught:
        load(tmp_path, "broken.jsonl", row)
    assert str(caught.value).startswith("broken.jsonl:1: ")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"no gzip", gzip.compress(b"x" * 1000, mtime=0)[:-9]], ids=["none", "torn"]
)
def test_a_gzip_file_that_cannot_be_read_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.jsonl.gz").write_bytes(content)
    with pytest.raises(DatasetError, match="not a gzip file that can be read"):
        load_problems(tmp_path)
