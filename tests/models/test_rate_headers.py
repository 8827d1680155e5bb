"""Rate limits as each provider's headers and bodies tell them."""

import json
from collections.abc import Mapping

import pytest

from config.rate_signal import RateSignal
from models.wire.rate_headers import read_duration, read_rate_signals

NOW = 1_790_000_000.0  # 2026-09-21 14:13:20 UTC


def read(
    provider: str, headers: Mapping[str, str], body: str | None = None
) -> tuple[RateSignal, ...]:
    return read_rate_signals(provider, headers, body, NOW)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("6m0s", 360.0),
        ("120ms", 0.12),
        ("9ms", 0.009),
        ("1s", 1.0),
        ("1h2m3.5s", 3723.5),
        ("2d", 172800.0),
        ("750us", 0.00075),
        ("22.5s", 22.5),
        ("0s", 0.0),
        ("12", 12.0),
        ("0.5", 0.5),
        ("", None),
        ("soon", None),
        ("5 s", None),
        ("s", None),
        ("1m-2s", None),
        ("nan", None),
        ("inf", None),
    ],
)
def test_durations(text: str, seconds: float | None) -> None:
    assert read_duration(text) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize("provider", ["openai", "xai", "huggingface", "local", "myprovider"])
def test_openais_headers(provider: str) -> None:
    headers = {
        "X-RateLimit-Limit-Requests": "5000",
        "x-ratelimit-remaining-requests": "4999",
        "x-ratelimit-reset-requests": "12ms",
        "x-ratelimit-limit-tokens": "800000",
        "x-ratelimit-remaining-tokens": "0",
        "x-ratelimit-reset-tokens": "6m0s",
    }
    assert read(provider, headers) == (
        RateSignal(
            meter="requests",
            scope="model",
            limit_per_minute=5000.0,
            remaining=4999.0,
            reset_seconds=0.012,
        ),
        RateSignal(
            meter="tokens",
            scope="model",
            limit_per_minute=800000.0,
            remaining=0.0,
            reset_seconds=360.0,
        ),
    )


def test_a_daily_limit_on_requests_is_no_limit_a_minute() -> None:
    headers = {
        "x-ratelimit-limit-requests": "200",
        "x-ratelimit-remaining-requests": "199",
        "x-ratelimit-reset-requests": "7m12s",
    }
    (signal,) = read("openai", headers)
    assert (signal.limit_per_minute, signal.remaining, signal.reset_seconds) == (None, 199.0, 432.0)


@pytest.mark.parametrize("count", ["tokens_usage_based", "project-tokens", "tokens-minute"])
def test_variants_of_openais_names(count: str) -> None:
    (signal,) = read("openai", {f"x-ratelimit-limit-{count}": "1000"})
    assert (signal.meter, signal.limit_per_minute) == ("tokens", 1000.0)


@pytest.mark.parametrize(
    "headers",
    [
        {"x-ratelimit-limit-requests": "-1", "x-ratelimit-remaining-requests": "-1"},
        {"x-ratelimit-limit-requests": "0", "x-ratelimit-remaining-requests": "0"},
        {"x-ratelimit-limit-requests": "many"},
        {"x-ratelimit-limit-requests": "inf"},
        {"x-ratelimit-limit-images": "5"},
        {"x-ratelimit-limit-requests-day": "5"},
        {"x-ratelimit-remaining-requests": "-1"},
        {"x-ratelimit-reset-requests": "1s"},
        {"anthropic-priority-input-tokens-limit": "5"},
        {"anthropic-ratelimit-priority-input-tokens-limit": "5"},
        {"retry-after": "soon"},
        {"retry-after": ""},
        {},
    ],
)
def test_what_is_no_limit_is_left_out(headers: Mapping[str, str]) -> None:
    assert read("openai", headers) == ()


def test_what_a_reply_does_not_say_stays_none() -> None:
    (signal,) = read("openai", {"x-ratelimit-remaining-tokens": "7"})
    assert signal == RateSignal(meter="tokens", scope="model", remaining=7.0)


def test_anthropics_headers() -> None:
    headers = {
        "anthropic-ratelimit-requests-limit": "1000",
        "anthropic-ratelimit-requests-remaining": "999",
        "anthropic-ratelimit-requests-reset": "2026-09-21T14:13:30Z",
        "anthropic-ratelimit-input-tokens-limit": "80000",
        "anthropic-ratelimit-input-tokens-remaining": "0",
        "anthropic-ratelimit-input-tokens-reset": "2026-09-21T14:13:10Z",
        "anthropic-ratelimit-output-tokens-limit": "16000",
        "anthropic-ratelimit-output-tokens-reset": "2026-09-21T16:14:20+02:00",
        "anthropic-ratelimit-tokens-limit": "96000",
        "anthropic-ratelimit-tokens-reset": "whenever",
    }
    seen = {
        signal.meter: (signal.limit_per_minute, signal.remaining, signal.reset_seconds)
        for signal in read("anthropic", headers)
    }
    assert seen == {
        "requests": (1000.0, 999.0, 10.0),
        "input_tokens": (80000.0, 0.0, 0.0),
        "output_tokens": (16000.0, None, 60.0),
        "tokens": (96000.0, None, None),
    }


