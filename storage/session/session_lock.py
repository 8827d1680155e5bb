"""Who owns a session: one process at a time may write to it."""

import contextlib
import errno
import os
import sys
from pathlib import Path
from types import TracebackType

from config.errors import SessionInUse, StoreError
from storage.files.durability import write_error
from storage.files.process_ids import is_alive
from storage.files.regular_file import open_regular, open_to_read

if sys.platform != "win32":
    import fcntl

LOCK_NAME = "session.lock"
_MOST_PID_BYTES = 32
_UNSUPPORTED = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})


def is_locked(folder: Path) -> bool:
    """Return whether a process owns the session; nothing is changed."""
    path = folder / LOCK_NAME
    holder = _read_pid(path)
    if holder is None or not is_alive(holder):
        return False
    # The id may have come back as another process's, which then holds no lock.
    return _is_held_by_kernel(path) is not False


def is_run_by_another(folder: Path) -> bool:
    """Return whether another process than this one owns the session; nothing is changed."""
    return _read_pid(folder / LOCK_NAME) != os.getpid() and is_locked(folder)


class SessionLock:
    """`with SessionLock(folder):` owns the session until the block, or the process, ends.

    The system's file lock decides where there is one; it ends with its process, however that
    ends. Elsewhere the process id in the file decides, and a dead process's file is taken over.

    kernel_lock: False leaves the decision to the process id alone.
    """

    def __init__(self, folder: Path, *, kernel_lock: bool = sys.platform != "win32") -> None:
        self._path = folder / LOCK_NAME
        self._kernel_lock = kernel_lock
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Raise StoreError, naming the holder's process id, where another process has it."""
        try:
            if not (self._kernel_lock and self._acquire_from_kernel()):
                self._acquire_by_pid()
        except OSError as error:
            raise write_error(self._path, error) from error

    def release(self) -> None:
        """Give the session up; nothing where it is not held."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)  # an empty file is nobody's; removing it would race
        os.close(descriptor)

    def __enter__(self) -> "SessionLock":
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def _acquire_from_kernel(self) -> bool:
        """Return False where this file system has no such locks."""
        if sys.platform == "win32":
            return False
        descriptor = open_regular(self._path, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if error.errno in _UNSUPPORTED:
                return False
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise self._refusal(_read_pid(self._path)) from error
            raise
        self._hold(descriptor)
        return True

    def _acquire_by_pid(self) -> None:
        holder = _read_pid(self._path)
        # A file with our own id is a dead process's: ids come back, in containers at once.
        if holder is not None and holder != os.getpid() and is_alive(holder):
            raise self._refusal(holder)
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
            self._hold(open_regular(self._path, flags))
        except FileExistsError as error:
            raise self._refusal(_read_pid(self._path)) from error

    def _hold(self, descriptor: int) -> None:
        self._descriptor = descriptor
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())

    def _refusal(self, holder: int | None) -> SessionInUse:
        who = "another process" if holder is None else f"process {holder}"
        return SessionInUse(
            f"session {self._path.parent.name} is in use by {who}: wait for it or stop it"
        )


def _is_held_by_kernel(path: Path) -> bool | None:
    """Return whether a process holds the system's lock, None where the system cannot say.

    Where it can, and nobody does, the lock is held here for the blink of an eye: ask only about
    a session that somebody seems to hold.
    """
    if sys.platform == "win32":
        return None
    try:
        descriptor = open_regular(path, os.O_RDONLY)
    except (OSError, StoreError):
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return True if error.errno in (errno.EWOULDBLOCK, errno.EACCES) else None
    finally:
        os.close(descriptor)
    return False


def _read_pid(path: Path) -> int | None:
    try:
        with open_to_read(path) as file:
            pid = int(file.read(_MOST_PID_BYTES))
    except (OSError, ValueError, StoreError):
        return None
    return pid if pid > 0 else None
