"""The whole retry matrix: a reply's provider, status and body, and the error that it stands for."""

import json

import pytest

from config.errors import (
    AuthFailed,
    BadReply,
    BadRequest,
    LaneClosed,
    ModelError,
    ModelGone,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    TimedOut,
)
from models.wire.reply_errors import error_from_reply, read_request_id


def openai(code: str | None, words: str = "words", kind: str | None = None) -> object:
    return {"error": {"message": words, "type": kind, "param": None, "code": code}}


def anthropic(kind: str, words: str = "words", error_code: str | None = None) -> object:
    details = {"details": {"error_code": error_code}} if error_code else {}
    return {"type": "error", "error": {"type": kind, "message": words, **details}}


def google(status: str, words: str = "words", *details: object) -> object:
    return {"error": {"code": 429, "message": words, "status": status, "details": details}}


def quota(quota_id: str, value: str = "15") -> object:
    kind = "type.googleapis.com/google.rpc.QuotaFailure"
    return {"@type": kind, "violations": [{"quotaId": quota_id, "quotaValue": value}]}


RETRY_INFO = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "22s"}
KEY_REASON = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
PER_MINUTE = quota("GenerateRequestsPerMinutePerProjectPerModel")
PER_DAY = quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier")
GOOGLE_QUOTA = "You exceeded your current quota, please check your plan and billing details."
SPENT = "You have reached your specified API usage limits. You will regain access on 2026-12-01."

GONE = ModelGone

