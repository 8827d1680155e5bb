"""Hostile status lines and headers, and what stands around a reply."""

from collections.abc import Iterator
from functools import partial

from tests.support.hostile.kinds import Call, Hostile, Step, good, whole
from tests.support.hostile.raw_http import Field, encode, head, reply


def _good_with(name: str, *fields: Field) -> Hostile:
    return whole(name, good(fields=fields), stays_open=True)


def _sized() -> Iterator[Hostile]:
    yield _good_with("a header line of 9 KB", ("X-Long", "a" * 9000))
    yield _good_with("a header line of 1 MB", ("X-Long", "a" * 1_000_000))
    yield _good_with("a header name of 9 KB", ("X-" + "a" * 9000, "1"))
    yield _good_with("1,000 headers", *((f"X-{n}", "1") for n in range(1000)))
    yield _good_with("100,000 headers", *((f"X-{n}", "1") for n in range(100_000)))
    yield _good_with("one header 100 times", *([("X-Same", "1")] * 100))
    yield _good_with("cookies", *([("Set-Cookie", "a=" + "b" * 4000)] * 20))
    yield _good_with("8 KB of request id", ("x-request-id", "r" * 8000), ("request-id", "\x1b[2J"))


def _malformed() -> Iterator[Hostile]:
    lines = {
        "no colon": b"no colon here",
        "a blank before the colon": b"X-A : 1",
        "no name": b": 1",
        "a NUL": b"X-A: a\0b",
        "a bare CR": b"X-A: a\rX-B: b",
        "a bare LF": b"X-A: a\nX-B: b",
        "a fold": b"X-A: a\r\n b",
        "bytes beyond ASCII": b"X-A: \xff\xfe\xc3",
        "a name beyond ASCII": "X-ä: 1".encode(),
        "steering signs": b"X-A: \x1b[2J\x07",
        "nothing but a colon": b":",
        "a second reply": b"X-A: 1\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0",
    }
    for name, line in lines.items():
        yield whole(f"a header with {name}", partial(_with_line, line))


def _with_line(line: bytes, call: Call) -> bytes:
    length = b"Content-Length: %d" % len(call.good_bytes)
    return b"HTTP/1.1 200 OK\r\n" + line + b"\r\n" + length + b"\r\n\r\n" + call.good_bytes


def _status_lines() -> Iterator[Hostile]:
    lines = {
        "no reason": b"HTTP/1.1 200",
        "HTTP/3.7": b"HTTP/3.7 200 OK",
        "HTTP/1.0": b"HTTP/1.0 200 OK",
        "no version": b"200 OK",
        "another protocol": b"SSH-2.0-OpenSSH_9.9",
        "blanks": b"HTTP/1.1   200    OK",
        "a reason of 8 KB": b"HTTP/1.1 200 " + b"O" * 8000,
        "a reason of 100 KB": b"HTTP/1.1 200 " + b"O" * 100_000,
        "a line of 1 MB": b"H" * 1_000_000,
        "a reason with NUL": b"HTTP/1.1 200 O\0K",
        "nothing": b"",
    }
    for name, line in lines.items():
        yield whole(
            f"a status line with {name}",
            partial(_after_line, line),
        )
    yield whole("no HTTP at all", lambda call: call.good_bytes)
    for status in ("999", "000", "-1", "2e2", "99999", "20", "two", "600", "299", "201", "206"):
        yield whole(f"status {status}", good(status))


def _after_line(line: bytes, call: Call) -> bytes:
    return line + b"\r\nContent-Length: %d\r\n\r\n" % len(call.good_bytes) + call.good_bytes


def _informational() -> Iterator[Hostile]:
    go_on, early = head(100, reason="Continue"), head(103, [("Link", "</a>")], reason="Early Hints")
    for name, first in (("100", go_on), ("103", early)):
        yield whole(f"{name} before the reply", good(before=first))
        yield whole(f"{name} 10,000 times", good(before=first * 10_000))
        yield Hostile(f"{name} without end", _Again(first * 1000))
    yield whole("101", good(before=head(101, [("Upgrade", "websocket")])))
    yield whole("102 and no more", head(102, reason="Processing"))


