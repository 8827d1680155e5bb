"""Replies that break HTTP itself: bad replies that may have been billed, never refusals."""

import asyncio
from itertools import chain

import pytest

from config.errors import BadReply, ConnectionLost, ModelError, Overloaded
from models.base_model import BaseModel, CallOptions
from models.wire.client_pool import ClientPool
from tests.support.raw_replies import WIRES, RawReply, Send, Wire, connect, good, http, raw_server
from tests.support.wire import PROMPT

OPTIONS = CallOptions(request_timeout_seconds=120)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


async def error_of(model: BaseModel) -> ModelError:
    with pytest.raises(ModelError) as caught:
        await model.complete(PROMPT)
    return caught.value


def broken(wire: Wire) -> dict[str, bytes]:
    """Return replies in which the provider did its work, and HTTP was spoilt on the way."""
    whole = http(good(wire))
    return {
        "a byte too many": whole + b"x",
        "a header of 9 KB": http(good(wire), headers={"X-Long": "y" * 9000}),
        "a header's name of 9 KB": http(good(wire), headers={"y" * 9000: "x"}),
        "200 headers": http(good(wire), headers={f"X-{n}": "y" for n in range(200)}),
        "a header without a colon": HEAD + b"nonsense\r\n\r\n{}",
        "a NUL in a header": HEAD + b"X: \x00\r\n\r\n{}",
        "a content length of 8,000 digits": HEAD + b"Content-Length: " + b"9" * 8000 + b"\r\n\r\n",
        "a content length below zero": HEAD + b"Content-Length: -5\r\n\r\n{}",
        "two content lengths": HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        "a chunk size that is none": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        "a chunk size beyond all": HEAD
        + b"Transfer-Encoding: chunked\r\n\r\n"
        + b"f" * 40
        + b"\r\n",
        "a chunk longer than it says": HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nabcd\r\n",
        "a status line of another kind": b"HTTP/9 2000 OK\r\n\r\n",
        "TLS where HTTP was asked for": b"\x16\x03\x01 hello\r\n\r\n",
        "a status of three letters": b"HTTP/1.1 abc OK\r\n\r\n",
        "no status at all": b"\r\n\r\n\r\n{}\r\n\r\n",
        "another protocol": b"HTTP/1.1 101 Go\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
        "an encoding that it is not in": http(b"{}", headers={"Content-Encoding": "gzip"}),
        "a status below 100": http(b"{}", "099 Odd"),
        "a status above 599": http(b"{}", "999 Odd"),
    }


@pytest.mark.parametrize("wire", WIRES)
async def test_what_cannot_be_read_as_http_is_a_bad_reply(wire: Wire, clients: ClientPool) -> None:
    cases = broken(wire)
    async with raw_server(
        *chain(*((reply, http(good(wire))) for reply in cases.values()))
    ) as server:
        model = connect(wire, server.url, clients, OPTIONS)
        for name in cases:
            error = await error_of(model)
            assert type(error) is BadReply, (name, error)
            assert "answered 400" not in str(error), name
            assert len(str(error)) <= 300, name
            assert (await model.complete(PROMPT)).text == "def add", name


@pytest.mark.parametrize("wire", WIRES)
async def test_a_genuine_400_stays_one(wire: Wire, clients: ClientPool) -> None:
    if wire == "guide":  # which reads whatever comes as an answer
        return
    refusal = http({"error": {"message": "Bad status line: no, thanks"}}, "400 Bad Request")
    async with raw_server(refusal) as server:
        error = await error_of(connect(wire, server.url, clients, OPTIONS))
    assert type(error).__name__ == "BadRequest"
    assert error.status == 400


def late(*parts: bytes) -> Send:
    """Return what sends its parts one after the other, each on its own."""

    async def send(writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.02)

    return send


