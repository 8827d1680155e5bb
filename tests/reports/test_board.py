"""The board's figures: those of the files, read again only where something changed."""

import json
import os
import re
import shutil
import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from config.clock import SystemClock
from reports.board.board import Board, BoardState
from reports.board.board_page import board_page
from reports.board.leaderboard import write_leaderboard
from storage.session.manifest import MANIFEST_NAME, SUMMARY_NAME
from storage.session.session_lock import LOCK_NAME, SessionLock
from storage.sessions import open_session
from storage.solution_store import SolutionStore
from tests.support.command import run
from tests.support.report_page import ReportPage, source_of
from tests.support.session_check import answers_in, failures_in
from tests.support.sessions import write_judgements, write_session

PROGRESS = """{
  "session_id": "session_1",
  "status": "in_progress",
  "in_flight": 3,
  "active_seconds": 12.5,
  "spent_usd": 0.25,
  "current_progress": {"completed_tasks": 1, "estimated_completion": 1e9,
    "successful_tasks": 1,
    "total_tasks": 120
  }
}"""
HOSTILE = "</script><script>alert(1)</script>"


@pytest.fixture
def store(tmp_path: Path) -> SolutionStore:
    made = write_session(tmp_path, models=3, categories=2, per_category=20)
    write_judgements(made)
    return made


def board_over(store: SolutionStore) -> Board:
    return Board(store.path.parent, SystemClock())


def entry(state: BoardState, session: str = "session_1") -> dict[str, Any]:
    loaded = json.loads(state.sessions[session].json)
    assert isinstance(loaded, dict)
    return loaded


def counts(found: dict[str, Any]) -> dict[str, tuple[int, int]]:
    return {model["label"]: (model["answered"], model["failed"]) for model in found["models"]}


def counts_in_files(session: Path) -> dict[str, tuple[int, int]]:
    answered = [model for model, _ in answers_in(session)]
    failed = [model for model, _ in failures_in(session)]
    return {each: (answered.count(each), failed.count(each)) for each in {*answered, *failed}}


# Hooks cannot be taken away again: one for all tests, which listens only while it is asked to.
_opened: list[str] | None = None


def _note_opened(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and _opened is not None and isinstance(arguments[0], str | os.PathLike):
        _opened.append(os.fspath(arguments[0]))


sys.addaudithook(_note_opened)


@contextmanager
def opened_files() -> Iterator[list[str]]:
    """Yield the paths of files that are opened until the end of the block."""
    global _opened
    _opened = []
    try:
        yield _opened
    finally:
        _opened = None


def test_a_summary_that_is_current_says_what_the_answers_say(store: SolutionStore) -> None:
    from_summary = entry(board_over(store).look())
    os.utime(store.path / SUMMARY_NAME, (1, 1))  # older than the answers: they are read through
    from_answers = entry(board_over(store).look())
    assert counts(from_summary) == counts(from_answers) == counts_in_files(store.path)
    for one, other in zip(from_summary["models"], from_answers["models"], strict=True):
        for figure in ("total", "valid_percent", "unpriced", "input_tokens", "output_tokens"):
            assert one[figure] == other[figure]
        assert one["cost_usd"] == pytest.approx(other["cost_usd"], abs=1e-6)
    same = ("status", "dataset", "dataset_name", "problems", "samples", "started")
    assert [from_summary[name] for name in same] == [from_answers[name] for name in same]


def test_a_session_that_did_not_change_is_not_opened_again(store: SolutionStore) -> None:
    board = board_over(store)
    first = board.look()
    with opened_files() as opened:
        second = board.look()
    assert opened == [] and second.sessions == first.sessions
    assert not second.has_changed(first.number)


def test_a_running_session_is_read_from_where_it_was_left(store: SolutionStore) -> None:
    path = next(store.path.glob("model-0/*.jsonl"))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-2]))
    board = board_over(store)
    with SessionLock(store.path):
        assert counts(entry(board.look())) == counts_in_files(store.path)
        with path.open("ab") as file:
            file.write(lines[-2] + lines[-1][:-9])
        torn = counts(entry(board.look()))
        with path.open("ab") as file:
            file.write(lines[-1][-9:])
        assert counts(entry(board.look())) == counts_in_files(store.path)
        assert torn["model-0"][0] == counts_in_files(store.path)["model-0"][0] - 1
        path.write_bytes(b"".join(lines[:3]))  # as a repair leaves it
        assert counts(entry(board.look())) == counts_in_files(store.path)
        path.unlink()
        assert counts(entry(board.look())) == counts_in_files(store.path)
    assert entry(board.look())["status"] == "interrupted"


