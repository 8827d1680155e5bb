"""How each model's lanes stand, for the display: counts from the tracker, why from the limiter."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from config.clock import Clock
from config.errors import NoCapacity, Overloaded
from runners.lanes.lane import Lane, Wait
from runners.lanes.model_lanes import of_each_model, why_closed
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
        self._models = of_each_model(lanes)
        self._limiter = limiter
        self._tracker = tracker
        self._tallies = tallies
        self._clock = clock
        self._started = clock.monotonic()
        at_start = tracker.progress().model_progress
        self._paces = [
            LanePace(self._started, answered=at_start[label].successful) for label in self._models
        ]

    def progress(self) -> RunProgress:
        """Return how the run stands now; the more often, the finer its rates."""
        counts = self._tracker.progress()
        tallies = by_model(self._tallies)
        total = counts.total_tasks // max(1, len(self._models))
        rows = [
            self._row(
                lanes,
                pace,
                counts.model_progress[label],
                sum_of(tallies.get(label, {}).values()),
                total,
            )
            for (label, lanes), pace in zip(self._models.items(), self._paces, strict=True)
        ]
        return RunProgress(lanes=rows, elapsed_seconds=self._clock.monotonic() - self._started)

    def batch_rows_done(self) -> dict[str, int]:
        """Return token -> rows done of each open batch of which the provider says so."""
        batches = [
            item
            for lanes in self._models.values()
            for lane in lanes
            for item in lane.batches.open.items()
        ]
        return {token: batch.done for token, batch in batches if batch.done is not None}

    def _row(
        self, lanes: list[Lane], pace: LanePace, counts: ModelProgress, tally: Tally, total: int
    ) -> LaneProgress:
        """Return how a model stands, with all of its keys together."""
        first, tasks = lanes[0], lanes[0].tasks
        blocked_seconds, limit_per_minute = self._limits(lanes)
        in_flight = sum(lane.out for lane in lanes)
        is_stopping = all(lane.stopping for lane in lanes)
        undone = in_flight if is_stopping else tasks.total - tasks.ended
        pace.look(
            self._clock.monotonic(),
            answered=counts.successful,
            ended=tasks.ended,
            blocked=blocked_seconds > 0,
        )
        return LaneProgress(
            label=first.label,
            total=total,
            answered=counts.successful,
            failed=counts.failed,
            in_flight=in_flight,
            waiting=0 if first.is_batched else sum(len(lane.waits) for lane in lanes),
            answers_per_minute=0.0 if first.is_batched else pace.answers_per_minute,
            limit_per_minute=limit_per_minute,
            tokens=tally.input_tokens + tally.output_tokens,
            cost_usd=tally.cost_usd,
            seconds_left=None
            if first.is_batched and undone
            else pace.seconds_left(
                undone, blocked_seconds=blocked_seconds, limit_per_minute=limit_per_minute
            ),
            open_batches=len(first.batches.open) + first.batches.in_doubt,
            batched_requests=first.batches.rows,
            batched_done=first.batches.done,
            waiting_because=self._why_waiting(lanes, blocked_seconds),
            refusal=_refusal(lanes) if blocked_seconds else "",
        )

    def _limits(self, lanes: Sequence[Lane]) -> tuple[float, float | None]:
        """Return for how long every key is blocked, and what those that work allow together."""
        working = [lane for lane in lanes if not lane.stopping] or lanes
        statuses = [self._limiter.status(lane.scope) for lane in working]
        rates = [status.rate_per_minute for status in statuses]
        known = [rate for rate in rates if rate is not None]
        limit_per_minute = sum(known) if len(known) == len(rates) else None
        return min(map(self._blocked_seconds, statuses)), limit_per_minute

    def _blocked_seconds(self, status: RateStatus) -> float:
        return max(0.0, (status.blocked_until or 0.0) - self._clock.monotonic())

    def _why_waiting(self, lanes: Sequence[Lane], blocked_seconds: float) -> str:
        reason = why_closed(lanes)
        if reason is not None:
            return f"closed: {reason}"
        first, tasks = lanes[0], lanes[0].tasks
        if first.batches and not first.stopping:
            return first.batches.words(self._clock.time())
        if all(lane.stopping for lane in lanes) and tasks.ended < tasks.total:
            in_flight = sum(lane.out for lane in lanes)
            return f"stopping, {in_flight} still in flight" if in_flight else "stopped"
        if blocked_seconds:
            until = datetime.fromtimestamp(self._clock.time() + blocked_seconds)
            return f"rate limit until {until:%H:%M:%S}"
        if long_out := [call for lane in lanes for call in lane.out_for(LONG_OUT_SECONDS)]:
            seconds = self._clock.monotonic() - long_out[0].since
            return f"{long_out[0].task_name} still in flight after {seconds:.0f} s"
        held = any(others[0].batches for others in self._models.values())
        waits = [wait for lane in lanes for wait in lane.waits]
        return _why_held(waits, "and batches hold some of it" if held else "")


def _refusal(lanes: Sequence[Lane]) -> str:
    """Return what a model's provider says that refuses every call for long, "" where none does."""
    refused = (
        str(lane.refusals.last)
        for lane in lanes
        if not lane.stopping and lane.refusals.seconds >= LONG_SECONDS
    )
    return next(refused, "")


def _why_held(waits: Sequence[Wait], about_money: str) -> str:
    """Return what keeps tasks from being sent, "" where they just wait for their turn."""
    if any(wait.for_money for wait in waits):
        return f"waiting for money under --max-cost {about_money}".rstrip()
    if any(wait.for_host for wait in waits):
        return "waiting for its host on the cluster"
    errors = [wait.after for wait in waits if wait.after]
    overloaded = sum(isinstance(error, Overloaded) for error in errors)
    without_room = sum(isinstance(error, NoCapacity) for error in errors)
    others = Counter(type(e).__name__ for e in errors if not isinstance(e, Overloaded | NoCapacity))
    said = [f"no room at the flex tier, {without_room} to try again"] if without_room else []
    said += [f"overloaded, {overloaded} to try again"] if overloaded else []
    said += [f"retrying {count} after {kind}" for kind, count in others.most_common()]
    return ", ".join(said)
