"""A fault storm against the whole program: is any answer lost or doubled?

`make soak`, or: python -m benchmarks.soak [--tasks 10000] [--kills 100] [--minutes 15] [--seed 1]
    [--batch-kills 50]
Loopback only. Then batches, in a table of their own (benchmarks/soak_batches.py). Exit code 1 where
an answer was lost, doubled or paid for twice, or the time ran out.
"""

import argparse
import asyncio
import logging
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from benchmarks.soak_batches import soak
from benchmarks.sync_cost import measure_sync_cost, row
from tests.support.datasets import write_dataset
from tests.support.hostile.parts import for_a_storm
from tests.support.hostile.storm_server import StormServer
from tests.support.program import MODELS, Collection
from tests.support.provider_server import Answer
from tests.support.storm import Count, Storm

FAULT_RATE = 0.15
HOSTILE_RATE = 0.02
SAMPLES = 2
CATEGORIES = ("closures", "dataclass", "regex", "typing")
STORM_FLAGS = (
    *("--max-concurrent", "4", "--request-timeout", "2", "--grace", "3"),
    *("--max-attempts", "12", "--task-timeout", "120"),
)
SYNC_SECONDS, SYNC_PER_SECOND = 10.0, 500


async def storm(folder: Path, tasks: int, kills: int, seed: int) -> tuple[Count, int]:
    """Return what a storm of so many tasks and kills came to, and its hostile replies."""
    each = -(-tasks // (len(MODELS) * len(CATEGORIES) * SAMPLES))
    dataset = write_dataset(folder / "data", dict.fromkeys(CATEGORIES, each))
    faults = (Answer(ending="never"), Answer(ending="blank lines"))
    async with StormServer(
        for_a_storm(),
        HOSTILE_RATE,
        fault_rate=FAULT_RATE,
        chance=Random(seed),
        extra_faults=faults,
        forgiven=0.95,
    ) as server:
        flags = (*STORM_FLAGS, "--samples", str(SAMPLES))
        collection = Collection(server, dataset, folder / "out", *flags)
        whole = each * len(CATEGORIES) * len(MODELS) * SAMPLES
        count = await Storm(server, collection, whole, Random(seed), SAMPLES).rage(kills)
        return count, server.hostile_sent


def print_table(count: Count, hostile: int, seconds: float) -> None:
    """Print what came out, a row a figure."""
    rows = {
        "answers expected": count.expected,
        "answers kept": count.kept,
        "answers lost": count.lost + count.expected - count.kept,
        "answers doubled": count.doubled,
        "calls said to be possibly billed": count.said,
        "calls really answered twice": count.asked_twice,
        "hostile replies": hostile,
        "kill -9": count.kills,
        "Ctrl-C or SIGTERM": count.interrupts,
        "file-size limits": count.refusals,
        "files damaged between runs": count.damages,
        "runs": count.runs,
        "tracebacks": len(count.tracebacks),
        "seconds": round(seconds),
    }
    for name, figure in rows.items():
        print(f"{name:<34}{figure:>8,}")
    for output in count.tracebacks:
        print(output, file=sys.stderr)


def holds(count: Count) -> bool:
    """Return whether nothing was lost, doubled or billed without a word."""
    whole = count.kept == count.expected and count.exit_code == 0
    unspoilt = not (count.lost or count.doubled or count.tracebacks)
    return whole and unspoilt and count.asked_twice <= count.said


async def _main(arguments: argparse.Namespace) -> int:
    # Replies that the collector hangs up on are part of the storm.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        try:
            async with asyncio.timeout(60 * arguments.minutes - SYNC_SECONDS * 3):
                count, hostile = await storm(
                    Path(folder), arguments.tasks, arguments.kills, arguments.seed
                )
        except TimeoutError:
            print(f"not over within {arguments.minutes:g} minutes", file=sys.stderr)
            return 1
        print_table(count, hostile, time.monotonic() - started)
        print(row(await measure_sync_cost(Path(folder), SYNC_SECONDS, SYNC_PER_SECOND)))
    batches_hold = await soak(arguments.batch_kills, arguments.seed)
    return 0 if holds(count) and batches_hold else 1


def main() -> int:
    """Run the storm and print its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--batch-kills", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--seed", type=int, default=1)
    return asyncio.run(_main(parser.parse_args()))


if __name__ == "__main__":
    raise SystemExit(main())
