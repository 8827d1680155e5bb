"""Worker processes: work that spins, allocates, crashes or lies costs its own result alone."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from config.errors import NoWorker
from processors.workers.bounds import Bounds, Unfinished
from processors.workers.pool import Workers
from tests.support import hostile_work
from tests.support.command import ROOT
from tests.support.hostile_work import echo
from tests.support.stepped_clock import until

BOUNDS = Bounds(cpu_seconds=0.3, memory_mb=256, result_mb=8)
WORSE = [
    (hostile_work.spin, b"", "more than 0.3 s of processor time"),
    (hostile_work.spin_in_c, b"", "more than 0.3 s of processor time"),
    (hostile_work.fill, b"9", "more than 256 MB of memory"),
    (hostile_work.segfault, b"", "its process ended by SIGSEGV"),
    (hostile_work.overflow_the_stack, b"", "its process ended by SIGSEGV"),
    (hostile_work.recurse, b"", "RecursionError: maximum recursion depth exceeded"),
    (hostile_work.fail, b"no", "ValueError: no"),
    (hostile_work.fail, b"no" * 1000, "ValueError: " + "no" * 144),
    (hostile_work.leave, b"", "SystemExit: 3"),
    (hostile_work.leave_at_once, b"0", "its process ended with exit code 0"),
    (hostile_work.leave_at_once, b"7", "its process ended with exit code 7"),
    (hostile_work.flood, b"9", "a result of 9 MB"),
]


@pytest.fixture
async def workers(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Workers]:
    """Yield workers whom a machine that is busy with other things may leave waiting for minutes."""
    monkeypatch.setattr("processors.workers.bounds._CLOCK_SECONDS_PER_CPU_SECOND", 600.0)
    async with Workers(1, BOUNDS) as pool:
        yield pool


async def pid_of(workers: Workers) -> int:
    result = await workers.run(hostile_work.pid, b"")
    assert isinstance(result, bytes)
    return int(result)


@pytest.mark.parametrize(
    ("work", "payload", "reason"), WORSE, ids=lambda each: getattr(each, "__name__", None)
)
async def test_work_that_hurts_is_given_up_with_the_reason(
    workers: Workers, work: Callable[[bytes], bytes], payload: bytes, reason: str
) -> None:
    assert await workers.run(work, payload) == Unfinished(reason)
    assert await workers.run(echo, b"the next") == b"the next"


async def test_what_fails_in_the_orderly_way_leaves_the_worker_warm(workers: Workers) -> None:
    before = await pid_of(workers)
    for work in (hostile_work.fail, hostile_work.recurse, hostile_work.print_much):
        await workers.run(work, b"x")
    assert await pid_of(workers) == before


async def test_whatever_work_prints_its_result_is_whole(workers: Workers) -> None:
    assert await workers.run(hostile_work.print_much, b"") == b"printed"


async def test_long_payloads_and_results_come_whole(workers: Workers) -> None:
    payload = os.urandom(5 << 20)
    assert await workers.run(echo, payload) == payload


async def test_the_clock_is_a_backstop_for_work_that_waits() -> None:
    async with Workers(1, Bounds(cpu_seconds=0.01)) as workers:
        assert await workers.run(hostile_work.sleep, b"") == Unfinished(
            "more than 0.15 s by the clock"
        )


async def test_a_worker_whose_memory_is_half_full_is_replaced(workers: Workers) -> None:
    kept = await workers.run(hostile_work.keep_memory, b"10")
    assert await workers.run(hostile_work.keep_memory, b"150") == kept
    assert await workers.run(hostile_work.keep_memory, b"150") != kept


async def test_a_worker_that_somebody_else_kills_costs_no_work(workers: Workers) -> None:
    os.kill(await pid_of(workers), signal.SIGKILL)
    assert await workers.run(echo, b"x") == b"x"


async def test_work_is_tried_again_where_the_process_was_killed_over_it(
    workers: Workers, tmp_path: Path
) -> None:
    file = tmp_path / "once"
    file.touch()
    assert await workers.run(hostile_work.end_once, str(file).encode()) == b"done"
    assert not file.exists()


async def test_no_more_work_is_in_hand_than_there_are_workers_and_all_have_their_turn() -> None:
    async with Workers(2, BOUNDS) as workers:
        pids = await asyncio.gather(*(pid_of(workers) for _ in range(20)))
    assert len(set(pids)) <= 2


async def test_hostile_work_beside_ordinary_work(workers: Workers) -> None:
    ways = [hostile_work.segfault, hostile_work.spin, hostile_work.fail]
    async with Workers(2, BOUNDS) as workers:
        ordinary = [workers.run(echo, b"%d" % n) for n in range(30)]
        hostile = [workers.run(work, b"") for work in ways]
        results = await asyncio.gather(*ordinary[:10], *hostile, *ordinary[10:])
    assert [result for result in results if isinstance(result, bytes)] == [
        b"%d" % n for n in range(30)
    ]


async def test_a_cancelled_waiter_leaves_the_others_their_results(workers: Workers) -> None:
    async with asyncio.TaskGroup() as group:
        gone = [group.create_task(workers.run(hostile_work.sleep, b"")) for _ in range(3)]
        waits = group.create_task(workers.run(echo, b"still here"))
        await asyncio.sleep(0)
        for task in gone:
            task.cancel()
    assert waits.result() == b"still here"
    assert all(task.cancelled() for task in gone)


async def test_leaving_the_pool_ends_its_processes_also_busy_ones() -> None:
    async with Workers(1, BOUNDS) as workers:
        pid = await pid_of(workers)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    async with Workers(1, BOUNDS) as workers:
        pid = await pid_of(workers)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(workers.run(hostile_work.sleep, b""))
            await asyncio.sleep(0)
            task.cancel()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


# Says its worker's process id, and then has it work for ever.
OWNER = """
import asyncio
from processors.workers.bounds import Bounds
from processors.workers.pool import Workers
from tests.support import hostile_work
async def main():
    async with Workers(1, Bounds(cpu_seconds=1000)) as workers:
        print((await workers.run(hostile_work.pid, b"")).decode(), flush=True)
        await workers.run(hostile_work.{work}, b"")
asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it ends once its work is done")
@pytest.mark.parametrize("work", ["spin_in_c", "sleep"])
async def test_a_worker_ends_with_its_owner_in_the_middle_of_work(work: str) -> None:
    owner = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", OWNER.replace("{work}", work)),
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    assert owner.stdout is not None
    pid = int(await owner.stdout.readline())
    owner.kill()
    await owner.wait()
    await until(lambda: not Path(f"/proc/{pid}").exists())


async def test_a_worker_sees_no_key_no_file_and_no_sdk(
    workers: Workers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("MY_OWN_TOKEN", "secret")
    with (tmp_path / "session.lock").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        result = await workers.run(hostile_work.surroundings, b"")
    assert isinstance(result, bytes)
    seen = json.loads(result)
    assert "secret" not in str(seen["variables"])
    assert seen["variables"].keys() <= {
        *("PATH", "HOME", "LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV"),
        *("PYTHONUTF8", "LC_ALL", "TMP", "TEMP"),
    }
    assert all(
        file == "/dev/null" or file.startswith(("pipe:", "socket:")) for file in seen["files"]
    )
    assert len(seen["files"]) == 4
    assert seen["core"] == [0, 0] and seen["address_space"] == [256 << 20] * 2
    assert seen["ignored"] == ["SIGINT", "SIGTERM", "SIGHUP"]
    assert not {"aiohttp", "openai", "asyncio", "models", "dotenv"} & set(seen["modules"])


async def test_where_no_process_can_be_started_it_is_said(
    workers: Workers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "no-python"))
    with pytest.raises(NoWorker, match="no worker process can be started"):
        await workers.run(echo, b"")
    monkeypatch.undo()
    assert await workers.run(echo, b"x") == b"x"


async def test_memory_in_which_python_cannot_start_is_said() -> None:
    async with Workers(1, Bounds(memory_mb=5)) as workers:
        with pytest.raises(NoWorker):
            await workers.run(echo, b"")


async def test_only_functions_of_modules_are_work(workers: Workers) -> None:
    with pytest.raises(ValueError, match="no function of a module"):
        await workers.run(lambda payload: payload, b"")
