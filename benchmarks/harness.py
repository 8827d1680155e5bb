"""What the benchmarks share: a figure with its bound, servers and commands as processes."""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parent.parent
_WORDS = "the value list of each pair returns sorted mapping key count string class method input"
_KEY = "key-of-a-benchmark-0123456789"
_KEYS = ("OPENAI", "ANTHROPIC", "GOOGLE", "XAI", "TOGETHER", "HUGGINGFACE", "DEEPSEEK", "LOCAL")
_CATEGORIES = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table: what was measured, beside its bound.

    value, bound: in unit. at_least: the bound is a lower one. detail: what the figure rests on.
    """

    part: str
    name: str
    value: float
    bound: float
    unit: str
    at_least: bool
    detail: str = ""

    @property
    def is_met(self) -> bool:
        return self.value >= self.bound if self.at_least else self.value <= self.bound


@dataclass(frozen=True, slots=True)
class Sample:
    """A process as it was at one moment: seconds since its start, processor time, memory."""

    seconds: float
    cpu_seconds: float
    resident_mb: float
    answered: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A command that has ended; samples are a second apart, and empty without --progress json."""

    exit_code: int
    wall_seconds: float
    cpu_seconds: float
    peak_mb: float
    samples: list[Sample] = field(default_factory=list)


@contextmanager
def server(*arguments: str, core: int | None = -1) -> Iterator[int]:
    """Run the loopback server on a core of its own; yields its port."""
    with subprocess.Popen(
        [sys.executable, str(ROOT / "benchmarks" / "loopback_server.py"), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        pin(process.pid, core)
        assert process.stdin and process.stdout
        try:
            yield int(process.stdout.readline())
        finally:
            process.stdin.close()


def pin(pid: int, core: int | None) -> None:
    """Keep a process on one core (-1: the last), where the system can; None leaves it free."""
    if sys.platform == "linux" and core is not None:
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(pid, {cores[core]})


def run(
    script: str,
    *arguments: str,
    ports: Mapping[str, int] | None = None,
    core: int | None = 0,
) -> Finished:
    """Run scripts/<script> on one core to its end; ports: provider -> port of its server.

    Raises SystemExit, with what it said, where it fails.
    """
    environment = {**os.environ, **collector_variables(ports or {})}
    command = [sys.executable, str(ROOT / "scripts" / script), *arguments]
    with tempfile.TemporaryFile("w+") as log:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, env=environment, stdout=log, stderr=subprocess.PIPE, text=True
        )
        pin(process.pid, core)
        samples: list[Sample] = []
        reader = threading.Thread(target=_sample, args=(process, started, samples))
        reader.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        reader.join()
        if process.returncode != 0:
            log.seek(0)
            raise SystemExit(f"{script} exit {process.returncode}:\n{log.read()[-3000:]}")
    return Finished(
        exit_code=process.returncode,
        wall_seconds=wall,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        peak_mb=usage.ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024),
        samples=samples,
    )


def collector_variables(ports: Mapping[str, int]) -> dict[str, str]:
    """Return settings that send providers to servers here, and hide a developer's own .env."""
    hidden = ("DATASET_PATH", "OUTPUT_DIR", "BATCH_SIZE", "MAX_CONCURRENT_PER_MODEL")
    variables = dict.fromkeys((*hidden, "EXTRACTION_MODEL", "EXTRACTION_API_KEY"), "")
    for name in _KEYS:
        port = ports.get(name.lower())
        variables[f"{name}_API_KEY"] = _KEY if port else ""
        variables[f"{name}_BASE_URL"] = f"http://127.0.0.1:{port}/v1" if port else ""
    return variables


def _sample(process: "subprocess.Popen[str]", started: float, samples: list[Sample]) -> None:
    """Read the command's progress lines, and look at the process at each."""
    assert process.stderr
    for line in process.stderr:
        seconds = time.perf_counter() - started
        if not line.startswith("{"):
            sys.stderr.write(line)
            continue
        answered = json.loads(line)["whole"]["answered"]
        cpu_seconds, resident_mb = _look_at(process.pid)
        samples.append(Sample(seconds, cpu_seconds, resident_mb, answered))


def _look_at(pid: int) -> tuple[float, float]:
    """Return a process's processor time and memory, zeros where the system has no /proc."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0.0, 0.0
    ticks = os.sysconf("SC_CLK_TCK")
    return (int(fields[11]) + int(fields[12])) / ticks, pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def write_problems(folder: Path, count: int) -> Path:
    """Write so many problems of 2 KB in 24 categories; return the folder."""
    folder.mkdir(parents=True)
    chance = Random(1)
    words = _WORDS.split()
    for category in range(_CATEGORIES):
        lines = []
        for number in range(category, count, _CATEGORIES):
            text = " ".join(chance.choices(words, k=420))
            row = {
                "task_id": f"category{category}_{number}",
                "name": f"solve_{number}",
                "problem": f"Write `func`, number {number}: {text}"[:2000],
                "category": f"category{category}",
                "complexity": 1,
                "object": "function",
            }
            lines.append(json.dumps(row) + "\n")
        if lines:
            (folder / f"category{category}.jsonl").write_text("".join(lines), encoding="utf-8")
    return folder
