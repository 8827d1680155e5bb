"""A small process that ends its owner where a second signal does not.

Python notices signals between two instructions. While C code holds the interpreter it notices
none, but the number of each signal is still written to a pipe: the guard reads that pipe.
"""

import contextlib
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence

from processors.workers.worker import bare_environment
from runners.session import guard_process

logger = logging.getLogger("collector")


@contextlib.contextmanager
def guarded(numbers: Sequence[signal.Signals], patience_seconds: float) -> Iterator[None]:
    """Have this process killed so long after two of these signals, unless the block ends first."""
    guard = _started(numbers, patience_seconds)
    if guard is None:
        yield
        return
    assert guard.stdin is not None
    os.set_blocking(guard.stdin.fileno(), False)
    former = signal.set_wakeup_fd(guard.stdin.fileno(), warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(former)
        guard.stdin.close()
        guard.wait()


def _started(
    numbers: Sequence[signal.Signals], patience_seconds: float
) -> subprocess.Popen[bytes] | None:
    if sys.platform == "win32":  # nobody can wait for a pipe there
        return None
    command = [sys.executable, "-I", "-S", guard_process.__file__, str(os.getpid())]
    command.append(str(patience_seconds))
    try:
        return subprocess.Popen(  # noqa: S603 - our own file
            [*command, *(str(number.value) for number in numbers)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=bare_environment(os.environ),
            start_new_session=True,  # the terminal's signals are not for the guard
        )
    except OSError as error:  # no more processes; a run without a guard is better than none
        logger.debug("no guard can be started: %s", error)
        return None
