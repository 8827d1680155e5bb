"""Counts of tokens that a call can have had are booked, with errors too; others are only noted."""

import logging

import pytest

from config.errors import ModelError
from models.base_model import BaseModel, CallOptions, Usage
from models.usage_bounds import further_budget, implausible_usage
from models.wire.client_pool import ClientPool
from prompts.prompt_template import Prompt
from tests.support.provider_formats import FORMATS, Json
from tests.support.raw_replies import WIRES, Wire, connect, counted, good, http, raw_server
from tests.support.wire import PROMPT

COUNTING = [wire for wire in WIRES if wire != "guide"]
OPTIONS = CallOptions(request_timeout_seconds=60, max_tokens=4_096)


async def error_of(model: BaseModel) -> ModelError:
    with pytest.raises(ModelError) as caught:
        await model.complete(PROMPT)
    return caught.value


ABSURD: list[tuple[Json, Json]] = [
    (100, 10**9),
    (100, 5_000_000),
    (100, 12_000),
    (10**9, 100),
    (20_000, 100),
    (-5, 100),
    (100, -(10**12)),
    (10**30, 10**400),
    ("9" * 3_000, 100),
]


@pytest.mark.parametrize("wire", COUNTING)
async def test_what_cannot_be_meant_is_noted_and_the_answer_kept(
    wire: Wire, clients: ClientPool, caplog: pytest.LogCaptureFixture
) -> None:
    replies = [http(good(wire, usage=counted(wire, *counts))) for counts in ABSURD]
    with caplog.at_level(logging.WARNING):
        async with raw_server(*replies, http(good(wire, usage=counted(wire, 90, 80)))) as server:
            model = connect(wire, server.url, clients, OPTIONS)
            for counts in ABSURD:
                completion = await model.complete(PROMPT)
                assert completion.text == "def add"
                assert completion.usage is None, counts
                assert completion.usage_note is None or len(completion.usage_note) < 100
            last = await model.complete(PROMPT)
    assert last.usage == Usage(input_tokens=90, output_tokens=80)
    assert last.usage_note is None
    assert len(caplog.records) == 1, "said once"
    assert "1000000000 output tokens where 4096 were permitted" in caplog.text


def errors_with_usage(wire: Wire) -> list[dict[str, Json]]:
    """Return bodies that come with a 200, hold no answer, and count tokens all the same."""
    usage: dict[str, Json] = {
        "usageMetadata" if wire == "google" else "usage": counted(wire, 90, 80)
    }
    error: Json = FORMATS["openai"].error(500, "no")
    plain: dict[str, Json] = {"error": {"message": "no", "type": "server_error"}, **usage}
    assert isinstance(error, dict)
    if wire == "google":
        return [plain, {"candidates": [], **usage}, {"candidates": "odd", **usage}]
    if wire == "anthropic":
        return [plain, {"content": None, **usage}, {"type": "error", **error, **usage}]
    if wire == "responses":
        return [plain, {"status": "failed", "output": [], **usage}, {**error, **usage}]
    stopped: Json = [{"message": {"content": "de"}, "finish_reason": "error"}]
    return [
        plain,
        {"choices": stopped, **usage},
        {"choices": [], **usage},
        {"choices": [{"message": {"content": 7}}], **usage},
        {**good("chat"), **error, **usage},
    ]


@pytest.mark.parametrize("wire", COUNTING)
async def test_an_error_that_counts_tokens_says_so(wire: Wire, clients: ClientPool) -> None:
    bodies = errors_with_usage(wire)
    async with raw_server(*map(http, bodies)) as server:
        model = connect(wire, server.url, clients, OPTIONS)
        for body in bodies:
            error = await error_of(model)
            assert error.usage == Usage(input_tokens=90, output_tokens=80), body
            assert error.usage_note is None


@pytest.mark.parametrize("wire", COUNTING)
async def test_an_errors_counts_are_believed_no_more_than_an_answers(
    wire: Wire, clients: ClientPool
) -> None:
    name = "usageMetadata" if wire == "google" else "usage"
    body: Json = {"error": "no", name: counted(wire, 90, 10**9)}
    async with raw_server(http(body), http({"error": "no"})) as server:
        model = connect(wire, server.url, clients, OPTIONS)
        error = await error_of(model)
        without = await error_of(model)
    assert error.usage is None
    assert error.usage_note == "implausible: 1000000000 output tokens where 4096 were permitted"
    assert (without.usage, without.usage_note) == (None, None)


@pytest.mark.parametrize(
    ("usage", "believed"),
    [
        (Usage(input_tokens=0, output_tokens=0), True),
        (Usage(input_tokens=60, output_tokens=1_000, reasoning_tokens=900), True),
        (Usage(input_tokens=60, output_tokens=1_100), True),  # a little beyond the budget
        (Usage(input_tokens=60, output_tokens=2_000), False),
        (Usage(input_tokens=60, output_tokens=10, reasoning_tokens=9_000), False),
        (Usage(input_tokens=6_000, output_tokens=10), True),  # a long chat template
        (Usage(input_tokens=9_000, output_tokens=10), False),
        (Usage(input_tokens=60, output_tokens=10, cached_tokens=9_000), False),
        (Usage(input_tokens=60, output_tokens=10, cached_tokens=-1), False),
    ],
)
def test_what_one_call_can_have_used(usage: Usage, believed: bool) -> None:
    prompt = Prompt(system="", user="x" * 50)
    assert (implausible_usage(usage, prompt, 1_000) is None) is believed


def test_a_chinese_prompt_may_take_a_token_a_byte() -> None:
    prompt = Prompt(system="", user="加" * 10_000)
    assert implausible_usage(Usage(input_tokens=30_000, output_tokens=1), prompt, 10) is None


def test_a_rows_own_budgets_count_too() -> None:
    assert further_budget({"thinking": {"type": "enabled", "budget_tokens": 2_048}}) == 2_048
    assert further_budget({"thinking_budget": -1, "max_completion_tokens": 7, "top_k": 5}) == 7
    assert further_budget({"reasoning_effort": "low", "seed": 3}) == 0
