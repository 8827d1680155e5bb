"""Links, pipes and devices in a session folder: refused in one line, nothing outside changes."""

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.session_commands import (
    COMMANDS,
    EVALUATE,
    SessionBench,
    is_one_line_or_well,
    session_bench,
)
from tests.support.slow import few

SECRET = b"what stands elsewhere\n"
FILES = (
    "grok-4.3/sums.jsonl",
    "session.lock",
    "progress.json",
    "failures.jsonl",
    "grok-4.3/sums.jsonl.damaged",
    "manifest.json",
    "summary.json",
    "spending.json",
    "rate_limits.json",
    "pending_extraction.jsonl",
    "batches.jsonl",
    "batches/abcd2345.requests.ndjson",
    "batches/abcd2345.results.ndjson",
    "final_report.json",
    "report.html",
    ".report.html.tmp",
    ".progress.json.tmp",
    "cross_model_comparison.json",
    "solutions.csv",
    "grok-4.3/sums.csv",
    "grok-4.3/summary.json",
    "grok-4.3/strange.jsonl",
)
FOLDERS = ("grok-4.3", "batches", "reprocessed", "runcodeeval", "runcodeeval/grok-4.3", "other")


def link(path: Path, outside: Path) -> None:
    path.symlink_to(outside)


def dangling(path: Path, outside: Path) -> None:
    path.symlink_to(outside.with_name("made"))


def pipe(path: Path, outside: Path) -> None:
    os.mkfifo(path)


def listening(path: Path, outside: Path) -> None:
    before = Path.cwd()
    os.chdir(path.parent)  # the address of a socket is short
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(path.name)
    os.chdir(before)


def device(path: Path, outside: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SessionBench]:
    with session_bench(tmp_path_factory.mktemp("bench")) as made:
        yield made


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SessionBench]:
    with session_bench(tmp_path_factory.mktemp("verdicts")) as made:
        made.evaluate()
        yield made


@pytest.mark.slow
@pytest.mark.parametrize("name", few(FILES, 3))
@pytest.mark.parametrize("kind", few([link, pipe, dangling, listening, device], 2))
def test_no_command_follows_or_waits_for_what_is_no_file(
    bench: SessionBench, tmp_path: Path, name: str, kind: Callable[[Path, Path], None]
) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(SECRET)
    for command in COMMANDS.values():
        path = bench.fresh_copy() / name
        path.unlink(missing_ok=True)
        kind(path, outside)
        finished = bench.run(command)
        assert is_one_line_or_well(finished), finished.output
        assert SECRET.decode() not in finished.output
        assert outside.read_bytes() == SECRET
        assert [place.name for place in tmp_path.iterdir()] == ["outside"]


@pytest.mark.parametrize("name", few(FOLDERS, 1))
def test_no_command_writes_through_a_linked_folder(
    bench: SessionBench, tmp_path: Path, name: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    for command in COMMANDS.values():
        path = bench.fresh_copy() / name
        path.parent.mkdir(exist_ok=True)
        shutil.rmtree(path, ignore_errors=True)
        path.symlink_to(outside)
        finished = bench.run(command)
        assert is_one_line_or_well(finished), finished.output
        assert list(outside.iterdir()) == []


VERDICTS = (
    *("evaluation", "evaluation/grok-4.3", "evaluation/grok-4.3/texts.jsonl"),
    *("evaluation/summary.json", "evaluation/self_test.jsonl", "evaluation/session.lock"),
)


@pytest.mark.slow
@pytest.mark.parametrize("name", VERDICTS)
@pytest.mark.parametrize("kind", [link, pipe])
def test_verdicts_are_neither_read_nor_written_elsewhere(
    verdicts: SessionBench, tmp_path: Path, name: str, kind: Callable[[Path, Path], None]
) -> None:
    outside = tmp_path / "outside"
    views = [COMMANDS[name] for name in ("status", "report", "board", "leaderboard", "merge")]
    for command in (*views, COMMANDS["resume"], EVALUATE):
        path = verdicts.fresh_copy() / name
        if path.is_dir():
            outside.mkdir(exist_ok=True)
            shutil.rmtree(path)
        else:
            outside.write_bytes(SECRET)
            path.unlink()
        kind(path, outside)
        finished = verdicts.run(command)
        assert is_one_line_or_well(finished), finished.output
        assert SECRET.decode() not in finished.output
        assert list(outside.iterdir()) == [] if outside.is_dir() else outside.read_bytes() == SECRET


def test_a_linked_folder_of_answers_is_refused_in_one_line(
    bench: SessionBench, tmp_path: Path
) -> None:
    session = bench.fresh_copy()
    (session / "grok-4.3").rename(tmp_path / "answers")
    (session / "grok-4.3").symlink_to(tmp_path / "answers")
    before = (tmp_path / "answers" / "sums.jsonl").read_bytes()
    for name in ("status", "resume"):
        finished = bench.run(COMMANDS[name])
        assert finished.exit_code == 1
        (line,) = finished.stderr.splitlines()
        assert f"{session / 'grok-4.3'}: is a link" in line
    assert (tmp_path / "answers" / "sums.jsonl").read_bytes() == before


def test_a_session_that_the_user_linked_is_opened(bench: SessionBench, tmp_path: Path) -> None:
    session = bench.fresh_copy()
    session.rename(tmp_path / "elsewhere")
    session.symlink_to(tmp_path / "elsewhere")
    finished = bench.run(COMMANDS["resume"])
    assert finished.exit_code == 0, finished.output


def test_what_a_killed_process_left_unfinished_is_gone_after_a_resume(bench: SessionBench) -> None:
    session = bench.fresh_copy()
    folder = session / "grok-4.3"
    left = [session / f".progress.json.{os.getpid()}-0123abcd.tmp"]
    left += [folder / ".sums.csv.2147483646-0123abcd.tmp"]
    being_written = session / f".report.html.{os.getppid()}-0123abcd.tmp"
    mine = session / ".notes.tmp"
    for path in (*left, being_written, mine):
        path.write_text("half")
    assert bench.run(COMMANDS["resume"]).exit_code == 0
    assert [path.exists() for path in (*left, being_written, mine)] == [False, False, True, True]
