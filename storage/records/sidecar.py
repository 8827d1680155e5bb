"""Beside a long file of answers, what it holds: opening the session then reads only what is new.

`<model>/.<category>.jsonl.sidecar` has a line for every stretch of `<model>/<category>.jsonl` and,
once a run has ended, a last one: the seal. It is derived and may be deleted. It counts only while
it is certain to tell of this very file: its lines are whole, and the file is the same inode and
either untouched since it was sealed (size and times as they were), or every stretch has its
SHA-256. A copied or unpacked session has other inodes: its files are read. So what came along with
a session from elsewhere says nothing.
"""

import hashlib
import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from config.errors import StoreError
from storage.files.jsonl_file import read_lines
from storage.files.regular_file import is_regular, open_to_read
from storage.records.answer_block import AnswerBlock
from storage.records.tallies import Tally

_SETTLED_NS = 2_000_000_000  # times of files are too coarse to tell changes apart before
_HASHED_AT_ONCE = 2**20
# A sidecar counts for nothing once what it tells, or how it is counted, has changed: then count up.
_FORM = f"1 {','.join(Tally.__dataclass_fields__)}"


class Stamp(msgspec.Struct, frozen=True):
    """How a file is at a moment; times in ns."""

    device: int
    inode: int
    size: int
    modified: int
    changed: int

    @classmethod
    def of(cls, path: Path) -> "Stamp":
        """Return a regular file's; raises OSError for anything else."""
        found = os.lstat(path)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(f"{path}: not a regular file")
        return cls(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)

    def is_same_file(self, other: "Stamp") -> bool:
        """Return whether both are of one file, whatever it held then and now."""
        return (self.device, self.inode) == (other.device, other.inode)


class Entry(msgspec.Struct, frozen=True):
    """One line; block: None seals what stands before it, all of which was as it is told then."""

    stamp: Stamp
    block: AnswerBlock | None = None
    form: str = _FORM

    def to_line(self) -> bytes:
        """Return the line, with the digest that tells whether it is whole."""
        content = msgspec.json.encode(self)
        return hashlib.sha256(content).hexdigest().encode() + b" " + content + b"\n"


def sidecar_of(path: Path) -> Path:
    """Return where the sidecar of a file of answers stands."""
    return path.with_name(f".{path.name}.sidecar")


def read_sidecar(path: Path) -> list[AnswerBlock]:
    """Return what the start of a file of answers holds; [] where no sidecar is sure to tell."""
    try:
        entries = read_entries(path)
        blocks = blocks_of(entries)
        is_sure = bool(blocks) and (is_sealed(path, entries) or hashes_agree(path, blocks))
    except (OSError, StoreError):
        return []
    return blocks if is_sure else []


def read_entries(path: Path) -> list[Entry]:
    """Return a sidecar's lines; [] where one is not as it was written, or of another file.

    Raises OSError, StoreError.
    """
    place = sidecar_of(path)
    now = Stamp.of(path)
    if not is_regular(place) or place.lstat().st_size > now.size:
        return []
    entries = []
    for line in read_lines(place):
        check, _, content = line.raw.removesuffix(b"\n").partition(b" ")
        if not line.is_whole or check != hashlib.sha256(content).hexdigest().encode():
            return []
        try:
            entries.append(msgspec.json.decode(content, type=Entry))
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return []
    is_ours = all(each.form == _FORM and each.stamp.is_same_file(now) for each in entries)
    return entries if is_ours else []


def blocks_of(entries: Sequence[Entry]) -> list[AnswerBlock]:
    """Return the stretches from the file's start on; [] where they cannot all be true."""
    blocks = [entry.block for entry in entries if entry.block]
    starts = [0, *(block.end for block in blocks)]
    is_possible = (
        all(block.start == start for block, start in zip(blocks, starts, strict=False))
        and all(block.is_sound for block in blocks)
        and len({(block.model, block.category) for block in blocks}) == 1
    )
    return blocks if is_possible else []


def is_sealed(path: Path, entries: Sequence[Entry]) -> bool:
    """Return whether a file is untouched since its sidecar was sealed.

    Its last change has to be so long before the seal that they can be told apart; both moments are
    the file system's own, whatever clock that has. Raises OSError.
    """
    seal = entries[-1]
    ends = [entry.block.end for entry in entries if entry.block]
    if sys.platform == "win32" or seal.block or seal.stamp.size != max(ends, default=0):
        return False
    written = os.lstat(sidecar_of(path)).st_ctime_ns
    return Stamp.of(path) == seal.stamp and seal.stamp.changed + _SETTLED_NS <= written


def hashes_agree(path: Path, blocks: Sequence[AnswerBlock]) -> bool:
    """Return whether a file's stretches are what they were; raises OSError, StoreError."""
    with open_to_read(path) as file:
        return all(_sha256(file, block.end - block.start) == block.sha256 for block in blocks)


def _sha256(file: BinaryIO, size: int) -> str:
    digest = hashlib.sha256()
    while size and (piece := file.read(min(size, _HASHED_AT_ONCE))):
        digest.update(piece)
        size -= len(piece)
    return "" if size else digest.hexdigest()
