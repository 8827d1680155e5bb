"""Lanes of workers: every model at its own pace, none waits for another."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from config.errors import LaneClosed
from prompts.problems import Problem
from prompts.prompt_template import build_prompt
from runners.budget import CapReached
from runners.lane import Lane, LaneStopped
from runners.reliable_call import Answer, GaveUp, ReliableCaller

Keep = Callable[[Lane, Problem, Answer | GaveUp], Awaitable[None]]


class ParallelExecutor:
    """Works lanes off: as many workers a lane as it is wide, all in one task group.

    A lane's width may change meanwhile: surplus workers end with the task that they have in
    hand, and call fill for more.
    """

    def __init__(self, caller: ReliableCaller, keep: Keep) -> None:
        """keep: what happens to each outcome; it is awaited by the worker that brought it."""
        self._caller = caller
        self._keep = keep
        self._group: asyncio.TaskGroup | None = None
        self.stopped_by: CapReached | None = None

    async def run(self, lanes: Sequence[Lane]) -> None:
        """Return when every lane is worked off, closed or stopped."""
        async with asyncio.TaskGroup() as self._group:
            for lane in lanes:
                self.fill(lane)

    def fill(self, lane: Lane) -> None:
        """Give a lane the workers that it lacks, as long as there is work for them."""
        if self._group is None:  # run, which fills all lanes, has yet to begin
            return
        while lane.workers < lane.width and not (lane.exhausted or lane.stopping):
            lane.workers += 1
            self._group.create_task(self._work(lane))

    async def _work(self, lane: Lane) -> None:
        try:
            while (problem := lane.take()) is not None:
                await self._solve(lane, problem)
        finally:
            lane.workers -= 1

    async def _solve(self, lane: Lane, problem: Problem) -> None:
        try:
            outcome = await self._caller.call(lane, build_prompt(problem), problem.task_id)
            await self._keep(lane, problem, outcome)
            lane.end_task(outcome.error if isinstance(outcome, GaveUp) else None)
        except LaneClosed as error:
            lane.close(error)
        except CapReached as error:
            self.stopped_by = error
            lane.stop()  # what other lanes ask may still fit
        except LaneStopped:
            pass  # the lane hands out no more work
