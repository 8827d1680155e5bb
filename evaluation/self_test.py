"""Whether a problem's own reference passes its tests in the sandbox, and what the tests need."""

import math
import sys
from collections.abc import Awaitable, Callable, Sequence
from itertools import islice

import msgspec

from evaluation.decoys import Decoy
from evaluation.inside.run_tests import ChildTest
from evaluation.jobs import Job, JobResult, Limits
from evaluation.policy import POLICY_VERSION, Policy
from evaluation.problem_tests import ProblemTests, ReadyProblem, short_hash

HASH_SEEDS = (0, 1, 2)
_FIRST_TRY_SECONDS = 60
_CPU_FACTOR = 10
_WALL_FACTOR = 4

# Runs a job in a zygote with this hash seed.
Run = Callable[[Job, int], Awaitable[JobResult]]


class SelfTestRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One line of self_test.jsonl.

    key: changes with the problem, the policy and the Python. reason: why the problem is bad, ""
    where it is good. is_verified: there is a reference. seed: of the decoys.
    decoys: which of those hold, for each test.
    """

    task_id: str
    key: str
    reason: str
    is_verified: bool = False
    share_names: bool = False
    reference_cpu_seconds: float = 0.0
    cpu_limit_seconds: int = 0
    wall_limit_seconds: float = 0.0
    seed: int = 0
    decoys: list[list[int]] = msgspec.field(default_factory=list)
    timestamp: float = 0.0


def self_test_key(tests: ProblemTests, policy: Policy) -> str:
    """Return what tells whether a former self-test still holds."""
    limits = f"{policy.cpu_seconds} {policy.wall_seconds} {policy.memory_mb}"
    allowed = f"{policy.allow_packages} {policy.allow_processes} {policy.is_unsafe}"
    tested = (tests.tests_sha, tests.problem.canonical_solution)
    parts = (POLICY_VERSION, *tested, limits, allowed, sys.version)
    return short_hash("\0".join(parts))


def ready_problem(record: SelfTestRecord, tests: ProblemTests, policy: Policy) -> ReadyProblem:
    """Return the problem that a self-test found good."""
    found = tests.decoys(record.seed)
    return ReadyProblem(
        tests=tests,
        limits=Limits(record.cpu_limit_seconds, record.wall_limit_seconds, policy.memory_mb),
        share_names=record.share_names,
        decoys=[
            [decoys[number] for number in kept if number < len(decoys)]
            for decoys, kept in zip(found, record.decoys, strict=False)
        ],
        is_verified=record.is_verified,
    )


async def self_test(
    tests: ProblemTests, policy: Policy, seed: int, timestamp: float, run: Run
) -> SelfTestRecord:
    """Return what a problem is worth; raises SandboxLost where that cannot be found out."""
    problem = tests.problem
    key = self_test_key(tests, policy)

    def bad(reason: str) -> SelfTestRecord:
        return SelfTestRecord(task_id=problem.task_id, key=key, reason=reason, timestamp=timestamp)

    if not tests.sources:
        return bad("it has no tests")
    trial = _Trial(tests, policy, run)
    if problem.canonical_solution.strip():
        reason = await trial.try_reference(seed)
        if reason:
            return bad(reason)
    cpu_limit, wall_limit = _limits(policy, trial.cpu_seconds)
    return SelfTestRecord(
        task_id=problem.task_id,
        key=key,
        reason="",
        is_verified=bool(problem.canonical_solution.strip()),
        share_names=trial.share_names,
        reference_cpu_seconds=trial.cpu_seconds,
        cpu_limit_seconds=cpu_limit,
        wall_limit_seconds=wall_limit,
        seed=seed,
        decoys=trial.decoys,
        timestamp=timestamp,
    )


class _Trial:
    """One problem's self-test, step by step."""

    def __init__(self, tests: ProblemTests, policy: Policy, run: Run) -> None:
        self._tests = tests
        self._policy = policy
        self._run = run
        has_reference = bool(tests.problem.canonical_solution.strip())
        self.share_names = not has_reference  # without one, what the tests need is not known
        self.cpu_seconds = 0.0
        self.decoys: list[list[int]] = []

    async def try_reference(self, seed: int) -> str:
        """Return why the problem is bad, "" where it is good."""
        reference = self._tests.problem.canonical_solution
        reason = await self._try(reference, 0)
        if reason:
            self.share_names = True
            if await self._try(reference, 0):
                return f"the reference solution does not pass: {reason}"
        for hash_seed in HASH_SEEDS[1:]:
            reason = await self._try(reference, hash_seed)
            if reason:
                return f"the reference solution passes with some hash seeds only: {reason}"
        stub = f"def {self._tests.problem.name}(*a, **k):\n    raise NotImplementedError\n"
        if not await self._try(stub, 0):
            return "a stub passes all tests"
        await self._try_decoys(reference, self._tests.decoys(seed))
        return ""

    async def _try(self, code: str, hash_seed: int) -> str:
        """Return why the code does not pass, "" where it does."""
        result = await self._run(self._job(code, self._tests.sources), hash_seed)
        if passes(result):
            self.cpu_seconds = max(self.cpu_seconds, result.end["cpu_seconds"])
            return ""
        return _reason(result)

    async def _try_decoys(self, reference: str, decoys: Sequence[Sequence[Decoy]]) -> None:
        """Keep the decoys that the reference fails."""
        sources = [decoy.source for of_test in decoys for decoy in of_test]
        result = await self._run(self._job(reference, sources), 0)
        lines = iter(result.lines.tests)
        self.decoys = [
            [
                number
                for number, line in enumerate(islice(lines, len(of_test)))
                if line.status in ("fail", "error")
            ]
            for of_test in decoys
        ]

    def _job(self, code: str, sources: Sequence[ChildTest]) -> Job:
        limits = Limits(_FIRST_TRY_SECONDS, 2.0 * _FIRST_TRY_SECONDS, self._policy.memory_mb)
        name = self._tests.problem.name
        return Job(code, name, sources, limits, share_names=self.share_names)


def passes(result: JobResult) -> bool:
    """Return whether a job went through all tests, passed each, and ended as it should."""
    lines = result.lines
    went_well = result.end["ended"] == "exit" and result.end["status"] == 0
    is_whole = lines.is_legal and lines.ended and lines.loading == "loaded"
    return went_well and is_whole and all(line.status == "pass" for line in lines.tests)


def _reason(result: JobResult) -> str:
    if result.ran_out_of_time:
        return "out of time"
    for number, line in enumerate(result.lines.tests, start=1):
        if line.status not in ("pass", "not_reached"):
            said = line.text or (f"got {line.came}" if line.came else line.status)
            return f"test {number}: {said}"
    loading = result.lines.loading
    if loading == "missing":
        return "it does not define the name"
    return result.lines.loading_line.text or f"it ended with status {result.end['status']}"


def _limits(policy: Policy, reference_cpu_seconds: float) -> tuple[int, float]:
    """Return the processor seconds and the seconds that a solution is given."""
    cpu = math.ceil(max(policy.cpu_seconds, _CPU_FACTOR * reference_cpu_seconds))
    return cpu, max(policy.wall_seconds, float(_WALL_FACTOR * cpu))