MATRIX: list[tuple[str, int, object, type[ModelError]]] = [
    ("openai", 429, openai("rate_limit_exceeded", kind="requests"), RateLimited),
    ("openai", 429, openai(None, "slow down"), RateLimited),
    ("openai", 429, openai("slow_down"), RateLimited),
    ("openai", 429, openai(None, kind="insufficient_quota"), QuotaExhausted),
    ("openai", 429, openai("insufficient_quota"), QuotaExhausted),
    ("openai", 429, openai("credit_balance_exhausted"), QuotaExhausted),
    ("openai", 429, openai("a_new_spend_limit_of_theirs"), QuotaExhausted),
    ("openai", 429, openai("a_new_quota"), QuotaExhausted),
    ("openai", 429, openai(None, GOOGLE_QUOTA), QuotaExhausted),
    ("openai", 503, openai("server_is_overloaded"), Overloaded),
    ("openai", 500, openai(None, kind="server_error"), Overloaded),
    ("openai", 400, openai("unsupported_parameter", "'max_tokens' is not supported"), BadRequest),
    ("openai", 400, openai("context_length_exceeded"), BadRequest),
    ("openai", 400, openai("model_not_found"), ModelGone),
    # LiteLLM, OpenRouter, LM Studio, Mistral, llama.cpp as a router, vLLM, Ollama
    ("openai", 400, openai("400", "/chat/completions: Invalid model name passed in model=x"), GONE),
    ("openai", 400, openai("400", "{'error': 'Invalid model name passed in model=x.'}"), GONE),
    ("openai", 400, openai(None, "foo/bar is not a valid model ID"), GONE),
    ("openai", 404, openai(None, "No endpoints found for foo/bar."), GONE),
    ("local", 400, openai(None, 'Invalid model identifier "x".'), GONE),
    ("local", 400, openai("1500", "Invalid model: x", "invalid_model"), GONE),
    ("local", 400, openai("400", "model 'x' not found", "invalid_request_error"), GONE),
    ("local", 404, {"object": "error", "message": "The model `x` does not exist."}, GONE),
    ("local", 404, openai(None, 'model "x" not found, try pulling it first', "api_error"), GONE),
    ("local", 400, openai(None, "unknown model x"), GONE),
    ("openai", 404, openai(None), ModelGone),
    ("openai", 404, openai(None, "The model `x` has been deprecated"), ModelGone),
    ("openai", 401, openai("invalid_api_key"), AuthFailed),
    ("openai", 400, openai("invalid_api_key"), AuthFailed),
    ("openai", 403, openai("unsupported_country_region_territory"), AuthFailed),
    ("openai", 200, openai("rate_limit_exceeded"), RateLimited),
    ("openai", 200, openai("server_error"), Overloaded),
    ("openai", 200, openai("vector_store_timeout"), BadReply),
    ("openai", 200, openai("invalid_prompt"), BadRequest),
    ("openai", 200, openai("bio_policy"), BadRequest),
    ("openai", 200, openai("misalignment_policy_violation"), BadRequest),
    ("openai", 200, openai("data_residency_mismatch"), BadRequest),
    ("openai", 200, openai("something_new"), BadReply),
    ("anthropic", 400, anthropic("invalid_request_error"), BadRequest),
    (
        "anthropic",
        400,
        anthropic("invalid_request_error", "Your credit balance is too low to access the API."),
        QuotaExhausted,
    ),
    ("anthropic", 400, anthropic("invalid_request_error", "spend limit reached"), QuotaExhausted),
    ("anthropic", 400, anthropic("invalid_request_error", SPENT), QuotaExhausted),
    (
        "anthropic",
        400,
        anthropic("invalid_request_error", "This organization has been disabled."),
        AuthFailed,
    ),
    ("anthropic", 401, anthropic("authentication_error"), AuthFailed),
    ("anthropic", 402, anthropic("billing_error"), QuotaExhausted),
    ("anthropic", 403, anthropic("permission_error"), AuthFailed),
    ("anthropic", 404, anthropic("not_found_error", "model: claude-x"), ModelGone),
    ("anthropic", 413, anthropic("request_too_large"), BadRequest),
    ("anthropic", 429, anthropic("rate_limit_error"), RateLimited),
    (
        "anthropic",
        429,
        anthropic("rate_limit_error", error_code="enforced_spend_limit_reached"),
        QuotaExhausted,
    ),
    (
        "anthropic",
        429,
        anthropic("rate_limit_error", error_code="contract_spend_limit_reached"),
        QuotaExhausted,
    ),
    (
        "anthropic",
        429,
        anthropic("rate_limit_error", error_code="ramp_limit_exceeded"),
        RateLimited,
    ),
    ("anthropic", 500, anthropic("api_error"), Overloaded),
    ("anthropic", 504, anthropic("timeout_error"), Overloaded),
    ("anthropic", 529, anthropic("overloaded_error"), Overloaded),
    ("anthropic", 200, anthropic("overloaded_error"), Overloaded),
    ("google", 400, google("INVALID_ARGUMENT"), BadRequest),
    ("google", 400, google("INVALID_ARGUMENT", "API key not valid."), AuthFailed),
    ("google", 400, google("INVALID_ARGUMENT", "API key expired. Renew it."), AuthFailed),
    ("google", 400, google("INVALID_ARGUMENT", "words", KEY_REASON), AuthFailed),
    ("google", 400, google("FAILED_PRECONDITION", "location is not supported"), AuthFailed),
    ("google", 402, google("FAILED_PRECONDITION", "prepaid credits are used up"), QuotaExhausted),
    ("google", 403, google("PERMISSION_DENIED"), AuthFailed),
    ("google", 404, google("NOT_FOUND", "models/x is not found for v1"), ModelGone),
    ("google", 429, google("RESOURCE_EXHAUSTED"), RateLimited),
    ("google", 429, google("RESOURCE_EXHAUSTED", GOOGLE_QUOTA), RateLimited),
    ("google", 429, google("RESOURCE_EXHAUSTED", GOOGLE_QUOTA, PER_MINUTE), RateLimited),
    ("google", 429, google("RESOURCE_EXHAUSTED", "x", PER_DAY, RETRY_INFO), QuotaExhausted),
    ("google", 429, google("RESOURCE_EXHAUSTED", "x", quota("q", "0")), QuotaExhausted),
    ("google", 429, google("RESOURCE_EXHAUSTED", "metric: m, limit: 0, model"), QuotaExhausted),
    ("google", 429, google("RESOURCE_EXHAUSTED", "monthly spending cap"), QuotaExhausted),
    ("google", 429, [google("RESOURCE_EXHAUSTED")], RateLimited),
    ("google", 499, google("CANCELLED"), Overloaded),
    ("google", 500, google("INTERNAL"), Overloaded),
    ("google", 503, google("UNAVAILABLE"), Overloaded),
    ("google", 504, google("DEADLINE_EXCEEDED"), Overloaded),
    ("xai", 400, {"code": "Client error", "error": "Incorrect API key provided: x"}, AuthFailed),
    ("xai", 429, {"code": "x", "error": "You have used all available credits"}, QuotaExhausted),
    ("xai", 429, {"code": "Some resource has been exhausted", "error": "Too many"}, RateLimited),
    ("together", 402, openai(None, kind="credit_limit"), QuotaExhausted),
    ("together", 503, openai(None, "overloaded", "service_unavailable"), Overloaded),
    ("together", 524, "<html>timeout</html>", Overloaded),
    ("huggingface", 404, openai("model_not_supported"), ModelGone),
    ("huggingface", 400, {"error": "Model x is not supported by provider groq"}, ModelGone),
    ("deepseek", 422, openai(None, "invalid parameter"), BadRequest),
    ("deepseek", 429, openai(None, "concurrency"), RateLimited),
    ("local", 404, {"error": 'model "x" not found, try pulling it first'}, ModelGone),
    ("local", 503, openai(None, "Loading model", "unavailable_error"), Overloaded),
    ("local", 400, {"object": "error", "message": "too long", "code": 400}, BadRequest),
    ("local", 422, {"detail": [{"loc": ["body"], "msg": "field required"}]}, BadRequest),
    ("local", 501, {"error": "not built in"}, BadRequest),
    ("myprovider", 302, "", LaneClosed),
    ("myprovider", 408, "", TimedOut),
    ("myprovider", 425, "", Overloaded),
    ("myprovider", 200, "", BadReply),
]


