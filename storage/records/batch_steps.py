"""The lines of batches.jsonl: what happened to a batch, one step a line.

planned -> uploaded -> creating -> created -> ended -> landed, with refused, unknown, found and
cancelling between, and dropped or lost instead of the rest. Moments are wall seconds.
"""

import re
from typing import Annotated, Literal

import msgspec

from storage.records.solution_record import Count, Moment, Sample, Usd

Row = Annotated[int, msgspec.Meta(ge=1, le=10_000_000)]
BatchedTask = tuple[str, Sample, str]  # task_id, sample, and the hash of what the problem says


_NAME = r"^[!-~]{1,500}$"
# These go into the names of files or into addresses.
Token = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]{8}$")]
BatchName = Annotated[str, msgspec.Meta(pattern=_NAME)]
Prepared = Annotated[str, msgspec.Meta(pattern=r"^[!-~]{0,500}$")]


def is_usable_name(name: str) -> bool:
    """Tell whether a provider's name for something can be kept, and asked about."""
    return re.match(_NAME, name) is not None


class _Step(msgspec.Struct, frozen=True, kw_only=True, tag_field="step", omit_defaults=True):
    token: Token
    at: Moment


class Planned(_Step, frozen=True, kw_only=True, tag="planned"):
    """The lines are on the disk, and the worst case is reserved; nothing was sent.

    model: the label. key_digest: of the key that can see the batch; the key stands nowhere.
    tasks: what row 1, 2 ... asks. size, sha256: of the file of lines.
    """

    model: str
    provider: str
    base_url: str
    key_digest: str
    tasks: list[BatchedTask]
    size: Count
    sha256: str
    worst_usd: Usd


class Uploaded(_Step, frozen=True, kw_only=True, tag="uploaded"):
    """What comes before the create is done, free of charge; prepared: its file, if it has one."""

    prepared: Prepared


class Creating(_Step, frozen=True, kw_only=True, tag="creating"):
    """The create is about to be sent: until the next step nobody knows if it came through."""


class Created(_Step, frozen=True, kw_only=True, tag="created"):
    """The provider has the batch, and bills it."""

    batch_id: BatchName


class Refused(_Step, frozen=True, kw_only=True, tag="refused"):
    """The provider surely has no batch of this create; another may be tried."""

    why: str
    status: Count | None = None


class Unknown(_Step, frozen=True, kw_only=True, tag="unknown"):
    """The create had no reply that says whether there is a batch."""

    why: str


class Found(_Step, frozen=True, kw_only=True, tag="found"):
    """The batch of a create without a reply was found; is_proven: it shows our token."""

    batch_id: BatchName
    is_proven: bool = True


class NotOurs(_Step, frozen=True, kw_only=True, tag="not_ours"):
    """A batch that was found turned out to be somebody else's: the search goes on."""

    batch_id: BatchName


class Cancelling(_Step, frozen=True, kw_only=True, tag="cancelling"):
    """The batch's end was asked for; why: by whom."""

    why: str


class Ended(_Step, frozen=True, kw_only=True, tag="ended"):
    """The batch has ended; state: the provider's word. Its results are yet to be landed."""

    state: str
    ended_at: Moment
    results: list[str] = []


class Landed(_Step, frozen=True, kw_only=True, tag="landed"):
    """Its answers are on the disk. again: the rows that are to be asked again.

    answered, failed: rows; cost_usd: of all of them, the worst case where a cost is not known.
    """

    answered: Count
    failed: Count
    again: list[Row] = []
    cost_usd: Usd


class Dropped(_Step, frozen=True, kw_only=True, tag="dropped"):
    """There is no batch, nothing is owed, and its tasks are asked in another way."""

    why: str


class Lost(_Step, frozen=True, kw_only=True, tag="lost"):
    """The create came to nothing, as far as the provider's lists say; it is still looked for."""


Step = (
    Planned
    | Uploaded
    | Creating
    | Created
    | Refused
    | Unknown
    | Found
    | NotOurs
    | Cancelling
    | Ended
    | Landed
    | Dropped
    | Lost
)
StepName = Literal["planned", "uploaded", "creating", "open", "ended", "landed", "dropped", "lost"]
