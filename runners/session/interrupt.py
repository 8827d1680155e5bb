"""Ctrl-C, SIGTERM and a closed terminal: the first stops gently, the second at once."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType


@contextlib.contextmanager
def on_interrupt(gently: Callable[[], None], at_once: Callable[[], None]) -> Iterator[None]:
    """Call gently at the first signal and at_once at every later one, in the event loop.

    The former handlers are put back at the end.
    """
    loop = asyncio.get_running_loop()
    calls = iter((gently,))

    def handle(_number: int, _frame: FrameType | None) -> None:
        # Python's own handler runs between any two instructions: only a note is left for the loop.
        loop.call_soon_threadsafe(next(calls, at_once))

    with _handled_by(handle):
        yield


@contextlib.contextmanager
def all_as_keyboard_interrupt() -> Iterator[None]:
    """Let every signal that on_interrupt knows do what Ctrl-C does, outside of it too."""
    with _handled_by(signal.default_int_handler):
        yield


@contextlib.contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    numbers = [signal.SIGINT, signal.SIGTERM]
    # nohup has it ignored, and is to be obeyed.
    if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    former = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, earlier in former.items():
            signal.signal(number, earlier)
