"""What the benchmarks share: a figure with its bound, servers and commands as processes."""

import json
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Self

ROOT = Path(__file__).resolve().parent.parent
_WORDS = "the value list of each pair returns sorted mapping key count string class method input"
_KEY = "key-of-a-benchmark-0123456789"
_KEYS = ("OPENAI", "ANTHROPIC", "GOOGLE", "XAI", "TOGETHER", "HUGGINGFACE", "DEEPSEEK", "LOCAL")
_CATEGORIES = 24
# clock_getcpuclockid(3), which Python lacks: Linux makes a process's clock of its id and this.
_PROCESS_CLOCK = 2


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


def at_most(
    part: str, name: str, value: float, bound: float, unit: str, detail: str = ""
) -> Figure:
    """Return a figure whose bound is an upper one."""
    return Figure(
        part=part, name=name, value=value, bound=bound, unit=unit, at_least=False, detail=detail
    )


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


class Running:
    """A command as a process on one core, looked at with each of its progress lines.

    samples grows as it runs, once a second, with --progress json. Used as a context manager, it
    kills what has not ended.
    """

    def __init__(
        self,
        script: str,
        *arguments: str,
        ports: Mapping[str, int] | None = None,
        variables: Mapping[str, str] | None = None,
        core: int | None = 0,
    ) -> None:
        self.samples: list[Sample] = []
        self._script = script
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed by __exit__)
        self._started = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, str(ROOT / "scripts" / script), *arguments],
            env={**os.environ, **collector_variables(ports or {}), **(variables or {})},
            stdout=self._log,
            stderr=subprocess.PIPE,
            text=True,
        )
        pin(self._process.pid, core)
        self._reader = threading.Thread(target=self._sample)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.returncode is None:
            self._process.kill()
        self._reader.join()  # first: what it looks at is gone once the process is waited for
        self._process.wait()
        self._log.close()

    @property
    def answered(self) -> int:
        """How many answers the last progress line told of."""
        return self.samples[-1].answered if self.samples else 0

    @property
    def has_ended(self) -> bool:
        return not self._reader.is_alive()

    def stop(self) -> None:
        """Let it stand still until go_on."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it run on after a stop."""
        os.kill(self._process.pid, signal.SIGCONT)

    def finish(self) -> Finished:
        """Wait for its end. Raises SystemExit, with what it said, where it fails."""
        self._reader.join()
        _, status, usage = os.wait4(self._process.pid, 0)
        wall = time.perf_counter() - self._started
        self._process.returncode = os.waitstatus_to_exitcode(status)
        if self._process.returncode != 0:
            self._log.seek(0)
            said = self._log.read()[-3000:]
            raise SystemExit(f"{self._script} exit {self._process.returncode}:\n{said}")
        return Finished(
            exit_code=self._process.returncode,
            wall_seconds=wall,
            cpu_seconds=usage.ru_utime + usage.ru_stime,
            peak_mb=usage.ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024),
            samples=self.samples,
        )

    def _sample(self) -> None:
        assert self._process.stderr
        with self._process.stderr as lines:
            for line in lines:
                seconds = time.perf_counter() - self._started
                if not line.startswith("{"):
                    sys.stderr.write(line)
                    continue
                answered = json.loads(line)["whole"]["answered"]
                cpu_seconds, resident_mb = _look_at(self._process.pid)
                self.samples.append(Sample(seconds, cpu_seconds, resident_mb, answered))


def run(
    script: str,
    *arguments: str,
    ports: Mapping[str, int] | None = None,
    variables: Mapping[str, str] | None = None,
    core: int | None = 0,
) -> Finished:
    """Run scripts/<script> on one core to its end.

    ports: provider -> port of its server; variables: further ones of the environment. Raises
    SystemExit, with what it said, where it fails.
    """
    with Running(script, *arguments, ports=ports, variables=variables, core=core) as running:
        return running.finish()


def collector_variables(ports: Mapping[str, int]) -> dict[str, str]:
    """Return settings that send providers to servers here, and hide a developer's own .env."""
    hidden = ("DATASET_PATH", "OUTPUT_DIR", "BATCH_SIZE", "MAX_CONCURRENT_PER_MODEL")
    variables = dict.fromkeys((*hidden, "EXTRACTION_MODEL", "EXTRACTION_API_KEY"), "")
    for name in _KEYS:
        port = ports.get(name.lower())
        variables[f"{name}_API_KEY"] = _KEY if port else ""
        variables[f"{name}_BASE_URL"] = f"http://127.0.0.1:{port}/v1" if port else ""
    return variables


def _look_at(pid: int) -> tuple[float, float]:
    """Return a process's processor seconds and its memory in MB."""
    if sys.platform == "linux":
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        cpu_seconds = time.clock_gettime(~pid << 3 | _PROCESS_CLOCK)
        return cpu_seconds, pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    told = subprocess.check_output(["ps", "-o", "time=,rss=", "-p", str(pid)], text=True).split()
    minutes, _, seconds = told[0].rpartition(":")
    return 60 * int(minutes.replace(":", "") or 0) + float(seconds), int(told[1]) / 1024


def machine() -> list[str]:
    """Return what it ran on, and when."""
    return [
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}",
    ]


def _processor() -> str:
    try:
        found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    return found[1] if found else platform.processor() or "unknown processor"


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
