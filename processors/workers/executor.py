"""The bounded workers as an Executor, for a program that has no event loop of its own."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import ParamSpec, TypeVar, cast

from processors.workers.bounds import Bounds
from processors.workers.messages import Work
from processors.workers.pool import Workers, usable_cores

P = ParamSpec("P")
T = TypeVar("T")


# For our own work on what is known to be in order: bounds that only a fault goes beyond.
WIDE_BOUNDS = Bounds(cpu_seconds=600.0, memory_mb=8192, result_mb=1024)


class SameProcess(Executor):
    """Does each piece of work at once, here: for little of it, where starting a process is more."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Return a future that is done; an error is raised at once."""
        future: Future[T] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class WorkerExecutor(Executor):
    """`with WorkerExecutor(count, bounds) as executor:` submit a module's function and a payload.

    A future's result is bytes, or Unfinished for work beyond the bounds. A loop in a thread of its
    own serves the workers; nothing is started before the first piece of work.
    """

    def __init__(self, count: int | None = None, bounds: Bounds | None = None) -> None:
        """count: how many processes at most; by default one a core."""
        self.count = count or usable_cores()
        self._workers = Workers(self.count, bounds)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Return the future of fn(payload); it raises NoWorker where no process can be started."""
        (payload,) = args
        assert isinstance(payload, bytes) and not kwargs, "work goes from bytes to bytes"
        work = self._workers.run(cast(Work, fn), payload)
        return cast(Future[T], asyncio.run_coroutine_threadsafe(work, self._started_loop()))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002
        """End the processes, also busy ones, and the thread."""
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop = self._thread = None

    def _started_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._serve, args=(self._loop,), daemon=True)
            self._thread.start()
        return self._loop

    def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
            loop.run_until_complete(self._end())
        finally:
            asyncio.set_event_loop(None)
            loop.close()

    async def _end(self) -> None:
        """Cancel what is in flight before its process ends: it would be tried again."""
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._workers.__aexit__()
