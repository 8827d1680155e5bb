"""A session's .jsonl files read through once: the index of what is there, and what is damaged."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from config.errors import StoreError
from storage.files.durability import write_error
from storage.files.jsonl_file import (
    cut_torn_tail,
    damaged_path,
    keep_whole_file,
    read_lines,
    set_aside,
)
from storage.files.regular_file import NotRegular, is_regular, refuse_link
from storage.records.answer_scan import Damage, records_in, scan_answers
from storage.records.part_names import in_order
from storage.records.record_csv import is_export
from storage.records.record_index import RecordIndex
from storage.records.record_json import decode_failure, decode_solution
from storage.session.session_folder import EVALUATION_FOLDER

FAILURES_NAME = "failures.jsonl"
PENDING_NAME = "pending_extraction.jsonl"


@dataclass(frozen=True, slots=True)
class SessionScan:
    """What one reading of a session found.

    sizes: every file that was read, with its length then.
    """

    index: RecordIndex
    damages: list[Damage]
    sizes: dict[Path, int]

    def is_current(self, folder: Path) -> bool:
        """The files are as long as they were when they were read."""
        return self.sizes == session_files(folder)


def scan_session(folder: Path, workers: int = 1) -> SessionScan:
    """Return what stands in a session's files; changes none of them.

    A record counts once: a second one of the same model, task and sample is damage.
    workers: processes that read a large session, which find the same however many they are.
    Raises StoreError where a file cannot be read at all.
    """
    sizes = session_files(folder)
    index = RecordIndex(folder)
    answers = {path: size for path, size in sizes.items() if path.parent != folder}
    damages = scan_answers(answers, index, workers)
    damages.append(_scan_failures(folder / FAILURES_NAME, index))
    damages.append(_scan_pending(folder / PENDING_NAME, index))
    return SessionScan(index, [damage for damage in damages if damage], sizes)


def repair_file(damage: Damage) -> str:
    """Return, for people, what was wrong with a file and is now set aside in its .damaged file."""
    path = damage.path
    try:
        if damage.needs_cut:
            cut_torn_tail(path)
        if damage.needs_rewrite:
            set_aside(path, frozenset([*damage.unreadable, *damage.doubled]))
    except OSError as error:
        raise write_error(path, error) from error
    return f"{path.parent.name}/{path.name}: {', '.join(_findings(damage))}"


def set_orphans_aside(folder: Path, known: Collection[Path]) -> Iterator[str]:
    """Yield, for people, which derived files of model folders stand for answers that are gone.

    known: the .jsonl files that hold answers. What is left of the others is kept as .damaged.
    """
    for inner in _model_folders(folder):
        exports = (path for path in inner.glob("*.csv") if is_export(path))
        orphans = [path for path in exports if path.with_suffix(".jsonl") not in known]
        if not any(path.parent == inner for path in known):
            orphans += inner.glob("summary.json")
        for path in sorted(orphans):
            kept = keep_whole_file(path)
            yield f"{inner.name}/{path.name}: its answers are gone; kept as {kept.name}"


def _findings(damage: Damage) -> Iterator[str]:
    kept = f"kept in {damaged_path(damage.path).name}"
    if damage.torn:
        yield f"a half line at the end was cut off and {kept}"
    if damage.unreadable:
        yield f"{_lines(len(damage.unreadable))} that cannot be read taken out and {kept}"
    if damage.doubled:
        yield f"{_lines(len(damage.doubled))} of tasks already answered taken out and {kept}"
    if damage.unended:
        yield "the missing end of the last line added"
    if damage.padded:
        yield "stray bytes around records removed"


def _lines(count: int) -> str:
    return "1 line" if count == 1 else f"{count} lines"


def session_files(folder: Path) -> dict[Path, int]:
    """Return a session's .jsonl files with their sizes; raises StoreError as scan_session does."""
    try:
        files = [file for inner in _model_folders(folder) for file in _jsonl_files(inner)]
        return {file: file.stat().st_size for file in [*files, *_jsonl_files(folder)]}
    except OSError as error:
        raise StoreError(f"{folder}: cannot be read: {error.strerror}") from error


def _model_folders(folder: Path) -> list[Path]:
    folders = sorted(path for path in folder.iterdir() if path.is_dir() and path.name[0] != ".")
    for inner in folders:
        refuse_link(inner)
    return [inner for inner in folders if inner.name != EVALUATION_FOLDER]


def _jsonl_files(folder: Path) -> list[Path]:
    found = (path for path in folder.glob("*.jsonl") if not path.is_dir())
    files = sorted(found, key=in_order)
    for path in files:
        if not is_regular(path):
            raise NotRegular(path)
    return files


def _scan_failures(path: Path, index: RecordIndex) -> Damage:
    damage = Damage(path)
    for _, failure in records_in(read_lines(path), decode_failure, damage):
        index.add_failure(failure)
    return damage


def _scan_pending(path: Path, index: RecordIndex) -> Damage:
    damage = Damage(path)
    for _, record in records_in(read_lines(path), decode_solution, damage):
        index.add_pending(record.model, record.key)
    return damage
