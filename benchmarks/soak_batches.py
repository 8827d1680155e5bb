"""Batches through kills: is any row lost, doubled, or paid for twice?

`make soak` prints this table too; alone: python -m benchmarks.soak_batches [--kills 100] [--seed 1]
Loopback only. Each of five wires has sessions whose processes are killed (-9) before or after a
step on the disk, while its server loses replies, breaks downloads off and mixes rows up. Exit code
1 where a row was lost or doubled, or billed twice.
"""

import argparse
import asyncio
import logging
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.support.batch_bench import WIRES
from tests.support.batch_server.batch_wire import BatchWire
from tests.support.batch_server.mischief import Creation, Mischief, RowKind
from tests.support.batch_server.openai_server import OpenAIBatchServer
from tests.support.batch_session import twice_billed
from tests.support.command import pointed_at
from tests.support.datasets import write_dataset
from tests.support.killed_steps import NEVER, WRAPPER
from tests.support.program import Program
from tests.support.session_check import check_agreement

_Server = OpenAIBatchServer | BatchWire
_SERVERS: Mapping[str, tuple[Callable[[], _Server], str]] = {
    "openai": (OpenAIBatchServer, "gpt-4o"),
    **WIRES,
}
_PROBLEMS, _ROWS_A_BATCH = 60, 15
_MOST_STEPS = 25  # on the disk, until the next kill
_CREATIONS: tuple[Creation, ...] = ("reply lost", "request lost", "500 after", "500 before")
_ROWS: tuple[RowKind, ...] = ("overloaded", "not run", "missing")


@dataclass(slots=True)
class Tally:
    """What sessions in one wire's batches came to."""

    sessions: int = 0
    kills: int = 0
    batches: int = 0
    rows: int = 0
    answered: int = 0
    twice_billed: int = 0


async def rage(provider: str, folder: Path, kills: int, seed: int) -> Tally:
    """Return what came of sessions of one provider that were killed so often in all.

    Raises AssertionError where an answer is doubled or a file disagrees, SystemExit where a run
    fails.
    """
    tally, chance = Tally(), Random(f"{provider} {seed}")
    make, model = _SERVERS[provider]
    while tally.kills < kills:
        tally.sessions += 1
        async with make() as server:
            server.mischief.extend(_mischief(chance) for _ in range(_PROBLEMS))
            session = await _through_kills(
                server, provider, model, folder / str(tally.sessions), tally, chance
            )
            tally.batches += sum(1 for batch in server.batches.values() if batch.requests)
            tally.rows += _PROBLEMS
            tally.answered += len(check_agreement(session))
            tally.twice_billed += len(twice_billed(server))
    return tally


async def _through_kills(
    server: _Server,
    provider: str,
    model: str,
    folder: Path,
    tally: Tally,
    chance: Random,
) -> Path:
    """Run one session, killed and resumed, to its end; return its folder."""
    dataset = write_dataset(folder / "data", {"sums": _PROBLEMS})
    session = folder / "out" / "s"
    first = (
        *("run_collection.py", "--models", model, "--dataset-path", str(dataset)),
        *("--session-id", "s", "--batch", "--batch-requests", str(_ROWS_A_BATCH)),
        "--batch-only",  # a live call that is in flight at a kill may be sold unseen
    )
    while True:
        at = chance.randrange(1, _MOST_STEPS) if chance.random() < 0.9 else NEVER
        command = ("resume_collection.py", "s") if session.exists() else first
        program = await Program.start(
            *(*command, "--output-dir", str(folder / "out")),
            environment=pointed_at(server),
            wrapper=WRAPPER,
            wrapped_in=(str(at), chance.choice(("before", "after"))),
        )
        ended = await program.finished()
        if ended.exit_code == 0:
            return session
        if ended.exit_code != -9:
            raise SystemExit(f"{provider}: exit {ended.exit_code}:\n{ended.output[-3000:]}")
        tally.kills += 1


def _mischief(chance: Random) -> Mischief:
    creation: Creation = chance.choice(_CREATIONS) if chance.random() < 0.3 else "answered"
    odd = {chance.randrange(1, _ROWS_A_BATCH + 1): chance.choice(_ROWS) for _ in range(2)}
    return Mischief(
        creation=creation,
        polls=chance.randrange(3),
        rows=odd if chance.random() < 0.3 else {},
        order=lambda rows: chance.sample(rows, len(rows)),
        breaks=chance.choice((0, 0, 0, 1)),
        not_found=chance.choice((0, 0, 0, 2)),
        counts_turn_back=chance.random() < 0.2,
    )


async def soak(kills: int, seed: int) -> bool:
    """Print a row a wire; return whether nothing was lost and nothing billed twice."""
    # Calls that a kill cuts off are part of the storm.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    print(f"{'batches of':<12}{'sessions':>9}{'kill -9':>9}{'batches':>9}{'rows':>9}", end="")
    print(f"{'answered':>10}{'twice billed':>14}")
    holds = True
    for provider in _SERVERS:
        with tempfile.TemporaryDirectory() as folder:
            tally = await rage(provider, Path(folder), kills // len(_SERVERS), seed)
        print(f"{provider:<12}{tally.sessions:>9,}{tally.kills:>9,}{tally.batches:>9,}", end="")
        print(f"{tally.rows:>9,}{tally.answered:>10,}{tally.twice_billed:>14,}", flush=True)
        holds = holds and tally.answered == tally.rows and not tally.twice_billed
    return holds


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    return 0 if asyncio.run(soak(arguments.kills, arguments.seed)) else 1


if __name__ == "__main__":
    raise SystemExit(main())
