"""Headers and bodies of replies in, what they say about the provider's limits out."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache

import msgspec

from config.rate_signal import Meter, RateSignal
from models.wire.json_border import read_json

# OpenAI and those who follow it: x-ratelimit-limit-requests; Anthropic turns it round:
# anthropic-ratelimit-requests-limit. Anthropic's priority-* sets count another service tier.
_LIMIT_HEADER = re.compile(
    r"\Ax-ratelimit-(?P<field>limit|remaining|reset)-(?P<count>[a-z_-]+)"
    r"|\Aanthropic-ratelimit-(?P<count2>[a-z-]+)-(?P<field2>limit|remaining|reset)"
)
_COUNT = re.compile(
    r"(?:project-)?(?P<meter>requests|tokens|input-tokens|output-tokens)(?:_usage_based|-minute)?"
)
_METERS: Mapping[str, Meter] = {
    "requests": "requests",
    "tokens": "tokens",
    "input-tokens": "input_tokens",
    "output-tokens": "output_tokens",
}
_TOGETHER_STEMS: Mapping[str, Meter] = {"x-ratelimit": "requests", "x-tokenlimit": "tokens"}
_DURATION = re.compile(r"\A(?:\d++(?:\.\d++)?(?:ms|us|µs|ns|d|h|m|s))++\Z")
_DURATION_PART = re.compile(r"(?<![\d.])(\d++(?:\.\d++)?)(ms|us|µs|ns|d|h|m|s)")
_UNIT_SECONDS: Mapping[str, float] = {
    "d": 86400.0,
    "h": 3600.0,
    "m": 60.0,
    "s": 1.0,
    "ms": 1e-3,
    "us": 1e-6,
    "µs": 1e-6,
    "ns": 1e-9,
}
_NUMBER = re.compile(r"\A-?[0-9]{1,15}(?:\.[0-9]{1,15})?\Z")
_LONGEST_VALUE = 64  # characters of a header; no date and no count is longer
_LONGEST_WAIT_SECONDS = 366 * 86_400.0  # what is longer is a mistake, and no calendar holds it
_LEAST_PER_MINUTE = 1.0
_WAIT_IN_WORDS = re.compile(r"(?:try again|retry) in ((?:\d+(?:\.\d+)?(?:ms|h|m|s))+)")
# OpenAI names its daily limits RPD and TPD, Groq "requests per day", others "daily quota".
_DAILY_IN_WORDS = re.compile(r"\bper day\b|\b[rt]pd\b|\bdaily\b", re.IGNORECASE)
_CONCURRENCY_IN_WORDS = re.compile(r"concurren|too many requests|rate limit", re.IGNORECASE)
# Providers whose every reply carries its limits, as far as their own addresses go.
ANNOUNCES_LIMITS = frozenset({"openai", "anthropic", "together"})
_EARLIEST_EPOCH_SECONDS = 1e9  # a reset above this is a date, not a wait


class _Violation(msgspec.Struct):
    quotaId: str = ""  # noqa: N815
    quotaMetric: str = ""  # noqa: N815
    quotaValue: str = ""  # noqa: N815


class _Detail(msgspec.Struct):
    kind: str = msgspec.field(name="@type", default="")
    retryDelay: str = ""  # noqa: N815
    violations: list[_Violation] = []


class _GoogleError(msgspec.Struct):
    details: list[_Detail] = []


class _GoogleBody(msgspec.Struct):
    error: _GoogleError


def read_rate_signals(
    provider: str,
    headers: Mapping[str, str],
    body: str | None,
    now_wall_seconds: float,
    ignored: Callable[[str], None] = lambda _: None,
) -> tuple[RateSignal, ...]:
    """Return what a reply said about limits, the plainest wait hint last.

    headers: in any case. body: of a refusal, None for an answer. Dates count from the reply's own
    Date header where it has one, so that a wrong clock on this machine does no harm.
    ignored: is told what cannot be meant, of which no signal is made: a limit below one a minute,
    a count that is no whole number, a wait of more than a year.
    """
    fields = {name.lower(): value[:_LONGEST_VALUE].strip() for name, value in headers.items()}
    now = _http_date(fields.get("date", ""))
    now = now_wall_seconds if now is None else now
    signals = [*_header_limits(fields, now, ignored)]
    if provider == "together":
        signals += _together_limits(fields, ignored)
    signals += _body_limits(provider, body or "", ignored)
    wait = _wait_hint(provider, fields, body or "", now)
    if wait is not None and wait > _LONGEST_WAIT_SECONDS:
        ignored(f"a wait of {wait:.0f} s")
    elif wait is not None:
        is_daily = bool(_DAILY_IN_WORDS.search(body or ""))
        signals.append(RateSignal(retry_after_seconds=wait, is_daily=is_daily))
    return tuple(signals)


def read_duration(text: str) -> float | None:
    """Return the seconds of "6m0s", "120ms", "1h2m3.5s" or "12", None for anything else."""
    if not text.replace("µ", "").isascii():  # digits of other scripts, which float() takes
        return None
    if _DURATION.match(text):
        return sum(float(n) * _UNIT_SECONDS[unit] for n, unit in _DURATION_PART.findall(text))
    return _number(text)


def _header_limits(
    fields: Mapping[str, str], now: float, ignored: Callable[[str], None]
) -> Iterator[RateSignal]:
    counts: dict[str, dict[str, str]] = {}
    for name, value in fields.items():
        if match := _LIMIT_HEADER.fullmatch(name):
            count = match["count"] or match["count2"]
            counts.setdefault(count, {})[match["field"] or match["field2"]] = value
    for count, values in counts.items():
        if match := _COUNT.fullmatch(count):
            yield from _signal(_METERS[match["meter"]], values, now, ignored)


def _together_limits(
    fields: Mapping[str, str], ignored: Callable[[str], None]
) -> Iterator[RateSignal]:
    """Yield Together's limits, which count by the second (docs.together.ai, rate limits)."""
    for stem, meter in _TOGETHER_STEMS.items():
        names = ("limit", "remaining", "reset")
        values = {name: fields[f"{stem}-{name}"] for name in names if f"{stem}-{name}" in fields}
        if values:
            yield from _signal(meter, values, 0.0, ignored, windows_per_minute=60.0)


