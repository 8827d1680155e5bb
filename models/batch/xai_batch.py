"""xAI's batches: an empty one first, then requests added to it, which may be repeated freely.

docs.x.ai, batch API: a request that is there already is not added again, so nothing is bought
twice however often the adding is repeated. A batch has no state but its counters, which were
seen to turn back; and answers can be read while it runs.
"""

import json
import logging
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from functools import cached_property, partial

import msgspec

from config.clock import SystemClock
from config.errors import BadReply, ModelError, NotRun, RateLimited, TransientError
from models.base_model import Completion
from models.batch.batch_api import (
    BatchInput,
    BatchRow,
    BatchStatus,
    Created,
    CreateOutcome,
    FoundBatch,
    Phase,
    Refused,
    Unknown,
)
from models.batch.batch_http import BatchHttp, converted, read_reply
from models.batch.batch_rows import EMPTY_PROMPT, RPC_CANCELLED, Fault, http_status_of, read_line
from models.wire.json_border import decode_json
from models.wire.reply import Reply
from models.xai_model import XAIModel
from prompts.prompt_template import Prompt

logger = logging.getLogger("collector")

_ROWS_A_CALL, _BYTES_A_CALL = 100, 18_000_000
_ROWS_A_PAGE = 100
_MOST_PAGES = 100_000
_TRIES_OF_ONE_ROW = 3
_ADDING_SECONDS = 500.0  # less than a create is waited for before it counts as lost
_NOT_FOUND = 404
# What an error without a code says where the request itself is not to blame.
_PASSING_WORDS = ("timeout", "timed out", "overload", "internal", "unavailable", "capacity", "rate")
_STOPPED_WORDS = ("cancel", "expired")


class _Counts(msgspec.Struct):
    num_requests: int = 0
    num_pending: int = 0
    num_success: int = 0
    num_error: int = 0
    num_cancelled: int = 0

    @property
    def done(self) -> int:
        return self.num_success + self.num_error + self.num_cancelled


class _Batch(msgspec.Struct):
    batch_id: str
    state: _Counts = msgspec.field(default_factory=_Counts)
    cancel_by_xai_message: str | None = None


class _Page(msgspec.Struct):
    results: list[msgspec.Raw] | None = None
    pagination_token: str | None = None


class _Reply(msgspec.Struct):
    chat_get_completion: msgspec.Raw = msgspec.Raw(b"")


class _Result(msgspec.Struct):
    response: _Reply | None = None
    error: object = None


class _Row(msgspec.Struct):
    batch_request_id: str
    batch_result: _Result = msgspec.field(default_factory=_Result)
    error: object = None


_PAGE_DECODER = msgspec.json.Decoder(_Page)
_ROW_DECODER = msgspec.json.Decoder(_Row)


