"""The cost of the machinery: whole runs beside a bare client in the same run, and the way there.

Everything is on: limiter, extraction, validation, records on disk, progress, CSV files as they
grow. The cost of a task is taken while answers come in, without the start and the files of the end.
Run `python benchmarks/throughput.py`.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median

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

_TASKS = 3_000
_BARE_CALLS = 2_000
_WIDTH = 50
_ROUNDS = 4
_START_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Cost:
    """What one call, or one task, takes."""

    cpu_seconds: float
    wall_seconds: float


@dataclass(frozen=True, slots=True)
class Round:
    """A bare client and the collector, one right after the other."""

    bare: Cost
    whole: Cost

    @property
    def kept(self) -> float:
        """The share of the bare client's speed that the collector keeps."""
        return self.bare.cpu_seconds / self.whole.cpu_seconds


def figures() -> Iterator[Figure]:
    """Yield the figures of whole runs beside bare ones, and of the start."""
    with tempfile.TemporaryDirectory() as name, server() as port:
        folder = Path(name)
        write_problems(folder / "data", _TASKS)
        openai, aiohttp = measure(port, folder)
        yield Figure(
            part="throughput",
            name="OpenAI: speed of the SDK alone that is kept",
            value=100 * median(each.kept for each in openai),
            bound=80,
            unit="%",
            at_least=True,
            detail=_beside(openai),
        )
        # What others take away on the machine only adds to the cost: the least is the code's.
        yield Figure(
            part="throughput",
            name="xAI, over aiohttp: tasks in a second of one core",
            value=1 / min(each.whole.cpu_seconds for each in aiohttp),
            bound=1200,
            unit="tasks/s",
            at_least=True,
            detail=f"{_beside(aiohttp)}; "
            f"{1 / min(each.whole.wall_seconds for each in aiohttp):.0f} tasks/s by the clock",
        )
        yield from starts(folder)


def measure(port: int, folder: Path) -> tuple[list[Round], list[Round]]:
    """Return rounds of OpenAI through its SDK, and of xAI over aiohttp.

    They go in turn, so that a slow minute of the machine is not all that one of them sees.
    """
    openai, aiohttp = [], []
    for number in range(_ROUNDS):
        openai.append(_round("openai", "gpt-4o", port, folder, number))
        aiohttp.append(_round("aiohttp", "grok-4.3", port, folder, number))
    return openai, aiohttp


def _round(client: str, model: str, port: int, folder: Path, number: int) -> Round:
    return Round(
        bare_cost(client, port, folder / "data"),
        collector_cost(model, port, folder, number),
    )


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
    """Return what a task of a run takes while answers come in."""
    finished = run(
        "run_collection.py",
        *("--models", model, "--dataset-path", str(folder / "data")),
        *("--output-dir", str(folder / "out"), "--session-id", f"{model}_{number}"),
        *("--max-concurrent", str(_WIDTH), "--progress", "json"),
        ports={"openai" if model == "gpt-4o" else "xai": port},
    )
    # Before the first tenth lanes come up to their width; after the last answer files are made.
    busy = [each for each in finished.samples if _TASKS / 10 <= each.answered < _TASKS]
    first, last = busy[0], busy[-1]
    tasks = last.answered - first.answered
    return Cost(
        (last.cpu_seconds - first.cpu_seconds) / tasks, (last.seconds - first.seconds) / tasks
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
        command += ["--models", model, "--dataset-path", str(folder / "data")]
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


def _beside(rounds: Sequence[Round]) -> str:
    whole = ", ".join(f"{1e6 * each.whole.cpu_seconds:.0f}" for each in rounds)
    bare = ", ".join(f"{1e6 * each.bare.cpu_seconds:.0f}" for each in rounds)
    return f"µs of processor time a task: {whole}; a call of the bare client: {bare}"


def main() -> None:
    """Print the figures."""
    for figure in figures():
        print(figure)


if __name__ == "__main__":
    main()
