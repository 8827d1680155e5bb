"""One model's tasks, which the lanes of its keys share: none is lost, and none is asked twice."""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain

from runners.lanes.task import Task
from storage.records.solution_record import TaskKey


class ModelTasks:
    """What a model still has to do; the lane of each of its keys takes the next task.

    total: how many tasks there are. ended: how many were answered or given up.
    has_answers: a call was answered in this run, with whichever key. has_several_keys: there is
        more than one lane, open or not.
    """

    def __init__(self, tasks: Iterable[Task], total: int) -> None:
        self.total = total
        self.ended = 0
        self.has_answers = False
        self.has_several_keys = False
        self._tasks: Iterator[Task] = iter(tasks)
        self._put_back: deque[Task] = deque()
        self._open_keys: set[str] = set()
        self._tried: dict[TaskKey, set[str]] = {}  # and given it up
        self._handed_on: dict[TaskKey, set[str]] = {}  # before they sent it

    def add(self, tasks: Iterable[Task]) -> None:
        """Let tasks be asked that were not to be asked so far; total counts them already."""
        self._tasks = chain(self._tasks, tasks)

    def open(self, key: str) -> None:
        """Let a key have tasks; key: the name of its variable."""
        self._open_keys.add(key)
        self.has_several_keys = len(self._open_keys) > 1

    def close(self, key: str) -> None:
        """Let a key have no more of them."""
        self._open_keys.discard(key)

    def has_another_key(self, key: str) -> bool:
        """Tell whether the tasks that a key leaves are asked with another one."""
        return bool(self._open_keys - {key})

    def take(self, key: str) -> Task | None:
        """Return the next task for a key, None where there is none now."""
        for task in self._put_back:
            if self._is_for(key, task):
                self._put_back.remove(task)
                return task
        return next(self._tasks, None)

    def put_back(self, task: Task) -> None:
        """Let a task be taken again that was not asked, or not to the end."""
        self._put_back.append(task)

    def pass_on(self, task: Task, key: str) -> bool:
        """Let a task be asked with a key that has not tried it, if there is one; return whether.

        key: with which it was given up.
        """
        tried = self._tried.setdefault(task.key, set())
        tried.add(key)
        if not self._open_keys - tried:
            return False
        self._handed_on.pop(task.key, None)
        self.put_back(task)
        return True

    def hand_on(self, task: Task, key: str) -> None:
        """Let a task be asked with another key that waited for its turn with this one."""
        self._handed_on.setdefault(task.key, set()).add(key)
        self.put_back(task)

    def is_for_another(self, task: Task, key: str) -> bool:
        """Tell whether there is a key, other than the one given, that has not had a task yet."""
        return bool(self._open_keys - self._left_by(task) - {key})

    def _is_for(self, key: str, task: Task) -> bool:
        """Tell whether a key should ask a task: it has not had it, or all others have."""
        left_by = self._left_by(task)
        return key not in left_by or not self._open_keys - left_by

    def _left_by(self, task: Task) -> set[str]:
        return self._tried.get(task.key, set()) | self._handed_on.get(task.key, set())
