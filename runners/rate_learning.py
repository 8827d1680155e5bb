"""What one meter of one scope permits: paces it, and stops it while the provider refuses."""

from config.rate_signal import RateSignal
from runners.rate_meter import Pacer

HEADROOM = 0.99
"""How much of an announced limit is used: the two clocks never agree quite."""

FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 8.0
CONFIRM_SECONDS = 1.0
"""A refusal takes less than this to come back."""


class RateLearner:
    """One meter; amounts are requests or tokens, rates are per second."""

    def __init__(self, ceiling_per_minute: float | None) -> None:
        self.ceiling = None if ceiling_per_minute is None else ceiling_per_minute / 60
        self.announced_limit: float | None = None
        self.blocked_until: float | None = None
        self._blocked_at = float("-inf")
        self._wait = FIRST_WAIT_SECONDS
        self._probe_at: float | None = None
        self.pacer = Pacer(self._bound())

    def _bound(self) -> float | None:
        bounds = [b for b in (self.ceiling, self.announced_limit) if b is not None]
        return HEADROOM * min(bounds) if bounds else None

    def ready_at(self, now: float) -> float:
        """Return when the next request may leave; not later than now means at once."""
        if self.blocked_until is None:
            return self.pacer.due
        if self._probe_at is not None:
            if now < self._probe_at + CONFIRM_SECONDS:
                return self._probe_at + CONFIRM_SECONDS
            self._unblock()
            return self.pacer.due
        return max(self.blocked_until, self.pacer.due)

    def sent(self, now: float, amount: float) -> None:
        if self.blocked_until is not None:
            self._probe_at = now
        self.pacer.take(now, amount)

    def unsent(self, sent_at: float, amount: float) -> None:
        if self._probe_at == sent_at:
            self._probe_at = None
        self.pacer.correct(-amount)

    def accepted(self, sent_at: float) -> None:
        if self.blocked_until is not None and sent_at >= self._blocked_at:
            self._unblock()

    def refused(self, now: float, sent_at: float, retry_after_seconds: float) -> None:
        if self.blocked_until is None:
            self._wait = FIRST_WAIT_SECONDS
            self._blocked_at = now
        elif sent_at == self._probe_at:
            self._wait = min(2 * self._wait, LONGEST_WAIT_SECONDS)
        self._probe_at = None
        until = now + max(self._wait, retry_after_seconds)
        self.blocked_until = max(until, self.blocked_until or until)

    def announced(self, now: float, signal: RateSignal) -> None:
        limit = signal.limit_per_minute
        if limit is not None and limit > 0 and limit / 60 != self.announced_limit:
            self.announced_limit = limit / 60
            self.pacer.set_rate(now, self._bound())

    def _unblock(self) -> None:
        self.blocked_until = None
        self._probe_at = None
