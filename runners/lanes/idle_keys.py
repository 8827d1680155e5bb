"""Gives tasks that wait for one key's turn to another key that has nothing left to do."""

from collections.abc import Sequence

from runners.lanes.lane import Lane
from runners.lanes.model_lanes import of_each_model
from runners.rate_limiter import AdaptiveRateLimiter


class IdleKeys:
    """Looks after lanes that share their tasks: the end of a run waits for no slow key alone.

    Each worker of a key that allows little holds a task meanwhile, which another may ask at once.
    """

    def __init__(self, lanes: Sequence[Lane], limiter: AdaptiveRateLimiter) -> None:
        self._models = [of_model for of_model in of_each_model(lanes).values() if len(of_model) > 1]
        self._limiter = limiter

    def look(self) -> None:
        """Have waiting tasks handed on, as many as idle lanes have workers for."""
        for lanes in self._models:
            idle = [lane for lane in lanes if self._is_idle(lane)]
            room = sum(lane.width - lane.workers for lane in idle)
            for lane in lanes:
                if room and lane not in idle and not lane.stopping:
                    room -= lane.hand_on(room)

    def _is_idle(self, lane: Lane) -> bool:
        is_waiting = bool(lane.waits) or self._limiter.status(lane.scope).blocked_until is not None
        return lane.exhausted and not lane.stopping and not is_waiting
