"""The pieces of a lane's work: which of a model's answers to which problem are wanted."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from prompts.placed_problems import AskedProblem
from prompts.problem import Problem
from storage.records.solution_record import TaskKey, task_name
from storage.solution_store import SolutionStore


@dataclass(frozen=True, slots=True)
class Task:
    """One answer to ask a model for; sample counts from 1."""

    asked: AskedProblem
    sample: int = 1

    def read(self) -> "Task":
        """Return the task with its problem's text; raises ProblemChanged where that is another."""
        return Task(self.asked.read(), self.sample)

    @property
    def problem(self) -> Problem:
        """The problem of a task that was read."""
        assert isinstance(self.asked, Problem), "a task is read before it is worked on"
        return self.asked

    @property
    def key(self) -> TaskKey:
        return self.asked.task_id, self.sample

    @property
    def name(self) -> str:
        return task_name(self.key)


def undone_tasks(
    store: SolutionStore, label: str, problems: Sequence[AskedProblem], samples: int
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
