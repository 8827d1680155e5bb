"""Today's rules over yesterday's replies: new records beside the old ones, and no request."""

import json
from pathlib import Path

import pytest

from scripts import reprocess_session
from storage.session.manifest import SessionMetadata
from storage.sessions import create_session, open_session
from storage.solution_store import SolutionStore
from tests.support.command import run
from tests.support.sessions import write_session

REPLY = "Sure:\n\n```python\ndef add(a, b):\n    return a + b\n```\n"


def make_session(folder: Path) -> SolutionStore:
    metadata = SessionMetadata(
        collection_start=1.0,
        total_problems=2,
        models=["gpt-4"],
        categories=["sums"],
        session_parameters={"output_dir": str(folder)},
    )
    store = create_session(folder, "mine", metadata)
    for task_id, code in (("sums_1", "Sure:"), ("sums_2", "def add(a, b):\n    return a + b")):
        store.add_single_solution(
            task_id,
            "gpt-4",
            {
                "name": "add",
                "category": "sums",
                "raw_response": REPLY,
                "extracted_solution": code,
                "validation": {"is_fully_valid": code.startswith("def")},
            },
        )
    store.finish("completed")
    return store


async def test_replies_are_read_again_and_the_old_records_stay(tmp_path: Path) -> None:
    store = make_session(tmp_path)
    before = {file: file.read_bytes() for file in store.path.rglob("*") if file.is_file()}
    for _ in range(2):
        finished = await run("reprocess_session.py", "mine", "--output-dir", str(tmp_path))
        assert finished.exit_code == 0, finished.output
        assert "gpt-4        2           1             1          2" in finished.stdout
        assert "gpt-4, sums_1: other code, not valid before, valid now" in finished.stdout
    assert {file: file.read_bytes() for file in before} == before
    (written,) = (store.path / "reprocessed").glob("*/gpt-4/sums.jsonl")
    records = [json.loads(line) for line in written.read_text().splitlines()]
    assert [record["task_id"] for record in records] == ["sums_1", "sums_2"]
    assert all(record["validation"]["is_fully_valid"] for record in records)
    assert all(record["raw_response"] == REPLY for record in records)
    assert len(open_session(tmp_path, "mine").answered("gpt-4")) == 2


def test_every_sample_is_read_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = write_session(tmp_path, models=1, categories=1, per_category=2, samples=3)
    assert reprocess_session.main([str(store.path)]) == 0
    old, new = (
        [(r["task_id"], r["sample"]) for r in map(json.loads, path.read_text().splitlines())]
        for pattern in ("model-*/*.jsonl", "reprocessed/*/model-*/*.jsonl")
        for path in store.path.glob(pattern)
    )
    assert new == old and {sample for _, sample in new} == {1, 2, 3}
    assert "#2: other code" in capsys.readouterr().out


def test_the_new_records_are_the_same_for_any_number_of_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.files.jsonl_file._BLOCK_BYTES", 3000)
    store = write_session(tmp_path, models=2, categories=2, per_category=9)
    first, *_ = files = sorted(store.path.glob("model-*/*.jsonl"))
    answers = first.read_bytes()
    first.write_bytes(answers + b"no record\n" + answers.partition(b"\n")[0])
    written = []
    for workers in ("1", "3"):
        assert reprocess_session.main([str(store.path), "--workers", workers]) == 0
        written.append([path.read_bytes() for path in sorted(store.path.glob("reprocessed/*/*/*"))])
    assert written[0] == written[1]
    lines = [content.splitlines() for content in written[0]]
    assert len(lines) == len(files)
    assert [json.loads(line)["task_id"] for line in lines[0]] == [
        json.loads(line)["task_id"] for line in answers.splitlines()
    ]


async def test_an_unknown_session_is_one_line(tmp_path: Path) -> None:
    finished = await run("reprocess_session.py", "none", "--output-dir", str(tmp_path))
    assert finished.exit_code == 2
    assert finished.stderr.startswith("error: unknown session 'none'")
