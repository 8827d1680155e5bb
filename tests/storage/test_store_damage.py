"""Damaged session files: what can be read goes on, what cannot is set aside and said."""

import csv
import json
from pathlib import Path

import pytest

from config.errors import ConfigError, StoreError
from reports.report import write_report
from storage.files.jsonl_file import append_line
from storage.progress_tracker import ProgressTracker
from storage.session.session_condition import condition_words
from storage.sessions import create_session, list_sessions, open_session, repair_session
from storage.solution_store import SolutionStore
from tests.support.command import run
from tests.support.store_records import (
    HandClock,
    answers_on_disk,
    failure,
    first_samples,
    metadata,
    read_json,
    read_lines,
    solution,
)


def session(tmp_path: Path, answers: int = 3) -> SolutionStore:
    store = create_session(tmp_path, "s", metadata())
    for number in range(answers):
        store.append(solution(f"t{number}", raw_response=f"reply é {number}"))
    return store


def repaired(tmp_path: Path) -> tuple[SolutionStore, list[str]]:
    store = open_session(tmp_path, "s")
    return store, repair_session(store)


def test_a_half_line_at_the_end_is_cut_off_and_kept(tmp_path: Path) -> None:
    path = session(tmp_path).path / "gpt-4" / "dataclass.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    store, said = repaired(tmp_path)
    assert said == [
        "gpt-4/dataclass.jsonl: a half line at the end was cut off and kept in "
        "dataclass.jsonl.damaged"
    ]
    assert store.answered("gpt-4") == first_samples("t0", "t1")
    last_line = whole.splitlines(keepends=True)[-1]
    assert path.with_name("dataclass.jsonl.damaged").read_bytes() == last_line[:-40] + b"\n"
    assert path.read_bytes() == whole.removesuffix(last_line)
    store.append(solution("t2"))
    assert len(read_lines(path)) == 3
    assert repaired(tmp_path)[1] == []


def test_an_append_never_joins_a_half_line(tmp_path: Path) -> None:
    store = session(tmp_path)
    path = store.path / "gpt-4" / "dataclass.jsonl"
    path.write_bytes(path.read_bytes() + b'{"task_id": "t3", "model"')
    store.append(solution("t3"))
    assert [line["task_id"] for line in read_lines(path)] == ["t0", "t1", "t2", "t3"]
    kept = path.with_name("dataclass.jsonl.damaged").read_bytes()
    assert kept == b'{"task_id": "t3", "model"\n'


def test_a_whole_last_line_that_lacks_its_end_counts(tmp_path: Path) -> None:
    path = session(tmp_path).path / "gpt-4" / "dataclass.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert open_session(tmp_path, "s").answered("gpt-4") == first_samples("t0", "t1", "t2")
    assert repaired(tmp_path)[1] == [
        "gpt-4/dataclass.jsonl: the missing end of the last line added"
    ]
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    "bad_line",
    [
        b"not json",
        b'{"task_id": "t1", "mod\xff\xfeel": "gpt-4"}',
        b'{"some": "other object"}',
        b'["a", "list"]',
        b"12",
        b"{" * 100_000,
        b'{"task_id": "t9' + b"\x00" * 50 + b'"}',
    ],
    ids=["text", "utf-8", "object", "list", "number", "nested", "zeros"],
)
def test_a_line_that_cannot_be_read_is_set_aside_and_the_rest_kept(
    tmp_path: Path, bad_line: bytes
) -> None:
    path = session(tmp_path).path / "gpt-4" / "dataclass.jsonl"
    first, second, third = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + bad_line + b"\n" + second + third)
    store, said = repaired(tmp_path)
    assert said == [
        "gpt-4/dataclass.jsonl: 1 line that cannot be read taken out and kept in "
        "dataclass.jsonl.damaged"
    ]
    assert path.read_bytes() == first + second + third
    assert path.with_name("dataclass.jsonl.damaged").read_bytes() == bad_line + b"\n"
    assert store.answered("gpt-4") == first_samples("t0", "t1", "t2")


def test_invalid_utf8_in_an_answer_is_set_aside(tmp_path: Path) -> None:
    path = session(tmp_path).path / "gpt-4" / "dataclass.jsonl"
    path.write_bytes(path.read_bytes().replace("é 1".encode(), b"\xff 1"))
    store, said = repaired(tmp_path)
    assert store.answered("gpt-4") == first_samples("t0", "t2")
    assert len(said) == 1
    assert len(read_lines(path)) == 2


