"""Lanes of workers: every model at its own pace, none waits for another."""

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager

from config.errors import LaneClosed, ModelGone, ProblemChanged
from config.prompt_text import PromptText
from models.catalog.listed_words import listed_words
from prompts.prompt_template import build_prompt
from runners.answers.answer_keeper import AnswerKeeper, UnreadReply
from runners.calls.budget import CapReached
from runners.calls.reliable_call import Answer, GaveUp, ReliableCaller
from runners.lanes.lane import HandedOn, Lane, LaneStopped
from runners.lanes.task import Task


class ParallelExecutor:
    """Works lanes off: as many workers a lane as it is wide, all in one task group.

    A lane's width may change meanwhile: surplus workers end with the task that they have in
    hand, and call fill for more.
    """

    def __init__(
        self, caller: ReliableCaller, keeper: AnswerKeeper, prompt: PromptText | None = None
    ) -> None:
        """prompt: the words around every problem, None for the default's."""
        self._prompt = prompt
        self._caller = caller
        self._keeper = keeper
        self._group: asyncio.TaskGroup | None = None
        self._lanes: Sequence[Lane] = ()
        self.stopped_by: CapReached | None = None

    async def run(
        self, lanes: Sequence[Lane], beside: Sequence[Coroutine[None, None, None]] = ()
    ) -> None:
        """Return when every lane is worked off, closed or stopped.

        beside: what runs meanwhile, and may fill lanes when their time has come.
        """
        self._lanes = lanes
        async with asyncio.TaskGroup() as self._group:
            for work in beside:
                self._group.create_task(work)
            for lane in lanes:
                self.fill(lane)

    def fill(self, lane: Lane) -> None:
        """Give a lane the workers that it lacks, as long as there is work for them."""
        group = self._group
        if group is None:  # run, which fills all lanes, has yet to begin
            return
        while lane.workers < lane.width and not (lane.exhausted or lane.stopping):
            lane.workers += 1
            group.create_task(self._work(lane, group))

    async def _work(self, lane: Lane, group: asyncio.TaskGroup) -> None:
        """Ask for one answer after the other; the last reply may be read meanwhile."""
        reading: asyncio.Task[None] | None = None
        try:
            while (task := lane.take()) is not None:
                if unread := await self._solve(lane, task):
                    await _end_of(reading)  # else ever more might wait to be read
                    reading = group.create_task(self.read(lane, unread))
        finally:
            lane.workers -= 1
        lane.readings_left += 1
        await _end_of(reading)
        lane.readings_left -= 1

    async def _solve(self, lane: Lane, task: Task) -> UnreadReply | None:
        """Return the reply where it is kept, but has to be read yet."""
        with self._stopping(lane):
            outcome: Answer | GaveUp
            try:
                task = task.read()
            except ProblemChanged as changed:
                outcome = GaveUp(error=changed, attempts=[])
            else:
                prompt = build_prompt(task.problem, self._prompt)
                with _put_back(lane, task):
                    outcome = await self._caller.call(lane, prompt, task.name)
            error = outcome.error if isinstance(outcome, GaveUp) else None
            if error and lane.pass_on(task, error):
                self._wake_other_keys(lane)
                return None
            if unread := self._keeper.keep(lane, task, outcome):
                return unread
            lane.end_task(error)
        return None

    async def read(self, lane: Lane, unread: UnreadReply) -> None:
        """Read a reply that is on the disk; where that ends the lane, it waits for the next run."""
        with self._stopping(lane):
            await self._keeper.read(unread)
            lane.end_task(None)

    @contextmanager
    def _stopping(self, lane: Lane) -> Iterator[None]:
        """Let the lane end with what ends it; another key, if there is one, goes on."""
        try:
            yield
        except LaneClosed as error:
            lane.close(error)
            if isinstance(error, ModelGone) and self._group and lane.closed_by is error:
                self._group.create_task(_say_what_is_served(lane, error))
        except CapReached as error:
            self.stopped_by = error
            lane.stop()  # what other lanes ask may still fit
        except HandedOn:
            self._wake_other_keys(lane)
        except LaneStopped:
            pass  # the lane hands out no more work
        if lane.stopping:
            self._wake_other_keys(lane)

    def _wake_other_keys(self, lane: Lane) -> None:
        """Give workers to the lanes that share a lane's tasks: some may have come back."""
        for other in self._lanes:
            if other.tasks is lane.tasks and other is not lane:
                other.exhausted = False
                self.fill(other)


@contextmanager
def _put_back(lane: Lane, task: Task) -> Iterator[None]:
    """Let a task be taken again that a lane leaves before it has come to anything."""
    try:
        yield
    except HandedOn:
        lane.tasks.hand_on(task, lane.model.key_variable)
        raise
    except (LaneClosed, LaneStopped, CapReached):
        lane.tasks.put_back(task)
        raise


async def _say_what_is_served(lane: Lane, error: ModelGone) -> None:
    """Add to why a lane closed which models its server lists, where it says."""
    if listed := await listed_words(lane.model):
        lane.closed_by = ModelGone(f"{error}; {listed}", status=error.status)


async def _end_of(task: asyncio.Task[None] | None) -> None:
    if task:
        await asyncio.wait([task])