class _Again:
    """The same bytes without end, as fast as they are read."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __call__(self, call: Call) -> Iterator[Step]:
        while True:
            yield self._data


def _good(call: Call) -> bytes:
    return reply(call.good_bytes)


def _redirects() -> Iterator[Hostile]:
    for status in (301, 302, 303, 307, 308):
        yield whole(
            f"{status} to itself",
            reply(b"", status, [("Location", "")], reason="Found"),
            stays_open=True,
        )
    places = ("http://127.0.0.1:1/", "file:///etc/passwd", "//", "\x00", "http://[::1", "a" * 7000)
    for place in places:
        yield whole(
            f"302 to {place[:20]!r}",
            reply(b"", 302, [("Location", place)]),
        )
    yield whole("304", head(304), stays_open=True)


def _around() -> Iterator[Hostile]:
    """Yield good replies with something before or after them on the connection."""
    after = {
        "a byte": b"x",
        "a line end": b"\r\n",
        "1 MB": b"x" * 1_000_000,
        "another reply": reply(b'{"error": "of another call"}', 500),
        "a NUL": b"\0",
    }
    for name, more in after.items():
        yield whole(f"after it {name}", good(after=more), stays_open=True)
        yield Hostile(f"a moment after it {name}", partial(_then, more), stays_open=True)
    yield whole("before it line ends", good(before=b"\r\n" * 10))
    yield whole("before it 1 MB of line ends", good(before=b"\r\n" * 500_000))
    yield Hostile("a good reply and an end", lambda call: [_good(call), "hang up"])
    yield whole(
        "keep-alive that is none",
        good(fields=[("Connection", "keep-alive")]),
    )
    yield _good_with("an upgrade", ("Upgrade", "h2c"), ("Connection", "Upgrade"))


def _then(more: bytes, call: Call) -> list[Step]:
    return [_good(call), 0.02, more]


def _limits() -> Iterator[Hostile]:
    """Yield good answers that announce nonsense about the rate, by every provider's names."""
    kinds: dict[str, tuple[str, str, str]] = {  # limit, remaining, reset
        "limits of 8,000 digits": ("9" * 8000, "9" * 8000, "9" * 8000),
        "limits of 0.0001": ("0.0001", "0", "1s"),
        "limits of 0": ("0", "0", "999999h"),
        "negative limits": ("-1", "-1", "-1s"),
        "limits NaN": ("nan", "nan", "nan"),
        "limits 1e999": ("1e999", "1e-999", "1e999s"),
        "limits in words": ("many", "few", "soon"),
        "limits in other digits": ("\u0661\u0662", "\u00b2", "\u0967s"),
        "limits of blanks": (" " * 7000, "\t" * 7000, ""),
    }
    for name, (limit, remaining, reset) in kinds.items():
        yield _good_with(name, *_limit_fields(limit, remaining, reset))
    for wait in ("31536000", "-1", "nan", "1e400", "Thu, 01 Jan 1970 00:00:00 GMT", "9" * 5000):
        yield _good_with(f"good, but Retry-After: {wait[:30]}", ("Retry-After", wait))


def _limit_fields(limit: str, remaining: str, reset: str) -> Iterator[Field]:
    for name, value in (("limit", limit), ("remaining", remaining), ("reset", reset)):
        for meter in ("requests", "tokens"):
            yield f"x-ratelimit-{name}-{meter}", value
            yield f"anthropic-ratelimit-{meter}-{name}", value
        yield f"x-ratelimit-{name}", value
        yield f"x-tokenlimit-{name}", value


def _closed_doors() -> Iterator[Hostile]:
    """Yield refusals that would close a lane, were they not one among many good answers."""
    page = b"<html><head><title>Just a moment...</title></head></html>"
    for status in (401, 403, 404, 405, 407, 410, 451):
        yield whole(
            f"a gateway's page with {status}",
            reply(page, status, content_type="text/html"),
            stays_open=True,
        )


def _busy() -> Iterator[Hostile]:
    """Yield a server's own troubles with waits that cannot be meant: one task gives up at most."""
    for wait in ("31536000", "-1", "Fri, 31 Dec 9999 23:59:59 GMT", "9" * 5000, "1e400", "\x00"):
        yield whole(
            f"503, Retry-After: {wait[:30]!r}",
            reply(b"busy", 503, [("Retry-After", wait)]),
            stays_open=True,
        )


def hostile_headers() -> list[Hostile]:
    """Return all of them."""
    return [
        *_sized(),
        *_malformed(),
        *_status_lines(),
        *_informational(),
        *_redirects(),
        *_around(),
        *_limits(),
        *_closed_doors(),
        *_busy(),
    ]


def hostile_waits() -> list[Hostile]:
    """Return waits that cannot be meant, for a run whose clock is quick: each costs minutes."""
    return list(_waits())


def _waits() -> Iterator[Hostile]:
    for wait in ("31536000", "Fri, 31 Dec 9999 23:59:59 GMT", "1e9", "99999999999999999999"):
        yield _refused(f"429, Retry-After: {wait[:30]}", ("Retry-After", wait))
    for name, fields in {
        "none left, resets in a year": ("60", "0", "31536000"),
        "limits of 0.0001": ("0.0001", "0", "999999h"),
        "limits of 0": ("0", "0", "0"),
    }.items():
        yield _refused(f"429, {name}", *_limit_fields(*fields))
    for reset in ("31536000", "9999-12-31T23:59:59Z", "1h" * 3500):
        yield _good_with(f"none left until {reset[:20]}", *_limit_fields("60", "0", reset))
    words = "Rate limit reached. Please try again in 99999h."
    yield whole("429 in words", lambda call: _refusal(call, words), stays_open=True)


def _refused(name: str, *fields: Field) -> Hostile:
    return whole(name, lambda call: _refusal(call, "too fast", *fields), stays_open=True)


def _refusal(call: Call, words: str, *fields: Field) -> bytes:

    return reply(encode(call.error(429, words)), 429, fields)
