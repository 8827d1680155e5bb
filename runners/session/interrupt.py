"""Ctrl-C, SIGTERM and a closed terminal: the first stops gently, the second at once.

After the second one the process is gone within two seconds, whatever holds its event loop.
"""

import asyncio
import atexit
import contextlib
import itertools
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Never

from runners.session.interrupt_guard import guarded

logger = logging.getLogger("collector")

_EXIT_CODE = 130
PATIENCE_SECONDS = 1.4  # for the orderly end after a second signal
GUARDS_PATIENCE_SECONDS = 1.8  # longer than this process needs to end by itself
_LAST_WORDS_SECONDS = 0.2


@contextlib.contextmanager
def on_interrupt(gently: Callable[[], None], at_once: Callable[[], None]) -> Iterator[None]:
    """Call gently at the first signal and at_once at every later one, in the event loop.

    The former handlers are put back at the end.
    """
    loop = asyncio.get_running_loop()
    counted = itertools.count(1)

    def handle(_number: int, _frame: FrameType | None) -> None:
        # Python's own handler runs between any two instructions: only a note is left for the loop.
        is_first = next(counted) == 1
        loop.call_soon_threadsafe(gently if is_first else at_once)
        if not is_first:
            _end_soon()

    with _handled_by(handle) as numbers, guarded(numbers, GUARDS_PATIENCE_SECONDS):
        yield


@contextlib.contextmanager
def all_as_keyboard_interrupt() -> Iterator[None]:
    """Let every signal that on_interrupt knows do what Ctrl-C does, outside of it too."""
    counted = itertools.count(1)

    def handle(number: int, frame: FrameType | None) -> None:
        if next(counted) > 1:
            _end_soon()
        signal.default_int_handler(number, frame)

    with _handled_by(handle):
        yield


@contextlib.contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[list[signal.Signals]]:
    """Handle the signals, which are yielded, until the end of the block."""
    numbers = [signal.SIGINT, signal.SIGTERM]
    # nohup has it ignored, and is to be obeyed.
    if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    former = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield numbers
    finally:
        for number, earlier in former.items():
            signal.signal(number, earlier)


def _end_soon() -> None:
    """End the process in a moment, unless it has ended in order by then."""
    if sys.platform == "win32":
        timer = threading.Timer(PATIENCE_SECONDS, _end)
        timer.daemon = True
        timer.start()
        return
    # Other than a thread, a signal also comes through while a pattern is being matched.
    signal.signal(signal.SIGALRM, lambda _number, _frame: _end())
    signal.setitimer(signal.ITIMER_REAL, PATIENCE_SECONDS)
    # Python gives up its handlers when it shuts down, and the alarm would end it with -14.
    atexit.register(signal.setitimer, signal.ITIMER_REAL, 0.0)


def _end() -> Never:
    # In a thread: what is interrupted here may hold the locks of the log and of the streams.
    speaker = threading.Thread(target=_say_the_last_words, daemon=True)
    speaker.start()
    speaker.join(_LAST_WORDS_SECONDS)
    os._exit(_EXIT_CODE)


def _say_the_last_words() -> None:
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[J")  # the bars
    logger.warning("Stopped at once: what was written is kept, and a resume continues from there")
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
