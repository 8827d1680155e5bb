"""Scale: 100,000 tasks in one session; memory, and whether the last ones cost what the first did.

A machine's speed drifts by a tenth within a minute, more than what is looked for. So the last
fifth of the session runs in turn with the first fifth of another like it: one of them at a time
stands still, and both meet the same drift. benchmarks/instructions.py is exact, but slow.

Run `python benchmarks/scale.py [--problems N] [--samples S]`: N problems of 2 KB, ten models and S
samples of each.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.harness import Figure, Running, Sample, at_most, run, server, write_problems

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
# Shares of all tasks. Before the first, lanes come up to their width; after the last, files are
# finished.
_EARLY = (0.02, 0.22)
_LATE = (0.78, 0.98)
_TURN_SECONDS = 2


def figures(problems: int = 10_000, samples: int = 1) -> Iterator[Figure]:
    """Yield the figures of one session of ten models, each asked samples times a problem."""
    tasks = problems * len(MODELS) * samples
    again = ("--samples", str(samples))
    with tempfile.TemporaryDirectory() as name, server() as port:
        folder = Path(name)
        dataset = write_problems(folder / "data", problems)
        with _session(folder, dataset, "scale", port, *again) as old:
            _wait_for(old, _LATE[0] * tasks)
            old.stop()
            with _session(folder, dataset, "young", port, *again) as young:
                _wait_for(young, _EARLY[0] * tasks)
                _take_turns(old, young, _LATE[1] * tasks)
            collected = old.finish()
        out = ("--output-dir", str(folder / "scale"))
        opened = run("resume_collection.py", "scale", *out, ports={"xai": port})
    yield at_most(
        "scale",
        f"memory at the peak, {tasks:,} tasks",
        collected.peak_mb,
        200,
        "MB",
        f"{memory(collected.samples, 0.2 * tasks):.0f} MB after a fifth, "
        f"{memory(collected.samples, 0.98 * tasks):.0f} MB near the end",
    )
    yield _cost_figure(costs(young.samples, tasks, *_EARLY), costs(old.samples, tasks, *_LATE))
    yield at_most(
        "scale",
        "opening the finished session for a resume",
        opened.wall_seconds,
        3,
        "s",
        f"{opened.cpu_seconds:.2f} s of processor time",
    )


def session_arguments(folder: Path, dataset: Path, name: str) -> list[str]:
    """Return the arguments of a session of that name, in folder/name."""
    return [
        *("--models", *MODELS, "--dataset-path", str(dataset)),
        *("--output-dir", str(folder / name), "--session-id", name),
        *("--max-concurrent", str(_WIDTH), "--progress", "json"),
    ]


def _session(folder: Path, dataset: Path, name: str, port: int, *flags: str) -> Running:
    arguments = [*session_arguments(folder, dataset, name), *flags]
    return Running("run_collection.py", *arguments, ports={"xai": port})


def _wait_for(session: Running, answers: float) -> None:
    while session.answered < answers and not session.has_ended:
        time.sleep(0.1)


def _take_turns(old: Running, young: Running, answers: float) -> None:
    """Let one of two sessions run at a time, until the old one has so many answers."""
    while old.answered < answers and not old.has_ended:
        for running, waiting in ((old, young), (young, old)):
            waiting.stop()
            running.go_on()
            time.sleep(_TURN_SECONDS)
    old.go_on()


def _cost_figure(early: Sequence[float], late: Sequence[float]) -> Figure:
    if not (early and late):
        raise SystemExit("a fifth of the session took under two seconds: give more --problems")
    return at_most(
        "scale",
        "cost of a task, last fifth / first fifth of a session like it",
        # What others take away on the machine only adds to the cost: the least is the code's.
        min(late) / min(early),
        1.05,
        "x",
        f"{1e6 * min(late):.0f} and {1e6 * min(early):.0f} µs of processor time in the least "
        f"second, {1e6 * median(late):.0f} and {1e6 * median(early):.0f} in the median one; "
        "exports, in few seconds, are in neither",
    )


def costs(samples: Sequence[Sample], tasks: int, from_share: float, to_share: float) -> list[float]:
    """Return the processor seconds a task, second by second, between two shares of all tasks."""
    among = [each for each in samples if from_share <= each.answered / tasks <= to_share]
    return [
        (after.cpu_seconds - before.cpu_seconds) / (after.answered - before.answered)
        for before, after in pairwise(among)
        if after.answered > before.answered
    ]


def memory(samples: Sequence[Sample], answers: float) -> float:
    """Return the memory, in MB, when so many answers were there."""
    return next(sample.resident_mb for sample in samples if sample.answered >= answers)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=10_000)
    parser.add_argument("--samples", type=int, default=1)
    arguments = parser.parse_args()
    for figure in figures(arguments.problems, arguments.samples):
        print(figure)


if __name__ == "__main__":
    main()
