"""A loopback server that speaks every provider's wire format, each under its own path prefix.

In a test:      async with ProviderServer() as server: make_model(row, base_url=server.url("xai"))
As a process:   python -m tests.support.provider_server --port 0 [--faults 0.1 --seed 1]
                prints "listening on 127.0.0.1:PORT"; GET /requests lists what it was sent as JSON,
                DELETE /requests forgets it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Self

from aiohttp import web

from tests.support.provider_formats import FORMATS, PREFIXES, Json, Provider, listing, solve
from tests.support.scripted_answers import STALL, Answer, Ending, retryable_faults

__all__ = ["Answer", "ProviderServer", "Request", "retryable_faults"]


@dataclass(frozen=True, slots=True)
class Request:
    """What one call sent."""

    provider: Provider
    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, Json]

    @property
    def model(self) -> str:
        """The model asked for, from the body or, at Google, from the path."""
        return str(self.body.get("model") or self.path.rpartition("/")[2].partition(":")[0])


class ProviderServer:
    """The server; an async context manager.

    requests: every call to a model, in the order of arrival.
    listings: every question for a list of models.
    answered: the places in requests of the calls that got a whole good answer.
    connections: the addresses from which they came.
    answers: how many good answers went out, by provider and model.
    most_at_once: the greatest number of calls in flight, by provider and model.
    served: the ids in a provider's model list; one that is not there gets a 404 where it is set.
    faults: how many calls went wrong, by the fault's place in retryable_faults; stalls are last.
    """

    def __init__(
        self,
        *,
        fault_rate: float = 0.0,
        chance: random.Random | None = None,
        latency_seconds: float = 0.0,
        served: Mapping[Provider, list[str]] | None = None,
        stalls: bool = False,
    ) -> None:
        """fault_rate: the share of calls that get a fault, every kind equally often.

        stalls: some faults are replies that never end.
        """
        self.requests: list[Request] = []
        self.listings: list[Request] = []
        self.answered: list[int] = []
        self.connections: set[tuple[str, int]] = set()
        self.answers: Counter[tuple[Provider, str]] = Counter()
        self.most_at_once: Counter[tuple[Provider, str]] = Counter()
        self.served = dict(served or {})
        self.faults: Counter[int] = Counter()
        self.port = 0
        self._fault_rate = fault_rate
        self._chance = chance or random.Random(0)
        self._latency_seconds = latency_seconds
        self._stalls = stalls
        self._deck: list[int] = []
        self._in_flight: Counter[tuple[Provider, str]] = Counter()
        self._scripts: dict[Provider, deque[Answer]] = {name: deque() for name in PREFIXES}
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        await self.start(0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._runner:
            await self._runner.cleanup()

    async def start(self, port: int) -> None:
        """Listen on 127.0.0.1; port 0 takes any free one, which self.port then holds."""
        app = web.Application(client_max_size=64 * 1024**2)
        app.router.add_get("/requests", self._list_requests)
        app.router.add_delete("/requests", self._forget_requests)
        for provider, prefix in PREFIXES.items():
            app.router.add_route("*", f"{prefix}/{{rest:.*}}", self._handler(provider))
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port, backlog=1024)
        await site.start()
        self.port = self._runner.addresses[0][1]

    def url(self, provider: Provider) -> str:
        """Return the base URL that a model of this provider is to be given."""
        return f"http://127.0.0.1:{self.port}{PREFIXES[provider]}"

    def script(self, provider: Provider, *answers: Answer) -> None:
        """Give these answers to the provider's next calls, before any good ones."""
        self._scripts[provider].extend(answers)

    def sent_to(self, provider: Provider) -> list[Request]:
        """Return the calls that came under one provider's prefix."""
        return [request for request in self.requests if request.provider == provider]

    def _handler(
        self, provider: Provider
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            if request.method == "GET":
                headers = dict(request.headers)
                self.listings.append(Request(provider, "GET", request.path, headers, {}))
                return web.json_response(listing(provider, self.served.get(provider)))
            return await self._answer_call(provider, request)

        return handle

    async def _answer_call(self, provider: Provider, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.text())
        call = Request(provider, request.method, request.path, dict(request.headers), body)
        place = len(self.requests)
        self.requests.append(call)
        if request.transport:
            self.connections.add(request.transport.get_extra_info("peername"))
        key = (provider, call.model)
        self._in_flight[key] += 1
        self.most_at_once[key] = max(self.most_at_once[key], self._in_flight[key])
        try:
            await asyncio.sleep(self._latency_seconds)
            return await self._reply(place, call, request)
        finally:
            self._in_flight[key] -= 1

    async def _reply(self, place: int, call: Request, request: web.Request) -> web.StreamResponse:
        answer = self._next_answer(call)
        body, headers = answer.body, dict(answer.headers)
        if body is None:
            provider_format = FORMATS[call.provider]
            if not provider_format.is_call(call.path):
                return web.json_response(provider_format.error(404, "no such path"), status=404)
            body = provider_format.good(call.model, call.path, call.body, solve(call.body))
            headers = {**provider_format.headers, **headers}
            if answer.ending in ("whole", "blank lines"):
                self.answers[call.provider, call.model] += 1
                self.answered.append(place)
        return await _send(request, answer, _encode(body), headers)

    def _next_answer(self, call: Request) -> Answer:
        if self._scripts[call.provider]:
            return self._scripts[call.provider].popleft()
        served = self.served.get(call.provider)
        if served is not None and call.model not in served:
            words = f"The model `{call.model}` does not exist or you do not have access to it."
            return Answer(status=404, body=FORMATS[call.provider].error(404, words))
        if self._chance.random() < self._fault_rate:
            return self._fault(call.provider)
        return Answer()

    def _fault(self, provider: Provider) -> Answer:
        """Return the next fault of a shuffled deck, so that no kind is left out by chance."""
        kinds = [*retryable_faults(provider), *([STALL] if self._stalls else [])]
        if not self._deck:
            self._deck = self._chance.sample(range(len(kinds)), len(kinds))
        kind = self._deck.pop()
        self.faults[kind] += 1
        return kinds[kind]

    async def _list_requests(self, _: web.Request) -> web.Response:
        return web.json_response([asdict(request) for request in self.requests])

    async def _forget_requests(self, _: web.Request) -> web.Response:
        self.requests.clear()
        return web.Response()


async def _send(
    request: web.Request, answer: Answer, body: bytes, headers: dict[str, str]
) -> web.StreamResponse:
    headers.setdefault("Content-Type", answer.content_type)
    if answer.ending == "reset":
        _abort(request)
        return web.Response()
    if answer.ending == "whole":
        return web.Response(status=answer.status, headers=headers, body=body)
    if answer.ending == "cut":
        headers["Content-Length"] = str(len(body))
    response = web.StreamResponse(status=answer.status, headers=headers)
    await response.prepare(request)
    await _write(request, response, answer.ending, body)
    return response


async def _write(
    request: web.Request, response: web.StreamResponse, ending: Ending, body: bytes
) -> None:
    if ending == "cut":
        await response.write(body[: len(body) // 2])
        _abort(request)
        return
    await response.write(b"\n" * 3)
    while ending == "never":
        await asyncio.sleep(0.01)
        await response.write(b"\n")
    await response.write(body)
    await response.write_eof()


def _abort(request: web.Request) -> None:
    if request.transport:
        request.transport.abort()


def _encode(body: Json | bytes) -> bytes:
    if isinstance(body, bytes):
        return body
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()


async def _serve(arguments: argparse.Namespace) -> None:
    server = ProviderServer(
        fault_rate=arguments.faults,
        chance=random.Random(arguments.seed),
        latency_seconds=arguments.latency,
    )
    await server.start(arguments.port)
    async with server:
        sys.stdout.write(f"listening on 127.0.0.1:{server.port}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--faults", type=float, default=0.0, help="share of calls that go wrong")
    parser.add_argument("--seed", type=int, default=0, help="of the faults")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds a call takes")
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