class XAIBatch:
    """Batches of one Grok model."""

    def __init__(self, model: XAIModel) -> None:
        self.model = model
        self._http = BatchHttp(model, model.base_url, model.headers())
        self._seen: dict[str, _Counts] = {}  # at the last look

    def line(self, custom_id: str, prompt: Prompt) -> bytes:
        """Return one request as it is added."""
        asked = {"chat_get_completion": self.model.request_body(prompt)}
        request = {"batch_request_id": custom_id, "batch_request": asked}
        return json.dumps(request).encode() + b"\n"

    async def prepare(self, batch: BatchInput) -> str:
        """Make an empty batch, which costs nothing; return its id."""
        reply = await self._http.post("/batches", {"name": batch.token})
        return read_reply(reply, _Batch).batch_id

    async def create(self, batch: BatchInput, prepared: str) -> CreateOutcome:
        """Add the requests; one call after the other."""
        for number, body in enumerate(_calls(batch)):
            reply = await self._http.create(
                f"/batches/{prepared}/requests",
                data=body,
                headers={"Content-Type": "application/json"},
            )
            if isinstance(reply, Reply):
                continue
            if isinstance(reply, Unknown) or number == 0:
                return reply
            return await self._half_made(prepared, reply)
        return Created(prepared)

    async def find(
        self,
        batch: BatchInput,
        prepared: str,
        *,
        since: float,
        but_not: Collection[str],  # noqa: ARG002 - what prepare() made is ours
    ) -> FoundBatch | None:
        """Add the requests that may not have come through, and return the batch.

        Long after the create it may have been given up, and nothing is added any more.
        """
        try:
            reply = await self._http.get(f"/batches/{prepared}")
        except ModelError as error:
            if error.status == _NOT_FOUND:
                return None
            raise
        if SystemClock().time() >= since + _ADDING_SECONDS:
            has_some = read_reply(reply, _Batch).state.num_requests > 0
            return FoundBatch(batch_id=prepared) if has_some else None
        outcome = await self.create(batch, prepared)
        if isinstance(outcome, Created):
            return FoundBatch(batch_id=outcome.batch_id)
        if isinstance(outcome, Unknown):
            raise BadReply(f"its requests cannot be added now: {outcome.why}")
        if isinstance(outcome.error, TransientError):
            raise outcome.error
        # Those that were added before run, and are to be fetched.
        await self.cancel(prepared)
        return FoundBatch(batch_id=prepared)

    async def poll(self, batch_id: str) -> BatchStatus:
        """Return how a batch stands; it has ended once two looks agree that nothing is pending."""
        batch = read_reply(await self._http.get(f"/batches/{batch_id}"), _Batch)
        counts, before = batch.state, self._seen.get(batch_id)
        self._seen[batch_id] = counts
        refusal = batch.cancel_by_xai_message
        is_over = counts.num_pending == 0 and (counts.num_requests > 0 or bool(refusal))
        phase: Phase = "running"
        if is_over and counts == before:
            phase = "ended_with_rows" if counts.num_requests else "ended_without_rows"
        return BatchStatus(
            batch_id=batch_id,
            state=refusal or f"{counts.num_pending} of {counts.num_requests} pending",
            phase=phase,
            done=counts.done,
            total=counts.num_requests or None,
            results=(batch_id,) if phase == "ended_with_rows" else (),
            error=self._error(refusal, 400) if phase == "ended_without_rows" else None,
        )

    async def results(self, status: BatchStatus) -> AsyncIterator[bytes]:
        """Yield the rows, page by page; fewer a page where one is larger than a reply may be."""
        for batch_id in status.results:
            rows, failures, token = _ROWS_A_PAGE, 0, ""
            for _ in range(_MOST_PAGES):
                try:
                    page = await self._page(batch_id, rows, token)
                except BadReply as error:
                    if rows == 1 and (failures := failures + 1) == _TRIES_OF_ONE_ROW:
                        logger.warning(
                            "%s: a row of batch %s cannot be fetched, so none after it: %s",
                            *(self.model.config.label, batch_id, error),
                        )
                        break
                    rows = rows // 4 or 1
                    continue
                failures = 0
                for row in page.results or ():
                    # No text holds a line break as such, so one is only there for the eye.
                    yield bytes(row).replace(b"\n", b" ").replace(b"\r", b" ") + b"\n"
                if not (page.results and page.pagination_token):
                    break
                token = page.pagination_token

    async def _page(self, batch_id: str, rows: int, token: str) -> _Page:
        """Return a page of rows; raises BadReply where it is too large, or cannot be read."""
        asked = {"limit": str(rows), **({"pagination_token": token} if token else {})}
        reply = await self._http.get(f"/batches/{batch_id}/results", **asked)
        try:
            return decode_json(reply.body, _PAGE_DECODER)
        except ValueError as error:
            raise BadReply(f"a page of results that cannot be read: {error}") from error

    def read_row(self, line: bytes) -> BatchRow | None:
        """Return what one line says."""
        return read_line(
            *(line, _ROW_DECODER, "batch_request_id", self.model),
            lambda row: (row.batch_request_id, partial(self._result, row)),
        )

    async def cancel(self, batch_id: str) -> None:
        """Ask for a batch's end."""
        try:
            await self._http.post(f"/batches/{batch_id}:cancel")
        except ModelError:
            status = await self.poll(batch_id)
            if status.total and status.done != status.total:
                raise

    @cached_property
    def _parameters_body(self) -> Mapping[str, object]:
        return self.model.request_body(EMPTY_PROMPT)

    async def _half_made(self, batch_id: str, refusal: Refused) -> CreateOutcome:
        """Return what becomes of a batch some of whose requests were added, and run already."""
        if isinstance(refusal.error, RateLimited):  # find() adds the others
            return Unknown(f"not all of its requests are added yet: {refusal.error}")
        try:
            await self.cancel(batch_id)
        except ModelError as error:
            return Unknown(f"{refusal.error}; not cancelled: {error}")
        return Created(batch_id)

    def _result(self, row: _Row) -> Completion | ModelError:
        error = row.error if row.error is not None else row.batch_result.error
        response = row.batch_result.response
        if error is None and response and bytes(response.chat_get_completion):
            reply = Reply(200, {}, bytes(response.chat_get_completion))
            return self.model.completion_of(reply, self._parameters_body)
        if error is None:
            return NotRun("not run: the row holds no reply")
        fault = converted(error, Fault) or Fault(message=error)
        words = str(fault.message).lower()
        if fault.code == RPC_CANCELLED or any(word in words for word in _STOPPED_WORDS):
            return NotRun(f"not run: {fault.message}")
        if fault.code is not None:
            return self._error(fault.message, http_status_of(fault.code))
        is_passing = any(word in words for word in _PASSING_WORDS)
        return self._error(fault.message, 503 if is_passing else 400)

    def _error(self, message: object, status: int) -> ModelError:
        body = json.dumps({"error": message if isinstance(message, str) else str(message)})
        return self.model.reply_error(Reply(status, {}, body.encode()))


def _calls(batch: BatchInput) -> Iterator[bytes]:
    """Yield the body of each call that adds requests, from the lines on the disk."""
    few: list[bytes] = []
    size = 0
    with batch.open_lines() as lines:
        for line in lines:
            if few and (len(few) == _ROWS_A_CALL or size + len(line) > _BYTES_A_CALL):
                yield _call(few)
                few, size = [], 0
            few.append(line.removesuffix(b"\n"))
            size += len(line)
    if few:
        yield _call(few)


def _call(requests: list[bytes]) -> bytes:
    return b'{"batch_requests":[' + b",".join(requests) + b"]}"
