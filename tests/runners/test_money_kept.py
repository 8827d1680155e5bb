"""Money across kills: what may have been billed stays reserved until the user releases it."""

import asyncio
import json
import re
from pathlib import Path

import pytest

from config.clock import SystemClock
from config.errors import StoreError
from runners.calls.budget import Budget, CapReached
from runners.calls.spending_ledger import SpendingLedger
from storage.session.spending_file import Spending, read_spending, write_spending
from tests.support.command import Finished, pointed_at, run
from tests.support.datasets import write_dataset
from tests.support.program import Program
from tests.support.session_check import read_object
from tests.support.slow import few
from tests.support.watched_server import WatchedServer

WORST_USD = 0.00265  # of a call to grok-4.3 with a thousand tokens of output
FITTING = 3


class CappedRuns:
    """One session of one model under a cap, against one server."""

    def __init__(self, folder: Path, server: WatchedServer, cap_usd: float) -> None:
        self.session = folder / "out" / "s"
        self._out = ("--output-dir", str(folder / "out"))
        self._environment = pointed_at(server, "xai")
        dataset = write_dataset(folder / "data", {"sums": 30})
        self._start = (
            *("--models", "grok-4.3", "--dataset-path", str(dataset), "--session-id", "s"),
            *("--max-cost", str(cap_usd), "--max-tokens", "1000", "--max-concurrent", "2"),
        )

    async def start(self) -> Program:
        return await Program.start(
            "run_collection.py", *self._start, *self._out, environment=self._environment
        )

    async def resume(self, *more: str) -> Finished:
        return await run(
            "resume_collection.py", "s", *self._out, *more, environment=self._environment
        )

    async def resume_running(self) -> Program:
        return await Program.start(
            "resume_collection.py", "s", *self._out, environment=self._environment
        )


@pytest.mark.slow
@pytest.mark.parametrize("kills", few([1, 5], 1))
async def test_a_cap_holds_through_kills_while_calls_are_in_flight(
    tmp_path: Path, kills: int
) -> None:
    async with WatchedServer() as server:
        runs = CappedRuns(tmp_path, server, WORST_USD * FITTING * 1.05)
        server.open.clear()
        program = await runs.start()
        await server.has_got(2)
        await program.killed()
        for _ in range(1, kills):
            program = await runs.resume_running()
            await program.ended_or(server.has_got(FITTING))
            await program.killed()
        assert server.arrived <= FITTING
        status = await runs.resume("--status")
        reserved = re.search(r"at most (\d\.\d+) USD", status.stdout)
        assert reserved, status.output
        assert WORST_USD * server.arrived <= float(reserved[1]) <= WORST_USD * FITTING * 1.05
        assert "--release-reserved" in status.stdout

        server.open.set()
        refused = await runs.resume()
        assert refused.exit_code == 1 and server.arrived <= FITTING
        assert "--release-reserved" in refused.stdout
        summary = read_object(runs.session / "summary.json")
        assert summary["spending"]["reserved_usd"] == pytest.approx(float(reserved[1]), abs=1e-4)
        released = await runs.resume("--release-reserved")
        assert server.arrived > FITTING
        assert f"Released {reserved[1]} USD" in released.stdout
        assert read_object(runs.session / "summary.json")["spending"]["reserved_usd"] < WORST_USD


@pytest.mark.slow
@pytest.mark.parametrize("lost", [("progress.json",), ("spending.json",), ("*.json",)])
async def test_a_cap_holds_where_the_files_about_money_are_lost(
    tmp_path: Path, lost: tuple[str, ...]
) -> None:
    async with WatchedServer() as server:
        runs = CappedRuns(tmp_path, server, WORST_USD * FITTING * 1.05)
        program = await runs.start()
        await server.has_given(1)
        server.open.clear()
        await server.holds(2)
        await program.killed()
        for path in [p for pattern in lost for p in runs.session.glob(pattern)]:
            if path.name != "manifest.json":
                path.unlink()
        arrived = server.arrived
        server.open.set()
        again = await runs.resume()
        assert again.exit_code == 1, again.output
        # What one answer left unspent may pay for a call or two, what was in flight for none.
        assert server.arrived <= arrived + 1
        assert "Traceback" not in again.output


@pytest.mark.slow
async def test_a_clean_end_keeps_nothing_reserved(tmp_path: Path) -> None:
    async with WatchedServer() as server:
        runs = CappedRuns(tmp_path, server, 1.0)
        finished = await (await runs.start()).finished()
        assert finished.exit_code == 0, finished.output
        assert "reserved" not in finished.stdout
        assert "reserved" not in (await runs.resume("--status")).stdout
        unneeded = await runs.resume("--release-reserved")
        assert unneeded.exit_code == 0 and "Nothing is reserved" in unneeded.stdout
    spending = json.loads((runs.session / "spending.json").read_text())
    lines = (runs.session / "grok-4.3" / "sums.jsonl").read_text().splitlines()
    answers = sum(json.loads(line)["cost_usd"] for line in lines)
    assert spending["committed_usd"] == pytest.approx(answers)


