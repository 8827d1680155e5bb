"""Sidecars: a session opens as if there were none, whatever becomes of them or of their files."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random

import pytest

from storage.files.jsonl_file import Line, read_lines
from storage.records import sidecar
from storage.records.answer_block import AnswerBlock
from storage.records.session_scan import scan_session
from storage.records.sidecar import read_entries, read_sidecar, sidecar_of
from storage.records.sidecars import Sidecars
from storage.solution_store import SolutionStore
from tests.support.store_records import failure, solution


@pytest.fixture(params=["settled", pytest.param("fresh", marks=pytest.mark.slow)])
def age(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Files that count as long unchanged, and files that were changed just now."""
    if request.param == "settled":
        monkeypatch.setattr(sidecar, "_SETTLED_NS", 0)
    return str(request.param)


def open_store(folder: Path) -> SolutionStore:
    """Return a store whose every file has a sidecar."""
    return SolutionStore(folder, "s", sidecars=Sidecars(least_bytes=1, step_bytes=1))


def finished(folder: Path) -> tuple[SolutionStore, Path]:
    """Return a finished session of two models, and gpt-4's file of answers."""
    store = open_store(folder)
    for number in range(6):
        store.append(solution(f"t{number}", cost_usd=0.25))
        store.append(solution(f"t{number}", model="claude"))
    store.append_failure(failure("t99"))
    seal(store)
    return store, store.path / "gpt-4" / "dataclass.jsonl"


def seal(store: SolutionStore) -> None:
    """Do with the sidecars what the end of a run does; it waits for the disk besides."""
    for path in store.path.glob("*/*.jsonl"):
        Sidecars(least_bytes=1, step_bytes=1).seal(path)


def told(session: Path) -> list[object]:
    """Return all that a scan says of a session."""
    scan = scan_session(session)
    index = scan.index
    return [
        {model: set(index.answered(model)) for model in index.models},
        dict(index.tallies),
        dict(index.paths),
        {model: dict(tasks) for model, tasks in index.failed.items()},
        index.most_samples(),
        scan.damages,
        scan.sizes,
    ]


def opens_as_without(session: Path) -> bool:
    """Return whether a scan says the same once the sidecars are gone."""
    before = told(session)
    for place in session.glob("*/.*.sidecar"):
        shutil.rmtree(place) if place.is_dir() else place.unlink()
    return before == told(session)


def test_only_what_is_new_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sidecar, "_SETTLED_NS", 0)
    store, path = finished(tmp_path)
    size = path.stat().st_size
    started: dict[Path, int] = {}
    hashed: list[Path] = []
    agree = sidecar.hashes_agree

    def noted(path: Path, start: int = 0) -> Iterator[Line]:
        started[path] = start
        return read_lines(path, start)

    def hashes_agree(path: Path, blocks: Sequence[AnswerBlock]) -> bool:
        hashed.append(path)
        return agree(path, blocks)

    monkeypatch.setattr("storage.records.answer_scan.read_lines", noted)
    monkeypatch.setattr(sidecar, "hashes_agree", hashes_agree)
    assert told(store.path)
    assert (started[path], hashed) == (size, [])

    open_store(tmp_path).append(solution("t6"))  # a run that is killed then
    assert "t6" in {task_id for task_id, _ in told(store.path)[0]["gpt-4"]}  # type: ignore[index]
    assert (started[path], hashed) == (size, [path])
    assert opens_as_without(store.path)


def test_a_sidecar_follows_a_growing_file(tmp_path: Path, age: str) -> None:
    store = open_store(tmp_path)
    path = store.path / "gpt-4" / "dataclass.jsonl"
    for number in range(4):
        store.append(solution(f"t{number}"))
        store.checkpoint()
        assert [block.task_ids for block in read_sidecar(path)] == [
            [f"t{each}"] for each in range(number + 1)
        ]
    store.append(solution("t4"))
    resumed = open_store(tmp_path)
    assert len(resumed.answered("gpt-4")) == 5
    resumed.append(solution("t5"))
    resumed.finish()
    assert sum(len(block.task_ids) for block in read_sidecar(path)) == 6
    assert read_entries(path)[-1].block is None
    before = sidecar_of(path).read_bytes()
    again = open_store(tmp_path)
    again.finish()
    if age == "settled":
        assert sidecar_of(path).read_bytes() == before  # it is sealed: nothing is new
    assert opens_as_without(store.path)


def test_short_files_have_none(tmp_path: Path) -> None:
    store = SolutionStore(tmp_path, "s")
    store.append(solution())
    store.finish()
    assert list(store.path.glob("*/.*")) == []


def lie(place: Path, path: Path) -> None:
    """Add a task that nobody answered, with a digest that is right."""
    lines = place.read_bytes().splitlines()
    fields = json.loads(lines[0].partition(b" ")[2])
    fields["block"]["task_ids"].append("t77")
    content = json.dumps(fields).encode()
    line = hashlib.sha256(content).hexdigest().encode() + b" " + content
    place.write_bytes(b"\n".join([line, *lines[1:]]) + b"\n")


def reshape(place: Path, path: Path) -> None:
    """Make it one that another version wrote."""
    lines = place.read_bytes().splitlines()
    made = []
    for content in (line.partition(b" ")[2] for line in lines):
        other = content.replace(b'"form":"1 ', b'"form":"0 ')
        made.append(hashlib.sha256(other).hexdigest().encode() + b" " + other + b"\n")
    place.write_bytes(b"".join(made))


def link(place: Path, path: Path) -> None:
    kept = place.rename(place.with_name("kept"))
    place.symlink_to(kept)


def instead(make: Callable[[Path], object]) -> Callable[[Path, Path], None]:
    def change(place: Path, path: Path) -> None:
        place.unlink()
        make(place)

    return change