def test_together_counts_by_the_second() -> None:
    headers = {
        "x-ratelimit-limit": "10",
        "x-ratelimit-remaining": "9",
        "x-ratelimit-reset": "1",
        "x-tokenlimit-limit": "3000",
        "x-tokenlimit-remaining": "2900",
    }
    requests, tokens = read("together", headers)
    assert requests == RateSignal(
        meter="requests",
        scope="model",
        limit_per_minute=600.0,
        remaining=9.0,
        reset_seconds=1.0,
    )
    assert (tokens.meter, tokens.limit_per_minute, tokens.remaining) == ("tokens", 180000.0, 2900.0)
    assert read("openai", headers) == ()


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "20"}, 20.0),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "1m30s"}, 90.0),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"retry-after-ms": "odd", "retry-after": "2"}, 2.0),
        ({"retry-after": "Mon, 21 Sep 2026 14:13:50 GMT"}, 30.0),
        ({"retry-after": "Mon, 21 Sep 2026 14:00:00 GMT"}, 0.0),
    ],
)
def test_wait_hints(headers: Mapping[str, str], seconds: float) -> None:
    (signal,) = read("openai", headers)
    assert signal.retry_after_seconds == pytest.approx(seconds)
    assert signal == RateSignal(retry_after_seconds=signal.retry_after_seconds)


def test_dates_count_from_the_replys_own_date() -> None:
    headers = {
        "Date": "Mon, 21 Sep 2026 13:00:00 GMT",  # this machine's clock is an hour ahead
        "Retry-After": "Mon, 21 Sep 2026 13:00:05 GMT",
        "anthropic-ratelimit-requests-limit": "50",
        "anthropic-ratelimit-requests-reset": "2026-09-21T13:00:20Z",
    }
    requests, wait = read("anthropic", headers)
    assert (requests.reset_seconds, wait.retry_after_seconds) == (20.0, 5.0)


def test_a_reset_may_be_a_date_in_seconds() -> None:
    headers = {"x-ratelimit-limit-requests": "60", "x-ratelimit-reset-requests": str(NOW + 30)}
    assert read("huggingface", headers)[0].reset_seconds == 30.0


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("Rate limit reached for gpt-x. Limit: 3 / min. Please try again in 20s.", 20.0),
        ("Please try again in 6m0s. Visit the docs.", 360.0),
        ("Please try again in 120ms.", 0.12),
        ("Please retry in 22.5s.", 22.5),
    ],
)
def test_a_wait_in_words_is_the_last_resort(words: str, seconds: float) -> None:
    body = json.dumps({"error": {"message": words}})
    assert read("openai", {}, body)[0].retry_after_seconds == pytest.approx(seconds)
    assert read("openai", {"retry-after": "1"}, body)[0].retry_after_seconds == 1.0


def google_body(*details: object) -> str:
    return json.dumps({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "details": details}})


def quota(quota_id: str, value: str = "15", metric: str = "generate_requests") -> object:
    kind = "type.googleapis.com/google.rpc.QuotaFailure"
    violation = {"quotaMetric": metric, "quotaId": quota_id, "quotaValue": value}
    return {"@type": kind, "violations": [violation]}


def retry_info(delay: str) -> object:
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}


HELP = {"@type": "type.googleapis.com/google.rpc.Help", "links": [{"url": "https://ai.google"}]}
PER_MINUTE = "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"
PER_DAY = "GenerateRequestsPerDayPerProjectPerModel-FreeTier"


def test_googles_body() -> None:
    body = google_body(quota(PER_MINUTE), HELP, retry_info("22s"))
    assert read("google", {}, body) == (
        RateSignal(meter="requests", scope="model", limit_per_minute=15.0),
        RateSignal(retry_after_seconds=22.0),
    )
    assert read("openai", {}, body) == (), "its format is read at Google alone"


def test_googles_body_in_a_list() -> None:
    assert read("google", {}, f"[{google_body(retry_info('1.5s'))}]") == (
        RateSignal(retry_after_seconds=1.5),
    )


@pytest.mark.parametrize(
    ("detail", "meter", "scope"),
    [
        (quota("GenerateContentInputTokensPerModelPerMinute-FreeTier"), "input_tokens", "model"),
        (quota("TokensPerMinutePerProject", metric="tokens"), "tokens", "key"),
        (quota("RequestsPerMinutePerProject"), "requests", "key"),
    ],
)
def test_googles_meters(detail: object, meter: str, scope: str) -> None:
    (signal,) = read("google", {}, google_body(detail))
    assert (signal.meter, signal.scope) == (meter, scope)


