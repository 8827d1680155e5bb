"""A run's batches beside its live calls: which lanes have some, and when a lane goes live."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator, Sequence
from random import Random

from config.batch_limits import BATCH_LIMITS
from config.clock import Clock
from config.collection_settings import CollectionSettings
from config.errors import StoreError
from models.base_model import BaseModel
from models.batch.batch_apis import batch_api
from prompts.placed_problems import AskedProblem
from runners.answers.answer_keeper import AnswerKeeper, UnreadReply
from runners.batch.batch_route import BatchRoute, route_of
from runners.batch.batch_run import BatchRun, BatchWishes
from runners.batch.lane_batches import LaneBatches
from runners.calls.budget import Budget, CapReached
from runners.lanes.lane import Lane, LaneStopped
from runners.lanes.task import Task, undone_tasks
from storage.records.batch_files import BatchFiles
from storage.records.batch_ledger import BatchLedger, LedgerBatch
from storage.records.solution_record import TaskKey
from storage.solution_store import SolutionStore

logger = logging.getLogger("collector")

ReadReply = Callable[[Lane, UnreadReply], Coroutine[None, None, None]]
GoLive = Callable[[Lane, list[Task]], Coroutine[None, None, None]]


class BatchRunner:
    """The batches of one run.

    stopped_by: why money stopped a lane, None where it did not.
    """

    def __init__(
        self,
        settings: CollectionSettings,
        wishes: BatchWishes,
        store: SolutionStore,
        budget: Budget,
        clock: Clock,
        random: Random,
    ) -> None:
        """Raises StoreError where the session's ledger cannot be read."""
        self.stopped_by: CapReached | None = None
        self._settings = settings
        self._wishes = wishes
        self._store = store
        self._budget = budget
        self._clock = clock
        self._random = random
        self._ledger = BatchLedger(store.path)
        self._work: set[asyncio.Task[None]] = set()
        self._stopped = asyncio.Event()

    def takes(self, model: BaseModel) -> bool:
        """Tell whether a model's tasks are to go into batches."""
        return self._settings.batch and isinstance(route_of(model, self._clock.time()), BatchRoute)

    def undone(self, label: str, problems: Sequence[AskedProblem]) -> Iterator[Task]:
        """Yield what a model has neither answered nor is asked in a batch that is open."""
        open_keys = self._open_keys(label)
        tasks = undone_tasks(self._store, label, problems, self._settings.samples)
        return (task for task in tasks if task.key not in open_keys)

    def waits_for(self, label: str, problems: Sequence[AskedProblem]) -> int:
        """Return how many of a model's undone tasks are asked in batches that are open."""
        open_keys = self._open_keys(label)
        tasks = undone_tasks(self._store, label, problems, self._settings.samples)
        return sum(task.key in open_keys for task in tasks)

    def work(
        self,
        lanes: Sequence[Lane],
        problems: Sequence[AskedProblem],
        keeper: AnswerKeeper,
        read: ReadReply,
        go_live: GoLive,
        break_off: Callable[[StoreError], None],
    ) -> list[Coroutine[None, None, None]]:
        """Return what is to run beside the live calls, one a lane that has batches.

        read: reads a reply that takes longer. go_live: has a lane ask tasks by calls.
        break_off: is told what could not be written.
        """
        if not any(self._has_work(lane) for lane in lanes):
            return []
        run = BatchRun(
            settings=self._settings,
            wishes=self._wishes,
            ledger=self._ledger,
            files=BatchFiles(self._store.path),
            budget=self._budget,
            store=self._store,
            keeper=keeper,
            problems={problem.task_id: problem for problem in problems},
            clock=self._clock,
            random=self._random,
            stopped=self._stopped,
        )
        jobs: list[Coroutine[None, None, None]] = []
        for lane in lanes:
            route = self._route(lane.model)
            if route and self._has_work(lane):
                batches = LaneBatches(lane, route, run, read)
                jobs.append(self._lane(lane, batches, problems, go_live, break_off, run))
        return jobs

    def _has_work(self, lane: Lane) -> bool:
        is_open = (b.is_unsettled or b.step == "lost" for b in self._of(lane.label))
        return lane.is_batched or any(is_open)

    def stop(self) -> None:
        """Wait for no batch any more; what is being fetched or landed comes to its end."""
        self._stopped.set()

    def abandon(self) -> None:
        """Wait for nothing more: the batches run on, and the next run takes them up."""
        for work in self._work:
            work.cancel()

    async def _lane(
        self,
        lane: Lane,
        batches: LaneBatches,
        problems: Sequence[AskedProblem],
        go_live: GoLive,
        break_off: Callable[[StoreError], None],
        run: BatchRun,
    ) -> None:
        task = asyncio.current_task()
        assert task is not None, "lanes are worked on by tasks"
        self._work.add(task)
        try:
            for batch in self._of(lane.label):
                if batch.step in ("planned", "uploaded"):
                    await run.drop(batch, "a former run ended before it was sent")
            todo = list(self.undone(lane.label, problems)) if lane.is_batched else []
            live = await batches.work(todo)
        except CapReached as error:
            self.stopped_by = error
            lane.stop()
        except LaneStopped:
            pass
        except StoreError as error:
            break_off(error)
        else:
            if live and not lane.stopping:
                logger.info("%s: %d tasks are asked live now", lane.label, len(live))
                await go_live(lane, live)
        finally:
            self._work.discard(task)

    def _route(self, model: BaseModel) -> BatchRoute | None:
        """Return how a model's batches are dealt with, also of those that it would make no more."""
        route = route_of(model, self._clock.time())
        if isinstance(route, BatchRoute):
            return route
        api, limits = batch_api(model), BATCH_LIMITS.get(model.config.provider)
        return BatchRoute(api, limits, None) if api and limits else None

    def _of(self, label: str) -> list[LedgerBatch]:
        return [batch for batch in self._ledger if batch.model == label]

    def _open_keys(self, label: str) -> frozenset[TaskKey]:
        sent = (b for b in self._of(label) if b.may_be_billed)
        return frozenset(key for batch in sent for key in batch.keys)
