"""One aiohttp session as every provider gets it."""

import socket
import ssl
import sys
from collections.abc import Sequence
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from models.wire.bounded_response import BoundedResponse
from models.wire.fresh_connector import FreshConnector

CONNECT_SECONDS = 30.0
_KEEPALIVE_PROBE_SECONDS = 60
_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")
_READ_BUFFER_BYTES = 64_000  # twice as much is held of each reply before it is read


def open_session(
    base_url: str,
    middlewares: Sequence[aiohttp.ClientMiddlewareType] = (),
    tls: ssl.SSLContext | None = None,
) -> aiohttp.ClientSession:
    """Return a new session for calls to one address; its user closes it.

    tls: whose certificates are trusted, None for aiohttp's own choice.
    """
    return aiohttp.ClientSession(
        connector=FreshConnector(limit=0, socket_factory=_open_socket, ssl=tls or True),
        cookie_jar=aiohttp.DummyCookieJar(),
        # The whole call's deadline is BaseModel.complete's.
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
        proxy=_proxy(base_url),
        middlewares=middlewares,
        response_class=BoundedResponse,
        read_bufsize=_READ_BUFFER_BYTES,
    )


def _proxy(url: str) -> str | None:
    """Return the environment's proxy for an address; a server on this machine needs none.

    aiohttp's own trust_env would also read ~/.netrc before every request, and fail on a default
    entry in it, because the request has an Authorization header already.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host in _THIS_MACHINE or proxy_bypass(host):
        return None
    proxies = getproxies()
    for_all = proxies.get("all", "")
    return proxies.get(parts.scheme) or (for_all if for_all.startswith("http") else None)


def _open_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """Return a socket that probes a silent line: a reply may take minutes, NATs forget sooner."""
    family, kind, protocol, _, _ = address
    opened = socket.socket(family=family, type=kind, proto=protocol)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if sys.platform != "win32" and sys.platform != "darwin":
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _KEEPALIVE_PROBE_SECONDS)
    return opened
