"""Whose limit a refusal met: the scope and the meter that it names, else the likeliest."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from config.rate_signal import Meter, RateSignal
from runners.rate_control.limit_level import Charge, LimitLevel
from runners.rate_control.model_traffic import ModelTraffic

TOGETHER_SECONDS = 2.0
IN_A_ROW = 6
IN_A_ROW_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Blame:
    """The scope and the meter that a refusal is charged to."""

    level: LimitLevel
    meter: Meter


class RefusalBlame:
    """Charges the refusals of one API key.

    A refusal that names no scope is the model's; but two models that are refused together share
    a limit, the key's, unless it then turns out to be always the same one.
    """

    def __init__(self, key_level: LimitLevel) -> None:
        self._key_level = key_level
        self._disproved = False
        self._last: ModelTraffic | None = None
        self._in_a_row = 0
        self._row_began_at = -math.inf

    def charge(
        self,
        traffic: ModelTraffic,
        by_model: Iterable[ModelTraffic],
        now: float,
        sent_at: float,
        cost: Charge,
        signals: Sequence[RateSignal],
    ) -> Blame:
        """Return what a refusal of this model is charged to; sent_at: when its request left."""
        named = _named(signals, cost)
        meter: Meter = named.meter if named is not None and named.meter else "requests"
        if named is not None and named.scope is not None:
            return Blame(self._key_level if named.scope == "key" else traffic.level, meter)
        others = [other for other in by_model if other is not traffic]
        is_key = (
            bool(others)
            and not self._disproved
            and self._is_key(traffic, others, now, sent_at, meter)
        )
        traffic.refused_at = now
        return Blame(self._key_level if is_key else traffic.level, meter)

    def _is_key(
        self,
        traffic: ModelTraffic,
        others: list[ModelTraffic],
        now: float,
        sent_at: float,
        meter: Meter,
    ) -> bool:
        if meter == "concurrency":
            return False
        key, model = self._key_level.meter(meter), traffic.level.meter(meter)
        if key.block is None and key.search.state == "open":
            together = [o for o in others if now - o.refused_at <= TOGETHER_SECONDS]
            for other in together:
                other.level.meter(meter).excuse(now)
            return bool(together)
        is_model_tight = model.search.state != "open" and model.pacer.due > key.pacer.due
        if key.block is None and is_model_tight:
            return False
        if key.block is not None and sent_at <= key.block.refused_at:
            return True  # one of a burst: that tells who sent last, not whose limit it is
        return not self._always_the_same(traffic, now, meter)

    def _always_the_same(self, traffic: ModelTraffic, now: float, meter: Meter) -> bool:
        if traffic is not self._last:
            self._last, self._in_a_row, self._row_began_at = traffic, 0, now
        self._in_a_row += 1
        if self._in_a_row < IN_A_ROW:
            return False
        if now - self._row_began_at > IN_A_ROW_SECONDS:
            self._last = None
            return False
        self._disproved = True
        self._key_level.forget(meter)
        return True


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
