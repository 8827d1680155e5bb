"""Together's batches: OpenAI's format with other envelopes, states and paths.

docs.together.ai/docs/inference/batch. A batch carries no name, but it names the file that it was
made of, which is ours alone.
"""

import json
from collections.abc import AsyncIterator, Collection, Mapping
from functools import cached_property, partial

import msgspec

from config.errors import AuthFailed, ModelError, NotRun, Overloaded
from models.base_model import Completion
from models.batch.batch_api import (
    BatchInput,
    BatchRow,
    BatchStatus,
    CreateOutcome,
    FoundBatch,
    Phase,
    Refused,
)
from models.batch.batch_http import (
    BatchHttp,
    cancel_unless_ended,
    converted,
    created,
    read_reply,
    wall_seconds,
)
from models.batch.batch_rows import EMPTY_PROMPT, Fault, read_line
from models.meta_model import MetaModel
from models.wire.reply import Reply
from prompts.prompt_template import Prompt

_ENDPOINT = "/v1/chat/completions"
_ENDED = ("COMPLETED", "CANCELLED", "EXPIRED", "FAILED")
_CLIENT_ERROR = "batch_client_error"


class _Batch(msgspec.Struct):
    id: str
    status: str = ""
    input_file_id: str | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    completed_at: str | None = None
    error: object = None

    @property
    def files(self) -> tuple[str, ...]:
        return tuple(id for id in (self.output_file_id, self.error_file_id) if id)


class _Created(msgspec.Struct):
    job: _Batch


class _File(msgspec.Struct):
    id: str


class _Response(msgspec.Struct):
    status_code: int = 0
    body: msgspec.Raw = msgspec.Raw(b"")


class _Row(msgspec.Struct):
    custom_id: str
    response: _Response | None = None
    error: object = None


_ROW_DECODER = msgspec.json.Decoder(_Row)


class TogetherBatch:
    """Batches of one of Together's models."""

    def __init__(self, model: MetaModel) -> None:
        self.model = model
        self._http = BatchHttp(model, model.base_url, model.headers())

    def line(self, custom_id: str, prompt: Prompt) -> bytes:
        """Return one request."""
        request = {"custom_id": custom_id, "body": self.model.request_body(prompt)}
        return json.dumps(request).encode() + b"\n"

    async def prepare(self, batch: BatchInput) -> str:
        """Upload the lines; return the file's id."""
        form = {"purpose": "batch-api", "file_name": f"{batch.token}.jsonl"}
        try:
            reply = await self._http.upload("/files/upload", batch, form)
        except AuthFailed as error:
            raise _of_the_gate(error) from error
        return read_reply(reply, _File).id

    async def create(
        self,
        batch: BatchInput,  # noqa: ARG002 - the protocol's
        prepared: str,
    ) -> CreateOutcome:
        """Create the batch of an uploaded file."""
        body = {"input_file_id": prepared, "endpoint": _ENDPOINT, "completion_window": "24h"}
        reply = await self._http.create("/batches", json=body)
        if isinstance(reply, Refused):
            return Refused(_of_the_gate(reply.error))
        return created(reply, _Created, lambda made: made.job.id)

    async def find(
        self,
        batch: BatchInput,  # noqa: ARG002 - the protocol's
        prepared: str,
        *,
        since: float,  # noqa: ARG002 - the list has no pages
        but_not: Collection[str],
    ) -> FoundBatch | None:
        """Return the batch that was made of our file."""
        for each in read_reply(await self._http.get("/batches"), list[_Batch]):
            if each.input_file_id == prepared and each.id not in but_not:
                return FoundBatch(batch_id=each.id)
        return None

    async def poll(self, batch_id: str) -> BatchStatus:
        """Return how a batch stands; it counts no rows."""
        batch = read_reply(await self._http.get(f"/batches/{batch_id}"), _Batch)
        phase: Phase = "running"
        if batch.status in _ENDED:
            may_come = batch.status == "COMPLETED"
            phase = "ended_with_rows" if batch.files or may_come else "ended_without_rows"
        return BatchStatus(
            batch_id=batch.id,
            state=batch.status,
            phase=phase,
            results=batch.files,
            may_name_more=batch.status == "COMPLETED" and not batch.output_file_id,
            error=self._refusal(batch) if batch.status == "FAILED" else None,
            ended_at=wall_seconds(batch.completed_at or "") or None,
        )

    async def results(self, status: BatchStatus) -> AsyncIterator[bytes]:
        """Yield the rows of both files."""
        for file_id in status.results:
            async for piece in self._http.file(f"/files/{file_id}/content"):
                yield piece

    def read_row(self, line: bytes) -> BatchRow | None:
        """Return what one line of either file says."""
        return read_line(
            *(line, _ROW_DECODER, "custom_id", self.model),
            lambda row: (row.custom_id, partial(self._result, row)),
        )

    async def cancel(self, batch_id: str) -> None:
        """Ask for a batch's end; it says 409 where that has come already."""
        await cancel_unless_ended(self, batch_id, self._http.post(f"/batches/{batch_id}/cancel"))

    @cached_property
    def _parameters_body(self) -> Mapping[str, object]:
        return self.model.request_body(EMPTY_PROMPT)

    def _result(self, row: _Row) -> Completion | ModelError:
        response = row.response
        if response and response.status_code:
            reply = Reply(response.status_code, {}, bytes(response.body))
            return self.model.completion_of(reply, self._parameters_body)
        fault = converted(row.error, Fault) or Fault(message=row.error)
        if fault.code == _CLIENT_ERROR:  # final, unless its words speak of money, keys or models
            return self._error(fault.message)
        status = fault.code if isinstance(fault.code, int) and 400 <= fault.code < 600 else None
        if status is None:
            return NotRun(f"not run: {fault.message or fault.code or 'the row holds no reply'}")
        return self._error(fault.message, status)

    def _error(self, message: object, status: int = 400) -> ModelError:
        body = json.dumps({"error": {"message": message}}).encode()
        return self.model.reply_error(Reply(status, {}, body))

    def _refusal(self, batch: _Batch) -> ModelError:
        error = self._error(batch.error or "the batch failed, and no reason is given")
        return self.model.as_model_error(error)


def _of_the_gate(error: ModelError) -> ModelError:
    """Return a refusal for what it is: Cloudflare, before the API, turns programs away at times."""
    words = str(error).lower()
    if isinstance(error, AuthFailed) and error.status == 403 and "cloudflare" in words:
        return Overloaded(f"not let through to the API: {error}", status=error.status)
    return error
