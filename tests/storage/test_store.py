"""The store through guide.md's interface and the collector's own, on real folders."""

import csv
import io
import json
import random
import tracemalloc
from pathlib import Path

import pytest

from config.errors import StoreError
from storage.records.record_csv import csv_row
from storage.records.solution_record import SolutionRecord
from storage.sessions import create_session, open_session
from storage.solution_store import SolutionStore
from storage.views.session_views import has_all_views
from tests.support.store_records import (
    HandClock,
    failure,
    first_samples,
    metadata,
    read_json,
    read_lines,
    solution,
    validation,
)

GUIDE_RECORD: dict[str, object] = {
    "task_id": "dataclass_1",
    "model": "gpt-4",
    "problem": "Create a dataclass...",
    "category": "dataclass",
    "complexity": 2,
    "raw_response": "Here's the solution:\n\n```python\n...",
    "extracted_solution": "from dataclasses import dataclass...",
    "validation": validation(),
    "llm_call_success": True,
    "execution_time": 2.3,
    "timestamp": 1234567890.123,
}


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_guides_example_runs_as_printed(tmp_path: Path) -> None:
    store = SolutionStore(output_dir=tmp_path / "generated", session_id="session_1234567890")
    folder = tmp_path / "generated" / "session_1234567890"
    assert store.path == folder
    assert folder.is_dir()

    store.add_single_solution("dataclass_1", "gpt-4", GUIDE_RECORD)
    store.add_single_solution("typing_1", "gpt-4", {"category": "typing"})

    jsonl = {name: folder / "gpt-4" / f"{name}.jsonl" for name in ("dataclass", "typing")}
    assert store.save_solutions_jsonl() == {"gpt-4": jsonl}
    assert store.save_solutions_csv() == {
        "gpt-4": {name: folder / "gpt-4" / f"{name}.csv" for name in ("dataclass", "typing")}
    }
    assert store.save_analysis_summary() == {"gpt-4": folder / "gpt-4" / "summary.json"}
    assert store.save_cross_model_comparison() == folder / "cross_model_comparison.json"
    assert store.get_category_files("gpt-4") == jsonl
    assert store.get_category_files("gpt-5") == {}

    [kept] = store.load_solutions_from_jsonl("gpt-4", "dataclass")
    assert kept == kept | GUIDE_RECORD
    assert [line["task_id"] for line in store.load_solutions_from_jsonl("gpt-4")] == [
        "dataclass_1",
        "typing_1",
    ]
    assert store.load_solutions_from_jsonl("gpt-4", "closure") == []
    assert store.load_solutions_from_jsonl("gpt-5") == []
    assert read_json(folder / "summary.json")["session_id"] == "session_1234567890"


def test_a_session_without_an_id_is_named_by_the_time_and_never_an_existing_one(
    tmp_path: Path,
) -> None:
    clock = HandClock()
    names = [SolutionStore(tmp_path, clock=clock).session_id for _ in range(3)]
    assert names == ["session_1234567890", "session_1234567890_2", "session_1234567890_3"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


def test_an_answer_is_in_its_file_when_append_returns(tmp_path: Path) -> None:
    store = SolutionStore(tmp_path, "s")
    store.append(solution("dataclass_1", raw_response="one\ntwo \u2028 three"))
    content = (store.path / "gpt-4" / "dataclass.jsonl").read_bytes()
    assert content.count(b"\n") == 1
    assert content.endswith(b"\n")
    assert json.loads(content)["raw_response"] == "one\ntwo \u2028 three"
    assert json.loads(content)["parameters"] == {"temperature": 0.2}
    assert list(json.loads(content)) == list(SolutionRecord.__struct_fields__)


def test_a_second_answer_is_refused_and_the_first_stays(tmp_path: Path) -> None:
    store = SolutionStore(tmp_path, "s")
    store.append(solution(raw_response="first"))
    for again in (store, SolutionStore(tmp_path, "s")):
        with pytest.raises(StoreError, match="gpt-4 has already answered 'dataclass_1'"):
            again.append(solution(raw_response="second"))
        with pytest.raises(StoreError, match="already answered"):
            again.append(solution(category="typing"))
        with pytest.raises(StoreError, match="already answered"):
            again.append_pending(solution())
    store.append(solution(model="claude-3-sonnet"))
    [line] = read_lines(store.path / "gpt-4" / "dataclass.jsonl")
    assert line["raw_response"] == "first"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"colour": 1, "taste": 2}, "unknown fields: 'colour', 'taste'"),
        ({"complexity": "two"}, "complexity"),
        ({"raw_response": None}, "raw_response"),
        ({"model": "gpt-5"}, "has model 'gpt-5', not 'gpt-4'"),
        ({"task_id": "t2"}, "has task_id 't2', not 't1'"),
        ({"validation": {"at": object()}}, "cannot be written as JSON"),
    ],
)
def test_solution_data_that_does_not_fit_is_named_and_not_kept(
    tmp_path: Path, data: dict[str, object], message: str
) -> None:
    store = SolutionStore(tmp_path, "s")
    with pytest.raises(StoreError, match=message):
        store.add_single_solution("t1", "gpt-4", data)
    assert not store.is_answered("gpt-4", ("t1", 1))
    assert list(store.path.iterdir()) == []


