"""Tasks in, a batch at the provider out: every step is in the ledger before it is taken."""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from config.errors import BadReply, ModelError, RateLimited, TransientError
from models.batch.batch_api import Created, Refused, Unknown
from runners.batch.batch_route import BatchRoute
from runners.batch.batch_run import BatchRun, address_of, key_digest
from runners.calls.budget import worst_case_usd
from runners.lanes.lane import Lane
from runners.lanes.task import Task
from storage.records import batch_steps as steps
from storage.records.batch_files import new_token
from storage.records.batch_ledger import LedgerBatch
from storage.records.batch_steps import is_usable_name

logger = logging.getLogger("collector")

_SHARE_OF_BYTES = 0.9  # of what a provider allows
_FEWEST_ROWS = 20  # that a batch is made of where more would fit once money is free again


class NotSent(Exception):
    """There is no batch, and its tasks are free; error: what stood in its way, None where lost."""

    def __init__(self, error: ModelError | None) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(frozen=True, slots=True)
class Part:
    """The tasks of one batch with their lines and worst costs in US dollars."""

    tasks: list[Task]
    lines: list[bytes]
    costs: list[float]

    def first(self, count: int) -> "Part":
        """Return the part with so many of its first tasks."""
        return Part(self.tasks[:count], self.lines[:count], self.costs[:count])

    def that_costs(self, usd: float) -> "Part":
        """Return as many of its first tasks as cost no more than this at worst."""
        count, total = 0, 0.0
        for cost in self.costs:
            if total + cost > usd:
                break
            count, total = count + 1, total + cost
        return self.first(count)

    @property
    def worst_usd(self) -> float:
        return sum(self.costs)


