"""What a trial of shared limits must never do: pass a wait, a block or a limit it is not about."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from config.rate_signal import Meter, RateSignal
from runners.rate_limiter import AdaptiveRateLimiter, Permit, RateScope, RateStatus
from tests.support.simulated_provider import HiddenLimit
from tests.support.virtual_clock import VirtualClock

KEY = "openai@api.test#0011aabb"
A, B, C = (RateScope(key=KEY, model=name) for name in ("model-a", "model-b", "model-c"))
WAIT = RateSignal(retry_after_seconds=30)

Program = Callable[[VirtualClock, AdaptiveRateLimiter], Coroutine[Any, Any, None]]


def known(requests_of: Sequence[str | None], per_minute: float) -> object:
    """Return a snapshot in which these models, or the key (None), have a limit on requests."""
    learned = {"meters": {"requests": {"per_minute": per_minute, "refused_per_minute": per_minute}}}
    models = {name: learned for name in requests_of if name is not None}
    key = learned if None in requests_of else {}
    return {"version": 1, "keys": {KEY: {**key, "models": models}}}


def run(program: Program) -> None:
    """Run a program in virtual time, with a limit of 600 a minute known of the key."""
    clock = VirtualClock()
    limiter = AdaptiveRateLimiter(clock)
    limiter.restore(known([None], 600))
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


def test_refusals_by_different_limits_are_not_taken_for_one_of_the_key() -> None:
    async def program(clock: VirtualClock) -> None:
        limiter = AdaptiveRateLimiter(clock)
        for scope in (A, B, C):
            limiter.register(scope, slots=20)
        first, other = await out(limiter, A, 1), await out(limiter, B, 1)
        first[0].refused([RateSignal(meter="tokens", retry_after_seconds=0.5)])
        other[0].refused([])
        assert limiter.status(C).blocked_until is None

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


def fate_of_shared_limit(beliefs: object, witness: Callable[[Permit], None] | None) -> RateStatus:
    """Let A and B meet limits of 60 and 3,000 a minute for 20 minutes; B's trials end as said.

    Return how C, which sends nothing, stands: its rate is the key's, None where no limit is shared.
    """
    clock = VirtualClock()
    limiter = AdaptiveRateLimiter(clock)
    limiter.restore(beliefs)
    own = {A: HiddenLimit("bucket 1 s", 60), B: HiddenLimit("bucket 1 s", 3000)}

    async def work(scope: RateScope) -> None:
        urgent = False
        while True:
            permit = await limiter.acquire(scope, input_tokens=10, urgent=urgent)
            urgent = not own[scope].would_take(clock.monotonic(), 1)
            if not urgent:
                own[scope].take(1)
            witnesses = witness is not None and permit.trial is not None and scope is B
            await clock.sleep(0.15 if urgent or witnesses else 2)
            if witness is not None and witnesses:
                witness(permit)
            elif urgent:
                permit.refused([])
            else:
                permit.accepted([], tokens_used=(10, 10))

    async def program() -> None:
        for scope in (A, B, C):
            limiter.register(scope, slots=20)
        workers = [asyncio.create_task(work(scope)) for scope in 20 * (A, B)]
        await clock.sleep(1200)
        for worker in workers:
            worker.cancel()

    clock.run(program())
    return limiter.status(C)


def test_a_model_that_was_idle_when_limits_were_found_to_be_the_models_own_starts_freely() -> None:
    assert fate_of_shared_limit(known([None], 200), None).rate_per_minute is None


def test_a_witness_that_failed_does_not_show_that_limits_are_the_models_own() -> None:
    status = fate_of_shared_limit(known([None], 200), lambda permit: permit.overloaded())

    assert status.rate_per_minute is not None
    assert status.rate_per_minute > 1


@pytest.mark.slow
def test_a_witness_that_met_another_limit_does_not_show_that_one_is_shared() -> None:
    other = RateSignal(meter="tokens", scope="model", retry_after_seconds=0.1)
    beliefs = known(["model-a", "model-b"], 300)

    assert fate_of_shared_limit(beliefs, lambda b: b.refused([other])).rate_per_minute is None


@pytest.mark.parametrize("meter", ["tokens", "input_tokens", "output_tokens"])
def test_a_meter_first_heard_of_in_a_refusal_starts_from_what_was_sent(meter: Meter) -> None:
    async def program(clock: VirtualClock) -> None:
        limiter = AdaptiveRateLimiter(clock)
        limiter.register(A, slots=20)
        for number in range(200):
            permit = await limiter.acquire(A, input_tokens=1000)
            await clock.sleep(0.2)
            if number == 100:
                permit.refused([RateSignal(meter=meter, scope="model", retry_after_seconds=2)])
            else:
                permit.accepted([], tokens_used=(1000, 400))
        assert clock.monotonic() < 90

    clock = VirtualClock()
    clock.run(program(clock))
