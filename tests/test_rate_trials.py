"""What a trial of shared limits must never do: pass a wait, a block or a limit it is not about."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from config.rate_signal import RateSignal
from runners.rate_limiter import AdaptiveRateLimiter, Permit, RateScope
from tests.support.virtual_clock import VirtualClock

KEY = "openai@api.test#0011aabb"
A, B, C = (RateScope(key=KEY, model=name) for name in ("model-a", "model-b", "model-c"))
SHARED = {
    "version": 1,
    "keys": {KEY: {"meters": {"requests": {"per_minute": 600, "refused_per_minute": 600}}}},
}
WAIT = RateSignal(retry_after_seconds=30)

Program = Callable[[VirtualClock, AdaptiveRateLimiter], Coroutine[Any, Any, None]]


def run(program: Program) -> None:
    """Run a program in virtual time, with a limit of 600 a minute known of the key."""
    clock = VirtualClock()
    limiter = AdaptiveRateLimiter(clock)
    limiter.restore(SHARED)
    for scope in (A, B, C):
        limiter.register(scope, slots=20)
    clock.run(program(clock, limiter))


async def out(limiter: AdaptiveRateLimiter, scope: RateScope, count: int) -> list[Permit]:
    return [await limiter.acquire(scope, input_tokens=10) for _ in range(count)]


async def leaving(
    clock: VirtualClock, limiter: AdaptiveRateLimiter, scopes: Sequence[RateScope], seconds: float
) -> list[Permit]:
    """Return the permits of those that leave within so many seconds."""
    tasks = [asyncio.create_task(limiter.acquire(scope, input_tokens=10)) for scope in scopes]
    await clock.sleep(seconds)
    left = [task.result() for task in tasks if task.done()]
    for task in tasks:
        task.cancel()
    return left


def test_a_trial_leaves_after_a_refusal_that_names_nothing() -> None:
    async def program(clock: VirtualClock, limiter: AdaptiveRateLimiter) -> None:
        first = await out(limiter, A, 3)
        await out(limiter, B, 2)
        first[0].refused([])
        left = await leaving(clock, limiter, [A] * 4 + [B] * 4, 0.2)
        assert {permit.traffic.model for permit in left if permit.trial} == {"model-a", "model-b"}

    run(program)


@pytest.mark.parametrize(
    "named", [WAIT, RateSignal(meter="requests", scope="key", retry_after_seconds=30)]
)
def test_a_trial_waits_as_long_as_the_provider_asks_in_a_later_refusal(named: RateSignal) -> None:
    async def program(clock: VirtualClock, limiter: AdaptiveRateLimiter) -> None:
        first, other = await out(limiter, A, 3), await out(limiter, B, 2)
        first[0].refused([])
        (first[1] if named is WAIT else other[0]).refused([named])
        assert not await leaving(clock, limiter, [A] * 4 + [B] * 4, 29)

    run(program)


def test_a_trial_that_never_left_is_not_made_up_for_in_a_later_wait() -> None:
    async def program(clock: VirtualClock, limiter: AdaptiveRateLimiter) -> None:
        other, first = await out(limiter, B, 1), await out(limiter, A, 2)
        first[0].refused([])
        for permit in (first[1], *other, *await out(limiter, A, 3)):
            permit.accepted([], tokens_used=(10, 10))
        await clock.sleep(3000)
        (await out(limiter, A, 1))[0].refused([WAIT])
        assert not await leaving(clock, limiter, [A] * 4 + [B] * 4, 29)

    run(program)


def test_a_wait_that_was_asked_for_outlives_the_discovery_that_limits_are_the_models_own() -> None:
    async def program(clock: VirtualClock, limiter: AdaptiveRateLimiter) -> None:
        held = [*await out(limiter, C, 1), *await out(limiter, B, 1)]
        asked = RateSignal(meter="requests", scope="model", retry_after_seconds=120)
        held[0].refused([asked])

        async def work(scope: RateScope) -> None:
            while True:
                permit = await limiter.acquire(scope, input_tokens=10)
                await clock.sleep(0.1)
                if scope is A:
                    permit.refused([])
                else:
                    permit.accepted([], tokens_used=(10, 10))

        workers = [asyncio.create_task(work(scope)) for scope in (A, A, A, B, B, B)]
        assert not await leaving(clock, limiter, [C] * 3, 119)
        assert limiter.known_key_limits(A) == {}
        for worker in workers:
            worker.cancel()

    run(program)


def test_a_wait_of_one_model_outlives_a_refusal_of_another() -> None:
    async def program(clock: VirtualClock) -> None:
        limiter = AdaptiveRateLimiter(clock)
        other, first = await out(limiter, B, 1), await out(limiter, A, 1)
        other[0].refused([WAIT])
        first[0].refused([])
        assert not await leaving(clock, limiter, [B] * 2, 29)

    clock = VirtualClock()
    clock.run(program(clock))


def test_a_trial_does_not_pass_a_limit_on_calls_in_flight() -> None:
    async def program(clock: VirtualClock, limiter: AdaptiveRateLimiter) -> None:
        first = await out(limiter, A, 4)
        await out(limiter, B, 3)
        await clock.sleep(0.05)
        first[0].refused([])
        first[1].refused([RateSignal(meter="concurrency", scope="model")])
        first[2].accepted([], tokens_used=(10, 10))
        await leaving(clock, limiter, [A] * 4 + [B] * 4, 0.1)
        assert limiter.status(A).in_use <= 2

    run(program)


def test_a_trial_does_not_pass_the_block_of_another_meter() -> None:
    async def program(clock: VirtualClock, limiter: AdaptiveRateLimiter) -> None:
        first = await out(limiter, A, 5)
        await out(limiter, B, 3)
        first[1].refused([RateSignal(meter="tokens", scope="key")])
        until = limiter.status(A).blocked_until
        assert until is not None
        await clock.sleep(until - clock.monotonic() - 0.01)
        first[0].refused([])
        left = await leaving(clock, limiter, [A] * 4 + [B] * 4, 0.08)
        assert not [permit for permit in left if permit.trial]

    run(program)
