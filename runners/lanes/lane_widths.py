"""How many workers each lane has: as many as asked for, or what its limits have use for."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from runners.lanes.lane import Lane
from runners.lanes.model_tasks import ModelTasks
from runners.lanes.open_files import MOST_CALLS
from runners.rate_limiter import AdaptiveRateLimiter

_STARTING_WIDTH_AUTO = 4


class LaneWidths:
    """Keeps lanes as wide as they should be, and the limiter told of it.

    extracting: the lane that the others ask an LLM to read through; it has no workers of its own.
    most_calls: how many calls of all lanes together auto may come to.
    """

    def __init__(
        self,
        asked: int | Literal["auto"],
        lanes: Sequence[Lane],
        extracting: Lane | None,
        limiter: AdaptiveRateLimiter,
        most_calls: int = MOST_CALLS,
    ) -> None:
        self._most_calls = most_calls // 2 if extracting else most_calls
        self._asked = asked
        self._lanes = lanes
        self._extracting = extracting
        self._limiter = limiter
        self._set([self._bounded(lane, self._starting) for lane in lanes])

    @property
    def is_auto(self) -> bool:
        return self._asked == "auto"

    def wanted(self) -> list[int]:
        """Return how wide the lanes should be now, in their order."""
        if not self.is_auto:
            return [self._bounded(lane, self._starting) for lane in self._lanes]
        widths = [self._bounded(lane, self._suggested(lane)) for lane in self._lanes]
        share = self._most_calls / max(1, sum(widths))
        if share >= 1:
            return widths
        return [max(1, int(share * width)) if width else 0 for width in widths]

    def calls_at_most(self, widths: Sequence[int]) -> int:
        """Return how many calls may be out at once with these widths, the surplus included.

        For auto that is rounded up to a power of two, so that it seldom changes.
        """
        calls: Counter[ModelTasks] = Counter()
        for lane, width in zip(self._lanes, widths, strict=True):
            calls[lane.tasks] += self._calls_of(lane, width)
        total = sum(min(of_model, tasks.total) for tasks, of_model in calls.items())
        if self._extracting:
            total += 1  # about a reply of an earlier run
        return 1 << (total - 1).bit_length() if self.is_auto else total

    def set(self, widths: Sequence[int]) -> list[Lane]:
        """Make the lanes so wide; return those that changed. Workers come and go on their own."""
        changed = [
            lane for lane, width in zip(self._lanes, widths, strict=True) if lane.width != width
        ]
        if changed:
            self._set(widths)
        return changed

    def _calls_of(self, lane: Lane, width: int) -> int:
        calls = max(lane.workers, width)
        if self._extracting:  # it may be asked about each worker's last reply
            calls += calls + lane.readings_left
        return calls

    @property
    def _starting(self) -> int:
        return _STARTING_WIDTH_AUTO if self._asked == "auto" else self._asked

    def _bounded(self, lane: Lane, width: int) -> int:
        if lane.is_batched:
            return 0
        return max(1, min(width, lane.tasks.total, lane.model.most_at_once or width))

    def _suggested(self, lane: Lane) -> int:
        """Return the lane's share of what its scope has use for."""
        sharing = [other for other in self._lanes if _account(other) == _account(lane)]
        live = [other for other in sharing if not other.is_batched]
        return self._limiter.status(lane.scope).suggested_slots // max(1, len(live))

    def _set(self, widths: Sequence[int]) -> None:
        slots: Counter[tuple[str, str]] = Counter()
        for lane, width in zip(self._lanes, widths, strict=True):
            lane.width = width
            slots[_account(lane)] += width
        if self._extracting:
            slots[_account(self._extracting)] += sum(widths)
        everyone = [*self._lanes, self._extracting] if self._extracting else self._lanes
        for lane in everyone:
            self._limiter.register(lane.scope, slots=slots[_account(lane)])


def _account(lane: Lane) -> tuple[str, str]:
    """Return what two lanes share where their calls count against the same limits."""
    return lane.scope.key, lane.scope.model