def test_several_kinds_of_damage_in_one_file(tmp_path: Path) -> None:
    path = session(tmp_path).path / "gpt-4" / "dataclass.jsonl"
    first, second, third = path.read_bytes().splitlines(keepends=True)
    mended = b"\xef\xbb\xbf" + first.replace(b"\n", b"\r\n")
    path.write_bytes(mended + b"\n \n" + second + second + b"junk\n\0\0\0" + third + b'{"half')
    store, [said] = repaired(tmp_path)
    assert "half line" in said
    assert "1 line that cannot be read" in said
    assert "1 line of tasks already answered" in said
    assert "stray bytes" in said
    assert path.read_bytes() == first + second + third
    kept = path.with_name("dataclass.jsonl.damaged").read_bytes()
    assert kept == b'{"half\n' + second + b"junk\n"
    assert store.answered("gpt-4") == first_samples("t0", "t1", "t2")
    assert repaired(tmp_path)[1] == []


def test_a_tail_of_zeros_after_a_power_cut_is_removed(tmp_path: Path) -> None:
    path = session(tmp_path).path / "gpt-4" / "dataclass.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + b"\0" * 4096)
    _, said = repaired(tmp_path)
    assert len(said) == 1
    assert path.read_bytes() == whole


@pytest.mark.parametrize("zeros", [0, 1, 2, 4096])
def test_zeros_in_place_of_a_line_end_leave_the_record_alone(tmp_path: Path, zeros: int) -> None:
    path = session(tmp_path).path / "gpt-4" / "dataclass.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"\0" * zeros)
    repaired(tmp_path)
    assert path.read_bytes() == whole


def test_a_line_added_after_zeros_starts_anew(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b'{"a":1}\0\0')
    append_line(path, b'{"b":2}\n')
    assert path.read_bytes() == b'{"a":1}\n{"b":2}\n'


def test_reading_alone_changes_nothing(tmp_path: Path) -> None:
    path = session(tmp_path).path / "gpt-4" / "dataclass.jsonl"
    damaged = path.read_bytes() + b"junk\n{half"
    path.write_bytes(damaged)
    store = open_session(tmp_path, "s")
    assert len(store.load_solutions_from_jsonl("gpt-4")) == 3
    store.save_solutions_csv()
    store.save_cross_model_comparison()
    list_sessions(tmp_path)
    assert path.read_bytes() == damaged
    assert not path.with_name("dataclass.jsonl.damaged").exists()


def test_a_copied_model_folder_counts_once(tmp_path: Path) -> None:
    store = session(tmp_path)
    copy = store.path / "gpt-4 copy"
    copy.mkdir()
    (copy / "dataclass.jsonl").write_bytes((store.path / "gpt-4/dataclass.jsonl").read_bytes())
    again, [said] = repaired(tmp_path)
    assert said.startswith("gpt-4 copy/dataclass.jsonl: 3 lines of tasks already answered")
    assert again.answered_counts() == {"gpt-4": 3}
    assert len(read_lines(store.path / "gpt-4" / "dataclass.jsonl")) == 3


def test_a_renamed_model_folder_goes_on_in_its_place(tmp_path: Path) -> None:
    store = session(tmp_path)
    (store.path / "gpt-4").rename(store.path / "my favourite")
    again, said = repaired(tmp_path)
    again.append(solution("t3"))
    assert said == []
    assert len(read_lines(store.path / "my favourite" / "dataclass.jsonl")) == 4
    assert not (store.path / "gpt-4").exists()


def test_damage_in_failures_and_waiting_replies(tmp_path: Path) -> None:
    store = session(tmp_path)
    store.append_failure(failure("t7"))
    store.append_pending(solution("t8"))
    for name in ("failures.jsonl", "pending_extraction.jsonl"):
        path = store.path / name
        path.write_bytes(b"junk\n" + path.read_bytes() + b'{"half')
    again, said = repaired(tmp_path)
    assert len(said) == 2
    assert set(again.failed_tasks["gpt-4"]) == first_samples("t7")
    assert [record.task_id for record in again.pending()] == ["t8"]
    for name in ("failures.jsonl", "pending_extraction.jsonl"):
        assert len(read_lines(store.path / name)) == 1
        assert (store.path / f"{name}.damaged").read_bytes() == b'{"half\njunk\n'


