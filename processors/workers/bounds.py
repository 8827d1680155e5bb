"""What one piece of work may take, and what is said of one that wanted more."""

from dataclasses import dataclass

# A machine that is busy with other things gives a process a small share of its time.
_CLOCK_SECONDS_PER_CPU_SECOND = 15.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bounds on one piece of work: processor time decides, the clock is the backstop.

    memory_mb: the process's whole address space. result_mb: what may come back.
    """

    cpu_seconds: float = 2.0
    memory_mb: int = 512
    result_mb: int = 64

    @property
    def clock_seconds(self) -> float:
        return self.cpu_seconds * _CLOCK_SECONDS_PER_CPU_SECOND


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A piece of work that came to no result, with the reason."""

    reason: str
