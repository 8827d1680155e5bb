"""Providers that exist in virtual time only: hidden limits, latency, headers, refusals."""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Literal

from config.clock import Clock
from config.rate_signal import LimitScope, Meter, RateSignal

LimitKind = Literal["bucket 1 s", "bucket 60 s", "fixed minute", "sliding minute"]
LIMIT_KINDS: tuple[LimitKind, ...] = (
    "bucket 1 s",
    "bucket 60 s",
    "fixed minute",
    "sliding minute",
)
REFUSAL_SECONDS = 0.15
WINDOW_SECONDS = 60.0


@dataclass(slots=True)
class HiddenLimit:
    """One limit of a provider, enforced in one of four ways.

    largest: the largest single amount, which every bucket can hold.
    phase_seconds: where the fixed minute starts.
    """

    kind: LimitKind
    per_minute: float
    counts_refused: bool = False
    largest: float = 1.0
    phase_seconds: float = 0.0
    meter: Meter = "requests"
    scope: LimitScope | None = None
    _level: float = field(default=math.inf, init=False)
    _at: float = field(default=0.0, init=False)
    _window: deque[tuple[float, float]] = field(default_factory=deque, init=False)
    _used: float = field(default=0.0, init=False)

    def would_take(self, now: float, amount: float) -> bool:
        """Return whether there is room for the amount now."""
        self._roll(now)
        return self._room() >= amount - 1e-9

    def take(self, amount: float) -> None:
        """Count an amount, admitted or not; after would_take."""
        self._level = max(self._level - amount, -self._capacity())
        self._used += amount
        if self.kind == "sliding minute":
            self._window.append((self._at, amount))

    def signal(self) -> RateSignal:
        """Return what the provider's headers say about this limit; after would_take."""
        room = max(0.0, self._room())
        return RateSignal(
            meter=self.meter,
            scope=self.scope,
            limit_per_minute=self.per_minute,
            remaining=math.floor(room),
            reset_seconds=self._whole_again(room),
        )

    def _capacity(self) -> float:
        seconds = 1.0 if self.kind == "bucket 1 s" else WINDOW_SECONDS
        return max(self.largest, self.per_minute / 60 * seconds)

    def _room(self) -> float:
        if self.kind in ("bucket 1 s", "bucket 60 s"):
            return self._level
        return self.per_minute - self._used

    def _whole_again(self, room: float) -> float:
        if self.kind == "fixed minute":
            return WINDOW_SECONDS - (self._at + self.phase_seconds) % WINDOW_SECONDS
        if self.kind == "sliding minute":
            return WINDOW_SECONDS - (self._at - self._window[0][0]) if self._window else 0.0
        return (self._capacity() - room) / (self.per_minute / 60)

    def _roll(self, now: float) -> None:
        gained = (now - self._at) * self.per_minute / 60
        self._level = min(self._level + gained, self._capacity())
        if self.kind == "fixed minute" and self._minute(now) != self._minute(self._at):
            self._used = 0.0
        while self._window and self._window[0][0] <= now - WINDOW_SECONDS:
            self._used -= self._window.popleft()[1]
        self._at = now

    def _minute(self, now: float) -> float:
        return (now + self.phase_seconds) // WINDOW_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One reply: admitted with its usage, or refused; with what it says about limits."""

    admitted: bool
    signals: Sequence[RateSignal] = ()
    input_tokens: int = 0
    output_tokens: int = 0


@dataclass(slots=True, kw_only=True)
class SimulatedProvider:
    """Answers after a lognormal latency, or refuses at once when a limit is reached.

    Input tokens count when a request is let in, output tokens when they are there, so that a
    token limit may be overdrawn: nobody knows the output before.
    limits: by model; limits that models share are in several lists.
    names_meter: a refusal says which meter it is about.
    retry_after_seconds: what a refusal asks for; None: nothing.
    network_seconds: how long a request may be on its way, so that later ones arrive before it.
    outages: (from second, to second) in which everything is refused, in the same words.
    most_in_flight: how many calls it works on at a time, and what its refusals are then about.
    """

    clock: Clock
    chance: Random
    limits: dict[str, list[HiddenLimit]]
    headers: bool = False
    names_meter: bool = False
    retry_after_seconds: float | None = None
    latency_seconds: float = 4.0
    latency_spread: float = 0.5
    output_tokens: float = 400.0
    output_spread: float = 0.5
    network_seconds: float = 0.0
    outages: Sequence[tuple[float, float]] = ()
    most_in_flight: int | None = None
    _in_flight: int = field(default=0, init=False)

    async def reply(self, model: str, input_tokens: int) -> Reply:
        """Return the reply to one request, after the time that it takes."""
        if self.network_seconds:
            await self.clock.sleep(self.chance.uniform(0, self.network_seconds))
        is_full = self.most_in_flight is not None and self._in_flight >= self.most_in_flight
        if is_full or self._is_out():
            await self.clock.sleep(REFUSAL_SECONDS)
            meter: Meter | None = None if self.most_in_flight is None else "concurrency"
            return Reply(admitted=False, signals=[RateSignal(meter=meter)])
        limits = self.limits[model]
        full = self._full(limits, input_tokens)
        for limit in limits:
            if full is None or limit.counts_refused:
                limit.take(_amount(limit, input_tokens))
        signals = [limit.signal() for limit in limits] if self.headers else []
        if full is not None:
            await self.clock.sleep(REFUSAL_SECONDS)
            return Reply(admitted=False, signals=[*signals, self._refusal(full)])
        self._in_flight += 1
        await self.clock.sleep(
            self.latency_seconds * self.chance.lognormvariate(0, self.latency_spread)
        )
        self._in_flight -= 1
        output = round(self.output_tokens * self.chance.lognormvariate(0, self.output_spread))
        for limit in limits:
            if limit.meter == "tokens":
                limit.would_take(self.clock.monotonic(), output)
                limit.take(output)
        return Reply(
            admitted=True, signals=signals, input_tokens=input_tokens, output_tokens=output
        )

    def _is_out(self) -> bool:
        now = self.clock.monotonic()
        return any(start <= now < end for start, end in self.outages)

    def _full(self, limits: list[HiddenLimit], input_tokens: int) -> HiddenLimit | None:
        now = self.clock.monotonic()
        room = [limit.would_take(now, _amount(limit, input_tokens)) for limit in limits]
        return limits[room.index(False)] if False in room else None

    def _refusal(self, limit: HiddenLimit) -> RateSignal:
        return RateSignal(
            meter=limit.meter if self.names_meter else None,
            scope=limit.scope if self.names_meter else None,
            retry_after_seconds=self.retry_after_seconds,
        )


def _amount(limit: HiddenLimit, input_tokens: int) -> float:
    return 1.0 if limit.meter == "requests" else float(input_tokens)
