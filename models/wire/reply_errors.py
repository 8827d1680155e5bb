"""An unsuccessful reply in, the ModelError that it stands for out: the body decides."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from config.clock import SystemClock
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
from models.wire.json_border import read_json
from models.wire.rate_headers import read_rate_signals

_Rules = Sequence[tuple[re.Pattern[str], type[ModelError]]]


def _rules(*rules: tuple[str, type[ModelError]]) -> _Rules:
    return tuple((re.compile(pattern, re.DOTALL), error_class) for pattern, error_class in rules)


# What a whole type, code or status in the body stands for, whatever the HTTP status says.
_BY_KIND = _rules(
    # Never worth a wait, though OpenAI says 429: insufficient_quota, credit_balance_exhausted,
    # organization_spend_limit_exceeded; Anthropic: billing_error, enforced_spend_limit_reached.
    (r"quota|spend_limit|credit|billing|payment_required", QuotaExhausted),
    (r"\A((unknown|invalid)_model\Z|model_(not|deprec|decom|retired))", ModelGone),
    (
        r"\A(invalid_api_key|api_key_invalid|authentication_error|unauthenticated|unauthorized"
        r"|permission_(error|denied)|failed_precondition)\Z|\Aunsupported_country",
        AuthFailed,
    ),
    (
        r"\A(rate_limit_(exceeded|error)|ramp_limit_exceeded|slow_down|resource_exhausted)\Z",
        RateLimited,
    ),
    (r"\A(overloaded_error|server_is_overloaded|(service_)?unavailable)\Z", Overloaded),
)
# The same for an error that comes with a 2xx, as in OpenAI's Responses with status "failed".
_BY_KIND_WITH_2XX = _rules(
    (
        r"\A((api|server|internal|internal_server|timeout)_error|internal|deadline_exceeded)\Z",
        Overloaded,
    ),
    (r"\Ainvalid_|_polic(y|ies)(_|\Z)|\Adata_residency_mismatch\Z", BadRequest),
    (r"\Anot_found(_error)?\Z", ModelGone),
)
# Words about this one request: xAI refuses a text with 403 and the words of a missing permission,
# OpenAI says 429 and rate_limit_exceeded of one prompt that is above a minute's tokens.
_BY_WORDS_FIRST = _rules((r"safety_check|usage guidelines|request too large", BadRequest))
# What the words say where the codes do not.
_BY_WORDS = _rules(
    (  # xAI and Google answer a wrong key with 400, Anthropic a closed organization
        r"(incorrect|invalid) api.?key|api.?key (is )?(not valid|invalid|expired|not found)"
        r"|location is not supported"
        r"|(account|organization) (is|has been) (disabled|deactivated)",
        AuthFailed,
    ),
    (  # DeepSeek's "Model Not Exist" comes with 400, Hugging Face's gated models with 403
        # what is said is said of the last "model" before it
        r"\bmodel\b((?!\bmodel\b).){0,120}?(not exist|not found|not available|no longer"
        r"|not supported by (any )?provider|been (deprecated|retired|decommissioned|removed))"
        r"|gated (repo|model)|model((?!model).){0,80} is gated|non-serverless model"
        r"|invalid model( name| id|:)|unknown model|not a valid model|no such model",
        ModelGone,
    ),
)
_NO_MONEY = re.compile(
    r"credit balance|insufficient balance|spend(ing)? (limit|cap)|api usage limit"
    r"|(used all|no|any|out of|included|insufficient)( \w+)? credits|credits (are|have been) deplet"
)
_NO_QUOTA = re.compile(r"exceeded your current quota")  # Google says so of a minute's quota too
_WORDS_MATTER_IN = frozenset({400, 403, 404, 422, 429})
_GOOGLE_FINAL_QUOTA = re.compile(r'"quotaId":\s*"[^"]*PerDay|"quotaValue":\s*"0"|\blimit: 0\b')
_BY_STATUS: Mapping[int, type[ModelError]] = {
    401: AuthFailed,
    403: AuthFailed,
    404: ModelGone,
    405: LaneClosed,  # a wrong address
    408: TimedOut,
    409: Overloaded,
    410: ModelGone,
    425: Overloaded,
    429: RateLimited,
    499: Overloaded,  # Google's CANCELLED
    501: BadRequest,
}
_MOST_BODY = 64_000  # characters; what an error has to say stands at its beginning
_MOST_WORDS_READ = 4_000  # of what the provider says in words
_MOST_CODES, _LONGEST_CODE = 20, 200
_MAX_WORDS = 300
_TAGS = re.compile(r"<(script|style)\b.*?(?:</\1>|\Z)|<[^<>]*>", re.DOTALL | re.IGNORECASE)
_TITLE = re.compile(r"<title[^<>]*>([^<]*)</title>", re.IGNORECASE)
# OpenAI and xAI repeat both ends of a wrong key.
_KEY_LIKE = re.compile(r"(?:\bsk-|\bxai-|\bhf_|\btgp_|\bAIza)[\w*.-]{6,}")
_REQUEST_ID_HEADERS = ("x-request-id", "request-id")


@dataclass(frozen=True, slots=True)
class _Complaint:
    """What a body says: the provider's words, and its types, codes and statuses in lower case."""

    words: str
    kinds: tuple[str, ...] = ()
    status: int | None = None


