"""Reading a block of records again as work for a worker process: lines in, lines and news out."""

from dataclasses import dataclass

import msgspec

from processors.reading.reading import Reading, read_reply
from processors.workers.bounds import Unfinished
from runners.answers.record_reading import reply_in, with_reading, without_reading
from storage.files.jsonl_file import lines_of
from storage.records.record_json import answer_of, encode_solution
from storage.records.solution_record import SolutionRecord, TaskKey
from storage.records.tallies import is_valid


@dataclass(frozen=True, slots=True)
class Reread:
    """One answer, read again.

    line: of its new record. The verdicts are those of full validity.
    gave_up: why the reply could not be read, None where it could.
    """

    model: str
    task_id: str
    sample: int
    line: bytes
    code_changed: bool
    was_valid: bool
    is_valid: bool
    gave_up: str | None = None

    @property
    def key(self) -> TaskKey:
        return self.task_id, self.sample


def read_again(block: bytes) -> bytes:
    """Read all replies of a block of records; what is no answer is passed over."""
    return msgspec.msgpack.encode(
        [reread(record, read_reply(reply_in(record))) for record in records_of(block)]
    )


def rereads_in(result: bytes) -> list[Reread]:
    """Return what read_again() gave."""
    return msgspec.msgpack.decode(result, type=list[Reread])


def records_of(block: bytes) -> list[SolutionRecord]:
    """Return the answers of a block, doubled ones too."""
    return [record for line in lines_of(block) if (record := answer_of(line))]


def reread(record: SolutionRecord, reading: Reading | Unfinished) -> Reread:
    """Return what a second reading made of a record."""
    if isinstance(reading, Reading):
        again, gave_up = with_reading(record, reading), None
    else:
        again, gave_up = without_reading(record, reading), reading.reason
    return Reread(
        model=record.model,
        task_id=record.task_id,
        sample=record.sample,
        line=encode_solution(again)[1],
        code_changed=again.extracted_solution != record.extracted_solution,
        was_valid=is_valid(record),
        is_valid=is_valid(again),
        gave_up=gave_up,
    )