def test_a_deleted_file_means_its_tasks_are_asked_again(tmp_path: Path) -> None:
    store = session(tmp_path)
    clock = HandClock()
    tracker = ProgressTracker(
        store.path,
        session_id="s",
        start_time=clock.time(),
        total_tasks=8,
        models=["gpt-4", "claude-3-sonnet"],
        categories=["dataclass"],
        clock=clock,
    )
    tracker.restore(store)
    tracker.save()
    store.finish("in_progress")
    (store.path / "gpt-4" / "dataclass.jsonl").unlink()
    (store.path / "gpt-4" / "my notes.csv").write_text("mine")
    again, said = repaired(tmp_path)
    assert again.answered("gpt-4") == set()
    assert sorted(path.name for path in (store.path / "gpt-4").iterdir()) == [
        "dataclass.csv.damaged",
        "my notes.csv",
        "summary.json.damaged",
    ]
    assert said == [
        "gpt-4/dataclass.csv: its answers are gone; kept as dataclass.csv.damaged",
        "gpt-4/summary.json: its answers are gone; kept as summary.json.damaged",
        "3 answers that progress.json counts are in no .jsonl file any more: "
        "they will be asked again",
    ]


@pytest.mark.parametrize("content", [b"", b'{"session_id": "s"', b"\xff\xfe", b"[]", b"null"])
def test_a_damaged_progress_file_is_set_aside(tmp_path: Path, content: bytes) -> None:
    store = session(tmp_path)
    (store.path / "progress.json").write_bytes(content)
    again, said = repaired(tmp_path)
    assert said == ["progress.json cannot be read: kept as progress.json.damaged, made anew"]
    assert (store.path / "progress.json.damaged").read_bytes() == content
    assert again.answered_counts() == {"gpt-4": 3}


@pytest.mark.parametrize("name", ["summary.json", "manifest.json"])
@pytest.mark.parametrize("content", [None, b"", b'{"format_version": 1', b"\xff", b"[1]"])
def test_summary_and_manifest_each_stand_in_for_the_other(
    tmp_path: Path, name: str, content: bytes | None
) -> None:
    store = session(tmp_path)
    path = store.path / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    [row] = list_sessions(tmp_path)
    assert (row.status, row.successful) == ("interrupted", 3)
    again, [said] = repaired(tmp_path)
    assert said.startswith(f"{name} is missing" if content is None else f"{name} cannot be read")
    assert again.metadata is not None
    assert again.metadata.session_parameters == metadata().session_parameters
    assert again.metadata.models == metadata().models
    hashes = metadata().dataset if name == "summary.json" else None
    assert again.metadata.dataset == hashes
    assert repaired(tmp_path)[1] == []
    assert open_session(tmp_path, "s").metadata == again.metadata
    if content is not None:
        assert path.with_name(f"{name}.damaged").read_bytes() == content


@pytest.mark.parametrize("status", ["in_progress", "completed"])
def test_a_session_with_undone_tasks_is_interrupted_whatever_its_files_say(
    tmp_path: Path, status: str
) -> None:
    store = session(tmp_path)
    claims = {"status": status, "current_progress": {"successful_tasks": 8, "total_tasks": 8}}
    (store.path / "progress.json").write_text(json.dumps({"session_id": "s", **claims}))
    summary = json.loads((store.path / "summary.json").read_text())
    (store.path / "summary.json").write_text(json.dumps({**summary, "status": status}))
    [row] = list_sessions(tmp_path)
    assert (row.status, row.successful, row.total_tasks) == ("interrupted", 3, 8)
    assert condition_words(open_session(tmp_path, "s")) == "interrupted, 5 undone"
    assert '"status":"interrupted, 5 undone"' in write_report(store).read_text(encoding="utf-8")


def test_without_summary_and_manifest_a_session_is_refused_and_listed_as_broken(
    tmp_path: Path,
) -> None:
    store = session(tmp_path)
    (store.path / "summary.json").write_bytes(b"")
    (store.path / "manifest.json").unlink()
    with pytest.raises(StoreError, match=r"neither summary\.json nor manifest\.json"):
        open_session(tmp_path, "s")
    [row] = list_sessions(tmp_path)
    assert (row.session_id, row.status) == ("s", "broken")
    assert "neither summary.json" in str(row.trouble)
    assert len(answers_on_disk(store)) == 3


