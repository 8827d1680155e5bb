"""What the judge says of honest solutions: right, wrong, and why."""

import asyncio
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from evaluation.cage import Isolation
from evaluation.judge import Judge
from evaluation.judgement import Judgement
from evaluation.policy import Policy
from prompts.problems import load_problems
from tests.evaluation.layers import best_layer, each_layer, need
from tests.evaluation.problems import QUICK, SQUARE_CODE, judging, problem

STARTER = Path(__file__).resolve().parent.parent.parent / "dataset" / "starter"
VERDICTS = {
    "right": (SQUARE_CODE, "passed", ""),
    "wrong": ("def f(x): return x + x\n", "failed", "wrong_answer"),
    "half right": ("def f(x): return x * x if x > 0 else 0\n", "failed", "wrong_answer"),
    "raises": ("def f(x): raise ValueError('no idea')\n", "failed", "exception"),
    "no python": ("def f(x) return x\n", "failed", "load_error"),
    "raises when loaded": ("import nosuchmodule\ndef f(x): return x * x\n", "failed", "load_error"),
    "another name": ("def g(x): return x * x\n", "failed", "name_missing"),
    "nothing": ("  \n", "failed", "no_solution"),
    "endless": ("def f(x):\n    while True: pass\n", "failed", "timeout"),
    "too much": ("def f(x): return [0] * (1 << 40)\n", "failed", "memory"),
    "ends the process": ("import os\ndef f(x): os._exit(1)\n", "failed", "crashed"),
    "network": ("import socket\nsocket.socket()\ndef f(x): return x * x\n", "failed", "denied"),
    "main guard": (
        SQUARE_CODE + "if __name__ == '__main__':\n    raise SystemExit(1)\n", "passed", "",
    ),
    "prints a lot": ("def f(x):\n    print('x' * 5_000_000)\n    return x * x\n", "passed", ""),
    "reads input": ("def f(x): return int(input())\n", "failed", "exception"),
    "threads": (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "def f(x):\n    with ThreadPoolExecutor(3) as pool:\n"
        "        return sum(pool.map(lambda _: x, range(abs(x)))) * (1 if x > 0 else -1)\n",
        "passed", "",
    ),
    "asyncio": (
        "import asyncio\nasync def g(x):\n    await asyncio.sleep(0)\n    return x * x\n"
        "def f(x): return asyncio.run(g(x))\n", "passed", "",
    ),
    "files": (
        "import shutil\nfrom pathlib import Path\ndef f(x):\n"
        "    Path('a').write_text(str(x * x))\n    shutil.copy2('a', 'b')\n"
        "    return int(Path('b').read_text())\n", "passed", "",
    ),
    "own class": (
        "from dataclasses import dataclass\n@dataclass(slots=True)\nclass P:\n    x: int\n"
        "def f(x): return P(x).x ** 2\n", "passed", "",
    ),
    "abort": ("import os\ndef f(x): os.abort()\n", "failed", "crashed"),
}  # fmt: skip


@pytest.mark.slow
async def test_each_reason() -> None:
    async with judging(best_layer()) as judge:
        found = {name: await judge.judge("square", code) for name, (code, _, _) in VERDICTS.items()}
    said = {name: (judgement.verdict, judgement.reason) for name, judgement in found.items()}
    assert said == {name: (verdict, reason) for name, (_, verdict, reason) in VERDICTS.items()}
    assert found["half right"].passed_tests == 2
    assert found["half right"].total_tests == 3
    assert found["right"].decoys.run > 0


async def judge_one(code: str, *tests: tuple[str, str]) -> Judgement:
    async with judging(best_layer(), problem(tests=tests)) as judge:
        return await judge.judge("square", code)


@pytest.mark.slow
async def test_the_first_failed_test_is_kept_with_both_sides() -> None:
    wrong = "def f(x): return x + x\n"
    found = await judge_one(wrong, ("", "func(2) == 4"), ("", "func(0) == 0 and func(3) == 9"))
    assert found.failed_test is not None
    assert found.failed_test.number == 2
    assert found.failed_test.test == "func(0) == 0 and func(3) == 9"
    assert (found.failed_test.came, found.failed_test.expected) == ("6", "9")


@pytest.mark.slow
async def test_an_assert_inside_ctx_is_kept_too() -> None:
    ctx = (
        "def check(candidate):\n    assert candidate(2) == 4\n    assert candidate(3) == 9, 'no'\n"
    )
    found = await judge_one("def f(x): return x + x\n", (ctx, "check(func) is None"))
    assert found.failed_test is not None
    assert found.failed_test.test == "candidate(3) == 9, 'no'"
    assert (found.failed_test.came, found.failed_test.expected) == ("6", "9")


@pytest.mark.slow
async def test_a_test_sees_other_names_of_the_solution_only_where_it_needs_them() -> None:
    reference = "def root(x): return x\n" + SQUARE_CODE
    needy = problem("needy", reference, [("", "root(func(2)) == 4")])
    async with judging(best_layer(), problem(), needy) as judge:
        needs, does_not = judge.ready("needy"), judge.ready("square")
        shadowing = "def check(candidate): return None\nfunc = None\n" + SQUARE_CODE
        shadowed = await judge.judge("square", shadowing)
    assert needs is not None
    assert does_not is not None
    assert (needs.share_names, does_not.share_names) == (True, False)
    assert shadowed.verdict == "passed"


