"""How long the event loop stands still at most: 5,000 ordinary replies and 50 hostile ones.

Run `python benchmarks/stalls.py`.
"""

import json
import re
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.harness import Figure, Finished, at_most, run, server, write_problems

_PART = "stalls"
_ORDINARY, _HOSTILE = 5_000, 50
_WIDTH = 20
_LATENCY_SECONDS = 0.05  # with none the loop is never idle, and stalls are what it has to do
_NAP_SECONDS = 0.02
_LONGEST = re.compile(r"the event loop's longest stall: ([\d.]+) s, computing ([\d.]+) s")


def figures() -> Iterator[Figure]:
    """Yield the longest stall, the answers and the memory of one run."""
    tasks = _ORDINARY + _HOSTILE
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        dataset = write_problems(folder / "data", tasks)
        replies = ("--hostile-every", str(tasks // _HOSTILE), "--median", str(_LATENCY_SECONDS))
        with server(*replies, core=None) as port, _idler() as idled:
            finished = _collect(folder, dataset, port)
        log = (folder / "run.log").read_text(encoding="utf-8")
        methods = _methods(folder / "out" / "stalls")
    what = f"{_ORDINARY:,} ordinary replies and {_HOSTILE} hostile ones"
    ((stall, computing),) = _LONGEST.findall(log)
    yield at_most(
        _PART,
        f"{what}: longest stall of the event loop",
        1000 * float(stall),
        100,
        "ms",
        detail=f"{1000 * float(computing):.0f} ms of it computing; what the machine took from an "
        f"idle process beside it: {1000 * max(idled):.0f} ms; {finished.wall_seconds:.0f} s in all",
    )
    yield Figure(
        part=_PART,
        name=f"{what}: answers kept",
        value=len(methods),
        bound=tasks,
        unit="answers",
        at_least=True,
        detail=f"{methods.count('gave_up')} of them raw: reading took more than its bounds",
    )
    peak_mb = max(sample.resident_mb for sample in finished.samples)  # without its readers'
    yield at_most(_PART, f"{what}: memory of the collector's process", peak_mb, 400, "MB")


def _collect(folder: Path, dataset: Path, port: int) -> Finished:
    return run(
        "run_collection.py",
        *("--models", "grok-4.3", "--dataset-path", str(dataset)),
        *("--output-dir", str(folder / "out"), "--session-id", "stalls"),
        *("--max-concurrent", str(_WIDTH), "--progress", "json"),
        *("--log-file", str(folder / "run.log")),
        ports={"xai": port},
        core=None,  # replies are read in processes of their own
    )


@contextmanager
def _idler() -> Iterator[list[float]]:
    """Do nothing in a thread; yields by how many seconds each of its short sleeps was too long."""
    late, ended = [0.0], threading.Event()

    def idle() -> None:
        due = time.monotonic() + _NAP_SECONDS
        while not ended.wait(_NAP_SECONDS):
            late.append(time.monotonic() - due)
            due = time.monotonic() + _NAP_SECONDS

    thread = threading.Thread(target=idle)
    thread.start()
    try:
        yield late
    finally:
        ended.set()
        thread.join()


def _methods(session: Path) -> list[str]:
    """Return how each answer's code was found."""
    return [
        json.loads(line)["extraction"]["method"]
        for file in session.glob("*/*.jsonl")
        for line in file.read_text(encoding="utf-8").splitlines()
    ]


def main() -> None:
    """Print the figures."""
    for figure in figures():
        print(figure)


if __name__ == "__main__":
    main()
