"""Moments in, counts per stretch of time out; long pauses take no room."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

_MOST_STRETCHES = 60
_LONGEST_GAP_SECONDS = 300.0
_WIDTHS_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200)
_DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Timeline:
    """Stretches of equal width that hold all moments.

    starts: seconds since 1970; None stands for a pause in which nothing happened.
    """

    width_seconds: int
    starts: list[float | None]

    def counts(self, moments: Iterable[float]) -> list[int]:
        """Return how many of the moments fall into each stretch."""
        places = {start: place for place, start in enumerate(self.starts) if start is not None}
        counts = [0] * len(self.starts)
        for moment in moments:
            counts[places[_start(moment, self.width_seconds)]] += 1
        return counts


def make_timeline(moments: Sequence[float]) -> Timeline:
    """Return a timeline of about sixty stretches over these moments."""
    ordered = sorted(moments)
    gaps = pairwise(ordered)
    active_seconds = sum(min(after - before, _LONGEST_GAP_SECONDS) for before, after in gaps)
    width = _width(active_seconds / _MOST_STRETCHES)
    starts: list[float | None] = []
    for start in sorted({_start(moment, width) for moment in ordered}):
        last = starts[-1] if starts else start
        assert last is not None, "a pause is followed by a stretch"
        missing = round((start - last) / width) - 1
        if missing * width > max(_LONGEST_GAP_SECONDS, 3 * width):
            starts.append(None)
        else:
            starts += [last + width * number for number in range(1, missing + 1)]
        starts.append(start)
    return Timeline(width, starts)


def _start(moment: float, width: int) -> float:
    return float(moment // width * width)


def _width(least: float) -> int:
    for width in _WIDTHS_SECONDS:
        if width >= least:
            return width
    return math.ceil(least / _DAY_SECONDS) * _DAY_SECONDS
