"""AnthropicModel, through Anthropic's SDK, against a server that answers as the API does."""

import json
import logging
from dataclasses import dataclass, field, replace

import pytest

from config.errors import (
    AuthFailed,
    BadReply,
    BadRequest,
    ConnectionLost,
    LaneClosed,
    ModelGone,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    TimedOut,
)
from config.model_config import ParameterValue
from config.model_configs import ModelConfig, select_models
from models.anthropic_model import AnthropicModel
from models.base_model import CallOptions, Completion, Usage
from models.wire.client_pool import ClientPool
from prompts.prompt_template import Prompt
from tests.support.provider_formats import Json
from tests.support.provider_server import Answer, ProviderServer
from tests.support.sdk_trouble import (
    Bad,
    SdkProvider,
    check_bad_reply,
    check_blank_lines,
    check_client_survives,
    check_deadline,
    check_key_is_not_repeated,
    check_nobody_there,
)

KEY = "sk-ant-api03-very-secret-0123456789"
PROMPT = Prompt(system="You write Python.", user="Double a number; name it exactly `double`.")
NEW_VERSION = "2026-10-21"
OLD_VERSION = "2023-06-01"


def row(name: str = "claude-haiku-4-5-20251001") -> ModelConfig:
    return select_models([name])[0]


async def ask(
    server: ProviderServer,
    config: ModelConfig | None = None,
    prompt: Prompt = PROMPT,
    options: CallOptions | None = None,
) -> Completion:
    url = server.url("anthropic")
    model = AnthropicModel(config or row(), api_key=KEY, base_url=url, options=options)
    async with model:
        return await model.complete(prompt)


PROVIDER = SdkProvider(
    "anthropic",
    KEY,
    PROMPT,
    lambda url, options: AnthropicModel(row(), api_key=KEY, base_url=url, options=options),
)


def message(**fields: Json) -> dict[str, Json]:
    """Return an answer's body with these fields instead."""
    return {
        "id": "msg_9",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-4-5-20251001",
        "content": [{"type": "text", "text": "the answer"}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 10, "output_tokens": 5},
        **fields,
    }


def refusal(kind: str, words: str = "no", code: str | None = None) -> Json:
    """Return an error's body."""
    details: Json = {"error_code": code} if code else None
    error: dict[str, Json] = {"type": kind, "message": words, "details": details}
    return {"type": "error", "error": error, "request_id": "req_2"}


