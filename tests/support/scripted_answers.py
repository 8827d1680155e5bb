"""Replies that a test makes up, and one of every kind that is worth another attempt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tests.support.provider_formats import FORMATS, Json, Provider

Ending = Literal["whole", "reset", "cut", "blank lines", "never"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One scripted reply.

    body: text, bytes, or what becomes JSON; None for the provider's own good answer.
    ending: whole; reset: the connection breaks before a byte; cut: it breaks in the middle of the
        body; blank lines: as DeepSeek does while a call is queued; never: blank lines for ever.
    """

    status: int = 200
    body: Json | bytes = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    ending: Ending = "whole"


STALL = Answer(ending="never")  # ends at the client's own deadline


def retryable_faults(provider: Provider) -> list[Answer]:
    """Return one answer of every kind that is worth another attempt, the same kinds for each."""
    error = FORMATS[provider].error
    statuses = (408, 409, 500, 502, 503, 504, 520, 529)
    html = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
    return [
        *(Answer(status=status, body=error(status, "try again")) for status in statuses),
        Answer(status=429, body=error(429, "too fast"), headers={"Retry-After": "0.05"}),
        Answer(status=429, body=error(429, "too fast"), headers={"Retry-After-Ms": "50"}),
        _TOO_FAST[provider],
        _OVERLOADED[provider],
        Answer(status=502, body=html, content_type="text/html"),
        Answer(status=503, body=""),
        Answer(body=html, content_type="text/html"),
        Answer(body=""),
        Answer(body='{"choices": [{"mess'),
        Answer(body={"unexpected": True}),
        Answer(body=b"\xff\xfe\x00"),
        Answer(body=_ERROR_WITH_200[provider]),
        Answer(body=b"not gzip at all", headers={"Content-Encoding": "gzip"}),
        Answer(ending="reset"),
        Answer(ending="cut"),
    ]


def _error(status: int, kind: str | None, words: str, **more: Json) -> Answer:
    error: Json = {"message": words, "type": kind, "param": None, "code": kind, **more}
    return Answer(status=status, body={"error": error})


_RETRY_INFO: Json = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.05s"}
_MINUTE_QUOTA: Json = {
    "@type": "type.googleapis.com/google.rpc.QuotaFailure",
    "violations": [{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"}],
}
# Each provider's own words for a refused rate,
_TOO_FAST: Mapping[Provider, Answer] = {
    "openai": _error(429, "slow_down", "Slow down. Please try again in 50ms."),
    "anthropic": Answer(
        status=429,
        headers={"retry-after": "0.05"},
        body={
            "type": "error",
            "error": {
                "type": "rate_limit_error",
                "message": "Your usage rises too fast.",
                "details": {"error_code": "ramp_limit_exceeded"},
            },
        },
    ),
    "google": Answer(
        status=429,
        body={
            "error": {
                "code": 429,
                "message": "You exceeded your current quota, please check your plan and billing.",
                "status": "RESOURCE_EXHAUSTED",
                "details": [_MINUTE_QUOTA, _RETRY_INFO],
            }
        },
    ),
    "xai": Answer(status=429, body={"code": "Too many requests", "error": "Rate limit reached"}),
    "together": _error(429, "dynamic_request_limited", "You have reached your rate limit"),
    "huggingface": Answer(status=429, body={"error": "Too Many Requests"}),
    "deepseek": _error(429, None, "Too many concurrent requests"),
    "local": Answer(status=429, body="busy", content_type="text/plain"),
}
# and for a load that is too great,
_OVERLOADED: Mapping[Provider, Answer] = {
    "openai": _error(503, "server_is_overloaded", "Overloaded"),
    "anthropic": Answer(
        status=529,
        body={"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
    ),
    "google": Answer(
        status=503,
        body={"error": {"code": 503, "message": "high demand", "status": "UNAVAILABLE"}},
    ),
    "xai": Answer(status=503, body={"code": "Service unavailable", "error": "at capacity"}),
    "together": _error(503, "overloaded", "The server is overloaded"),
    "huggingface": Answer(status=503, body={"error": "Model is currently loading"}),
    "deepseek": Answer(
        body={
            "choices": [
                {"message": {"content": ""}, "finish_reason": "insufficient_system_resource"}
            ]
        }
    ),
    "local": Answer(status=503, body={"error": {"code": 503, "message": "Loading model"}}),
}
# and an error that comes with a status of success.
_SERVER_ERROR: Json = {"error": {"message": "it broke", "type": "server_error", "code": None}}
_ERROR_WITH_200: Mapping[Provider, Json] = {
    "openai": _SERVER_ERROR,
    "anthropic": {"type": "error", "error": {"type": "api_error", "message": "it broke"}},
    "google": {"error": {"code": 500, "message": "it broke", "status": "INTERNAL"}},
    "xai": _SERVER_ERROR,
    "together": _SERVER_ERROR,
    "huggingface": {"error": "it broke"},
    "deepseek": _SERVER_ERROR,
    "local": {"error": "it broke"},
}
