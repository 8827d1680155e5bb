"""Work on a node: done within bounds by a worker process that belongs to the node's own."""

from functools import lru_cache

from processors.workers.bounds import Bounds, Unfinished
from processors.workers.executor import WorkerExecutor
from processors.workers.messages import Work


def perform(work: Work, bounds: Bounds, payload: bytes) -> bytes | Unfinished:
    """Return what came of some work; raises NoWorker where this node can start no process."""
    result: bytes | Unfinished = _worker(bounds).submit(work, payload).result()
    return result


@lru_cache(maxsize=1)
def _worker(bounds: Bounds) -> WorkerExecutor:
    """Return the one worker; it is warm for the next piece of work, and ends with this process."""
    return WorkerExecutor(1, bounds)
