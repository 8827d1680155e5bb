"""The way by which the SDKs' calls leave and come back: a session of ours under httpx's client."""

import aiohttp
import httpx2

from models.wire.http_session import open_session

# The body is unpacked by then, and its charset is nobody's business: JSON is UTF-8. aiohttp knows
# itself what it can unpack, and cookies are not kept.
_NOT_SENT = frozenset({"accept-encoding"})
_NOT_HANDED_ON = frozenset(
    {b"content-encoding", b"content-length", b"content-type", b"transfer-encoding", b"set-cookie"}
)


def open_sdk_client(base_url: str) -> httpx2.AsyncClient:
    """Return a client for an SDK; its user closes it.

    What goes wrong comes through as aiohttp's errors or as a BadReply.
    """
    # httpx's choice of certificates; loading them takes its time.
    tls = httpx2.create_ssl_context() if base_url.startswith("https:") else None
    session = open_session(base_url, tls=tls)
    return httpx2.AsyncClient(
        transport=_SessionTransport(session), follow_redirects=False, timeout=None, trust_env=False
    )


class _SessionTransport(httpx2.AsyncBaseTransport):
    """Sends httpx's requests over an aiohttp session, and hands on replies that are read."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Return the whole reply to one request."""
        headers = [item for item in request.headers.multi_items() if item[0] not in _NOT_SENT]
        async with self._session.request(
            request.method,
            str(request.url),
            headers=headers,
            data=request.content,
            allow_redirects=False,
        ) as response:
            body = await response.read()
        # Not the reason phrase: httpx logs it, whatever it repeats.
        return httpx2.Response(
            response.status,
            headers=[
                (name, value)
                for name, value in response.raw_headers
                if name.lower() not in _NOT_HANDED_ON
            ],
            content=body,
        )

    async def aclose(self) -> None:
        """Close the session."""
        await self._session.close()
