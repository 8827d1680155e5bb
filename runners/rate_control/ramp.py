"""How a model comes up to the speed of its slots: in flight doubles, from two."""

import math

DOUBLING_SECONDS = 0.4
AT_FIRST = 2
SCOUT_EVERY_SECONDS = 1.02
SCOUT_AT_MOST_SECONDS = 5.0


class Ramp:
    """Bounds what is in flight over a model's first seconds; each reply lets one more go.

    scouts: the provider announces its limits, so the first requests go one a second, which any
    limit of 60 a minute permits, until a reply says more; a few seconds for no refusal at all.
    """

    def __init__(self, *, scouts: bool) -> None:
        self.over = False
        self._scouts = scouts
        self._scouted = 0
        self._started_at: float | None = None
        self._replies = 0

    def replied(self, now: float, *, announced: bool) -> None:
        """Note a reply; where it announced a limit that is all there is to know."""
        self._replies += 1
        self.over = self.over or announced
        self._end_scouting(now)

    def sent(self) -> None:
        """Count a request that leaves."""
        self._scouted += 1

    def ready_at(self, now: float, in_flight: int, slots: int) -> float:
        """Return when one more request may be in flight."""
        if self.over:
            return -math.inf
        if self._started_at is None:
            self._started_at = now
        if self._scouts:
            if now < self._started_at + SCOUT_AT_MOST_SECONDS:
                return self._started_at + self._scouted * SCOUT_EVERY_SECONDS
            self._end_scouting(now)
        doublings = math.log2(max(1.0, (in_flight + 1 - self._replies) / AT_FIRST))
        at = self._started_at + DOUBLING_SECONDS * doublings
        self.over = now >= self._started_at + DOUBLING_SECONDS * math.log2(max(1, slots))
        return at

    def _end_scouting(self, now: float) -> None:
        if self._scouts:
            self._scouts = False
            self._started_at = now
