"""Files that grow by whole lines: what is new in them since the last look."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from config.errors import StoreError
from storage.files.regular_file import open_to_read

_MOST_LINE_BYTES = 64_000_000


class Rewritten(Exception):
    """A file is another one, or shorter than it was: what was read of it no longer counts."""


@dataclass(frozen=True, slots=True)
class _Position:
    """How far a file was read, in bytes; is_inside: of a line that is too long."""

    inode: int
    offset: int = 0
    is_inside: bool = False


class LineTail:
    """Remembers how far each file was read; a line counts once it has its end."""

    def __init__(self) -> None:
        self._read: dict[Path, _Position] = {}

    def new_lines(self, path: Path) -> Iterator[bytes]:
        """Yield the lines that were added to a file, without those too long to be a record.

        Raises Rewritten where it has to be read anew, NotRegular for a link or a pipe, StoreError
        where it cannot be read. Nothing where there is no file.
        """
        known = self._read.get(path)
        try:
            stat = path.lstat()
            if known and (stat.st_ino != known.inode or stat.st_size < known.offset):
                raise Rewritten
            if stat.st_size > (known.offset if known else 0):
                yield from self._lines_from(path, known or _Position(stat.st_ino))
        except FileNotFoundError:
            if known:
                raise Rewritten from None
        except OSError as error:
            raise StoreError(f"{path}: cannot be read: {error.strerror}") from error

    def _lines_from(self, path: Path, position: _Position) -> Iterator[bytes]:
        with open_to_read(path) as file:
            file.seek(position.offset)
            while raw := file.readline(_MOST_LINE_BYTES):
                is_whole = raw.endswith(b"\n")
                if not is_whole and len(raw) < _MOST_LINE_BYTES:
                    return  # it is being written, or a crash left it
                is_record = is_whole and not position.is_inside
                position = _Position(position.inode, position.offset + len(raw), not is_whole)
                self._read[path] = position
                if is_record:
                    yield raw
