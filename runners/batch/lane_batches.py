"""One model's tasks, asked in batches: those that are open first, then rounds of what is left."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from itertools import chain, islice

from config.errors import AllAlike, BadRequest, LaneClosed, ModelError
from runners.answers.answer_keeper import UnreadReply
from runners.batch.batch_follower import BatchFollower, Left
from runners.batch.batch_route import BatchRoute
from runners.batch.batch_run import BatchRun, address_of, key_digest
from runners.batch.batch_sender import BatchSender, NotSent
from runners.calls.budget import CapReached
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

        A lane that closes makes no more of them, but lands those that are open: they are paid for.
        todo: what is neither answered nor in an open batch.
        Raises CapReached where there was no money for all, StoreError.
        """
        no_money: CapReached | None = None
        try:
            await self._take_up_what_is_open()
            self._queue.extend(self._still_to_ask(todo))
            while self._has_more_to_do:
                try:
                    await self._take_a_step()
                except LaneStopped:
                    pass  # what is open is followed all the same, unless the whole run stops
                except CapReached as error:
                    no_money = error
                    self._lane.stop()
            if no_money:
                raise no_money
            return self._live
        finally:
            await _end_of([*self._following, *self._looking])

    @property
    def _may_ask(self) -> bool:
        return not (self._lane.stopping or self._run.wishes.cancel)

    @property
    def _has_more_to_do(self) -> bool:
        return bool(self._following or (self._may_ask and (self._queue or self._again)))

    async def _take_a_step(self) -> None:
        while self._queue and self._may_ask and not self._queue_is_full:
            await self._submit()
        if self._following:
            await self._take_what_ends()
        elif self._queue_is_full:
            await self._wait_for_the_queue()
        elif self._again:
            self._share_out()

    async def _take_up_what_is_open(self) -> None:
        lane = self._lane
        for batch in self._run.ledger:
            if batch.model != lane.label:
                continue
            if batch.step == "lost" and not await self._showed_up(batch):
                await self._look_for(batch)
            if not batch.is_unsettled:
                continue
            if whose := self._whose(batch):
                logger.warning(
                    "%s: batch %s was made %s: it is left alone, and its %d requests are not sent "
                    "again",
                    *(lane.label, batch.batch_id or batch.token, whose, batch.rows),
                )
                continue
            self._follow(batch)

    def _whose(self, batch: LedgerBatch) -> str:
        """Return where else a batch has to be asked for, "" where it is the lane's own."""
        planned, model = batch.planned, self._lane.model
        digest = key_digest(model)
        if batch.step == "ended" and self._run.files.has_results(batch.token):
            return ""
        if planned.key_digest != digest:
            return f"with another key ({planned.key_digest}, and this is {digest})"
        if planned.base_url != address_of(model):
            return f"at {planned.base_url} ({model.config.base_url_env} is another now)"
        return ""

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
                await self._look_for(left.lost)
            self._errors |= left.errors
            self._rounds.update(task.key for task in left.again)
            self._forget_what_is_answered()
            self._again += self._still_to_ask(left.again)
            self._queue.extendleft(reversed(self._still_to_ask(left.free)))
            self._bad_rows += left.had_bad_row
            if left.refused or self._bad_rows > _MOST_BAD_ROWS:
                self._make_do_without([], left.refused or BadRequest("row after row is refused"))
            if left.queue_was_full:
                self._queue_is_full = True
                if not self._following:  # one batch alone is too much for it
                    self._sender.most_rows = max(1, self._sender.most_rows // 2)

    def _forget_what_is_answered(self) -> None:
        """Take out what a batch answered that was given up, and showed up after all."""
        is_kept = self._run.is_kept
        self._queue = deque(task for task in self._queue if not is_kept(self._lane, task))
        self._again = [task for task in self._again if not is_kept(self._lane, task)]
        self._live = [task for task in self._live if not is_kept(self._lane, task)]

    def _still_to_ask(self, tasks: Sequence[Task]) -> list[Task]:
        """Return those that are not answered, nor to be asked already, nor in another batch."""
        run, label = self._run, self._lane.label
        asked = {task.key for task in chain(self._queue, self._again, self._live)}
        for batch in run.ledger.unsettled(label):
            asked.update(batch.keys)
        return [t for t in tasks if t.key not in asked and not run.is_kept(self._lane, t)]

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

    async def _look_for(self, batch: LedgerBatch) -> None:
        """Look now and then for a batch that was given up: it may be paid for all the same."""
        age = self._run.clock.time() - batch.creating_at
        if age > self._limits.deadline_seconds:
            await self._run.drop(batch, "it never showed up")
        else:
            self._looking.add(asyncio.create_task(self._look_out(batch)))

    async def _look_out(self, batch: LedgerBatch) -> None:
        while not await self._showed_up(batch):
            await self._run.clock.sleep(self._limits.lost_look_seconds)
        self._follow(batch)

    async def _showed_up(self, batch: LedgerBatch) -> bool:
        """Return whether a batch exists that was given up; it is cancelled then."""
        if not await self._sender.was_found_late(batch):
            return False
        logger.warning(
            "%s: batch %s exists after all, and is cancelled: its answers are kept",
            *(self._lane.label, batch.batch_id),
        )
        await self._follower.cancel(batch, "its requests were sent again")
        return True


async def _end_of(tasks: Sequence[asyncio.Task[Left] | asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