def _signal(
    meter: Meter,
    values: Mapping[str, str],
    now: float,
    ignored: Callable[[str], None],
    windows_per_minute: float = 1.0,
) -> Iterator[RateSignal]:
    """Yield a limit as described, or nothing where its figure is no limit (-1, 0) or no figure."""
    limit = _number(values.get("limit", ""))
    if "limit" in values and (limit is None or limit * windows_per_minute < _LEAST_PER_MINUTE):
        if limit is None or limit > 0:
            ignored(f"a limit of {values['limit']} {meter}")
        return
    remaining = _number(values.get("remaining", ""))
    if remaining is not None and not (remaining >= 0 and remaining.is_integer()):
        ignored(f"{values['remaining']} {meter} remaining")
        remaining = None
    reset = _reset_seconds(values.get("reset", ""), now)
    if reset is not None and reset > _LONGEST_WAIT_SECONDS:
        ignored(f"{values['reset']} as the time until {meter} are whole again")
        reset = None
    if limit is None and remaining is None:
        return
    by_the_day = limit is not None and _counts_by_the_day(meter, limit, remaining, reset)
    per_minute = None if limit is None or by_the_day else limit * windows_per_minute
    yield RateSignal(
        meter=meter,
        scope="model",
        limit_per_minute=per_minute,
        remaining=remaining,
        reset_seconds=reset,
        is_daily=by_the_day and remaining == 0,
    )


