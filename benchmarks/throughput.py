"""The cost of the machinery: whole runs beside a bare client in the same run, and the way there.

Everything is on: limiter, extraction, validation, records on disk, progress, exports. The cost of
a task is the slope between a short and a long run, so that starting up does not count.
Run `python benchmarks/throughput.py`.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.harness import (
    ROOT,
    Figure,
    collector_variables,
    pin,
    run,
    server,
    write_problems,
)

_SHORT, _LONG = 1_000, 5_000
_BARE_CALLS = 2_000
_WIDTH = 50
_ROUNDS = 2
_START_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Cost:
    """What one call, or one task, takes."""

    cpu_seconds: float
    wall_seconds: float

    @staticmethod
    def least(costs: "list[Cost]") -> "Cost":
        """Return the least of each: what others took away on the machine only adds."""
        return Cost(min(c.cpu_seconds for c in costs), min(c.wall_seconds for c in costs))


def figures() -> Iterator[Figure]:
    """Yield the figures of whole runs beside bare ones, and of the start."""
    with tempfile.TemporaryDirectory() as name, server() as port:
        folder = Path(name)
        write_problems(folder / "short", _SHORT)
        write_problems(folder / "long", _LONG)
        bare, whole = measure("openai", "gpt-4o", port, folder)
        yield Figure(
            part="throughput",
            name="OpenAI: speed of the SDK alone that is kept",
            value=100 * bare.cpu_seconds / whole.cpu_seconds,
            bound=80,
            unit="%",
            at_least=True,
            detail=_beside(whole, bare),
        )
        bare, whole = measure("aiohttp", "grok-4.3", port, folder)
        yield Figure(
            part="throughput",
            name="xAI, over aiohttp: tasks in a second of one core",
            value=1 / whole.cpu_seconds,
            bound=1200,
            unit="tasks/s",
            at_least=True,
            detail=f"{_beside(whole, bare)}; {1 / whole.wall_seconds:.0f} tasks/s by the clock",
        )
        yield from starts(folder)


def measure(client: str, model: str, port: int, folder: Path) -> tuple[Cost, Cost]:
    """Return the cost of a call of the bare client and of a task of the collector."""
    bare: list[Cost] = []
    whole: list[Cost] = []
    for number in range(_ROUNDS):
        bare.append(bare_cost(client, port, folder / "short"))
        whole.append(collector_cost(model, port, folder, number))
    return Cost.least(bare), Cost.least(whole)


def bare_cost(client: str, port: int, dataset: Path) -> Cost:
    """Return what a call of the bare client takes."""
    script = str(ROOT / "benchmarks" / "bare_client.py")
    command = [sys.executable, script, client, "--port", str(port), "--width", str(_WIDTH)]
    command += ["--calls", str(_BARE_CALLS), "--dataset-path", str(dataset)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        pin(process.pid, 0)
        assert process.stdout
        taken = json.loads(process.stdout.read())
    return Cost(taken["cpu_seconds"] / taken["calls"], taken["wall_seconds"] / taken["calls"])


def collector_cost(model: str, port: int, folder: Path, number: int) -> Cost:
    """Return what a task of a whole run takes, the end of the run with all its files included."""
    short, long = (
        run(
            "run_collection.py",
            *("--models", model, "--dataset-path", str(folder / size)),
            *("--output-dir", str(folder / "out"), "--session-id", f"{model}_{size}_{number}"),
            *("--max-concurrent", str(_WIDTH)),
            ports={"openai" if model == "gpt-4o" else "xai": port},
        )
        for size in ("short", "long")
    )
    more = _LONG - _SHORT
    return Cost(
        (long.cpu_seconds - short.cpu_seconds) / more,
        (long.wall_seconds - short.wall_seconds) / more,
    )


def starts(folder: Path) -> Iterator[Figure]:
    """Yield how long a command takes to its first request, beyond the import of its SDK."""
    for provider, model, module in (
        ("openai", "gpt-4o", "openai"),
        ("xai", "grok-4.3", "aiohttp"),
    ):
        command = min(start_seconds(provider, model, folder) for _ in range(_START_ROUNDS))
        imported = min(import_seconds(module) for _ in range(_START_ROUNDS))
        yield Figure(
            part="start",
            name=f"{model}: to the first request, beyond `import {module}`",
            value=command - imported,
            bound=0.5,
            unit="s",
            at_least=False,
            detail=f"{command:.2f} s, of which the import {imported:.2f} s",
        )


def start_seconds(provider: str, model: str, folder: Path) -> float:
    """Return the seconds from the command to its first byte at the server."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
        command = [sys.executable, str(ROOT / "scripts" / "run_collection.py")]
        command += ["--models", model, "--dataset-path", str(folder / "short")]
        command += ["--output-dir", str(folder / "starts")]
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            env={**os.environ, **collector_variables({provider: port})},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        with closing(listener.accept()[0]) as connection:
            connection.recv(1)
            taken = time.perf_counter() - started
        process.kill()
        process.wait()
    return taken


def import_seconds(module: str) -> float:
    """Return how long a Python takes that imports a module and ends."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
    return time.perf_counter() - started


def _beside(whole: Cost, bare: Cost) -> str:
    return (
        f"{1e6 * whole.cpu_seconds:.0f} µs of processor time a task, bare client "
        f"{1e6 * bare.cpu_seconds:.0f} µs a call"
    )


def main() -> None:
    """Print the figures."""
    for figure in figures():
        print(figure)


if __name__ == "__main__":
    main()
