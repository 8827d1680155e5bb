"""OpenAI's Responses, for the models that have nothing else."""

import pytest

from config.errors import BadReply, BadRequest, ConfigError, ModelError, Overloaded, RateLimited
from config.model_config import ModelConfig
from models.base_model import Completion, FinishReason, Usage, make_model
from models.wire.client_pool import ClientPool
from prompts.prompt_template import Prompt
from tests.support.bad_replies import bad_replies
from tests.support.provider_formats import Json, responses_answer
from tests.support.provider_server import Answer, ProviderServer
from tests.support.wire import PROMPT, connect, key_of, row


def responses_row(**params: str) -> ModelConfig:
    config = {"endpoint": "responses", **params}
    return row("openai", config, reasons=True, accepts_temperature=False)


async def receive(server: ProviderServer, clients: ClientPool, **fields: Json) -> Completion:
    body: Json = {**responses_answer("served", {}, "def add"), **fields}
    server.script("openai", Answer(body=body))
    return await connect(server, responses_row(), clients).complete(PROMPT)


def message(*parts: Json) -> Json:
    return {"type": "message", "role": "assistant", "content": list(parts)}


async def test_what_goes_out(server: ProviderServer, clients: ClientPool) -> None:
    model = connect(server, responses_row(reasoning_effort="low", service_tier="flex"), clients)
    completion = await model.complete(PROMPT)
    (request,) = server.requests
    assert request.path == "/openai/v1/responses"
    assert request.headers["Authorization"] == f"Bearer {key_of('openai')}"
    parameters: dict[str, Json] = {
        "model": "some-model",
        "max_output_tokens": 16384,
        "store": False,
        "reasoning": {"effort": "low"},
        "service_tier": "flex",
    }
    texts: dict[str, Json] = {"input": PROMPT.user, "instructions": PROMPT.system}
    assert request.body == {**parameters, **texts}
    assert completion.parameters == parameters


async def test_a_temperature_and_no_system_text(
    server: ProviderServer, clients: ClientPool
) -> None:
    config = row("openai", {"endpoint": "responses"})
    await connect(server, config, clients).complete(Prompt(system="", user="Hello"))
    assert server.requests[0].body == {
        "model": "some-model",
        "max_output_tokens": 4096,
        "store": False,
        "temperature": 0.2,
        "input": "Hello",
    }


async def test_a_whole_answer(server: ProviderServer, clients: ClientPool) -> None:
    completion = await connect(server, responses_row(), clients).complete(PROMPT)
    assert "def add" in completion.text
    assert completion.finish_reason == "stop"
    assert completion.served_model == "some-model"
    assert completion.request_id == "req-openai"
    assert completion.reasoning_text is None
    assert completion.usage is not None
    assert completion.usage.reasoning_tokens == 8
    assert {signal.meter for signal in completion.signals} == {"requests", "tokens"}


async def test_all_texts_are_joined_and_summaries_are_kept(
    server: ProviderServer, clients: ClientPool
) -> None:
    summary: Json = [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}]
    output: Json = [
        {"type": "reasoning", "summary": summary},
        message({"type": "output_text", "text": "def "}, {"type": "output_text", "text": "add"}),
        {"type": "web_search_call", "status": "completed"},
        message({"type": "output_text", "text": "(a, b)"}),
    ]
    completion = await receive(server, clients, output=output)
    assert completion.text == "def add(a, b)"
    assert completion.reasoning_text == "a\n\nb"


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("max_output_tokens", "length"),
        ("content_filter", "filtered"),
        ("steered", "other"),
        (None, "other"),
    ],
)
async def test_an_incomplete_answer_is_an_answer(
    reason: str | None, finish: FinishReason, server: ProviderServer, clients: ClientPool
) -> None:
    details: Json = {"reason": reason}
    completion = await receive(
        server, clients, status="incomplete", incomplete_details=details, output=[]
    )
    assert (completion.finish_reason, completion.text) == (finish, "")


async def test_a_refusal(server: ProviderServer, clients: ClientPool) -> None:
    completion = await receive(
        server, clients, output=[message({"type": "refusal", "refusal": "I can't."})]
    )
    assert (completion.finish_reason, completion.text) == ("refusal", "I can't.")


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (None, None),
        ("odd", None),
        (
            {
                "input_tokens": 100,
                "input_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 0},
                "output_tokens": 50,
                "output_tokens_details": {"reasoning_tokens": 30},
            },
            Usage(input_tokens=100, output_tokens=50, cached_tokens=40, reasoning_tokens=30),
        ),
    ],
)
async def test_usage(
    usage: Json, expected: Usage | None, server: ProviderServer, clients: ClientPool
) -> None:
    assert (await receive(server, clients, usage=usage)).usage == expected


@pytest.mark.parametrize(
    ("status", "error", "expected"),
    [
        ("failed", {"code": "server_error", "message": "x"}, Overloaded),
        ("failed", {"code": "rate_limit_exceeded", "message": "x"}, RateLimited),
        ("failed", {"code": "invalid_prompt", "message": "x"}, BadRequest),
        ("failed", {"code": "bio_policy", "message": "x"}, BadRequest),
        ("failed", None, BadReply),
        ("cancelled", None, BadReply),
        ("queued", None, BadReply),
        ("in_progress", None, BadReply),
        (None, None, BadReply),
    ],
)
async def test_a_failure_comes_with_status_200(
    status: str | None,
    error: Json,
    expected: type[ModelError],
    server: ProviderServer,
    clients: ClientPool,
) -> None:
    with pytest.raises(ModelError) as caught:
        await receive(server, clients, status=status, error=error, output=[])
    assert type(caught.value) is expected
    assert caught.value.status == 200


async def test_every_bad_reply_ends_in_the_same_error_as_in_chat(
    server: ProviderServer, clients: ClientPool
) -> None:
    model = connect(server, responses_row(), clients)
    for case in bad_replies("openai"):
        if "broken off" in case.name:  # a shape that only chat has
            continue
        server.script("openai", case.answer)
        with pytest.raises(ModelError) as caught:
            await model.complete(PROMPT)
        assert type(caught.value) is case.error, case.name
        assert key_of("openai") not in f"{caught.value!r}"


async def test_blank_lines_and_half_a_surrogate_pair(
    server: ProviderServer, clients: ClientPool
) -> None:
    server.script("openai", Answer(ending="blank lines"))
    model = connect(server, responses_row(), clients)
    assert "def add" in (await model.complete(PROMPT)).text
    output: Json = [message({"type": "output_text", "text": "a\ud83d"})]
    assert (await receive(server, clients, output=output)).text == "a?"


def test_an_unknown_endpoint_is_refused() -> None:
    with pytest.raises(ConfigError, match="endpoint is chat or responses, not batch"):
        make_model(row("openai", {"endpoint": "batch"}), api_key="key")
