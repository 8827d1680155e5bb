"""What is known of a session's files without holding them: who answered what, counts, places."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path

from storage.files.safe_names import free_name, name_key
from storage.records.solution_record import FailureRecord, SolutionRecord
from storage.records.tallies import Tally

_MESSAGE_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class FailedTask:
    """The last failure of a task that has no answer."""

    category: str
    error: str
    message: str


class RecordIndex:
    """Who answered what, which tasks failed, and in which file each kind of record stands."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._answered: dict[str, set[str]] = {}
        self._failed: dict[str, dict[str, FailedTask]] = {}
        self._pending: dict[str, set[str]] = {}
        self._tallies: dict[tuple[str, str], Tally] = {}
        self._paths: dict[tuple[str, str], Path] = {}
        self._folders: dict[str, Path] = {}
        self._taken: dict[Path, set[str]] = {folder: set()}

    @property
    def tallies(self) -> Mapping[tuple[str, str], Tally]:
        """(model, category) -> counts."""
        return self._tallies

    @property
    def paths(self) -> Mapping[tuple[str, str], Path]:
        """(model, category) -> the .jsonl file that holds its answers."""
        return self._paths

    @property
    def models(self) -> list[str]:
        """Models that have an answer or a failure, sorted."""
        return sorted({model for model, _ in self._tallies})

    def count_problems(self) -> int:
        """Return how many problems any model answered."""
        return len(frozenset().union(*self._answered.values()))

    @property
    def failed(self) -> Mapping[str, Mapping[str, FailedTask]]:
        """Model -> task_id -> failure, of tasks without an answer."""
        return self._failed

    @property
    def pending(self) -> Mapping[str, Set[str]]:
        """Model -> task_ids of replies that wait for extraction."""
        return self._pending

    def answered(self, model: str) -> Set[str]:
        """Return the task_ids that the model answered."""
        return self._answered.get(model, frozenset())

    def is_answered(self, model: str, task_id: str) -> bool:
        return task_id in self._answered.get(model, ())

    def is_failed(self, model: str, task_id: str) -> bool:
        return task_id in self._failed.get(model, ())

    def is_pending(self, model: str, task_id: str) -> bool:
        return task_id in self._pending.get(model, ())

    def add(self, record: SolutionRecord) -> None:
        """Count an answer; it ends the task's failure and its wait for extraction."""
        self._answered.setdefault(record.model, set()).add(record.task_id)
        self._tally(record.model, record.category).add(record)
        self._pending.get(record.model, set()).discard(record.task_id)
        self._forget_failure(record.model, record.task_id)

    def add_failure(self, failure: FailureRecord) -> None:
        """Count a failure, unless its task is answered; it takes an earlier one's place."""
        if self.is_answered(failure.model, failure.task_id):
            return
        self._forget_failure(failure.model, failure.task_id)
        message = failure.message[:_MESSAGE_CHARACTERS]
        failed = FailedTask(failure.category, failure.error, message)
        self._failed.setdefault(failure.model, {})[failure.task_id] = failed
        self._tally(failure.model, failure.category).failed += 1

    def add_pending(self, model: str, task_id: str) -> None:
        """Note a reply that waits for extraction, unless its task is answered."""
        if not self.is_answered(model, task_id):
            self._pending.setdefault(model, set()).add(task_id)

    def place(self, record: SolutionRecord, path: Path) -> None:
        """Note that a file that is already there holds records of this kind."""
        if (record.model, record.category) in self._paths:
            return
        self._claim(path.parent)
        self._claim(path)
        self._folders.setdefault(record.model, path.parent)
        self._paths[record.model, record.category] = path

    def path_for(self, model: str, category: str) -> Path:
        """Return the file for answers of this kind; the first call chooses it."""
        path = self._paths.get((model, category))
        if path is None:
            folder = self.folder_for(model)
            path = folder / f"{free_name(category, self._taken.setdefault(folder, set()))}.jsonl"
            self._claim(path)
            self._paths[model, category] = path
        return path

    def folder_for(self, model: str) -> Path:
        """Return the model's folder; the first call chooses it."""
        folder = self._folders.get(model)
        if folder is None:
            folder = self._folder / free_name(model, self._taken[self._folder])
            self._claim(folder)
            self._folders[model] = folder
        return folder

    def _claim(self, path: Path) -> None:
        name = path.name.removesuffix(".jsonl")
        self._taken.setdefault(path.parent, set()).add(name_key(name))

    def _tally(self, model: str, category: str) -> Tally:
        return self._tallies.setdefault((model, category), Tally())

    def _forget_failure(self, model: str, task_id: str) -> None:
        earlier = self._failed.get(model, {}).pop(task_id, None)
        if earlier is not None:
            self._tally(model, earlier.category).failed -= 1
