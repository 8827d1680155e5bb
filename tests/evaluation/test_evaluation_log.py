"""Judgements on disk: read back, damage set aside, samples told apart, answers fed one by one."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from evaluation.answers import Answer, answer_files, answers_in
from evaluation.evaluate import Evaluation
from evaluation.evaluation_log import EvaluationLog
from evaluation.judge import Judge
from evaluation.scores import scores
from storage.files.jsonl_file import damaged_path
from tests.evaluation.layers import best_layer
from tests.evaluation.problems import QUICK, SQUARE_CODE, judging

WRONG = "def f(x): return x + x\n"


def answer(sample: int = 1, code: str = SQUARE_CODE, model: str = "m") -> Answer:
    return Answer(
        task_id="square",
        model=model,
        category="numbers",
        extracted_solution=code,
        llm_call_success=True,
        sample=sample,
    )


def opened(session: Path) -> EvaluationLog:
    log = EvaluationLog(session)
    log.open()
    return log


async def feed(session: Path, judge: Judge, *answers: Answer) -> Evaluation:
    evaluation = Evaluation(judge, opened(session), workers=1)

    async def arriving() -> AsyncIterator[tuple[Answer, Path]]:
        for each in answers:
            yield each, session / each.model / "numbers.jsonl"

    await evaluation.run(arriving())
    return evaluation


@pytest.mark.slow
async def test_samples_of_a_problem_are_answers_of_their_own(tmp_path: Path) -> None:
    codes = [SQUARE_CODE, WRONG, SQUARE_CODE + "# again\n"]
    async with judging(best_layer()) as judge:
        samples = [answer(number, code) for number, code in enumerate(codes, start=1)]
        first = await feed(tmp_path, judge, *samples)
        again = await feed(tmp_path, judge, *samples, answer(4, WRONG + "# more\n"))
    assert (first.counts.judged, again.counts.judged, again.counts.skipped) == (3, 1, 3)
    score = scores(opened(tmp_path).known.items())["m"]
    assert (score.problems["square"].passed, score.problems["square"].count) == (2, 4)
    assert score.rates()[0].rate == pytest.approx(0.5)


@pytest.mark.slow
async def test_answers_may_come_one_by_one(tmp_path: Path) -> None:
    async with judging(best_layer(), workers=2) as judge:
        log = opened(tmp_path)
        evaluation = Evaluation(judge, log, workers=2)
        place = tmp_path / "m" / "numbers.jsonl"
        adding = [
            asyncio.create_task(evaluation.add(answer(number, f"{SQUARE_CODE}# {number}"), place))
            for number in range(1, 6)
        ]
        await asyncio.gather(*adding)
        log.sync()
    assert evaluation.counts.by_verdict == {"passed": 5}
    assert len(opened(tmp_path).known) == 5


@pytest.mark.slow
async def test_what_cannot_be_read_is_set_aside_and_judged_again(tmp_path: Path) -> None:
    async with judging(best_layer()) as judge:
        await feed(tmp_path, judge, answer(1), answer(2, WRONG))
        path = tmp_path / "evaluation" / "m" / "numbers.jsonl"
        first, second = path.read_bytes().splitlines()
        path.write_bytes(b"\0not json\n" + second + b"\n" + first[:40])
        again = await feed(tmp_path, judge, answer(1), answer(2, WRONG))
    assert (again.counts.judged, again.counts.skipped) == (1, 1)
    assert damaged_path(path).read_bytes() == first[:40] + b"\n\0not json\n"
    lines = path.read_bytes().splitlines()
    assert [msgspec.json.decode(line)["sample"] for line in lines] == [2, 1]


@pytest.mark.slow
async def test_the_last_line_of_an_answer_wins(tmp_path: Path) -> None:
    async with judging(best_layer()) as judge:
        await feed(tmp_path, judge, answer(1, WRONG))
        await feed(tmp_path, judge, answer(1))
    (known,) = opened(tmp_path).known.values()
    assert known.verdict == "passed"
    assert known.basis.policy == QUICK.name


@pytest.mark.slow
async def test_a_reply_without_code_fails_for_the_reason_it_ended(tmp_path: Path) -> None:
    ends = {"length": "truncated", "refusal": "refused", "filtered": "refused", "stop": ""}
    async with judging(best_layer()) as judge:
        for finish_reason in ends:
            empty = msgspec.structs.replace(
                answer(1, "", finish_reason), finish_reason=finish_reason
            )
            await feed(tmp_path, judge, empty)
        cut = msgspec.structs.replace(answer(1, WRONG, "cut"), finish_reason="length")
        whole = msgspec.structs.replace(answer(1, SQUARE_CODE, "whole"), finish_reason="length")
        await feed(tmp_path, judge, cut, whole)
    found = {key[0]: known for key, known in opened(tmp_path).known.items()}
    for model, reason in ends.items():
        assert (found[model].verdict, found[model].reason) == ("failed", reason or "no_solution")
    assert (found["cut"].verdict, found["cut"].reason) == ("failed", "truncated")
    assert found["whole"].verdict == "passed"


def test_lines_that_are_no_answers_are_passed_over(tmp_path: Path) -> None:
    good = msgspec.json.encode(answer())
    path = tmp_path / "numbers.jsonl"
    failed = msgspec.json.encode(msgspec.structs.replace(answer(2), llm_call_success=False))
    path.write_bytes(b"\n".join([good, b"{", b"[" * 100_000, failed, good, b'{"task_id": 3}']))
    (file,) = answer_files({"m": {"numbers": [path]}}, [], [])
    assert [each.sample for each, _ in answers_in(file)] == [1]
    assert answer_files({"m": {"numbers": [path]}}, ["other"], []) == []
