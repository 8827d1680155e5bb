"""How solutions are judged: the same for all, and what tells one judging from another."""

from dataclasses import dataclass

POLICY_VERSION = "1"
DEFAULT_MEMORY_MB = 1024
DEFAULT_CPU_SECONDS = 3.0
DEFAULT_WALL_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a verdict depends on, beside the code and the tests.

    cpu_seconds: the least limit; a problem whose reference takes longer is given ten times that.
    wall_seconds: the least time after which a job that does nothing is ended.
    memory_mb: address space. use_decoys: try solutions that passed on changed tests too.
    allow_packages: this Python's installed packages can be imported. allow_processes: solutions
    may start others. repeat: judge everything so many times; different verdicts are "flaky".
    is_unsafe: nothing keeps solutions from the machine.
    """

    cpu_seconds: float = DEFAULT_CPU_SECONDS
    wall_seconds: float = DEFAULT_WALL_SECONDS
    memory_mb: int = DEFAULT_MEMORY_MB
    use_decoys: bool = True
    allow_packages: bool = False
    allow_processes: bool = False
    repeat: int = 1
    is_unsafe: bool = False

    @property
    def name(self) -> str:
        """The version, and whatever differs from the defaults; stands in every record."""
        parts = [POLICY_VERSION]
        if self.cpu_seconds != DEFAULT_CPU_SECONDS:
            parts.append(f"cpu={self.cpu_seconds:g}")
        if self.wall_seconds != DEFAULT_WALL_SECONDS:
            parts.append(f"wall={self.wall_seconds:g}")
        if self.memory_mb != DEFAULT_MEMORY_MB:
            parts.append(f"memory={self.memory_mb}")
        flags = {
            "no-decoys": not self.use_decoys,
            "packages": self.allow_packages,
            "processes": self.allow_processes,
            "unsafe": self.is_unsafe,
        }
        parts += [flag for flag, is_set in flags.items() if is_set]
        if self.repeat > 1:
            parts.append(f"repeat={self.repeat}")
        return " ".join(parts)
