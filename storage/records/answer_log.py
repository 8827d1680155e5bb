"""The truth on disk: every answer is appended to its category's file and counts from then on."""

import contextlib
import threading
from collections.abc import Iterator, Mapping, Set
from itertools import chain
from pathlib import Path

from config.clock import Clock, SystemClock
from config.errors import StoreError
from storage.files.durability import write_error
from storage.files.jsonl_file import read_lines
from storage.files.line_log import LineLog
from storage.files.regular_file import refuse_link, size_of
from storage.files.utf8_text import clean_text
from storage.records.record_index import FailedTask, RecordIndex
from storage.records.record_json import (
    decode_solution,
    encode_failure,
    encode_solution,
    solutions_in,
)
from storage.records.session_scan import (
    FAILURES_NAME,
    PENDING_NAME,
    repair_file,
    scan_session,
    session_files,
    set_orphans_aside,
)
from storage.records.solution_record import FailureRecord, SolutionRecord, TaskKey
from storage.records.tallies import Tally
from storage.session.manifest import SessionMetadata, SessionStatus, read_metadata, read_summary
from storage.session.session_folder import claim_folder

_MOST_DONE_WITH = 32 * 2**20  # bytes of replies that have been read; more would double a session


class AnswerLog:
    """A session's answers, failures and waiting replies, appended one whole line at a time.

    No record is held in memory, only who answered what and counts. Appending goes on while
    another thread syncs.

    session_id, path: the session and its folder.
    metadata: what it was asked to do; None for a folder that no run opened.
    status: as summary.json has it.
    """

    def __init__(
        self,
        output_dir: str | Path = "generated",
        session_id: str | None = None,
        *,
        clock: Clock | None = None,
        workers: int = 1,
    ) -> None:
        """Open or create output_dir/session_id; without an id make a session that is new.

        workers: processes that read its files where they are large.
        Raises StoreError where the folder cannot be made or read, or is of a newer version.
        """
        self._clock = clock or SystemClock()
        self.session_id, self.path = claim_folder(Path(output_dir), session_id, self._clock)
        self.metadata: SessionMetadata | None = read_metadata(self.path)
        summary = read_summary(self.path)
        self.status: SessionStatus = (summary and summary.status) or "in_progress"
        self._ended_at = summary.collection_metadata.collection_end if summary else None
        self._scan = scan_session(self.path, workers)
        self._ends = dict(self._scan.sizes)
        self._cut: set[Path] = set()
        self._lock = threading.Lock()
        self._lines = LineLog(self.path)
        self._unexported: set[tuple[str, str]] = set()

    @property
    def tallies(self) -> Mapping[tuple[str, str], Tally]:
        """(model, category) -> counts."""
        return self._index.tallies

    @property
    def answers_usd(self) -> float:
        """What all answers cost, in US dollars, as far as prices are known."""
        return sum(tally.cost_usd for tally in self.tallies.values())

    @property
    def failed_tasks(self) -> Mapping[str, Mapping[TaskKey, FailedTask]]:
        """Model -> (task_id, sample) -> last failure, of tasks that have no answer."""
        return self._index.failed

    def is_answered(self, model_label: str, key: TaskKey) -> bool:
        return self._index.is_answered(clean_text(model_label), _clean(key))

    def is_pending(self, model_label: str, key: TaskKey) -> bool:
        """Return whether the task's reply is kept and waits for extraction."""
        return self._index.is_pending(clean_text(model_label), _clean(key))

    def answered(self, model_label: str) -> Set[TaskKey]:
        """Return what the model answered, as (task_id, sample)."""
        return self._index.answered(clean_text(model_label))

    def answered_counts(self) -> dict[str, int]:
        """Return model -> number of its answers."""
        return {model: len(self._index.answered(model)) for model in self._index.models}

    def category_files(self) -> dict[str, dict[str, tuple[Path, ...]]]:
        """Return model -> category -> its .jsonl files, in the order of filling; sorted."""
        files: dict[str, dict[str, tuple[Path, ...]]] = {}
        with self._lock:
            for (model, category), paths in sorted(self._index.paths.items()):
                files.setdefault(model, {})[category] = paths
        return files

    def answer_files(self, model: str) -> list[tuple[Path, ...]]:
        """Return the files that hold a model's answers, each once, those of a category together."""
        known: set[Path] = set()
        found = []
        for paths in self.category_files().get(clean_text(model), {}).values():
            found.append(tuple(path for path in paths if path not in known))
            known.update(paths)
        return [paths for paths in found if paths]

    def pending(self) -> Iterator[SolutionRecord]:
        """Return an iterator over the replies that wait for extraction now, one a task."""
        waiting = {(model, key) for model, keys in self._index.pending.items() for key in keys}
        return self._replies_of(waiting)

    def append(self, record: SolutionRecord) -> None:
        """Return once the answer's whole line is with the operating system.

        Raises StoreError, with the file as before, where it cannot be written, and for a second
        answer of the same model to the same task and sample.
        """
        kept, line = encode_solution(record)
        with self._lock:
            self._refuse_second_answer(kept)
            path = self._index.path_for(kept.model, kept.category, self._ends)
            self._append_line(path, line)
            self._index.add(kept)
            self._unexported.add((kept.model, kept.category))

    def append_pending(self, record: SolutionRecord) -> int:
        """Keep a reply whose code is still to be extracted; append() its record ends the wait.

        Returns its place, for pending_at.
        """
        kept, line = encode_solution(record)
        with self._lock:
            self._refuse_second_answer(kept)
            place = self._append_line(self.path / PENDING_NAME, line)
            self._index.add_pending(kept.model, kept.key)
            return place

    def pending_at(self, place: int) -> SolutionRecord:
        """Return the reply that append_pending put there. Raises StoreError where it is gone."""
        path = self.path / PENDING_NAME
        line = next(read_lines(path, place), None)
        record = decode_solution(line.content) if line else None
        if record is None:
            raise StoreError(f"{path}: the reply at byte {place} is gone")
        return record

    def append_failure(self, failure: FailureRecord) -> None:
        """Keep a failed task in failures.jsonl; an answer, earlier or later, supersedes it."""
        kept, line = encode_failure(failure)
        with self._lock:
            self._append_line(self.path / FAILURES_NAME, line)
            self._index.add_failure(kept)

    def repair(self) -> list[str]:
        """Return, for people, what was damaged in the session's files and is set aside.

        Call it with the session's lock held, before the first append: it changes files.
        """
        with self._lock:
            if not self._scan.is_current(self.path):
                self._scan = scan_session(self.path)
            said = [repair_file(damage) for damage in self._scan.damages]
            self._scan.damages.clear()
            self._ends = session_files(self.path)
            known = frozenset(chain.from_iterable(self._index.paths.values()))
            return [*said, *set_orphans_aside(self.path, known)]

    def shrunk_files(self) -> list[Path]:
        """Return the files that hold less than was written: somebody deleted or emptied them."""
        with self._lock:
            short = {path for path, end in self._ends.items() if size_of(path) < end}
            return sorted(short | self._cut)

    def take_stock(self) -> list[str]:
        """Return, for people, which answers were written and are gone; they count no longer.

        Call it when nothing is appended any more.
        """
        if not self.shrunk_files():
            return []
        before = self.answered_counts()
        with self._lock:
            self._scan = scan_session(self.path)
            self._ends = dict(self._scan.sizes)
            self._cut.clear()
        gone = {m: count - len(self._index.answered(m)) for m, count in before.items()}
        return [
            f"{count} answers of {model} are gone: their file was deleted or emptied while the "
            "run went on; a resume asks for them again"
            for model, count in gone.items()
            if count
        ]

    def sync(self) -> None:
        """Return once everything appended before the call is on the disk.

        Raises StoreError where the disk refuses; the next call tries again.
        """
        with self._lock:
            done_with = self._bytes_done_with()
        self._lines.sync()
        with self._lock:
            # Their answers are on the disk now; whatever came since is not theirs.
            if done_with > _MOST_DONE_WITH and done_with == self._bytes_done_with():
                with contextlib.suppress(StoreError):
                    self._drop_pending()

    def _bytes_done_with(self) -> int:
        """Return how much of replies is kept that were read, and that none waits; else 0."""
        path = self.path / PENDING_NAME
        if any(self._index.pending.values()) or not path.exists():
            return 0
        return path.stat().st_size

    @property
    def _index(self) -> RecordIndex:
        return self._scan.index

    def _replies_of(self, waiting: set[tuple[str, TaskKey]]) -> Iterator[SolutionRecord]:
        if not waiting:
            return
        for _, record in solutions_in(self.path / PENDING_NAME):
            if (record.model, record.key) in waiting:
                waiting.discard((record.model, record.key))
                yield record

    def _refuse_second_answer(self, record: SolutionRecord) -> None:
        if self._index.is_answered(record.model, record.key):
            which = f", sample {record.sample}" if record.sample > 1 else ""
            raise StoreError(f"{record.model} has already answered {record.task_id!r}{which}")

    def _append_line(self, path: Path, line: bytes) -> int:
        """Return where the line stands, in bytes."""
        if path.parent != self.path:
            refuse_link(path.parent)
        offset = self._lines.append(path, line)
        if offset < self._ends.get(path, 0):  # what was written before is gone
            self._cut.add(path)
        self._ends[path] = offset + len(line)
        return offset

    def _drop_pending(self) -> None:
        """Delete the replies that waited: all of them have been read."""
        path = self.path / PENDING_NAME
        self._ends.pop(path, None)
        self._cut.discard(path)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise write_error(path, error) from error


def _clean(key: TaskKey) -> TaskKey:
    return clean_text(key[0]), key[1]
