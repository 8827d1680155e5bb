"""Instructions of a task along a session: whether the cost grows, on however noisy a machine.

Run `python benchmarks/instructions.py [--problems N]`, ten models each; it needs valgrind, under
which 10,000 problems take a quarter of an hour. Counted are five windows of 1.5 % of all tasks;
between them valgrind counts nothing, and is five times as fast. Exports as CSV, which come in few
seconds and take each answer once, are left to the end. Writes benchmarks/INSTRUCTIONS.md.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.harness import ROOT, collector_variables, machine, server, write_problems
from benchmarks.scale import MODELS, session_arguments

RESULTS = ROOT / "benchmarks" / "INSTRUCTIONS.md"
_PROBLEMS = 10_000
_SHARES = (0.03, 0.2, 0.5, 0.8, 0.96)
_WINDOW_SHARE = 0.015
_TOTALS = re.compile(r"^totals: (\d+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Window:
    """Tasks that were counted: answers before and after, instructions in user space."""

    before: int
    after: int
    instructions: int

    @property
    def cost(self) -> float:
        """Instructions a task."""
        return self.instructions / (self.after - self.before)


def windows(problems: int) -> Iterator[Window]:
    """Run a session under valgrind; yield each window as it is counted."""
    tasks = problems * len(MODELS)
    with tempfile.TemporaryDirectory() as name, server() as port:
        folder = Path(name)
        counts = folder / "counts"
        command = ["valgrind", "--quiet", "--tool=callgrind", "--instr-atstart=no"]
        command += [f"--callgrind-out-file={counts}", sys.executable]
        command += [str(ROOT / "scripts" / "run_collection.py")]
        dataset = write_problems(folder / "data", problems)
        command += session_arguments(folder, dataset, "instructions")
        command += ["--batch-size", str(2 * tasks)]
        with subprocess.Popen(
            command,
            env={**os.environ, **collector_variables({"xai": port})},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stderr
            try:
                yield from _count(process.pid, _answers(process.stderr), tasks, counts)
            finally:
                process.kill()  # what comes after the last window is of no interest


def _answers(lines: Iterable[str]) -> Iterator[int]:
    for line in lines:
        if line.startswith("{"):
            yield json.loads(line)["whole"]["answered"]
        else:
            sys.stderr.write(line)


def _count(pid: int, answers: Iterator[int], tasks: int, counts: Path) -> Iterator[Window]:
    for number, share in enumerate(_SHARES, start=1):
        before = _first(answers, share * tasks)
        _control(pid, "--instr=on")
        _control(pid, "--zero")
        after = _first(answers, before + _WINDOW_SHARE * tasks)
        _control(pid, "--dump")
        _control(pid, "--instr=off")
        yield Window(before, after, _counted(counts.with_suffix(f".{number}")))


def _first(answers: Iterator[int], bound: float) -> int:
    for answered in answers:
        if answered >= bound:
            return answered
    raise SystemExit("the session ended before the last window; are there enough problems?")


def _control(pid: int, request: str) -> None:
    command = ["callgrind_control", request, str(pid)]
    subprocess.run(command, check=True, capture_output=True)


def _counted(dump: Path) -> int:
    found = _TOTALS.search(dump.read_text())
    if found is None:
        raise SystemExit(f"{dump.name}: no line of totals; is this valgrind's callgrind?")
    return int(found[1])


def report(found: Sequence[Window], problems: int) -> str:
    """Return the windows as a page, each beside the first."""
    lines = [
        f"# Instructions of a task, {problems * len(MODELS):,} tasks in one session",
        "",
        "Written by benchmarks/instructions.py; do not edit. Counted by valgrind in user space,",
        "whatever else the machine does. Bound: 1.05 at the end.",
        "",
        *(f"- {line}" for line in machine()),
        "",
        "| answers there | thousand instructions a task | in terms of the first |",
        "| ------------- | ---------------------------- | --------------------- |",
    ]
    for window in found:
        answers = f"{window.before:,} to {window.after:,}"
        ratio = window.cost / found[0].cost
        lines.append(f"| {answers} | {window.cost / 1000:.0f} | {ratio:.3f} |")
    return "\n".join([*lines, ""])


def main() -> None:
    """Print the cost of a task in each window; write the page where all problems were taken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=_PROBLEMS)
    problems = parser.parse_args().problems
    if not shutil.which("callgrind_control"):
        raise SystemExit("instructions.py needs valgrind with its callgrind_control on the PATH")
    found = []
    for window in windows(problems):
        found.append(window)
        print(f"{window.after:,} answers: {window.cost:,.0f} instructions a task", flush=True)
    page = report(found, problems)
    print(page)
    if problems >= _PROBLEMS:
        RESULTS.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
