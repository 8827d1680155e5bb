"""Paces one meter: the generic cell rate algorithm, one timestamp and no timer."""

import math
from dataclasses import dataclass

LATENESS_SECONDS = 0.05
"""How late a send may be and still have its delay made good; more would be a burst."""
UNEVEN = 3.0
"""The same in requests, where replies correct the amounts only afterwards."""
LONGEST_PAUSE_SECONDS = 120.0
"""What is owed for longer is forgiven: a minute's limit forgets it, and figures may be wrong."""


@dataclass(slots=True)
class Pacer:
    """Says when the next amount may leave at an even rate; None means at once.

    Source: ITU-T I.371, virtual scheduling; `due` is its theoretical arrival time.
    longest_pause_seconds: after the last amount, however much it was.
    """

    per_second: float | None = None
    uneven: bool = False
    longest_pause_seconds: float = LONGEST_PAUSE_SECONDS
    due: float = -math.inf
    _taken_at: float = -math.inf
    _taken: float = 0.0

    def take(self, now: float, amount: float) -> None:
        """Book an amount that leaves now; the next one waits its turn."""
        self._taken_at, self._taken = now, amount
        if self.per_second is not None:
            seconds = amount / self.per_second
            lateness = max(LATENESS_SECONDS, UNEVEN * seconds if self.uneven else 0.0)
            self._owe((self.due if now - self.due <= lateness else now) + seconds)

    def correct(self, amount: float) -> None:
        """Book more (or, negative, less) for something that has already left."""
        if self.per_second is not None:
            self._owe(self.due + amount / self.per_second)

    def set_rate(self, now: float, per_second: float | None) -> None:
        """Change the rate; what is still owed is paid off at the new one."""
        if per_second == self.per_second:
            return
        if per_second is None:
            self.due = -math.inf
        elif self.per_second is None:
            self._owe(self._taken_at + self._taken / per_second)
        elif self.due > now:
            self._owe(now + (self.due - now) * self.per_second / per_second)
        self.per_second = per_second

    def _owe(self, due: float) -> None:
        self.due = min(due, self._taken_at + self.longest_pause_seconds)
