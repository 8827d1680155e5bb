"""One API key's gate: lets waiting requests go, fairly between models, when every limit permits."""

import asyncio
import math
from collections.abc import Sequence

from config.clock import Clock
from config.rate_signal import Meter, RateSignal
from runners.fair_queue import FairQueue, Place
from runners.limit_level import Charge, LimitLevel
from runners.ramp import Ramp

SAME_INSTANT_SECONDS = 1e-6
KEY_SUSPICION_SECONDS = 2.0
OUTPUT_TOKENS_AT_FIRST = 500.0


class Lane:
    """One model's requests at the gate."""

    def __init__(self, level: LimitLevel) -> None:
        self.level = level
        self.slots = 1
        self.in_use = 0
        self.ramp = Ramp()
        self.output_tokens = OUTPUT_TOKENS_AT_FIRST
        self.refused_at = -math.inf

    def learn_output(self, tokens: int) -> None:
        self.output_tokens += 0.05 * (tokens - self.output_tokens)


class Permit:
    """Leave to send one request; exactly one of its methods must be called, once."""

    __slots__ = ("_charge", "_gate", "_lane", "_open", "_sent_at")

    def __init__(self, gate: "KeyGate", lane: Lane, sent_at: float, charge: Charge) -> None:
        self._gate = gate
        self._lane = lane
        self._sent_at = sent_at
        self._charge = charge
        self._open = True

    def accepted(
        self, signals: Sequence[RateSignal], *, tokens_used: tuple[int, int] | None
    ) -> None:
        """Report a 2xx reply; tokens_used is (input, output), None where it did not say."""
        self._close()
        self._gate.accepted(self._lane, self._sent_at, self._charge, signals, tokens_used)

    def refused(self, signals: Sequence[RateSignal]) -> None:
        """Report that the provider said: too fast."""
        self._close()
        self._gate.refused(self._lane, self._sent_at, self._charge, signals)

    def overloaded(self) -> None:
        """Report a 5xx, a timeout or a lost connection: says nothing about the rate."""
        self._close()
        self._gate.pump()

    def released(self) -> None:
        """Report a request that was cancelled or failed for reasons of its own."""
        self._close()
        self._gate.pump()

    def withdrawn(self) -> None:
        """Give back the place of a request that never left."""
        self._close()
        self._gate.withdrawn(self._lane, self._sent_at, self._charge)

    def _close(self) -> None:
        if not self._open:
            raise RuntimeError("this permit has already been reported on")
        self._open = False
        self._lane.in_use -= 1


