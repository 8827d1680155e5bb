"""GoogleModel, through Google's SDK, against a server that answers as the API does."""

import json
import logging
from dataclasses import dataclass, field, replace

import pytest
from google.genai import types

from config.errors import (
    AuthFailed,
    BadReply,
    BadRequest,
    ConnectionLost,
    LaneClosed,
    ModelError,
    ModelGone,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    TimedOut,
)
from config.model_configs import ModelConfig, select_models
from models.base_model import CallOptions, Completion, Usage
from models.google_model import GoogleModel
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

KEY = "AIzaSyVerySecret-0123456789_abcdefghij"
PROMPT = Prompt(system="You write Python.", user="Double a number; name it exactly `double`.")


def row(name: str = "gemini-2.5-flash-lite") -> ModelConfig:
    return select_models([name])[0]


async def ask(
    server: ProviderServer,
    config: ModelConfig | None = None,
    prompt: Prompt = PROMPT,
    options: CallOptions | None = None,
) -> Completion:
    url = server.url("google")
    async with GoogleModel(config or row(), api_key=KEY, base_url=url, options=options) as model:
        return await model.complete(prompt)


PROVIDER = SdkProvider(
    "google",
    KEY,
    PROMPT,
    lambda url, options: GoogleModel(row(), api_key=KEY, base_url=url, options=options),
)


def reply(*parts: Json, finish: str | None = "STOP", **fields: Json) -> dict[str, Json]:
    """Return an answer's body with these parts and fields."""
    content: Json = {"role": "model", "parts": list(parts)}
    return {
        "candidates": [{"content": content, "finishReason": finish, "index": 0}],
        "usageMetadata": {
            "promptTokenCount": 10,
            "candidatesTokenCount": 5,
            "thoughtsTokenCount": 7,
            "totalTokenCount": 22,
        },
        "modelVersion": "gemini-9-served",
        "responseId": "response-9",
        **fields,
    }


def refusal(status: int, kind: str, words: str = "no, thanks", *details: Json) -> Json:
    """Return an error's body."""
    return {"error": {"code": status, "message": words, "status": kind, "details": list(details)}}


def retry_info(delay: str) -> Json:
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}


def quota(quota_id: str, value: str = "15") -> Json:
    violation: Json = {
        "quotaMetric": "generativelanguage.googleapis.com/generate_content_requests",
        "quotaId": quota_id,
        "quotaDimensions": {"location": "global", "model": "gemini-2.5-flash-lite"},
        "quotaValue": value,
    }
    return {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation]}


def error_info(reason: str) -> Json:
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}


