"""A large session is read in stretches: what is found is the same, and so with more workers."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.records import answer_scan
from storage.records.session_scan import SessionScan, scan_session
from storage.records.sidecars import Sidecars
from storage.records.tallies import Tally
from tests.support.sessions import write_session


def cut(lines: list[bytes]) -> list[bytes]:
    return [*lines[:-1], lines[-1][:-30]]


def without_end(lines: list[bytes]) -> list[bytes]:
    return [*lines[:-1], lines[-1].rstrip()]


def doubled(lines: list[bytes]) -> list[bytes]:
    return [*lines, lines[3], lines[7]]


def unreadable(lines: list[bytes]) -> list[bytes]:
    return [*lines[:9], b"{\n", *lines[9:], b"\xff\n"]


def padded(lines: list[bytes]) -> list[bytes]:
    return [b"\xef\xbb\xbf" + lines[0], b"\n", *lines[1:], b"\0\0\0\n"]


def failed_calls(lines: list[bytes]) -> list[bytes]:
    was, now = (b'"llm_call_success":%s' % word for word in (b"true", b"false"))
    return [
        line.replace(was, now) if number % 5 == 0 else line for number, line in enumerate(lines)
    ]


DAMAGES: list[Callable[[list[bytes]], list[bytes]]] = [
    *(cut, without_end, doubled, unreadable, padded, failed_calls),
]


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A session of which every file but the first ones is damaged in a way of its own."""
    session = write_session(tmp_path, models=2, categories=4, per_category=40).path
    files = sorted(session.glob("model-*/*.jsonl"))
    for file, damage in zip(files[2:], DAMAGES, strict=True):
        file.write_bytes(b"".join(damage(file.read_bytes().splitlines(keepends=True))))
    return session


def told(scan: SessionScan) -> list[object]:
    index = scan.index
    return [
        {model: set(index.answered(model)) for model in index.models},
        dict(index.tallies),
        dict(index.paths),
        {model: dict(tasks) for model, tasks in index.failed.items()},
        scan.damages,
        scan.sizes,
    ]


def rounded(tally: Tally) -> dict[str, object]:
    """Return the counts of a tally; sums of seconds and dollars have another order in stretches."""
    return {
        name: pytest.approx(value) if isinstance(value, float) else value
        for name, value in dataclasses.asdict(tally).items()
    }


@pytest.mark.parametrize("has_sidecars", [False, True])
def test_stretches_tell_what_lines_tell(
    damaged: Path, monkeypatch: pytest.MonkeyPatch, has_sidecars: bool
) -> None:
    if has_sidecars:  # of a part of the files, and of a file that has doubles of another's answers
        for file in sorted(damaged.glob("model-*/*.jsonl"))[::2]:
            Sidecars(least_bytes=1, step_bytes=1).seal(file)
        copy = damaged / "model-0" / "z.jsonl"
        copy.write_bytes((damaged / "model-0" / "category_00.jsonl").read_bytes())
        Sidecars(least_bytes=1, step_bytes=1).seal(copy)
    by_line = scan_session(damaged)
    monkeypatch.setattr(answer_scan, "LARGE_BYTES", 0)
    monkeypatch.setattr(answer_scan, "ALONE_BYTES", 20_000)
    monkeypatch.setattr(answer_scan, "_STRETCH_BYTES", 5_000)
    alone, together = scan_session(damaged, 1), scan_session(damaged, 2)
    assert told(together) == told(alone)
    ours, theirs = told(alone), told(by_line)
    assert (ours[0], ours[2:]) == (theirs[0], theirs[2:])
    assert alone.index.tallies.keys() == by_line.index.tallies.keys()
    for kind, tally in by_line.index.tallies.items():
        assert dataclasses.asdict(alone.index.tallies[kind]) == rounded(tally)


def test_no_process_is_started_for_a_small_session(
    damaged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[object] = []
    monkeypatch.setattr(answer_scan, "WorkerExecutor", lambda *_: started.append(1))
    size = sum(path.stat().st_size for path in damaged.glob("model-*/*.jsonl"))
    assert size < answer_scan.LARGE_BYTES
    scan_session(damaged, 8)
    assert started == []
