"""Reading as work for a worker process: replies and readings as bytes, and back.

Texts travel as bytes, because a reply may hold lone surrogates, which no format takes.
"""

from dataclasses import replace

import msgspec

from processors.extraction.code_candidates import Extraction
from processors.reading.reading import ExtractionMode, Reading, Reply, check_copy, read_reply
from processors.response_validator import ObjectKind


class _Reply(msgspec.Struct, frozen=True, array_like=True):
    text: bytes
    name: bytes | None
    kind: ObjectKind | None
    is_cut: bool
    mode: ExtractionMode


class _Extraction(msgspec.Struct, frozen=True, array_like=True):
    code: bytes
    codeless: Extraction


class _Reading(msgspec.Struct, frozen=True, array_like=True):
    extraction: _Extraction
    validation: dict[str, object]
    answer: bytes | None


class _Copy(msgspec.Struct, frozen=True, array_like=True):
    completion: bytes
    reply: _Reply
    found: _Extraction


class _Checked(msgspec.Struct, frozen=True, array_like=True):
    reading: _Reading | None
    complaint: bytes


def read(payload: bytes) -> bytes:
    """Read one packed reply."""
    packed = msgspec.msgpack.decode(payload, type=_Reply)
    return msgspec.msgpack.encode(_packed_reading(read_reply(_unpacked_reply(packed))))


def check(payload: bytes) -> bytes:
    """Check what an LLM gave as the code of a reply."""
    copy = msgspec.msgpack.decode(payload, type=_Copy)
    reply, found = _unpacked_reply(copy.reply), _unpacked_extraction(copy.found)
    checked = check_copy(_text(copy.completion), reply, found)
    if isinstance(checked, str):
        return msgspec.msgpack.encode(_Checked(None, _bytes(checked)))
    return msgspec.msgpack.encode(_Checked(_packed_reading(checked), b""))


def packed_reply(reply: Reply) -> bytes:
    """Return what read() takes."""
    return msgspec.msgpack.encode(_packed_reply(reply))


def unpacked_reading(result: bytes) -> Reading:
    """Return what read() gave."""
    return _unpacked_reading(msgspec.msgpack.decode(result, type=_Reading))


def packed_copy(completion: str, reply: Reply, found: Extraction) -> bytes:
    """Return what check() takes."""
    copy = _Copy(_bytes(completion), _packed_reply(reply), _packed_extraction(found))
    return msgspec.msgpack.encode(copy)


def unpacked_check(result: bytes) -> Reading | str:
    """Return what check() gave."""
    checked = msgspec.msgpack.decode(result, type=_Checked)
    return _unpacked_reading(checked.reading) if checked.reading else _text(checked.complaint)


def _packed_reply(reply: Reply) -> _Reply:
    name = None if reply.name is None else _bytes(reply.name)
    return _Reply(_bytes(reply.text), name, reply.kind, reply.is_cut, reply.mode)


def _unpacked_reply(packed: _Reply) -> Reply:
    return Reply(
        text=_text(packed.text),
        name=None if packed.name is None else _text(packed.name),
        kind=packed.kind,
        is_cut=packed.is_cut,
        mode=packed.mode,
    )


def _packed_extraction(extraction: Extraction) -> _Extraction:
    return _Extraction(_bytes(extraction.code), replace(extraction, code=""))


def _unpacked_extraction(packed: _Extraction) -> Extraction:
    return replace(packed.codeless, code=_text(packed.code))


def _packed_reading(reading: Reading) -> _Reading:
    answer = None if reading.answer is None else _bytes(reading.answer)
    return _Reading(_packed_extraction(reading.extraction), dict(reading.validation), answer)


def _unpacked_reading(packed: _Reading) -> Reading:
    return Reading(
        extraction=_unpacked_extraction(packed.extraction),
        validation=packed.validation,
        answer=None if packed.answer is None else _text(packed.answer),
    )


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")
