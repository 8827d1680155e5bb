"""The process that judges a session's answers while a run still collects them.

The run starts it with an order, a line of JSON on standard input, and says "finish" there once no
answer is to come; the end of standard input stops it at once. It prints its counts, a line of JSON
each second, and on standard error why it ended early, where it did. It judges what it finds on
disk: the run hands it nothing and waits for nothing, and each may be killed without the other.
"""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import msgspec

from config.clock import Clock, SystemClock
from config.errors import CollectionError, SessionInUse, StoreError, first_error
from evaluation.answer_tail import AnswerTail
from evaluation.answers import Answer
from evaluation.cage import Isolation
from evaluation.evaluate import Counts, Evaluation
from evaluation.evaluation_log import EvaluationLog
from evaluation.judge import Judge
from evaluation.policy import Policy
from evaluation.score_files import write_conditions, write_scores
from evaluation.scores import pairs, scores
from prompts.problems import Problem, load_problems
from storage.session.manifest import read_manifest
from storage.session.session_lock import SessionLock

FINISH = b"finish\n"
_LOOK_SECONDS = 0.5
_LOCK_TRIES = 20  # a run that was just killed still has a judge, which is about to end


class LiveOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What a live judge is to do; isolation: probed already. session: the folder."""

    session: str
    isolation: Isolation
    workers: int


class LiveJudge:
    """One session's live judging, from its first answer to the scores."""

    def __init__(self, order: LiveOrder, clock: Clock) -> None:
        self._session = Path(order.session)
        self._order = order
        self._clock = clock
        self._last_look = asyncio.Event()
        self._counts = Counts()

    async def run(self, orders: asyncio.StreamReader) -> None:
        """Return once all is judged, or the orders ended; the scores are written then."""
        log = EvaluationLog(self._session)
        async with self._owned(log):
            log.open()
            problems = _problems(self._session)
            policy = Policy()
            write_conditions(log, self._order.isolation, policy, problems)
            async with Judge(self._order.isolation, policy, self._order.workers) as judge:
                judging = asyncio.create_task(self._judge(judge, log, problems))
                listening = asyncio.create_task(self._listen(orders))
                saying = asyncio.create_task(self._keep_saying())
                await asyncio.wait({judging, listening}, return_when=asyncio.FIRST_COMPLETED)
                for task in (judging, listening, saying):
                    task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await judging
                bad = dict(judge.bad_problems)
            await asyncio.to_thread(log.sync)
            found = scores(log.known.items())
            write_scores(log, found, pairs(found), bad)
            self._say()

    @asynccontextmanager
    async def _owned(self, log: EvaluationLog) -> AsyncIterator[None]:
        """Hold the lock of the judgements, which is free or soon to be."""
        lock = SessionLock(log.folder)
        for tries_left in reversed(range(_LOCK_TRIES)):
            try:
                lock.acquire()
                break
            except SessionInUse:
                if not tries_left:
                    raise
                await self._clock.sleep(_LOOK_SECONDS)
        try:
            yield
        finally:
            lock.release()

    async def _judge(self, judge: Judge, log: EvaluationLog, problems: list[Problem]) -> None:
        async with aclosing(judge.prepare(problems, log.self_tests)) as records:
            async for record in records:
                log.append_self_test(record)
        evaluation = Evaluation(judge, log, workers=self._order.workers, clock=self._clock)
        self._counts = evaluation.counts
        await evaluation.run(self._answers())

    async def _answers(self) -> AsyncIterator[tuple[Answer, Path]]:
        tail = AnswerTail(self._session)
        is_last = False
        while not is_last:
            is_last = self._last_look.is_set()
            for pair in tail.new_answers():
                yield pair
            if not is_last:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_SECONDS):
                        await self._last_look.wait()

    async def _listen(self, orders: asyncio.StreamReader) -> None:
        while line := await orders.readline():
            if line == FINISH:
                self._last_look.set()

    async def _keep_saying(self) -> None:
        while True:
            self._say()
            await self._clock.sleep(1.0)

    def _say(self) -> None:
        with contextlib.suppress(BrokenPipeError):  # nobody reads any more: the orders end, too
            sys.stdout.buffer.write(msgspec.json.encode(self._counts) + b"\n")
            sys.stdout.buffer.flush()


def _problems(session: Path) -> list[Problem]:
    """Return the problems that the session asks, as they were when it asked them."""
    metadata = read_manifest(session)
    dataset = metadata.session_parameters.get("dataset_path") if metadata else None
    if metadata is None or not isinstance(dataset, str):
        raise StoreError(f"{session}: does not say which problems it asks")
    problems = load_problems(Path(dataset))
    asked = metadata.asked
    if asked is None:
        return problems
    return [each for each in problems if asked.get(each.task_id) == each.content_hash]


async def _main() -> None:
    orders = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(orders), sys.stdin
    )
    if line := await orders.readline():
        await LiveJudge(msgspec.json.decode(line, type=LiveOrder), SystemClock()).run(orders)


def main() -> int:
    """Return the exit code; why it is not 0 is the last line of standard error."""
    code = 0
    try:
        asyncio.run(_main())
    except* CollectionError as errors:
        sys.stderr.write(f"{first_error(errors)}\n")
        code = 1
    return code


if __name__ == "__main__":
    raise SystemExit(main())
