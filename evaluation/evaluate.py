"""Answers in, judgements on disk: what is known already is passed over, and nothing runs twice."""

import asyncio
import platform
from collections.abc import AsyncIterable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from config.clock import Clock, SystemClock
from config.errors import CollectionError, first_error
from evaluation.answers import Answer
from evaluation.evaluation_log import Basis, EvaluationLog, EvaluationRecord
from evaluation.judge import Judge
from evaluation.judgement import Judgement, Reason, failed_unrun, not_run
from evaluation.problem_tests import short_hash

_SYNC_SECONDS = 1.0
_WAITING_A_WORKER = 4
# How a reply without code ended -> why it failed.
_WITHOUT_CODE: dict[str, Reason] = {
    "length": "truncated",
    "refusal": "refused",
    "filtered": "refused",
}


@dataclass(slots=True)
class Counts:
    """How far an evaluation has come."""

    total: int = 0
    judged: int = 0
    skipped: int = 0
    shared: int = 0
    by_verdict: dict[str, int] = field(default_factory=dict)
    by_reason: dict[str, int] = field(default_factory=dict)

    def add(self, judgement: Judgement) -> None:
        """Count a judgement."""
        self.judged += 1
        self.by_verdict[judgement.verdict] = self.by_verdict.get(judgement.verdict, 0) + 1
        if judgement.reason:
            self.by_reason[judgement.reason] = self.by_reason.get(judgement.reason, 0) + 1


class Evaluation:
    """One session's answers on their way to judgements.

    judge: prepared. log: opened, its lock held. again: what is known is judged again.
    """

    def __init__(
        self,
        judge: Judge,
        log: EvaluationLog,
        *,
        workers: int,
        again: bool = False,
        clock: Clock | None = None,
        on_progress: Callable[[Counts], None] = lambda _: None,
    ) -> None:
        self.counts = Counts()
        self._judge = judge
        self._log = log
        self._workers = workers
        self._again = again
        self._clock = clock or SystemClock()
        self._on_progress = on_progress
        self._running: dict[Basis, asyncio.Future[Judgement]] = {}
        self._python = platform.python_version()

    async def run(self, answers: AsyncIterable[tuple[Answer, Path]]) -> None:
        """Return once every answer is judged, and on the disk.

        answers: each with the path of its file in the session, as they arrive or all at once; they
        are taken as workers are free. Raises StoreError where a judgement cannot be written.
        """
        try:
            await self._judge_all(answers)
        except* CollectionError as errors:
            raise first_error(errors) from errors

    async def _judge_all(self, answers: AsyncIterable[tuple[Answer, Path]]) -> None:
        queue: asyncio.Queue[tuple[Answer, Path] | None] = asyncio.Queue(self._workers)
        async with asyncio.TaskGroup() as group:
            lanes = self._workers * _WAITING_A_WORKER
            for _ in range(lanes):
                group.create_task(self._take(queue))
            syncing = group.create_task(self._keep_in_sync())
            async for pair in answers:
                await queue.put(pair)
            for _ in range(lanes):
                await queue.put(None)
            await queue.join()
            syncing.cancel()
        await asyncio.to_thread(self._log.sync)

    async def add(self, answer: Answer, place: Path) -> None:
        """Return once one answer is judged and its record is with the operating system."""
        basis = self._basis(answer)
        known = self._log.known.get((answer.model, answer.task_id, answer.sample))
        is_known = known is not None and known.basis == basis and known.verdict != "not_run"
        if is_known and not self._again:
            self.counts.skipped += 1
            self._on_progress(self.counts)
            return
        judgement = await self._judgement(answer, basis)
        self._log.append(self._record(answer, basis, judgement), place)
        self.counts.add(judgement)
        self._on_progress(self.counts)

    async def _take(self, queue: asyncio.Queue[tuple[Answer, Path] | None]) -> None:
        while True:
            pair = await queue.get()
            try:
                if pair is None:
                    return
                await self.add(*pair)
            finally:
                queue.task_done()

    async def _keep_in_sync(self) -> None:
        while True:
            await self._clock.sleep(_SYNC_SECONDS)
            await asyncio.to_thread(self._log.sync)

    async def _judgement(self, answer: Answer, basis: Basis) -> Judgement:
        """Return the verdict on an answer; equal code is run once, now or in an earlier run."""
        problem = self._judge.ready(answer.task_id)
        if problem is None:
            reason = self._judge.bad_problems.get(answer.task_id)
            return not_run("bad_problem", reason or "the dataset does not have it")
        if not answer.extracted_solution.strip():
            total = len(problem.tests.sources)
            return failed_unrun(_WITHOUT_CODE.get(answer.finish_reason, "no_solution"), total)
        judgement = await self._once(answer, basis)
        if judgement.verdict == "failed" and answer.finish_reason == "length":
            return msgspec.structs.replace(judgement, reason="truncated")
        return judgement

    async def _once(self, answer: Answer, basis: Basis) -> Judgement:
        running = self._running.get(basis)
        if running is not None:
            self.counts.shared += 1
            return await asyncio.shield(running)
        former = None if self._again else self._log.same_judgement(basis)
        if former is not None:
            self.counts.shared += 1
            return former
        future = asyncio.ensure_future(self._judge.judge(answer.task_id, answer.extracted_solution))
        self._running[basis] = future
        try:
            return await future
        finally:
            del self._running[basis]

    def _basis(self, answer: Answer) -> Basis:
        problem = self._judge.ready(answer.task_id)
        return Basis(
            short_hash(answer.extracted_solution),
            problem.tests.tests_sha if problem else "",
            self._judge.policy.name,
        )

    def _record(self, answer: Answer, basis: Basis, judgement: Judgement) -> EvaluationRecord:
        fields = {name: getattr(judgement, name) for name in Judgement.__struct_fields__}
        return EvaluationRecord(
            **fields,
            task_id=answer.task_id,
            model=answer.model,
            category=answer.category,
            sample=answer.sample,
            solution_sha=basis.solution_sha,
            tests_sha=basis.tests_sha,
            policy=basis.policy,
            isolation=self._judge.isolation,
            python=self._python,
            timestamp=self._clock.time(),
        )
