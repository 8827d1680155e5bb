"""OpenAI's batches: a file of requests up, a batch of it, one file of answers and one of errors.

developers.openai.com/api/docs/guides/batch, and what is not written there: counts lie, a batch
may be completed before it names its files, and refusals come as a state, minutes later.
"""

import json
from collections.abc import AsyncIterator, Collection, Mapping
from functools import cached_property, partial

import msgspec

from config.errors import BadReply, BadRequest, ModelError, NotRun, RateLimited
from models.base_model import Completion
from models.batch.batch_api import (
    BatchInput,
    BatchRow,
    BatchStatus,
    CreateOutcome,
    FoundBatch,
    Phase,
)
from models.batch.batch_http import (
    BatchHttp,
    cancel_unless_ended,
    converted,
    created,
    read_reply,
    wait_hint,
)
from models.batch.batch_rows import EMPTY_PROMPT, read_line
from models.openai_model import OpenAIModel
from models.wire.reply import Reply
from prompts.prompt_template import Prompt

TOOL = "llm-solutions-collector"  # in the metadata of every batch, beside its token
_PHASES: Mapping[str, Phase] = {
    "completed": "ended_with_rows",
    "expired": "ended_with_rows",
    "cancelled": "ended_with_rows",
    "failed": "ended_without_rows",
}
_LOOK_BACK_SECONDS = 86_400.0  # the provider's clock may be behind, or ours ahead
_MOST_PAGES = 100  # of a hundred batches each
_QUEUE_FULL = "token_limit_exceeded"


class _Counts(msgspec.Struct):
    total: int = 0
    completed: int = 0
    failed: int = 0


class _Fault(msgspec.Struct):
    code: str | None = None
    message: str | None = None
    line: int | None = None


class _Faults(msgspec.Struct):
    data: list[_Fault] | None = None


class _Batch(msgspec.Struct):
    id: str
    status: str = ""
    input_file_id: str | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    request_counts: object = None
    errors: object = None
    metadata: object = None
    created_at: float = 0.0
    completed_at: float | None = None
    expired_at: float | None = None
    cancelled_at: float | None = None
    failed_at: float | None = None


class _Page(msgspec.Struct):
    data: list[_Batch]
    has_more: bool = False


class _File(msgspec.Struct):
    id: str


class _Response(msgspec.Struct):
    status_code: int | None = None
    request_id: str | None = None
    body: msgspec.Raw = msgspec.Raw(b"")


class _Row(msgspec.Struct):
    custom_id: str
    response: _Response | None = None
    error: object = None


_ROW_DECODER = msgspec.json.Decoder(_Row)


