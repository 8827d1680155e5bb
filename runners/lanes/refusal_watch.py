"""Says what a provider answers that refuses for long, once, and gives up where it does not end."""

import logging
from collections.abc import Sequence
from datetime import datetime

from config.clock import Clock
from config.errors import AllAlike, NoCapacity, RateLimited
from runners.lanes.lane import Lane
from runners.rate_limiter import AdaptiveRateLimiter

logger = logging.getLogger("collector")

LONG_SECONDS = 5.0


class RefusalWatch:
    """Looks after lanes whose every call is refused for its rate (429).

    A refusal is no attempt, but it costs a task's time. Where nothing else came for all of that
    time, the lane's other tasks would fare no better.
    """

    def __init__(
        self,
        lanes: Sequence[Lane],
        limiter: AdaptiveRateLimiter,
        clock: Clock,
        *,
        task_timeout_seconds: float,
    ) -> None:
        self._lanes = lanes
        self._limiter = limiter
        self._clock = clock
        self._task_timeout_seconds = task_timeout_seconds
        self._said: set[tuple[str, str]] = set()

    def look(self) -> None:
        """Log a refusal that lasts, and give up the tasks of a lane where one lasts too long."""
        for lane in self._lanes:
            refusal = lane.refusals.last
            if refusal is None or lane.refusals.given_up or not lane.waits:
                continue
            if lane.refusals.seconds >= LONG_SECONDS:
                self._say_once(lane, refusal)
            if lane.refusals.seconds >= self._task_timeout_seconds:
                self._give_up(lane, refusal)

    def _give_up(self, lane: Lane, refusal: RateLimited) -> None:
        """Leave the tasks of a lane to another key, or let them fail where there is none."""
        said = f"every call was refused for {lane.refusals.seconds:.0f} s (--task-timeout)"
        if lane.has_another_key:
            lane.close(AllAlike(f"{said}: {refusal}"))
            return
        logger.warning(
            "%s: %s: its tasks fail, and a resume tries them again: %s", lane.name, said, refusal
        )
        lane.give_up()

    def _say_once(self, lane: Lane, refusal: RateLimited) -> None:
        """Log the provider's words; numbers and request ids in them make no others of them."""
        words = str(refusal)
        alike = " ".join(word for word in words.split() if not any(map(str.isdigit, word)))
        if (lane.name, alike) in self._said:
            return
        self._said.add((lane.name, alike))
        if isinstance(refusal, NoCapacity):
            logger.info("%s: calls wait for room at the flex tier: %s", lane.name, words)
            return
        blocked_until = self._limiter.status(lane.scope).blocked_until
        wait_seconds = max(0.0, (blocked_until or 0.0) - self._clock.monotonic())
        until = datetime.fromtimestamp(self._clock.time() + wait_seconds)
        logger.info("%s: rate limit until %s: %s", lane.name, f"{until:%H:%M:%S}", words)
