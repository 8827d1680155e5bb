"""What the rate limiter promises to those who send, whatever the provider does."""

import asyncio
import json
import math
from collections.abc import Callable, Coroutine
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from config.rate_signal import Meter, RateSignal
from runners.rate_limiter import AdaptiveRateLimiter, Permit, RateChange, RateScope
from tests.support.simulated_run import Scenario, simulate
from tests.support.virtual_clock import VirtualClock

KEY = "openai@api.test#0011aabb"
A = RateScope(key=KEY, model="model-a")
B = RateScope(key=KEY, model="model-b")

Program = Callable[[VirtualClock, AdaptiveRateLimiter], Coroutine[Any, Any, None]]


def run(program: Program) -> list[RateChange]:
    """Run a program in virtual time; return the changes that the limiter logged."""
    clock, changes = VirtualClock(), list[RateChange]()
    limiter = AdaptiveRateLimiter(clock, on_change=changes.append)
    clock.run(program(clock, limiter))
    return changes


def accept(permit: Permit, *signals: RateSignal) -> None:
    permit.accepted(signals, tokens_used=(10, 10))


async def send_in_a_row(limiter: AdaptiveRateLimiter, scope: RateScope, count: int) -> None:
    for _ in range(count):
        accept(await limiter.acquire(scope, input_tokens=10))


@pytest.mark.parametrize(
    "snapshot",
    [None, 7, [], {}, {"version": 99}, {"version": 1, "keys": 3}]
    + [
        {"version": 1, "keys": {KEY: {"models": {"model-a": {"meters": {"requests": bad}}}}}}
        for bad in (None, 1, *({"per_minute": n} for n in ("x", -1, math.nan, 1e-9, 3, 10**400)))
    ],
)
def test_a_snapshot_that_cannot_be_read_is_ignored(snapshot: object) -> None:
    async def program(clock: VirtualClock, limiter: AdaptiveRateLimiter) -> None:
        limiter.restore(snapshot)
        limiter.register(A, slots=4)
        await send_in_a_row(limiter, A, 3)
        assert limiter.status(A).rate_per_minute is None

    run(program)


def test_of_a_snapshot_that_was_not_used_only_what_can_be_meant_is_kept() -> None:
    good = {"per_minute": 500.0, "refused_per_minute": 505.0}
    meters = {"requests": good, "tokens": {"per_minute": 0.1}, "output_tokens": "x", "odd": good}
    other = {"key": {"meters": meters, "models": {"m": {"meters": meters}}, "learned_at": 1.0}}

    async def program(clock: VirtualClock, limiter: AdaptiveRateLimiter) -> None:
        limiter.restore({"version": 1, "keys": other})
        kept = json.loads(json.dumps(limiter.snapshot()))["keys"]["key"]
        assert kept["meters"] == kept["models"]["m"]["meters"] == {"requests": good}

    run(program)


def test_a_limit_on_calls_in_flight_of_an_earlier_run_is_outgrown() -> None:
    learned = {KEY: {"models": {A.model: {"meters": {}, "in_flight": 1}}}}

    async def program(clock: VirtualClock, limiter: AdaptiveRateLimiter) -> None:
        limiter.restore({"version": 1, "keys": learned})
        limiter.register(A, slots=40)

        async def work() -> None:
            while clock.monotonic() < 120:
                permit = await limiter.acquire(A, input_tokens=10)
                await clock.sleep(4)
                accept(permit)

        async with asyncio.TaskGroup() as group:
            for _ in range(40):
                group.create_task(work())
            await clock.sleep(100)
            assert limiter.status(A).in_use == 40

    run(program)


def test_a_snapshot_keeps_scopes_that_this_run_did_not_use() -> None:
    first = simulate(Scenario(minutes=2)).snapshot

    async def program(clock: VirtualClock, limiter: AdaptiveRateLimiter) -> None:
        limiter.restore(first)
        await send_in_a_row(limiter, A, 1)
        kept = json.loads(json.dumps(limiter.snapshot()))
        assert set(kept["keys"]) == {KEY, "simulated@provider.test#1a2b3c4d"}
        old = json.loads(json.dumps(first))["keys"]["simulated@provider.test#1a2b3c4d"]
        assert kept["keys"]["simulated@provider.test#1a2b3c4d"] == old

    run(program)