class CountedWrites:
    """Stands in for write_spending: counts, and fails where the test says so."""

    def __init__(self) -> None:
        self.committed: list[float] = []
        self.broken = False

    def __call__(self, folder: Path, spending: Spending) -> None:
        if self.broken:
            raise StoreError("the disk is full")
        write_spending(folder, spending)
        self.committed.append(spending.committed_usd)


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> CountedWrites:
    counted = CountedWrites()
    monkeypatch.setattr("runners.calls.spending_ledger.write_spending", counted)
    return counted


def budget_in(folder: Path, cap_usd: float | None = None) -> Budget:
    spending = read_spending(folder) or Spending()
    ledger = SpendingLedger(folder, spending)
    return Budget(cap_usd, spending.committed_usd, SystemClock(), ledger=ledger)


def on_disk(folder: Path) -> Spending:
    spending = read_spending(folder)
    assert spending is not None
    return spending


async def test_many_calls_share_one_write(tmp_path: Path, writes: CountedWrites) -> None:
    budget = budget_in(tmp_path)
    async with asyncio.TaskGroup() as group:
        calls = [group.create_task(budget.reserve(0.04)) for _ in range(100)]
    assert len(writes.committed) <= 2
    assert on_disk(tmp_path).committed_usd >= 100 * 0.04
    for call in calls:
        call.result().settle(0.005)
        (await budget.reserve(0.04)).settle(0.005)
    assert len(writes.committed) <= 3
    budget.close_ledger()
    assert on_disk(tmp_path).committed_usd == pytest.approx(200 * 0.005)


async def test_the_upkeep_writes_ahead_so_that_no_call_waits(
    tmp_path: Path, writes: CountedWrites
) -> None:
    budget = budget_in(tmp_path)
    slots = [await budget.reserve(1.0) for _ in range(40)]
    for place in range(400):
        slots[place % 40].settle(0.1)
        before = len(writes.committed)
        slots[place % 40] = await budget.reserve(1.0)
        assert len(writes.committed) == before
        if place % 10 == 9:  # as much comes in half a second
            await budget.write_ahead()
    assert on_disk(tmp_path).committed_usd >= 40 * 1.0 + 400 * 0.1
    assert len(writes.committed) < 60


async def test_what_is_held_outlives_runs_until_it_is_settled(tmp_path: Path) -> None:
    first = budget_in(tmp_path, cap_usd=10.0)
    await first.hold("batch-1", 8.0)
    (await first.reserve(1.0)).settle(0.5)
    second = budget_in(tmp_path, cap_usd=10.0)  # the first was killed
    with pytest.raises(CapReached):
        await second.reserve(1.5)
    await second.settle_held("batch-1", 3.0)
    (await second.reserve(1.5)).settle(1.0)
    second.close_ledger()
    assert on_disk(tmp_path).held_usd == {}
    # The answer and the batch are known, and a quarter of the first call was reserved ahead.
    assert 4.5 <= on_disk(tmp_path).committed_usd <= 4.5 + 0.75


async def test_two_batches_do_not_fit_into_the_same_money(tmp_path: Path) -> None:
    budget = budget_in(tmp_path, cap_usd=10.0)
    held = await asyncio.gather(
        budget.hold("batch-1", 6.0), budget.hold("batch-2", 6.0), return_exceptions=True
    )
    assert [type(error) for error in held] == [type(None), CapReached]


async def test_a_cancelled_wait_reserves_nothing(tmp_path: Path) -> None:
    budget = budget_in(tmp_path, cap_usd=1.0)
    waiting = asyncio.create_task(budget.reserve(1.0))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    (await budget.reserve(1.0)).settle(0.0)
    budget.close_ledger()
    assert on_disk(tmp_path).committed_usd == 0.0


async def test_nothing_leaves_that_could_not_be_written_down(
    tmp_path: Path, writes: CountedWrites
) -> None:
    budget = budget_in(tmp_path)
    writes.broken = True
    with pytest.raises(StoreError):
        await budget.reserve(1.0)
    assert budget.reserved_usd == 0.0
    writes.broken = False
    (await budget.reserve(1.0)).settle(0.2)


@pytest.mark.parametrize("value", ["-1", "1e300", '"x"', "null", "NaN"])
def test_sums_that_make_no_sense_are_no_spending(tmp_path: Path, value: str) -> None:
    (tmp_path / "spending.json").write_text(f'{{"committed_usd": {value}, "held_usd": {{}}}}')
    assert read_spending(tmp_path) is None