def test_solution_data_of_a_failed_call_becomes_a_failure(tmp_path: Path) -> None:
    store = SolutionStore(tmp_path, "s")
    store.add_single_solution(
        "t1", "gpt-4", {"llm_call_success": False, "raw_response": "timed out", "category": "c"}
    )
    assert not store.is_answered("gpt-4", ("t1", 1))
    assert store.failed_tasks["gpt-4"]["t1", 1].message == "timed out"
    assert not (store.path / "gpt-4").exists()
    [line] = read_lines(store.path / "failures.jsonl")
    assert (line["task_id"], line["error"]) == ("t1", "CallFailed")


def test_a_later_answer_supersedes_a_failure_but_not_the_other_way_round(tmp_path: Path) -> None:
    store = SolutionStore(tmp_path, "s")
    store.append_failure(failure("t1"))
    store.append_failure(failure("t1"))
    store.append_failure(failure("t2"))
    store.append(solution("t1"))
    store.append_failure(failure("t1"))
    for seen in (store, SolutionStore(tmp_path, "s")):
        assert set(seen.failed_tasks["gpt-4"]) == first_samples("t2")
        tally = seen.tallies["gpt-4", "dataclass"]
        assert (tally.answered, tally.failed, tally.attempted) == (1, 1, 2)
    [first, *_] = read_lines(store.path / "failures.jsonl")
    assert first["attempts"] == [
        {
            "started": 1234567890.123,
            "seconds": 1.5,
            "wait_seconds": 0.0,
            "status": 503,
            "error": "Busy",
            "message": None,
        }
    ]


def test_a_reply_that_waits_for_extraction_is_kept_until_it_is_answered(tmp_path: Path) -> None:
    store = SolutionStore(tmp_path, "s")
    store.append_pending(solution("t1", raw_response="prose"))
    store.append_pending(solution("t2"))
    assert store.is_pending("gpt-4", ("t1", 1))
    assert not store.is_answered("gpt-4", ("t1", 1))

    resumed = SolutionStore(tmp_path, "s")
    first = next(resumed.pending())
    assert (first.task_id, first.raw_response) == ("t1", "prose")
    resumed.append(solution("t1"))
    assert [record.task_id for record in resumed.pending()] == ["t2"]
    resumed.finish("in_progress")
    assert (store.path / "pending_extraction.jsonl").exists()

    last = SolutionStore(tmp_path, "s")
    assert [record.task_id for record in last.pending()] == ["t2"]
    last.append(solution("t2"))
    last.finish()
    assert list(last.pending()) == []
    assert not (store.path / "pending_extraction.jsonl").exists()


