"""A loopback server that speaks OpenAI's batch wire as recorded, beside its live one."""

import asyncio
import json
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

from tests.support.batch_server.mischief import Mischief
from tests.support.provider_formats import FORMATS, PREFIXES, Json, Provider, solve
from tests.support.watched_server import WatchedServer, task_of

_PATIENCE_SECONDS = 120.0


@dataclass(slots=True)
class Batch:
    """One batch at the server. requests: custom_id -> body, in the file's order."""

    id: str
    file_id: str
    endpoint: str
    metadata: dict[str, str]
    requests: dict[str, dict[str, Json]]
    mischief: Mischief
    created_at: float
    polled: int = 0
    ended_polls: int = 0
    state: str = "validating"
    files: dict[str, str] = field(default_factory=dict)
    answered: int = 0


class OpenAIBatchServer(WatchedServer):
    """The server. A batch's rows are run, and billed, when it ends.

    mischief: how the next batches behave, one after the other; then all behave well.
    batches: id -> batch, in the order of their creation. uploads: how many files came.
    billed: (model, task) -> how often a good answer to it was sold, in batches and live.
    refusals: statuses of the next creates, which make nothing.
    gates: closed, they hold back what goes through them: "upload", "create", "poll", "content";
    passed: how often something came to a gate.
    """

    def __init__(self) -> None:
        super().__init__()
        self.mischief: deque[Mischief] = deque()
        self.batches: dict[str, Batch] = {}
        self.uploads = self.creates = self.cancels = self.lists = 0
        self.files: dict[str, bytes] = {}
        self.batch_bills: Counter[tuple[str, str]] = Counter()
        self.gates: dict[str, asyncio.Event] = {}
        self.passed: Counter[str] = Counter()
        self.refusals: deque[int] = deque()
        self.failing_lists = 0

    @property
    def billed(self) -> Counter[tuple[str, str]]:
        return self.batch_bills + self.given

    def close(self, gate: str) -> None:
        """Hold back what comes to a gate from now on."""
        self.gates[gate] = asyncio.Event()

    def open_gate(self, gate: str) -> None:
        """Let through what waits at a gate, and what comes."""
        self.gates.pop(gate).set()

    async def comes_to(self, gate: str, times: int = 1) -> None:
        """Return once something has come to a gate so often."""
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while self.passed[gate] < times:
                await self._next_change()

    def _handler(
        self, provider: Provider
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        live = super()._handler(provider)
        if provider != "openai":
            return live

        async def handle(request: web.Request) -> web.StreamResponse:
            path = request.path.removeprefix(PREFIXES["openai"])
            parts = path.strip("/").split("/")
            if parts[0] not in ("files", "batches"):
                return await live(request)
            return await self._batch_call(request, parts)

        return handle

    async def _batch_call(self, request: web.Request, parts: list[str]) -> web.StreamResponse:
        match (request.method, *parts):
            case ("POST", "files"):
                return await self._upload(request)
            case ("POST", "batches"):
                return await self._create(request)
            case ("GET", "batches"):
                return self._list(request)
            case ("GET", "batches", batch_id):
                return await self._poll(batch_id)
            case ("POST", "batches", batch_id, "cancel"):
                return self._cancel(batch_id)
            case ("GET", "files", file_id, "content"):
                return await self._content(request, file_id)
        return _error(404, "no such path")

    async def _pass(self, gate: str) -> None:
        self.passed[gate] += 1
        self._notify()
        if gate in self.gates:
            await self.gates[gate].wait()

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        assert form["purpose"] == "batch"
        upload = form["file"]
        assert isinstance(upload, web.FileField)
        with upload.file:
            content = upload.file.read()
        await self._pass("upload")
        file_id = f"file-in-{len(self.files)}"
        self.files[file_id] = content
        self.uploads += 1
        return web.json_response({"id": file_id, "object": "file", "purpose": "batch"})

    async def _create(self, request: web.Request) -> web.StreamResponse:
        asked = json.loads(await request.text())
        self.creates += 1
        if self.refusals:
            return _error(self.refusals.popleft(), "Not now.")
        mischief = self.mischief.popleft() if self.mischief else Mischief()
        made = None
        if mischief.creation not in ("request lost", "500 before"):
            made = self._made(asked, mischief)
        await self._pass("create")
        if made is None or mischief.creation != "answered":
            if "500" in mischief.creation:
                return _error(500, "The server had an error while processing your request.")
            assert request.transport
            request.transport.abort()
            return web.Response()
        return web.json_response(self._seen(made))

    def _made(self, asked: dict[str, str], mischief: Mischief) -> Batch:
        lines = [json.loads(line) for line in self.files[asked["input_file_id"]].splitlines()]
        batch = Batch(
            id=f"batch_{len(self.batches)}",
            file_id=asked["input_file_id"],
            endpoint=asked["endpoint"],
            metadata=asked["metadata"],  # type: ignore[arg-type]
            requests={line["custom_id"]: line["body"] for line in lines},
            mischief=mischief,
            created_at=time.time(),
        )
        assert len(batch.requests) == len(lines), "custom_ids are unique"
        assert {line["url"] for line in lines} == {asked["endpoint"]}
        assert len({line["body"]["model"] for line in lines}) == 1
        self.batches[batch.id] = batch
        return batch

    def _list(self, request: web.Request) -> web.StreamResponse:
        self.lists += 1
        if self.failing_lists > 0:
            self.failing_lists -= 1
            return _error(503, "Try again later.")
        shown: list[Batch] = []
        for batch in reversed(self.batches.values()):
            if batch.mischief.unlisted > 0:
                batch.mischief.unlisted -= 1
            else:
                shown.append(batch)
        after = request.query.get("after")
        if after:
            shown = shown[[batch.id for batch in shown].index(after) + 1 :]
        limit = int(request.query.get("limit", "20"))
        page = [self._seen(batch) for batch in shown[:limit]]
        return web.json_response({"data": page, "has_more": len(shown) > limit})

    async def _poll(self, batch_id: str) -> web.StreamResponse:
        await self._pass("poll")
        batch = self.batches.get(batch_id)
        if batch is None or batch.mischief.not_found > 0:
            if batch:
                batch.mischief.not_found -= 1
            return _error(404, f"No batch found with id '{batch_id}'.")
        batch.polled += 1
        if batch.state in ("validating", "in_progress") and batch.polled > batch.mischief.polls:
            self._end(batch, batch.mischief.ends)
        elif batch.state == "cancelling":
            self._end(batch, "cancelled")
        elif batch.state == "validating":
            batch.state = "in_progress"
        if batch.state not in ("validating", "in_progress"):
            batch.ended_polls += 1
        return web.json_response(self._seen(batch))

    def _cancel(self, batch_id: str) -> web.StreamResponse:
        self.cancels += 1
        batch = self.batches[batch_id]
        if batch.state in ("validating", "in_progress"):
            batch.state = "cancelling"
        elif batch.state != "cancelling":
            return _error(409, f"Cannot cancel a batch with status '{batch.state}'.")
        return web.json_response(self._seen(batch))

    async def _content(self, request: web.Request, file_id: str) -> web.StreamResponse:
        await self._pass("content")
        content = self.files[file_id]
        batch = next(each for each in self.batches.values() if file_id in each.files.values())
        response = web.StreamResponse()
        response.content_length = len(content)
        await response.prepare(request)
        if batch.mischief.breaks > 0:
            batch.mischief.breaks -= 1
            await response.write(content[: len(content) // 2])
            assert request.transport
            request.transport.abort()
            return response
        await response.write(content)
        await response.write_eof()
        return response

    def _end(self, batch: Batch, state: str) -> None:
        """Run the rows, which are billed from then on, and put the results into their files."""
        batch.state = state
        if state == "failed":
            return
        answers, errors = b"", b""
        order = batch.mischief.order(list(range(1, len(batch.requests) + 1)))
        ids = list(batch.requests)
        for number in [*order, *batch.mischief.doubled]:
            is_answer, line = self._row(batch, number, ids[number - 1])
            answers, errors = (answers + line, errors) if is_answer else (answers, errors + line)
            batch.answered += is_answer
        for alien in range(batch.mischief.aliens):
            answers += _line({"id": "x", "custom_id": f"alien-{alien}", "response": None})
        for name, content in (("output", answers), ("error", errors)):
            if content:
                file_id = f"file-{name}-{batch.id}"
                self.files[file_id], batch.files[name] = content, file_id

    def _row(self, batch: Batch, number: int, custom_id: str) -> tuple[bool, bytes]:
        mischief, body = batch.mischief, batch.requests[custom_id]
        unfinished = "answered" if batch.state == "completed" else "not run"
        kind = mischief.rows.get(number, unfinished)
        base: dict[str, Json] = {"id": f"batch_req_{number}", "custom_id": custom_id}
        if kind == "missing":
            return False, b""
        if kind == "not run":
            code = f"batch_{batch.state}"
            error: Json = {"code": code, "message": "This request could not be executed."}
            return False, _line({**base, "response": None, "error": error})
        if kind == "no status":
            empty: Json = {"status_code": 0, "request_id": None, "body": None}
            return False, _line({**base, "response": empty, "error": None})
        if kind in ("refused", "overloaded"):
            status = 400 if kind == "refused" else 503
            reply: Json = {
                "status_code": status,
                "request_id": f"req_{number}",
                "body": FORMATS["openai"].error(status, f"The request was {kind}."),
            }
            return False, _line({**base, "response": reply, "error": None})
        self.batch_bills[str(body["model"]), task_of(body)] += 1
        if number in mischief.raw_rows:
            return True, mischief.raw_rows[number].replace(b"CUSTOM_ID", custom_id.encode())
        text = mischief.replies.get(number) or solve(body)
        path = PREFIXES["openai"] + batch.endpoint.removeprefix("/v1")
        good = FORMATS["openai"].good(str(body["model"]), path, body, text)
        done: Json = {"status_code": 200, "request_id": f"req_{number}", "body": good}
        return True, _line({**base, "response": done, "error": None})

    def _seen(self, batch: Batch) -> dict[str, Json]:
        mischief, total = batch.mischief, len(batch.requests)
        files = batch.files if batch.ended_polls > mischief.late_files else {}
        done = batch.answered if batch.files else min(total, batch.polled)
        if mischief.counts_turn_back:
            done = max(0, total - 1 - batch.polled)
        return {
            "id": batch.id,
            "object": "batch",
            "endpoint": batch.endpoint,
            "status": batch.state,
            "input_file_id": batch.file_id,
            "output_file_id": files.get("output"),
            "error_file_id": files.get("error"),
            "created_at": int(batch.created_at),
            "completed_at": int(time.time()) if batch.state == "completed" else None,
            "metadata": {**batch.metadata},
            "request_counts": {"total": total, "completed": done, "failed": 0},
            "errors": _errors(mischief) if batch.state == "failed" else None,
        }


def _errors(mischief: Mischief) -> Json:
    code, words, line = mischief.fault or ("invalid_request", "The batch is invalid.", None)
    return {"object": "list", "data": [{"code": code, "message": words, "line": line}]}


def _line(row: dict[str, Json]) -> bytes:
    # As the API does it: not ASCII, so that a line separator in a text stands there as it is.
    return json.dumps(row, ensure_ascii=False).encode() + b"\n"


def _error(status: int, words: str) -> web.Response:
    return web.json_response(FORMATS["openai"].error(status, words), status=status)
