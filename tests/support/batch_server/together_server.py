"""A loopback server that speaks Together's batch wire: OpenAI's rows in other envelopes."""

import json
from datetime import UTC, datetime
from typing import ClassVar

from aiohttp import web

from tests.support.batch_server.batch_wire import BatchWire, WireBatch
from tests.support.batch_server.mischief import Mischief, RowKind
from tests.support.provider_formats import FORMATS, Json, Provider

_STATES = {
    "running": "IN_PROGRESS",
    "cancelling": "CANCELING",
    "completed": "COMPLETED",
    "cancelled": "CANCELLED",
    "expired": "EXPIRED",
    "failed": "FAILED",
}
_CLOUDFLARE = (
    "<html><head><title>Access denied | api.together.ai used Cloudflare to restrict access</title>"
    "</head><body>error code: 1010</body></html>"
)


class TogetherBatchServer(BatchWire):
    """The server. turned_away: so many calls of the batch API are stopped by Cloudflare."""

    provider: ClassVar[Provider] = "together"

    def __init__(self) -> None:
        super().__init__()
        self.turned_away = 0

    async def answer(self, request: web.Request, path: str) -> web.StreamResponse | None:
        parts = path.strip("/").split("/")
        if parts[0] not in ("files", "batches"):
            return None
        if self.turned_away > 0:
            self.turned_away -= 1
            return web.Response(status=403, text=_CLOUDFLARE, content_type="text/html")
        match (request.method, *parts):
            case ("POST", "files", "upload"):
                return await self._upload(request)
            case ("POST", "batches"):
                return await self._create(request)
            case ("GET", "batches"):
                return web.json_response([self._seen(batch) for batch in self.newest_first()])
            case ("GET", "batches", batch_id):
                return await self._poll(batch_id)
            case ("POST", "batches", batch_id, "cancel"):
                return self._cancel(batch_id)
            case ("GET", "files", file_id, "content"):
                kind, _, batch_id = file_id.partition("-of-")
                batch = self.batches[batch_id]
                return await self.send(
                    request, batch, batch.results if kind == "answers" else batch.errors
                )
        return self.error(404, "no such path")

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        assert form["purpose"] == "batch-api"
        upload = form["file"]
        assert isinstance(upload, web.FileField) and upload.filename == form["file_name"]
        with upload.file:
            content = upload.file.read()
        await self.go_through("upload")
        self.uploads += 1
        file_id = f"file-in-{len(self.files)}"
        self.files[file_id] = content
        return web.json_response({"id": file_id, "filename": form["file_name"]})

    async def _create(self, request: web.Request) -> web.StreamResponse:
        asked = json.loads(await request.text())
        assert asked["endpoint"] == "/v1/chat/completions"
        lines = [json.loads(line) for line in self.files[asked["input_file_id"]].splitlines()]
        requests = {line["custom_id"]: line["body"] for line in lines}
        assert len(requests) == len(lines)
        (model,) = {str(body["model"]) for body in requests.values()}

        def made(mischief: Mischief) -> Json:
            batch = self.add(asked["input_file_id"], model, requests, mischief)
            return {"job": self._seen(batch), "warning": ""}

        return await self.make(request, made)

    async def _poll(self, batch_id: str) -> web.StreamResponse:
        await self.go_through("poll")
        batch = self.batches.get(batch_id)
        if batch is None or not self.look(batch):
            return self.error(404, "batch not found")
        return web.json_response(self._seen(batch))

    def _cancel(self, batch_id: str) -> web.StreamResponse:
        self.cancels += 1
        batch = self.batches[batch_id]
        if batch.has_ended:
            return self.error(409, "The batch is over.")
        batch.state = "cancelling"
        return web.json_response(self._seen(batch))

    def row(self, batch: WireBatch, custom_id: str, kind: RowKind, good: Json) -> tuple[bool, Json]:
        base: dict[str, Json] = {"id": "r", "custom_id": custom_id}
        if kind == "answered":
            return True, {**base, "response": {"status_code": 200, "body": good}}
        if kind == "overloaded":
            body = FORMATS["together"].error(503, "overloaded")
            return True, {**base, "response": {"status_code": 503, "body": body}}
        code = "batch_client_error" if kind == "refused" else "batch_cancelled"
        return False, {**base, "error": {"code": code, "message": f"The request was {kind}."}}

    def _seen(self, batch: WireBatch) -> dict[str, Json]:
        named = batch.has_ended and batch.ended_polls > batch.mischief.late_files
        fault = batch.mischief.fault or ("", "the file is broken", None)
        return {
            "id": batch.id,
            "status": _STATES[batch.state],
            "progress": 100.0 if batch.has_ended else 0.0,
            "input_file_id": batch.name,
            "output_file_id": f"answers-of-{batch.id}" if named and batch.results else None,
            "error_file_id": f"errors-of-{batch.id}" if named and batch.errors else "",
            "completed_at": datetime.now(UTC).isoformat() if batch.has_ended else None,
            "error": fault[1] if batch.state == "failed" else None,
        }
