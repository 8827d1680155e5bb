"""Tasks that more than one of the merged sessions answered: which answer is kept."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from storage.merging.part import Part
from storage.records.solution_record import SolutionRecord, TaskKey

Task = tuple[str, TaskKey]  # model and task


@dataclass(slots=True)
class Contested:
    """What is known of the tasks that several parts answered; of all others, nothing is held.

    first: task -> when its earliest answer came, and the part's place.
    """

    first: dict[Task, tuple[float, int]] = field(default_factory=dict)

    def is_kept(self, place: int, record: SolutionRecord) -> bool:
        """Return whether this answer of the part at that place is the one that counts."""
        return self.place_of((record.model, record.key), place) == place

    def place_of(self, task: Task, place: int) -> int:
        """Return whose answer to a task counts; place: the only part's that has one."""
        return self.first[task][1] if task in self.first else place

    def is_copy(self, record: SolutionRecord) -> bool:
        """Return whether an answer that is not kept is the kept one itself, from a copied session.

        No two replies arrive within a microsecond.
        """
        return self.first[record.model, record.key][0] == record.timestamp


def contested_tasks(parts: Sequence[Part]) -> Contested:
    """Return which answers count: of each task the earliest, of two at once the first part's."""
    doubled = _answered_twice(parts)
    found = Contested()
    for place, part in enumerate(parts):
        for record in _answers_of(part, doubled.keys()):
            task = record.model, record.key
            if record.key not in doubled.get(record.model, ()):
                continue
            if task not in found.first or record.timestamp < found.first[task][0]:
                found.first[task] = record.timestamp, place
    return found


def _answers_of(part: Part, models: Collection[str]) -> Iterator[SolutionRecord]:
    """Yield a part's answers from the files of these models, others that stand there included."""
    kinds = part.scan.index.paths.items()
    for path in sorted({path for (model, _), own in kinds if model in models for path in own}):
        for _, record in part.answers_in(path):
            yield record


def _answered_twice(parts: Sequence[Part]) -> dict[str, set[TaskKey]]:
    """Return model -> what more than one part has an answer to."""
    doubled: dict[str, set[TaskKey]] = {}
    for model in sorted({model for part in parts for model in part.scan.index.models}):
        seen: set[TaskKey] = set()
        twice: set[TaskKey] = set()
        for part in parts:
            answered = part.scan.index.answered(model)
            twice |= seen & answered
            seen |= answered
        if twice:
            doubled[model] = twice
    return doubled
