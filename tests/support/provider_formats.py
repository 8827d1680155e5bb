"""What each provider's replies look like: good answers, errors and model lists."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"
Provider = Literal[
    "openai", "anthropic", "google", "xai", "together", "huggingface", "deepseek", "local"
]

PREFIXES: Mapping[Provider, str] = {
    "openai": "/openai/v1",
    "anthropic": "/anthropic",
    "google": "/google",
    "xai": "/xai/v1",
    "together": "/together/v1",
    "huggingface": "/huggingface/v1",
    "deepseek": "/deepseek",
    "local": "/local/v1",
}
_NAME_ASKED_FOR = re.compile(r"name it exactly `(\w+)`")
_CLASS_ASKED_FOR = re.compile(r"Write this class\b")
_NAME_IN_CODE = re.compile(r"(?:\b|\\n)(def|class) (\w+)")
_GOOGLE_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def solve(body: Mapping[str, Json]) -> str:
    """Return a reply with plausible Python for a request's prompt, whatever its wire format."""
    prompt = json.dumps(body)
    asked = _NAME_ASKED_FOR.search(prompt)
    if asked:
        name, is_class = asked[1], bool(_CLASS_ASKED_FOR.search(prompt))
    else:
        found = _NAME_IN_CODE.search(prompt)
        name, is_class = (found[2], found[1] == "class") if found else ("solution", False)
    code = (
        f"class {name}:\n    def __init__(self, *values):\n        self.values = list(values)\n"
        if is_class
        else f"def {name}(*values):\n    return values[0] if values else None\n"
    )
    return f"Here is the solution:\n\n```python\n{code}```\n"


@dataclass(frozen=True, slots=True)
class Format:
    """One provider's wire format.

    is_call: whether a path asks a model for a completion.
    good: (model, path, request's body, text) -> the body of a good answer.
    error: (status, words) -> the body of an error.
    headers: those of a good answer.
    """

    is_call: Callable[[str], bool]
    good: Callable[[str, str, Mapping[str, Json], str], Json]
    error: Callable[[int, str], Json]
    headers: Mapping[str, str] = field(default_factory=dict)


def chat_answer(
    model: str, path: str, body: Mapping[str, Json], text: str, **message: Json
) -> dict[str, Json]:
    """Return a chat completion; message holds or replaces fields of the assistant's message."""
    prompt_tokens, completion_tokens = _count(body), len(text) // 4 + 1
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_795_000_000,
        "model": model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text, **message},
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        },
    }


def responses_answer(model: str, body: Mapping[str, Json], text: str) -> dict[str, Json]:
    """Return a reply of OpenAI's Responses."""
    content: list[Json] = [{"type": "output_text", "text": text, "annotations": []}]
    return {
        "id": "resp_1",
        "object": "response",
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "model": model,
        "output": [
            {"id": "rs_1", "type": "reasoning", "summary": []},
            {"id": "msg_1", "type": "message", "role": "assistant", "content": content},
        ],
        "usage": {
            "input_tokens": _count(body),
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": len(text) // 4 + 9,
            "output_tokens_details": {"reasoning_tokens": 8},
        },
    }


def _openai_answer(model: str, path: str, body: Mapping[str, Json], text: str) -> Json:
    tier = {"service_tier": body["service_tier"]} if "service_tier" in body else {}
    if path.endswith("/responses"):
        return {**responses_answer(model, body, text), **tier}
    return {**chat_answer(model, path, body, text, refusal=None), **tier}


def _xai_answer(model: str, path: str, body: Mapping[str, Json], text: str) -> Json:
    answer = chat_answer(model, path, body, text, refusal=None)
    details: Json = {"reasoning_tokens": 5}
    usage = _with_more(answer["usage"], total=5, completion_tokens_details=details)
    return {**answer, "usage": usage}


def _deepseek_answer(model: str, path: str, body: Mapping[str, Json], text: str) -> Json:
    answer = chat_answer(model, path, body, text)
    misses = _count(body)
    usage = _with_more(
        answer["usage"], total=0, prompt_cache_hit_tokens=0, prompt_cache_miss_tokens=misses
    )
    return {**answer, "usage": usage}


def _together_answer(model: str, path: str, body: Mapping[str, Json], text: str) -> Json:
    answer = json.loads(json.dumps(chat_answer(model, path, body, text, tool_calls=[])))
    answer["choices"][0]["finish_reason"] = "eos"
    return {**answer, "prompt": [], "warnings": []}


