"""What it costs to have answers on the disk within a second, at 500 answers a second."""

import argparse
import asyncio
import contextlib
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from storage.solution_store import SolutionStore
from tests.support.store_records import solution

MODELS = ("model-a", "model-b", "model-c")
CATEGORIES = 8
TICK_SECONDS = 0.5  # as the program's own upkeep has it


@dataclass(frozen=True, slots=True)
class Cost:
    """Some seconds of collecting: processor time and time spent in appends, in seconds."""

    answers: int
    elapsed: float
    processor: float
    appending: float


@dataclass(frozen=True, slots=True)
class SyncCost:
    """The same collecting without and with a sync every half second."""

    without: Cost
    with_sync: Cost

    @property
    def percent(self) -> float:
        """The share of the time that syncing takes away: processor and waiting appends."""
        lost = self.with_sync.processor - self.without.processor
        lost += max(0.0, self.with_sync.appending - self.without.appending)
        return 100 * max(0.0, lost) / self.with_sync.elapsed

    @property
    def per_second(self) -> float:
        return self.with_sync.answers / self.with_sync.elapsed


async def measure_sync_cost(folder: Path, seconds: float, per_second: int) -> SyncCost:
    """Return what syncing costs at this rate on the disk of this folder."""
    return SyncCost(
        await _collect(folder / "without", seconds, per_second, sync=False),
        await _collect(folder / "with", seconds, per_second, sync=True),
    )


async def _collect(folder: Path, seconds: float, per_second: int, *, sync: bool) -> Cost:
    store = SolutionStore(folder, "s")
    started, processor = time.monotonic(), time.process_time()
    appending, answers = 0.0, 0
    syncing = asyncio.create_task(_keep_on_disk(store)) if sync else None
    while (elapsed := time.monotonic() - started) < seconds:
        while answers < elapsed * per_second:
            before = time.perf_counter()
            _append(store, answers)
            appending += time.perf_counter() - before
            answers += 1
        await asyncio.sleep(0.002)
    if syncing:
        syncing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await syncing
    return Cost(answers, elapsed, time.process_time() - processor, appending)


def _append(store: SolutionStore, number: int) -> None:
    model = MODELS[number % len(MODELS)]
    category = f"category_{number % CATEGORIES}"
    store.append(solution(f"t{number}", model, category, raw_response="x" * 1500))


async def _keep_on_disk(store: SolutionStore) -> None:
    while True:
        await asyncio.sleep(TICK_SECONDS)
        await asyncio.to_thread(store.sync)


def row(cost: SyncCost) -> str:
    """Return the measurement in one line."""
    return (
        f"syncing at {cost.per_second:.0f} answers/s: {cost.percent:.1f} % of the time "
        f"(processor {cost.without.processor:.2f} -> {cost.with_sync.processor:.2f} s, "
        f"appends {cost.without.appending:.2f} -> {cost.with_sync.appending:.2f} s "
        f"in {cost.with_sync.elapsed:.0f} s)"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--per-second", type=int, default=500)
    parser.add_argument("--folder", type=Path, help="on the disk to be measured")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        measure = measure_sync_cost(Path(folder), arguments.seconds, arguments.per_second)
        print(row(asyncio.run(measure)))


if __name__ == "__main__":
    main()
