"""HTTP replies as bytes, good or broken in any way: nothing here is checked or put right."""

import base64
import functools
import gzip
import json
import zlib
from collections.abc import Iterable
from typing import Literal

from tests.support.provider_formats import Json

MIB = 2**20
BOMB_BYTES = 768 * MIB  # unpacked: far above what a run may hold

# 600 MiB of NUL, by the reference encoder at its best.
_BROTLI_BOMB = base64.b64decode(
    "y///P/gnAOKxQCD3/o///3/wTwDEYRGA7v0f////4J8AiMMCAN37P/7//8E/ARCHBQC693/8//+DfwIgDgsAdO//"
    "+P//B/8EQBwWAOje//H//w/+CYA4LADQvf/j//8f/BMAcVgAoHv/x///P/gnAOKwAED3/o///3/wTwDEYQGA7v0f"
    "////4J8AiMMCAN37P/7//8E/ARCHBQC693/8//+DfwIgDgsAdO//+P//B/8EQBwWAOje//H//w/+CYA4LADQvf/j"
    "//8f/BMAcVgAoHv/x///P/gnAOKwAED3/o///3/wTwDEYQGA7v0f////4J8AiMMCAN37P/7//8E/ARCHBQC693/8"
    "//+DfwIgDgsAdO//+P//B/8EQBwWAOje//H//w/+CYA4LADQvf/j//8f/BMAcVgAoHv/x///P/gnAOKwAED3/o//"
    "/3/wTwDEYQGA7v0f////4J8AiMMCAN37P/7//8E/ARCHBQC693/8//+DfwIgDgsAdO//+P//B/8EQBwWAOje//H/"
    "/w/+CYA4LADQvf/j//8f/BMAcVgAoHv/x///P/gnAOKwAED3/o///3/wTwDEYQGA7v0f////4J8AiMMCAN37P/7/"
    "/8E/ARCHBQC693/8//+DfwIgDgsAdO//+P//B/8EQBwWAOje//H//w/+CYA4LADQvf/j//8f/BMAcVgAoHv/x///"
    "P/gnAOKwAED3/o///3/wTwDEYQGA7v0f////4J8AiMMCAN37P/7//8E/ARCHBQC693/8//+DfwIgDgsAdO//+P//"
    "B/8EQBwWAOje//H//w/+CYA4LADQvf/j//8f/BMAcVgAoHv/x///P/gnAOKwAED3/o///3/wTwDEYQGA7v0f////"
    "4J8AiMMCAN37P/7//8E/ARCHBQC693/8//+DfwIgDgsAdO//+P//B/8EQBwWAOje//H//w/+CYA4LADQvf/j//8f"
    "/BMAcVgAoHv/x///P/gnAOKwAED3/o///3/wTwDEYQGA7v0f////4J8AiMMCAN37P/7//8E/ARCHBQC693/8//+D"
    "fwIgDgsAdO//+P//B/8EQBwWAOje//H//w/+CYA4LADQvf/j//8f/BMAcVgAoHv/x///P/gnAOKwAED3/o///3/w"
    "TwDEYQGA7v0f////4J8AiMMCAN37P/7//8E/ARCHBQC693/8//+DfwIgDgsAdO//+P//B/8EQBwWAOje//H//w/+"
    "CYA4LADQvf/j//8f/BMAcVgAoHv/x///P/gnAOKwAED3/o///3/wTwDEYQGA7v0f////4J8AiMMCAN37vwE="
)

Packing = Literal["gzip", "deflate", "br", "zstd"]
Field = tuple[str | bytes, str | bytes]


def head(
    status: int | str = 200,
    fields: Iterable[Field] = (),
    *,
    reason: str | bytes = "OK",
    version: str = "HTTP/1.1",
) -> bytes:
    """Return a status line and header lines as they stand, and the blank line after them."""
    lines = [b" ".join((version.encode(), str(status).encode(), _bytes(reason)))]
    lines += [_bytes(name) + b": " + _bytes(value) for name, value in fields]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def reply(
    body: bytes,
    status: int | str = 200,
    fields: Iterable[Field] = (),
    *,
    reason: str | bytes = "OK",
    content_type: str = "application/json",
) -> bytes:
    """Return a whole reply with its true length."""
    own = [("Content-Type", content_type), ("Content-Length", str(len(body)))]
    return head(status, [*own, *fields], reason=reason) + body


def chunked_head(status: int | str = 200, fields: Iterable[Field] = ()) -> bytes:
    """Return the head of a reply whose body comes in chunks."""
    own = [("Content-Type", "application/json"), ("Transfer-Encoding", "chunked")]
    return head(status, [*own, *fields])


def chunk(data: bytes) -> bytes:
    """Return one chunk."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def encode(body: Json) -> bytes:
    """Return JSON as a provider would send it."""
    return json.dumps(body).encode()


def packed(body: bytes, encoding: str) -> bytes:
    """Return a reply whose body is gzip or deflate, and says so."""
    pack = gzip.compress if encoding == "gzip" else zlib.compress
    return reply(pack(body), fields=[("Content-Encoding", encoding)])


@functools.cache
def bomb(encoding: Packing, start: bytes = b"") -> bytes:
    """Return a small body that unpacks to start and BOMB_BYTES of blanks (br, zstd: of NUL)."""
    if encoding == "br":
        return _BROTLI_BOMB
    if encoding == "zstd":
        return _zstd_bomb()
    return _deflated_bomb(start, with_gzip=encoding == "gzip")


def _deflated_bomb(start: bytes, *, with_gzip: bool) -> bytes:
    """Return the bomb; one packed mebibyte stands for all, or it would take seconds to make."""
    blanks = b" " * MIB
    packer = zlib.compressobj(9, wbits=-15)
    first = packer.compress(start) + packer.flush(zlib.Z_FULL_FLUSH)
    packer = zlib.compressobj(9, wbits=-15)
    unit = packer.compress(blanks) + packer.flush(zlib.Z_FULL_FLUSH)
    count = BOMB_BYTES // MIB
    body = first + unit * count + b"\x03\x00"  # an empty last block
    if not with_gzip:
        return b"\x78\x9c" + body + b"\0\0\0\0"  # a wrong checksum: it is never reached
    checksum = zlib.crc32(start)
    for _ in range(count):
        checksum = zlib.crc32(blanks, checksum)
    size = (len(start) + BOMB_BYTES) % 2**32
    trailer = checksum.to_bytes(4, "little") + size.to_bytes(4, "little")
    return b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + body + trailer


def _zstd_bomb() -> bytes:
    """Return a frame of blocks that say: one byte, 128 KiB times (RFC 8878, 3.1.1.2)."""
    frame = b"\x28\xb5\x2f\xfd" + b"\x00" + b"\x70"  # no size given; a window of 16 MiB
    size = 128 * 1024
    block = ((size << 3) | (1 << 1)).to_bytes(3, "little") + b" "
    last = ((size << 3) | (1 << 1) | 1).to_bytes(3, "little") + b" "
    return frame + block * (BOMB_BYTES // size - 1) + last


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
