"""The judge: code in, judgement out, from workers that it holds; it never runs code itself."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from random import Random, SystemRandom

import msgspec

from config.clock import Clock, SystemClock
from evaluation.cage import Isolation, ZygotePlan
from evaluation.decoys import Decoy
from evaluation.inside.run_tests import ChildTest
from evaluation.jobs import Job, JobResult
from evaluation.judgement import (
    DecoyCount,
    Judgement,
    failed_unrun,
    judge_result,
    not_run,
)
from evaluation.policy import Policy
from evaluation.problem_tests import ProblemTests, ReadyProblem, problem_tests
from evaluation.sandbox import NewSandbox, Sandbox
from evaluation.self_test import (
    HASH_SEEDS,
    SelfTestRecord,
    ready_problem,
    self_test,
    self_test_key,
)
from evaluation.worker import SandboxLost, Worker
from prompts.problems import Problem

_REAL_SHARE = 0.25  # of a decoy job's tests are left as they are
_RUNS_UNTIL_LOST = 3


class Judge:
    """`async with Judge(isolation, policy, workers) as judge:` prepare problems, then judge code.

    As many answers are judged at once as there are workers, whoever asks. Answers may be fed as
    they arrive.
    """

    def __init__(
        self,
        isolation: Isolation,
        policy: Policy,
        workers: int,
        *,
        clock: Clock | None = None,
        random: Random | None = None,
        new_sandbox: NewSandbox = Worker,
    ) -> None:
        """new_sandbox: makes what runs jobs; by default a worker on this machine."""
        self.isolation = isolation
        self.policy = policy
        self._count = workers
        self._clock = clock or SystemClock()
        self._random = random or SystemRandom()
        self._new_sandbox = new_sandbox
        self._pools: dict[int, asyncio.Queue[Sandbox]] = {}
        self._stack = contextlib.AsyncExitStack()
        self._ready: dict[str, ReadyProblem] = {}
        self._bad: dict[str, str] = {}

    async def __aenter__(self) -> "Judge":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def bad_problems(self) -> Mapping[str, str]:
        """task_id -> why nothing can be judged by this problem."""
        return self._bad

    def ready(self, task_id: str) -> ReadyProblem | None:
        """Return the prepared problem, None where it is bad or was not prepared."""
        return self._ready.get(task_id)

    async def prepare(
        self, problems: Sequence[Problem], known: Mapping[str, SelfTestRecord]
    ) -> AsyncGenerator[SelfTestRecord, None]:
        """Yield a self-test for each problem that no known one (by key) fits any more.

        Raises SandboxLost where a problem cannot be tried at all.
        """
        todo: list[ProblemTests] = []
        for problem in problems:
            try:
                tests = problem_tests(problem)
            except ValueError as error:
                self._bad[problem.task_id] = str(error)
                continue
            record = known.get(self_test_key(tests, self.policy))
            if record is not None and record.task_id == problem.task_id:
                self._take(record, tests)
            else:
                todo.append(tests)
        seed = secrets.randbits(48)
        waiting = {asyncio.ensure_future(self._try_problem(tests, seed)) for tests in todo}
        try:
            for finished in asyncio.as_completed(waiting):
                record, tests = await finished
                self._take(record, tests)
                yield record
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            await self._stop_spare_pools()

    async def judge(self, task_id: str, code: str) -> Judgement:
        """Return what the code is worth for a prepared problem."""
        problem = self._ready.get(task_id)
        if problem is None:
            return not_run("bad_problem", self._bad.get(task_id, "it was not prepared"))
        total = len(problem.tests.sources)
        if not code.strip():
            return failed_unrun("no_solution", total)
        try:
            first = await self._judge_once(problem, code)
            for _ in range(self.policy.repeat - 1):
                again = await self._judge_once(problem, code)
                if again.verdict != first.verdict:
                    return _flaky(first, again)
        except SandboxLost as error:
            return not_run("sandbox_lost", str(error), total)
        return first

    async def _judge_once(self, problem: ReadyProblem, code: str) -> Judgement:
        result = await self._run_tests(problem, code, problem.tests.sources)
        judgement = judge_result(problem, result, attempts=1)
        if result.was_asleep:  # perhaps the machine was, too
            result = await self._run_tests(problem, code, problem.tests.sources)
            return await self._with_decoys(problem, code, judge_result(problem, result, attempts=2))
        if result.signal_number and judgement.reason == "crashed":
            result = await self._run_tests(problem, code, problem.tests.sources)
            again = judge_result(problem, result, attempts=2)
            return again if again.verdict == judgement.verdict else _flaky(judgement, again)
        return await self._with_decoys(problem, code, judgement)

    async def _with_decoys(
        self, problem: ReadyProblem, code: str, judgement: Judgement
    ) -> Judgement:
        """Return the judgement; one that says "passed" only once all decoys are failed."""
        if judgement.verdict != "passed" or not self.policy.use_decoys:
            return judgement
        chosen = _choose(problem.decoys, self._random)
        if not any(chosen):
            return judgement
        first = await self._run_decoys(problem, code, chosen)
        if first is not None and not first.passed:
            return msgspec.structs.replace(judgement, decoys=first)
        again = await self._run_decoys(problem, code, chosen)
        if again is None or first is None:
            if again is not None and not again.passed:
                return _flaky(judgement, judgement)
            return msgspec.structs.replace(judgement, verdict="failed", reason="protocol")
        if not again.passed:
            return _flaky(msgspec.structs.replace(judgement, decoys=first), judgement)
        return msgspec.structs.replace(judgement, verdict="failed", reason="forged", decoys=again)

    async def _run_decoys(
        self, problem: ReadyProblem, code: str, chosen: Sequence[Decoy | None]
    ) -> DecoyCount | None:
        """Return how many decoys the solution passed; None where it did not come to the end."""
        pairs = list(zip(chosen, problem.tests.sources, strict=True))
        self._random.shuffle(pairs)
        sources = [decoy.source if decoy else source for decoy, source in pairs]
        result = await self._run_tests(problem, code, sources)
        lines = result.lines
        if not (lines.is_legal and lines.ended and lines.loading == "loaded"):
            return None
        fooled = [
            decoy
            for (decoy, _), line in zip(pairs, lines.tests, strict=True)
            if decoy is not None and line.status == "pass"
        ]
        return DecoyCount(
            run=sum(decoy is not None for decoy in chosen),
            passed=len(fooled),
            weak=sum(decoy is not None and decoy.is_weak for decoy in chosen),
            evidence=_evidence(fooled[0]) if fooled else "",
        )

    async def _run_tests(
        self, problem: ReadyProblem, code: str, sources: Sequence[ChildTest]
    ) -> JobResult:
        name = problem.tests.problem.name
        job = Job(code, name, sources, problem.limits, share_names=problem.share_names)
        return await self._run(job, HASH_SEEDS[0])

    async def _run(self, job: Job, hash_seed: int) -> JobResult:
        """Return a job's result; a sandbox that is lost is replaced, twice.

        A job that did not come as far as the solution is lost too.
        """
        pool = await self._pool(hash_seed)
        worker = await pool.get()
        try:
            for attempt in range(_RUNS_UNTIL_LOST):
                try:
                    result = await worker.run(job)
                    if result.lines.has_begun:
                        return result
                except SandboxLost:
                    if attempt == _RUNS_UNTIL_LOST - 1:
                        raise
            raise SandboxLost("the sandbox could not start a job")
        finally:
            pool.put_nowait(worker)

    async def _pool(self, hash_seed: int) -> asyncio.Queue[Sandbox]:
        if hash_seed not in self._pools:
            pool: asyncio.Queue[Sandbox] = asyncio.Queue()
            self._pools[hash_seed] = pool
            for number in range(self._count):
                plan = ZygotePlan(
                    isolation=self.isolation,
                    policy=self.policy,
                    folder=Path(),
                    hash_seed=hash_seed,
                    number=number * len(HASH_SEEDS) + hash_seed,
                )
                worker = self._new_sandbox(plan)
                self._stack.push_async_callback(worker.stop)
                pool.put_nowait(worker)
        return self._pools[hash_seed]

    async def _stop_spare_pools(self) -> None:
        """End the workers that only self-tests need; they start again when asked."""
        for seed in HASH_SEEDS[1:]:
            pool = self._pools.get(seed)
            while pool is not None and not pool.empty():
                await pool.get_nowait().stop()
            self._pools.pop(seed, None)

    async def _try_problem(
        self, tests: ProblemTests, seed: int
    ) -> tuple[SelfTestRecord, ProblemTests]:
        record = await self_test(tests, self.policy, seed, self._clock.time(), self._run)
        return record, tests

    def _take(self, record: SelfTestRecord, tests: ProblemTests) -> None:
        if record.reason:
            self._bad[record.task_id] = record.reason
        else:
            self._ready[record.task_id] = ready_problem(record, tests, self.policy)


def _choose(decoys: Sequence[Sequence[Decoy]], random: Random) -> list[Decoy | None]:
    """Return for each test a decoy or, for some, None; at least one decoy where there are any.

    A job of decoys has as many tests as the job of true ones, and some of those among them, so
    that a solution cannot tell in which of the two it is.
    """
    chosen: list[Decoy | None] = [random.choice(kept) if kept else None for kept in decoys]
    places = [number for number, decoy in enumerate(chosen) if decoy is not None]
    for number in random.sample(places, int(len(places) * _REAL_SHARE)):
        chosen[number] = None
    return chosen


def _evidence(decoy: Decoy) -> str:
    source = decoy.source
    changed = source["ctx"] if "assert " in source["ctx"] else source["assertion"]
    return changed.replace("_left_ := ", "").replace("_right_ := ", "")[:1000]


def _flaky(first: Judgement, again: Judgement) -> Judgement:
    """Return the verdict on a solution that two equal runs found different."""
    worse = again if first.verdict == "passed" else first
    return msgspec.structs.replace(worse, verdict="flaky")