@pytest.mark.parametrize("cap", [10**400, -1, "5", [5], 1e300])
def test_a_cap_that_is_no_sum_of_money_is_not_shown(store: SolutionStore, cap: object) -> None:
    path = store.path / MANIFEST_NAME
    manifest = json.loads(path.read_text())
    manifest["metadata"]["session_parameters"]["max_cost_usd"] = cap
    path.write_text(json.dumps(manifest))
    with SessionLock(store.path):
        assert entry(board_over(store).look())["live"]["most_usd"] is None


def test_files_without_measure_are_not_read(store: SolutionStore) -> None:
    for name in (LOCK_NAME, SUMMARY_NAME):
        (store.path / name).touch()
        os.truncate(store.path / name, 250_000_000)
    tracemalloc.start()
    found = entry(board_over(store).look())
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found["status"] == "broken" and "is larger than" in found["trouble"]
    assert most < 50_000_000


def test_answers_that_were_deleted_by_hand_are_missed_before_long(store: SolutionStore) -> None:
    board = board_over(store)
    before = board.look()
    next(store.path.glob("model-0/*.jsonl")).unlink()
    board.look()
    after = board.look()
    assert counts(entry(after)) == counts_in_files(store.path) != counts(entry(before))
    assert after.has_changed(before.number) and after.listed_at == before.listed_at


def test_a_leaderboard_ranks_the_same_problems_together(
    store: SolutionStore, tmp_path: Path
) -> None:
    again = store.path.parent / "session_2"
    shutil.copytree(store.path, again)
    other = write_session(tmp_path / "b", models=1, categories=1, per_category=4, labels=[HOSTILE])
    stores = [store, open_session(store.path.parent, "session_2"), other]
    target = tmp_path / "board.html"
    assert write_leaderboard(stores, target) == 7
    page = ReportPage(target)
    first, second = json.loads(page.data["leaderboard"])["datasets"]
    assert (len(first["rows"]), len(second["rows"])) == (6, 1)
    assert {row["session"] for row in first["rows"]} == {"session_1", "session_2"}
    judged = [row for row in first["rows"] if row["rank"] is not None]
    assert judged and judged[0]["rank"] == 1
    for row in judged:
        (rate,) = row["rates"]
        assert rate["low"] <= rate["rate"] == row["passed"] / row["judged"] <= rate["high"]
    assert second["rows"][0]["rank"] is None and second["rows"][0]["label"] == HOSTILE
    assert f"script-src {' '.join(map(source_of, page.scripts))};" in page.policy
    assert "connect-src" not in page.policy and str(tmp_path) not in target.read_text()


ABSURD = ("1e308", "-1", "9" * 400, "NaN", '"\\ud800"', "[" * 99 + "]" * 99, "null", "true", '"x"')


@pytest.mark.parametrize("name", ["manifest.json", "summary.json", "progress.json"])
@pytest.mark.parametrize("is_running", [True, False])
def test_absurd_values_break_no_board(store: SolutionStore, name: str, is_running: bool) -> None:
    """Each value of each file in turn; other sessions are on the board as before."""
    other = store.path.parent / "other"
    shutil.copytree(store.path, other)
    (store.path / "progress.json").write_text(PROGRESS)
    whole = (store.path / name).read_text()
    fields = list(re.finditer(r"(?<=: )[^\s,\[{][^,\n]*(?=[,\n])", whole))
    assert len(fields) > 5
    with SessionLock(store.path) if is_running else nullcontext():
        board = board_over(store)
        for place, field in enumerate(fields[:: max(1, len(fields) // 40)]):
            value = ABSURD[place % len(ABSURD)]
            (store.path / name).write_text(whole[: field.start()] + value + whole[field.end() :])
            state = board.look()
            assert entry(state, "other")["status"] == "completed"
            assert b"NaN" not in board_page(state, "") and entry(state)["session"] == "session_1"


@pytest.mark.slow
async def test_a_leaderboard_is_written_by_the_export(store: SolutionStore, tmp_path: Path) -> None:
    named = ("export_session.py", str(store.path), str(store.path), "--format")
    finished = await run(*named, "leaderboard", "--out", str(tmp_path / "board.html"))
    assert finished.exit_code == 0 and "3 rows of 1 session: " in finished.stdout, finished.output
    for arguments, said in (
        (("leaderboard",), "a leaderboard needs --out FILE"),
        (("leaderboard", "--out", str(store.path / "x.html")), "holds its own files"),
    ):
        refused = await run(*named, *arguments)
        assert refused.exit_code == 2 and said in refused.stderr
    shutil.copytree(store.path, tmp_path / "two")
    refused = await run(
        "export_session.py", str(store.path), str(tmp_path / "two"), "--format", "csv"
    )
    assert refused.exit_code == 2 and "takes one session" in refused.stderr
