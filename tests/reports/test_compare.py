"""compare_sessions.py: what changed between sessions, or between the models of one."""

import csv
from pathlib import Path

import msgspec
import pytest

from storage.records.solution_record import FinishReason
from storage.session.manifest import SessionMetadata
from storage.sessions import create_session
from storage.solution_store import SolutionStore
from tests.support.command import Finished, run
from tests.support.store_records import failure, metadata, solution, validation
from tests.support.tables import cells

Answers = dict[str, str]  # task id -> what became of it


def session(
    folder: Path, session_id: str, models: dict[str, Answers], asked: SessionMetadata | None = None
) -> SolutionStore:
    described = asked or metadata(models=tuple(models))
    store = create_session(folder, session_id, described)
    for model, answers in models.items():
        for task_id, outcome in answers.items():
            _add(store, model, task_id, outcome)
    store.finish()
    return store


def _add(store: SolutionStore, model: str, task_id: str, outcome: str) -> None:
    if outcome == "failed":
        store.append_failure(failure(task_id, model))
        return
    finish: FinishReason = "length" if outcome == "truncated" else "stop"
    verdict = validation(valid=outcome.startswith("valid"), parses=outcome != "syntax")
    code = f"# {outcome}\n"
    store.append(solution(task_id, model, code=code, verdict=verdict, finish_reason=finish))


async def compare(folder: Path, *arguments: str) -> Finished:
    finished = await run("compare_sessions.py", "--output-dir", str(folder), *arguments)
    assert finished.exit_code == 0, finished.output
    return finished


