"""Disks and systems that refuse: one clear error, what was written whole, and a way on."""

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from config.errors import StoreError
from storage.files.durability import write_error
from storage.sessions import create_session, list_sessions, open_session, repair_session
from storage.solution_store import SolutionStore
from tests.support.small_disk import file_system_of
from tests.support.store_records import (
    answers_on_disk,
    failure,
    first_samples,
    metadata,
    read_lines,
    solution,
)

ROOT = Path(__file__).resolve().parent.parent.parent
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's limits or mounts")

LIMITED = """
import resource, sys
from pathlib import Path
from config.errors import StoreError
from storage.solution_store import SolutionStore
from tests.support.store_records import solution

store = SolutionStore(sys.argv[1], "s")
resource.setrlimit(getattr(resource, sys.argv[2]), (int(sys.argv[3]),) * 2)
kept = 0
try:
    while kept < 1000:
        store.append(solution(f"t{kept}"))
        kept += 1
except StoreError as error:
    print(kept, error)
"""

READ_IN_HALF_A_GIGABYTE = """
import resource, sys
from storage.sessions import open_session

resource.setrlimit(resource.RLIMIT_AS, (1 << 29,) * 2)
print(open_session(sys.argv[1], "s").answered_counts())
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Yield the folder of a real file system of 256 KiB."""
    with file_system_of(256, tmp_path / "small") as folder:
        yield folder


def limited(folder: Path, limit: str, value: int) -> tuple[int, str]:
    """Return how many answers a process kept under a resource limit, and its error."""
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(folder), limit, str(value)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    kept, _, error = done.stdout.partition(" ")
    return int(kept), error


@linux_only
def test_a_full_disk_stops_at_a_whole_line_and_goes_on_when_there_is_room(
    small_disk: Path,
) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 60_000)
    store = create_session(small_disk, "s", metadata())
    kept = 0
    with pytest.raises(StoreError, match=r"No space left on device.* make room"):
        while True:
            store.append(solution(f"t{kept}", raw_response="x" * 3000))
            kept += 1
    path = store.path / "gpt-4" / "dataclass.jsonl"
    assert len(read_lines(path)) == kept > 10
    assert not store.is_answered("gpt-4", (f"t{kept}", 1))
    with pytest.raises(StoreError, match="No space left"):
        store.checkpoint()
    assert list(small_disk.rglob("*.tmp")) == []

    ballast.unlink()
    again = open_session(small_disk, "s")
    assert repair_session(again) == []
    again.append(solution(f"t{kept}", raw_response="x" * 3000))
    assert len(answers_on_disk(again)) == kept + 1


@linux_only
def test_the_same_run_may_go_on_after_an_error(small_disk: Path) -> None:
    store = SolutionStore(small_disk, "s")
    with pytest.raises(StoreError):
        store.append(solution("t1", raw_response="x" * 1_000_000))
    store.append(solution("t1", raw_response="short"))
    store.finish()
    assert answers_on_disk(store) == {("gpt-4", "dataclass", "t1"): "short"}


@linux_only
def test_a_read_only_folder_is_an_error_in_one_line(small_disk: Path) -> None:
    store = SolutionStore(small_disk, "s")
    store.append(solution("t1"))
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    writes: list[Callable[[], object]] = [
        lambda: store.append(solution("t2")),
        lambda: store.append_failure(failure("t2")),
        store.checkpoint,
        store.finish,
        lambda: SolutionStore(small_disk),
        lambda: create_session(small_disk, None, metadata()),
    ]
    for write in writes:
        with pytest.raises(StoreError, match=r"Read-only file system.* Make the folder writable"):
            write()
    assert SolutionStore(small_disk, "s").answered("gpt-4") == first_samples("t1")


@linux_only
def test_a_file_size_limit_leaves_whole_lines(tmp_path: Path) -> None:
    kept, error = limited(tmp_path, "RLIMIT_FSIZE", 10_000)
    assert "File too large" in error
    assert "ulimit -f" in error
    path = tmp_path / "s" / "gpt-4" / "dataclass.jsonl"
    assert len(read_lines(path)) == kept > 5
    assert path.stat().st_size <= 10_000
    store = SolutionStore(tmp_path, "s")
    assert store.repair() == []
    store.append(solution(f"t{kept}"))
    assert len(read_lines(path)) == kept + 1


@linux_only
def test_too_many_open_files_is_an_error_in_one_line(tmp_path: Path) -> None:
    kept, error = limited(tmp_path, "RLIMIT_NOFILE", 3)
    assert kept == 0
    assert "Too many open files" in error
    assert "ulimit -n" in error
    SolutionStore(tmp_path, "s").append(solution("t0"))


