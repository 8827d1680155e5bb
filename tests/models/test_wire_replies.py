"""What comes back: good replies in every shape that providers send."""

import pytest

from models.base_model import Completion, FinishReason, Usage
from models.wire.client_pool import ClientPool
from tests.support.provider_formats import Json, Provider, chat_answer
from tests.support.provider_server import Answer, ProviderServer
from tests.support.wire import CHAT_PROVIDERS, PROMPT, connect, row

CODE = "```python\ndef add(a, b):\n    return a + b\n```"


def reply(
    *, finish: Json = "stop", usage: Json = None, model: Json = "served-model", **message: Json
) -> Json:
    whole = chat_answer("", "", {}, CODE)
    choice: Json = {
        "index": 0,
        "message": {"role": "assistant", "content": CODE, **message},
        "finish_reason": finish,
    }
    return {**whole, "model": model, "usage": usage, "choices": [choice]}


async def receive(
    server: ProviderServer, clients: ClientPool, body: Json, provider: Provider = "together"
) -> Completion:
    server.script(provider, Answer(body=body))
    return await connect(server, row(provider), clients).complete(PROMPT)


@pytest.mark.parametrize("provider", CHAT_PROVIDERS)
async def test_a_plain_answer(
    provider: Provider, server: ProviderServer, clients: ClientPool
) -> None:
    completion = await connect(server, row(provider), clients).complete(PROMPT)
    assert "```python\ndef add(*values):" in completion.text
    assert completion.finish_reason == "stop"
    assert completion.served_model == "some-model"
    assert completion.request_id in ("chatcmpl-1", "req-openai")
    assert completion.reasoning_text is None
    assert completion.usage is not None
    assert completion.usage.input_tokens > 0


@pytest.mark.parametrize("provider", CHAT_PROVIDERS)
@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("stop", "stop"),
        ("eos", "stop"),
        ("length", "length"),
        ("content_filter", "filtered"),
        ("tool_calls", "other"),
        ("something new", "other"),
        (None, "other"),
        (["odd"], "other"),
    ],
)
async def test_finish_reasons(
    provider: Provider,
    sent: Json,
    read: FinishReason,
    server: ProviderServer,
    clients: ClientPool,
) -> None:
    completion = await receive(server, clients, reply(finish=sent), provider)
    assert (completion.finish_reason, completion.text) == (read, CODE)


@pytest.mark.parametrize("provider", CHAT_PROVIDERS)
async def test_a_refusal_is_an_answer(
    provider: Provider, server: ProviderServer, clients: ClientPool
) -> None:
    body = reply(content=None, refusal="I can't help with that.")
    completion = await receive(server, clients, body, provider)
    assert completion.finish_reason == "refusal"
    assert completion.text == "I can't help with that."


@pytest.mark.parametrize("finish", ["length", "stop", "content_filter"])
async def test_no_text_is_an_answer_too(
    finish: str, server: ProviderServer, clients: ClientPool
) -> None:
    nothing: list[Json] = [None, "", []]
    for content in nothing:
        completion = await receive(server, clients, reply(content=content, finish=finish))
        assert completion.text == ""


async def test_content_in_parts(server: ProviderServer, clients: ClientPool) -> None:
    parts: Json = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "def "},
        {"type": "image", "text": "no"},
        {"type": "text", "text": "add"},
        {"type": "text"},
        "odd",
    ]
    assert (await receive(server, clients, reply(content=parts))).text == "def add"


@pytest.mark.parametrize(
    ("message", "text", "reasoning"),
    [
        ({"reasoning_content": "hm"}, CODE, "hm"),
        ({"reasoning": "hm"}, CODE, "hm"),
        ({"reasoning": {"odd": 1}}, CODE, None),
        ({"reasoning_content": None}, CODE, None),
        ({"content": f"<think>\nhm\n</think>\n\n{CODE}"}, CODE, "hm"),
        ({"content": f"\n <think>hm</think>{CODE}"}, CODE, "hm"),
        ({"content": f"<think>\n\n</think>\n\n{CODE}"}, CODE, None),
        ({"content": f"hm\n</think>\n\n{CODE}"}, CODE, "hm"),
        ({"content": f"</think>\n{CODE}"}, CODE, None),
        ({"content": f"hm: ```x```, so.</think>\n\n{CODE}"}, CODE, "hm: ```x```, so."),
        ({"content": "```html\n<b></think>\n```"}, "```html\n<b></think>\n```", None),
        ({"content": "It ends with </think> then."}, "It ends with </think> then.", None),
        ({"content": "<think>hm, and then"}, "", "hm, and then"),
        ({"content": "hm\n</think>"}, "", "hm"),
        ({"content": f"<think>b</think>{CODE}", "reasoning": "a"}, CODE, "a\n\nb"),
        ({"content": "x = '<think>a</think>'"}, "x = '<think>a</think>'", None),
        ({"content": "x = '</think>'"}, "x = '</think>'", None),
        ({"content": "    indented"}, "    indented", None),
    ],
)
async def test_thinking_is_kept_apart(
    message: dict[str, Json],
    text: str,
    reasoning: str | None,
    server: ProviderServer,
    clients: ClientPool,
) -> None:
    completion = await receive(server, clients, reply(**message))
    assert (completion.text, completion.reasoning_text) == (text, reasoning)


