"""What the rate limiter promises when anything may happen to any request."""

import asyncio
from random import Random

import pytest

from config.rate_signal import RateSignal
from runners.rate_limiter import AdaptiveRateLimiter, Permit, RateScope
from tests.support.simulated_provider import HiddenLimit
from tests.support.slow import few
from tests.support.virtual_clock import VirtualClock

KEY = "openai@api.test#0011aabb"
TROUBLED_SECONDS = 600.0


class FaultyProvider:
    """Limits of one key or of each model, met by requests that are lost, late or cancelled."""

    def __init__(self, chance: Random, clock: VirtualClock) -> None:
        self.chance, self.clock = chance, clock
        self.bound = chance.choice((None, None, None, 60.0, 300.0))
        self.scopes = [
            RateScope(key=KEY, model=f"model-{number}", requests_per_minute=self.bound)
            for number in range(chance.choice((1, 2, 3, 4, 4)))
        ]
        own = [HiddenLimit("bucket 1 s", chance.choice((60, 120, 300))) for _ in self.scopes]
        self.limits = own if chance.random() < 0.5 else own[:1] * len(own)
        self.is_odd = chance.random() < 0.5
        self.sent: list[tuple[float, RateScope]] = []
        self.tried = 0

    async def request(self, limiter: AdaptiveRateLimiter, scope: RateScope) -> None:
        urgent = self.chance.random() < 0.1
        permit = await limiter.acquire(scope, input_tokens=10, urgent=urgent)
        now = self.clock.monotonic()
        self.tried += permit.trial is not None
        self.sent.append((now, scope))
        limit = self.limits[self.scopes.index(scope)]
        let_in = limit.would_take(now, 1)
        if let_in:
            limit.take(1)
        try:
            await self.clock.sleep(self.chance.choice((0.05, 1, 4, 20, 90)) if let_in else 0.15)
        except asyncio.CancelledError:
            permit.released()
            raise
        self._report(permit, let_in)

    def _report(self, permit: Permit, let_in: bool) -> None:
        what = self.chance.random() if self.clock.monotonic() < TROUBLED_SECONDS else 1.0
        if what < 0.03:
            permit.overloaded()
        elif what < 0.05:
            permit.released()
        elif what < 0.06 and self.is_odd:
            permit.refused([self._odd_refusal()])
        elif not let_in:
            permit.refused([])
        else:
            permit.accepted([], tokens_used=(10, self.chance.randint(0, 500)))

    def _odd_refusal(self) -> RateSignal:
        return RateSignal(
            meter=self.chance.choice(("requests", "tokens", "concurrency", "input_tokens")),
            scope=self.chance.choice(("key", "model", None)),
            retry_after_seconds=self.chance.choice((None, 3.0, 30.0)),
        )


def survive(seed: int) -> FaultyProvider:
    """Send 600 requests through trouble; fail where one waits for ever or a count is left over."""
    clock = VirtualClock()
    provider = FaultyProvider(Random(seed), clock)
    limiter = AdaptiveRateLimiter(clock)

    async def program() -> None:
        chance = provider.chance
        for scope in provider.scopes:
            limiter.register(scope, slots=chance.choice((1, 5, 60)))
        pauses = chance.choice(((0, 0, 0, 0.01, 0.3), (0.05, 0.1, 0.3, 0.5)))
        tasks: list[asyncio.Task[None]] = []
        for _ in range(600):
            scope = chance.choice(provider.scopes)
            tasks.append(asyncio.create_task(provider.request(limiter, scope)))
            await clock.sleep(chance.choice(pauses))
            if chance.random() < 0.05:
                chance.choice(tasks).cancel()
        async with asyncio.timeout(86_400):
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)]
        for scope in provider.scopes:
            status = limiter.status(scope)
            assert (status.in_use, status.waiting) == (0, 0)

    clock.run(program())
    return provider


@pytest.mark.slow
@pytest.mark.parametrize("seed", few(range(30), 10))
def test_whatever_happens_nobody_waits_for_ever_nothing_leaks_and_bounds_hold(seed: int) -> None:
    provider = survive(seed)

    assert len(provider.sent) > 400
    if provider.bound is not None:
        # A trial sends at most seven requests in one instant, and pays for them with a pause.
        most = provider.bound + 7
        for scope in provider.scopes:
            times = [at for at, of in provider.sent if of is scope]
            assert all(sum(at <= other < at + 60 for other in times) <= most for at in times)


@pytest.mark.slow
def test_the_faults_hit_the_trials_of_what_models_share() -> None:
    assert sum(survive(seed).tried for seed in range(10)) > 20
