"""The seam for work that takes processor time: chunks of bytes through any Executor, in order."""

import contextlib
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

from config.errors import NoWorker
from processors.workers.bounds import Unfinished
from processors.workers.messages import Work

T = TypeVar("T")

_IN_FLIGHT_A_WORKER = 3  # one is worked on, one waits, one is on its way


def window_for(workers: int) -> int:
    """Return how many chunks are to be in flight for so many workers."""
    return _IN_FLIGHT_A_WORKER * workers


def map_chunks(
    executor: Executor, function: Work, chunks: Iterable[bytes], window: int
) -> Generator[bytes | Unfinished, None, None]:
    """Yield what the function made of each chunk, in the order of the chunks.

    function: of a module, pure, and one that opens no file of a session, since it may run in
    another process or on another machine. window: how many chunks are in flight at most.
    What a bounded worker gave up is a result. The first error is raised, and the rest cancelled.
    """
    in_flight: deque[Future[bytes | Unfinished]] = deque()
    try:
        for chunk in chunks:
            in_flight.append(executor.submit(function, chunk))
            if len(in_flight) >= window:
                yield in_flight.popleft().result()
        while in_flight:
            yield in_flight.popleft().result()
    finally:
        for future in in_flight:
            future.cancel()


def map_items(
    executor: Executor,
    function: Work,
    items: Iterable[T],
    chunk_of: Callable[[T], bytes],
    window: int,
) -> Generator[tuple[T, bytes | Unfinished], None, None]:
    """As map_chunks, each result with the item that its chunk was made of; few items are held."""
    in_flight: deque[T] = deque()

    def chunks() -> Iterator[bytes]:
        for item in items:
            in_flight.append(item)
            yield chunk_of(item)

    with contextlib.closing(map_chunks(executor, function, chunks(), window)) as results:
        for result in results:
            yield in_flight.popleft(), result


def whole(result: bytes | Unfinished) -> bytes:
    """Return a result that cannot be done without. Raises NoWorker where a worker gave it up."""
    if isinstance(result, Unfinished):
        raise NoWorker(f"a worker process gave up: {result.reason}")
    return result