@linux_only
def test_a_session_is_read_where_half_a_gigabyte_is_all_there_is(tmp_path: Path) -> None:
    create_session(tmp_path, "s", metadata()).append(solution("t1"))
    done = subprocess.run(
        [sys.executable, "-c", READ_IN_HALF_A_GIGABYTE, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "{'gpt-4': 1}\n", done.stderr


def test_a_file_in_the_way_of_a_folder_is_an_error_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    writes: list[Callable[[], object]] = [
        lambda: SolutionStore(tmp_path / "file", "s"),
        lambda: create_session(tmp_path / "file", "s", metadata()),
        lambda: SolutionStore(tmp_path, "file"),
    ]
    for write in writes:
        with pytest.raises(StoreError, match=r"file: cannot be written: .*file is in the way"):
            write()
    store = SolutionStore(tmp_path, "s")
    (store.path / "gpt-4").write_text("in the way")
    with pytest.raises(StoreError, match=r"gpt-4.*cannot be written: .*file is in the way"):
        store.append(solution())
    assert not store.is_answered("gpt-4", ("dataclass_1", 1))
    (store.path / "gpt-4").unlink()
    store.append(solution())
    assert len(answers_on_disk(store)) == 1


def test_a_folder_in_the_way_of_a_file_is_an_error_in_one_line(tmp_path: Path) -> None:
    store = SolutionStore(tmp_path, "s")
    (store.path / "gpt-4" / "dataclass.jsonl").mkdir(parents=True)
    with pytest.raises(StoreError, match=r"dataclass\.jsonl: cannot be written: .*folder is in"):
        store.append(solution())
    (store.path / "gpt-4" / "dataclass.jsonl").rmdir()
    store.append(solution())
    (store.path / "gpt-4" / "dataclass.csv").mkdir()
    with pytest.raises(StoreError, match=r"dataclass\.csv: cannot be written: .*folder is in"):
        store.finish()
    (store.path / "gpt-4" / "dataclass.csv").rmdir()
    store.finish()
    assert (store.path / "gpt-4" / "dataclass.csv").is_file()


def test_folders_that_vanish_under_a_run_are_made_again(tmp_path: Path) -> None:
    store = SolutionStore(tmp_path, "s")
    store.append(solution("t1"))
    shutil.rmtree(store.path / "gpt-4")
    store.append(solution("t2"))
    store.sync()
    store.checkpoint()
    assert len(answers_on_disk(store)) == 1
    shutil.rmtree(store.path)
    with pytest.raises(StoreError, match="cannot be written: No such file or directory"):
        store.append(solution("t3"))


def test_a_session_is_never_there_without_its_summary(tmp_path: Path) -> None:
    created = create_session(tmp_path, "s", metadata())
    assert {path.name for path in created.path.iterdir()} == {"manifest.json", "summary.json"}
    assert [path.name for path in tmp_path.iterdir()] == ["s"]
    # What a kill in the middle of the building leaves is no session and in nobody's way.
    left = tmp_path / f".building-s2-{os.getpid()}"
    left.mkdir()
    (left / "summary.json").write_text("{")
    assert [row.session_id for row in list_sessions(tmp_path)] == ["s"]
    create_session(tmp_path, "s2", metadata())


def test_runs_of_one_second_get_sessions_of_their_own(tmp_path: Path) -> None:
    program = (
        "import sys; from storage.sessions import create_session\n"
        "from tests.support.store_records import HandClock, metadata\n"
        "sys.stdin.read(1)\n"
        "for _ in range(20):\n"
        "    print(create_session(sys.argv[1], None, metadata(), clock=HandClock()).session_id)\n"
    )
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for run in runs:
        assert run.stdin is not None
        run.stdin.write("x")
        run.stdin.flush()
    names = [name for run in runs for name in run.communicate()[0].split()]
    assert len(set(names)) == 60
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


@pytest.mark.parametrize(
    ("number", "whole"),
    [
        (errno.ENOSPC, " make room, then resume the session."),
        (errno.EMFILE, "(ulimit -n), then resume the session."),
        (errno.EACCES, " writable, then resume the session."),
        (errno.EIO, "cannot be written: Input/output error."),
    ],
)
def test_a_write_error_says_what_to_do_and_then_what(number: int, whole: str) -> None:
    error = write_error(Path("x.jsonl"), OSError(number, "whatever a library says"))
    assert str(error.then("resume the session")).endswith(whole)
    assert "resume" not in str(error)
