"""Drives one session: lanes in, records and progress on disk out."""

import asyncio
import hashlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from urllib.parse import urlsplit

from config.clock import Clock
from config.collection_settings import CollectionSettings
from models.base_model import BaseModel
from processors.solution_extractor import SolutionExtractor
from prompts.problems import Problem
from runners.answer_record import answer_record
from runners.lane import Lane
from runners.parallel_executor import ParallelExecutor
from runners.progress_display import LaneProgress, ProgressDisplay
from runners.rate_limiter import AdaptiveRateLimiter, RateChange, RateScope
from runners.reliable_call import Answer, GaveUp, ReliableCaller, RetryPolicy
from storage.progress_tracker import ProgressTracker
from storage.solution_record import FailureRecord
from storage.solution_store import SolutionStore

logger = logging.getLogger("collector")

_SAVE_INTERVAL_SECONDS = 0.5
_STILL_OUT_SECONDS = 120.0  # from then on a call that is out is worth a word
_STARTING_WIDTH_AUTO = 4


@dataclass(slots=True)
class _LaneTally:
    """A lane's counts; those of earlier runs of the session are in before_run too."""

    total: int
    answered: int
    failed: int = 0
    answered_before_run: int = field(init=False)

    def __post_init__(self) -> None:
        self.answered_before_run = self.answered


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutcome:
    """How a run ended: what is left, and which lanes closed, with the reason."""

    interrupted: bool
    undone: int
    failed: int
    closed: dict[str, str]


