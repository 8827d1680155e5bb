"""Drives one session: lanes of work in, records and progress on disk out."""

import asyncio
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from urllib.parse import urlsplit

from config.clock import Clock
from config.collection_settings import CollectionSettings
from models.base_model import BaseModel
from prompts.problems import Problem
from runners.answer_keeper import AnswerKeeper
from runners.budget import Budget, CapReached
from runners.lane import Lane
from runners.lane_progress import LaneWatch
from runners.lane_widths import LaneWidths
from runners.parallel_executor import ParallelExecutor
from runners.progress_display import ProgressDisplay
from runners.rate_limiter import AdaptiveRateLimiter, RateScope
from runners.reliable_call import ReliableCaller
from runners.retry_policy import RetryPolicy
from runners.run_models import RunModels
from runners.watchdog import Watchdog
from storage.manifest import SessionStatus
from storage.progress_tracker import ProgressTracker
from storage.rate_limits_file import read_rate_limits, write_rate_limits
from storage.solution_store import SolutionStore

_TICK_SECONDS = 0.5  # answers are on the disk, and shown, at most this much later
_LEARNED_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutcome:
    """How a run ended: tasks of the whole session, and why lanes closed (by label).

    stopped_by: why the whole run ended early, None where it did not.
    """

    interrupted: bool
    answered: int
    failed: int
    undone: int
    closed: dict[str, str]
    stopped_by: str | None

    @property
    def status(self) -> SessionStatus:
        """What the session's files say: undone tasks leave it in progress, for a resume."""
        if self.undone:
            return "in_progress"
        return "completed" if self.answered or not self.failed else "failed"


