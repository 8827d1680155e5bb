"""A loopback server that speaks xAI's batch wire: empty batches, idempotent adds, counters."""

import json
from typing import ClassVar

from aiohttp import web

from tests.support.batch_server.batch_wire import BatchWire, WireBatch
from tests.support.batch_server.mischief import Mischief, RowKind
from tests.support.provider_formats import Json, Provider


class XAIBatchServer(BatchWire):
    """The server; a create is a call that adds requests. added: rows of each of them.

    empty_pages: results have pages without end, and no rows.
    """

    provider: ClassVar[Provider] = "xai"

    def __init__(self) -> None:
        super().__init__()
        self.added: list[int] = []
        self.empty_pages = False

    async def answer(self, request: web.Request, path: str) -> web.StreamResponse | None:
        parts = path.strip("/").split("/")
        if parts[0] != "batches":
            return None
        match (request.method, *parts[1:]):
            case ("POST",):
                await self.go_through("upload")
                name = json.loads(await request.text())["name"]
                return web.json_response(self._seen(self.add(name, "", {}, Mischief())))
            case ("GET", batch_id):
                return await self._poll(batch_id)
            case ("POST", batch_id, "requests"):
                return await self._add(request, self.batches[batch_id])
            case ("GET", batch_id, "results"):
                return await self._results(request, self.batches[batch_id])
            case ("POST", cancel):
                return self._cancel(cancel.removesuffix(":cancel"))
        return self.error(404, "no such path")

    async def _add(self, request: web.Request, batch: WireBatch) -> web.StreamResponse:
        asked = json.loads(await request.text())["batch_requests"]
        self.added.append(len(asked))

        def made(mischief: Mischief) -> Json:
            if not batch.requests:
                batch.mischief = mischief
            for each in asked:
                custom_id, body = each["batch_request_id"], each["batch_request"]
                body = body["chat_get_completion"]
                # The same again is none; another of the same name is refused.
                assert batch.requests.setdefault(custom_id, body) == body
                batch.model = body["model"]
            return None

        return await self.make(request, made)

    async def _poll(self, batch_id: str) -> web.StreamResponse:
        await self.go_through("poll")
        batch = self.batches.get(batch_id)
        if batch is None or (batch.requests and not self.look(batch)):
            return self.error(404, "batch not found")
        return web.json_response(self._seen(batch))

    async def _results(self, request: web.Request, batch: WireBatch) -> web.StreamResponse:
        await self.go_through("content")
        if self.empty_pages:
            more = str(self.passed["content"])
            return web.json_response({"results": [], "pagination_token": more})
        if batch.mischief.breaks > 0:
            batch.mischief.breaks -= 1
            return self.error(500, "try again")
        rows = [*batch.results, *batch.errors]
        start = int(request.query.get("pagination_token", "0"))
        end = start + int(request.query["limit"])
        page = b",\n".join(row.strip() for row in rows[start:end])
        token = str(end).encode() if end < len(rows) else b""
        body = b'{"results": [\n%s], "pagination_token": "%s"}' % (page, token)
        return web.Response(body=body, content_type="application/json")

    def _cancel(self, batch_id: str) -> web.StreamResponse:
        self.cancels += 1
        batch = self.batches[batch_id]
        if batch.has_ended:
            return self.error(400, "the batch is over")
        batch.state = "cancelling"
        return web.json_response(self._seen(batch))

    def row(self, batch: WireBatch, custom_id: str, kind: RowKind, good: Json) -> tuple[bool, Json]:
        if kind == "answered":
            result: Json = {"response": {"chat_get_completion": good}}
            return True, {"batch_request_id": custom_id, "batch_result": result}
        if kind == "no status":
            return True, {"batch_request_id": custom_id, "batch_result": {}}
        words = {
            "refused": "This model does not take such a prompt.",
            "overloaded": "Service temporarily unavailable",
            "not run": "request was cancelled",
        }
        return False, {"batch_request_id": custom_id, "batch_result": {"error": words[kind]}}

    def _seen(self, batch: WireBatch) -> dict[str, Json]:
        total = len(batch.requests)
        # Just after the end the counters turn back once.
        turned = batch.mischief.counts_turn_back and batch.ended_polls == 2
        pending = (0 if batch.has_ended else total) + (1 if turned else 0)
        fault = batch.mischief.fault if batch.state == "failed" else None
        return {
            "batch_id": batch.id,
            "name": batch.name,
            "state": {
                "num_requests": 0 if fault else total,
                "num_pending": 0 if fault else pending,
                "num_success": 0 if fault else total - pending,
                "num_error": 0,
                "num_cancelled": 0,
            },
            "cancel_by_xai_message": fault[1] if fault else None,
        }