COUNTS: dict[str, Json] = {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150}
REASONING: Json = {"reasoning_tokens": 30}
CACHED: dict[str, Json] = {"cached_tokens": 40}


@pytest.mark.parametrize(
    ("provider", "usage", "expected"),
    [
        ("together", None, None),
        ("together", {}, None),
        ("together", "odd", None),
        ("together", {"prompt_tokens": "many"}, None),
        ("together", {"prompt_tokens": 100}, Usage(input_tokens=100, output_tokens=0)),
        ("together", COUNTS, Usage(input_tokens=100, output_tokens=50)),
        (
            "openai",
            {
                **COUNTS,
                "prompt_tokens_details": {**CACHED, "audio_tokens": 0},
                "completion_tokens_details": REASONING,
            },
            Usage(input_tokens=100, output_tokens=50, cached_tokens=40, reasoning_tokens=30),
        ),
        (
            "openai",
            {**COUNTS, "prompt_tokens_details": None, "completion_tokens_details": None},
            Usage(input_tokens=100, output_tokens=50),
        ),
        (
            "deepseek",
            {**COUNTS, "prompt_cache_hit_tokens": 64, "prompt_cache_miss_tokens": 36},
            Usage(input_tokens=100, output_tokens=50, cached_tokens=64),
        ),
        (
            "deepseek",
            {**COUNTS, "completion_tokens_details": REASONING},
            Usage(input_tokens=100, output_tokens=50, reasoning_tokens=30),
        ),
        (
            "xai",
            {**COUNTS, "total_tokens": 180, "completion_tokens_details": REASONING},
            Usage(input_tokens=100, output_tokens=80, reasoning_tokens=30),
        ),
        (
            "xai",
            {**COUNTS, "total_tokens": 150, "completion_tokens_details": REASONING},
            Usage(input_tokens=100, output_tokens=50, reasoning_tokens=30),
        ),
        (
            "xai",
            {
                "prompt_tokens": 100,
                "completion_tokens": 1,
                "completion_tokens_details": REASONING,
                "prompt_tokens_details": CACHED,
            },
            Usage(input_tokens=100, output_tokens=31, cached_tokens=40, reasoning_tokens=30),
        ),
        (
            "huggingface",
            {**COUNTS, "prompt_tokens_details": {"cached_tokens": 900}},
            Usage(input_tokens=100, output_tokens=50, cached_tokens=100),
        ),
    ],
)
async def test_usage(
    provider: Provider,
    usage: Json,
    expected: Usage | None,
    server: ProviderServer,
    clients: ClientPool,
) -> None:
    assert (await receive(server, clients, reply(usage=usage), provider)).usage == expected


async def test_the_served_model_is_the_replys_own(
    server: ProviderServer, clients: ClientPool
) -> None:
    assert (await receive(server, clients, reply(model="other"))).served_model == "other"
    assert (await receive(server, clients, reply(model=None))).served_model is None


async def test_half_a_surrogate_pair_does_no_harm(
    server: ProviderServer, clients: ClientPool
) -> None:
    completion = await receive(server, clients, reply(content="a\ud83d", reasoning="b\udc00"))
    assert (completion.text, completion.reasoning_text) == ("a?", "b?")


@pytest.mark.parametrize("provider", CHAT_PROVIDERS)
async def test_blank_lines_while_the_call_is_queued(
    provider: Provider, server: ProviderServer, clients: ClientPool
) -> None:
    server.script(provider, Answer(ending="blank lines"))
    completion = await connect(server, row(provider), clients).complete(PROMPT)
    assert "def add" in completion.text


@pytest.mark.parametrize("provider", CHAT_PROVIDERS)
@pytest.mark.parametrize("content_type", ["text/plain", "text/html", "application/octet-stream"])
async def test_a_wrong_content_type_around_good_json(
    provider: Provider, content_type: str, server: ProviderServer, clients: ClientPool
) -> None:
    server.script(provider, Answer(content_type=content_type))
    completion = await connect(server, row(provider), clients).complete(PROMPT)
    assert "def add" in completion.text


@pytest.mark.parametrize("provider", CHAT_PROVIDERS)
async def test_limits_come_with_an_answer(
    provider: Provider, server: ProviderServer, clients: ClientPool
) -> None:
    headers = {
        "x-ratelimit-limit-requests": "600",
        "x-ratelimit-remaining-requests": "599",
        "x-ratelimit-reset-requests": "100ms",
    }
    server.script(provider, Answer(body=reply(), headers=headers))
    completion = await connect(server, row(provider), clients).complete(PROMPT)
    (signal,) = completion.signals
    assert (signal.meter, signal.limit_per_minute, signal.remaining) == ("requests", 600.0, 599.0)
    assert signal.reset_seconds == pytest.approx(0.1)


async def test_generate_completion_takes_a_text(
    server: ProviderServer, clients: ClientPool
) -> None:
    reply_to_text = await connect(server, row("xai"), clients).generate_completion("Hello")
    assert isinstance(reply_to_text, Completion)
    assert server.requests[0].body["messages"] == [{"role": "user", "content": "Hello"}]
