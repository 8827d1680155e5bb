"""What happens to each outcome: extracted, checked, priced, on disk, counted."""

import asyncio
import logging
from collections.abc import Callable

from config.clock import Clock
from config.collection_settings import CollectionSettings
from config.errors import StoreError
from processors.code_candidates import Extraction
from processors.solution_extractor import SolutionExtractor
from prompts.problems import Problem
from runners.answer_record import answer_record, failure_record, with_extraction
from runners.budget import CapReached
from runners.lane import Lane, LaneStopped
from runners.llm_extraction import ExtractionAsk
from runners.reliable_call import Answer, GaveUp, ReliableCaller
from storage.progress_tracker import ProgressTracker
from storage.solution_record import SolutionRecord
from storage.solution_store import SolutionStore

logger = logging.getLogger("collector")

_LARGE = 100_000  # characters; reading and judging more takes a while, in a thread


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

    async def keep(self, lane: Lane, problem: Problem, outcome: Answer | GaveUp) -> None:
        """Return once the outcome is written, or waits for keep_the_rest."""
        try:
            await self._keep(lane, problem, outcome)
        except StoreError as error:
            self._unkept.append((lane, problem, outcome))
            self._break_off(error)

    async def keep_the_rest(self) -> None:
        """Try once more to write what could not be, and say what cannot.

        By now no call is out: its sockets are closed, and a smaller answer may have fitted.
        """
        waiting, self._unkept = self._unkept, []
        for lane, problem, outcome in waiting:
            try:
                await self.keep(lane, problem, outcome)
            except (LaneStopped, CapReached):
                continue  # its reply waits for extraction, on the disk
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
                await self._extract_and_append(record)
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

    async def _keep(self, lane: Lane, problem: Problem, outcome: Answer | GaveUp) -> None:
        if isinstance(outcome, GaveUp):
            failure = failure_record(problem, lane, outcome, self._clock.time())
            logger.warning("%s, %s: failed: %s", lane.label, problem.task_id, failure.message)
            self._store.append_failure(failure)
            self._tracker.failed(lane.label, problem.task_id, f"{failure.error}: {failure.message}")
        else:
            await self._extract_and_append(answer_record(problem, lane.model, outcome))
        self._kept_since_checkpoint += 1

    async def _extract_and_append(self, record: SolutionRecord) -> None:
        try:
            extracted = await self._extract(record)
        except BaseException:
            # Cancelled, or a fault of our own: the reply is paid for, and the next run extracts it.
            self._set_waiting(record)
            raise
        self._store.append(extracted)
        self._tracker.answered(record.model, record.task_id, record.execution_time)

    async def _extract(self, record: SolutionRecord) -> SolutionRecord:
        """Return the record with its code; a reply is on disk before that may take long."""
        ask = self._ask_about(record)
        extractor = SolutionExtractor(mode=self._mode, ask=ask)
        reply, name = record.raw_response, record.name
        if len(reply) >= _LARGE:
            self._set_waiting(record)
        extraction = await extractor.extract_deterministically(
            reply, name, truncated_reply=record.finish_reason == "length"
        )
        if not extractor.needs_llm(reply, extraction, name):
            return await self._judged(record, extraction)
        self._set_waiting(record)
        extraction = await extractor.extract_with_llm(reply, record.task_id, extraction, name)
        return await self._judged(record, extraction, ask)

    def _set_waiting(self, record: SolutionRecord) -> None:
        if not self._store.is_pending(record.model, record.task_id):
            self._store.append_pending(record)

    async def _judged(
        self, record: SolutionRecord, extraction: Extraction, asked: ExtractionAsk | None = None
    ) -> SolutionRecord:
        if len(extraction.code) < _LARGE:
            return with_extraction(record, extraction, asked)
        return await asyncio.to_thread(with_extraction, record, extraction, asked)

    def _ask_about(self, record: SolutionRecord) -> ExtractionAsk | None:
        lane = self._extraction_lane
        return ExtractionAsk(self._caller, lane, record.task_id) if lane else None
