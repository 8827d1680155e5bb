"""Anthropic's batches: all requests in the create's body, and no name by which to know it again.

platform.claude.com, batch processing. Neither a batch nor a list of them shows a token, so one
whose create had no reply is looked for by when it was made and how many requests it holds, and
proven by its rows. Batches that were just made may not be found for a while.
"""

import json
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import aclosing
from functools import cached_property, partial

import msgspec

from config.errors import BadReply, ModelError, NotRun
from models.anthropic_model import VERSION_WITH_TEMPERATURE, AnthropicModel, version_header
from models.base_model import Completion
from models.batch.batch_api import (
    BatchInput,
    BatchRow,
    BatchStatus,
    CreateOutcome,
    FoundBatch,
)
from models.batch.batch_http import (
    BatchHttp,
    cancel_unless_ended,
    converted,
    created,
    read_reply,
    wall_seconds,
)
from models.batch.batch_rows import EMPTY_PROMPT, read_line
from models.wire.reply import Reply
from prompts.prompt_template import Prompt

_BATCHES = "/v1/messages/batches"
_VERSION_WITHOUT_TEMPERATURE = "2026-10-21"  # what the SDK asks for
_BEFORE, _BETWEEN, _AFTER = b'{"requests":[', b",", b"]}"
_PAGE = 100
_MOST_PAGES = 100
# How far a batch's own time may lie from when its create was sent: clocks differ, and the create
# may have taken minutes.
_EARLIER_SECONDS, _LATER_SECONDS = 600.0, 1200.0
_MOST_LOOKED_AT = 100_000  # bytes of results, to see whose they are
# The status with which a live call gets such an error.
_STATUSES: Mapping[str, int] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
}


class _Counts(msgspec.Struct):
    processing: int = 0
    succeeded: int = 0
    errored: int = 0
    canceled: int = 0
    expired: int = 0

    @property
    def total(self) -> int:
        return self.processing + self.done

    @property
    def done(self) -> int:
        return self.succeeded + self.errored + self.canceled + self.expired


class _Batch(msgspec.Struct):
    id: str
    processing_status: str = ""
    request_counts: object = None
    created_at: str = ""
    ended_at: str | None = None
    archived_at: str | None = None
    results_url: str | None = None

    @property
    def counts(self) -> _Counts:
        return converted(self.request_counts, _Counts) or _Counts()

    @property
    def has_ended(self) -> bool:
        return self.processing_status == "ended"


class _Page(msgspec.Struct):
    data: list[_Batch]
    has_more: bool = False
    last_id: str | None = None


class _Result(msgspec.Struct):
    type: str
    message: msgspec.Raw = msgspec.Raw(b"")
    error: msgspec.Raw = msgspec.Raw(b"")


class _Row(msgspec.Struct):
    custom_id: str
    result: _Result


class _Complaint(msgspec.Struct):
    type: str = ""


class _Error(msgspec.Struct):
    error: _Complaint


_ROW_DECODER = msgspec.json.Decoder(_Row)


