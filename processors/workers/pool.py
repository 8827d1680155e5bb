"""A few warm worker processes: bytes in, bytes out, within bounds that hold from outside.

What others wrote is worked on here: a process that takes too long or too much memory, or crashes,
ends alone, and its piece of work is given up with the reason.
"""

import asyncio
import os
import sys
from typing import Self

from config.errors import NoWorker
from processors.workers.bounds import Bounds, Unfinished
from processors.workers.messages import Work
from processors.workers.worker import Answer, Worker

_MOST_BY_DEFAULT = 2
_TRIES = 2  # a process may also be ended by somebody else, who needs memory


class Workers:
    """Worker processes, started when they are first needed; used with `async with`."""

    def __init__(self, count: int | None = None, bounds: Bounds | None = None) -> None:
        """count: how many at most; by default two, or one on a single core."""
        self.count = count or min(_MOST_BY_DEFAULT, usable_cores())
        self._bounds = bounds or Bounds()
        self._turns = asyncio.Semaphore(self.count)
        self._idle: list[Worker] = []
        self._started: list[Worker] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for worker in self._started:
            worker.kill()
        for worker in self._started:
            await worker.gone()

    async def run(self, work: Work, payload: bytes) -> bytes | Unfinished:
        """Return the result of a module's function, once it had its turn.

        Raises NoWorker where no process can be started. Cancelling the caller ends the work.
        """
        reason = ""
        async with self._turns:
            for _ in range(_TRIES):
                worker = await self._ready_worker()
                try:
                    said = await worker.perform(work, payload)
                except BaseException:
                    worker.kill()
                    raise
                if isinstance(said, Answer):
                    self._idle.append(worker)
                    content = said.content
                    return content if said.is_done else Unfinished(content.decode())
                worker.kill()
                reason = said.reason
                if said.is_own_fault:
                    raise NoWorker(f"a worker process cannot work: {reason}")
                if said.is_final:
                    break
        return Unfinished(reason)

    async def _ready_worker(self) -> Worker:
        while self._idle:
            worker = self._idle.pop()
            if not worker.is_spent:
                return worker
        self._started = [worker for worker in self._started if not worker.is_gone]
        worker = await Worker.start(self._bounds)
        self._started.append(worker)
        return worker


def usable_cores() -> int:
    """Return how many cores this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
