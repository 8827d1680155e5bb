"""How many calls in flight a server has use for, where it refuses none: the answers a second tell.

Latency tells nothing: it varies tenfold with the length of an answer. So widths are compared by
throughput, each measured over enough calls that chance hardly matters.
"""

import math
from dataclasses import dataclass

UNMEASURED_WIDTH = 256
"""Up to here a lane doubles without looking: a limit on the rate is usually met below."""
MOST_IN_FLIGHT = 16_384
"""Some 22 KB each, and a port each of the 28,000 that Linux has for one address."""
FULL, OVERFULL = 0.8, 1.15
"""Between these shares of the width, what is in flight on average says something about it."""
GAIN_OF_DOUBLING, LOSS_OF_HALVING = 0.04, 0.05
FINEST_FACTOR = 1.3
MEASURED_TURNS, FINELY_MEASURED_TURNS, FEWEST_MEASURED = 2, 4, 256
PLAIN_GAIN = 1.5
"""A doubling that gains so much is believed after one turn: chance is some 6 % then."""
MOST_FAILED = 0.1
HOLD_SECONDS, HOLD_AT_MOST_SECONDS = 60.0, 960.0
HOLD_STAGES = 12.0  # at least: trials cost answers
_GROWTH_A_STEP = 0.25  # of the width; a doubling at once would be a burst


@dataclass(slots=True)
class _Stage:
    """What came back at one width; area is calls in flight times seconds."""

    began_at: float
    ends: int = 0
    answers: int = 0
    area: float = 0.0

    def throughput(self, now: float) -> float:
        """Return the answers a second."""
        return self.answers / max(now - self.began_at, 1e-9)


class WidthSearch:
    """Climbs by factors while throughput rises; goes narrower where that costs nothing.

    A trial that fails goes back, and the next one is by the root of its factor. When the finest
    has failed both ways the width is held for a minute, later for up to 16, and for longer where
    the server takes long; then it is tried again.
    """

    def __init__(self) -> None:
        self.width = UNMEASURED_WIDTH
        self._kept = UNMEASURED_WIDTH
        self._kept_throughput = 0.0
        self._factor = 2.0
        self._has_climbed = False  # by the present factor: one such step down is known to cost
        self._direction = 0  # of the trial that runs: 1 wider, -1 narrower, 0 none
        self._hold_until = -math.inf
        self._hold_seconds = HOLD_SECONDS
        self._stage_seconds = 0.0
        self._settling = 0
        self._stage: _Stage | None = None
        self._last_end_at = 0.0
        self._begun = False

    def suggested(self, slots: int) -> int:
        """Return how many workers there should be next, where there are so many now."""
        if not self._begun and slots < UNMEASURED_WIDTH:
            return min(2 * slots, UNMEASURED_WIDTH)
        return min(self.width, slots + max(4, int(_GROWTH_A_STEP * slots)))

    def ended(self, now: float, in_flight: int, slots: int, *, answered: bool) -> None:
        """Note that a call has ended; in_flight still counts it."""
        if not self._begun:
            if slots < UNMEASURED_WIDTH:
                return
            self._begun = True
            self._settle()
        if self._settling:
            is_there = FULL <= in_flight / self.width <= OVERFULL
            self._settling -= is_there or self._settling < self.width
        elif self._stage is None:
            self._stage = _Stage(now)
        else:
            self._measure(self._stage, now, in_flight, answered=answered)
        self._last_end_at = now

    def _measure(self, stage: _Stage, now: float, in_flight: int, *, answered: bool) -> None:
        stage.ends += 1
        stage.answers += answered
        stage.area += in_flight * (now - self._last_end_at)
        failed = stage.ends - stage.answers
        if self._direction > 0 and failed > MOST_FAILED * self._enough_ends:
            self._go_back(now)
        elif stage.ends >= self._enough_ends or self._gains_plainly(stage, now):
            seconds = self._stage_seconds = now - stage.began_at
            if seconds > 0 and FULL <= stage.area / seconds / self.width <= OVERFULL:
                self._judge(stage.throughput(now), now)
            self._stage = None

    def _judge(self, throughput: float, now: float) -> None:
        """Keep the width of a trial or go back, and begin the next."""
        if not self._direction:
            self._kept_throughput = throughput
            if now >= self._hold_until:
                self._try(1)
        elif throughput >= self._enough():
            # Going narrower, small losses would add up: they are all counted from the best.
            best = max(throughput, self._kept_throughput if self._direction < 0 else 0.0)
            self._kept, self._kept_throughput = self.width, best
            self._hold_seconds = HOLD_SECONDS
            self._has_climbed = self._direction > 0
            self._try(self._direction)
        else:
            self._go_back(now)

    @property
    def _enough_ends(self) -> int:
        turns = MEASURED_TURNS if self._factor == 2 else FINELY_MEASURED_TURNS
        return max(turns * self.width, FEWEST_MEASURED)

    def _gains_plainly(self, stage: _Stage, now: float) -> bool:
        if self._direction <= 0 or stage.ends < max(self.width, FEWEST_MEASURED):
            return False
        return stage.throughput(now) >= PLAIN_GAIN * self._kept_throughput

    def _enough(self) -> float:
        """Return the throughput at which the trial's width is the better one."""
        share = math.log2(self._factor)
        change = GAIN_OF_DOUBLING if self._direction > 0 else -LOSS_OF_HALVING
        return self._kept_throughput * (1 + share * change)

    def _try(self, direction: int) -> None:
        factor = self._factor**direction
        width = min(max(round(self._kept * factor), 1), MOST_IN_FLIGHT)
        self._direction = direction if width != self._kept else 0
        self.width = width
        self._settle()

    def _go_back(self, now: float) -> None:
        if self._direction > 0 and not self._has_climbed:
            self._try(-1)
            return
        self._factor, self._has_climbed = math.sqrt(self._factor), False
        if self._factor >= FINEST_FACTOR:
            self._try(1)
            return
        self.width, self._direction, self._factor = self._kept, 0, math.sqrt(2.0)
        self._hold_until = now + max(self._hold_seconds, HOLD_STAGES * self._stage_seconds)
        self._hold_seconds = min(2 * self._hold_seconds, HOLD_AT_MOST_SECONDS)
        self._settle()

    def _settle(self) -> None:
        """Let calls of the width before come back first."""
        self._settling, self._stage = self.width, None
