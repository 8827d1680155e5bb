"""Says in the log when the event loop stood still, and what ran meanwhile."""

import asyncio
import contextlib
import logging
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

logger = logging.getLogger("collector.loop")

STALL_SECONDS = 0.25
_BEAT_SECONDS = 0.02
_LOOK_SECONDS = 0.1
_FRAMES = 6
# The interpreter's lock may go to any waiting thread before it comes to the one that looks on.
_UNSEEN = "in C code that let no other thread run"


@contextlib.contextmanager
def watched_loop() -> Iterator[None]:
    """Log at DEBUG each stall of the running loop, and at the end the longest, if that is read."""
    if not logger.isEnabledFor(logging.DEBUG):
        yield
        return
    watch = _Watch(asyncio.get_running_loop())
    watch.start()
    try:
        yield
    finally:
        watch.stop()


class _Watch:
    """Beats in the loop; a thread looks what the loop's thread does when a beat is late."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._loop_thread = threading.get_ident()
        self._thread = threading.Thread(target=self._look_on, daemon=True)
        self._ended = threading.Event()
        self._due = loop.time() + _BEAT_SECONDS
        self._timer = loop.call_at(self._due, self._beat)
        self._seen = ""
        self._computed_until = time.thread_time()
        self._longest = (0.0, 0.0)  # seconds by the clock, and of them seconds of computing

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._timer.cancel()
        self._ended.set()
        self._thread.join()
        logger.debug("the event loop's longest stall: %.3f s, computing %.3f s", *self._longest)

    def _beat(self) -> None:
        late_seconds = self._loop.time() - self._due
        computed = time.thread_time()
        self._longest = max(self._longest, (late_seconds, computed - self._computed_until))
        self._computed_until = computed
        if late_seconds > STALL_SECONDS:
            what = self._seen or _UNSEEN
            logger.debug("the event loop stood still for %.2f s: %s", late_seconds, what)
        self._seen = ""
        self._due = self._loop.time() + _BEAT_SECONDS
        self._timer = self._loop.call_at(self._due, self._beat)

    def _look_on(self) -> None:
        while not self._ended.wait(_LOOK_SECONDS):
            if self._loop.time() - self._due > STALL_SECONDS and not self._seen:
                frame = sys._current_frames().get(self._loop_thread)
                self._seen = _described(traceback.extract_stack(frame)[-_FRAMES:])


def _described(stack: list[traceback.FrameSummary]) -> str:
    """Return the innermost calls, the outer ones first."""
    return " > ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in stack)
