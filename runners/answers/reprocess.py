"""A finished session's raw replies, read again by today's rules: no request, nothing lost.

Workers read whole blocks of records within the bounds of one reply. Where a block is beyond them,
so may be one of its replies: each is read alone then, and one that is beyond them is given up.
"""

import contextlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from processors.extraction.code_candidates import EXTRACTION_VERSION
from processors.reading.reading_work import packed_reply, read, unpacked_reading
from processors.workers.bounds import Unfinished
from processors.workers.chunks import map_chunks, map_items
from runners.answers.record_reading import reply_in
from runners.answers.reread import Reread, read_again, records_of, reread, rereads_in
from storage.files.durability import flush_file, write_error
from storage.files.jsonl_file import read_blocks
from storage.files.regular_file import make_folders, open_to_append
from storage.records.solution_record import TaskKey, task_name
from storage.solution_store import SolutionStore

MOST_NAMED = 20
_Files = Mapping[str, Mapping[str, Sequence[Path]]]  # model -> category -> files of answers


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What one answer's second reading brought; the verdicts are those of full validity.

    task: as people are told, with its sample from the second on.
    gave_up: why the reply could not be read, None where it could.
    """

    task: str
    was_valid: bool
    is_valid: bool
    gave_up: str | None = None


@dataclass(slots=True, kw_only=True)
class Changes:
    """What the second reading of a model's answers brought.

    told: how many have other code, or could not be read. named: the first of those.
    """

    answers: int = 0
    other_code: int = 0
    valid_before: int = 0
    valid_now: int = 0
    gave_up: int = 0
    told: int = 0
    named: list[Change] = field(default_factory=list)

    def add(self, again: Reread) -> None:
        """Count one answer."""
        self.answers += 1
        self.other_code += again.code_changed
        self.valid_before += again.was_valid
        self.valid_now += again.is_valid
        self.gave_up += again.gave_up is not None
        if again.code_changed or again.gave_up:
            self.told += 1
            if len(self.named) < MOST_NAMED:
                self.named.append(
                    Change(
                        task=task_name(again.key),
                        was_valid=again.was_valid,
                        is_valid=again.is_valid,
                        gave_up=again.gave_up,
                    )
                )


def reprocess_session(
    store: SolutionStore, executor: Executor, window: int
) -> tuple[Path, dict[str, Changes]]:
    """Return the folder of the new records, and model -> what changed.

    executor: of bounded workers; window: how many blocks are in flight in it.
    The new records stand in SESSION/reprocessed/<version>/<model>/<category>.jsonl, in place of
    an earlier reading by the same version; the old ones stay as they are.
    Raises StoreError where they cannot be written, NoWorker where nothing can be read.
    """
    folder = store.path / "reprocessed" / EXTRACTION_VERSION
    building = folder.with_name(f".{folder.name}.building")
    try:
        make_folders(store.path, folder.parent)
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(parents=True, exist_ok=True)
        store.sync()
        changes = _Rewriting(building, executor, window).rewrite(store.category_files())
        shutil.rmtree(folder, ignore_errors=True)
        building.rename(folder)
    except OSError as error:
        raise write_error(folder, error) from error
    return folder, changes


class _Rewriting:
    """The new files, written one after the other while the blocks of the next are being read."""

    def __init__(self, building: Path, executor: Executor, window: int) -> None:
        self._building = building
        self._executor = executor
        self._window = window
        self._open = contextlib.ExitStack()
        self._seen: set[tuple[str, TaskKey]] = set()

    def rewrite(self, files: _Files) -> dict[str, Changes]:
        changes = {model: Changes() for model in files}
        results = map_items(
            self._executor, read_again, _blocks(files), lambda item: item[-1], self._window
        )
        kind: tuple[str, str] | None = None
        former: Path | None = None
        with self._open, contextlib.closing(results):
            for (model, category, old, block), result in results:
                if kind != (model, category):
                    self._seen.clear()
                    kind = model, category
                if old != former:
                    lines, former = self._next_file(old), old
                for again in self._rereads(block, result):
                    if (again.model, again.key) not in self._seen:
                        self._seen.add((again.model, again.key))
                        lines.write(again.line)
                        changes[model].add(again)
        return changes

    def _next_file(self, old: Path) -> BinaryIO:
        self._open.close()
        target = self._building / old.parent.name / old.name
        target.parent.mkdir(exist_ok=True)
        self._open.callback(flush_file, target)
        return self._open.enter_context(open_to_append(target))

    def _rereads(self, block: bytes, result: bytes | Unfinished) -> Iterator[Reread]:
        if isinstance(result, bytes):
            yield from rereads_in(result)
            return
        records = records_of(block)
        replies = (packed_reply(reply_in(record)) for record in records)
        readings = map_chunks(self._executor, read, replies, self._window)
        for record, reading in zip(records, readings, strict=True):
            yield reread(
                record, unpacked_reading(reading) if isinstance(reading, bytes) else reading
            )


def _blocks(files: _Files) -> Iterator[tuple[str, str, Path, bytes]]:
    """Yield model, category, path and a block of lines, at least one of each file."""
    for model, by_category in files.items():
        for category, paths in by_category.items():
            for path in paths:
                blocks = read_blocks(path)
                yield model, category, path, next(blocks, b"")
                for block in blocks:
                    yield model, category, path, block
