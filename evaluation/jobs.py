"""One job for the sandbox, and what comes back of it."""

import json
import os
import secrets
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field

from evaluation.inside.protocol import HEADER_BYTES, JobEnd
from evaluation.inside.run_tests import ChildJob, ChildTest
from evaluation.verdict_lines import Lines, parse_lines


@dataclass(frozen=True, slots=True)
class Limits:
    """What a job may use: processor seconds (whole), seconds to wait for it, address space."""

    cpu_seconds: int
    wall_seconds: float
    memory_mb: int


@dataclass(frozen=True, slots=True)
class Job:
    """A solution and the tests to run on it, in this order.

    share_names: tests see all names of the solution, not only func and cls.
    """

    code: str
    name: str
    tests: Sequence[ChildTest]
    limits: Limits
    share_names: bool = False
    token: str = field(default_factory=lambda: secrets.token_hex(8))

    def encode(self) -> bytes:
        """Return the job as the zygote's protocol has it."""
        content: ChildJob = {
            "token": self.token,
            "code": self.code,
            "name": self.name,
            "share_names": self.share_names,
            "tests": list(self.tests),
        }
        body = json.dumps(content).encode()
        limits = self.limits
        header = f"{len(body)} {limits.cpu_seconds} {limits.wall_seconds:.3f} {limits.memory_mb}"
        return header.encode().ljust(HEADER_BYTES) + body


@dataclass(frozen=True, slots=True)
class JobResult:
    """How a job ended, and what it said; see JobEnd."""

    end: JobEnd
    lines: Lines
    limits: Limits

    @property
    def signal_number(self) -> int:
        """The signal that ended it, 0 where none did."""
        status = self.end["status"]
        return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0

    @property
    def exit_code(self) -> int | None:
        """Its exit code, None where a signal ended it."""
        status = self.end["status"]
        return os.WEXITSTATUS(status) if os.WIFEXITED(status) else None

    @property
    def ran_out_of_time(self) -> bool:
        """Whether a limit of time ended it; the kernel's comes as either of two signals."""
        used_up = self.end["cpu_seconds"] >= self.limits.cpu_seconds * 0.8
        return self.end["ended"] == "timeout" or (
            self.signal_number == signal.SIGXCPU
            or (self.signal_number == signal.SIGKILL and self.end["ended"] == "exit" and used_up)
        )

    @property
    def was_asleep(self) -> bool:
        """Whether it ran out of time and did next to nothing: a second try is fair."""
        return self.end["ended"] == "timeout" and self.end["cpu_seconds"] < 1.0


def result_of(job: Job, end: JobEnd, content: bytes) -> JobResult:
    """Return a job's result."""
    return JobResult(end, parse_lines(content, job.token, len(job.tests)), job.limits)
