"""A loopback server that speaks Gemini's batch wire: resumable uploads, operations, files."""

import json
from datetime import UTC, datetime
from typing import ClassVar

from aiohttp import web

from tests.support.batch_server.batch_wire import BatchWire, WireBatch
from tests.support.batch_server.mischief import Mischief, RowKind
from tests.support.provider_formats import Json, Provider

_STATES = {
    "running": "RUNNING",
    "cancelling": "RUNNING",
    "completed": "SUCCEEDED",
    "cancelled": "CANCELLED",
    "expired": "EXPIRED",
    "failed": "FAILED",
}


class GoogleBatchServer(BatchWire):
    """The server."""

    provider: ClassVar[Provider] = "google"
    id_prefix = "batches/b"

    async def answer(self, request: web.Request, path: str) -> web.StreamResponse | None:
        if path == "/upload/v1beta/files":
            return await self._upload(request)
        name = path.removeprefix("/v1beta/")
        match (request.method, name.rpartition(":")[2], name.partition("/")[0]):
            case ("POST", "batchGenerateContent", "models"):
                return await self._create(request, name.removeprefix("models/").partition(":")[0])
            case ("GET", "batches", _):
                return self._list(request)
            case ("POST", "cancel", "batches"):
                return self._cancel(name.removesuffix(":cancel"))
            case ("GET", "download", "files"):
                assert request.query["alt"] == "media"
                batch = self.batches["batches/" + name.removesuffix(":download")[len("files/r-") :]]
                return await self.send(request, batch, [*batch.results, *batch.errors])
            case ("GET", _, "batches"):
                return await self._poll(name)
        return None

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        command = request.headers["X-Goog-Upload-Command"]
        if command == "start":
            size = request.headers["X-Goog-Upload-Header-Content-Length"]
            # An address of somebody else's: the key must not go there.
            elsewhere = "https://elsewhere.invalid/upload/v1beta/files"
            url = f"{elsewhere}?upload_id=u-{size}&upload_protocol=resumable"
            return web.json_response({}, headers={"X-Goog-Upload-URL": url})
        content = await request.read()
        assert command == "upload, finalize"
        assert request.query["upload_id"] == f"u-{len(content)}"
        await self.go_through("upload")
        self.uploads += 1
        name = f"files/in-{len(self.files)}"
        self.files[name] = content
        return web.json_response({"file": {"name": name, "state": "ACTIVE"}})

    async def _create(self, request: web.Request, model: str) -> web.StreamResponse:
        asked = json.loads(await request.text())["batch"]
        lines = [
            json.loads(line) for line in self.files[asked["inputConfig"]["fileName"]].splitlines()
        ]
        requests = {line["key"]: line["request"] for line in lines}
        assert len(requests) == len(lines)

        def made(mischief: Mischief) -> Json:
            return self._seen(self.add(asked["displayName"], model, requests, mischief))

        return await self.make(request, made)

    def _list(self, request: web.Request) -> web.StreamResponse:
        shown = self.newest_first()
        start = int(request.query.get("pageToken", "0"))
        end = start + int(request.query.get("pageSize", "10"))
        page: dict[str, Json] = {"operations": [self._seen(batch) for batch in shown[start:end]]}
        if len(shown) > end:
            page["nextPageToken"] = str(end)
        return web.json_response(page)

    async def _poll(self, name: str) -> web.StreamResponse:
        await self.go_through("poll")
        batch = self.batches.get(name)
        if batch is None or not self.look(batch):
            return self.error(404, "Requested entity was not found.")
        return web.json_response(self._seen(batch))

    def _cancel(self, name: str) -> web.StreamResponse:
        self.cancels += 1
        batch = self.batches[name]
        if batch.has_ended:
            return self.error(400, "The batch has ended.")
        batch.state = "cancelling"
        return web.json_response({})

    def row(self, batch: WireBatch, custom_id: str, kind: RowKind, good: Json) -> tuple[bool, Json]:
        if kind == "answered":
            return True, {"key": custom_id, "response": good}
        if kind == "no status":
            return True, {"key": custom_id}
        code = {"refused": 3, "overloaded": 14, "not run": 1}[kind]
        error: Json = {"code": code, "message": f"The request was {kind}."}
        return True, {"key": custom_id, "error": error}

    def _seen(self, batch: WireBatch) -> dict[str, Json]:
        total, is_good = len(batch.requests), batch.state == "completed"
        named = is_good and batch.ended_polls > batch.mischief.late_files
        output: Json = {"responsesFile": f"files/r-{batch.id.removeprefix('batches/')}"}
        metadata: dict[str, Json] = {
            "model": f"models/{batch.model}",
            "displayName": batch.name,
            "state": f"BATCH_STATE_{_STATES[batch.state]}",
            "createTime": datetime.fromtimestamp(batch.created_at, UTC).isoformat(),
            "batchStats": {
                "requestCount": str(total),
                "pendingRequestCount": "0" if batch.has_ended else str(total),
                "successfulRequestCount": str(total if is_good else 0),
            },
        }
        seen: dict[str, Json] = {"name": batch.id, "metadata": metadata, "done": batch.has_ended}
        if named:  # it stands there twice
            metadata["output"], seen["response"] = output, output
        if batch.state == "failed":
            code, words, _ = batch.mischief.fault or ("13", "Internal error.", None)
            seen["error"] = {"code": int(code), "message": words}
        if batch.state == "cancelled":
            seen["error"] = {"code": 13, "message": "cancelled"}
        return seen