def test_retry_after_is_the_least_wait() -> None:
    async def program(clock: VirtualClock, limiter: AdaptiveRateLimiter) -> None:
        permit = await limiter.acquire(A, input_tokens=10)
        permit.refused([RateSignal(retry_after_seconds=37)])
        status = limiter.status(A)
        assert status.blocked_until == 37
        assert status.reason == "refused: waiting"
        accept(await limiter.acquire(A, input_tokens=10, urgent=True))
        assert clock.monotonic() >= 37
        assert limiter.status(A).blocked_until is None

    changes = run(program)

    assert [change.state for change in changes] == ["blocked", "learning"]
    assert all(change.reason and change.scope == f"{KEY} model-a requests" for change in changes)


def test_a_late_refusal_does_not_stop_what_a_probe_has_freed() -> None:
    async def program(clock: VirtualClock, limiter: AdaptiveRateLimiter) -> None:
        limiter.register(A, slots=20)
        first, late = [await limiter.acquire(A, input_tokens=10) for _ in range(2)]
        first.refused([RateSignal(retry_after_seconds=20)])
        accept(await limiter.acquire(A, input_tokens=10))
        late.refused([RateSignal(retry_after_seconds=3600)])
        await send_in_a_row(limiter, A, 3)
        assert clock.monotonic() < 30

    run(program)


def test_while_refused_only_one_probe_is_out_at_a_time() -> None:
    async def program(clock: VirtualClock, limiter: AdaptiveRateLimiter) -> None:
        limiter.register(A, slots=50)
        sent: list[float] = []

        async def try_for_a_minute() -> None:
            while clock.monotonic() < 60:
                permit = await limiter.acquire(A, input_tokens=10, urgent=True)
                sent.append(clock.monotonic())
                await clock.sleep(0.2)
                permit.refused([])

        async with asyncio.TaskGroup() as group:
            for _ in range(50):
                group.create_task(try_for_a_minute())
        probes = [at for at in sent if 1 < at < 60]
        assert 3 <= len(probes) <= 15
        assert all(b - a > 0.2 for a, b in pairwise(probes))

    run(program)


@pytest.mark.parametrize("limit", [1e-4, 0.9, 1e300])
@pytest.mark.parametrize("meter", ["requests", "tokens"])
def test_a_limit_that_nobody_can_mean_is_ignored_and_said_once(limit: float, meter: Meter) -> None:
    async def program(clock: VirtualClock, limiter: AdaptiveRateLimiter) -> None:
        limiter.register(A, slots=50)
        signal = RateSignal(meter=meter, limit_per_minute=limit, remaining=0, reset_seconds=60)
        for _ in range(50):
            accept(await limiter.acquire(A, input_tokens=10), signal)
        assert clock.monotonic() < 5
        assert limiter.status(A).rate_per_minute is None
        meters = json.loads(json.dumps(limiter.snapshot()))["keys"][KEY]["models"][A.model][
            "meters"
        ]
        assert meters == {}

    changes = run(program)

    assert [change.reason.split(":")[0] for change in changes] == ["ignored"]


def test_no_pause_is_long_however_much_a_reply_says_it_cost() -> None:
    async def program(clock: VirtualClock, limiter: AdaptiveRateLimiter) -> None:
        signal = RateSignal(meter="tokens", limit_per_minute=60_000)
        permit = await limiter.acquire(A, input_tokens=10)
        permit.accepted([signal], tokens_used=(10, 1_000_000_000))
        for pauses in range(1, 4):
            accept(await limiter.acquire(A, input_tokens=10))
            assert clock.monotonic() <= 120 * pauses

    run(program)


@pytest.mark.parametrize("limit", [-1, 0, math.inf, math.nan])
def test_a_limit_that_is_none_is_not_taken_for_one(limit: float) -> None:
    async def program(clock: VirtualClock, limiter: AdaptiveRateLimiter) -> None:
        permit = await limiter.acquire(A, input_tokens=10)
        accept(permit, RateSignal(meter="requests", limit_per_minute=limit, remaining=0))
        assert limiter.status(A).rate_per_minute is None

    assert run(program) == []


