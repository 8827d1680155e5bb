"""How a lane comes up to the speed of its slots: in flight doubles, from two."""

import math
from dataclasses import dataclass

DOUBLING_SECONDS = 0.4
AT_FIRST = 2


@dataclass(slots=True)
class Ramp:
    """Bounds what is in flight over a lane's first seconds; each reply lets one more go."""

    started_at: float | None = None
    replies: int = 0
    over: bool = False

    def ready_at(self, now: float, in_use: int, slots: int) -> float:
        """Return when one more request may be in flight."""
        if self.over:
            return -math.inf
        if self.started_at is None:
            self.started_at = now
        wanted = (in_use + 1 - self.replies) / AT_FIRST
        if wanted <= 1:
            return -math.inf
        at = self.started_at + DOUBLING_SECONDS * math.log2(wanted)
        self.over = now >= at and in_use + 1 >= slots
        return at
