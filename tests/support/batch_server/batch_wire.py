"""What the loopback servers of all batch wires have in common: mischief, gates and bills."""

import asyncio
import json
import time
from abc import abstractmethod
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from aiohttp import web

from tests.support.batch_server.mischief import Mischief, RowKind
from tests.support.provider_formats import FORMATS, PREFIXES, Json, Provider, solve
from tests.support.watched_server import WatchedServer, task_of

_PATIENCE_SECONDS = 120.0


@dataclass(slots=True)
class WireBatch:
    """One batch at a server.

    requests: custom_id -> body, in their order. name: the file it was made of, or its own name.
    state: "running", then one of Mischief.ends. results: its rows, once it has ended.
    """

    id: str
    model: str
    name: str
    requests: dict[str, dict[str, Json]]
    mischief: Mischief
    created_at: float = field(default_factory=time.time)
    polled: int = 0
    ended_polls: int = 0
    state: str = "running"
    results: list[bytes] = field(default_factory=list)
    errors: list[bytes] = field(default_factory=list)

    @property
    def has_ended(self) -> bool:
        return self.state not in ("running", "cancelling")


class BatchWire(WatchedServer):
    """A server that speaks one provider's batch wire beside all live ones.

    mischief: how the next batches behave; then all behave well. batches: by id, in their order.
    gates: closed, they hold back what goes through them: "upload", "create", "poll", "content".
    passed: how often something came to a gate. refusals: statuses of the next creates.
    batch_bills, billed: (model, task) -> how often an answer to it was sold, in batches or at all.
    trapped: requests to where only a reply points. keys: what came as the key, each once.
    """

    provider: ClassVar[Provider]

    def __init__(self) -> None:
        super().__init__()
        self.mischief: deque[Mischief] = deque()
        self.refusals: deque[tuple[int, Json]] = deque()
        self.batches: dict[str, WireBatch] = {}
        self.files: dict[str, bytes] = {}
        self.uploads = self.creates = self.cancels = self.lists = self.trapped = 0
        self.batch_bills: Counter[tuple[str, str]] = Counter()
        self.gates: dict[str, asyncio.Event] = {}
        self.passed: Counter[str] = Counter()

    @property
    def billed(self) -> Counter[tuple[str, str]]:
        return self.batch_bills + self.given

    @abstractmethod
    async def answer(self, request: web.Request, path: str) -> web.StreamResponse | None:
        """Return the reply to a call of the batch API, None for any other call."""

    @abstractmethod
    def row(self, batch: WireBatch, custom_id: str, kind: RowKind, good: Json) -> tuple[bool, Json]:
        """Return one row, and whether it stands among the answers; good: the live reply."""

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

    async def go_through(self, gate: str) -> None:
        """Come to a gate, and wait while it is closed."""
        self.passed[gate] += 1
        self._notify()
        if gate in self.gates:
            await self.gates[gate].wait()

    async def make(
        self,
        request: web.Request,
        made: Callable[[Mischief], Json],
    ) -> web.StreamResponse:
        """Answer a create as the next mischief has it; made: makes the batch, returns the reply."""
        self.creates += 1
        if self.refusals:
            status, body = self.refusals.popleft()
            return web.json_response(body, status=status)
        mischief = self.mischief.popleft() if self.mischief else Mischief()
        reply: Json = None
        if mischief.creation not in ("request lost", "500 before"):
            reply = made(mischief)
        await self.go_through("create")
        if mischief.creation == "answered":
            return web.json_response(reply)
        if "500" in mischief.creation:
            return self.error(500, "The server had an error while processing your request.")
        return cut_off(request)

    def add(
        self, name: str, model: str, requests: dict[str, dict[str, Json]], mischief: Mischief
    ) -> WireBatch:
        """Return a new batch."""
        batch = WireBatch(f"{self.id_prefix}{len(self.batches)}", model, name, requests, mischief)
        self.batches[batch.id] = batch
        return batch

    id_prefix: ClassVar[str] = "batch-"

    def look(self, batch: WireBatch) -> bool:
        """Note a poll, and return whether the batch can be found at all."""
        if batch.mischief.not_found > 0:
            batch.mischief.not_found -= 1
            return False
        batch.polled += 1
        if batch.state == "running" and batch.polled > batch.mischief.polls:
            self.end(batch, batch.mischief.ends)
        elif batch.state == "cancelling":
            self.end(batch, "cancelled")
        if batch.has_ended:
            batch.ended_polls += 1
        return True

    def end(self, batch: WireBatch, state: str) -> None:
        """Run the rows of a batch, which are billed from then on."""
        batch.state = state
        if state == "failed":
            return
        for custom_id, kind, number in self._rows_of(batch):
            body = batch.requests[custom_id]
            good: Json = None
            if kind == "answered":
                self.batch_bills[batch.model, task_of(body)] += 1
                text = batch.mischief.replies.get(number) or solve(body)
                path = "/v1/chat/completions"
                good = FORMATS[self.provider].good(batch.model, path, body, text)
            is_answer, row = self.row(batch, custom_id, kind, good)
            raw = batch.mischief.raw_rows.get(number)
            line = raw.replace(b"CUSTOM_ID", custom_id.encode()) if raw else _line(row)
            (batch.results if is_answer else batch.errors).append(line)
        for number in range(batch.mischief.aliens):
            row = self.row(batch, f"alien-{number}", "not run", None)[1]
            batch.results.append(_line(row))

    def _rows_of(self, batch: WireBatch) -> Iterator[tuple[str, RowKind, int]]:
        ids = list(batch.requests)
        unfinished: RowKind = "answered" if batch.state == "completed" else "not run"
        for number in [
            *batch.mischief.order(list(range(1, len(ids) + 1))),
            *batch.mischief.doubled,
        ]:
            kind = batch.mischief.rows.get(number, unfinished)
            if kind != "missing":
                yield ids[number - 1], kind, number

    async def send(
        self, request: web.Request, batch: WireBatch, rows: list[bytes]
    ) -> web.StreamResponse:
        """Send a result file, which may break off."""
        await self.go_through("content")
        content = b"".join(rows)
        response = web.StreamResponse(headers={"Content-Type": "application/x-jsonl"})
        response.content_length = len(content)
        await response.prepare(request)
        if batch.mischief.breaks > 0:
            batch.mischief.breaks -= 1
            await response.write(content[: len(content) // 2])
            return cut_off(request)
        await response.write(content)
        await response.write_eof()
        return response

    def error(self, status: int, words: str) -> web.Response:
        """Return an error in the provider's format."""
        return web.json_response(FORMATS[self.provider].error(status, words), status=status)

    def newest_first(self) -> list[WireBatch]:
        """Return the batches that a list shows."""
        self.lists += 1
        shown = []
        for batch in reversed(self.batches.values()):
            if batch.mischief.unlisted > 0:
                batch.mischief.unlisted -= 1
            else:
                shown.append(batch)
        return shown

    def _handler(
        self, provider: Provider
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        live = super()._handler(provider)
        if provider != self.provider:
            return live

        async def handle(request: web.Request) -> web.StreamResponse:
            path = request.path.removeprefix(PREFIXES[provider])
            reply = await self.answer(request, path)
            return await live(request) if reply is None else reply

        return handle


def cut_off(request: web.Request) -> web.Response:
    """Break a connection off."""
    assert request.transport
    request.transport.abort()
    return web.Response()


def _line(row: Json) -> bytes:

    # As the APIs do it: not ASCII, so that a line separator in a text stands there as it is.
    return json.dumps(row, ensure_ascii=False).encode() + b"\n"
