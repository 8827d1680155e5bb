"""What is known of a session's files without holding them: who answered what, counts, places."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from storage.files.safe_names import free_name, name_key
from storage.records import part_names
from storage.records.answer_block import AnswerBlock
from storage.records.part_names import number_of, part_name, shared_name
from storage.records.solution_record import FailureRecord, SolutionRecord, TaskKey
from storage.records.tallies import Tally
from storage.session.session_folder import BATCHES_FOLDER, EVALUATION_FOLDER

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
        self._answered: dict[str, set[TaskKey]] = {}
        self._keys: dict[TaskKey, TaskKey] = {}  # one object for all models
        self._failed: dict[str, dict[TaskKey, FailedTask]] = {}
        self._pending: dict[str, set[TaskKey]] = {}
        self._most_samples = 1
        self._tallies: dict[tuple[str, str], Tally] = {}
        self._paths: dict[tuple[str, str], tuple[Path, ...]] = {}
        self._folders: dict[str, Path] = {}
        self._taken: dict[Path, set[str]] = {
            folder: {name_key(EVALUATION_FOLDER), name_key(BATCHES_FOLDER)}
        }

    @property
    def tallies(self) -> Mapping[tuple[str, str], Tally]:
        """(model, category) -> counts."""
        return self._tallies

    @property
    def paths(self) -> Mapping[tuple[str, str], tuple[Path, ...]]:
        """(model, category) -> the .jsonl files that hold its answers, in the order of filling."""
        return self._paths

    @property
    def models(self) -> list[str]:
        """Models that have an answer or a failure, sorted."""
        return sorted({model for model, _ in self._tallies})

    def count_problems(self, model: str | None = None) -> int:
        """Return how many problems a model answered at least once, or any model did."""
        if model is not None and self._most_samples == 1:
            return len(self.answered(model))
        answered = self._answered.values() if model is None else [self.answered(model)]
        return len({task_id for keys in answered for task_id, _ in keys})

    def count_files(self, model: str) -> int:
        """Return how many files hold a model's answers."""
        return len(
            {path for (own, _), paths in self._paths.items() if own == model for path in paths}
        )

    def most_samples(self) -> int:
        """Return the greatest sample that any model answered, 1 where there are no answers."""
        return self._most_samples

    @property
    def failed(self) -> Mapping[str, Mapping[TaskKey, FailedTask]]:
        """Model -> (task_id, sample) -> failure, of tasks without an answer."""
        return self._failed

    @property
    def pending(self) -> Mapping[str, Set[TaskKey]]:
        """Model -> (task_id, sample) of replies that wait for extraction."""
        return self._pending

    def answered(self, model: str) -> Set[TaskKey]:
        """Return what the model answered, as (task_id, sample)."""
        return self._answered.get(model, frozenset())

    def is_answered(self, model: str, key: TaskKey) -> bool:
        return key in self._answered.get(model, ())

    def is_failed(self, model: str, key: TaskKey) -> bool:
        return key in self._failed.get(model, ())

    def is_pending(self, model: str, key: TaskKey) -> bool:
        return key in self._pending.get(model, ())

    def add(self, record: SolutionRecord) -> None:
        """Count an answer; it ends the task's failure and its wait for extraction."""
        key = self._keys.setdefault(record.key, record.key)
        self._answered.setdefault(record.model, set()).add(key)
        self._most_samples = max(self._most_samples, record.sample)
        self._tally(record.model, record.category).add(record)
        self._pending.get(record.model, set()).discard(key)
        self._forget_failure(record.model, key)

    def add_block(self, block: AnswerBlock, path: Path) -> None:
        """Count the answers of a block, none of which is counted yet."""
        self._place(block.model, block.category, path)
        keys = [self._keys.setdefault(key, key) for key in block.keys]
        self._answered.setdefault(block.model, set()).update(keys)
        self._most_samples = max(self._most_samples, *block.samples, 1)
        self._tally(block.model, block.category).join(block.tally)

    def has_any_of(self, blocks: Sequence[AnswerBlock]) -> bool:
        """Return whether an answer of these blocks is counted already, or twice among them."""
        keys = [key for block in blocks for key in block.keys]
        answered = self.answered(blocks[0].model)
        return len(set(keys)) < len(keys) or not answered.isdisjoint(keys)

    def add_failure(self, failure: FailureRecord) -> None:
        """Count a failure, unless its task is answered; it takes an earlier one's place."""
        key = failure.key
        if self.is_answered(failure.model, key):
            return
        self._forget_failure(failure.model, key)
        message = failure.message[:_MESSAGE_CHARACTERS]
        failed = FailedTask(failure.category, failure.error, message)
        self._failed.setdefault(failure.model, {})[key] = failed
        self._tally(failure.model, failure.category).failed += 1

    def add_pending(self, model: str, key: TaskKey) -> None:
        """Note a reply that waits for extraction, unless its task is answered."""
        if not self.is_answered(model, key):
            self._pending.setdefault(model, set()).add(key)

    def place(self, record: SolutionRecord, path: Path) -> None:
        """Note that a file that is already there holds records of this kind."""
        self._place(record.model, record.category, path)

    def path_for(self, model: str, category: str, sizes: Mapping[Path, int]) -> Path:
        """Return the file for the next answer of this kind; where one is full, another follows.

        sizes: path -> bytes, of those that hold something.
        """
        paths = self._paths.get((model, category), ())
        if paths and sizes.get(paths[-1], 0) < part_names.MOST_FILE_BYTES:
            return paths[-1]
        folder = paths[0].parent if paths else self.folder_for(model)
        taken = self._taken.setdefault(folder, set())
        name = _next_name(paths, category, taken) if paths else free_name(category, taken)
        path = folder / f"{name}.jsonl"
        self._claim(path)
        self._paths[model, category] = (*paths, path)
        return path

    def folder_for(self, model: str) -> Path:
        """Return the model's folder; the first call chooses it."""
        folder = self._folders.get(model)
        if folder is None:
            folder = self._folder / free_name(model, self._taken[self._folder])
            self._claim(folder)
            self._folders[model] = folder
        return folder

    def _place(self, model: str, category: str, path: Path) -> None:
        paths = self._paths.get((model, category), ())
        if paths and (path is paths[-1] or path in paths or not _is_part(path, paths[0], category)):
            return
        self._claim(path.parent)
        self._claim(path)
        self._folders.setdefault(model, path.parent)
        self._paths[model, category] = (*paths, path)

    def _claim(self, path: Path) -> None:
        name = path.name.removesuffix(".jsonl")
        self._taken.setdefault(path.parent, set()).add(name_key(name))

    def _tally(self, model: str, category: str) -> Tally:
        return self._tallies.setdefault((model, category), Tally())

    def _forget_failure(self, model: str, key: TaskKey) -> None:
        earlier = self._failed.get(model, {}).pop(key, None)
        if earlier is not None:
            self._tally(model, earlier.category).failed -= 1


def _is_part(path: Path, first: Path, category: str) -> bool:
    """Return whether a file that holds answers of a category carries on its first file."""
    is_beside = path.parent == first.parent
    return is_beside and number_of(path, shared_name(first, category)) is not None


def _next_name(paths: Sequence[Path], category: str, taken: Set[str]) -> str:
    shared = shared_name(paths[0], category)
    number = (number_of(paths[-1], shared) or 1) + 1
    while name_key(part_name(shared, number)) in taken:  # of another category
        number += 1
    return part_name(shared, number)
