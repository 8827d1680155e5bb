"""A short run against a limit that nobody announced: the command itself, in real time.

Run `python benchmarks/short_run.py`; 40 seconds.
"""

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.harness import Figure, run, server, write_problems

_TASKS = 700
_PER_MINUTE = 1200
_LATENCY_SECONDS = 1.0
_WIDTH = 200


def figures() -> Iterator[Figure]:
    """Yield how much of an unknown limit a short run uses, and how much of it is refused."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        dataset = write_problems(folder / "data", _TASKS)
        limit = ("--median", str(_LATENCY_SECONDS), "--per-minute", str(_PER_MINUTE))
        with server(*limit, core=None) as port:
            run(
                "run_collection.py",
                *("--models", "grok-4.3", "--dataset-path", str(dataset)),
                *("--output-dir", str(folder / "out"), "--session-id", "short"),
                *("--max-concurrent", str(_WIDTH)),
                ports={"xai": port},
                core=None,  # what is measured is waiting, not computing
            )
        files = (folder / "out" / "short" / "grok-4.3").glob("*.jsonl")
        records = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    let_in = [record["timestamp"] - record["execution_time"] for record in records]
    seconds = max(let_in) - min(let_in)
    beyond_the_burst = len(records) - _PER_MINUTE / 60  # what the bucket held at the start
    refused = sum(record["attempts"] - 1 for record in records)
    what = f"{_TASKS} tasks, {_PER_MINUTE:,} a minute, nothing announced"
    yield Figure(
        part="short run",
        name=f"{what}: use",
        value=100 * beyond_the_burst / seconds / (_PER_MINUTE / 60),
        bound=85,
        unit="%",
        at_least=True,
        detail=f"{seconds:.1f} s from the first to the last request that was let in",
    )
    yield Figure(
        part="short run",
        name=f"{what}: refused",
        value=100 * refused / (refused + len(records)),
        bound=5,
        unit="%",
        at_least=False,
        detail=f"{refused} of {refused + len(records)} requests",
    )


def main() -> None:
    """Print the figures."""
    for figure in figures():
        print(figure)


if __name__ == "__main__":
    main()
