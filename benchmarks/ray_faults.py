"""Collection on a Ray cluster that loses what it has: is any answer lost or doubled?

    python -m benchmarks.ray_faults [--kill-host 8] [--kill-node 5] [--freeze-node 3]
        [--kill-driver 4] [--problems 250]
A head and two nodes on this machine, a loopback server, three models with a key each. Each fault
hits a run of its own, somewhere in its middle. Exit code 1 where an answer was lost or doubled, or
more calls were answered twice than the run had on disk, or said, before.
"""

import argparse
import asyncio
import json
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.support.datasets import write_dataset
from tests.support.program import MODELS, Collection, Program, possibly_billed
from tests.support.ray_nodes import WITH_TOKEN, RayNodes
from tests.support.session_check import check_agreement
from tests.support.watched_server import WatchedServer

FAULTS = {"kill-host": 8, "kill-node": 5, "freeze-node": 3, "kill-driver": 4}
WIDTH = 8
LATENCY_SECONDS = 0.3
LOST = re.compile(r"its host was lost, (\d+) calls")
_NODES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one run with one fault came to.

    twice: calls that were answered again. said: that the run said might be. on_disk: how many
    progress.json had said, when the fault came, might be in flight. noticed_seconds: until the
    run said so, or its resume began; seconds: until the end.
    """

    fault: str
    tasks: int
    kept: int
    twice: int
    said: int
    on_disk: int
    noticed_seconds: float
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether nothing was lost, and no more asked again than was known beforehand."""
        return self.kept == self.tasks and self.twice <= self.said <= self.on_disk


class Bench:
    """One cluster, on which one run after the other meets a fault."""

    def __init__(self, nodes: RayNodes, folder: Path, problems: int, chance: Random) -> None:
        self._nodes = nodes
        self._folder = folder
        self._problems = problems
        self._chance = chance
        self._alive = list(range(_NODES))
        self._named = _NODES

    async def run(self, fault: str) -> Row:
        """Return what a run came to; an answer that is doubled is an AssertionError."""
        place = Path(tempfile.mkdtemp(dir=self._folder))
        dataset = write_dataset(place / "data", {"sums": self._problems})
        tasks = self._problems * len(MODELS)
        async with WatchedServer(latency_seconds=LATENCY_SECONDS) as server:
            flags = ("--max-concurrent", str(WIDTH), "--progress", "json")
            collection = Collection(server, dataset, place / "out", *flags)
            ray = ("--ray", self._nodes.address)
            program = await collection.start(*ray, **self._variables)
            await _has_given(server, self._chance.randrange(tasks // 10, tasks // 2), program)
            on_disk = json.loads((collection.session / "progress.json").read_text())["in_flight"]
            at = time.monotonic()
            if fault == "kill-driver":
                await program.killed()
                program = await collection.resume(*ray, **self._variables)
                await program.says("possibly billed")
            else:
                await asyncio.to_thread(self._hurt, fault)
                await program.says("its host was lost")
            noticed = time.monotonic() - at
            await asyncio.to_thread(self._mend, fault)
            finished = await program.finished()
            seconds = time.monotonic() - at
        if finished.exit_code:
            print(finished.output, file=sys.stderr)
        said = possibly_billed(finished) or sum(map(int, LOST.findall(finished.stdout)))
        return Row(
            fault=fault,
            tasks=tasks,
            kept=len(check_agreement(collection.session)),
            twice=sum(count - 1 for count in server.given.values()),
            said=said,
            on_disk=on_disk,
            noticed_seconds=noticed,
            seconds=seconds,
        )

    @property
    def _variables(self) -> Mapping[str, str]:
        return {**WITH_TOKEN, "RAY_TMPDIR": str(self._folder)}

    def _hurt(self, fault: str) -> None:
        victim = self._alive[0]
        self._nodes.say("kill-host" if fault == "kill-host" else f"{fault[:-5]} {victim}")

    def _mend(self, fault: str) -> None:
        """Let a frozen node wake up, which must do no harm, and put another in its place."""
        if fault in ("kill-node", "freeze-node"):
            victim = self._alive.pop(0)
            if fault == "freeze-node":
                self._nodes.say(f"thaw {victim}")
            self._nodes.say("add")
            self._alive.append(self._named)
            self._named += 1


async def _has_given(server: WatchedServer, answers: int, program: Program) -> None:
    """Return once so many answers went out; Ray may take minutes to start on a busy machine."""
    ended = asyncio.create_task(program.ended())
    while server.given_in_all < answers:
        if ended.done():
            raise AssertionError(f"it ended too soon: {(await program.finished()).output}")
        await asyncio.sleep(0.02)
    ended.cancel()


def print_row(row: Row) -> None:
    """Print one run."""
    print(
        f"{row.fault:<12}{row.tasks:>7,}{row.kept:>7,}{row.twice:>7}{row.said:>7}{row.on_disk:>9}"
        f"{row.noticed_seconds:>11.1f}{row.seconds:>9.1f}  {'' if row.holds else 'NO'}",
        flush=True,
    )


def _wanted(arguments: argparse.Namespace) -> Iterator[str]:
    for fault in FAULTS:
        yield from [fault] * getattr(arguments, fault.replace("-", "_"))


async def _main(arguments: argparse.Namespace) -> int:
    folder = Path(tempfile.mkdtemp(prefix="ray-"))  # its sockets' paths have to be short
    rows = []
    print("fault         tasks   kept  twice   said  on disk  noticed s    end s")
    try:
        with RayNodes({**WITH_TOKEN, "RAY_TMPDIR": str(folder)}) as nodes:
            bench = Bench(nodes, folder, arguments.problems, Random(arguments.seed))
            for fault in _wanted(arguments):
                rows.append(await bench.run(fault))
                print_row(rows[-1])
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    lost = sum(row.tasks - row.kept for row in rows)
    print(f"{len(rows)} faults: answers lost {lost}, doubled 0")
    return 0 if all(row.holds for row in rows) else 1


def main() -> int:
    """Run the faults and print their table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for fault, count in FAULTS.items():
        parser.add_argument(f"--{fault}", type=int, default=count, metavar="N")
    parser.add_argument("--problems", type=int, default=250)
    parser.add_argument("--seed", type=int, default=1)
    return asyncio.run(_main(parser.parse_args()))


if __name__ == "__main__":
    raise SystemExit(main())
