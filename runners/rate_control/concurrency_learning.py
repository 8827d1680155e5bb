"""How many requests a scope may have in flight, where the provider limits that and not a rate."""

import math

GROW_AFTER_SECONDS = 30.0
GROW_AFTER_AT_MOST_SECONDS = 480.0
GROWTH = 0.03


class ConcurrencyLearner:
    """Counts what is in flight; learns the most that may be, from what was not refused."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.limit: int | None = None
        self._refused_at = -math.inf
        self._grow_at = math.inf
        self._grow_after = GROW_AFTER_SECONDS
        self._was_full = False

    def is_full(self) -> bool:
        """Return whether the next request must wait for a reply to another one."""
        return self.limit is not None and self.in_flight >= self.limit

    def sent(self) -> None:
        """Count one more in flight."""
        self.in_flight += 1
        self._was_full = self._was_full or self.is_full()

    def finished(self) -> None:
        """Count one less in flight, however it ended."""
        self.in_flight -= 1

    def refused(self, now: float, sent_at: float) -> None:
        """Lower the limit to what was let in; the refused request is no longer in flight."""
        if self.limit is None or sent_at > self._refused_at:
            if self.limit is not None:
                self._grow_after = min(2 * self._grow_after, GROW_AFTER_AT_MOST_SECONDS)
            self.limit = max(1, min(self.in_flight, self.limit or self.in_flight))
            self._refused_at = now
            self._wait_to_grow(now)
        else:  # sent before the limit was known: one more of those that were too many
            self.limit = max(1, self.limit - 1)

    def accepted(self, now: float) -> None:
        """Try a little more when the limit was reached, and not refused, for a while."""
        if self.limit is not None and now >= self._grow_at and self._was_full:
            self.limit += max(1, int(GROWTH * self.limit))
            self._wait_to_grow(now)

    def _wait_to_grow(self, now: float) -> None:
        self._grow_at = now + self._grow_after
        self._was_full = False
