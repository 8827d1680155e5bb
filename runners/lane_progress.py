"""How the lanes stand, for the display: counts from the tracker, reasons from the limiter."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from config.clock import Clock
from runners.lane import Lane
from runners.progress_display import LaneProgress, RunProgress
from runners.rate_limiter import AdaptiveRateLimiter
from runners.watchdog import LONG_OUT_SECONDS
from storage.progress_file import ModelProgress
from storage.progress_tracker import ProgressTracker
from storage.tallies import Tally
from storage.tallies import total as sum_of


class LaneWatch:
    """Looks at running lanes; makes nothing happen."""

    def __init__(
        self,
        lanes: Sequence[Lane],
        limiter: AdaptiveRateLimiter,
        tracker: ProgressTracker,
        tallies: Mapping[tuple[str, str], Tally],
        clock: Clock,
    ) -> None:
        self._lanes = lanes
        self._limiter = limiter
        self._tracker = tracker
        self._tallies = tallies
        self._clock = clock
        self._started = clock.monotonic()
        self._at_start = tracker.progress().model_progress

    def progress(self) -> RunProgress:
        """Return how the run stands now."""
        counts = self._tracker.progress()
        elapsed = self._clock.monotonic() - self._started
        total = counts.total_tasks // max(1, len(self._lanes))
        rows = [
            self._row(lane, counts.model_progress[lane.label], total, elapsed)
            for lane in self._lanes
        ]
        return RunProgress(lanes=rows, elapsed_seconds=elapsed)

    def _row(self, lane: Lane, now: ModelProgress, total: int, elapsed: float) -> LaneProgress:
        answered_now = now.successful - self._at_start[lane.label].successful
        tally = self._tally(lane.label)
        wait_seconds = self._blocked_seconds(lane)
        return LaneProgress(
            label=lane.label,
            total=total,
            answered=now.successful,
            failed=now.failed,
            answers_per_minute=60 * answered_now / max(elapsed, 1.0),
            tokens=tally.input_tokens + tally.output_tokens,
            cost_usd=tally.cost_usd,
            seconds_left=_seconds_left(total - now.completed, answered_now, elapsed, wait_seconds),
            waiting_because=self._why_waiting(lane, wait_seconds),
        )

    def _tally(self, label: str) -> Tally:
        kinds = [tally for (model, _), tally in self._tallies.items() if model == label]
        return sum_of(kinds) if kinds else Tally()

    def _blocked_seconds(self, lane: Lane) -> float:
        blocked_until = self._limiter.status(lane.scope).blocked_until
        return max(0.0, (blocked_until or 0.0) - self._clock.monotonic())

    def _why_waiting(self, lane: Lane, blocked_seconds: float) -> str:
        if lane.closed_by:
            return f"closed: {lane.closed_by}"
        if lane.stopping:
            return f"stopping, {len(lane.calls_out)} still out"
        if blocked_seconds:
            until = datetime.fromtimestamp(self._clock.time() + blocked_seconds)
            return f"rate limit until {until:%H:%M:%S}"
        if long_out := lane.out_for(LONG_OUT_SECONDS):
            seconds = self._clock.monotonic() - long_out[0].since
            return f"{long_out[0].task_id} still out after {seconds:.0f} s"
        return f"retrying {lane.retrying}" if lane.retrying else ""


def _seconds_left(
    undone: int, answered_now: int, elapsed: float, wait_seconds: float
) -> float | None:
    if undone <= 0:
        return 0.0
    return wait_seconds + undone * elapsed / answered_now if answered_now else None
