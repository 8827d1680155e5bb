"""Batches at size: 100,000 rows over five providers; the memory they take, and how fast they land.

Run `python benchmarks/batches.py [--problems N]`: N problems of 2 KB, asked of a model of each of
five providers, in batches of 1,000. The providers are servers in this process, on another core.
"""

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import cast

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.harness import Figure, Finished, pin, run, write_problems
from tests.support.batch_bench import WIRES
from tests.support.batch_server.batch_wire import BatchWire
from tests.support.batch_server.openai_server import OpenAIBatchServer
from tests.support.command import pointed_at
from tests.support.provider_formats import Provider

_Server = OpenAIBatchServer | BatchWire
_SERVERS: Mapping[str, tuple[Callable[[], _Server], str]] = {
    "openai": (OpenAIBatchServer, "gpt-4o"),
    **WIRES,
}
_ROWS_A_BATCH = 1_000


def figures(problems: int = 20_000) -> Iterator[Figure]:
    """Yield the figures of one session of five times so many rows."""
    rows = problems * len(_SERVERS)
    with tempfile.TemporaryDirectory() as name:
        finished, batches, sold = asyncio.run(_collect(Path(name), problems))
    if sold != rows:
        raise SystemExit(f"{sold:,} answers were sold, not {rows:,}")
    what = f"{rows:,} rows in {batches} batches of {len(_SERVERS)} providers"
    early, late = (_memory(finished, share * rows) for share in (0.2, 0.95))
    yield Figure(
        part="batches",
        name=f"{what}: memory at the peak",
        value=finished.peak_mb,
        bound=250,
        unit="MB",
        at_least=False,
        detail=f"{early:.0f} MB after a fifth, {late:.0f} MB near the end",
    )
    yield Figure(
        part="batches",
        name=f"{what}: landed in a second of one core",
        value=rows / finished.cpu_seconds,
        bound=600,
        unit="rows/s",
        at_least=True,
        detail=f"sending them and writing every file included; {finished.wall_seconds:.0f} s by "
        "the clock",
    )


async def _collect(folder: Path, problems: int) -> tuple[Finished, int, int]:
    """Return the run, how many batches it made, and how many answers the servers sold."""
    dataset = write_problems(folder / "data", problems)
    pin(os.getpid(), -1)
    async with AsyncExitStack() as stack:
        servers: list[_Server] = []
        variables: dict[str, str] = {}
        for provider, (make, _) in _SERVERS.items():
            servers.append(await stack.enter_async_context(make()))
            variables |= pointed_at(servers[-1], cast(Provider, provider))
        finished = await asyncio.to_thread(
            run,
            "run_collection.py",
            *("--models", *(model for _, model in _SERVERS.values())),
            *("--dataset-path", str(dataset), "--output-dir", str(folder / "out")),
            *("--batch", "--batch-requests", str(_ROWS_A_BATCH), "--batch-only"),
            *("--progress", "json"),
            variables=variables,
        )
        batches = sum(len([each for each in s.batches.values() if each.requests]) for s in servers)
        return finished, batches, sum(sum(server.billed.values()) for server in servers)


def _memory(finished: Finished, answers: float) -> float:
    return next(
        (sample.resident_mb for sample in finished.samples if sample.answered >= answers),
        finished.peak_mb,
    )


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=20_000)
    for figure in figures(parser.parse_args().problems):
        print(figure)


if __name__ == "__main__":
    main()
