"""The process in the sandbox that forks one child a job, and itself runs nothing of others.

It never sees a job either: the child reads its own, so that nothing of one solution, its tests or
a reference is left in the memory that the next child gets a copy of. It is started with its
settings as JSON on the command line, and then speaks protocol.py. Standard library only.
"""

import contextlib
import gc
import json
import os
import resource
import select
import signal
import sys
import time
from typing import NamedTuple, NoReturn

from evaluation.inside import confine, landlock, seccomp
from evaluation.inside.folders import clear_folder, is_too_full
from evaluation.inside.protocol import (
    HEADER_BYTES,
    MOST_VERDICT_BYTES,
    MOST_WALL_PERIODS,
    JobEnd,
    ZygoteSettings,
)
from evaluation.inside.run_tests import Prepared, run_job

_STARVED_SHARE = 0.05  # a process that works this much of the time is not asleep
_FOLDER_CHECK_SECONDS = 0.05
_PIPE_AT = 3
# Imported once, here, so that no job waits for them.
_WARM = (
    "abc array asyncio base64 bisect calendar collections.abc contextlib copy csv dataclasses "
    "datetime decimal enum fractions functools hashlib heapq inspect io itertools json logging "
    "math operator pathlib pprint queue random re reprlib statistics string struct tempfile "
    "textwrap threading time traceback types typing unicodedata uuid warnings weakref"
)


class _Limits(NamedTuple):
    job_bytes: int
    cpu_seconds: int
    wall_seconds: float
    memory_mb: int


class _Prepared(NamedTuple):
    ruleset: int | None
    job_filter: bytes | None
    tests: Prepared


def main() -> None:
    """Serve jobs until the pipe is closed."""
    settings: ZygoteSettings = json.loads(sys.argv[1])
    for name in _WARM.split():
        __import__(name)
    ruleset = _prepare(settings)
    _say({"landlock": landlock.landlock_version(), "python": sys.version.split()[0]})
    prepared = _Prepared(
        ruleset=ruleset,
        job_filter=seccomp.filter_for_job(allow_processes=settings["allow_processes"])
        if settings["use_seccomp"]
        else None,
        tests=Prepared(),
    )
    if settings["use_seccomp"]:
        seccomp.install_filter(seccomp.filter_for_all())
    _hide_ourselves()
    gc.collect()
    gc.freeze()
    while header := _read_exactly(HEADER_BYTES):
        words = header.split()
        limits = _Limits(int(words[0]), int(words[1]), float(words[2]), int(words[3]))
        end, lines = _run(limits, settings, prepared)
        _say(end, lines)


def _prepare(settings: ZygoteSettings) -> int | None:
    """Give up what only the start needs; return the ruleset that jobs are held to."""
    os.nice(settings["nice"])
    folder = settings["folder"]
    os.makedirs(folder, mode=0o700, exist_ok=True)  # noqa: PTH103
    ruleset = None
    if settings["use_landlock"]:
        ruleset = landlock.make_ruleset(settings["readable"], [folder, "/dev/null"])
    if settings["uid"] is not None:
        os.chown(folder, settings["uid"], settings["uid"])
        confine.become_user(settings["uid"])
        if os.stat(folder).st_uid != os.getuid():  # noqa: PTH116
            raise OSError("the job's folder is not its user's")
    confine.drop_capabilities()
    confine.close_to_others()
    os.chdir(folder)
    own = os.environ.get("PYTHONPATH")
    os.environ.clear()
    os.environ.update({"HOME": folder, "TMPDIR": folder, "TZ": "UTC", "LANG": "C.UTF-8"})
    time.tzset()
    sys.path[:] = [path for path in sys.path if path != own] + settings["packages"]
    return ruleset


def _hide_ourselves() -> None:
    """Leave no module of ours where a solution's imports look."""
    for name in [name for name in sys.modules if name.startswith("evaluation")]:
        del sys.modules[name]
    sys.modules["__main__"] = type(sys)("__main__")
    sys.argv = [""]