def _anthropic_answer(model: str, path: str, body: Mapping[str, Json], text: str) -> Json:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": _count(body),
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": len(text) // 4 + 1,
        },
    }


def _google_answer(model: str, path: str, body: Mapping[str, Json], text: str) -> Json:
    prompt_tokens, answer_tokens = _count(body), len(text) // 4 + 1
    return {
        "candidates": [
            {
                "content": {"role": "model", "parts": [{"text": text}]},
                "finishReason": "STOP",
                "index": 0,
            }
        ],
        "usageMetadata": {
            "promptTokenCount": prompt_tokens,
            "candidatesTokenCount": answer_tokens,
            "thoughtsTokenCount": 7,
            "totalTokenCount": prompt_tokens + answer_tokens + 7,
            **({"serviceTier": body["serviceTier"]} if "serviceTier" in body else {}),
        },
        "modelVersion": model,
        "responseId": "google-1",
    }


def _openai_error(status: int, words: str) -> Json:
    kind = {429: "rate_limit_exceeded", 404: "model_not_found"}.get(status)
    group = "server_error" if status >= 500 else "invalid_request_error"
    return {"error": {"message": words, "type": group, "param": None, "code": kind}}


def _anthropic_error(status: int, words: str) -> Json:
    kind = _ANTHROPIC_TYPES.get(status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": words}, "request_id": "req_1"}


def _google_error(status: int, words: str) -> Json:
    kind = _GOOGLE_STATUSES.get(status, "UNKNOWN")
    return {"error": {"code": status, "message": words, "status": kind, "details": []}}


def _xai_error(status: int, words: str) -> Json:
    return {"code": "Some error", "error": words}


def _plain_error(status: int, words: str) -> Json:
    return {"error": words}


def listing(provider: Provider, served: list[str] | None) -> Json:
    """Return a provider's list of models."""
    ids = served if served is not None else [f"{provider}-model"]
    if provider == "google":
        models: list[Json] = [{"name": f"models/{name}", "displayName": name} for name in ids]
        return {"models": models}
    data: list[Json] = [{"id": name, "object": "model", "type": "model"} for name in ids]
    if provider == "together":  # a bare list
        return data
    if provider == "anthropic":
        return {"data": data, "has_more": False, "first_id": None, "last_id": None}
    return {"object": "list", "data": data}


def _with_more(counts: Json, *, total: int, **more: Json) -> Json:
    known = counts if isinstance(counts, dict) else {}
    whole = known["total_tokens"]
    return {**known, "total_tokens": (whole if isinstance(whole, int) else 0) + total, **more}


def _count(body: Mapping[str, Json]) -> int:
    return len(json.dumps(body)) // 4


def _is_chat(path: str) -> bool:
    return path.endswith("/chat/completions")


_OPENAI_HEADERS = {
    "x-request-id": "req-openai",
    "x-ratelimit-limit-requests": "5000",
    "x-ratelimit-remaining-requests": "4999",
    "x-ratelimit-reset-requests": "12ms",
    "x-ratelimit-limit-tokens": "30000000",
    "x-ratelimit-remaining-tokens": "29999000",
    "x-ratelimit-reset-tokens": "2ms",
}
_TOGETHER_HEADERS = {
    "x-ratelimit-limit": "100",
    "x-ratelimit-remaining": "99",
    "x-ratelimit-reset": "1",
    "x-tokenlimit-limit": "500000",
    "x-tokenlimit-remaining": "499000",
}
FORMATS: Mapping[Provider, Format] = {
    "openai": Format(
        is_call=lambda path: path.endswith(("/chat/completions", "/responses")),
        good=_openai_answer,
        error=_openai_error,
        headers=_OPENAI_HEADERS,
    ),
    "anthropic": Format(
        is_call=lambda path: path.endswith("/v1/messages"),
        good=_anthropic_answer,
        error=_anthropic_error,
        headers={"request-id": "req-anthropic"},
    ),
    "google": Format(
        is_call=lambda path: path.endswith(":generateContent"),
        good=_google_answer,
        error=_google_error,
    ),
    "xai": Format(is_call=_is_chat, good=_xai_answer, error=_xai_error),
    "together": Format(
        is_call=_is_chat, good=_together_answer, error=_openai_error, headers=_TOGETHER_HEADERS
    ),
    "huggingface": Format(is_call=_is_chat, good=chat_answer, error=_plain_error),
    "deepseek": Format(is_call=_is_chat, good=_deepseek_answer, error=_openai_error),
    "local": Format(is_call=_is_chat, good=chat_answer, error=_openai_error),
}
