"""A file of JSON lines: one whole line is added or none, and damage is set aside, never deleted."""

import contextlib
import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import msgspec

from config.errors import StoreError
from storage.files.durability import flush_descriptor, replace_file, write_error
from storage.files.regular_file import open_regular, open_to_append, open_to_read

_OPEN_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT
_PADDING = b"\xef\xbb\xbf\0 \t\r\n"  # byte order marks of editors, zeros of a power cut
_TAIL_BLOCK = 65_536
_BLOCK_BYTES = 200_000  # some dozens of answers


@dataclass(frozen=True, slots=True)
class Line:
    """One line as it stands in a file.

    offset: where it starts, in bytes.
    raw: its bytes, with the line end where there is one.
    content: the same without padding; empty for a blank line.
    """

    offset: int
    raw: bytes
    content: bytes

    @property
    def is_whole(self) -> bool:
        """The line has its end: it was not cut short."""
        return self.raw.endswith(b"\n")

    @property
    def is_clean(self) -> bool:
        """Nothing but white space stands around the content."""
        line_end = 1 if self.is_whole else 0
        return len(self.raw) == len(self.content) + line_end or self.raw.strip() == self.content


def line_from(offset: int, raw: bytes) -> Line:
    """Return the line of these bytes, which start at an offset."""
    return Line(offset, raw, raw.strip(_PADDING))


def append_line(path: Path, line: bytes) -> int:
    """Return where the line stands, in bytes, once it is whole with the operating system.

    Raises StoreError, with the file as it was before, where it does not fit or cannot be opened.
    A half line that a crash left at the end is set aside first. The folder is made where it is
    missing.
    """
    try:
        descriptor = _open(path)
        try:
            size = os.fstat(descriptor).st_size
            if size and not _ends_whole(descriptor, size):
                cut_torn_tail(path)
                size = os.fstat(descriptor).st_size
            _write_whole(descriptor, line, size)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise write_error(path, error) from error
    return size


def read_lines(path: Path, start: int = 0) -> Iterator[Line]:
    """Yield the lines from a byte offset on, blank ones too; nothing where there is no file."""
    try:
        with open_to_read(path) as file:
            file.seek(start)
            for raw in file:
                yield line_from(start, raw)
                start += len(raw)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror}") from error


def read_lines_of(paths: Iterable[Path]) -> Iterator[tuple[Path, Line]]:
    """Yield the lines of one file after the other, each with its file."""
    for path in paths:
        for line in read_lines(path):
            yield path, line


def read_blocks(path: Path) -> Iterator[bytes]:
    """Yield the whole file as blocks of whole lines, for who passes lines on unread."""
    try:
        with open_to_read(path) as file:
            while lines := file.readlines(_BLOCK_BYTES):
                yield b"".join(lines)
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror}") from error


def read_stretches(path: Path, start: int, size: int) -> Iterator[tuple[int, bytes]]:
    """Yield a file from a byte offset on as (offset, whole lines), each of some `size` bytes.

    Nothing where there is no file, as read_lines has it.
    """
    try:
        with open_to_read(path) as file:
            file.seek(start)
            while stretch := file.read(size) + file.readline():
                yield start, stretch
                start += len(stretch)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror}") from error


def lines_of(block: bytes, start: int = 0) -> Iterator[Line]:
    """Yield the lines of a block that starts at a byte offset, as read_lines does."""
    for raw in BytesIO(block):
        yield line_from(start, raw)
        start += len(raw)


def damaged_path(path: Path) -> Path:
    """Return where what cannot be read of a file is kept."""
    return path.with_name(f"{path.name}.damaged")


def cut_torn_tail(path: Path) -> bool:
    """Return whether a half line was cut off the end and kept in damaged_path.

    A last line that only lacks its end, or has zeros there, gets it: the record is whole.
    """
    with os.fdopen(open_regular(path, os.O_RDWR), "r+b") as file:
        end = _end_of_whole_lines(file.fileno())
        file.seek(end)
        tail = file.read()
        if not tail:
            return False
        if _is_json_object(tail.strip(_PADDING)):
            file.seek(end + len(tail.rstrip(_PADDING)))
            file.write(b"\n")
            file.truncate()
            return False
        _keep_damaged(path, [tail])
        file.truncate(end)
        return True


def set_aside(path: Path, offsets: Collection[int]) -> None:
    """Move the lines at these offsets to damaged_path; the others stay, in their order.

    What is set aside is on the disk before the file is replaced: a crash between the two
    doubles it in damaged_path and loses nothing.
    """
    _keep_damaged(path, (line.raw for line in read_lines(path) if line.offset in offsets))
    kept = (line for line in read_lines(path) if line.offset not in offsets and line.content)
    replace_file(path, (line.content + b"\n" for line in kept))


def keep_whole_file(path: Path) -> Path:
    """Return where a file was moved that cannot be read as a whole; an earlier one is kept too."""
    target = damaged_path(path)
    number = 1
    while os.path.lexists(target):
        number += 1
        target = path.with_name(f"{path.name}.damaged-{number}")
    try:
        return path.replace(target)
    except OSError as error:
        raise write_error(target, error) from error


def _open(path: Path) -> int:
    try:
        return open_regular(path, _OPEN_FLAGS)
    except FileNotFoundError:
        path.parent.mkdir(exist_ok=True)
        return open_regular(path, _OPEN_FLAGS)


def _ends_whole(descriptor: int, size: int) -> bool:
    os.lseek(descriptor, size - 1, os.SEEK_SET)
    return os.read(descriptor, 1) == b"\n"


def _write_whole(descriptor: int, line: bytes, size: int) -> None:
    rest = memoryview(line)
    try:
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    except BaseException:
        with contextlib.suppress(OSError):  # the next append, or a resume, cuts the tail instead
            os.ftruncate(descriptor, size)
        raise


def _end_of_whole_lines(descriptor: int) -> int:
    end = os.fstat(descriptor).st_size
    while end > 0:
        start = max(0, end - _TAIL_BLOCK)
        os.lseek(descriptor, start, os.SEEK_SET)
        found = os.read(descriptor, end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def _is_json_object(content: bytes) -> bool:
    try:
        return isinstance(msgspec.json.decode(content), dict)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False


def _keep_damaged(path: Path, pieces: Iterator[bytes] | list[bytes]) -> None:
    target = damaged_path(path)
    with open_to_append(target) as file:
        for piece in pieces:
            file.write(piece if piece.endswith(b"\n") else piece + b"\n")
        file.flush()
        flush_descriptor(file.fileno())
