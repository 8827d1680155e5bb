"""A finished session's raw replies, read again by today's rules: no request, nothing lost."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from processors.extraction.code_candidates import EXTRACTION_VERSION, extract_code
from runners.answers.answer_record import with_extraction
from storage.files.durability import flush_file, write_error
from storage.records.record_json import encode_solution, solutions_in
from storage.records.solution_record import SolutionRecord
from storage.records.tallies import is_valid
from storage.solution_store import SolutionStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What one answer's second reading brought; the verdicts are those of full validity."""

    task_id: str
    code_changed: bool
    was_valid: bool
    is_valid: bool


def reprocess_session(store: SolutionStore) -> tuple[Path, dict[str, list[Change]]]:
    """Return the folder of the new records, and model -> one Change an answer.

    The new records stand in SESSION/reprocessed/<version>/<model>/<category>.jsonl, in place of
    an earlier reading by the same version; the old ones stay as they are.
    Raises StoreError where they cannot be written.
    """
    folder = store.path / "reprocessed" / EXTRACTION_VERSION
    building = folder.with_name(f".{folder.name}.building")
    try:
        shutil.rmtree(building, ignore_errors=True)
        changes: dict[str, list[Change]] = {}
        for model, files in store.save_solutions_jsonl().items():
            changes[model] = []
            for old in files.values():
                target = building / old.parent.name / old.name
                target.parent.mkdir(parents=True, exist_ok=True)
                changes[model] += _reprocess_file(old, target)
        building.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        building.rename(folder)
    except OSError as error:
        raise write_error(folder, error) from error
    return folder, changes


def _reprocess_file(old: Path, target: Path) -> Iterator[Change]:
    with target.open("wb") as lines:
        for _, record in solutions_in(old):
            again = _read_again(record)
            lines.write(encode_solution(again)[1])
            yield Change(
                task_id=record.task_id,
                code_changed=again.extracted_solution != record.extracted_solution,
                was_valid=is_valid(record),
                is_valid=is_valid(again),
            )
    flush_file(target)


def _read_again(record: SolutionRecord) -> SolutionRecord:
    extraction = extract_code(
        record.raw_response,
        record.name or None,
        truncated_reply=record.finish_reason == "length",
    )
    return with_extraction(record, extraction)