def test_googles_wait_is_not_believed_when_the_days_quota_is_used_up() -> None:
    body = google_body(quota(PER_DAY), quota(PER_MINUTE), retry_info("22s"))
    assert all(signal.retry_after_seconds is None for signal in read("google", {}, body))


@pytest.mark.parametrize(
    "body",
    ["", "<html>", "[]", "null", "7", '{"error": "odd"}', '{"error": {"details": 7}}', '{"error"'],
)
def test_odd_bodies_at_google_say_nothing(body: str) -> None:
    assert read("google", {}, body) == ()


def test_googles_zero_is_no_limit() -> None:
    assert read("google", {}, google_body(quota(PER_MINUTE, value="0"))) == ()


def test_deepseek_limits_calls_in_flight() -> None:
    body = json.dumps({"error": {"message": "Too many concurrent requests"}})
    expected = RateSignal(meter="concurrency", scope="model")
    assert read("deepseek", {}, body) == (expected,)
    assert read("deepseek", {}, json.dumps({"error": {"message": "Insufficient Balance"}})) == ()
    assert read("deepseek", {}) == ()


@pytest.mark.parametrize(
    ("provider", "headers", "told"),
    [
        ("xai", {"x-ratelimit-limit-requests": "0.0001"}, "a limit of 0.0001 requests"),
        ("xai", {"x-ratelimit-limit-tokens": "0.5"}, "a limit of 0.5 tokens"),
        ("xai", {"x-ratelimit-limit-requests": "inf"}, "a limit of inf requests"),
        ("xai", {"x-ratelimit-limit-requests": "nan"}, "a limit of nan requests"),
        ("xai", {"x-ratelimit-limit-requests": "1e9"}, "a limit of 1e9 requests"),
        ("xai", {"x-ratelimit-limit-requests": "1_000"}, "a limit of 1_000 requests"),
        ("xai", {"x-ratelimit-limit-requests": "٦٠"}, "a limit of ٦٠ requests"),
        ("xai", {"x-ratelimit-limit-requests": "plenty"}, "a limit of plenty requests"),
        ("xai", {"x-ratelimit-limit-requests": "9" * 8000}, f"a limit of {'9' * 64} requests"),
        (
            "xai",
            {"x-ratelimit-limit-requests": "0.1", "x-ratelimit-remaining-requests": "0"},
            "a limit of 0.1 requests",
        ),
        ("xai", {"x-ratelimit-remaining-requests": "0.5"}, "0.5 requests remaining"),
        ("xai", {"x-ratelimit-remaining-tokens": "-7"}, "-7 tokens remaining"),
        ("anthropic", {"anthropic-ratelimit-requests-limit": "0.01"}, "a limit of 0.01 requests"),
        ("together", {"x-ratelimit-limit": "0.001"}, "a limit of 0.001 requests"),
        ("xai", {"retry-after": "99999999999"}, "a wait of 99999999999 s"),
        ("xai", {"retry-after": "900d"}, "a wait of 77760000 s"),
        ("xai", {"retry-after": "Thu, 01 Jan 9999 00:00:00 GMT"}, "a wait of 251580764800 s"),
    ],
)
def test_what_cannot_be_meant_is_no_signal(
    provider: str, headers: Mapping[str, str], told: str
) -> None:
    ignored: list[str] = []
    assert read_rate_signals(provider, headers, "", NOW, ignored.append) == ()
    assert ignored == [told]


@pytest.mark.parametrize("value", ["-1", "0", "0.0"])
def test_no_limit_is_no_nonsense(value: str) -> None:
    ignored: list[str] = []
    headers = {"x-ratelimit-limit-requests": value, "x-ratelimit-remaining-requests": value}
    assert read_rate_signals("xai", headers, "", NOW, ignored.append) == ()
    assert ignored == []


def test_of_a_limit_only_what_cannot_be_meant_is_ignored() -> None:
    ignored: list[str] = []
    headers = {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "3.7",
        "x-ratelimit-reset-requests": "999999h",
    }
    signals = read_rate_signals("xai", headers, None, NOW, ignored.append)
    assert signals == (RateSignal(meter="requests", scope="model", limit_per_minute=60.0),)
    assert ignored == [
        "3.7 requests remaining",
        "999999h as the time until requests are whole again",
    ]


def test_a_quota_of_google_below_one_a_minute() -> None:
    ignored: list[str] = []
    violation = {"quotaId": "RequestsPerMinutePerModel", "quotaValue": "0.25"}
    body = json.dumps({"error": {"details": [{"violations": [violation]}]}})
    assert read_rate_signals("google", {}, body, NOW, ignored.append) == ()
    assert ignored == ["a quota of 0.25 a minute"]


@pytest.mark.parametrize(
    "text", ["١٢", "\uff11\uff12", "1٢s", "५m", "²", "1e3s", "+5", "0x10", "1,000"]
)
def test_other_scripts_digits_are_no_durations(text: str) -> None:
    assert read_duration(text) is None
    assert read("xai", {"retry-after": text}) == ()
