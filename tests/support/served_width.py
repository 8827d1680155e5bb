"""A server in virtual time, and a lane that is as wide as its limiter says."""

import asyncio
import heapq
import itertools
import math
from collections.abc import Callable
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


class SharedServer:
    """Calls that share one processor: each goes on as fast as the number in flight permits."""

    def __init__(self, slowness: Slowness) -> None:
        self._slowness = slowness
        self._work_done = 0.0  # by a call that was here from the start, in seconds alone
        self._looked_at = 0.0
        self._calls: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = itertools.count()
        self._timer: asyncio.TimerHandle | None = None

    async def work(self, seconds_alone: float) -> None:
        """Return when a call is done that takes so long where it is alone."""
        loop = asyncio.get_running_loop()
        self._catch_up(loop.time())
        done = loop.create_future()
        ends_at = self._work_done + seconds_alone
        heapq.heappush(self._calls, (ends_at, next(self._count), done))
        self._set_timer(loop)
        await done

    def _catch_up(self, now: float) -> None:
        if self._calls:
            self._work_done += (now - self._looked_at) / self._slowness(len(self._calls))
        self._looked_at = now

    def _set_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer:
            self._timer.cancel()
        if self._calls:
            left = self._calls[0][0] - self._work_done
            wait_seconds = left * self._slowness(len(self._calls))
            self._timer = loop.call_later(max(0.0, wait_seconds), self._finish, loop)

    def _finish(self, loop: asyncio.AbstractEventLoop) -> None:
        self._catch_up(loop.time())
        while self._calls and self._calls[0][0] <= self._work_done + 1e-9:
            heapq.heappop(self._calls)[2].set_result(None)
        self._set_timer(loop)


@dataclass(slots=True)
class WideRun:
    """One run: second -> answers, and the widths that it had, in their order.

    fixed_width: of the lane; None for auto, which most_width bounds.
    permitted_per_second: what is more is refused, beyond a second's worth; None for no limit.
    """

    slowness: Slowness
    seconds: int
    latency_seconds: float = 10.0
    latency_spread: float = 0.5
    fixed_width: int | None = None
    most_width: int = 1_000_000
    permitted_per_second: float | None = None
    seed: int = 1
    answers: list[int] = field(default_factory=list)
    widths: list[int] = field(default_factory=list)
    refused: int = 0
    _tokens: float = 0.0
    _tokens_at: float = 0.0
    _workers: int = 0
    _server: SharedServer = field(init=False)

    def go(self) -> "WideRun":
        """Run it; return itself."""
        self.answers = [0] * (self.seconds + 1)
        self._server = SharedServer(self.slowness)
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
                suggested = limiter.status(SCOPE).suggested_slots
                width = self.fixed_width or min(suggested, self.most_width)

    async def _call(
        self, clock: VirtualClock, limiter: AdaptiveRateLimiter, chance: Random
    ) -> None:
        permit = await limiter.acquire(SCOPE, input_tokens=10)
        while not self._admits(clock.monotonic()):
            self.refused += 1
            permit.refused(())
            permit = await limiter.acquire(SCOPE, input_tokens=10, urgent=True)
        mean = math.exp(self.latency_spread**2 / 2)
        spread = chance.lognormvariate(0, self.latency_spread) / mean
        await self._server.work(self.latency_seconds * spread)
        self.answers[min(self.seconds, int(clock.monotonic()))] += 1
        permit.accepted((), tokens_used=None)

    def _admits(self, now: float) -> bool:
        if self.permitted_per_second is None:
            return True
        grown = self._tokens + (now - self._tokens_at) * self.permitted_per_second
        self._tokens, self._tokens_at = min(grown, self.permitted_per_second), now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