@pytest.mark.parametrize("wire", WIRES)
async def test_a_second_reply_is_nobodys_answer(wire: Wire, clients: ClientPool) -> None:
    first, more, second = (http(good(wire, text)) for text in ("first", "nobody asked", "second"))
    async with raw_server(
        *(first + more, second), *(late(first, more), second), *(late(first, more[:40]), second)
    ) as server:
        model = connect(wire, server.url, clients, OPTIONS)
        for kind in ("at once", "late", "half"):
            assert (await model.complete(PROMPT)).text == "first", kind
            while server.answered < server.asked:
                await asyncio.sleep(0.01)
            assert (await model.complete(PROMPT)).text == "second", kind


async def hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()


async def hang_up_midway(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"Content-Length: 10\r\n\r\n{}")
    await writer.drain()
    writer.close()


CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
ENDINGS: list[tuple[RawReply, type[ModelError]]] = [
    (hang_up, ConnectionLost),
    (hang_up_midway, BadReply),
    (late(CHUNKED, b"zz\r\n"), BadReply),
    (late(CHUNKED, b"1\r\n{\r\n", b"zz\r\n"), BadReply),
    (late(CHUNKED, b"9\r\n{", b"}\r\n0\r\n\r\n\r\nmore than that"), BadReply),
]


@pytest.mark.parametrize("wire", WIRES)
async def test_connections_that_end_in_the_middle(wire: Wire, clients: ClientPool) -> None:
    async with raw_server(*(reply for reply, _ in ENDINGS)) as server:
        model = connect(wire, server.url, clients, OPTIONS)
        for place, (_, kind) in enumerate(ENDINGS):
            error = await error_of(model)
            assert type(error) is kind, (place, error)


@pytest.mark.parametrize("wire", WIRES)
async def test_no_charset_is_looked_up(wire: Wire, clients: ClientPool) -> None:
    charsets = ("punycode", "idna", "unicode_escape", "utf-7", "zlib", "x" * 99)
    types = (f"application/json; charset={charset}" for charset in charsets)
    replies = (http(good(wire, "déf"), headers={"Content-Type": kind}) for kind in types)
    async with raw_server(*replies) as server:
        model = connect(wire, server.url, clients, OPTIONS)
        for charset in charsets:
            assert (await model.complete(PROMPT)).text == "déf", charset


@pytest.mark.parametrize("wire", WIRES)
async def test_an_interim_reply_is_passed_over(wire: Wire, clients: ClientPool) -> None:
    interim = b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    async with raw_server(interim + http(good(wire))) as server:
        model = connect(wire, server.url, clients, OPTIONS)
        for _ in range(40):
            assert (await model.complete(PROMPT)).text == "def add"


async def interim_for_ever(writer: asyncio.StreamWriter) -> None:
    while not writer.is_closing():
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)
        await writer.drain()


@pytest.mark.parametrize("wire", [wire for wire in WIRES if wire != "guide"])
async def test_interim_replies_without_an_end(wire: Wire, clients: ClientPool) -> None:
    async with raw_server(interim_for_ever, http(good(wire))) as server:
        model = connect(wire, server.url, clients, OPTIONS)
        error = await error_of(model)
        assert type(error) is BadReply and "interim replies" in str(error)
        assert (await model.complete(PROMPT)).text == "def add"


ODD_JSON = (
    b"[" * 100_000,
    b"[" * 100_000 + b"]" * 100_000,
    b'{"error": {"message": ' + b"[" * 900 + b"]" * 900 + b"}}",
    b'{"choices": ' + b"9" * 8_000 + b"}",
    b"[" + b"[]," * 2_000_000 + b"[]]",
    b'{"error": {"details": [' + b'{"reason": "r"},' * 300_000 + b"{}]}}",
)


@pytest.mark.parametrize("wire", WIRES)
async def test_json_that_nobody_meant(wire: Wire, clients: ClientPool) -> None:
    statuses = {"200 OK": BadReply, "503 Later": BadReply if wire == "guide" else Overloaded}
    replies = [http(body, status) for status in statuses for body in ODD_JSON]
    async with raw_server(*replies) as server:
        model = connect(wire, server.url, clients, OPTIONS)
        for kind in statuses.values():
            for body in ODD_JSON:
                error = await error_of(model)
                assert type(error) is kind, body[:40]
                assert len(str(error)) <= 300
