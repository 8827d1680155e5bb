"""The worker's own process: takes work from standard input until that ends, within bounds.

It is started with its memory in MB and its owner's process id. It opens no file of a session, has
no key, and imports what its work needs and nothing else.
"""

import contextlib
import os
import signal
import sys
from typing import BinaryIO

from processors.workers.messages import REPLY_HEAD, REQUEST_HEAD, Work, function_named

_REASON_CHARACTERS = 300
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4


def main() -> None:
    """Work until there is no more, or until this process should better be replaced."""
    memory_mb, owner = int(sys.argv[1]), int(sys.argv[2])
    requests, replies = sys.stdin.buffer, _own_output()
    _ignore_what_the_owner_decides()
    if sys.platform != "win32":
        _limit_memory(memory_mb)
    if sys.platform == "linux":
        _die_with(owner)
    _answer(replies, True, False, b"")
    while head := requests.read(REQUEST_HEAD.size):
        cpu_seconds, name_length, length = REQUEST_HEAD.unpack(head)
        work = function_named(requests.read(name_length).decode())
        is_done, result = _perform(work, requests.read(length), cpu_seconds, memory_mb)
        is_last = _is_half_full(memory_mb)
        _answer(replies, is_done, is_last, result)
        if is_last:
            break


def _perform(work: Work, payload: bytes, cpu_seconds: float, memory_mb: int) -> tuple[bool, bytes]:
    """Return whether there is a result, and the result or the reason why not."""
    try:
        _start_clock(cpu_seconds)
        result = work(payload)
        _start_clock(0.0)
        return True, result
    except MemoryError:
        return False, f"more than {memory_mb} MB of memory".encode()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - it ends the work, not its owner
        reason = f"{type(error).__name__}: {error}"[:_REASON_CHARACTERS]
        return False, reason.encode("utf-8", "backslashreplace")
    finally:
        _start_clock(0.0)


def _answer(replies: BinaryIO, is_done: bool, is_last: bool, content: bytes) -> None:
    replies.write(REPLY_HEAD.pack(is_done, is_last, len(content)))
    replies.write(content)
    replies.flush()


def _own_output() -> BinaryIO:
    """Return standard output for answers alone: what work prints goes nowhere."""
    replies = os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - not worth importing pathlib
        os.dup2(nowhere.fileno(), 1)
    return replies


def _ignore_what_the_owner_decides() -> None:
    """A terminal, or systemd, may send these to a whole group of processes."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if number := getattr(signal, name, None):
            signal.signal(number, signal.SIG_IGN)


def _start_clock(cpu_seconds: float) -> None:
    """Let the system end this process after so much processor time; 0 for never.

    SIGPROF's default does that, whatever the process is busy with, in C too.
    """
    if sys.platform != "win32":
        signal.setitimer(signal.ITIMER_PROF, cpu_seconds)


def _limit_memory(memory_mb: int) -> None:
    import resource

    wanted = memory_mb << 20
    for kind, limit in ((resource.RLIMIT_AS, wanted), (resource.RLIMIT_CORE, 0)):
        _, hard = resource.getrlimit(kind)
        least = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        with contextlib.suppress(ValueError, OSError):  # macOS refuses some
            resource.setrlimit(kind, (least, least))


def _die_with(owner: int) -> None:
    """Let Linux kill this process when its owner ends, also in the middle of some work.

    Elsewhere it ends with its input, once the work in hand is done.
    """
    import ctypes

    prctl = ctypes.CDLL(None).prctl
    prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    prctl(_PR_SET_DUMPABLE, 0)  # no core either where those are piped into a program
    if os.getppid() != owner:
        raise SystemExit


def _is_half_full(memory_mb: int) -> bool:
    """Return whether the next piece of work would have only half of the memory left."""
    try:
        with open("/proc/self/statm", "rb") as numbers:  # noqa: PTH123
            pages = int(numbers.read().split()[0])
    except OSError:  # not Linux
        return False
    return pages * os.sysconf("SC_PAGE_SIZE") > memory_mb << 19


if __name__ == "__main__":
    main()
