"""A batch's rows in, answers and failures on the disk out; after a kill it is simply done again."""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from config.errors import BadReply, BadRequest, LaneClosed, ModelError, NotRun, StoreError
from config.token_usage import Usage
from models.base_model import Completion
from models.batch.batch_api import BatchRow
from models.catalog.pricing import price
from models.wire.reading_room import MOST_REPLY_BYTES
from runners.answers.answer_keeper import UnreadReply
from runners.batch.batch_route import BatchRoute
from runners.batch.batch_run import BatchRun
from runners.calls.reliable_call import Answer, GaveUp
from runners.lanes.lane import Lane
from runners.lanes.task import Task
from storage.records import batch_steps as steps
from storage.records.batch_ledger import LedgerBatch
from storage.records.solution_record import AttemptRecord, BatchRecord

logger = logging.getLogger("collector")

_ROWS_AT_ONCE = 16  # read between two looks of the event loop at everything else
_MESSAGE_CHARACTERS = 300  # of a failure that the index remembers
_MOST_DIGITS = 9


class NotOurBatch(Exception):
    """None of the rows of a batch that was only taken for ours has our token."""


@dataclass(slots=True)
class Landing:
    """What became of a batch's rows. again: row -> why it is to be asked again.

    aside: rows whose problem has changed since. unread: what is on the disk and to be read yet.
    """

    answered: int = 0
    failed: int = 0
    aside: list[int] = field(default_factory=list)
    cost_usd: float = 0.0
    again: dict[int, ModelError] = field(default_factory=dict)
    unread: list[UnreadReply] = field(default_factory=list)