def error_from_reply(
    provider: str,
    status: int,
    headers: Mapping[str, str],
    body: str,
    ignored: Callable[[str], None] = lambda _: None,
) -> ModelError:
    """Return the error of one reply, with what it said about limits.

    body: the reply's text as it came, JSON or not; only its beginning is looked at. A 2xx is taken
    for a reply that holds an error. ignored: is told of limits that cannot be meant.
    """
    body = body[:_MOST_BODY]
    complaint = _read_complaint(body)
    error_class = _classify(provider, status, complaint, body)
    if 300 <= status < 400:
        complaint = _Complaint("a redirect, which is not followed with a key: is the URL right?")
    return error_class(
        f"{provider} answered {status}: {_one_line(complaint)}",
        status=status,
        signals=read_rate_signals(provider, headers, body, SystemClock().time(), ignored),
        request_id=read_request_id(headers),
    )


def read_request_id(headers: Mapping[str, str]) -> str | None:
    """Return the provider's name for the call, where its headers give one."""
    fields = {name.lower(): value for name, value in headers.items()}
    return next((fields[name] for name in _REQUEST_ID_HEADERS if fields.get(name)), None)


def _classify(
    provider: str, http_status: int, complaint: _Complaint, body: str
) -> type[ModelError]:
    with_2xx = 200 <= http_status < 300
    status = (complaint.status or http_status) if with_2xx else http_status
    words = complaint.words.lower() if with_2xx or status in _WORDS_MATTER_IN else ""
    if status == 402 or _is_out_of_money(provider, words, body):
        return QuotaExhausted
    return (
        _first_match(_BY_WORDS_FIRST, (words,))
        or _first_match(_BY_KIND, complaint.kinds)
        or (_first_match(_BY_KIND_WITH_2XX, complaint.kinds) if with_2xx else None)
        or _first_match(_BY_WORDS, (words,))
        or _by_status(status)
    )


def _is_out_of_money(provider: str, words: str, body: str) -> bool:
    """Tell whether words, or Google's details, speak of what no wait of minutes brings back."""
    if provider == "google":
        return bool(_NO_MONEY.search(words) or _GOOGLE_FINAL_QUOTA.search(body))
    return bool(_NO_MONEY.search(words) or _NO_QUOTA.search(words))


def _first_match(rules: _Rules, texts: Sequence[str]) -> type[ModelError] | None:
    for pattern, error_class in rules:
        if any(pattern.search(text) for text in texts):
            return error_class
    return None


def _by_status(status: int) -> type[ModelError]:
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if 200 <= status < 300:
        return BadReply
    if 300 <= status < 400:
        return LaneClosed
    if not 400 <= status < 600:  # no HTTP status at all
        return BadReply
    return BadRequest if status < 500 else Overloaded


def _read_complaint(body: str) -> _Complaint:
    try:
        content = read_json(body)
    except ValueError:
        return _Complaint(_plain_text(body[:_MOST_WORDS_READ]))
    if isinstance(content, list) and content:  # Google's, when streaming was asked for
        content = content[0]
    if not isinstance(content, dict):
        return _Complaint(body[:_MOST_WORDS_READ])
    error = content.get("error")
    inner = error if isinstance(error, dict) else {}
    words = next(_words(inner, error, content), body)[:_MOST_WORDS_READ]
    told = islice((*_codes(inner), *_codes(content)), _MOST_CODES)
    codes = [code for value in told if (code := _code(value))]
    status = next((int(code) for code in codes if re.fullmatch("[45][0-9]{2}", code)), None)
    return _Complaint(words, tuple(code for code in codes if not code.isdecimal()), status)


def _words(
    inner: Mapping[str, object], error: object, content: Mapping[str, object]
) -> Iterator[str]:
    candidates = (inner.get("message"), error, content.get("message"), content.get("detail"))
    for candidate in candidates:
        if isinstance(candidate, str) and candidate.strip():
            yield candidate
    if inner:
        with suppress(RecursionError):  # it is written at less depth than it is read
            yield json.dumps(inner)


def _codes(content: Mapping[str, object]) -> Iterator[object]:
    """Yield what names the kind of an error, the most exact name first."""
    details = content.get("details")
    if isinstance(details, dict):  # Anthropic's error.details.error_code
        yield details.get("error_code")
    elif isinstance(details, list):  # Google's ErrorInfo
        yield from (detail.get("reason") for detail in details if isinstance(detail, dict))
    yield from (content.get(name) for name in ("code", "type", "status"))


def _code(value: object) -> str:
    return str(value)[:_LONGEST_CODE].lower() if isinstance(value, str | int | float) else ""


def _plain_text(body: str) -> str:
    title = _TITLE.search(body)
    return title[1] if title else _TAGS.sub(" ", body)


def _one_line(complaint: _Complaint) -> str:
    words = " ".join(_KEY_LIKE.sub("[key]", complaint.words).split()) or "no text"
    if len(words) > _MAX_WORDS:
        words = words[: _MAX_WORDS - 3] + "..."
    code = next(iter(complaint.kinds), "")
    return words if code in words.lower() else f"{words} ({code[:60]})"
