"""One of the sessions to be merged: it is read alone, and refused where it is not at rest."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from config.collection_settings import CollectionSettings
from config.errors import ConfigError, SessionInUse
from storage.files.jsonl_file import Line, read_lines
from storage.records.batch_ledger import BatchLedger
from storage.records.record_json import decode_solution
from storage.records.session_scan import SessionScan, scan_session
from storage.records.solution_record import SolutionRecord, TaskKey
from storage.session.manifest import SessionMetadata, read_metadata
from storage.session.progress_file import Progress, read_progress
from storage.session.session_folder import EVALUATION_FOLDER
from storage.session.session_lock import is_locked
from storage.session.spending_file import Spending, read_spending

RESUME_FIRST = "resume it first, then merge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A session at rest.

    settings: from metadata. scan: who answered what, and which lines are damaged.
    """

    folder: Path
    metadata: SessionMetadata
    settings: CollectionSettings
    scan: SessionScan
    progress: Progress | None
    spending: Spending

    @property
    def answers_usd(self) -> float:
        return sum(tally.cost_usd for tally in self.scan.index.tallies.values())

    def is_answered(self, model: str, key: TaskKey) -> bool:
        return self.scan.index.is_answered(model, key)

    def answer_files(self) -> list[Path]:
        """Return the files of answers."""
        return [path for path in self.scan.sizes if path.parent != self.folder]

    def answers_in(self, path: Path) -> Iterator[tuple[Line, SolutionRecord]]:
        """Yield the answers of one of its files that count, with their lines."""
        damage = next((each for each in self.scan.damages if each.path == path), None)
        doubled = frozenset(damage.doubled if damage else ())
        for line in read_lines(path):
            record = decode_solution(line.content) if line.content else None
            if record and record.llm_call_success and line.offset not in doubled:
                yield line, record

    def check_at_rest(self) -> None:
        """Raise SessionInUse where a process writes to it, or did since it was read."""
        if _is_written(self.folder) or not self.scan.is_current(self.folder):
            raise SessionInUse(f"{self.folder}: is being written: wait for its run, then merge")


def read_part(folder: Path) -> Part:
    """Return a session that can be merged.

    Raises ConfigError where it has to be resumed first, or does not say what it asked; StoreError
    where it cannot be read, or a process writes to it.
    """
    if _is_written(folder):
        raise SessionInUse(f"{folder}: is being run: wait for its end, then merge")
    metadata = read_metadata(folder)
    if metadata is None or metadata.dataset is None:
        raise ConfigError(f"{folder}: its manifest.json does not say which problems it asked")
    try:
        settings = CollectionSettings.from_parameters(metadata.session_parameters)
    except ConfigError as error:
        raise ConfigError(f"{folder}: {error}") from error
    if len(metadata.models) != len(settings.models):
        raise ConfigError(f"{folder}: its manifest.json names other models at each place")
    if open_batches := sum(batch.is_unsettled for batch in BatchLedger(folder)):
        batches = "1 open batch" if open_batches == 1 else f"{open_batches} open batches"
        raise ConfigError(f"{folder}: has {batches}: {RESUME_FIRST}")
    progress = read_progress(folder)
    scan = scan_session(folder)
    return Part(
        folder=folder,
        metadata=metadata,
        settings=settings,
        scan=scan,
        progress=progress,
        spending=_spending(folder, scan, progress),
    )


def _spending(folder: Path, scan: SessionScan, progress: Progress | None) -> Spending:
    """Return what the session may have cost; its answers' own costs are at least that."""
    spending = read_spending(folder)
    if spending is not None:
        return spending
    has_begun = progress.in_flight > 0 if progress else bool(scan.index.tallies)
    if has_begun:
        raise ConfigError(f"{folder}: its spending.json cannot be read: {RESUME_FIRST}")
    return Spending(committed_usd=progress.spent_usd if progress else 0.0)


def _is_written(folder: Path) -> bool:
    return is_locked(folder) or is_locked(folder / EVALUATION_FOLDER)
