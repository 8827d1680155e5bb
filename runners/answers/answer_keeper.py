"""What happens to each outcome: extracted, checked, priced, on disk, counted."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from config.clock import Clock
from config.collection_settings import CollectionSettings
from config.errors import StoreError
from processors.extraction.code_candidates import Extraction
from processors.solution_extractor import SolutionExtractor
from prompts.problems import Problem
from runners.answers.answer_record import answer_record, failure_record, with_extraction
from runners.answers.llm_extraction import ExtractionAsk
from runners.calls.budget import CapReached
from runners.calls.reliable_call import Answer, GaveUp, ReliableCaller
from runners.lanes.lane import Lane, LaneStopped
from storage.progress_tracker import ProgressTracker
from storage.records.solution_record import FailureRecord, SolutionRecord
from storage.solution_store import SolutionStore

logger = logging.getLogger("collector")

_LARGE = 100_000  # characters; reading and judging more takes a while, in a thread


@dataclass(frozen=True, slots=True)
class UnreadReply:
    """A reply that is on the disk and that an LLM is to read; found: what the rules found."""

    record: SolutionRecord
    found: Extraction


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
        extraction_lane: Lane | None,
        clock: Clock,
        break_off: Callable[[StoreError], None],
    ) -> None:
        """break_off: is told why an outcome could not be written."""
        self._mode = settings.extraction
        self._batch_size = settings.batch_size
        self._store = store
        self._tracker = tracker
        self._caller = caller
        self._extraction_lane = extraction_lane
        self._clock = clock
        self._break_off = break_off
        self._unkept: list[tuple[Lane, Problem, Answer | GaveUp]] = []
        self._read_but_unwritten: list[SolutionRecord] = []
        self._kept_since_checkpoint = 0

    @property
    def unkept_answers(self) -> int:
        """How many answers arrived and could not be written."""
        return sum(
            isinstance(outcome, Answer)
            and not self._store.is_answered(lane.label, problem.task_id)
            and not self._store.is_pending(lane.label, problem.task_id)
            for lane, problem, outcome in self._unkept
        )

    async def keep(
        self, lane: Lane, problem: Problem, outcome: Answer | GaveUp
    ) -> UnreadReply | None:
        """Return once the outcome is on the disk, or waits for keep_the_rest.

        An answer of which an LLM is to be asked is returned, for read().
        """
        try:
            if isinstance(outcome, Answer):
                return await self._keep_answer(answer_record(problem, lane.model, outcome))
            self._keep_failure(failure_record(problem, lane, outcome, self._clock.time()))
        except StoreError as error:
            self._unkept.append((lane, problem, outcome))
            self._break_off(error)
        return None

    async def read(self, unread: UnreadReply) -> None:
        """Ask an LLM for the code of a reply, and write the answer.

        Raises LaneStopped and CapReached; the reply stays on the disk, for the next run.
        """
        record = unread.record
        ask = self._ask_about(record)
        extractor = SolutionExtractor(mode=self._mode, ask=ask)
        extraction = await extractor.extract_with_llm(
            record.raw_response, record.task_id, unread.found, record.name
        )
        self._append_or_break_off(await _judged(record, extraction, ask))

    async def keep_the_rest(self) -> None:
        """Try once more to write what could not be, and say what cannot.

        By now no call is out: its sockets are closed, and a smaller answer may have fitted.
        """
        waiting, self._unkept = self._unkept, []
        for lane, problem, outcome in waiting:
            await self.keep(lane, problem, outcome)  # what an LLM is to read waits on the disk
        read, self._read_but_unwritten = self._read_but_unwritten, []
        for record in read:  # or the next run pays the LLM again
            self._append_or_break_off(record)
        if self.unkept_answers:
            logger.warning(
                "%d answers arrived and could not be written: they were billed, and a resume "
                "asks them again",
                self.unkept_answers,
            )

    async def finish_pending(self) -> CapReached | None:
        """Extract from the replies that an earlier run left waiting; none is asked for again.

        Returns why it ended early, None where it did not.
        """
        try:
            for record in self._store.pending():
                if unread := await self._keep_answer(record):
                    await self.read(unread)
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

    async def _keep_answer(self, record: SolutionRecord) -> UnreadReply | None:
        """Write an answer whose code the rules find; else return its reply, which is on disk."""
        reply, name = record.raw_response, record.name
        extractor = SolutionExtractor(mode=self._mode, ask=self._ask_about(record))
        if len(reply) >= _LARGE:  # reading it takes a while
            self._set_waiting(record)
        try:
            found = await extractor.extract_deterministically(
                reply, name, truncated_reply=record.finish_reason == "length"
            )
            if extractor.needs_llm(reply, found, name):
                self._set_waiting(record)
                return UnreadReply(record, found)
            judged = await _judged(record, found)
        except BaseException:
            # Cancelled, or a fault of our own: the reply is paid for, and the next run extracts it.
            self._set_waiting(record)
            raise
        self._append(judged)
        return None

    def _append_or_break_off(self, record: SolutionRecord) -> None:
        try:
            self._append(record)
        except StoreError as error:
            self._read_but_unwritten.append(record)
            self._break_off(error)

    def _append(self, record: SolutionRecord) -> None:
        self._store.append(record)
        self._tracker.answered(record.model, record.task_id, record.execution_time)
        self._kept_since_checkpoint += 1

    def _keep_failure(self, failure: FailureRecord) -> None:
        logger.warning("%s, %s: failed: %s", failure.model, failure.task_id, failure.message)
        self._store.append_failure(failure)
        self._tracker.failed(failure.model, failure.task_id, f"{failure.error}: {failure.message}")
        self._kept_since_checkpoint += 1

    def _set_waiting(self, record: SolutionRecord) -> None:
        if not self._store.is_pending(record.model, record.task_id):
            self._store.append_pending(record)

    def _ask_about(self, record: SolutionRecord) -> ExtractionAsk | None:
        lane = self._extraction_lane
        return ExtractionAsk(self._caller, lane, record.task_id) if lane else None


async def _judged(
    record: SolutionRecord, extraction: Extraction, asked: ExtractionAsk | None = None
) -> SolutionRecord:
    if len(extraction.code) < _LARGE:
        return with_extraction(record, extraction, asked)
    return await asyncio.to_thread(with_extraction, record, extraction, asked)
