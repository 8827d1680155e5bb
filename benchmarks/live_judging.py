"""What judging answers as they arrive takes from the collection: goodput with and without it.

Run `python benchmarks/live_judging.py`. The collector, its judges and the server share all cores,
as they would on a small machine; each round is a pair of runs, one right after the other.
"""

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.harness import Figure, Running, server
from benchmarks.loopback_server import ANSWER

_TASKS = 1_000
_WIDTH = 50
_LATENCY_SECONDS = 0.5  # of 50 at once: 100 tasks a second
_ROUNDS = 3
_LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Pair:
    """Tasks a second of two runs, one without judging and one with it."""

    alone: float
    judged: float

    @property
    def lost(self) -> float:
        """The share of the goodput that judging takes."""
        return 1 - self.judged / self.alone


def figures() -> Iterator[Figure]:
    """Yield the share of goodput that judging takes at 100 tasks a second."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_problems(folder / "data")
        with server("--median", str(_LATENCY_SECONDS), core=None) as port:
            pairs = [_pair(port, folder, number) for number in range(_ROUNDS)]
    yield Figure(
        part="judging",
        name="goodput that --evaluate takes at 100 tasks/s",
        value=100 * median(pair.lost for pair in pairs),
        bound=5,
        unit="%",
        at_least=False,
        detail=", ".join(f"{pair.judged:.1f} of {pair.alone:.1f} tasks/s" for pair in pairs),
    )


def _pair(port: int, folder: Path, number: int) -> Pair:
    alone = _goodput(port, folder, f"alone_{number}")
    return Pair(alone, _goodput(port, folder, f"judged_{number}", "--evaluate"))


def _goodput(port: int, folder: Path, session_id: str, *flags: str) -> float:
    """Return tasks a second while answers come in, lanes at their width; the rest is not awaited.

    Raises SystemExit where the run ends before all are answered.
    """
    running = Running(
        "run_collection.py",
        *("--models", "grok-4.3", "--dataset-path", str(folder / "data")),
        *("--output-dir", str(folder / "out"), "--session-id", session_id),
        *("--max-concurrent", str(_WIDTH), "--progress", "json", *flags),
        ports={"xai": port},
        core=None,
    )
    with running:
        while running.answered < _TASKS and not running.has_ended:
            time.sleep(_LOOK_SECONDS)
        if running.answered < _TASKS:
            running.finish()
        busy = [each for each in running.samples if _TASKS / 10 <= each.answered < _TASKS]
    first, last = busy[0], busy[-1]
    return (last.answered - first.answered) / (last.seconds - first.seconds)


def _write_problems(folder: Path) -> None:
    """Write problems that the server's answer solves, each under a name of its own."""
    folder.mkdir()
    code = ANSWER.partition("```python\n")[2].partition("```")[0]
    tests = [
        {"ctx": "", "assertion": "func([3, 1, 3, 2]) == [3, 1, 2]"},
        {"ctx": "", "assertion": "func(['a', 'B', 'A'], 2) == ['a', 'B']"},
        {"ctx": "", "assertion": "func([]) == []"},
    ]
    with (folder / "order.jsonl").open("w", encoding="utf-8") as file:
        for number in range(_TASKS):
            row = {
                "task_id": f"order_{number}",
                "name": f"solve_{number}",
                "problem": f"Write `func`, number {number}: values without repeats, in order.",
                "canonical_solution": code.replace("NAME", f"solve_{number}"),
                "tests": tests,
                "category": "order",
                "complexity": 1,
                "object": "function",
            }
            file.write(json.dumps(row) + "\n")


def main() -> None:
    """Print the figures."""
    for figure in figures():
        print(figure)


if __name__ == "__main__":
    main()