def test_replies_that_were_read_do_not_pile_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.records.answer_log._MOST_DONE_WITH", 1000)
    store = SolutionStore(tmp_path, "s")
    waiting = store.path / "pending_extraction.jsonl"
    long = "prose " * 200
    for task in ("t1", "t2"):
        place = store.append_pending(solution(task, raw_response=long))
        assert store.pending_at(place).task_id == task
        store.append(solution(task, raw_response=long))
    place = store.append_pending(solution("t3", raw_response=long))
    store.sync()
    assert store.pending_at(place).task_id == "t3" and waiting.exists()
    store.append(solution("t3", raw_response=long))
    store.sync()
    assert not waiting.exists()
    store.append_pending(solution("t4"))
    store.append(solution("t4"))
    store.sync()
    assert waiting.exists()
    assert len(SolutionStore(tmp_path, "s").answered("gpt-4")) == 4


def test_csv_is_what_pythons_writer_makes(tmp_path: Path) -> None:
    store = SolutionStore(tmp_path, "s")
    chance = random.Random(5)
    records = [
        solution(
            f"t{number}",
            problem="".join(chance.choices("ab\",;\r\n\t '=|\\é", k=number % 8)),
            code="".join(chance.choices('x", \n', k=3)),
        )
        for number in range(300)
    ]
    for record in records:
        store.append(record)
    expected = io.StringIO()
    writer = csv.writer(expected)
    writer.writerow(SolutionRecord.__struct_fields__)
    writer.writerows(csv_row(record) for record in records)
    path = store.save_solutions_csv()["gpt-4"]["dataclass"]
    assert path.read_bytes() == expected.getvalue().encode()


def test_csv_grown_by_checkpoints_equals_csv_made_anew(tmp_path: Path) -> None:
    store = SolutionStore(tmp_path, "s")
    path = store.path / "gpt-4" / "dataclass.csv"
    for number in range(7):
        store.append(solution(f"t{number}", raw_response=f'line one\n"line" two, {number}'))
        store.append(solution(f"u{number}", category="typing"))
        if number % 2:
            store.checkpoint()
            assert len(read_csv(path)) == number + 1
    store.finish()
    grown = path.read_bytes()
    SolutionStore(tmp_path, "s").save_solutions_csv()
    assert path.read_bytes() == grown
    assert [row["task_id"] for row in read_csv(path)] == [f"t{number}" for number in range(7)]
    assert read_csv(path)[3]["raw_response"] == 'line one\n"line" two, 3'
    assert json.loads(read_csv(path)[3]["validation"]) == validation()


def test_a_category_that_is_too_long_for_a_csv_has_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = SolutionStore(tmp_path, "s", most_csv_rows=2)
    path = store.path / "gpt-4" / "dataclass.csv"
    store.append(solution("u1", category="typing"))
    for number in range(4):
        store.append(solution(f"t{number}"))
        store.checkpoint()
        assert path.exists() == (number < 2)
    assert store.save_solutions_csv() == {"gpt-4": {"typing": store.path / "gpt-4" / "typing.csv"}}
    store.finish()
    [said] = [record.getMessage() for record in caplog.records]
    assert said.startswith(f"{path.with_suffix('.jsonl')}: more than 2 answers, too many for")
    assert has_all_views(store)


def test_a_checkpoint_reads_only_what_is_new(tmp_path: Path) -> None:
    store = SolutionStore(tmp_path, "s")
    store.append(solution("t1"))
    store.append(solution("u1", category="typing"))
    store.checkpoint()
    untouched = store.path / "gpt-4" / "typing.jsonl"
    grown = store.path / "gpt-4" / "dataclass.jsonl"
    first_line = grown.read_bytes()
    untouched.write_bytes(b"damaged")
    grown.write_bytes(b"x" * (len(first_line) - 1) + b"\n")  # what is exported is not read again
    store.append(solution("t2"))
    store.checkpoint()
    assert [row["task_id"] for row in read_csv(grown.with_suffix(".csv"))] == ["t1", "t2"]
    assert [row["task_id"] for row in read_csv(untouched.with_suffix(".csv"))] == ["u1"]