def test_an_announced_limit_is_taken_up_at_once_and_again_when_it_changes() -> None:
    async def program(clock: VirtualClock, limiter: AdaptiveRateLimiter) -> None:
        for limit in (600, 600, 1200):
            signal = RateSignal(meter="requests", scope="key", limit_per_minute=limit)
            accept(await limiter.acquire(A, input_tokens=10), signal)
            assert limiter.status(B).rate_per_minute == pytest.approx(0.99 * limit)

    changes = run(program)

    assert [change.to_per_minute for change in changes] == pytest.approx([594, 1188])
    assert {change.state for change in changes} == {"announced"}


def test_what_others_leave_of_a_window_is_stretched_over_it() -> None:
    async def program(clock: VirtualClock, limiter: AdaptiveRateLimiter) -> None:
        signal = RateSignal(
            meter="requests", limit_per_minute=600, remaining=10, reset_seconds=20.0
        )
        accept(await limiter.acquire(A, input_tokens=10), signal)
        assert limiter.status(A).rate_per_minute == pytest.approx(27)
        await clock.sleep(21)
        await send_in_a_row(limiter, A, 1)
        assert limiter.status(A).rate_per_minute == pytest.approx(594)

    run(program)


def test_a_refusal_is_charged_to_the_scope_and_meter_that_it_names() -> None:
    async def program(clock: VirtualClock, limiter: AdaptiveRateLimiter) -> None:
        for signal, blocks_b in (
            (RateSignal(meter="tokens", scope="key", retry_after_seconds=5), True),
            (RateSignal(meter="input_tokens", scope="model", retry_after_seconds=5), False),
            (RateSignal(retry_after_seconds=5), False),
        ):
            permit = await limiter.acquire(A, input_tokens=10)
            permit.refused([signal])
            assert (limiter.status(B).blocked_until is not None) is blocks_b
            assert limiter.status(A).blocked_until is not None
            await clock.sleep(30)
            accept(await limiter.acquire(A, input_tokens=10))

    changes = run(program)

    blocked = [change.scope for change in changes if change.state == "blocked"]
    assert blocked == [f"{KEY} tokens", f"{KEY} model-a input_tokens", f"{KEY} model-a requests"]


def test_overload_and_failures_never_lower_a_rate() -> None:
    async def program(clock: VirtualClock, limiter: AdaptiveRateLimiter) -> None:
        signal = RateSignal(meter="requests", limit_per_minute=600)
        accept(await limiter.acquire(A, input_tokens=10), signal)
        for _ in range(50):
            (await limiter.acquire(A, input_tokens=10)).overloaded()
            (await limiter.acquire(A, input_tokens=10)).released()
        assert limiter.status(A).rate_per_minute == pytest.approx(594)
        assert limiter.status(A).in_use == 0

    run(program)


def test_a_limit_on_calls_in_flight_is_learned_as_a_number_of_calls() -> None:
    chance = Random(3)
    in_flight, most, refusals = 0, 0, 0

    async def program(clock: VirtualClock, limiter: AdaptiveRateLimiter) -> None:
        limiter.register(A, slots=60)

        async def work() -> None:
            nonlocal in_flight, most, refusals
            while clock.monotonic() < 1200:
                permit = await limiter.acquire(A, input_tokens=10)
                if in_flight >= 25:
                    refusals += 1
                    await clock.sleep(0.1)
                    permit.refused([RateSignal(meter="concurrency")])
                    continue
                in_flight += 1
                most = max(most, in_flight)
                await clock.sleep(chance.uniform(2, 6))
                in_flight -= 1
                accept(permit)

        async with asyncio.TaskGroup() as group:
            for _ in range(60):
                group.create_task(work())
            await clock.sleep(1100)
            assert 22 <= limiter.status(A).suggested_slots <= 26
            assert limiter.status(A).rate_per_minute is None

    run(program)

    assert most == 25
    assert refusals <= 60


