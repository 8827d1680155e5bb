"""The commands behind the figures of extraction: what they keep, and what they refuse."""

import io
import random

import msgspec

from benchmarks.collect_replies import (
    BUILT_IN_STYLE,
    STARTER_SHARE,
    STYLES,
    KeptReply,
    collect,
    plan_questions,
    quotes_at_length,
)
from benchmarks.extraction import Row
from config.clock import SystemClock
from config.model_config import ModelConfig
from models.base_model import BaseModel, Completion
from prompts.problems import Problem
from prompts.prompt_template import Prompt

TEXT = "Return the sum of all of the even numbers that stand in the list of numbers."
CONFIG = ModelConfig(name="m", provider="local", api_key_env="", model_class="Echo")


class Echo(BaseModel):
    """Replies with the prompt."""

    async def send(self, prompt: Prompt) -> Completion:
        return Completion(text=prompt.user)


def problem(task_id: str) -> Problem:
    return Problem(
        task_id=task_id,
        name="even_sum",
        problem=TEXT,
        canonical_solution="",
        tests=(),
        category="list",
        complexity=None,
        object="function",
    )


def test_every_problem_is_asked_in_every_style_and_both_kinds_mixed() -> None:
    questions = list(plan_questions([problem("a"), problem("b")], [problem("c")], random.Random(1)))
    assert len({(q.problem.task_id, q.style) for q in questions}) == 3 * (len(STYLES) + 1)
    assert [q.is_ours for q in questions[: STARTER_SHARE + 1]] == [True] * STARTER_SHARE + [False]
    assert all("even_sum" in q.prompt.user for q in questions)
    assert {q.style for q in questions} == {BUILT_IN_STYLE, *STYLES}


def test_a_signature_is_no_quotation_but_a_sentence_is() -> None:
    assert quotes_at_length(f"def even_sum(xs):\n    '''{TEXT}'''", TEXT)
    assert not quotes_at_length("The sum of all of the even numbers, in one line:", TEXT)


async def test_of_other_peoples_problems_no_reply_that_quotes_them_is_kept() -> None:
    questions = plan_questions([problem("ours")], [problem("theirs")], random.Random(1))
    file, clock = io.StringIO(), SystemClock()
    kept = await collect(Echo(CONFIG), questions, file, clock.monotonic() + 60, clock)
    lines = [msgspec.json.decode(line, type=KeptReply) for line in file.getvalue().splitlines()]
    assert {line.task_id for line in lines} == {"ours"}
    assert len(lines) == kept == len(STYLES) + 1


async def test_nothing_is_asked_once_the_time_is_up() -> None:
    questions = plan_questions([problem("ours")], [], random.Random(1))
    file, clock = io.StringIO(), SystemClock()
    assert await collect(Echo(CONFIG), questions, file, clock.monotonic(), clock) == 0


def test_a_figure_knows_whether_its_bound_holds() -> None:
    enough = Row(name="found", value=3, unit="replies", bound=3, at_least=True)
    slow = Row(name="time", value=3, unit="seconds", bound=2, at_least=False)
    assert (enough.met, slow.met) == (True, False)
    assert slow.text().endswith("!")