def keep_lines(*wanted: int) -> Callable[[Path, Path], None]:
    def change(place: Path, path: Path) -> None:
        lines = place.read_bytes().splitlines(keepends=True)
        place.write_bytes(b"".join(lines[number] for number in wanted))

    return change


HARM_TO_SIDECAR: dict[str, Callable[[Path, Path], object]] = {
    "deleted": lambda place, path: place.unlink(),
    "empty": lambda place, path: place.write_bytes(b""),
    "half": lambda place, path: os.truncate(place, place.stat().st_size // 2),
    "without its end": lambda place, path: os.truncate(place, place.stat().st_size - 1),
    "zeros": lambda place, path: place.write_bytes(bytes(place.stat().st_size)),
    "not text": lambda place, path: place.write_bytes(Random(1).randbytes(900)),
    "too long": lambda place, path: place.write_bytes(place.read_bytes() * 20),
    "no seal": keep_lines(0),
    "seal alone": keep_lines(1),
    "twice": keep_lines(0, 0, 1),
    "turned round": keep_lines(1, 0),
    "another file's": lambda place, path: shutil.copy(
        sidecar_of(path.parent.parent / "claude" / path.name), place
    ),
    "a lie": lie,
    "another version's": reshape,
    "a link": link,
    "a folder": instead(Path.mkdir),
    "a pipe": instead(os.mkfifo),
}


@pytest.mark.parametrize("harm", HARM_TO_SIDECAR)
def test_a_sidecar_that_was_damaged_says_nothing_wrong(tmp_path: Path, harm: str, age: str) -> None:
    store, path = finished(tmp_path)
    HARM_TO_SIDECAR[harm](sidecar_of(path), path)
    carried_on = open_store(tmp_path)
    assert carried_on.repair() == []
    carried_on.append(solution("t6"))
    carried_on.checkpoint()
    seal(carried_on)
    assert carried_on.answered("gpt-4") == {(f"t{number}", 1) for number in range(7)}
    assert opens_as_without(store.path)


def test_no_flipped_byte_of_a_sidecar_is_believed(tmp_path: Path, age: str) -> None:
    store, path = finished(tmp_path)
    place, chance = sidecar_of(path), Random(7)
    whole, expected = place.read_bytes(), told(store.path)
    for _ in range(60):
        at = chance.randrange(len(whole))
        place.write_bytes(
            whole[:at] + bytes([whole[at] ^ (1 << chance.randrange(8))]) + whole[at + 1 :]
        )
        assert told(store.path) == expected


def overwrite(path: Path, old: bytes, new: bytes) -> None:
    """Change a file in place, and give it back its time."""
    assert len(old) == len(new)
    before, content = path.stat(), path.read_bytes()
    assert old in content
    with path.open("r+b") as file:
        file.write(content.replace(old, new, 1))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def without_first_line(path: Path) -> None:
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[1:]))


def put_in_place(path: Path) -> None:
    """Put another file in its place, of the same size: another answer than the first."""
    other = path.with_name("other")
    other.write_bytes(path.read_bytes().replace(b'"t0"', b'"u0"'))
    other.replace(path)


HARM_TO_ANSWERS: dict[str, Callable[[Path], object]] = {
    "deleted": lambda path: path.unlink(),
    "emptied": lambda path: path.write_bytes(b""),
    "first line gone": without_first_line,
    "last line torn": lambda path: os.truncate(path, path.stat().st_size - 9),
    "end missing": lambda path: os.truncate(path, path.stat().st_size - 1),
    "another task": lambda path: overwrite(path, b'"t2"', b'"t9"'),
    "a task twice": lambda path: overwrite(path, b'"t2"', b'"t3"'),
    "no longer JSON": lambda path: overwrite(path, b'{"task_id":"t2"', b'["task_id":"t2"'),
    "another file": put_in_place,
    "longer": lambda path: path.write_bytes(path.read_bytes().replace(b'"t0"', b'"t00"')),
    "doubled": lambda path: path.write_bytes(path.read_bytes() * 2),
    "half a line more": lambda path: path.write_bytes(path.read_bytes() + b'{"task_id": "t7'),
    "another model's": lambda path: shutil.copy(path.parent.parent / "claude" / path.name, path),
}


@pytest.mark.parametrize("harm", HARM_TO_ANSWERS)
def test_a_file_that_was_changed_is_read(tmp_path: Path, harm: str, age: str) -> None:
    store, path = finished(tmp_path)
    HARM_TO_ANSWERS[harm](path)
    assert opens_as_without(store.path)


@pytest.mark.slow
@pytest.mark.parametrize("harm", HARM_TO_ANSWERS)
def test_a_file_that_was_changed_during_a_run_is_never_sealed_as_it_was(
    tmp_path: Path, harm: str, age: str
) -> None:
    store, path = finished(tmp_path)
    HARM_TO_ANSWERS[harm](path)
    store.append(solution("t6"))
    store.checkpoint()
    seal(store)
    assert opens_as_without(store.path)


def test_a_session_from_elsewhere_is_read(tmp_path: Path, age: str) -> None:
    store, path = finished(tmp_path)
    copied = shutil.copytree(store.path, tmp_path / "copied")
    assert read_sidecar(path)
    assert read_sidecar(copied / "gpt-4" / path.name) == []
    assert opens_as_without(copied)


def test_a_file_of_several_kinds_or_with_failed_calls_has_no_sidecar(tmp_path: Path) -> None:
    store, path = finished(tmp_path)
    with path.open("ab") as file:
        file.write((path.parent.parent / "claude" / path.name).read_bytes())
    again = open_store(tmp_path)
    again.append(solution("t8"))
    seal(again)
    assert read_sidecar(path)[-1].end < path.stat().st_size
    assert opens_as_without(store.path)