class BatchLander:
    """Lands the batches of one lane."""

    def __init__(self, lane: Lane, route: BatchRoute, run: BatchRun) -> None:
        self._lane = lane
        self._route = route
        self._run = run

    async def land(self, batch: LedgerBatch) -> Landing:
        """Return what became of the rows, whose file is on the disk.

        Each row goes to where it belongs; one that has been there before is passed over. Raises
        NotOurBatch, and StoreError where the file cannot be read.
        """
        landing = Landing()
        tasks = self._run.tasks_of(batch)
        seen: set[int] = set()
        rows = self._rows(batch)
        strangers = 0
        while slice_ := await asyncio.to_thread(lambda: list(islice(rows, _ROWS_AT_ONCE))):
            for row in slice_:
                number = _row_number(row, batch)
                if number is None:
                    strangers += 1
                elif number not in seen:
                    seen.add(number)
                    self._take(batch, landing, number, tasks[number - 1], row)
        if not batch.is_proven and not seen and strangers:
            raise NotOurBatch
        missing = NotRun("the batch has ended, and nowhere in its results is this request")
        for number in range(1, batch.rows + 1):
            if number not in seen:
                landing.again[number] = missing
                landing.cost_usd += _share(batch)  # it may be billed all the same
        self._say_what_was_odd(batch, landing, strangers)
        return landing

    async def conclude(self, batch: LedgerBatch, landing: Landing) -> None:
        """Return once the ledger has the landing, and the money is settled.

        Raises StoreError where an answer could not be written: the landing is to be done again.
        """
        await asyncio.to_thread(self._run.store.sync)
        await self._run.note(
            steps.Landed(
                token=batch.token,
                at=self._run.clock.time(),
                answered=landing.answered,
                failed=landing.failed,
                again=sorted(landing.again),
                cost_usd=landing.cost_usd,
            )
        )
        await self._run.budget.settle_held(batch.token, landing.cost_usd)

    def _rows(self, batch: LedgerBatch) -> Iterator[BatchRow]:
        for line in self._run.files.results(batch.token, MOST_REPLY_BYTES):
            if row := self._route.api.read_row(line):
                yield row

    def _take(
        self, batch: LedgerBatch, landing: Landing, number: int, task: Task | None, row: BatchRow
    ) -> None:
        """Put one row where it belongs, and count what it cost."""
        if task is None:  # the problem has changed since: the answer is to another one
            landing.aside.append(number)
            landing.cost_usd += _share(batch)
            return
        result = self._kept(row.result, task)
        landing.cost_usd += self._cost(batch, result)
        if self._run.is_kept(self._lane, task):
            landing.answered += 1
        elif isinstance(result, Completion):
            self._keep_answer(batch, landing, number, task, result)
        elif isinstance(result, BadRequest):
            self._keep_failure(batch, landing, task, result)
        else:
            if isinstance(result, LaneClosed) and self._lane.is_closed_to(task.name):
                self._lane.close(result)
            landing.again[number] = result

    def _kept(self, result: Completion | ModelError, task: Task) -> Completion | ModelError:
        model, prompt = self._lane.model, self._run.prompt(task.problem)
        if isinstance(result, Completion):
            return model.kept(result, prompt)
        return model.kept_error(result, prompt)

    def _keep_answer(
        self,
        batch: LedgerBatch,
        landing: Landing,
        number: int,
        task: Task,
        completion: Completion,
    ) -> None:
        answer = Answer(
            completion=completion,
            cost_usd=self._price(batch, completion.usage),
            attempts=[_attempt(batch, None)],
            answered_at=_ended_at(batch),
            batch=BatchRecord(
                id=batch.batch_id or "",
                custom_id=f"{batch.token}-{number}",
                created_at=batch.created_at,
                ended_at=_ended_at(batch),
            ),
        )
        self._lane.answered()
        if unread := self._run.keeper.keep(self._lane, task, answer):
            landing.unread.append(unread)
        else:
            self._lane.end_task(None)
        if not self._run.is_kept(self._lane, task):
            raise StoreError(f"{task.name}: its answer could not be written")
        landing.answered += 1

    def _keep_failure(
        self, batch: LedgerBatch, landing: Landing, task: Task, error: ModelError
    ) -> None:
        known = self._run.store.failed_tasks.get(self._lane.label, {}).get(task.key)
        if known is None or known.message != str(error)[:_MESSAGE_CHARACTERS]:
            failure = GaveUp(error=error, attempts=[_attempt(batch, error)])
            self._run.keeper.keep(self._lane, task, failure)
        landing.failed += 1
        self._lane.end_task(error)

    def _cost(self, batch: LedgerBatch, result: Completion | ModelError) -> float:
        """Return what a row cost, at worst where it may be billed and its cost is not known."""
        cost_usd = self._price(batch, result.usage)
        if cost_usd is not None:
            return cost_usd
        was_run = isinstance(result, Completion | BadReply) or result.usage or result.usage_note
        return _share(batch) if was_run else 0.0

    def _price(self, batch: LedgerBatch, usage: Usage | None) -> float | None:
        if usage is None:
            return None
        return price(self._lane.model.config, usage, _ended_at(batch), self._route.sold)

    def _say_what_was_odd(self, batch: LedgerBatch, landing: Landing, strangers: int) -> None:
        label, name = self._lane.label, batch.batch_id
        if landing.aside:
            logger.warning(
                "%s: %d answers of batch %s are to problems that have changed since: they are "
                "kept in %s, and the problems are asked again",
                *(label, len(landing.aside), name, self._run.files.results_of(batch.token).name),
            )
        if strangers:
            logger.warning(
                "%s: %d rows of batch %s are not ours, and were passed over",
                *(label, strangers, name),
            )
        if landing.again:
            reasons = Counter(type(error).__name__ for error in landing.again.values())
            said = ", ".join(f"{count} {kind}" for kind, count in reasons.most_common())
            logger.warning(
                "%s: %d of %d requests of batch %s have no answer yet (%s)",
                *(label, len(landing.again), batch.rows, name, said),
            )


def _row_number(row: BatchRow, batch: LedgerBatch) -> int | None:
    """Return which of the batch's rows it is, None where it is none of them."""
    token, _, number = row.custom_id.partition("-")
    if token != batch.token or not number.isdecimal() or len(number) > _MOST_DIGITS:
        return None
    return int(number) if 1 <= int(number) <= batch.rows else None


def _attempt(batch: LedgerBatch, error: ModelError | None) -> AttemptRecord:
    return AttemptRecord(
        started=batch.created_at,
        seconds=max(0.0, _ended_at(batch) - batch.created_at),
        wait_seconds=max(0.0, batch.created_at - batch.planned.at),
        status=error.status if error else 200,
        error=type(error).__name__ if error else None,
        message=str(error) if error else None,
    )


def _ended_at(batch: LedgerBatch) -> float:
    assert batch.ended is not None, "only a batch that has ended is landed"
    return batch.ended.ended_at


def _share(batch: LedgerBatch) -> float:
    """Return what a row may have cost at worst."""
    return batch.planned.worst_usd / max(1, batch.rows)
