"""A clock that stands still until the test moves it on, for programs with real input and output."""

import asyncio
from collections.abc import Callable


class SteppedClock:
    """A config.clock.Clock: sleepers wake when the test advances past their time."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._sleepers: list[tuple[float, asyncio.Event]] = []

    def time(self) -> float:
        return 1_700_000_000.0 + self.now

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        wake = asyncio.Event()
        self._sleepers.append((self.now + max(0.0, seconds), wake))
        if seconds <= 0:
            wake.set()
        await wake.wait()

    def advance(self, seconds: float) -> None:
        """Move the time on and wake who is due."""
        self.now += seconds
        for at, wake in self._sleepers:
            if at <= self.now:
                wake.set()
        self._sleepers = [(at, wake) for at, wake in self._sleepers if at > self.now]


async def until(condition: Callable[[], bool]) -> None:
    """Return as soon as the condition holds; fail where it never does."""
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0)
