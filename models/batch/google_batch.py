"""Gemini's batches: a file of requests up, a batch of it as an operation, a file of answers down.

ai.google.dev/gemini-api/docs/batch-api, over REST and v1beta, which is all that was ever seen to
serve batches; Google's SDK leaves out errors and counts. Requests are never sent inline: the
answers then come twice in every reply about the batch, and a large one can never be read.
"""

import json
import re
from collections.abc import AsyncIterator, Collection, Mapping
from functools import cached_property, partial
from urllib.parse import urlsplit

import msgspec

from config.errors import BadReply, LaneClosed, ModelError, NotRun, Overloaded
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
    wall_seconds,
)
from models.batch.batch_rows import RPC_CANCELLED, Fault, http_status_of, read_line
from models.google_model import GoogleModel
from models.wire.reply import Reply
from prompts.prompt_template import Prompt

_API = "/v1beta"
_UPLOAD = "/upload/v1beta/files"
_NAME = "llm-solutions-collector "  # before the token, in a batch's displayName
_PHASES: Mapping[str, Phase] = {
    "SUCCEEDED": "ended_with_rows",
    "PARTIALLY_SUCCEEDED": "ended_with_rows",
    "FAILED": "ended_without_rows",
    "CANCELLED": "ended_without_rows",
    "EXPIRED": "ended_without_rows",
}
_STATE_PREFIX = re.compile(r"\A(BATCH|JOB)_STATE_")
_FILE_NAME = re.compile(r"\Afiles/[\w-]{1,200}\Z")
_BATCH_NAME = re.compile(r"\Abatches/[\w-]{1,200}\Z")
_LOOK_BACK_SECONDS = 600.0  # the provider's clock may be behind
_PAGE = "100"
_MOST_PAGES = 100


class _Stats(msgspec.Struct, rename="camel"):
    request_count: int = 0
    successful_request_count: int = 0
    failed_request_count: int = 0


class _Output(msgspec.Struct, rename="camel"):
    responses_file: str | None = None


class _Metadata(msgspec.Struct, rename="camel"):
    state: str = ""
    display_name: str = ""
    create_time: str = ""
    end_time: str | None = None
    batch_stats: object = None
    output: object = None


class _Operation(msgspec.Struct):
    name: str
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)
    response: object = None
    error: object = None

    @property
    def state(self) -> str:
        """The provider's word, without what it begins with, which differs."""
        return _STATE_PREFIX.sub("", self.metadata.state)

    @property
    def stats(self) -> _Stats:
        return converted(self.metadata.batch_stats, _Stats) or _Stats()

    @property
    def file(self) -> str | None:
        """The file of answers, where it is named as such."""
        for place in (self.metadata.output, self.response):
            found = converted(place, _Output)
            if found and found.responses_file and _FILE_NAME.match(found.responses_file):
                return found.responses_file
        return None


class _Page(msgspec.Struct, rename="camel"):
    operations: list[_Operation] | None = None
    next_page_token: str | None = None


class _File(msgspec.Struct):
    name: str


class _Upload(msgspec.Struct):
    file: _File


class _Row(msgspec.Struct):
    key: str
    response: msgspec.Raw = msgspec.Raw(b"")
    error: object = None


_ROW_DECODER = msgspec.json.Decoder(_Row)


