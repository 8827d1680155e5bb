"""A small process that ends its owner where a second signal does not.

Python notices signals between two instructions. While C code holds the interpreter it notices
none, but the number of each signal is still written to a pipe: the guard reads that pipe.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence

from processors.workers.worker import bare_environment
from runners.session import guard_process


@contextlib.contextmanager
def guarded(numbers: Sequence[signal.Signals]) -> Iterator[None]:
    """Have this process killed after two of these signals, unless the block ends before long."""
    if sys.platform == "win32":  # nobody can wait for a pipe there
        yield
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    command = [sys.executable, "-I", "-S", guard_process.__file__, str(os.getpid())]
    guard = subprocess.Popen(  # noqa: S603 - our own file
        [*command, *(str(number.value) for number in numbers)],
        stdin=reading,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=bare_environment(os.environ),
        start_new_session=True,  # the terminal's signals are not for the guard
    )
    os.close(reading)
    former = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(former)
        os.close(writing)
        guard.wait()
