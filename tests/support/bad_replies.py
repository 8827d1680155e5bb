"""The table of bad replies that every provider's model is run against."""

from dataclasses import dataclass

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
from tests.support.provider_formats import FORMATS, Json, Provider
from tests.support.provider_server import Answer
from tests.support.wire import key_of

HTML = "<html><head><title>502 Bad Gateway</title></head><body><h1>nginx</h1></body></html>"


@dataclass(frozen=True, slots=True)
class Case:
    """One bad reply and the error that must come of it; words must stand in its text."""

    name: str
    answer: Answer
    error: type[ModelError]
    words: str = ""


def bad_replies(provider: Provider) -> list[Case]:
    """Return every bad reply for a provider that speaks chat completions."""
    return [*_statuses(provider), *_unreadable(), *_errors_with_200(), *_OWN[provider]]


def _statuses(provider: Provider) -> list[Case]:
    by_status: dict[int, type[ModelError]] = {
        307: LaneClosed,
        400: BadRequest,
        401: AuthFailed,
        402: QuotaExhausted,
        403: AuthFailed,
        404: ModelGone,
        405: LaneClosed,
        408: TimedOut,
        409: Overloaded,
        410: ModelGone,
        413: BadRequest,
        422: BadRequest,
        429: RateLimited,
        500: Overloaded,
        502: Overloaded,
        503: Overloaded,
        504: Overloaded,
        529: Overloaded,
    }
    cases = [
        Case(f"status {status}", Answer(status=status, body=_error(provider, status)), error)
        for status, error in by_status.items()
    ]
    page = Answer(status=502, body=HTML, content_type="text/html")
    limited = Answer(status=429, body="error code: 1015", content_type="text/plain")
    broken = Answer(status=500, body=_error(provider, 500), ending="cut")
    return [
        *cases,
        Case("a gateway's page", page, Overloaded, "502 Bad Gateway"),
        Case("Cloudflare's rate limit", limited, RateLimited, "error code: 1015"),
        Case("503 without a body", Answer(status=503, body=""), Overloaded),
        Case("429 with a cut JSON", Answer(status=429, body='{"error": {"mess'), RateLimited),
        Case("500 that breaks off", broken, BadReply),
    ]


def _unreadable() -> list[Case]:
    bodies: dict[str, Json | bytes] = {
        "nothing": "",
        "blank lines alone": "\n\n\n",
        "a page": HTML,
        "a cut JSON": '{"choices": [{"message": {"content": "```py',
        "no UTF-8": b"\xff\xfe\x00",
        "null": "null",
        "a list": [1, 2],
        "a text": '"no"',
        "no choices": {"id": "1"},
        "empty choices": {"choices": []},
        "choices null": {"choices": None},
        "no message": {"choices": [{"index": 0}]},
        "message null": {"choices": [{"message": None}]},
        "content a number": {"choices": [{"message": {"content": 7}}]},
        "a stream": "data: {}\n\ndata: [DONE]\n\n",
    }
    gzip = Answer(body=b"not gzip at all", headers={"Content-Encoding": "gzip"})
    return [
        *(Case(f"200 with {name}", Answer(body=body), BadReply) for name, body in bodies.items()),
        Case("204", Answer(status=204, body=""), BadReply),
        Case("200 with broken gzip", gzip, BadReply),
        Case("200 that breaks off", Answer(ending="cut"), BadReply),
        Case("a reset", Answer(ending="reset"), ConnectionLost),
    ]


def _errors_with_200() -> list[Case]:
    stopped: Json = {"choices": [{"message": {"content": "de"}, "finish_reason": "error"}]}
    errors: dict[str, tuple[Json, type[ModelError]]] = {
        "a plain error": ({"error": "something broke"}, BadReply),
        "a rate limit": (
            {"error": {"message": "slow", "code": "rate_limit_exceeded"}},
            RateLimited,
        ),
        "a status 429": ({"error": {"message": "slow", "code": 429}}, RateLimited),
        "a status 402": ({"error": {"message": "pay", "code": "402"}}, QuotaExhausted),
        "a server error": ({"error": {"message": "oops", "type": "server_error"}}, Overloaded),
        "a billing error": ({"error": {"message": "x", "type": "billing_error"}}, QuotaExhausted),
        "an answer broken off": (stopped, Overloaded),
    }
    return [
        Case(f"200 with {name}", Answer(body=body), error) for name, (body, error) in errors.items()
    ]


def _error(provider: Provider, status: int) -> Json:
    return FORMATS[provider].error(status, "the provider's own words")


def _openai(status: int, code: str | None, words: str, kind: str | None = None) -> Answer:
    error: Json = {"message": words, "type": kind, "param": None, "code": code}
    return Answer(status=status, body={"error": error})


_TEMPERATURE = (
    "Unsupported value: 'temperature' does not support 0 with this model. "
    "Only the default (1) value is supported."
)
_LENGTH = "This model's maximum context length is 8192 tokens. Please reduce the prompt."
_TOO_LARGE = "Request too large for gpt-x on tokens per min (TPM): Limit 30000, Requested 40000."
_RESPONSES_ONLY = "This model is only supported in v1/responses and not in v1/chat/completions."
_NO_PROVIDER = "The requested model 'x' is not supported by any provider you have enabled."