class CollectionRunner:
    """One session's run: asks what is not answered yet, and keeps what comes back."""

    def __init__(
        self,
        settings: CollectionSettings,
        store: SolutionStore,
        tracker: ProgressTracker,
        display: ProgressDisplay,
        limiter: AdaptiveRateLimiter,
        clock: Clock,
        random: Random,
    ) -> None:
        self._settings = settings
        self._store = store
        self._tracker = tracker
        self._display = display
        self._clock = clock
        self._limiter = limiter
        policy = RetryPolicy(
            max_attempts=settings.max_attempts,
            task_timeout_seconds=settings.task_timeout_seconds,
        )
        self._budget = Budget(settings.max_cost_usd, tracker.spent_usd, clock)
        self._caller = ReliableCaller(self._limiter, self._budget, policy, clock, random)
        self._lanes: list[Lane] = []
        self._interrupted = False

    async def run(self, models: RunModels, problems: Sequence[Problem]) -> RunOutcome:
        """Return when every task is answered, failed or left undone.

        Raises StoreError where an answer cannot be written.
        """
        self._limiter.restore(read_rate_limits(self._store.path))
        lanes = [self._lane(model, problems) for model in models.answering]
        # The extraction lane has no work of its own: the workers of the others ask through it.
        extracting = self._lane(models.extraction, ()) if models.extraction else None
        self._lanes = [*lanes, extracting] if extracting else lanes
        widths = LaneWidths(
            self._settings.max_concurrent_per_model, lanes, extracting, self._limiter
        )
        await self._expect_calls(widths.calls_at_most(widths.wanted()))
        widths.set(widths.wanted())
        keeper = AnswerKeeper(
            self._settings, self._store, self._tracker, self._caller, extracting, self._clock
        )
        executor = ParallelExecutor(self._caller, keeper.keep)
        watch = LaneWatch(lanes, self._limiter, self._tracker, self._store.tallies, self._clock)
        try:
            async with asyncio.TaskGroup() as group:
                upkeep = (
                    self._keep_on_disk(),
                    self._keep_exported(keeper),
                    self._keep_shown(watch),
                    self._keep_watch(Watchdog(self._lanes, self._clock)),
                    self._keep_learned(),
                    *([self._keep_wide(widths, executor)] if widths.is_auto else []),
                )
                keeping = [group.create_task(each) for each in upkeep]
                async with asyncio.TaskGroup() as work:
                    work.create_task(keeper.finish_pending())
                    work.create_task(executor.run(self._lanes))
                for task in keeping:
                    task.cancel()
        finally:
            self._tracker.spent_usd = self._budget.spent_usd
            self._save_learned()
            self._display.close(watch.progress())
        return self._outcome(lanes, executor.stopped_by)

    async def interrupt(self) -> None:
        """Stop sending, wait for calls in flight up to the grace time, then let them go."""
        self._interrupted = True
        for lane in self._lanes:
            lane.stop()
        await self._clock.sleep(self._settings.grace_seconds)
        self.abandon()

    def abandon(self) -> None:
        """Stop now; what is written stays."""
        self._interrupted = True
        for lane in self._lanes:
            lane.abandon()

    def _lane(self, model: BaseModel, problems: Sequence[Problem]) -> Lane:
        return Lane(
            model=model,
            scope=rate_scope(model),
            problems=self._undone(model, problems),
            clock=self._clock,
        )

    def _undone(self, model: BaseModel, problems: Sequence[Problem]) -> Iterator[Problem]:
        label, store = model.config.label, self._store
        return (
            problem
            for problem in problems
            if not store.is_answered(label, problem.task_id)
            and not store.is_pending(label, problem.task_id)
        )

    async def _keep_on_disk(self) -> None:
        while True:
            await self._clock.sleep(_TICK_SECONDS)
            self._tracker.spent_usd = self._budget.spent_usd + self._budget.reserved_usd
            await asyncio.to_thread(self._store.sync)
            await asyncio.to_thread(self._tracker.save_if_due)

    async def _keep_exported(self, keeper: AnswerKeeper) -> None:
        """Apart from the above: a long export must not keep answers from the disk."""
        while True:
            await self._clock.sleep(_TICK_SECONDS)
            if keeper.batch_is_full():
                await asyncio.to_thread(self._store.checkpoint_if_due)

    async def _keep_shown(self, watch: LaneWatch) -> None:
        while True:
            self._display.show(watch.progress())
            await self._clock.sleep(_TICK_SECONDS)

    async def _keep_watch(self, watchdog: Watchdog) -> None:
        while True:
            watchdog.look()
            await self._clock.sleep(_TICK_SECONDS)

    async def _keep_learned(self) -> None:
        while True:
            await self._clock.sleep(_LEARNED_SECONDS)
            await asyncio.to_thread(self._save_learned)

    def _save_learned(self) -> None:
        if learned := self._limiter.snapshot():
            write_rate_limits(self._store.path, learned)

    async def _keep_wide(self, widths: LaneWidths, executor: ParallelExecutor) -> None:
        while True:
            await self._clock.sleep(_TICK_SECONDS)
            wanted = widths.wanted()
            await self._expect_calls(widths.calls_at_most(wanted))
            for lane in widths.set(wanted):
                executor.fill(lane)

    async def _expect_calls(self, at_most: int) -> None:
        """Put the number of calls that may be under way on the disk before it is reached."""
        grows = at_most > self._tracker.in_flight
        self._tracker.in_flight = at_most
        if grows:
            await asyncio.to_thread(self._tracker.save)

    def _outcome(self, lanes: Sequence[Lane], stopped_by: CapReached | None) -> RunOutcome:
        counts = self._tracker.progress()
        return RunOutcome(
            interrupted=self._interrupted,
            answered=counts.successful_tasks,
            failed=counts.failed_tasks,
            undone=counts.total_tasks - counts.completed_tasks,
            stopped_by=str(stopped_by) if stopped_by else None,
            closed={lane.label: str(lane.closed_by) for lane in lanes if lane.closed_by},
        )


def rate_scope(model: BaseModel) -> RateScope:
    """Return whose limits a model's calls count against; it holds a digest of the key."""
    digest = hashlib.sha256(model.api_key.encode()).hexdigest()[:8]
    host = urlsplit(model.base_url).netloc or "here"
    return RateScope(
        key=f"{model.config.provider}@{host}#{digest}",
        model=model.model_name,
        requests_per_minute=model.config.requests_per_minute,
        tokens_per_minute=model.config.tokens_per_minute,
    )
