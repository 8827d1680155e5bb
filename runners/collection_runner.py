"""Drives one session: lanes of work in, records and progress on disk out."""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from random import Random
from urllib.parse import urlsplit

from config.clock import Clock
from config.collection_settings import CollectionSettings
from models.base_model import BaseModel
from models.wire.rate_headers import ANNOUNCES_LIMITS
from processors.reading.bounded_reader import BoundedReader
from prompts.placed_problems import AskedProblem
from runners.answers.answer_keeper import AnswerKeeper
from runners.batch.batch_run import NO_WISHES, BatchWishes
from runners.batch.batch_runner import BatchRunner
from runners.calls.budget import Budget, CapReached
from runners.calls.reliable_call import ReliableCaller
from runners.calls.retry_policy import RetryPolicy
from runners.calls.sender import SEND_FROM_HERE, Sender
from runners.calls.spending_ledger import SpendingLedger
from runners.lanes.idle_keys import IdleKeys
from runners.lanes.lane import Lane
from runners.lanes.lane_widths import LaneWidths
from runners.lanes.model_lanes import of_each_model, why_closed
from runners.lanes.model_tasks import ModelTasks
from runners.lanes.open_files import calls_that_fit
from runners.lanes.refusal_watch import RefusalWatch
from runners.lanes.task import Task
from runners.lanes.watchdog import Watchdog
from runners.parallel_executor import ParallelExecutor
from runners.progress.lane_progress import LaneWatch
from runners.progress.progress_display import ProgressDisplay
from runners.rate_limiter import AdaptiveRateLimiter, RateScope
from runners.session.run_models import RunModels
from runners.session.run_stop import RunStop
from runners.session.upkeep import Upkeep
from storage.files.spare_files import spare_files
from storage.progress_tracker import ProgressTracker
from storage.session.manifest import SessionStatus
from storage.session.rate_limits_file import read_rate_limits
from storage.session.spending_file import Spending, read_spending
from storage.solution_store import SolutionStore