def test_auto_sizing_follows_the_rate_and_the_latency() -> None:
    async def program(clock: VirtualClock, limiter: AdaptiveRateLimiter) -> None:
        limiter.register(A, slots=8)
        assert limiter.status(A).suggested_slots == 16
        for _ in range(200):
            permit = await limiter.acquire(A, input_tokens=10)
            await clock.sleep(2)
            accept(permit, RateSignal(meter="requests", limit_per_minute=600))
        assert limiter.status(A).suggested_slots == pytest.approx(1.5 * 9.9 * 2, abs=2)

    run(program)


def test_a_model_that_is_refused_does_not_hold_up_another() -> None:
    async def program(clock: VirtualClock, limiter: AdaptiveRateLimiter) -> None:
        permit = await limiter.acquire(A, input_tokens=10)
        permit.refused([RateSignal(scope="model", retry_after_seconds=150)])
        waiting = asyncio.create_task(limiter.acquire(A, input_tokens=10))
        await asyncio.sleep(0)
        await send_in_a_row(limiter, B, 100)
        assert clock.monotonic() < 1
        accept(await waiting)
        assert clock.monotonic() >= 150

    run(program)


def test_urgent_requests_go_first_and_models_take_turns() -> None:
    bound = RateSignal(meter="requests", scope="key", limit_per_minute=60)
    order: list[str] = []

    async def program(clock: VirtualClock, limiter: AdaptiveRateLimiter) -> None:
        accept(await limiter.acquire(A, input_tokens=10), bound)

        async def one(name: str, scope: RateScope, *, urgent: bool) -> None:
            accept(await limiter.acquire(scope, input_tokens=10, urgent=urgent))
            order.append(name)

        async with asyncio.TaskGroup() as group:
            for name, scope, urgent in (
                ("a1", A, False),
                ("a2", A, False),
                ("a3", A, False),
                ("a-urgent", A, True),
                ("b1", B, False),
                ("b2", B, False),
            ):
                group.create_task(one(name, scope, urgent=urgent))

    run(program)

    assert order == ["a-urgent", "b1", "a1", "b2", "a2", "a3"]


def test_cancelling_anyone_at_any_moment_neither_blocks_nor_leaks() -> None:
    chance = Random(11)
    done = 0

    async def program(clock: VirtualClock, limiter: AdaptiveRateLimiter) -> None:
        accept(
            await limiter.acquire(A, input_tokens=10),
            RateSignal(meter="requests", scope="key", limit_per_minute=1200),
        )

        async def work(scope: RateScope) -> None:
            nonlocal done
            permit = await limiter.acquire(scope, input_tokens=10)
            try:
                await clock.sleep(chance.uniform(0, 0.2))
            except asyncio.CancelledError:
                permit.released()
                raise
            accept(permit)
            done += 1

        tasks = [asyncio.create_task(work(chance.choice((A, B)))) for _ in range(2000)]
        while not all(task.done() for task in tasks):
            chance.choice(tasks).cancel()
            await clock.sleep(chance.choice((0, 0, 0.01, 0.05, 0.1)))
        for scope in (A, B):
            assert limiter.status(scope).in_use == 0
            assert limiter.status(scope).waiting == 0
        await send_in_a_row(limiter, A, 20)

    run(program)

    assert 100 < done < 2000


@pytest.mark.parametrize("late", range(8, 12))
def test_late_refusals_may_take_back_all_that_was_counted(late: int) -> None:
    async def program(clock: VirtualClock, limiter: AdaptiveRateLimiter) -> None:
        limiter.register(A, slots=100)
        await clock.sleep(30)
        burst = [await limiter.acquire(A, input_tokens=10) for _ in range(70)]
        for first in (burst.pop(), None):
            (first or await limiter.acquire(A, input_tokens=10)).refused([])
            accept(await limiter.acquire(A, input_tokens=10, urgent=True))
        for permit in burst[:late]:
            permit.refused([])
        await send_in_a_row(limiter, A, 30)
        assert limiter.status(A).rate_per_minute

    run(program)


def test_a_permit_is_reported_on_exactly_once() -> None:
    async def program(clock: VirtualClock, limiter: AdaptiveRateLimiter) -> None:
        permit = await limiter.acquire(A, input_tokens=10)
        permit.released()
        with pytest.raises(RuntimeError, match="already"):
            permit.refused([])
        assert limiter.status(A).in_use == 0

    run(program)
