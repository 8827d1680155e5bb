"""Records to lines of JSON and back; every line is valid UTF-8, whatever a model answered."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from config.errors import StoreError
from storage.files.jsonl_file import Line, read_lines
from storage.files.utf8_text import clean_value, count_lone_surrogates
from storage.records.absurd_figures import without_absurd_figures
from storage.records.solution_record import FailureRecord, SolutionRecord, TaskKey

T = TypeVar("T")
_ENCODER = msgspec.json.Encoder()
_SOLUTION_DECODER = msgspec.json.Decoder(SolutionRecord)
_FAILURE_DECODER = msgspec.json.Decoder(FailureRecord)


def encode_solution(record: SolutionRecord) -> tuple[SolutionRecord, bytes]:
    r"""Return the record as it is kept, and its line.

    Lone surrogates, which UTF-8 cannot hold, are spelled out as \udXXX, and counted in
    escaped_surrogates. Raises StoreError where a value has no place in JSON.
    """
    try:
        return record, _encode(record, record.task_id)
    except UnicodeEncodeError:
        fields: dict[str, object] = msgspec.to_builtins(record)
        escaped = {name: clean_value(value) for name, value in fields.items()}
        escaped["escaped_surrogates"] = count_lone_surrogates(fields)
        kept = msgspec.convert(escaped, SolutionRecord)
        return kept, _encode(kept, kept.task_id)


def encode_failure(failure: FailureRecord) -> tuple[FailureRecord, bytes]:
    """Return the failure as it is kept, and its line, under the same rules."""
    try:
        return failure, _encode(failure, failure.task_id)
    except UnicodeEncodeError:
        kept = msgspec.convert(clean_value(msgspec.to_builtins(failure)), FailureRecord)
        return kept, _encode(kept, kept.task_id)


def decode_solution(content: bytes) -> SolutionRecord | None:
    """Return the solution of a line, or None where the line is none.

    A figure that nobody can have measured (1e300 s) counts as not known; the rest is the answer.
    """
    return _decode(_SOLUTION_DECODER, content)


def decode_failure(content: bytes) -> FailureRecord | None:
    """Return the failure of a line, or None where the line is none."""
    return _decode(_FAILURE_DECODER, content)


def record_from_fields(fields: Mapping[str, object]) -> SolutionRecord:
    """Return the record that a guide-shaped dict describes.

    Raises StoreError naming unknown fields, or the field whose value is of the wrong type.
    """
    unknown = sorted(fields.keys() - set(SolutionRecord.__struct_fields__))
    if unknown:
        raise StoreError(f"solution data has unknown fields: {', '.join(map(repr, unknown))}")
    try:
        return msgspec.convert(dict(fields), SolutionRecord)
    except msgspec.ValidationError as error:
        raise StoreError(f"solution data of {fields.get('task_id')!r}: {error}") from error


def solutions_in(path: Path, start: int = 0) -> Iterator[tuple[Line, SolutionRecord]]:
    """Yield the answers of a file from a byte offset on, one a task and sample, with their lines.

    Damage is passed over, and so are failed calls, which sessions older than format 1 kept among
    the answers.
    """
    return _answers(path, start, set())


def solutions_in_files(paths: Iterable[Path]) -> Iterator[tuple[Path, Line, SolutionRecord]]:
    """Yield the answers of files that belong together, as solutions_in does, each with its file."""
    seen: set[tuple[str, TaskKey]] = set()
    for path in paths:
        for line, record in _answers(path, 0, seen):
            yield path, line, record


def answer_of(line: Line) -> SolutionRecord | None:
    """Return the answer of a line, None where it is damaged, blank, or a call that failed."""
    record = decode_solution(line.content) if line.content else None
    return record if record is not None and record.llm_call_success else None


def _answers(
    path: Path, start: int, seen: set[tuple[str, TaskKey]]
) -> Iterator[tuple[Line, SolutionRecord]]:
    for line in read_lines(path, start):
        record = answer_of(line)
        if record is not None and (record.model, record.key) not in seen:
            seen.add((record.model, record.key))
            yield line, record


def _decode(decoder: msgspec.json.Decoder[T], content: bytes) -> T | None:
    try:
        if not content.isascii():
            content.decode("utf-8")  # msgspec does not look into fields that it passes over
        try:
            return decoder.decode(content)
        except msgspec.ValidationError:
            fields = msgspec.json.decode(content)
            return msgspec.convert(without_absurd_figures(fields, decoder.type), decoder.type)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def _encode(record: SolutionRecord | FailureRecord, task_id: str) -> bytes:
    try:
        return _ENCODER.encode(record) + b"\n"
    except UnicodeEncodeError:
        raise
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError) as error:
        raise StoreError(f"task {task_id!r}: cannot be written as JSON: {error}") from error
