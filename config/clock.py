"""Time as an argument: the collector never reads a clock that it was not given."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Where the collector's time comes from; all figures in seconds."""

    def time(self) -> float:
        """Return the wall clock: seconds since 1970, may jump."""

    def monotonic(self) -> float:
        """Return seconds that only go forward, from an arbitrary start."""

    async def sleep(self, seconds: float) -> None:
        """Return after so many monotonic seconds; zero or less yields once."""


class SystemClock:
    """The machine's own clock."""

    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))
