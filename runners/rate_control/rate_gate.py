"""One API key's gate: lets requests go, fairly between models, as soon as every limit permits."""

import asyncio
import math
from collections.abc import Sequence

from config.clock import Clock
from config.rate_signal import RateSignal
from runners.rate_control.credible_signals import Credible, credible
from runners.rate_control.fair_queue import FairQueue, Place
from runners.rate_control.limit_level import Charge, LimitLevel
from runners.rate_control.limit_trial import Trial
from runners.rate_control.model_traffic import ModelTraffic
from runners.rate_control.permit import Permit
from runners.rate_control.refusal_blame import RefusalBlame

SAME_INSTANT_SECONDS = 1e-6


class KeyGate:
    """The queue and the limits of one API key.

    Of all that wait one leads: it sleeps until the next may go, lets go whoever may, and when
    its own turn comes hands the lead on. So there is no task of the gate's own.
    """

    def __init__(self, clock: Clock, level: LimitLevel) -> None:
        self.level = level
        self.by_model: dict[str, ModelTraffic] = {}
        self._clock = clock
        self._blame = RefusalBlame(level, self.by_model.values())
        self._queue: FairQueue[ModelTraffic, Permit] = FairQueue()
        self._leader: Place[ModelTraffic, Permit] | None = None
        self._alarm_at = math.inf

    async def acquire(self, traffic: ModelTraffic, input_tokens: int, *, urgent: bool) -> Permit:
        """Return a permit once this request may leave; a cancelled wait leaves no trace."""
        if not self._queue:
            now = self._clock.monotonic()
            if self._ready_at(traffic, now) <= now:
                return self._grant(traffic, input_tokens, now)
        place = Place[ModelTraffic, Permit](traffic, input_tokens, _new_bell())
        self._queue.add(place, urgent=urgent)
        self._pump()
        taken = False
        try:
            permit = await self._turn(place)
            taken = True
            return permit
        finally:
            if not taken:
                self._leave(place)

    def waiting(self, traffic: ModelTraffic) -> int:
        """Return how many of the model's requests wait for their turn."""
        return self._queue.waiting(traffic)

    def accepted(
        self, permit: Permit, signals: Sequence[RateSignal], tokens_used: tuple[int, int] | None
    ) -> None:
        """Learn from a 2xx reply."""
        now = self._finish(permit)
        if permit.trial is not None:
            permit.trial.let_in()
        traffic, sent_at, charge = permit.traffic, permit.sent_at, permit.charge
        real = charge if tokens_used is None else Charge(*tokens_used)
        self.level.accepted(now, sent_at, charge, real)
        traffic.level.accepted(now, sent_at, charge, real)
        traffic.ended(now, answered=True)
        traffic.replied(now - sent_at, None if tokens_used is None else tokens_used[1])
        announced = self._announce(permit, now, credible(signals))
        if not traffic.ramp.over:
            traffic.ramp.replied(now, announced=announced)
        self._blame.judge(now)
        self._pump()

    def refused(self, permit: Permit, signals: Sequence[RateSignal]) -> None:
        """Charge a refusal to the limit that it met, and stop what that limit holds."""
        now = self._finish(permit)
        said = credible(signals)
        traffic, charge = permit.traffic, permit.charge
        if permit.trial is not None:
            self._blame.trial_refused(permit.trial, traffic, now, charge, said.signals)
        self._blame.judge(now)
        if self._announce(permit, now, said):
            traffic.ramp.replied(now, announced=True)
        blame = self._blame.charge(traffic, now, charge, said.signals)
        for level in (self.level, traffic.level):
            if level is blame.level:
                level.refused(now, permit.sent_at, charge, blame.meter, said.wait_seconds)
            else:
                level.refused_elsewhere(charge)
        self._pump()

    def overloaded(self, permit: Permit) -> None:
        """Stop the rates from rising for a while; they do not fall."""
        now = self._finish_unanswered(permit)
        permit.traffic.ended(now, answered=False)
        self.level.freeze(now)
        permit.traffic.level.freeze(now)
        self._pump()

    def released(self, permit: Permit) -> None:
        """Take back the place in flight."""
        self._finish_unanswered(permit)
        self._pump()

    def withdrawn(self, permit: Permit) -> None:
        """Take back the place in flight and in the pace."""
        self._finish_unanswered(permit)
        self.level.unsent(permit.sent_at, permit.charge)
        permit.traffic.level.unsent(permit.sent_at, permit.charge)
        self._pump()

    def _finish(self, permit: Permit) -> float:
        self.level.in_flight.finished()
        permit.traffic.level.in_flight.finished()
        return self._clock.monotonic()

    def _finish_unanswered(self, permit: Permit) -> float:
        if permit.trial is not None:
            permit.trial.came_to_nothing(permit.traffic)
        return self._finish(permit)

    def _announce(self, permit: Permit, now: float, said: Credible) -> bool:
        traffic = permit.traffic
        for signal in said.odd:
            (self.level if signal.scope == "key" else traffic.level).tell_odd(signal)
        for signal in said.signals:
            level = self.level if signal.scope == "key" else traffic.level
            level.announce(now, permit.sent_at, signal)
        announced = any(signal.limit_per_minute is not None for signal in said.signals)
        traffic.is_announced = traffic.is_announced or announced
        return announced

    def _ready_at(self, traffic: ModelTraffic, now: float) -> float:
        trial = self._trial_for(traffic, now)
        meter = None if trial is None else trial.meter
        at_key = self.level.ready_at(now, regardless_of=meter)
        return max(at_key, traffic.ready_at(now, self.level.outages))

    def _trial_for(self, traffic: ModelTraffic, now: float) -> Trial | None:
        trial = self._blame.trial_for(traffic)
        if trial is None or not self._queue.waiting(trial.suspect):
            return None
        # Only the limit in question is put to the test: others hold the suspect back as ever.
        held_until = trial.suspect.level.ready_at(now, regardless_of=trial.meter)
        return trial if held_until <= now else None

    def _grant(
        self, traffic: ModelTraffic, input_tokens: int, now: float, trial: Trial | None = None
    ) -> Permit:
        charge = Charge(input_tokens, traffic.output_tokens)
        self.level.sent(now, charge, probes=trial is None)
        traffic.level.sent(now, charge, probes=trial is None)
        traffic.ramp.sent()
        if trial is not None:
            trial.sent(now, traffic)
        return Permit(self, traffic, now, charge, trial)

    def _pump(self) -> None:
        """Let go whoever may; wake the leader if it would sleep too long for the rest."""
        if self._queue and self._leader is not None and self._let_go() < self._alarm_at:
            _ring(self._leader.wake)

    def _let_go(self) -> float:
        """Grant all that may leave now; return when the next one may."""
        now = self._clock.monotonic()
        while self._queue:
            next_at = math.inf
            for traffic in self._queue.by_model():
                ready_at = self._ready_at(traffic, now)
                if ready_at <= now + SAME_INSTANT_SECONDS:
                    break
                next_at = min(next_at, ready_at)
            else:
                return next_at
            self._let_model_go(traffic, now)
        return math.inf

    def _let_model_go(self, traffic: ModelTraffic, now: float) -> None:
        trial = self._trial_for(traffic, now)
        if trial is None:
            self._let_next_go(traffic, now)
        else:
            self._let_next_go(trial.suspect, now, trial.size, trial)
            self._let_next_go(traffic, now, trial.size, trial)
            self._blame.trial_runs(trial)

    def _let_next_go(
        self, traffic: ModelTraffic, now: float, count: int = 1, trial: Trial | None = None
    ) -> None:
        for _ in range(min(count, self._queue.waiting(traffic))):
            place = self._queue.pop(traffic)
            place.grant = self._grant(traffic, place.input_tokens, now, trial)
            _ring(place.wake)

    async def _turn(self, place: Place[ModelTraffic, Permit]) -> Permit:
        while place.grant is None:
            if self._leader is None:
                await self._lead(place)
            else:
                await place.wake
                place.wake = _new_bell()
        return place.grant

    async def _lead(self, place: Place[ModelTraffic, Permit]) -> None:
        self._leader = place
        try:
            while True:
                self._alarm_at = self._let_go()
                if place.grant is not None:
                    return
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

    def _leave(self, place: Place[ModelTraffic, Permit]) -> None:
        if place.grant is None:
            self._queue.discard(place)
        else:
            place.grant.withdraw()
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
