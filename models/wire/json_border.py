"""JSON from outside in, plain values out; whatever cannot be read is a ValueError."""

import json
from typing import TypeVar

import msgspec

from models.wire.reply import MOST_ERROR_BYTES

Value = TypeVar("Value")
# An object of eight characters takes 230 bytes in memory; no answer has nearly as many.
MOST_VALUES = 500_000


def read_json(text: str | bytes) -> object:
    """Return a text's value; raise ValueError for one too deep, too large or no JSON."""
    _check_size(text)
    try:
        value: object = json.loads(text)
    except (RecursionError, MemoryError) as error:
        raise ValueError("JSON that is nested too deeply") from error
    return value


def decode_json(body: bytes, decoder: msgspec.json.Decoder[Value]) -> Value:
    """Return a body as the decoder's type; raise ValueError where it is not that."""
    _check_size(body)
    try:
        return decoder.decode(body)
    except (RecursionError, MemoryError) as error:
        raise ValueError("JSON that is nested too deeply") from error


def field_of(body: bytes, name: str) -> object:
    """Return one field of an error's object, None where there is no such thing.

    A longer body is no error in JSON, but a bad reply.
    """
    if len(body) > MOST_ERROR_BYTES:
        return None
    try:
        content = read_json(body.decode("utf-8", "replace"))
    except ValueError:
        return None
    return content.get(name) if isinstance(content, dict) else None


def _check_size(text: str | bytes) -> None:
    if len(text) < MOST_VALUES:
        return
    body = text.encode("utf-8", "replace") if isinstance(text, str) else text
    # Those in strings are counted too: a text with as many is no answer either.
    if body.count(b",") + body.count(b"[") + body.count(b"{") > MOST_VALUES:
        raise ValueError("JSON of too many values")