class TestWhatIsSent:
    async def test_path_body_and_headers(self) -> None:
        async with ProviderServer() as server:
            completion = await ask(server)
            [request] = server.requests
        assert request.path == "/google/v1/models/gemini-2.5-flash-lite:generateContent"
        assert request.body == {
            "contents": [{"role": "user", "parts": [{"text": PROMPT.user}]}],
            "systemInstruction": {"role": "user", "parts": [{"text": PROMPT.system}]},
            "generationConfig": {"temperature": 0.2, "maxOutputTokens": 4096},
        }
        headers = {name.lower(): value for name, value in request.headers.items()}
        assert headers["x-goog-api-key"] == KEY
        assert "authorization" not in headers
        assert "key=" not in request.path
        assert completion.parameters == {
            "model": "gemini-2.5-flash-lite",
            "generationConfig": request.body["generationConfig"],
        }

    async def test_a_model_that_ignores_a_temperature_gets_none_and_a_greater_budget(self) -> None:
        async with ProviderServer() as server:
            await ask(server, row("gemini-3.8-flash"), options=CallOptions(temperature=0.9))
            [request] = server.requests
        assert request.body["generationConfig"] == {"maxOutputTokens": 16_384}

    @pytest.mark.parametrize(
        ("params", "sent", "recorded"),
        [
            ({"thinking_budget": 0}, {"thinking_budget": 0}, {"thinkingBudget": 0}),
            ({"thinking_level": "low"}, {"thinking_level": "LOW"}, {"thinkingLevel": "LOW"}),
            (
                {"thinking_level": "HIGH", "include_thoughts": True},
                {"thinking_level": "HIGH", "include_thoughts": True},
                {"thinkingLevel": "HIGH", "includeThoughts": True},
            ),
        ],
    )
    async def test_a_row_settles_thinking(
        self, params: dict[str, str | int], sent: Json, recorded: Json
    ) -> None:
        config = replace(row(), model_params={"model_name": row().name, **params})
        async with ProviderServer() as server:
            completion = await ask(server, config)
            [request] = server.requests
        generation = request.body["generationConfig"]
        assert isinstance(generation, dict)
        assert generation["thinkingConfig"] == sent  # the API reads both ways of writing
        known = completion.parameters["generationConfig"]
        assert known == {"maxOutputTokens": 4096, "temperature": 0.2, "thinkingConfig": recorded}

    async def test_a_row_may_set_any_field_of_the_configuration(self) -> None:
        config = replace(row(), model_params={"model_name": row().name, "seed": 7})
        async with ProviderServer() as server:
            completion = await ask(server, config)
            [request] = server.requests
        sent = {"temperature": 0.2, "maxOutputTokens": 4096, "seed": 7}
        assert request.body["generationConfig"] == sent
        assert completion.parameters["generationConfig"] == sent

    async def test_an_unknown_field_of_a_row_is_not_dropped_in_silence(self) -> None:
        config = replace(row(), model_params={"model_name": row().name, "sed": 7})
        async with ProviderServer() as server:
            with pytest.raises(ModelError, match="sed"):
                await ask(server, config)
            assert not server.requests

    async def test_no_system_text_no_system_field(self) -> None:
        async with ProviderServer() as server:
            await ask(server, prompt=Prompt(system="", user="hello"))
            [request] = server.requests
        assert "systemInstruction" not in request.body

    async def test_nothing_from_the_environment_goes_along(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ambient = {
            "GOOGLE_API_KEY": "ambient-key",
            "GEMINI_API_KEY": "ambient-gemini",
            "GOOGLE_GEMINI_BASE_URL": "http://127.0.0.1:9/ambient",
            "GOOGLE_GENAI_USE_VERTEXAI": "true",
            "GOOGLE_GENAI_USE_ENTERPRISE": "true",
            "GOOGLE_CLOUD_PROJECT": "ambient-project",
            "GOOGLE_CLOUD_LOCATION": "ambient-location",
            "GOOGLE_GENAI_API_VERSION": "beta",
        }
        for name, value in ambient.items():
            monkeypatch.setenv(name, value)
        async with ProviderServer() as server:
            await ask(server)
            [request] = server.requests
        assert request.path.startswith("/google/v1/models/")
        assert "ambient" not in json.dumps([request.path, request.headers])
        assert request.headers["x-goog-api-key"] == KEY

    async def test_without_a_key_nothing_is_sent(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GEMINI_API_KEY", "ambient-gemini")
        async with ProviderServer() as server:
            async with GoogleModel(row(), api_key="", base_url=server.url("google")) as model:
                with pytest.raises(AuthFailed, match="GOOGLE_API_KEY"):
                    await model.complete(PROMPT)
            assert not server.requests

    async def test_two_models_of_one_key_share_a_client_and_all_is_closed(self) -> None:
        async with ProviderServer() as server, ClientPool() as clients:
            url = server.url("google")
            for name in ("gemini-2.5-flash-lite", "gemini-3.8-flash"):
                model = GoogleModel(row(name), api_key=KEY, base_url=url, clients=clients)
                await model.complete(PROMPT)
            assert len(clients._clients) == 1

    async def test_the_key_is_in_no_log(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        async with ProviderServer() as server:
            await ask(server)
            server.script("google", Answer(status=400, body=f"bad key {KEY}"))
            with pytest.raises(ModelError):
                await ask(server)
        assert KEY not in caplog.text


@dataclass(frozen=True)
class Good:
    name: str
    body: Json
    text: str = "the answer"
    finish_reason: str = "stop"
    reasoning_text: str | None = None
    usage: Usage | None = field(
        default_factory=lambda: Usage(input_tokens=10, output_tokens=12, reasoning_tokens=7)
    )


ANSWER: Json = {"text": "the answer"}
OTHER_REASONS = ("LANGUAGE", "OTHER", "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "NEW_ONE")
FILTERS = ("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR")
GOOD = [
    Good("plain", reply(ANSWER)),
    Good(
        "several parts are joined, thoughts are kept apart",
        reply(
            {"text": "hmm", "thought": True},
            {"text": "one, "},
            {"inlineData": {"mimeType": "image/png", "data": "eA=="}},
            {"text": "two", "thoughtSignature": "c2ln"},
        ),
        text="one, two",
        reasoning_text="hmm",
    ),
    Good(
        "thoughts used up the budget",
        {
            "candidates": [{"finishReason": "MAX_TOKENS", "index": 0}],
            "usageMetadata": {"promptTokenCount": 10, "thoughtsTokenCount": 90},
            "modelVersion": "gemini-9-served",
            "responseId": "response-9",
        },
        text="",
        finish_reason="length",
        usage=Usage(input_tokens=10, output_tokens=90, reasoning_tokens=90),
    ),
    Good("cut", reply(ANSWER, finish="MAX_TOKENS"), finish_reason="length"),
    Good(
        "a token to go on with is not followed",
        reply(ANSWER, finish="CONTINUATION", continuationToken="eA=="),
        finish_reason="length",
    ),
    Good("no parts", reply(), text=""),
    Good("no finish reason", reply(ANSWER, finish=None), finish_reason="other"),
    *(Good(reason, reply(ANSWER, finish=reason), finish_reason="filtered") for reason in FILTERS),
    *(
        Good(reason, reply(ANSWER, finish=reason), finish_reason="other")
        for reason in OTHER_REASONS
    ),
    *(
        Good(
            f"the prompt is blocked: {reason}",
            {**reply(), "candidates": candidates, "promptFeedback": {"blockReason": reason}},
            text="",
            finish_reason="filtered",
        )
        for reason, candidates in (("SAFETY", None), ("PROHIBITED_CONTENT", []))
    ),
    Good(
        "cache and tools",
        reply(
            ANSWER,
            usageMetadata={
                "promptTokenCount": 100,
                "toolUsePromptTokenCount": 4,
                "cachedContentTokenCount": 60,
                "candidatesTokenCount": 5,
            },
        ),
        usage=Usage(input_tokens=104, output_tokens=5, cached_tokens=60),
    ),
    Good("no usage", reply(ANSWER, usageMetadata=None), usage=None),
    Good("a strange usage", reply(ANSWER, usageMetadata=["many"]), usage=None),
    Good("half a surrogate pair", reply({"text": "a\ud800b"}), text="a?b"),
]


@pytest.mark.parametrize("case", GOOD, ids=lambda case: case.name)
async def test_good_reply(case: Good) -> None:
    async with ProviderServer() as server:
        server.script("google", Answer(body=case.body))
        completion = await ask(server)
        assert len(server.requests) == 1, "one attempt is one request"
    assert completion.text == case.text
    assert completion.finish_reason == case.finish_reason
    assert completion.reasoning_text == case.reasoning_text
    assert completion.usage == case.usage
    assert completion.served_model == "gemini-9-served"
    assert completion.request_id == "response-9"


async def test_every_finish_reason_that_the_sdk_knows() -> None:
    async with ProviderServer() as server:
        url = server.url("google")
        async with GoogleModel(row(), api_key=KEY, base_url=url) as model:
            for reason in types.FinishReason:
                server.script("google", Answer(body=reply(ANSWER, finish=reason.value)))
                completion = await model.complete(PROMPT)
                assert completion.text == "the answer"
                assert (completion.finish_reason == "stop") == (reason.value == "STOP"), reason


HTML = "<html><head><title>Bad gateway</title></head><body>proxy</body></html>"
A_MINUTE = "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"
A_DAY = "GenerateRequestsPerDayPerProjectPerModel-FreeTier"


def refused(status: int, kind: str, *details: Json) -> Answer:
    return Answer(status=status, body=refusal(status, kind, "no, thanks", *details))


BAD = [
    Bad("400", refused(400, "INVALID_ARGUMENT"), BadRequest, words="no, thanks"),
    Bad(
        "400 wrong key",
        Answer(
            status=400,
            body=refusal(
                400,
                "INVALID_ARGUMENT",
                "API key not valid. Please pass a valid API key.",
                error_info("API_KEY_INVALID"),
            ),
        ),
        AuthFailed,
    ),
    Bad(
        "400 region",
        Answer(
            status=400,
            body=refusal(
                400,
                "FAILED_PRECONDITION",
                "User location is not supported for the API use.",
            ),
        ),
        AuthFailed,
    ),
    Bad("401", refused(401, "UNAUTHENTICATED"), AuthFailed),
    Bad("402", refused(402, "PAYMENT_REQUIRED"), QuotaExhausted),
    Bad("403", refused(403, "PERMISSION_DENIED"), AuthFailed),
    Bad("404", refused(404, "NOT_FOUND"), ModelGone),
    Bad("413", refused(413, "INVALID_ARGUMENT"), BadRequest),
    Bad("429 bare", refused(429, "RESOURCE_EXHAUSTED"), RateLimited),
    Bad(
        "429 a minute",
        refused(429, "RESOURCE_EXHAUSTED", quota(A_MINUTE), retry_info("22s")),
        RateLimited,
        wait_seconds=22,
    ),
    Bad(
        "429 fractions of a second",
        refused(429, "RESOURCE_EXHAUSTED", retry_info("15.5s")),
        RateLimited,
        wait_seconds=15.5,
    ),
    Bad(
        "429 a day, whatever RetryInfo says",
        refused(429, "RESOURCE_EXHAUSTED", quota(A_DAY), retry_info("22s")),
        QuotaExhausted,
    ),
    Bad(
        "429 a quota of nothing",
        refused(429, "RESOURCE_EXHAUSTED", quota(A_MINUTE, "0"), retry_info("22s")),
        QuotaExhausted,
    ),
    Bad(
        "429 in a list", Answer(status=429, body=[refusal(429, "RESOURCE_EXHAUSTED")]), RateLimited
    ),
    Bad("429 HTML", Answer(status=429, body=HTML, content_type="text/html"), RateLimited),
    Bad("429 JSON in name only", Answer(status=429, body="slow down"), RateLimited),
    Bad("401 JSON in name only", Answer(status=401, body="who?"), AuthFailed),
    Bad("408", refused(408, "DEADLINE_EXCEEDED"), TimedOut),
    Bad("499", refused(499, "CANCELLED"), Overloaded),
    Bad("500", refused(500, "INTERNAL"), Overloaded),
    Bad("502 HTML", Answer(status=502, body=HTML, content_type="text/html"), Overloaded),
    Bad("502 HTML as JSON", Answer(status=502, body=HTML), Overloaded),
    Bad("503", refused(503, "UNAVAILABLE"), Overloaded, words="no, thanks"),
    Bad("503 empty", Answer(status=503, body=""), Overloaded),
    Bad("504", refused(504, "DEADLINE_EXCEEDED"), Overloaded),
    Bad("redirect", Answer(status=302, headers={"Location": "/elsewhere"}, body=""), LaneClosed),
    Bad("200 HTML", Answer(body=HTML, content_type="text/html"), BadReply),
    Bad("200 empty", Answer(body=""), BadReply),
    Bad("200 cut JSON", Answer(body='{"candidates": [{"content": {"pa'), BadReply),
    Bad("200 null", Answer(body="null"), BadReply),
    Bad("200 list", Answer(body=[]), BadReply),
    Bad("200 other shape", Answer(body={"choices": []}), BadReply),
    Bad("200 candidates text", Answer(body={"candidates": "none"}), BadReply),
    Bad("200 no candidates", Answer(body={**reply(), "candidates": []}), BadReply),
    Bad("200 no UTF-8", Answer(body=b'{"candidates": "\xff\xfe"}'), BadReply),
    Bad("200 overloaded", Answer(body=refusal(503, "UNAVAILABLE")), Overloaded),
    Bad("reset", Answer(ending="reset"), ConnectionLost),
    Bad("cut", Answer(ending="cut"), BadReply),
]


@pytest.mark.slow  # a client each; the next test runs the same table through one
@pytest.mark.parametrize("case", BAD, ids=lambda case: case.name)
async def test_bad_reply(case: Bad) -> None:
    await check_bad_reply(PROVIDER, case)


async def test_after_each_bad_reply_the_same_client_still_works() -> None:
    await check_client_survives(PROVIDER, BAD)


@pytest.mark.parametrize("status", [400, 401, 403, 429, 500])
async def test_no_error_repeats_the_key(status: int) -> None:
    words = "x" * 270 + f" wrong key {KEY} in your request"
    answer = Answer(status=status, body=refusal(status, "ABORTED", words))
    await check_key_is_not_repeated(PROVIDER, answer)


async def test_a_quota_a_minute_is_read_as_a_limit() -> None:
    async with ProviderServer() as server:
        server.script("google", refused(429, "RESOURCE_EXHAUSTED", quota(A_MINUTE)))
        with pytest.raises(RateLimited) as caught:
            await ask(server)
    [signal] = [signal for signal in caught.value.signals if signal.limit_per_minute]
    assert (signal.meter, signal.scope, signal.limit_per_minute) == ("requests", "model", 15)


async def test_blank_lines_before_a_reply_do_no_harm() -> None:
    await check_blank_lines(PROVIDER)


async def test_a_reply_that_drips_for_ever_ends_at_the_deadline() -> None:
    await check_deadline(PROVIDER)


async def test_nobody_at_the_address() -> None:
    await check_nobody_there(PROVIDER)
