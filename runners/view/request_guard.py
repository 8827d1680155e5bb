"""Which requests the local page answers: its own alone, whatever a browser was made to send.

A page elsewhere can make the user's browser send requests to this machine, and by DNS rebinding
under a name of its own: Host and Origin give it away.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Protocol

_NAMES = ("127.0.0.1", "localhost")
_HTTP_PORT = 80


class Headers(Protocol):
    """The headers of a request."""

    def getall(self, key: str, default: list[str], /) -> list[str]:
        """Return every value of a header."""


def refusal(method: str, target: str, headers: Headers, port: int) -> HTTPStatus | None:
    """Return why a request is not answered, None where it is.

    target: as it was sent, undecoded. port: where this server listens.
    """
    if not target.startswith("/"):  # the whole address of something, as proxies are asked
        return HTTPStatus.MISDIRECTED_REQUEST
    hosts = headers.getall("Host", [])
    if len(hosts) != 1 or hosts[0].lower() not in _own_hosts(port):
        return HTTPStatus.MISDIRECTED_REQUEST
    own_origins = {f"http://{host}" for host in _own_hosts(port)}
    if any(origin.lower() not in own_origins for origin in headers.getall("Origin", [])):
        return HTTPStatus.FORBIDDEN
    if _is_from_elsewhere(headers):
        return HTTPStatus.FORBIDDEN
    return None if method in ("GET", "HEAD") else HTTPStatus.METHOD_NOT_ALLOWED


def page_headers(policy: str) -> Mapping[str, str]:
    """Return the headers of every answer; policy: a Content-Security-Policy."""
    return {
        "Content-Security-Policy": f"{policy}; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-store",
    }


def _own_hosts(port: int) -> set[str]:
    plain = set(_NAMES) if port == _HTTP_PORT else set()
    return {f"{name}:{port}" for name in _NAMES} | plain


def _is_from_elsewhere(headers: Headers) -> bool:
    """Another site may link to a page, but neither load it into its own nor listen."""
    site = headers.getall("Sec-Fetch-Site", ["none"])[0]
    mode = headers.getall("Sec-Fetch-Mode", ["navigate"])[0]
    place = headers.getall("Sec-Fetch-Dest", ["document"])[0]
    return site not in ("none", "same-origin") and (mode, place) != ("navigate", "document")
