"""How the lanes stand, for the display: counts from the tracker, reasons from the limiter."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from config.clock import Clock
from config.errors import NoCapacity, Overloaded
from runners.lanes.lane import Lane, Wait
from runners.lanes.refusal_watch import LONG_SECONDS
from runners.lanes.watchdog import LONG_OUT_SECONDS
from runners.progress.lane_pace import LanePace
from runners.progress.run_progress import LaneProgress, RunProgress
from runners.rate_limiter import AdaptiveRateLimiter, RateStatus
from storage.progress_tracker import ProgressTracker
from storage.records.tallies import Tally
from storage.records.tallies import total as sum_of
from storage.session.progress_file import ModelProgress
from storage.views.summaries import by_model


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
        at_start = tracker.progress().model_progress
        self._paces = [
            LanePace(self._started, answered=at_start[lane.label].successful) for lane in lanes
        ]

    def progress(self) -> RunProgress:
        """Return how the run stands now; the more often, the finer its rates."""
        counts = self._tracker.progress()
        tallies = by_model(self._tallies)
        total = counts.total_tasks // max(1, len(self._lanes))
        rows = [
            self._row(
                lane,
                pace,
                counts.model_progress[lane.label],
                sum_of(tallies.get(lane.label, {}).values()),
                total,
            )
            for lane, pace in zip(self._lanes, self._paces, strict=True)
        ]
        return RunProgress(lanes=rows, elapsed_seconds=self._clock.monotonic() - self._started)

    def batch_rows_done(self) -> dict[str, int]:
        """Return token -> rows done of each open batch of which the provider says so."""
        batches = [item for lane in self._lanes for item in lane.batches.open.items()]
        return {token: batch.done for token, batch in batches if batch.done is not None}

    def _row(
        self, lane: Lane, pace: LanePace, counts: ModelProgress, tally: Tally, total: int
    ) -> LaneProgress:
        status = self._limiter.status(lane.scope)
        blocked_seconds = self._blocked_seconds(status)
        pace.look(
            self._clock.monotonic(),
            answered=counts.successful,
            ended=lane.ended,
            blocked=blocked_seconds > 0,
        )
        return LaneProgress(
            label=lane.label,
            total=total,
            answered=counts.successful,
            failed=counts.failed,
            in_flight=lane.out,
            waiting=0 if lane.is_batched else len(lane.waits),
            answers_per_minute=0.0 if lane.is_batched else pace.answers_per_minute,
            limit_per_minute=status.rate_per_minute,
            tokens=tally.input_tokens + tally.output_tokens,
            cost_usd=tally.cost_usd,
            seconds_left=None
            if lane.is_batched and lane.undone
            else pace.seconds_left(
                lane.undone,
                blocked_seconds=blocked_seconds,
                limit_per_minute=status.rate_per_minute,
            ),
            open_batches=len(lane.batches.open) + lane.batches.in_doubt,
            batched_requests=lane.batches.rows,
            batched_done=lane.batches.done,
            waiting_because=self._why_waiting(lane, blocked_seconds),
            refusal=str(lane.refusals.last) if blocked_seconds and _is_refused(lane) else "",
        )

    def _blocked_seconds(self, status: RateStatus) -> float:
        return max(0.0, (status.blocked_until or 0.0) - self._clock.monotonic())

    def _why_waiting(self, lane: Lane, blocked_seconds: float) -> str:
        if lane.closed_by:
            return f"closed: {lane.closed_by}"
        if lane.batches and not lane.stopping:
            return lane.batches.words(self._clock.time())
        if lane.stopping and lane.ended < lane.tasks:
            return f"stopping, {lane.out} still in flight" if lane.out else "stopped"
        if blocked_seconds:
            until = datetime.fromtimestamp(self._clock.time() + blocked_seconds)
            return f"rate limit until {until:%H:%M:%S}"
        if long_out := lane.out_for(LONG_OUT_SECONDS):
            seconds = self._clock.monotonic() - long_out[0].since
            return f"{long_out[0].task_name} still in flight after {seconds:.0f} s"
        held = any(other.batches for other in self._lanes)
        return _why_held(lane.waits, "and batches hold some of it" if held else "")


def _is_refused(lane: Lane) -> bool:
    return not lane.stopping and lane.refusals.seconds >= LONG_SECONDS


def _why_held(waits: Sequence[Wait], about_money: str) -> str:
    """Return what keeps tasks from being sent, "" where they just wait for their turn."""
    if any(wait.for_money for wait in waits):
        return f"waiting for money under --max-cost {about_money}".rstrip()
    errors = [wait.after for wait in waits if wait.after]
    overloaded = sum(isinstance(error, Overloaded) for error in errors)
    without_room = sum(isinstance(error, NoCapacity) for error in errors)
    others = Counter(type(e).__name__ for e in errors if not isinstance(e, Overloaded | NoCapacity))
    said = [f"no room at the flex tier, {without_room} to try again"] if without_room else []
    said += [f"overloaded, {overloaded} to try again"] if overloaded else []
    said += [f"retrying {count} after {kind}" for kind, count in others.most_common()]
    return ", ".join(said)
