"""Replies of any size: none takes more memory than a reply may, and each ends in an error."""

import asyncio
import gzip
import json
import tracemalloc
import zlib
from functools import cache

import pytest

from config.errors import BadReply, ModelError, Overloaded
from models.base_model import BaseModel, CallOptions
from models.embedded.local_catalog import served_models
from models.wire.bounded_response import BoundedResponse
from models.wire.client_pool import ClientPool
from models.wire.reading_room import MOST_REPLY_BYTES, ReadingRoom
from tests.support.raw_replies import WIRES, RawReply, Send, Wire, connect, good, http, raw_server
from tests.support.wire import PROMPT

OPTIONS = CallOptions(request_timeout_seconds=120)
BOMB_BYTES = 40_000_000
CHUNKED = "HTTP/1.1 {}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"


async def error_of(model: BaseModel) -> ModelError:
    with pytest.raises(ModelError) as caught:
        await model.complete(PROMPT)
    return caught.value


@cache
def bombs() -> list[tuple[str, bytes]]:
    blanks = b" " * BOMB_BYTES
    raw = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    member = gzip.compress(b" " * (BOMB_BYTES // 100))
    return [
        ("gzip", gzip.compress(blanks, 6)),
        ("deflate", zlib.compress(blanks)),
        ("deflate", raw.compress(blanks) + raw.flush()),
        ("gzip", member * 100),
    ]


def endless(status: str, piece: bytes) -> Send:
    async def send(writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED.format(status).encode())
        while not writer.is_closing():
            writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            await writer.drain()

    return send


@pytest.mark.slow
@pytest.mark.parametrize("wire", WIRES)
async def test_no_reply_is_unpacked_beyond_the_bound(wire: Wire, clients: ClientPool) -> None:
    packed = bombs()
    replies: list[RawReply] = [
        http(body, status, {"Content-Encoding": encoding})
        for status in ("200 OK", "500 Oops")
        for encoding, body in packed
    ]
    refused = Overloaded if wire != "guide" else BadReply
    async with raw_server(http(good(wire)), *replies, http(good(wire))) as server:
        model = connect(wire, server.url, clients, OPTIONS)
        await model.complete(PROMPT)  # what is loaded on first use does not count
        tracemalloc.start()
        try:
            for _ in packed:
                error = await error_of(model)
                assert type(error) is BadReply
                assert str(error) == "the reply is larger than 8 MB unpacked"
            for _ in packed:
                assert type(await error_of(model)) is refused
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak_bytes < 3 * MOST_REPLY_BYTES
        assert (await model.complete(PROMPT)).text == "def add"


@pytest.mark.parametrize("wire", WIRES)
async def test_replies_without_an_end(wire: Wire, clients: ClientPool) -> None:
    replies = [endless("200 OK", b" " * 50_000), endless("503 Later", b"<title>" * 7_000)]
    async with raw_server(*replies, http(good(wire))) as server:
        model = connect(wire, server.url, clients, OPTIONS)
        assert "larger than 8 MB" in str(await error_of(model))
        error = await error_of(model)
        assert type(error) is (Overloaded if wire != "guide" else BadReply)
        assert len(str(error)) <= 300
        assert (await model.complete(PROMPT)).text == "def add"


async def test_the_bound_is_exact(clients: ClientPool) -> None:
    body = json.dumps(good("chat")).encode()
    whole = body.ljust(MOST_REPLY_BYTES)
    async with raw_server(http(whole), http(whole + b" "), http(gzip.compress(whole))) as server:
        model = connect("chat", server.url, clients, OPTIONS)
        assert (await model.complete(PROMPT)).text == "def add"
        assert type(await error_of(model)) is BadReply


@pytest.mark.parametrize("wire", WIRES)
async def test_encodings_that_nobody_asked_for(wire: Wire, clients: ClientPool) -> None:
    body = json.dumps(good(wire)).encode()
    twice = gzip.compress(gzip.compress(body))
    encodings = {"br": body, "zstd": body, "gzip, gzip": twice, "x" * 99: twice}
    replies = [http(body, headers={"Content-Encoding": kind}) for kind, body in encodings.items()]
    async with raw_server(*replies) as server:
        model = connect(wire, server.url, clients, OPTIONS)
        for kind in encodings:
            assert type(await error_of(model)) is BadReply, kind


@pytest.mark.parametrize("wire", WIRES)
async def test_long_headers_and_names_are_cut(wire: Wire, clients: ClientPool) -> None:
    digits = {"x-ratelimit-limit-requests": "9" * 8_000, "retry-after": "9" * 8_000}
    named = {"x-request-id": "r" * 8_000, "request-id": "r" * 8_000, **digits}
    cookies = {"Set-Cookie": "a=b; " * 1_600}
    async with raw_server(
        http(good(wire), headers={**named, **cookies}), http(b"x" * 30_000, "429 Slow", named)
    ) as server:
        model = connect(wire, server.url, clients, OPTIONS)
        completion = await model.complete(PROMPT)
        assert len(completion.request_id or "") <= 200
        error = await error_of(model)
    assert len(error.request_id or "") <= 200
    assert [*completion.signals, *error.signals] == []


async def test_a_name_of_a_megabyte_is_cut(clients: ClientPool) -> None:
    body = {**good("chat"), "model": "m" * 1_000_000, "id": "i" * 1_000_000}
    async with raw_server(http(body)) as server:
        completion = await connect("chat", server.url, clients, OPTIONS).complete(PROMPT)
    assert completion.served_model == "m" * 200
    assert completion.request_id == "i" * 200


@pytest.mark.parametrize("wire", ["chat", "openai", "anthropic", "google"])
async def test_all_that_is_read_at_once_is_bounded(
    wire: Wire, clients: ClientPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = ReadingRoom(most_bytes=3_000_000, most_reply_bytes=MOST_REPLY_BYTES // 8)
    monkeypatch.setattr(BoundedResponse, "room", room)
    body = http(json.dumps(good(wire)).encode().ljust(900_000))
    async with raw_server(body) as server:
        model = connect(wire, server.url, clients, OPTIONS)
        answers = await asyncio.gather(*(model.complete(PROMPT) for _ in range(30)))
    assert [answer.text for answer in answers] == ["def add"] * 30
    assert room.held_bytes == 0
    assert 2_000_000 < room.most_held_bytes <= 3_000_000 + 30 * 64_000


async def test_ordinary_replies_pass_by_large_ones_that_stand_still(
    clients: ClientPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = ReadingRoom(most_bytes=3_000_000, most_reply_bytes=1_000_000)
    monkeypatch.setattr(BoundedResponse, "room", room)
    stopped = asyncio.Event()

    async def stand_still(writer: asyncio.StreamWriter) -> None:
        writer.write(
            f"HTTP/1.1 200 OK\r\nContent-Length: {10**6}\r\n\r\n".encode() + b" " * 900_000
        )
        await writer.drain()
        await stopped.wait()

    async with raw_server(*[stand_still] * 6, http(good("chat"))) as server:
        model = connect("chat", server.url, clients, OPTIONS)
        large = [asyncio.create_task(model.complete(PROMPT)) for _ in range(6)]
        while server.asked < 6 or room.held_bytes < 2_500_000:
            await asyncio.sleep(0.01)
        for _ in range(5):
            assert (await model.complete(PROMPT)).text == "def add"
        assert not any(task.done() for task in large)
        for task in large:
            task.cancel()
        await asyncio.gather(*large, return_exceptions=True)
        stopped.set()
    assert room.held_bytes == 0


async def test_a_local_servers_list_that_nobody_meant() -> None:
    long = {"data": [{"id": "x" * 10_000}, {"id": "llama"}]}
    for body, found in ((b"[" * 100_000, []), (b"{}", []), (json.dumps(long).encode(), ["llama"])):
        async with raw_server(http(body)) as server:
            assert await asyncio.to_thread(served_models, server.url, "", 5.0) == found
