"""Chunks through an Executor: in order, few at once, and none after an error."""

import os
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor

import pytest

from config.errors import NoWorker
from processors.workers.bounds import Bounds, Unfinished
from processors.workers.chunks import map_chunks, window_for
from processors.workers.executor import WorkerExecutor
from tests.support import hostile_work
from tests.support.hostile_work import echo


@pytest.fixture
def workers() -> Iterator[WorkerExecutor]:
    with WorkerExecutor(2, Bounds(cpu_seconds=0.3, memory_mb=256)) as executor:
        yield executor


def numbered(count: int) -> list[bytes]:
    return [b"%d" % number for number in range(count)]


def test_results_come_in_the_order_of_their_chunks(workers: WorkerExecutor) -> None:
    chunks = numbered(50)
    assert list(map_chunks(workers, echo, chunks, 7)) == chunks
    assert list(map_chunks(workers, echo, [], 7)) == []


def test_chunks_are_taken_only_as_results_are() -> None:
    taken: list[bytes] = []

    def chunks() -> Iterator[bytes]:
        for chunk in numbered(20):
            taken.append(chunk)
            yield chunk

    with ThreadPoolExecutor(2) as executor:
        results = map_chunks(executor, echo, chunks(), 5)
        assert taken == []
        for number, result in enumerate(results):
            assert result == b"%d" % number
            assert len(taken) == min(20, number + 5)


def test_what_a_worker_gave_up_is_a_result(workers: WorkerExecutor) -> None:
    chunks = [b"no", b"well"]
    results = list(map_chunks(workers, hostile_work.fail_at_no, chunks, 2))
    assert results == [Unfinished("ValueError: no"), b"well"]


def test_the_first_error_is_raised_and_what_waits_is_cancelled() -> None:
    go_on, seen = threading.Event(), []

    def work(chunk: bytes) -> bytes:
        seen.append(chunk)
        if chunk == b"0":
            raise NoWorker("there is none")
        go_on.wait()
        return chunk

    with ThreadPoolExecutor(1) as executor:
        with pytest.raises(NoWorker):
            list(map_chunks(executor, work, numbered(10), 10))
        go_on.set()
    assert seen in ([b"0"], [b"0", b"1"])


def test_an_executor_of_workers_leaves_no_process_and_no_thread() -> None:
    before = threading.enumerate()
    with WorkerExecutor(1) as executor:
        pid = int(executor.submit(hostile_work.pid, b"").result())
        busy = executor.submit(hostile_work.sleep, b"")
    assert busy.cancelled()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    # asyncio waits for a process in a thread, which ends a moment after it has said so.
    for thread in set(threading.enumerate()) - set(before):
        thread.join(10)
        assert not thread.is_alive()


def test_an_executor_of_workers_starts_nothing_before_there_is_work() -> None:
    threads = threading.active_count()
    with WorkerExecutor(3) as executor:
        assert isinstance(executor, Executor)
        assert threading.active_count() == threads
    assert window_for(3) == 9
