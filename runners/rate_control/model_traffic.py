"""One model's requests at the gate of its API key."""

import math
from collections import defaultdict

from config.rate_signal import Meter
from runners.rate_control.limit_level import LimitLevel
from runners.rate_control.ramp import Ramp
from runners.rate_control.width_search import WidthSearch

OUTPUT_TOKENS_AT_FIRST = 500.0
LATENCY_AT_FIRST_SECONDS = 4.0
MEMORY = 0.05
P95_DEVIATIONS = 1.645
SLOTS_AT_LEAST, SLOTS_AT_MOST = 4, 2000
SLOTS_TO_SPARE = 1.5


class ModelTraffic:
    """What is known of one model: its limits, its workers, its latency and its output."""

    def __init__(self, model: str, level: LimitLevel, *, scouts: bool) -> None:
        self.model = model
        self.level = level
        self.ramp = Ramp(scouts=scouts)
        self.width_search = WidthSearch()
        self.is_announced = False
        self.slots = 1
        self.output_tokens = OUTPUT_TOKENS_AT_FIRST
        self.refused_at: defaultdict[Meter, float] = defaultdict(lambda: -math.inf)
        self._scouts = scouts
        self._outages = 0
        self._log_latency = math.log(LATENCY_AT_FIRST_SECONDS)
        self._log_latency_variance = 0.25

    @property
    def in_flight(self) -> int:
        """How many requests are out."""
        return self.level.in_flight.in_flight

    def ready_at(self, now: float, key_outages: int) -> float:
        """Return when the model's own limits, and its ramp, let a request pass.

        key_outages: how many the API key has had; after each, all begins anew.
        """
        at = self.level.ready_at(now)
        outages = key_outages + self.level.outages
        if outages != self._outages:
            self._outages = outages
            self.ramp = Ramp(scouts=self._scouts and not self.is_announced)
        if self.ramp.over:
            return at
        return max(at, self.ramp.ready_at(now, self.in_flight, self.slots))

    def ended(self, now: float, *, answered: bool) -> None:
        """Note that a call has ended, which is no longer in flight."""
        self.width_search.ended(now, self.in_flight + 1, self.slots, answered=answered)

    def replied(self, latency_seconds: float, output_tokens: int | None) -> None:
        """Learn from one reply."""
        off = math.log(max(latency_seconds, 1e-3)) - self._log_latency
        self._log_latency += MEMORY * off
        self._log_latency_variance += MEMORY * (off * off - self._log_latency_variance)
        if output_tokens is not None:
            self.output_tokens += MEMORY * (output_tokens - self.output_tokens)

    def suggested_slots(self, rate_per_second: float | None) -> int:
        """Return how many workers would use the rate, or the most that may be in flight."""
        if self.level.in_flight.limit is not None:
            return self.level.in_flight.limit
        if rate_per_second is None:
            return self.width_search.suggested(self.slots)
        deviations = P95_DEVIATIONS * math.sqrt(self._log_latency_variance)
        latency = math.exp(self._log_latency + deviations)
        wanted = math.ceil(SLOTS_TO_SPARE * rate_per_second * latency)
        return min(max(wanted, SLOTS_AT_LEAST), SLOTS_AT_MOST)