def rows(path: Path) -> dict[str, dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return {row["task_id"]: row for row in csv.DictReader(file)}


async def test_changes_of_a_model_between_sessions(tmp_path: Path) -> None:
    session(
        tmp_path,
        "before",
        {
            "gpt-4": {
                "t_1": "valid",
                "t_2": "syntax",
                "t_3": "failed",
                "t_4": "valid",
                "t_5": "valid",
            }
        },
    )
    session(
        tmp_path,
        "after",
        {
            "gpt-4": {
                "t_1": "valid",
                "t_2": "valid",
                "t_3": "truncated",
                "t_4": "syntax",
                "t_5": "valid, written otherwise",
            }
        },
    )
    said = (await compare(tmp_path, "before", "after")).stdout
    _, _, difference = said.partition("after/gpt-4 against before/gpt-4:\n")
    assert difference.splitlines()[:8] == [
        "  1 became valid",
        "    t_2: syntax -> valid",
        "  1 valid no more",
        "    t_4: valid -> syntax",
        "  1 not valid, for another reason",
        "    t_3: failed -> truncated",
        "  1 with the same verdict and other code",
        "  1 the same",
    ]
    written = rows(tmp_path / "comparison_before_after.csv")
    assert written["t_2"] == {
        "task_id": "t_2",
        "category": "dataclass",
        "differs": "yes",
        "reworded": "no",
        "before/gpt-4": "syntax",
        "after/gpt-4": "valid",
    }
    assert written["t_1"]["differs"] == "no"
    assert list(written) == ["t_1", "t_2", "t_3", "t_4", "t_5"]


async def test_models_of_one_session_stand_against_the_first(tmp_path: Path) -> None:
    session(tmp_path, "only", {"one": {"t_1": "valid"}, "two": {"t_1": "syntax", "t_2": "valid"}})
    said = (await compare(tmp_path, "only")).stdout
    assert "only/two against only/one:" in said
    assert "0 valid here\n" in said and "t_2" not in said
    assert "1 valid there\n    t_1: valid -> syntax" in said
    assert "  1 not asked on both sides, not compared\n" in said


async def test_a_short_session_is_held_against_a_long_one_where_both_asked(tmp_path: Path) -> None:
    tasks = [f"t_{number}" for number in range(50)]
    session(tmp_path, "long", {"one": dict.fromkeys(tasks, "valid")})
    session(tmp_path, "short", {"one": {"t_0": "valid", "t_1": "syntax", "new": "valid"}})
    said = (await compare(tmp_path, "long", "short")).stdout
    _, _, difference = said.partition("short/one against long/one:\n")
    assert difference.splitlines()[:7] == [
        "  0 became valid",
        "  1 valid no more",
        "    t_1: valid -> syntax",
        "  0 not valid, for another reason",
        "  0 with the same verdict and other code",
        "  1 the same",
        "  49 not asked on both sides, not compared",
    ]
    assert cells(said)["short/one"]["undone"] == "0"


async def test_a_model_that_is_new_stands_against_the_first_column(tmp_path: Path) -> None:
    session(tmp_path, "a", {"one": {"t_1": "valid"}})
    session(tmp_path, "b", {"two": {"t_1": "valid"}})
    session(tmp_path, "c", {"one": {"t_1": "syntax"}, "two": {"t_1": "valid"}})
    said = (await compare(tmp_path, "a", "b", "c")).stdout
    assert "b/two against a/one:" in said
    assert "c/one against a/one:" in said
    assert "c/two against b/two:" in said


async def test_other_problems_and_other_wording_are_said(tmp_path: Path) -> None:
    asked = metadata(models=("one",))
    reworded = msgspec.structs.replace(asked, dataset={"dataclass_1": "ffffffffffffffff"})
    session(tmp_path, "a", {"one": {"dataclass_1": "valid", "only_a": "valid"}}, asked)
    session(tmp_path, "b", {"one": {"dataclass_1": "valid"}}, reworded)
    said = (await compare(tmp_path, "a", "b")).stdout
    assert "Problems that only some of these have: 1\n" in said
    assert "Problems that another session worded differently: 1\n" in said
    assert rows(tmp_path / "comparison_a_b.csv")["dataclass_1"]["reworded"] == "yes"


async def test_limit_shortens_what_is_printed_not_what_is_written(tmp_path: Path) -> None:
    tasks = [f"t_{number}" for number in range(1, 8)]
    session(tmp_path, "a", {"one": dict.fromkeys(tasks, "syntax")})
    session(tmp_path, "b", {"one": dict.fromkeys(tasks, "valid")})
    out = tmp_path / "changes.csv"
    said = (await compare(tmp_path, "a", "b", "--limit", "3", "--out", str(out))).stdout
    assert said.count("syntax -> valid") == 3
    assert "... and 4 more" in said
    assert len(rows(out)) == 7


async def test_a_model_name_cannot_become_a_formula(tmp_path: Path) -> None:
    session(tmp_path, "a", {"one": {"=1+1": "valid"}})
    await compare(tmp_path, "a")
    assert "'=1+1" in rows(tmp_path / "comparison_a.csv")


async def test_records_that_were_reprocessed_change_nothing(tmp_path: Path) -> None:
    store = session(tmp_path, "a", {"one": {"t_1": "valid"}})
    again = store.path / "reprocessed" / "2" / "one"
    again.mkdir(parents=True)
    (again / "dataclass.jsonl").write_bytes((store.path / "one" / "dataclass.jsonl").read_bytes())
    said = (await compare(tmp_path, "a")).stdout
    assert [line.split() for line in said.splitlines()[:2]] == [
        ["session/model", "answered", "valid", "failed", "undone"],
        ["a/one", "1", "1", "0", "0"],
    ]


async def test_an_unknown_session_is_named(tmp_path: Path) -> None:
    session(tmp_path, "session_1", {"one": {"t_1": "valid"}})
    finished = await run(
        "compare_sessions.py", "--output-dir", str(tmp_path), "session_1", "session_2"
    )
    assert finished.exit_code == 2
    assert "'session_2'" in finished.stderr


@pytest.mark.slow
async def test_a_target_that_cannot_be_is_refused_before_anything_is_printed(
    tmp_path: Path,
) -> None:
    for name in ("one", "two"):
        session(tmp_path, name, {"gpt-4": {"t_1": "valid"}})
    summary = (tmp_path / "two" / "summary.json").read_bytes()
    refusals = {
        tmp_path: "is a folder",
        tmp_path / "nowhere" / "x.csv": "there is no folder",
        tmp_path / "two" / "summary.json": "belongs to a session",
    }
    for target, reason in refusals.items():
        finished = await run(
            *("compare_sessions.py", "one", "two"),
            *("--output-dir", str(tmp_path), "--out", str(target)),
        )
        assert (finished.exit_code, finished.stdout) == (2, "")
        assert finished.stderr.startswith(f"error: --out {target}: ") and reason in finished.stderr
    assert (tmp_path / "two" / "summary.json").read_bytes() == summary


async def test_nothing_to_compare_is_said(tmp_path: Path) -> None:
    session(tmp_path, "one", {"gpt-4": {"t_1": "valid"}})
    assert "One model alone" in (await compare(tmp_path, "one")).stdout
    twice = await run(
        "compare_sessions.py", "one", str(tmp_path / "one"), "--output-dir", str(tmp_path)
    )
    assert twice.exit_code == 2 and "named twice" in twice.stderr


@pytest.mark.slow
async def test_a_path_where_no_session_is_names_the_path(tmp_path: Path) -> None:
    session(tmp_path, "one", {"gpt-4": {"t_1": "valid"}})
    for path in (str(tmp_path / "nope"), "./nope", str(tmp_path / "one" / "summary.json")):
        finished = await run("compare_sessions.py", path, folder=tmp_path)
        assert finished.exit_code == 2
        assert finished.stderr == f"error: {path}: no such folder of a session\n"
    for path in ("one/", "./one"):
        finished = await run("compare_sessions.py", path, folder=tmp_path)
        assert finished.exit_code == 0, finished.output


def judge(store: SolutionStore, model: str, *verdicts: dict[str, str]) -> None:
    """Write verdicts as an evaluation leaves them, for answers of one category, by sample."""
    for answers in store.get_category_files(model).values():
        path = store.path / "evaluation" / answers.parent.name / answers.name
        path.parent.mkdir(parents=True)
        lines = [
            msgspec.json.encode(
                {"task_id": t, "model": model, "sample": sample, "verdict": verdict}
            )
            for sample, of_sample in enumerate(verdicts, start=1)
            for t, verdict in of_sample.items()
        ]
        path.write_bytes(b"\n".join(lines) + b"\n")


async def test_samples_are_compared_as_k_of_n(tmp_path: Path) -> None:
    samples = {"before": ("valid", "syntax", "syntax"), "after": ("valid", "valid", "syntax")}
    for name, outcomes in samples.items():
        described = metadata(models=("gpt-4",))
        parameters = {**described.session_parameters, "samples": 3}
        described = msgspec.structs.replace(described, session_parameters=parameters)
        store = create_session(tmp_path, name, described)
        for sample, outcome in enumerate(outcomes, start=1):
            verdict = validation(valid=outcome == "valid", parses=outcome == "valid")
            answer = solution("t_1", "gpt-4", verdict=verdict)
            store.append(msgspec.structs.replace(answer, sample=sample))
        store.finish()
        judge(store, "gpt-4", *({"t_1": "passed" if o == "valid" else "failed"} for o in outcomes))
    said = (await compare(tmp_path, "before", "after")).stdout
    assert "  1 valid more often\n    t_1: 1/3 valid -> 2/3 valid\n" in said
    assert "  1 right more often\n    t_1: 1/3 right -> 2/3 right\n" in said
    assert cells(said)["before/gpt-4"]["passed"] == "1 of 3"
    table = rows(tmp_path / "comparison_before_after.csv")
    assert table["t_1"]["after/gpt-4 by tests"] == "2/3 right"


async def test_problems_that_became_right_or_wrong(tmp_path: Path) -> None:
    answers = {f"t_{n}": "valid" for n in range(1, 6)}
    before = session(tmp_path, "before", {"gpt-4": answers})
    after = session(tmp_path, "after", {"gpt-4": answers})
    judge(before, "gpt-4", {"t_1": "failed", "t_2": "passed", "t_3": "passed", "t_4": "not_run"})
    judge(after, "gpt-4", dict.fromkeys(answers, "passed") | {"t_2": "flaky"})
    finished = await compare(tmp_path, "before", "after")
    assert cells(finished.stdout)["before/gpt-4"]["passed"] == "2 of 3"
    assert cells(finished.stdout)["after/gpt-4"]["passed"] == "4 of 5"
    said = finished.stdout
    assert "  1 became right\n    t_1: wrong -> right\n" in said
    assert "  1 became wrong\n    t_2: right -> wrong\n" in said
    assert "  2 not judged on both sides" in said
    table = rows(tmp_path / "comparison_before_after.csv")
    assert table["t_1"]["before/gpt-4 by tests"] == "wrong"
    assert table["t_4"]["before/gpt-4 by tests"] == ""
    assert table["t_5"]["after/gpt-4 by tests"] == "right"


async def test_a_session_that_was_not_judged_is_not_compared_by_tests(tmp_path: Path) -> None:
    before = session(tmp_path, "before", {"gpt-4": {"t_1": "valid"}})
    session(tmp_path, "after", {"gpt-4": {"t_1": "valid"}})
    judge(before, "gpt-4", {"t_1": "passed"})
    finished = await compare(tmp_path, "before", "after")
    assert cells(finished.stdout)["after/gpt-4"]["passed"] == "-"
    assert "became right" not in finished.stdout and "became valid" in finished.stdout
