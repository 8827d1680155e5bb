"""batches.jsonl: every step of every batch, on the disk before the next one is taken.

A batch is paid for by its create, which cannot be repeated without paying twice. So a line says
"creating" before it is sent, and another what came of it: only where the second is missing is
anything unknown after a crash, and the provider is asked before anything is sent again.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from config.errors import StoreError
from storage.files.durability import flush_file, flush_folder, write_error
from storage.files.jsonl_file import append_line, read_lines
from storage.records.batch_steps import (
    Cancelling,
    Created,
    Creating,
    Dropped,
    Ended,
    Found,
    Landed,
    Lost,
    NotOurs,
    Planned,
    Refused,
    Step,
    StepName,
    Unknown,
    Uploaded,
)
from storage.records.solution_record import TaskKey

LEDGER_NAME = "batches.jsonl"
_ENCODER = msgspec.json.Encoder()
_DECODER: msgspec.json.Decoder[Step] = msgspec.json.Decoder(Step)
_SETTLED = ("landed", "dropped")
_LEADS_TO: Mapping[type[Step], StepName] = {
    Uploaded: "uploaded",
    Creating: "creating",
    Created: "open",
    Refused: "uploaded",
    Unknown: "creating",
    Found: "open",
    NotOurs: "creating",
    Ended: "ended",
    Landed: "landed",
    Dropped: "dropped",
    Lost: "lost",
}


@dataclass(slots=True)
class LedgerBatch:
    """What the ledger says of one batch.

    step: how far it is; "creating" also where the create's outcome is unknown, "open" where the
    provider has it. batch_id: None until it is known. not_ours: ids that were others'.
    created_at: when it was created, as far as that is known.
    """

    planned: Planned
    step: StepName = "planned"
    prepared: str | None = None
    creating_at: float = 0.0
    batch_id: str | None = None
    is_proven: bool = True
    created_at: float = 0.0
    ended: Ended | None = None
    landed: Landed | None = None
    is_cancelling: bool = False
    not_ours: set[str] = field(default_factory=set)

    @property
    def token(self) -> str:
        return self.planned.token

    @property
    def model(self) -> str:
        return self.planned.model

    @property
    def rows(self) -> int:
        return len(self.planned.tasks)

    @property
    def keys(self) -> list[TaskKey]:
        """What its rows ask, in their order."""
        return [(task_id, sample) for task_id, sample, _ in self.planned.tasks]

    @property
    def is_unsettled(self) -> bool:
        """Whether answers may come of it yet, or have to be landed."""
        return self.step not in (*_SETTLED, "lost")

    @property
    def may_be_billed(self) -> bool:
        """Whether the provider has it, or may have it."""
        return self.step in ("creating", "open", "ended")


class BatchLedger:
    """One session's batches; append waits for the disk, so call it in a thread.

    Raises StoreError where a line cannot be read: a batch that nobody knows of would be paid for
    twice.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / LEDGER_NAME
        self._batches: dict[str, LedgerBatch] = {}
        for number, line in enumerate(read_lines(self._path), 1):
            if not line.content:
                continue
            try:
                self._fold(_DECODER.decode(line.content))
            except (msgspec.MsgspecError, ValueError, RecursionError, KeyError) as error:
                if not line.is_whole:  # cut by a crash: what it was to precede did not happen
                    continue
                raise StoreError(
                    f"{self._path}: line {number} cannot be read ({error}): it tells of a batch "
                    "that may be paid for. Put the line right, or take it out"
                ) from error

    def __iter__(self) -> Iterator[LedgerBatch]:
        return iter(list(self._batches.values()))

    def get(self, token: str) -> LedgerBatch | None:
        """Return what is known of a batch, None where it was not planned."""
        return self._batches.get(token)

    def unsettled(self, model: str | None = None) -> list[LedgerBatch]:
        """Return the batches, of one model or all, from which answers may come yet."""
        return [b for b in self if b.is_unsettled and model in (None, b.model)]

    def rounds(self, model: str) -> Counter[TaskKey]:
        """Return how many batches each of a model's tasks was in without an answer."""
        counts: Counter[TaskKey] = Counter()
        for batch in self:
            if batch.model == model and batch.landed:
                keys = batch.keys
                counts.update(keys[row - 1] for row in batch.landed.again if row <= len(keys))
        return counts

    def append(self, step: Step) -> LedgerBatch:
        """Return the batch once the step is on the disk. Raises StoreError where it cannot be."""
        try:
            is_new = append_line(self._path, _ENCODER.encode(step) + b"\n") == 0
            flush_file(self._path)
            if is_new:
                flush_folder(self._path.parent)
        except OSError as error:
            raise write_error(self._path, error) from error
        self._fold(step)
        return self._batches[step.token]

    def _fold(self, step: Step) -> None:
        if isinstance(step, Planned):
            self._batches[step.token] = LedgerBatch(step)
            return
        batch = self._batches[step.token]
        batch.step = _LEADS_TO.get(type(step), batch.step)
        match step:
            case Uploaded():
                batch.prepared = step.prepared
            case Creating():
                batch.creating_at = step.at
            case Created():
                batch.batch_id, batch.created_at = step.batch_id, step.at
            case Found():
                batch.batch_id, batch.created_at = step.batch_id, batch.creating_at
                batch.is_proven = step.is_proven
            case NotOurs():
                batch.batch_id = None
                batch.not_ours.add(step.batch_id)
            case Cancelling():
                batch.is_cancelling = True
            case Ended():
                batch.ended = step
            case Landed():
                batch.landed = step
