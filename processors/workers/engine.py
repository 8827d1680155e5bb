"""What does work that takes processor time: this process for little of it, else several."""

import contextlib
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass

from processors.workers.chunks import window_for
from processors.workers.executor import WIDE_BOUNDS, SameProcess, WorkerExecutor


@dataclass(frozen=True, slots=True)
class Engine:
    """What does the work; window: how many chunks it should have in flight."""

    executor: Executor
    window: int


HERE = Engine(SameProcess(), 1)


@contextlib.contextmanager
def local_engine(workers: int, *, is_small: bool) -> Iterator[Engine]:
    """Yield what does our own work on this machine; is_small: it is done before a process starts.

    workers: how many processes.
    """
    if is_small or workers == 1:
        yield HERE
        return
    with WorkerExecutor(workers, WIDE_BOUNDS) as executor:
        yield Engine(executor, window_for(workers))