def _run(limits: _Limits, settings: ZygoteSettings, prepared: _Prepared) -> tuple[JobEnd, bytes]:
    pipe, pipe_in = os.pipe()
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        _become_job(limits, settings, prepared, pipe_in)
    os.close(pipe_in)
    os.set_blocking(pipe, False)
    watch = os.pidfd_open(child)
    try:
        lines = bytearray()
        ended = _watch(child, watch, pipe, limits, settings["folder"], lines)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        _, status, usage = os.wait4(child, 0)
        if settings["allow_processes"]:
            _end_all_others()
        with contextlib.suppress(BlockingIOError):
            lines += os.read(pipe, MOST_VERDICT_BYTES)
    finally:
        os.close(pipe)
        os.close(watch)
    end: JobEnd = {
        "status": status,
        "ended": ended,
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 4),
        "wall_seconds": round(time.monotonic() - started, 4),
        "peak_mb": round(usage.ru_maxrss / 1024, 1),
        "dirty": not _clean(settings["folder"]) or ended != "exit" or status != 0,
        "bytes": len(lines),
    }
    return end, bytes(lines)


def _become_job(
    limits: _Limits, settings: ZygoteSettings, prepared: _Prepared, pipe: int
) -> NoReturn:
    try:
        job = json.loads(_read_exactly(limits.job_bytes))
        ruleset = prepared.ruleset
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nothing, descriptor)
        if pipe != _PIPE_AT:
            kept = os.dup(ruleset) if ruleset == _PIPE_AT else ruleset
            os.dup2(pipe, _PIPE_AT)
            ruleset = kept
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        allow = settings["allow_processes"]
        confine.limit_resources(limits.cpu_seconds, limits.memory_mb, allow_processes=allow)
        confine.confine(ruleset, prepared.job_filter)
        os.closerange(_PIPE_AT + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        run_job(job, _PIPE_AT, prepared.tests)
    finally:
        os._exit(97)  # not reached after a job; a code that no verdict takes for good


def _watch(
    child: int, watch: int, pipe: int, limits: _Limits, folder: str, lines: bytearray
) -> str:
    """Collect verdict lines until the job ends, and return how, or why it has to be killed."""
    poller = select.poll()
    poller.register(pipe, select.POLLIN)
    poller.register(watch, select.POLLIN)
    backstop = _Backstop(child, limits.wall_seconds)
    folder_check = time.monotonic() + _FOLDER_CHECK_SECONDS
    while True:
        for descriptor, _ in poller.poll(_FOLDER_CHECK_SECONDS * 1000):
            if descriptor == watch:
                return "exit"
            piece = os.read(pipe, 65_536)
            lines += piece
            if not piece:
                poller.unregister(pipe)
            if len(lines) > MOST_VERDICT_BYTES:
                return "flood"
        if backstop.is_reached():
            return "timeout"
        if time.monotonic() >= folder_check:
            if is_too_full(folder):
                return "disk"
            folder_check = time.monotonic() + _FOLDER_CHECK_SECONDS


class _Backstop:
    """Wall time, which ends a job that sleeps; one that works while others do is given more.

    Processor time is the real limit, and the kernel's to watch.
    """

    def __init__(self, child: int, seconds: float) -> None:
        self._clock = ((~child) << 3) | 2  # clock_getcpuclockid(3), which Python lacks
        self._seconds = seconds
        self._periods = 0
        self._deadline = time.monotonic() + seconds
        self._used = 0.0

    def is_reached(self) -> bool:
        if time.monotonic() < self._deadline:
            return False
        try:
            used = time.clock_gettime(self._clock)
        except OSError:
            used = self._used  # it has just ended
        self._periods += 1
        was_at_work = used - self._used > _STARVED_SHARE * self._seconds
        self._used = used
        self._deadline += self._seconds
        return not was_at_work or self._periods >= MOST_WALL_PERIODS


def _end_all_others() -> None:
    """Kill every process of this pid namespace but the first and this one, and reap them."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _clean(folder: str) -> bool:
    try:
        clear_folder(folder)
    except OSError:
        return False
    return True


def _read_exactly(size: int) -> bytes:
    """Return so many bytes of stdin; fewer, none as a rule, at its end."""
    pieces = bytearray()
    while len(pieces) < size:
        piece = os.read(0, size - len(pieces))
        if not piece:
            break
        pieces += piece
    return bytes(pieces)


def _say(message: JobEnd | dict[str, object], lines: bytes = b"") -> None:
    rest = memoryview(json.dumps(message).encode() + b"\n" + lines)
    while rest:
        rest = rest[os.write(1, rest) :]


if __name__ == "__main__":
    main()
