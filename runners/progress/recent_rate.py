"""How often something happened lately, in three numbers."""

from math import exp

# Weights that fade with 30 s look back as far, on average, as the last whole minute does.
_FADES_WITHIN_SECONDS = 30.0
# Where things happen seldom, look back over about so many of them, but not for ever.
_EVENTS_AT_LEAST = 5
_FADES_WITHIN_SECONDS_AT_MOST = 300.0


class RecentRate:
    """The mean rate of about the last minute; of all time while that is shorter.

    Where little happened, of the last five to ten minutes.
    """

    def __init__(self) -> None:
        self._events = 0.0  # faded
        self._seconds = 0.0  # faded alike

    def note(self, events: int, seconds: float) -> None:
        """Add what happened in the time since the last note."""
        kept = exp(-seconds / self._memory_seconds)
        self._events = self._events * kept + events
        self._seconds = self._seconds * kept + seconds

    @property
    def per_second(self) -> float:
        """0 where nothing happened yet."""
        return self._events / self._seconds if self._seconds else 0.0

    @property
    def _memory_seconds(self) -> float:
        seldom = _EVENTS_AT_LEAST * self._seconds / max(1.0, self._events)
        return min(max(_FADES_WITHIN_SECONDS, seldom), _FADES_WITHIN_SECONDS_AT_MOST)
