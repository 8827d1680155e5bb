"""Connections on which one request gets one reply, and nothing else is listened to."""

from functools import partial
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection
from aiohttp.http import HttpProcessingError
from aiohttp.tracing import Trace

_MOST_STALE_IN_A_ROW = 100
_MOST_INTERIM_REPLIES = 32


class FreshConnector(aiohttp.TCPConnector):
    """Never hands out a connection on which something came that nobody had asked for.

    aiohttp looks at what is left over when a call ends, not at what comes later: a second reply
    to one request would be taken for the answer to the next.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        handler: type[ResponseHandler] = _ImpatientHandler
        self._factory = partial(handler, loop=self._loop)

    async def connect(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's signature
    ) -> Connection:
        """Return a connection that is new, or on which all has been read."""
        for _ in range(_MOST_STALE_IN_A_ROW):
            connection = await super().connect(req, traces, timeout)
            if connection.protocol is None or not connection.protocol.should_close:
                return connection
            connection.close()
        raise aiohttp.ServerDisconnectedError("the server speaks before it is asked")


class _ImpatientHandler(ResponseHandler):
    """aiohttp's handler of a connection, which would read interim replies (1xx) for ever."""

    _interim_replies = 0

    def feed_data(self, data: Any, size: int = 0) -> None:
        """Take the head of one reply."""
        is_interim = 100 <= data[0].code < 200
        self._interim_replies = self._interim_replies + 1 if is_interim else 0
        if self._interim_replies <= _MOST_INTERIM_REPLIES:
            super().feed_data(data, size)
        elif self.exception() is None:
            self.set_exception(HttpProcessingError(code=400, message="interim replies without end"))
            if self.transport is not None:
                self.transport.close()
