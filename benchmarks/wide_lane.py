"""Auto width against a real server that refuses nothing, beside the best fixed width.

Run `python benchmarks/wide_lane.py`; real time, five minutes.
"""

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.harness import Figure, run, server, write_problems

_TASKS = 20_000
_MEDIAN_SECONDS = 2.5
_FIXED_WIDTHS = (1000, 2000, 4000)
_BOUND = 80.0


def figures() -> list[Figure]:
    """Return auto's answers a second, once it is as wide as it gets, beside a fixed width's."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        dataset = write_problems(folder / "data", _TASKS)
        fixed = {width: steady(answers(folder, dataset, str(width))) for width in _FIXED_WIDTHS}
        auto = steady(answers(folder, dataset, "auto"))
    best = max(fixed.values())
    rates = ", ".join(f"{rate:.0f}/s at {width}" for width, rate in fixed.items())
    return [
        Figure(
            part="width",
            name="auto width, of the best fixed one",
            value=100 * auto / best,
            bound=_BOUND,
            unit="%",
            at_least=True,
            detail=f"{_TASKS} tasks of {_MEDIAN_SECONDS:g} s, ramp left out: {auto:.0f}/s; {rates}",
        )
    ]


def answers(folder: Path, dataset: Path, width: str) -> list[float]:
    """Return when each answer of a run came, in wall seconds."""
    with server("--wide", "--median", str(_MEDIAN_SECONDS)) as port:
        run(
            "run_collection.py",
            *("--models", "grok-4.3", "--dataset-path", str(dataset), "--output-dir"),
            *(str(folder / "out"), "--session-id", width, "--max-concurrent", width),
            ports={"xai": port},
        )
    files = (folder / "out" / width / "grok-4.3").glob("*.jsonl")
    lines = (line for file in files for line in file.read_text().splitlines())
    return sorted(json.loads(line)["timestamp"] for line in lines)


def steady(moments: Sequence[float]) -> float:
    """Return the answers a second of the third quarter: after the ramp, before the last ones."""
    first, last = len(moments) // 2, 3 * len(moments) // 4
    return (last - first) / (moments[last] - moments[first])


def main() -> None:
    """Print the figures."""
    for figure in figures():
        print(figure)


if __name__ == "__main__":
    main()
