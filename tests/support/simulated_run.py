"""One run against a simulated provider, in virtual time, and how it went."""

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from runners.rate_limiter import AdaptiveRateLimiter, RateChange, RateScope
from tests.support.simulated_provider import HiddenLimit, LimitKind, SimulatedProvider
from tests.support.virtual_clock import VirtualClock

KEY = "simulated@provider.test#1a2b3c4d"
INPUT_TOKENS = 600
INPUT_SPREAD = 0.3
OUTPUT_TOKENS = 400
TOKENS_PER_REQUEST = 1080.0
"""What the two spreads make of them on average."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What is simulated.

    per_minute: requests the server permits; tokens_per_minute: tokens, None for no such limit.
    slots: workers of each model; None for twice what the limit needs.
    changes: (at second, factor) of the limits.
    shares_key: the models share one limit, else each has its own, of by_model_per_minute where
        that is given.
    outages: (from second, to second) in which everything is refused.
    most_in_flight: how many calls the server works on at a time, None for no such limit.
    tasks: how many there are; None for as many as the time takes.
    """

    kind: LimitKind = "bucket 1 s"
    per_minute: float = 500.0
    minutes: float = 30.0
    seed: int = 1
    headers: bool = False
    counts_refused: bool = False
    names_meter: bool = False
    tokens_per_minute: float | None = None
    models: int = 1
    shares_key: bool = False
    by_model_per_minute: Sequence[float] = ()
    slots: int | None = None
    tasks: int | None = None
    latency_seconds: float = 4.0
    latency_spread: float = 0.5
    network_seconds: float = 0.0
    changes: Sequence[tuple[float, float]] = ()
    outages: Sequence[tuple[float, float]] = ()
    most_in_flight: int | None = None
    requests_per_minute: float | None = None
    snapshot: Mapping[str, object] | None = None

    def worker_count(self) -> int:
        """Return how many workers each model has."""
        if self.slots is not None:
            return self.slots
        highest = self.per_minute * max([1.0, *(factor for _, factor in self.changes)])
        return max(16, math.ceil(2.3 * highest / 60 * self.latency_seconds))


@dataclass(slots=True)
class Outcome:
    """What the provider saw, second by second, over all models."""

    scenario: Scenario
    admitted: list[int] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    by_model: dict[str, int] = field(default_factory=dict)
    changes: list[RateChange] = field(default_factory=list)
    last_admitted_at: float = 0.0
    snapshot: dict[str, object] = field(default_factory=dict)

    def permitted_per_second(self) -> float:
        """Return what the provider permitted in all, before any change."""
        scenario = self.scenario
        if scenario.by_model_per_minute:
            return sum(scenario.by_model_per_minute) / 60
        shares = 1 if scenario.shares_key else scenario.models
        return shares * scenario.per_minute / 60

    def use(self, start: float, end: float, factor: float = 1.0) -> float:
        """Return the share of what was permitted that was used, between two seconds."""
        seconds = slice(int(start), int(end))
        if self.scenario.tokens_per_minute is not None:
            permitted = factor * self.scenario.tokens_per_minute / 60 * (end - start)
            return sum(self.tokens[seconds]) / permitted
        permitted = factor * self.permitted_per_second() * (end - start)
        return sum(self.admitted[seconds]) / permitted

    def refused_share(self, start: float, end: float) -> float:
        """Return the share of tries that were refused, between two seconds."""
        seconds = slice(int(start), int(end))
        refused = sum(self.refused[seconds])
        return refused / max(1, refused + sum(self.admitted[seconds]))

    def converged_minute(self) -> float:
        """Return the first of three minutes with 95 % use and 2 % refusals, or infinity."""
        minutes = int(self.scenario.minutes)
        good = [self._is_good(60 * minute) for minute in range(minutes)]
        runs = (m for m in range(minutes - 2) if all(good[m : m + 3]))
        return next(runs, math.inf)

    def _is_good(self, start: int) -> bool:
        end = start + 60
        return self.use(start, end) >= 0.95 and self.refused_share(start, end) <= 0.02


