"""What the batches of one run share: the ledger, the money, the problems, the clock."""

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from random import Random
from urllib.parse import urlsplit

from config.clock import Clock
from config.collection_settings import CollectionSettings
from models.base_model import BaseModel
from models.batch.batch_api import BatchInput
from prompts.placed_problems import AskedProblem
from prompts.problems import Problem
from prompts.prompt_template import Prompt, build_prompt
from runners.answers.answer_keeper import AnswerKeeper
from runners.calls.budget import Budget
from runners.lanes.lane import Lane, LaneStopped
from runners.lanes.task import Task
from storage.records.batch_files import BatchFiles
from storage.records.batch_ledger import BatchLedger, LedgerBatch
from storage.records.batch_steps import Dropped, Step
from storage.solution_store import SolutionStore

_MOST_STEPS = 40  # by then every pause is as long as it gets


@dataclass(frozen=True, slots=True)
class BatchWishes:
    """What one run does with batches beside the session's settings.

    detach: leave once every batch is created. cancel: cancel those that are open, land what they
        finished, and ask nothing.
    """

    detach: bool = False
    cancel: bool = False


NO_WISHES = BatchWishes()


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRun:
    """problems: task_id -> problem, as the run has them. stopped: set once the run is to end."""

    settings: CollectionSettings
    wishes: BatchWishes
    ledger: BatchLedger
    files: BatchFiles
    budget: Budget
    store: SolutionStore
    keeper: AnswerKeeper
    problems: Mapping[str, AskedProblem]
    clock: Clock
    random: Random
    stopped: asyncio.Event
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _sizes: dict[str, tuple[str, int]] = field(default_factory=dict)  # of those being planned

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds. Raises LaneStopped where the run is stopped meanwhile.

        Other than lane.waiting(), it goes on where the lane was closed: what is open is paid for.
        """
        slept = asyncio.create_task(self.clock.sleep(seconds))
        stop = asyncio.create_task(self.stopped.wait())
        try:
            await asyncio.wait((slept, stop), return_when=asyncio.FIRST_COMPLETED)
        finally:
            slept.cancel()
            stop.cancel()
        if self.stopped.is_set():
            raise LaneStopped

    async def note(self, step: Step) -> LedgerBatch:
        """Return the batch once a step is on the disk; raises StoreError where it cannot be."""
        async with self._turn:
            batch = await asyncio.to_thread(self.ledger.append, step)
            self._sizes.pop(step.token, None)
            return batch

    async def drop(self, batch: LedgerBatch, why: str) -> None:
        """Note that there is no batch and nothing is owed; what was held for it is free again."""
        await self.note(Dropped(token=batch.token, at=self.clock.time(), why=why))
        await self.budget.settle_held(batch.token, 0.0)

    def prompt(self, problem: Problem) -> Prompt:
        """Return what a model is asked about a problem."""
        return build_prompt(problem, self.settings.prompt)

    def tasks_of(self, batch: LedgerBatch) -> list[Task | None]:
        """Return what each row asks; None where the problem has changed since, or is gone."""
        return [
            Task(problem, sample)
            if (problem := self.problems.get(task_id)) and problem.content_hash == content_hash
            else None
            for task_id, sample, content_hash in batch.planned.tasks
        ]

    def is_kept(self, lane: Lane, task: Task) -> bool:
        """Tell whether a task's answer is on the disk, be it read or yet to be."""
        return self.store.is_answered(lane.label, task.key) or self.store.is_pending(
            lane.label, task.key
        )

    def input_of(self, batch: LedgerBatch) -> BatchInput:
        """Return the batch's requests as they stand on the disk."""
        return BatchInput(
            token=batch.token,
            rows=batch.rows,
            size=batch.planned.size,
            open_lines=partial(self.files.open_lines, batch.token),
        )

    def unlike_size(self, token: str, digest: str, most: int) -> int:
        """Return a number of requests that no other batch of a key has that may still turn up.

        The most, where there is no such number. It is kept for the token from now on.
        """
        open_now = [b for b in self.ledger if b.is_unsettled or b.step == "lost"]
        taken = {batch.rows for batch in open_now if batch.planned.key_digest == digest}
        taken |= {rows for of, rows in self._sizes.values() if of == digest}
        size = next((number for number in range(most, 0, -1) if number not in taken), most)
        self._sizes[token] = digest, size
        return size

    def pause(self, number: int, first: float, longest: float) -> float:
        """Return how long to wait before the number-th look (from 0), with jitter, in seconds."""
        growing = min(first * 1.5 ** min(number, _MOST_STEPS), longest)
        return growing * self.random.uniform(0.8, 1.2)


def address_of(model: BaseModel) -> str:
    """Return a model's base URL without its query, which may hold a key."""
    return urlsplit(model.base_url)._replace(query="", fragment="").geturl()


def key_digest(model: BaseModel) -> str:
    """Return what tells a model's key from others without telling it."""
    return hashlib.sha256(model.api_key.encode()).hexdigest()[:8]
