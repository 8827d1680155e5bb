"""Problems of a large dataset stay in its files: read when asked, they are what they were."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from config.errors import DatasetError, ProblemChanged
from prompts.placed_problems import PlacedProblems, those_of
from prompts.problems import first_of_each_category, load_problems, read_dataset
from tests.support.datasets import problem_row

HUMANEVAL = {
    "task_id": "HumanEval/1",
    "prompt": 'def add(a, b):\n    """Return the sum."""\n',
    "canonical_solution": "    return a + b\n",
    "test": "def check(candidate):\n    assert candidate(1, 2) == 3\n",
    "entry_point": "add",
}


def lines(*task_ids: str, **changes: object) -> bytes:
    return b"".join(json.dumps(problem_row(each, **changes)).encode() + b"\n" for each in task_ids)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Files of every kind: with a mark, blank lines and Windows' ends, packed, of another form."""
    (tmp_path / "a.jsonl").write_bytes(b"\xef\xbb\xbf" + lines("a_1", "a_2", category="z"))
    windows = lines("b_1", "b_2", problem="Wörter für `func`.").replace(b"\n", b"\r\n")
    (tmp_path / "b.jsonl").write_bytes(b"\n \n" + windows + b"\n" + lines("b_3")[:-1])
    (tmp_path / "c.jsonl.gz").write_bytes(gzip.compress(lines("c_1", "c_2", category="texts")))
    (tmp_path / "d.jsonl").write_text(json.dumps(HUMANEVAL) + "\n")
    return tmp_path


def placed(dataset: Path) -> PlacedProblems:
    problems = read_dataset(dataset, most_held=3).problems
    assert isinstance(problems, PlacedProblems)
    return problems


def test_they_are_what_they_are_when_held_whole(dataset: Path) -> None:
    whole, problems = load_problems(dataset), placed(dataset)
    assert [each.read() for each in problems] == whole
    for mine, held in zip(problems, whole, strict=True):
        told = (held.task_id, held.category, held.content_hash)
        assert (mine.task_id, mine.category, mine.content_hash) == told
    assert [each.read() for each in problems[2:5]] == whole[2:5]
    assert [each.read() for each in first_of_each_category(problems)] == first_of_each_category(
        whole
    )
    chosen = those_of(problems, lambda problem: problem.task_id.endswith("1"))
    assert isinstance(chosen, PlacedProblems)
    assert [each.read() for each in chosen] == [each for each in whole if each.task_id[-1] == "1"]
    of_texts = read_dataset(dataset, ["texts"], most_held=3).problems
    assert [each.read() for each in of_texts] == load_problems(dataset, ["texts"])


def test_few_are_held_whole(dataset: Path) -> None:
    problems = read_dataset(dataset, most_held=8).problems
    assert len(problems) == 8 and list(problems) == load_problems(dataset)


CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "another text": lambda content: content.replace(b"the a_2 of all", b"the a_9 of all"),
    "a line before": lambda content: lines("a_0") + content,
    "cut": lambda content: content[:-20],
    "no JSON": lambda content: content.replace(b'"a_2"', b"'a_2'"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_changed_is_not_asked(dataset: Path, change: str) -> None:
    problems = {each.task_id: each for each in placed(dataset)}
    file = dataset / "a.jsonl"
    file.write_bytes(CHANGES[change](file.read_bytes()))
    with pytest.raises(ProblemChanged, match=r"^a\.jsonl:2 is not what it was when the run began"):
        problems["a_2"].read()
    assert problems["b_1"].read().task_id == "b_1"
    file.unlink()
    with pytest.raises(ProblemChanged):
        problems["a_1"].read()


def test_broken_lines_and_doubled_ids_are_named_as_ever(dataset: Path) -> None:
    (dataset / "e.jsonl").write_bytes(lines("a_2") + b'{"task_id": 3}\n' + lines("b_1"))
    said = []
    for most_held in (None, 2):
        with pytest.raises(DatasetError) as error:
            read_dataset(dataset, most_held=most_held)
        said.append(str(error.value))
    assert said[0] == said[1]
    assert "e.jsonl:1: duplicate task_id 'a_2', first at a.jsonl:2" in said[0]
    assert "e.jsonl:3: duplicate task_id 'b_1', first at b.jsonl:3" in said[0]
    assert "(3 errors in" in said[0]