@dataclass(slots=True)
class _Run:
    scenario: Scenario
    clock: VirtualClock
    chance: Random
    provider: SimulatedProvider
    limiter: AdaptiveRateLimiter
    outcome: Outcome
    tasks_left: float

    async def all_workers(self) -> None:
        scenario = self.scenario
        async with asyncio.TaskGroup() as group:
            for model in self.provider.limits:
                scope = RateScope(
                    key=KEY,
                    model=model,
                    requests_per_minute=scenario.requests_per_minute,
                    announces_limits=scenario.headers,
                )
                slots = scenario.worker_count()
                self.limiter.register(scope, slots=slots)
                self.outcome.by_model[model] = 0
                for _ in range(slots):
                    group.create_task(self._worker(scope))
            for at, factor in scenario.changes:
                group.create_task(self._change(at, factor))

    async def _worker(self, scope: RateScope) -> None:
        while self.clock.monotonic() < 60 * self.scenario.minutes and self.tasks_left > 0:
            self.tasks_left -= 1
            await self._task(scope)

    async def _task(self, scope: RateScope) -> None:
        tokens = round(INPUT_TOKENS * self.chance.lognormvariate(0, INPUT_SPREAD))
        urgent = False
        while True:
            permit = await self.limiter.acquire(scope, input_tokens=tokens, urgent=urgent)
            sent_at = self.clock.monotonic()
            reply = await self.provider.reply(scope.model, tokens)
            used = (reply.input_tokens, reply.output_tokens)
            if reply.admitted:
                self._count(scope.model, sent_at, sum(used))
                permit.accepted(reply.signals, tokens_used=used)
                return
            self.outcome.refused[int(sent_at)] += 1
            permit.refused(reply.signals)
            urgent = True

    def _count(self, model: str, sent_at: float, tokens: int) -> None:
        outcome = self.outcome
        outcome.admitted[int(sent_at)] += 1
        outcome.tokens[int(sent_at)] += tokens
        outcome.by_model[model] += 1
        outcome.last_admitted_at = max(outcome.last_admitted_at, sent_at)

    async def _change(self, at: float, factor: float) -> None:
        await self.clock.sleep(at)
        for limits in self.provider.limits.values():
            for limit in limits:
                limit.per_minute *= factor


def simulate(scenario: Scenario) -> Outcome:
    """Return how a run of the limiter against the scenario's provider went."""
    clock, chance = VirtualClock(), Random(scenario.seed)
    outcome = Outcome(scenario)
    seconds = int(60 * scenario.minutes) + 600
    outcome.admitted, outcome.refused, outcome.tokens = ([0] * seconds for _ in range(3))
    provider = SimulatedProvider(
        clock=clock,
        chance=chance,
        limits=_limits(scenario, chance),
        headers=scenario.headers,
        names_meter=scenario.names_meter,
        latency_seconds=scenario.latency_seconds,
        latency_spread=scenario.latency_spread,
        output_tokens=OUTPUT_TOKENS,
        network_seconds=scenario.network_seconds,
        outages=scenario.outages,
        most_in_flight=scenario.most_in_flight,
    )
    limiter = AdaptiveRateLimiter(clock, on_change=outcome.changes.append)
    limiter.restore(scenario.snapshot)
    tasks = math.inf if scenario.tasks is None else scenario.tasks
    run = _Run(scenario, clock, chance, provider, limiter, outcome, tasks)
    clock.run(run.all_workers())
    outcome.snapshot = limiter.snapshot()
    return outcome


def _limits(scenario: Scenario, chance: Random) -> dict[str, list[HiddenLimit]]:
    limits: dict[str, list[HiddenLimit]] = {}
    for index in range(scenario.models):
        if scenario.shares_key and limits:
            limits[f"model-{index}"] = limits["model-0"]
            continue
        own = scenario.by_model_per_minute
        requests = HiddenLimit(
            scenario.kind,
            own[index] if own else scenario.per_minute,
            counts_refused=scenario.counts_refused,
            phase_seconds=chance.uniform(0, 60),
        )
        limits[f"model-{index}"] = [requests]
        if scenario.tokens_per_minute is not None:
            tokens = replace(
                requests, per_minute=scenario.tokens_per_minute, meter="tokens", largest=4000.0
            )
            limits[f"model-{index}"].append(tokens)
    return limits
