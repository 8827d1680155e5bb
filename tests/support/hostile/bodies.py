"""Hostile bodies: bombs, drips, endless ones, wrong lengths, floods, and odd encodings."""

import gzip
import itertools
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from tests.support.hostile.kinds import Call, Hostile, Step, body, good, whole
from tests.support.hostile.raw_http import (
    MIB,
    Packing,
    bomb,
    chunk,
    chunked_head,
    encode,
    head,
    packed,
    reply,
)

Packer = Callable[[bytes], bytes]


def _bombs() -> Iterator[Hostile]:
    encodings: tuple[Packing, ...] = ("gzip", "deflate", "br", "zstd")
    for encoding in encodings:
        yield whole(
            f"a bomb of {encoding}",
            partial(_bomb, encoding),
        )
    gzipped = [("Content-Encoding", "gzip")]
    yield whole(
        "a bomb after a good answer",
        lambda call: reply(bomb("gzip", call.good_bytes), fields=gzipped),
    )
    for status in (429, 500):
        yield whole(
            f"a bomb with status {status}",
            partial(_bomb, "gzip", status=status),
        )
    yield whole(
        "a bomb in a bomb",
        lambda call: reply(
            gzip.compress(bomb("gzip")), fields=[("Content-Encoding", "gzip, gzip")]
        ),
    )


def _bomb(encoding: Packing, call: Call, status: int = 200) -> bytes:
    return reply(bomb(encoding), status, [("Content-Encoding", encoding)])


def _slow(call: Call) -> Iterator[Step]:
    yield chunked_head()
    while True:
        yield chunk(b"\n")
        yield 0.5


def _slow_head(call: Call) -> Iterator[Step]:
    yield b"HTTP/1.1 200 OK\r\n"
    for number in itertools.count():
        yield 0.5
        yield b"X-%d: 1\r\n" % number


def _endless(unit: bytes, status: int = 200) -> "Endless":
    return Endless(unit, status)


