"""What the rate limiter promises where refusals are nonsense: it lives, and it goes on sending."""

import asyncio
import math
from random import Random

import pytest

from config.rate_signal import Meter, RateSignal
from runners.rate_limiter import AdaptiveRateLimiter, RateChange, RateScope
from tests.support.slow import few
from tests.support.virtual_clock import VirtualClock

KEY = "openai@api.test#0011aabb"
HOSTILE_SECONDS = 1500.0
METERS: tuple[Meter | None, ...] = (
    "requests",
    "tokens",
    "input_tokens",
    "output_tokens",
    "concurrency",
    None,
)
ODD = (-1.0, 0.0, 1e-4, 0.5, 1e300, math.inf, math.nan)


class HostileProvider:
    """Refuses most requests, and says whatever comes to its mind about limits."""

    def __init__(self, chance: Random, clock: VirtualClock) -> None:
        self._chance, self._clock = chance, clock
        self._refuses = chance.choice((0.5, 0.85, 0.85, 0.99))
        self._asks_to_wait = chance.choice((0.0, 0.2, 0.8))
        self._announces_nonsense = chance.random() < 0.3
        self.sent_at: list[float] = []

    async def request(
        self, limiter: AdaptiveRateLimiter, scope: RateScope, *, urgent: bool
    ) -> bool:
        """Return whether a request was answered."""
        chance = self._chance
        permit = await limiter.acquire(
            scope, input_tokens=chance.choice((0, 10, 600)), urgent=urgent
        )
        self.sent_at.append(self._clock.monotonic())
        if chance.random() < self._refuses:
            await self._clock.sleep(chance.choice((0.01, 0.15, 3)))
            permit.refused([self._nonsense() for _ in range(chance.randint(0, 3))])
            return False
        await self._clock.sleep(chance.choice((0.05, 1, 4, 20)))
        signals = [self._nonsense()] if self._announces_nonsense else []
        permit.accepted(signals, tokens_used=(10, chance.choice((0, 1, 500, 50_000))))
        return True

    def _nonsense(self) -> RateSignal:
        chance = self._chance
        waits = chance.random() < self._asks_to_wait
        odd = self._announces_nonsense
        return RateSignal(
            meter=chance.choice(METERS),
            scope=chance.choice(("key", "model", None)),
            limit_per_minute=chance.choice(ODD) if odd else None,
            remaining=chance.choice((*ODD, 0.3)) if odd else 0,
            reset_seconds=chance.choice(ODD) if odd else None,
            retry_after_seconds=chance.choice((0.5, 5, 60, 3600, 3e7, *ODD)) if waits else None,
        )


def survive(seed: int, models: int) -> None:
    """Work against such a provider; fail where an estimate is none, or a pause too long."""
    clock, chance = VirtualClock(), Random(seed)
    provider, changes = HostileProvider(chance, clock), list[RateChange]()
    limiter = AdaptiveRateLimiter(clock, on_change=changes.append)
    scopes = [RateScope(key=KEY, model=f"model-{number}") for number in range(models)]

    async def work(scope: RateScope) -> None:
        urgent = False
        while clock.monotonic() < HOSTILE_SECONDS:
            urgent = not await provider.request(limiter, scope, urgent=urgent)

    async def program() -> None:
        async with asyncio.TaskGroup() as group:
            for scope in scopes:
                limiter.register(scope, slots=20)
                for _ in range(20):
                    group.create_task(work(scope))

    clock.run(program())
    for change in changes:
        assert change.to_per_minute is None or 0.5 < change.to_per_minute < 1e10, change
    for scope in scopes:
        rates = limiter.known_limits(scope).values()
        assert all(0.5 < rate < 1e10 for rate in rates), list(rates)
    pauses = [b - a for a, b in zip(provider.sent_at, provider.sent_at[1:], strict=False)]
    assert max(pauses) < 200, max(pauses)


@pytest.mark.slow
@pytest.mark.parametrize("models", [1, 3])
@pytest.mark.parametrize("first", few(range(0, 100, 25), 1))
def test_nonsense_neither_kills_nor_silences(first: int, models: int) -> None:
    for seed in range(first, first + 25):
        survive(seed, models)


@pytest.mark.slow
@pytest.mark.parametrize("models", [1, 3])
@pytest.mark.parametrize("first", range(100, 2100, 250))
def test_nor_do_thousands_of_kinds_of_it(first: int, models: int) -> None:
    for seed in range(first, first + 250):
        survive(seed, models)
