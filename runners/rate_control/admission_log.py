"""How much one meter admitted, over the last minute and in all."""

import math
from collections import deque
from dataclasses import dataclass, field

SPAN_SECONDS = 60.0
SAMPLE_SECONDS = 0.25
LONGEST_SPAN_SECONDS = 75.0
"""What is counted over longer would be a rate of less than one request: none is ever learned."""
LEAST_AMOUNT = 1.0


@dataclass(slots=True)
class AdmissionLog:
    """A running total, sampled, so that a span costs nothing while requests fly.

    amount: what one request typically comes to. Amounts and rates are above zero, whatever was
        taken back since.
    """

    total: float = 0.0
    amount: float = 1.0
    started_at: float | None = None
    _samples: deque[tuple[float, float]] = field(default_factory=deque)
    _anew: tuple[float, float] | None = None

    def add(self, now: float, amount: float) -> None:
        """Count an amount that leaves now as admitted, until it is taken back."""
        if self.started_at is None:
            self.started_at = now
            self.amount = max(amount, LEAST_AMOUNT)
        if not self._samples or now - self._samples[-1][0] >= SAMPLE_SECONDS:
            self._samples.append((now, self.total))
            # Two spans are kept: a span may end a while before now.
            while now - self._samples[0][0] > 2 * SPAN_SECONDS:
                self._samples.popleft()
        self.total += amount
        self.amount = max(self.amount + 0.05 * (amount - self.amount), LEAST_AMOUNT)

    def correct(self, amount: float) -> None:
        """Count more, or less, for what has already left."""
        self.total += amount

    @property
    def slowest(self) -> float:
        """The least rate that is ever meant, per second."""
        return self.amount / LONGEST_SPAN_SECONDS

    def start_anew(self, now: float) -> None:
        """Watch from the request on that left then; what came before it may have been held up."""
        self.started_at = now
        self._anew = (now, self.total - self.amount)

    def covers_a_minute(self, until: float) -> bool:
        """Return whether a whole minute before this moment was watched."""
        return self.started_at is not None and until - self.started_at >= SPAN_SECONDS

    def rate(self, until: float, *, refused_at: float = math.inf) -> float:
        """Return what was admitted per second over the minute before, at least one request.

        Over less than a minute a bucket of one second is taken to have been full at the start.
        Where nothing was sent for all that minute, it is the last one before the refusal.
        """
        span = SPAN_SECONDS
        if until - span > refused_at - SAMPLE_SECONDS and self.started_at is not None:
            span = until - max(self.started_at, refused_at - SPAN_SECONDS)
        admitted = max(self.total - self.total_at(until - span), self.amount)
        if self.started_at is None or self.covers_a_minute(until):
            return admitted / min(span, LONGEST_SPAN_SECONDS)
        at, total = self._anew or (self.started_at, 0.0)
        since = max(self.total - total, self.amount) / (until - at + 1.0)
        return since if self._anew is None else max(since, admitted / SPAN_SECONDS)

    def total_at(self, moment: float) -> float:
        """Return the running total as it was just before a moment of the last minute."""
        totals = (total for at, total in self._samples if at >= moment)
        return next(totals, self.total)

    def briskest(self, now: float) -> float:
        """Return the highest rate that a bucket of one second would have needed, per second."""
        rates = ((self.total - total) / (now - at + 1.0) for at, total in self._samples)
        return max([self.slowest, *rates] if self._samples else [self.amount])
