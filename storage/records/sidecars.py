"""Writes the sidecars of a session's long files of answers, while they grow and at the end."""

import contextlib
import hashlib
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import msgspec

from config.errors import StoreError
from storage.files.jsonl_file import Line, append_line, read_lines
from storage.records.answer_block import block_of
from storage.records.sidecar import (
    Entry,
    Stamp,
    blocks_of,
    hashes_agree,
    is_sealed,
    read_entries,
    sidecar_of,
)

LEAST_BYTES = 2**20  # of a file that has a sidecar: a shorter one is read as quickly
STEP_BYTES = 4 * 2**20  # that a growing file is ahead of its sidecar at most


class Sidecars:
    """The sidecars of one session. What goes wrong with one is no harm: its file will be read."""

    def __init__(self, least_bytes: int = LEAST_BYTES, step_bytes: int = STEP_BYTES) -> None:
        self._least_bytes = least_bytes
        self._step_bytes = step_bytes
        self._ends: dict[Path, int] = {}  # up to where each file is told of
        self._unfit: set[Path] = set()  # files with a line that no block can hold

    def follow(self, path: Path) -> None:
        """Bring a file's sidecar up to date where the file is long and has grown enough."""
        with contextlib.suppress(OSError, StoreError):
            size = path.lstat().st_size
            if size < self._least_bytes or path in self._unfit:
                return
            if path not in self._ends:
                self._ends[path] = _end_of_known(path)
            if size - self._ends[path] >= self._step_bytes:
                self._extend(path)

    def seal(self, path: Path) -> None:
        """Bring a long file's sidecar up to date and seal it: nothing is written any more."""
        with contextlib.suppress(OSError, StoreError):
            stamp = Stamp.of(path)
            entries = read_entries(path)
            if stamp.size < self._least_bytes or (entries and is_sealed(path, entries)):
                return
            # Whatever happened to the file during the run: all of it is looked at once more.
            blocks = blocks_of(entries)
            if not blocks or not hashes_agree(path, blocks):
                sidecar_of(path).unlink(missing_ok=True)
                blocks = []
            self._ends[path] = blocks[-1].end if blocks else 0
            self._extend(path)
            if self._ends[path] == stamp.size and Stamp.of(path) == stamp:
                append_line(sidecar_of(path), Entry(stamp).to_line())

    def _extend(self, path: Path) -> None:
        start, stamp = self._ends[path], Stamp.of(path)
        digest = hashlib.sha256()

        def hashed() -> Iterator[Line]:
            for line in takewhile(lambda line: line.is_whole, read_lines(path, start)):
                digest.update(line.raw)
                yield line

        block = block_of(hashed(), start)
        if block is None:
            self._unfit.add(path)
        else:
            block = msgspec.structs.replace(block, sha256=digest.hexdigest())
            append_line(sidecar_of(path), Entry(stamp, block).to_line())
            self._ends[path] = block.end


def _end_of_known(path: Path) -> int:
    """Return up to where a sidecar tells that can be carried on; any other one is taken away."""
    blocks = blocks_of(read_entries(path))
    if blocks:
        return blocks[-1].end
    sidecar_of(path).unlink(missing_ok=True)
    return 0