class GoogleBatch:
    """Batches of one of Gemini's models; the model stands in the URL, so in no line."""

    def __init__(self, model: GoogleModel) -> None:
        self.model = model
        self._http = BatchHttp(model, model.base_url, {"x-goog-api-key": model.api_key})

    def line(self, custom_id: str, prompt: Prompt) -> bytes:
        """Return one request."""
        request = {"key": custom_id, "request": self.model.request_body(prompt)}
        return json.dumps(request).encode() + b"\n"

    async def prepare(self, batch: BatchInput) -> str:
        """Upload the lines; return the file's name."""
        reply = await self._http.post(
            _UPLOAD,
            {"file": {"displayName": f"{_NAME}{batch.token}"}},
            headers={
                "X-Goog-Upload-Protocol": "resumable",
                "X-Goog-Upload-Command": "start",
                "X-Goog-Upload-Header-Content-Length": str(batch.size),
                "X-Goog-Upload-Header-Content-Type": "application/jsonl",
            },
        )
        headers = {name.lower(): value for name, value in reply.headers.items()}
        # It names an absolute address; the key goes to our own one alone.
        session = urlsplit(headers.get("x-goog-upload-url", "")).query
        if not session:
            raise BadReply("no upload was begun: the reply names no address for it")
        sent = await self._http.send_file(
            f"{_UPLOAD}?{session}",
            batch,
            {
                "Content-Type": "application/jsonl",
                "X-Goog-Upload-Offset": "0",
                "X-Goog-Upload-Command": "upload, finalize",
            },
        )
        name = read_reply(sent, _Upload).file.name
        if not _FILE_NAME.match(name):
            raise BadReply("the uploaded file has no name that could be one")
        return name

    async def create(self, batch: BatchInput, prepared: str) -> CreateOutcome:
        """Create the batch of an uploaded file."""
        body = {
            "batch": {
                "displayName": f"{_NAME}{batch.token}",
                "inputConfig": {"fileName": prepared},
            }
        }
        path = f"{_API}/models/{self.model.model_name}:batchGenerateContent"
        reply = await self._http.create(path, json=body)
        return created(reply, _Operation, lambda made: made.name)

    async def find(
        self,
        batch: BatchInput,
        prepared: str,  # noqa: ARG002 - the protocol's
        *,
        since: float,
        but_not: Collection[str],
    ) -> FoundBatch | None:
        """Look through the key's batches, the newest first, for the one with our name."""
        token: dict[str, str] = {}
        for _ in range(_MOST_PAGES):
            page = read_reply(
                await self._http.get(f"{_API}/batches", pageSize=_PAGE, **token), _Page
            )
            operations = page.operations or []
            for each in operations:
                is_ours = each.metadata.display_name == f"{_NAME}{batch.token}"
                if is_ours and each.name not in but_not:
                    return FoundBatch(batch_id=each.name)
            if not page.next_page_token or not operations:
                return None
            if 0 < wall_seconds(operations[-1].metadata.create_time) < since - _LOOK_BACK_SECONDS:
                return None
            token = {"pageToken": page.next_page_token}
        raise BadReply("its list of batches has no end")

    async def poll(self, batch_id: str) -> BatchStatus:
        """Return how a batch stands."""
        operation = read_reply(await self._http.get(_path(batch_id)), _Operation)
        phase: Phase = _PHASES.get(operation.state, "running")
        stats, file = operation.stats, operation.file
        return BatchStatus(
            batch_id=batch_id,
            state=operation.metadata.state,
            phase=phase,
            done=stats.successful_request_count + stats.failed_request_count,
            total=stats.request_count or None,
            results=(file,) if file else (),
            may_name_more=phase == "ended_with_rows" and file is None,
            error=self._refusal(operation) if operation.state == "FAILED" else None,
            # Whether what a cancelled or expired batch had finished is billed is not known.
            may_be_billed=operation.state in ("CANCELLED", "EXPIRED")
            or stats.successful_request_count > 0,
            ended_at=wall_seconds(operation.metadata.end_time or "") or None,
        )

    async def results(self, status: BatchStatus) -> AsyncIterator[bytes]:
        """Yield the rows."""
        for name in status.results:
            async for piece in self._http.file(f"{_API}/{name}:download", alt="media"):
                yield piece

    def read_row(self, line: bytes) -> BatchRow | None:
        """Return what one line says."""
        return read_line(
            *(line, _ROW_DECODER, "key", self.model),
            lambda row: (row.key, partial(self._result, row)),
        )

    async def cancel(self, batch_id: str) -> None:
        """Ask for a batch's end: what it has finished cannot be read then."""
        await cancel_unless_ended(self, batch_id, self._http.post(f"{_path(batch_id)}:cancel", {}))

    @cached_property
    def _parameters(self) -> Mapping[str, object]:
        return self.model.parameters()

    def _result(self, row: _Row) -> Completion | ModelError:
        if row.error is None:
            if not bytes(row.response):
                return NotRun("not run: the row holds no reply")
            return self.model.completion_of(Reply(200, {}, bytes(row.response)), self._parameters)
        fault = converted(row.error, Fault) or Fault()
        if fault.code == RPC_CANCELLED:
            return NotRun("not run: cancelled")
        return self._error(fault.code, row.error)

    def _error(self, code: object, error: object) -> ModelError:
        body = json.dumps({"error": error}).encode()
        return self.model.reply_error(Reply(http_status_of(code), {}, body))

    def _refusal(self, operation: _Operation) -> ModelError | None:
        """Return what refused a batch as a whole, None where it may be tried again as it is."""
        fault = converted(operation.error, Fault)
        if fault is None:
            return None
        error = self._error(fault.code, operation.error)
        is_passing = isinstance(error, Overloaded | BadReply) and not isinstance(error, LaneClosed)
        return None if is_passing else self.model.as_model_error(error)


def _path(batch_id: str) -> str:
    if not _BATCH_NAME.match(batch_id):
        raise BadReply("the batch has no name that could be one")
    return f"{_API}/{batch_id}"