class OpenAIBatch:
    """Batches of one of OpenAI's models, chat completions or Responses."""

    def __init__(self, model: OpenAIModel) -> None:
        self.model = model
        options = model.options
        headers = {
            "Authorization": f"Bearer {model.api_key}",
            "OpenAI-Organization": options.openai_organization,
            "OpenAI-Project": options.openai_project,
        }
        self._http = BatchHttp(
            model, model.base_url, {name: value for name, value in headers.items() if value}
        )
        self._endpoint = f"/v1{model.call_url.removeprefix(model.base_url)}"

    def line(self, custom_id: str, prompt: Prompt) -> bytes:
        """Return one request; in ASCII, where no line separator but ours can be found in it."""
        request = {
            "custom_id": custom_id,
            "method": "POST",
            "url": self._endpoint,
            "body": self.model.request_body(prompt),
        }
        return json.dumps(request).encode() + b"\n"

    async def prepare(self, batch: BatchInput) -> str:
        """Upload the lines; return the file's id."""
        reply = await self._http.upload("/files", batch, {"purpose": "batch"})
        return read_reply(reply, _File).id

    async def create(self, batch: BatchInput, prepared: str) -> CreateOutcome:
        """Create the batch of an uploaded file."""
        body = {
            "input_file_id": prepared,
            "endpoint": self._endpoint,
            "completion_window": "24h",
            "metadata": {"tool": TOOL, "token": batch.token},
        }
        reply = await self._http.create("/batches", json=body)
        return created(reply, _Batch, lambda made: made.id)

    async def find(
        self, batch: BatchInput, prepared: str, *, since: float, but_not: Collection[str]
    ) -> FoundBatch | None:
        """Look through the key's batches, the newest first, for the one with our token."""
        after: dict[str, str] = {}
        for _ in range(_MOST_PAGES):
            page = read_reply(await self._http.get("/batches", limit="100", **after), _Page)
            for each in page.data:
                if each.id not in but_not and _is_ours(each, batch.token, prepared):
                    return FoundBatch(batch_id=each.id)
            if not page.data or not page.has_more:
                return None
            if 0 < page.data[-1].created_at < since - _LOOK_BACK_SECONDS:
                return None
            after = {"after": page.data[-1].id}
        raise BadReply("its list of batches has no end")

    async def poll(self, batch_id: str) -> BatchStatus:
        """Return how a batch stands."""
        reply = await self._http.get(f"/batches/{batch_id}")
        return self._status(read_reply(reply, _Batch), wait_hint(reply, "openai"))

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
        """Ask for a batch's end; one that has ended already refuses that, which is no error."""
        await cancel_unless_ended(self, batch_id, self._http.post(f"/batches/{batch_id}/cancel"))

    @cached_property
    def _parameters_body(self) -> Mapping[str, object]:
        return self.model.request_body(EMPTY_PROMPT)

    def _result(self, row: _Row) -> Completion | ModelError:
        response = row.response
        if response is None or not response.status_code:
            return _not_run(row.error)
        headers = {"x-request-id": response.request_id} if response.request_id else {}
        reply = Reply(response.status_code, headers, bytes(response.body))
        return self.model.completion_of(reply, self._parameters_body)

    def _status(self, batch: _Batch, wait_seconds: float | None) -> BatchStatus:
        phase = _PHASES.get(batch.status, "running")
        counts = converted(batch.request_counts, _Counts) or _Counts()
        fault = _first_fault(batch.errors) if phase == "ended_without_rows" else None
        return BatchStatus(
            batch_id=batch.id,
            state=batch.status,
            phase=phase,
            done=counts.completed + counts.failed if counts.total > 0 else None,
            total=counts.total if counts.total > 0 else None,
            results=tuple(id for id in (batch.output_file_id, batch.error_file_id) if id),
            may_name_more=phase == "ended_with_rows" and _names_too_little(batch, counts),
            error=self._refusal(fault) if fault else None,
            bad_row=fault.line if fault else None,
            look_again_seconds=wait_seconds,
            ended_at=batch.completed_at or batch.expired_at or batch.cancelled_at,
        )

    def _refusal(self, fault: _Fault) -> ModelError:
        """Return what refused a batch as a whole."""
        words = f"the batch was refused: {fault.message or fault.code or 'no reason given'}"
        if fault.code == _QUEUE_FULL:
            return self.model.as_model_error(RateLimited(words))
        if fault.line is not None:
            return self.model.as_model_error(BadRequest(words))
        body = {"error": {"code": fault.code, "message": words}}
        return self.model.as_model_error(
            self.model.reply_error(Reply(400, {}, json.dumps(body).encode()))
        )


def _is_ours(batch: _Batch, token: str, file_id: str) -> bool:
    metadata = batch.metadata if isinstance(batch.metadata, dict) else {}
    return metadata.get("token") == token or bool(file_id and batch.input_file_id == file_id)


def _names_too_little(batch: _Batch, counts: _Counts) -> bool:
    """Return whether the files do not fit the counts, as for a while after a batch's end."""
    has_some = bool(batch.output_file_id or batch.error_file_id)
    lacks_answers = counts.completed > 0 and not batch.output_file_id
    return not has_some or lacks_answers or (counts.failed > 0 and not batch.error_file_id)


def _first_fault(errors: object) -> _Fault:
    faults = converted(errors, _Faults)
    return (faults.data if faults and faults.data else [_Fault()])[0]


def _not_run(error: object) -> NotRun:
    """Return why a request has no reply; a row may also come with a status of 0 and no word."""
    fault = converted(error, _Fault) or _Fault()
    return NotRun(f"not run: {fault.message or fault.code or 'the row holds no reply'}")