def _counts_by_the_day(
    meter: Meter, limit: float, remaining: float | None, reset: float | None
) -> bool:
    """Tell whether a limit on requests is a daily one, which OpenAI names like the others.

    A limit of 200 a day of which 199 remain is whole again in 1440 / 200 minutes.
    """
    if meter != "requests" or remaining is None or reset is None or remaining >= limit:
        return False
    return 70_000 < reset * limit / (limit - remaining) < 100_000


def _body_limits(provider: str, body: str, ignored: Callable[[str], None]) -> Iterator[RateSignal]:
    if provider == "google":
        for violation in _google_violations(body):
            yield from _google_limit(violation, ignored)
    elif provider == "deepseek" and _CONCURRENCY_IN_WORDS.search(body):
        # Its limit is on calls in flight (api-docs.deepseek.com, rate_limit); no header names it.
        yield RateSignal(meter="concurrency", scope="model")


def _google_limit(violation: _Violation, ignored: Callable[[str], None]) -> Iterator[RateSignal]:
    limit = _number(violation.quotaValue)
    if "PerMinute" not in violation.quotaId or (limit is not None and limit <= 0):
        return
    if limit is not None and limit < _LEAST_PER_MINUTE:
        ignored(f"a quota of {limit:g} a minute")
        return
    name = f"{violation.quotaId} {violation.quotaMetric}".lower()
    meter: Meter = "requests"
    if "token" in name:
        meter = "input_tokens" if "input" in name else "tokens"
    yield RateSignal(
        meter=meter,
        scope="model" if "PerModel" in violation.quotaId else "key",
        limit_per_minute=limit,
    )


def _wait_hint(provider: str, fields: Mapping[str, str], body: str, now: float) -> float | None:
    if (milliseconds := _number(fields.get("retry-after-ms", ""))) is not None:
        return max(0.0, milliseconds / 1000)
    retry_after = fields.get("retry-after", "")
    if (seconds := read_duration(retry_after)) is not None:
        return max(0.0, seconds)
    if (date := _http_date(retry_after)) is not None:
        return max(0.0, date - now)
    if provider == "google" and (seconds := _google_wait(body)) is not None:
        return seconds
    in_words = _WAIT_IN_WORDS.search(body)
    return read_duration(in_words[1]) if in_words and not _google_daily(body) else None


def _google_wait(body: str) -> float | None:
    """Return RetryInfo's wait, unless a day's quota is used up: then it says a few seconds too."""
    if _google_daily(body):
        return None
    waits = [read_duration(detail.retryDelay) for detail in _google_details(body)]
    return max((wait for wait in waits if wait is not None), default=None)


def _google_daily(body: str) -> bool:
    return any("PerDay" in violation.quotaId for violation in _google_violations(body))


def _google_violations(body: str) -> list[_Violation]:
    return [found for detail in _google_details(body) for found in detail.violations]


def _google_details(body: str) -> list[_Detail]:
    try:
        content = read_json(body)
        first = content[0] if isinstance(content, list) and content else content
        return msgspec.convert(first, _GoogleBody, strict=False).error.details
    except ValueError:  # includes msgspec's: not JSON, or not an error of this shape
        return []


def _reset_seconds(text: str, now: float) -> float | None:
    seconds = read_duration(text)
    if seconds is not None and seconds > _EARLIEST_EPOCH_SECONDS:
        return max(0.0, seconds - now)
    if seconds is not None:
        return max(0.0, seconds)
    try:
        return max(0.0, datetime.fromisoformat(text).timestamp() - now) if text else None
    except (ValueError, OverflowError):
        return None


@lru_cache(maxsize=16)  # all replies of a second carry the same date
def _http_date(text: str) -> float | None:
    if not text:
        return None
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError, IndexError, TypeError):
        return None


def _number(text: str) -> float | None:
    """Return a plain decimal number; not what else Python takes for one (nan, 1e9, ١٢)."""
    return float(text) if _NUMBER.match(text) else None
