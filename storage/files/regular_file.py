"""Opens the files of a session: regular ones alone, and never through a symbolic link.

A session folder may come from somewhere else. A link in it could point at any file of the user's,
a pipe in it would never end; a device does as it likes. All of these are refused in one line.
"""

import errno
import os
import secrets
import stat
import sys
from pathlib import Path
from typing import BinaryIO

from config.errors import StoreError

_MOST_BYTES = 1_000_000_000  # of a file that is read whole: progress.json of ten million tasks
# What opening a link, a pipe or a socket comes to, on one system or another.
_NOT_REGULAR = frozenset({errno.ELOOP, errno.EMLINK, errno.ENXIO, errno.EOPNOTSUPP})

if sys.platform == "win32":
    _CAREFULLY = os.O_BINARY | os.O_NOINHERIT
else:
    # Without O_NONBLOCK a pipe is waited for until somebody opens its other end.
    _CAREFULLY = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class NotRegular(StoreError):
    """A link, a pipe, a device or a socket stands where a file of a session belongs."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path}: is a link or a special file, which a session never has: it was not opened. "
            "Put the file itself there, or take it away"
        )


def open_regular(path: Path, flags: int) -> int:
    """Return the descriptor of a regular file; flags: as os.open takes them.

    Raises NotRegular for anything else but a folder, OSError where it cannot be opened.
    """
    if sys.platform == "win32" and path.is_symlink():
        raise NotRegular(path)
    try:
        descriptor = os.open(path, flags | _CAREFULLY, 0o666)
    except OSError as error:
        if error.errno in _NOT_REGULAR:
            raise NotRegular(path) from error
        raise
    kind = os.fstat(descriptor).st_mode
    if stat.S_ISREG(kind):
        return descriptor
    os.close(descriptor)
    if stat.S_ISDIR(kind):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise NotRegular(path)


def open_to_read(path: Path) -> BinaryIO:
    """Return a regular file, opened; raises as open_regular does."""
    return os.fdopen(open_regular(path, os.O_RDONLY), "rb")


def open_to_append(path: Path) -> BinaryIO:
    """Return a regular file, made where it is missing; raises as open_regular does."""
    return os.fdopen(open_regular(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT), "ab")


def open_fresh(path: Path) -> tuple[Path, BinaryIO]:
    """Return a new file beside path, with a name that nobody knew before, to take its place.

    Raises OSError where it cannot be made.
    """
    fresh = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
    return fresh, os.fdopen(open_regular(fresh, flags), "wb")


def read_regular(path: Path) -> bytes:
    """Return a file as it is now; raises as open_regular does, and StoreError for a huge one."""
    with open_to_read(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > _MOST_BYTES:
            raise StoreError(f"{path}: is larger than {_MOST_BYTES:,} bytes: it was not read")
        # Not more: so many bytes are asked of the system at once, and not all grant a gigabyte.
        return file.read(size)


def is_regular(path: Path) -> bool:
    """Tell whether a regular file stands at path."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except (OSError, ValueError):
        return False


def size_of(path: Path) -> int:
    """Return a file's size, 0 where there is none."""
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def make_folders(root: Path, folder: Path) -> None:
    """Make the folders from root down to folder where they are missing.

    Raises NotRegular where one of them is a link, OSError where it cannot be made.
    """
    for place in [*reversed(folder.parents), folder]:
        if place.is_relative_to(root) and place != root:
            refuse_link(place)
            place.mkdir(exist_ok=True)


def refuse_link(folder: Path) -> None:
    """Raise NotRegular where a folder of a session is a link to another one."""
    if folder.is_symlink():
        raise NotRegular(folder)
