"""What the provider says that one meter permits, and how far that is believed."""

import math

from config.rate_signal import RateSignal
from runners.rate_control.admission_log import AdmissionLog

HEADROOM = 0.99
"""How much of a stated limit is used: the two clocks never quite agree."""
UNEVEN_HEADROOM = 0.982
"""The same for tokens: what is out may cost more than was thought, and nobody knows before."""
DISTRUST_EPISODES = 3
DISTRUST_SECONDS = 120.0
LESS_HEADROOM, LEAST_HEADROOM = 0.005, 0.95
"""A refusal under an announced limit is chance or jitter: a little more distance ends it."""
SCARCE = 0.05


class AnnouncedLimit:
    """One meter's limit by the provider's own word; amounts are requests or tokens.

    per_second: the limit, None as long as none was announced.
    """

    def __init__(self, *, uneven: bool = False) -> None:
        self.per_second: float | None = None
        self._most_headroom = UNEVEN_HEADROOM if uneven else HEADROOM
        self._headroom = self._most_headroom
        self._refused_at: list[float] = []
        self._scarce_until = math.inf
        self._scarce_rate = math.inf

    @property
    def pace(self) -> float:
        """The rate to be kept because of it, infinity where there is none."""
        stated = math.inf if self.per_second is None else self._headroom * self.per_second
        return min(stated, self._scarce_rate)

    def take_up(self, limit_per_minute: float) -> bool:
        """Believe a limit from now on; return whether it is news."""
        if limit_per_minute / 60 == self.per_second:
            return False
        self.per_second = limit_per_minute / 60
        self._headroom = self._most_headroom
        self._refused_at.clear()
        return True

    def known(self) -> tuple[float, float] | None:
        """Return the rate to be kept and the limit, None where none was announced."""
        if self.per_second is None:
            return None
        return self._headroom * self.per_second, self.per_second

    def is_believed(self, refused_at: float) -> bool:
        """Note a refusal under the limit; return whether there is one that is still believed."""
        if self.per_second is None:
            return False
        recent = [at for at in self._refused_at if refused_at - at < DISTRUST_SECONDS]
        self._refused_at = [*recent, refused_at]
        self._headroom = max(LEAST_HEADROOM, self._headroom - LESS_HEADROOM)
        return len(self._refused_at) < DISTRUST_EPISODES

    def spare(self, now: float, sent_at: float, signal: RateSignal, log: AdmissionLog) -> bool:
        """Stretch the last few of a window over what is left of it: somebody else uses the key.

        A bucket's reset is the time until it is full, which its remainder already tells. Headers
        are taken to be as old as the reply took. Returns whether there is something to stretch.
        """
        limit, remaining, reset = signal.limit_per_minute, signal.remaining, signal.reset_seconds
        if limit is None or remaining is None or reset is None:
            return False
        left, seconds = remaining / limit, reset - (now - sent_at)
        bucket = abs(reset - 60 * (1 - left)) < 3.0
        if left >= SCARCE or not 2.0 < seconds <= 60.0 or bucket:
            return False
        since_sent = log.total - log.total_at(sent_at)
        self._scarce_rate = max(remaining - since_sent, log.amount) / seconds
        self._scarce_until = now + seconds
        return True

    def window_is_over(self, now: float) -> bool:
        """Return whether the window has just ended whose last few were stretched."""
        if now < self._scarce_until:
            return False
        self._scarce_until = self._scarce_rate = math.inf
        return True
