"""A loopback server that speaks Anthropic's batch wire: no token, no progress, no order."""

import json
import re
from datetime import UTC, datetime
from typing import ClassVar

from aiohttp import web

from tests.support.batch_server.batch_wire import BatchWire, WireBatch
from tests.support.batch_server.mischief import Mischief, RowKind
from tests.support.provider_formats import Json, Provider

_BATCHES = "/v1/messages/batches"
_CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class AnthropicBatchServer(BatchWire):
    """The server. versions: the anthropic-version of each create. archived: batches long gone."""

    provider: ClassVar[Provider] = "anthropic"
    id_prefix = "msgbatch_"

    def __init__(self) -> None:
        super().__init__()
        self.versions: list[str] = []
        self.archived: set[str] = set()

    async def answer(self, request: web.Request, path: str) -> web.StreamResponse | None:
        if path == "/trap":
            self.trapped += 1
        if not path.startswith(_BATCHES):
            return None
        assert request.headers["x-api-key"]
        match (request.method, *path.removeprefix(_BATCHES).strip("/").split("/")):
            case ("POST", ""):
                return await self._create(request)
            case ("GET", ""):
                return self._list(request)
            case ("GET", batch_id):
                return await self._poll(batch_id)
            case ("POST", batch_id, "cancel"):
                return self._cancel(batch_id)
            case ("GET", batch_id, "results"):
                batch = self.batches[batch_id]
                return await self.send(request, batch, [*batch.results, *batch.errors])
        return self.error(404, "no such path")

    def colleague_makes(
        self, rows: int, mischief: Mischief | None = None, *, at: float | None = None
    ) -> WireBatch:
        """Return a batch that somebody else made, with the same key."""
        requests: dict[str, dict[str, Json]] = {f"theirs-{n}": {} for n in range(rows)}
        batch = self.add("", "claude", requests, mischief or Mischief())
        batch.created_at = batch.created_at if at is None else at
        return batch

    async def _create(self, request: web.Request) -> web.StreamResponse:
        assert "Transfer-Encoding" not in request.headers and request.content_length
        asked = json.loads(await request.text())["requests"]
        self.versions.append(request.headers["anthropic-version"])
        requests = {each["custom_id"]: each["params"] for each in asked}
        assert len(requests) == len(asked), "custom_ids are unique"
        assert all(_CUSTOM_ID.fullmatch(custom_id) for custom_id in requests)
        (model,) = {str(body["model"]) for body in requests.values()}

        def made(mischief: Mischief) -> Json:
            return self._seen(self.add("", model, requests, mischief))

        return await self.make(request, made)

    def _list(self, request: web.Request) -> web.StreamResponse:
        shown = self.newest_first()
        if after := request.query.get("after_id"):
            shown = shown[[batch.id for batch in shown].index(after) + 1 :]
        limit = int(request.query.get("limit", "20"))
        page = [self._seen(batch) for batch in shown[:limit]]
        last = shown[:limit][-1].id if page else None
        return web.json_response(
            {"data": page, "has_more": len(shown) > limit, "last_id": last, "first_id": None}
        )

    async def _poll(self, batch_id: str) -> web.StreamResponse:
        await self.go_through("poll")
        batch = self.batches.get(batch_id)
        if batch is None or not self.look(batch):
            return self.error(404, "No such batch.")
        headers = {} if batch.has_ended else {"retry-after": "0"}
        return web.json_response(self._seen(batch), headers=headers)

    def _cancel(self, batch_id: str) -> web.StreamResponse:
        self.cancels += 1
        batch = self.batches[batch_id]
        if batch.has_ended:
            return self.error(400, "Batch has already ended.")
        batch.state = "cancelling"
        return web.json_response(self._seen(batch))

    def row(self, batch: WireBatch, custom_id: str, kind: RowKind, good: Json) -> tuple[bool, Json]:
        if kind == "answered":
            assert isinstance(good, dict) and isinstance(good["usage"], dict)
            message = {**good, "usage": {**good["usage"], "service_tier": "batch"}}
            return True, {
                "custom_id": custom_id,
                "result": {"type": "succeeded", "message": message},
            }
        if kind == "not run":
            reason = "canceled" if batch.state == "cancelled" else "expired"
            return True, {"custom_id": custom_id, "result": {"type": reason}}
        name = "invalid_request_error" if kind == "refused" else "overloaded_error"
        inner: Json = {"type": name, "message": f"The request was {kind}."}
        error: Json = {"type": "error", "error": inner}
        return True, {"custom_id": custom_id, "result": {"type": "errored", "error": error}}

    def _seen(self, batch: WireBatch) -> dict[str, Json]:
        total = len(batch.requests)
        named = batch.has_ended and batch.ended_polls > batch.mischief.late_files
        counts: dict[str, Json] = dict.fromkeys(("succeeded", "errored", "canceled", "expired"), 0)
        counts["processing"] = 0 if batch.has_ended else total
        counts["succeeded"] = total if batch.has_ended else 0
        status = {"running": "in_progress", "cancelling": "canceling"}.get(batch.state, "ended")
        created = datetime.fromtimestamp(batch.created_at, UTC).isoformat()
        return {
            "id": batch.id,
            "type": "message_batch",
            "processing_status": status,
            "request_counts": counts,
            "created_at": created,
            "ended_at": datetime.now(UTC).isoformat() if batch.has_ended else None,
            "archived_at": created if batch.id in self.archived else None,
            "results_url": f"{self.url('anthropic')}/trap" if named else None,
        }
