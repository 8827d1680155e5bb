"""How much one meter admitted, over any span of the last minute and between marks."""

from collections import deque
from dataclasses import dataclass, field

SPAN_SECONDS = 60.0
SAMPLE_SECONDS = 0.25


@dataclass(slots=True)
class AdmissionLog:
    """A running total, sampled, so that spans cost nothing while requests fly."""

    total: float = 0.0
    started_at: float | None = None
    _samples: deque[tuple[float, float]] = field(default_factory=deque)

    def add(self, now: float, amount: float) -> None:
        """Count an amount that leaves now as admitted, until it is taken back."""
        if self.started_at is None:
            self.started_at = now
        if not self._samples or now - self._samples[-1][0] >= SAMPLE_SECONDS:
            self._samples.append((now, self.total))
            if now - self._samples[1 if len(self._samples) > 1 else 0][0] > SPAN_SECONDS:
                self._samples.popleft()
        self.total += amount

    def correct(self, amount: float) -> None:
        """Count more, or less, for what has already left."""
        self.total += amount

    def span(self, now: float) -> float:
        """Return how many seconds the log covers, at most a minute."""
        return 0.0 if self.started_at is None else min(now - self.started_at, SPAN_SECONDS)

    def admitted_in_span(self, until: float) -> float:
        """Return the amount admitted over the minute before a moment at or after the last send."""
        for at, total in self._samples:
            if at > until - SPAN_SECONDS:
                return self.total - total
        return 0.0

    def briskest(self, now: float) -> float:
        """Return the highest rate that a bucket of one second would have needed, per second."""
        return max(
            ((self.total - total) / (now - at + 1.0) for at, total in self._samples),
            default=0.0,
        )