@pytest.mark.slow
async def test_what_differs_from_run_to_run_is_flaky() -> None:
    chancy = "import os\ndef f(x): return x * x if os.urandom(1)[0] < 128 else 0\n"
    simple = problem(tests=[("", "func(3) == 9")])
    policy = replace(QUICK, repeat=12)
    async with judging(best_layer(), simple, policy=policy) as judge:
        assert (await judge.judge("square", chancy)).verdict == "flaky"
        assert (await judge.judge("square", SQUARE_CODE)).verdict == "passed"


@pytest.mark.slow
async def test_chance_is_the_same_in_every_run() -> None:
    code = "import random\nprint(random.random())\n" + SQUARE_CODE
    async with judging(best_layer()) as judge:
        tails = {(await judge.judge("square", code)).output_tail for _ in range(3)}
    assert len(tails) == 1


def order_with_hash_seed(seed: int) -> str:
    code = "print(''.join(set('abcdefgh')))"
    environment = {"PYTHONHASHSEED": str(seed)}
    return subprocess.check_output([sys.executable, "-c", code], env=environment, text=True).strip()


BAD = {
    "reference fails": (problem("a", "def f(x): return 1\n"), "does not pass: test 1: got 1"),
    "reference raises": (problem("b", "def f(x): return y\n"), "name 'y' is not defined"),
    "a stub passes": (problem("c", tests=[("", "True")]), "a stub passes all tests"),
    "no tests": (problem("d", tests=[]), "it has no tests"),
    "no python": (problem("e", tests=[("", "func(")]), "a test cannot be read"),
    "hash seed": (
        problem("g", "def f(x): return list(set('abcdefgh'))\n",
                [("", f"''.join(func(1)) == {order_with_hash_seed(0)!r}")]),
        "passes with some hash seeds only",
    ),
    "packages": (problem("h", "import nosuchpackage\n" + SQUARE_CODE), "No module named"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", BAD)
async def test_a_bad_problem_judges_nobody(name: str) -> None:
    bad, reason = BAD[name]
    async with Judge(best_layer(), QUICK, 1) as judge:
        async for _ in judge.prepare([bad], {}):
            pass
        judgement = await judge.judge(bad.task_id, SQUARE_CODE)
    assert reason in judge.bad_problems[bad.task_id]
    assert (judgement.verdict, judgement.reason) == ("not_run", "bad_problem")


async def test_a_problem_without_a_reference_is_judged_by_unverified() -> None:
    async with judging(best_layer(), problem(reference="")) as judge:
        ready = judge.ready("square")
        assert ready is not None
        assert not ready.is_verified
        assert (await judge.judge("square", SQUARE_CODE)).verdict == "passed"


@pytest.mark.slow
async def test_a_slow_reference_raises_the_limit() -> None:
    slow = "def f(x):\n    sum(range(12_000_000))\n    return x * x\n"
    async with judging(best_layer(), problem(reference=slow)) as judge:
        ready = judge.ready("square")
        assert ready is not None
        assert ready.limits.cpu_seconds > 1
        assert ready.limits.wall_seconds >= 4 * ready.limits.cpu_seconds


@pytest.mark.slow
async def test_packages_only_where_they_are_allowed() -> None:
    code = "import msgspec\n" + SQUARE_CODE
    async with judging(best_layer()) as judge:
        assert (await judge.judge("square", code)).reason == "load_error"
    async with judging(best_layer(), policy=replace(QUICK, allow_packages=True)) as judge:
        assert (await judge.judge("square", code)).verdict == "passed"


@pytest.mark.slow
async def test_processes_only_where_they_are_allowed_and_none_is_left() -> None:
    need("cage+landlock")
    code = "import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', 'while 1: pass'])\n"
    async with judging("cage+landlock", policy=replace(QUICK, allow_processes=True)) as judge:
        assert (await judge.judge("square", code + SQUARE_CODE)).verdict == "passed"
        assert (await judge.judge("square", SQUARE_CODE)).verdict == "passed"
    async with judging("cage+landlock") as judge:
        assert (await judge.judge("square", code + SQUARE_CODE)).reason == "denied"


@pytest.mark.slow
@each_layer
async def test_every_starter_problem_is_good_in_every_layer(layer: Isolation) -> None:
    need(layer)
    problems = load_problems(STARTER)
    async with judging(layer, *problems, policy=Policy(), workers=2) as judge:
        found = await asyncio.gather(
            *(judge.judge(each.task_id, each.canonical_solution) for each in problems)
        )
    assert {judgement.verdict for judgement in found} == {"passed"}
    assert all(judgement.decoys.run for judgement in found)


@pytest.mark.slow
async def test_verdicts_are_the_same_in_every_layer_and_under_load() -> None:
    codes = [code for code, _, _ in VERDICTS.values()] * 5
    said = {}
    layers = [(layer, 2) for layer in ("cage+landlock", "landlock")] + [("landlock", 8)]
    for layer, workers in layers:
        need(layer)  # type: ignore[arg-type] # a literal, which a tuple of them hides
        async with judging(layer, workers=workers) as judge:  # type: ignore[arg-type]
            found = await asyncio.gather(*(judge.judge("square", code) for code in codes))
        said[layer, workers] = [(judgement.verdict, judgement.reason) for judgement in found]
    first, *others = said.values()
    assert all(other == first for other in others)