_OWN: dict[str, list[Case]] = {
    "openai": [
        Case("no quota", _openai(429, "insufficient_quota", "no money"), QuotaExhausted),
        Case("quota type", _openai(429, None, "no", "insufficient_quota"), QuotaExhausted),
        Case("credit", _openai(429, "credit_balance_exhausted", "no"), QuotaExhausted),
        Case("org", _openai(429, "organization_spend_limit_exceeded", "no"), QuotaExhausted),
        Case("project", _openai(429, "project_spend_limit_exceeded", "no"), QuotaExhausted),
        Case("inactive", _openai(429, "billing_not_active", "no"), QuotaExhausted),
        Case("slow down", _openai(429, "slow_down", "slow down"), RateLimited),
        Case("overloaded", _openai(503, "server_is_overloaded", "later"), Overloaded),
        Case("too large", _openai(429, "rate_limit_exceeded", _TOO_LARGE), BadRequest),
        Case("unknown model", _openai(404, "model_not_found", "no such model"), ModelGone),
        Case("Responses only", _openai(404, None, _RESPONSES_ONLY), ModelGone, "v1/responses"),
        Case("temperature", _openai(400, "unsupported_value", _TEMPERATURE), BadRequest),
        Case("length", _openai(400, "context_length_exceeded", _LENGTH), BadRequest),
        Case("flagged", _openai(400, "invalid_prompt", "flagged"), BadRequest),
        Case("region", _openai(403, "unsupported_country_region_territory", "no"), AuthFailed),
        Case(
            "wrong key",
            _openai(401, "invalid_api_key", f"Incorrect API key provided: {key_of('openai')}."),
            AuthFailed,
            "[key]",
        ),
    ],
    "xai": [
        Case(
            "wrong key",
            Answer(
                status=400,
                body={
                    "code": "Client specified an invalid argument",
                    "error": f"Incorrect API key provided: {key_of('xai')}. Get one at x.ai.",
                },
            ),
            AuthFailed,
            "[key]",
        ),
        Case(
            "a refused text",
            Answer(
                status=403,
                body={
                    "code": "The caller does not have permission to execute the operation",
                    "error": "Content violates usage guidelines. Failed: SAFETY_CHECK_TYPE_BIO",
                },
            ),
            BadRequest,
        ),
        Case(
            "no credits",
            Answer(
                status=429,
                body={
                    "code": "Some resource has been exhausted",
                    "error": "Your team has either used all available credits or reached its limit",
                },
            ),
            QuotaExhausted,
        ),
        Case(
            "a new team",
            Answer(status=403, body={"error": "Your new team doesn't have any credits yet."}),
            QuotaExhausted,
        ),
        Case(
            "an unknown model",
            Answer(status=400, body={"code": "Client error", "error": "Model not found: grok-x"}),
            ModelGone,
            "grok-x",
        ),
    ],
    "together": [
        Case("not served", _openai(404, "model_not_available", "unable"), ModelGone),
        Case(
            "not serverless",
            _openai(400, None, "Unable to access non-serverless model x. Start an endpoint."),
            ModelGone,
        ),
        Case("credit limit", _openai(402, None, "limit", "credit_limit"), QuotaExhausted),
        Case("length", _openai(422, None, "inputs tokens + max_new_tokens <= 8193"), BadRequest),
    ],
    "huggingface": [
        Case("no provider", _openai(400, "model_not_supported", _NO_PROVIDER), ModelGone),
        Case("no provider, plain", Answer(status=400, body={"error": _NO_PROVIDER}), ModelGone),
        Case(
            "a gated model",
            Answer(status=403, body={"error": "You must have access to this gated repo."}),
            ModelGone,
        ),
        Case(
            "no credits",
            Answer(status=402, body={"error": "You have exceeded your monthly included credits"}),
            QuotaExhausted,
            "monthly included credits",
        ),
        Case("loading", Answer(status=503, body={"error": "Model is loading"}), Overloaded),
    ],
    "deepseek": [
        Case("no balance", _openai(402, None, "Insufficient Balance"), QuotaExhausted),
        Case("an unknown model", _openai(400, None, "Model Not Exist"), ModelGone),
        Case("wrong key", _openai(401, None, "Authentication Fails, no such user"), AuthFailed),
        Case("too many at once", _openai(429, None, "Too many concurrent requests"), RateLimited),
        Case(
            "no resources",
            Answer(
                body={
                    "choices": [
                        {
                            "message": {"content": "def"},
                            "finish_reason": "insufficient_system_resource",
                        }
                    ]
                }
            ),
            Overloaded,
        ),
    ],
    "local": [
        Case("Ollama: unknown", _openai(404, None, "model 'x' not found"), ModelGone, "'x'"),
        Case(
            "Ollama: unknown, plain",
            Answer(status=404, body={"error": "model 'x' not found"}),
            ModelGone,
        ),
        Case(
            "Ollama: queue full",
            Answer(status=503, body={"error": "server busy, please try again"}),
            Overloaded,
        ),
        Case("llama.cpp: loading", _openai(503, None, "Loading model"), Overloaded),
        Case(
            "vLLM: length",
            _openai(400, None, "This model's maximum context length is 4096 tokens."),
            BadRequest,
        ),
        Case(
            "LM Studio: none loaded",
            _openai(404, "model_not_found", "No models loaded."),
            ModelGone,
        ),
    ],
}