def test_checkpoints_take_a_small_share_of_the_time(tmp_path: Path) -> None:
    clock = HandClock()
    store = SolutionStore(tmp_path, "s", clock=clock)
    assert not store.checkpoint_if_due()
    store.append(solution("t1"))
    assert store.checkpoint_if_due()
    store.append(solution("t2"))
    assert not store.checkpoint_if_due()
    clock.advance(0.5)
    assert store.checkpoint_if_due()
    assert not store.checkpoint_if_due()
    assert len(read_csv(store.path / "gpt-4" / "dataclass.csv")) == 2


@pytest.mark.parametrize("change", ["edited", "deleted", "older version", "cut in a row"])
def test_a_csv_that_another_hand_changed_is_made_anew(tmp_path: Path, change: str) -> None:
    store = SolutionStore(tmp_path, "s")
    store.append(solution("t1"))
    store.checkpoint()
    path = store.path / "gpt-4" / "dataclass.csv"
    if change == "deleted":
        path.unlink()
    elif change == "cut in a row":
        path.write_bytes(path.read_bytes()[:-20])
    else:
        path.write_text("task_id,code\nt1,pass\n" if change == "older version" else "")
    store.append(solution("t2"))
    store.checkpoint()
    assert [row["task_id"] for row in read_csv(path)] == ["t1", "t2"]
    assert read_csv(path)[0]["extracted_solution"] == "pass\n"


def test_the_comparison_puts_models_side_by_side(tmp_path: Path) -> None:
    store = create_session(tmp_path, "s", metadata())
    store.append(solution("dataclass_1", "claude-3-sonnet", seconds=1.8))
    store.append(solution("dataclass_1", "gpt-4", seconds=2.1, problem="Create a dataclass..."))
    store.append(solution("typing_1", "gpt-4", "typing", verdict=validation(valid=False)))
    compared = read_json(store.save_cross_model_comparison())
    assert compared == {
        "summary": {
            "session_id": "s",
            "models_evaluated": ["gpt-4", "claude-3-sonnet"],
            "categories_processed": ["dataclass", "typing"],
            "total_problems": 2,
        },
        "problems": [
            {
                "task_id": "dataclass_1",
                "problem": "Create a dataclass",
                "category": "dataclass",
                "gpt-4_valid": True,
                "gpt-4_time": 2.1,
                "claude-3-sonnet_valid": True,
                "claude-3-sonnet_time": 1.8,
            },
            {
                "task_id": "typing_1",
                "problem": "Create a dataclass",
                "category": "typing",
                "gpt-4_valid": False,
                "gpt-4_time": 2.0,
                "claude-3-sonnet_valid": None,
                "claude-3-sonnet_time": None,
            },
        ],
    }


def test_a_reopened_session_knows_what_it_holds(tmp_path: Path) -> None:
    store = create_session(tmp_path, "s", metadata())
    for number in range(5):
        store.append(solution(f"t{number}", cost_usd=0.5))
    store.append(solution("t0", "claude-3-sonnet", finish_reason="length", code=""))
    again = open_session(tmp_path, "s")
    assert again.metadata == metadata()
    assert again.answered("gpt-4") == first_samples(*(f"t{number}" for number in range(5)))
    assert again.answered_counts() == {"claude-3-sonnet": 1, "gpt-4": 5}
    assert again.is_answered("claude-3-sonnet", ("t0", 1))
    assert not again.is_answered("claude-3-sonnet", ("t1", 1))
    assert again.tallies["gpt-4", "dataclass"].cost_usd == 2.5
    other = again.tallies["claude-3-sonnet", "dataclass"]
    assert (other.truncated, other.empty, other.unpriced) == (1, 1, 1)
    assert again.repair() == []


def test_no_answer_is_held_in_memory(tmp_path: Path) -> None:
    body = "x" * 200_000
    tracemalloc.start()
    try:
        store = SolutionStore(tmp_path, "s")
        for number in range(100):
            store.append(solution(f"t{number}", raw_response=body))
        store.checkpoint()
        SolutionStore(tmp_path, "s").finish()
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (store.path / "gpt-4" / "dataclass.jsonl").stat().st_size > 20_000_000
    assert peak_bytes < 5_000_000
