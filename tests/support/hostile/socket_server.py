"""A server of plain sockets: what it sends is bytes, in order or not, and no library checks them.

It speaks every provider's wire format to calls that get an ordinary answer; a task that has a
hostile reply in store gets that first, and an ordinary one when it is asked again.
"""

import asyncio
import contextlib
import re
from collections import Counter
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from tests.support.hostile.kinds import Call, Hostile, Wire, read_call
from tests.support.hostile.raw_http import encode, reply
from tests.support.provider_formats import FORMATS, PREFIXES, Provider

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_LARGEST_HEAD = 2**20

Task = tuple[str, str]  # label, task_id


class SocketServer:
    """The server; an async context manager.

    sent: task -> the hostile reply that it got. calls: how often each task was asked.
    """

    def __init__(self, wires: tuple[Wire, ...], hostile: Mapping[Task, Hostile]) -> None:
        """hostile: what each task gets before its ordinary answer."""
        self.sent: dict[Task, Hostile] = {}
        self.calls: Counter[Task] = Counter()
        self._wires = wires
        self._waiting = dict(hostile)
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", 0, limit=_LARGEST_HEAD, backlog=1024
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def url(self, provider: Provider) -> str:
        """Return the base URL that a model of this provider is to be given."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}{PREFIXES[provider]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.current_task()
        assert connection is not None
        self._connections.add(connection)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                while await self._answer(reader, writer):
                    pass
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            self._connections.discard(connection)
            with contextlib.suppress(OSError):
                writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one call; return whether the connection takes another."""
        top = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(top)
        content = await reader.readexactly(int(length[1]) if length else 0)
        path = top.split(b" ", 2)[1].decode()
        wire = self._wire(path)
        if wire is None:
            writer.write(reply(b'{"error": "no such path"}', 404))
            return True
        return await self._answer_call(read_call(wire, content), writer)

    async def _answer_call(self, call: Call, writer: asyncio.StreamWriter) -> bool:
        task = (call.wire.label, call.task_id)
        self.calls[task] += 1
        hostile = self._waiting.pop(task, None)
        if hostile is None:
            fields = list(FORMATS[call.wire.provider].headers.items())
            writer.write(reply(encode(call.good()), fields=fields))
            await writer.drain()
            return True
        self.sent[task] = hostile
        return await play(hostile, call, writer)

    def _wire(self, path: str) -> Wire | None:
        for wire in self._wires:
            prefix = PREFIXES[wire.provider]
            if path.startswith(f"{prefix}/") and path.partition("?")[0].endswith(wire.path):
                return wire
        return None


async def play(hostile: Hostile, call: Call, writer: asyncio.StreamWriter) -> bool:
    """Send a hostile reply; return whether the connection takes another call."""
    for step in hostile.steps(call):
        if isinstance(step, bytes):
            writer.write(step)
            await writer.drain()
        elif step == "reset":
            writer.transport.abort()
            return False
        elif step == "hang up":
            return False
        else:
            assert isinstance(step, float)
            await _pause(step, writer)
    return hostile.stays_open


async def _pause(seconds: float, writer: asyncio.StreamWriter) -> None:
    """Wait, but no longer than the connection stands."""
    while seconds > 0 and not writer.transport.is_closing():
        await asyncio.sleep(min(seconds, 0.5))
        seconds -= 0.5
