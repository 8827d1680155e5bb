"""A server that refuses nothing, in virtual time, and a lane that is as wide as its limiter says."""

import asyncio
import math
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from random import Random

from runners.rate_limiter import AdaptiveRateLimiter, RateScope
from tests.support.virtual_clock import VirtualClock

SCOPE = RateScope(key="local@here#1a2b3c4d", model="wide")
TICK_SECONDS = 0.5  # as Upkeep has it

Slowness = Callable[[int], float]
"""How many times as long a call takes with so many in flight."""


def queueing(places: int) -> Slowness:
    """Return a server that works on so many calls at once; the others share their turns."""
    return lambda in_flight: max(1.0, in_flight / places)


def thrashing(places: int) -> Slowness:
    """Return a server that gets slower in all, the more it has beyond its places."""
    return lambda in_flight: max(1.0, in_flight / places) ** 1.4


def crowding(half_at: int) -> Slowness:
    """Return a server of which every call slows down all others a little."""
    return lambda in_flight: 1 + in_flight / half_at


@dataclass(slots=True)
class WideRun:
    """One run: second -> answers, and the widths that it had, in their order.

    fixed_width: of the lane; None for auto.
    """

    slowness: Slowness
    seconds: int
    latency_seconds: float = 10.0
    latency_spread: float = 0.5
    fixed_width: int | None = None
    seed: int = 1
    answers: list[int] = field(default_factory=list)
    widths: list[int] = field(default_factory=list)
    _workers: int = 0
    _in_flight: int = 0

    def go(self) -> "WideRun":
        """Run it; return itself."""
        self.answers = [0] * (self.seconds + 1)
        clock = VirtualClock()
        clock.run(self._main(clock, AdaptiveRateLimiter(clock), Random(self.seed)))
        return self

    def throughput(self, start: int, end: int) -> float:
        """Return the answers a second between two seconds."""
        return sum(self.answers[start:end]) / (end - start)

    async def _main(
        self, clock: VirtualClock, limiter: AdaptiveRateLimiter, chance: Random
    ) -> None:
        async def work() -> None:
            while clock.monotonic() < self.seconds and self._workers <= self.widths[-1]:
                await self._call(clock, limiter, chance)
            self._workers -= 1

        async with asyncio.TaskGroup() as group:
            width = self.fixed_width or 4
            while clock.monotonic() < self.seconds:
                self.widths.append(width)
                limiter.register(SCOPE, slots=width)
                while self._workers < width:
                    self._workers += 1
                    group.create_task(work())
                await clock.sleep(TICK_SECONDS)
                width = self.fixed_width or limiter.status(SCOPE).suggested_slots

    def _call(
        self, clock: VirtualClock, limiter: AdaptiveRateLimiter, chance: Random
    ) -> Coroutine[None, None, None]:
        async def call() -> None:
            permit = await limiter.acquire(SCOPE, input_tokens=10)
            self._in_flight += 1
            mean = math.exp(self.latency_spread**2 / 2)
            alone = self.latency_seconds * chance.lognormvariate(0, self.latency_spread) / mean
            await clock.sleep(alone * self.slowness(self._in_flight))
            self._in_flight -= 1
            self.answers[min(self.seconds, int(clock.monotonic()))] += 1
            permit.accepted((), tokens_used=None)

        return call()
