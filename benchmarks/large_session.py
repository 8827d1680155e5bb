"""A session of a million answers: how soon it opens for a resume, its report, its status.

The answers, 10 models x 100,000 problems, are written straight into a session, which then ends as
a run does. Every figure is a process of its own.

Run `python benchmarks/large_session.py [--problems N] [--folder F]`; it needs 8 GB of disk for
100,000 problems. A folder that is named is kept, and used again. `--read N` only writes N problems
of 2 KB and reads them as a run does that is about to begin: 2.2 GB of disk for 1,000,000.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.harness import ROOT, Figure, at_most, run, write_problems
from prompts.problems import Problem, load_problems
from storage.records.solution_record import SolutionRecord, UsageRecord
from storage.session.manifest import SessionMetadata
from storage.sessions import create_session

_MODELS = [f"model-{number}" for number in range(10)]
_CODE = "def solve(values):\n    return sorted(set(values))\n\n" * 4
_PART = "large session"
_NAME = "large"
_OPEN = """
import resource, sys, time
from pathlib import Path
started = time.perf_counter()
from config.clock import SystemClock
from storage.progress_tracker import ProgressTracker
from storage.sessions import open_session, repair_session
store = open_session(Path(sys.argv[1]), sys.argv[2])
said = repair_session(store)
m = store.metadata
tracker = ProgressTracker(store.path, session_id=store.session_id, start_time=0.0,
    total_tasks=m.total_tasks, models=m.models, categories=m.categories, clock=SystemClock())
tracker.restore(store)
assert not said, said
counts = tracker.progress()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
peak /= 2**20 if sys.platform == "darwin" else 1024
print(counts.successful_tasks, time.perf_counter() - started, peak)
"""

_READ = """
import resource, sys
from pathlib import Path
def held_mb():
    if sys.platform != "linux":
        return peak_mb()
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6
def peak_mb():
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
from prompts.problems import read_dataset
from runners.session.freed_memory import give_back_freed_memory
before = held_mb()
problems = read_dataset(Path(sys.argv[1])).problems
hashes = {each.task_id: each.content_hash for each in problems}
give_back_freed_memory()
print(len(hashes), held_mb() - before, peak_mb())
for each in problems:
    each.read()
print(held_mb() - before)
"""


def reading_figures(count: int, folder: Path | None = None) -> Iterator[Figure]:
    """Yield what a run holds of so many problems, and what it takes to read them."""
    with tempfile.TemporaryDirectory() as name:
        data = (folder or Path(name)) / f"{count}-problems"
        if not data.exists():
            write_problems(data, count)
        command = [sys.executable, "-c", _READ, str(data)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        told = subprocess.check_output(command, env=environment, text=True).split()
    found, held_mb, peak_mb, later_mb = int(told[0]), *map(float, told[1:])
    if found != count:
        raise SystemExit(f"{found:,} problems were read, not {count:,}")
    name = f"{count:,} problems of 2 KB: "
    note = f"{later_mb:.0f} MB once each was read again"
    yield at_most(_PART, name + "held", held_mb, 0.0003 * count, "MB", note)
    yield at_most(_PART, name + "memory at the peak", peak_mb, 100 + 0.0005 * count, "MB")


def figures(problems: int = 100_000, folder: Path | None = None) -> Iterator[Figure]:
    """Yield the figures of one session."""
    with tempfile.TemporaryDirectory() as name:
        out = folder or Path(name)
        if not (out / _NAME).exists():
            make_session(out, problems)
        yield from _measured(out, problems * len(_MODELS))


def make_session(out: Path, problems: int) -> None:
    """Write a finished session of so many problems, in a process of its own."""
    command = [sys.executable, __file__, "--make", str(out), "--problems", str(problems)]
    subprocess.run(command, check=True)


def _make(out: Path, count: int) -> None:
    data = write_problems(out / "data", count)
    problems = load_problems(data)
    store = create_session(out, _NAME, _metadata(data, problems))
    for model in _MODELS:
        for number, problem in enumerate(problems):
            store.append(_answer(problem, model, number))
            if number % 10_000 == 0:
                store.checkpoint()
    started = time.perf_counter()
    store.finish()
    print(f"finish: {time.perf_counter() - started:.1f} s", file=sys.stderr)


def _metadata(data: Path, problems: list[Problem]) -> SessionMetadata:
    return SessionMetadata(
        collection_start=time.time(),
        total_problems=len(problems),
        models=_MODELS,
        categories=sorted({problem.category for problem in problems}),
        session_parameters={"dataset_path": str(data)},
        dataset={problem.task_id: problem.content_hash for problem in problems},
    )


def _answer(problem: Problem, model: str, number: int) -> SolutionRecord:
    is_right = number % 7 != 0
    return SolutionRecord(
        task_id=problem.task_id,
        model=model,
        problem=problem.problem,
        category=problem.category,
        complexity=1,
        raw_response=f"```python\n{_CODE}```",
        extracted_solution=_CODE,
        validation={"is_fully_valid": is_right, "syntax": {"is_valid": True, "error": None}},
        llm_call_success=True,
        execution_time=1.0 + number % 13,
        timestamp=time.time(),
        name=problem.name,
        object="function",
        usage=UsageRecord(input_tokens=600, output_tokens=200),
        cost_usd=0.001,
    )


def _measured(out: Path, answers: int) -> Iterator[Figure]:
    command = [sys.executable, "-c", _OPEN, str(out), _NAME]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    told = subprocess.check_output(command, env=environment, text=True).split()
    found, seconds, peak_mb = int(told[0]), float(told[1]), float(told[2])
    if found != answers:
        raise SystemExit(f"{found:,} answers were found, not {answers:,}")
    name = f"{answers:,} answers: "
    yield at_most(_PART, name + "opened for a resume", seconds, 4, "s")
    yield at_most(_PART, name + "memory once it is open", peak_mb, 250, "MB")
    place = ("--output-dir", str(out))
    status = run("resume_collection.py", _NAME, "--status", *place)
    yield at_most(_PART, name + "status", status.wall_seconds, 2, "s", f"{status.peak_mb:.0f} MB")
    report = run("report.py", _NAME, *place)
    size = (out / _NAME / "report.html").stat().st_size / 1e6
    told_of = f"{report.peak_mb:.0f} MB; the page has {size:.1f} MB"
    yield at_most(_PART, name + "report", report.wall_seconds, 30, "s", told_of)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=100_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--read", type=int, metavar="N", help="only read so many problems")
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.make:
        _make(arguments.make, arguments.problems)
        return
    if arguments.read:
        found = reading_figures(arguments.read, arguments.folder)
    else:
        found = figures(arguments.problems, arguments.folder)
    for figure in found:
        print(figure)


if __name__ == "__main__":
    main()
