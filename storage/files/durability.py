"""Bytes that survive a power cut, as far as the platform lets them."""

import contextlib
import errno
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from config.errors import StoreError
from storage.files.regular_file import open_fresh, open_regular

if sys.platform == "darwin":
    import fcntl

_NO_FOLDER_FLUSH = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES})


def flush_descriptor(descriptor: int) -> None:
    """Return once the file's data, and the size that is needed to read it, are on the disk."""
    if sys.platform == "linux":
        os.fdatasync(descriptor)
    elif sys.platform == "darwin":
        # fsync(2) on macOS leaves the bytes in the drive's own cache; this empties that too.
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    else:
        os.fsync(descriptor)


def flush_file(path: Path) -> None:
    """Return once what was written to the file is on the disk; a deleted file is passed over."""
    try:
        descriptor = open_regular(path, os.O_RDWR)
    except FileNotFoundError:
        return
    try:
        flush_descriptor(descriptor)
    finally:
        os.close(descriptor)


def flush_folder(folder: Path) -> None:
    """Return once names that were made in the folder are on the disk, where that can be asked.

    A deleted folder is passed over.
    """
    if sys.platform == "win32":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_FLUSH:
            raise
    finally:
        os.close(descriptor)


def replace_file(path: Path, content: bytes | Iterable[bytes], *, durable: bool = True) -> None:
    """Put content where path is: a reader, or a crash, meets the old file or the new one whole.

    durable: also wait for the disk; only what cannot be derived again needs that.
    Raises StoreError, and leaves the old file, where it cannot be written.
    """
    chunks = (content,) if isinstance(content, bytes) else content
    try:
        fresh, file = open_fresh(path)
        try:
            with file:
                for chunk in chunks:
                    file.write(chunk)
                if durable:
                    file.flush()
                    flush_descriptor(file.fileno())
            fresh.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                fresh.unlink()
            raise
        if durable:
            flush_folder(path.parent)
    except OSError as error:
        raise write_error(path, error) from error


class WriteError(StoreError):
    """What could not be written, why, and what to do about it, in one line."""

    def __init__(self, path: Path, error: OSError) -> None:
        # Other libraries put sentences of their own where the system's words belong.
        reason = os.strerror(error.errno) if error.errno else str(error)
        self._trouble = f"{path}: cannot be written: {reason}."
        self._advice = _ADVICE.get(error.errno or 0, "")
        super().__init__(f"{self._trouble} {self._advice}." if self._advice else self._trouble)

    def then(self, next_step: str) -> StoreError:
        """Return the same error with what to do once the advice was followed."""
        if not self._advice:
            return self
        return StoreError(f"{self._trouble} {self._advice}, then {next_step}.")


def write_error(path: Path, error: OSError) -> WriteError:
    """Return the error that stands for an OSError at a path."""
    return WriteError(path, error)


_ROOM = "What was written before is whole: make room"
_ADVICE = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EFBIG: "Raise the file-size limit (ulimit -f)",
    errno.EMFILE: "Raise the limit of open files (ulimit -n)",
    errno.ENFILE: "The machine has too many open files: close some",
    errno.EROFS: "Make the folder writable",
    errno.EACCES: "Make the folder writable",
    errno.ENOENT: "A folder on the way is missing: make it, or put it back",
    errno.ENOTDIR: "A file is in the way of a folder: move it",
    errno.EEXIST: "A file is in the way of a folder: move it",
    errno.EISDIR: "A folder is in the way of a file: move it",
}
