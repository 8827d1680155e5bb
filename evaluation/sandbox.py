"""What the judge needs of whatever runs a job, here or on another machine."""

from collections.abc import Callable
from typing import Protocol

from evaluation.cage import ZygotePlan
from evaluation.jobs import Job, JobResult


class Sandbox(Protocol):
    """One job at a time, in a zygote."""

    async def run(self, job: Job) -> JobResult:
        """Return a job's result; raises SandboxLost where there is none, and starts afresh then."""

    async def stop(self) -> None:
        """End the zygote; it starts again when it is asked for a job."""


NewSandbox = Callable[[ZygotePlan], Sandbox]
