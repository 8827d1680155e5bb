"""Whose limit a refusal met: the scope and the meter that it names, else the likeliest."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from config.rate_signal import Meter, RateSignal
from runners.rate_control.limit_level import Charge, LimitLevel
from runners.rate_control.limit_trial import Trial, TrialRecord
from runners.rate_control.model_traffic import ModelTraffic

TOGETHER_SECONDS = 2.0
SETTLED = ("holding", "climbing")
"""While it is learned what they are, limits of their own may all be exhausted together."""


@dataclass(frozen=True, slots=True)
class Blame:
    """The scope and the meter that a refusal is charged to."""

    level: LimitLevel
    meter: Meter


class RefusalBlame:
    """Charges the refusals of one API key.

    A refusal that names no scope is the model's; but two models that are refused together share
    a limit, the key's. Either way trials show in time whether that was right.
    """

    def __init__(self, key_level: LimitLevel, by_model: Collection[ModelTraffic]) -> None:
        self._key_level = key_level
        self._by_model = by_model
        self._records: defaultdict[Meter, TrialRecord] = defaultdict(TrialRecord)
        self._to_come: Trial | None = None
        self._running: Trial | None = None

    def charge(
        self,
        traffic: ModelTraffic,
        now: float,
        cost: Charge,
        signals: Sequence[RateSignal],
    ) -> Blame:
        """Return what a refusal of this model is charged to."""
        if self._to_come is not None and not self._is_blocked(self._to_come):
            self._to_come = None  # What it was to find out was of a block that is over.
        named = _named(signals, cost)
        meter: Meter = named.meter if named is not None and named.meter else "requests"
        if named is not None and named.scope is not None:
            return Blame(self._key_level if named.scope == "key" else traffic.level, meter)
        if meter == "concurrency" or len(self._by_model) < 2:
            return Blame(traffic.level, meter)
        is_key = self._is_key(traffic, now, meter)
        traffic.refused_at[meter] = now
        level = self._key_level if is_key else traffic.level
        is_told = any(signal.retry_after_seconds for signal in signals)
        learner = level.meter(meter)
        if learner.block is None and learner.search.state != "open" and not is_told:
            self._consider_trial(traffic, meter, now)
        return Blame(level, meter)

    def trial_for(self, traffic: ModelTraffic) -> Trial | None:
        """Return the trial that this model's next requests are to be witnesses of, or None."""
        trial = self._to_come
        if trial is None or traffic is not trial.witness:
            return None
        levels = (self._key_level, trial.suspect.level, trial.witness.level)
        if not (self._is_blocked(trial) and all(a.is_free_but_for(trial.meter) for a in levels)):
            trial = self._to_come = None
        return trial

    def trial_runs(self, trial: Trial) -> None:
        """Note that all requests of a trial have left."""
        self._to_come, self._running = None, trial

    def trial_refused(
        self,
        trial: Trial,
        traffic: ModelTraffic,
        now: float,
        cost: Charge,
        signals: Sequence[RateSignal],
    ) -> None:
        """Note that a request of a trial was refused, by the limit in question or by another."""
        named = _named(signals, cost)
        if named is None or (named.scope is None and named.meter in (None, trial.meter)):
            trial.refused(now, traffic)
        else:
            trial.came_to_nothing(traffic)

    def judge(self, now: float) -> None:
        """Note what a trial says that is over, and overturn what was believed if it was wrong."""
        trial = self._running
        if trial is None or not trial.is_over(now):
            return
        self._running = None
        verdict, record = trial.verdict(), self._records[trial.meter]
        is_shared = self._is_shared(trial.meter)
        if verdict is not None and verdict[0] != ("shared" if is_shared else "separate"):
            if record.overturned(verdict[1]):
                overturn = self._part if is_shared else self._join
                overturn(trial.meter, now)
            return
        if verdict is not None:
            record.confirmed()
        if not is_shared or self._key_level.meter(trial.meter).search.state in SETTLED:
            record.wait_longer()

    def _consider_trial(self, suspect: ModelTraffic, meter: Meter, now: float) -> None:
        others = [other for other in self._others(suspect) if other.in_flight]
        levels = (self._key_level, *(other.level for other in self._by_model))
        counts_calls = any(level.in_flight.limit is not None for level in levels)
        if not others or counts_calls or self._running is not None:
            return
        if not self._records[meter].is_due():
            return
        witness = min(others, key=lambda other: other.refused_at[meter])
        self._to_come = Trial.after_refusal(
            suspect,
            witness,
            meter,
            per_second=self._key_level.meter(meter).log.rate(now),
            witness_per_second=witness.level.meter(meter).log.rate(now),
        )

    def _others(self, traffic: ModelTraffic) -> list[ModelTraffic]:
        return [other for other in self._by_model if other is not traffic]

    def _is_shared(self, meter: Meter) -> bool:
        key = self._key_level.meter(meter)
        return key.block is not None or key.search.state != "open"

    def _is_blocked(self, trial: Trial) -> bool:
        levels = (self._key_level, trial.suspect.level)
        return any(level.meter(trial.meter).block is not None for level in levels)

    def _is_key(self, traffic: ModelTraffic, now: float, meter: Meter) -> bool:
        if self._is_shared(meter):
            key, model = self._key_level.meter(meter), traffic.level.meter(meter)
            is_model_tight = model.search.state != "open" and model.pacer.due > key.pacer.due
            return key.block is not None or not is_model_tight
        if self._records[meter].decided:
            return False
        others = self._others(traffic)
        together = [other for other in others if now - other.refused_at[meter] <= TOGETHER_SECONDS]
        for other in together:
            other.level.meter(meter).excuse(now)
        return bool(together)

    def _join(self, meter: Meter, now: float) -> None:
        """Take the models' limits for one: its rate is what they had together."""
        learners = [traffic.level.meter(meter) for traffic in self._by_model]
        rate = sum(learner.rate_of_late(now) or 0.0 for learner in learners)
        for learner in learners:
            learner.start_anew(now, None, "the limit met is the API key's")
        reason = "models that are refused together share a limit"
        self._key_level.meter(meter).start_anew(now, rate or None, reason)

    def _part(self, meter: Meter, now: float) -> None:
        """Take the key's limit for limits of its models: each goes on from what it had of it."""
        for traffic in self._by_model:
            learner = traffic.level.meter(meter)
            reason = "one model is refused while others are not: each has a limit of its own"
            learner.start_anew(now, learner.rate_of_late(now), reason)
        self._key_level.meter(meter).start_anew(now, None, "the limit met is no limit of the key")


def _named(signals: Sequence[RateSignal], cost: Charge) -> RateSignal | None:
    """Return the signal that says what was refused: the refusal's own, else a used-up limit."""
    own = [s for s in signals if s.retry_after_seconds is not None or s.limit_per_minute is None]
    for signal in own:
        if signal.meter is not None or signal.scope is not None:
            return signal
    for signal in signals:
        remaining, meter = signal.remaining, signal.meter
        if meter is not None and remaining is not None and remaining < cost.amount(meter):
            return signal
    return None
