"""A finished session's raw replies, read again by today's rules: no request, nothing lost."""

import asyncio
import shutil
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from processors.extraction.code_candidates import EXTRACTION_VERSION
from processors.reading.bounded_reader import BoundedReader
from processors.reading.reading import Reading
from runners.answers.answer_record import reply_in, with_reading, without_reading
from storage.files.durability import flush_file, write_error
from storage.files.regular_file import make_folders, open_to_append
from storage.records.record_json import encode_solution, solutions_in
from storage.records.solution_record import SolutionRecord, task_name
from storage.records.tallies import is_valid
from storage.solution_store import SolutionStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What one answer's second reading brought; the verdicts are those of full validity.

    task: as people are told, with its sample from the second on.

    gave_up: why the reply could not be read, None where it could.
    """

    task: str
    code_changed: bool
    was_valid: bool
    is_valid: bool
    gave_up: str | None = None


async def reprocess_session(
    store: SolutionStore, reader: BoundedReader
) -> tuple[Path, dict[str, list[Change]]]:
    """Return the folder of the new records, and model -> one Change an answer.

    The new records stand in SESSION/reprocessed/<version>/<model>/<category>.jsonl, in place of
    an earlier reading by the same version; the old ones stay as they are.
    Raises StoreError where they cannot be written, NoWorker where nothing can be read.
    """
    folder = store.path / "reprocessed" / EXTRACTION_VERSION
    building = folder.with_name(f".{folder.name}.building")
    try:
        make_folders(store.path, folder.parent)
        shutil.rmtree(building, ignore_errors=True)
        changes: dict[str, list[Change]] = {}
        for model, files in store.save_solutions_jsonl().items():
            changes[model] = []
            for old in files.values():
                target = building / old.parent.name / old.name
                target.parent.mkdir(parents=True, exist_ok=True)
                changes[model] += await _reprocess_file(old, target, reader)
        building.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        building.rename(folder)
    except OSError as error:
        raise write_error(folder, error) from error
    return folder, changes


async def _reprocess_file(old: Path, target: Path, reader: BoundedReader) -> list[Change]:
    changes: list[Change] = []
    with open_to_append(target) as lines:

        def write(record: SolutionRecord, again: SolutionRecord) -> None:
            lines.write(encode_solution(again)[1])
            changes.append(_change(record, again))

        await _read_again((record for _, record in solutions_in(old)), reader, write)
    flush_file(target)
    return changes


async def _read_again(
    records: Iterable[SolutionRecord],
    reader: BoundedReader,
    write: Callable[[SolutionRecord, SolutionRecord], None],
) -> None:
    """Write what is made of each record, in their order; a few are read at a time."""
    reading: deque[tuple[SolutionRecord, asyncio.Task[SolutionRecord]]] = deque()
    async with asyncio.TaskGroup() as group:
        for record in records:
            reading.append((record, group.create_task(_again(record, reader))))
            if len(reading) > 2 * reader.at_once:
                first, again = reading.popleft()
                write(first, await again)
        for first, again in reading:
            write(first, await again)


async def _again(record: SolutionRecord, reader: BoundedReader) -> SolutionRecord:
    reading = await reader.read(reply_in(record))
    if isinstance(reading, Reading):
        return with_reading(record, reading)
    return without_reading(record, reading)


def _change(record: SolutionRecord, again: SolutionRecord) -> Change:
    return Change(
        task=task_name(record.key),
        code_changed=again.extracted_solution != record.extracted_solution,
        was_valid=is_valid(record),
        is_valid=is_valid(again),
        gave_up=again.extraction.reason if again.extraction else None,
    )
