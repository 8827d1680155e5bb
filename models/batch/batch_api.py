"""One provider's batch API as the runners see it: requests in, one row a request out, later.

A batch is paid for once it is created, and creating is not idempotent anywhere. So the steps are
apart: the caller puts a line on the disk before each, and after a kill asks with find() whether
a create that it knows nothing of came through. An implementation never repeats a request by
itself, keeps nothing in memory that a later process would need, and never raises anything but a
ModelError (models/batch/batch_http.py sees to that).

Request bodies are those of live calls (the model's own), and replies are read by the code that
reads live replies: what is here is only the envelope.
"""

from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass
from typing import BinaryIO, Literal, Protocol

from config.errors import ModelError
from models.base_model import BaseModel, Completion
from prompts.prompt_template import Prompt

Phase = Literal["running", "ended_with_rows", "ended_without_rows"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchInput:
    """The requests of one batch, as they stand on the disk, a line each.

    token: 8 characters of [a-z0-9] that no other batch of anybody has. Put it where the provider
        shows it again (metadata, a name), so that find() can tell this batch from all others.
        Each custom_id is "<token>-<row>", with rows counted from 1: it fits every provider's rule.
    rows: how many requests. size: of all lines, in bytes.
    open_lines: opens the file of lines, as BatchApi.line made them, to read bytes.
    """

    token: str
    rows: int
    size: int
    open_lines: Callable[[], BinaryIO]


@dataclass(frozen=True, slots=True)
class Created:
    """The batch is there; batch_id is the provider's name for it."""

    batch_id: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The provider surely made no batch, and bills nothing.

    error: RateLimited or Overloaded where the same create may succeed later (its signals say
        when), any LaneClosed where no batch of this key or model can, else a BadRequest.
    """

    error: ModelError


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody knows whether a batch was made: a timeout, a lost connection, a 5xx. Ask find()."""

    why: str


CreateOutcome = Created | Refused | Unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundBatch:
    """A batch that find() took for the one that was sought.

    is_proven: the provider shows its token. Where it does not (Anthropic has none), the rows'
        custom_ids tell in the end; until then no other batch is made in its place, and where
        they are not ours, find() is asked again without it.
    """

    batch_id: str
    is_proven: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchStatus:
    """How a batch stands.

    state: the provider's own word, for people. A word that is not known means running.
    phase: running; ended_with_rows: results() has what there is, which may be less than was sent;
        ended_without_rows: there is nothing to read, and what was not refused is to be sent again.
    done, total: rows, where the provider counts them; never decide anything by them: they lie.
    results: where the rows are, in the order in which to read them (file ids, paths), for
        results(); opaque to the caller.
    may_name_more: it has ended, but names fewer results than it should: look again for a while.
    error: what refused the batch as a whole, fit for a lane or a failure, where it was refused:
        RateLimited where its queue is full (send the same again once others have ended), a
        LaneClosed, a BadRequest; else None.
    bad_row: the row (from 1) that the provider named as the reason, None where it named none.
    may_be_billed: it ended without rows, but some may have been run.
    ended_at: wall seconds, where the provider says so.
    look_again_seconds: what it asks to wait before the next poll, None where it does not say.
    """

    batch_id: str
    state: str
    phase: Phase
    done: int | None = None
    total: int | None = None
    results: tuple[str, ...] = ()
    may_name_more: bool = False
    error: ModelError | None = None
    bad_row: int | None = None
    may_be_billed: bool = False
    ended_at: float | None = None
    look_again_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class BatchRow:
    """What became of one request.

    custom_id: as it came; it may be another batch's, and it may come twice.
    result: a Completion as the live code reads it; or an error. A TransientError means: send the
        request again (NotRun where it was never run, and is not billed: expired, cancelled, lost);
        a BadRequest: it failed for good; a LaneClosed: every request of this model would.
        usage of an error: what the row counts, and bills, all the same.
        Bounds and redaction are the caller's: BaseModel.kept and BaseModel.as_model_error.
    """

    custom_id: str
    result: Completion | ModelError


class BatchApi(Protocol):
    """The batch API of one model: its key, its address, its bodies and replies.

    Every method but line and read_row sends; each raises a ModelError where it cannot say:
    a TransientError means "ask again later" and must not end a batch, an AuthFailed means the
    key, not the batch. None of them retries.
    """

    @property
    def model(self) -> BaseModel:
        """The model whose batches these are."""

    def line(self, custom_id: str, prompt: Prompt) -> bytes:
        """Return one request as it stands in the file of lines, ending in a line break.

        Its body is the live call's, without streaming.
        """

    async def prepare(self, batch: BatchInput) -> str:
        """Do what is free of charge and comes before create; return what create needs of it.

        That is a file's id where a file is uploaded, "" where create sends the lines itself.
        """

    async def create(self, batch: BatchInput, prepared: str) -> CreateOutcome:
        """Create the batch, with one request, and say what came of it; never raises ModelError."""

    async def find(
        self, batch: BatchInput, prepared: str, *, since: float, but_not: Collection[str]
    ) -> FoundBatch | None:
        """Return the batch that a create since then may have made, None where there is none now.

        since: wall seconds of just before the create was sent; look back ten minutes further.
        but_not: batch ids that are known to be others.
        """

    async def poll(self, batch_id: str) -> BatchStatus:
        """Return how a batch stands. A 404 soon after the create is a TransientError."""

    def results(self, status: BatchStatus) -> AsyncIterator[bytes]:
        """Yield the rows as they come, in pieces of any size that add up to lines.

        The last line of each part ends in a line break, also where the provider's does not.
        Raises a TransientError where a part breaks off: the caller starts over.
        """

    def read_row(self, line: bytes) -> BatchRow | None:
        """Return what one line says, None for a line that names no request at all.

        Never raises: a line that cannot be read is a BadReply of the request that it names.
        """

    async def cancel(self, batch_id: str) -> None:
        """Ask the provider to cancel; it takes minutes, and poll() tells of the end.

        A batch that has ended already is no error.
        """