class BatchSender:
    """Makes one lane's batches.

    most_rows: of the next batch; lower it where the provider's queue takes less.
    """

    def __init__(self, lane: Lane, route: BatchRoute, run: BatchRun) -> None:
        self._lane = lane
        self._route = route
        self._run = run
        self.most_rows = min(run.settings.batch_requests, route.limits.most_rows)

    async def plan(self, tasks: Sequence[Task]) -> LedgerBatch:
        """Return a batch of the first of these tasks, as many as fit, with its money reserved.

        Raises LaneStopped, CapReached where there is no money for one task, StoreError.
        """
        run, token = self._run, new_token()
        part = await self._within_the_cap(await asyncio.to_thread(self._part, token, tasks))
        if self._route.limits.told_by_count:
            digest = key_digest(self._lane.model)
            part = part.first(run.unlike_size(token, digest, len(part.tasks)))
        with self._lane.waiting() as wait:
            wait.for_money = True
            await run.budget.hold(token, part.worst_usd)
        if not run.wishes.detach:
            run.budget.expect(token)
        size, sha256 = await asyncio.to_thread(run.files.write_lines, token, part.lines)
        row = self._lane.model.config
        return await run.note(
            steps.Planned(
                token=token,
                at=run.clock.time(),
                model=row.label,
                provider=row.provider,
                base_url=address_of(self._lane.model),
                key_digest=key_digest(self._lane.model),
                tasks=[(*task.key, task.problem.content_hash) for task in part.tasks],
                size=size,
                sha256=sha256,
                worst_usd=part.worst_usd,
            )
        )

    async def send(self, batch: LedgerBatch) -> None:
        """Return once the provider has the batch, or may have it: settle() says which.

        Raises NotSent where it surely has none, LaneStopped where the lane is stopped first.
        """
        attempt = failures = 0
        while True:
            try:
                await self._prepare(batch)
                outcome = await self._create(batch)
                if outcome is None:
                    return
                error = outcome
            except ModelError as failed:
                error = failed
            attempt += 1
            failures += not isinstance(error, RateLimited)  # such a refusal costs time alone
            if not isinstance(error, TransientError) or failures >= self._run.settings.max_attempts:
                await self._run.drop(batch, str(error))
                raise NotSent(error)
            logger.info("%s: no batch yet, trying again: %s", self._lane.label, error)
            hints = [signal.retry_after_seconds or 0.0 for signal in error.signals]
            pause = self._pause(attempt)
            with self._lane.waiting(after=error):
                await self._run.clock.sleep(max([pause, *hints]))

    async def settle(self, batch: LedgerBatch) -> None:
        """Return once a create without a known outcome has turned out to have come through.

        Raises NotSent where the provider's lists say that it has not, long enough after it;
        LaneStopped. The wait runs from the create, however many processes it takes.
        """
        run, limits = self._run, self._route.limits
        wait_seconds = (
            limits.deadline_seconds if limits.absent_seconds is None else (limits.absent_seconds)
        )
        # A clock that jumps while we wait makes nothing late.
        waited_before = max(0.0, run.clock.time() - batch.creating_at)
        began, looks = run.clock.monotonic(), 0
        with self._in_doubt():
            while True:
                waited = waited_before + run.clock.monotonic() - began
                is_late = waited >= wait_seconds
                if await self._was_found(batch, is_last=is_late):
                    return
                if is_late and batch.step == "lost":
                    raise NotSent(None)
                await run.sleep(self._pause(looks))
                looks += 1

    async def was_found_late(self, batch: LedgerBatch) -> bool:
        """Return whether a create that was given up came through after all."""
        try:
            return await self._find(batch)
        except ModelError as error:
            logger.debug("%s: batch %s: %s", self._lane.label, batch.token, error)
            return False

    def _pause(self, number: int) -> float:
        limits = self._route.limits
        return self._run.pause(number, limits.first_look_seconds, limits.longest_look_seconds)

    @contextmanager
    def _in_doubt(self) -> Iterator[None]:
        self._lane.batches.in_doubt += 1
        try:
            yield
        finally:
            self._lane.batches.in_doubt -= 1

    async def _was_found(self, batch: LedgerBatch, *, is_last: bool) -> bool:
        try:
            found = await self._find(batch)
        except ModelError as error:  # who cannot be asked has not said no
            logger.info("%s: batches cannot be listed now: %s", self._lane.label, error)
            return False
        if not found and is_last:
            await self._run.note(steps.Lost(token=batch.token, at=self._run.clock.time()))
            logger.warning(
                "%s: the creation of batch %s had no reply, and no list shows it: its %d requests "
                "are sent again",
                *(self._lane.label, batch.token, batch.rows),
            )
        return found

    async def _find(self, batch: LedgerBatch) -> bool:
        run = self._run
        others = {b.batch_id for b in run.ledger if b.batch_id} | batch.not_ours
        found = await self._route.api.find(
            run.input_of(batch), batch.prepared or "", since=batch.creating_at, but_not=others
        )
        if found is None or not is_usable_name(found.batch_id):
            return False
        await run.note(
            steps.Found(
                token=batch.token,
                at=run.clock.time(),
                batch_id=found.batch_id,
                is_proven=found.is_proven,
            )
        )
        logger.info("%s: found batch %s again", self._lane.label, found.batch_id)
        return True

    async def _prepare(self, batch: LedgerBatch) -> None:
        if batch.prepared is not None:
            return
        prepared = await self._route.api.prepare(self._run.input_of(batch))
        if prepared and not is_usable_name(prepared):
            raise BadReply("the provider's name for the file is none that can be used")
        await self._run.note(
            steps.Uploaded(token=batch.token, at=self._run.clock.time(), prepared=prepared)
        )

    async def _create(self, batch: LedgerBatch) -> ModelError | None:
        """Return why there is no batch, None where there is one, or may be."""
        run, token = self._run, batch.token
        with self._lane.waiting():  # a stopped lane begins nothing that costs money
            pass
        await run.note(steps.Creating(token=token, at=run.clock.time()))
        outcome = await self._route.api.create(run.input_of(batch), batch.prepared or "")
        now = run.clock.time()
        match outcome:
            case Created() if is_usable_name(outcome.batch_id):
                await run.note(steps.Created(token=token, at=now, batch_id=outcome.batch_id))
                logger.info(
                    "%s: batch %s created, %d requests",
                    *(self._lane.label, outcome.batch_id, batch.rows),
                )
                return None
            case Refused():
                error = outcome.error
                await run.note(
                    steps.Refused(token=token, at=now, why=str(error), status=error.status)
                )
                return error
            case Created() | Unknown():
                why = outcome.why if isinstance(outcome, Unknown) else "a batch without a name"
                await run.note(steps.Unknown(token=token, at=now, why=why))
                logger.warning(
                    "%s: the creation of a batch had no clear reply (%s): it is looked for before "
                    "its requests are sent again",
                    *(self._lane.label, why),
                )
                return None

    def _part(self, token: str, tasks: Sequence[Task]) -> Part:
        """Return the first tasks that fit into one batch, at least one."""
        part = Part([], [], [])
        size, most_bytes = 0, _SHARE_OF_BYTES * self._route.limits.most_bytes
        at = datetime.fromtimestamp(self._run.clock.time(), UTC)
        for number, task in enumerate(tasks, 1):
            prompt = self._run.prompt(task.problem)
            line = self._route.api.line(f"{token}-{number}", prompt)
            size += len(line)
            if part.tasks and size > most_bytes:
                break
            part.tasks.append(task)
            part.lines.append(line)
            worst = worst_case_usd(self._lane.model, prompt, at, self._route.sold)
            part.costs.append(worst or 0.0)
        return part

    async def _within_the_cap(self, part: Part) -> Part:
        """Return as much of the part as there is money for, once it is enough for a batch."""
        budget = self._run.budget
        few = part.first(_FEWEST_ROWS)
        while budget.room_usd < few.worst_usd and budget.expects_money:
            with self._lane.waiting() as wait:
                wait.for_money = True
                await budget.change()
        fitting = part.that_costs(budget.room_usd)
        return fitting if fitting.tasks else part.first(1)  # which hold() refuses