logger = logging.getLogger("collector")


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
        reader: BoundedReader,
        wishes: BatchWishes = NO_WISHES,
        sender: Sender = SEND_FROM_HERE,
    ) -> None:
        """wishes: what this run does with batches. sender: makes the calls."""
        self._settings = settings
        self._store = store
        self._tracker = tracker
        self._clock = clock
        self._limiter = limiter
        self._reader = reader
        policy = RetryPolicy(
            max_attempts=settings.max_attempts,
            task_timeout_seconds=settings.task_timeout_seconds,
        )
        self._stop = RunStop(settings.grace_seconds, clock)
        spending = read_spending(store.path) or Spending(committed_usd=tracker.spent_usd)
        budget = Budget(
            settings.max_cost_usd,
            spending.committed_usd,
            clock,
            ledger=SpendingLedger(store.path, spending),
            break_off=self._stop.break_off,
        )
        self._caller = ReliableCaller(limiter, budget, policy, clock, random, sender)
        self._wishes = wishes
        self._batches = BatchRunner(settings, wishes, store, budget, clock, random)
        self._upkeep = Upkeep(store, tracker, limiter, budget, display, clock)

    async def run(self, models: RunModels, problems: Sequence[AskedProblem]) -> RunOutcome:
        """Return when every task is answered, failed or left undone.

        Raises StoreError where an answer cannot be written; those that could be are.
        """
        self._limiter.restore(read_rate_limits(self._store.path, self._clock.time()))
        lanes = self._lanes(models, problems)
        # The extraction lane has no work of its own: the others' replies are read through it.
        reader = models.extraction
        extracting = self._lane(reader, self._tasks(reader, ())) if reader else None
        self._stop.lanes = [*lanes, extracting] if extracting else lanes
        width = self._settings.max_concurrent_per_model
        widths = LaneWidths(width, lanes, extracting, self._limiter, calls_that_fit())
        keeper = self._keeper(extracting)
        self._stop.abandon_readings = keeper.abandon
        self._stop.stop_batches = self._batches.stop
        self._stop.abandon_batches = self._batches.abandon
        watch = LaneWatch(lanes, self._limiter, self._tracker, self._store.tallies, self._clock)
        # On the disk before the first call leaves: a kill may come at any time from then on.
        await self._upkeep.expect_calls(widths.calls_at_most(widths.wanted()))
        widths.set(widths.wanted())
        try:
            stopped_by = await self._work(keeper, watch, widths, problems)
        finally:
            self._tracker.in_flight = self._stop.let_go + keeper.unkept_answers
            self._upkeep.close(watch)
        if self._stop.broken_by:
            raise self._stop.broken_by
        await self._miss_what_is_gone()
        return self._outcome(lanes, problems, stopped_by)

    async def interrupt(self) -> None:
        """Stop sending, wait for calls in flight up to the grace time, then let them go."""
        await self._stop.interrupt()

    def abandon(self) -> None:
        """Stop now; what is written stays."""
        self._stop.abandon()

    async def _work(
        self,
        keeper: AnswerKeeper,
        watch: LaneWatch,
        widths: LaneWidths,
        problems: Sequence[AskedProblem],
    ) -> CapReached | None:
        """Return why the work ended early, None where it did not."""
        executor = ParallelExecutor(self._caller, keeper, self._settings.prompt)

        async def go_live(lane: Lane, tasks: list[Task]) -> None:
            lane.tasks.add(tasks)
            lane.exhausted = lane.is_batched = False
            await self._upkeep.expect_calls(widths.calls_at_most(widths.wanted()))
            widths.set(widths.wanted())
            executor.fill(lane)

        first_lanes = [first for first, *_ in of_each_model(self._stop.lanes).values()]
        batches = self._batches.work(
            *(first_lanes, problems, keeper, executor.read, go_live, self._stop.break_off)
        )
        looks, break_off = self._looks(), self._stop.break_off
        loops = self._upkeep.loops(keeper, watch, looks, widths, executor, break_off)
        with spare_files() as spare:
            async with asyncio.TaskGroup() as group:
                beside = [group.create_task(loop) for loop in (*loops, self._stop.wait_for_break())]
                async with asyncio.TaskGroup() as work:
                    pending = work.create_task(keeper.finish_pending())
                    work.create_task(executor.run(self._stop.lanes, batches))
                spare.close()
                keeper.keep_the_rest()
                for task in beside:
                    task.cancel()
        was_abandoned = pending.cancelled()
        stopped_by = executor.stopped_by or self._batches.stopped_by
        return stopped_by or (None if was_abandoned else pending.result())

    def _looks(self) -> tuple[Callable[[], None], ...]:
        """Return what looks after calls in flight, refusals without end, and keys without work."""
        lanes, timeout_seconds = self._stop.lanes, self._settings.task_timeout_seconds
        refusals = RefusalWatch(
            lanes, self._limiter, self._clock, task_timeout_seconds=timeout_seconds
        )
        idle_keys = IdleKeys(lanes, self._limiter)
        return Watchdog(lanes, self._clock).look, refusals.look, idle_keys.look

    async def _miss_what_is_gone(self) -> None:
        """Say which answers somebody deleted meanwhile, and count them as undone."""
        gone = await asyncio.to_thread(self._store.take_stock)
        for sentence in gone:
            logger.warning("%s", sentence)
        if gone:
            self._tracker.recount(self._store)

    def _keeper(self, extraction_lane: Lane | None) -> AnswerKeeper:
        return AnswerKeeper(
            self._settings,
            self._store,
            self._tracker,
            self._caller,
            self._reader,
            extraction_lane,
            self._clock,
            self._stop.break_off,
        )

    def _lanes(self, models: RunModels, problems: Sequence[AskedProblem]) -> list[Lane]:
        """Return a lane a model and key; batches belong to the account of the first key alone."""
        lanes: list[Lane] = []
        for model in models.answering:
            tasks = self._tasks(model, problems)
            of_each_key = (model,) if self._is_batched(model) else models.of_each_key(model)
            lanes += [self._lane(each, tasks) for each in of_each_key]
        return lanes

    def _tasks(self, model: BaseModel, problems: Sequence[AskedProblem]) -> ModelTasks:
        label, batches = model.config.label, self._batches
        left = sum(1 for _ in batches.undone(label, problems))
        return ModelTasks(
            () if self._is_batched(model) else batches.undone(label, problems),
            (0 if self._wishes.cancel else left) + batches.waits_for(label, problems),
        )

    def _lane(self, model: BaseModel, tasks: ModelTasks) -> Lane:
        return Lane(
            model=model,
            scope=rate_scope(model),
            tasks=tasks,
            clock=self._clock,
            answered_before=bool(self._store.answered(model.config.label)),
            fallback=self._fallback(model),
            is_batched=self._is_batched(model),
        )

    def _is_batched(self, model: BaseModel) -> bool:
        return self._batches.takes(model) or self._wishes.cancel

    def _fallback(self, model: BaseModel) -> BaseModel | None:
        is_wanted = self._settings.tier == "flex-or-default" and model.requested_tier == "flex"
        return model.at_default_tier() if is_wanted else None

    def _outcome(
        self, lanes: Sequence[Lane], problems: Sequence[AskedProblem], stopped_by: CapReached | None
    ) -> RunOutcome:
        counts = self._tracker.progress()
        failed = self._store.failed_tasks
        task_ids = [problem.task_id for problem in problems]
        undone = (
            key not in failed.get(label, {})
            for label in of_each_model(lanes)
            for key in product(task_ids, range(1, self._settings.samples + 1))
            if not self._store.is_answered(label, key)
        )
        return RunOutcome(
            interrupted=self._stop.interrupted,
            answered=counts.successful_tasks,
            failed=counts.failed_tasks,
            undone=sum(undone),
            stopped_by=str(stopped_by) if stopped_by else None,
            closed={
                label: reason
                for label, of_model in of_each_model(lanes).items()
                if (reason := why_closed(of_model)) is not None
            },
        )


def rate_scope(model: BaseModel) -> RateScope:
    """Return whose limits a model's calls count against; it holds a digest of the key."""
    digest = hashlib.sha256(model.api_key.encode()).hexdigest()[:8]
    host = urlsplit(model.base_url).netloc or "here"
    is_further_key = model.key_variable.startswith(f"{model.config.api_key_env}_")
    return RateScope(
        key=f"{model.config.provider}@{host}#{digest}",
        model=model.model_name,
        requests_per_minute=model.config.requests_per_minute,
        tokens_per_minute=model.config.tokens_per_minute,
        announces_limits=model.config.provider in ANNOUNCES_LIMITS,
        variable=model.key_variable if is_further_key else "",
    )
