"""One process owns a session; a dead one's lock is taken over."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from config.errors import StoreError
from storage.session.session_lock import SessionLock, is_locked

ROOT = Path(__file__).resolve().parent.parent.parent
HOLD = """
import sys
from pathlib import Path
from storage.session.session_lock import SessionLock, is_locked
with SessionLock(Path(sys.argv[1]), kernel_lock=sys.argv[2] == "True"):
    print("held", flush=True)
    sys.stdin.read()
"""
both_kinds = pytest.mark.parametrize("kernel_lock", [True, False], ids=["flock", "pid file"])


@contextmanager
def holder(folder: Path, kernel_lock: bool) -> Iterator[subprocess.Popen[bytes]]:
    """Yield another process, once it has the session's lock."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), str(kernel_lock)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


@both_kinds
def test_a_second_process_is_refused_with_the_holders_id(tmp_path: Path, kernel_lock: bool) -> None:
    with holder(tmp_path, kernel_lock) as process:
        with pytest.raises(StoreError, match=f"is in use by process {process.pid}:"):
            SessionLock(tmp_path, kernel_lock=kernel_lock).acquire()
        process.communicate(b"")
    with SessionLock(tmp_path, kernel_lock=kernel_lock):
        assert (tmp_path / "session.lock").read_text() == f"{os.getpid()}\n"


@both_kinds
def test_the_lock_of_a_killed_process_is_taken_over(tmp_path: Path, kernel_lock: bool) -> None:
    with holder(tmp_path, kernel_lock) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert (tmp_path / "session.lock").read_text() == f"{process.pid}\n"
        with SessionLock(tmp_path, kernel_lock=kernel_lock):
            assert (tmp_path / "session.lock").read_text() == f"{os.getpid()}\n"


@both_kinds
@pytest.mark.parametrize("content", [b"", b"garbage", b"-1", b"99999999999999999999"])
def test_a_lock_file_that_names_nobody_is_taken_over(
    tmp_path: Path, kernel_lock: bool, content: bytes
) -> None:
    (tmp_path / "session.lock").write_bytes(content)
    with SessionLock(tmp_path, kernel_lock=kernel_lock):
        assert (tmp_path / "session.lock").read_text() == f"{os.getpid()}\n"


@both_kinds
def test_a_released_lock_is_free_again(tmp_path: Path, kernel_lock: bool) -> None:
    lock = SessionLock(tmp_path, kernel_lock=kernel_lock)
    for _ in range(2):
        with lock:
            assert (tmp_path / "session.lock").read_text() == f"{os.getpid()}\n"
        assert (tmp_path / "session.lock").read_text() == ""
    lock.release()
    with SessionLock(tmp_path, kernel_lock=kernel_lock):
        pass


def test_a_process_that_only_has_the_holders_id_holds_nothing(tmp_path: Path) -> None:
    assert not is_locked(tmp_path)
    (tmp_path / "session.lock").write_text(f"{os.getppid()}\n")  # alive, and nothing to do with it
    assert not is_locked(tmp_path)
    with SessionLock(tmp_path):
        assert is_locked(tmp_path)
    with holder(tmp_path, kernel_lock=True):
        assert is_locked(tmp_path)
    assert not is_locked(tmp_path)


def test_one_process_does_not_own_a_session_twice(tmp_path: Path) -> None:
    with SessionLock(tmp_path), pytest.raises(StoreError, match=f"process {os.getpid()}:"):
        SessionLock(tmp_path).acquire()


def test_a_lock_that_cannot_be_made_is_an_error_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "session.lock").mkdir()
    with pytest.raises(StoreError, match=r"session\.lock: cannot be written"):
        SessionLock(tmp_path).acquire()