class KeyGate:
    """The queue and the limits of one API key."""

    def __init__(self, clock: Clock, level: LimitLevel) -> None:
        self.level = level
        self.lanes: dict[str, Lane] = {}
        self._clock = clock
        self._queue: FairQueue[Lane, Permit] = FairQueue()
        self._leader: Place[Lane, Permit] | None = None
        self._alarm_at = math.inf

    async def acquire(self, lane: Lane, input_tokens: int, *, urgent: bool) -> Permit:
        """Return a permit once this request may leave; a cancelled wait leaves no trace."""
        if not self._queue:
            now = self._clock.monotonic()
            if self._ready_at(lane, now) <= now:
                return self._grant(lane, input_tokens, now)
        place = Place[Lane, Permit](lane, input_tokens, _new_bell())
        self._queue.add(place, urgent=urgent)
        taken = False
        try:
            permit = await self._turn(place)
            taken = True
            return permit
        finally:
            if not taken:
                self._leave(place)

    def waiting(self, lane: Lane) -> int:
        """Return how many of the lane's requests wait for their turn."""
        return self._queue.waiting(lane)

    def pump(self) -> None:
        """Let go whoever may; wake the leader if it would sleep too long for the rest."""
        if self._queue and self._let_go() < self._alarm_at and self._leader is not None:
            _ring(self._leader.wake)

    def accepted(
        self,
        lane: Lane,
        sent_at: float,
        charge: Charge,
        signals: Sequence[RateSignal],
        tokens_used: tuple[int, int] | None,
    ) -> None:
        now = self._clock.monotonic()
        lane.ramp.replies += 1
        real = charge if tokens_used is None else Charge(*tokens_used)
        for level in (self.level, lane.level):
            level.accepted(now, sent_at)
            if tokens_used is not None:
                level.corrected(charge, real)
        if tokens_used is not None:
            lane.learn_output(tokens_used[1])
        self._announced(lane, signals)
        self.pump()

    def refused(
        self, lane: Lane, sent_at: float, charge: Charge, signals: Sequence[RateSignal]
    ) -> None:
        now = self._clock.monotonic()
        self._announced(lane, signals)
        wait = max((s.retry_after_seconds or 0.0 for s in signals), default=0.0)
        meter: Meter = next((s.meter for s in signals if s.meter is not None), "requests")
        level = self._charged_level(lane, now, signals)
        lane.refused_at = now
        for each in (self.level, lane.level):
            for m, learner in each.meters.items():
                if each is level and m == meter:
                    learner.refused(now, sent_at, charge.amount(m), wait)
                else:
                    learner.log.correct(-charge.amount(m))
        self.pump()

    def withdrawn(self, lane: Lane, sent_at: float, charge: Charge) -> None:
        self.level.unsent(sent_at, charge)
        lane.level.unsent(sent_at, charge)
        self.pump()

    def _charged_level(self, lane: Lane, now: float, signals: Sequence[RateSignal]) -> LimitLevel:
        named = next((s.scope for s in signals if s.scope is not None), None)
        if named is not None:
            return self.level if named == "key" else lane.level
        others = (other.refused_at for other in self.lanes.values() if other is not lane)
        together = any(now - refused_at <= KEY_SUSPICION_SECONDS for refused_at in others)
        return self.level if together else lane.level

    def _announced(self, lane: Lane, signals: Sequence[RateSignal]) -> None:
        for signal in signals:
            if signal.limit_per_minute is not None:
                level = self.level if signal.scope == "key" else lane.level
                meter = level.meter(signal.meter or "requests")
                meter.announced(self._clock.monotonic(), signal)

    def _ready_at(self, lane: Lane, now: float) -> float:
        ramp_at = lane.ramp.ready_at(now, lane.in_use, lane.slots)
        return max(self.level.ready_at(now), lane.level.ready_at(now), ramp_at)

    def _grant(self, lane: Lane, input_tokens: int, now: float) -> Permit:
        charge = Charge(input_tokens, lane.output_tokens)
        self.level.sent(now, charge)
        lane.level.sent(now, charge)
        lane.in_use += 1
        return Permit(self, lane, now, charge)

    def _let_go(self) -> float:
        """Grant all that may leave now; return when the next one may."""
        now = self._clock.monotonic()
        while self._queue:
            lane, ready_at = min(
                ((lane, self._ready_at(lane, now)) for lane in self._queue.lanes()),
                key=lambda candidate: max(candidate[1], now),
            )
            if ready_at > now + SAME_INSTANT_SECONDS:
                return ready_at
            place = self._queue.pop(lane)
            place.grant = self._grant(lane, place.input_tokens, now)
            _ring(place.wake)
        return math.inf

    async def _turn(self, place: Place[Lane, Permit]) -> Permit:
        while place.grant is None:
            if self._leader is None:
                await self._lead(place)
            else:
                await place.wake
                place.wake = _new_bell()
        return place.grant

    async def _lead(self, place: Place[Lane, Permit]) -> None:
        """Sleep for everybody until the next one may go, till the leader's own turn."""
        self._leader = place
        try:
            while place.grant is None:
                self._alarm_at = self._let_go()
                if place.grant is None:
                    place.wake = _new_bell()
                    await self._sleep(place.wake)
        finally:
            self._leader = None
            self._alarm_at = math.inf
            self._appoint()

    async def _sleep(self, bell: asyncio.Future[None]) -> None:
        if self._alarm_at == math.inf:
            await bell
            return
        async with asyncio.TaskGroup() as group:
            timer = group.create_task(self._ring_after(self._alarm_at, bell))
            await bell
            timer.cancel()

    async def _ring_after(self, at: float, bell: asyncio.Future[None]) -> None:
        await self._clock.sleep(at - self._clock.monotonic())
        _ring(bell)

    def _leave(self, place: Place[Lane, Permit]) -> None:
        if place.grant is None:
            self._queue.discard(place)
        else:
            place.grant.withdrawn()
        if self._leader is None:
            self._appoint()

    def _appoint(self) -> None:
        successor = self._queue.any_place()
        if successor is not None:
            _ring(successor.wake)


def _new_bell() -> asyncio.Future[None]:
    return asyncio.get_running_loop().create_future()


def _ring(bell: asyncio.Future[None]) -> None:
    if not bell.done():
        bell.set_result(None)
