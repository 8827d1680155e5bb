"""A plan in, a run session out: opens models and files, runs, and brings every file up to date."""

import asyncio
import contextlib
import logging
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import replace
from functools import partial
from random import Random
from typing import TYPE_CHECKING

import msgspec

from config.clock import Clock, SystemClock
from config.collection_settings import ProgressForm
from config.errors import CollectionError, StoreError, first_error
from models.wire.client_pool import ClientPool
from processors.reading.bounded_reader import BoundedReader
from processors.workers.pool import Workers
from reports.report import write_report_or_warn
from runners.batch.batch_run import NO_WISHES, BatchWishes
from runners.calls.sender import SEND_FROM_HERE, Sender
from runners.collection_runner import CollectionRunner, RunOutcome
from runners.progress.progress_display import make_display
from runners.rate_limiter import AdaptiveRateLimiter, RateChange
from runners.session.collection_plan import CollectionPlan
from runners.session.earlier_spending import dearest_call_usd, take_up_money
from runners.session.freed_memory import give_back_freed_memory
from runners.session.interrupt import on_interrupt
from runners.session.judging import Judging
from runners.session.loop_watch import watched_loop
from runners.session.run_models import RunModels
from storage.progress_tracker import ProgressTracker
from storage.records.batch_ledger import BatchLedger
from storage.session.manifest import SessionMetadata
from storage.session.progress_file import read_progress
from storage.session.session_lock import SessionLock
from storage.sessions import repair_session
from storage.solution_store import SolutionStore
from storage.views.session_views import has_all_views, is_concluded

if TYPE_CHECKING:
    from evaluation.cage import Isolation

logger = logging.getLogger("collector")


async def run_session(
    plan: CollectionPlan,
    models: RunModels,
    clients: ClientPool,
    open_store: Callable[[], SolutionStore],
    progress: ProgressForm,
    *,
    release: bool = False,
    isolation: "Isolation | None" = None,
    wishes: BatchWishes = NO_WISHES,
    sender: Sender = SEND_FROM_HERE,
) -> tuple[SolutionStore, RunOutcome]:
    """Return the session and how its run ended; every derived file is up to date then.

    open_store: called once the models are open, so that one that cannot be leaves no session.
    release: the user says that no call of earlier runs was billed beside the answers.
    isolation: in which answers are judged as they arrive; None leaves them unjudged.
    wishes: what the run does with batches. sender: makes the calls.
    Raises StoreError where the session cannot be written or is in use.
    """
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        opened: list[AbstractAsyncContextManager[object]] = [clients, sender, *models]
        for each in opened:
            await stack.enter_async_context(each)
        store = open_store()
        stack.enter_context(SessionLock(store.path))
        tracker = _take_up(plan, models, store, clock, release=release)
        workers = await stack.enter_async_context(Workers())
        runner = _runner(plan, store, tracker, progress, workers, clock, wishes, sender)
        conclude = partial(_conclude, store, tracker)
        judging = await stack.enter_async_context(_judging(store, isolation, progress))
        try:
            outcome = await _run_interruptibly(runner, judging, models, plan, conclude)
        except* CollectionError as errors:
            # Best effort: where the disk is full, the file of before says no less.
            with contextlib.suppress(StoreError):
                await asyncio.to_thread(tracker.save)
            raise first_error(errors) from errors
        return store, outcome


def _runner(
    plan: CollectionPlan,
    store: SolutionStore,
    tracker: ProgressTracker,
    progress: ProgressForm,
    workers: Workers,
    clock: Clock,
    wishes: BatchWishes,
    sender: Sender,
) -> CollectionRunner:
    display = make_display(progress, sys.stderr)
    limiter = AdaptiveRateLimiter(clock, on_change=_log_rate_change)
    return CollectionRunner(
        *(plan.settings, store, tracker, display, limiter, clock, Random()),
        *(BoundedReader(workers), wishes, sender),
    )


async def _run_interruptibly(
    runner: CollectionRunner,
    judging: Judging,
    models: RunModels,
    plan: CollectionPlan,
    conclude: Callable[[RunOutcome], None],
) -> RunOutcome:
    """Return how the run ended; an interruption meets no moment in which it would tear a file."""
    async with asyncio.TaskGroup() as group:
        stops: list[asyncio.Task[None]] = []
        is_over = False

        def stop_gently() -> None:
            judging.stop()
            if is_over and not judging.has_ended:
                logger.warning("Interrupted: what is not judged yet is left to a resume")
                return
            if is_over:
                logger.warning("Interrupted: all answers are written, the summaries nearly so")
                return
            logger.warning(
                "Interrupted: waiting up to %g s for calls in flight; Ctrl-C again stops now",
                plan.settings.grace_seconds,
            )
            stops.append(group.create_task(runner.interrupt()))

        with on_interrupt(stop_gently, runner.abandon), watched_loop():
            outcome = await runner.run(models, plan.problems)
            is_over = True
            for stop in stops:
                stop.cancel()
            await judging.finish()
            if judging.was_stopped:
                outcome = replace(outcome, interrupted=True)
            await asyncio.to_thread(conclude, outcome)
    return outcome


