"""Makespan: how close lanes come to the best that a list scheduler does with the same latencies.

Run `python benchmarks/makespan.py`; real time, a minute.
"""

import heapq
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.harness import Figure, Running, run, server, write_problems
from benchmarks.loopback_server import tail_delays

_MEDIAN, _TAIL, _TAIL_SHARE = 0.05, 1.05, 0.1
_WIDTH = 8
_TASKS = 1600
_FAST_TASKS = 400
_SLOW_SECONDS = 0.4
_PAIRS = 4
_TAIL_ROUNDS = 2


@dataclass(frozen=True, slots=True)
class Span:
    """When a lane's first call left and its last answer was there, in wall seconds."""

    started: float
    ended: float

    @property
    def seconds(self) -> float:
        return self.ended - self.started


def figures() -> Iterator[Figure]:
    """Yield the figures of a heavy tail, and of a fast model beside a slow one."""
    yield heavy_tail()
    yield fast_beside_slow()


def heavy_tail() -> Figure:
    """Return how much longer a run takes than the list-scheduling bound of its latencies."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        dataset = write_problems(folder / "data", _TASKS)
        # What others take away on the machine only adds to it: the least is the code's.
        taken = min(_tail_seconds(folder, dataset, number) for number in range(_TAIL_ROUNDS))
    delays = list(islice(tail_delays(_MEDIAN, _TAIL, _TAIL_SHARE, seed=1), _TASKS))
    bound = list_schedule(delays, _WIDTH)
    return Figure(
        part="makespan",
        name="heavy tail, run / list-scheduling bound",
        value=taken / bound,
        bound=1.03,
        unit="x",
        at_least=False,
        detail=f"{_TASKS} tasks, {_WIDTH} at once: {taken:.2f} s, bound {bound:.2f} s",
    )


def _tail_seconds(folder: Path, dataset: Path, number: int) -> float:
    shape = ("--median", str(_MEDIAN), "--tail", str(_TAIL), "--tail-share", str(_TAIL_SHARE))
    command = _command(folder, dataset, "grok-4.3", session_id=f"tail_{number}")
    # On no core of its own: what is measured is waiting, not computing.
    with server(*shape, "--seed", "1", core=None) as port:
        run(*command, ports={"xai": port}, core=None)
    return span(folder / "out" / f"tail_{number}" / "grok-4.3").seconds


def fast_beside_slow() -> Figure:
    """Return how much longer a fast model takes beside one that is eight times as slow."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        dataset = write_problems(folder / "data", _FAST_TASKS)
        with (
            server("--median", str(_MEDIAN), core=None) as fast,
            server("--median", str(_SLOW_SECONDS), core=None) as slow,
        ):
            ports = {"xai": fast, "deepseek": slow}
            pairs = [_pair(folder, dataset, ports, number) for number in range(_PAIRS)]
    return Figure(
        part="makespan",
        name="fast model, beside a slow one / alone",
        value=median(both / alone for both, alone in pairs),
        bound=1.02,
        unit="x",
        at_least=False,
        detail=f"{_FAST_TASKS} tasks of {_MEDIAN:g} s, the slow ones take {_SLOW_SECONDS:g} s; "
        + ", ".join(f"{both:.2f} / {alone:.2f} s" for both, alone in pairs),
    )


def _pair(folder: Path, dataset: Path, ports: dict[str, int], number: int) -> tuple[float, float]:
    """Return the fast model's seconds beside the slow one, and alone; in turn one goes first."""
    runs = [["grok-4.3", "deepseek-flash-chat"], ["grok-4.3"]]
    order = runs if number % 2 else runs[::-1]
    taken = {
        len(models): _fast_seconds(folder, dataset, ports, models, f"{len(models)}_{number}")
        for models in order
    }
    return taken[2], taken[1]


def _fast_seconds(
    folder: Path, dataset: Path, ports: dict[str, int], models: list[str], session_id: str
) -> float:
    """Return the fast model's seconds; the slow one need not come to its end."""
    fast = folder / "out" / session_id / "grok-4.3"
    command = _command(folder, dataset, *models, session_id=session_id)
    with Running(*command, ports=ports, core=None) as running:
        while len(_records(fast)) < _FAST_TASKS and not running.has_ended:
            time.sleep(0.2)
        if running.has_ended:
            running.finish()  # or say why it could not
    return span(fast).seconds


def list_schedule(seconds: Sequence[float], width: int) -> float:
    """Return when the last task ends where each, in order, goes to the first free slot."""
    free_at = [0.0] * width
    for each in seconds:
        heapq.heappush(free_at, heapq.heappop(free_at) + each)
    return max(free_at)


def span(model_folder: Path) -> Span:
    """Return the time that a model's records span."""
    records = [json.loads(line) for line in _records(model_folder)]
    return Span(
        min(record["timestamp"] - record["execution_time"] for record in records),
        max(record["timestamp"] for record in records),
    )


def _records(model_folder: Path) -> list[str]:
    files = model_folder.glob("*.jsonl")
    return [line for file in files for line in file.read_text().splitlines()]


def _command(folder: Path, dataset: Path, *models: str, session_id: str) -> list[str]:
    command = ["run_collection.py", "--models", *models, "--dataset-path", str(dataset)]
    command += ["--output-dir", str(folder / "out"), "--session-id", session_id]
    return [*command, "--max-concurrent", str(_WIDTH)]


def main() -> None:
    """Print the figures."""
    for figure in figures():
        print(figure)


if __name__ == "__main__":
    main()
