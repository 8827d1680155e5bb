"""What the zygote and who started it say to each other, on its stdin and stdout.

    in   64 bytes: "<bytes> <cpu seconds> <wall seconds> <memory MB>", padded; then the job
    out  a line of JSON once it is ready; after each job a line of JSON, a JobEnd, and then as many
         bytes of verdict lines as that says

Standard library only.
"""

from typing import TypedDict

HEADER_BYTES = 64
MOST_VERDICT_BYTES = 1 << 20
MOST_WALL_PERIODS = 6  # how often a job that works is given its seconds of waiting again


class ZygoteSettings(TypedDict):
    """How jobs are confined.

    folder: where they may write. readable: what they may open. uid: whom to become, None to stay.
    packages: further folders to import from.
    """

    folder: str
    readable: list[str]
    packages: list[str]
    use_landlock: bool
    use_seccomp: bool
    allow_processes: bool
    uid: int | None
    nice: int


class JobEnd(TypedDict):
    """How a job ended.

    status: as waitpid gives it. ended: exit, or why it was killed: timeout, flood (of verdict
    lines) or disk. dirty: do not use this zygote again. bytes: of verdict lines that follow.
    """

    status: int
    ended: str
    cpu_seconds: float
    wall_seconds: float
    peak_mb: float
    dirty: bool
    bytes: int