def finish_session(store: SolutionStore, *, release: bool = False) -> None:
    """Bring every file of a session up to date whose every task is answered; nothing is sent.

    A whole one is left as it is. release: as run_session has it.
    Raises StoreError where it cannot be written or is in use.
    """
    metadata = store.metadata
    assert metadata is not None, "only a session that was opened has tasks"
    with SessionLock(store.path):
        for sentence in repair_session(store):
            logger.warning("%s", sentence)
        if release or any(BatchLedger(store.path)):
            take_up_money(store, lambda: 0.0, SystemClock(), release=release)
            store.save_analysis_summary()
        if not is_concluded(store):
            tracker = ProgressTracker(
                store.path,
                session_id=store.session_id,
                start_time=metadata.collection_start,
                total_tasks=metadata.total_tasks,
                models=metadata.models,
                categories=metadata.categories,
                clock=SystemClock(),
            )
            tracker.restore(store)
            store.finish("completed")
            tracker.finish("completed")
        elif not has_all_views(store):
            store.save_solutions_csv()
            store.save_cross_model_comparison()
            store.save_analysis_summary()


async def judge_the_rest(
    store: SolutionStore, isolation: "Isolation", progress: ProgressForm
) -> None:
    """Judge what a finished session's runs did not come to; its views and report say so then.

    Raises StoreError where it cannot be written or is in use.
    """
    with SessionLock(store.path):
        async with _judging(store, isolation, progress) as judging:
            await judging.finish()
        store.save_analysis_summary()
        store.save_cross_model_comparison()
        write_report_or_warn(store)


def _judging(
    store: SolutionStore, isolation: "Isolation | None", progress: ProgressForm
) -> Judging:
    if isolation is None:
        return Judging()
    from runners.session.live_judging import LiveJudging  # a run without starts sooner

    return LiveJudging(store, isolation, progress)


def session_metadata(plan: CollectionPlan, start_seconds: float) -> SessionMetadata:
    """Return what a new session keeps of its plan, for a resume; start_seconds: wall time."""
    return SessionMetadata(
        collection_start=start_seconds,
        total_problems=len(plan.problems),
        models=[config.label for config in plan.models],
        categories=plan.categories,
        session_parameters=plan.settings.to_parameters(),
        dataset=plan.content_hashes,
    )


def _take_up(
    plan: CollectionPlan, models: RunModels, store: SolutionStore, clock: Clock, *, release: bool
) -> ProgressTracker:
    """Return the counts to go on with, once the session is whole and its money is known."""
    for sentence in repair_session(store):
        logger.warning("%s", sentence)
    _keep_accepted_changes(plan, store)
    lost_calls = _calls_of_a_lost_record(plan, models, store)
    spending = take_up_money(
        store, lambda: lost_calls * dearest_call_usd(plan, models), clock, release=release
    )
    tracker = _open_tracker(plan, store, lost_calls, clock)
    tracker.spent_usd = spending.committed_usd
    return tracker


def _keep_accepted_changes(plan: CollectionPlan, store: SolutionStore) -> None:
    """Let the session know its dataset, cap, reader, judging and samples as they are now."""
    metadata = store.metadata
    if metadata is None:
        return
    kept, now = metadata.session_parameters, plan.settings.to_parameters()
    names = ("max_cost_usd", "extraction_model", "evaluate")
    changed = any(kept.get(name) != now[name] for name in names)
    changed = changed or metadata.samples != plan.settings.samples
    if changed or metadata.dataset != plan.content_hashes:
        store.replace_metadata(session_metadata(plan, metadata.collection_start))
    else:  # of a million hashes, one of two equal sets is enough
        store.metadata = msgspec.structs.replace(metadata, dataset=plan.content_hashes)


def _open_tracker(
    plan: CollectionPlan, store: SolutionStore, unknown: int, clock: Clock
) -> ProgressTracker:
    if unknown:
        is_free = all(config.is_free for config in (*plan.models, plan.reader) if config)
        logger.warning(
            "Up to %d calls were in flight when the last run was killed%s: they are made again "
            "where no answer is on disk",
            unknown,
            "" if is_free else ", possibly billed",
        )
    tracker = ProgressTracker(
        store.path,
        session_id=store.session_id,
        start_time=store.metadata.collection_start if store.metadata else clock.time(),
        total_tasks=plan.total_tasks,
        models=[config.label for config in plan.models],
        categories=plan.categories,
        clock=clock,
    )
    tracker.restore(store)
    return tracker


def _calls_of_a_lost_record(plan: CollectionPlan, models: RunModels, store: SolutionStore) -> int:
    """Return how many calls of the last run may have been billed without an answer kept."""
    earlier = read_progress(store.path)
    if earlier:
        return earlier.in_flight
    width = plan.settings.max_concurrent_per_model
    has_begun = bool(store.tallies) and store.status == "in_progress"
    if not has_begun:
        return 0
    # progress.json is gone too: as many as LaneWidths.calls_at_most can have come to.
    if width == "auto":
        return plan.total_tasks
    slots = width * sum(len(models.of_each_key(model)) for model in models.answering)
    return min(slots if plan.settings.extraction == "regex" else 2 * slots + 1, plan.total_tasks)


def _log_rate_change(change: RateChange) -> None:
    old, new = change.from_per_minute, change.to_per_minute
    rate = "" if new is None else f" at {new:,.0f} a minute"
    was = "" if old is None or old == new else f", before {old:,.0f}"
    logger.info("%s: %s%s%s (%s)", change.scope, change.state, rate, was, change.reason)


def _conclude(store: SolutionStore, tracker: ProgressTracker, outcome: RunOutcome) -> None:
    store.finish(outcome.status)
    tracker.finish(outcome.status)
    give_back_freed_memory()  # the report of many problems takes as much again
    write_report_or_warn(store)
