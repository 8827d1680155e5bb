"""Lanes of workers: every model at its own pace, none waits for another."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from config.clock import Clock
from config.errors import LaneClosed
from prompts.problems import Problem
from prompts.prompt_template import build_prompt
from runners.lane import Lane, LaneStopped
from runners.reliable_call import Answer, GaveUp, ReliableCaller

Finish = Callable[[Lane, Problem, Answer | GaveUp], Awaitable[None]]


class ParallelExecutor:
    """Works the lanes off: as many workers a lane as it is wide, all in one task group."""

    def __init__(self, caller: ReliableCaller, clock: Clock) -> None:
        self._caller = caller
        self._clock = clock
        self._lanes: Sequence[Lane] = ()

    async def run(self, lanes: Sequence[Lane], finish: Finish) -> None:
        """Return when every lane is worked off, closed or stopped.

        finish: what happens to each outcome; it is awaited by the worker that brought it.
        """
        self._lanes = lanes
        async with asyncio.TaskGroup() as group:
            for lane in lanes:
                for _ in range(lane.width):
                    group.create_task(self._work(lane, finish))

    async def stop(self, grace_seconds: float) -> None:
        """Send nothing more, give calls in flight so many seconds, then let them go."""
        for lane in self._lanes:
            lane.stop()
        await self._clock.sleep(grace_seconds)
        self.abandon()

    def abandon(self) -> None:
        """Stop at once; calls in flight are let go."""
        for lane in self._lanes:
            lane.abandon()

    async def _work(self, lane: Lane, finish: Finish) -> None:
        while not lane.stopping and (problem := next(lane.problems, None)) is not None:
            try:
                outcome = await self._caller.call(lane, build_prompt(problem), problem.task_id)
            except LaneClosed as error:
                lane.close(error)
                return
            except LaneStopped:
                return
            await finish(lane, problem, outcome)
