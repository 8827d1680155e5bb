"""How many requests a scope may have in flight, where the provider limits that and not a rate."""

import math

GROW_AFTER_SECONDS = 30.0
GROW_AFTER_AT_MOST_SECONDS = 480.0
CLIMB_AFTER_SECONDS = 10.0
GROWTH = 0.03
ONE_TIME_SECONDS = 60.0
"""Refusals that follow each other sooner are of one cause."""


class ConcurrencyLearner:
    """Counts what is in flight; learns the most that may be, from what was not refused.

    Now and then a little more is tried. If it is refused, the next trial is later; if not, the
    limit has risen, or was never met: the steps double. A limit that fell on its own is soon
    tried again where it was: the provider may have been unwell.
    """

    def __init__(self) -> None:
        self.in_flight = 0
        self.limit: int | None = None
        self._refused_at = -math.inf
        self._grow_at = math.inf
        self._grow_after = GROW_AFTER_SECONDS
        self._step = 0
        self._was_full = False
        self._before: int | None = None

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
        if now - self._refused_at > ONE_TIME_SECONDS:
            self._before = self.limit
        if self.limit is None or sent_at > self._refused_at:
            longer = min(2 * self._grow_after, GROW_AFTER_AT_MOST_SECONDS)
            self._grow_after = longer if self._step else GROW_AFTER_SECONDS
            again_after = self._grow_after if self._step else CLIMB_AFTER_SECONDS
            self.limit = max(1, min(self.in_flight, self.limit or self.in_flight))
            self._refused_at = now
            self._step = 0
            self._wait_to_grow(now, again_after)
        else:  # sent before the limit was known: one more of those that were too many
            self.limit = max(1, self.limit - 1)

    def accepted(self, now: float) -> None:
        """Try a little more when the limit was reached, and not refused, for a while."""
        if self.limit is not None and now >= self._grow_at and self._was_full:
            least = max(1, int(GROWTH * self.limit))
            self._step = min(max(least, 2 * self._step), self.limit)
            lost = (self._before or 0) - self.limit
            if lost > 0:
                self._step = max(1, lost // 2)
            self.limit += self._step
            self._wait_to_grow(now, CLIMB_AFTER_SECONDS)

    def restore(self, limit: int) -> None:
        """Start with a limit of an earlier run; whether it is still one is tried at once."""
        self.limit = limit
        self._grow_at = -math.inf

    def begin_again(self) -> None:
        """Forget what an outage taught: there was no room for a single call."""
        self.limit = self._before
        self._refused_at = -math.inf
        self._step = 0

    def _wait_to_grow(self, now: float, seconds: float) -> None:
        self._grow_at = now + seconds
        self._was_full = False