class TestWhatIsSent:
    async def test_body_and_headers_of_a_model_that_takes_a_temperature(self) -> None:
        async with ProviderServer() as server:
            completion = await ask(server)
            [request] = server.requests
        assert request.path == "/anthropic/v1/messages"
        assert request.body == {
            "model": "claude-haiku-4-5-20251001",
            "max_tokens": 4096,
            "temperature": 0.2,
            "system": PROMPT.system,
            "messages": [{"role": "user", "content": PROMPT.user}],
        }
        headers = {name.lower(): value for name, value in request.headers.items()}
        assert headers["authorization"] == f"Bearer {KEY}"
        assert headers["anthropic-version"] == OLD_VERSION
        assert headers["content-type"] == "application/json"
        assert completion.parameters == {
            name: request.body[name] for name in ("model", "max_tokens", "temperature")
        }

    @pytest.mark.parametrize("name", ["claude-opus-5-5", "claude-opus-4-7", "claude-haiku-5-5"])
    async def test_a_model_that_refuses_a_temperature_gets_none(self, name: str) -> None:
        async with ProviderServer() as server:
            await ask(server, row(name), options=CallOptions(temperature=0.7))
            [request] = server.requests
        assert "temperature" not in request.body
        headers = {header.lower(): value for header, value in request.headers.items()}
        assert headers["anthropic-version"] == NEW_VERSION

    async def test_a_model_that_thinks_gets_the_greater_budget_in_one_reply(self) -> None:
        async with ProviderServer() as server:
            await ask(server, row("claude-sonnet-5-5"))
            await ask(server, row("claude-sonnet-5-5"), options=CallOptions(max_tokens=128_000))
        assert [request.body["max_tokens"] for request in server.requests] == [16_384, 128_000]
        assert all("stream" not in request.body for request in server.requests)

    async def test_a_row_settles_thinking_and_then_no_temperature_goes_along(self) -> None:
        thinking: dict[str, object] = {"type": "enabled", "budget_tokens": 2048}
        params: dict[str, ParameterValue] = {"model_name": "claude-sonnet-4-6"}
        params["thinking"] = thinking
        async with ProviderServer() as server:
            completion = await ask(server, replace(row("claude-sonnet-4-6"), model_params=params))
            [request] = server.requests
        assert request.body["thinking"] == thinking
        assert "temperature" not in request.body
        assert completion.parameters["thinking"] == thinking

    async def test_a_row_that_turns_thinking_off_keeps_its_temperature(self) -> None:
        off: dict[str, object] = {"type": "disabled"}
        params: dict[str, ParameterValue] = {"model_name": "claude-sonnet-4-6", "thinking": off}
        async with ProviderServer() as server:
            await ask(server, replace(row("claude-sonnet-4-6"), model_params=params))
            [request] = server.requests
        assert request.body["thinking"] == off
        assert request.body["temperature"] == 0.2

    async def test_no_system_text_no_system_field(self) -> None:
        async with ProviderServer() as server:
            await ask(server, prompt=Prompt(system="", user="hello"))
            [request] = server.requests
        assert "system" not in request.body

    @pytest.mark.parametrize("name", ["claude-sonnet-4-5", "claude-3-haiku-20240307"])
    async def test_a_retired_model_is_asked_without_a_warning(self, name: str) -> None:
        async with ProviderServer() as server:
            assert (await ask(server, row(name))).text

    async def test_nothing_from_the_environment_goes_along(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "ambient-key")
        monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "ambient-token")
        monkeypatch.setenv("ANTHROPIC_PROFILE", "ambient-profile")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9/ambient")
        monkeypatch.setenv(
            "ANTHROPIC_CUSTOM_HEADERS",
            "X-Gateway-Key: ambient\nauthorization: ambient\nanthropic-version: 1999-01-01",
        )
        async with ProviderServer() as server:
            await ask(server)
            await ask(server, row("claude-opus-5-5"))
        for request in server.requests:
            assert "ambient" not in json.dumps(request.headers)
            assert request.headers["Authorization"] == f"Bearer {KEY}"
        versions = [request.headers["anthropic-version"] for request in server.requests]
        assert versions == [OLD_VERSION, NEW_VERSION]

    async def test_two_models_of_one_key_share_a_client_and_all_is_closed(self) -> None:
        async with ProviderServer() as server, ClientPool() as clients:
            url = server.url("anthropic")
            for name in ("claude-haiku-4-5", "claude-opus-5-5"):
                model = AnthropicModel(row(name), api_key=KEY, base_url=url, clients=clients)
                await model.complete(PROMPT)
            assert len(clients._clients) == 1

    async def test_the_key_is_in_no_log(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        async with ProviderServer() as server:
            await ask(server)
            server.script("anthropic", Answer(status=401, body=f"bad key {KEY}"))
            with pytest.raises(AuthFailed):
                await ask(server)
        assert caplog.records
        assert KEY not in caplog.text


@dataclass(frozen=True)
class Good:
    name: str
    body: Json
    text: str = "the answer"
    finish_reason: str = "stop"
    reasoning_text: str | None = None
    usage: Usage | None = field(default_factory=lambda: Usage(input_tokens=10, output_tokens=5))


THOUGHTS: Json = {"type": "thinking", "thinking": "let me see", "signature": "c2ln"}
GOOD = [
    Good("plain", message()),
    Good(
        "several text blocks are joined, thinking is kept apart",
        message(
            content=[
                THOUGHTS,
                {"type": "text", "text": "one, "},
                {"type": "redacted_thinking", "data": "eA=="},
                {"type": "text", "text": "two"},
            ]
        ),
        text="one, two",
        reasoning_text="let me see",
    ),
    Good("an unknown block", message(content=[{"type": "novelty", "x": 1}]), text=""),
    Good("no block at all", message(content=[]), text=""),
    Good(
        "thinking used up the budget",
        message(content=[THOUGHTS], stop_reason="max_tokens"),
        text="",
        finish_reason="length",
        reasoning_text="let me see",
    ),
    Good("a stop sequence", message(stop_reason="stop_sequence")),
    Good(
        "the context is full",
        message(stop_reason="model_context_window_exceeded"),
        finish_reason="length",
    ),
    Good(
        "a refusal before a word",
        message(
            content=[],
            stop_reason="refusal",
            stop_details={"type": "refusal", "category": "cyber", "explanation": "no"},
        ),
        text="",
        finish_reason="refusal",
    ),
    Good("a refusal midway", message(stop_reason="refusal"), finish_reason="refusal"),
    Good("a tool call", message(stop_reason="tool_use"), finish_reason="other"),
    Good("a pause", message(stop_reason="pause_turn"), finish_reason="other"),
    Good("an unknown reason", message(stop_reason="tired"), finish_reason="other"),
    Good("no reason", message(stop_reason=None), finish_reason="other"),
    Good(
        "the cache counts as input",
        message(
            usage={
                "input_tokens": 10,
                "output_tokens": 50,
                "cache_creation_input_tokens": 3,
                "cache_read_input_tokens": 20,
                "output_tokens_details": {"thinking_tokens": 40},
            }
        ),
        usage=Usage(input_tokens=33, output_tokens=50, cached_tokens=20, reasoning_tokens=40),
    ),
    Good("no usage", message(usage=None), usage=None),
    Good("a strange usage", message(usage={"tokens": "many"}), usage=None),
    Good(
        "half a surrogate pair",
        message(content=[{"type": "text", "text": "a\ud800b"}]),
        text="a?b",
    ),
]


@pytest.mark.parametrize("case", GOOD, ids=lambda case: case.name)
async def test_good_reply(case: Good) -> None:
    async with ProviderServer() as server:
        answer = Answer(body=case.body, headers={"request-id": "req_7"})
        server.script("anthropic", answer)
        completion = await ask(server)
    assert completion.text == case.text
    assert completion.finish_reason == case.finish_reason
    assert completion.reasoning_text == case.reasoning_text
    assert completion.usage == case.usage
    assert completion.served_model == "claude-haiku-4-5-20251001"
    assert completion.request_id == "req_7"


async def test_limits_of_a_good_reply_are_read() -> None:
    headers = {
        "anthropic-ratelimit-requests-limit": "50",
        "anthropic-ratelimit-requests-remaining": "49",
        "anthropic-ratelimit-requests-reset": "2025-08-21T12:41:30Z",
        "anthropic-ratelimit-output-tokens-limit": "16000",
        "anthropic-ratelimit-output-tokens-remaining": "15000",
        "anthropic-ratelimit-output-tokens-reset": "2025-08-21T12:41:00Z",
        "Date": "Thu, 21 Aug 2025 12:40:00 GMT",
    }
    async with ProviderServer() as server:
        server.script("anthropic", Answer(headers=headers))
        completion = await ask(server)
    signals = {signal.meter: signal for signal in completion.signals}
    assert signals["requests"].limit_per_minute == 50
    assert signals["requests"].remaining == 49
    assert signals["requests"].reset_seconds == 90
    assert signals["output_tokens"].limit_per_minute == 16_000


HTML = "<html><head><title>Bad gateway</title></head><body>cloudflare</body></html>"


def refused(status: int, kind: str, code: str | None = None, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status=status, body=refusal(kind, "no, thanks", code), headers=named)


BAD = [
    Bad("400", refused(400, "invalid_request_error"), BadRequest, words="no, thanks"),
    Bad(
        "400 spend limit",
        Answer(
            status=400,
            body=refusal("invalid_request_error", "You have reached your specified spend limit."),
        ),
        QuotaExhausted,
    ),
    Bad(
        "400 credit balance",
        Answer(
            status=400,
            body=refusal(
                "invalid_request_error",
                "Your credit balance is too low to access the Anthropic API.",
            ),
        ),
        QuotaExhausted,
    ),
    Bad("401", refused(401, "authentication_error"), AuthFailed),
    Bad("402", refused(402, "billing_error"), QuotaExhausted),
    Bad("403", refused(403, "permission_error"), AuthFailed),
    Bad("404", refused(404, "not_found_error"), ModelGone),
    Bad("413", refused(413, "request_too_large"), BadRequest),
    Bad("422", Answer(status=422, body={"detail": "unprocessable"}), BadRequest),
    Bad(
        "429",
        refused(429, "rate_limit_error", retry_after="7"),
        RateLimited,
        wait_seconds=7,
    ),
    Bad("429 without a hint", refused(429, "rate_limit_error"), RateLimited),
    Bad(
        "429 ramp limit",
        refused(429, "rate_limit_error", "ramp_limit_exceeded", retry_after="3"),
        RateLimited,
        wait_seconds=3,
    ),
    Bad(
        "429 spend limit",
        refused(429, "rate_limit_error", "enforced_spend_limit_reached", retry_after="3"),
        QuotaExhausted,
    ),
    Bad(
        "429 contract's limit",
        refused(429, "rate_limit_error", "contract_spend_limit_reached"),
        QuotaExhausted,
    ),
    Bad(
        "429 not JSON", Answer(status=429, body="slow down", content_type="text/plain"), RateLimited
    ),
    Bad("408", refused(408, "timeout_error"), TimedOut),
    Bad("409", refused(409, "api_error"), Overloaded),
    Bad("500", refused(500, "api_error"), Overloaded),
    Bad("502 HTML", Answer(status=502, body=HTML, content_type="text/html"), Overloaded),
    Bad("503 empty", Answer(status=503, body=""), Overloaded),
    Bad("504", refused(504, "timeout_error"), Overloaded),
    Bad("529", refused(529, "overloaded_error"), Overloaded, words="no, thanks"),
    Bad("529 HTML", Answer(status=529, body=HTML, content_type="text/html"), Overloaded),
    Bad(
        "529 with a wait",
        refused(529, "overloaded_error", retry_after="11"),
        Overloaded,
        wait_seconds=11,
    ),
    Bad("redirect", Answer(status=307, headers={"Location": "/elsewhere"}, body=""), LaneClosed),
    Bad("200 HTML", Answer(body=HTML, content_type="text/html"), BadReply),
    Bad("200 empty", Answer(body=""), BadReply),
    Bad("200 cut JSON", Answer(body='{"id": "msg_1", "content": [{"ty'), BadReply),
    Bad("200 null", Answer(body="null"), BadReply),
    Bad("200 list", Answer(body=[]), BadReply),
    Bad("200 other shape", Answer(body={"choices": []}), BadReply),
    Bad("200 content null", Answer(body=message(content=None)), BadReply),
    Bad("200 content text", Answer(body=message(content="text")), BadReply),
    Bad("200 no UTF-8", Answer(body=b'{"content": "\xff\xfe"}'), BadReply),
    Bad("200 overloaded", Answer(body=refusal("overloaded_error")), Overloaded),
    Bad("200 rate limit", Answer(body=refusal("rate_limit_error")), RateLimited),
    Bad("reset", Answer(ending="reset"), ConnectionLost),
    Bad("cut", Answer(ending="cut"), BadReply),
]


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.name)
async def test_bad_reply(case: Bad) -> None:
    await check_bad_reply(PROVIDER, case)


async def test_after_each_bad_reply_the_same_client_still_works() -> None:
    await check_client_survives(PROVIDER, BAD)


@pytest.mark.parametrize("status", [400, 401, 403, 429, 500])
async def test_no_error_repeats_the_key(status: int) -> None:
    words = "x" * 270 + f" wrong key {KEY} in your request"
    answer = Answer(status=status, body=refusal("api_error", words))
    await check_key_is_not_repeated(PROVIDER, answer)


async def test_the_request_id_of_a_refusal_is_kept() -> None:
    async with ProviderServer() as server:
        server.script("anthropic", refused(500, "api_error", request_id="req_5"))
        with pytest.raises(Overloaded) as caught:
            await ask(server)
    assert caught.value.request_id == "req_5"
    assert caught.value.status == 500


async def test_blank_lines_before_a_reply_do_no_harm() -> None:
    await check_blank_lines(PROVIDER)


async def test_a_reply_that_drips_for_ever_ends_at_the_deadline() -> None:
    await check_deadline(PROVIDER)


async def test_nobody_at_the_address() -> None:
    await check_nobody_there(PROVIDER)
