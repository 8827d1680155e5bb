"""How the lanes stand, for the display: counts from the tracker, reasons from the limiter."""

from collections.abc import Sequence

from config.clock import Clock
from runners.lane import Lane
from runners.progress_display import LaneProgress, RunProgress
from runners.rate_limiter import AdaptiveRateLimiter
from storage.progress_file import ModelProgress
from storage.progress_tracker import ProgressTracker

_LONG_OUT_SECONDS = 120.0  # from then on a call that is still out is worth a word


class LaneWatch:
    """Looks at running lanes; makes nothing happen."""

    def __init__(
        self,
        lanes: Sequence[Lane],
        limiter: AdaptiveRateLimiter,
        tracker: ProgressTracker,
        clock: Clock,
    ) -> None:
        self._lanes = lanes
        self._limiter = limiter
        self._tracker = tracker
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
        return LaneProgress(
            label=lane.label,
            total=total,
            answered=now.successful,
            failed=now.failed,
            answers_per_minute=60 * answered_now / max(elapsed, 1.0),
            waiting_because=self._why_waiting(lane),
        )

    def _why_waiting(self, lane: Lane) -> str:
        if lane.closed_by:
            return f"closed: {lane.closed_by}"
        if lane.stopping:
            return f"stopping, {len(lane.calls_out)} still out"
        now = self._clock.monotonic()
        blocked_until = self._limiter.status(lane.scope).blocked_until
        if blocked_until is not None and blocked_until > now:
            return f"rate limit, {blocked_until - now:.0f} s to go"
        oldest = next(iter(lane.calls_out), None)
        if oldest and now - oldest.since > _LONG_OUT_SECONDS:
            return f"{oldest.task_id} still out after {now - oldest.since:.0f} s"
        return ""
