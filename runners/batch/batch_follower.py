"""One batch from its create to its landing, and what it leaves to be done in another way."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field

from config.errors import BadRequest, LaneClosed, ModelError, NotRun, RateLimited
from models.batch.batch_api import BatchStatus
from runners.answers.answer_keeper import UnreadReply
from runners.batch.batch_landing import BatchLander, Landing, NotOurBatch
from runners.batch.batch_route import BatchRoute
from runners.batch.batch_run import BatchRun
from runners.batch.batch_sender import BatchSender, NotSent
from runners.batch.batch_watch import BatchWatch
from runners.calls.reliable_call import GaveUp
from runners.lanes.lane import Lane, LaneStopped
from runners.lanes.task import Task
from storage.records import batch_steps as steps
from storage.records.batch_ledger import LedgerBatch
from storage.records.solution_record import TaskKey

logger = logging.getLogger("collector")

_READ_AT_ONCE = 8


@dataclass(slots=True)
class Left:
    """What a batch left undone.

    again: tasks that were sent and not answered, errors: why. free: tasks that were not run.
    refused: why batches are refused as such. lost: the batch, where it may yet show up.
    """

    again: list[Task] = field(default_factory=list)
    free: list[Task] = field(default_factory=list)
    errors: dict[TaskKey, ModelError] = field(default_factory=dict)
    refused: BadRequest | None = None
    lost: LedgerBatch | None = None
    had_bad_row: bool = False
    queue_was_full: bool = False


class BatchFollower:
    """Follows the batches of one lane."""

    def __init__(
        self,
        lane: Lane,
        route: BatchRoute,
        run: BatchRun,
        sender: BatchSender,
        read: Callable[[Lane, UnreadReply], Coroutine[None, None, None]],
    ) -> None:
        self._lane = lane
        self._route = route
        self._run = run
        self._sender = sender
        self._lander = BatchLander(lane, route, run)
        self._read = read

    async def follow(self, batch: LedgerBatch) -> Left:
        """Return what is left to do once the batch is landed, or left to run.

        Raises StoreError.
        """
        budget, token = self._run.budget, batch.token
        budget.expect(token, is_expected=not self._run.wishes.detach)
        try:
            return await self._to_its_end(batch)
        except LaneStopped:
            return Left()
        except NotSent:
            return Left(free=_known(self._run.tasks_of(batch)), lost=batch)
        finally:
            budget.expect(token, is_expected=False)

    async def cancel(self, batch: LedgerBatch, why: str) -> None:
        """Ask for a batch's end; its finished rows are landed all the same."""
        await self._watch(batch).cancel(why)

    async def _to_its_end(self, batch: LedgerBatch) -> Left:
        while True:
            if batch.step == "creating":
                await self._sender.settle(batch)
            watch = self._watch(batch)
            if self._run.wishes.cancel:
                await watch.cancel("you asked for it")
            if batch.step != "ended" or not self._run.files.has_results(batch.token):
                status = await watch.end(only_once=self._run.wishes.detach)
                if status is None:
                    return Left()
                if status.phase == "ended_without_rows":
                    return await self._without_rows(batch, status)
                await self._note_end(batch, status)
                await watch.fetch(status)
            try:
                landing = await self._lander.land(batch)
            except NotOurBatch:
                await self._search_on(batch)
                continue
            await self._lander.conclude(batch, landing)
            await self._read_all(landing.unread)
            return self._left(batch, landing)

    def _watch(self, batch: LedgerBatch) -> BatchWatch:
        return BatchWatch(batch, self._lane, self._route, self._run)

    async def _note_end(self, batch: LedgerBatch, status: BatchStatus) -> None:
        if batch.step == "ended":
            return
        ended_at = status.ended_at or self._run.clock.time()
        await self._run.note(
            steps.Ended(
                token=batch.token,
                at=self._run.clock.time(),
                state=status.state,
                ended_at=max(ended_at, batch.created_at),
            )
        )
        logger.info("%s: batch %s: %s", batch.model, batch.batch_id, status.state)

    async def _search_on(self, batch: LedgerBatch) -> None:
        assert batch.batch_id is not None, "a batch that has ended has a name"
        logger.info("%s: batch %s is somebody else's", batch.model, batch.batch_id)
        await asyncio.to_thread(self._run.files.forget_results, batch.token)
        await self._run.note(
            steps.NotOurs(token=batch.token, at=self._run.clock.time(), batch_id=batch.batch_id)
        )

    async def _without_rows(self, batch: LedgerBatch, status: BatchStatus) -> Left:
        """Return what is left of a batch that has nothing to give."""
        tasks, error = self._run.tasks_of(batch), status.error
        logger.warning(
            "%s: batch %s: %s, nothing was answered%s",
            *(batch.model, batch.batch_id, status.state, f": {error}" if error else ""),
        )
        if error is None:
            return await self._all_again(batch, status)
        await self._run.drop(batch, str(error))
        if isinstance(error, LaneClosed):
            self._lane.close(error)
            return Left()
        if isinstance(error, RateLimited):
            return Left(free=_known(tasks), queue_was_full=True)
        if status.bad_row is None or not 1 <= status.bad_row <= len(tasks):
            refused = error if isinstance(error, BadRequest) else BadRequest(str(error))
            return Left(free=_known(tasks), refused=refused)
        if bad := tasks[status.bad_row - 1]:
            self._run.keeper.keep(self._lane, bad, GaveUp(error=error, attempts=[]))
            self._lane.end_task(error)
        rest = [task for task in _known(tasks) if task is not bad]
        return Left(free=rest, had_bad_row=True)

    async def _all_again(self, batch: LedgerBatch, status: BatchStatus) -> Left:
        """Return all tasks of a batch that came to an end before it answered any."""
        await self._note_end(batch, status)
        landing = Landing(cost_usd=batch.planned.worst_usd if status.may_be_billed else 0.0)
        error = NotRun(f"the batch ended without results: {status.state}")
        landing.again = dict.fromkeys(range(1, batch.rows + 1), error)
        await self._lander.conclude(batch, landing)
        return self._left(batch, landing)

    def _left(self, batch: LedgerBatch, landing: Landing) -> Left:
        tasks, left = self._run.tasks_of(batch), Left()
        for number, error in sorted(landing.again.items()):
            if task := tasks[number - 1]:
                left.again.append(task)
                left.errors[task.key] = error
        for number in landing.aside:
            task_id, sample, _ = batch.planned.tasks[number - 1]
            if problem := self._run.problems.get(task_id):
                left.free.append(Task(problem, sample))
        return left

    async def _read_all(self, unread: Sequence[UnreadReply]) -> None:
        """Read the replies that take longer; those that are not come up in the next run."""
        for few in _batched(unread, _READ_AT_ONCE):
            await asyncio.gather(*(self._read(self._lane, reply) for reply in few))


def _known(tasks: Sequence[Task | None]) -> list[Task]:
    return [task for task in tasks if task]


def _batched(items: Sequence[UnreadReply], count: int) -> Iterator[Sequence[UnreadReply]]:
    for start in range(0, len(items), count):
        yield items[start : start + count]
