"""The lane of a model and a key: its slots, what it has out, and why it closed."""

import asyncio
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from config.clock import Clock
from config.errors import (
    LaneClosed,
    ModelError,
    NoCapacity,
    PermanentError,
    ProblemChanged,
    RateLimited,
)
from models.base_model import BaseModel
from runners.lanes.alike_failures import AlikeFailures
from runners.lanes.model_tasks import ModelTasks
from runners.lanes.open_batches import OpenBatches
from runners.lanes.refusals import GivenUp, Refusals
from runners.lanes.task import Task
from runners.rate_limiter import RateScope

logger = logging.getLogger("collector")

_REFUSED_TASKS = 3


class LaneStopped(Exception):
    """The lane takes no more work; the task in hand stays undone."""


class HandedOn(LaneStopped):
    """The task in hand goes to another key; the lane goes on with other tasks."""


@dataclass(frozen=True, slots=True)
class CallOut:
    """One request that has left and is not back: since is in monotonic seconds."""

    task_name: str
    since: float


@dataclass(slots=True)
class Wait:
    """What a worker waits for before it sends: its turn, money under a cap, or a cluster's host.

    after: the error because of which its task is tried again, None for a first attempt.
    """

    after: ModelError | None = None
    for_money: bool = False
    for_host: bool = False


