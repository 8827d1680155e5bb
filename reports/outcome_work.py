"""Looking through a stretch of answers as work for another process: no texts come back."""

import hashlib
from collections.abc import Collection, Mapping
from typing import Literal

import msgspec

from storage.files.jsonl_file import lines_of
from storage.records.glance import glance
from storage.records.record_json import answer_of
from storage.records.solution_record import FinishReason, SolutionRecord
from storage.records.tallies import is_unread, is_valid

Verdict = Literal[
    "valid",
    "incomplete",
    "syntax",
    "empty",
    "unread",
    "truncated",
    "refused",
    "failed",
    "undone",
]
_TITLE_CHARACTERS = 200


class Wanted(msgspec.Struct, frozen=True, array_like=True):
    """What to tell of the answers of a model.

    task_ids: None for all. with_code: with code_hash.
    """

    model: str
    task_ids: Collection[str] | None
    with_code: bool


class SeenAnswer(msgspec.Struct, frozen=True, array_like=True):
    """One answer; offset: of its line in the stretch. seconds, code_hash: as an Outcome has them.

    title: the first line of its problem.
    """

    offset: int
    task_id: str
    sample: int
    category: str
    complexity: int | None
    name: str
    title: str
    verdict: Verdict
    seconds: float | None
    finished: float
    finish_reason: FinishReason
    attempts: int
    code_hash: int


class Seen(msgspec.Struct, frozen=True, array_like=True):
    """What a stretch holds; seconds: those that are known of answers that are not wanted."""

    answers: list[SeenAnswer]
    seconds: list[float]


class _Order(msgspec.Struct, frozen=True, array_like=True):
    wanted: Wanted
    stretch: bytes


def order(wanted: Wanted, stretch: bytes) -> bytes:
    """Return what look_through takes."""
    return msgspec.msgpack.encode(_Order(wanted, stretch))


def look_through(packed: bytes) -> bytes:
    """Return what a stretch of whole lines holds, as Seen; doubled answers too."""
    given = msgspec.msgpack.decode(packed, type=_Order)
    model, with_code = given.wanted.model, given.wanted.with_code
    task_ids = None if given.wanted.task_ids is None else frozenset(given.wanted.task_ids)
    answers: list[SeenAnswer] = []
    seconds: list[float] = []
    for line in lines_of(given.stretch):
        seen = glance(line.content) if task_ids is not None and line.content else None
        if seen is not None and task_ids is not None and seen.task_id not in task_ids:
            if seen.llm_call_success and seen.model == model and seen.latency is not None:
                seconds.append(seen.latency)
            continue
        record = answer_of(line)
        if record is not None and record.model == model:
            answers.append(_seen(record, line.offset, with_code=with_code))
    return msgspec.msgpack.encode(Seen(answers, seconds))


def seen_in(packed: bytes) -> Seen:
    """Return what look_through gave."""
    return msgspec.msgpack.decode(packed, type=Seen)


def verdict_of(record: SolutionRecord) -> Verdict:
    """Return the one word for an answer: valid, or the first reason why it is not."""
    if is_valid(record):
        return "valid"
    if is_unread(record):
        return "unread"
    if record.finish_reason in ("refusal", "filtered"):
        return "refused"
    if record.finish_reason == "length":
        return "truncated"
    if not record.extracted_solution:
        return "empty"
    syntax = record.validation.get("syntax")
    parses = isinstance(syntax, Mapping) and syntax.get("is_valid") is True
    return "incomplete" if parses else "syntax"


def _seen(record: SolutionRecord, offset: int, *, with_code: bool) -> SeenAnswer:
    return SeenAnswer(
        offset,
        record.task_id,
        record.sample,
        record.category,
        record.complexity,
        record.name,
        _first_line(record.problem),
        verdict_of(record),
        record.latency,
        record.timestamp,
        record.finish_reason,
        record.attempts,
        _hash(record.extracted_solution) if with_code else 0,
    )


def _hash(code: str) -> int:
    digest = hashlib.blake2b(code.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest)


def _first_line(text: str) -> str:
    line = text.strip().partition("\n")[0]
    return line if len(line) <= _TITLE_CHARACTERS else f"{line[:_TITLE_CHARACTERS]}…"
