"""Problems to judge by, and a judge for them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import Random

from evaluation.cage import Isolation
from evaluation.judge import Judge
from evaluation.policy import Policy
from prompts.problems import Problem, TestCase

SQUARE_CODE = "def f(x):\n    return x * x\n"
QUICK = Policy(cpu_seconds=1.0, wall_seconds=2.0, memory_mb=512)


def problem(
    task_id: str = "square",
    reference: str = SQUARE_CODE,
    tests: Sequence[tuple[str, str]] = (
        ("", "func(3) == 9"),
        ("", "func(5) == 25 and func(-2) == 4"),
        ("def check(candidate):\n    assert candidate(9) == 81", "check(func) is None"),
    ),
    name: str = "f",
) -> Problem:
    """Return a problem; tests are (ctx, assertion)."""
    return Problem(
        task_id=task_id,
        name=name,
        problem="Write `func`.",
        canonical_solution=reference,
        tests=tuple(TestCase(assertion=assertion, ctx=ctx) for ctx, assertion in tests),
        category="numbers",
        complexity=1,
        object="function",
    )


@asynccontextmanager
async def judging(
    isolation: Isolation,
    *problems: Problem,
    policy: Policy = QUICK,
    workers: int = 1,
) -> AsyncIterator[Judge]:
    """Yield a judge that is prepared for the problems."""
    async with Judge(isolation, policy, workers, random=Random(3)) as judge:
        async for record in judge.prepare(problems or [problem()], {}):
            assert record.reason == "", record
        yield judge
