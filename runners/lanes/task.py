"""The pieces of a lane's work: which of a model's answers to which problem are wanted."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from prompts.problems import Problem
from storage.records.solution_record import TaskKey, task_name
from storage.solution_store import SolutionStore


@dataclass(frozen=True, slots=True)
class Task:
    """One answer to ask a model for; sample counts from 1."""

    problem: Problem
    sample: int = 1

    @property
    def key(self) -> TaskKey:
        return self.problem.task_id, self.sample

    @property
    def name(self) -> str:
        return task_name(self.key)


def undone_tasks(
    store: SolutionStore, label: str, problems: Sequence[Problem], samples: int
) -> Iterator[Task]:
    """Yield what a model has neither answered nor a reply waiting for, looked up as it goes.

    Every problem's first sample comes before any second one, so that a session that is
    interrupted is a complete smaller one. Within a sample, what failed in an earlier run comes
    last: it may fail again.
    """
    failed = frozenset(store.failed_tasks.get(label, ()))
    for sample in range(1, samples + 1):
        failed_before: list[Task] = []
        for problem in problems:
            task = Task(problem, sample)
            if store.is_answered(label, task.key) or store.is_pending(label, task.key):
                continue
            if task.key in failed:
                failed_before.append(task)
            else:
                yield task
        yield from failed_before
