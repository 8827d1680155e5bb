"""Scale: 100,000 tasks in one session; memory, and whether the last ones cost what the first did.

Run `python benchmarks/scale.py [--problems N]`: N problems of 2 KB, ten models each.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.harness import Figure, Sample, run, server, write_problems

MODELS = (
    "grok-4.7",
    "grok-4.6",
    "grok-4.5",
    "grok-4.3",
    "grok-4.20-reasoning",
    "grok-4.20-non-reasoning",
    "grok-4",
    "grok-3",
    "grok-code-fast-1",
    "grok-2-1212",
)
_WIDTH = 5


def figures(problems: int = 10_000) -> Iterator[Figure]:
    """Yield the figures of one session of ten times so many tasks."""
    with tempfile.TemporaryDirectory() as name, server() as port:
        folder = Path(name)
        out = ("--output-dir", str(folder / "out"))
        dataset = write_problems(folder / "data", problems)
        collected = run(
            "run_collection.py",
            *("--models", *MODELS, "--dataset-path", str(dataset), *out),
            *("--session-id", "scale", "--max-concurrent", str(_WIDTH), "--progress", "json"),
            ports={"xai": port},
        )
        opened = run("resume_collection.py", "scale", *out, ports={"xai": port})
    tasks = problems * len(MODELS)
    early, late = costs(collected.samples, 0.02, 0.22), costs(collected.samples, 0.78, 0.98)
    usual = median(costs(collected.samples, 0.02, 0.98))
    exports = mean_cost(collected.samples, 0.02, 0.98) / usual - 1
    half, end = memory(collected.samples, 0.2), memory(collected.samples, 0.98)
    yield _figure(
        f"memory at the peak, {tasks:,} tasks",
        collected.peak_mb,
        200,
        "MB",
        f"{half:.0f} MB after a fifth, {end:.0f} MB near the end",
    )
    yield _figure(
        "cost of a task, last fifth / first fifth",
        # What others take away on the machine only adds to the cost: the least is the code's.
        min(late) / min(early),
        1.05,
        "x",
        f"{1e6 * min(early):.0f} and {1e6 * min(late):.0f} µs of processor time in the least "
        f"second, {1e6 * median(early):.0f} and {1e6 * median(late):.0f} in the median one; "
        f"exports, in few seconds: {exports:.1%} on top",
    )
    yield _figure(
        "opening the finished session for a resume",
        opened.wall_seconds,
        3,
        "s",
        f"{opened.cpu_seconds:.2f} s of processor time",
    )


def costs(samples: Sequence[Sample], from_share: float, to_share: float) -> list[float]:
    """Return the processor seconds a task, second by second, between two shares of all answers."""
    total = samples[-1].answered
    among = [each for each in samples if from_share <= each.answered / total <= to_share]
    return [
        _cost_between(before, after)
        for before, after in pairwise(among)
        if after.answered > before.answered
    ]


def mean_cost(samples: Sequence[Sample], from_share: float, to_share: float) -> float:
    """Return the processor seconds a task between two shares of all answers."""
    return _cost_between(_at(samples, from_share), _at(samples, to_share))


def _cost_between(before: Sample, after: Sample) -> float:
    return (after.cpu_seconds - before.cpu_seconds) / (after.answered - before.answered)


def memory(samples: Sequence[Sample], share: float) -> float:
    """Return the memory, in MB, when that share of all answers was there."""
    return _at(samples, share).resident_mb


def _at(samples: Sequence[Sample], share: float) -> Sample:
    total = samples[-1].answered
    return next(sample for sample in samples if sample.answered >= share * total)


def _figure(name: str, value: float, bound: float, unit: str, detail: str) -> Figure:
    return Figure(
        part="scale",
        name=name,
        value=value,
        bound=bound,
        unit=unit,
        at_least=False,
        detail=detail,
    )


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=10_000)
    for figure in figures(parser.parse_args().problems):
        print(figure)


if __name__ == "__main__":
    main()
