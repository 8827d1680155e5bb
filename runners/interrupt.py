"""Ctrl-C and SIGTERM: the first stops gently, the second at once."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


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

    former = {number: signal.signal(number, handle) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
