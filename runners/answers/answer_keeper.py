"""What happens to each outcome: on disk, read within bounds, checked, counted."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from config.clock import Clock
from config.collection_settings import CollectionSettings
from config.errors import NoWorker, StoreError
from processors.reading.bounded_reader import BoundedReader, is_short, read_short
from processors.reading.llm_copy import copied_by_llm
from processors.reading.reading import Reading
from processors.workers.bounds import Unfinished
from runners.answers.answer_record import answer_record, failure_record
from runners.answers.llm_extraction import ExtractionAsk
from runners.answers.record_reading import reply_in, with_reading, without_reading
from runners.calls.budget import CapReached
from runners.calls.reliable_call import Answer, GaveUp, ReliableCaller
from runners.lanes.lane import Lane, LaneStopped
from runners.lanes.task import Task
from storage.progress_tracker import ProgressTracker
from storage.records.solution_record import FailureRecord, SolutionRecord, task_name
from storage.records.tallies import is_valid
from storage.solution_store import SolutionStore

logger = logging.getLogger("collector")


@dataclass(frozen=True, slots=True)
class UnreadReply:
    """A reply that is on the disk and has to be read yet; place: where, for pending_at."""

    place: int


class AnswerKeeper:
    """Keeps a session's outcomes; an answer counts once its line is written.

    extraction_lane: where an LLM is asked for code, None to leave it to rules.
    """

    def __init__(
        self,
        settings: CollectionSettings,
        store: SolutionStore,
        tracker: ProgressTracker,
        caller: ReliableCaller,
        reader: BoundedReader,
        extraction_lane: Lane | None,
        clock: Clock,
        break_off: Callable[[StoreError], None],
    ) -> None:
        """break_off: is told why an outcome could not be written."""
        self._mode = settings.extraction if extraction_lane else "regex"
        self._prompt = settings.prompt
        self._batch_size = settings.batch_size
        self._store = store
        self._tracker = tracker
        self._caller = caller
        self._reader = reader
        self._extraction_lane = extraction_lane
        self._clock = clock
        self._break_off = break_off
        self._unkept: list[tuple[Lane, Task, Answer | GaveUp]] = []
        self._read_but_unwritten: list[SolutionRecord] = []
        self._turns = asyncio.Semaphore(reader.at_once)
        self._readings: set[asyncio.Task[object]] = set()
        self._has_left_some_unread = False
        self._kept_since_checkpoint = 0

    @property
    def unkept_answers(self) -> int:
        """How many answers arrived and could not be written."""
        return sum(
            isinstance(outcome, Answer)
            and not self._store.is_answered(lane.label, task.key)
            and not self._store.is_pending(lane.label, task.key)
            for lane, task, outcome in self._unkept
        )

    def keep(self, lane: Lane, task: Task, outcome: Answer | GaveUp) -> UnreadReply | None:
        """Put the outcome on the disk, or let it wait for keep_the_rest.

        A short reply is read at once. One that takes longer, or an LLM, is returned for read().
        """
        try:
            if isinstance(outcome, Answer):
                return self._keep_answer(answer_record(task, lane.model, outcome, self._prompt))
            self._keep_failure(failure_record(task, lane, outcome, self._clock.time()))
        except StoreError as error:
            self._unkept.append((lane, task, outcome))
            self._break_off(error)
        return None

    async def read(self, unread: UnreadReply) -> None:
        """Read a reply that is on the disk, by rules and where they fail by an LLM; write it.

        Raises LaneStopped and CapReached where the LLM cannot be asked; the reply stays on the
        disk, for the next run.
        """
        await self._read(partial(self._store.pending_at, unread.place))

    def abandon(self) -> None:
        """Read no further; what is not read stays on the disk, for the next run."""
        for reading in self._readings:
            reading.cancel()

    def keep_the_rest(self) -> None:
        """Try once more to write what could not be, and say what cannot.

        By now no call is out: its sockets are closed, and a smaller answer may have fitted.
        """
        waiting, self._unkept = self._unkept, []
        for lane, task, outcome in waiting:
            self.keep(lane, task, outcome)  # what takes longer to read waits on the disk
        read, self._read_but_unwritten = self._read_but_unwritten, []
        for record in read:  # or the next run pays the LLM again
            self._append_or_break_off(record)
        if self.unkept_answers:
            is_free = all(lane.model.config.is_free for lane, _, _ in self._unkept)
            logger.warning(
                "%d answers arrived and could not be written: %sa resume asks for them again",
                self.unkept_answers,
                "" if is_free else "they were billed, and ",
            )

    async def finish_pending(self) -> CapReached | None:
        """Read the replies that an earlier run left waiting; none is asked for again.

        Returns why it ended early, None where it did not.
        """
        try:
            for record in self._store.pending():
                await self._read(partial(_same, record))
        except LaneStopped:
            pass
        except CapReached as error:
            return error
        except StoreError as error:
            self._break_off(error)
        return None

    def batch_is_full(self) -> bool:
        """Tell whether a batch of outcomes came since start_batch."""
        return self._kept_since_checkpoint >= self._batch_size

    def start_batch(self) -> None:
        """Count outcomes from here: those before are exported."""
        self._kept_since_checkpoint = 0

    def _keep_answer(self, record: SolutionRecord) -> UnreadReply | None:
        reply = reply_in(record, self._mode)
        if is_short(reply.text):
            reading = read_short(reply)
            if isinstance(reading, Unfinished) or reading.answer is None:
                self._append(_read_record(record, reading))
                return None
        if self._store.is_pending(record.model, record.key):
            return None  # it could not be written once: the next run reads it
        return UnreadReply(self._store.append_pending(record))

    async def _read(self, load: Callable[[], SolutionRecord]) -> None:
        with self._being_read():
            try:
                async with self._turns:  # no more long texts are held than can be read
                    record = load()
                    reading = await self._read_by_rules(record)
                if reading:
                    await self._read_by_llm(record, reading)
            except NoWorker as error:
                self._leave_unread(error)
            except StoreError as error:
                self._break_off(error)

    async def _read_by_rules(self, record: SolutionRecord) -> Reading | None:
        """Write the answer, or return what the rules found where an LLM is to look for more."""
        reply = reply_in(record, self._mode)
        reading = read_short(reply) if is_short(reply.text) else await self._reader.read(reply)
        if isinstance(reading, Reading) and reading.answer is not None:
            return reading
        self._append_or_break_off(_read_record(record, reading))
        return None

    async def _read_by_llm(self, record: SolutionRecord, reading: Reading) -> None:
        assert self._extraction_lane is not None, "without one, nothing is left to an LLM"
        ask = ExtractionAsk(self._caller, self._extraction_lane, task_name(record.key))
        reply = reply_in(record, self._mode)
        check = partial(self._reader.check, reply=reply, found=reading)
        copied = await copied_by_llm(ask, check, reply, reading)
        self._append_or_break_off(
            with_reading(record, copied, asked_model=ask.model_label, asked_cost_usd=ask.cost_usd)
        )

    @contextmanager
    def _being_read(self) -> Iterator[None]:
        """Let abandon() cancel the task that reads."""
        task = asyncio.current_task()
        assert task is not None, "replies are read by tasks"
        self._readings.add(task)
        try:
            yield
        finally:
            self._readings.discard(task)

    def _leave_unread(self, error: NoWorker) -> None:
        if not self._has_left_some_unread:
            self._has_left_some_unread = True
            logger.warning("%s: long replies are kept, and a resume reads them", error)

    def _append_or_break_off(self, record: SolutionRecord) -> None:
        try:
            self._append(record)
        except StoreError as error:
            self._read_but_unwritten.append(record)
            self._break_off(error)

    def _append(self, record: SolutionRecord) -> None:
        self._store.append(record)
        self._tracker.answered(record.model, record.key, record.latency, is_valid=is_valid(record))
        self._kept_since_checkpoint += 1

    def _keep_failure(self, failure: FailureRecord) -> None:
        name = task_name(failure.key)
        # Of those that were never sent, all are spoken of at once.
        level = logging.WARNING if failure.attempts else logging.DEBUG
        logger.log(level, "%s, %s: failed: %s", failure.model, name, failure.message)
        self._store.append_failure(failure)
        self._tracker.failed(failure.model, failure.key, f"{failure.error}: {failure.message}")
        self._kept_since_checkpoint += 1


def _read_record(record: SolutionRecord, reading: Reading | Unfinished) -> SolutionRecord:
    if isinstance(reading, Reading):
        return with_reading(record, reading)
    logger.warning(
        "%s, %s: the reply could not be read, and is kept raw: %s",
        *(record.model, task_name(record.key), reading.reason),
    )
    return without_reading(record, reading)


def _same(record: SolutionRecord) -> SolutionRecord:
    return record