class AnthropicBatch:
    """Batches of one Claude model."""

    def __init__(self, model: AnthropicModel) -> None:
        self.model = model
        version = version_header(self._parameters_body).get(
            "anthropic-version", _VERSION_WITHOUT_TEMPERATURE
        )
        assert version in (VERSION_WITH_TEMPERATURE, _VERSION_WITHOUT_TEMPERATURE)
        # One version counts for a whole batch, which is of one model, so with a temperature or not.
        headers = {"x-api-key": model.api_key, "anthropic-version": version}
        self._http = BatchHttp(model, model.base_url, headers)
        self._others: set[str] = set()  # ended, and seen to be somebody else's

    def line(self, custom_id: str, prompt: Prompt) -> bytes:
        """Return one request."""
        request = {"custom_id": custom_id, "params": self.model.request_body(prompt)}
        return json.dumps(request).encode() + b"\n"

    async def prepare(self, batch: BatchInput) -> str:  # noqa: ARG002 - the protocol's
        """Return "": the create sends the lines."""
        return ""

    async def create(
        self,
        batch: BatchInput,
        prepared: str,  # noqa: ARG002 - the protocol's
    ) -> CreateOutcome:
        """Create the batch; its lines are read from the disk as they go out."""
        size = len(_BEFORE) + batch.size - batch.rows + (batch.rows - 1) * len(_BETWEEN)
        headers = {
            "Content-Type": "application/json",
            "Content-Length": str(size + len(_AFTER)),
        }
        reply = await self._http.create(_BATCHES, data=_whole_body(batch), headers=headers)
        return created(reply, _Batch, lambda made: made.id)

    async def find(
        self,
        batch: BatchInput,
        prepared: str,  # noqa: ARG002 - the protocol's
        *,
        since: float,
        but_not: Collection[str],
    ) -> FoundBatch | None:
        """Return the batch of its time and size: proven if it has ended, else the likeliest."""
        running: list[tuple[float, str]] = []
        for each in await self._made_about(since):
            if each.id in but_not or each.id in self._others or each.counts.total != batch.rows:
                continue
            if not each.has_ended:
                running.append((abs(wall_seconds(each.created_at) - since), each.id))
            elif await self._has_rows_of(batch.token, each.id):
                return FoundBatch(batch_id=each.id)
            else:
                self._others.add(each.id)
        return FoundBatch(batch_id=min(running)[1], is_proven=False) if running else None

    async def poll(self, batch_id: str) -> BatchStatus:
        """Return how a batch stands; until its end it counts nothing as done."""
        reply = await self._http.get(f"{_BATCHES}/{batch_id}")
        batch = read_reply(reply, _Batch)
        is_gone = batch.has_ended and batch.archived_at is not None
        wait = next((v for name, v in reply.headers.items() if name.lower() == "retry-after"), "")
        return BatchStatus(
            batch_id=batch.id,
            state=batch.processing_status,
            phase="running"
            if not batch.has_ended
            else "ended_without_rows"
            if is_gone
            else "ended_with_rows",
            done=batch.counts.done if batch.has_ended else None,
            total=batch.counts.total if batch.has_ended else None,
            results=(batch_id,) if batch.has_ended and not is_gone else (),
            may_name_more=batch.has_ended and batch.results_url is None and not is_gone,
            may_be_billed=is_gone,
            ended_at=wall_seconds(batch.ended_at or "") or None,
            look_again_seconds=float(wait) if wait.isdecimal() and len(wait) < 6 else None,
        )

    async def results(self, status: BatchStatus) -> AsyncIterator[bytes]:
        """Yield the rows.

        They are asked for at our own address: results_url is absolute, and no key goes to where
        a reply points.
        """
        for batch_id in status.results:
            async for piece in self._http.file(f"{_BATCHES}/{batch_id}/results"):
                yield piece

    def read_row(self, line: bytes) -> BatchRow | None:
        """Return what one line says."""
        return read_line(
            *(line, _ROW_DECODER, "custom_id", self.model),
            lambda row: (row.custom_id, partial(self._result, row.result)),
        )

    async def cancel(self, batch_id: str) -> None:
        """Ask for a batch's end."""
        await cancel_unless_ended(self, batch_id, self._http.post(f"{_BATCHES}/{batch_id}/cancel"))

    @cached_property
    def _parameters_body(self) -> Mapping[str, object]:
        return self.model.request_body(EMPTY_PROMPT)

    def _result(self, result: _Result) -> Completion | ModelError:
        if result.type in ("expired", "canceled"):
            return NotRun(f"not run: {result.type}")
        if result.type == "errored":
            error = msgspec.json.decode(result.error, type=_Error)
            status = _STATUSES.get(error.error.type, 500)
            return self.model.reply_error(Reply(status, {}, bytes(result.error)))
        if result.type != "succeeded":
            return BadReply(f"a row of an unknown kind: {result.type}")
        return self.model.completion_of(
            Reply(200, {}, bytes(result.message)), self._parameters_body
        )

    async def _made_about(self, since: float) -> list[_Batch]:
        found: list[_Batch] = []
        after: dict[str, str] = {}
        for _ in range(_MOST_PAGES):
            page = read_reply(await self._http.get(_BATCHES, limit=str(_PAGE), **after), _Page)
            times = [wall_seconds(each.created_at) for each in page.data]
            found += [
                each
                for each, at in zip(page.data, times, strict=True)
                if since - _EARLIER_SECONDS <= at <= since + _LATER_SECONDS
            ]
            is_past = bool(times) and 0 < times[-1] < since - _EARLIER_SECONDS
            if not page.data or not page.has_more or is_past:
                return found
            after = {"after_id": page.last_id or page.data[-1].id}
        raise BadReply("its list of batches has no end")

    async def _has_rows_of(self, token: str, batch_id: str) -> bool:
        """Return whether an ended batch's first row is one of ours."""
        beginning = b""
        async with aclosing(self._http.file(f"{_BATCHES}/{batch_id}/results")) as pieces:
            async for piece in pieces:
                beginning += piece
                if b"\n" in beginning or len(beginning) > _MOST_LOOKED_AT:
                    break
        row = self.read_row(beginning.partition(b"\n")[0])
        return row is not None and row.custom_id.startswith(f"{token}-")


async def _whole_body(batch: BatchInput) -> AsyncIterator[bytes]:
    """Yield the create's body, a request at a time."""
    with batch.open_lines() as lines:
        before = _BEFORE
        for line in lines:
            yield before + line.removesuffix(b"\n")
            before = _BETWEEN
    yield _AFTER
