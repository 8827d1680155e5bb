"""A run of answers in a file, told without their texts: whose they are, and what they count."""

from collections.abc import Iterable
from typing import Annotated

import msgspec

from storage.files.jsonl_file import Line
from storage.records.record_json import decode_solution
from storage.records.solution_record import Sample, TaskKey
from storage.records.tallies import Tally

_Hex = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
Offset = Annotated[int, msgspec.Meta(ge=0)]

_NO_SHA256 = "0" * 64


class AnswerBlock(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whole, undamaged lines that follow each other, all of one model and category.

    start, end: where they stand in the file, in bytes. sha256: of those bytes.
    samples: of each answer, [] where every one is the first.
    """

    start: Offset
    end: Offset
    sha256: _Hex
    model: str
    category: str
    tally: Tally
    task_ids: list[str]
    samples: list[Sample]

    @property
    def keys(self) -> list[TaskKey]:
        """What was answered, as (task_id, sample)."""
        samples = self.samples or [1] * len(self.task_ids)
        return list(zip(self.task_ids, samples, strict=True))

    @property
    def is_sound(self) -> bool:
        """Whether its parts agree with each other."""
        count = len(self.task_ids)
        return (
            self.start < self.end
            and self.tally.answered == count == len(set(self.keys))
            and self.tally.failed == 0
            and self.tally.is_possible
        )


def block_of(lines: Iterable[Line], start: int) -> AnswerBlock | None:
    """Return what these lines hold, its sha256 yet to be filled in.

    None where one is no plain answer, or of another kind: they have to be read one by one.
    """
    tally, end = Tally(), start
    kind: tuple[str, str] | None = None
    keys: list[TaskKey] = []
    for line in lines:
        record = decode_solution(line.content) if line.is_whole and line.is_clean else None
        if record is None or not record.llm_call_success:
            return None
        if kind not in (None, (record.model, record.category)):
            return None
        kind = record.model, record.category
        tally.add(record)
        keys.append(record.key)
        end = line.offset + len(line.raw)
    if kind is None or len(set(keys)) < len(keys):
        return None
    samples = [sample for _, sample in keys]
    return AnswerBlock(
        start=start,
        end=end,
        sha256=_NO_SHA256,
        model=kind[0],
        category=kind[1],
        tally=tally,
        task_ids=[task_id for task_id, _ in keys],
        samples=samples if max(samples) > 1 else [],
    )
