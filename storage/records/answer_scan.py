"""Files of answers read through once: what they hold goes into an index, what is amiss is told.

A large session is read a stretch at a time, on all cores if wanted: a worker makes an AnswerBlock
of a stretch, and only one that is not plainly in order is read again line by line. How many
workers there are changes nothing in what is found.
"""

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import TypeVar

import msgspec

from processors.workers.chunks import whole, window_for
from processors.workers.executor import WIDE_BOUNDS, SameProcess, WorkerExecutor
from storage.files.jsonl_file import Line, lines_of, read_lines, read_stretches
from storage.records.answer_block import AnswerBlock, block_of
from storage.records.record_index import RecordIndex
from storage.records.record_json import decode_solution
from storage.records.sidecar import read_sidecar

LARGE_BYTES = 100_000_000  # of a session's answers: fewer are read in a second, line by line
ALONE_BYTES = 16_000_000  # that are read before a process is started: most files have sidecars
_STRETCH_BYTES = 2**20

Record = TypeVar("Record")


@dataclass(slots=True)
class Damage:
    """What is wrong with one .jsonl file; offsets are those of its lines.

    torn: the last line is cut short. unended: it only lacks its end.
    padded: bytes around a record that are not its own.
    """

    path: Path
    torn: bool = False
    unended: bool = False
    padded: bool = False
    unreadable: list[int] = field(default_factory=list)
    doubled: list[int] = field(default_factory=list)

    def __bool__(self) -> bool:
        return self.needs_cut or self.needs_rewrite

    @property
    def needs_cut(self) -> bool:
        return self.torn or self.unended

    @property
    def needs_rewrite(self) -> bool:
        return bool(self.padded or self.unreadable or self.doubled)


def scan_answers(sizes: Mapping[Path, int], index: RecordIndex, workers: int = 1) -> list[Damage]:
    """Return what is wrong with each of these files, once the index knows their answers.

    sizes: file -> its length. workers: processes that read them where they are large.
    Raises StoreError where a file cannot be read at all.
    """
    damages = {path: Damage(path) for path in sizes}
    if sum(sizes.values()) < LARGE_BYTES:
        for path in sizes:
            told = read_sidecar(path)
            _take_told(told, path, index, damages[path])
            _take_lines(read_lines(path, _end_of(told)), path, index, damages[path])
        return list(damages.values())
    with contextlib.ExitStack() as stack:
        pool = stack.enter_context(WorkerExecutor(workers, WIDE_BOUNDS)) if workers > 1 else None
        window = window_for(workers) if pool else 1
        for part, made in _in_order(_parts(sizes), pool, window):
            _take_part(part, made, index, damages[part.path])
    return list(damages.values())


def records_in(
    lines: Iterable[Line], decode: Callable[[bytes], Record | None], damage: Damage
) -> Iterator[tuple[Line, Record]]:
    """Yield each line's record as it is read; note in damage what is wrong with the others."""
    for line in lines:
        damage.padded |= not line.is_clean
        if not line.content:
            continue
        damage.unended = not line.is_whole
        record = decode(line.content)
        if record is None:
            _note_unreadable(line, damage)
        else:
            yield line, record


def plain_block(stretch: bytes) -> bytes:
    """Return what whole lines hold as an AnswerBlock that starts at 0, or None, packed."""
    return msgspec.msgpack.encode(block_of(lines_of(stretch), 0))


@dataclass(frozen=True, slots=True)
class _Part:
    """The start of a file, as its sidecar tells, or a stretch of what it does not tell of."""

    path: Path
    told: list[AnswerBlock]
    start: int = 0
    stretch: bytes = b""


def _parts(paths: Iterable[Path]) -> Iterator[_Part]:
    for path in paths:
        told = read_sidecar(path)
        yield _Part(path, told)
        for offset, stretch in read_stretches(path, _end_of(told), _STRETCH_BYTES):
            yield _Part(path, [], offset, stretch)


def _in_order(
    parts: Iterator[_Part], pool: Executor | None, window: int
) -> Iterator[tuple[_Part, "Future[bytes] | None"]]:
    """Yield the parts with what becomes of their stretches; so many are held at a time."""
    waiting: deque[tuple[_Part, Future[bytes] | None]] = deque()
    here, read = SameProcess(), 0
    try:
        for part in parts:
            read += len(part.stretch)
            executor = pool if pool and read > ALONE_BYTES else here
            made = executor.submit(plain_block, part.stretch) if part.stretch else None
            waiting.append((part, made))
            if len(waiting) >= window:
                yield waiting.popleft()
        yield from waiting
    finally:
        for _, made in waiting:
            if made is not None:
                made.cancel()


def _take_part(
    part: _Part,
    made: "Future[bytes] | None",
    index: RecordIndex,
    damage: Damage,
) -> None:
    if made is None:
        _take_told(part.told, part.path, index, damage)
        return
    block = msgspec.msgpack.decode(whole(made.result()), type=AnswerBlock | None)
    if block is None or index.has_any_of([block]):
        _take_lines(lines_of(part.stretch, part.start), part.path, index, damage)
    else:
        index.add_block(block, part.path)


def _end_of(told: Sequence[AnswerBlock]) -> int:
    return told[-1].end if told else 0


def _take_told(told: Sequence[AnswerBlock], path: Path, index: RecordIndex, damage: Damage) -> None:
    """Take what a sidecar tells; where some of it is known already, read those lines instead."""
    if told and index.has_any_of(told):
        lines = takewhile(lambda line: line.offset < _end_of(told), read_lines(path))
        _take_lines(lines, path, index, damage)
        return
    for block in told:
        index.add_block(block, path)


def _take_lines(lines: Iterable[Line], path: Path, index: RecordIndex, damage: Damage) -> None:
    for line, record in records_in(lines, decode_solution, damage):
        if not record.llm_call_success:
            continue  # sessions older than format 1 kept failed calls among the answers
        if index.is_answered(record.model, record.key):
            damage.doubled.append(line.offset)
        else:
            index.place(record, path)
            index.add(record)


def _note_unreadable(line: Line, damage: Damage) -> None:
    if line.is_whole:
        damage.unreadable.append(line.offset)
    else:
        damage.torn = True
        damage.unended = False
