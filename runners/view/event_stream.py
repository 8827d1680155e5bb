"""Server-sent events: what changed on the board since a page last heard of it.

Nobody's events are queued. Whoever is slow is told, next time, what is the case then.
"""

import asyncio
import contextlib
import secrets
import socket
from collections.abc import Mapping

from aiohttp import web

from reports.board.board import BoardState
from reports.board.board_json import board_json
from runners.view.board_watch import BoardWatch

MOST_LISTENERS = 64
_WRITE_SECONDS = 20.0  # a page that takes nothing for so long is gone
_SILENCE_SECONDS = 15.0
_BUFFER_BYTES = 65_536


class EventStream:
    """Answers pages that listen; each says which look its figures are from: <run>-<number>."""

    def __init__(self, watch: BoardWatch, headers: Mapping[str, str]) -> None:
        self._watch = watch
        self._headers = headers
        self._run = secrets.token_hex(4)  # numbers of another run of this server mean nothing
        self._listeners = 0
        self._made: tuple[tuple[int, int], bytes] = ((-1, -1), b"")

    def name_of(self, state: BoardState) -> str:
        """Return what a page gives back to hear what happened since this state."""
        return f"{self._run}-{state.number}"

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Tell one page what changes, until it goes away."""
        if self._listeners >= MOST_LISTENERS:
            return web.Response(status=503, headers={**self._headers, "Retry-After": "10"})
        since = self._number(request.headers.get("Last-Event-ID") or request.query.get("since", ""))
        response = web.StreamResponse(headers=self._headers)
        response.content_type = "text/event-stream"
        self._listeners += 1
        _bound_system_buffer(request)
        try:
            with self._watch.watching(), contextlib.suppress(ConnectionError, TimeoutError):
                await response.prepare(request)
                await self._tell(response, since)
        finally:
            self._listeners -= 1
            if request.transport is not None:
                request.transport.abort()  # what it did not take is dropped
        return response

    async def _tell(self, response: web.StreamResponse, since: int) -> None:
        await _write(response, b"retry: 2000\n\n")
        while True:
            message = b": nothing new\n\n"
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_SILENCE_SECONDS):
                    state = await self._news(since)
                message, since = self._message(state, since), state.number
            await _write(response, message)

    async def _news(self, since: int) -> BoardState:
        """Return the next state that differs from what the page knows."""
        state = await self._watch.next_look(since)
        while not state.has_changed(since):
            state = await self._watch.next_look(state.number)
        return state

    def _message(self, state: BoardState, since: int) -> bytes:
        key = (since, state.number)
        if self._made[0] != key:  # most pages are at the same place
            data = board_json(state, since)
            self._made = (key, b"id: %s\ndata: %s\n\n" % (self.name_of(state).encode(), data))
        return self._made[1]

    def _number(self, name: str) -> int:
        run, _, number = name.partition("-")
        is_own = run == self._run and number.isascii() and number.isdecimal() and len(number) < 12
        return min(int(number), self._watch.state.number) if is_own else 0


def _bound_system_buffer(request: web.BaseRequest) -> None:
    """Let the system keep little for a page that does not read: it would take megabytes."""
    connection = request.transport.get_extra_info("socket") if request.transport else None
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)


async def _write(response: web.StreamResponse, data: bytes) -> None:
    async with asyncio.timeout(_WRITE_SECONDS):
        await response.write(data)