@dataclass(slots=True)
class Lane:
    """One model with one of its keys, and the tasks that the model still has to do.

    tasks: shared by the lanes of the model's keys, and by their workers; each takes the next.
    width: how many workers there should be; workers: how many there are.
    readings_left: how many workers have ended but for their last reply, which an LLM reads.
    exhausted: there was no task to take.
    fallback: the same model at the default tier, for calls that flex has no room for.
    has_answers: a call was answered in this run; answered_before: in an earlier one.
    is_batched: its tasks go into batches, so that it has no workers; false once what those left
        is asked live. batches: those that are open.
    """

    model: BaseModel
    scope: RateScope
    tasks: ModelTasks
    clock: Clock
    width: int = 0
    closed_by: LaneClosed | None = None
    stopping: bool = False
    workers: int = 0
    readings_left: int = 0
    exhausted: bool = False
    has_answers: bool = False
    answered_before: bool = False
    fallback: BaseModel | None = None
    is_batched: bool = False
    batches: OpenBatches = field(default_factory=OpenBatches)
    _refused_tasks: set[str] = field(default_factory=set)  # since the last answer, as for good
    _in_hand: dict[asyncio.Task[None], Task] = field(default_factory=dict)
    _waiting: dict[asyncio.Task[None], Wait] = field(default_factory=dict)
    _out: dict[asyncio.Task[None], CallOut] = field(default_factory=dict)
    _called_off: dict[asyncio.Task[None], LaneStopped | GivenUp] = field(default_factory=dict)
    _failures: AlikeFailures = field(init=False)
    refusals: Refusals = field(init=False)

    def __post_init__(self) -> None:
        self.refusals = Refusals(self.clock)
        self._failures = AlikeFailures(self.tasks.total, answered_before=self.answered_before)
        self.tasks.open(self.model.key_variable)

    @property
    def label(self) -> str:
        return self.model.config.label

    @property
    def name(self) -> str:
        """The model's label, with the variable of the lane's key where there are several."""
        several = self.tasks.has_several_keys
        return f"{self.label} ({self.model.key_variable})" if several else self.label

    @property
    def has_another_key(self) -> bool:
        """Whether the model goes on with another key where this lane ends."""
        return self.tasks.has_another_key(self.model.key_variable)

    @property
    def out(self) -> int:
        """How many requests are in flight."""
        return len(self._out)

    @property
    def calls_out(self) -> list[CallOut]:
        """The requests in flight, oldest first."""
        return sorted(self._out.values(), key=lambda call: call.since)

    def out_for(self, seconds: float) -> list[CallOut]:
        """Return the requests that have been in flight for so long, oldest first."""
        now = self.clock.monotonic()
        return [call for call in self.calls_out if now - call.since >= seconds]

    @property
    def waits(self) -> list[Wait]:
        """What those workers wait for that have a task and may not send it yet."""
        return list(self._waiting.values())

    def take(self) -> Task | None:
        """Return the next task for a worker, None where the worker is to end."""
        self._in_hand.pop(worker := _current_worker(), None)
        if self.stopping or self.workers > self.width:
            return None
        task = self.tasks.take(self.model.key_variable)
        self.exhausted = task is None
        if task:
            self._in_hand[worker] = task
        return task

    def hand_on(self, most: int) -> int:
        """Leave tasks to other keys that wait for this one's turn; return how many.

        most: no more than these, the last in line, each once.
        """
        waiting = [
            worker
            for worker, wait in reversed(self._waiting.items())
            if not wait.for_money
            and (wait.after is None or isinstance(wait.after, RateLimited))
            and (task := self._in_hand.get(worker))
            and self.tasks.is_for_another(task, self.model.key_variable)
        ]
        self._call_off(HandedOn(), waiting[:most])
        return len(waiting[:most])

    def pass_on(self, task: Task, error: ModelError) -> bool:
        """Leave a task that was given up to a key that has not tried it; return whether there is.

        That is for what another key may not meet: a limit, or any refusal where this key has had
        no answer yet.
        """
        kinds = (RateLimited, LaneClosed) if self.has_answers else (RateLimited, PermanentError)
        if not isinstance(error, kinds) or isinstance(error, NoCapacity | ProblemChanged):
            return False
        if not self.tasks.pass_on(task, self.model.key_variable):
            return False
        self._note_failure(error)
        return True

    def answered(self) -> None:
        """Note an answer to a call."""
        self.has_answers = self.tasks.has_answers = True
        self._refused_tasks.clear()

    def is_closed_to(self, task_name: str) -> bool:
        """Tell whether to believe a reply that says that every call of the lane will fail.

        Where others are answered it takes some tasks that are refused so, with no answer between:
        one alone may be a gateway's mistake, or a refusal of its prompt.
        """
        self._refused_tasks.add(task_name)
        return not self.has_answers or len(self._refused_tasks) >= _REFUSED_TASKS

    def end_task(self, error: ModelError | None) -> None:
        """Count a task that was answered or given up, None for the former.

        The lane closes where tasks fail alike, others are left, and none was answered.
        """
        self.tasks.ended += 1
        if error and self.tasks.ended != self.tasks.total:
            self._note_failure(error)

    def _note_failure(self, error: ModelError) -> None:
        if self.has_answers:
            return
        self._failures.note(error, self.clock.monotonic())
        since = (call.since for call in self._out.values())
        others_answer = self.tasks.has_answers
        if reason := self._failures.verdict(error, self.model, since, others_answer=others_answer):
            self.close(reason)

    @contextmanager
    def waiting(self, *, after: ModelError | None = None) -> Iterator[Wait]:
        """Mark that the worker waits to send: a stop ends it here.

        Raises LaneStopped, and GivenUp where the lane was refused for too long.
        after: what its task's last attempt came to. Yields the mark, to be kept true.
        """
        if self.stopping:
            raise LaneStopped
        if self.refusals.given_up:
            raise GivenUp(self.refusals.given_up)
        worker = _current_worker()
        wait = self._waiting[worker] = Wait(after)
        try:
            yield wait
        except asyncio.CancelledError:
            # As asyncio.timeout does: take back our own cancellation, let any other one through.
            if worker in self._called_off and not worker.uncancel():
                raise self._called_off[worker] from None
            raise
        finally:
            del self._waiting[worker]
            self._called_off.pop(worker, None)

    @contextmanager
    def sending(self, task_name: str) -> Iterator[None]:
        """Mark that the worker's request is out: a stop lets it come back first."""
        worker = _current_worker()
        self._out[worker] = CallOut(task_name, self.clock.monotonic())
        try:
            yield
        finally:
            del self._out[worker]

    def stop(self) -> None:
        """Send nothing more; requests that are out may still come back."""
        self.stopping = True
        self.tasks.close(self.model.key_variable)
        self._call_off(LaneStopped(), self._waiting)

    def give_up(self) -> None:
        """Send no task any more that waits, or comes, while nothing but refusals come back."""
        self.refusals.given_up = error = self.refusals.last
        if error is not None:
            self._call_off(GivenUp(error), self._waiting)

    def _call_off(
        self, reason: LaneStopped | GivenUp, waiting: Iterable[asyncio.Task[None]]
    ) -> None:
        for worker in set(waiting) - self._called_off.keys():
            self._called_off[worker] = reason
            worker.cancel()

    def abandon(self) -> None:
        """Send nothing more and wait for nothing."""
        self.stop()
        for worker in self._out:
            worker.cancel()

    def close(self, error: LaneClosed) -> None:
        """Stop because every request of this lane would fail."""
        if self.closed_by is None:
            self.closed_by = error
            if self.has_another_key and not self.stopping:
                logger.warning(
                    "%s: %s is not used any more, its tasks go to another key: %s",
                    *(self.label, self.model.key_variable, error),
                )
        self.stop()


def _current_worker() -> asyncio.Task[None]:
    worker = asyncio.current_task()
    assert worker is not None, "lanes are worked on by tasks"
    return worker