class Endless:
    """A body of chunks that never ends, as fast as it is read."""

    def __init__(self, unit: bytes, status: int) -> None:
        self._chunk = chunk(unit * (64 * 1024 // len(unit)))
        self._status = status

    def __call__(self, call: Call) -> Iterator[Step]:
        yield chunked_head(self._status)
        yield from itertools.repeat(self._chunk)


def _until_closed(call: Call) -> Iterator[Step]:
    yield head(version="HTTP/1.0", fields=[("Content-Type", "application/json")])
    yield from itertools.repeat(b'{"a": 1}' * 8192)


def _silent(call: Call) -> Iterator[Step]:
    yield 3600.0


def _lengths() -> Iterator[Hostile]:
    for length in ("-1", "ten", "1" + "0" * 30, "1, 2", "", "0x40", "+5"):
        yield whole(
            f"the length {length!r}",
            partial(_under, head(fields=[("Content-Length", length)])),
        )
    yield whole("a length too small", lambda call: _with_length(call, -40))
    yield whole("a length too great", lambda call: _with_length(call, 40))
    yield Hostile("a length too great, held", lambda call: [_with_length(call, 40), 3600.0])
    yield whole(
        "two lengths",
        lambda call: (
            head(fields=[("Content-Length", "5"), ("Content-Length", "7")]) + call.good_bytes
        ),
    )
    yield whole(
        "a length and chunks",
        lambda call: (
            head(fields=[("Content-Length", "5"), ("Transfer-Encoding", "chunked")])
            + chunk(call.good_bytes)
            + chunk(b"")
        ),
    )


def _under(top: bytes, call: Call) -> bytes:
    return top + call.good_bytes


def _with_length(call: Call, more: int) -> bytes:
    return head(fields=[("Content-Length", str(len(call.good_bytes) + more))]) + call.good_bytes


def _chunks() -> Iterator[Hostile]:
    def sized(name: str, size: bytes) -> Hostile:
        return whole(name, lambda call: chunked_head() + size + b"\r\n" + call.good_bytes)

    yield sized("a chunk of size zz", b"zz")
    yield sized("a chunk of size -1", b"-1")
    yield sized("a chunk of size 10**20", b"f" * 17)
    yield sized("a chunk size of 100 KB", b"0" * 100_000 + b"5")
    yield sized("a chunk with an extension of 100 KB", b"5;" + b"a" * 100_000)
    yield whole("no last chunk", lambda call: chunked_head() + chunk(call.good_bytes))
    yield whole(
        "200,000 chunks of a byte",
        lambda call: chunked_head() + chunk(b" ") * 200_000 + chunk(call.good_bytes) + chunk(b""),
    )
    yield whole(
        "a trailer of 100,000 lines",
        lambda call: chunked_head() + chunk(call.good_bytes) + b"0\r\n" + b"a: b\r\n" * 100_000,
    )


def _encodings() -> Iterator[Hostile]:
    def said(name: str, encoding: str, pack: Packer) -> Hostile:
        return whole(
            name,
            lambda call: reply(pack(call.good_bytes), fields=[("Content-Encoding", encoding)]),
            stays_open=True,
        )

    yield said("an unknown encoding", "rot13", lambda plain: plain)
    yield said("an encoding of 8,000 letters", "x" * 8000, lambda plain: plain)
    yield said("gzip twice, said once", "gzip", lambda plain: gzip.compress(gzip.compress(plain)))
    yield said(
        "gzip twice, said so", "gzip, gzip", lambda plain: gzip.compress(gzip.compress(plain))
    )
    yield said("gzip that is none", "gzip", lambda plain: plain)
    yield said("deflate that is none", "deflate", lambda plain: plain)
    yield said("br that is none", "br", lambda plain: plain)
    yield said("zstd that is none", "zstd", lambda plain: plain)
    yield said("half of gzip", "gzip", lambda plain: gzip.compress(plain)[:-30])
    yield said("gzip and more", "gzip", lambda plain: gzip.compress(plain) + b"\0" * 5000)
    yield said("gzip 30 times", ", ".join(["gzip"] * 30), _thirty_times)
    yield said("bare deflate", "deflate", lambda plain: zlib.compress(plain)[2:-4])
    yield whole("gzip, not said", lambda call: reply(gzip.compress(call.good_bytes)))
    yield whole("gzip of nothing", lambda call: packed(b"", "gzip"))
    yield body("UTF-16", lambda call: call.good_bytes.decode().encode("utf-16"))
    yield body("UTF-32", lambda call: call.good_bytes.decode().encode("utf-32"))
    yield body("a byte order mark", lambda call: b"\xef\xbb\xbf" + call.good_bytes)
    for charset in ("utf-16", "utf-7", "no-such", "idna", "unicode_escape", "zlib_codec", "x" * 99):
        yield whole(
            f"the charset {charset[:20]}",
            good(content_type=f"application/json; charset={charset}"),
        )
    yield whole(
        "an error in the charset zlib_codec",
        reply(b"no", 500, content_type="text/plain; charset=zlib_codec"),
    )


def _thirty_times(plain: bytes) -> bytes:
    for _ in range(30):
        plain = gzip.compress(plain)
    return plain


def _floods() -> Iterator[Hostile]:
    def page(name: str, status: int, text: bytes) -> Hostile:
        return whole(name, reply(text, status, content_type="text/html"))

    def refused(name: str, status: int, words: str) -> Hostile:
        return body(name, lambda call: encode(call.error(status, words)), status)

    for status in (400, 500):
        yield page(f"<title> times 100,000 with {status}", status, b"<title>" * 100_000)
    yield page("<title with blanks", 500, b"<title " + b" " * 500_000)
    yield page("<script> times 100,000", 500, b"<script>" * 100_000)
    yield page("<style times 100,000", 500, b"<style " * 100_000)
    yield page("< times 1,000,000", 500, b"<" * MIB)
    yield page("a title of 1 MB", 500, b"<title>" + b"word " * 200_000 + b"</title>")
    for status in (400, 422, 500):
        yield refused(f"a million times model with {status}", status, "model " * MIB)
    yield refused("gated models without end", 400, "model is " * 300_000)
    yield refused("used all and all and all", 400, "used all " * 200_000)
    yield refused("letters and digits in 30 KB", 500, "a1" * 15_000)
    yield refused("a word of 1 MB", 400, "a" * MIB)
    yield refused("keys without end", 500, "sk-" * 300_000)
    yield refused("lines without end", 400, "no\n" * 300_000)
    yield refused("steering signs", 400, "\x1b[2J\x1b]0;owned\x07\r\x08\x00\u202e\u2028" * 99)
    yield body(
        "a wait in a million words",
        lambda call: encode(call.error(500, "try again in " + "1h" * 100_000)),
        500,
    )


def _endings() -> Iterator[Hostile]:
    yield Hostile("a drip", _slow)
    yield Hostile("a drip of headers", _slow_head)
    yield Hostile("no reply at all", _silent)
    yield Hostile("blanks without end", _endless(b" "))
    yield Hostile("text without end", _endless(b'{"choices": '))
    yield Hostile("an error without end", _endless(b"no ", 500))
    yield Hostile("a body until closed, without end", _until_closed)
    yield Hostile("a reset", lambda call: ["reset"])
    yield Hostile("a reset in the head", lambda call: [b"HTTP/1.1 20", "reset"])
    yield Hostile("a reset in the body", lambda call: [_with_length(call, 9), 0.05, "reset"])
    yield Hostile("an end in the head", lambda call: [b"HTTP/1.1 200 OK\r\nContent-", "hang up"])


def _plain_bodies() -> Iterator[Hostile]:
    """Yield bodies that are no answer at all."""
    bodies: dict[str, bytes] = {
        "nothing": b"",
        "a byte": b"{",
        "blanks": b" " * 100_000,
        "NUL alone": b"\0" * MIB,
        "a page": b"<html><head><title>Sign in</title></head><body>Wi-Fi</body></html>",
        "a stream": b'data: {"choices": []}\n\n' * 1000 + b"data: [DONE]\n\n",
        "random bytes": bytes(range(256)) * 400,
        "no UTF-8": b'{"a": "\xff\xfe\xed\xa0\x80"}',
        "9 MB of blanks": b" " * (9 * MIB),
        "XML with entities": b'<!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;&a;</x>',
    }
    for name, content in bodies.items():
        yield body(f"a body of {name}", content)
    yield body("an answer and 9 MB of blanks", lambda call: call.good_bytes + b" " * (9 * MIB))
    yield body("an answer twice", lambda call: call.good_bytes * 2)
    yield body("an answer and a comment", lambda call: call.good_bytes + b"// done")
    yield body("half an answer", lambda call: call.good_bytes[:-20])
    yield body("204 with a body", lambda call: call.good_bytes, 204)


def hostile_bodies() -> list[Hostile]:
    """Return all of them."""
    parts: Iterable[Iterator[Hostile]] = (
        _plain_bodies(),
        _endings(),
        _floods(),
        _bombs(),
        _lengths(),
        _chunks(),
        _encodings(),
    )
    return list(itertools.chain(*parts))