class CollectionRunner:
    """One session's run: asks what is not answered yet, and keeps what comes back."""

    def __init__(
        self,
        settings: CollectionSettings,
        store: SolutionStore,
        tracker: ProgressTracker,
        display: ProgressDisplay,
        extractor: SolutionExtractor,
        clock: Clock,
        random: Random,
    ) -> None:
        self._settings = settings
        self._store = store
        self._tracker = tracker
        self._display = display
        self._extractor = extractor
        self._clock = clock
        self._limiter = AdaptiveRateLimiter(clock, on_change=_log_rate_change)
        policy = RetryPolicy(
            max_attempts=settings.max_attempts,
            task_timeout_seconds=settings.task_timeout_seconds,
        )
        self._caller = ReliableCaller(self._limiter, policy, clock, random)
        self._executor = ParallelExecutor(self._caller, clock)
        self._lanes: list[Lane] = []
        self._tallies: dict[str, _LaneTally] = {}
        self._started = clock.monotonic()
        self._interrupted = False

    async def run(self, models: Sequence[BaseModel], problems: Sequence[Problem]) -> RunOutcome:
        """Return when every task is answered, failed or left undone.

        Raises StoreError where an answer cannot be written.
        """
        self._lanes = [self._open_lane(model, problems) for model in models]
        try:
            async with asyncio.TaskGroup() as group:
                keepers = [
                    group.create_task(self._keep_on_disk()),
                    group.create_task(self._keep_showing()),
                ]
                await self._executor.run(self._lanes, self._finish)
                for keeper in keepers:
                    keeper.cancel()
        finally:
            self._display.close(self._progress(), self._elapsed_seconds)
        return self._outcome()

    async def interrupt(self) -> None:
        """Stop sending, wait for calls in flight up to the grace time, then let them go."""
        self._interrupted = True
        await self._executor.stop(self._settings.grace_seconds)

    def abandon(self) -> None:
        """Stop now; what is written stays."""
        self._interrupted = True
        self._executor.abandon()

    def _open_lane(self, model: BaseModel, problems: Sequence[Problem]) -> Lane:
        label = model.config.label
        answered = sum(self._store.is_answered(label, problem.task_id) for problem in problems)
        self._tallies[label] = _LaneTally(total=len(problems), answered=answered)
        width = self._settings.max_concurrent_per_model
        lane = Lane(
            model=model,
            scope=rate_scope(model),
            problems=self._undone(label, problems),
            width=_STARTING_WIDTH_AUTO if width == "auto" else width,
            clock=self._clock,
        )
        self._limiter.register(lane.scope, slots=lane.width)
        return lane

    def _undone(self, label: str, problems: Sequence[Problem]) -> Iterator[Problem]:
        for number, problem in enumerate(problems, start=1):
            if not self._store.is_answered(label, problem.task_id):
                yield problem
            if number % self._settings.batch_size == 0:
                self._store.checkpoint()

    async def _finish(self, lane: Lane, problem: Problem, outcome: Answer | GaveUp) -> None:
        if isinstance(outcome, GaveUp):
            self._record_failure(lane, problem, outcome)
        else:
            await self._record_answer(lane, problem, outcome)

    async def _record_answer(self, lane: Lane, problem: Problem, answer: Answer) -> None:
        extraction = await self._extractor.extract(
            answer.completion.text, problem.task_id, problem.name
        )
        self._store.append(answer_record(problem, lane.model, answer, extraction))
        self._tallies[lane.label].answered += 1
        self._tracker.answered(lane.label, problem.task_id, answer.execution_seconds)

    def _record_failure(self, lane: Lane, problem: Problem, failure: GaveUp) -> None:
        error = type(failure.error).__name__
        logger.warning("%s, %s: failed: %s", lane.label, problem.task_id, failure.error)
        self._store.append_failure(
            FailureRecord(
                task_id=problem.task_id,
                model=lane.label,
                category=problem.category,
                error=error,
                message=str(failure.error),
                attempts=failure.attempts,
                timestamp=self._clock.time(),
            )
        )
        self._tallies[lane.label].failed += 1
        self._tracker.failed(lane.label, problem.task_id, f"{error}: {failure.error}")

    async def _keep_on_disk(self) -> None:
        while True:
            await self._clock.sleep(_SAVE_INTERVAL_SECONDS)
            await asyncio.to_thread(self._store.sync)
            await asyncio.to_thread(self._tracker.save_if_due)

    async def _keep_showing(self) -> None:
        while True:
            self._display.show(self._progress(), self._elapsed_seconds)
            await self._clock.sleep(_SAVE_INTERVAL_SECONDS)

    @property
    def _elapsed_seconds(self) -> float:
        return self._clock.monotonic() - self._started

    def _progress(self) -> list[LaneProgress]:
        minutes = max(self._elapsed_seconds, 1.0) / 60
        return [
            LaneProgress(
                label=lane.label,
                total=tally.total,
                answered=tally.answered,
                failed=tally.failed,
                answers_per_minute=(tally.answered - tally.answered_before_run) / minutes,
                waiting_because=self._why_waiting(lane),
            )
            for lane in self._lanes
            for tally in (self._tallies[lane.label],)
        ]

    def _why_waiting(self, lane: Lane) -> str:
        if lane.closed_by:
            return f"closed: {lane.closed_by}"
        if lane.stopping:
            return f"stopping, {len(lane.calls_out)} still out"
        status = self._limiter.status(lane.scope)
        if status.blocked_until is not None:
            left = status.blocked_until - self._clock.monotonic()
            return f"rate limit, {max(0.0, left):.0f} s to go"
        oldest = next(iter(lane.calls_out), None)
        now = self._clock.monotonic()
        if oldest and now - oldest.since > _STILL_OUT_SECONDS:
            return f"{oldest.task_id} still out after {now - oldest.since:.0f} s"
        return ""

    def _outcome(self) -> RunOutcome:
        tallies = self._tallies.values()
        return RunOutcome(
            interrupted=self._interrupted,
            undone=sum(tally.total - tally.answered - tally.failed for tally in tallies),
            failed=sum(tally.failed for tally in tallies),
            closed={lane.label: str(lane.closed_by) for lane in self._lanes if lane.closed_by},
        )


def rate_scope(model: BaseModel) -> RateScope:
    """Return whose limits a model's calls count against; it holds a digest of the key."""
    digest = hashlib.sha256(model.api_key.encode()).hexdigest()[:8]
    host = urlsplit(model.base_url).netloc or "own"
    return RateScope(
        key=f"{model.config.provider}@{host}#{digest}",
        model=model.model_name,
        requests_per_minute=model.config.requests_per_minute,
        tokens_per_minute=model.config.tokens_per_minute,
    )


def _log_rate_change(change: RateChange) -> None:
    logger.info("%s: %s (%s)", change.scope, change.state, change.reason)