@pytest.mark.parametrize("name", ["summary.json", "manifest.json"])
def test_a_session_of_a_newer_version_is_refused(tmp_path: Path, name: str) -> None:
    path = session(tmp_path).path / name
    path.write_text(json.dumps({"format_version": 2, "all": "different"}))
    with pytest.raises(StoreError, match=r"format version 2.*use a newer release"):
        open_session(tmp_path, "s")
    with pytest.raises(StoreError, match="format version 2"):
        SolutionStore(tmp_path, "s")
    [row] = list_sessions(tmp_path)
    assert row.status == "broken"


def test_a_session_from_before_format_versions_is_read_and_resumed(tmp_path: Path) -> None:
    folder = tmp_path / "session_1234567890"
    (folder / "gpt-4").mkdir(parents=True)
    old = {
        "task_id": "dataclass_1",
        "model": "gpt-4",
        "problem": "Create a dataclass...",
        "category": "dataclass",
        "complexity": 2,
        "raw_response": "reply",
        "extracted_solution": "pass",
        "validation": {"is_fully_valid": True, "syntax": {"is_valid": True, "error": None}},
        "llm_call_success": True,
        "execution_time": 2.3,
        "timestamp": 1234567890.123,
        "a field of long ago": [1, 2],
    }
    failed = {**old, "task_id": "dataclass_2", "llm_call_success": False}
    content = "".join(json.dumps(line) + "\n" for line in (old, failed)).encode()
    (folder / "gpt-4" / "dataclass.jsonl").write_bytes(content)
    parameters = {"models": ["gpt-4"], "quick_test": True}
    described = {
        "collection_start": 1234567890.123,
        "collection_end": 1234568035.456,
        "total_problems": 24,
        "models_evaluated": ["gpt-4"],
        "categories_included": ["dataclass"],
        "session_id": "session_1234567890",
        "session_parameters": parameters,
    }
    summary = {"session_id": folder.name, "collection_metadata": described, "model_summaries": {}}
    (folder / "summary.json").write_text(json.dumps(summary))
    store = open_session(tmp_path, folder.name)
    assert store.metadata is not None
    assert store.metadata.session_parameters == parameters
    assert store.metadata.dataset is None
    assert store.answered("gpt-4") == first_samples("dataclass_1")
    assert repair_session(store) == ["manifest.json is missing: made anew"]
    store.append(solution("dataclass_2"))
    store.finish()
    assert (folder / "gpt-4" / "dataclass.jsonl").read_bytes().startswith(content)
    with (folder / "gpt-4" / "dataclass.csv").open(encoding="utf-8", newline="") as file:
        assert [row["task_id"] for row in csv.DictReader(file)] == ["dataclass_1", "dataclass_2"]
    assert read_json(folder / "summary.json")["format_version"] == 1
    again = open_session(tmp_path, folder.name)
    assert again.answered("gpt-4") == first_samples("dataclass_1", "dataclass_2")


def test_repair_sees_what_was_written_since_the_session_was_opened(tmp_path: Path) -> None:
    writer = session(tmp_path, answers=1)
    waiting = open_session(tmp_path, "s")
    writer.append(solution("t1"))
    assert repair_session(waiting) == []
    assert waiting.answered("gpt-4") == first_samples("t0", "t1")


def test_an_unknown_session_names_the_nearest(tmp_path: Path) -> None:
    create_session(tmp_path, "session_1234567890", metadata())
    with pytest.raises(ConfigError, match=r"'session_123456789' .* did you mean session_12345678"):
        open_session(tmp_path, "session_123456789")
    with pytest.raises(ConfigError, match="there are no sessions"):
        open_session(tmp_path / "nowhere", "s")
    assert not (tmp_path / "nowhere").exists()
    assert list_sessions(tmp_path / "nowhere") == []


async def test_a_session_that_calls_itself_nothing_does_not_hide_the_others(tmp_path: Path) -> None:
    for name in ("one", "two"):
        create_session(tmp_path, name, metadata())
    summary = tmp_path / "one" / "summary.json"
    summary.write_text(summary.read_text().replace('"session_id": "one"', '"session_id": " "'))
    listed = await run("resume_collection.py", "--list-sessions", "--output-dir", str(tmp_path))
    assert listed.exit_code == 0, listed.output
    assert "two" in listed.stdout
