"""One model's tasks, asked in batches: those that are open first, then rounds of what is left."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from itertools import islice

from config.errors import AllAlike, BadRequest, LaneClosed, ModelError
from runners.answers.answer_keeper import UnreadReply
from runners.batch.batch_follower import BatchFollower, Left
from runners.batch.batch_route import BatchRoute
from runners.batch.batch_run import BatchRun, key_digest
from runners.batch.batch_sender import BatchSender, NotSent
from runners.calls.reliable_call import GaveUp
from runners.lanes.lane import Lane, LaneStopped
from runners.lanes.task import Task
from storage.records.batch_ledger import LedgerBatch
from storage.records.solution_record import TaskKey

logger = logging.getLogger("collector")

_ROUNDS = 2  # before what is left is asked live
_FEWEST_AGAIN = 20  # that another batch is made for
_MOST_BAD_ROWS = 5  # batches that were refused for one of their rows
_QUEUE_SECONDS, _LONGEST_QUEUE_SECONDS = 60.0, 900.0  # where others' batches fill the queue


class LaneBatches:
    """Asks one lane's tasks in batches."""

    def __init__(
        self,
        lane: Lane,
        route: BatchRoute,
        run: BatchRun,
        read: Callable[[Lane, UnreadReply], Coroutine[None, None, None]],
    ) -> None:
        """read: reads a reply that takes longer, once it is on the disk."""
        self._lane = lane
        self._run = run
        self._sender = BatchSender(lane, route, run)
        self._follower = BatchFollower(lane, route, run, self._sender, read)
        self._limits = route.limits
        self._queue: deque[Task] = deque()
        self._again: list[Task] = []
        self._live: list[Task] = []
        self._rounds = run.ledger.rounds(lane.label)
        self._errors: dict[TaskKey, ModelError] = {}
        self._following: set[asyncio.Task[Left]] = set()
        self._looking: set[asyncio.Task[None]] = set()
        self._bad_rows = self._full_queues = 0
        self._queue_is_full = False

    async def work(self, todo: list[Task]) -> list[Task]:
        """Return what is to be asked live, once all batches have ended, or are left to run.

        todo: what is neither answered nor in an open batch.
        Raises CapReached, LaneStopped, StoreError.
        """
        self._queue.extend(todo)
        try:
            self._take_up_what_is_open()
            while not self._lane.stopping:
                while self._queue and not (self._run.wishes.cancel or self._queue_is_full):
                    await self._submit()
                if self._following:
                    await self._take_what_ends()
                elif self._queue and self._queue_is_full:
                    await self._wait_for_the_queue()
                elif self._again and not self._run.wishes.cancel:
                    self._share_out()
                else:
                    break
            return self._live
        finally:
            await _end_of([*self._following, *self._looking])

    def _take_up_what_is_open(self) -> None:
        lane, run = self._lane, self._run
        digest = key_digest(lane.model)
        for batch in run.ledger:
            if batch.model != lane.label:
                continue
            if batch.step == "lost":
                self._look_for(batch)
            if not batch.is_unsettled:
                continue
            if batch.step != "ended" and batch.planned.key_digest != digest:
                logger.warning(
                    "%s: batch %s was made with another key (%s; this is %s): it is left alone, "
                    "and its %d requests are not sent again. Resume with that key",
                    *(lane.label, batch.batch_id or batch.token, batch.planned.key_digest),
                    *(digest, batch.rows),
                )
                continue
            self._follow(batch)

    async def _submit(self) -> None:
        """Make one batch of the first tasks in the queue."""
        first = list(islice(self._queue, self._sender.most_rows))
        batch = await self._sender.plan(first)
        tasks = [self._queue.popleft() for _ in range(batch.rows)]
        try:
            await self._sender.send(batch)
        except NotSent as refusal:
            self._make_do_without(tasks, refusal.error)
        else:
            if batch.step == "creating" or not self._run.wishes.detach:
                self._follow(batch)

    def _make_do_without(self, tasks: list[Task], error: ModelError | None) -> None:
        """See to tasks for which no batch can be made."""
        if isinstance(error, BadRequest) and not self._run.settings.batch_only:
            logger.warning("%s: it takes no batch, and is asked live: %s", self._lane.label, error)
            self._live += [*tasks, *self._queue]
            self._queue.clear()
            return
        if not isinstance(error, LaneClosed):
            error = AllAlike(f"no batch can be made: {error}")
        self._lane.close(error)

    def _follow(self, batch: LedgerBatch) -> None:
        self._following.add(asyncio.create_task(self._follower.follow(batch)))

    async def _take_what_ends(self) -> None:
        """Wait until a batch has ended, or is left alone, and sort what it left undone."""
        waited_for = frozenset(self._following)  # more may be found meanwhile
        ended, _ = await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
        self._following -= ended
        self._queue_is_full = False
        for task in ended:
            left = task.result()
            if left.lost:
                self._look_for(left.lost)
            self._errors |= left.errors
            self._rounds.update(task.key for task in left.again)
            self._again += left.again
            self._queue.extendleft(reversed(left.free))
            self._bad_rows += left.had_bad_row
            if left.refused or self._bad_rows > _MOST_BAD_ROWS:
                self._make_do_without([], left.refused or BadRequest("row after row is refused"))
            if left.queue_was_full:
                self._queue_is_full = True
                if not self._following:  # one batch alone is too much for it
                    self._sender.most_rows = max(1, self._sender.most_rows // 2)

    async def _wait_for_the_queue(self) -> None:
        pause = self._run.pause(self._full_queues, _QUEUE_SECONDS, _LONGEST_QUEUE_SECONDS)
        self._full_queues += 1
        logger.info(
            "%s: the provider's queue of batches is full: trying again in %.0f s",
            *(self._lane.label, pause),
        )
        with self._lane.waiting():
            await self._run.clock.sleep(pause)
        self._queue_is_full = False

    def _share_out(self) -> None:
        """Decide how tasks are asked that were in a batch without an answer."""
        again, self._again = self._again, []
        if self._run.settings.batch_only:
            for task in again:
                self._queue_or_give_up(task)
            return
        few = len(again) < _FEWEST_AGAIN
        for task in again:
            asked_live = few or self._rounds[task.key] >= _ROUNDS
            (self._live if asked_live else self._queue).append(task)

    def _queue_or_give_up(self, task: Task) -> None:
        if self._rounds[task.key] < self._run.settings.max_attempts:
            self._queue.append(task)
            return
        error = self._errors[task.key]
        self._run.keeper.keep(self._lane, task, GaveUp(error=error, attempts=[]))
        self._lane.end_task(error)

    def _look_for(self, batch: LedgerBatch) -> None:
        """Look now and then for a batch that was given up: it may be paid for all the same."""
        self._looking.add(asyncio.create_task(self._look_out(batch)))

    async def _look_out(self, batch: LedgerBatch) -> None:
        run = self._run
        while run.clock.time() < batch.creating_at + self._limits.deadline_seconds:
            if await self._sender.was_found_late(batch):
                logger.warning(
                    "%s: batch %s exists after all, and is cancelled: its answers are kept",
                    *(self._lane.label, batch.batch_id),
                )
                await self._follower.cancel(batch, "its requests were sent again")
                self._follow(batch)
                return
            try:
                with self._lane.waiting():
                    await run.clock.sleep(self._limits.lost_look_seconds)
            except LaneStopped:
                return
        await run.drop(batch, "it never showed up")


async def _end_of(tasks: Sequence[asyncio.Task[Left] | asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
