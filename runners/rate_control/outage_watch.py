"""Was a time of being refused an outage of the provider's, which tells nothing of any limit?

A window that is used up refuses everything too, until its minute ends. While nothing is known of
the limit the two look alike, once: a window is soon used up again, and the second time it counts.
"""

import math

from runners.rate_control.refusal_block import Episode

OUTAGE_SECONDS, OUTAGE_REQUESTS = 4.0, 6.0
"""No bucket stays empty for longer than both; a window that is used up does, or an outage."""
LONGEST_WINDOW_SECONDS = 75.0
"""A minute, and what the probes may be late. A window that was used up is so again within it."""
FAR_BELOW = 0.75


class OutageWatch:
    """Tells outages from limits, for one meter."""

    def __init__(self) -> None:
        self._seen_at = -math.inf
        self._has_admitted = False

    def is_outage(self, episode: Episode, *, admitted: float, permitted: float | None) -> bool:
        """Return whether nothing was let through without any limit's being the cause.

        admitted: what this time of being refused would tell of the limit; permitted: what was
        permitted for certain before, None while nothing is known. Rates are per second.
        """
        if not _is_long(episode):
            return False
        if episode.ended_at - episode.refused_at > LONGEST_WINDOW_SECONDS:
            return True
        if self.is_second_look(episode):
            return False
        return permitted is None or admitted < FAR_BELOW * permitted

    def is_second_look(self, episode: Episode) -> bool:
        """Return whether what looked like an outage has come again within a window's time."""
        is_soon = episode.refused_at - self._seen_at < LONGEST_WINDOW_SECONDS
        return is_soon and _is_long(episode)

    def is_first_ever(self, episode: Episode) -> bool:
        """Return whether the probe was the first request ever to be admitted."""
        return not self._has_admitted and episode.total < 1.5 * episode.amount

    def saw(self, episode: Episode, *, outage: bool) -> None:
        """Note what an episode was taken for; one before which nothing was admitted was sure."""
        if outage and not self.is_first_ever(episode):
            self._seen_at = episode.ended_at
        self._has_admitted = True


def _is_long(episode: Episode) -> bool:
    seconds = episode.ended_at - episode.refused_at
    longest = max(OUTAGE_SECONDS, OUTAGE_REQUESTS * episode.amount / episode.pace)
    return episode.probes_refused > 0 and seconds > longest