@pytest.mark.parametrize(("provider", "status", "body", "expected"), MATRIX)
def test_the_matrix(provider: str, status: int, body: object, expected: type[ModelError]) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    error = error_from_reply(provider, status, {}, text)
    assert type(error) is expected
    assert error.status == status
    assert str(error).startswith(f"{provider} answered {status}: ")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"error": {"message": "two\\n  lines", "code": "odd"}}', "two lines (odd)"),
        ('{"error": {"message": "an odd thing", "code": "odd"}}', "an odd thing"),
        ('{"error": {"message": "", "type": "bad"}}', '{"message": "", "type": "bad"}'),
        (
            '{"error": {"type": "x", "message": "no", "details": {"error_code": "exact"}}}',
            "no (exact)",
        ),
        ('{"error": "a text"}', "a text"),
        ('{"message": "outside"}', "outside"),
        ('{"detail": "Not Found"}', "Not Found"),
        ('{"unknown": 1}', '{"unknown": 1}'),
        ("[]", "[]"),
        ('"a string"', '"a string"'),
        ("null", "null"),
        ("plain text", "plain text"),
        ("<html><title>502 Bad\n Gateway</title><body>x</body></html>", "502 Bad Gateway"),
        ("<html><style>a{}</style><body>No <b>way</b></body></html>", "No way"),
        ("", "no text"),
        ("<html></html>", "no text"),
    ],
)
def test_the_providers_own_words(body: str, words: str) -> None:
    assert str(error_from_reply("xai", 400, {}, body)) == f"xai answered 400: {words}"


def test_long_words_are_cut() -> None:
    error = error_from_reply("xai", 500, {}, json.dumps({"error": "x" * 5000}))
    assert len(str(error)) < 330
    assert str(error).endswith("...")


@pytest.mark.parametrize(
    "key",
    ["sk-proj-abc***xyz", "sk-ant-api03-AbC_d-9", "xai-abcdefgh", "hf_abcdefgh", "AIzaSyA-bcd"],
)
def test_what_looks_like_a_key_is_taken_out(key: str) -> None:
    error = error_from_reply("openai", 401, {}, json.dumps({"error": f"Wrong key: {key}"}))
    assert str(error) == "openai answered 401: Wrong key: [key]"


def test_a_refusal_carries_its_limits_and_its_id() -> None:
    headers = {"Retry-After": "7", "Request-Id": "req-9"}
    error = error_from_reply("anthropic", 529, headers, "")
    assert error.request_id == "req-9"
    assert [signal.retry_after_seconds for signal in error.signals] == [7.0]


def test_a_redirect_says_what_to_look_at() -> None:
    error = error_from_reply("local", 301, {"Location": "https://elsewhere.test"}, "<html></html>")
    assert "is the URL right?" in str(error)


def test_request_ids() -> None:
    assert read_request_id({"X-Request-ID": "a", "request-id": "b"}) == "a"
    assert read_request_id({"x-request-id": "", "request-id": "b"}) == "b"
    assert read_request_id({}) is None
